/* The arguments of the hosted process. */
#include "hal/posix/host/args.h"
#include "tests/fakes/cmocka_all.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <torc/compiler.h>

enum { WORDS_MAX = 20 };

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
    assert_null(args.config.capture.path);
    assert_string_equal(args.config.cmdline, "");
}

/* clang-format off */
static const struct {
    const char *text;
    size_t bytes; /* 0: refused */
} sizes[] = {
    {"2m", 2u << 20}, {"64m", 64u << 20}, {"1g", 1u << 30},
    {"2048k", 2u << 20}, {"2097152", 2u << 20}, {"2097151", 0},
    {"2047k", 0}, {"2049k", 2049u << 10}, {"90m", 90u << 20},
    {"9223372036854775807", SIZE_MAX >> 1}, {"9223372036854775808", 0},
    {"9007199254740991k", (SIZE_MAX >> 1) - 1023}, {"9007199254740992k", 0},
    {"8796093022207m", (SIZE_MAX >> 1) - (1 << 20) + 1},
    {"8796093022208m", 0}, {"8589934591g", (SIZE_MAX >> 1) - (1 << 30) + 1},
    {"00000000000000000000064m", 64u << 20}, {"2mm", 0}, {"64b", 0},
    {"6:m", 0}, {"6/m", 0},
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
    {"one number too large", {"--cpus", "25:"}, "--cpus '25:': give a number"},
    {"cpus empty", {"--cpus="}, "--cpus '': give a number from 1 to 256"},
    {"nodes empty", {"--nodes="}, "--nodes '': give a number from 1 to 64"},
    {"mem empty", {"--mem", ""}, "--mem '': give a size such as 64m"},
    {"mem only a unit", {"--mem", "m"}, "--mem 'm': give a size such as 64m"},
    {"mem too small", {"--mem", "1m"}, "'1m': too small, at least 2m"},
    {"mem of 23 digits", {"--mem", "99999999999999999999999"}, "give a size"},
    {"mem of 24 digits", {"--mem", "999999999999999999999999"},
     "the number is too long"},
    {"mem of 24 digits and a unit", {"--mem", "000000000000000000000064m"},
     "the number is too long"},
    {"the first error counts", {"--cpus", "0", "--mem", "1"}, "--cpus"},
    {"the first error of a net", {"--net", "user,foo=1,bar=2"}, "'foo=1'"},
    {"value of the last option missing", {"--cpus", "1", "--mem"},
     "--mem wants a value, see --help"},
    {"value for --help", {"--help=1"}, "unknown option '--help'"},
    {"no nodes", {"--nodes", "0"}, "1 to 64"},
    {"too many nodes", {"--nodes", "65"}, "1 to 64"},
    {"nodes not a number", {"--nodes", "2x"}, "1 to 64"},
    {"value missing", {"--cpus"}, "wants a value"},
    {"unknown option", {"--frobnicate"}, "unknown option '--frobnicate'"},
    {"single dash", {"-m", "64m"}, "unknown option '-m'"},
    {"disk without name", {"--disk", ""}, "name of a file"},
    {"disk only ro", {"--disk", ",ro"}, "name of a file"},
    {"disk only options", {"--disk=,direct,engine=uring"}, "name of a file"},
    {"module without name", {"--module="}, "name of a file"},
    {"pcap without name", {"--pcap="}, "name of a file"},
    {"pcap only snap", {"--pcap", ",snap=9"}, "name of a file"},
    {"pcap twice", {"--pcap=a", "--pcap=b"}, "one file has all cards"},
    {"snap of nothing", {"--pcap", "a,snap=0"}, "'a,snap=0': give a number"},
    {"snap empty", {"--pcap", "a,snap="}, "such as snap=128"},
    {"snap too large", {"--pcap", "a,snap=4294967296"}, "such as snap=128"},
    {"snap in letters", {"--pcap", "a,snap=x"}, "such as snap=128"},
    {"net of no kind", {"--net", "eth0"}, "tap=NAME, user, link:NAME or"},
    {"net empty", {"--net", ""}, "tap=NAME, user, link:NAME or"},
    {"tap without name", {"--net", "tap="}, "1 to 15"},
    {"tap name too long", {"--net", "tap=abcdefghijklmnop"}, "1 to 15"},
    {"user with large", {"--net", "user,large"}, "unknown option 'large'"},
    {"user with plain", {"--net", "user,plain"}, "unknown option 'plain'"},
    {"link without a name", {"--net", "link:"}, "a name of 1 to 31"},
    {"link with a long name",
     {"--net", "link:12345678901234567890123456789012"}, "1 to 31 letters"},
    {"link with hostfwd", {"--net", "link:a,hostfwd=tcp::1-:1"}, "unknown"},
    {"link with large", {"--net", "link:a,large"}, "unknown option 'large'"},
    {"loss without percent", {"--net", "link:a,loss=1"},
     "--net link,loss=1: give it as loss=1%"},
    {"loss of nothing", {"--net", "link:a,loss=%"}, "loss=1%"},
    {"loss of a point", {"--net", "link:a,loss=.%"}, "loss=1%"},
    {"loss of too much", {"--net", "link:a,loss=100.0001%"}, "loss=1%"},
    {"loss of much too much", {"--net", "link:a,loss=99999999999999999999%"},
     "loss=1%"},
    {"loss too fine", {"--net", "link:a,loss=0.00001%"}, "loss=1%"},
    {"loss of two points", {"--net", "link:a,loss=1.2.3%"}, "loss=1%"},
    {"loss and more", {"--net", "link:a,loss=1%x"}, "loss=1%"},
    {"dup negative", {"--net", "link:a,dup=-1%"}, "dup=0.1%"},
    {"reorder empty", {"--net", "link:a,reorder="}, "reorder=2%"},
    {"corrupt with a word", {"--net", "link:a,corrupt=much%"}, "corrupt=0.01%"},
    {"delay without unit", {"--net", "link:a,delay=1"}, "delay=20ms"},
    {"delay with a bad unit", {"--net", "link:a,delay=1h"}, "delay=20ms"},
    {"delay without number", {"--net", "link:a,delay=ms"}, "delay=20ms"},
    {"delay too long", {"--net", "link:a,delay=4611686019s"}, "delay=20ms"},
    {"delay of many digits",
     {"--net", "link:a,delay=000000000000000000001s"}, "delay=20ms"},
    {"jitter in halves", {"--net", "link:a,jitter=1.5ms"}, "jitter=500us"},
    {"rate of nothing", {"--net", "link:a,rate=0"}, "rate=100m"},
    {"rate in bytes", {"--net", "link:a,rate=1mb"}, "rate=100m"},
    {"queue of nothing", {"--net", "link:a,queue=0"}, "queue=100"},
    {"queue too long", {"--net", "link:a,queue=1025"}, "queue=100"},
    {"mtu too small", {"--net", "link:a,mtu=67"}, "mtu=1500 (68 to 65500)"},
    {"mtu too large", {"--net", "link:a,mtu=65501"}, "mtu=1500"},
    {"unix without a path", {"--net", "unix:,peer=b"}, "1 to 107 letters"},
    {"unix without a peer", {"--net", "unix:a"}, "unix:a: give the other end"},
    {"peer without a path", {"--net", "unix:a,peer="}, "1 to 107 letters"},
    {"peer of a link", {"--net", "link:a,peer=b"}, "option 'peer=b'"},
    {"unix with large", {"--net", "unix:a,peer=b,large"}, "option 'large'"},
    {"path too long",
     {"--net", "unix:a,peer=" /* 108 letters */
               "123456789012345678901234567890123456789012345678901234"
               "123456789012345678901234567890123456789012345678901234"},
     "1 to 107 letters"},
    {"seed with letters", {"--net", "link:a,seed=0x1"}, "seed=7"},
    {"link option unknown", {"--net", "link:a,foo=1"}, "option 'foo=1'"},
    {"tap with hostfwd", {"--net", "tap=t,hostfwd=tcp::1-:1"}, "unknown"},
    {"net option unknown", {"--net", "user,foo=1"}, "unknown option 'foo=1'"},
    {"mac too short", {"--net", "user,mac=52:54:00:12:34"}, "mac="},
    {"mac of a group", {"--net", "user,mac=01:00:5e:00:00:01"}, "mac="},
    {"mac of nobody", {"--net", "user,mac=00:00:00:00:00:00"}, "mac="},
    {"mac too long", {"--net", "user,mac=52:54:00:12:34:567"}, "mac="},
    {"mac without colons", {"--net", "user,mac=5254:00:12:34:56:"}, "mac="},
    {"mac of seven", {"--net", "user,mac=52:54:00:12:34:56:78"}, "mac="},
    {"mac with a blank", {"--net", "user,mac=52:54:00:12:34: 6"}, "mac="},
    {"mac ends early", {"--net", "user,mac=52:54:00:12:34:5"}, "mac="},
    {"mac empty", {"--net", "user,mac="}, "mac=52:54:00:12:34:56"},
    {"mac with dashes", {"--net", "user,mac=52-54-00-12-34-56"}, "mac="},
    {"mac of all", {"--net", "user,mac=ff:ff:ff:ff:ff:ff"}, "mac="},
    {"mac with @", {"--net", "user,mac=@2:54:00:12:34:56"}, "mac="},
    {"mac with letters", {"--net", "user,mac=52:54:00:12:34:5g"}, "mac="},
    {"forward without guest", {"--net", "user,hostfwd=tcp::80"}, "give it as"},
    {"forward names itself", {"--net", "user,hostfwd=tcp::80"},
     "--net user,hostfwd=tcp::80: give it as hostfwd=tcp:127.0.0.1:8080-:80"},
    {"forward without protocol", {"--net", "user,hostfwd=:1-:1"}, "give it as"},
    {"forward without port", {"--net", "user,hostfwd=tcp::-:80"}, "give it as"},
    {"forward without colon", {"--net", "user,hostfwd=tcp:1-:80"},
     "give it as"},
    {"guest without colon", {"--net", "user,hostfwd=tcp::1-80"}, "give it as"},
    {"guest port 0", {"--net", "user,hostfwd=tcp::1-:0"}, "give it as"},
    {"guest address", {"--net", "user,hostfwd=udp::1-10.0.2:1"}, "give it as"},
    {"forward port 0", {"--net", "user,hostfwd=tcp::0-:80"}, "give it as"},
    {"forward port big", {"--net", "user,hostfwd=tcp::1-:65536"}, "give it as"},
    {"forward sctp", {"--net", "user,hostfwd=sctp::1-:1"}, "give it as"},
    {"forward tcpx", {"--net", "user,hostfwd=tcpx:1-:1"}, "give it as"},
    {"forward udpx", {"--net", "user,hostfwd=udpx:1-:1"}, "give it as"},
    {"forward too long to repeat",
     {"--net", "user,hostfwd=tcp:127.0.0.1:8080-"
               "10.0.2.15:80000000000000000000000000000000000"},
     "user,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80000000000000000000000000: "
     "give it as"},
    {"forward address", {"--net", "user,hostfwd=tcp:1.2.3:1-:1"}, "give it as"},
    {"quote in a word", {"--", "a\"b"}, "double quotes"},
};
/* clang-format on */

static void test_nonsense_is_refused_with_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ROW(refused[i].name, parse(refused[i].words) == -EINVAL);
        ROW(refused[i].name, strstr(args.error, refused[i].error) != NULL);
        ROW(refused[i].name, strchr(args.error, '\n') == NULL);
        ROW(refused[i].name, args.config.net_count == 0);
        ROW(refused[i].name, args.config.disk_count == 0);
        ROW(refused[i].name, args.config.module_count == 0);
    }
}

static void test_a_file_of_frames(void **state)
{
    static const struct {
        const char *words[WORDS_MAX];
        const char *path;
        uint32_t snap;
    } rows[] = {
        {{"--pcap", "a"}, "a", 0},
        {{"--pcap=a,b"}, "a,b", 0},
        {{"--pcap", "a,snap=64"}, "a", 64},
        {{"--pcap", "a,snap=4294967295"}, "a", UINT32_MAX},
        {{"--pcap", "a,snap=1,snap=2"}, "a,snap=1", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].words), 0);
        assert_string_equal(args.config.capture.path, rows[i].path);
        assert_int_equal(args.config.capture.snap, rows[i].snap);
    }
}

static void test_a_wire_to_another_process(void **state)
{
    static const char *const words[WORDS_MAX] = {
        "--net", "unix:/tmp/a,mac=02:00:00:00:00:01,peer=/tmp/b", NULL};
    static char longest[] =
        "unix:12345678901234567890123456789012345678901234567890123"
        "123456789012345678901234567890123456789012345678901234,peer=b";
    const char *const more[WORDS_MAX] = {"--net", longest, NULL};

    (void)state;
    assert_int_equal(parse(words), 0);
    assert_int_equal(args.nets[0].kind, HOST_NET_UNIX);
    assert_string_equal(args.nets[0].path, "/tmp/a");
    assert_string_equal(args.nets[0].peer, "/tmp/b");
    assert_int_equal(args.nets[0].mac[5], 1);
    assert_int_equal(args.nets[0].vsock_cid, 0);
    assert_int_equal(parse(more), 0);
    assert_int_equal(strlen(args.nets[0].path), 107);
}

/* The same for vsock: a CID that a guest can have. */
static void test_a_wire_of_vsock(void **state)
{
    static const struct {
        const char *word;
        uint32_t cid; /* 0: refused */
    } rows[] = {
        {"unix:a,peer=b,vsock=3", 3},
        {"unix:a,vsock=4294967294,peer=b", 4294967294},
        {"unix:a,peer=b,vsock=2", 0},
        {"unix:a,peer=b,vsock=4294967295", 0},
        {"unix:a,peer=b,vsock=", 0},
        {"unix:a,peer=b,vsock=x", 0},
        {"user,vsock=3", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char word[64];
        const char *const words[WORDS_MAX] = {"--net", word, NULL};

        snprintf(word, sizeof(word), "%s", rows[i].word);
        ROW(rows[i].word, parse(words) == (rows[i].cid != 0 ? 0 : -EINVAL));
        if (rows[i].cid != 0)
            ROW(rows[i].word, args.nets[0].vsock_cid == rows[i].cid);
    }
}

/* As many as there may be, then one more. */
static void test_devices_are_limited(void **state)
{
    static const struct {
        const char *word;
        unsigned limit;
        const char *error;
    } rows[] = {
        {"--disk=d", 16, "at most 16 disks"},
        {"--net=user", 8, "at most 8 cards"},
        {"--module=m", 4, "at most 4 modules"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *words[WORDS_MAX] = {NULL};
        unsigned count;

        for (unsigned j = 0; j < rows[i].limit; j++)
            words[j] = rows[i].word;
        ROW(rows[i].word, parse(words) == 0);
        count = args.config.disk_count + args.config.net_count +
                args.config.module_count;
        ROW(rows[i].word, count == rows[i].limit);
        words[rows[i].limit] = rows[i].word;
        ROW(rows[i].word, parse(words) == -EINVAL);
        ROW(rows[i].word, strstr(args.error, rows[i].error) != NULL);
    }
}

static void test_forwards_are_limited(void **state)
{
    static char word[1000] = "--net=user";
    const char *const words[WORDS_MAX] = {word, NULL};

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        strcat(word, ",hostfwd=tcp::1-:2");
    assert_int_equal(parse(words), 0);
    assert_int_equal(args.nets[0].forward_count, 16);
    strcat(word, ",hostfwd=tcp::1-:2");
    assert_int_equal(parse(words), -EINVAL);
    assert_non_null(strstr(args.error, "at most 16 hostfwd"));
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
    {"a tab", {"--", "a\tb"}, "\"a\tb\""},
    {"a line's end", {"--", "k=a\nb"}, "k=\"a\nb\""},
    {"a tab before =", {"--", "a\tk=b"}, "\"a\tk=b\""},
    {"no value", {"--", "k="}, "k="},
    {"two =", {"--", "k=a=b c"}, "k=\"a=b c\""},
    {"only =", {"--", "= a"}, "=\" a\""},
    {"nothing at all", {"--"}, ""},
    {"fill", {"--fill", "x"}, "x"},
    {"words look like options", {"x", "--help", "--cpus=0"},
     "x --help --cpus=0"},
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
    const char *words[WORDS_MAX] = {"--", word, NULL};

    (void)state;
    memset(word, 'x', HOST_CMDLINE_MAX - 1);
    assert_int_equal(parse(words), 0);
    assert_int_equal(strlen(args.config.cmdline), HOST_CMDLINE_MAX - 1);
    word[HOST_CMDLINE_MAX - 1] = 'x';
    assert_int_not_equal(parse(words), 0);
    assert_non_null(strstr(args.error, "longer than 4095 bytes"));

    /* With a second word: the blank between them counts. */
    words[2] = "y";
    word[HOST_CMDLINE_MAX - 3] = '\0';
    assert_int_equal(parse(words), 0);
    assert_int_equal(strlen(args.config.cmdline), HOST_CMDLINE_MAX - 1);
    word[HOST_CMDLINE_MAX - 3] = 'x';
    word[HOST_CMDLINE_MAX - 2] = '\0';
    assert_int_equal(parse(words), -EINVAL);
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
        "--module=m1",
        "--module",
        "m2",
        "--fill",
        "--help",
        "--bogus"};
    const struct host_net_config *user = &args.nets[1];

    (void)state;
    assert_int_equal(parse(words), 0);
    assert_true(args.help);
    assert_true(args.config.fill);
    assert_int_equal(args.config.module_count, 2);
    assert_string_equal(args.modules[0], "m1");
    assert_string_equal(args.modules[1], "m2");
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

/* What is at the borders of a rule, on the side that is allowed. */
static void test_borders_are_accepted(void **state)
{
    static const char *const words[WORDS_MAX] = {
        "--cpus",
        "256",
        "--nodes=64",
        "--disk",
        "ro",
        "--disk=a.ro",
        "--net",
        "tap=abcdefghijklmno,mac=AA:bB:Cc:DD:EF:09",
        "--net=user,hostfwd=tcp:255.255.255.255:65535-1.2.3.4:1",
        "--",
        "--fill"};
    static const char *const digits[WORDS_MAX] = {"--cpus", "190", "--nodes=9"};

    (void)state;
    assert_int_equal(parse(words), 0);
    assert_false(args.help);
    assert_false(args.config.fill);
    assert_int_equal(args.config.cpus, 256);
    assert_int_equal(args.config.nodes, 64);
    assert_string_equal(args.config.disks[0].path, "ro");
    assert_false(args.config.disks[0].read_only);
    assert_string_equal(args.config.disks[1].path, "a.ro");
    assert_false(args.config.disks[1].read_only);
    assert_string_equal(args.config.nets[0].tap, "abcdefghijklmno");
    assert_memory_equal(args.config.nets[0].mac, "\xaa\xbb\xcc\xdd\xef\x09", 6);
    assert_int_equal(args.config.nets[1].forward[0].host_address, 0xffffffff);
    assert_int_equal(args.config.nets[1].forward[0].host_port, 65535);
    assert_int_equal(args.config.nets[1].forward[0].guest_address, 0x01020304);
    assert_int_equal(args.config.nets[1].forward[0].guest_port, 1);
    assert_ptr_equal(args.config.modules, args.modules);
    assert_int_equal(parse(digits), 0);
    assert_int_equal(args.config.cpus, 190);
    assert_int_equal(args.config.nodes, 9);
}

/* clang-format off */
static const struct {
    const char *text;
    struct host_disk_config want;
} disk_rows[] = {
    {"a", {.path = "a"}},
    {"a,ro", {.path = "a", .read_only = true}},
    {"a,direct", {.path = "a", .direct = true}},
    {"a,ro,direct", {.path = "a", .read_only = true, .direct = true}},
    {"a,engine=uring", {.path = "a", .engine = HOST_DISK_URING}},
    {"a,engine=threads,ro",
     {.path = "a", .engine = HOST_DISK_THREADS, .read_only = true}},
    {"a,sector=512", {.path = "a", .sector_size = 512}},
    {"a,sector=4096,direct",
     {.path = "a", .sector_size = 4096, .direct = true}},
    /* Of two the first counts; the name may have commas. */
    {"a,engine=threads,engine=uring",
     {.path = "a", .engine = HOST_DISK_THREADS}},
    {"a,b", {.path = "a,b"}},
    {"a,ro,b", {.path = "a,ro,b"}},
    {"a,engine=disk,ro", {.path = "a,engine=disk", .read_only = true}},
    {"a,sector=1024", {.path = "a,sector=1024"}},
    {"a,", {.path = "a,"}},
    {"ro", {.path = "ro"}},
};
/* clang-format on */

static void test_disk_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(disk_rows); i++) {
        const char *const words[WORDS_MAX] = {"--disk", disk_rows[i].text};
        const struct host_disk_config *want = &disk_rows[i].want;
        const struct host_disk_config *got = &args.disks[0];

        ROW(disk_rows[i].text, parse(words) == 0);
        ROW(disk_rows[i].text, args.config.disk_count == 1);
        ROW(disk_rows[i].text, strcmp(got->path, want->path) == 0);
        ROW(disk_rows[i].text, got->read_only == want->read_only);
        ROW(disk_rows[i].text, got->direct == want->direct);
        ROW(disk_rows[i].text, got->engine == want->engine);
        ROW(disk_rows[i].text, got->sector_size == want->sector_size);
    }
}

static void test_tap_options(void **state)
{
    static const char *const words[WORDS_MAX] = {
        "--net",
        "tap=a",
        "--net=tap=b,plain",
        "--net",
        "tap=c,large",
        "--net=tap=d,large,mac=02:00:00:00:00:01,plain"};

    (void)state;
    assert_int_equal(parse(words), 0);
    assert_int_equal(args.config.net_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(args.nets[i].kind, HOST_NET_TAP);
        assert_int_equal(args.nets[i].plain, i == 1 || i == 3);
        assert_int_equal(args.nets[i].large, i == 2 || i == 3);
    }
    assert_string_equal(args.nets[3].tap, "d");
    assert_int_equal(args.nets[3].mac[0], 2);
}

/* clang-format off */
static const struct {
    const char *text;
    struct host_net_config want;
} link_rows[] = {
    {"link:a", {.link = "a"}},
    {"link:1234567890123456789012345678901",
     {.link = "1234567890123456789012345678901"}},
    {"link:a,loss=1%", {.link = "a", .line = {.loss_ppm = 10000}}},
    {"link:a,loss=0.0001%", {.link = "a", .line = {.loss_ppm = 1}}},
    {"link:a,loss=100%", {.link = "a", .line = {.loss_ppm = 1000000}}},
    {"link:a,loss=100.0000%", {.link = "a", .line = {.loss_ppm = 1000000}}},
    {"link:a,loss=.5%", {.link = "a", .line = {.loss_ppm = 5000}}},
    {"link:a,loss=0%", {.link = "a"}},
    {"link:a,dup=2.25%,reorder=3%,corrupt=4.%",
     {.link = "a", .line = {.repeat_ppm = 22500, .reorder_ppm = 30000,
                            .corrupt_ppm = 40000}}},
    {"link:a,delay=7ns", {.link = "a", .line = {.delay_ns = 7}}},
    {"link:a,delay=7us", {.link = "a", .line = {.delay_ns = 7000}}},
    {"link:a,delay=7ms,jitter=1s",
     {.link = "a", .line = {.delay_ns = 7000000, .jitter_ns = 1000000000}}},
    {"link:a,delay=4611686018s",
     {.link = "a", .line = {.delay_ns = 4611686018000000000}}},
    {"link:a,rate=1", {.link = "a", .line = {.rate_bps = 1}}},
    {"link:a,rate=2k", {.link = "a", .line = {.rate_bps = 2000}}},
    {"link:a,rate=3m", {.link = "a", .line = {.rate_bps = 3000000}}},
    {"link:a,rate=40g,queue=1024",
     {.link = "a", .line = {.rate_bps = 40000000000, .queue = 1024}}},
    {"link:a,mtu=68,queue=1", {.link = "a", .mtu = 68, .line = {.queue = 1}}},
    {"link:a,mtu=65500,seed=18446744073709551615",
     {.link = "a", .mtu = 65500, .line = {.seed = UINT64_MAX}}},
};
/* clang-format on */

static void test_link_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(link_rows); i++) {
        const char *const words[WORDS_MAX] = {"--net", link_rows[i].text};
        const struct host_net_config *want = &link_rows[i].want;
        const struct host_net_config *got = &args.nets[0];

        ROW(link_rows[i].text, parse(words) == 0);
        ROW(link_rows[i].text, args.config.net_count == 1);
        ROW(link_rows[i].text, got->kind == HOST_NET_LINK);
        ROW(link_rows[i].text, strcmp(got->link, want->link) == 0);
        ROW(link_rows[i].text, got->mtu == want->mtu);
        ROW(link_rows[i].text,
            memcmp(&got->line, &want->line, sizeof(got->line)) == 0);
    }
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
        cmocka_unit_test(test_a_file_of_frames),
        cmocka_unit_test(test_a_wire_to_another_process),
        cmocka_unit_test(test_a_wire_of_vsock),
        cmocka_unit_test(test_devices_are_limited),
        cmocka_unit_test(test_forwards_are_limited),
        cmocka_unit_test(test_borders_are_accepted),
        cmocka_unit_test(test_disk_options),
        cmocka_unit_test(test_tap_options),
        cmocka_unit_test(test_link_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
