/*
 * Words of the command line before the kernel reads it. The source is pure, so
 * it is included: the hosted archive does not hold bare metal's.
 */
#include "hal/baremetal/base/words.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>

static void test_words(void **state)
{
    static const struct {
        const char *line;
        bool given; /* whether there is a value of "idle=" */
        bool hlt;   /* and it is "hlt" */
    } rows[] = {
        {"", false, false},
        {"idle=hlt", true, true},
        {"idle=hlt ", true, true},
        {"a idle=hlt\tb", true, true},
        {"a\nidle=hlt\nb", true, true},
        {"idle=hl", true, false},
        {"idle=hlts", true, false},
        {"idle=", true, false},
        {"idle", false, false},
        {"xidle=hlt", false, false},
        {"idle=mwait idle=hlt", true, true},
        {"idle=hlt idle=mwait", true, false},
        {"-- idle=hlt", false, false},
        {"idle=hlt -- idle=mwait", true, true},
        {"--x idle=hlt", true, true},
        {"a=\"b idle=hlt c\"", false, false},
        {"a=\"b\" idle=hlt", true, true},
        {"a=\"b idle=hlt", false, false},
        {"a=\"-- b\" idle=hlt", true, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *value = words_value(rows[i].line, "idle=");

        ROW(rows[i].line, (value != NULL) == rows[i].given);
        ROW(rows[i].line,
            (value != NULL && words_is(value, "hlt")) == rows[i].hlt);
    }
}

static void test_words_cpus(void **state)
{
    static const struct {
        const char *line;
        unsigned count; /* of 64 */
    } rows[] = {
        {"", 64},           {"cpus=1", 1},         {"cpus=63 x", 63},
        {"cpus=64", 64},    {"cpus=65", 64},       {"cpus=256", 64},
        {"cpus=0", 64},     {"cpus=", 64},         {"cpus=1x", 64},
        {"cpus=-1", 64},    {"cpus=0x10", 16},     {"cpus=1 cpus=2", 2},
        {"-- cpus=1", 64},  {"cpus=0000001", 1},   {"cpus=00000001", 64},
        {"cpus=\"1\"", 64}, {"a=\" cpus=1\"", 64},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].line, words_cpus(rows[i].line, 64) == rows[i].count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_words_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
