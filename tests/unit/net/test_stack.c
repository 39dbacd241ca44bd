/* A whole machine: the stack's thread, the services' threads, a fake card. */
#include "kernel/cpu/percpu.h"
#include "kernel/lib/minmax.h"
#include "kernel/thread/thread_internal.h"
#include "net/arp.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <unistd.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* In a child there is no cmocka: what fails is told by the exit status. */
#define need(e)                                             \
    do {                                                    \
        if (!(e)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #e); \
            return 1;                                       \
        }                                                   \
    } while (0)

static const struct net_config good = {OUR_ADDRESS, 0xffffff00, 0};

static int start_on_card(struct fakenet *net)
{
    fakenet_init(net, bench_mac);
    return net_start(&net->dev.device, &good);
}

static int start_checks(void *arg)
{
    static const struct net_config bad = {0, 0xffffff00, 0};
    static struct fakenet second;
    struct fakenet *net = &bench.net;
    struct net_stack *stack;
    struct service service = {.port = 80};
    struct net_stats stats;

    (void)arg;
    fakenet_init(net, bench_mac);
    need(net_get_stats(&stats) == -ENOTCONN);
    need(service_register(&service) == -ENOTCONN);
    need(net_start(&net->dev.device, &bad) == -EINVAL);
    net->dev.device.class = DEVICE_BLOCK;
    need(net_start(&net->dev.device, &good) == -EINVAL);
    need(net_start(NULL, &good) == -EINVAL);
    net->dev.device.class = DEVICE_NET;
    net->dev.device.owner = 1;
    need(net_start(&net->dev.device, &good) == -EXDEV);
    net->dev.device.owner = DEVICE_NOBODY;
    need(net_start(&net->dev.device, &good) == -EXDEV);
    need(start_on_card(net) == 0);
    need(net_start(&net->dev.device, &good) == -EBUSY);
    fakenet_init(&second, bench_mac); /* another card of the same CPU */
    need(net_start(&second.dev.device, &good) == -EBUSY);
    stack = stack_self();
    cpu_self()->net_stack = NULL; /* a card that has a stack */
    need(net_start(&net->dev.device, &good) == -EBUSY);
    cpu_self()->net_stack = stack;
    need(net_get_stats(&stats) == 0);
    need(stats.arp_out == 1);                    /* it said that it is there */
    need(service_register(&service) == -EINVAL); /* no receive() */
    return 0;
}

static int init_called;

static int init_ok(struct service *service)
{
    (void)service;
    init_called++;
    thread_yield();
    thread_sleep(NS_PER_MS);
    return 0;
}

static int init_bad(struct service *service)
{
    (void)service;
    return -EIO;
}

static void echo(struct service *service, struct socket *socket)
{
    char buf[100];
    int64_t got;

    (void)service;
    while ((got = socket_receive(socket, buf, sizeof(buf))) > 0) {
        thread_sleep(NS_PER_MS); /* callbacks may wait */
        if (socket_send(socket, buf, (size_t)got) != got)
            machine_exit(99);
    }
    if (got == 0)
        socket_close(socket);
}

static unsigned threads_detached(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < cpu_self()->thread_slots; i++)
        count += cpu_self()->threads[i].detached;
    return count;
}

static int register_checks(void *arg)
{
    static struct service service = {
        .name = "echo", .port = 7, .init = init_ok, .receive = echo};
    static struct service other = {.port = 7, .receive = echo};
    static struct service failing = {
        .port = 8, .init = init_bad, .receive = echo};

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    need(service_register(&service) == 0);
    need(init_called == 1);
    need(threads_detached() == 2); /* nobody joins those of the network */
    need(service_register(&other) == -EADDRINUSE);
    need(service_register(&failing) == -EIO);
    failing.init = NULL; /* the port is free again */
    need(service_register(&failing) == 0);
    return 0;
}

/* What a service that does not start took is free again, its thread too. */
static int register_leaves_nothing(void *arg)
{
    static struct service failing = {
        .port = 8, .init = init_bad, .receive = echo};
    struct mem_stats before, after;
    unsigned threads;

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    threads = cpu_self()->thread_count;
    for (unsigned i = 0; i < 20; i++) {
        need(service_register(&failing) == -EIO);
        thread_sleep(NS_PER_MS);
        mem_get_stats(i == 9 ? &before : &after);
    }
    need(before.block_count == after.block_count);
    need(before.free_bytes == after.free_bytes);
    need(threads_detached() == 1 && cpu_self()->thread_count == threads);
    return 0;
}

static void card_interrupt(void)
{
    net_attend(&bench.net.dev.queues[0]);
}

/* Wait until the stack has sent something. */
static bool sent_within(uint64_t ns, struct peer_segment *got)
{
    uint64_t end = time_ns() + ns;

    while (time_ns() < end) {
        while (bench.net.sent.count > 0) {
            const struct fakenet_frame *frame = fakenet_sent(&bench.net);
            const uint8_t *tcp = frame->data + 34;

            if (frame->len < 54 || frame->data[23] != 6)
                continue;
            *got = (struct peer_segment){.seq = peer_get32(tcp + 4),
                                         .ack = peer_get32(tcp + 8),
                                         .flags = tcp[13],
                                         .len = frame->len - 54};
            return true;
        }
        thread_sleep(NS_PER_MS);
    }
    return false;
}

static void say(struct peer_segment segment)
{
    static uint8_t frame[FAKENET_FRAME_MAX];

    segment.target = 7;
    segment.window = 60000;
    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
    card_interrupt();
}

/* The peer tells who it is. */
static void arp_introduce(void)
{
    uint8_t arp[42];

    memcpy(arp, bench_mac, 6);
    memcpy(arp + 6, peer_mac, 6);
    memcpy(arp + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    memcpy(arp + 22, peer_mac, 6);
    peer_put32(arp + 28, PEER_ADDRESS);
    memset(arp + 32, 0, 6);
    peer_put32(arp + 38, OUR_ADDRESS);
    fakenet_inject(&bench.net, arp, sizeof(arp));
}

static int echo_over_threads(void *arg)
{
    static struct service service = {
        .name = "echo", .port = 7, .receive = echo};
    struct peer_segment got;

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    need(service_register(&service) == 0);
    arp_introduce();
    say((struct peer_segment){.flags = SYN, .seq = 10});
    need(sent_within(NS_PER_S, &got));
    need(got.flags == (SYN | ACK) && got.ack == 11);
    bench.iss = got.seq;
    bench.relative = true;
    say((struct peer_segment){.flags = ACK, .seq = 11, .ack = 1});
    say((struct peer_segment){
        .flags = ACK, .seq = 11, .ack = 1, .data = "hello", .len = 5});
    need(sent_within(NS_PER_S, &got));
    need(got.len == 5);
    need(got.ack == 16);
    say((struct peer_segment){.flags = FIN | ACK, .seq = 16, .ack = 6});
    need(sent_within(NS_PER_S, &got));
    need(sent_within(NS_PER_S, &got) || (got.flags & FIN) != 0);
    return 0;
}

/* What has interrupted is processed at once, when the stack's thread waits; by
 * the thread when there is more, or each thread's time is counted. */
static int interrupts_are_attended(void *arg)
{
    struct cpu *cpu = cpu_self();
    bool counted = cpu->switch_extras;
    unsigned *coming = &bench.net.coming.count;

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    thread_sleep(NS_PER_MS);
    cpu->switch_extras = false;
    fakenet_inject(&bench.net, "short", 5);
    card_interrupt();
    need(*coming == 0);
    cpu->switch_extras = true;
    fakenet_inject(&bench.net, "short", 5);
    card_interrupt();
    need(*coming == 1);
    thread_yield();
    need(*coming == 0);
    cpu->switch_extras = false;
    for (unsigned i = 0; i < STACK_POLL_BUDGET + 1; i++)
        fakenet_inject(&bench.net, "short", 5);
    card_interrupt();
    need(*coming == 1);
    card_interrupt(); /* the thread is at it */
    need(*coming == 1);
    thread_yield();
    need(*coming == 0);
    cpu->switch_extras = counted;
    return 0;
}

/* Many frames, and many events, are handled with pauses for other threads. */
static int accepted;

static int count_accepted(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    accepted++;
    return 0;
}

static int pauses_for_others(void *arg)
{
    static struct service service = {
        .port = 7, .accept = count_accepted, .receive = echo};
    enum { COUNT = 40 };
    struct peer_segment got;
    unsigned pauses = 0;
    uint32_t iss[COUNT];

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    need(service_register(&service) == 0);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    for (unsigned i = 0; i < 5 * STACK_POLL_BUDGET; i++)
        fakenet_inject(&bench.net, "short", 5);
    card_interrupt();
    while (bench.net.coming.count > 0) {
        pauses++;
        thread_yield();
    }
    need(pauses >= 4);
    arp_introduce();
    for (unsigned i = 0; i < COUNT; i++) {
        say((struct peer_segment){
            .flags = SYN, .seq = 10, .port = (uint16_t)(i + 1)});
        need(sent_within(NS_PER_S, &got));
        iss[i] = got.seq;
    }
    for (unsigned i = 0; i < COUNT; i++)
        say((struct peer_segment){.flags = ACK,
                                  .seq = 11,
                                  .ack = iss[i] + 1,
                                  .port = (uint16_t)(i + 1)});
    for (pauses = 0; accepted < COUNT; thread_yield())
        pauses += accepted > 0;
    need(pauses >= 2);
    return 0;
}

/* All belongs to the CPU that starts it. */
static int echo_on_cpu_1(void *arg)
{
    return remote_call(1, echo_over_threads, arg);
}

static char output[8192];
static bool no_random_numbers;
static ssize_t random_bytes; /* so many are left then, all ones */

/* In the place of the C library's: the hosted machine's random numbers. */
ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    if (no_random_numbers && random_bytes > 0) {
        size_t got = (size_t)random_bytes;

        random_bytes = 0;
        memset(buf, 0xff, got);
        return (ssize_t)got;
    }
    if (no_random_numbers) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_getrandom, buf, len, flags);
}

static int start_with_gateway(void *arg)
{
    static const struct net_config config = {OUR_ADDRESS, 0xfffff000, GATEWAY};

    (void)arg;
    fakenet_init(&bench.net, (const uint8_t *)"\x12\x34\x56\x78\x9a\xbc");
    return net_start(&bench.net.dev.device, &config);
}

static int start_without_gateway(void *arg)
{
    (void)arg;
    return start_on_card(&bench.net);
}

static void test_the_log_names_card_and_address(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(1, 32 << 20, "", start_with_gateway,
                                        NULL, output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "net: fake0 12:34:56:78:9a:bc has "
                                   "10.0.0.1/20, gateway 10.0.0.254\n"));
    assert_int_equal(machine_run_output(1, 32 << 20, "", start_without_gateway,
                                        NULL, output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "has 10.0.0.1/24, gateway none\n"));
}

static int start_services(void *arg)
{
    static struct service named = {.name = "echo", .port = 7, .receive = echo};
    static struct service nameless = {.port = 80, .receive = echo};

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    need(service_register(&named) == 0);
    need(service_register(&nameless) == 0);
    return 0;
}

static void test_the_log_names_services(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(1, 32 << 20, "", start_services, NULL,
                                        output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "net: echo listens on port 7\n"));
    assert_non_null(strstr(output, "net: a service listens on port 80\n"));
}

/* The memory of the CPU that is free when the share of the network is taken. */
static size_t free_after_the_stack(void)
{
    void *stack = mem_alloc_zeroed(sizeof(struct net_stack));
    void *chains = mem_alloc(STACK_CONN_CHAINS * sizeof(struct tcp_conn *));
    struct mem_stats memory;

    mem_get_stats(&memory);
    mem_free(chains);
    mem_free(stack);
    return memory.free_bytes;
}

/* Packets: a sixteenth; buffers: a third; a TIME-WAIT for each 16 KiB. */
static void test_share_of_the_memory(void **state)
{
    static const struct {
        size_t mem_bytes;
        unsigned packets; /* 0: a sixteenth */
        unsigned time_waits;
    } rows[] = {
        {0, 32, 0}, {4 << 20, 0, 0}, {20 << 20, 0, 0}, {256 << 20, 1024, 4096}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned packets = rows[i].packets, time_waits = rows[i].time_waits;
        struct net_stack *stack;
        size_t bytes, places;

        machine_attach(rows[i].mem_bytes != 0 ? rows[i].mem_bytes : 2 << 20);
        while (rows[i].mem_bytes == 0 && free_after_the_stack() > 900 << 10)
            assert_non_null(mem_alloc(64 << 10)); /* of others */
        fakenet_init(&bench.net, bench_mac);
        bytes = free_after_the_stack();
        assert_int_equal(stack_create(&bench.net.dev.queues[0], &good, &stack),
                         0);
        if (packets == 0) /* in pairs */
            packets = (unsigned)(bytes / 16 / 2048 + 1) & ~1u;
        if (time_waits == 0)
            time_waits = (unsigned)(bytes / 16384);
        assert_int_equal(packet_free_count(), packets);
        assert_int_equal(stack->time_wait_max, time_waits);
        assert_int_equal(stack->budget.limit, bytes / 3);
        places = min_size(max_size(bytes / 57344, 256), 16384);
        assert_int_equal(stack->place_max, places);
        assert_int_equal(stack->budget.least, 2048);
        assert_int_equal(stack->budget.reserve,
                         min_size(places * 4096, bytes / 3 / 4));
        stack_destroy(stack);
        machine_detach();
    }
}

/* RFC 6528: the keys differ, from each other and at each start. */
static void test_keys_are_random(void **state)
{
    uint64_t words[8];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        bench_open(8);
        words[4 * i] = bench.stack->isn_key.word[0];
        words[4 * i + 1] = bench.stack->isn_key.word[1];
        words[4 * i + 2] = bench.hash_key.word[0];
        words[4 * i + 3] = bench.hash_key.word[1];
        bench_close();
    }
    for (unsigned i = 0; i < COUNT_OF(words); i++) {
        for (unsigned j = 0; j < i; j++)
            assert_true(words[i] != words[j]);
    }
}

/* Without random numbers the keys still differ, and there is a warning. */
static void test_keys_without_random_numbers(void **state)
{
    struct siphash_key isn, hash, first;

    (void)state;
    no_random_numbers = true;
    bench_open(8);
    isn = bench.stack->isn_key;
    hash = bench.hash_key;
    bench_close();
    assert_true(isn.word[0] != 0);
    assert_true(isn.word[1] != 0);
    assert_true(hash.word[0] != 0);
    assert_true(hash.word[1] != 0);
    assert_true(isn.word[1] != hash.word[1]);
    first = isn;
    random_bytes = 15; /* too few */
    bench_open(8);
    isn = bench.stack->isn_key;
    bench_close();
    assert_true(isn.word[0] != first.word[0] && isn.word[1] != first.word[1]);
    assert_int_equal(machine_run_output(1, 32 << 20, "", start_without_gateway,
                                        NULL, output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, "TCP sequence numbers can be guessed"));
    no_random_numbers = false;
    assert_int_equal(machine_run_output(1, 32 << 20, "", start_without_gateway,
                                        NULL, output, sizeof(output)),
                     0);
    assert_null(strstr(output, "guessed"));
}

/* What waits for the card goes first, though the card has room again. */
static void test_frames_do_not_overtake(void **state)
{
    struct packet *packet;
    const struct fakenet_frame *frame;

    (void)state;
    bench_open(8);
    bench.net.is_full = true;
    arp_announce(bench.stack);
    bench.net.is_full = false;
    packet = packet_get();
    memset(packet_append(packet, 20), 0x77, 20);
    stack_transmit(bench.stack, packet);
    assert_int_equal(bench.stack->tx_queued, 2);
    assert_null(fakenet_sent(&bench.net));
    bench_sleep(500 * NS_PER_US - 1); /* then the timer tries again */
    assert_null(fakenet_sent(&bench.net));
    bench_sleep(1);
    frame = fakenet_sent(&bench.net);
    assert_non_null(frame);
    assert_int_equal(frame->len, 42);
    frame = fakenet_sent(&bench.net);
    assert_non_null(frame);
    assert_int_equal(frame->len, 20);
    assert_int_equal(bench.stack->tx_queued, 0);
    assert_false(timer_is_set(&bench.stack->tx_timer)); /* nothing waits */
    bench_poll();
    assert_false(timer_is_set(&bench.stack->tx_timer));
    bench_close();
}

/* More frames do not put the next try off. */
static void test_retry_is_not_put_off(void **state)
{
    (void)state;
    bench_open(8);
    bench.net.is_full = true;
    arp_announce(bench.stack);
    bench.now += 300 * NS_PER_US;
    arp_announce(bench.stack);
    bench.net.is_full = false;
    bench_sleep(200 * NS_PER_US);
    assert_int_equal(bench.net.sent.count, 2);
    bench_close();
}

/* More frames than one poll takes: the stack says that there are more. */
static void test_polls_are_bounded(void **state)
{
    (void)state;
    bench_open(8);
    bench.net.poll_max = 0;
    for (unsigned i = 0; i < STACK_POLL_BUDGET + 3; i++)
        fakenet_inject(&bench.net, "short", 5);
    assert_true(stack_poll(bench.stack));
    assert_int_equal(bench.stack->stats.frames_bad, STACK_POLL_BUDGET);
    assert_false(stack_poll(bench.stack));
    assert_int_equal(bench.stack->stats.frames_bad, STACK_POLL_BUDGET + 3);
    bench_close();
}

/* A frame that came before the card was armed interrupts nobody. */
static void test_poll_looks_again(void **state)
{
    (void)state;
    bench_open(8);
    bench.net.poll_max = 1;
    fakenet_inject(&bench.net, "short", 5);
    fakenet_inject(&bench.net, "short", 5);
    assert_true(stack_poll(bench.stack));
    assert_int_equal(bench.stack->stats.frames_bad, 1);
    assert_false(stack_poll(bench.stack));
    assert_int_equal(bench.stack->stats.frames_bad, 2);
    bench_close();
}

/* A frame in several buffers, which nobody has asked for, is dropped. */
static void test_frame_of_slices_is_bad(void **state)
{
    struct packet *packet, *rest;

    (void)state;
    bench_open(8);
    packet = packet_get();
    rest = packet_get();
    memset(packet_append(packet, 60), 0xff, 60);
    memset(packet_append(rest, 60), 0, 60);
    assert_int_equal(packet_join(packet, rest), 0);
    stack_receive(bench.stack, packet);
    assert_int_equal(bench.stack->stats.frames_bad, 1);
    bench_close();
}

static void test_start_checks(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 32 << 20, start_checks, NULL), 0);
}

static void test_register_checks(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, register_checks, NULL), 0);
}

static void test_register_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, register_leaves_nothing, NULL),
                     0);
}

static void test_echo_over_threads(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, echo_over_threads, NULL), 0);
    assert_int_equal(machine_run(2, 32 << 20, echo_on_cpu_1, NULL), 0);
}

static void test_interrupts_are_attended(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, interrupts_are_attended, NULL),
                     0);
}

static void test_pauses_for_others(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, pauses_for_others, NULL), 0);
}

/* A small machine still gets a stack. */
static void test_start_on_a_small_machine(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 4 << 20, register_checks, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_checks),
        cmocka_unit_test(test_register_checks),
        cmocka_unit_test(test_register_leaves_nothing),
        cmocka_unit_test(test_echo_over_threads),
        cmocka_unit_test(test_interrupts_are_attended),
        cmocka_unit_test(test_pauses_for_others),
        cmocka_unit_test(test_start_on_a_small_machine),
        cmocka_unit_test(test_the_log_names_card_and_address),
        cmocka_unit_test(test_the_log_names_services),
        cmocka_unit_test(test_share_of_the_memory),
        cmocka_unit_test(test_keys_are_random),
        cmocka_unit_test(test_keys_without_random_numbers),
        cmocka_unit_test(test_frames_do_not_overtake),
        cmocka_unit_test(test_retry_is_not_put_off),
        cmocka_unit_test(test_polls_are_bounded),
        cmocka_unit_test(test_poll_looks_again),
        cmocka_unit_test(test_frame_of_slices_is_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
