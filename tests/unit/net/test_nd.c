/* Neighbour Discovery, addresses that make themselves, and groups. */
#include "kernel/heap/heap.h"
#include "net/neigh.h"
#include "tests/fakes/console.h"
#include "tests/fakes/netbench6.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { RS = 133, RA = 134, NS = 135, NA = 136, REDIRECT = 137 };

#define SOLICITED UINT32_C(0x40000000)
#define OVERRIDE  UINT32_C(0x20000000)
#define ROUTER    UINT32_C(0x80000000)

static const uint8_t other_mac[6] = {0x52, 0x54, 0, 0, 0, 0x77};

static uint8_t message[1400];

static struct neigh *neigh6(const char *text)
{
    const struct net_addr addr = addr6(text);

    for (unsigned i = 0; i < NEIGH_SETS * NEIGH_WAYS; i++) {
        struct neigh *neigh =
            &bench.stack->neigh.entry[i / NEIGH_WAYS][i % NEIGH_WAYS];

        if (addr_equal(&neigh->address, &addr))
            return neigh;
    }
    return NULL;
}

/* An echo that has to go to the peer. */
static void want_to_send(const char *remote)
{
    struct net_addr dst = addr6(remote);
    struct net_addr src = ip6_source(bench.stack, &dst);
    const struct icmp6_message echo = {.type = 128};
    struct packet *packet = stack_packet(bench.stack);

    packet_append(packet, 8);
    icmp6_send(bench.stack, packet, &echo, &src, &dst, 64);
    bench_run();
}

/* Whether the stack has an address; and which one of the link. */
static bool has(const char *text)
{
    struct net_addr addr = addr6(text);

    return ip6_is_ours(bench.stack, &addr);
}

static const struct ip6_address *ours(unsigned i)
{
    return &ip6_of(bench.stack)->address[i];
}

/* ---- Our own addresses --------------------------------------------------- */

/* RFC 4862, 5.4.2: first the group is joined, then the address is probed, and
 * after RetransTimer it is ours. */
static void test_the_address_of_the_link_is_probed_first(void **state)
{
    struct peer6_frame got;
    struct net_addr addr;

    (void)state;
    bench6_open("auto");
    addr = ours(0)->addr;
    assert_int_equal(addr.word[0], addr6("fe80::").word[0]);
    assert_true(addr_is_none(&(struct net_addr){
        .word = {ip6_link_address(bench.stack).word[0], 0}}));
    bench_sleep(0);
    assert_true(peer6_receive(&got)); /* RFC 3810, 5.2 */
    assert_true(got.is_alert && got.hops == 1);
    assert_true(is_addr6(&got.src, "::") && is_addr6(&got.dst, "ff02::16"));
    assert_int_equal(got.len, 28);
    assert_int_equal(got.data[0], 143);
    assert_int_equal(peer_get16(got.data + 6), 1);
    assert_int_equal(got.data[8], 4); /* CHANGE_TO_EXCLUDE_MODE */
    assert_int_equal(peer_get16(got.data + 10), 0);
    assert_memory_equal(got.data + 12, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff", 13);
    assert_memory_equal(got.data + 25, addr.byte + 13, 3);
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], NS);
    assert_int_equal(got.hops, 255);
    assert_true(is_addr6(&got.src, "::"));
    assert_memory_equal(got.dst.byte + 13, addr.byte + 13, 3);
    assert_memory_equal(got.data + 8, addr.byte, 16);
    assert_int_equal(got.len, 32); /* a nonce, no hardware address: 7.1.1 */
    assert_int_equal(got.data[24], 14);
    bench_sleep(NS_PER_S - 1);
    assert_false(ip6_is_ours(bench.stack, &addr));
    bench_sleep(1);
    assert_true(ip6_is_ours(bench.stack, &addr));
    bench_close();
}

/* RFC 4861, 6.3.7. */
static void test_routers_are_asked_three_times(void **state)
{
    struct peer6_frame got;
    struct net_addr link;

    (void)state;
    bench6_open("auto");
    link = ours(0)->addr;
    bench_sleep(NS_PER_S);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(peer6_expect_icmp(RS, &got));
        assert_true(addr_equal(&got.src, &link));
        assert_true(is_addr6(&got.dst, "ff02::2"));
        assert_int_equal(got.hops, 255);
        assert_int_equal(got.len, 16);
        assert_memory_equal(got.data + 8, "\1\1", 2);
        assert_memory_equal(got.data + 10, bench_mac, 6);
        assert_false(peer6_expect_icmp(RS, &got));
        bench_sleep(4 * NS_PER_S);
    }
    bench_sleep(60 * NS_PER_S);
    assert_false(peer6_expect_icmp(RS, &got));
    bench_close();
}

static void test_interface_ids_are_stable_and_opaque(void **state)
{
    struct net_addr first, second, prefix = addr6("2001:db8:1::");
    uint8_t input[16] = {0}; /* the counts of tries are 0 */
    uint64_t hash;

    (void)state;
    bench6_open("auto");
    first = ip6_address_make(ip6_of(bench.stack), &prefix, 0);
    memcpy(input, prefix.byte, 8);
    memcpy(input + 8, bench_mac, 6);
    hash = siphash(&ip6_of(bench.stack)->id_key, input, sizeof(input));
    assert_int_equal(peer_get32(first.byte + 8), hash >> 32);
    assert_int_equal(peer_get32(first.byte + 12), (uint32_t)hash);
    second = ip6_address_make(ip6_of(bench.stack), &prefix, 0);
    assert_true(addr_equal(&first, &second));
    assert_int_equal(first.word[0], prefix.word[0]);
    second = ip6_address_make(ip6_of(bench.stack), &prefix, 1);
    assert_int_not_equal(first.word[1], second.word[1]);
    prefix = addr6("2001:db8:2::");
    second = ip6_address_make(ip6_of(bench.stack), &prefix, 0);
    assert_int_not_equal(first.word[1], second.word[1]);
    ip6_of(bench.stack)->id_key.word[0]++;
    prefix = addr6("2001:db8:1::");
    second = ip6_address_make(ip6_of(bench.stack), &prefix, 0);
    assert_int_not_equal(first.word[1], second.word[1]);
    bench.stack->dev->mac[5]++;
    ip6_of(bench.stack)->id_key.word[0]--;
    second = ip6_address_make(ip6_of(bench.stack), &prefix, 0);
    assert_int_not_equal(first.word[1], second.word[1]);
    bench.stack->dev->mac[5]--;
    bench_close();
}

static void text_of(char *text, const struct net_addr *addr)
{
    for (unsigned i = 0; i < 8; i++)
        text += snprintf(text, 6, "%s%x", i > 0 ? ":" : "",
                         peer_get16(addr->byte + 2 * i));
}

/* Who else has, or wants, the address that we are about to take. */
static void test_duplicates(void **state)
{
    static const struct {
        const char *name;
        uint8_t type;
        const char *src, *dst; /* dst NULL: the group of the address */
        bool is_ours;          /* the hardware address, or the nonce */
        bool want;
        bool is_unsaid; /* without a hardware address */
    } rows[] = {
        {"one that does not say its hardware address", NA, PEER6, "ff02::1",
         false, true, true},
        {"an advertisement", NA, PEER6, "ff02::1", false, true, false},
        {"our own advertisement", NA, PEER6, "ff02::1", true, false, false},
        {"somebody else's probe", NS, "::", NULL, false, true, false},
        {"our own probe", NS, "::", NULL, true, false, false},
        {"somebody asks for it", NS, PEER6, NULL, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char addr[64], group[64];
        struct net_addr before, solicited;
        size_t len;

        console_forget();
        bench6_open("auto");
        bench6_settle(NS_PER_MS);
        before = ours(0)->addr;
        solicited = ip6_solicited_node(&before);
        text_of(addr, &before);
        text_of(group, &solicited);
        len = peer6_neighbour(message, rows[i].type, 0, addr,
                              rows[i].type == NA && !rows[i].is_unsaid
                                  ? (rows[i].is_ours ? bench_mac : other_mac)
                                  : NULL);
        if (rows[i].type == NS && rows[i].is_ours) {
            memcpy(message + len, "\x0e\1", 2);
            memcpy(message + len + 2, ip6_of(bench.stack)->nonce, 6);
            len += 8;
        }
        peer6_icmp(rows[i].src, rows[i].dst != NULL ? rows[i].dst : group, 255,
                   message, len);
        if ((bench.stack->stats.nd_conflicts == 1) != rows[i].want ||
            addr_equal(&ours(0)->addr, &before) == rows[i].want ||
            console_has("another host: we take another") != rows[i].want)
            fail_msg("%s", rows[i].name);
        bench6_settle(2 * NS_PER_S);
        assert_int_equal(ours(0)->state, IP6_READY);
        bench_close();
    }
}

/* RFC 7217, 6: some other ids are tried, then it is given up. */
static void test_an_address_that_is_always_taken_is_given_up(void **state)
{
    (void)state;
    bench6_open("auto");
    for (unsigned i = 0; i < 4; i++) {
        char addr[64];

        assert_int_equal(ours(0)->state, IP6_TENTATIVE);
        bench6_settle(NS_PER_MS);
        text_of(addr, &ours(0)->addr);
        peer6_icmp(PEER6, "ff02::1", 255, message,
                   peer6_neighbour(message, NA, 0, addr, other_mac));
    }
    assert_int_equal(ours(0)->state, IP6_DUPLICATE);
    bench6_settle(60 * NS_PER_S);
    assert_true(addr_is_none(
        &(struct net_addr){.word = {ip6_link_address(bench.stack).word[0],
                                    ip6_link_address(bench.stack).word[1]}}));
    bench_close();
}

/* The first probe may be lost while the link comes up. */
static void test_a_configured_address_is_probed_twice(void **state)
{
    struct peer6_frame got;
    unsigned probes = 0;

    (void)state;
    bench6_open("2001:db8::1/64");
    bench_sleep(2 * NS_PER_S - 1);
    assert_false(has("2001:db8::1"));
    bench_sleep(1);
    assert_true(has("2001:db8::1"));
    while (peer6_expect_icmp(NS, &got))
        probes += is_addr6(&got.dst, "ff02::1:ff00:1");
    assert_int_equal(probes, 2);
    bench_close();
}

static void test_a_configured_address_that_is_taken_is_not_used(void **state)
{
    (void)state;
    bench6_open("2001:db8::1/64");
    bench6_settle(NS_PER_MS);
    peer6_icmp(PEER6, "ff02::1", 255, message,
               peer6_neighbour(message, NA, 0, "2001:db8::1", other_mac));
    bench6_settle(10 * NS_PER_S);
    assert_false(has("2001:db8::1"));
    assert_int_equal(ours(0)->state, IP6_READY);
    assert_int_equal(bench.stack->stats.nd_conflicts, 1);
    bench_close();
}

/* It stays what it is when somebody else probes it, too. */
static void test_a_duplicate_is_left_alone(void **state)
{
    struct net_addr group = addr6("ff02::1:ff00:1");

    (void)state;
    bench6_open("2001:db8::1/64");
    bench6_settle(NS_PER_MS);
    peer6_icmp(PEER6, "ff02::1", 255, message,
               peer6_neighbour(message, NA, 0, "2001:db8::1", other_mac));
    assert_true(console_has("2001:db8::1 is the address of another host"));
    mld_join(bench.stack, &group); /* another address has that group */
    peer6_icmp("::", "ff02::1:ff00:1", 255, message,
               peer6_neighbour(message, NS, 0, "2001:db8::1", NULL));
    peer6_icmp(PEER6, "ff02::1", 255, message,
               peer6_neighbour(message, NA, 0, "2001:db8::1", other_mac));
    assert_int_equal(bench.stack->stats.nd_ignored, 1);
    assert_int_equal(bench.stack->stats.nd_conflicts, 1);
    mld_leave(bench.stack, &group);
    bench_close();
}

/* It is kept, and said so once in ten seconds. */
static void test_our_address_is_defended(void **state)
{
    struct peer6_frame got;
    size_t len;

    (void)state;
    bench6_open_static();
    len = peer6_neighbour(message, NA, OVERRIDE, OUR6, other_mac);
    for (unsigned i = 0; i < 3; i++)
        peer6_icmp(PEER6, "ff02::1", 255, message, len);
    assert_true(has(OUR6));
    assert_int_equal(bench.stack->stats.nd_conflicts, 3);
    assert_true(console_has("another card claims our address 2001:db8::1\n"));
    assert_true(peer6_expect_icmp(NA, &got));
    assert_true(is_addr6(&got.src, OUR6) && is_addr6(&got.dst, "ff02::1"));
    assert_int_equal(peer_get32(got.data + 4), OVERRIDE);
    assert_memory_equal(got.data + 26, bench_mac, 6);
    assert_false(peer6_expect_icmp(NA, &got));
    bench_sleep(10 * NS_PER_S);
    peer6_icmp(PEER6, "ff02::1", 255, message, len);
    assert_true(peer6_expect_icmp(NA, &got));
    bench_close();
}

/* ---- Neighbours ask us --------------------------------------------------- */

struct solicit_row {
    const char *name;
    const char *src, *dst, *target;
    uint8_t hops, code;
    bool has_mac;
    bool has_fragment;
    enum { ANSWER, BAD, IGNORED, TO_ALL, NOT_OURS, BAD_IP } want;
};

static const struct solicit_row solicit_rows[] = {
    {"all is right", PEER6, "ff02::1:ff00:1", OUR6, 255, 0, true, false,
     ANSWER},
    {"to us alone", PEER6, OUR6, OUR6, 255, 0, true, false, ANSWER},
    {"without its hardware address", PEER6, OUR6, OUR6, 255, 0, false, false,
     ANSWER},
    {"by a global address", PEER6_GLOBAL, OUR6, OUR6, 255, 0, true, false,
     ANSWER},
    {"of a host that is not on the link", "2001:db8:9::1", OUR6, OUR6, 255, 0,
     true, false, BAD},
    {"a router has passed it on", PEER6, OUR6, OUR6, 254, 0, true, false, BAD},
    {"another code", PEER6, OUR6, OUR6, 255, 1, true, false, BAD},
    {"in a fragment (RFC 6980)", PEER6, OUR6, OUR6, 255, 0, true, true, BAD},
    {"the target is a group", PEER6, "ff02::1:ff00:1", "ff02::1", 255, 0, true,
     false, BAD},
    {"a probe", "::", "ff02::1:ff00:1", OUR6, 255, 0, false, false, TO_ALL},
    {"a probe with a hardware address", "::", "ff02::1:ff00:1", OUR6, 255, 0,
     true, false, BAD},
    {"a probe to all", "::", "ff02::1", OUR6, 255, 0, false, false, BAD},
    {"a probe to us alone", "::", OUR6, OUR6, 255, 0, false, false, BAD_IP},
    {"for somebody else", PEER6, "ff02::1:ff00:1", "2001:db8::f00:1", 255, 0,
     true, false, IGNORED},
    {"to a group that is not ours", PEER6, "ff02::1:ff00:9", OUR6, 255, 0, true,
     false, NOT_OURS},
};

static void solicit(const struct solicit_row *row)
{
    uint8_t bytes[8 + 32] = {58, 0, 0, 0, 9, 9, 9, 9};
    size_t len = peer6_neighbour(message, NS, 0, row->target,
                                 row->has_mac ? peer_mac : NULL);

    message[1] = row->code;
    if (row->has_fragment) { /* a whole one: RFC 6946 */
        static uint8_t frame[FAKENET_FRAME_MAX];

        memcpy(frame + 54, message, len);
        peer6_ip(frame, row->src, row->dst, 58, row->hops, len);
        peer6_sum(frame, 58, len, 2);
        memcpy(bytes + 8, frame + 54, len);
        peer6_send(row->src, row->dst, 44, row->hops, bytes, 8 + len);
    } else {
        peer6_icmp(row->src, row->dst, row->hops, message, len);
    }
}

static void test_solicitations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(solicit_rows); i++) {
        const struct solicit_row *row = &solicit_rows[i];
        const struct net_stats *stats;
        struct peer6_frame got;
        bool any;

        bench6_open_static();
        stats = &bench.stack->stats;
        solicit(row);
        any = peer6_expect_icmp(NA, &got);
        if (any != (row->want == ANSWER || row->want == TO_ALL) ||
            stats->nd_bad != (row->want == BAD) ||
            stats->nd_ignored != (row->want == IGNORED) ||
            stats->ip_not_ours != (row->want == NOT_OURS) ||
            stats->ip_bad != (row->want == BAD_IP))
            fail_msg("%s", row->name);
        if (any) {
            const char *to = row->want == TO_ALL ? "ff02::1" : row->src;
            uint32_t flags = row->want == TO_ALL ? 0 : SOLICITED;

            assert_true(is_addr6(&got.src, OUR6));
            assert_true(is_addr6(&got.dst, to));
            assert_int_equal(got.hops, 255);
            assert_int_equal(peer_get32(got.data + 4), flags | OVERRIDE);
            assert_int_equal(got.len, 32);
            assert_memory_equal(got.data + 24, "\2\1", 2);
            assert_memory_equal(got.data + 26, bench_mac, 6);
        }
        bench_close();
    }
}

static void test_who_asks_for_us_is_a_neighbour(void **state)
{
    (void)state;
    bench6_open_static();
    peer6_icmp("fe80::99", OUR6, 255, message,
               peer6_neighbour(message, NS, 0, OUR6, other_mac));
    assert_non_null(neigh6("fe80::99"));
    assert_memory_equal(neigh6("fe80::99")->mac, other_mac, 6);
    peer6_icmp("fe80::98", OUR6, 255, message,
               peer6_neighbour(message, NS, 0, "2001:db8::f00:1", other_mac));
    assert_null(neigh6("fe80::98")); /* it asks for somebody else */
    bench_close();
}

/* ---- We ask neighbours --------------------------------------------------- */

static void test_a_neighbour_is_asked_for_and_answers(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    want_to_send("2001:db8::7:8899");
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], NS);
    assert_int_equal(got.hops, 255);
    assert_true(is_addr6(&got.src, OUR6));
    assert_true(is_addr6(&got.dst, "ff02::1:ff07:8899"));
    assert_memory_equal(got.data + 24, "\1\1", 2);
    assert_memory_equal(got.data + 26, bench_mac, 6);
    assert_false(peer6_receive(&got));
    peer6_icmp("2001:db8::7:8899", OUR6, 255, message,
               peer6_neighbour(message, NA, SOLICITED | OVERRIDE,
                               "2001:db8::7:8899", other_mac));
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], 128);
    assert_memory_equal(got.mac, other_mac, 6);
    bench_close();
}

static void test_a_neighbour_that_is_silent_is_asked_three_times(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    want_to_send("2001:db8::77");
    bench_sleep(5 * NS_PER_S);
    for (unsigned i = 0; i < 3; i++)
        assert_true(peer6_expect_icmp(NS, &got));
    assert_false(peer6_receive(&got));
    assert_null(neigh6("2001:db8::77"));
    assert_int_equal(bench.stack->stats.neigh_failed, 1);
    bench_close();
}

/* What an advertisement of PEER6 changes, whose hardware address is known. */
static void test_advertisements(void **state)
{
    static const struct {
        const char *name;
        const char *src, *dst, *target;
        uint8_t hops, code;
        uint32_t flags;
        const uint8_t *mac;
        unsigned asked; /* we have, so often */
        enum { TAKEN, CLAIM, BAD_NA, LEFT } want;
    } rows[] = {
        {"another one, unasked", PEER6, "ff02::1", PEER6, 255, 0, OVERRIDE,
         other_mac, 0, CLAIM},
        {"an answer that nobody has asked for", PEER6, OUR6, PEER6, 255, 0,
         SOLICITED | OVERRIDE, other_mac, 0, CLAIM},
        {"an answer while its owner is asked", PEER6, OUR6, PEER6, 255, 0,
         SOLICITED | OVERRIDE, other_mac, 2, CLAIM},
        {"an answer when everybody is asked", PEER6, OUR6, PEER6, 255, 0,
         SOLICITED | OVERRIDE, other_mac, 3, TAKEN},
        {"which does not override", PEER6, OUR6, PEER6, 255, 0, SOLICITED,
         other_mac, 3, CLAIM},
        {"not solicited", PEER6, OUR6, PEER6, 255, 0, OVERRIDE, other_mac, 3,
         CLAIM},
        {"from too far", PEER6, OUR6, PEER6, 64, 0, SOLICITED | OVERRIDE,
         other_mac, 3, BAD_NA},
        {"another code", PEER6, OUR6, PEER6, 255, 1, SOLICITED | OVERRIDE,
         other_mac, 3, BAD_NA},
        {"solicited, to all", PEER6, "ff02::1", PEER6, 255, 0,
         SOLICITED | OVERRIDE, other_mac, 3, BAD_NA},
        {"of a group", PEER6, OUR6, "ff02::9", 255, 0, SOLICITED | OVERRIDE,
         other_mac, 3, BAD_NA},
        {"from nowhere", "::", "ff02::1", PEER6, 255, 0, OVERRIDE, other_mac, 3,
         BAD_NA},
        {"of a host that is not on the link", PEER6, OUR6, "2001:db8:9::1", 255,
         0, SOLICITED | OVERRIDE, other_mac, 3, LEFT},
        {"of a host that we do not know", PEER6, OUR6, "fe80::5", 255, 0,
         SOLICITED | OVERRIDE, other_mac, 3, LEFT},
        {"the same one again", PEER6, OUR6, PEER6, 255, 0, SOLICITED, peer_mac,
         3, TAKEN},
        {"an answer that does not say it", PEER6, OUR6, PEER6, 255, 0,
         SOLICITED, NULL, 3, TAKEN},
        {"not even solicited", PEER6, OUR6, PEER6, 255, 0, 0, NULL, 3, LEFT},
        {"of a stranger, who does not say it", PEER6, OUR6, "fe80::5", 255, 0,
         SOLICITED, NULL, 3, LEFT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct net_stats *stats;
        struct neigh *peer;
        size_t len;
        bool is_taken;

        bench6_open_static();
        stats = &bench.stack->stats;
        peer = neigh6(PEER6);
        peer->asked = (uint8_t)rows[i].asked;
        if (rows[i].asked > 0) {
            peer->asked_at = bench.now;
            assert_int_equal(
                timer_set(&bench.stack->neigh.timer, bench.now + NS_PER_S), 0);
        }
        len = peer6_neighbour(message, NA, rows[i].flags, rows[i].target,
                              rows[i].mac);
        message[1] = rows[i].code;
        peer6_icmp(rows[i].src, rows[i].dst, rows[i].hops, message, len);
        is_taken = peer->asked == 0 && (rows[i].mac == NULL ||
                                        memcmp(peer->mac, rows[i].mac, 6) == 0);
        if (is_taken != (rows[i].want == TAKEN) ||
            stats->neigh_claims != (rows[i].want == CLAIM) ||
            stats->nd_bad != (rows[i].want == BAD_NA) ||
            stats->nd_ignored != (rows[i].want == LEFT))
            fail_msg("%s: taken %d claims %u bad %u ignored %u", rows[i].name,
                     is_taken, (unsigned)stats->neigh_claims,
                     (unsigned)stats->nd_bad, (unsigned)stats->nd_ignored);
        bench_close();
    }
}

/* ---- Routers ------------------------------------------------------------- */

/* An advertisement: written to `message`. */
static size_t router(uint16_t lifetime_s, uint8_t preference)
{
    memset(message, 0, sizeof(message));
    message[0] = RA;
    message[4] = 60;
    message[5] = (uint8_t)(preference << 3);
    peer_put16(message + 6, lifetime_s);
    message[16] = message[17] = 1;
    memcpy(message + 18, router6_mac, 6);
    return 24;
}

/* With a prefix of /len. */
static size_t prefix(size_t at, const char *text, uint8_t len, uint8_t flags,
                     uint32_t valid_s, uint32_t preferred_s)
{
    struct net_addr addr = addr6(text);

    message[at] = 3;
    message[at + 1] = 4;
    message[at + 2] = len;
    message[at + 3] = flags;
    peer_put32(message + at + 4, valid_s);
    peer_put32(message + at + 8, preferred_s);
    memcpy(message + at + 16, addr.byte, 16);
    return at + 32;
}

static void router_says(size_t len)
{
    peer6_icmp(ROUTER6, "ff02::1", 255, message, len);
}

static void open_auto(void)
{
    bench6_open("auto");
    bench6_settle(2 * NS_PER_S);
    bench.stack->stats = (struct net_stats){0};
}

static bool default_is(const char *text)
{
    struct net_addr far = addr6("2a00::1"), hop;

    return route_next_hop(bench.stack, &far, &hop) == 0 && is_addr6(&hop, text);
}

static bool on_link(const char *text)
{
    struct net_addr addr = addr6(text);

    return route_is_on_link(bench.stack, &addr);
}

static bool has_default(void)
{
    struct net_addr far = addr6("2a00::1"), hop;

    return route_next_hop(bench.stack, &far, &hop) == 0;
}

static void test_an_address_is_made_of_a_prefix(void **state)
{
    struct peer6_frame got;
    struct net_addr made;
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    len = prefix(len, "2001:db8:5::", 64, 0xc0, 3600, 1800);
    router_says(len);
    assert_true(default_is(ROUTER6));
    assert_true(on_link("2001:db8:5::9"));
    assert_int_equal(ours(1)->state, IP6_TENTATIVE);
    assert_int_equal(ip6_of(bench.stack)->hops, 60);
    bench_sleep(2 * NS_PER_S); /* a delay of up to a second, and the probe */
    assert_int_equal(ours(1)->state, IP6_READY);
    made = addr6("2001:db8:5::");
    assert_int_equal(ours(1)->addr.word[0], made.word[0]);
    made = ip6_address_make(ip6_of(bench.stack), &made, 0);
    assert_true(addr_equal(&ours(1)->addr, &made));
    assert_memory_not_equal(made.byte + 8, "\0\0\0\0", 4);
    assert_memory_not_equal(made.byte + 12, "\0\0\0\0", 4);
    assert_true(peer6_expect_icmp(NS, &got));
    assert_memory_equal(got.data + 8, ours(1)->addr.byte, 16);
    bench_sleep(60 * NS_PER_S); /* routers are no longer asked for */
    assert_false(peer6_expect_icmp(RS, &got));
    bench_close();
}

static void test_lifetimes_end(void **state)
{
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    len = prefix(len, "2001:db8:5::", 64, 0xc0, 3600, 600);
    router_says(len);
    bench6_settle(599 * NS_PER_S);
    assert_true(ours(1)->preferred_until > bench.now);
    bench6_settle(2 * NS_PER_S);
    assert_false(ours(1)->preferred_until > bench.now);
    bench6_settle(1198 * NS_PER_S);
    assert_true(has_default());
    bench6_settle(1 * NS_PER_S);
    assert_false(has_default());
    bench6_settle(1799 * NS_PER_S);
    assert_int_equal(ours(1)->state, IP6_READY);
    assert_true(on_link("2001:db8:5::9"));
    bench6_settle(1 * NS_PER_S);
    assert_int_equal(ours(1)->state, IP6_FREE);
    assert_false(on_link("2001:db8:5::9"));
    router_says(len); /* the same address may come again */
    bench6_settle(3 * NS_PER_S);
    assert_int_equal(ours(1)->state, IP6_READY);
    bench_close();
}

/* A renewal changes both lifetimes, and the end comes when it says. */
static void test_an_address_is_renewed(void **state)
{
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    router_says(prefix(len, "2001:db8:5::", 64, 0x40, 86400, 86400));
    router_says(prefix(len, "2001:db8:5::", 64, 0x40, 7201, 600));
    assert_true(ours(1)->preferred_until == bench.now + 600 * NS_PER_S);
    bench6_settle(7200 * NS_PER_S);
    assert_int_equal(ours(1)->state, IP6_READY);
    bench6_settle(NS_PER_S);
    assert_int_equal(ours(1)->state, IP6_FREE);
    bench_close();
}

/* RFC 4862, 5.5.3 e: what the valid lifetime is after an advertisement. */
static void test_the_two_hour_rule(void **state)
{
    static const struct {
        const char *name;
        uint32_t before_s, said_s, want_s;
    } rows[] = {
        {"more than two hours", 86400, 7201, 7201},
        {"two hours, less than there is", 86400, 7200, 7200},
        {"less than two hours, from much", 86400, 10, 7200},
        {"nothing, from much", 86400, 0, 7200},
        {"less, from less than two hours", 3600, 10, 3600},
        {"nothing, from less", 3600, 0, 3600},
        {"more, from less", 3600, 3601, 3601},
        {"much, from less", 3600, 100000, 100000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len;

        open_auto();
        len = router(1800, 0);
        router_says(prefix(len, "2001:db8:5::", 64, 0x40, rows[i].before_s, 0));
        router_says(prefix(len, "2001:db8:5::", 64, 0x40, rows[i].said_s, 0));
        if (ours(1)->valid_until - bench.now != rows[i].want_s * NS_PER_S)
            fail_msg("%s", rows[i].name);
        bench_close();
    }
}

static void test_for_ever_is_for_ever(void **state)
{
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    router_says(prefix(len, "2001:db8:5::", 64, 0xc0, UINT32_MAX, UINT32_MAX));
    assert_true(ours(1)->valid_until == TIME_NEVER);
    assert_true(ours(1)->preferred_until == TIME_NEVER);
    bench_close();
}

/* What an advertisement must be: RFC 4861, 6.1.2. */
static void test_advertisements_of_routers(void **state)
{
    static const struct {
        const char *name;
        const char *src;
        uint8_t hops, code, preference;
        size_t cut; /* off its end */
        bool want;
    } rows[] = {
        {"all is right", ROUTER6, 255, 0, 0, 0, true},
        {"from a global address", PEER6_GLOBAL, 255, 0, 0, 0, false},
        {"from nowhere", "::", 255, 0, 0, 0, false},
        {"from too far", ROUTER6, 254, 0, 0, 0, false},
        {"another code", ROUTER6, 255, 1, 0, 0, false},
        {"an option that is cut off", ROUTER6, 255, 0, 0, 1, false},
        {"without options", ROUTER6, 255, 0, 0, 8, true},
        {"too short", ROUTER6, 255, 0, 0, 9, false},
        {"of a preference that is reserved", ROUTER6, 255, 0, 2, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len;

        open_auto();
        len = router(1800, rows[i].preference);
        message[1] = rows[i].code;
        peer6_icmp(rows[i].src, "ff02::1", rows[i].hops, message,
                   len - rows[i].cut);
        if (has_default() != rows[i].want ||
            (bench.stack->stats.nd_bad == 1) == rows[i].want)
            fail_msg("%s", rows[i].name);
        bench_close();
    }
}

/* Which prefixes become a route, and which an address. */
static void test_prefixes(void **state)
{
    static const struct {
        const char *name;
        const char *prefix;
        uint8_t len, flags;
        uint32_t valid_s, preferred_s;
        bool is_on_link, is_address;
        unsigned bad;
    } rows[] = {
        {"both", "2001:db8:5::", 64, 0xc0, 600, 600, true, true, 0},
        {"only on the link", "2001:db8:5::", 64, 0x80, 600, 600, true, false,
         0},
        {"only an address", "2001:db8:5::", 64, 0x40, 600, 600, false, true, 0},
        {"neither", "2001:db8:5::", 64, 0, 600, 600, false, false, 0},
        {"of another length", "2001:db8:5::", 63, 0xc0, 600, 600, true, false,
         1},
        {"of all bits", "2001:db8:5::9", 128, 0xc0, 600, 600, true, false, 1},
        {"of no bit", "2001:db8:5::", 0, 0xc0, 600, 600, false, false, 0},
        {"the link's own", "fe80::", 64, 0xc0, 600, 600, false, false, 0},
        {"a group", "ff02::", 64, 0xc0, 600, 600, false, false, 0},
        {"IPv4", "::ffff:0:0", 96, 0x80, 600, 600, false, false, 0},
        {"nothing", "::", 64, 0xc0, 600, 600, false, false, 0},
        {"preferred for longer than valid", "2001:db8:5::", 64, 0xc0, 600, 601,
         true, false, 1},
        {"no longer valid", "2001:db8:5::", 64, 0xc0, 0, 0, false, false, 0},
        {"with an address in it", "2001:db8:5::7", 64, 0xc0, 600, 600, true,
         true, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len;

        open_auto();
        len = router(1800, 0);
        router_says(prefix(len, rows[i].prefix, rows[i].len, rows[i].flags,
                           rows[i].valid_s, rows[i].preferred_s));
        if (on_link("2001:db8:5::9") != rows[i].is_on_link ||
            (ours(1)->state != IP6_FREE) != rows[i].is_address)
            fail_msg("%s", rows[i].name);
        assert_true(ip6_of(bench.stack)->prefix[1].len == 0);
        if (rows[i].bad > 0)
            assert_int_equal(bench.stack->stats.nd_bad, rows[i].bad);
        bench_close();
    }
}

static void test_a_prefix_is_renewed(void **state)
{
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    len = prefix(len, "2001:db8:5::", 64, 0x80, 600, 600);
    router_says(len);
    bench6_settle(500 * NS_PER_S);
    router_says(len);
    bench6_settle(599 * NS_PER_S);
    assert_true(on_link("2001:db8:5::9"));
    bench6_settle(NS_PER_S);
    assert_false(on_link("2001:db8:5::9"));
    bench_close();
}

static void test_a_prefix_leaves_the_link(void **state)
{
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    router_says(prefix(len, "2001:db8:5::", 64, 0x80, 600, 600));
    assert_true(on_link("2001:db8:5::9"));
    router_says(prefix(len, "2001:db8:5::", 64, 0x80, 0, 0));
    assert_false(on_link("2001:db8:5::9"));
    bench_close();
}

static void test_the_mtu_and_the_hop_limit_of_the_link(void **state)
{
    static const struct {
        uint32_t mtu;
        uint8_t hops;
        unsigned want_mtu, want_hops;
    } rows[] = {
        {1400, 60, 1400, 60}, {1280, 32, 1280, 32},   {1279, 31, 1500, 64},
        {1501, 0, 1500, 64},  {1500, 255, 1500, 255}, {0xffffffff, 1, 1500, 64},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len;

        open_auto();
        len = router(1800, 0);
        message[4] = rows[i].hops;
        message[len] = 5;
        message[len + 1] = 1;
        peer_put32(message + len + 4, rows[i].mtu);
        router_says(len + 8);
        assert_int_equal(bench.stack->ip6_mtu, rows[i].want_mtu);
        assert_int_equal(ip6_of(bench.stack)->hops, rows[i].want_hops);
        bench_close();
    }
}

static void router_from(const char *src, uint16_t lifetime_s,
                        uint8_t preference)
{
    size_t len = router(lifetime_s, preference);

    peer6_icmp(src, "ff02::1", 255, message, len);
}

enum { MEDIUM = 0, HIGH = 1, LOW = 3 };

static void test_the_best_router_is_chosen(void **state)
{
    uint32_t generation;

    (void)state;
    open_auto();
    router_from("fe80::a", 1800, MEDIUM);
    generation = bench.stack->routes.generation;
    router_from("fe80::b", 1800, MEDIUM);
    router_from("fe80::a", 1800, MEDIUM);
    assert_true(default_is("fe80::a")); /* the first one of equals */
    assert_int_equal(bench.stack->routes.generation, generation);
    router_from("fe80::c", 1800, HIGH);
    assert_true(default_is("fe80::c"));
    router_from("fe80::c", 1800, LOW);
    assert_true(default_is("fe80::a"));
    router_from("fe80::a", 0, MEDIUM); /* is none any more */
    assert_true(default_is("fe80::b"));
    router_from("fe80::b", 0, MEDIUM);
    assert_true(default_is("fe80::c"));
    router_from("fe80::c", 0, MEDIUM);
    assert_false(has_default());
    bench_close();
}

/* RFC 4861, 6.3.6: who does not answer is not chosen while another does. */
/* Where all routes are used a router waits for one that is free. */
static void test_no_room_for_the_route_to_a_router(void **state)
{
    const struct net_addr on_link = {.word = {0, 0}};

    (void)state;
    open_auto();
    for (unsigned i = 0; bench.stack->routes.count < ROUTES_MAX; i++)
        assert_int_equal(
            route_add(bench.stack, addr_of_ip4(0xc0000000 + i), 128, &on_link),
            0);
    router_from("fe80::a", 1800, MEDIUM);
    assert_false(has_default());
    assert_int_equal(route_remove(bench.stack, addr_of_ip4(0xc0000000), 128),
                     0);
    router_from("fe80::a", 1800, MEDIUM);
    assert_true(default_is("fe80::a"));
    bench_close();
}

static void test_a_router_that_is_silent_is_left(void **state)
{
    (void)state;
    open_auto();
    router_from("fe80::a", 1800, HIGH);
    router_from("fe80::b", 1800, LOW);
    assert_true(default_is("fe80::a"));
    want_to_send("2a00::1");
    bench6_settle(5 * NS_PER_S);
    assert_true(default_is("fe80::b"));
    want_to_send("2a00::1"); /* it is silent, too: the other one again */
    bench6_settle(5 * NS_PER_S);
    assert_true(default_is("fe80::a"));
    router_from("fe80::b", 1800, LOW);
    want_to_send("2a00::1");
    bench6_settle(5 * NS_PER_S);
    assert_true(default_is("fe80::b"));
    router_from("fe80::a", 1800, HIGH); /* it is there again */
    assert_true(default_is("fe80::a"));
    bench_close();
}

/* Of three, two are silent; they are not tried before the third. */
static void test_routers_that_are_silent_are_not_tried_again(void **state)
{
    (void)state;
    open_auto();
    router_from("fe80::a", 1800, HIGH);
    router_from("fe80::b", 1800, MEDIUM);
    router_from("fe80::c", 1800, LOW);
    for (unsigned i = 0; i < 2; i++) {
        want_to_send("2a00::1");
        bench6_settle(5 * NS_PER_S);
    }
    assert_true(default_is("fe80::c"));
    bench_close();
}

/* One ends while another is still probed. */
static void test_lifetimes_of_two_addresses(void **state)
{
    size_t len;

    (void)state;
    open_auto();
    len = router(1800, 0);
    len = prefix(len, "2001:db8:5::", 64, 0x40, 1, 1);
    router_says(prefix(len, "2001:db8:6::", 64, 0x40, 3600, 3600));
    assert_int_equal(ours(2)->state, IP6_TENTATIVE);
    bench6_settle(NS_PER_S);
    assert_int_equal(ours(1)->state, IP6_FREE);
    bench6_settle(NS_PER_S);
    assert_int_equal(ours(2)->state, IP6_READY);
    bench_close();
}

/* RFC 4861, 7.3.3. */
static void test_a_router_that_is_a_host_now_is_left(void **state)
{
    (void)state;
    open_auto();
    router_from("fe80::a", 1800, MEDIUM);
    peer6_introduce("fe80::a", router6_mac);
    peer6_icmp("fe80::a", "ff02::1", 255, message,
               peer6_neighbour(message, NA, ROUTER, "fe80::a", router6_mac));
    assert_true(has_default());
    peer6_icmp("fe80::a", "ff02::1", 255, message,
               peer6_neighbour(message, NA, 0, "fe80::a", router6_mac));
    assert_false(has_default());
    bench_close();
}

static void test_with_a_configured_address_routers_are_not_heard(void **state)
{
    size_t len;

    (void)state;
    bench6_open_static();
    len = router(1800, HIGH);
    peer6_icmp("fe80::a", "ff02::1", 255, message,
               prefix(len, "2001:db8:5::", 64, 0xc0, 600, 600));
    assert_true(default_is(ROUTER6));
    assert_false(on_link("2001:db8:5::9"));
    assert_int_equal(bench.stack->stats.nd_ignored, 1);
    bench_close();
}

static void test_name_servers_are_kept(void **state)
{
    struct net_addr got[8], all[SERVERS_ALL_MAX];
    struct net_addr servers[2] = {addr6("2001:db8::53"), addr6("2001:db8::54")};
    size_t len;

    (void)state;
    open_auto();
    assert_int_equal(ip6_dns(bench.stack, got, 8), 0);
    len = router(1800, 0);
    message[len] = 25;
    message[len + 1] = 5;
    peer_put32(message + len + 4, 600);
    memcpy(message + len + 8, servers, 32);
    router_says(len + 40);
    assert_int_equal(ip6_dns(bench.stack, got, 8), 2);
    assert_memory_equal(got, servers, 32);
    assert_int_equal(ip6_dns(bench.stack, got, 1), 1);
    assert_int_equal(servers_get(bench.stack, SERVER_DNS, all), 2);
    assert_memory_equal(all, servers, 32);
    assert_int_equal(servers_get(bench.stack, SERVER_NTP, all), 0);
    message[len + 8] = 0xff; /* a group is no server */
    router_says(len + 40);
    assert_int_equal(ip6_dns(bench.stack, got, 8), 2);
    memcpy(message + len + 8, servers, 32);
    peer_put32(message + len + 4, 0);
    message[len + 1] = 3;
    router_says(len + 24);
    assert_int_equal(ip6_dns(bench.stack, got, 8), 1);
    assert_memory_equal(got, servers + 1, 16);
    bench6_settle(600 * NS_PER_S);
    assert_int_equal(ip6_dns(bench.stack, got, 8), 0);
    bench_close();
}

/* ---- Redirects: RFC 4861, 8.1 -------------------------------------------- */

static size_t redirect(const char *target, const char *destination)
{
    struct net_addr to = addr6(target), of = addr6(destination);

    memset(message, 0, 48);
    message[0] = REDIRECT;
    memcpy(message + 8, to.byte, 16);
    memcpy(message + 24, of.byte, 16);
    message[40] = 2;
    message[41] = 1;
    memcpy(message + 42, other_mac, 6);
    return 48;
}

static void test_redirects(void **state)
{
    static const struct {
        const char *name;
        const char *src, *target, *destination;
        uint8_t hops;
        bool want;
    } rows[] = {
        {"to another router", ROUTER6, "fe80::9", "2a00::1", 255, true},
        {"onto the link", ROUTER6, "2a00::1", "2a00::1", 255, true},
        {"by another host", PEER6, "fe80::9", "2a00::1", 255, false},
        {"by a global address", PEER6_GLOBAL, "fe80::9", "2a00::1", 255, false},
        {"from too far", ROUTER6, "fe80::9", "2a00::1", 64, false},
        {"a group", ROUTER6, "fe80::9", "ff0e::1", 255, false},
        {"to a group", ROUTER6, "ff02::9", "2a00::1", 255, false},
        {"to a router by a global address", ROUTER6, "2001:db8::9", "2a00::1",
         255, false},
        {"to ourselves", ROUTER6, OUR6, "2a00::1", 255, false},
        {"of ourselves", ROUTER6, "fe80::9", OUR6, 255, false},
        {"of a host on the link", ROUTER6, "fe80::9", PEER6_GLOBAL, 255, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr far = addr6("2a00::1"), hop;

        bench6_open_static();
        peer6_icmp(rows[i].src, OUR6, rows[i].hops, message,
                   redirect(rows[i].target, rows[i].destination));
        assert_int_equal(route_next_hop(bench.stack, &far, &hop), 0);
        if (is_addr6(&hop, ROUTER6) == rows[i].want ||
            (bench.stack->stats.nd_bad == 1) == rows[i].want)
            fail_msg("%s", rows[i].name);
        if (rows[i].want) {
            assert_true(is_addr6(&hop, rows[i].target));
            bench6_settle(600 * NS_PER_S);
            assert_int_equal(route_next_hop(bench.stack, &far, &hop), 0);
            assert_true(is_addr6(&hop, ROUTER6));
        }
        bench_close();
    }
}

static void test_of_redirects_the_oldest_goes(void **state)
{
    static const char *const far[6] = {"2a00::1", "2a00::2", "2a00::3",
                                       "2a00::4", "2a00::5", "2a00::2"};
    unsigned routes;

    (void)state;
    bench6_open_static();
    routes = bench.stack->routes.count;
    for (unsigned i = 0; i < 6; i++) {
        bench6_settle(NS_PER_S);
        peer6_icmp(ROUTER6, OUR6, 255, message, redirect("fe80::9", far[i]));
    }
    assert_int_equal(bench.stack->routes.count, routes + 4);
    assert_int_equal(bench.stack->stats.nd_bad,
                     1); /* again, but not by fe80::9 */
    bench_close();
}

/* Where a datagram for `far` is handed to. */
static bool hop_is(const char *far, const char *want)
{
    const struct net_addr addr = addr6(far);
    struct net_addr hop;

    assert_int_equal(route_next_hop(bench.stack, &addr, &hop), 0);
    return is_addr6(&hop, want);
}

static void redirect_to(const char *target, const char *destination)
{
    peer6_icmp(ROUTER6, OUR6, 255, message, redirect(target, destination));
    assert_true(hop_is(destination, target));
}

/* RFC 4861, 7.3.3: to whom does not answer nothing is sent any more. */
static void test_redirects_to_who_is_silent_end(void **state)
{
    static const char *const targets[] = {"fe80::9", "2a00::1"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        unsigned routes;

        bench6_open_static();
        routes = bench.stack->routes.count;
        redirect_to(targets[i], "2a00::1");
        redirect_to("fe80::8", "2a00::2");
        redirect_to("2a00::3", "2a00::3");
        want_to_send("2a00::1");
        bench6_settle(20 * NS_PER_S);
        assert_true(hop_is("2a00::1", ROUTER6));
        assert_true(hop_is("2a00::2", "fe80::8")); /* nobody has asked these */
        assert_true(hop_is("2a00::3", "2a00::3"));
        assert_int_equal(bench.stack->routes.count, routes + 2);
        router_check(bench.stack);
        redirect_to("fe80::7", "2a00::1"); /* another one */
        bench_close();
    }
}

/* All that was redirected to one router. */
static void test_all_redirects_to_a_silent_router_end(void **state)
{
    (void)state;
    bench6_open_static();
    redirect_to("fe80::9", "2a00::1");
    redirect_to("fe80::9", "2a00::2");
    want_to_send("2a00::2");
    bench6_settle(20 * NS_PER_S);
    assert_true(hop_is("2a00::1", ROUTER6));
    assert_true(hop_is("2a00::2", ROUTER6));
    bench_close();
}

/* Who says that it is no router is sent nothing for others any more; but it may
 * be the destination. */
static void test_redirects_to_a_router_that_is_a_host_now_end(void **state)
{
    static const char *const hosts[] = {"fe80::9", "2a00::2"};

    (void)state;
    bench6_open_static();
    redirect_to("fe80::9", "2a00::1");
    redirect_to("2a00::2", "2a00::2");
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        peer6_introduce(hosts[i], other_mac);
        peer6_icmp(hosts[i], "ff02::1", 255, message,
                   peer6_neighbour(message, NA, 0, hosts[i], other_mac));
    }
    assert_true(hop_is("2a00::1", ROUTER6));
    assert_true(hop_is("2a00::2", "2a00::2"));
    bench_close();
}

/* ---- Groups: RFC 3810 ---------------------------------------------------- */

static void query(const char *src, const char *group, uint8_t hops,
                  const uint8_t alert[8], size_t len)
{
    static uint8_t frame[FAKENET_FRAME_MAX];
    uint8_t bytes[8 + 28];
    struct net_addr addr = addr6(group);

    memset(message, 0, 28);
    message[0] = 130;
    peer_put16(message + 4, 1000);
    memcpy(message + 8, addr.byte, 16);
    memcpy(frame + 54, message, len);
    peer6_ip(frame, src, "ff02::1", 58, hops, len);
    peer6_sum(frame, 58, len, 2);
    memcpy(bytes, alert, 8);
    memcpy(bytes + 8, frame + 54, len);
    peer6_send(src, "ff02::1", 0, hops, bytes, 8 + len);
}

static const uint8_t alert_mld[8] = {58, 0, 5, 2, 0, 0, 1, 0};
static const uint8_t alert_none[8] = {58, 0, 1, 4, 0, 0, 0, 0};

static void test_queries_are_answered(void **state)
{
    static const struct {
        const char *name;
        const char *src, *group;
        uint8_t hops;
        const uint8_t *alert;
        size_t len;
        uint8_t want; /* the type of the answer; 0: none */
    } rows[] = {
        {"for all groups", ROUTER6, "::", 1, alert_mld, 28, 143},
        {"for ours", ROUTER6, "ff02::1:ff00:1", 1, alert_mld, 28, 143},
        {"for another", ROUTER6, "ff02::1:ff00:9", 1, alert_mld, 28, 0},
        {"of RFC 2710", ROUTER6, "::", 1, alert_mld, 24, 131},
        {"from a global address", PEER6_GLOBAL, "::", 1, alert_mld, 28, 0},
        {"that may have been passed on", ROUTER6, "::", 2, alert_mld, 28, 0},
        {"without an alert", ROUTER6, "::", 1, alert_none, 28, 0},
        {"of no version", ROUTER6, "::", 1, alert_mld, 26, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer6_frame got;

        bench6_open_static();
        query(rows[i].src, rows[i].group, rows[i].hops, rows[i].alert,
              rows[i].len);
        bench_sleep(NS_PER_S);
        if (peer6_receive(&got) != (rows[i].want != 0))
            fail_msg("%s", rows[i].name);
        if (rows[i].want == 0) {
            bench_close();
            continue;
        }
        assert_int_equal(got.data[0], rows[i].want);
        assert_true(got.is_alert && got.hops == 1);
        assert_true(addr_equal(&got.src, &ours(0)->addr));
        if (rows[i].want == 143) {
            assert_int_equal(peer_get16(got.data + 6), 2);
            assert_int_equal(got.data[8], 2); /* MODE_IS_EXCLUDE */
            assert_int_equal(got.len, 48);
        } else { /* one for each, to that group */
            assert_memory_equal(got.data + 8, got.dst.byte, 16);
            assert_int_equal(got.len, 24);
            assert_true(peer6_receive(&got));
        }
        assert_false(peer6_receive(&got));
        bench_close();
    }
}

/* The card hears the groups of our addresses, and no others. */
static void test_the_card_listens_in_our_groups(void **state)
{
    struct net_device *dev = &bench.net.dev;
    const uint8_t ours_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
    struct net_addr group = addr6("ff02::1:ff12:3456");

    (void)state;
    bench6_open_static();
    assert_int_equal(dev->group_count, 2);
    assert_memory_equal(dev->groups[1], ours_mac, 6);
    mld_join(bench.stack, &group);
    assert_memory_equal(dev->groups[2], "\x33\x33\xff\x12\x34\x56", 6);
    mld_leave(bench.stack, &group);
    assert_int_equal(dev->group_count, 2);
    bench_close();
    assert_int_equal(dev->group_count, 0);
}

/* Others listen in so many that there is no room for ours. */
static void test_the_card_listens_in_too_many_groups(void **state)
{
    struct net_device *dev = &bench.net.dev;
    struct net_addr group = addr6("ff02::1:ff12:3456");
    uint8_t mac[6] = {1, 0, 0x5e};

    (void)state;
    bench6_open_static();
    console_forget();
    mld_join(bench.stack, &group);
    mld_leave(bench.stack, &group);
    assert_false(console_has("cannot listen"));
    while (dev->group_count < NET_GROUPS_MAX) {
        mac[5] = (uint8_t)dev->group_count;
        assert_int_equal(net_group_add(dev, mac), 0);
    }
    mld_join(bench.stack, &group);
    assert_true(console_has("cannot listen in one group more"));
    mld_leave(bench.stack, &group);
    bench_close();
}

/* Reports for which there is no packet are not sent. */
static void test_no_packet_for_a_report(void **state)
{
    struct packet *taken[2000];
    struct peer6_frame got;
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        bench6_open_static();
        query(ROUTER6, "::", 1, alert_mld, i == 0 ? 24 : 28);
        while ((taken[count] = packet_get()) != NULL)
            count++;
        bench_sleep(2 * NS_PER_S);
        assert_true(bench.stack->stats.no_packet > 0);
        while (count > 0)
            packet_put(taken[--count]);
        assert_false(peer6_receive(&got));
        bench_close();
    }
}

static void test_a_group_is_told_twice_and_left_once(void **state)
{
    struct net_addr group = addr6("ff02::1:ff12:3456");
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    mld_join(bench.stack, &group);
    mld_join(bench.stack, &group);
    bench_sleep(5 * NS_PER_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(peer6_expect_icmp(143, &got));
        assert_int_equal(got.data[8], 4);
        assert_memory_equal(got.data + 12, group.byte, 16);
    }
    assert_false(peer6_expect_icmp(143, &got));
    mld_leave(bench.stack, &group);
    assert_false(peer6_expect_icmp(143, &got));
    assert_true(mld_is_member(bench.stack, &group));
    mld_leave(bench.stack, &group);
    assert_true(peer6_expect_icmp(143, &got));
    assert_int_equal(got.data[8], 3); /* CHANGE_TO_INCLUDE_MODE */
    assert_false(mld_is_member(bench.stack, &group));
    bench_close();
}

/* ---- Attacks ------------------------------------------------------------- */

static void numbered(char *text, const char *prefix, unsigned n)
{
    snprintf(text, 40, "%s%x:%x", prefix, n >> 16, n & 0xffff);
}

/* Who asks for us from ten thousand addresses drives nobody out whom we use. */
static void test_a_flood_of_solicitations(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    bench.check_every = 1000;
    want_to_send(PEER6_GLOBAL);
    want_to_send("2a00::1");
    for (unsigned i = 0; i < 10000; i++) {
        char text[40];

        numbered(text, "2001:db8::1:", i);
        peer6_icmp(text, OUR6, 255, message,
                   peer6_neighbour(message, NS, 0, OUR6, other_mac));
        while (fakenet_sent(&bench.net) != NULL)
            continue;
    }
    want_to_send(PEER6_GLOBAL);
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], 128);
    assert_memory_equal(got.mac, peer_mac, 6);
    want_to_send("2a00::1");
    assert_true(peer6_receive(&got));
    assert_int_equal(got.data[0], 128);
    assert_memory_equal(got.mac, router6_mac, 6);
    bench_close();
}

/* A thousand routers with as many prefixes, an hour long: what is kept is
 * bounded, and the first router stays. */
static void test_a_flood_of_routers(void **state)
{
    const struct ip6 *ip6;
    unsigned count = 0;

    (void)state;
    open_auto();
    bench.check_every = 100;
    router_from("fe80::a", 1800, MEDIUM);
    for (unsigned i = 0; i < 1000; i++) {
        char text[40];
        size_t len = router(1800, MEDIUM);

        numbered(text, "2001:db8:", i + 1);
        strcat(text, "::");
        len = prefix(len, text, 64, 0xc0, i % 3 == 0 ? 1 : 86400, 1);
        numbered(text, "fe80::b:", i);
        peer6_icmp(text, "ff02::1", 255, message, len);
        bench6_settle(3600 * NS_PER_MS);
        if (i % 100 == 0)
            router_from("fe80::a", 1800, MEDIUM);
    }
    ip6 = ip6_of(bench.stack);
    assert_true(default_is("fe80::a"));
    assert_int_equal(ours(0)->state, IP6_READY);
    for (unsigned i = 0; i < IP6_ROUTERS_MAX; i++)
        count += !addr_is_none(&ip6->router[i].addr);
    assert_true(count >= IP6_ROUTERS_MAX - 1); /* one may have ended */
    assert_true(bench.stack->routes.count <= ROUTES_MAX);
    bench_close();
}

/* In a minute at most eight addresses are made. */
static void test_addresses_are_made_slowly(void **state)
{
    struct peer6_frame got;
    unsigned probes = 0;

    (void)state;
    open_auto();
    while (bench.now / NS_PER_S % 60 != 0)
        bench6_settle(NS_PER_S);
    for (unsigned i = 0; i < 50; i++) {
        char text[40];
        size_t len = router(1800, MEDIUM);

        numbered(text, "2001:db8:", i + 1);
        strcat(text, "::");
        router_says(prefix(len, text, 64, 0x40, 1, 1));
        bench_sleep(NS_PER_S);
        while (peer6_expect_icmp(NS, &got))
            probes++;
    }
    assert_true(probes <= 8);
    bench_close();
}

/* Claims of the router's address do not take it away while it answers. */
static void test_lies_about_the_router(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    for (unsigned i = 0; i < 20; i++) {
        peer6_icmp(ROUTER6, "ff02::1", 255, message,
                   peer6_neighbour(message, NA, ROUTER | OVERRIDE, ROUTER6,
                                   other_mac));
        peer6_icmp(ROUTER6, OUR6, 255, message,
                   peer6_neighbour(message, NA, ROUTER | SOLICITED | OVERRIDE,
                                   ROUTER6, other_mac));
        if (peer6_expect_icmp(NS, &got)) { /* it is asked, and answers */
            assert_memory_equal(got.mac, router6_mac, 6);
            peer6_icmp(ROUTER6, OUR6, 255, message,
                       peer6_neighbour(message, NA,
                                       ROUTER | SOLICITED | OVERRIDE, ROUTER6,
                                       router6_mac));
        }
        bench_sleep(200 * NS_PER_MS);
    }
    assert_memory_equal(neigh6(ROUTER6)->mac, router6_mac, 6);
    bench_close();
}

/* ---- Memory -------------------------------------------------------------- */

static void test_each_allocation_of_the_start_fails(void **state)
{
    struct ip6_config config;
    unsigned failed = 0;
    int error = -ENOMEM;

    (void)state;
    assert_int_equal(ip6_config_parse("2001:db8::1/64,fe80::1", &config), 0);
    for (unsigned n = 1; error != 0; n++) {
        bench_open(64);
        heap_fail(n);
        error = ip6_start(bench.stack, &config);
        heap_fail(0);
        if (error != 0) {
            assert_int_equal(error, -ENOMEM);
            assert_null(bench.stack->ip6);
            failed++;
        }
        bench_close();
    }
    assert_true(failed >= 1);
}

static void test_there_is_no_room_for_its_routes(void **state)
{
    struct ip6_config config;

    (void)state;
    assert_int_equal(ip6_config_parse("2001:db8::1/64,fe80::1", &config), 0);
    for (unsigned room = 0; room < 4; room++) {
        const struct net_addr on_link = {.word = {0, 0}};
        int error;

        bench_open(64);
        for (unsigned i = 0; bench.stack->routes.count + room < ROUTES_MAX; i++)
            assert_int_equal(route_add(bench.stack, addr_of_ip4(0xc0000000 + i),
                                       128, &on_link),
                             0);
        error = ip6_start(bench.stack, &config);
        assert_int_equal(error, room < 3 ? -ENOSPC : 0);
        assert_true((bench.stack->ip6 == NULL) == (room < 3));
        bench_close();
    }
}

static void test_no_packet_for_a_probe(void **state)
{
    struct packet *taken[2000];
    unsigned count = 0;

    (void)state;
    bench6_open("auto");
    while ((taken[count] = packet_get()) != NULL)
        count++;
    bench_sleep(20 * NS_PER_S); /* then nobody objects */
    assert_int_equal(ours(0)->state, IP6_READY);
    assert_true(bench.stack->stats.no_packet > 0);
    while (count > 0)
        packet_put(taken[--count]);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_address_of_the_link_is_probed_first),
        cmocka_unit_test(test_routers_are_asked_three_times),
        cmocka_unit_test(test_interface_ids_are_stable_and_opaque),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_an_address_that_is_always_taken_is_given_up),
        cmocka_unit_test(test_a_configured_address_is_probed_twice),
        cmocka_unit_test(test_a_configured_address_that_is_taken_is_not_used),
        cmocka_unit_test(test_a_duplicate_is_left_alone),
        cmocka_unit_test(test_our_address_is_defended),
        cmocka_unit_test(test_solicitations),
        cmocka_unit_test(test_who_asks_for_us_is_a_neighbour),
        cmocka_unit_test(test_a_neighbour_is_asked_for_and_answers),
        cmocka_unit_test(test_a_neighbour_that_is_silent_is_asked_three_times),
        cmocka_unit_test(test_advertisements),
        cmocka_unit_test(test_an_address_is_made_of_a_prefix),
        cmocka_unit_test(test_lifetimes_end),
        cmocka_unit_test(test_the_two_hour_rule),
        cmocka_unit_test(test_an_address_is_renewed),
        cmocka_unit_test(test_for_ever_is_for_ever),
        cmocka_unit_test(test_advertisements_of_routers),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_a_prefix_is_renewed),
        cmocka_unit_test(test_a_prefix_leaves_the_link),
        cmocka_unit_test(test_the_mtu_and_the_hop_limit_of_the_link),
        cmocka_unit_test(test_the_best_router_is_chosen),
        cmocka_unit_test(test_no_room_for_the_route_to_a_router),
        cmocka_unit_test(test_a_router_that_is_silent_is_left),
        cmocka_unit_test(test_routers_that_are_silent_are_not_tried_again),
        cmocka_unit_test(test_lifetimes_of_two_addresses),
        cmocka_unit_test(test_a_router_that_is_a_host_now_is_left),
        cmocka_unit_test(test_with_a_configured_address_routers_are_not_heard),
        cmocka_unit_test(test_name_servers_are_kept),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_of_redirects_the_oldest_goes),
        cmocka_unit_test(test_redirects_to_who_is_silent_end),
        cmocka_unit_test(test_all_redirects_to_a_silent_router_end),
        cmocka_unit_test(test_redirects_to_a_router_that_is_a_host_now_end),
        cmocka_unit_test(test_queries_are_answered),
        cmocka_unit_test(test_the_card_listens_in_our_groups),
        cmocka_unit_test(test_the_card_listens_in_too_many_groups),
        cmocka_unit_test(test_no_packet_for_a_report),
        cmocka_unit_test(test_a_group_is_told_twice_and_left_once),
        cmocka_unit_test(test_a_flood_of_solicitations),
        cmocka_unit_test(test_a_flood_of_routers),
        cmocka_unit_test(test_addresses_are_made_slowly),
        cmocka_unit_test(test_lies_about_the_router),
        cmocka_unit_test(test_each_allocation_of_the_start_fails),
        cmocka_unit_test(test_there_is_no_room_for_its_routes),
        cmocka_unit_test(test_no_packet_for_a_probe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
