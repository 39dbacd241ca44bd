/* The neighbours: questions, answers, and what hostile ones can do. RFC 826. */
#include "net/arp.h"
#include "net/ip4.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
}

static struct service service = {.port = SERVICE_PORT, .receive = on_receive};

static void open_bench(void)
{
    bench_open(64);
    bench.answers_arp = false;
    bench_serve(&service);
}

struct arp {
    uint16_t op;
    uint32_t sender;
    uint32_t target;
    uint8_t mac; /* the last byte of the sender's */
};

static void arp_say(struct arp arp)
{
    uint8_t frame[60] = {0};

    memset(frame, 0xff, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[11] = arp.mac;
    memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4", 8);
    peer_put16(frame + 20, arp.op);
    memcpy(frame + 22, frame + 6, 6);
    peer_put32(frame + 28, arp.sender);
    peer_put32(frame + 38, arp.target);
    fakenet_inject(&bench.net, frame, sizeof(frame));
    bench_run();
}

/* The next frame sent must be this ARP message. */
static void expect_arp(uint16_t op, uint32_t target)
{
    const struct fakenet_frame *frame = fakenet_sent(&bench.net);

    assert_non_null(frame);
    assert_int_equal(frame->len, 42);
    assert_int_equal(peer_get16(frame->data + 12), 0x0806);
    assert_memory_equal(frame->data + 6, bench_mac, 6);
    assert_memory_equal(frame->data + 14, "\0\1\x08\0\6\4", 6);
    assert_int_equal(peer_get16(frame->data + 20), op);
    assert_memory_equal(frame->data + 22, bench_mac, 6);
    assert_int_equal(peer_get32(frame->data + 28), OUR_ADDRESS);
    assert_int_equal(peer_get32(frame->data + 38), target);
    if (op == 1) {
        assert_memory_equal(frame->data, "\xff\xff\xff\xff\xff\xff", 6);
        assert_memory_equal(frame->data + 32, "\0\0\0\0\0\0", 6);
    } else {
        assert_memory_equal(frame->data, peer_mac, 5);
        assert_memory_equal(frame->data + 32, frame->data, 6);
    }
}

/* The next frame sent asks the owner of a known address, and nobody else. */
static void expect_poll(uint32_t target, uint8_t mac)
{
    const struct fakenet_frame *frame = fakenet_sent(&bench.net);

    assert_non_null(frame);
    assert_int_equal(frame->len, 42);
    assert_int_equal(peer_get16(frame->data + 12), 0x0806);
    assert_int_equal(peer_get16(frame->data + 20), 1);
    assert_memory_equal(frame->data, peer_mac, 5);
    assert_int_equal(frame->data[5], mac);
    assert_int_equal(peer_get32(frame->data + 28), OUR_ADDRESS);
    assert_int_equal(peer_get32(frame->data + 38), target);
}

static void expect_ip_to(uint8_t mac)
{
    const struct fakenet_frame *frame = fakenet_sent(&bench.net);

    assert_non_null(frame);
    assert_int_equal(peer_get16(frame->data + 12), 0x0800);
    assert_int_equal(frame->data[5], mac);
}

static void expect_nothing(void)
{
    assert_null(fakenet_sent(&bench.net));
}

/* A SYN makes us want to talk to `address`. */
static void syn_from(uint32_t address, uint16_t port)
{
    peer_send((struct peer_segment){
        .flags = SYN, .seq = 1, .address = address, .port = port});
}

/* The set of the table that may hold an address, under the bench's key. */
static unsigned set_of(uint32_t address)
{
    const struct net_addr addr = addr_of_ip4(address);

    return siphash(&bench.stack->hash_key, &addr, sizeof(addr)) &
           (NEIGH_SETS - 1);
}

/* Addresses of 10.1.0.0/16 that are all of one set. */
static void addresses_of_a_set(uint32_t *out, size_t count)
{
    size_t found = 0;

    for (uint32_t address = 0x0a010001; found < count; address++) {
        if (set_of(address) == 3)
            out[found++] = address;
    }
}

static void test_request_is_answered_and_learned(void **state)
{
    (void)state;
    open_bench();
    arp_say((struct arp){1, OUR_ADDRESS + 8, OUR_ADDRESS, 9});
    expect_arp(2, OUR_ADDRESS + 8);
    syn_from(OUR_ADDRESS + 8, 1);
    expect_ip_to(9);
    bench_close();
}

static void test_requests_for_others_are_ignored(void **state)
{
    (void)state;
    open_bench();
    arp_say((struct arp){1, OUR_ADDRESS + 8, OUR_ADDRESS + 1, 9});
    expect_nothing();
    assert_int_equal(bench.stack->stats.arp_ignored, 1);
    bench_close();
}

static void test_unknown_neighbour_is_asked_for(void **state)
{
    (void)state;
    open_bench();
    syn_from(OUR_ADDRESS + 20, 1);
    expect_arp(1, OUR_ADDRESS + 20);
    expect_nothing();
    arp_say((struct arp){2, OUR_ADDRESS + 20, OUR_ADDRESS, 33});
    expect_ip_to(33); /* what waited */
    expect_nothing();
    bench_close();
}

static void test_silent_neighbours_are_given_up(void **state)
{
    static const uint32_t silent[] = {OUR_ADDRESS + 9, OUR_ADDRESS + 20};

    (void)state;
    for (size_t n = 0; n < COUNT_OF(silent); n++) {
        open_bench();
        syn_from(silent[n], 1);
        peer_send((struct peer_segment){/* no SYN-ACK is sent again */
                                        .flags = RST,
                                        .seq = 2,
                                        .address = silent[n],
                                        .port = 1});
        for (unsigned i = 0; i < NEIGH_TRIES; i++) {
            expect_arp(1, silent[n]);
            expect_nothing();
            bench_sleep(999 * NS_PER_MS);
            expect_nothing(); /* RFC 1122, 2.3.2.1: once a second */
            bench_sleep(1 * NS_PER_MS);
        }
        assert_int_equal(bench.stack->stats.neigh_failed, 1);
        assert_int_equal(bench.stack->neigh.waiting_count, 0);
        assert_false(timer_is_set(&bench.stack->neigh.timer));
        bench_close();
    }
}

static void test_waiting_packets_are_bounded(void **state)
{
    unsigned before;

    (void)state;
    open_bench();
    before = packet_free_count();
    for (uint16_t port = 1; port <= 100; port++)
        syn_from(OUR_ADDRESS + 20, port);
    expect_arp(1, OUR_ADDRESS + 20);
    expect_nothing(); /* one question for all of them */
    assert_int_equal(bench.stack->neigh.waiting_count, NEIGH_WAITING_MAX);
    for (uint32_t host = 30; host < 70; host++)
        syn_from(OUR_ADDRESS + host, 1);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    assert_int_equal(bench.stack->neigh.waiting_count, NEIGH_WAITING_ALL_MAX);
    assert_int_equal(before - packet_free_count(), NEIGH_WAITING_ALL_MAX);
    assert_int_equal(bench.stack->stats.neigh_failed,
                     40 + NEIGH_WAITING_MAX - NEIGH_WAITING_ALL_MAX);
    bench_close();
}

static void test_off_link_goes_to_the_gateway(void **state)
{
    (void)state;
    open_bench();
    syn_from(0x08080808, 1);
    expect_ip_to(peer_mac[5]); /* the gateway's, known from the start */
    bench_close();
}

static void test_old_entry_is_used_and_asked_for(void **state)
{
    (void)state;
    open_bench();
    bench_sleep(61 * NS_PER_S);
    expect_nothing();
    syn_from(PEER_ADDRESS, 1);
    expect_poll(PEER_ADDRESS, peer_mac[5]); /* RFC 1122, 2.3.2.1, (2) */
    expect_ip_to(peer_mac[5]);
    arp_say((struct arp){2, PEER_ADDRESS, OUR_ADDRESS, peer_mac[5]});
    bench_sleep(10 * NS_PER_S);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    syn_from(PEER_ADDRESS, 2); /* it is known again, nobody is asked */
    expect_ip_to(peer_mac[5]);
    expect_nothing();
    bench_close();
}

/* Questions to the known address, then to all; meanwhile it is used. */
static void test_old_entry_without_answer_goes(void **state)
{
    (void)state;
    open_bench();
    bench_sleep(61 * NS_PER_S);
    peer_send((struct peer_segment){.flags = ACK, .address = 0x08080808});
    expect_poll(GATEWAY, peer_mac[5]);
    expect_ip_to(peer_mac[5]);
    for (unsigned i = 1; i < NEIGH_POLLS + NEIGH_TRIES; i++) {
        bench_sleep(NS_PER_S);
        if (i < NEIGH_POLLS)
            expect_poll(GATEWAY, peer_mac[5]);
        else
            expect_arp(1, GATEWAY);
        peer_send((struct peer_segment){.flags = ACK, .address = 0x08080808});
        expect_ip_to(peer_mac[5]);
        expect_nothing();
    }
    assert_int_equal(bench.stack->stats.neigh_failed, 0);
    bench_sleep(NS_PER_S);
    assert_int_equal(bench.stack->stats.neigh_failed, 1);
    assert_null(bench_neigh(GATEWAY));
    expect_nothing();
    peer_send((struct peer_segment){.flags = ACK, .address = 0x08080808});
    expect_arp(1, GATEWAY); /* as one that was never known */
    expect_nothing();
    bench_close();
}

/*
 * Whatever somebody says of a known neighbour: its owner is asked, and while
 * that one answers it keeps the address.
 */
static void test_claims_are_asked_about(void **state)
{
    static const struct {
        const char *name;
        struct arp arp;
        bool is_answered;
    } rows[] = {
        {"announcement", {1, GATEWAY, GATEWAY, 66}, false},
        {"announcement as a reply", {2, GATEWAY, GATEWAY, 66}, false},
        {"reply to us", {2, GATEWAY, OUR_ADDRESS, 66}, false},
        {"reply to another", {2, GATEWAY, PEER_ADDRESS, 66}, false},
        {"request for us", {1, GATEWAY, OUR_ADDRESS, 66}, true},
        {"request for another", {1, GATEWAY, PEER_ADDRESS, 66}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        print_message("row %s\n", rows[i].name);
        arp_say(rows[i].arp);
        expect_poll(GATEWAY, peer_mac[5]);
        if (rows[i].is_answered)
            expect_arp(2, GATEWAY);
        assert_int_equal(bench.stack->stats.neigh_claims, 1);
        arp_say(rows[i].arp); /* once a second */
        if (rows[i].is_answered)
            expect_arp(2, GATEWAY);
        expect_nothing();
        arp_say((struct arp){2, GATEWAY, OUR_ADDRESS, peer_mac[5]});
        arp_say((struct arp){2, GATEWAY, OUR_ADDRESS, 66});
        assert_memory_equal(bench_neigh(GATEWAY)->mac, peer_mac, 6);
        expect_nothing(); /* a second has not passed */
        syn_from(0x08080808, 1);
        expect_ip_to(peer_mac[5]);
        bench_close();
    }
}

/* The owner is silent: who answers the question to all has the address now. */
static void test_address_moves_when_its_owner_is_silent(void **state)
{
    (void)state;
    open_bench();
    arp_say((struct arp){2, GATEWAY, OUR_ADDRESS, 66});
    for (unsigned i = 0; i < NEIGH_POLLS; i++) {
        expect_poll(GATEWAY, peer_mac[5]);
        expect_nothing();
        arp_say((struct arp){2, GATEWAY, OUR_ADDRESS, 66}); /* too early */
        assert_memory_equal(bench_neigh(GATEWAY)->mac, peer_mac, 6);
        bench_sleep(NS_PER_S);
    }
    expect_arp(1, GATEWAY);
    arp_say((struct arp){1, GATEWAY, GATEWAY, 66}); /* that is no answer */
    assert_memory_equal(bench_neigh(GATEWAY)->mac, peer_mac, 6);
    arp_say((struct arp){2, GATEWAY, OUR_ADDRESS, 66});
    syn_from(0x08080808, 1);
    expect_ip_to(66);
    bench_sleep(NS_PER_S / 2);
    expect_nothing();
    bench_close();
}

/* The question is asked once a second, however often its entry is evicted. */
static void test_questions_are_limited_over_evictions(void **state)
{
    uint32_t silent[NEIGH_WAYS + 3];
    unsigned questions = 0;

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    addresses_of_a_set(silent, COUNT_OF(silent));
    for (uint16_t round = 1; round <= 20; round++) {
        for (size_t i = 0; i < COUNT_OF(silent); i++) {
            peer_send(
                (struct peer_segment){.flags = ACK, .address = silent[i]});
            while (fakenet_sent(&bench.net) != NULL)
                questions++;
        }
        bench.now += 49 * NS_PER_MS; /* 980 ms in all */
    }
    assert_int_equal(questions, COUNT_OF(silent));
    bench_close();
}

/* An address that nobody answers for takes no place of a neighbour we talk to.
 */
static void test_unknown_never_evicts_used(void **state)
{
    uint32_t of_set[NEIGH_WAYS + 2];

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    addresses_of_a_set(of_set, COUNT_OF(of_set));
    for (unsigned i = 0; i < NEIGH_WAYS; i++) {
        arp_say((struct arp){1, of_set[i], OUR_ADDRESS, 50});
        expect_arp(2, of_set[i]);
        peer_send((struct peer_segment){.flags = ACK, .address = of_set[i]});
        expect_ip_to(50);
    }
    peer_send(
        (struct peer_segment){.flags = ACK, .address = of_set[NEIGH_WAYS]});
    expect_nothing();
    assert_int_equal(bench.stack->stats.neigh_failed, 1);
    for (unsigned i = 0; i < NEIGH_WAYS; i++)
        assert_non_null(bench_neigh(of_set[i]));
    /* One that asks for us does: it is there. */
    arp_say((struct arp){1, of_set[NEIGH_WAYS], OUR_ADDRESS, 51});
    expect_arp(2, of_set[NEIGH_WAYS]);
    assert_non_null(bench_neigh(of_set[NEIGH_WAYS]));
    assert_null(bench_neigh(of_set[0]));
    bench_sleep(60 * NS_PER_S); /* nobody was talked to for a minute */
    peer_send(
        (struct peer_segment){.flags = ACK, .address = of_set[NEIGH_WAYS + 1]});
    expect_arp(1, of_set[NEIGH_WAYS + 1]);
    bench_close();
}

/* A connection whose neighbour's entry was given to another one finds the way
 * again. */
static void test_connection_outlives_its_entry(void **state)
{
    uint32_t of_set[NEIGH_WAYS + 1];

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    addresses_of_a_set(of_set, COUNT_OF(of_set));
    arp_say((struct arp){1, of_set[0], OUR_ADDRESS, 50});
    expect_arp(2, of_set[0]);
    syn_from(of_set[0], 1);
    expect_ip_to(50);
    bench_sleep(NS_PER_S / 2);
    peer_send((struct peer_segment){.flags = ACK, .address = PEER_ADDRESS});
    expect_ip_to(peer_mac[5]);
    bench_neigh(of_set[0])->is_used = false; /* as after a minute */
    for (unsigned i = 1; i <= NEIGH_WAYS; i++) {
        arp_say((struct arp){1, of_set[i], OUR_ADDRESS, 60});
        expect_arp(2, of_set[i]);
    }
    assert_null(bench_neigh(of_set[0]));
    bench_sleep(NS_PER_S / 2); /* the SYN-ACK goes out again */
    expect_arp(1, of_set[0]);
    expect_nothing();
    arp_say((struct arp){2, of_set[0], OUR_ADDRESS, 70});
    expect_ip_to(70);
    bench_close();
}

static void test_probe_is_answered_not_learned(void **state)
{
    (void)state;
    open_bench();
    arp_say((struct arp){1, 0, OUR_ADDRESS, 9}); /* RFC 5227 */
    expect_arp(2, 0);
    bench_close();
}

static void test_hostile_senders(void **state)
{
    static const struct {
        const char *name;
        struct arp arp;
        bool is_bad;
    } rows[] = {
        {"off the link", {1, 0x08080808, OUR_ADDRESS, 9}, true},
        {"the broadcast address", {1, 0x0a0000ff, OUR_ADDRESS, 9}, true},
        {"the network's address", {1, 0x0a000000, OUR_ADDRESS, 9}, true},
        {"multicast", {1, 0xe0000001, OUR_ADDRESS, 9}, true},
        {"zero in a reply", {2, 0, OUR_ADDRESS, 9}, true},
        {"answer nobody asked for", {2, 0x0a000050, OUR_ADDRESS, 9}, false},
        {"announcement of a stranger", {1, 0x0a000050, 0x0a000050, 9}, false},
    };
    uint64_t bad = 0;

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        arp_say(rows[i].arp);
        bad += rows[i].is_bad;
        assert_int_equal(bench.stack->stats.arp_bad, bad);
        expect_nothing();
    }
    syn_from(0x0a000050, 1);
    expect_arp(1, 0x0a000050); /* nothing was learned */
    bench_close();
}

/* RFC 5227, 2.4 (b): we keep our address, and say so once in ten seconds. */
static void test_address_is_defended(void **state)
{
    static const struct arp claims[] = {
        {1, OUR_ADDRESS, OUR_ADDRESS, 9},
        {2, OUR_ADDRESS, OUR_ADDRESS, 9},
        {1, OUR_ADDRESS, PEER_ADDRESS, 9},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        open_bench();
        arp_say(claims[i]);
        expect_arp(1, OUR_ADDRESS);
        arp_say(claims[i]);
        bench.now += 10 * NS_PER_S - 1;
        arp_say(claims[i]);
        expect_nothing();
        bench.now += 1;
        arp_say(claims[i]);
        expect_arp(1, OUR_ADDRESS);
        expect_nothing();
        assert_int_equal(bench.stack->stats.arp_conflicts, 4);
        assert_int_equal(bench.stack->stats.arp_bad, 0);
        assert_null(bench_neigh(OUR_ADDRESS));
        bench_close();
    }
}

/* What we have sent ourselves, and a switch sends back, is no conflict. */
static void test_our_own_message_comes_back(void **state)
{
    uint8_t echo[64];
    const struct fakenet_frame *frame;

    (void)state;
    open_bench();
    arp_announce(bench.stack);
    frame = fakenet_sent(&bench.net);
    memcpy(echo, frame->data, frame->len);
    fakenet_inject(&bench.net, echo, frame->len);
    bench_run();
    expect_nothing();
    assert_int_equal(bench.stack->stats.arp_conflicts, 0);
    bench_close();
}

static void test_flood_keeps_the_table_bounded(void **state)
{
    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    for (uint32_t i = 0; i < 20000; i++) {
        arp_say((struct arp){1, 0x0a010000 + i, OUR_ADDRESS, 9});
        expect_arp(2, 0x0a010000 + i);
    }
    /* And a new neighbour still gets in. */
    syn_from(0x0a050505, 1);
    expect_arp(1, 0x0a050505);
    arp_say((struct arp){2, 0x0a050505, OUR_ADDRESS, 12});
    expect_ip_to(12);
    bench_close();
}

/* As many neighbours as there are entries, one after the other: four fifths are
 * remembered, whichever byte their addresses differ in. (A hash that is uniform
 * lets 4 * 32 of them fill four places of 32 sets to 80 %.) */
static void test_neighbours_are_spread(void **state)
{
    static const struct {
        const char *name;
        uint32_t first;
        uint32_t step;
    } rows[] = {
        {"the last byte", 0x0a00000a, 1},
        {"the third byte", 0x0a000a05, 0x100},
        {"the second byte", 0x0a0a0005, 0x10000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned known = 0;

        open_bench();
        bench_set_address(OUR_ADDRESS, 0xff000000);
        print_message("row %s\n", rows[i].name);
        for (uint32_t n = 0; n < NEIGH_SETS * NEIGH_WAYS; n++) {
            uint32_t address = rows[i].first + n * rows[i].step;

            arp_say((struct arp){1, address, OUR_ADDRESS, (uint8_t)n});
            expect_arp(2, address);
        }
        for (uint32_t n = 0; n < NEIGH_SETS * NEIGH_WAYS; n++)
            known += bench_neigh(rows[i].first + n * rows[i].step) != NULL;
        assert_in_range(known, NEIGH_SETS * NEIGH_WAYS * 7 / 10,
                        NEIGH_SETS * NEIGH_WAYS);
        bench_close();
    }
}

/* Nobody can know which addresses share a set: another key, other sets. */
static void test_sets_depend_on_the_key(void **state)
{
    uint32_t of_set[16];
    unsigned same = 0;

    (void)state;
    open_bench();
    addresses_of_a_set(of_set, COUNT_OF(of_set));
    neigh_fini(bench.stack); /* what is known has its place by the old key */
    bench.stack->hash_key.word[1]++;
    for (size_t i = 0; i < COUNT_OF(of_set); i++) {
        arp_say((struct arp){1, OUR_ADDRESS + 9, OUR_ADDRESS, 9});
        same += set_of(of_set[i]) == 3;
    }
    assert_in_range(same, 0, 4);
    bench_close();
}

/* A full set: the neighbour to whom we have not sent for the longest goes. */
static void test_least_recently_used_goes(void **state)
{
    uint32_t of_set[NEIGH_WAYS + 1];

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    addresses_of_a_set(of_set, COUNT_OF(of_set));
    for (unsigned i = 0; i < NEIGH_WAYS; i++) {
        arp_say((struct arp){1, of_set[i], OUR_ADDRESS, 50});
        expect_arp(2, of_set[i]);
        bench_sleep(NS_PER_S);
    }
    for (unsigned i = 0; i < NEIGH_WAYS; i++) { /* the second one last */
        peer_send((struct peer_segment){
            .flags = ACK, .address = of_set[(i + 2) % NEIGH_WAYS]});
        expect_ip_to(50);
        bench_sleep(NS_PER_S);
    }
    arp_say((struct arp){1, of_set[NEIGH_WAYS], OUR_ADDRESS, 51});
    expect_arp(2, of_set[NEIGH_WAYS]);
    for (unsigned i = 0; i <= NEIGH_WAYS; i++)
        assert_int_equal(bench_neigh(of_set[i]) == NULL, i == 2);
    bench_close();
}

/* One that was learned and not used yet goes before those that are used, and of
 * two of them the older one. */
static void test_unused_go_first(void **state)
{
    uint32_t of_set[NEIGH_WAYS + 2];

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    addresses_of_a_set(of_set, COUNT_OF(of_set));
    for (unsigned i = 0; i < NEIGH_WAYS; i++) {
        arp_say((struct arp){1, of_set[i], OUR_ADDRESS, 50});
        expect_arp(2, of_set[i]);
        if (i < NEIGH_WAYS - 2) {
            peer_send(
                (struct peer_segment){.flags = ACK, .address = of_set[i]});
            expect_ip_to(50);
        }
        bench_sleep(NS_PER_S);
    }
    for (unsigned i = NEIGH_WAYS; i < NEIGH_WAYS + 2; i++) {
        arp_say((struct arp){1, of_set[i], OUR_ADDRESS, 50});
        expect_arp(2, of_set[i]);
        assert_null(bench_neigh(of_set[i - 2]));
        assert_non_null(bench_neigh(of_set[i - 1]));
        bench_sleep(NS_PER_S);
    }
    for (unsigned i = 0; i < NEIGH_WAYS - 2; i++)
        assert_non_null(bench_neigh(of_set[i]));
    bench_close();
}

/* Of neighbours learned at the same time the first goes. */
static void test_first_of_equals_goes(void **state)
{
    uint32_t of_set[NEIGH_WAYS + 1];

    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xff000000);
    addresses_of_a_set(of_set, COUNT_OF(of_set));
    for (unsigned i = 0; i <= NEIGH_WAYS; i++) {
        arp_say((struct arp){1, of_set[i], OUR_ADDRESS, 50});
        expect_arp(2, of_set[i]);
    }
    for (unsigned i = 0; i <= NEIGH_WAYS; i++)
        assert_int_equal(bench_neigh(of_set[i]) == NULL, i == 0);
    bench_close();
}

/* How often `address` was asked for in what was sent. */
static unsigned questions_for(uint32_t address)
{
    const struct fakenet_frame *frame;
    unsigned count = 0;

    while ((frame = fakenet_sent(&bench.net)) != NULL)
        count += peer_get16(frame->data + 12) == 0x0806 &&
                 peer_get32(frame->data + 38) == address;
    return count;
}

/* One neighbour answers; the other one is still asked, not before a second has
 * passed; and nobody when both have answered. */
static void test_questions_of_two_neighbours(void **state)
{
    (void)state;
    open_bench();
    syn_from(OUR_ADDRESS + 20, 1);
    bench_sleep(NS_PER_S / 2);
    syn_from(OUR_ADDRESS + 30, 1);
    assert_int_equal(questions_for(OUR_ADDRESS + 30), 1);
    arp_say((struct arp){2, OUR_ADDRESS + 20, OUR_ADDRESS, 33});
    bench_sleep(NS_PER_S - 1);
    assert_int_equal(questions_for(OUR_ADDRESS + 30), 0);
    bench_sleep(NS_PER_S);
    assert_int_equal(questions_for(OUR_ADDRESS + 30), 1);
    arp_say((struct arp){2, OUR_ADDRESS + 30, OUR_ADDRESS, 34});
    bench_sleep(NS_PER_S);
    assert_int_equal(questions_for(OUR_ADDRESS + 30), 0);
    assert_false(timer_is_set(&bench.stack->neigh.timer));
    bench_close();
}

/* More packets cause no more questions, whenever they come. */
static void test_questions_are_bounded(void **state)
{
    (void)state;
    open_bench();
    for (uint16_t i = 0; i < NEIGH_TRIES; i++) {
        syn_from(OUR_ADDRESS + 20, i + 1);
        expect_arp(1, OUR_ADDRESS + 20);
        bench.now += NS_PER_S; /* before the timer has gone off */
    }
    syn_from(OUR_ADDRESS + 20, 9);
    expect_nothing();
    bench_close();
}

/* A machine that has just started asks at once. */
static void test_questions_in_the_first_second(void **state)
{
    (void)state;
    open_bench();
    bench.now = 5;
    syn_from(OUR_ADDRESS + 20, 1);
    expect_arp(1, OUR_ADDRESS + 20);
    bench_close();
}

/* An entry is asked for again at 60 seconds, not before. */
static void test_entry_is_fresh_for_a_minute(void **state)
{
    uint64_t learned;

    (void)state;
    open_bench();
    learned = bench.now;
    bench_sleep(60 * NS_PER_S - 1);
    syn_from(PEER_ADDRESS, 1);
    expect_ip_to(peer_mac[5]);
    expect_nothing();
    bench_sleep(1);
    assert_int_equal(bench.now - learned, 60 * NS_PER_S);
    syn_from(PEER_ADDRESS, 2);
    expect_poll(PEER_ADDRESS, peer_mac[5]);
    expect_ip_to(peer_mac[5]);
    arp_say((struct arp){2, PEER_ADDRESS, OUR_ADDRESS, peer_mac[5]});
    bench_sleep(10 * NS_PER_S); /* answered: not asked for again */
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    syn_from(PEER_ADDRESS, 3);
    expect_ip_to(peer_mac[5]);
    expect_nothing();
    bench_close();
}

/* The newest packets wait, and go out in their order. */
static void test_newest_packets_wait(void **state)
{
    (void)state;
    open_bench();
    bench.relative = false;
    for (uint16_t port = 1; port <= 5; port++)
        syn_from(OUR_ADDRESS + 20, port);
    expect_arp(1, OUR_ADDRESS + 20);
    arp_say((struct arp){2, OUR_ADDRESS + 20, OUR_ADDRESS, 5});
    for (uint16_t port = 3; port <= 5; port++) {
        const struct fakenet_frame *frame = fakenet_sent(&bench.net);

        assert_non_null(frame);
        assert_int_equal(peer_get16(frame->data + 36), port);
    }
    expect_nothing();
    bench_close();
}

/* RFC 3021: a link of two addresses has no network and broadcast address. */
static void test_link_of_two(void **state)
{
    (void)state;
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xfffffffe);
    arp_say((struct arp){1, OUR_ADDRESS - 1, OUR_ADDRESS, 9});
    expect_arp(2, OUR_ADDRESS - 1);
    arp_say((struct arp){1, OUR_ADDRESS + 1, OUR_ADDRESS, 2});
    expect_nothing();
    bench_close();
    open_bench();
    bench_set_address(OUR_ADDRESS, 0xfffffffc); /* .0 and .3 are no hosts */
    arp_say((struct arp){1, OUR_ADDRESS - 1, OUR_ADDRESS, 9});
    arp_say((struct arp){1, OUR_ADDRESS + 2, OUR_ADDRESS, 9});
    expect_nothing();
    arp_say((struct arp){1, OUR_ADDRESS + 1, OUR_ADDRESS, 2});
    expect_arp(2, OUR_ADDRESS + 1);
    bench_close();
}

/* A request for another host teaches nothing, and a reply is not answered. */
static void test_what_is_answered(void **state)
{
    static const struct {
        const char *name;
        struct arp arp;
        bool is_answered;
    } rows[] = {
        {"request for us", {1, PEER_ADDRESS, OUR_ADDRESS, 2}, true},
        {"request for another", {1, PEER_ADDRESS, OUR_ADDRESS + 8, 2}, false},
        {"reply to us", {2, PEER_ADDRESS, OUR_ADDRESS, 2}, false},
        {"probe for us", {1, 0, OUR_ADDRESS, 2}, true},
        {"probe for another", {1, 0, OUR_ADDRESS + 8, 2}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        print_message("row %s\n", rows[i].name);
        arp_say(rows[i].arp);
        if (rows[i].is_answered)
            expect_arp(2, rows[i].arp.sender);
        expect_nothing();
        bench_close();
    }
}

/* Each of our addresses is answered for, asked from, and defended. */
static void test_several_addresses(void **state)
{
    static const uint32_t more[] = {0x0a000063, 0xc0a80101, 0xac100101};
    static const struct net_addr on_link = {.word = {0, 0}};

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(more); i++)
        assert_int_equal(ip4_address_add(bench.stack, more[i], 0xffffff00), 0);
    assert_int_equal(ip4_address_add(bench.stack, 0x01010101, 0xff000000),
                     -ENOSPC);
    bench.stack->ip4_count--;
    assert_int_equal(ip4_address_add(bench.stack, more[1], 0xffffff00),
                     -EEXIST);
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        const struct fakenet_frame *frame;

        arp_say((struct arp){1, PEER_ADDRESS, more[i], peer_mac[5]});
        frame = fakenet_sent(&bench.net);
        assert_int_equal(frame != NULL, i < 2); /* the third was taken away */
        if (frame != NULL)
            assert_int_equal(peer_get32(frame->data + 28), more[i]);
    }
    assert_int_equal(
        route_add(bench.stack, addr_of_ip4(more[1]), 96 + 24, &on_link), 0);
    ip4_send(bench.stack, packet_get(), 0xc0a80105, 99);
    assert_int_equal(peer_get32(fakenet_sent(&bench.net)->data + 28), more[1]);
    arp_say((struct arp){1, more[1], more[1], 9});
    assert_int_equal(peer_get32(fakenet_sent(&bench.net)->data + 28), more[1]);
    assert_int_equal(bench.stack->stats.arp_conflicts, 1);
    bench_close();
}

static void test_announce(void **state)
{
    (void)state;
    open_bench();
    arp_announce(bench.stack);
    expect_arp(1, OUR_ADDRESS);
    /* And when the card asks for it. */
    bench.net.dev.announce(&bench.net.dev);
    expect_arp(1, OUR_ADDRESS);
    assert_int_equal(ip4_address_add(bench.stack, 0x0a000063, 0xffffff00), 0);
    arp_announce(bench.stack);
    expect_arp(1, OUR_ADDRESS);
    assert_int_equal(peer_get32(fakenet_sent(&bench.net)->data + 28),
                     0x0a000063);
    bench_close();
    assert_null(bench.net.dev.announce);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_answered_and_learned),
        cmocka_unit_test(test_requests_for_others_are_ignored),
        cmocka_unit_test(test_unknown_neighbour_is_asked_for),
        cmocka_unit_test(test_silent_neighbours_are_given_up),
        cmocka_unit_test(test_waiting_packets_are_bounded),
        cmocka_unit_test(test_off_link_goes_to_the_gateway),
        cmocka_unit_test(test_old_entry_is_used_and_asked_for),
        cmocka_unit_test(test_old_entry_without_answer_goes),
        cmocka_unit_test(test_claims_are_asked_about),
        cmocka_unit_test(test_address_moves_when_its_owner_is_silent),
        cmocka_unit_test(test_questions_are_limited_over_evictions),
        cmocka_unit_test(test_unknown_never_evicts_used),
        cmocka_unit_test(test_connection_outlives_its_entry),
        cmocka_unit_test(test_probe_is_answered_not_learned),
        cmocka_unit_test(test_hostile_senders),
        cmocka_unit_test(test_address_is_defended),
        cmocka_unit_test(test_our_own_message_comes_back),
        cmocka_unit_test(test_flood_keeps_the_table_bounded),
        cmocka_unit_test(test_neighbours_are_spread),
        cmocka_unit_test(test_sets_depend_on_the_key),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_unused_go_first),
        cmocka_unit_test(test_first_of_equals_goes),
        cmocka_unit_test(test_questions_of_two_neighbours),
        cmocka_unit_test(test_questions_are_bounded),
        cmocka_unit_test(test_questions_in_the_first_second),
        cmocka_unit_test(test_entry_is_fresh_for_a_minute),
        cmocka_unit_test(test_newest_packets_wait),
        cmocka_unit_test(test_link_of_two),
        cmocka_unit_test(test_what_is_answered),
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_announce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
