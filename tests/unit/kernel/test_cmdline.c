#include "kernel/cmdline.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>
#include <torc/errno.h>

static void test_cmdline_splits(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("  a=1\tone two  b=x=y ", "app"), 0);
    assert_int_equal(cmdline_argc(), 3);
    assert_string_equal(cmdline_argv()[0], "app");
    assert_string_equal(cmdline_argv()[1], "one");
    assert_string_equal(cmdline_argv()[2], "two");
    assert_null(cmdline_argv()[3]);
    assert_string_equal(machine_option("a"), "1");
    assert_string_equal(machine_option("b"), "x=y");
    assert_null(machine_option("c"));
}

static void test_cmdline_last_value_wins(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("d=1 d=2 d=3", "app"), 0);
    assert_string_equal(machine_option("d"), "3");
    assert_string_equal(cmdline_value("d", 0), "1");
    assert_string_equal(cmdline_value("d", 2), "3");
    assert_null(cmdline_value("d", 3));
}

static void test_cmdline_quotes(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("t=\"a b\" \"c d=e\" f=\"\"", "app"), 0);
    assert_string_equal(machine_option("t"), "a b");
    assert_string_equal(machine_option("f"), "");
    assert_string_equal(cmdline_argv()[1], "c d=e");
    assert_int_equal(cmdline_parse("\"open", "app"), -EINVAL);
}

static void test_cmdline_dashes_end_options(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("a=1 -- b=2 -- c", "app"), 0);
    assert_null(machine_option("b"));
    assert_int_equal(cmdline_argc(), 4);
    assert_string_equal(cmdline_argv()[1], "b=2");
    assert_string_equal(cmdline_argv()[2], "--");
    assert_string_equal(cmdline_argv()[3], "c");
}

static void test_cmdline_unknown_option(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("a=1 b=2 a=3", "app"), 0);
    assert_string_equal(machine_unknown_option(), "a");
    assert_non_null(machine_option("a"));
    assert_string_equal(machine_unknown_option(), "b");
    assert_non_null(cmdline_value("b", 0));
    assert_null(machine_unknown_option());
}

static void test_cmdline_limits(void **state)
{
    char line[CMDLINE_MAX + 1];

    (void)state;
    memset(line, 'a', sizeof(line));
    line[CMDLINE_MAX] = '\0';
    assert_int_equal(cmdline_parse(line, "app"), -E2BIG);
    line[CMDLINE_MAX - 1] = '\0';
    assert_int_equal(cmdline_parse(line, "app"), 0);
    assert_int_equal(strlen(cmdline_argv()[1]), CMDLINE_MAX - 1);

    for (int i = 0; i < CMDLINE_ARGS_MAX; i++)
        memcpy(line + 2 * i, "a ", 3);
    assert_int_equal(cmdline_parse(line, "app"), -E2BIG);
    line[2 * (CMDLINE_ARGS_MAX - 1)] = '\0';
    assert_int_equal(cmdline_parse(line, "app"), 0);
    assert_int_equal(cmdline_argc(), CMDLINE_ARGS_MAX);

    for (int i = 0; i <= CMDLINE_ARGS_MAX; i++)
        memcpy(line + 4 * i, "a=b ", 5);
    assert_int_equal(cmdline_parse(line, "app"), -E2BIG);
}

static void test_cmdline_empty(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("", "app"), 0);
    assert_int_equal(cmdline_argc(), 1);
    assert_int_equal(cmdline_parse("=x", "app"), 0);
    assert_string_equal(cmdline_argv()[1], "=x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmdline_splits),
        cmocka_unit_test(test_cmdline_last_value_wins),
        cmocka_unit_test(test_cmdline_quotes),
        cmocka_unit_test(test_cmdline_dashes_end_options),
        cmocka_unit_test(test_cmdline_unknown_option),
        cmocka_unit_test(test_cmdline_limits),
        cmocka_unit_test(test_cmdline_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
