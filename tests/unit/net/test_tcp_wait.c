/* What remains of a connection in TIME-WAIT: net/tcp/wait.c. */
#include "kernel/heap/heap.h"
#include "net/tcp.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#define WAIT_NS (60 * NS_PER_S)

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

static void open_bench(void)
{
    bench_open(64);
    bench_serve(&service);
}

static void drain(void)
{
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

static void say(uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack)
{
    peer_send((struct peer_segment){
        .flags = flags, .seq = seq, .ack = ack, .window = 60000, .port = port});
}

/* A connection up to the answer to the peer's FIN, which is sent. */
static void nearly(uint16_t port)
{
    bench.relative = true;
    peer_connect(port, 1000, 60000);
    socket_close(bench.socket);
    bench_run();
    drain();
}

/* Our number 2 and the peer's 1002 are next. */
static void reach(uint16_t port)
{
    nearly(port);
    say(port, FIN | ACK, 1001, 2);
    drain();
}

static enum tcp_state state_of(uint16_t port)
{
    return bench_state(PEER_ADDRESS, port, SERVICE_PORT);
}

static void test_is_small(void **state)
{
    (void)state;
    open_bench();
    reach(1);
    assert_int_equal(state_of(1), TCP_TIME_WAIT);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(bench.stack->time_wait_count, 1);
    assert_in_range(sizeof(struct tcp_wait), 1, 64);
    bench_sleep(WAIT_NS - NS_PER_MS);
    assert_int_equal(state_of(1), TCP_TIME_WAIT);
    bench_sleep(NS_PER_MS);
    assert_int_equal(state_of(1), TCP_CLOSED);
    bench_close();
}

/* Answers, at most one in 50 ms; resets and what has no length get none. */
static void test_answers(void **state)
{
    (void)state;
    open_bench();
    reach(1);
    say(1, ACK, 1002, 2);
    say(1, RST, 1002, 0);
    peer_expect_nothing();
    say(1, SYN | ACK, 1000, 2);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002, .port = 1});
    say(1, SYN, 900, 0); /* an old one */
    peer_expect_nothing();
    bench_sleep(50 * NS_PER_MS);
    say(1, SYN, 900, 0);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002, .port = 1});
    bench_sleep(50 * NS_PER_MS);
    say(1, FIN | ACK, 1001, 1); /* does not acknowledge ours */
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002, .port = 1});
    bench_sleep(WAIT_NS - 100 * NS_PER_MS);
    assert_int_equal(state_of(1), TCP_CLOSED);
    bench_close();
}

/* The FIN again: anew. It stays until those have ended that were in the row
 * when its turn came; they end when they must. */
static void test_begins_anew(void **state)
{
    uint32_t iss;

    (void)state;
    open_bench();
    reach(1);
    iss = bench.iss;
    bench_sleep(20 * NS_PER_S);
    reach(2);
    bench_sleep(20 * NS_PER_S);
    bench.iss = iss;
    say(1, FIN | ACK, 1001, 2);
    drain();
    bench_sleep(15 * NS_PER_S);
    reach(3);
    bench_sleep(5 * NS_PER_S);
    assert_int_equal(state_of(1), TCP_TIME_WAIT);
    assert_int_equal(state_of(2), TCP_TIME_WAIT);
    bench_sleep(20 * NS_PER_S);
    assert_int_equal(state_of(1), TCP_TIME_WAIT);
    assert_int_equal(state_of(2), TCP_CLOSED);
    bench_sleep(35 * NS_PER_S - NS_PER_MS);
    assert_int_equal(state_of(1), TCP_TIME_WAIT);
    assert_int_equal(state_of(3), TCP_TIME_WAIT);
    bench_sleep(NS_PER_MS);
    assert_int_equal(state_of(1), TCP_CLOSED);
    assert_int_equal(state_of(3), TCP_CLOSED);
    bench_close();
}

/* A machine that stood still for any time has none left. */
static void test_stands_still(void **state)
{
    const uint64_t days[] = {1, 24, 25, 30, 49};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(days); i++) {
        open_bench();
        reach(1);
        bench.now += days[i] * 24 * 3600 * NS_PER_S;
        bench_sleep(1);
        assert_int_equal(state_of(1), TCP_CLOSED);
        assert_int_equal(bench.stack->time_wait_count, 0);
        bench_close();
    }
}

static void reuse(uint16_t port)
{
    struct peer_segment got;

    bench.relative = false;
    say(port, SYN, 100000, 0);
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    say(port, RST, 100001, 0);
    assert_int_equal(state_of(port), TCP_CLOSED);
}

/* What leaves within the row leaves a gap, which counts for its room. */
static void test_gaps(void **state)
{
    (void)state;
    open_bench();
    bench.stack->time_wait_max = 4;
    for (uint16_t port = 1; port <= 4; port++)
        reach(port);
    reuse(2);
    reuse(3);
    assert_int_equal(bench.stack->time_wait_count, 2);
    reach(5); /* there is no room behind 4 */
    assert_int_equal(state_of(1), TCP_CLOSED);
    assert_int_equal(state_of(4), TCP_TIME_WAIT);
    reach(6);
    reach(7);
    assert_int_equal(state_of(4), TCP_TIME_WAIT);
    assert_int_equal(bench.stack->time_wait_count, 4);
    reuse(4);
    reach(8);
    assert_int_equal(state_of(5), TCP_TIME_WAIT);
    reach(9);
    assert_int_equal(state_of(5), TCP_CLOSED);
    bench_sleep(WAIT_NS);
    assert_int_equal(bench.stack->time_wait_count, 0);
    reach(1);
    reuse(1); /* and nothing is left for the timeout */
    bench_sleep(WAIT_NS);
    bench_close();
}

/* Without memory there is no TIME-WAIT. */
static void test_without_memory(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        open_bench();
        nearly(1);
        heap_fail(at);
        say(1, FIN | ACK, 1001, 2);
        assert_int_equal(heap_failed(), at < 3);
        heap_fail(0);
        drain();
        assert_int_equal(state_of(1), at < 3 ? TCP_CLOSED : TCP_TIME_WAIT);
        assert_int_equal(bench.stack->stats.tcp_no_memory, at < 3);
        bench_close();
    }
}

/* An answer without a packet is none. */
static void test_without_packets(void **state)
{
    struct packet *taken[4096];
    unsigned count = 0;

    (void)state;
    open_bench();
    reach(1);
    while (packet_free_count() > 1)
        taken[count++] = packet_get();
    say(1, SYN, 900, 0);
    while (count > 0)
        packet_put(taken[--count]);
    peer_expect_nothing();
    bench_close();
}

static void test_address_lost(void **state)
{
    const struct net_addr other = addr_of_ip4(OUR_ADDRESS + 1);
    const struct net_addr ours = addr_of_ip4(OUR_ADDRESS);

    (void)state;
    open_bench();
    tcp_address_lost(bench.stack, &ours); /* there is none */
    reach(1);
    reach(2);
    tcp_address_lost(bench.stack, &other);
    assert_int_equal(bench.stack->time_wait_count, 2);
    tcp_address_lost(bench.stack, &ours);
    assert_int_equal(bench.stack->time_wait_count, 0);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_small),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_begins_anew),
        cmocka_unit_test(test_stands_still),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_without_packets),
        cmocka_unit_test(test_address_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
