/* IPv6 and ICMPv6: datagrams that come, fragments, errors, sources. */
#include "kernel/heap/heap.h"
#include "net/udp.h"
#include "tests/fakes/netbench6.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { UDP = 17, ICMP = 58, FRAGMENT = 44, ECHO = 128, REPLY = 129 };

static uint8_t frame[FAKENET_FRAME_MAX];
static uint8_t message[1400];

/* ---- Configuration ------------------------------------------------------- */

static void test_configurations(void **state)
{
    static const struct {
        const char *text;
        int want;
        unsigned len;
    } rows[] = {
        {"auto", 0, 0},
        {"auto,0123456789abcdef0123456789abcdef", 0, 0},
        {"auto,", -EINVAL, 0},
        {"auto,0123456789abcdef0123456789abcde", -EINVAL, 0},
        {"auto,0123456789abcdef0123456789abcdef0", -EINVAL, 0},
        {"auto,0123456789abcdeg0123456789abcdef", -EINVAL, 0},
        {"auto,0123456789ABCDEF0123456789abcdef", -EINVAL, 0},
        {"auto,-123456789abcdef0123456789abcdef", -EINVAL, 0},
        {"2001:db8::1/64", 0, 64},
        {"2001:db8::1/128,fe80::1", 0, 128},
        {"2001:db8::1/1,2001:db8::2", 0, 1},
        {"", -EINVAL, 0},
        {"automatic", -EINVAL, 0},
        {"2001:db8::1", -EINVAL, 0},
        {"2001:db8::1/", -EINVAL, 0},
        {"2001:db8::1/0", -EINVAL, 0},
        {"2001:db8::1/0,fe80::1", -EINVAL, 0},
        {"2001:db8::1/x", -EINVAL, 0},
        {"2001:db8::1/-1", -EINVAL, 0},
        {"2001:db8::1/6x", -EINVAL, 0},
        {"2001:db8::1/064", -EINVAL, 0},
        {"2001:db8::1/129", -EINVAL, 0},
        {"2001:db8::1/4294967297", -EINVAL, 0},
        {"2001:db8::1/64,", -EINVAL, 0},
        {"2001:db8::1,64", -EINVAL, 0},
        {"2001:db8::1/64,fe80::1,", -EINVAL, 0},
        {"2001:db8::1/64 ", -EINVAL, 0},
        {"2001:db8::1/64,2001:db8::1", -EINVAL, 0},
        {"2001:db8::1/64,ff02::1", -EINVAL, 0},
        {"ff02::1/64", -EINVAL, 0},
        {"::1/64", -EINVAL, 0},
        {"10.0.0.1/24", -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip6_config config;

        if (ip6_config_parse(rows[i].text, &config) != rows[i].want)
            fail_msg("\"%s\"", rows[i].text);
        if (rows[i].want == 0) {
            assert_int_equal(config.prefix_len, rows[i].len);
            assert_int_equal(config.is_auto, rows[i].len == 0);
        }
    }
}

/* It is on the link, and nothing beside it. */
static void test_a_gateway_outside_the_prefix(void **state)
{
    struct net_addr far = addr6("2a00::1"), hop;
    struct net_addr gateway = addr6("2001:db8:9::2");
    struct net_addr beside = addr6("2001:db8:9::3");

    (void)state;
    bench6_open("2001:db8::1/64,2001:db8:9::2");
    assert_int_equal(route_next_hop(bench.stack, &far, &hop), 0);
    assert_true(addr_equal(&hop, &gateway));
    assert_true(route_is_on_link(bench.stack, &gateway));
    assert_false(route_is_on_link(bench.stack, &beside));
    assert_memory_not_equal(ip6_of(bench.stack)->nonce, bench_mac, 6);
    bench_close();
}

static void test_the_key_of_interface_ids(void **state)
{
    struct ip6_config config;

    (void)state;
    assert_int_equal(
        ip6_config_parse("auto,0123456789abcdef00000000000000ff", &config), 0);
    assert_true(config.key.word[0] == UINT64_C(0x0123456789abcdef));
    assert_true(config.key.word[1] == 255);
}

/* The way of an application. */
static void test_the_family(void **state)
{
    static const struct {
        const char *value;
        int check, start;
        bool is_on;
    } rows[] = {
        {"off", 0, 0, false},
        {"auto", 0, 0, true},
        {"2001:db8::1/64", 0, 0, true},
        {"on", -EINVAL, -EINVAL, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bench_open(64);
        assert_int_equal(net_ip6.check(rows[i].value), rows[i].check);
        assert_int_equal(net_ip6.start(rows[i].value), rows[i].start);
        assert_int_equal(bench.stack->ip6 != NULL, rows[i].is_on);
        bench_close();
    }
    assert_int_equal(net_ip6.check(net_ip6.otherwise), 0);
}

static void test_a_stack_has_it_once_and_not_on_a_small_link(void **state)
{
    struct ip6_config config;

    (void)state;
    assert_int_equal(ip6_config_parse("auto", &config), 0);
    bench6_open("auto");
    assert_int_equal(ip6_start(bench.stack, &config), -EBUSY);
    bench_close();
    bench_open(64);
    bench.net.dev.mtu = 1279;
    assert_int_equal(ip6_start(bench.stack, &config), -EINVAL);
    bench.net.dev.mtu = 1280;
    assert_int_equal(ip6_start(bench.stack, &config), 0);
    bench_close();
}

/* Without ip6_start() its frames are none that we know. */
static void test_a_stack_without_it(void **state)
{
    struct net_addr ours = addr6(OUR6);

    (void)state;
    bench_open(64);
    peer6_send(PEER6, "ff02::1", ICMP, 255, "12345678", 8);
    assert_int_equal(bench.stack->stats.frames_bad, 1);
    assert_int_equal(bench.stack->stats.ip_in, 0);
    assert_false(ip_is_ours(bench.stack, &ours));
    ours = ip_source(bench.stack, &ours);
    assert_true(addr_is_none(&ours));
    bench_close();
}

/* ---- What comes ---------------------------------------------------------- */

static size_t echo(size_t len)
{
    memset(message, 'e', sizeof(message));
    memcpy(message, "\x80\0\0\0\x12\x34\0\1", 8);
    return 8 + len;
}

static void test_echo(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    for (size_t len = 0; len <= 1392; len += 29) {
        peer6_icmp(PEER6_GLOBAL, OUR6, 64, message, echo(len));
        assert_true(peer6_receive(&got));
        assert_int_equal(got.data[0], REPLY);
        assert_int_equal(got.data[1], 0);
        assert_memory_equal(got.data + 4, message + 4, 4 + len);
        assert_int_equal(got.len, 8 + len);
        assert_int_equal(got.hops, 64);
        assert_true(is_addr6(&got.src, OUR6));
        assert_true(is_addr6(&got.dst, PEER6_GLOBAL));
        assert_false(peer6_receive(&got));
    }
    bench_close();
}

/* Who may send what to whom. */
static void test_addresses_of_datagrams(void **state)
{
    static const struct {
        const char *name, *src, *dst;
        enum { REPLIES, BAD, NOT_OURS, QUIET } want;
    } rows[] = {
        {"to us", PEER6_GLOBAL, OUR6, REPLIES},
        {"to all", PEER6, "ff02::1", REPLIES},
        {"to a group of ours", PEER6, "ff02::1:ff00:1", REPLIES},
        {"to another group", PEER6, "ff02::1:ff00:2", NOT_OURS},
        {"to all routers", PEER6, "ff02::2", NOT_OURS},
        {"to somebody else", PEER6, "2001:db8::3", NOT_OURS},
        {"to ::1 from outside", PEER6, "::1", NOT_OURS},
        {"from nowhere to us", "::", OUR6, BAD},
        {"from nowhere to all", "::", "ff02::1", QUIET},
        {"from a group", "ff02::1", OUR6, BAD},
        {"from ::1", "::1", OUR6, BAD},
        {"from ourselves", OUR6, OUR6, BAD},
        {"from an IPv4 address", "::ffff:10.0.0.2", OUR6, BAD},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct net_stats *stats;
        struct peer6_frame got;

        bench6_open_static();
        stats = &bench.stack->stats;
        peer6_icmp(rows[i].src, rows[i].dst, 64, message, echo(10));
        if (peer6_expect_icmp(REPLY, &got) != (rows[i].want == REPLIES) ||
            stats->ip_bad != (rows[i].want == BAD) ||
            stats->ip_not_ours != (rows[i].want == NOT_OURS))
            fail_msg("%s", rows[i].name);
        if (rows[i].want == REPLIES) {
            assert_false(ip6_is_multicast(&got.src)); /* RFC 4443, 4.2 */
            assert_true(ip6_is_ours(bench.stack, &got.src));
        }
        bench_close();
    }
}

/* What is for us alone comes in a frame for us alone. */
static void test_a_frame_to_a_group_with_our_address(void **state)
{
    struct peer6_frame got;
    size_t len = echo(4);

    (void)state;
    bench6_open_static();
    memcpy(frame + 54, message, len);
    peer6_ip(frame, PEER6, OUR6, ICMP, 64, len);
    peer6_sum(frame, ICMP, len, 2);
    memset(frame, 0xff, 6);
    fakenet_inject(&bench.net, frame, 54 + len);
    bench_run();
    assert_false(peer6_receive(&got));
    assert_int_equal(bench.stack->stats.ip_not_ours, 1);
    bench_close();
}

static void test_headers_that_are_wrong(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"another version", 14, 0x40},
        {"a payload longer than the frame", 19, 200},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = echo(4);

        bench6_open_static();
        memcpy(frame + 54, message, len);
        peer6_ip(frame, PEER6, OUR6, ICMP, 64, len);
        peer6_sum(frame, ICMP, len, 2);
        frame[rows[i].at] = rows[i].value;
        fakenet_inject(&bench.net, frame, 54 + len);
        bench_run();
        if (bench.stack->stats.ip_bad != 1)
            fail_msg("%s", rows[i].name);
        bench_close();
    }
}

static void test_padding_of_the_link_is_cut_off(void **state)
{
    struct peer6_frame got;
    size_t len = echo(4);

    (void)state;
    bench6_open_static();
    memset(frame, 'p', sizeof(frame));
    memcpy(frame + 54, message, len);
    peer6_ip(frame, PEER6, OUR6, ICMP, 64, len);
    peer6_sum(frame, ICMP, len, 2);
    fakenet_inject(&bench.net, frame, 54 + len + 30);
    bench_run();
    assert_true(peer6_receive(&got));
    assert_int_equal(got.len, len);
    bench_close();
}

static void test_a_wrong_checksum(void **state)
{
    struct peer6_frame got;
    size_t len = echo(4);

    (void)state;
    bench6_open_static();
    message[2] = 1;
    peer6_send(PEER6, OUR6, ICMP, 64, message, len);
    assert_false(peer6_receive(&got));
    assert_int_equal(bench.stack->stats.icmp_bad, 1);
    bench.net.coming_offload.csum_valid = true; /* the card has looked */
    peer6_send(PEER6, OUR6, ICMP, 64, message, len);
    assert_true(peer6_receive(&got));
    bench_close();
}

/* ---- Errors that we send: RFC 4443, 2.4 ---------------------------------- */

/* An error about a datagram of UDP from OUR6 port 7 to `remote` port 9. */
static size_t error_about(uint8_t type, uint8_t code, uint32_t rest,
                          const char *src, const char *remote)
{
    memset(message, 0, sizeof(message));
    memset(frame, 0, 128);
    peer6_ip(frame, src, remote, UDP, 64, 100);
    message[0] = type;
    message[1] = code;
    peer_put32(message + 4, rest);
    memcpy(message + 8, frame + 14, 40);
    peer_put16(message + 48, 7);
    peer_put16(message + 50, 9);
    return 8 + 48;
}

static void test_errors(void **state)
{
    static const struct {
        const char *name, *src, *dst;
        uint8_t next, bytes[24];
        size_t len;
        uint8_t type, code; /* type 0: none is sent */
        uint32_t rest;
    } rows[] = {
        {"a protocol that nobody has", PEER6, OUR6, 200, {0}, 8, 4, 1, 6},
        {"behind an extension", PEER6, OUR6, 60, {200, 0, 1, 4}, 16, 4, 1, 40},
        {"a port that nobody has", PEER6, OUR6, UDP, {0, 1, 0, 2}, 8, 1, 4, 0},
        {"nothing (RFC 8200, 4.7)", PEER6, OUR6, 59, {0}, 8, 0, 0, 0},
        {"to a group", PEER6, "ff02::1", 200, {0}, 8, 0, 0, 0},
        {"an option that we do not know",
         PEER6,
         OUR6,
         60,
         {59, 0, 0x80, 4},
         8,
         4,
         2,
         42},
        {"the same to a group",
         PEER6,
         "ff02::1",
         60,
         {59, 0, 0x80, 4},
         8,
         4,
         2,
         42},
        {"one that is not told to groups",
         PEER6,
         "ff02::1",
         60,
         {59, 0, 0xc0, 4},
         8,
         0,
         0,
         0},
        {"but to one host", PEER6, OUR6, 60, {59, 0, 0xc0, 4}, 8, 4, 2, 42},
        {"a routing header", PEER6, OUR6, 43, {59, 0, 0, 1}, 8, 4, 0, 42},
        {"from nowhere", "::", "ff02::1", 60, {59, 0, 0x80, 4}, 8, 0, 0, 0},
        {"about an error",
         PEER6,
         OUR6,
         60,
         {58, 0, 0x80, 4, [8] = 1},
         16,
         4,
         2,
         42},
        {"an extension that is cut off", PEER6, OUR6, 60, {59, 1}, 8, 0, 0, 0},
        {"an odd length of a fragment",
         PEER6,
         OUR6,
         44,
         {UDP, 0, 0, 1, [8] = 1},
         15,
         4,
         0,
         4},
        {"a fragment past the end",
         PEER6,
         OUR6,
         44,
         {UDP, 0, 0xff, 0xf9, [8] = 1},
         16,
         4,
         0,
         42},
        {"the same to a group",
         PEER6,
         "ff02::1",
         44,
         {UDP, 0, 0xff, 0xf9, [8] = 1},
         16,
         0,
         0,
         0},
        {"as far as a datagram reaches",
         PEER6,
         OUR6,
         44,
         {UDP, 0, 0xff, 0xf0, [8] = 1},
         8 + 15,
         0,
         0,
         0},
        {"a byte farther",
         PEER6,
         OUR6,
         44,
         {UDP, 0, 0xff, 0xf0, [8] = 1},
         8 + 16,
         4,
         0,
         42},
        {"an odd length to a group",
         PEER6,
         "ff02::1",
         44,
         {UDP, 0, 0, 1, [8] = 1},
         15,
         0,
         0,
         0},
        {"a later fragment of ICMP, of who knows what",
         PEER6,
         OUR6,
         44,
         {ICMP, 0, 0xff, 0xf9, [8] = 200},
         16,
         0,
         0,
         0},
        {"a fragment of an error past the end",
         PEER6,
         OUR6,
         44,
         {ICMP, 0, 0xff, 0xf9, [8] = 1},
         16,
         0,
         0,
         0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer6_frame got;
        bool any;

        bench6_open_static();
        peer6_send(rows[i].src, rows[i].dst, rows[i].next, 64, rows[i].bytes,
                   rows[i].len);
        any = peer6_receive(&got);
        if (any != (rows[i].type != 0) ||
            (any &&
             (got.data[0] != rows[i].type || got.data[1] != rows[i].code ||
              peer_get32(got.data + 4) != rows[i].rest)))
            fail_msg("%s", rows[i].name);
        if (any) { /* all of the datagram is quoted */
            assert_int_equal(got.len, 8 + 40 + rows[i].len);
            assert_memory_equal(got.data + 48, rows[i].bytes, rows[i].len);
            assert_true(is_addr6(&got.dst, rows[i].src));
            assert_true(ip6_is_ours(bench.stack, &got.src));
            if (rows[i].dst[0] != 'f') /* from where it was sent to */
                assert_true(is_addr6(&got.src, rows[i].dst));
        }
        bench_close();
    }
}

/* Where nobody could answer from. */
static void test_no_error_without_an_address(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open("auto");
    peer6_send(PEER6, "ff02::1", 60, 64, "\x3b\0\x80\4\0\0\0\0", 8);
    assert_false(peer6_receive(&got) && got.data[0] == 4);
    bench_close();
}

/* Of a protocol that nobody has. */
static void test_an_error_that_nobody_wants(void **state)
{
    (void)state;
    bench6_open_static();
    peer6_icmp(PEER6, OUR6, 64, message,
               error_about(1, 4, 0, OUR6, PEER6_GLOBAL));
    assert_int_equal(bench.stack->stats.icmp_bad, 0);
    bench_close();
}

/* RFC 4443, 2.4 (e.1): never about an error of ICMP, or a redirect. */
static void test_no_error_about_an_error(void **state)
{
    static const struct {
        uint8_t type;
        bool want;
    } rows[] = {{1, false},  {4, false},   {127, false},
                {128, true}, {137, false}, {200, true}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct icmp6_message problem = {.type = 4};
        struct packet *packet;
        struct peer6_frame got;

        bench6_open_static();
        packet = stack_packet(bench.stack);
        memset(frame + 54, 0, 8);
        frame[54] = rows[i].type;
        peer6_ip(frame, PEER6, OUR6, ICMP, 64, 8);
        memcpy(packet_append(packet, 48), frame + 14, 48);
        icmp6_error(bench.stack, packet, &problem, false);
        packet_put(packet);
        assert_int_equal(peer6_receive(&got), rows[i].want);
        bench_close();
    }
}

static void test_an_error_is_not_longer_than_the_smallest_mtu(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    memset(message, 0, sizeof(message));
    peer6_send(PEER6, OUR6, 200, 64, message, 1400);
    assert_true(peer6_receive(&got));
    assert_int_equal(got.len, 1280 - 40);
    bench_close();
}

static void test_errors_are_limited(void **state)
{
    struct peer6_frame got;
    unsigned count = 0;

    (void)state;
    bench6_open_static();
    for (unsigned i = 0; i < 300; i++)
        peer6_send(PEER6, OUR6, 200, 64, "12345678", 8);
    while (peer6_receive(&got))
        count++;
    assert_int_equal(count, 100);
    assert_int_equal(bench.stack->stats.icmp_limited, 200);
    bench_sleep(NS_PER_S);
    peer6_send(PEER6, OUR6, 200, 64, "12345678", 8);
    assert_true(peer6_receive(&got));
    bench_close();
}

/* ---- Fragments: RFC 8200, 4.5; RFC 5722; RFC 6946 ------------------------ */

/* The part [from, from + len) of the message, in a fragment. */
static void fragment(size_t from, size_t len, bool more, uint32_t id)
{
    uint8_t bytes[8 + 1400] = {ICMP};

    peer_put16(bytes + 2, (unsigned)from | more);
    peer_put32(bytes + 4, id);
    memcpy(bytes + 8, message + from, len);
    peer6_send(PEER6, OUR6, FRAGMENT, 64, bytes, 8 + len);
}

/* An echo of `len` bytes in message[], with its checksum. */
static size_t echo_summed(size_t len)
{
    len = echo(len);
    memcpy(frame + 54, message, len);
    peer6_ip(frame, PEER6, OUR6, ICMP, 64, len);
    peer6_sum(frame, ICMP, len, 2);
    memcpy(message, frame + 54, len);
    return len;
}

static void test_fragments_are_put_together(void **state)
{
    struct peer6_frame got;
    size_t len;

    (void)state;
    bench6_open_static();
    len = echo_summed(1000);
    fragment(512, len - 512, false, 7);
    assert_false(peer6_receive(&got));
    fragment(0, 256, true, 7);
    fragment(256, 256, true, 7);
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], REPLY);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data + 4, message + 4, len - 4);
    assert_int_equal(bench.stack->stats.ip_fragments, 3);
    fragment(0, len, false, 8); /* one that is whole */
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], REPLY);
    bench_close();
}

static void test_fragments_that_overlap_drop_all(void **state)
{
    struct peer6_frame got;
    size_t len;

    (void)state;
    bench6_open_static();
    len = echo_summed(1000);
    fragment(0, 512, true, 7);
    fragment(504, len - 504, false, 7);
    fragment(512, len - 512, false, 7); /* the rest of another one now */
    assert_false(peer6_receive(&got));
    assert_int_equal(bench.stack->stats.ip_reassembly_failed, 1);
    bench_close();
}

/* An atomic fragment has nothing to do with those of the same id. */
static void test_a_whole_in_a_fragment_meets_no_other(void **state)
{
    struct peer6_frame got;
    size_t len;

    (void)state;
    bench6_open_static();
    len = echo_summed(100);
    fragment(0, 64, true, 7);
    fragment(0, len, false, 7);
    assert_true(peer6_receive(&got));
    fragment(64, len - 64, false, 7);
    assert_true(peer6_receive(&got));
    bench_close();
}

static void test_the_sender_of_a_first_fragment_is_told(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    echo_summed(1000);
    fragment(0, 512, true, 7);
    fragment(256, 256, true, 8);
    bench_sleep(31 * NS_PER_S);
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], 3);
    assert_int_equal(got.data[1], 1);
    assert_int_equal(got.len, 8 + 40 + 8 + 512);
    assert_false(peer6_receive(&got));
    bench_close();
}

static void test_an_extension_behind_the_fragments_is_seen(void **state)
{
    struct peer6_frame got;
    uint8_t bytes[24] = {60, 0, 0, 1, 0, 0, 0, 9, 59, 0, 0x80, 4};

    (void)state;
    bench6_open_static();
    peer6_send(PEER6, OUR6, FRAGMENT, 64, bytes, 16);
    peer_put16(bytes + 2, 8);
    peer6_send(PEER6, OUR6, FRAGMENT, 64, bytes, 16);
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], 4);
    assert_int_equal(got.data[1], 2);
    assert_int_equal(peer_get32(got.data + 4), 50);
    bench_close();
}

static void test_a_large_datagram_of_icmp_is_dropped(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    echo(1000);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t bytes[8 + 1200] = {ICMP};

        peer_put16(bytes + 2, i * 1200 | (i < 2));
        peer6_send(PEER6, OUR6, FRAGMENT, 64, bytes, sizeof(bytes));
    }
    assert_false(peer6_receive(&got));
    assert_int_equal(bench.stack->stats.ip_bad, 1);
    bench_close();
}

/* Many fragments, of many sources: what is kept is bounded. */
static void test_a_flood_of_fragments(void **state)
{
    (void)state;
    bench6_open_static();
    for (unsigned i = 0; i < 500; i++) {
        uint8_t bytes[8 + 8] = {UDP, 0, 0, 1};
        char src[40];

        peer_put32(bytes + 4, i);
        snprintf(src, sizeof(src), "2001:db8::%x", 16 + i % 50);
        peer6_send(src, OUR6, FRAGMENT, 64, bytes, sizeof(bytes));
        assert_true(bench.stack->reassembly.waiting_count <= REASSEMBLY_MAX);
    }
    bench_sleep(31 * NS_PER_S);
    assert_int_equal(bench.stack->reassembly.waiting_count, 0);
    bench_close();
}

/* ---- Errors that come ---------------------------------------------------- */

static void test_what_a_socket_is_told(void **state)
{
    static const struct {
        const char *name;
        uint8_t type, code;
        uint32_t rest;
        const char *src, *remote;
        size_t cut;
        int want; /* 0: nothing */
    } rows[] = {
        {"no port", 1, 4, 0, OUR6, PEER6_GLOBAL, 0, -ECONNREFUSED},
        {"no route", 1, 0, 0, OUR6, PEER6_GLOBAL, 0, -EHOSTUNREACH},
        {"no protocol", 4, 1, 6, OUR6, PEER6_GLOBAL, 0, -ECONNREFUSED},
        {"another problem", 4, 0, 4, OUR6, PEER6_GLOBAL, 0, -EHOSTUNREACH},
        {"too big", 2, 0, 1400, OUR6, PEER6_GLOBAL, 0, -EMSGSIZE},
        {"as big as the smallest MTU", 2, 0, 1280, OUR6, PEER6_GLOBAL, 0,
         -EMSGSIZE},
        {"smaller than that", 2, 0, 1279, OUR6, PEER6_GLOBAL, 0, 0},
        {"the hop limit", 3, 0, 0, OUR6, PEER6_GLOBAL, 0, -EHOSTUNREACH},
        {"not from us", 1, 4, 0, "2001:db8::9", PEER6_GLOBAL, 0, 0},
        {"to another", 1, 4, 0, OUR6, "2001:db8::9", 0, 0},
        {"cut off", 1, 4, 0, OUR6, PEER6_GLOBAL, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct net_addr peer = addr6(PEER6_GLOBAL), any = addr6("::");
        struct udp_socket *socket;
        size_t len;
        uint8_t buf[1];
        int64_t got;

        bench6_open_static();
        assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
        assert_int_equal(udp_connect(socket, &peer, 9), 0);
        len = error_about(rows[i].type, rows[i].code, rows[i].rest, rows[i].src,
                          rows[i].remote);
        peer6_icmp(PEER6, OUR6, 64, message, len - rows[i].cut);
        got = udp_receive(socket, NULL, buf, 1, 0);
        if (got != (rows[i].want != 0 ? rows[i].want : -ETIMEDOUT))
            fail_msg("%s: %d", rows[i].name, (int)got);
        udp_close(socket);
        bench_close();
    }
}

/* ---- UDP ----------------------------------------------------------------- */

static size_t datagram(const char *src, const char *dst, uint16_t sport,
                       uint16_t dport, const char *text)
{
    size_t len = 8 + strlen(text);

    memset(frame + 54, 0, 8);
    peer_put16(frame + 54, sport);
    peer_put16(frame + 56, dport);
    peer_put16(frame + 58, (unsigned)len);
    memcpy(frame + 62, text, strlen(text));
    peer6_ip(frame, src, dst, UDP, 64, len);
    peer6_sum(frame, UDP, len, 6);
    return 54 + len;
}

static void test_datagrams_come_and_go(void **state)
{
    const struct net_addr any = addr6("::");
    struct udp_socket *socket;
    struct peer6_frame got;
    struct flow from;
    char buf[16];

    (void)state;
    bench6_open_static();
    assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
    fakenet_inject(&bench.net, frame,
                   datagram(PEER6_GLOBAL, OUR6, 9, 7, "hello"));
    bench_run();
    assert_int_equal(udp_receive(socket, &from, buf, sizeof(buf), 0), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_true(is_addr6(&from.remote, PEER6_GLOBAL));
    assert_int_equal(from.rport, 9);
    assert_int_equal(udp_send(socket, &from.remote, 9, "world!", 6), 0);
    bench_run();
    assert_true(peer6_receive(&got));
    assert_int_equal(got.next, UDP);
    assert_int_equal(got.len, 14);
    assert_true(is_addr6(&got.src, OUR6));
    assert_memory_equal(got.data + 8, "world!", 6);
    datagram(OUR6, PEER6_GLOBAL, 7, 9, "world!"); /* the same checksum */
    assert_memory_equal(got.data, frame + 54, 8);
    udp_close(socket);
    bench_close();
}

/* RFC 8200, 8.1: it must have a checksum. */
static void test_a_datagram_without_a_checksum_is_dropped(void **state)
{
    const struct net_addr any = addr6("::");
    struct udp_socket *socket;
    size_t len;

    (void)state;
    bench6_open_static();
    assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
    len = datagram(PEER6_GLOBAL, OUR6, 9, 7, "hello");
    peer_put16(frame + 60, 0);
    fakenet_inject(&bench.net, frame, len);
    bench_run();
    assert_int_equal(bench.stack->stats.udp_bad, 1);
    udp_close(socket);
    bench_close();
}

static void test_a_port_that_nobody_has(void **state)
{
    const struct net_addr any = addr6("::");
    struct udp_socket *socket;
    struct peer6_frame got;
    size_t len;

    (void)state;
    bench6_open_static();
    assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
    len = datagram(PEER6_GLOBAL, OUR6, 9, 8, "hello");
    fakenet_inject(&bench.net, frame, len);
    bench_run();
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], 1);
    assert_int_equal(got.data[1], 4);
    assert_memory_equal(got.data + 8, frame + 14, len - 14);
    len = datagram(PEER6_GLOBAL, "ff02::1", 9, 8, "hello");
    fakenet_inject(&bench.net, frame, len);
    bench_run();
    assert_false(peer6_receive(&got));
    udp_close(socket);
    bench_close();
}

static void test_where_a_datagram_cannot_go(void **state)
{
    const struct net_addr any = addr6("::"), peer = addr6(PEER6_GLOBAL);
    const struct net_addr ip4 = addr_of_ip4(PEER_ADDRESS), ours = addr6(OUR6);
    struct udp_socket *socket, *bound;
    static char data[1500];

    (void)state;
    bench6_open_static();
    assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
    assert_int_equal(udp_open(bench.stack, &ours, 8, &bound), 0);
    assert_int_equal(udp_send(bound, &ip4, 9, "x", 1), -EINVAL);
    assert_int_equal(udp_send(bound, &peer, 9, "x", 1), 0);
    assert_int_equal(udp_send(socket, &ip4, 9, "x", 1), 0);
    assert_int_equal(udp_send(socket, &peer, 9, data, 1452), 0);
    assert_int_equal(udp_send(socket, &peer, 9, data, 1453), -EMSGSIZE);
    bench.stack->ip6_mtu = 1280;
    assert_int_equal(udp_send(socket, &peer, 9, data, 1232), 0);
    assert_int_equal(udp_send(socket, &peer, 9, data, 1233), -EMSGSIZE);
    udp_close(socket);
    udp_close(bound);
    bench_close();
    bench6_open("auto"); /* no address yet */
    assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
    assert_int_equal(udp_send(socket, &peer, 9, "x", 1), -EHOSTUNREACH);
    udp_close(socket);
    bench_close();
}

static void test_to_ourselves(void **state)
{
    static const char *const to[] = {"::1", OUR6};
    const struct net_addr any = addr6("::");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        const struct net_addr addr = addr6(to[i]);
        struct udp_socket *socket;
        struct peer6_frame got;
        struct flow from;
        char buf[4];

        bench6_open_static();
        assert_int_equal(udp_open(bench.stack, &any, 7, &socket), 0);
        assert_int_equal(udp_send(socket, &addr, 7, "me", 2), 0);
        bench_run();
        assert_int_equal(udp_receive(socket, &from, buf, sizeof(buf), 0), 2);
        assert_true(addr_equal(&from.remote, &addr));
        assert_false(peer6_receive(&got));
        for (unsigned j = 0; j < 100; j++) /* more than may wait */
            assert_int_equal(udp_send(socket, &addr, 7, "me", 2), 0);
        assert_int_equal(bench.stack->stats.frames_dropped, 36);
        udp_close(socket);
        bench_close();
    }
}

/* ---- Which of ours: RFC 6724 --------------------------------------------- */

static void own(const char *text, uint8_t len, bool is_preferred)
{
    const struct ip6_address address = {
        .addr = addr6(text),
        .prefix_len = len,
        .valid_until = TIME_NEVER,
        .preferred_until = is_preferred ? TIME_NEVER : 0,
    };

    assert_int_equal(ip6_address_add(bench.stack, &address, 0), 0);
}

/* The examples of RFC 6724, 10.1, that need one interface, and more. */
static void test_sources(void **state)
{
    static const struct {
        const char *remote;
        const char *own[3]; /* '-' in front: deprecated */
        const char *want;   /* "link": ours of the link */
    } rows[] = {
        {"2001:db8:1::1", {"2001:db8:3::1"}, "2001:db8:3::1"},
        {"ff05::1", {"2001:db8:3::1"}, "2001:db8:3::1"},
        {"2001:db8:1::1", {"2001:db8:1::1"}, "2001:db8:1::1"},
        {"fe80::1", {"2001:db8:2::1"}, "link"},
        {"2001:db8:1::1", {"2001:db8:3::2", "2001:db8:1::2"}, "2001:db8:1::2"},
        {"2001:db8:1::d5e3",
         {"-2001:db8:1::2", "2001:db8:3::2"},
         "2001:db8:3::2"},
        {"2002:c633:6401::d5e3",
         {"2002:c633:6401::1", "2001:db8:1::1"},
         "2002:c633:6401::1"},
        {"2001:db8:1::d5e3",
         {"2002:c633:6401::1", "2001:db8:1::2"},
         "2001:db8:1::2"},
        {"fd00::1", {"2001:db8:1::1", "fd00:1::1"}, "fd00:1::1"},
        {"2a00::1", {"fd00:1::1", "2001:db8:1::1"}, "2001:db8:1::1"},
        {"fec0::1", {"2001:db8:1::1", "fec0::9"}, "fec0::9"},
        {"2a00::1", {"fec0::9", "2001:db8:1::1"}, "2001:db8:1::1"},
        {"2a00::1", {"fec0::9"}, "fec0::9"},
        {"2a00::1", {NULL}, "link"},
        {"::1", {"2001:db8:1::1"}, "::1"},
        {"2001:db8::1", {"-2001:db8::2"}, "-2001:db8::2"},
        {"ff02::1", {"2001:db8:1::1"}, "link"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr remote = addr6(rows[i].remote), got;
        const char *want = rows[i].want;

        bench6_open("auto");
        for (unsigned j = 0; j < 3 && rows[i].own[j] != NULL; j++)
            own(rows[i].own[j] + (rows[i].own[j][0] == '-'), 64,
                rows[i].own[j][0] != '-');
        bench6_settle(2 * NS_PER_S);
        got = ip6_source(bench.stack, &remote);
        if (strcmp(want, "link") == 0 ? !ip6_is_link_local(&got)
                                      : !is_addr6(&got, want + (*want == '-')))
            fail_msg("row %zu, to %s", i, rows[i].remote);
        bench_close();
    }
}

static void test_there_are_eight_addresses(void **state)
{
    char text[40];

    (void)state;
    bench6_open("auto");
    for (unsigned i = 1; i < IP6_ADDRESSES_MAX; i++) {
        snprintf(text, sizeof(text), "2001:db8::%x", i);
        own(text, 64, true);
    }
    assert_int_equal(
        ip6_address_add(bench.stack, &ip6_of(bench.stack)->address[1], 0),
        -EEXIST);
    {
        const struct ip6_address one_more = {.addr = addr6("2001:db8::99"),
                                             .valid_until = TIME_NEVER};

        assert_int_equal(ip6_address_add(bench.stack, &one_more, 0), -ENOSPC);
    }
    bench6_settle(2 * NS_PER_S);
    bench_close();
}

/* A full card, no packet: nothing is lost or kept for ever. */
static void test_no_packet_for_an_answer(void **state)
{
    struct packet *taken[2000];
    unsigned count = 0;

    (void)state;
    bench6_open_static();
    while ((taken[count] = packet_get()) != NULL)
        count++;
    packet_put(taken[--count]); /* one, for what comes */
    peer6_send(PEER6, OUR6, 200, 64, "12345678", 8);
    assert_int_equal(bench.stack->stats.no_packet, 1);
    while (count > 0)
        packet_put(taken[--count]);
    bench_close();
}

static void test_no_memory_for_fragments(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    echo_summed(1000);
    for (unsigned n = 1; n <= 2; n++) {
        heap_fail(n);
        fragment(0, 512, true, n);
        heap_fail(0);
    }
    assert_false(peer6_receive(&got));
    assert_true(bench.stack->stats.ip_reassembly_failed >= 1);
    bench_close();
}

/* ---- Its neighbours are told again --------------------------------------- */

static void test_addresses_are_announced(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    bench.net.dev.announce(&bench.net.dev);
    bench_run();
    for (unsigned i = 0; i < 2; i++) {
        assert_true(peer6_expect_icmp(136, &got));
        assert_true(is_addr6(&got.dst, "ff02::1"));
        assert_true(ip6_is_ours(bench.stack, &got.src));
    }
    assert_false(peer6_expect_icmp(136, &got));
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_a_gateway_outside_the_prefix),
        cmocka_unit_test(test_the_key_of_interface_ids),
        cmocka_unit_test(test_the_family),
        cmocka_unit_test(test_a_stack_has_it_once_and_not_on_a_small_link),
        cmocka_unit_test(test_a_stack_without_it),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_addresses_of_datagrams),
        cmocka_unit_test(test_a_frame_to_a_group_with_our_address),
        cmocka_unit_test(test_headers_that_are_wrong),
        cmocka_unit_test(test_padding_of_the_link_is_cut_off),
        cmocka_unit_test(test_a_wrong_checksum),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_error_without_an_address),
        cmocka_unit_test(test_an_error_that_nobody_wants),
        cmocka_unit_test(test_no_error_about_an_error),
        cmocka_unit_test(test_an_error_is_not_longer_than_the_smallest_mtu),
        cmocka_unit_test(test_errors_are_limited),
        cmocka_unit_test(test_fragments_are_put_together),
        cmocka_unit_test(test_fragments_that_overlap_drop_all),
        cmocka_unit_test(test_a_whole_in_a_fragment_meets_no_other),
        cmocka_unit_test(test_the_sender_of_a_first_fragment_is_told),
        cmocka_unit_test(test_an_extension_behind_the_fragments_is_seen),
        cmocka_unit_test(test_a_large_datagram_of_icmp_is_dropped),
        cmocka_unit_test(test_a_flood_of_fragments),
        cmocka_unit_test(test_what_a_socket_is_told),
        cmocka_unit_test(test_datagrams_come_and_go),
        cmocka_unit_test(test_a_datagram_without_a_checksum_is_dropped),
        cmocka_unit_test(test_a_port_that_nobody_has),
        cmocka_unit_test(test_where_a_datagram_cannot_go),
        cmocka_unit_test(test_to_ourselves),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_there_are_eight_addresses),
        cmocka_unit_test(test_no_packet_for_an_answer),
        cmocka_unit_test(test_no_memory_for_fragments),
        cmocka_unit_test(test_addresses_are_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
