/* The formats of IPv6: good ones from the RFCs, and hostile ones. */
#include "net/wire/addr_text.h"
#include "net/wire/icmp6.h"
#include "net/wire/ip6.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* A copy that ends where the bytes end, so that the sanitizer sees each access
 * behind them. */
static uint8_t *exactly(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

static struct net_addr addr_of(const char *text)
{
    struct net_addr addr;

    assert_int_equal(addr_parse(text, NULL, &addr), 0);
    return addr;
}

/* ---- Text ---------------------------------------------------------------- */

static void test_addresses_are_read(void **state)
{
    static const struct {
        const char *text;
        uint8_t want[16];
    } rows[] = {
        {"::", {0}},
        {"::1", {[15] = 1}},
        {"1::", {[1] = 1}},
        {"fe80::1", {0xfe, 0x80, [15] = 1}},
        {"2001:db8::ff00:42:8329",
         {0x20, 1, 0xd, 0xb8, [10] = 0xff, 0, 0, 0x42, 0x83, 0x29}},
        {"2001:DB8:0:0:8:800:200C:417A",
         {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 8, 8, 0, 0x20, 0xc, 0x41, 0x7a}},
        {"1:2:3:4:5:6:7::", {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0}},
        {"::2:3:4:5:6:7:8", {0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}},
        {"::13.1.68.3", {[12] = 13, 1, 68, 3}},
        {"::FFFF:129.144.52.38", {[10] = 0xff, 0xff, 129, 144, 52, 38}},
        {"64:ff9b:1:2:3:4:1.2.3.4",
         {0, 0x64, 0xff, 0x9b, 0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 3, 4}},
        {"10.0.2.15", {[10] = 0xff, 0xff, 10, 0, 2, 15}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr;

        if (addr_parse(rows[i].text, NULL, &addr) != 0 ||
            memcmp(addr.byte, rows[i].want, 16) != 0)
            fail_msg("%s", rows[i].text);
    }
}

static void test_addresses_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        ":",
        ":::",
        "1",
        ":1",
        "1:",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1::2::3",
        "12345::",
        "g::",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8:",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3",
        "::1.2.3.256",
        "::1.2.3.4:5",
        "10.0.2",
        "10.0.2.15.1",
        "010.0.2.1",
        "1.2.3.1234",
        "fe80::1%1",
        "::1 ",
        "1:::2",
        "1.2.3.",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr;

        if (addr_parse(rows[i], NULL, &addr) != -EINVAL)
            fail_msg("\"%s\" is taken", rows[i]);
    }
}

static void test_what_is_behind_an_address_is_told(void **state)
{
    struct net_addr addr;
    const char *end;

    (void)state;
    assert_int_equal(addr_parse("fe80::1/64,::", &end, &addr), 0);
    assert_string_equal(end, "/64,::");
    assert_int_equal(addr_parse("10.0.2.15/24", &end, &addr), 0);
    assert_string_equal(end, "/24");
}

/* RFC 5952, 4 and its examples. */
static void test_addresses_are_written(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"0:0:0:0:0:0:0:0", "::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"2001:0db8::0001", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"FE80:0:0:0:ABCD:0:0:0", "fe80::abcd:0:0:0"},
        {"1:0:0:0:0:0:0:0", "1::"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"::ffff:10.0.2.15", "10.0.2.15"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr = addr_of(rows[i].text);
        char text[ADDR_TEXT];

        addr_format(text, &addr);
        assert_string_equal(text, rows[i].want);
    }
}

/* ---- Kinds of addresses -------------------------------------------------- */

static void test_kinds_of_addresses(void **state)
{
    static const struct {
        const char *text;
        bool is_unicast, is_link_local, is_loop, is_multicast;
        unsigned scope;
    } rows[] = {
        {"::", false, false, false, false, 14},
        {"::1", false, false, true, false, 2},
        {"::2", false, false, false, false, 14},
        {"::1.2.3.4", false, false, false, false, 14},
        {"1.2.3.4", false, false, false, false, 14},
        {"0:0:0:1::", true, false, false, false, 14},
        {"fe7f::1", true, false, false, false, 14},
        {"fe80::1", true, true, false, false, 2},
        {"febf::1", true, true, false, false, 2},
        {"fec0::1", true, false, false, false, 5},
        {"feff::1", true, false, false, false, 5},
        {"2001:db8::1", true, false, false, false, 14},
        {"fd00::1", true, false, false, false, 14},
        {"ff01::1", false, false, false, true, 1},
        {"ff02::1", false, false, false, true, 2},
        {"ff3e::1", false, false, false, true, 14},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr = addr_of(rows[i].text);

        if (ip6_is_unicast(&addr) != rows[i].is_unicast ||
            ip6_is_link_local(&addr) != rows[i].is_link_local ||
            ip6_is_loop(&addr) != rows[i].is_loop ||
            ip6_is_multicast(&addr) != rows[i].is_multicast ||
            ip6_scope(&addr) != rows[i].scope)
            fail_msg("%s", rows[i].text);
    }
}

static void test_groups_of_addresses(void **state)
{
    struct net_addr addr = addr_of("2001:db8::1:2:3456:789a");
    struct net_addr group = ip6_solicited_node(&addr);
    struct net_addr want = addr_of("ff02::1:ff56:789a");
    uint8_t mac[6];

    (void)state;
    assert_true(addr_equal(&group, &want));
    ip6_group_mac(&group, mac);
    assert_memory_equal(mac, "\x33\x33\xff\x56\x78\x9a", 6);
}

static void test_labels(void **state)
{
    /* RFC 6724, 2.1, and one address beside each prefix. */
    static const struct {
        const char *text;
        unsigned want;
    } rows[] = {
        {"::1", 0},
        {"::2", 3},
        {"::1:0:0", 1},
        {"10.0.0.1", 4},
        {"::fffe:1.2.3.4", 1},
        {"2001::1", 5},
        {"2001:1::1", 1},
        {"2000:ffff::", 1},
        {"2002::1", 2},
        {"2003::1", 1},
        {"2002:8000::1", 2},
        {"3ffe::1", 12},
        {"3fff::1", 1},
        {"fec0::1", 11},
        {"feff::1", 11},
        {"febf::1", 1},
        {"fc00::1", 13},
        {"fdff::1", 13},
        {"fbff::1", 1},
        {"fe00::1", 1},
        {"2a00::1", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr = addr_of(rows[i].text);

        if (ip6_label(&addr) != rows[i].want)
            fail_msg("%s: %u", rows[i].text, ip6_label(&addr));
    }
}

/* RFC 5453, and its registry. */
static void test_reserved_interface_ids(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } rows[] = {
        {"::", true},
        {"::1", false},
        {"::0200:5eff:fe00:0", true},
        {"::0200:5eff:feff:ffff", true},
        {"::0200:5eff:fd00:0", false},
        {"::0201:5eff:fe00:0", false},
        {"::fdff:ffff:ffff:ff80", true},
        {"::fdff:ffff:ffff:ffff", true},
        {"::fdff:ffff:ffff:ff7f", false},
        {"::fdff:ffff:ffff:fe80", false},
        {"::fcff:ffff:ffff:ff80", false},
        {"::fdff:feff:ffff:ff80", false},
        {"::1234:ffff:ffff:ff80", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr = addr_of(rows[i].text);

        if (ip6_id_is_reserved(addr.byte + 8) != rows[i].want)
            fail_msg("%s", rows[i].text);
    }
}

static void test_common_bits(void **state)
{
    struct net_addr a = addr_of("2001:db8::");
    struct net_addr b = a;

    (void)state;
    assert_int_equal(ip6_common_len(&a, &b), 128);
    for (unsigned i = 0; i < 128; i++) {
        b = a;
        b.byte[i / 8] ^= (uint8_t)(0x80 >> i % 8);
        b.byte[15] ^= i < 120; /* what follows does not count */
        assert_int_equal(ip6_common_len(&a, &b), i);
    }
}

/* ---- The header ---------------------------------------------------------- */

static const uint8_t header_good[44] = {
    0x6a, 0xb0, 0, 0, 0, 4, 17, 63, 0x20, 1,    0xd,  0xb8, 0,   0,  0,
    0,    0,    0, 0, 0, 0, 0,  1,  2,    0xfe, 0x80, 0,    0,   0,  0,
    0,    0,    0, 0, 0, 0, 0,  0,  3,    4,    'd',  'a',  't', 'a'};

static void test_header_parses_and_emits(void **state)
{
    uint8_t *bytes = exactly(header_good, 44);
    struct ip6_header header;
    uint8_t out[40];

    (void)state;
    assert_int_equal(ip6_parse(bytes, 44, &header), 0);
    assert_int_equal(header.traffic_class, 0xab);
    assert_int_equal(header.payload_len, 4);
    assert_int_equal(header.next, 17);
    assert_int_equal(header.hops, 63);
    assert_memory_equal(header.src.byte, bytes + 8, 16);
    assert_memory_equal(header.dst.byte, bytes + 24, 16);
    ip6_emit(out, &header);
    assert_memory_equal(out, header_good, 40);
    free(bytes);
}

static void test_header_refuses(void **state)
{
    struct ip6_header header;

    (void)state;
    for (size_t len = 0; len <= 44; len++) {
        uint8_t *bytes = exactly(header_good, len);

        assert_int_equal(ip6_parse(bytes, len, &header),
                         len < 44 ? -EPROTO : 0);
        assert_int_equal(ip6_parse_quoted(bytes, len, &header),
                         len < 40 ? -EPROTO : 0);
        free(bytes);
    }
    for (unsigned version = 0; version < 16; version++) {
        uint8_t *bytes = exactly(header_good, 44);

        bytes[0] = (uint8_t)(version << 4);
        assert_int_equal(ip6_parse(bytes, 44, &header),
                         version == 6 ? 0 : -EPROTO);
        free(bytes);
    }
}

/* ---- Extensions ---------------------------------------------------------- */

enum { HBH = 0, ROUTE = 43, FRAG = 44, DEST = 60, UPPER = 17 };

struct chain_row {
    const char *name;
    uint8_t next;
    uint8_t bytes[48];
    size_t len;
    enum ip6_verdict want;
    uint8_t code;      /* IP6_PROBLEM */
    uint16_t at;       /* the same */
    uint16_t size;     /* IP6_TAKE: of all headers */
    uint16_t next_at;  /* the same */
    bool to_group_too; /* IP6_PROBLEM */
};

static const struct chain_row chain_rows[] = {
    {"no extension", UPPER, {0}, 8, IP6_TAKE, .size = 40, .next_at = 6},
    {"nothing at all", 59, {0}, 0, IP6_TAKE, .size = 40, .next_at = 6},
    {"hop-by-hop, PadN",
     HBH,
     {UPPER, 0, 1, 4},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"hop-by-hop, Pad1s",
     HBH,
     {UPPER, 0},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"a router alert",
     HBH,
     {UPPER, 0, 5, 2, 0, 0, 1, 0},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"hop-by-hop of 16 bytes",
     HBH,
     {UPPER, 1, 1, 12},
     16,
     IP6_TAKE,
     .size = 56,
     .next_at = 40},
    {"hop-by-hop is cut off", HBH, {UPPER, 1, 1, 12}, 15, .want = IP6_DROP},
    {"hop-by-hop is cut off at its length", HBH, {UPPER}, 1, .want = IP6_DROP},
    {"hop-by-hop of 7 bytes", HBH, {UPPER, 0, 1, 4}, 7, .want = IP6_DROP},
    {"an option past the end", HBH, {UPPER, 0, 1, 5}, 8, .want = IP6_DROP},
    {"an option without a length",
     HBH,
     {UPPER, 0, 1, 3, 0, 0, 0, 1},
     8,
     .want = IP6_DROP},
    {"unknown option: skip",
     HBH,
     {UPPER, 0, 0x1e, 4},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"unknown option: drop", HBH, {UPPER, 0, 0x5e, 4}, 8, .want = IP6_DROP},
    {"unknown option: tell",
     HBH,
     {UPPER, 0, 0x9e, 4},
     8,
     .want = IP6_PROBLEM,
     .code = 2,
     .at = 42,
     .to_group_too = true},
    {"unknown option: tell one",
     HBH,
     {UPPER, 0, 0xde, 4},
     8,
     .want = IP6_PROBLEM,
     .code = 2,
     .at = 42},
    {"unknown option behind others",
     DEST,
     {UPPER, 0, 0, 1, 0, 0xde, 1, 0},
     8,
     .want = IP6_PROBLEM,
     .code = 2,
     .at = 45},
    {"a jumbo payload (RFC 2675)",
     HBH,
     {UPPER, 0, 0xc2, 4},
     8,
     .want = IP6_PROBLEM,
     .code = 2,
     .at = 42},
    {"a router alert of another length",
     HBH,
     {UPPER, 0, 5, 4},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"destination options",
     DEST,
     {UPPER, 0, 1, 4},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"hop-by-hop is not the first",
     DEST,
     {HBH, 0, 1, 4, 0, 0, 0, 0, UPPER},
     16,
     .want = IP6_PROBLEM,
     .code = 1,
     .at = 40},
    {"hop-by-hop twice",
     HBH,
     {HBH, 0, 1, 4, 0, 0, 0, 0, UPPER},
     16,
     .want = IP6_PROBLEM,
     .code = 1,
     .at = 40},
    {"routing type 0 with segments left",
     ROUTE,
     {UPPER, 2, 0, 1},
     24,
     .want = IP6_PROBLEM,
     .code = 0,
     .at = 42},
    {"routing type 0 that is through",
     ROUTE,
     {UPPER, 2, 0, 0},
     24,
     IP6_TAKE,
     .size = 64,
     .next_at = 40},
    {"another routing with segments left",
     ROUTE,
     {UPPER, 0, 4, 255},
     8,
     .want = IP6_PROBLEM,
     .code = 0,
     .at = 42},
    {"a whole in a fragment",
     FRAG,
     {UPPER, 0, 0, 0, 1, 2, 3, 4},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"whose length byte is reserved",
     FRAG,
     {UPPER, 9, 0, 6, 1, 2, 3, 4},
     8,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"the first fragment",
     FRAG,
     {DEST, 0, 0, 1, 1, 2, 3, 4, UPPER, 99},
     10,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"a later fragment",
     FRAG,
     {DEST, 0, 0, 8, 1, 2, 3, 4, UPPER, 99},
     10,
     IP6_TAKE,
     .size = 48,
     .next_at = 40},
    {"a fragment is cut off", FRAG, {UPPER, 0, 0, 0}, 7, .want = IP6_DROP},
    {"two of them",
     HBH,
     {DEST, 0, 1, 4, 0, 0, 0, 0, UPPER, 0, 1, 4},
     16,
     IP6_TAKE,
     .size = 56,
     .next_at = 48},
    {"the second is cut off",
     HBH,
     {DEST, 0, 1, 4, 0, 0, 0, 0, UPPER, 0, 1, 4},
     15,
     .want = IP6_DROP},
};

static void test_extensions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(chain_rows); i++) {
        const struct chain_row *row = &chain_rows[i];
        uint8_t *bytes = malloc(40 + row->len);
        struct ip6_chain chain;
        enum ip6_verdict got;

        assert_non_null(bytes);
        memcpy(bytes, header_good, 40);
        bytes[6] = row->next;
        if (row->len > 0)
            memcpy(bytes + 40, row->bytes, row->len);
        got = ip6_chain_walk(bytes, 40 + row->len, &chain);
        free(bytes);
        if (got != row->want)
            fail_msg("%s: verdict %d", row->name, got);
        if (got == IP6_PROBLEM &&
            (chain.code != row->code || chain.at != row->at ||
             chain.to_group_too != row->to_group_too))
            fail_msg("%s: code %u at %u", row->name, chain.code, chain.at);
        if (got == IP6_TAKE &&
            (chain.len != row->size || chain.next_at != row->next_at))
            fail_msg("%s: %u bytes, next at %u", row->name, chain.len,
                     chain.next_at);
    }
}

static void test_what_extensions_say(void **state)
{
    static const struct {
        const char *name;
        uint8_t next, bytes[8];
        bool has_fragment, is_fragment, more, is_alert;
        uint32_t offset;
        uint8_t protocol;
    } rows[] = {
        {"alert for MLD",
         HBH,
         {58, 0, 5, 2, 0, 0, 1, 0},
         .is_alert = true,
         .protocol = 58},
        {"alert for RSVP", HBH, {58, 0, 5, 2, 0, 1, 1, 0}, .protocol = 58},
        {"no alert", HBH, {58, 0, 1, 4, 0, 0, 0, 0}, .protocol = 58},
        {"whole",
         FRAG,
         {58, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef},
         true,
         .protocol = 58},
        {"first",
         FRAG,
         {58, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef},
         true,
         true,
         true,
         .protocol = 58},
        {"middle",
         FRAG,
         {58, 0, 1, 1, 0xde, 0xad, 0xbe, 0xef},
         true,
         true,
         true,
         .offset = 256,
         .protocol = 58},
        {"last",
         FRAG,
         {58, 0, 0xff, 0xf8, 0xde, 0xad, 0xbe, 0xef},
         true,
         true,
         .offset = 0xfff8,
         .protocol = 58},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[48];
        struct ip6_chain chain;

        memcpy(bytes, header_good, 40);
        memcpy(bytes + 40, rows[i].bytes, 8);
        bytes[6] = rows[i].next;
        assert_int_equal(ip6_chain_walk(bytes, 48, &chain), IP6_TAKE);
        if (chain.has_fragment != rows[i].has_fragment ||
            chain.is_fragment != rows[i].is_fragment ||
            chain.more_fragments != rows[i].more ||
            chain.is_alert != rows[i].is_alert ||
            chain.fragment_offset != rows[i].offset ||
            chain.protocol != rows[i].protocol)
            fail_msg("%s", rows[i].name);
        if (chain.has_fragment) {
            assert_int_equal(chain.fragment_id, 0xdeadbeef);
            assert_int_equal(chain.fragment_at, 40);
            ip6_make_whole(bytes, &chain, 48);
            assert_int_equal(ip6_chain_walk(bytes, 48, &chain), IP6_TAKE);
            assert_false(chain.is_fragment);
            assert_int_equal(peer_get16(bytes + 4), 8);
        }
    }
}

static void test_many_extensions_are_dropped(void **state)
{
    (void)state;
    for (unsigned count = 0; count < 12; count++) {
        uint8_t bytes[40 + 12 * 8] = {0};
        struct ip6_chain chain;

        memcpy(bytes, header_good, 40);
        bytes[6] = count > 0 ? DEST : UPPER;
        for (unsigned i = 0; i < count; i++)
            bytes[40 + 8 * i] = i + 1 < count ? DEST : UPPER;
        assert_int_equal(ip6_chain_walk(bytes, sizeof(bytes), &chain),
                         count <= 8 ? IP6_TAKE : IP6_DROP);
    }
}

static void test_alert_is_what_is_read(void **state)
{
    uint8_t bytes[48];
    struct ip6_chain chain;

    (void)state;
    memcpy(bytes, header_good, 40);
    bytes[6] = HBH;
    ip6_emit_alert(bytes + 40, 58);
    assert_memory_equal(bytes + 40, "\x3a\0\5\2\0\0\1\0", 8);
    assert_int_equal(ip6_chain_walk(bytes, 48, &chain), IP6_TAKE);
    assert_true(chain.is_alert);
}

/* ---- ICMPv6 -------------------------------------------------------------- */

/* An echo from fe80::1 to fe80::2; its sum was added up by hand: fe80 + 1 +
 * fe80 + 2 + 000c + 003a + 8000 + 1234 + 0001 + 6162 + 6364. */
static const uint8_t echo_good[12] = {0x80, 0, 0xab, 0xb8, 0x12, 0x34,
                                      0,    1, 'a',  'b',  'c',  'd'};

static void test_icmp_parses_and_emits(void **state)
{
    struct ip6_header header = {.src = addr_of("fe80::1"),
                                .dst = addr_of("fe80::2")};
    struct icmp6_message message;
    uint8_t out[12];

    (void)state;
    assert_int_equal(
        icmp6_parse(echo_good, 12, &header, WIRE_SUM_HERE, &message), 0);
    assert_int_equal(message.type, ICMP6_ECHO);
    assert_int_equal(message.code, 0);
    assert_int_equal(message.rest, 0x12340001);
    memcpy(out, echo_good, 12);
    memset(out, 0xff, 8);
    icmp6_emit(out, 12, &header.src, &header.dst, &message);
    assert_memory_equal(out, echo_good, 12);
}

static void test_icmp_refuses(void **state)
{
    const struct ip6_header header = {.src = addr_of("fe80::1"),
                                      .dst = addr_of("fe80::2")};
    const struct ip6_header other = {.src = addr_of("fe80::3"),
                                     .dst = addr_of("fe80::2")};
    struct icmp6_message message;

    (void)state;
    for (size_t len = 0; len < 8; len++) {
        uint8_t *bytes = exactly(echo_good, len);

        assert_int_equal(
            icmp6_parse(bytes, len, &header, WIRE_SUM_BY_CARD, &message),
            -EPROTO);
        free(bytes);
    }
    for (unsigned i = 0; i < 12; i++) {
        uint8_t *bytes = exactly(echo_good, 12);

        bytes[i] ^= 1;
        assert_int_equal(
            icmp6_parse(bytes, 12, &header, WIRE_SUM_HERE, &message), -EUCLEAN);
        assert_int_equal(
            icmp6_parse(bytes, 12, &header, WIRE_SUM_BY_CARD, &message), 0);
        free(bytes);
    }
    assert_int_equal(
        icmp6_parse(echo_good, 12, &other, WIRE_SUM_HERE, &message), -EUCLEAN);
}

/* ---- Neighbour Discovery ------------------------------------------------- */

/* With a nonce (RFC 3971), which we do not read. */
static const uint8_t advert_good[40] = {
    136, 0, 0, 0, 0x60, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,
    0,   0, 0, 7, 14,   1, 1, 2, 3,    4,    5, 6, 2, 1, 2, 4, 6, 8, 10, 12};

static void test_neighbours_parse(void **state)
{
    struct net_addr want = addr_of("fe80::7");
    struct nd_neighbour got;
    uint8_t bytes[40];

    (void)state;
    assert_int_equal(nd_parse_advert(advert_good, 40, &got), 0);
    assert_true(addr_equal(&got.target, &want));
    assert_int_equal(got.flags, ND_SOLICITED | ND_OVERRIDE);
    assert_ptr_equal(got.mac, advert_good + 34);
    assert_int_equal(nd_parse_advert(advert_good, 24, &got), 0);
    assert_null(got.mac);
    /* Its option is of the target, not of the sender. */
    assert_int_equal(nd_parse_solicit(advert_good, 40, &got), 0);
    assert_null(got.mac);
    memcpy(bytes, advert_good, 40);
    nd_emit_target(bytes, &want);
    nd_emit_mac(bytes + 32, true, advert_good + 34);
    assert_memory_equal(bytes, advert_good, 40);
    nd_emit_mac(bytes + 32, false, advert_good + 34);
    assert_int_equal(nd_parse_solicit(bytes, 40, &got), 0);
    assert_ptr_equal(got.mac, bytes + 34);
}

static void test_neighbours_refuse(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"an option of length 0", 33, 0},
        {"a skipped option of length 0", 25, 0},
        {"an option past the end", 33, 2},
        {"a skipped option past the end", 25, 3},
        {"a group's hardware address", 34, 3},
    };
    struct nd_neighbour got;

    (void)state;
    for (size_t len = 0; len < 40; len++) {
        uint8_t *bytes = exactly(advert_good, len);

        assert_int_equal(nd_parse_advert(bytes, len, &got),
                         len == 24 || len == 32 ? 0 : -EPROTO);
        free(bytes);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *bytes = exactly(advert_good, 40);

        bytes[rows[i].at] = rows[i].value;
        if (nd_parse_advert(bytes, 40, &got) != -EPROTO)
            fail_msg("%s", rows[i].name);
        free(bytes);
    }
}

static void test_a_hardware_address_of_16_bytes_is_refused(void **state)
{
    uint8_t bytes[40] = {136, [24] = 2, 2};
    struct nd_neighbour got;

    (void)state;
    assert_int_equal(nd_parse_advert(bytes, 40, &got), -EPROTO);
    bytes[24] = 1; /* not that which is looked for */
    assert_int_equal(nd_parse_advert(bytes, 40, &got), 0);
}

static void test_redirects_parse(void **state)
{
    uint8_t bytes[48] = {137,         [8] = 0xfe, 0x80,     [23] = 1,
                         [24] = 0x20, 1,          [39] = 9, [40] = 2,
                         1,           2,          4};
    struct nd_redirect got;

    (void)state;
    assert_int_equal(nd_parse_redirect(bytes, 48, &got), 0);
    assert_memory_equal(got.target.byte, bytes + 8, 16);
    assert_memory_equal(got.destination.byte, bytes + 24, 16);
    assert_ptr_equal(got.mac, bytes + 42);
    assert_int_equal(nd_parse_redirect(bytes, 40, &got), 0);
    assert_null(got.mac);
    assert_int_equal(nd_parse_redirect(bytes, 39, &got), -EPROTO);
    bytes[41] = 0;
    assert_int_equal(nd_parse_redirect(bytes, 48, &got), -EPROTO);
}

/* Of a router: hops 64, preference high, 1800 s; its address, an MTU of 1400, a
 * prefix, and two name servers. */
static const uint8_t router_good[104] = {
    134,  0, 0,   0,    64, 0x08, 7,    8,    0, 0, 0, 0, 0, 0, 0, 0, /* */
    1,    1, 2,   4,    6,  8,    10,   12,                           /* */
    5,    1, 0,   0,    0,  0,    5,    0x78,                         /* */
    3,    4, 64,  0xc0, 0,  0,    0x0e, 0x10, 0, 0, 7, 8, 0, 0, 0, 0, /* */
    0x20, 1, 0xd, 0xb8, 0,  0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, /* */
    25,   5, 0,   0,    0,  0,    2,    0x58,                         /* */
    0x20, 1, 0xd, 0xb8, 0,  0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 1, /* */
    0x20, 1, 0xd, 0xb8, 0,  0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 2};

static void test_routers_parse(void **state)
{
    struct net_addr prefix = addr_of("2001:db8::");
    struct net_addr dns = addr_of("2001:db8::2");
    struct nd_router got;

    (void)state;
    assert_int_equal(nd_parse_router(router_good, 104, &got), 0);
    assert_int_equal(got.hops, 64);
    assert_int_equal(got.preference, 1);
    assert_int_equal(got.lifetime_s, 1800);
    assert_ptr_equal(got.mac, router_good + 18);
    assert_int_equal(got.mtu, 1400);
    assert_int_equal(got.prefix_count, 1);
    assert_true(addr_equal(&got.prefix[0].prefix, &prefix));
    assert_int_equal(got.prefix[0].len, 64);
    assert_true(got.prefix[0].on_link && got.prefix[0].autonomous);
    assert_int_equal(got.prefix[0].valid_s, 3600);
    assert_int_equal(got.prefix[0].preferred_s, 1800);
    assert_true(got.has_dns);
    assert_int_equal(got.dns_count, 2);
    assert_int_equal(got.dns_s, 600);
    assert_true(addr_equal(&got.dns[1], &dns));
}

static void test_routers_refuse(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        int want;
    } rows[] = {
        {"nothing", 0, 134, 0},
        {"a source of 16 bytes", 17, 2, -EPROTO},
        {"a source that is a group", 18, 1, -EPROTO},
        {"an MTU of 16 bytes", 25, 2, -EPROTO},
        {"an MTU of length 0", 25, 0, -EPROTO},
        {"a prefix of 24 bytes", 33, 3, -EPROTO},
        {"a prefix of 129 bits", 34, 129, -EPROTO},
        {"a prefix of 128 bits", 34, 128, 0},
        {"servers of an even length", 65, 4, -EPROTO},
        {"servers past the end", 65, 7, -EPROTO},
        {"no server", 65, 1, -EPROTO},
        {"one server, and then nonsense", 65, 3, -EPROTO},
        {"an option that nobody knows", 24, 200, 0},
    };
    struct nd_router got;

    (void)state;
    for (size_t len = 0; len < 104; len++) {
        uint8_t *bytes = exactly(router_good, len);
        bool is_end = len == 16 || len == 24 || len == 32 || len == 64;

        if (nd_parse_router(bytes, len, &got) != (is_end ? 0 : -EPROTO))
            fail_msg("%zu bytes", len);
        free(bytes);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *bytes = exactly(router_good, 104);

        bytes[rows[i].at] = rows[i].value;
        if (nd_parse_router(bytes, 104, &got) != rows[i].want)
            fail_msg("%s", rows[i].name);
        free(bytes);
    }
}

/* As the last option. */
static void test_servers_of_a_wrong_length(void **state)
{
    static const struct {
        uint8_t len; /* in units of 8 bytes */
        int want;
    } rows[] = {{1, -EPROTO}, {2, -EPROTO}, {3, 0}, {4, -EPROTO}, {5, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[16 + 40] = {134, [16] = 25, rows[i].len};
        struct nd_router got;

        assert_int_equal(nd_parse_router(bytes, 16 + 8u * rows[i].len, &got),
                         rows[i].want);
    }
}

static void test_of_a_router_not_more_than_there_is_room_for(void **state)
{
    uint8_t bytes[16 + 9 * 32 + 72] = {134};
    struct nd_router got;

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        uint8_t *option = bytes + 16 + 32 * i;

        option[0] = 3;
        option[1] = 4;
        option[16] = (uint8_t)(i + 1);
    }
    bytes[16 + 9 * 32] = 25;
    bytes[16 + 9 * 32 + 1] = 9; /* four servers */
    assert_int_equal(nd_parse_router(bytes, sizeof(bytes), &got), 0);
    assert_int_equal(got.prefix_count, 8);
    assert_int_equal(got.prefix[7].prefix.byte[0], 8);
    assert_int_equal(got.dns_count, 3);
}

static void test_preferences(void **state)
{
    static const int8_t want[4] = {0, 1, 0, -1}; /* RFC 4191, 2.1 */

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t bytes[16] = {134};
        struct nd_router got;

        bytes[5] = (uint8_t)(i << 3 | 0xe7);
        assert_int_equal(nd_parse_router(bytes, 16, &got), 0);
        assert_int_equal(got.preference, want[i]);
    }
}

/* ---- MLD ----------------------------------------------------------------- */

static void test_queries_parse(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        uint16_t code, sources;
        int want;
        uint32_t delay_ms;
    } rows[] = {
        {"RFC 2710", 24, 10000, 0, 0, 10000},
        {"RFC 2710, a large delay", 24, 0xffff, 0, 0, 65535},
        {"too short", 23, 0, 0, -EPROTO, 0},
        {"of no version", 25, 0, 0, -EPROTO, 0},
        {"nor this one", 27, 0, 0, -EPROTO, 0},
        {"RFC 3810", 28, 1000, 0, 0, 1000},
        {"a delay that is just a number", 28, 0x7fff, 0, 0, 0x7fff},
        {"the smallest exponent", 28, 0x8000, 0, 0, 0x1000 << 3},
        {"the largest", 28, 0xffff, 0, 0, 0x1fff << 10},
        {"a source that is not there", 28, 0, 1, -EPROTO, 0},
        {"a source", 44, 0, 1, 0, 0},
        {"65535 sources", 44, 0, 65535, -EPROTO, 0},
        {"something behind", 40, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[64] = {130, [8] = 0xff, 2, [23] = 9};
        struct mld_query got;
        uint8_t *copy;

        peer_put16(bytes + 4, rows[i].code);
        if (rows[i].len >= 28)
            peer_put16(bytes + 26, rows[i].sources);
        copy = exactly(bytes, rows[i].len);
        if (mld_parse_query(copy, rows[i].len, &got) != rows[i].want)
            fail_msg("%s", rows[i].name);
        if (rows[i].want == 0) {
            if (got.delay_ms != rows[i].delay_ms)
                fail_msg("%s: %u ms", rows[i].name, got.delay_ms);
            assert_int_equal(got.is_old, rows[i].len == 24);
            assert_memory_equal(got.group.byte, bytes + 8, 16);
        }
        free(copy);
    }
}

static void test_records_are_written(void **state)
{
    struct net_addr group = addr_of("ff02::1:ff00:1");
    uint8_t bytes[20], want[20] = {4};

    (void)state;
    memset(bytes, 0xff, 20);
    memcpy(want + 4, group.byte, 16);
    mld_emit_record(bytes, MLD_TO_EXCLUDE, &group);
    assert_memory_equal(bytes, want, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_read),
        cmocka_unit_test(test_addresses_are_refused),
        cmocka_unit_test(test_what_is_behind_an_address_is_told),
        cmocka_unit_test(test_addresses_are_written),
        cmocka_unit_test(test_kinds_of_addresses),
        cmocka_unit_test(test_groups_of_addresses),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_reserved_interface_ids),
        cmocka_unit_test(test_common_bits),
        cmocka_unit_test(test_header_parses_and_emits),
        cmocka_unit_test(test_header_refuses),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_what_extensions_say),
        cmocka_unit_test(test_many_extensions_are_dropped),
        cmocka_unit_test(test_alert_is_what_is_read),
        cmocka_unit_test(test_icmp_parses_and_emits),
        cmocka_unit_test(test_icmp_refuses),
        cmocka_unit_test(test_neighbours_parse),
        cmocka_unit_test(test_neighbours_refuse),
        cmocka_unit_test(test_a_hardware_address_of_16_bytes_is_refused),
        cmocka_unit_test(test_redirects_parse),
        cmocka_unit_test(test_routers_parse),
        cmocka_unit_test(test_routers_refuse),
        cmocka_unit_test(test_servers_of_a_wrong_length),
        cmocka_unit_test(test_of_a_router_not_more_than_there_is_room_for),
        cmocka_unit_test(test_preferences),
        cmocka_unit_test(test_queries_parse),
        cmocka_unit_test(test_records_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
