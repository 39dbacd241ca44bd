/* The arguments of torc-fuse. */
#include "tests/fakes/cmocka_all.h"
#include "tools/fuse/host/args.c"
#include <torc/compiler.h>

enum { WORDS_MAX = 8 };

static struct fuse_config config;
static char error[256];

/* Words between blanks, as the arguments behind the name of the program. */
static enum args_result parse(const char *line)
{
    static char text[1024];
    char *argv[WORDS_MAX + 2] = {(char[]){"torc-fuse"}};
    char *rest = text;
    int argc = 1;

    snprintf(text, sizeof(text), "%s", line);
    while (rest != NULL && *rest != '\0' && argc <= WORDS_MAX)
        argv[argc++] = strsep(&rest, " ");
    error[0] = '\0';
    return args_parse(argc, argv, &config, error, sizeof(error));
}

static void test_what_is_not_said(void **state)
{
    (void)state;
    assert_int_equal(parse("img dir"), ARGS_RUN);
    assert_string_equal(config.image.path, "img");
    assert_string_equal(config.mountpoint, "dir");
    assert_false(config.image.read_only || config.foreground || config.debug ||
                 config.writeback || config.no_permissions);
    assert_int_equal(config.image.offset, 0);
    assert_int_equal(config.image.partition, 0);
    assert_int_equal(config.mem_bytes, (size_t)256 << 20);
    assert_string_equal(config.mount_options,
                        "fsname=img,subtype=torc,default_permissions");
}

static void test_options(void **state)
{
    (void)state;
    assert_int_equal(parse("-f -o ro,offset=4096,mem=1g -o allow_other,nosuid "
                           "img dir"),
                     ARGS_RUN);
    assert_true(config.foreground && config.image.read_only);
    assert_int_equal(config.image.offset, 4096);
    assert_int_equal(config.mem_bytes, (size_t)1 << 30);
    assert_string_equal(config.mount_options,
                        "allow_other,nosuid,fsname=img,subtype=torc,ro,"
                        "default_permissions");
    assert_int_equal(parse("img -o part=3,writeback dir -d"), ARGS_RUN);
    assert_int_equal(config.image.partition, 3);
    assert_true(config.writeback && config.debug && config.foreground);
    assert_int_equal(parse("-o size=10m,inodes=7,no_default_permissions "
                           "--memory dir"),
                     ARGS_RUN);
    assert_null(config.image.path);
    assert_string_equal(config.mountpoint, "dir");
    assert_int_equal(config.limit_bytes, 10 << 20);
    assert_int_equal(config.limit_inodes, 7);
    assert_string_equal(config.mount_options, "fsname=memory,subtype=torc");
    assert_int_equal(parse("--help"), ARGS_HELP);
    assert_int_equal(parse("-V"), ARGS_VERSION);
}

/* libfuse takes a comma for the end of a value. */
static void test_names_are_escaped(void **state)
{
    (void)state;
    assert_int_equal(parse("a,b\\c dir"), ARGS_RUN);
    assert_string_equal(config.mount_options, "fsname=a\\,b\\\\c,subtype=torc,"
                                              "default_permissions");
    assert_int_equal(parse("-o fsname=n img dir"), ARGS_RUN);
    assert_non_null(strstr(config.mount_options, "fsname=n,"));
}

static void test_wrong_arguments(void **state)
{
    /* clang-format off */
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"", "give two names"},
        {"img", "give two names"},
        {"img dir more", "give two names"},
        {"--memory", "give one name"},
        {"--memory img dir", "give one name"},
        {"-x img dir", "-x: there is no such option"},
        {"--long img dir", "--long: there is no such option"},
        {"img dir -o", "lacks its value"},
        {"-o nonsense img dir", "-o nonsense: there is no such option"},
        {"-o ro=1 img dir", "-o ro: it takes no value"},
        {"-o rw=1 img dir", "-o rw: it takes no value"},
        {"-o suid=1 img dir", "-o suid: it takes no value"},
        {"-o mem img dir", "-o mem=SIZE: give a size"},
        {"-o mem= img dir", "-o mem=SIZE: give a size"},
        {"-o mem=-1 img dir", "-o mem=SIZE: give a size"},
        {"-o mem=1x img dir", "-o mem=SIZE: give a size"},
        {"-o mem=1mm img dir", "-o mem=SIZE: give a size"},
        {"-o mem=99999999999999999999 img dir", "-o mem=SIZE: give a size"},
        {"-o mem=18014398509481984k img dir", "-o mem=SIZE: give a size"},
        {"-o mem=7m img dir", "too little, at least 8m"},
        {"-o offset=511 img dir", "a multiple of 512"},
        {"-o part=0 img dir", "a number from 1 to 128"},
        {"-o part=129 img dir", "a number from 1 to 128"},
        {"-o part=1k img dir", "a number from 1 to 128"},
        {"-o part=1,offset=512 img dir", "give one of them"},
        {"-o size=1m img dir", "they are for --memory"},
        {"-o part=1 --memory dir", "they are for images"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].line, parse(rows[i].line) == ARGS_WRONG);
        ROW(rows[i].line, strstr(error, rows[i].text) != NULL);
    }
}

static void test_options_that_are_too_long(void **state)
{
    static char line[900];
    int at = snprintf(line, sizeof(line), "-o fsname=");

    (void)state;
    memset(line + at, 'n', 600);
    strcpy(line + at + 600, " img dir");
    assert_int_equal(parse(line), ARGS_WRONG);
    assert_non_null(strstr(error, "too long"));
}

/* The text of the help names every option, and so does the manual page. */
static void test_every_option_is_in_the_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        const char *word = option_rows[i].word;

        if (strcmp(word, "default_permissions") != 0)
            ROW(word, strstr(args_help, word) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_said),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_options_that_are_too_long),
        cmocka_unit_test(test_every_option_is_in_the_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
