/*
 * Each allocation of a scenario fails once: the first, the second, and so on,
 * until the scenario needs no more. Whatever fails, what must be true of the
 * stack is true (the bench looks), nothing is lost, and the same works as soon
 * as there is memory.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/thread.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* ---- An echo service, and a peer that tries until it has its answer ------ */

static struct socket *sock;
static char held[8000]; /* received, and not sent back yet */
static size_t held_len;
static int closed;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    sock = socket;
    held_len = 0;
    return 0;
}

static void send_back(struct service *service, struct socket *socket)
{
    int64_t sent = socket_send(socket, held, held_len);

    (void)service;
    if (sent <= 0)
        return;
    held_len -= (size_t)sent;
    memmove(held, held + sent, held_len);
}

static void on_receive(struct service *service, struct socket *socket)
{
    int64_t got;

    do {
        got = socket_receive(socket, held + held_len, sizeof(held) - held_len);
        if (got > 0)
            held_len += (size_t)got;
    } while (got > 0);
    if (got == 0)
        socket_close(socket);
    else
        send_back(service, socket);
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    if (socket == sock)
        sock = NULL;
    closed++;
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = on_accept,
                                 .receive = on_receive,
                                 .writable = send_back,
                                 .close = on_close};

static uint16_t port; /* of the peer's present connection */

/* SYN and ACK until there is a socket; a reset means another port, silence that
 * all comes again. */
static void open_connection(void)
{
    sock = NULL;
    for (unsigned i = 0; sock == NULL; i++) {
        struct peer_segment got;

        assert_true(i < 5);
        bench.relative = false;
        peer_send((struct peer_segment){
            .flags = SYN, .seq = 1000, .window = 60000, .port = port});
        if (!peer_receive(&got) || got.flags != (SYN | ACK))
            continue;
        bench.iss = got.seq;
        bench.relative = true;
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = 1001,
                                        .ack = 1,
                                        .window = 60000,
                                        .port = port});
        if (sock != NULL || !peer_receive(&got))
            continue;
        assert_int_equal(got.flags & RST, RST);
        port++;
    }
}

enum { BYTES = 6000, PIECE = 500 };

static char text[BYTES];

/* Send what is not acknowledged until all of it is, and came back. */
static void exchange_data(void)
{
    uint32_t acked = 0, have = 0;

    for (unsigned round = 0; acked < BYTES || have < BYTES; round++) {
        struct peer_segment got;

        assert_true(round < 50);
        for (uint32_t at = acked; at < BYTES; at += PIECE)
            peer_send((struct peer_segment){.flags = ACK,
                                            .seq = 1001 + at,
                                            .ack = 1 + have,
                                            .window = 60000,
                                            .port = port,
                                            .data = text + at,
                                            .len = PIECE});
        bench_sleep(NS_PER_S);
        while (peer_receive(&got)) {
            assert_false((got.flags & RST) != 0);
            if (got.ack - 1001 > acked)
                acked = got.ack - 1001;
            if (got.seq != 1 + have)
                continue;
            assert_memory_equal(got.data, text + have, got.len);
            have += (uint32_t)got.len;
        }
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = 1001 + acked,
                                        .ack = 1 + have,
                                        .window = 60000,
                                        .port = port});
    }
}

/* The peer's FIN, and ours, which closes the socket. */
static void close_connection(uint32_t sent)
{
    struct peer_segment got = {0};

    closed = 0;
    for (unsigned i = 0; i < 5 && closed == 0; i++)
        peer_send((struct peer_segment){.flags = FIN | ACK,
                                        .seq = 1001 + sent,
                                        .ack = 1 + sent,
                                        .window = 60000,
                                        .port = port});
    assert_int_equal(closed, 1);
    while (peer_receive(&got))
        continue;
    assert_int_equal(got.flags & FIN, FIN);
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1002 + sent, .ack = 2 + sent, .port = port});
    assert_null(bench_conn(PEER_ADDRESS, port, SERVICE_PORT));
}

/* ---- Scenarios ----------------------------------------------------------- */

static void scenario_open(void)
{
    open_connection();
}

static void scenario_data(void)
{
    open_connection();
    exchange_data();
}

static void scenario_close(void)
{
    open_connection();
    exchange_data();
    close_connection(BYTES);
}

static void scenario_cookie(void)
{
    bench.server->half_open_max = 0;
    open_connection();
    bench.server->half_open_max = TCP_HALF_OPEN_MAX;
}

/* A packet for a neighbour that does not answer is dropped in the end: at a
 * timeout, or without a timer when the next packets come. */
static void scenario_arp(void)
{
    bench.answers_arp = false;
    for (uint16_t i = 0; i < 6; i++) {
        peer_send((struct peer_segment){
            .flags = SYN, .seq = 1, .address = OUR_ADDRESS + 20, .port = i});
        bench_sleep(2 * NS_PER_S);
    }
    assert_true(bench.stack->neigh.waiting_count <= NEIGH_WAITING_MAX);
    assert_true(bench.stack->stats.neigh_failed > 0);
    tcp_fini(bench.stack);
    bench_sleep(4 * NS_PER_S);
    bench.answers_arp = true;
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

/* Frames wait for the card; without a timer, the next poll sends them. */
static void scenario_full_card(void)
{
    open_connection();
    bench.net.is_full = true;
    assert_true(socket_send(sock, text, 3000) <= 3000);
    bench.net.is_full = false;
    bench_sleep(10 * NS_PER_MS);
    bench_poll();
    if (bench.stack->tx_queued > 0)
        fail_msg("frames are stuck");
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

static struct timer fillers[256];
static unsigned filler_count;

static void never_due(struct timer *timer)
{
    (void)timer;
}

/* Fill the timer queue to the last place, so that the next timer needs memory.
 */
static void fill_timers(void)
{
    struct cpu *cpu = cpu_self();

    for (filler_count = 0;
         cpu->timer_count < cpu->timer_capacity || cpu->timer_capacity == 0;
         filler_count++) {
        timer_init(&fillers[filler_count], never_due);
        assert_int_equal(timer_set(&fillers[filler_count], TIME_NEVER - 1), 0);
    }
}

static void free_timers(void)
{
    while (filler_count > 0)
        timer_cancel(&fillers[--filler_count]);
}

static void sweep(const char *name, void (*scenario)(void), unsigned faults_min)
{
    unsigned n = 0;
    bool failed;

    do {
        bench_open(64);
        bench_serve(&service);
        fill_timers();
        for (size_t i = 0; i < BYTES; i++)
            text[i] = (char)(i * 7 + i / 256);
        port = 100;
        heap_fail(++n);
        scenario();
        failed = heap_failed();
        heap_fail(0);
        /* With memory it works as if nothing had happened. */
        port = 200;
        bench_sleep(NS_PER_S);
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        scenario_close();
        free_timers();
        bench_close();
    } while (failed);
    print_message("%s: %u allocations failed in turn\n", name, n - 1);
    assert_true(n - 1 >= faults_min);
}

/* A datagram of a protocol that nobody speaks: its sender is to be told. */
static void stranger_asks(uint32_t address)
{
    uint8_t frame[64] = {0};

    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, address, OUR_ADDRESS, 99, 8));
    bench_run();
}

/* Without a timer nothing waits for a neighbour that is silent, and what is
 * known of one that speaks is kept. */
static void test_memory_fails_for_the_timer_of_arp(void **state)
{
    unsigned packets;

    (void)state;
    bench_open(64);
    bench_serve(&service);
    packets = packet_free_count();
    fill_timers();

    heap_fail(1);
    stranger_asks(OUR_ADDRESS + 40);
    assert_true(heap_failed());
    assert_null(fakenet_sent(&bench.net));
    assert_int_equal(bench.stack->stats.neigh_failed, 1);
    assert_int_equal(packet_free_count(), packets);

    bench_sleep(61 * NS_PER_S); /* what is known of the peer is old now */
    heap_fail(1);
    stranger_asks(PEER_ADDRESS);
    assert_int_equal(bench.stack->stats.neigh_failed, 2);
    assert_int_equal(peer_get16(fakenet_sent(&bench.net)->data + 12), 0x0800);
    assert_null(fakenet_sent(&bench.net));

    heap_fail(0);
    stranger_asks(OUR_ADDRESS + 40); /* with memory it is asked for */
    assert_int_equal(peer_get16(fakenet_sent(&bench.net)->data + 12), 0x0806);
    assert_int_equal(packet_free_count(), packets - 1);
    free_timers();
    bench_sleep(10 * NS_PER_S); /* and given up */
    assert_int_equal(packet_free_count(), packets);
    bench_close();
}

static void test_memory_fails_while_opening(void **state)
{
    (void)state;
    sweep("open", scenario_open, 2); /* connection, socket */
}

static void test_memory_fails_while_data_flow(void **state)
{
    (void)state;
    sweep("data", scenario_data, 5); /* and both buffers */
}

static void test_memory_fails_while_closing(void **state)
{
    (void)state;
    sweep("close", scenario_close, 5);
}

static void test_memory_fails_after_a_cookie(void **state)
{
    (void)state;
    sweep("cookie", scenario_cookie, 2);
}

static void test_memory_fails_in_arp(void **state)
{
    (void)state;
    sweep("arp", scenario_arp, 1);
}

static void test_memory_fails_with_a_full_card(void **state)
{
    (void)state;
    sweep("full card", scenario_full_card, 4);
}

/* ---- Starting ------------------------------------------------------------ */

/* In a child there is no cmocka: what fails is told by the exit status. */
#define need(e)                                             \
    do {                                                    \
        if (!(e)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #e); \
            return 1;                                       \
        }                                                   \
    } while (0)

static size_t blocks_now(void)
{
    struct mem_stats memory;

    mem_get_stats(&memory);
    return memory.block_count;
}

static size_t bytes_free(void)
{
    struct mem_stats memory;

    mem_get_stats(&memory);
    return memory.free_bytes;
}

static int start_sweep(void *arg)
{
    static const struct net_config config = {OUR_ADDRESS, 0xffffff00, 0};
    struct net_device *dev = &bench.net.dev;
    unsigned n = 0;
    int error;

    (void)arg;
    fakenet_init(&bench.net, bench_mac);
    need(packet_pool_grow(2) == 0); /* as a driver does before */
    /* The generator is there: random_bytes() can do without memory. */
    need(random_bytes(&n, sizeof(n)) == 0);
    n = 0;
    timer_init(&fillers[0], never_due); /* and so is the timer queue */
    need(timer_set(&fillers[0], TIME_NEVER) == 0);
    timer_cancel(&fillers[0]);
    do {
        unsigned packets = packet_free_count();
        size_t blocks = blocks_now();
        size_t bytes = bytes_free();

        heap_fail(++n);
        error = net_start(&dev->device, &config);
        need(error == 0 || error == -ENOMEM);
        need((error == 0) == !heap_failed());
        heap_fail(0);
        if (error == 0)
            break;
        need(stack_self() == NULL);
        need(dev->queues[0].user == NULL && dev->queues[0].wake == NULL);
        /* Packets that came into the pool stay there: one block, and pages. */
        need(blocks_now() == blocks + (packet_free_count() > packets));
        need(packet_free_count() > packets || bytes_free() == bytes);
        thread_yield();
    } while (n < 100);
    need(n > 5); /* stack, chains, packets and pages, thread and its stack */
    need(stack_self() != NULL);
    return 0;
}

static void on_receive_nothing(struct service *it, struct socket *socket)
{
    (void)it;
    (void)socket;
}

static int register_sweep(void *arg)
{
    static const struct net_config config = {OUR_ADDRESS, 0xffffff00, 0};
    static struct service served = {
        .name = "served", .port = 7, .receive = on_receive_nothing};
    unsigned n = 0;
    int error;

    (void)arg;
    fakenet_init(&bench.net, bench_mac);
    need(net_start(&bench.net.dev.device, &config) == 0);
    do {
        size_t blocks = blocks_now();

        heap_fail(++n);
        error = service_register(&served);
        need(error == 0 || error == -ENOMEM);
        need((error == 0) == !heap_failed());
        heap_fail(0);
        if (error == 0)
            break;
        need(blocks_now() == blocks);
        need(list_empty(&stack_self()->listeners)); /* the port is free */
    } while (n < 100);
    need(n > 2);
    return 0;
}

static void test_memory_fails_in_net_start(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, start_sweep, NULL), 0);
}

static void test_memory_fails_in_service_register(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, register_sweep, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_fails_for_the_timer_of_arp),
        cmocka_unit_test(test_memory_fails_while_opening),
        cmocka_unit_test(test_memory_fails_while_data_flow),
        cmocka_unit_test(test_memory_fails_while_closing),
        cmocka_unit_test(test_memory_fails_after_a_cookie),
        cmocka_unit_test(test_memory_fails_in_arp),
        cmocka_unit_test(test_memory_fails_with_a_full_card),
        cmocka_unit_test(test_memory_fails_in_net_start),
        cmocka_unit_test(test_memory_fails_in_service_register),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
