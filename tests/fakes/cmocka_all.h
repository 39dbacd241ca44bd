/* CMocka and what it wants before it. */
#ifndef TORC_TESTS_FAKES_CMOCKA_ALL_H
#define TORC_TESTS_FAKES_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h follows */
#include <cmocka.h>

/* A row of a table failed: say which before the assertion that says how. */
#define ROW(name, holds)                                \
    do {                                                \
        if (!(holds))                                   \
            fail_msg("row \"%s\": %s", (name), #holds); \
    } while (0)

#endif
