/* What options may be: rows of tables, and the values that a line has. */
#include "kernel/base/cmdline.h"
#include "kernel/base/options.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/thread.h>

static char output[8192];

static const char *const rows[] = {
    "number=2..300 a number",
    "word=on|off a switch",
    "either=slow|-1|0..9|NAME.. anything",
    "mixed=fast|0..9 a word or a number",
    "text=TEXT what you like",
    "nothing=",
    "bare",
    "first=0..9|last a number or a word",
    "huge=0..18446744073709551615 all numbers",
    "odd=5..x no range",
    "dot=5.6 no range",
    "long=1..5|123456789012345678901234..5 one range",
    "over=99999999999999999999..5 no range",
    NULL,
};

static const struct torc_app app = {.name = "app", .options = rows};

/* In a machine, whose console is the output: 0 or 1. */
static int check(void *arg)
{
    if (cmdline_parse(arg, &app) != 0)
        return 2;
    return options_check(rows) == 0 ? 0 : 1;
}

static void test_options_values(void **state)
{
    static const struct {
        const char *line;
        const char *says; /* NULL: it may be so */
    } table[] = {
        {"", NULL},
        {"number=2", NULL},
        {"number=300", NULL},
        {"number=0x10", NULL},
        {"number=1", "number=1: give a number from 2 to 300"},
        {"number=301", "number=301: give a number from 2 to 300"},
        {"number=", "number=: give a number from 2 to 300"},
        {"number=2x", "number=2x: give a number from 2 to 300"},
        {"number=99999999999999999999", "give a number from 2 to 300"},
        {"number=5 number=1", "number=1: give"},
        {"number=1 number=5", "number=1: give"},
        {"-- number=1", "number=1: give"},
        {"word=on", NULL},
        {"word=off", NULL},
        {"word=of", "word=of: use on|off"},
        {"word=on|off", "word=on|off: use on|off"},
        {"word=", "word=: use on|off"},
        {"either=whatever", NULL},
        {"mixed=fast", NULL},
        {"mixed=9", NULL},
        {"mixed=10", "mixed=10: use fast|0..9"},
        {"text=", NULL},
        {"text=a", NULL},
        {"nothing=", NULL},
        {"nothing=x", NULL},
        {"bare=x", NULL},
        {"first=10", "first=10: use 0..9|last"},
        {"first=last", NULL},
        {"huge=18446744073709551615", NULL},
        {"odd=6", "odd=6: use 5..x"},
        {"dot=5.6", NULL},
        {"dot=6", "dot=6: use 5.6"},
        {"long=5", NULL},
        {"long=6", "long=6: use 1..5|123456789012345678901234..5"},
        {"over=5", "over=5: use 99999999999999999999..5"},
        {"numbe=1 numbers=1 unknown=1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int status =
            machine_run_output(1, 8 << 20, "", check, (void *)table[i].line,
                               output, sizeof(output));

        ROW(table[i].line, status == (table[i].says != NULL));
        if (table[i].says != NULL)
            ROW(table[i].line, strstr(output, table[i].says) != NULL);
        else
            ROW(table[i].line, strstr(output, "error: ") == NULL);
    }
}

static void test_options_rows_by_key(void **state)
{
    (void)state;
    assert_true(option_row_is("key=VALUE what", "key"));
    assert_true(option_row_is("key", "key"));
    assert_false(option_row_is("key=VALUE what", "ke"));
    assert_false(option_row_is("key=VALUE what", "keys"));
    assert_false(option_row_is("key=VALUE what", ""));
    assert_false(option_row_is("key", "key=VALUE"));
}

static int print(void *arg)
{
    static const char *const nothing[] = {NULL};

    (void)arg;
    options_print("no table", NULL);
    options_print("an empty one", nothing);
    options_print("this test", rows);
    return 0;
}

static void test_options_help(void **state)
{
    static const char *const lines[] = {
        "options of this test:\n",
        "\n  number=2..300             a number\n",
        "\n  nothing=\n",
        "\n  bare\n",
        "\n  huge=0..18446744073709551615 all numbers\n",
    };

    (void)state;
    assert_int_equal(
        machine_run_output(1, 8 << 20, "", print, NULL, output, sizeof(output)),
        0);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        ROW(lines[i], strstr(output, lines[i]) != NULL);
    assert_null(strstr(output, "no table"));
    assert_null(strstr(output, "an empty one"));
}

static int never(void *arg)
{
    (void)arg;
    return 5;
}

/* help= prints the kernel's, and ends before the application. */
static void test_options_help_ends(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(2, 8 << 20, "log=loud help=", never,
                                        NULL, output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "options of the kernel:\n  cpus=1..256 "));
    assert_null(strstr(output, "error: "));
}

static int count_cpus(void *arg)
{
    (void)arg;
    return (int)cpu_count();
}

static void test_options_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(3, 8 << 20, "cpus=2", count_cpus, NULL,
                                        output, sizeof(output)),
                     2);
    assert_non_null(strstr(output, "2 CPUs: "));
    assert_int_equal(machine_run_output(2, 8 << 20, "cpus=256", count_cpus,
                                        NULL, output, sizeof(output)),
                     2);
    assert_int_equal(machine_run_output(2, 8 << 20, "cpus=0", count_cpus, NULL,
                                        output, sizeof(output)),
                     2);
    assert_non_null(strstr(output, "cpus=0: give a number from 1 to 256"));
}

static int ask_number(void *arg)
{
    uint64_t value = 77;

    if (cmdline_parse(arg, &app) != 0)
        return 100;
    return option_number("cpus", &value) == 0 ? (int)value : 101;
}

static void test_options_number(void **state)
{
    static const struct {
        const char *line;
        int answer;
    } table[] = {{"", 77}, {"cpus=3", 3}, {"cpus=0", 101}, {"cpus=x", 101}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        ROW(table[i].line,
            machine_run_output(1, 8 << 20, "", ask_number,
                               (void *)(uintptr_t)table[i].line, output,
                               sizeof(output)) == table[i].answer);
}

/* The limits of the rows are those of the rooms. */
static void test_options_agree_with_rooms(void **state)
{
    char stack[40];
    const char *const *row = kernel_options;

    (void)state;
    (void)snprintf(stack, sizeof(stack), "stack=%d..%d ",
                   THREAD_STACK_MIN / 1024, THREAD_STACK_MAX / 1024);
    while (*row != NULL && !option_row_is(*row, "stack"))
        row++;
    assert_non_null(*row);
    assert_memory_equal(*row, stack, strlen(stack));
}

/* Every row is of a form that the check knows, in the order of the keys. */
static void test_options_rows_are_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; kernel_options[i] != NULL; i++) {
        const char *row = kernel_options[i];

        ROW(row, strchr(row, '=') != NULL && strchr(row, '=') - row < 32);
        ROW(row, strchr(row, ' ') > strchr(row, '='));
        ROW(row, i == 0 || strcmp(kernel_options[i - 1], row) < 0);
        ROW(row, strchr(row, ' ') - row < 80);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_values),
        cmocka_unit_test(test_options_rows_by_key),
        cmocka_unit_test(test_options_help),
        cmocka_unit_test(test_options_help_ends),
        cmocka_unit_test(test_options_cpus),
        cmocka_unit_test(test_options_number),
        cmocka_unit_test(test_options_agree_with_rooms),
        cmocka_unit_test(test_options_rows_are_well_formed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
