/* Services and sockets: which callbacks come, in which order, and when. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* What was called, as text: "a1 r1 c1" is accept, receive, close of port 1. */
static char calls[4096];

static void note(char what, struct socket *socket)
{
    size_t len = strlen(calls);

    snprintf(calls + len, sizeof(calls) - len, "%s%c%u", len > 0 ? " " : "",
             what, socket_peer(socket).port);
}

static struct socket *sockets[100];
static uint32_t first[100]; /* the stack's sequence numbers */

/* What the callbacks do, besides noting. */
static void (*in_receive)(struct socket *socket);
static void (*in_accept)(struct socket *socket);
static void (*in_close)(struct socket *socket);
static void (*in_timeout)(struct socket *socket);

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    note('a', socket);
    sockets[socket_peer(socket).port] = socket;
    if (in_accept != NULL)
        in_accept(socket);
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    note('r', socket);
    if (in_receive != NULL)
        in_receive(socket);
}

static void on_writable(struct service *service, struct socket *socket)
{
    (void)service;
    note('w', socket);
}

static void on_timeout(struct service *service, struct socket *socket)
{
    (void)service;
    note('t', socket);
    if (in_timeout != NULL)
        in_timeout(socket);
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    note('c', socket);
    sockets[socket_peer(socket).port] = NULL;
    if (in_close != NULL)
        in_close(socket);
}

static struct service service;

static void open_bench(void)
{
    bench_open(64);
    calls[0] = '\0';
    in_accept = in_receive = in_close = in_timeout = NULL;
    service = (struct service){.name = "test",
                               .port = SERVICE_PORT,
                               .accept = on_accept,
                               .receive = on_receive,
                               .writable = on_writable,
                               .timeout = on_timeout,
                               .close = on_close};
    bench_serve(&service);
}

static void connect_port(uint16_t port)
{
    peer_connect(port, 1000, 60000);
    first[port] = bench.iss;
}

static void quietly(uint16_t port, uint32_t seq, uint8_t flags,
                    const char *text)
{
    bench.iss = first[port];
    peer_send_quietly((struct peer_segment){.flags = flags,
                                            .seq = seq,
                                            .ack = 1,
                                            .window = 60000,
                                            .port = port,
                                            .data = text,
                                            .len = strlen(text)});
}

static void drain(void)
{
    struct peer_segment got;

    while (peer_receive(&got))
        continue;
}

static void test_accept_receive_close(void **state)
{
    (void)state;
    open_bench();
    connect_port(1);
    quietly(1, 1001, ACK, "x");
    bench_run();
    socket_close(sockets[1]);
    bench_run();
    assert_string_equal(calls, "a1 r1 c1");
    bench_close();
}

/* Everything before the thread runs: each event once, in order. */
static void test_events_coalesce(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    bench.relative = false;
    quietly(1, 1000, SYN, "");
    assert_true(peer_receive(&got));
    first[1] = got.seq;
    bench.relative = true;
    quietly(1, 1001, ACK, "");
    quietly(1, 1001, ACK, "abc");
    quietly(1, 1004, ACK, "def");
    quietly(1, 1007, FIN | ACK, "");
    assert_string_equal(calls, "");
    bench_run();
    assert_string_equal(calls, "a1 r1");
    bench_close();
}

static void read_some(struct socket *socket)
{
    char buf[2];

    assert_int_equal(socket_receive(socket, buf, 2), 2);
}

/* What is left unread is not announced again; new data are. */
static void test_receive_is_called_for_new_data_only(void **state)
{
    (void)state;
    open_bench();
    in_receive = read_some;
    connect_port(1);
    quietly(1, 1001, ACK, "abcdef");
    bench_run();
    bench_run();
    assert_string_equal(calls, "a1 r1");
    quietly(1, 1007, ACK, "g");
    bench_run();
    assert_string_equal(calls, "a1 r1 r1");
    bench_close();
}

static void test_receive_results(void **state)
{
    char buf[10];

    (void)state;
    open_bench();
    connect_port(1);
    assert_int_equal(socket_receive(sockets[1], buf, 10), -EAGAIN);
    assert_int_equal(socket_receive(sockets[1], buf, 0), -EINVAL);
    quietly(1, 1001, FIN | ACK, "abc");
    assert_int_equal(socket_receive(sockets[1], buf, 2), 2);
    assert_int_equal(socket_receive(sockets[1], buf, 10), 1);
    assert_int_equal(socket_receive(sockets[1], buf, 10), 0);
    assert_int_equal(socket_receive(sockets[1], buf, 10), 0);
    bench_run();
    bench_close();
}

static void test_results_after_close(void **state)
{
    struct socket *socket;
    char buf[10] = "";

    (void)state;
    open_bench();
    connect_port(1);
    socket = sockets[1];
    socket_close(socket);
    /* Valid until close() has been called. */
    assert_int_equal(socket_send(socket, buf, 1), -EPIPE);
    assert_int_equal(socket_receive(socket, buf, 1), 0);
    assert_int_equal(socket_send_room(socket), 0);
    assert_true(socket_has_input(socket));
    socket_close(socket);
    socket_abort(socket);
    bench_run();
    assert_string_equal(calls, "a1 c1");
    bench_close();
}

/* Who asks for the time and sends then does not make TCP read it again; once,
 * and unless the CPU has been given up between. */
static void test_time_is_read_once_for_what_is_sent(void **state)
{
    uint64_t told;

    (void)state;
    open_bench();
    connect_port(1);
    told = socket_time_ns(sockets[1]);
    assert_int_equal(told, bench.now);
    bench.now += NS_PER_MS;
    assert_int_equal(socket_send(sockets[1], "a", 1), 1);
    assert_int_equal(bench.stack->now, told);
    assert_int_equal(socket_send(sockets[1], "b", 1), 1);
    assert_int_equal(bench.stack->now, told + NS_PER_MS);
    (void)!socket_time_ns(sockets[1]);
    bench.now += NS_PER_MS;
    cpu_self()->switch_count++;
    assert_int_equal(socket_send(sockets[1], "c", 1), 1);
    assert_int_equal(bench.stack->now, told + 2 * NS_PER_MS);
    quietly(1, 1001, RST, "");
    assert_true(socket_time_ns(sockets[1]) > 0);
    bench_close();
}

/* Sockets are used on their CPU. */
static void test_calls_on_another_cpu(void **state)
{
    char buf[4] = "abc";

    (void)state;
    open_bench();
    connect_port(1);
    assert_false(socket_has_input(sockets[1]));
    quietly(1, 1001, ACK, "xyz");
    assert_true(socket_has_input(sockets[1]));
    sockets[1]->cpu = 1;
    assert_int_equal(socket_receive(sockets[1], buf, 3), -EXDEV);
    assert_int_equal(socket_send(sockets[1], buf, 3), -EXDEV);
    assert_int_equal(socket_lend(sockets[1], buf, 3, NULL, 0), -EXDEV);
    sockets[1]->cpu = 0;
    assert_int_equal(socket_receive(sockets[1], buf, 3), 3);
    assert_int_equal(socket_send(sockets[1], buf, 3), 3);
    assert_int_equal(socket_lend(sockets[1], buf, 3, NULL, 0), 3);
    quietly(1, 1004, RST, "");
    assert_int_equal(socket_lend(sockets[1], buf, 3, NULL, 0), -ECONNRESET);
    bench_close();
}

static void fill(struct socket *socket)
{
    static char text[TCP_SEND_BUFFER + 1];
    size_t room = socket_send_room(socket);

    assert_true(room > 0);
    assert_int_equal(socket_send(socket, text, sizeof(text)), room);
}

/* The peer acknowledges all bytes up to `end`, as they are sent. */
static void acknowledge(uint32_t end)
{
    uint32_t acked;
    const struct tcp_conn *conn = bench_conn(PEER_ADDRESS, 1, SERVICE_PORT);

    for (acked = conn->snd_una - first[1]; acked < end; drain()) {
        uint32_t sent = conn->snd_max - first[1];

        acked = sent < end ? sent : end;
        bench.iss = first[1];
        peer_send_quietly((struct peer_segment){.flags = ACK,
                                                .seq = conn->rcv_nxt,
                                                .ack = acked,
                                                .window = 60000,
                                                .port = 1});
    }
}

/* Room is told when a quarter of the buffer is free, once. */
static void test_writable_at_a_quarter(void **state)
{
    (void)state;
    open_bench();
    connect_port(1);
    fill(sockets[1]);
    acknowledge(TCP_SEND_BUFFER / 4);
    bench_run();
    assert_int_equal(socket_send_room(sockets[1]), TCP_SEND_BUFFER / 4 - 1);
    assert_string_equal(calls, "a1");
    for (uint32_t i = 1; i <= 3; i++) {
        acknowledge(TCP_SEND_BUFFER / 4 + i);
        bench_run();
    }
    assert_string_equal(calls, "a1 w1");
    bench_close();
}

/* An event waits while another callback uses the room it tells of: it is not
 * told now, and again when there is room again. */
static void test_writable_tells_of_room_that_is_there(void **state)
{
    (void)state;
    open_bench();
    connect_port(1);
    in_receive = fill;
    fill(sockets[1]);
    acknowledge(TCP_SEND_BUFFER / 4 + 3);
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1001,
                                    .ack = TCP_SEND_BUFFER / 4 + 3,
                                    .window = 60000,
                                    .port = 1,
                                    .data = "x",
                                    .len = 1});
    assert_int_equal(socket_send_room(sockets[1]), 0);
    assert_string_equal(calls, "a1 r1");
    acknowledge(TCP_SEND_BUFFER / 2 + 6);
    bench_run();
    assert_string_equal(calls, "a1 r1 w1");
    bench_close();
}

/* All that was taken fits; nothing is told when all was taken. */
static void test_send_takes_all_that_fits(void **state)
{
    static char text[TCP_SEND_BUFFER];

    (void)state;
    open_bench();
    connect_port(1);
    assert_int_equal(socket_send(sockets[1], text, 0), 0);
    assert_int_equal(socket_send(sockets[1], text, TCP_SEND_BUFFER),
                     TCP_SEND_BUFFER);
    bench.iss = first[1];
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 10001, .window = 60000, .port = 1});
    peer_send((struct peer_segment){.flags = RST, .seq = 1001, .port = 1});
    assert_string_equal(calls, "a1 c1");
    bench_close();
}

static void test_cookie_and_peer(void **state)
{
    struct net_endpoint ends[2];

    (void)state;
    open_bench();
    connect_port(7);
    assert_null(socket_cookie(sockets[7]));
    socket_set_cookie(sockets[7], calls);
    assert_ptr_equal(socket_cookie(sockets[7]), calls);
    ends[0] = socket_local(sockets[7]);
    ends[1] = socket_peer(sockets[7]);
    assert_int_equal(addr_ip4(&ends[0].addr), OUR_ADDRESS);
    assert_int_equal(ends[0].port, SERVICE_PORT);
    assert_int_equal(addr_ip4(&ends[1].addr), PEER_ADDRESS);
    assert_int_equal(ends[1].port, 7);
    bench_close();
}

/* Pending events die with socket_close(): only close() follows. */
static void test_nothing_after_close(void **state)
{
    (void)state;
    open_bench();
    connect_port(1);
    quietly(1, 1001, ACK, "data nobody will hear of");
    socket_close(sockets[1]);
    bench_run();
    assert_string_equal(calls, "a1 c1");
    bench_close();
}

static void close_it(struct socket *socket)
{
    socket_close(socket);
}

static void abort_it(struct socket *socket)
{
    socket_abort(socket);
}

static void test_close_in_every_callback(void **state)
{
    static const struct {
        const char *name;
        void (**where)(struct socket *);
        void (*what)(struct socket *);
        const char *want;
    } rows[] = {
        {"close in accept", &in_accept, close_it, "a1 c1"},
        {"abort in accept", &in_accept, abort_it, "a1 c1"},
        {"close in receive", &in_receive, close_it, "a1 r1 c1"},
        {"abort in receive", &in_receive, abort_it, "a1 r1 c1"},
        {"close in close", &in_close, close_it, "a1 r1 c1"},
        {"abort in close", &in_close, abort_it, "a1 r1 c1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        *rows[i].where = rows[i].what;
        print_message("row %s\n", rows[i].name);
        connect_port(1);
        quietly(1, 1001, ACK, "x");
        bench_run();
        if (rows[i].where == &in_close) {
            socket_close(sockets[1]);
            bench_run();
        }
        bench_run();
        assert_string_equal(calls, rows[i].want);
        bench_close();
    }
}

static void close_the_other(struct socket *socket)
{
    struct socket *other = sockets[socket_peer(socket).port ^ 3];

    if (other != NULL)
        socket_close(other);
}

/* A callback may close any other socket, whose events are already queued. */
static void test_callback_closes_another(void **state)
{
    (void)state;
    open_bench();
    in_receive = close_the_other;
    connect_port(1);
    connect_port(2);
    quietly(1, 1001, ACK, "x");
    quietly(2, 1001, ACK, "x");
    bench_run();
    assert_string_equal(calls, "a1 a2 r1 c2");
    bench_close();
}

static void test_sockets_take_turns(void **state)
{
    (void)state;
    open_bench();
    connect_port(1);
    connect_port(2);
    calls[0] = '\0';
    quietly(1, 1001, ACK, "x");
    quietly(2, 1001, ACK, "x");
    assert_true(server_dispatch(bench.server, 1));
    quietly(1, 1002, ACK, "x");
    assert_false(server_dispatch(bench.server, 2));
    assert_string_equal(calls, "r1 r2 r1");
    bench_close();
}

static void test_reset_before_accept_is_not_seen(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    bench.relative = false;
    quietly(1, 1000, SYN, "");
    assert_true(peer_receive(&got));
    first[1] = got.seq;
    bench.relative = true;
    quietly(1, 1001, ACK, "");
    quietly(1, 1001, RST, "");
    bench_run();
    assert_string_equal(calls, "");
    assert_int_equal(bench.server->conn_count, 0);
    bench_close();
}

static void test_reset_brings_close_only(void **state)
{
    (void)state;
    open_bench();
    connect_port(1);
    quietly(1, 1001, ACK, "unread");
    quietly(1, 1007, RST, "");
    bench_run();
    assert_string_equal(calls, "a1 c1");
    bench_close();
}

static void test_idle_connection_times_out(void **state)
{
    (void)state;
    open_bench();
    service.idle_ns = 5 * NS_PER_S;
    connect_port(1);
    bench_sleep(4 * NS_PER_S);
    quietly(1, 1001, ACK, "still here");
    bench_run();
    bench_sleep(4900 * NS_PER_MS);
    assert_string_equal(calls, "a1 r1");
    bench_sleep(200 * NS_PER_MS);
    assert_string_equal(calls, "a1 r1 t1");
    bench_sleep(5 * NS_PER_S); /* it did not close: once more */
    assert_string_equal(calls, "a1 r1 t1 t1");
    in_timeout = close_it;
    bench_sleep(5 * NS_PER_S);
    assert_string_equal(calls, "a1 r1 t1 t1 t1 c1");
    bench_close();
}

/* The peer's FIN is activity. */
static void test_idle_after_the_fin(void **state)
{
    (void)state;
    open_bench();
    service.idle_ns = 5 * NS_PER_S;
    connect_port(1);
    bench_sleep(4 * NS_PER_S);
    quietly(1, 1001, FIN | ACK, "");
    bench_sleep(5 * NS_PER_S - 1);
    assert_string_equal(calls, "a1 r1");
    bench_sleep(1);
    assert_string_equal(calls, "a1 r1 t1");
    bench_close();
}

static void send_without_memory(struct socket *socket)
{
    sockets[socket_peer(socket).port] = socket;
    bench.stack->budget.limit = bench.stack->budget.used;
    bench.stack->budget.lent_max = bench.stack->budget.lent;
    assert_int_equal(socket_send(socket, "x", 1), 0);
}

/* A service needs no callback but receive(). */
static void test_absent_callbacks(void **state)
{
    (void)state;
    open_bench();
    service.accept = NULL;
    service.writable = NULL;
    service.close = NULL;
    in_receive = send_without_memory;
    connect_port(1);
    quietly(1, 1001, ACK, "x");
    bench_run();
    bench.stack->budget.limit = 1 << 20;
    bench_sleep(10 * NS_PER_MS); /* it could write now */
    socket_close(sockets[1]);
    bench_run();
    assert_string_equal(calls, "r1");
    bench_close();
}

static void test_idle_without_callback_closes(void **state)
{
    (void)state;
    open_bench();
    service.idle_ns = 5 * NS_PER_S;
    service.timeout = NULL;
    connect_port(1);
    bench_sleep(6 * NS_PER_S);
    assert_string_equal(calls, "a1 c1");
    bench_close();
}

/* A slow download is not idle. */
static void test_acknowledgements_are_activity(void **state)
{
    static char text[50000];
    uint32_t ack = 1;

    (void)state;
    open_bench();
    service.idle_ns = 5 * NS_PER_S;
    connect_port(1);
    assert_true(socket_send(sockets[1], text, sizeof(text)) > 0);
    for (unsigned i = 0; i < 10; i++) {
        bench_sleep(3 * NS_PER_S);
        ack += 1000;
        peer_send((struct peer_segment){
            .flags = ACK, .seq = 1001, .ack = ack, .window = 3000, .port = 1});
        drain();
    }
    assert_string_equal(calls, "a1");
    bench_close();
}

static void test_server_create_checks(void **state)
{
    struct service other;
    struct server *server;

    (void)state;
    open_bench();
    other = service;
    assert_int_equal(server_create(bench.stack, &other, &server), -EADDRINUSE);
    other.port = 0;
    assert_int_equal(server_create(bench.stack, &other, &server), -EINVAL);
    other.port = 81;
    other.receive = NULL;
    assert_int_equal(server_create(bench.stack, &other, &server), -EINVAL);
    other.receive = on_receive;
    other.backlog = 65537;
    assert_int_equal(server_create(bench.stack, &other, &server), -EINVAL);
    bench_close();
}

static void test_two_services(void **state)
{
    static struct service second;
    struct server *server;
    struct peer_segment got;

    (void)state;
    open_bench();
    second = service;
    second.port = 81;
    assert_int_equal(server_create(bench.stack, &second, &server), 0);
    /* Not listening yet: its init() has not returned. */
    peer_send((struct peer_segment){.flags = SYN, .target = 81});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, RST | ACK);
    server->is_listening = true;
    peer_send((struct peer_segment){.flags = SYN, .target = 81});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.target, 81);
    tcp_fini(bench.stack);
    server_destroy(server);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_receive_close),
        cmocka_unit_test(test_events_coalesce),
        cmocka_unit_test(test_receive_is_called_for_new_data_only),
        cmocka_unit_test(test_receive_results),
        cmocka_unit_test(test_time_is_read_once_for_what_is_sent),
        cmocka_unit_test(test_results_after_close),
        cmocka_unit_test(test_cookie_and_peer),
        cmocka_unit_test(test_calls_on_another_cpu),
        cmocka_unit_test(test_writable_at_a_quarter),
        cmocka_unit_test(test_writable_tells_of_room_that_is_there),
        cmocka_unit_test(test_send_takes_all_that_fits),
        cmocka_unit_test(test_nothing_after_close),
        cmocka_unit_test(test_close_in_every_callback),
        cmocka_unit_test(test_callback_closes_another),
        cmocka_unit_test(test_sockets_take_turns),
        cmocka_unit_test(test_reset_before_accept_is_not_seen),
        cmocka_unit_test(test_reset_brings_close_only),
        cmocka_unit_test(test_idle_connection_times_out),
        cmocka_unit_test(test_idle_after_the_fin),
        cmocka_unit_test(test_absent_callbacks),
        cmocka_unit_test(test_idle_without_callback_closes),
        cmocka_unit_test(test_acknowledgements_are_activity),
        cmocka_unit_test(test_server_create_checks),
        cmocka_unit_test(test_two_services),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
