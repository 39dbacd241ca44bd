/* What all fuzzers share that state what must hold. */
#ifndef TORC_TESTS_FUZZ_MUST_H
#define TORC_TESTS_FUZZ_MUST_H

#include <stdbool.h>
#include <stdlib.h>

/* A property does not hold: the input is kept. */
static inline void must(bool holds)
{
    if (!holds)
        abort();
}

#endif
