/* What a socket can choose: keep-alive (RFC 9293, 3.8.4), the user timeout (RFC
 * 5482), Nagle's algorithm (RFC 9293, 3.7.4). */
#include "kernel/heap/heap.h"
#include "net/tcp/conn.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { PORT = 7, IRS = 1000 };

static struct socket *listener, *sock;

static void set(enum socket_option option, uint64_t value)
{
    assert_int_equal(socket_set_option(sock, option, value), 0);
    bench_check();
}

static uint64_t get(struct socket *socket, enum socket_option option)
{
    uint64_t value = 12345;

    assert_int_equal(socket_get_option(socket, option, &value), 0);
    return value;
}

static void open_listener(void)
{
    const struct net_endpoint local = {.port = SERVICE_PORT};

    bench_open(64);
    assert_int_equal(socket_open_tcp(&listener), 0);
    assert_int_equal(socket_bind(listener, &local), 0);
    assert_int_equal(socket_listen(listener, 0), 0);
}

static void accept_one(void)
{
    peer_connect(PORT, IRS, 60000);
    assert_int_equal(socket_accept(listener, &sock, 0), 0);
}

static void open_bench(void)
{
    open_listener();
    accept_one();
}

static void finish(void)
{
    socket_abort(sock);
    socket_close(listener);
    bench_close();
}

static void says(uint32_t ack, const char *text)
{
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = IRS + 1,
                                    .ack = ack,
                                    .window = 60000,
                                    .port = PORT,
                                    .data = text,
                                    .len = strlen(text)});
}

static bool is_alive(void)
{
    return bench_conn(PEER_ADDRESS, PORT, SERVICE_PORT) != NULL;
}

/* ---- Keep-alive ---------------------------------------------------------- */

static void test_keep_alive_is_off_at_first(void **state)
{
    (void)state;
    open_bench();
    bench_sleep(30 * 24 * 3600 * NS_PER_S);
    peer_expect_nothing();
    assert_true(is_alive());
    finish();
}

/* A question has no data and an old number; the answer starts it all anew. */
static void test_keep_alive_asks(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 100 * NS_PER_S);
    set(SOCKET_KEEP_INTERVAL, 10 * NS_PER_S);
    set(SOCKET_KEEP_COUNT, 3);
    for (unsigned i = 0; i < 5; i++) {
        bench_sleep(100 * NS_PER_S - 1);
        peer_expect_nothing();
        bench_sleep(1);
        peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
        bench_sleep(10 * NS_PER_S);
        peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
        says(1, "");
    }
    assert_true(is_alive());
    finish();
}

static void test_keep_alive_ends_it(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 100 * NS_PER_S);
    set(SOCKET_KEEP_INTERVAL, 10 * NS_PER_S);
    set(SOCKET_KEEP_COUNT, 3);
    bench_sleep(100 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    bench_sleep(10 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    bench_sleep(10 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    bench_sleep(10 * NS_PER_S - 1);
    peer_expect_nothing();
    bench_sleep(1);
    peer_expect({.flags = RST | ACK, .seq = 1, .ack = IRS + 1});
    assert_false(is_alive());
    assert_int_equal(bench.stack->stats.tcp_timeouts, 1);
    assert_int_equal(socket_send(sock, "x", 1), -ETIMEDOUT);
    finish();
}

/* What was heard before the first question takes none of them away. */
static void test_keep_alive_begins_anew(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 100 * NS_PER_S);
    set(SOCKET_KEEP_INTERVAL, 10 * NS_PER_S);
    set(SOCKET_KEEP_COUNT, 2);
    bench_sleep(50 * NS_PER_S);
    says(1, "");
    bench_sleep(100 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    bench_sleep(10 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    bench_sleep(10 * NS_PER_S);
    peer_expect({.flags = RST | ACK, .seq = 1, .ack = IRS + 1});
    finish();
}

/* It begins when it is chosen anew, not when something else is. */
static void test_keep_alive_chosen_late(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 100 * NS_PER_S);
    set(SOCKET_KEEP_IDLE, 0);
    bench_sleep(1000 * NS_PER_S);
    peer_expect_nothing();
    says(1, "");
    set(SOCKET_KEEP_IDLE, 2000 * NS_PER_S);
    bench_sleep(999 * NS_PER_S);
    peer_expect_nothing(); /* 1999 s since anything was there */
    bench_sleep(NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    finish();
}

/* Each answer counts, also where the questions are further apart than the
 * silence that brings the first one. */
static void test_keep_alive_counts_silence(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 10 * NS_PER_S);
    set(SOCKET_KEEP_INTERVAL, 75 * NS_PER_S);
    set(SOCKET_KEEP_COUNT, 9);
    bench_sleep(10 * NS_PER_S);
    for (unsigned i = 0; i < 20; i++) {
        peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
        says(1, "");
        bench_sleep(75 * NS_PER_S);
    }
    assert_true(is_alive());
    finish();
}

/* Both ends have closed: the peer has forgotten it, and would answer by a reset
 * that costs what is unread. */
static void test_keep_alive_and_unread_data(void **state)
{
    char buf[8];

    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 10 * NS_PER_S);
    peer_send((struct peer_segment){.flags = FIN | ACK,
                                    .seq = IRS + 1,
                                    .ack = 1,
                                    .window = 60000,
                                    .port = PORT,
                                    .data = "end",
                                    .len = 3});
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 5});
    assert_int_equal(socket_shutdown(sock), 0);
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = IRS + 5});
    peer_send((struct peer_segment){
        .flags = ACK, .seq = IRS + 5, .ack = 2, .window = 60000, .port = PORT});
    assert_true(bench_conn(PEER_ADDRESS, PORT, SERVICE_PORT)->fin_acked);
    bench_sleep(1000 * NS_PER_S);
    peer_expect_nothing();
    assert_int_equal(socket_receive(sock, buf, sizeof(buf)), 3);
    finish();
}

/* Data and their acknowledgements are signs of life, and what is in flight is
 * the retransmission timer's. */
static void test_keep_alive_and_data(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_KEEP_IDLE, 100 * NS_PER_S);
    bench_sleep(60 * NS_PER_S);
    says(1, "abc");
    bench_sleep(NS_PER_S);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 4});
    bench_sleep(98 * NS_PER_S);
    peer_expect_nothing();
    bench_sleep(NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 4});
    peer_send((struct peer_segment){
        .flags = ACK, .seq = IRS + 4, .ack = 1, .window = 9, .port = PORT});
    bench_sleep(90 * NS_PER_S);
    assert_int_equal(socket_send(sock, "x", 1), 1);
    bench_sleep(20 * NS_PER_S);
    while (bench.net.sent.count > 0)
        peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 4, .len = 1});
    finish();
}

/* RFC 9293: off again; and beside the time-out of a service. */
static unsigned timeouts;

static void on_timeout(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    timeouts++;
}

static void expect_idle_alarm(uint64_t after_ns)
{
    const struct tcp_conn *conn = bench_conn(PEER_ADDRESS, PORT, SERVICE_PORT);

    assert_int_equal(alarm_at(conn, TCP_ALARM_IDLE) / NS_PER_MS,
                     bench.now / NS_PER_MS + after_ns / NS_PER_MS -
                         ((uint32_t)(bench.now / NS_PER_MS) - conn->active_ms));
}

static void test_keep_alive_of_a_service(void **state)
{
    static struct service service = {.port = SERVICE_PORT,
                                     .idle_ns = 30 * NS_PER_S,
                                     .accept = bench_accept,
                                     .receive = bench_leave,
                                     .timeout = on_timeout};

    (void)state;
    timeouts = 0;
    bench_open(64);
    bench_serve(&service);
    peer_connect(PORT, IRS, 60000);
    sock = bench.socket;
    set(SOCKET_KEEP_IDLE, 20 * NS_PER_S);
    expect_idle_alarm(20 * NS_PER_S); /* it would do nothing earlier */
    bench_sleep(20 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    says(1, "");
    assert_int_equal(timeouts, 0);
    bench_sleep(10 * NS_PER_S);
    assert_int_equal(timeouts, 1);
    set(SOCKET_KEEP_IDLE, 0);
    expect_idle_alarm(30 * NS_PER_S);
    bench_sleep(30 * NS_PER_S);
    peer_expect_nothing();
    assert_int_equal(timeouts, 2);
    tcp_fini(bench.stack);
    assert_int_equal(socket_set_option(bench.socket, SOCKET_NODELAY, 0),
                     -ENOTCONN);
    bench_close();
}

/* A probe that is so far off that the alarm goes off before. */
static void test_keep_alive_is_not_early(void **state)
{
    static struct service service = {
        .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

    (void)state;
    bench_open(64);
    bench_serve(&service);
    peer_connect(PORT, IRS, 60000);
    sock = bench.socket;
    set(SOCKET_KEEP_IDLE, 2 * 3600 * NS_PER_S);
    set(SOCKET_KEEP_INTERVAL, 3 * 3600 * NS_PER_S);
    for (uint64_t hours = 2; hours <= 3; hours++) {
        bench_sleep(hours * 3600 * NS_PER_S - NS_PER_MS);
        peer_expect_nothing();
        bench_sleep(NS_PER_MS);
        peer_expect({.flags = ACK, .seq = 0, .ack = IRS + 1});
    }
    tcp_fini(bench.stack);
    bench_close();
}

/* ---- The user timeout ---------------------------------------------------- */

static void test_user_timeout(void **state)
{
    const uint64_t limits[] = {5 * NS_PER_S, 300 * NS_PER_S};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(limits); i++) {
        open_bench();
        set(SOCKET_USER_TIMEOUT, limits[i]);
        bench_sleep(1000 * NS_PER_S); /* nothing is to be acknowledged */
        assert_true(is_alive());
        assert_int_equal(socket_send(sock, "x", 1), 1);
        bench_sleep(limits[i] - 1);
        assert_true(is_alive());
        bench_sleep(1);
        assert_false(is_alive());
        assert_int_equal(socket_send(sock, "x", 1), -ETIMEDOUT);
        finish();
    }
}

/* One that is shorter than a millisecond, by which silence is measured, is as
 * long as that; and nothing is sent again before. */
static void test_user_timeout_below_a_millisecond(void **state)
{
    const uint64_t limits[] = {1, NS_PER_MS / 2, NS_PER_MS - 1};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(limits); i++) {
        struct peer_segment got;

        open_bench();
        set(SOCKET_USER_TIMEOUT, limits[i]);
        assert_int_equal(socket_send(sock, "x", 1), 1);
        assert_true(peer_receive(&got));
        bench_sleep(NS_PER_MS);
        assert_false(is_alive());
        assert_true(peer_receive(&got));
        assert_int_equal(got.flags & RST, RST);
        assert_int_equal(socket_send(sock, "x", 1), -ETIMEDOUT);
        finish();
    }
}

/* Shorter than what has passed already: it is over soon. */
static void test_user_timeout_that_is_over(void **state)
{
    (void)state;
    open_bench();
    assert_int_equal(socket_send(sock, "x", 1), 1);
    bench_sleep(50 * NS_PER_MS);
    set(SOCKET_USER_TIMEOUT, NS_PER_MS / 2);
    rexmit_start(bench_conn(PEER_ADDRESS, PORT, SERVICE_PORT));
    bench_sleep(NS_PER_MS);
    assert_false(is_alive());
    finish();
}

/* A closed window is no silence. */
static void test_user_timeout_and_a_closed_window(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_USER_TIMEOUT, NS_PER_S);
    peer_send((struct peer_segment){
        .flags = ACK, .seq = IRS + 1, .ack = 1, .window = 0, .port = PORT});
    assert_int_equal(socket_send(sock, "x", 1), 1);
    for (unsigned i = 0; i < 100; i++) {
        struct peer_segment got;

        bench_sleep(10 * NS_PER_S);
        while (peer_receive(&got))
            continue;
        peer_send((struct peer_segment){
            .flags = ACK, .seq = IRS + 1, .ack = 1, .window = 0, .port = PORT});
    }
    assert_true(is_alive());
    finish();
}

static void test_user_timeout_of_connecting(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};

    (void)state;
    open_listener();
    assert_int_equal(socket_open_tcp(&sock), 0);
    set(SOCKET_USER_TIMEOUT, 5 * NS_PER_S);
    assert_int_equal(socket_connect_start(sock, &remote), 0);
    bench_sleep(5 * NS_PER_S - 1);
    assert_int_equal(bench.stack->conn_count, 1);
    bench_sleep(1);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(socket_send(sock, "x", 1), -ETIMEDOUT);
    finish();
}

/* Other options change nothing of when a SYN is sent, and given up. */
static void test_options_and_connecting(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};
    struct peer_segment got;
    unsigned count = 0;

    (void)state;
    open_listener();
    assert_int_equal(socket_open_tcp(&sock), 0);
    set(SOCKET_NODELAY, 0);
    assert_int_equal(socket_connect_start(sock, &remote), 0);
    for (unsigned i = 0; i < 183; i++) {
        while (peer_receive(&got))
            count++;
        assert_int_equal(bench.stack->conn_count, 1);
        bench_sleep(NS_PER_S);
    }
    assert_int_equal(count, 8); /* after 0, 1, 3, 7, 15, 31, 63, 123 s */
    assert_int_equal(bench.stack->conn_count, 0);
    finish();
}

/* Both open at the same time, and the answer to our SYN-ACK does not come. */
static void test_user_timeout_of_a_simultaneous_open(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};
    struct peer_segment got;

    (void)state;
    open_listener();
    assert_int_equal(socket_open_tcp(&sock), 0);
    set(SOCKET_USER_TIMEOUT, 5 * NS_PER_S);
    assert_int_equal(socket_connect_start(sock, &remote), 0);
    assert_true(peer_receive(&got));
    bench.relative = false;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = IRS, .port = 7000, .target = got.target});
    bench_sleep(5 * NS_PER_S - 1);
    assert_int_equal(bench.stack->conn_count, 1);
    bench_sleep(1);
    assert_int_equal(bench.stack->conn_count, 0);
    finish();
}

/* ---- Nagle --------------------------------------------------------------- */

static void test_nagle_is_off_at_first(void **state)
{
    (void)state;
    open_bench();
    assert_int_equal(socket_send(sock, "a", 1), 1);
    assert_int_equal(socket_send(sock, "b", 1), 1);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 1});
    peer_expect({.flags = ACK, .seq = 2, .ack = IRS + 1, .len = 1});
    finish();
}

static void test_nagle_holds_short_segments(void **state)
{
    static char full[1000];

    (void)state;
    open_bench();
    set(SOCKET_NODELAY, 0);
    assert_int_equal(socket_send(sock, "a", 1), 1);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 1});
    assert_int_equal(socket_send(sock, "bc", 2), 2);
    bench_check();
    peer_expect_nothing();
    /* A full segment goes at once. */
    assert_int_equal(socket_send(sock, full, 999), 999);
    peer_expect({.flags = ACK, .seq = 2, .ack = IRS + 1, .len = 1000});
    peer_expect_nothing();
    says(1002, "");
    peer_expect({.flags = ACK, .seq = 1002, .ack = IRS + 1, .len = 1});
    /* What has been held goes when it is switched off, and before a FIN. */
    assert_int_equal(socket_send(sock, "d", 1), 1);
    peer_expect_nothing();
    set(SOCKET_NODELAY, 1);
    peer_expect({.flags = ACK, .seq = 1003, .ack = IRS + 1, .len = 1});
    set(SOCKET_NODELAY, 0);
    assert_int_equal(socket_send(sock, "e", 1), 1);
    peer_expect_nothing();
    assert_int_equal(socket_shutdown(sock), 0);
    peer_expect({.flags = FIN | ACK, .seq = 1004, .ack = IRS + 1, .len = 1});
    finish();
}

/* What is lost is sent again, however short it is. */
static void test_nagle_and_a_loss(void **state)
{
    (void)state;
    open_bench();
    set(SOCKET_NODELAY, 0);
    assert_int_equal(socket_send(sock, "a", 1), 1);
    assert_int_equal(socket_send(sock, "bc", 2), 2);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 1});
    bench_sleep(2 * NS_PER_S);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 3});
    finish();
}

/* ---- The calls ----------------------------------------------------------- */

static void test_values(void **state)
{
    const struct {
        enum socket_option option;
        uint64_t first, good, bad;
    } rows[] = {
        {SOCKET_NODELAY, 1, 0, 2},
        {SOCKET_ECN, 0, 1, 2},
        {SOCKET_USER_TIMEOUT, 0, 7, 86401 * NS_PER_S},
        {SOCKET_KEEP_IDLE, 0, NS_PER_S, 86401 * NS_PER_S},
        {SOCKET_KEEP_IDLE, NS_PER_S, NS_PER_MS, NS_PER_MS - 1},
        {SOCKET_KEEP_IDLE, NS_PER_MS, 0, 1},
        {SOCKET_KEEP_INTERVAL, 75 * NS_PER_S, NS_PER_MS, NS_PER_MS - 1},
        {SOCKET_KEEP_COUNT, 9, 1, 0},
        {SOCKET_KEEP_COUNT, 1, 1000, 1001},
    };
    struct socket *udp, *before;
    uint64_t value;

    (void)state;
    open_bench();
    assert_int_equal(socket_open_tcp(&before), 0);
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct socket *sockets[] = {sock, before};

        for (unsigned j = 0; j < 2; j++) {
            assert_int_equal(get(sockets[j], rows[i].option), rows[i].first);
            assert_int_equal(
                socket_set_option(sockets[j], rows[i].option, rows[i].good), 0);
            assert_int_equal(
                socket_set_option(sockets[j], rows[i].option, rows[i].bad),
                -EINVAL);
            assert_int_equal(get(sockets[j], rows[i].option), rows[i].good);
        }
    }
    assert_int_equal(socket_set_option(sock, (enum socket_option)77, 0),
                     -EINVAL);
    assert_int_equal(socket_get_option(sock, (enum socket_option)77, &value),
                     -EINVAL);
    assert_int_equal(socket_open_udp(&udp), 0);
    assert_int_equal(socket_set_option(udp, SOCKET_NODELAY, 1), -EINVAL);
    assert_int_equal(socket_get_option(udp, SOCKET_NODELAY, &value), -EINVAL);
    socket_close(udp);
    socket_close(before);
    finish();
}

static void test_listeners_hand_them_on(void **state)
{
    (void)state;
    open_listener();
    assert_int_equal(socket_set_option(listener, SOCKET_KEEP_COUNT, 5), 0);
    accept_one();
    assert_int_equal(get(sock, SOCKET_KEEP_COUNT), 5);
    assert_int_equal(get(sock, SOCKET_NODELAY), 1);
    set(SOCKET_KEEP_COUNT, 6);
    assert_int_equal(get(listener, SOCKET_KEEP_COUNT), 5);
    finish();
}

static void test_without_memory(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), 7000};
    struct socket *twin;

    (void)state;
    open_bench();
    heap_fail(1);
    assert_int_equal(socket_set_option(sock, SOCKET_NODELAY, 0), -ENOMEM);
    heap_fail(1);
    assert_int_equal(socket_set_option(listener, SOCKET_NODELAY, 0), -ENOMEM);
    heap_fail(0);
    assert_int_equal(get(sock, SOCKET_NODELAY), 1);
    assert_int_equal(socket_open_tcp(&twin), 0);
    assert_int_equal(socket_set_option(twin, SOCKET_NODELAY, 0), 0);
    heap_fail(2); /* behind the connection */
    assert_int_equal(socket_connect_start(twin, &remote), -ENOMEM);
    heap_fail(0);
    assert_int_equal(bench.stack->conn_count, 1);
    assert_int_equal(socket_send(twin, "x", 1), -ENOMEM);
    assert_int_equal(socket_read(twin, &(char){0}, 1, 0), -ENOMEM);
    assert_int_equal(socket_connect_start(twin, &remote), 0);
    assert_int_equal(get(twin, SOCKET_NODELAY), 0);
    socket_close(twin);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    /* What cannot be accepted waits. */
    assert_int_equal(socket_set_option(listener, SOCKET_NODELAY, 0), 0);
    peer_connect(PORT + 1, IRS, 60000);
    heap_fail(1);
    assert_int_equal(socket_accept(listener, &twin, 0), -ENOMEM);
    heap_fail(0);
    assert_int_equal(socket_accept(listener, &twin, 0), 0);
    socket_abort(twin);
    finish();
}

/* ---- The IP header: MUST-48 and MUST-49 of RFC 9293 ---------------------- */

static void test_hop_limit_and_class_of_what_comes(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    assert_int_equal(get(sock, SOCKET_HOP_LIMIT), 0);
    assert_int_equal(get(sock, SOCKET_DSCP), 0);
    set(SOCKET_HOP_LIMIT, 3);
    set(SOCKET_DSCP, 46);
    assert_int_equal(get(sock, SOCKET_HOP_LIMIT), 3);
    assert_int_equal(get(sock, SOCKET_DSCP), 46);
    bench.ttl = 3;
    assert_int_equal(socket_send(sock, "abc", 3), 3);
    assert_true(peer_receive(&got));
    assert_int_equal(got.tos, 46 << 2);
    set(SOCKET_HOP_LIMIT, 0);
    set(SOCKET_DSCP, 0);
    bench.ttl = 64;
    assert_int_equal(socket_send(sock, "abc", 3), 3);
    assert_true(peer_receive(&got));
    assert_int_equal(got.tos, 0);
    finish();
}

/* Of a connection that we open the SYN has them, too, and ECN has its bits. */
static void test_hop_limit_and_class_of_a_syn(void **state)
{
    const struct net_endpoint remote = {addr_of_ip4(PEER_ADDRESS), PORT};
    struct peer_segment got;

    (void)state;
    bench_open(64);
    assert_int_equal(socket_open_tcp(&sock), 0);
    set(SOCKET_ECN, 1);
    set(SOCKET_HOP_LIMIT, 255);
    set(SOCKET_DSCP, 63);
    assert_int_equal(socket_connect_start(sock, &remote), 0);
    bench.ttl = 255;
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | TCP_ECE | TCP_CWR);
    assert_int_equal(got.tos, 63 << 2);
    peer_send((struct peer_segment){.flags = SYN | ACK | TCP_ECE,
                                    .seq = IRS,
                                    .ack = got.seq + 1,
                                    .window = 60000,
                                    .port = PORT,
                                    .target = sock->flow.lport});
    assert_true(peer_receive(&got));
    assert_int_equal(got.tos, 63 << 2); /* without data: not capable */
    assert_int_equal(socket_send(sock, "abc", 3), 3);
    assert_true(peer_receive(&got));
    assert_int_equal(got.tos, 63 << 2 | IP_ECN_CAPABLE);
    socket_abort(sock);
    bench_close();
}

static void test_hop_limits_and_classes_that_are_none(void **state)
{
    (void)state;
    open_bench();
    assert_int_equal(socket_set_option(sock, SOCKET_HOP_LIMIT, 256), -EINVAL);
    assert_int_equal(socket_set_option(sock, SOCKET_DSCP, 64), -EINVAL);
    set(SOCKET_HOP_LIMIT, 255);
    set(SOCKET_DSCP, 63);
    bench.ttl = 255;
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive_is_off_at_first),
        cmocka_unit_test(test_keep_alive_asks),
        cmocka_unit_test(test_keep_alive_begins_anew),
        cmocka_unit_test(test_keep_alive_chosen_late),
        cmocka_unit_test(test_keep_alive_counts_silence),
        cmocka_unit_test(test_keep_alive_and_unread_data),
        cmocka_unit_test(test_keep_alive_ends_it),
        cmocka_unit_test(test_keep_alive_and_data),
        cmocka_unit_test(test_keep_alive_of_a_service),
        cmocka_unit_test(test_keep_alive_is_not_early),
        cmocka_unit_test(test_user_timeout),
        cmocka_unit_test(test_user_timeout_below_a_millisecond),
        cmocka_unit_test(test_user_timeout_that_is_over),
        cmocka_unit_test(test_user_timeout_and_a_closed_window),
        cmocka_unit_test(test_user_timeout_of_connecting),
        cmocka_unit_test(test_options_and_connecting),
        cmocka_unit_test(test_user_timeout_of_a_simultaneous_open),
        cmocka_unit_test(test_nagle_is_off_at_first),
        cmocka_unit_test(test_nagle_holds_short_segments),
        cmocka_unit_test(test_nagle_and_a_loss),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_listeners_hand_them_on),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_hop_limit_and_class_of_what_comes),
        cmocka_unit_test(test_hop_limit_and_class_of_a_syn),
        cmocka_unit_test(test_hop_limits_and_classes_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
