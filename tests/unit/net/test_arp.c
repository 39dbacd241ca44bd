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
    if (op == 1)
        assert_memory_equal(frame->data, "\xff\xff\xff\xff\xff\xff", 6);
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

static void test_silent_neighbour_is_given_up(void **state)
{
    (void)state;
    open_bench();
    syn_from(OUR_ADDRESS + 20, 1);
    for (unsigned i = 0; i < ARP_TRIES; i++) {
        expect_arp(1, OUR_ADDRESS + 20);
        expect_nothing();
        bench_sleep(999 * NS_PER_MS);
        expect_nothing(); /* RFC 1122, 2.3.2.1: once a second */
        bench_sleep(1 * NS_PER_MS);
    }
    assert_int_equal(bench.stack->stats.arp_failed, 1);
    bench_close();
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
    for (uint32_t host = 30; host < 200; host++)
        syn_from(OUR_ADDRESS + host, 1);
    assert_true(bench.stack->arp.waiting_count <= ARP_WAITING_ALL_MAX);
    assert_true(before - packet_free_count() <= ARP_WAITING_ALL_MAX);
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

static void test_announce(void **state)
{
    (void)state;
    open_bench();
    arp_announce(bench.stack);
    expect_arp(1, OUR_ADDRESS);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_answered_and_learned),
        cmocka_unit_test(test_requests_for_others_are_ignored),
        cmocka_unit_test(test_unknown_neighbour_is_asked_for),
        cmocka_unit_test(test_silent_neighbour_is_given_up),
        cmocka_unit_test(test_waiting_packets_are_bounded),
        cmocka_unit_test(test_off_link_goes_to_the_gateway),
        cmocka_unit_test(test_old_entry_is_used_and_asked_for),
        cmocka_unit_test(test_old_entry_without_answer_goes),
        cmocka_unit_test(test_probe_is_answered_not_learned),
        cmocka_unit_test(test_hostile_senders),
        cmocka_unit_test(test_announcement_updates),
        cmocka_unit_test(test_flood_keeps_the_table_bounded),
        cmocka_unit_test(test_announce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
