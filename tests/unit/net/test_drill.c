/*
 * Scripted exchanges in virtual time: the scripts of tests/unit/net/drill,
 * written from the RFCs in the language of packetdrill (tests/fakes/drill.h).
 * With arguments, those files instead: `make packetdrill`.
 */
#include "tests/fakes/drill.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { SCRIPTS_MAX = 1000 };

static void test_script(void **state)
{
    const char *why;

    switch (drill_run(*state, &why)) {
    case DRILL_PASSED:
        break;
    case DRILL_UNSUPPORTED:
        print_message("unsupported: %s: %s\n", (const char *)*state, why);
        skip();
        break;
    case DRILL_FAILED:
        fail_msg("%s: %s", (const char *)*state, why);
    }
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[SCRIPTS_MAX];
    size_t count = 0;
    glob_t own;
    int failed;

    if (argc < 2 && glob("tests/unit/net/drill/*.pkt", 0, NULL, &own) != 0)
        return 1;
    for (size_t i = 0; argc < 2 && i < own.gl_pathc; i++)
        tests[count++] = (struct CMUnitTest){own.gl_pathv[i], test_script, NULL,
                                             NULL, own.gl_pathv[i]};
    for (int i = 1; i < argc && count < SCRIPTS_MAX; i++)
        tests[count++] =
            (struct CMUnitTest){argv[i], test_script, NULL, NULL, argv[i]};
    failed = _cmocka_run_group_tests("drill", tests, count, NULL, NULL);
    if (argc < 2)
        globfree(&own);
    return failed;
}
