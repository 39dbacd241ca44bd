/* IPv4 for us and not for us, and ICMP: RFC 791, 792, 1122, 1812. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static uint8_t frame[FAKENET_FRAME_MAX];

/* A ping of `len` data bytes, complete; returns the frame's length. */
static size_t make_ping(uint32_t src, uint32_t dst, size_t len)
{
    uint8_t *icmp = frame + 34;

    memset(frame, 0, sizeof(frame));
    icmp[0] = 8;
    peer_put32(icmp + 4, 0x12340007);
    for (size_t i = 0; i < len; i++)
        icmp[8 + i] = (uint8_t)i;
    peer_put16(icmp + 2, peer_checksum(icmp, 8 + len, 0));
    return peer_ip4(frame, src, dst, 1, 8 + len);
}

static const struct fakenet_frame *inject(size_t len)
{
    fakenet_inject(&bench.net, frame, len);
    bench_run();
    return fakenet_sent(&bench.net);
}

static void fix_ip(void)
{
    frame[24] = frame[25] = 0;
    peer_put16(frame + 24,
               peer_checksum(frame + 14, (size_t)(frame[14] & 15) * 4, 0));
}

static void test_ping_is_answered(void **state)
{
    static const size_t sizes[] = {0, 1, 56, 57, 1000, 1472};

    (void)state;
    bench_open(64);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t len = make_ping(PEER_ADDRESS, OUR_ADDRESS, sizes[i]);
        const struct fakenet_frame *reply = inject(len);

        assert_non_null(reply);
        assert_int_equal(reply->len, len);
        assert_memory_equal(reply->data, peer_mac, 6);
        assert_int_equal(peer_checksum(reply->data + 14, 20, 0), 0);
        assert_int_equal(peer_get32(reply->data + 26), OUR_ADDRESS);
        assert_int_equal(peer_get32(reply->data + 30), PEER_ADDRESS);
        assert_int_equal(reply->data[34], 0);
        assert_int_equal(peer_checksum(reply->data + 34, len - 34, 0), 0);
        assert_memory_equal(reply->data + 38, frame + 38, len - 38);
    }
    bench_close();
}

static void test_link_padding_is_cut(void **state)
{
    const struct fakenet_frame *reply;

    (void)state;
    bench_open(64);
    make_ping(PEER_ADDRESS, OUR_ADDRESS, 2);
    memset(frame + 44, 0xee, 16);
    reply = inject(60);
    assert_non_null(reply);
    assert_int_equal(reply->len, 44);
    bench_close();
}

static void test_options_are_skipped(void **state)
{
    const struct fakenet_frame *reply;
    uint8_t icmp[16];

    (void)state;
    bench_open(64);
    make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);
    memcpy(icmp, frame + 34, 16);
    frame[14] = 0x46;
    memset(frame + 34, 1, 4);
    memcpy(frame + 38, icmp, 16);
    peer_put16(frame + 16, 40);
    fix_ip();
    reply = inject(54);
    assert_non_null(reply);
    assert_int_equal(reply->len, 50); /* without options */
    bench_close();
}

/* Addresses that get no answer: RFC 1122, 3.2.1.3 and 3.2.2.6. */
static void test_addresses_without_answer(void **state)
{
    static const struct {
        const char *name;
        uint32_t src;
        uint32_t dst;
    } rows[] = {
        {"to another host", PEER_ADDRESS, OUR_ADDRESS + 5},
        {"to the broadcast address", PEER_ADDRESS, 0x0a0000ff},
        {"to everybody", PEER_ADDRESS, 0xffffffff},
        {"to a group", PEER_ADDRESS, 0xe0000001},
        {"from ourselves", OUR_ADDRESS, OUR_ADDRESS},
        {"from nobody", 0, OUR_ADDRESS},
        {"from 0.0.0.5", 5, OUR_ADDRESS},
        {"from 0.255.255.254", 0x00fffffe, OUR_ADDRESS},
        {"from the loop", 0x7f000001, OUR_ADDRESS},
        {"from a group", 0xe0000001, OUR_ADDRESS},
        {"from class E", 0xf0000001, OUR_ADDRESS},
        {"from everybody", 0xffffffff, OUR_ADDRESS},
        {"from our broadcast", 0x0a0000ff, OUR_ADDRESS},
        {"from our network", 0x0a000000, OUR_ADDRESS},
    };

    (void)state;
    bench_open(64);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        assert_null(inject(make_ping(rows[i].src, rows[i].dst, 8)));
    }
    bench_close();
}

/* Others that look alike do get one; the last two are of another network, whose
 * netmask is not known. */
static void test_sources_with_answer(void **state)
{
    static const uint32_t sources[] = {0x01000001, 0x7efffffe, 0x80000001,
                                       0xdffffffe, 0x0a000100, 0x0a0001ff};

    (void)state;
    bench_open(64);
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        assert_non_null(inject(make_ping(sources[i], OUR_ADDRESS, 8)));
    bench_close();
}

static void test_frames_without_answer(void **state)
{
    size_t len;

    (void)state;
    bench_open(64);
    len = make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);
    memset(frame, 0xff, 6); /* our address in a broadcast frame */
    assert_null(inject(len));
    make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);
    frame[5] ^= 1; /* to another card */
    assert_null(inject(len));
    make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);
    frame[12] = 0x86; /* IPv6 */
    frame[13] = 0xdd;
    assert_null(inject(len));
    for (len = 0; len < 42; len++) {
        make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);
        assert_null(inject(len));
    }
    bench_close();
}

/* Of a stack that does not put them together. */
static void test_fragments_are_dropped_and_counted(void **state)
{
    static const uint16_t fields[] = {0x2000, 0x0001, 0x3fff, 0x1ffe};

    (void)state;
    bench_open(64);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        size_t len = make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);

        peer_put16(frame + 20, fields[i]);
        fix_ip();
        assert_null(inject(len));
        assert_int_equal(bench.stack->stats.ip_fragments, i + 1);
    }
    bench_close();
}

static void test_bad_icmp_checksum(void **state)
{
    size_t len;

    (void)state;
    bench_open(64);
    len = make_ping(PEER_ADDRESS, OUR_ADDRESS, 8);
    frame[len - 1] ^= 4;
    assert_null(inject(len));
    assert_int_equal(bench.stack->stats.icmp_bad, 1);
    bench_close();
}

static void test_unserved_protocols_get_errors(void **state)
{
    static const struct {
        const char *name;
        uint8_t protocol;
        uint8_t code;
    } rows[] = {{"UDP", 17, 3}, {"IP in IP", 4, 2}, {"GRE", 47, 2}};

    (void)state;
    bench_open(64);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct fakenet_frame *reply;

        memset(frame, 0x55, sizeof(frame));
        reply = inject(
            peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, rows[i].protocol, 100));
        print_message("row %s\n", rows[i].name);
        assert_non_null(reply);
        assert_int_equal(reply->data[34], 3);
        assert_int_equal(reply->data[35], rows[i].code);
        assert_int_equal(reply->len, 34 + 8 + 28); /* header and 8 bytes */
        assert_memory_equal(reply->data + 42, frame + 14, 28);
        assert_int_equal(peer_checksum(reply->data + 34, 36, 0), 0);
    }
    bench_close();
}

/* Less than 8 bytes behind the header are quoted as they are. */
static void test_errors_quote_short_datagrams(void **state)
{
    (void)state;
    bench_open(64);
    for (size_t len = 0; len <= 9; len++) {
        const struct fakenet_frame *reply;

        memset(frame, 0x55, sizeof(frame));
        reply = inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, len));
        assert_non_null(reply);
        assert_int_equal(reply->len, 34 + 8 + 20 + (len < 8 ? len : 8));
    }
    bench_close();
}

/* The options of a header are quoted, too. */
static void test_errors_quote_options(void **state)
{
    const struct fakenet_frame *reply;

    (void)state;
    bench_open(64);
    memset(frame, 0x55, sizeof(frame));
    peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, 24);
    frame[14] = 0x46;
    memset(frame + 34, 1, 4);
    fix_ip();
    reply = inject(34 + 24);
    assert_non_null(reply);
    assert_int_equal(reply->len, 34 + 8 + 24 + 8);
    assert_memory_equal(reply->data + 42, frame + 14, 32);
    bench_close();
}

/* What is larger than the link takes is not sent. */
static void test_answers_fit_the_link(void **state)
{
    size_t len;

    (void)state;
    bench_open(64);
    bench.stack->mtu = 600;
    len = make_ping(PEER_ADDRESS, OUR_ADDRESS, 572);
    assert_non_null(inject(len));
    len = make_ping(PEER_ADDRESS, OUR_ADDRESS, 573);
    assert_null(inject(len));
    assert_int_equal(bench.stack->stats.ip_no_route, 1);
    bench_close();
}

/* RFC 3021: both addresses of a link of two are hosts. */
static void test_link_of_two(void **state)
{
    (void)state;
    bench_open(64);
    bench_set_address(OUR_ADDRESS, 0xfffffffe); /* 10.0.0.1 of .0 and .1 */
    bench.answers_arp = false;
    assert_non_null(inject(make_ping(OUR_ADDRESS - 1, OUR_ADDRESS, 8)));
    assert_int_equal(bench.stack->stats.ip_bad, 0);
    assert_null(inject(make_ping(PEER_ADDRESS, OUR_ADDRESS - 1, 8)));
    assert_int_equal(bench.stack->stats.ip_not_ours, 1);
    bench_set_address(OUR_ADDRESS - 1, 0xfffffffe);
    assert_null(inject(make_ping(PEER_ADDRESS, OUR_ADDRESS, 8)));
    assert_int_equal(bench.stack->stats.ip_not_ours, 2); /* no broadcast */
    bench_set_address(OUR_ADDRESS, 0xfffffffc); /* .0 and .3 are no hosts */
    assert_null(inject(make_ping(OUR_ADDRESS - 1, OUR_ADDRESS, 8)));
    assert_null(inject(make_ping(OUR_ADDRESS + 2, OUR_ADDRESS, 8)));
    assert_int_equal(bench.stack->stats.ip_bad, 2);
    assert_null(inject(make_ping(PEER_ADDRESS, OUR_ADDRESS + 2, 8)));
    assert_int_equal(bench.stack->stats.ip_not_ours, 2); /* a broadcast */
    bench_close();
}

/* Off the link by the gateway, on it directly. */
static void test_next_hop(void **state)
{
    const struct fakenet_frame *reply;

    (void)state;
    bench_open(64);
    bench.answers_arp = false;
    reply = inject(make_ping(OUR_ADDRESS + 0x100, OUR_ADDRESS, 8));
    assert_non_null(reply); /* the gateway is known */
    assert_int_equal(peer_get16(reply->data + 12), 0x0800);
    reply = inject(make_ping(OUR_ADDRESS + 0x50, OUR_ADDRESS, 8));
    assert_non_null(reply);
    assert_int_equal(peer_get16(reply->data + 12), 0x0806);
    assert_int_equal(peer_get32(reply->data + 38), OUR_ADDRESS + 0x50);
    bench_close();
}

static void test_no_error_about_a_broadcast(void **state)
{
    (void)state;
    bench_open(64);
    memset(frame, 0x55, sizeof(frame));
    assert_null(inject(peer_ip4(frame, PEER_ADDRESS, 0x0a0000ff, 17, 100)));
    peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, 100);
    memset(frame, 0xff, 6);
    assert_null(inject(134));
    bench_close();
}

static void test_errors_are_limited(void **state)
{
    unsigned count = 0;

    (void)state;
    bench_open(64);
    for (unsigned i = 0; i < 1000; i++) {
        memset(frame, 0x55, sizeof(frame));
        count +=
            inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, 20)) != NULL;
    }
    assert_int_equal(count, 100);
    bench_sleep(NS_PER_S);
    assert_non_null(inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, 20)));
    bench_close();
}

/* "Fragmentation needed" with a quote of every length, cut anywhere. */
static void test_quotes_of_every_length(void **state)
{
    (void)state;
    bench_open(64);
    for (size_t len = 0; len < 60; len++) {
        for (uint8_t ihl = 0; ihl < 16; ihl++) {
            uint8_t *icmp = frame + 34;

            memset(frame, 0, sizeof(frame));
            icmp[0] = 3;
            icmp[1] = 4;
            icmp[8] = 0x40 | ihl;
            peer_put16(icmp + 10, 1500);
            icmp[17] = 6;
            peer_put32(icmp + 20, OUR_ADDRESS);
            peer_put16(icmp + 2, peer_checksum(icmp, 8 + len, 0));
            assert_null(
                inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 1, 8 + len)));
        }
    }
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_is_answered),
        cmocka_unit_test(test_link_padding_is_cut),
        cmocka_unit_test(test_options_are_skipped),
        cmocka_unit_test(test_addresses_without_answer),
        cmocka_unit_test(test_sources_with_answer),
        cmocka_unit_test(test_frames_without_answer),
        cmocka_unit_test(test_fragments_are_dropped_and_counted),
        cmocka_unit_test(test_bad_icmp_checksum),
        cmocka_unit_test(test_unserved_protocols_get_errors),
        cmocka_unit_test(test_no_error_about_a_broadcast),
        cmocka_unit_test(test_errors_quote_short_datagrams),
        cmocka_unit_test(test_errors_quote_options),
        cmocka_unit_test(test_answers_fit_the_link),
        cmocka_unit_test(test_link_of_two),
        cmocka_unit_test(test_next_hop),
        cmocka_unit_test(test_errors_are_limited),
        cmocka_unit_test(test_quotes_of_every_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
