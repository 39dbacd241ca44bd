/* A whole machine: the stack's thread, the services' threads, a fake card. */
#include "kernel/percpu.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <torc/machine.h>
#include <torc/thread.h>
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
    struct fakenet *net = &bench.net;
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
    need(service_register(&other) == -EADDRINUSE);
    need(service_register(&failing) == -EIO);
    failing.init = NULL; /* the port is free again */
    need(service_register(&failing) == 0);
    return 0;
}

static void card_interrupt(void)
{
    net_wake(&bench.net.dev);
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

static int echo_over_threads(void *arg)
{
    static struct service service = {
        .name = "echo", .port = 7, .receive = echo};
    struct peer_segment got;
    uint8_t arp[42];

    (void)arg;
    need(start_on_card(&bench.net) == 0);
    need(service_register(&service) == 0);
    memcpy(arp, bench_mac, 6);
    memcpy(arp + 6, peer_mac, 6);
    memcpy(arp + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    memcpy(arp + 22, peer_mac, 6);
    peer_put32(arp + 28, PEER_ADDRESS);
    memset(arp + 32, 0, 6);
    peer_put32(arp + 38, OUR_ADDRESS);
    fakenet_inject(&bench.net, arp, sizeof(arp));
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

static void test_echo_over_threads(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 32 << 20, echo_over_threads, NULL), 0);
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
        cmocka_unit_test(test_echo_over_threads),
        cmocka_unit_test(test_start_on_a_small_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
