/*
 * Stacks of several CPUs on one card. The test's thread, on CPU 0, is the peer:
 * it lets frames come to any queue of the card, and looks at what each queue
 * has sent.
 */
#include "kernel/heap/heap.h"
#include "net/group.h"
#include "net/group/peek.h"
#include "net/ip.h"
#include "net/ip6.h"
#include "net/neigh.h"
#include "net/stack.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/group_card.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <stdatomic.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/icmp.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/net_card.h>
#include <torc/net_dhcp.h>
#include <torc/thread.h>
#include <torc/time.h>

/* ---- The service --------------------------------------------------------- */

/* Of CPU i: the callbacks there alone write it. */
static unsigned accepted[CPUS];

static int echo_accept(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    accepted[cpu_id()]++;
    return 0;
}

static void echo_receive(struct service *service, struct socket *socket)
{
    char buf[100];
    int64_t len;

    (void)service;
    while ((len = socket_receive(socket, buf, sizeof(buf))) > 0)
        assert(socket_send(socket, buf, (size_t)len) == len);
    if (len == 0)
        socket_close(socket);
}

static struct service echo = {.name = "echo",
                              .port = SERVICE_PORT,
                              .accept = echo_accept,
                              .receive = echo_receive};

static int start(unsigned queues, unsigned cpus)
{
    card_make(queues);
    if (net_start_on(&card->dev.device, &config, all_cpus, cpus) != 0 ||
        service_register_all(&echo) != 0)
        return -1;
    while (peer_gets(5) != NO_QUEUE) /* announcements */
        continue;
    return 0;
}

/* The queue that sends a segment with these flags and `len` bytes to `port`, in
 * `last`; else NO_QUEUE. What it sends besides, or again, does not count. */
static unsigned peer_gets_segment(uint16_t port, uint8_t flags, unsigned len)
{
    unsigned queue = peer_gets(2000);

    while (queue != NO_QUEUE &&
           !(last_is(flags, len) && peer_get16(last.data + 34 + 2) == port))
        queue = peer_gets(2000);
    return queue;
}

/* Connect from `port`; the SYN comes to `queue`, the rest to `later`. Then send
 * two bytes. Returns the queue that echoed, or NO_QUEUE. */
static unsigned talk(uint16_t port, unsigned queue, unsigned later)
{
    struct peer_segment segment = {.port = port, .flags = SYN};

    segment_comes(queue, segment);
    if (peer_gets_segment(port, SYN | ACK, 0) != queue % card->dev.queue_count)
        return NO_QUEUE;
    segment = (struct peer_segment){.port = port,
                                    .flags = ACK,
                                    .seq = 1,
                                    .ack = peer_get32(last.data + 34 + 4) + 1};
    segment_comes(later, segment);
    segment.data = "hi";
    segment.len = 2;
    segment_comes(later, segment);
    queue = peer_gets_segment(port, ACK | PSH, 2);
    segment.seq = 3;
    segment.ack += 2;
    segment.len = 0;
    segment_comes(later, segment);
    return queue;
}

/* ---- A queue for each CPU ------------------------------------------------ */

static int run_queues(void *arg)
{
    (void)arg;
    if (start(CPUS, CPUS) != 0)
        return 1;
    /* A connection is where its SYN came, wherever the rest comes. */
    for (unsigned i = 0; i < CPUS; i++) {
        for (unsigned later = 0; later < CPUS; later++) {
            if (talk((uint16_t)(1000 + i * CPUS + later), i, later) != i)
                return 2;
        }
        if (accepted[i] != CPUS)
            return 3;
    }
    /* What is nobody's is answered once, by the last that was asked. */
    segment_comes(1, (struct peer_segment){.port = 7, .flags = ACK, .ack = 9});
    if (peer_gets(2000) != 0 || !last_is(RST, 0) || peer_gets(30) != NO_QUEUE)
        return 4;
    return all_are_right(CPUS) ? 0 : 5;
}

static void test_group_finds_the_connection(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_queues, NULL), 0);
}

/* ---- Fewer queues than CPUs ---------------------------------------------- */

static int run_few_queues(void *arg)
{
    unsigned queues = *(unsigned *)arg;
    unsigned sum = 0;

    if (start(queues, CPUS) != 0)
        return 1;
    for (unsigned i = 0; i < 40; i++) {
        unsigned queue = i % queues;

        if (talk((uint16_t)(1000 + i), queue, (i + 1) % queues) != queue)
            return 2;
    }
    for (unsigned i = 0; i < CPUS; i++) {
        if (accepted[i] == 0)
            return 3;
        sum += accepted[i];
    }
    if (sum != 40)
        return 4;
    segment_comes(0, (struct peer_segment){.port = 7, .flags = ACK, .ack = 9});
    if (peer_gets(2000) == NO_QUEUE || !last_is(RST, 0) ||
        peer_gets(30) != NO_QUEUE)
        return 5;
    return all_are_right(CPUS) ? 0 : 6;
}

static void test_group_serves_cpus_without_queue(void **state)
{
    (void)state;
    for (unsigned queues = 1; queues < CPUS; queues++)
        assert_int_equal(machine_run(CPUS, MEMORY, run_few_queues, &queues), 0);
}

/* ---- When there is too much ---------------------------------------------- */

static int set_full(void *arg)
{
    card->side[0].is_full = *(bool *)arg;
    return 0;
}

/* What CPUs without a queue send waits for the card, as what its own CPU sends.
 */
static int run_full(void *arg)
{
    bool is_full = true;

    (void)arg;
    if (start(1, CPUS) != 0 || talk(1000, 0, 0) != 0)
        return 1;
    (void)set_full(&is_full);
    for (uint16_t port = 2000; port < 2030; port++)
        segment_comes(0, (struct peer_segment){.port = port, .flags = SYN});
    if (peer_gets(20) != NO_QUEUE)
        return 2;
    is_full = false;
    (void)set_full(&is_full);
    for (unsigned i = 0; i < 30; i++) {
        if (peer_gets(2000) != 0 || !last_is(SYN | ACK, 0))
            return 3;
    }
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_group_waits_for_the_card(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_full, NULL), 0);
}

/* A thread that lets nothing else run on its CPU. */
static int hog(void *arg)
{
    uint64_t end = time_ns() + 300 * NS_PER_MS;

    (void)arg;
    while (time_ns() < end)
        continue;
    return 0;
}

/* The port of a flow that is CPU 1's. */
static uint16_t port_of_1(void)
{
    struct flow flow = {addr_of_ip4(OUR_ADDRESS), addr_of_ip4(PEER_ADDRESS),
                        SERVICE_PORT, 3000, 6};

    while (group_member_of(stack_self()->group, 0, &flow) != 1)
        flow.rport++;
    return flow.rport;
}

/* A CPU that does not take its frames gets a part of the packets, no more. */
static int run_hog(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 1};
    uint16_t port;
    uint64_t end;

    (void)arg;
    if (start(1, CPUS) != 0 || talk(1000, 0, 0) != 0)
        return 1;
    port = port_of_1();
    if (thread_create(&attr, hog, NULL, NULL) != 0)
        return 2;
    end = time_ns() + 200 * NS_PER_MS;
    while (stack_self()->stats.handover_dropped == 0 && time_ns() < end) {
        segment_comes(0, (struct peer_segment){.port = port, .flags = RST});
        thread_yield();
    }
    if (stack_self()->stats.handover_dropped == 0 ||
        packet_given_count(1) > stack_self()->packet_count / 2 / 3)
        return 3;
    return all_are_right(CPUS) ? 0 : 5;
}

static void test_group_bounds_what_a_cpu_gets(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_hog, NULL), 0);
}

/* ---- The link ------------------------------------------------------------ */

static int peer_is_known(void *arg)
{
    const struct neigh *peer;

    (void)arg;
    bench.stack = stack_self();
    peer = bench_neigh(PEER_ADDRESS);
    return peer != NULL && peer->is_known;
}

/* A question that comes to any queue is answered once, and all know who asked.
 */
static int run_arp(void *arg)
{
    (void)arg;
    if (start(2, CPUS) != 0)
        return 1;
    arp_come(1, 1, OUR_ADDRESS);
    if (peer_gets(2000) != 0 || peer_get16(last.data + 12) != 0x0806 ||
        last.data[21] != 2 || peer_gets(30) != NO_QUEUE)
        return 2;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, peer_is_known, NULL) != 1)
            return 3;
    }
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_group_answers_arp_once(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_arp, NULL), 0);
}

/* ---- Other datagrams ----------------------------------------------------- */

/* A ping of 8 bytes and `len` more from byte `offset` of its datagram on. */
static void ping_comes(unsigned queue, bool more, unsigned offset, size_t len)
{
    uint8_t frame[PACKET_SIZE] = {0};
    size_t size;

    if (offset == 0) {
        frame[34] = 8; /* the rest is 0: so is the sum */
        peer_put16(frame + 36, 0xf7ff);
    }
    size = peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 1, len);
    peer_put16(frame + 14 + 6, (more ? 0x2000 : 0) | offset / 8);
    peer_put16(frame + 14 + 10, 0);
    peer_put16(frame + 14 + 10, peer_checksum(frame + 14, 20, 0));
    come(queue, frame, size);
}

static void datagram_comes(unsigned queue, uint32_t to)
{
    uint8_t frame[64] = {0};

    peer_put16(frame + 34, 5000);
    peer_put16(frame + 36, 5001);
    peer_put16(frame + 38, 8);
    come(queue, frame, peer_ip4(frame, PEER_ADDRESS, to, 17, 8));
}

static int complete(void *arg)
{
    (void)arg;
    ip4_complete(stack_self());
    return 0;
}

static int unknown_here(void *arg)
{
    (void)arg;
    return (int)stack_self()->stats.ip_unknown_protocol;
}

static bool last_is_icmp(uint8_t type)
{
    return peer_get16(last.data + 12) == 0x0800 && last.data[14 + 9] == 1 &&
           last.data[34] == type;
}

static int run_datagrams(void *arg)
{
    (void)arg;
    if (start(2, CPUS) != 0 || talk(1000, 1, 1) != 1)
        return 1;
    /* A ping is answered where it comes, in pieces by the first CPU. */
    ping_comes(1, false, 0, 64);
    if (peer_gets(2000) != 1 || !last_is_icmp(0))
        return 2;
    if (remote_call(0, complete, NULL) != 0)
        return 3;
    ping_comes(1, true, 0, 64);
    ping_comes(0, false, 64, 64);
    if (peer_gets(2000) != 0 || !last_is_icmp(0) || last.data[17] != 148)
        return 4;
    /* Nobody has the port: every queue is asked, and one says so. */
    datagram_comes(1, OUR_ADDRESS);
    if (peer_gets(2000) == NO_QUEUE || !last_is_icmp(3) ||
        peer_gets(30) != NO_QUEUE)
        return 5;
    return all_are_right(CPUS) ? 0 : 6;
}

static void test_group_has_other_datagrams(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_datagrams, NULL), 0);
}

static int ask_for_echo(void *arg)
{
    const struct icmp_echo request = {
        .to = addr_of_ip4(PEER_ADDRESS),
        .id = (uint16_t)cpu_id(),
        .size = 20,
        .deadline_ns = time_ns() + 10 * NS_PER_S,
    };
    struct icmp_answer answer;

    (void)arg;
    return icmp_echo(&request, &answer);
}

/* Whoever asks gets the answer, to whichever queue it comes. */
static int run_echoes(void *arg)
{
    (void)arg;
    if (start(2, CPUS) != 0)
        return 1;
    for (unsigned i = 0; i < 2 * CPUS; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU,
                                         .cpu = i % CPUS};
        uint8_t frame[34 + 28];
        thread_id id;
        int status;

        if (thread_create(&attr, ask_for_echo, NULL, &id) != 0 ||
            peer_gets(2000) == NO_QUEUE || !last_is_icmp(8))
            return 2;
        memcpy(frame, last.data, sizeof(frame));
        frame[34] = 0;
        peer_put16(frame + 36, 0);
        peer_put16(frame + 36, peer_checksum(frame + 34, 28, 0));
        come(i / CPUS, frame,
             peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 1, 28));
        if (thread_join(id, &status) != 0 || status != 0)
            return 3;
    }
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_group_has_echoes(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_echoes, NULL), 0);
}

/* Pieces of a datagram that is larger than a packet are joined on the first
 * CPU, and go home each to its own. */
static int run_large(void *arg)
{
    (void)arg;
    if (start(2, CPUS) != 0 || remote_call(0, complete, NULL) != 0)
        return 1;
    for (unsigned i = 0; i < 3; i++) {
        ping_comes(1, true, 0, 1480);
        ping_comes(i % 2, false, 1480, 800);
        thread_sleep(5 * NS_PER_MS);
    }
    return all_are_right(CPUS) ? 0 : 2;
}

static void test_group_joins_large_datagrams(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_large, NULL), 0);
}

/* A frame that concerns all and is longer than a copy of it can be. */
static int run_long_frame(void *arg)
{
    uint8_t frame[PACKET_SIZE] = {0};

    (void)arg;
    if (start(2, CPUS) != 0)
        return 1;
    memcpy(frame, bench_mac, 6);
    peer_put16(frame + 12, 0x0806);
    come(1, frame, sizeof(frame));
    if (talk(1000, 1, 0) != 1)
        return 2;
    return all_are_right(CPUS) ? 0 : 3;
}

static void test_group_shows_no_long_frames(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_long_frame, NULL), 0);
}

/* A service of one CPU is found from every queue. */
static int run_one_service(void *arg)
{
    (void)arg;
    card_make(2);
    if (net_start_on(&card->dev.device, &config, all_cpus, CPUS) != 0 ||
        service_register(&echo) != 0)
        return 1;
    for (uint16_t i = 0; i < 8; i++) {
        segment_comes(i % 2, (struct peer_segment){.port = (uint16_t)(900 + i),
                                                   .flags = SYN});
        if (peer_gets_segment((uint16_t)(900 + i), SYN | ACK, 0) != 0)
            return 2;
    }
    return all_are_right(CPUS) ? 0 : 3;
}

static void test_group_finds_a_service_of_one_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_one_service, NULL), 0);
}

/* A SYN cookie is taken by the CPU that has sent it. */
static int run_cookies(void *arg)
{
    (void)arg;
    if (start(CPUS, CPUS) != 0)
        return 1;
    for (uint16_t i = 0; i < 2 * TCP_HALF_OPEN_MAX; i++) {
        segment_comes(1, (struct peer_segment){.port = (uint16_t)(3000 + i),
                                               .flags = SYN});
        if (peer_gets_segment((uint16_t)(3000 + i), SYN | ACK, 0) != 1)
            return 2;
    }
    if (talk(2999, 1, 1) != 1 || accepted[1] != 1)
        return 3;
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_group_takes_its_cookies(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_cookies, NULL), 0);
}

/* What is for all hosts of the link is the first CPU's. */
static int run_broadcast(void *arg)
{
    static const uint8_t all[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint64_t end = time_ns() + 2 * NS_PER_S;
    uint8_t frame[64] = {0};
    size_t len;

    (void)arg;
    if (start(2, CPUS) != 0)
        return 1;
    peer_put16(frame + 38, 8);
    len = peer_ip4(frame, PEER_ADDRESS, 0xffffffff, 17, 8);
    memcpy(frame, all, sizeof(all));
    come(1, frame, len);
    while (stack_self()->stats.ip_in == 0 && time_ns() < end)
        thread_sleep(NS_PER_MS);
    if (stack_self()->stats.ip_in != 1 || peer_gets(30) != NO_QUEUE)
        return 2;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, unknown_here, NULL) != 0)
            return 3;
    }
    return all_are_right(CPUS) ? 0 : 4;
}

static void test_group_gives_broadcasts_to_the_first(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_broadcast, NULL), 0);
}

/* ---- The only card of an application ------------------------------------- */

static int no_stack(void *arg)
{
    (void)arg;
    return stack_self() == NULL;
}

static int run_card(void *arg)
{
    uint16_t port = 99;

    (void)arg;
    card_make(2);
    if (net_card_start_all(&port) != 0 || port != 8080)
        return 1;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, no_stack, NULL) != 0)
            return 2;
    }
    return stack_self()->group->count == CPUS ? 0 : 3;
}

static void test_group_is_the_card_of_all(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(CPUS, MEMORY,
                                        "net=10.1.2.3/24 port=8080", run_card,
                                        NULL, NULL, 0),
                     0);
    assert_int_equal(machine_run_output(CPUS, MEMORY, "net=10.1.2.3 port=8080",
                                        run_card, NULL, NULL, 0),
                     1);
}

/* A question for an address of IPv6, as arp_come(). */
static void solicit_comes(unsigned queue, const struct net_addr *ours)
{
    uint8_t frame[14 + 40 + 32] = {0};
    uint8_t *ip = frame + 14, *icmp = ip + 40;

    memcpy(frame, "\x33\x33\xff\0\0\1", 6);
    memcpy(frame + 6, peer_mac, 6);
    peer_put16(frame + 12, 0x86dd);
    ip[0] = 0x60;
    ip[5] = 32;
    ip[6] = 58;
    ip[7] = 255;
    memcpy(ip + 8, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    memcpy(ip + 24, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff", 13);
    memcpy(ip + 37, ours->byte + 13, 3);
    icmp[0] = 135;
    memcpy(icmp + 8, ours->byte, 16);
    icmp[24] = icmp[25] = 1;
    memcpy(icmp + 26, peer_mac, 6);
    /* The pseudo header of RFC 8200, 8.1: addresses, length, protocol. */
    peer_put16(icmp + 2, peer_checksum(ip + 8, 32 + 32, 32 + 58));
    come(queue, frame, sizeof(frame));
}

static int start_ip6(void *arg)
{
    return ip6_start_member(stack_self(), arg);
}

static int is_ready6(void *arg)
{
    return ip_is_ours(stack_self(), arg);
}

static int run_solicit(void *arg)
{
    struct ip6_config config6 = {.prefix_len = 64};
    uint64_t end = time_ns() + 10 * NS_PER_S;

    (void)arg;
    memcpy(config6.address.byte, "\xfd\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 16);
    if (start(2, CPUS) != 0)
        return 1;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, start_ip6, &config6) != 0)
            return 2;
    }
    for (unsigned i = 0; i < CPUS; i++) {
        while (remote_call(i, is_ready6, &config6.address) == 0 &&
               time_ns() < end)
            thread_sleep(NS_PER_MS);
        if (remote_call(i, is_ready6, &config6.address) == 0)
            return 3;
    }
    while (peer_gets(30) != NO_QUEUE) /* probes, announcements, reports */
        continue;
    solicit_comes(1, &config6.address);
    if (peer_gets(2000) != 0 || last.data[14 + 40] != 136)
        return 4;
    while (peer_gets(30) != NO_QUEUE) {
        if (last.data[14 + 40] == 136)
            return 5;
    }
    return all_are_right(CPUS) ? 0 : 6;
}

static void test_group_answers_solicits_once(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_solicit, NULL), 0);
}

/* ---- What steering does not pass on -------------------------------------- */

static bool is_passed(struct packet *packet, uint32_t header_len)
{
    uint64_t before = stack_self()->stats.handed_over;
    bool passed = group_pass(stack_self(), packet, header_len);

    assert_int_equal(stack_self()->stats.handed_over - before, passed);
    return passed;
}

/* Without room for the headers, or when they are no flow's, a packet stays as
 * it is; and when it is in several buffers, which nobody has asked for. */
static int run_odd_packets(void *arg)
{
    const struct net_stats *stats;
    struct net_stats before;
    struct packet *packet;
    uint8_t *data;

    (void)arg;
    if (start(2, CPUS) != 0)
        return 1;
    stats = &stack_self()->stats;
    packet = packet_get();
    packet_expose(packet);
    memset(packet->buf.base, 0, 64);
    packet_set_frame(packet, 33, 40);
    data = packet->data;
    if (is_passed(packet, 20) || packet->data != data || packet->len != 40)
        return 2;
    packet_set_frame(packet, 34, 40);
    data = packet->data;
    if (is_passed(packet, 20) || packet->data != data || packet->len != 40 ||
        packet->hops != 0)
        return 3;
    packet_set_frame(packet, 0, 64);
    peer_put16(packet->data + 12, 0x0806); /* all would be shown it */
    packet->rest = 1;
    before = *stats;
    group_receive(stack_self(), packet);
    if (stats->frames_bad != before.frames_bad + 1 ||
        stats->handed_over != before.handed_over)
        return 4;
    return all_are_right(CPUS) ? 0 : 5;
}

static void test_group_keeps_odd_packets(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_odd_packets, NULL), 0);
}

static struct net_stack *hidden_stack;

/* Hide the CPU's stack, or show it again. */
static int hide_stack(void *arg)
{
    (void)arg;
    if (cpu_self()->net_stack != NULL) {
        hidden_stack = cpu_self()->net_stack;
        cpu_self()->net_stack = NULL;
    } else {
        cpu_self()->net_stack = hidden_stack;
    }
    return 0;
}

static int frames_here(void *arg)
{
    const struct net_stats *stats = &stack_self()->stats;

    (void)arg;
    return (int)(stats->frames_in + stats->frames_out);
}

/* What comes for a member that has stopped goes home. */
static int run_stopped(void *arg)
{
    const unsigned cpus = CPUS;
    int before;

    (void)arg;
    if (start(1, 2) != 0)
        return 1;
    before = remote_call(1, frames_here, NULL);
    assert_int_equal(remote_call(1, hide_stack, NULL), 0);
    arp_come(0, 1, OUR_ADDRESS); /* each member is shown it */
    if (peer_gets(2000) != 0)
        return 2;
    for (uint64_t end = time_ns() + 2 * NS_PER_S;
         !is_home(cpus) && time_ns() < end;)
        thread_sleep(NS_PER_MS);
    assert_int_equal(remote_call(1, hide_stack, NULL), 0);
    if (!is_home(cpus) || stack_self()->stats.handed_over == 0)
        return 3;
    if (remote_call(1, frames_here, NULL) != before)
        return 4;
    return all_are_right(2) ? 0 : 5;
}

static void test_group_member_that_has_stopped(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_stopped, NULL), 0);
}

/* ---- On each CPU --------------------------------------------------------- */

static atomic_uint visits;

static int visit(void *arg)
{
    atomic_fetch_add(&visits, 1);
    return cpu_id() == *(unsigned *)arg ? -ENOSPC : 0;
}

static int run_each(void *arg)
{
    unsigned failing = CPUS;

    (void)arg;
    if (net_each_cpu(visit, &failing) != -ENOTCONN || visits != 0)
        return 1;
    if (start(2, CPUS) != 0)
        return 2;
    if (net_each_cpu(visit, &failing) != 0 || visits != CPUS)
        return 3;
    failing = 1; /* those behind it are not asked */
    if (net_each_cpu(visit, &failing) != -ENOSPC || visits != CPUS + 2)
        return 4;
    return 0;
}

/* A stack without a group. */
static int run_each_of_one(void *arg)
{
    unsigned failing = CPUS;

    (void)arg;
    card_make(1);
    if (device_dedicate(&card->dev.device, 0) != 0 ||
        net_start(&card->dev.device, &config) != 0)
        return 1;
    if (net_each_cpu(visit, &failing) != 0 || visits != 1)
        return 2;
    failing = 0;
    return net_each_cpu(visit, &failing) == -ENOSPC && visits == 2 ? 0 : 3;
}

static void test_each_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_each, NULL), 0);
    assert_int_equal(machine_run(CPUS, MEMORY, run_each_of_one, NULL), 0);
}

/* ---- Starting ------------------------------------------------------------ */

static int start_alone(void *arg)
{
    const unsigned here = cpu_id();

    (void)arg;
    return net_start_on(&card->dev.device, &config, &here, 1);
}

/* A CPU that has a stack is in no other group; the others of that group are
 * free again. */
static int run_busy_cpu(void *arg)
{
    const struct thread_attr there = {
        .place = THREAD_ON_CPU, .cpu = 1, .stack_size = 128 << 10};
    const unsigned others[] = {0, 2, 3};
    thread_id id;
    int status;

    (void)arg;
    card_make(1);
    if (thread_create(&there, start_alone, NULL, &id) != 0 ||
        thread_join(id, &status) != 0 || status != 0)
        return 1;
    card_make(1);
    if (net_start_on(&card->dev.device, &config, all_cpus, CPUS) != -EBUSY)
        return 2;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, no_stack, NULL) != (i != 1))
            return 3;
    }
    return net_start_on(&card->dev.device, &config, others, 3) == 0 ? 0 : 4;
}

static void test_group_has_no_cpu_of_another(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_busy_cpu, NULL), 0);
}

static int run_wrong_arguments(void *arg)
{
    const unsigned twice[] = {0, 1, 1};
    const unsigned others[] = {1, 0};
    const unsigned missing[] = {0, CPUS};

    (void)arg;
    card_make(2);
    if (net_start_on(NULL, &config, all_cpus, 1) != -EINVAL ||
        net_start_on(&card->dev.device, &config, all_cpus, 0) != -EINVAL ||
        net_start_on(&card->dev.device, &config, all_cpus, GROUP_MAX + 1) !=
            -EINVAL ||
        net_start_on(&card->dev.device, &config, twice, 3) != -EINVAL ||
        net_start_on(&card->dev.device, &config, missing, 2) != -EINVAL ||
        net_start_on(&card->dev.device, &config, others, 2) != -EXDEV)
        return 1;
    return 0;
}

/* On each CPU of the group. */
static int dhcp_here(void *arg)
{
    return net_start_dhcp(arg, 0);
}

/* A lease would be that of one stack only. */
static int run_dhcp(void *arg)
{
    unsigned cpus = *(unsigned *)arg;
    int want = cpus > 1 ? -ENOTSUP : -EBUSY;
    struct net_config now;

    if (start(1, cpus) != 0)
        return 1;
    for (unsigned i = 0; i < cpus; i++) {
        if (remote_call(i, dhcp_here, &card->dev.device) != want)
            return 2;
    }
    if (net_get_config(&now) != 0 || now.address != config.address)
        return 3;
    return all_are_right(cpus) ? 0 : 4;
}

static void test_group_has_no_dhcp(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= CPUS; cpus++)
        assert_int_equal(machine_run(CPUS, MEMORY, run_dhcp, &cpus), 0);
}

static int fail_here(void *arg)
{
    heap_fail(*(unsigned *)arg);
    return 0;
}

static int has_failed_here(void *arg)
{
    (void)arg;
    return heap_failed();
}

struct failure {
    unsigned cpu;
    unsigned after; /* allocations there */
};

enum { NO_FAILURE = 50 };

/* One allocation of one CPU fails. Either the group starts all the same, or it
 * leaves nothing behind, and starts the next time. */
static int run_no_memory(void *arg)
{
    struct failure *failure = arg;
    int status;
    int failed;

    card_make(2);
    assert(remote_call(failure->cpu, fail_here, &failure->after) == 0);
    status = net_start_on(&card->dev.device, &config, all_cpus, CPUS);
    failed = remote_call(failure->cpu, has_failed_here, NULL);
    failure->after = 0;
    assert(remote_call(failure->cpu, fail_here, &failure->after) == 0);
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, no_stack, NULL) != (status != 0))
            return 1;
    }
    if (status != 0 && (status != -ENOMEM || !failed))
        return 2;
    if (status != 0)
        status = net_start_on(&card->dev.device, &config, all_cpus, CPUS);
    if (status != 0)
        return 3;
    if (net_start_on(&card->dev.device, &config, all_cpus, CPUS) != -EBUSY)
        return 4;
    if (!all_are_right(CPUS))
        return 5;
    return failed ? 0 : NO_FAILURE;
}

static void test_group_starts_or_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(machine_run(CPUS, MEMORY, run_wrong_arguments, NULL), 0);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        struct failure failure = {cpu, 1};
        int status;

        while ((status = machine_run(CPUS, MEMORY, run_no_memory, &failure)) ==
               0)
            failure.after++;
        assert_int_equal(status, NO_FAILURE);
        assert_true(failure.after > 6);
    }
}

/* ---- What a frame is about ----------------------------------------------- */

static void test_peek(void **state)
{
    static const struct {
        const char *what;
        uint16_t type;
        unsigned len; /* behind the Ethernet header */
        bool to_group;
        uint8_t first, at6, at7, protocol4, next6, kind_byte;
        enum frame_kind kind;
    } row[] = {
        {"ARP", 0x0806, 28, false, 0, 0, 0, 0, 0, 0, FRAME_LINK},
        {"ARP to all", 0x0806, 28, true, 0, 0, 0, 0, 0, 0, FRAME_LINK},
        {"TCP", 0x0800, 40, false, 0x45, 0x40, 0, 6, 0, 0, FRAME_FLOW},
        {"UDP", 0x0800, 28, false, 0x45, 0, 0, 17, 0, 0, FRAME_FLOW},
        {"UDP to all", 0x0800, 28, true, 0x45, 0, 0, 17, 0, 0, FRAME_GROUP},
        {"just ports", 0x0800, 24, false, 0x45, 0, 0, 6, 0, 0, FRAME_FLOW},
        {"no ports", 0x0800, 23, false, 0x45, 0, 0, 6, 0, 0, FRAME_OTHER},
        {"options", 0x0800, 24, false, 0x46, 0, 0, 6, 0, 0, FRAME_OTHER},
        {"short header", 0x0800, 40, false, 0x44, 0, 0, 6, 0, 0, FRAME_OTHER},
        {"wrong version", 0x0800, 40, false, 0x65, 0, 0, 6, 0, 0, FRAME_OTHER},
        {"SCTP", 0x0800, 40, false, 0x45, 0, 0, 132, 0, 0, FRAME_OTHER},
        {"more fragments", 0x0800, 40, false, 0x45, 0x20, 0, 6, 0, 0,
         FRAME_FRAGMENT},
        {"a later one", 0x0800, 40, false, 0x45, 0, 1, 6, 0, 0, FRAME_FRAGMENT},
        {"echo", 0x0800, 28, false, 0x45, 0, 0, 1, 0, 8, FRAME_OTHER},
        {"echo reply", 0x0800, 28, false, 0x45, 0, 0, 1, 0, 0, FRAME_LINK},
        {"unreachable", 0x0800, 28, false, 0x45, 0, 0, 1, 0, 3, FRAME_LINK},
        {"TCP6", 0x86dd, 60, false, 0x60, 0, 0, 0, 6, 0, FRAME_FLOW},
        {"UDP6", 0x86dd, 48, false, 0x60, 0, 0, 0, 17, 0, FRAME_FLOW},
        {"no ports6", 0x86dd, 43, false, 0x60, 0, 0, 0, 6, 0, FRAME_OTHER},
        {"version6", 0x86dd, 60, false, 0x40, 0, 0, 0, 6, 0, FRAME_OTHER},
        {"fragment6", 0x86dd, 60, false, 0x60, 0, 0, 0, 44, 0, FRAME_FRAGMENT},
        {"hop-by-hop", 0x86dd, 60, false, 0x60, 0, 0, 0, 0, 0, FRAME_OTHER},
        {"echo6", 0x86dd, 48, false, 0x60, 0, 0, 0, 58, 128, FRAME_OTHER},
        {"reply6", 0x86dd, 48, false, 0x60, 0, 0, 0, 58, 129, FRAME_LINK},
        {"NS", 0x86dd, 64, true, 0x60, 0, 0, 0, 58, 135, FRAME_LINK},
        {"too big", 0x86dd, 64, false, 0x60, 0, 0, 0, 58, 2, FRAME_LINK},
        {"unknown", 0x1234, 64, false, 0x45, 0, 0, 6, 6, 0, FRAME_OTHER},
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(row); i++) {
        bool is_ip6 = row[i].type == 0x86dd;
        unsigned header = is_ip6 ? 40 : 20;
        uint8_t *frame = test_malloc(14 + row[i].len);
        uint8_t *ip = frame + 14;
        struct flow flow;

        memset(frame, 0, 14 + row[i].len);
        frame[0] = row[i].to_group;
        peer_put16(frame + 12, row[i].type);
        ip[0] = row[i].first;
        ip[6] = is_ip6 ? row[i].next6 : row[i].at6;
        ip[7] = row[i].at7;
        ip[9] = row[i].protocol4;
        if (is_ip6)
            ip[8 + 15] = ip[24 + 15] = 9;
        else
            memcpy(ip + 12, "\12\0\0\2\12\0\0\1", 8);
        if (row[i].len >= header + 4)
            memcpy(ip + header, "\0\1\0\2", 4);
        if (row[i].kind_byte != 0)
            ip[header] = row[i].kind_byte;
        if (frame_peek(frame, 14 + row[i].len, &flow) != row[i].kind)
            fail_msg("%s", row[i].what);
        if (row[i].kind == FRAME_FLOW) {
            assert_int_equal(flow.rport, 1);
            assert_int_equal(flow.lport, 2);
            assert_int_equal(flow_is_ip4(&flow), !is_ip6);
            assert_int_equal(flow.local.byte[15], is_ip6 ? 9 : 1);
            assert_int_equal(flow.remote.byte[15], is_ip6 ? 9 : 2);
            assert_int_equal(flow.protocol, is_ip6 ? ip[6] : ip[9]);
        }
        test_free(frame);
    }
    for (size_t len = 0; len < 14 + 20; len++) {
        uint8_t *frame = test_malloc(len + 1);
        struct flow flow;

        memset(frame, 0, len + 1);
        assert_int_equal(frame_peek(frame, len, &flow), FRAME_OTHER);
        test_free(frame);
    }
}

/* How many members may begin a connection of a flow; each has it steered to it.
 */
static unsigned begin_count(const struct net_group *group,
                            const struct flow *flow)
{
    unsigned count = 0;

    for (unsigned i = 0; i < group->count; i++) {
        struct net_stack *stack = test_malloc(sizeof(*stack));

        stack->group = group;
        stack->member = i;
        if (group_may_begin(stack, flow)) {
            count++;
            assert_int_equal(
                group_member_of(group, i % group->queue_count, flow), i);
        }
        test_free(stack);
    }
    return count;
}

/* Every member of a queue gets some flows, and no other member does. */
static void test_group_shares_a_queue(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= GROUP_MAX; count++) {
        for (unsigned queues = 1; queues <= count; queues++) {
            const struct net_group group = {.count = count,
                                            .queue_count = queues};
            unsigned got[GROUP_MAX] = {0};

            for (unsigned i = 0; i < 400; i++) {
                const struct flow flow = {.rport = (uint16_t)i};
                unsigned queue = i % queues;
                unsigned member = group_member_of(&group, queue, &flow);

                assert_true(member < count);
                assert_int_equal(member % queues, queue);
                got[member]++;
                assert_int_equal(begin_count(&group, &flow), 1);
            }
            for (unsigned i = 0; i < count; i++)
                assert_true(got[i] > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_finds_the_connection),
        cmocka_unit_test(test_group_serves_cpus_without_queue),
        cmocka_unit_test(test_group_waits_for_the_card),
        cmocka_unit_test(test_group_bounds_what_a_cpu_gets),
        cmocka_unit_test(test_group_answers_arp_once),
        cmocka_unit_test(test_group_has_other_datagrams),
        cmocka_unit_test(test_group_has_echoes),
        cmocka_unit_test(test_group_joins_large_datagrams),
        cmocka_unit_test(test_group_shows_no_long_frames),
        cmocka_unit_test(test_group_finds_a_service_of_one_cpu),
        cmocka_unit_test(test_group_takes_its_cookies),
        cmocka_unit_test(test_group_gives_broadcasts_to_the_first),
        cmocka_unit_test(test_group_is_the_card_of_all),
        cmocka_unit_test(test_group_answers_solicits_once),
        cmocka_unit_test(test_group_keeps_odd_packets),
        cmocka_unit_test(test_group_member_that_has_stopped),
        cmocka_unit_test(test_each_cpu),
        cmocka_unit_test(test_group_has_no_cpu_of_another),
        cmocka_unit_test(test_group_has_no_dhcp),
        cmocka_unit_test(test_group_starts_or_leaves_nothing),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_group_shares_a_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
