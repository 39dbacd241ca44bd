/* The packet formats: good headers from the RFCs and hostile ones. */
#include "kernel/lib/siphash.h"
#include "net/wire/wire.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void test_ether_parses(void **state)
{
    static const uint8_t frame[14] = {1, 2, 3,    4,   5,    6, 0x52,
                                      8, 9, 0x0a, 0xb, 0x0c, 8, 6};
    struct ether_header header;

    (void)state;
    assert_int_equal(ether_parse(frame, 14, &header), 0);
    assert_memory_equal(header.dst, frame, 6);
    assert_memory_equal(header.src, frame + 6, 6);
    assert_int_equal(header.type, ETHER_TYPE_ARP);
    assert_int_equal(ether_parse(frame, 13, &header), -EPROTO);
    assert_int_equal(ether_parse(frame, 0, &header), -EPROTO);
}

static void test_ether_refuses_group_source(void **state)
{
    static const uint8_t frame[14] = {0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0};
    struct ether_header header;

    (void)state;
    assert_int_equal(ether_parse(frame, 14, &header), -EPROTO);
}

static void test_ether_emit_is_parse_backwards(void **state)
{
    static const uint8_t want[14] = {1, 2, 3,  4,  5,  6, 8,
                                     8, 9, 10, 11, 12, 8, 0};
    struct ether_header header;
    uint8_t frame[14];

    (void)state;
    assert_int_equal(ether_parse(want, 14, &header), 0);
    ether_emit(frame, &header);
    assert_memory_equal(frame, want, 14);
}

/* ---- ARP ----------------------------------------------------------------- */

static const uint8_t arp_good[28] = {0, 1, 8, 0, 6,  4, 0, 1, 2, 2,
                                     2, 2, 2, 2, 10, 0, 0, 2, 4, 5,
                                     6, 7, 8, 9, 10, 0, 0, 1};

static void test_arp_parses_and_emits(void **state)
{
    struct arp_message message;
    uint8_t out[28];

    (void)state;
    assert_int_equal(arp_parse(arp_good, 28, &message), 0);
    assert_int_equal(message.op, ARP_REQUEST);
    assert_int_equal(message.sender, 0x0a000002);
    assert_int_equal(message.target, 0x0a000001);
    arp_emit(out, &message);
    assert_memory_equal(out, arp_good, 28);
}

static void test_arp_refuses(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"hardware is not Ethernet", 1, 6},
        {"protocol is not IPv4", 2, 9},
        {"hardware length 0", 4, 0},
        {"hardware length 255", 4, 255},
        {"protocol length 16", 5, 16},
        {"operation 0", 7, 0},
        {"operation 3", 7, 3},
        {"operation 0x101", 6, 1},
        {"sender is a group", 8, 3},
    };
    struct arp_message message;
    uint8_t buf[28];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(buf, arp_good, 28);
        buf[rows[i].at] = rows[i].value;
        print_message("row %s\n", rows[i].name);
        assert_int_equal(arp_parse(buf, 28, &message), -EPROTO);
    }
    memcpy(buf, arp_good, 28);
    memset(buf + 8, 0, 6);
    assert_int_equal(arp_parse(buf, 28, &message), -EPROTO);
    for (size_t len = 0; len < 28; len++)
        assert_int_equal(arp_parse(arp_good, len, &message), -EPROTO);
}

/* ---- IPv4 ---------------------------------------------------------------- */

/* The worked example of the header checksum known from many texts. */
static const uint8_t ip_good[20] = {0x45, 0,    0,    0x73, 0,    0,    0x40,
                                    0,    0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
                                    0,    1,    0xc0, 0xa8, 0,    0xc7};

static void test_ip4_parses(void **state)
{
    uint8_t buf[0x73] = {0};
    struct ip4_header header;

    (void)state;
    memcpy(buf, ip_good, 20);
    assert_int_equal(ip4_parse(buf, sizeof(buf), &header), 0);
    assert_int_equal(header.src, 0xc0a80001);
    assert_int_equal(header.dst, 0xc0a800c7);
    assert_int_equal(header.protocol, 17);
    assert_int_equal(header.ttl, 64);
    assert_int_equal(header.header_len, 20);
    assert_int_equal(header.total_len, 0x73);
    assert_true(header.dont_fragment);
    assert_false(header.is_fragment);
}

static void test_ip4_emits(void **state)
{
    const struct ip4_header header = {.src = 0xc0a80001,
                                      .dst = 0xc0a800c7,
                                      .protocol = 17,
                                      .ttl = 64,
                                      .dont_fragment = true,
                                      .total_len = 0x73};
    uint8_t buf[20];

    (void)state;
    ip4_emit(buf, &header);
    assert_memory_equal(buf, ip_good, 20);
}

/* What the stack itself does not send: an id, and leave to fragment. */
static void test_ip4_emit_is_parse_backwards(void **state)
{
    const struct ip4_header want = {.src = 0xc0a80001,
                                    .dst = 0xc0a800c7,
                                    .id = 0x1234,
                                    .protocol = 17,
                                    .ttl = 9,
                                    .total_len = 20};
    struct ip4_header got;
    uint8_t buf[20];

    (void)state;
    memset(buf, 0xff, sizeof(buf));
    ip4_emit(buf, &want);
    assert_int_equal(ip4_parse(buf, sizeof(buf), &got), 0);
    assert_int_equal(buf[1], 0); /* type of service */
    assert_int_equal(got.id, want.id);
    assert_int_equal(got.ttl, want.ttl);
    assert_int_equal(got.total_len, want.total_len);
    assert_false(got.dont_fragment);
    assert_false(got.is_fragment);
}

static void test_ip4_refuses(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        size_t len;
        int want;
    } rows[] = {
        {"whole", 8, 64, 115, 0},
        {"padded by the link", 8, 64, 200, 0},
        {"version 6", 0, 0x65, 115, -EPROTO},
        {"version 0", 0, 0x05, 115, -EPROTO},
        {"header length 0", 0, 0x40, 115, -EPROTO},
        {"header length 16", 0, 0x44, 115, -EPROTO},
        {"header past the end", 0, 0x4f, 40, -EPROTO},
        {"total length past the end", 3, 0x74, 115, -EPROTO},
        {"total length 65535", 2, 0xff, 115, -EPROTO},
        {"total length below the header", 3, 19, 115, -EPROTO},
        {"total length 0", 3, 0, 115, -EPROTO},
        {"empty", 8, 64, 0, -EPROTO},
        {"19 bytes", 8, 64, 19, -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *buf = calloc(1, rows[i].len + 1);
        uint8_t full[256] = {0};
        struct ip4_header header;

        memcpy(full, ip_good, 20);
        full[rows[i].at] = rows[i].value;
        full[10] = full[11] = 0;
        peer_put16(full + 10,
                   peer_checksum(full, (size_t)(full[0] & 15) * 4, 0));
        memcpy(buf, full, rows[i].len);
        print_message("row %s\n", rows[i].name);
        assert_int_equal(ip4_parse(buf, rows[i].len, &header), rows[i].want);
        free(buf);
    }
}

static void test_ip4_checks_every_bit_of_the_header(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 160; bit++) {
        uint8_t buf[0x73] = {0};
        struct ip4_header header;

        memcpy(buf, ip_good, 20);
        buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(ip4_parse(buf, sizeof(buf), &header), 0);
    }
}

static void test_ip4_options_are_skipped(void **state)
{
    uint8_t buf[64] = {0};
    struct ip4_header header;

    (void)state;
    memcpy(buf, ip_good, 20);
    buf[0] = 0x4f; /* 60 bytes */
    buf[3] = 64;
    memset(buf + 20, 7, 40);
    buf[10] = buf[11] = 0;
    peer_put16(buf + 10, peer_checksum(buf, 60, 0));
    assert_int_equal(ip4_parse(buf, 64, &header), 0);
    assert_int_equal(header.header_len, 60);
}

static void test_ip4_sees_fragments(void **state)
{
    static const struct {
        const char *name;
        uint16_t field;
        bool want;
    } rows[] = {
        {"whole", 0, false},           {"don't fragment", 0x4000, false},
        {"more", 0x2000, true},        {"offset 1", 1, true},
        {"last offset", 0x1fff, true}, {"reserved bit", 0x8000, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t buf[0x73] = {0};
        struct ip4_header header;

        memcpy(buf, ip_good, 20);
        peer_put16(buf + 6, rows[i].field);
        buf[10] = buf[11] = 0;
        peer_put16(buf + 10, peer_checksum(buf, 20, 0));
        assert_int_equal(ip4_parse(buf, sizeof(buf), &header), 0);
        print_message("row %s\n", rows[i].name);
        assert_int_equal(header.is_fragment, rows[i].want);
    }
}

static void test_ip4_format(void **state)
{
    char text[IP4_ADDRESS_TEXT];

    (void)state;
    ip4_format(text, 0xffffffff);
    assert_string_equal(text, "255.255.255.255");
    ip4_format(text, 0x0a00020f);
    assert_string_equal(text, "10.0.2.15");
}

/* ---- ICMP ---------------------------------------------------------------- */

static void test_icmp4_parses(void **state)
{
    /* An echo request as Linux' ping sends it, sum made by tcpdump's rules. */
    uint8_t buf[12] = {8, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c', 'd'};
    struct icmp4_message message;

    (void)state;
    peer_put16(buf + 2, peer_checksum(buf, 12, 0));
    assert_int_equal(icmp4_parse(buf, 12, &message), 0);
    assert_int_equal(message.type, ICMP4_ECHO);
    assert_int_equal(message.rest, 0x12340001);
    assert_int_equal(icmp4_parse(buf, 7, &message), -EPROTO);
    assert_int_equal(icmp4_parse(buf, 11, &message), -EUCLEAN);
    buf[9] ^= 1;
    assert_int_equal(icmp4_parse(buf, 12, &message), -EUCLEAN);
}

/* ---- TCP ----------------------------------------------------------------- */

static size_t tcp_frame(uint8_t *frame, const uint8_t *options, size_t len)
{
    const struct peer_segment segment = {.seq = 0x01020304,
                                         .ack = 0x05060708,
                                         .flags = SYN | ACK,
                                         .window = 0x1234,
                                         .urgent = 9,
                                         .options = options,
                                         .options_len = len,
                                         .data = "xyz",
                                         .len = 3};

    bench.relative = false;
    return peer_frame(frame, &segment) - 34;
}

static void test_tcp_parses(void **state)
{
    static const uint8_t options[20] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0,
                                        1, 2, 0, 0,   0, 9, 1, 3,  3, 7};
    uint8_t frame[128];
    struct tcp_segment segment;
    size_t len = tcp_frame(frame, options, 20);

    (void)state;
    assert_int_equal(
        tcp_parse(frame + 34, len,
                  ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                  WIRE_SUM_HERE, &segment),
        0);
    assert_int_equal(segment.src_port, PEER_PORT);
    assert_int_equal(segment.dst_port, SERVICE_PORT);
    assert_int_equal(segment.seq, 0x01020304);
    assert_int_equal(segment.ack, 0x05060708);
    assert_int_equal(segment.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(segment.window, 0x1234);
    assert_int_equal(segment.urgent, 9);
    assert_int_equal(segment.payload_len, 3);
    assert_memory_equal(segment.payload, "xyz", 3);
    assert_int_equal(segment.options.mss, 1460);
    assert_true(segment.options.sack_permitted);
    assert_true(segment.options.has_timestamp);
    assert_int_equal(segment.options.timestamp, 0x0102);
    assert_int_equal(segment.options.timestamp_of, 9);
    assert_true(segment.options.has_scale);
    assert_int_equal(segment.options.scale, 7);
}

static void test_tcp_option_tables(void **state)
{
    static const struct {
        const char *name;
        uint8_t option[8];
        int want;
    } rows[] = {
        {"all NOP", {1, 1, 1, 1, 1, 1, 1, 1}, 0},
        {"end first, rubbish behind", {0, 2, 0, 255, 9, 1, 1, 1}, 0},
        {"unknown kind is skipped", {99, 8, 0, 0, 0, 0, 0, 0}, 0},
        {"unknown of length 2", {99, 2, 1, 1, 1, 1, 1, 1}, 0},
        {"unknown of length 1", {99, 1, 1, 1, 1, 1, 1, 1}, -EPROTO},
        {"MSS cut off", {1, 1, 1, 1, 1, 2, 4, 5}, -EPROTO},
        {"length 9 of 8", {99, 9, 0, 0, 0, 0, 0, 0}, -EPROTO},
        {"kind in the last byte", {1, 1, 1, 1, 1, 1, 1, 8}, -EPROTO},
        {"end in the last byte", {1, 1, 1, 1, 1, 1, 1, 0}, 0},
        {"timestamp of 8", {8, 8, 0, 0, 0, 0, 0, 0}, -EPROTO},
    };
    uint8_t frame[128];
    struct tcp_segment segment;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = tcp_frame(frame, rows[i].option, 8);

        print_message("row %s\n", rows[i].name);
        assert_int_equal(
            tcp_parse(frame + 34, len,
                      ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                      WIRE_SUM_HERE, &segment),
            rows[i].want);
    }
}

/* Nothing behind the options is looked at. */
static void test_tcp_options_at_the_end(void **state)
{
    static const uint8_t options[4] = {1, 1, 1, 8};
    const struct peer_segment syn = {
        .flags = SYN, .options = options, .options_len = 4};
    uint8_t frame[128];
    struct tcp_segment segment;
    size_t len;
    uint8_t *exact;

    (void)state;
    bench.relative = false;
    len = peer_frame(frame, &syn) - 34;
    exact = malloc(len);
    memcpy(exact, frame + 34, len);
    assert_int_equal(
        tcp_parse(exact, len, ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                  WIRE_SUM_HERE, &segment),
        -EPROTO);
    free(exact);
}

static void test_tcp_emit_is_parse_backwards(void **state)
{
    static const uint8_t options[8] = {2, 4, 5, 180, 1, 3, 3, 7};
    uint8_t frame[128], out[128];
    struct tcp_segment segment;
    size_t len = tcp_frame(frame, options, 8);

    (void)state;
    assert_int_equal(
        tcp_parse(frame + 34, len,
                  ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                  WIRE_SUM_HERE, &segment),
        0);
    assert_int_equal(tcp_header_len(&segment), 28);
    memset(out, 0xff, sizeof(out));
    memcpy(out + 28, segment.payload, segment.payload_len);
    tcp_emit(out, len, ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
             WIRE_SUM_HERE, &segment);
    assert_memory_equal(out, frame + 34, len);
}

/* RFC 7323, 2.3: a scale above 14 means 14. */
static void test_tcp_scale_is_limited(void **state)
{
    static const uint8_t options[4] = {3, 3, 255, 0};
    uint8_t frame[128];
    struct tcp_segment segment;
    size_t len = tcp_frame(frame, options, 4);

    (void)state;
    assert_int_equal(
        tcp_parse(frame + 34, len,
                  ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                  WIRE_SUM_HERE, &segment),
        0);
    assert_int_equal(segment.options.scale, 14);
}

static void test_tcp_refuses_lengths(void **state)
{
    uint8_t frame[128];
    struct tcp_segment segment;
    size_t len = tcp_frame(frame, NULL, 0);
    uint8_t *tcp = frame + 34;

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy, tcp, cut);
        assert_int_not_equal(
            tcp_parse(copy, cut,
                      ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, cut),
                      WIRE_SUM_HERE, &segment),
            0);
        free(copy);
    }
    for (unsigned words = 0; words < 16; words++) {
        bool fits = words >= 5 && words * 4 <= len;

        tcp[12] = (uint8_t)(words << 4);
        peer_put16(tcp + 16, 0);
        peer_put16(
            tcp + 16,
            peer_checksum(tcp, len,
                          ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len)));
        assert_int_equal(
            tcp_parse(tcp, len,
                      ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                      WIRE_SUM_HERE, &segment) == 0,
            fits);
    }
}

/* The longest segment that IPv4 can carry, and one byte more. */
static void test_tcp_longest_segment(void **state)
{
    static uint8_t buf[UINT16_MAX + 1];
    struct tcp_segment segment;

    (void)state;
    for (size_t len = UINT16_MAX; len <= sizeof(buf); len++) {
        memset(buf, 0, 20);
        buf[12] = 5 << 4;
        peer_put16(
            buf + 16,
            peer_checksum(buf, len,
                          ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len)));
        assert_int_equal(
            tcp_parse(buf, len,
                      ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                      WIRE_SUM_HERE, &segment),
            len == UINT16_MAX ? 0 : -EPROTO);
    }
}

static void test_tcp_checksum_covers_addresses_and_data(void **state)
{
    uint8_t frame[128];
    struct tcp_segment segment;
    size_t len = tcp_frame(frame, NULL, 0);

    (void)state;
    assert_int_equal(
        tcp_parse(frame + 34, len,
                  ip4_pseudo_sum(PEER_ADDRESS + 1, OUR_ADDRESS, 6, len),
                  WIRE_SUM_HERE, &segment),
        -EUCLEAN);
    assert_int_equal(
        tcp_parse(frame + 34, len,
                  ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS ^ 4, 6, len),
                  WIRE_SUM_HERE, &segment),
        -EUCLEAN);
    frame[34 + len - 1] ^= 0x80;
    assert_int_equal(
        tcp_parse(frame + 34, len,
                  ip4_pseudo_sum(PEER_ADDRESS, OUR_ADDRESS, 6, len),
                  WIRE_SUM_HERE, &segment),
        -EUCLEAN);
}

/* Test vectors of the paper's appendix A: key 00..0f, input 00, 01, 02 .. */
static void test_siphash_vectors(void **state)
{
    static const struct {
        size_t len;
        uint64_t want;
    } rows[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)},
    };
    const struct siphash_key key = {
        {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    uint8_t input[16];

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_true(siphash(&key, input, rows[i].len) == rows[i].want);
    assert_true(siphash_12(&key, UINT64_C(0x0706050403020100), 0x0b0a0908) ==
                siphash(&key, input, 12));
}

/* With a card that adds up, the field has the sum of the pseudo header: what it
 * adds to that is the checksum. */
static void test_tcp_sum_by_card(void **state)
{
    const struct tcp_segment sent = {
        .src_port = 80, .dst_port = 4000, .seq = 7, .flags = TCP_ACK};
    struct tcp_segment segment;
    uint8_t here[25] = {0}, by_card[25] = {0};
    uint16_t sum;

    (void)state;
    memcpy(here + 20, "hello", 5);
    memcpy(by_card + 20, "hello", 5);
    tcp_emit(here, 25, ip4_pseudo_sum(OUR_ADDRESS, PEER_ADDRESS, 6, 25),
             WIRE_SUM_HERE, &sent);
    tcp_emit(by_card, 25, ip4_pseudo_sum(OUR_ADDRESS, PEER_ADDRESS, 6, 25),
             WIRE_SUM_BY_CARD, &sent);
    assert_int_equal(tcp_parse(by_card, 25,
                               ip4_pseudo_sum(OUR_ADDRESS, PEER_ADDRESS, 6, 25),
                               WIRE_SUM_HERE, &segment),
                     -EUCLEAN);
    assert_int_equal(tcp_parse(by_card, 25,
                               ip4_pseudo_sum(OUR_ADDRESS, PEER_ADDRESS, 6, 25),
                               WIRE_SUM_BY_CARD, &segment),
                     0);
    assert_int_equal(segment.payload_len, 5);
    sum = peer_checksum(by_card, 25, 0);
    peer_put16(by_card + 16, sum);
    assert_memory_equal(by_card, here, 25);
    by_card[12] = 0xf0; /* other checks are made all the same */
    assert_int_equal(tcp_parse(by_card, 25,
                               ip4_pseudo_sum(OUR_ADDRESS, PEER_ADDRESS, 6, 25),
                               WIRE_SUM_BY_CARD, &segment),
                     -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ether_parses),
        cmocka_unit_test(test_ether_refuses_group_source),
        cmocka_unit_test(test_ether_emit_is_parse_backwards),
        cmocka_unit_test(test_arp_parses_and_emits),
        cmocka_unit_test(test_arp_refuses),
        cmocka_unit_test(test_ip4_parses),
        cmocka_unit_test(test_ip4_emits),
        cmocka_unit_test(test_ip4_emit_is_parse_backwards),
        cmocka_unit_test(test_ip4_refuses),
        cmocka_unit_test(test_ip4_checks_every_bit_of_the_header),
        cmocka_unit_test(test_ip4_options_are_skipped),
        cmocka_unit_test(test_ip4_sees_fragments),
        cmocka_unit_test(test_ip4_format),
        cmocka_unit_test(test_icmp4_parses),
        cmocka_unit_test(test_tcp_parses),
        cmocka_unit_test(test_tcp_option_tables),
        cmocka_unit_test(test_tcp_options_at_the_end),
        cmocka_unit_test(test_tcp_emit_is_parse_backwards),
        cmocka_unit_test(test_tcp_scale_is_limited),
        cmocka_unit_test(test_tcp_refuses_lengths),
        cmocka_unit_test(test_tcp_longest_segment),
        cmocka_unit_test(test_tcp_checksum_covers_addresses_and_data),
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_tcp_sum_by_card),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
