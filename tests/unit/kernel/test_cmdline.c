#include "kernel/base/boot_info.h"
#include "kernel/base/cmdline.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <string.h>
#include <torc/errno.h>

static const char *const options[] = {"port", "root", NULL};

/* One that takes arguments anywhere, one that has options, one with neither. */
static const struct torc_app takes = {.name = "app", .has_arguments = true};
static const struct torc_app server = {.name = "app", .options = options};
static const struct torc_app plain = {.name = "app"};

static int parse(const char *line)
{
    return cmdline_parse(line, &takes);
}

/*
 * A line for each application: its arguments and the words nobody knows, in
 * that order, when the kernel has asked for log= and the drivers for
 * virtio_mmio.device=.
 */
static void test_cmdline_whose_words(void **state)
{
    static const struct {
        const char *name;
        const struct torc_app *app;
        const char *line, *arguments, *unknown;
    } rows[] = {
        {"an argument", &takes, "one log=info", "one", ""},
        {"an unknown option", &takes, "one a=1", "one", "a=1"},
        {"behind --", &takes, "log=info -- log=a b", "log=a b", ""},
        {"its option", &server, "port=1 log=info", "", ""},
        {"its option behind --", &server, "-- port=1", "", ""},
        {"another one behind --", &server, "-- porta=1", "porta=1", ""},
        {"the kernel's behind --", &server, "-- log=info", "log=info", ""},
        {"a word", &server, "rw port=1", "", "rw"},
        {"a word like an option", &server, "port", "", "port"},
        {"a word behind --", &server, "rw -- rw", "rw", "rw"},
        {"other loaders", &server,
         "BOOT_IMAGE=/x reboot=k panic=1 pci=off root=/dev/vda rw quiet", "",
         "BOOT_IMAGE=/x reboot=k panic=1 pci=off rw quiet"},
        {"nobody's", &plain, "port=1 a", "", "port=1 a"},
        {"a device", &plain, "a virtio_mmio.device=1", "", "a"},
        {"a device behind --", &plain, "-- a virtio_mmio.device=1", "a", ""},
        {"the second --", &plain, "-- -- --", "-- --", ""},
        {"a word like the kernel's", &plain, "log", "", "log"},
        {"an empty value", &server, "port= x=", "", "x="},
        {"an empty word", &server, "\"\" --", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char arguments[100] = "";
        char unknown[100];

        ROW(rows[i].name, cmdline_parse(rows[i].line, rows[i].app) == 0);
        (void)machine_option("log");
        (void)cmdline_value("virtio_mmio.device", 0);
        ROW(rows[i].name, strcmp(cmdline_argv()[0], "app") == 0);
        for (int k = 1; k < cmdline_argc(); k++) {
            strcat(arguments, k > 1 ? " " : "");
            strcat(arguments, cmdline_argv()[k]);
        }
        ROW(rows[i].name, cmdline_argv()[cmdline_argc()] == NULL);
        (void)cmdline_unknown(unknown, sizeof(unknown));
        ROW(rows[i].name, strcmp(arguments, rows[i].arguments) == 0);
        ROW(rows[i].name, strcmp(unknown, rows[i].unknown) == 0);
    }
}

static void test_cmdline_values_of_both_sides(void **state)
{
    (void)state;
    assert_int_equal(cmdline_parse("port=1 -- port=2", &server), 0);
    assert_string_equal(machine_option("port"), "2");
    assert_int_equal(
        cmdline_parse("virtio_mmio.device=1 x -- y virtio_mmio.device=2",
                      &plain),
        0);
    assert_string_equal(cmdline_value("virtio_mmio.device", 0), "1");
    assert_string_equal(cmdline_value("virtio_mmio.device", 1), "2");
    assert_null(cmdline_value("virtio_mmio.device", 2));
}

/* What does not fit is cut; how many there are is right. */
static void test_cmdline_unknown_is_cut(void **state)
{
    char unknown[8];

    (void)state;
    assert_int_equal(cmdline_parse("ab=cd efgh i", &plain), 0);
    assert_int_equal(cmdline_unknown(unknown, sizeof(unknown)), 3);
    assert_string_equal(unknown, "ab=cd e");
    assert_int_equal(cmdline_parse("", &plain), 0);
    assert_int_equal(cmdline_unknown(unknown, sizeof(unknown)), 0);
    assert_string_equal(unknown, "");
}

/* Questions after cmdline_unknown() change nothing: any CPU may ask. */
static void test_cmdline_late_questions(void **state)
{
    char unknown[20];

    (void)state;
    assert_int_equal(cmdline_parse("a=1 b=2", &plain), 0);
    assert_string_equal(machine_option("a"), "1");
    assert_int_equal(cmdline_unknown(unknown, sizeof(unknown)), 1);
    assert_string_equal(machine_option("b"), "2");
    assert_int_equal(cmdline_unknown(unknown, sizeof(unknown)), 1);
    assert_string_equal(unknown, "b=2");
}

static void test_cmdline_splits(void **state)
{
    (void)state;
    assert_int_equal(parse("  a=1\tone two  b=x=y "), 0);
    assert_int_equal(cmdline_argc(), 3);
    assert_string_equal(cmdline_argv()[0], "app");
    assert_string_equal(cmdline_argv()[1], "one");
    assert_string_equal(cmdline_argv()[2], "two");
    assert_null(cmdline_argv()[3]);
    assert_string_equal(machine_option("a"), "1");
    assert_string_equal(machine_option("b"), "x=y");
    assert_null(machine_option("c"));
}

static void test_cmdline_blanks(void **state)
{
    static const char *const lines[] = {
        "one two",        " one  two ",     "\tone\ttwo\t",
        "\t\tone\t\ttwo", "\none\ntwo\n\n", "\n one\n\t two",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ROW(lines[i], parse(lines[i]) == 0);
        ROW(lines[i], cmdline_argc() == 3);
        ROW(lines[i], strcmp(cmdline_argv()[1], "one") == 0);
        ROW(lines[i], strcmp(cmdline_argv()[2], "two") == 0);
    }
}

static void test_cmdline_last_value_wins(void **state)
{
    (void)state;
    assert_int_equal(parse("d=1 d=2 d=3"), 0);
    assert_string_equal(machine_option("d"), "3");
    assert_string_equal(cmdline_value("d", 0), "1");
    assert_string_equal(cmdline_value("d", 2), "3");
    assert_null(cmdline_value("d", 3));
}

static void test_cmdline_quotes(void **state)
{
    (void)state;
    assert_int_equal(parse("t=\"a b\" \"c d=e\" f=\"\""), 0);
    assert_string_equal(machine_option("t"), "a b");
    assert_string_equal(machine_option("f"), "");
    assert_string_equal(cmdline_argv()[1], "c d=e");
    assert_int_equal(parse("\"open"), -EINVAL);
}

static void test_cmdline_limits(void **state)
{
    char line[CMDLINE_MAX + 1];
    char unknown[8];

    (void)state;
    memset(line, 'a', sizeof(line));
    line[CMDLINE_MAX] = '\0';
    assert_int_equal(parse(line), -E2BIG);
    line[CMDLINE_MAX - 1] = '\0';
    assert_int_equal(parse(line), 0);
    assert_int_equal(strlen(cmdline_argv()[1]), CMDLINE_MAX - 1);

    for (int i = 0; i < CMDLINE_ARGS_MAX; i++)
        memcpy(line + 2 * i, "a ", 3);
    assert_int_equal(parse(line), -E2BIG);
    line[2 * (CMDLINE_ARGS_MAX - 1)] = '\0';
    assert_int_equal(parse(line), 0);
    assert_int_equal(cmdline_argc(), CMDLINE_ARGS_MAX);

    for (int i = 0; i <= CMDLINE_ARGS_MAX; i++)
        memcpy(line + 4 * i, "a=b ", 5);
    assert_int_equal(parse(line), -E2BIG);
    line[4 * CMDLINE_ARGS_MAX] = '\0';
    assert_int_equal(parse(line), 0);
    assert_int_equal(cmdline_unknown(unknown, sizeof(unknown)),
                     CMDLINE_ARGS_MAX);
}

/* Of the words of a line before nothing is left. */
static void test_cmdline_forgets(void **state)
{
    char unknown[20];

    (void)state;
    assert_int_equal(cmdline_parse("aa=1 b=2", &plain), 0);
    assert_int_equal(cmdline_parse("aa=1", &plain), 0);
    assert_null(cmdline_value("b", 0));
    assert_null(machine_option("b"));
    assert_int_equal(cmdline_unknown(unknown, sizeof(unknown)), 1);
    assert_string_equal(unknown, "aa=1");
}

static void test_cmdline_empty(void **state)
{
    (void)state;
    assert_int_equal(parse(""), 0);
    assert_int_equal(cmdline_argc(), 1);
    assert_int_equal(parse("=x"), 0);
    assert_string_equal(cmdline_argv()[1], "=x");
}

/* A module is one of settings by its first line, which has nothing else. */
static void test_modules_with_settings(void **state)
{
    static const struct {
        const char *text;
        bool has;
    } rows[] = {
        {"#torc settings\n", true},
        {"#torc settings\r\n", true},
        {"#torc settings\na=b", true},
        {"#torc settings", false},
        {"#torc setting\n\n", false},
        {"#torc settings a", false},
        {"", false},
        {"\n#torc settings\n", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct hal_module module = {(const uint8_t *)rows[i].text,
                                          strlen(rows[i].text)};

        ROW(rows[i].text, boot_module_has_settings(&module) == rows[i].has);
    }
    /* what is behind it is not looked at */
    assert_false(boot_module_has_settings(&(struct hal_module){
        (const uint8_t *)"#torc settings\n", strlen("#torc settings")}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmdline_splits),
        cmocka_unit_test(test_cmdline_blanks),
        cmocka_unit_test(test_cmdline_last_value_wins),
        cmocka_unit_test(test_cmdline_quotes),
        cmocka_unit_test(test_cmdline_whose_words),
        cmocka_unit_test(test_cmdline_values_of_both_sides),
        cmocka_unit_test(test_cmdline_unknown_is_cut),
        cmocka_unit_test(test_cmdline_late_questions),
        cmocka_unit_test(test_cmdline_limits),
        cmocka_unit_test(test_cmdline_forgets),
        cmocka_unit_test(test_cmdline_empty),
        cmocka_unit_test(test_modules_with_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
