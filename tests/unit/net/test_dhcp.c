/* The client of DHCP against a server by hand: RFC 2131, RFC 5227. */
#include "kernel/heap/heap.h"
#include "net/dhcp/client.h"
#include "net/ip4.h"
#include "net/udp.h"
#include "tests/fakes/console.h"
#include "tests/fakes/netbench.h"
#include "tests/fakes/udp_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum {
    SERVER = PEER_ADDRESS,
    OTHER_SERVER = GATEWAY,
    LEASE_S = 1000,
};

static const struct net_addr any = {.word = {0, 0}};
static struct dhcp_client *client;

/* ---- What the client has sent -------------------------------------------- */

struct said {
    uint8_t type;
    uint32_t xid;
    bool is_broadcast; /* wants its answer so */
    uint32_t client;
    uint32_t requested;
    uint32_t server;
    uint32_t from, to;
};

/* ARP messages among it, since the last look. */
static unsigned probes, announcements;

static void see_arp(const uint8_t *frame, size_t len)
{
    if (len != 42 || peer_get16(frame + 12) != 0x0806 || frame[21] != 1)
        return;
    assert_memory_equal(frame + 22, bench_mac, 6);
    if (peer_get32(frame + 28) == 0 && peer_get32(frame + 38) == OUR_ADDRESS) {
        assert_memory_equal(frame, "\377\377\377\377\377\377", 6);
        probes++;
    }
    if (peer_get32(frame + 28) == OUR_ADDRESS &&
        peer_get32(frame + 38) == OUR_ADDRESS)
        announcements++;
}

static uint32_t option_address(const uint8_t *data, size_t len, uint8_t code)
{
    for (size_t at = 240; at < len && data[at] != 255; at += 2u + data[at + 1])
        if (data[at] == code)
            return code == 53 ? data[at + 2] : peer_get32(data + at + 2);
    return 0;
}

static bool hear(struct said *said)
{
    struct udp_datagram got;
    const uint8_t *data;

    if (!udp_peer_receive(&got, see_arp))
        return false;
    data = got.data;
    assert_int_equal(got.from, 68);
    assert_int_equal(got.to, 67);
    assert_int_equal(got.is_broadcast, got.dst == UINT32_MAX);
    assert_int_equal(data[0], 1);
    assert_memory_equal(data + 28, bench_mac, 6);
    *said = (struct said){
        .type = (uint8_t)option_address(data, got.len, 53),
        .xid = peer_get32(data + 4),
        .is_broadcast = (data[10] & 0x80) != 0,
        .client = peer_get32(data + 12),
        .requested = option_address(data, got.len, 50),
        .server = option_address(data, got.len, 54),
        .from = got.src,
        .to = got.dst,
    };
    return true;
}

static struct said expect(uint8_t type)
{
    struct said said;

    assert_true(hear(&said));
    assert_int_equal(said.type, type);
    return said;
}

static void expect_nothing(void)
{
    struct said said;

    assert_false(hear(&said));
}

/* ---- What a server says -------------------------------------------------- */

struct answer {
    uint8_t type;
    uint32_t xid;       /* added to the client's */
    uint32_t address;   /* 0: OUR_ADDRESS */
    uint32_t server;    /* 0: SERVER; 1: none */
    uint32_t netmask;   /* 0: /24; 1: none */
    uint32_t lease_s;   /* 0: LEASE_S; 1: none */
    uint32_t t1, t2;    /* 0: none */
    uint16_t from;      /* 0: port 67 */
    uint32_t to;        /* 0: everybody */
    uint8_t mac_change; /* of another card */
    const char *more;   /* options */
    size_t more_len;
};

static uint8_t *put(uint8_t *at, uint8_t code, uint32_t value)
{
    at[0] = code;
    at[1] = 4;
    peer_put32(at + 2, value);
    return at + 6;
}

static void answer_unseen(struct answer a)
{
    uint8_t data[700] = {2, 1, 6};
    uint8_t *at = data + 240;
    uint32_t dst = a.to != 0 ? a.to : UINT32_MAX;

    peer_put32(data + 4, client->xid + a.xid);
    if (a.type != DHCP_NAK)
        peer_put32(data + 16, a.address != 0 ? a.address : OUR_ADDRESS);
    memcpy(data + 28, bench_mac, 6);
    data[33] = (uint8_t)(data[33] + a.mac_change);
    peer_put32(data + 236, 0x63825363);
    memcpy(at, (uint8_t[]){53, 1, a.type}, 3);
    at += 3;
    if (a.server != 1)
        at = put(at, 54, a.server != 0 ? a.server : SERVER);
    if (a.type != DHCP_NAK) {
        if (a.netmask != 1)
            at = put(at, 1, a.netmask != 0 ? a.netmask : 0xffffff00);
        if (a.lease_s != 1)
            at = put(at, 51, a.lease_s != 0 ? a.lease_s : LEASE_S);
        if (a.t1 != 0)
            at = put(at, 58, a.t1);
        if (a.t2 != 0)
            at = put(at, 59, a.t2);
        if (a.more_len == 0)
            at = put(at, 3, GATEWAY);
    }
    if (a.more_len > 0)
        memcpy(at, a.more, a.more_len);
    at += a.more_len;
    *at++ = 255;
    udp_peer_send(&(struct udp_datagram){
        .src = SERVER,
        .dst = dst,
        .from = a.from != 0 ? a.from : 67,
        .to = 68,
        .data = data,
        .len = (size_t)(at - data),
        .is_broadcast = dst == UINT32_MAX,
    });
}

/* Take what came, and do what is due. Returns when the next thing is. */
static uint64_t go_on(void)
{
    uint64_t until = dhcp_step(client);

    dhcp_check(client);
    while (dhcp_take(client, 0) == 0) {
        dhcp_check(client);
        until = dhcp_step(client);
        dhcp_check(client);
    }
    bench_run();
    return until;
}

static void answer(struct answer a)
{
    answer_unseen(a);
    go_on();
}

static void sleep_s(double seconds)
{
    uint64_t end = bench.now + (uint64_t)(seconds * (double)NS_PER_S);
    uint64_t until;

    while ((until = go_on()) <= end)
        bench_sleep(until - bench.now);
    bench_sleep(end - bench.now);
}

/* ---- Beginnings ---------------------------------------------------------- */

static void open_client(void)
{
    bench_open_as(64, NULL);
    probes = announcements = 0;
    assert_int_equal(dhcp_open(bench.stack, &client), 0);
    go_on();
}

static void close_client(void)
{
    dhcp_close(client);
    bench_close();
}

static void get_offer(void)
{
    open_client();
    expect(DHCP_DISCOVER);
    answer((struct answer){.type = DHCP_OFFER});
    expect(DHCP_REQUEST);
}

static void bind_with(struct answer a)
{
    a.type = DHCP_OFFER;
    open_client();
    expect(DHCP_DISCOVER);
    answer(a);
    expect(DHCP_REQUEST);
    a.type = DHCP_ACK;
    answer(a);
    sleep_s(0.8);
    expect_nothing();
    assert_true(dhcp_is_bound(client));
}

static struct net_addr ip4(uint32_t address)
{
    return addr_of_ip4(address);
}

static void expect_route(uint32_t to, uint32_t want)
{
    struct net_addr addr = ip4(to), hop;

    if (want == 0) {
        assert_int_equal(route_next_hop(bench.stack, &addr, &hop),
                         -EHOSTUNREACH);
        return;
    }
    assert_int_equal(route_next_hop(bench.stack, &addr, &hop), 0);
    assert_int_equal(addr_ip4(&hop), want);
}

static void expect_no_address(void)
{
    struct net_addr list[SERVERS_ALL_MAX];

    assert_int_equal(bench.stack->ip4_count, 0);
    assert_int_equal(bench.stack->config.address, 0);
    assert_int_equal(bench.stack->routes.count, 0);
    assert_int_equal(bench.stack->mtu, 1500);
    assert_int_equal(servers_get(bench.stack, SERVER_DNS, list), 0);
    assert_int_equal(ip4_source(bench.stack, PEER_ADDRESS), 0);
}

/* ---- Getting an address -------------------------------------------------- */

static void test_an_address_is_asked_for_and_used(void **state)
{
    static const char more[] = "\3\4\12\0\0\xfe\6\10\1\1\1\1\2\2\2\2"
                               "\x2a\4\3\3\3\3\x1a\2\5\x78";
    const struct answer lease = {.more = more, .more_len = sizeof(more) - 1};
    struct answer offer = lease, ack = lease;
    struct net_addr list[SERVERS_ALL_MAX];
    struct said said;
    uint32_t xid;

    (void)state;
    open_client();
    expect_no_address();
    said = expect(DHCP_DISCOVER);
    xid = said.xid;
    assert_int_equal(said.from, 0);
    assert_int_equal(said.to, UINT32_MAX);
    assert_true(said.is_broadcast);
    assert_int_equal(said.client, 0);
    offer.type = DHCP_OFFER;
    answer(offer);
    said = expect(DHCP_REQUEST);
    assert_int_equal(said.xid, xid);
    assert_int_equal(said.from, 0);
    assert_int_equal(said.to, UINT32_MAX);
    assert_int_equal(said.client, 0);
    assert_int_equal(said.requested, OUR_ADDRESS);
    assert_int_equal(said.server, SERVER);
    ack.type = DHCP_ACK;
    answer(ack);
    expect_no_address(); /* it is probed first */
    expect_nothing();
    assert_int_equal(probes, 0); /* after a random time */
    sleep_s(0.8);
    expect_nothing();
    assert_int_equal(probes, 3);
    assert_int_equal(announcements, 1);
    sleep_s(2.1);
    expect_nothing();
    assert_int_equal(announcements, 2);

    assert_int_equal(bench.stack->config.address, OUR_ADDRESS);
    assert_int_equal(bench.stack->config.gateway, GATEWAY);
    assert_int_equal(bench.stack->config.netmask, 0xffffff00);
    assert_int_equal(bench.stack->mtu, 1400);
    expect_route(0x0a000077, 0x0a000077);
    expect_route(0x08080808, GATEWAY);
    assert_int_equal(servers_get(bench.stack, SERVER_DNS, list), 2);
    assert_int_equal(addr_ip4(&list[0]), 0x01010101);
    assert_int_equal(addr_ip4(&list[1]), 0x02020202);
    assert_int_equal(servers_get(bench.stack, SERVER_NTP, list), 1);
    assert_int_equal(addr_ip4(&list[0]), 0x03030303);
    assert_true(console_has("10.0.0.1/24, gateway 10.0.0.254, from 10.0.0.2"));
    dhcp_close(client);
    expect_no_address();
    bench_close();
}

/* A server that does not care for the flag answers to the new address. */
static void test_an_answer_to_the_new_address_comes_in(void **state)
{
    (void)state;
    open_client();
    expect(DHCP_DISCOVER);
    answer((struct answer){.type = DHCP_OFFER, .to = OUR_ADDRESS});
    expect(DHCP_REQUEST);
    answer((struct answer){.type = DHCP_ACK, .to = OUR_ADDRESS});
    sleep_s(0.8);
    assert_true(dhcp_is_bound(client));
    close_client();
}

static void expect_between(double seconds, double least, double most)
{
    if (seconds < least || seconds > most)
        fail_msg("%f s, not %f .. %f", seconds, least, most);
}

/* The time until the client speaks again. */
static double wait_for(uint8_t type, struct said *said)
{
    uint64_t from = bench.now;

    while (!hear(said)) {
        uint64_t until = go_on();

        assert_true(until < from + 100000 * NS_PER_S);
        if (until > bench.now)
            bench_sleep(until - bench.now);
        go_on();
    }
    assert_int_equal(said->type, type);
    return (double)(bench.now - from) / (double)NS_PER_S;
}

/* RFC 2131, 4.1. */
static void test_a_lost_discover_is_sent_again(void **state)
{
    static const double waits[] = {4, 8, 16, 32, 64, 64, 64};
    struct said said, first;
    bool varies = false;

    (void)state;
    open_client();
    first = expect(DHCP_DISCOVER);
    expect_between(wait_for(DHCP_DISCOVER, &said), 1, 1.25);
    assert_int_equal(said.xid, first.xid);
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        double waited = wait_for(DHCP_DISCOVER, &said);

        expect_between(waited, waits[i] - 1, waits[i] + 1);
        varies = varies || (waited != waits[i] - 1 && waited != waits[i]);
        assert_int_equal(said.xid, first.xid);
    }
    assert_true(varies);
    /* And an offer is still taken. */
    answer((struct answer){.type = DHCP_OFFER});
    expect(DHCP_REQUEST);
    close_client();
}

/* RFC 2131, 4.4.1: from the request on. */
static void test_when_a_lease_begins(void **state)
{
    uint64_t asked_at;

    (void)state;
    open_client();
    expect(DHCP_DISCOVER);
    sleep_s(2);
    answer((struct answer){.type = DHCP_OFFER});
    asked_at = bench.now;
    sleep_s(1);
    answer((struct answer){.type = DHCP_ACK});
    sleep_s(0.8);
    assert_true(client->expires_at == asked_at + LEASE_S * NS_PER_S);
    close_client();
}

/* RFC 2131, 3.1 (4). */
static void test_an_offer_without_answer_is_given_up(void **state)
{
    static const double waits[] = {4, 8, 16, 32};
    struct said said;
    uint32_t xid;

    (void)state;
    get_offer();
    xid = client->xid;
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        expect_between(wait_for(DHCP_REQUEST, &said), waits[i] - 1,
                       waits[i] + 1);
        assert_int_equal(said.requested, OUR_ADDRESS);
        assert_int_equal(said.xid, xid);
    }
    expect_between(wait_for(DHCP_DISCOVER, &said), 63, 65);
    assert_int_not_equal(said.xid, xid);
    close_client();
}

static void test_other_messages_are_ignored(void **state)
{
    static const char foreign_id[] = "\x3d\3\1\2\3";
    static const char broken[] = "\6\3\1\1\1";
    static const struct {
        const char *name;
        struct answer answer;
    } rows[] = {
        {"another transaction", {.xid = 1}},
        {"another card", {.mac_change = 1}},
        {"no server", {.server = 1}},
        {"a server of all", {.server = UINT32_MAX}},
        {"another port", {.from = 68}},
        {"another client's", {.more = foreign_id, .more_len = 5}},
        {"damaged", {.more = broken, .more_len = 5}},
        {"the other step's", {.type = DHCP_ACK}},
        {"no mask, and no class", {.netmask = 1, .address = 0xe0000001}},
        {"a mask with a hole", {.netmask = 0xff00ff00}},
        {"the network itself", {.address = 0x0a000000}},
        {"all hosts", {.address = 0x0a0000ff}},
        {"loopback", {.address = 0x7f000001}},
        {"zero", {.address = 0x00000001}},
        {"no time", {.lease_s = 1}},
        {"19 seconds", {.lease_s = 19}},
    };

    (void)state;
    for (unsigned step = 0; step < 2; step++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct answer bad = rows[i].answer;
            bool is_other = bad.type != 0;

            open_client();
            expect(DHCP_DISCOVER);
            if (step > 0) {
                answer((struct answer){.type = DHCP_OFFER});
                expect(DHCP_REQUEST);
            }
            bad.type = (step > 0) != is_other ? DHCP_ACK : DHCP_OFFER;
            answer(bad);
            if (client->ignored != 1 ||
                client->state != (step > 0 ? DHCP_REQUESTING : DHCP_SELECTING))
                fail_msg("step %u: %s", step, rows[i].name);
            expect_nothing();
            close_client();
        }
    }
}

static void test_only_the_chosen_server_is_heard(void **state)
{
    (void)state;
    get_offer();
    answer((struct answer){.type = DHCP_ACK, .server = OTHER_SERVER});
    answer((struct answer){.type = DHCP_NAK, .server = OTHER_SERVER});
    answer((struct answer){.type = DHCP_ACK, .address = OUR_ADDRESS + 3});
    answer((struct answer){.type = DHCP_OFFER});
    assert_int_equal(client->ignored, 4);
    assert_int_equal(client->state, DHCP_REQUESTING);
    expect_nothing();
    answer((struct answer){.type = DHCP_ACK});
    assert_int_equal(client->state, DHCP_PROBING);
    /* Nobody is asked now. */
    answer((struct answer){.type = DHCP_NAK});
    assert_int_equal(client->state, DHCP_PROBING);
    assert_int_equal(client->ignored, 5);
    close_client();
}

static void test_a_shortest_lease_and_a_mask_by_class(void **state)
{
    static const struct {
        uint32_t address;
        uint32_t netmask;
    } rows[] = {
        {0x0a000001, 0xff000000},
        {0xac100001, 0xffff0000},
        {0xc0a80001, 0xffffff00},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bind_with((struct answer){
            .netmask = 1, .address = rows[i].address, .lease_s = 20});
        assert_int_equal(bench.stack->config.netmask, rows[i].netmask);
        close_client();
    }
}

/* ---- An address that is taken -------------------------------------------- */

static void arp_says(uint32_t sender, uint32_t target, uint8_t op,
                     const uint8_t *mac)
{
    uint8_t frame[42];

    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0", 9);
    frame[21] = op;
    memcpy(frame + 22, mac, 6);
    peer_put32(frame + 28, sender);
    memset(frame + 32, 0, 6);
    peer_put32(frame + 38, target);
    fakenet_inject(&bench.net, frame, sizeof(frame));
    bench_poll();
}

static void test_an_address_that_is_taken_is_declined(void **state)
{
    static const struct {
        const char *name;
        uint32_t sender, target;
        uint8_t op;
        bool is_own_card;
        bool is_taken;
    } rows[] = {
        {"an answer", OUR_ADDRESS, 0, 2, false, true},
        {"a question of it", OUR_ADDRESS, PEER_ADDRESS, 1, false, true},
        {"another's probe", 0, OUR_ADDRESS, 1, false, true},
        {"our own, reflected", 0, OUR_ADDRESS, 1, true, false},
        {"a question for it", PEER_ADDRESS, OUR_ADDRESS, 1, false, false},
        {"another address", PEER_ADDRESS, 0, 2, false, false},
        {"a probe of another", 0, PEER_ADDRESS, 1, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct said said;

        get_offer();
        answer((struct answer){.type = DHCP_ACK});
        sleep_s(0.11);
        arp_says(rows[i].sender, rows[i].target, rows[i].op,
                 rows[i].is_own_card ? bench_mac : peer_mac);
        sleep_s(0.7);
        if (dhcp_is_bound(client) == rows[i].is_taken)
            fail_msg("%s", rows[i].name);
        if (rows[i].is_taken) {
            said = expect(DHCP_DECLINE);
            assert_int_equal(said.requested, OUR_ADDRESS);
            assert_int_equal(said.server, SERVER);
            assert_int_equal(said.client, 0);
            assert_false(said.is_broadcast);
            expect_no_address();
            expect_between(wait_for(DHCP_DISCOVER, &said), 9, 10.1);
        }
        close_client();
    }
}

/* ---- Keeping it ---------------------------------------------------------- */

static void test_a_lease_is_renewed(void **state)
{
    struct said said;

    (void)state;
    bind_with((struct answer){0});
    for (unsigned i = 0; i < 3; i++) {
        uint64_t from = client->asked_at;

        wait_for(DHCP_REQUEST, &said);
        assert_true(bench.now == from + LEASE_S / 2 * NS_PER_S);
        assert_int_equal(said.from, OUR_ADDRESS);
        assert_int_equal(said.to, SERVER);
        assert_int_equal(said.client, OUR_ADDRESS);
        assert_int_equal(said.requested, 0); /* RFC 2131, table 5 */
        assert_int_equal(said.server, 0);
        assert_false(said.is_broadcast);
        assert_int_equal(client->state, DHCP_RENEWING);
        answer((struct answer){.type = DHCP_ACK, .to = OUR_ADDRESS});
        assert_int_equal(client->state, DHCP_BOUND);
        assert_true(client->expires_at == bench.now + LEASE_S * NS_PER_S);
    }
    assert_int_equal(probes, 3); /* of the first time */
    assert_int_equal(announcements, 2);
    close_client();
}

static void test_the_servers_times_are_kept_if_they_make_sense(void **state)
{
    static const struct {
        uint32_t t1, t2, lease_s;
        uint32_t want1, want2;
    } rows[] = {
        {100, 900, 1000, 100, 900}, {0, 0, 1000, 500, 875},
        {0, 400, 1000, 399, 400},   {900, 800, 1000, 500, 800},
        {9, 800, 1000, 500, 800},   {100, 1000, 1000, 100, 875},
        {5, 10, 1000, 500, 875},    {0, 0, 20, 10, 18},
        {10, 11, 20, 10, 11},       {1, 1, 20, 10, 18},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bind_with((struct answer){
            .t1 = rows[i].t1, .t2 = rows[i].t2, .lease_s = rows[i].lease_s});
        assert_int_equal(client->lease.renew_s, rows[i].want1);
        assert_int_equal(client->lease.rebind_s, rows[i].want2);
        assert_true(client->renew_at ==
                    client->asked_at + rows[i].want1 * NS_PER_S);
        close_client();
    }
}

/* T1 500, T2 875, the end 1000; never less than 60 s between. */
static void test_a_silent_server_and_the_end(void **state)
{
    static const struct {
        double at;
        uint32_t to;
    } rows[] = {
        {500, SERVER},       {687.5, SERVER},   {781.25, SERVER},
        {841.25, SERVER},    {875, UINT32_MAX}, {937.5, UINT32_MAX},
        {997.5, UINT32_MAX},
    };
    struct said said;
    uint64_t from;
    uint32_t xid = 0;

    (void)state;
    bind_with((struct answer){0});
    from = client->asked_at;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        wait_for(DHCP_REQUEST, &said);
        expect_between((double)(bench.now - from) / 1e9, rows[i].at - 0.001,
                       rows[i].at + 0.001);
        assert_int_equal(said.to, rows[i].to);
        assert_int_equal(said.client, OUR_ADDRESS);
        assert_int_equal(said.from, OUR_ADDRESS);
        if (i != 0 && i != 4)
            assert_int_equal(said.xid, xid);
        else
            assert_int_not_equal(said.xid, xid);
        xid = said.xid;
    }
    assert_int_equal(client->state, DHCP_REBINDING);
    wait_for(DHCP_DISCOVER, &said);
    assert_true(bench.now == from + LEASE_S * NS_PER_S);
    assert_int_equal(said.from, 0);
    expect_no_address();
    assert_true(console_has("10.0.0.1 is given up"));
    /* Another one comes. */
    answer((struct answer){.type = DHCP_OFFER});
    expect(DHCP_REQUEST);
    answer((struct answer){.type = DHCP_ACK});
    sleep_s(0.8);
    assert_true(dhcp_is_bound(client));
    close_client();
}

static void test_any_server_may_rebind(void **state)
{
    struct said said;
    uint64_t asked_at;

    (void)state;
    bind_with((struct answer){0});
    asked_at = client->asked_at;
    sleep_s(600);
    expect(DHCP_REQUEST);
    answer((struct answer){.type = DHCP_ACK, .server = OTHER_SERVER});
    assert_int_equal(client->state, DHCP_RENEWING);
    answer((struct answer){.type = DHCP_NAK, .server = OTHER_SERVER});
    assert_int_equal(client->state, DHCP_RENEWING);
    sleep_s(280);
    assert_int_equal(client->state, DHCP_REBINDING);
    while (hear(&said))
        continue;
    answer((struct answer){.type = DHCP_ACK, .address = OUR_ADDRESS + 1});
    assert_int_equal(client->state, DHCP_REBINDING);
    answer((struct answer){.type = DHCP_ACK, .server = OTHER_SERVER});
    assert_int_equal(client->state, DHCP_BOUND);
    assert_true(client->expires_at ==
                asked_at + (875 + LEASE_S) * NS_PER_S); /* of rebinding */
    wait_for(DHCP_REQUEST, &said);
    assert_int_equal(said.to, OTHER_SERVER);
    close_client();
}

static void test_a_lease_for_ever(void **state)
{
    (void)state;
    bind_with((struct answer){.lease_s = UINT32_MAX});
    assert_true(go_on() < TIME_NEVER); /* the second announcement */
    sleep_s(2);
    expect_nothing();
    assert_true(go_on() == TIME_NEVER);
    sleep_s(1e9);
    expect_nothing();
    assert_true(dhcp_is_bound(client));
    close_client();
}

/* The machine stood still for longer than the lease. */
static void test_a_pause_ends_the_lease(void **state)
{
    static const struct {
        unsigned pause_s;
        bool is_bound;
    } rows[] = {{700, true}, {900, true}, {1001, false}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bind_with((struct answer){0});
        bench.now += rows[i].pause_s * NS_PER_S;
        go_on();
        assert_int_equal(dhcp_is_bound(client), rows[i].is_bound);
        expect(rows[i].is_bound ? DHCP_REQUEST : DHCP_DISCOVER);
        close_client();
    }
}

/* ---- Losing it ----------------------------------------------------------- */

static int on_accept(struct service *service, struct socket *socket)
{
    *(struct socket **)service->cookie = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
}

static void test_connections_outlive_renewals_only(void **state)
{
    struct service service = {
        .name = "test", .port = SERVICE_PORT, .receive = on_receive};
    static const char other_gateway[] = "\3\4\12\0\0\2";

    (void)state;
    bind_with((struct answer){0});
    bench_serve(&service);
    peer_connect(PEER_PORT, 1000, 1000);
    assert_int_equal(bench.stack->conn_count, 1);
    sleep_s(500);
    answer((struct answer){
        .type = DHCP_ACK, .more = other_gateway, .more_len = 6});
    assert_int_equal(client->state, DHCP_BOUND);
    assert_int_equal(bench.stack->conn_count, 1);
    assert_int_equal(bench.stack->config.gateway, PEER_ADDRESS);
    expect_route(0x08080808, PEER_ADDRESS);
    sleep_s(500);
    answer((struct answer){.type = DHCP_NAK});
    assert_int_equal(bench.stack->conn_count, 0);
    expect_no_address();
    assert_true(console_has("the server says no"));
    close_client();
}

static void test_a_server_that_says_no_again_and_again(void **state)
{
    struct said said;
    double waited = 0;

    (void)state;
    open_client();
    expect(DHCP_DISCOVER);
    for (unsigned i = 0; i < 8; i++) {
        answer((struct answer){.type = DHCP_OFFER});
        expect(DHCP_REQUEST);
        answer((struct answer){.type = DHCP_NAK});
        waited = wait_for(DHCP_DISCOVER, &said);
        if (i == 0)
            assert_true(waited == 0);
        if (i == 1)
            expect_between(waited, 3, 5);
    }
    expect_between(waited, 63, 65);
    close_client();
}

/* ---- Routes and sizes ---------------------------------------------------- */

static void test_classless_routes_replace_the_gateway(void **state)
{
    static const char more[] = "\3\4\12\0\0\xfe"
                               "\x79\xd"
                               "\x10\xc0\xa8\12\0\0\3"
                               "\x8\xb\0\0\0\0";
    static const char outside[] = "\x79\5\0\xc0\xa8\1\1";

    (void)state;
    bind_with((struct answer){.more = more, .more_len = sizeof(more) - 1});
    expect_route(0xc0a80505, 0x0a000003);
    expect_route(0x0b000001, 0x0b000001);
    expect_route(0x08080808, 0);
    assert_int_equal(bench.stack->config.gateway, 0);
    dhcp_close(client);
    expect_no_address();
    bench_close();

    bind_with(
        (struct answer){.more = outside, .more_len = sizeof(outside) - 1});
    expect_route(0x08080808, 0xc0a80101);
    expect_route(0xc0a80101, 0xc0a80101);
    assert_int_equal(bench.stack->config.gateway, 0xc0a80101);
    dhcp_close(client);
    expect_no_address();
    bench_close();
}

static void test_gateways_that_cannot_be_are_left_out(void **state)
{
    static const char rows[][7] = {"\3\4\12\0\0\1", "\3\4\xe0\0\0\1",
                                   "\3\4\x7f\0\0\1", "\3\4\0\0\0\1"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bind_with((struct answer){.more = rows[i], .more_len = 6});
        assert_int_equal(bench.stack->config.gateway, 0);
        expect_route(0x08080808, 0);
        assert_true(console_has("a gateway that cannot be one is left out"));
        close_client();
    }
}

static void test_the_mtu_has_limits(void **state)
{
    static const struct {
        const char *bytes;
        unsigned want;
    } rows[] = {
        {"\x1a\2\2\x40", 576},  {"\x1a\2\2\x3f", 1500},   {"\x1a\2\0\0", 1500},
        {"\x1a\2\5\xdb", 1499}, {"\x1a\2\x23\x28", 1500},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bind_with((struct answer){.more = rows[i].bytes, .more_len = 4});
        assert_int_equal(bench.stack->mtu, rows[i].want);
        close_client();
    }
}

/* Connections that are open send what fits into the new MTU. */
static void test_a_renewal_with_a_smaller_mtu(void **state)
{
    static const uint8_t data[1000];
    struct socket *sock = NULL;
    struct service service = {.port = SERVICE_PORT,
                              .accept = on_accept,
                              .receive = on_receive,
                              .cookie = &sock};
    struct said said;

    (void)state;
    bind_with((struct answer){0});
    bench_serve(&service);
    wait_for(DHCP_REQUEST, &said);
    peer_connect(PEER_PORT, 1000, 60000);
    answer((struct answer){.type = DHCP_ACK,
                           .to = OUR_ADDRESS,
                           .more = "\x1a\2\2\x40",
                           .more_len = 4});
    assert_int_equal(bench.stack->mtu, 576);
    assert_int_equal(socket_send(sock, data, sizeof(data)), sizeof(data));
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 536});
    peer_expect({.flags = ACK, .seq = 537, .ack = 1001, .len = 464});
    close_client();
}

static void test_servers_that_cannot_be_are_left_out(void **state)
{
    static const char more[] = "\6\14\0\0\0\0\x7f\0\0\1\1\2\3\4";
    struct net_addr list[SERVERS_ALL_MAX];

    (void)state;
    bind_with((struct answer){.more = more, .more_len = sizeof(more) - 1});
    assert_int_equal(servers_get(bench.stack, SERVER_DNS, list), 1);
    assert_int_equal(addr_ip4(&list[0]), 0x01020304);
    close_client();
}

/* The application's own addresses stay, and there is room for ours. */
static void test_other_addresses_stay(void **state)
{
    (void)state;
    open_client();
    for (uint32_t i = 0; i < IP4_ADDRESSES_MAX - 1; i++)
        assert_int_equal(
            ip4_address_add(bench.stack, 0xc0a80001 + i, 0xffffff00), 0);
    assert_int_equal(ip4_address_add(bench.stack, 0xc0a80009, 0xffffff00),
                     -ENOSPC);
    expect(DHCP_DISCOVER);
    answer((struct answer){.type = DHCP_OFFER});
    answer((struct answer){.type = DHCP_ACK});
    sleep_s(0.8);
    assert_int_equal(bench.stack->ip4_count, IP4_ADDRESSES_MAX);
    assert_int_equal(bench.stack->ip4[0].address, OUR_ADDRESS);
    assert_true(ip4_is_ours(bench.stack, 0xc0a80003));
    dhcp_close(client);
    assert_int_equal(bench.stack->ip4_count, IP4_ADDRESSES_MAX - 1);
    assert_int_equal(bench.stack->ip4[0].address, 0xc0a80001);
    assert_true(ip4_is_ours(bench.stack, 0xc0a80003));
    assert_false(ip4_is_ours(bench.stack, OUR_ADDRESS));
    bench_close();
}

/* ---- What fails ---------------------------------------------------------- */

static void test_opening_fails(void **state)
{
    struct udp_socket *taken;

    (void)state;
    bench_open_as(64, NULL);
    for (unsigned n = 1; n <= 3; n++) {
        heap_fail(n);
        assert_int_equal(dhcp_open(bench.stack, &client), -ENOMEM);
        heap_fail(0);
    }
    assert_int_equal(udp_open(bench.stack, &any, 68, &taken), 0);
    assert_int_equal(dhcp_open(bench.stack, &client), -EADDRINUSE);
    udp_close(taken);
    assert_int_equal(dhcp_open(bench.stack, &client), 0);
    close_client();
}

static void test_a_full_card_is_like_a_loss(void **state)
{
    struct packet *taken[2000];
    unsigned count = 0;
    struct said said;

    (void)state;
    open_client();
    expect(DHCP_DISCOVER);
    while ((taken[count] = packet_get()) != NULL)
        count++;
    sleep_s(6);
    expect_nothing();
    while (count > 0)
        packet_put(taken[--count]);
    wait_for(DHCP_DISCOVER, &said);
    close_client();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_is_asked_for_and_used),
        cmocka_unit_test(test_an_answer_to_the_new_address_comes_in),
        cmocka_unit_test(test_a_lost_discover_is_sent_again),
        cmocka_unit_test(test_when_a_lease_begins),
        cmocka_unit_test(test_an_offer_without_answer_is_given_up),
        cmocka_unit_test(test_other_messages_are_ignored),
        cmocka_unit_test(test_only_the_chosen_server_is_heard),
        cmocka_unit_test(test_a_shortest_lease_and_a_mask_by_class),
        cmocka_unit_test(test_an_address_that_is_taken_is_declined),
        cmocka_unit_test(test_a_lease_is_renewed),
        cmocka_unit_test(test_the_servers_times_are_kept_if_they_make_sense),
        cmocka_unit_test(test_a_silent_server_and_the_end),
        cmocka_unit_test(test_any_server_may_rebind),
        cmocka_unit_test(test_a_lease_for_ever),
        cmocka_unit_test(test_a_pause_ends_the_lease),
        cmocka_unit_test(test_connections_outlive_renewals_only),
        cmocka_unit_test(test_a_server_that_says_no_again_and_again),
        cmocka_unit_test(test_classless_routes_replace_the_gateway),
        cmocka_unit_test(test_gateways_that_cannot_be_are_left_out),
        cmocka_unit_test(test_the_mtu_has_limits),
        cmocka_unit_test(test_a_renewal_with_a_smaller_mtu),
        cmocka_unit_test(test_servers_that_cannot_be_are_left_out),
        cmocka_unit_test(test_other_addresses_stay),
        cmocka_unit_test(test_opening_fails),
        cmocka_unit_test(test_a_full_card_is_like_a_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
