/* The neighbours: questions, answers, and what hostile ones can do. RFC 826. */
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

/* Of the first set of the cache, and of the last one. */
static void test_silent_neighbours_are_given_up(void **state)
{
    static const uint32_t silent[] = {OUR_ADDRESS + 9, OUR_ADDRESS + 20};

    (void)state;
    for (size_t n = 0; n < COUNT_OF(silent); n++) {
        open_bench();
        syn_from(silent[n], 1);
        for (unsigned i = 0; i < ARP_TRIES; i++) {
            expect_arp(1, silent[n]);
            expect_nothing();
            bench_sleep(999 * NS_PER_MS);
            expect_nothing(); /* RFC 1122, 2.3.2.1: once a second */
            bench_sleep(1 * NS_PER_MS);
        }
        assert_int_equal(bench.stack->stats.arp_failed, 1);
        assert_int_equal(bench.stack->arp.waiting_count, 0);
        assert_false(timer_is_set(&bench.stack->arp.timer));
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
    assert_int_equal(bench.stack->arp.waiting_count, ARP_WAITING_MAX);
    for (uint32_t host = 30; host < 70; host++)
        syn_from(OUR_ADDRESS + host, 1);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    assert_int_equal(bench.stack->arp.waiting_count, ARP_WAITING_ALL_MAX);
    assert_int_equal(before - packet_free_count(), ARP_WAITING_ALL_MAX);
    assert_int_equal(bench.stack->stats.arp_failed,
                     40 + ARP_WAITING_MAX - ARP_WAITING_ALL_MAX);
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
    expect_arp(1, PEER_ADDRESS);
    expect_ip_to(peer_mac[5]);
    arp_say((struct arp){2, PEER_ADDRESS, OUR_ADDRESS, 77});
    syn_from(PEER_ADDRESS, 2);
    expect_ip_to(77); /* it has moved */
    bench_close();
}

static void test_old_entry_without_answer_goes(void **state)
{
    const struct fakenet_frame *frame;

    (void)state;
    open_bench();
    bench_sleep(61 * NS_PER_S);
    syn_from(PEER_ADDRESS, 1);
    bench_sleep(5 * NS_PER_S);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    bench_sleep(5 * NS_PER_S); /* the SYN-ACK is sent again, to nobody */
    expect_arp(1, PEER_ADDRESS);
    while ((frame = fakenet_sent(&bench.net)) != NULL)
        assert_int_equal(peer_get16(frame->data + 12), 0x0806);
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
        {"our own address", {1, OUR_ADDRESS, OUR_ADDRESS, 9}, true},
        {"our own, announced", {2, OUR_ADDRESS, OUR_ADDRESS, 9}, true},
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

/* An announcement changes an entry we have: a gateway may move. */
static void test_announcement_updates(void **state)
{
    (void)state;
    open_bench();
    arp_say((struct arp){1, GATEWAY, GATEWAY, 66});
    expect_nothing();
    syn_from(0x08080808, 1);
    expect_ip_to(66);
    bench_close();
}

static void test_flood_keeps_the_table_bounded(void **state)
{
    (void)state;
    open_bench();
    bench.stack->config.netmask = 0xff000000;
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

/*
 * As many neighbours as there are entries, whose addresses differ in one byte:
 * the sets are filled evenly, so all of them are remembered.
 */
static void test_neighbours_fill_the_sets_evenly(void **state)
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
        open_bench();
        bench.stack->config.netmask = 0xff000000;
        print_message("row %s\n", rows[i].name);
        for (uint32_t n = 0; n < ARP_SETS * ARP_WAYS; n++) {
            uint32_t address = rows[i].first + n * rows[i].step;

            arp_say((struct arp){1, address, OUR_ADDRESS, (uint8_t)n});
            expect_arp(2, address);
        }
        for (uint32_t n = 0; n < ARP_SETS * ARP_WAYS; n++) {
            syn_from(rows[i].first + n * rows[i].step, 1);
            expect_ip_to((uint8_t)n);
        }
        bench_close();
    }
}

/* A full set: the neighbour to whom we have not sent for the longest goes. */
static void test_least_recently_used_goes(void **state)
{
    (void)state;
    open_bench();
    bench.stack->config.netmask = 0xff000000;
    for (uint32_t n = 1; n <= ARP_WAYS; n++) {
        arp_say((struct arp){1, 0x0a000007 + n * 32, OUR_ADDRESS, 50});
        expect_arp(2, 0x0a000007 + n * 32);
        bench_sleep(NS_PER_S);
    }
    syn_from(0x0a000007 + 32, 1); /* the first is used again */
    expect_ip_to(50);
    arp_say((struct arp){1, 0x0a000007 + 5 * 32, OUR_ADDRESS, 51});
    expect_arp(2, 0x0a000007 + 5 * 32);
    syn_from(0x0a000007 + 32, 2);
    expect_ip_to(50);
    syn_from(0x0a000007 + 5 * 32, 2);
    expect_ip_to(51);
    syn_from(0x0a000007 + 3 * 32, 2);
    expect_ip_to(50);
    syn_from(0x0a000007 + 2 * 32, 2); /* the one that went */
    expect_arp(1, 0x0a000007 + 2 * 32);
    expect_nothing();
    bench_close();
}

/* One that was learned and not used yet is not the next to go. */
static void test_newest_neighbour_stays(void **state)
{
    (void)state;
    open_bench();
    bench.stack->config.netmask = 0xff000000;
    for (uint32_t n = 1; n <= ARP_WAYS + 2; n++) {
        arp_say((struct arp){1, 0x0a000007 + n * 32, OUR_ADDRESS, 50});
        expect_arp(2, 0x0a000007 + n * 32);
        bench_sleep(NS_PER_S);
    }
    for (uint32_t n = 3; n <= ARP_WAYS + 2; n++) {
        syn_from(0x0a000007 + n * 32, 1);
        expect_ip_to(50);
    }
    bench_close();
}

/* Of neighbours learned at the same time the first goes. */
static void test_first_of_equals_goes(void **state)
{
    (void)state;
    open_bench();
    bench.stack->config.netmask = 0xff000000;
    for (uint32_t n = 1; n <= ARP_WAYS + 1; n++) {
        arp_say((struct arp){1, 0x0a000007 + n * 32, OUR_ADDRESS, 50});
        expect_arp(2, 0x0a000007 + n * 32);
    }
    for (uint32_t n = 2; n <= ARP_WAYS + 1; n++) {
        syn_from(0x0a000007 + n * 32, 1);
        expect_ip_to(50);
    }
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
    assert_false(timer_is_set(&bench.stack->arp.timer));
    bench_close();
}

/* More packets cause no more questions, whenever they come. */
static void test_questions_are_bounded(void **state)
{
    (void)state;
    open_bench();
    for (uint16_t i = 0; i < ARP_TRIES; i++) {
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

/* A neighbour asks again, from another card. */
static void test_request_updates(void **state)
{
    (void)state;
    open_bench();
    arp_say((struct arp){1, PEER_ADDRESS, OUR_ADDRESS, 44});
    expect_arp(2, PEER_ADDRESS);
    syn_from(PEER_ADDRESS, 1);
    expect_ip_to(44);
    expect_nothing();
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
    expect_arp(1, PEER_ADDRESS);
    expect_ip_to(peer_mac[5]);
    arp_say((struct arp){2, PEER_ADDRESS, OUR_ADDRESS, 45});
    bench_sleep(10 * NS_PER_S); /* answered: not asked for again */
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    syn_from(PEER_ADDRESS, 3);
    expect_ip_to(45);
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
    bench.stack->config.netmask = 0xfffffffe;
    arp_say((struct arp){1, OUR_ADDRESS - 1, OUR_ADDRESS, 9});
    expect_arp(2, OUR_ADDRESS - 1);
    arp_say((struct arp){1, OUR_ADDRESS + 1, OUR_ADDRESS, 9});
    expect_nothing();
    bench_close();
    open_bench();
    bench.stack->config.netmask = 0xfffffffc; /* .0 and .3 are no hosts */
    arp_say((struct arp){1, OUR_ADDRESS - 1, OUR_ADDRESS, 9});
    arp_say((struct arp){1, OUR_ADDRESS + 2, OUR_ADDRESS, 9});
    expect_nothing();
    arp_say((struct arp){1, OUR_ADDRESS + 1, OUR_ADDRESS, 9});
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
        {"request for us", {1, PEER_ADDRESS, OUR_ADDRESS, 9}, true},
        {"request for another", {1, PEER_ADDRESS, OUR_ADDRESS + 8, 9}, false},
        {"reply to us", {2, PEER_ADDRESS, OUR_ADDRESS, 9}, false},
        {"probe for us", {1, 0, OUR_ADDRESS, 9}, true},
        {"probe for another", {1, 0, OUR_ADDRESS + 8, 9}, false},
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

static void test_announce(void **state)
{
    (void)state;
    open_bench();
    arp_announce(bench.stack);
    expect_arp(1, OUR_ADDRESS);
    /* And when the card asks for it. */
    bench.net.dev.announce(&bench.net.dev);
    expect_arp(1, OUR_ADDRESS);
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
        cmocka_unit_test(test_probe_is_answered_not_learned),
        cmocka_unit_test(test_hostile_senders),
        cmocka_unit_test(test_announcement_updates),
        cmocka_unit_test(test_flood_keeps_the_table_bounded),
        cmocka_unit_test(test_announce),
        cmocka_unit_test(test_neighbours_fill_the_sets_evenly),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_newest_neighbour_stays),
        cmocka_unit_test(test_first_of_equals_goes),
        cmocka_unit_test(test_questions_of_two_neighbours),
        cmocka_unit_test(test_questions_are_bounded),
        cmocka_unit_test(test_questions_in_the_first_second),
        cmocka_unit_test(test_request_updates),
        cmocka_unit_test(test_entry_is_fresh_for_a_minute),
        cmocka_unit_test(test_newest_packets_wait),
        cmocka_unit_test(test_link_of_two),
        cmocka_unit_test(test_what_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
