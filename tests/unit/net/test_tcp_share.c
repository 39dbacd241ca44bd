/* A source has a quarter of the memory for data: net/tcp/share.c. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { LIMIT = 4 << 20, PIECE = 1000, OTHER = 0x08000007 };

static char text[512 * 1024];
static struct socket *last;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    last = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket; /* reads nothing */
}

static struct service service = {
    .port = SERVICE_PORT, .accept = on_accept, .receive = on_receive};

static void open_bench(void)
{
    bench_open(64);
    bench_serve(&service);
    bench.check_every = 50;
    bench.stack->budget.limit = LIMIT;
    bench.stack->budget.reserve = 0;
    bench.stack->budget.lent_max = 0; /* all data need memory */
}

static unsigned drain(void)
{
    unsigned count = 0;

    while (fakenet_sent(&bench.net) != NULL)
        count++;
    return count;
}

static struct tcp_conn *connect_from(uint32_t address, uint16_t port)
{
    static const uint8_t scale[8] = {2, 4, 1000 >> 8, 1000 & 255, 1, 3, 3, 7};
    struct peer_segment got;

    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = 1000,
                                    .address = address,
                                    .port = port,
                                    .window = 60000,
                                    .options = scale,
                                    .options_len = sizeof(scale)});
    assert_true(peer_receive(&got));
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1001,
                                    .ack = got.seq + 1,
                                    .address = address,
                                    .port = port,
                                    .window = 60000});
    drain();
    return bench_conn(address, port, SERVICE_PORT);
}

/* The peer sends up to `bytes` that nobody reads; returns how many were
 * taken. */
static uint32_t fill(struct tcp_conn *conn, uint32_t bytes)
{
    uint32_t first = conn->rcv_nxt;

    while (conn->rcv_nxt - first < bytes) {
        uint32_t before = conn->rcv_nxt;

        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = before,
                                        .ack = conn->snd_una,
                                        .address = addr_ip4(&conn->flow.remote),
                                        .port = conn->flow.rport,
                                        .window = 60000,
                                        .data = text,
                                        .len = PIECE});
        drain();
        if (conn->rcv_nxt == before)
            break;
    }
    return conn->rcv_nxt - first;
}

/* Received and not read, by many connections of one source. */
static void test_received(void **state)
{
    uint32_t other;

    (void)state;
    open_bench();
    for (uint16_t port = 1; port <= 40; port++) {
        fill(connect_from(PEER_ADDRESS, port), 200000);
        assert_true(bench.stack->budget.used <=
                    LIMIT / 4 + 40 * (size_t)SHARE_SMALL);
    }
    assert_true(bench.stack->budget.used >= LIMIT / 8);
    other = fill(connect_from(OTHER, 1), 200000);
    assert_true(other >= 200000);
    bench_check();
    bench_close();
}

/* What a window announces is taken, by the SYN-ACK, too. */
static void test_no_window_that_is_not_taken(void **state)
{
    struct tcp_conn *conn;
    uint32_t window;

    (void)state;
    open_bench();
    for (uint16_t port = 1; port <= 40; port++)
        fill(connect_from(PEER_ADDRESS, port), 200000);
    conn = connect_from(PEER_ADDRESS, 41);
    window = conn->rcv_adv - conn->rcv_nxt;
    assert_int_equal(window, NET_BUFFER_MIN);
    assert_true(fill(conn, 1) > 0);
    assert_true(conn->rcv_adv - 1001 <= NET_BUFFER_MIN);
    bench.stack->stats.tcp_no_memory = 0;
    fill(conn, 10000);
    assert_int_equal(conn->rcv_nxt - 1001, NET_BUFFER_MIN);
    assert_int_equal(bench.stack->stats.tcp_no_memory, 0);
    conn = connect_from(OTHER, 1);
    assert_int_equal(conn->rcv_adv - conn->rcv_nxt, UINT16_MAX);
    bench_check();
    bench_close();
}

/* Sent and not acknowledged; room that an acknowledgement makes is the
 * source's again. */
static void test_sent(void **state)
{
    struct tcp_conn *first = NULL;
    size_t used;

    (void)state;
    open_bench();
    for (uint16_t port = 1; port <= 40; port++) {
        struct tcp_conn *conn = connect_from(PEER_ADDRESS, port);

        conn->cwnd = TCP_CWND_MAX;
        assert_true(socket_send(last, text, 200000) >= 0);
        drain();
        assert_true(bench.stack->budget.used <=
                    LIMIT / 4 + 40 * (size_t)SHARE_SMALL);
        if (port == 1)
            first = conn;
    }
    used = bench.stack->budget.used;
    assert_true(used >= LIMIT / 8);
    connect_from(OTHER, 1);
    assert_int_equal(socket_send(last, text, 200000), 200000);
    drain();
    bench_check();
    assert_true(first->held > 0);
    peer_send((struct peer_segment){
        .flags = RST, .seq = first->rcv_nxt, .ack = first->snd_una, .port = 1});
    bench_check();
    connect_from(PEER_ADDRESS, 50);
    assert_true(socket_send(last, text, 100000) > 50000);
    bench_check();
    bench_close();
}

/* What is out of order counts, too. */
static void test_out_of_order(void **state)
{
    (void)state;
    open_bench();
    for (uint16_t port = 1; port <= 40; port++) {
        struct tcp_conn *conn = connect_from(PEER_ADDRESS, port);

        for (uint32_t at = 10; at < 100000; at += PIECE)
            peer_send((struct peer_segment){.flags = ACK,
                                            .seq = 1001 + at,
                                            .ack = conn->snd_una,
                                            .port = port,
                                            .window = 60000,
                                            .data = text,
                                            .len = PIECE});
        drain();
        assert_true(bench.stack->budget.used <=
                    LIMIT / 4 + 40 * (size_t)SHARE_SMALL);
    }
    assert_true(bench.stack->budget.used >= LIMIT / 8);
    assert_true(fill(connect_from(OTHER, 1), 100000) >= 100000);
    bench_check();
    bench_close();
}

/* Who reads gives back what it had. */
static void test_what_is_read_counts_no_more(void **state)
{
    struct tcp_conn *conn;

    (void)state;
    open_bench();
    conn = connect_from(PEER_ADDRESS, 1);
    assert_true(fill(conn, 60000) >= 60000);
    assert_true(conn->held >= 64);
    while (socket_receive(last, text, sizeof(text)) > 0)
        continue;
    assert_int_equal(conn->held, 0);
    bench_check();
    drain();
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_received),
        cmocka_unit_test(test_no_window_that_is_not_taken),
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_what_is_read_counts_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
