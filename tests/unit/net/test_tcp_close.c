/* Ends of connections: RFC 9293, 3.6 and figure 5; RFC 1122, 1337, 5961. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct socket *sock;
static int closed, received;
static int64_t last_read;
static char text[5000];

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    sock = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    char buf[100];

    (void)service;
    received++;
    do
        last_read = socket_receive(socket, buf, sizeof(buf));
    while (last_read > 0);
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    closed++;
    if (socket == sock)
        sock = NULL;
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = on_accept,
                                 .receive = on_receive,
                                 .close = on_close};

static void open_connection(void)
{
    bench_open(64);
    bench_serve(&service);
    closed = received = 0;
    memset(text, 't', sizeof(text));
    peer_connect(PEER_PORT, 1000, 60000);
    peer_expect_nothing();
}

static enum tcp_state state_of(uint16_t port)
{
    struct tcp_conn *conn =
        conn_find(bench.stack, PEER_ADDRESS, port, SERVICE_PORT);

    return conn == NULL ? TCP_CLOSED : conn->state;
}

static void say(uint32_t seq, uint32_t ack, uint8_t flags)
{
    peer_send((struct peer_segment){
        .flags = flags, .seq = seq, .ack = ack, .window = 60000});
}

static void close_ours(void)
{
    socket_close(sock);
    bench_run();
}

static void test_peer_closes_first(void **state)
{
    (void)state;
    open_connection();
    say(1001, 1, FIN | ACK);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1002});
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSE_WAIT);
    assert_int_equal(last_read, 0);
    assert_int_equal(closed, 0);
    assert_int_equal(socket_send(sock, text, 10), 10); /* half closed */
    peer_expect({.flags = ACK, .seq = 1, .ack = 1002, .len = 10});
    close_ours();
    assert_int_equal(closed, 1);
    peer_expect({.flags = FIN | ACK, .seq = 11, .ack = 1002});
    assert_int_equal(state_of(PEER_PORT), TCP_LAST_ACK);
    say(1002, 12, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    assert_int_equal(bench.stack->conn_count, 0);
    peer_expect_nothing();
    bench_close();
}

static void test_we_close_first(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    assert_int_equal(closed, 1);
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_1);
    say(1001, 2, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_2);
    say(1001, 2, FIN | ACK);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002});
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    assert_int_equal(bench.server->conn_count, 0);
    bench_sleep(59 * NS_PER_S);
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_sleep(2 * NS_PER_S);
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    peer_expect_nothing();
    bench_close();
}

static void test_fin_and_ack_in_one(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    say(1001, 2, FIN | ACK);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002});
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_close();
}

static void test_both_close_at_once(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    say(1001, 1, FIN | ACK); /* has not seen ours */
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002});
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSING);
    say(1002, 2, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_close();
}

static void test_fin_follows_the_data(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(sock, text, 1500), 1500);
    close_ours();
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 1000});
    peer_expect({.flags = ACK, .seq = 1001, .ack = 1001, .len = 500});
    peer_expect({.flags = FIN | ACK, .seq = 1501, .ack = 1001});
    say(1001, 1502, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_2);
    bench_close();
}

static void test_fin_waits_for_the_window(void **state)
{
    (void)state;
    open_connection();
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .window = 1000});
    assert_int_equal(socket_send(sock, text, 1500), 1500);
    close_ours();
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 1000});
    peer_expect_nothing();
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1001, .window = 1000});
    peer_expect({.flags = FIN | ACK, .seq = 1001, .ack = 1001, .len = 500});
    bench_close();
}

static void test_lost_fin_is_sent_again(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    bench_sleep(200 * NS_PER_MS);
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    say(1001, 2, FIN | ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_close();
}

static void test_lost_last_ack_is_repeated(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    say(1001, 2, FIN | ACK);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002});
    bench_sleep(30 * NS_PER_S);
    say(1001, 2, FIN | ACK);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002});
    bench_sleep(40 * NS_PER_S); /* the wait began anew */
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_close();
}

static void to_time_wait(uint16_t port)
{
    struct peer_segment got;

    peer_connect(port, 1000, 60000);
    close_ours();
    peer_send((struct peer_segment){
        .flags = FIN | ACK, .seq = 1001, .ack = 2, .port = port});
    while (peer_receive(&got))
        continue;
    assert_int_equal(state_of(port), TCP_TIME_WAIT);
}

/* RFC 1122, 4.2.2.13 (a newer SYN), RFC 1337 (a reset). */
static void test_time_wait_can_be_reused(void **state)
{
    (void)state;
    open_connection();
    to_time_wait(7);
    peer_send((struct peer_segment){.flags = RST, .seq = 1002, .port = 7});
    assert_int_equal(state_of(7), TCP_TIME_WAIT);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = 500, .port = 7});
    assert_int_equal(state_of(7), TCP_TIME_WAIT); /* an old one */
    bench_sleep(NS_PER_S);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    peer_connect(7, 5000, 60000);
    assert_int_equal(state_of(7), TCP_ESTABLISHED);
    assert_int_equal(bench.stack->time_wait_count, 0);
    bench_close();
}

static void test_time_waits_are_bounded(void **state)
{
    (void)state;
    open_connection();
    bench.stack->time_wait_max = 10;
    for (uint16_t port = 1; port <= 30; port++)
        to_time_wait(port);
    assert_int_equal(bench.stack->time_wait_count, 10);
    assert_int_equal(state_of(20), TCP_CLOSED);
    assert_int_equal(state_of(21), TCP_TIME_WAIT);
    bench_close();
}

static void test_reset_ends_it(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(sock, text, 100), 100);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 100});
    peer_send_quietly((struct peer_segment){.flags = RST, .seq = 1001});
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    /* The socket stays valid until close() was called. */
    assert_int_equal(socket_send(sock, text, 1), -ECONNRESET);
    assert_int_equal(socket_receive(sock, text, 1), -ECONNRESET);
    assert_int_equal(socket_send_room(sock), 0);
    assert_int_equal(closed, 0);
    bench_run();
    assert_int_equal(closed, 1);
    peer_expect_nothing();
    bench_close();
}

static void test_abort_resets(void **state)
{
    (void)state;
    open_connection();
    socket_abort(sock);
    peer_expect({.flags = RST | ACK, .seq = 1, .ack = 1001});
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    assert_int_equal(closed, 0);
    bench_run();
    assert_int_equal(closed, 1);
    bench_close();
}

/* What comes after close() is taken and forgotten, up to a limit. */
static void test_data_after_close_is_forgotten(void **state)
{
    uint32_t seq = 1001;
    struct peer_segment got;

    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    peer_send((struct peer_segment){
        .flags = ACK, .seq = seq, .ack = 2, .data = text, .len = 1000});
    peer_expect({.flags = ACK, .seq = 2, .ack = 2001});
    for (unsigned i = 1; i < 300 && state_of(PEER_PORT) != TCP_CLOSED; i++) {
        seq += 1000;
        peer_send((struct peer_segment){
            .flags = ACK, .seq = seq, .ack = 2, .data = text, .len = 1000});
        while (peer_receive(&got))
            continue;
    }
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    assert_int_equal(got.flags & RST, RST);
    assert_in_range(seq, 250000, 270000);
    assert_int_equal(received, 0);
    bench_close();
}

/* A peer that never closes its side, and one that never takes our data. */
static void test_orphans_do_not_last(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    say(1001, 2, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_2);
    bench_sleep(61 * NS_PER_S);
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    peer_connect(2, 1000, 1000);
    assert_int_equal(socket_send(sock, text, 3000), 3000);
    close_ours();
    for (unsigned i = 0; i < 70; i++) {
        peer_send((struct peer_segment){
            .flags = ACK, .seq = 1001, .ack = 1001, .window = 0, .port = 2});
        bench_sleep(NS_PER_S);
    }
    assert_int_equal(state_of(2), TCP_CLOSED);
    assert_int_equal(bench.server->conn_count, 0);
    bench_close();
}

static void test_memory_comes_back(void **state)
{
    struct mem_stats before, after;

    (void)state;
    open_connection();
    bench.stack->time_wait_max = 4;
    for (uint16_t port = 1; port <= 8; port++)
        to_time_wait(port);
    mem_get_stats(&before);
    for (uint16_t port = 100; port < 400; port++)
        to_time_wait(port);
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
    assert_int_equal(bench.stack->budget.used, 0);
    bench_close();
}

/* Every flag combination in every state: no crash, no leak, and the segment
 * that comes back, if any, is well formed (peer_receive() looks). */
static void test_all_flags_in_all_states(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < 6; stage++) {
        open_connection();
        for (unsigned flags = 0; flags < 64; flags++) {
            uint16_t port = (uint16_t)(100 + flags);
            struct peer_segment got;

            peer_connect(port, 1000, 60000);
            if (stage == 1 || stage == 5)
                say(1001, 1, FIN | ACK);
            if (stage >= 2)
                socket_close(sock);
            bench_run();
            if (stage >= 3)
                peer_send((struct peer_segment){
                    .flags = ACK, .seq = 1001, .ack = 2, .port = port});
            if (stage == 4)
                peer_send((struct peer_segment){
                    .flags = ACK | FIN, .seq = 1001, .ack = 2, .port = port});
            peer_send((struct peer_segment){.flags = (uint8_t)flags,
                                            .seq = 1001,
                                            .ack = 1,
                                            .port = port,
                                            .data = "xyz",
                                            .len = flags % 3});
            while (peer_receive(&got))
                continue;
        }
        bench_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_closes_first),
        cmocka_unit_test(test_we_close_first),
        cmocka_unit_test(test_fin_and_ack_in_one),
        cmocka_unit_test(test_both_close_at_once),
        cmocka_unit_test(test_fin_follows_the_data),
        cmocka_unit_test(test_fin_waits_for_the_window),
        cmocka_unit_test(test_lost_fin_is_sent_again),
        cmocka_unit_test(test_lost_last_ack_is_repeated),
        cmocka_unit_test(test_time_wait_can_be_reused),
        cmocka_unit_test(test_time_waits_are_bounded),
        cmocka_unit_test(test_reset_ends_it),
        cmocka_unit_test(test_abort_resets),
        cmocka_unit_test(test_data_after_close_is_forgotten),
        cmocka_unit_test(test_orphans_do_not_last),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_all_flags_in_all_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
