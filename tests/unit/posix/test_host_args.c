/* The arguments of the hosted process. */
#include "hal/posix/host.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>

enum { WORDS_MAX = 8 };

static struct host_args args;

/* Parse words; they are copied, since the parser writes into them. */
static int parse(const char *const words[WORDS_MAX])
{
    static char copies[WORDS_MAX + 1][5000];
    char *argv[WORDS_MAX + 2] = {copies[WORDS_MAX]};
    int argc = 1;

    for (; argc <= WORDS_MAX && words[argc - 1] != NULL; argc++) {
        strcpy(copies[argc - 1], words[argc - 1]);
        argv[argc] = copies[argc - 1];
    }
    return host_args_parse(argc, argv, &args);
}

static void test_no_arguments_are_defaults(void **state)
{
    static const char *const none[WORDS_MAX] = {NULL};

    (void)state;
    assert_int_equal(parse(none), 0);
    assert_int_equal(args.config.cpus, 0);
    assert_int_equal(args.config.mem_bytes, 0);
    assert_int_equal(args.config.disk_count, 0);
    assert_int_equal(args.config.net_count, 0);
    assert_string_equal(args.config.cmdline, "");
}

/* clang-format off */
static const struct {
    const char *text;
    size_t bytes; /* 0: refused */
} sizes[] = {
    {"2m", 2u << 20}, {"64m", 64u << 20}, {"1g", 1u << 30},
    {"2048k", 2u << 20}, {"2097152", 2u << 20}, {"2097151", 0},
    {"1m", 0}, {"0", 0}, {"", 0}, {"m", 0}, {"-64m", 0}, {"64M", 0},
    {"64mb", 0}, {"6 4m", 0}, {"0x40m", 0}, {"99999999999999999999", 0},
    {"9999999999999999999999999999", 0}, {"18446744073709551615g", 0},
    {"8589934592g", 0},
};
/* clang-format on */

static void test_mem_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *const words[WORDS_MAX] = {"--mem", sizes[i].text, NULL};
        int err = parse(words);

        ROW(sizes[i].text, (err == 0) == (sizes[i].bytes != 0));
        ROW(sizes[i].text, args.config.mem_bytes == sizes[i].bytes);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    const char *words[WORDS_MAX];
    const char *error; /* a part of the line */
} refused[] = {
    {"no cpus", {"--cpus", "0"}, "1 to 256"},
    {"too many cpus", {"--cpus", "257"}, "1 to 256"},
    {"cpus not a number", {"--cpus", "two"}, "1 to 256"},
    {"cpus wrap", {"--cpus", "4294967297"}, "1 to 256"},
    {"no nodes", {"--nodes", "0"}, "1 to 64"},
    {"too many nodes", {"--nodes", "65"}, "1 to 64"},
    {"nodes not a number", {"--nodes", "2x"}, "1 to 64"},
    {"value missing", {"--cpus"}, "wants a value"},
    {"unknown option", {"--frobnicate"}, "unknown option '--frobnicate'"},
    {"single dash", {"-m", "64m"}, "unknown option '-m'"},
    {"disk without name", {"--disk", ""}, "name of a file"},
    {"disk only ro", {"--disk", ",ro"}, "name of a file"},
    {"module without name", {"--module="}, "name of a file"},
    {"net of no kind", {"--net", "eth0"}, "tap=NAME or user"},
    {"net empty", {"--net", ""}, "tap=NAME or user"},
    {"tap without name", {"--net", "tap="}, "1 to 15"},
    {"tap name too long", {"--net", "tap=abcdefghijklmnop"}, "1 to 15"},
    {"tap with hostfwd", {"--net", "tap=t,hostfwd=tcp::1-:1"}, "unknown"},
    {"net option unknown", {"--net", "user,foo=1"}, "unknown option 'foo=1'"},
    {"mac too short", {"--net", "user,mac=52:54:00:12:34"}, "mac="},
    {"mac of a group", {"--net", "user,mac=01:00:5e:00:00:01"}, "mac="},
    {"mac of nobody", {"--net", "user,mac=00:00:00:00:00:00"}, "mac="},
    {"mac with letters", {"--net", "user,mac=52:54:00:12:34:5g"}, "mac="},
    {"forward without guest", {"--net", "user,hostfwd=tcp::80"}, "give it as"},
    {"forward port 0", {"--net", "user,hostfwd=tcp::0-:80"}, "give it as"},
    {"forward port big", {"--net", "user,hostfwd=tcp::1-:65536"}, "give it as"},
    {"forward sctp", {"--net", "user,hostfwd=sctp::1-:1"}, "give it as"},
    {"forward address", {"--net", "user,hostfwd=tcp:1.2.3:1-:1"}, "give it as"},
    {"quote in a word", {"--", "a\"b"}, "double quotes"},
};
/* clang-format on */

static void test_nonsense_is_refused_with_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ROW(refused[i].name, parse(refused[i].words) != 0);
        ROW(refused[i].name, strstr(args.error, refused[i].error) != NULL);
        ROW(refused[i].name, strchr(args.error, '\n') == NULL);
    }
}

/* clang-format off */
static const struct {
    const char *name;
    const char *words[WORDS_MAX];
    const char *cmdline;
} lines[] = {
    {"after --", {"--", "a", "b=c"}, "a b=c"},
    {"without --", {"--cpus", "2", "a", "--cpus"}, "a --cpus"},
    {"a second --", {"--", "a", "--", "-b"}, "a -- -b"},
    {"blanks are quoted", {"--", "a b"}, "\"a b\""},
    {"blanks in a value", {"--", "k=a b"}, "k=\"a b\""},
    {"blanks in both", {"--", "k l=a b"}, "\"k l=a b\""},
    {"nothing", {"--", ""}, "\"\""},
    {"option with =", {"--cpus=2", "--mem=4m", "x"}, "x"},
};
/* clang-format on */

static void test_words_become_the_command_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ROW(lines[i].name, parse(lines[i].words) == 0);
        ROW(args.config.cmdline,
            strcmp(args.config.cmdline, lines[i].cmdline) == 0);
    }
}

static void test_command_line_has_a_limit(void **state)
{
    static char word[HOST_CMDLINE_MAX + 1];
    const char *const words[WORDS_MAX] = {"--", word, NULL};

    (void)state;
    memset(word, 'x', HOST_CMDLINE_MAX - 1);
    assert_int_equal(parse(words), 0);
    assert_int_equal(strlen(args.config.cmdline), HOST_CMDLINE_MAX - 1);
    word[HOST_CMDLINE_MAX - 1] = 'x';
    assert_int_not_equal(parse(words), 0);
    assert_non_null(strstr(args.error, "longer than 4095 bytes"));
}

static void test_devices(void **state)
{
    static const char *const words[WORDS_MAX] = {
        "--disk",
        "a.img",
        "--disk=b.img,ro",
        "--net",
        "tap=t0",
        "--net",
        "user,mac=52:54:00:aa:bb:cc,"
        "hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp::53-10.0.2.16:5353",
        "--help"};
    const struct host_net_config *user = &args.nets[1];

    (void)state;
    assert_int_equal(parse(words), 0);
    assert_true(args.help);
    assert_int_equal(args.config.disk_count, 2);
    assert_string_equal(args.disks[0].path, "a.img");
    assert_false(args.disks[0].read_only);
    assert_string_equal(args.disks[1].path, "b.img");
    assert_true(args.disks[1].read_only);
    assert_int_equal(args.config.net_count, 2);
    assert_int_equal(args.nets[0].kind, HOST_NET_TAP);
    assert_string_equal(args.nets[0].tap, "t0");
    assert_int_equal(user->kind, HOST_NET_USER);
    assert_memory_equal(user->mac, "\x52\x54\x00\xaa\xbb\xcc", 6);
    assert_int_equal(user->forward_count, 2);
    assert_false(user->forward[0].udp);
    assert_int_equal(user->forward[0].host_address, 0x7f000001);
    assert_int_equal(user->forward[0].host_port, 8080);
    assert_int_equal(user->forward[0].guest_address, 0);
    assert_int_equal(user->forward[0].guest_port, 80);
    assert_true(user->forward[1].udp);
    assert_int_equal(user->forward[1].host_address, 0);
    assert_int_equal(user->forward[1].guest_address, 0x0a000210);
    assert_int_equal(user->forward[1].guest_port, 5353);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_arguments_are_defaults),
        cmocka_unit_test(test_mem_sizes),
        cmocka_unit_test(test_nonsense_is_refused_with_a_line),
        cmocka_unit_test(test_words_become_the_command_line),
        cmocka_unit_test(test_command_line_has_a_limit),
        cmocka_unit_test(test_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
