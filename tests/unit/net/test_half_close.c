/* One side has ended and the other goes on: RFC 9293, 3.6; RFC 1122, 4.2.2.13.
 * Both by socket_shutdown(), before the socket is closed. */
#include "net/tcp/conn.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/socket.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { PORT = 7, IRS = 1000 };

static struct socket *sock;

/* A connection that a thread's socket has, or a service's. */
static void open_bench(void)
{
    const struct net_endpoint local = {.port = SERVICE_PORT};
    struct socket *listener;

    bench_open(64);
    assert_int_equal(socket_open_tcp(&listener), 0);
    assert_int_equal(socket_bind(listener, &local), 0);
    assert_int_equal(socket_listen(listener, 0), 0);
    peer_connect(PORT, IRS, 60000);
    assert_int_equal(socket_accept(listener, &sock, 0), 0);
    socket_close(listener);
}

static void peer_says(uint8_t flags, uint32_t seq, uint32_t ack,
                      const char *text)
{
    peer_send((struct peer_segment){.flags = flags | ACK,
                                    .seq = IRS + seq,
                                    .ack = ack,
                                    .window = 60000,
                                    .port = PORT,
                                    .data = text,
                                    .len = strlen(text)});
}

static unsigned state_now(void)
{
    return bench_state(PEER_ADDRESS, PORT, SERVICE_PORT);
}

static void expect_text(const char *text)
{
    char buf[32];
    int64_t len = socket_receive(sock, buf, sizeof(buf));

    assert_int_equal(len, strlen(text));
    assert_memory_equal(buf, text, (size_t)len);
    bench_check();
}

/* We end first, and still receive; the FIN follows what is queued. */
static void test_we_end_first(void **state)
{
    (void)state;
    open_bench();
    assert_int_equal(socket_send(sock, "bye", 3), 3);
    assert_int_equal(socket_shutdown(sock), 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = IRS + 1, .len = 3});
    peer_expect({.flags = FIN | ACK, .seq = 4, .ack = IRS + 1});
    assert_int_equal(socket_shutdown(sock), 0); /* again: nothing */
    peer_expect_nothing();
    assert_int_equal(socket_send(sock, "x", 1), -EPIPE);
    assert_int_equal(socket_write(sock, "x", 1, TIME_NEVER), -EPIPE);
    assert_int_equal(socket_send_room(sock), 0);
    peer_says(0, 1, 1, "one");
    assert_int_equal(state_now(), TCP_FIN_WAIT_1);
    expect_text("one");
    peer_says(0, 4, 5, "two");
    assert_int_equal(state_now(), TCP_FIN_WAIT_2);
    expect_text("two");
    bench_sleep(3600 * NS_PER_S); /* as long as the peer wants */
    assert_int_equal(state_now(), TCP_FIN_WAIT_2);
    peer_says(FIN, 7, 5, "end");
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    /* What came last can still be read. */
    expect_text("end");
    expect_text("");
    assert_int_equal(bench.stack->time_wait_count, 0);
    socket_close(sock);
    bench_check();
    assert_int_equal(bench.stack->time_wait_count, 1);
    bench_sleep(61 * NS_PER_S);
    assert_int_equal(state_now(), TCP_CLOSED);
    bench_close();
}

/* So long it answers as one without a socket does. */
static void test_time_wait_of_a_reader_answers(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    assert_int_equal(socket_shutdown(sock), 0);
    peer_says(FIN, 1, 2, "end");
    while (peer_receive(&got))
        continue;
    peer_send(
        (struct peer_segment){.flags = RST, .seq = IRS + 5, .port = PORT});
    peer_expect_nothing();
    bench_sleep(59 * NS_PER_S);
    peer_says(FIN, 1, 2, "end"); /* anew */
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, ACK);
    assert_int_equal(got.ack, IRS + 5);
    expect_text("end");
    bench_sleep(59 * NS_PER_S);
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    peer_says(0, 9, 2, "x");
    assert_true(peer_receive(&got));
    assert_int_equal(got.ack, IRS + 5);
    bench_sleep(NS_PER_S);
    assert_int_equal(state_now(), TCP_CLOSED);
    bench_close();
}

/* A socket in TIME-WAIT that nobody reads keeps its data; once it is read, it
 * ends when the time is over. */
static void test_time_wait_waits_for_the_reader(void **state)
{
    (void)state;
    open_bench();
    assert_int_equal(socket_shutdown(sock), 0);
    peer_says(FIN, 1, 2, "end");
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    bench_sleep(100 * NS_PER_S);
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    expect_text("end");
    bench_sleep(60 * NS_PER_S);
    assert_int_equal(state_now(), TCP_CLOSED);
    expect_text("");
    assert_int_equal(socket_send(sock, "x", 1), -EPIPE);
    socket_close(sock);
    bench_close();
}

/* A new connection of the same ports does not take away what is unread. */
static void test_time_wait_with_data_is_not_replaced(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    assert_int_equal(socket_shutdown(sock), 0);
    peer_says(FIN, 1, 2, "end");
    while (peer_receive(&got))
        continue;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = IRS + 5000, .port = PORT, .window = 1000});
    peer_expect({.flags = ACK, .seq = 2, .ack = IRS + 5});
    expect_text("end");
    peer_send((struct peer_segment){
        .flags = SYN, .seq = IRS + 5000, .port = PORT, .window = 1000});
    assert_int_equal(state_now(), TCP_CLOSED); /* nobody listens any more */
    expect_text("");
    socket_close(sock);
    bench_close();
}

/* Both at the same time: CLOSING. */
static void test_both_end(void **state)
{
    (void)state;
    open_bench();
    assert_int_equal(socket_shutdown(sock), 0);
    peer_says(FIN, 1, 1, "x");
    assert_int_equal(state_now(), TCP_CLOSING);
    peer_says(0, 3, 2, "");
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    expect_text("x");
    expect_text("");
    socket_abort(sock);
    assert_int_equal(state_now(), TCP_CLOSED);
    bench_close();
}

/* The peer ends first; we go on, end, and read the rest last of all. */
static void test_the_peer_ends_first(void **state)
{
    (void)state;
    open_bench();
    peer_says(FIN, 1, 1, "rest");
    assert_int_equal(state_now(), TCP_CLOSE_WAIT);
    assert_int_equal(socket_send(sock, "abc", 3), 3);
    assert_int_equal(socket_shutdown(sock), 0);
    assert_int_equal(state_now(), TCP_LAST_ACK);
    bench_check();
    peer_says(0, 6, 5, "");
    assert_int_equal(state_now(), TCP_LAST_ACK); /* unread */
    bench_sleep(600 * NS_PER_S);
    expect_text("rest");
    assert_int_equal(state_now(), TCP_CLOSED);
    expect_text("");
    socket_close(sock);
    bench_close();
}

static void test_last_ack_closed_unread(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    peer_says(FIN, 1, 1, "rest");
    assert_int_equal(socket_shutdown(sock), 0);
    peer_says(0, 6, 2, "");
    while (peer_receive(&got))
        continue;
    socket_close(sock);
    peer_expect_nothing(); /* the peer has ended: no reset */
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* Closed after socket_shutdown(): an orphan as any other. */
static void test_closed_in_between(void **state)
{
    struct peer_segment got;

    (void)state;
    open_bench();
    assert_int_equal(socket_shutdown(sock), 0);
    peer_says(0, 1, 2, "");
    assert_int_equal(state_now(), TCP_FIN_WAIT_2);
    while (peer_receive(&got))
        continue;
    socket_close(sock);
    peer_expect_nothing();
    assert_int_equal(bench.stack->orphan_count, 1);
    bench_check();
    peer_says(FIN, 1, 2, "dropped");
    assert_int_equal(state_now(), TCP_TIME_WAIT);
    assert_int_equal(bench.stack->time_wait_count, 1);
    bench_close();
}

/* ---- A service that does so ---------------------------------------------- */

static struct socket *served;
static unsigned ends, closes;
static char text[32];

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    served = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    int64_t len;

    (void)service;
    while ((len = socket_receive(socket, text, sizeof(text))) > 0)
        text[len] = '\0';
    ends += len == 0;
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    closes++;
}

static void test_a_service_shuts_down(void **state)
{
    static struct service service = {.port = SERVICE_PORT,
                                     .idle_ns = 10 * NS_PER_S,
                                     .accept = on_accept,
                                     .receive = on_receive,
                                     .close = on_close};

    (void)state;
    ends = closes = 0;
    bench_open(64);
    bench_serve(&service);
    peer_connect(PORT, IRS, 60000);
    assert_int_equal(socket_shutdown(served), 0);
    assert_int_equal(bench.server->conn_count, 1); /* it still counts */
    peer_says(0, 1, 2, "data");
    assert_string_equal(text, "data");
    peer_says(FIN, 5, 2, "");
    assert_int_equal(ends, 1);
    assert_int_equal(closes, 0);
    assert_int_equal(bench.server->conn_count, 1);
    bench_sleep(11 * NS_PER_S); /* no timeout(): it is closed */
    assert_int_equal(closes, 1);
    assert_int_equal(bench.server->conn_count, 0);
    assert_int_equal(bench.stack->time_wait_count, 1);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_we_end_first),
        cmocka_unit_test(test_time_wait_of_a_reader_answers),
        cmocka_unit_test(test_time_wait_waits_for_the_reader),
        cmocka_unit_test(test_time_wait_with_data_is_not_replaced),
        cmocka_unit_test(test_both_end),
        cmocka_unit_test(test_the_peer_ends_first),
        cmocka_unit_test(test_last_ack_closed_unread),
        cmocka_unit_test(test_closed_in_between),
        cmocka_unit_test(test_a_service_shuts_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
