/* Ends of connections: RFC 9293, 3.6 and figure 5; RFC 1122, 1337, 5961. */
#include "net/arp.h"
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
static int64_t closed_with; /* what a read in close() returned */
static char text[50000];

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
    char buf[1];

    (void)service;
    closed++;
    closed_with = socket_receive(socket, buf, sizeof(buf));
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
    return bench_state(PEER_ADDRESS, port, SERVICE_PORT);
}

static void say(uint32_t seq, uint32_t ack, uint8_t flags)
{
    peer_send((struct peer_segment){
        .flags = flags, .seq = seq, .ack = ack, .window = 60000});
}

/* The end goes with the last data, and full segments do not wait for it. */
static void test_end_with_the_last_data(void **state)
{
    (void)state;
    open_connection();
    socket_hold(sock);
    assert_int_equal(socket_send(sock, text, 700), 700);
    peer_expect_nothing();
    assert_int_equal(socket_send(sock, text, 800), 800);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 1000});
    peer_expect_nothing();
    say(1001, 1001, ACK); /* and acknowledgements do not let it go */
    peer_expect_nothing();
    socket_close(sock);
    bench_run();
    peer_expect({.flags = FIN | ACK, .seq = 1001, .ack = 1001, .len = 500});
    peer_expect_nothing();
    say(1001, 1502, FIN | ACK);
    peer_expect({.flags = ACK, .seq = 1502, .ack = 1002});
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_close();
}

/* Held back, and nothing is in flight: what was closed meanwhile answers. */
static void test_hold_of_what_is_over(void **state)
{
    (void)state;
    open_connection();
    socket_hold(sock);
    assert_int_equal(socket_send(sock, text, 10), 10);
    say(1001, 1, RST);
    assert_null(sock);
    bench_close();
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

/* What is sent again early: the FIN goes with the last of the data only. */
static void test_lost_data_before_the_fin(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(sock, text, 3500), 3500);
    close_ours();
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    for (unsigned i = 0; i < 3; i++)
        say(1001, 1, ACK);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 1000});
    say(1001, 3001, ACK);
    peer_expect({.flags = FIN | ACK, .seq = 3001, .ack = 1001, .len = 500});
    say(1001, 3501, ACK);
    peer_expect({.flags = FIN | ACK, .seq = 3501, .ack = 1001});
    peer_expect_nothing();
    say(1001, 3502, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_2);
    bench_close();
}

/* A probe that takes the last byte takes the FIN, too. */
static void test_probe_with_the_fin(void **state)
{
    (void)state;
    open_connection();
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 1});
    assert_int_equal(socket_send(sock, text, 2), 2);
    close_ours();
    peer_expect_nothing();
    bench_sleep(200 * NS_PER_MS);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 1});
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 2});
    bench_sleep(400 * NS_PER_MS);
    peer_expect({.flags = FIN | ACK, .seq = 2, .ack = 1001, .len = 1});
    say(1001, 4, ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_2);
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

/* close() can ask for the reason. */
static void test_reasons_of_the_end(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(sock, text, 100), 100);
    bench_sleep(200 * NS_PER_S);
    assert_int_equal(closed_with, -ETIMEDOUT);
    bench_close();

    open_connection();
    say(1001, 1, RST);
    assert_int_equal(closed_with, -ECONNRESET);
    bench_close();

    open_connection();
    close_ours();
    assert_int_equal(closed_with, 0);
    bench_close();

    open_connection(); /* the stack goes */
    bench_close();
    assert_int_equal(closed_with, -ECONNRESET);
}

/* The card is full; a connection that waits for it ends. */
static void test_end_while_the_card_is_full(void **state)
{
    (void)state;
    open_connection();
    bench.net.is_full = true;
    while (!stack_tx_full(bench.stack))
        arp_announce(bench.stack);
    assert_int_equal(socket_send(sock, text, 100), 100);
    assert_false(list_empty(&bench.stack->blocked));
    socket_abort(sock);
    assert_true(list_empty(&bench.stack->blocked));
    bench_run();
    bench.net.is_full = false;
    bench_sleep(NS_PER_S);
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* The same for one whose last segments come in one poll with those that let it
 * go on. */
static void test_time_wait_while_the_card_is_full(void **state)
{
    static uint8_t frame[FAKENET_FRAME_MAX];
    struct peer_segment segment = {
        .flags = ACK, .seq = 1001, .ack = 1, .window = 60000};

    (void)state;
    open_connection();
    bench.net.is_full = true;
    while (!stack_tx_full(bench.stack))
        arp_announce(bench.stack);
    close_ours();
    assert_false(list_empty(&bench.stack->blocked));
    bench.net.is_full = false;
    while (stack_tx_full(bench.stack)) { /* room, and nobody was told */
        packet_put(container_of(queue_pop(&bench.stack->tx_queue),
                                struct packet, node));
        bench.stack->tx_queued--;
    }
    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
    segment.flags = FIN | ACK;
    segment.ack = 2;
    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
    bench_poll();
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    assert_true(list_empty(&bench.stack->blocked));
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
    for (unsigned i = 1; i < 70000 && state_of(PEER_PORT) != TCP_CLOSED; i++) {
        seq += 1000;
        peer_send((struct peer_segment){
            .flags = ACK, .seq = seq, .ack = 2, .data = text, .len = 1000});
        while (peer_receive(&got))
            continue;
    }
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    assert_int_equal(got.flags & RST, RST);
    assert_in_range(seq, (64 << 20) - 1000, (64 << 20) + 2000);
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

static void check_ends_after(uint64_t ns)
{
    bench_sleep(ns - 1);
    assert_true(state_of(PEER_PORT) != TCP_CLOSED);
    bench_sleep(1);
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

/* When connections that the service has closed end, to the nanosecond. */
static void test_orphans_end_on_time(void **state)
{
    struct peer_segment got;

    (void)state;
    open_connection(); /* the peer does not close: 60 s after it took our FIN */
    close_ours();
    bench_sleep(100 * NS_PER_MS);
    say(1001, 2, ACK);
    check_ends_after(60 * NS_PER_S);
    bench_close();

    open_connection(); /* nothing is acknowledged: 60 s after the close */
    assert_int_equal(socket_send(sock, text, 1000), 1000);
    close_ours();
    check_ends_after(60 * NS_PER_S);
    assert_int_equal(bench.stack->stats.tcp_timeouts, 1);
    bench_close();

    open_connection(); /* a byte now and then is not enough */
    assert_int_equal(socket_send(sock, text, 1000), 1000);
    close_ours();
    bench_sleep(20 * NS_PER_S);
    say(1001, 501, ACK);
    while (peer_receive(&got))
        continue;
    check_ends_after(40 * NS_PER_S);
    bench_close();
}

/* A peer that takes 16 KiB in a minute goes on; with a byte less it does not.
 */
static void test_orphan_of_a_slow_reader(void **state)
{
    static const struct {
        uint32_t acked;
        uint64_t end_ns; /* from the close on */
    } rows[] = {{16 * 1024 - 1, 60 * NS_PER_S}, {16 * 1024, 110 * NS_PER_S}};
    struct peer_segment got;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tcp_conn *conn;
        uint64_t begin;

        open_connection();
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        conn->cwnd = 60000;
        conn->sent_ms = (uint32_t)(bench.now / NS_PER_MS);
        assert_int_equal(socket_send(sock, text, 50000), 50000);
        close_ours();
        begin = bench.now;
        bench_sleep(50 * NS_PER_S);
        assert_true(state_of(PEER_PORT) != TCP_CLOSED);
        say(1001, 1 + rows[i].acked, ACK);
        while (peer_receive(&got))
            continue;
        check_ends_after(rows[i].end_ns - (bench.now - begin));
        bench_close();
    }
}

/* What the service has closed takes no place of it, and there are not many. */
static void test_orphans_take_no_place(void **state)
{
    (void)state;
    open_connection();
    bench.server->backlog = 1;
    bench.stack->orphan_max = 3;
    for (uint16_t port = PEER_PORT; port < PEER_PORT + 3; port++) {
        close_ours();
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        peer_connect((uint16_t)(port + 1), 1000, 1000);
        assert_int_equal(bench.server->conn_count, 1);
    }
    assert_int_equal(bench.stack->orphan_count, 3);
    assert_int_equal(bench.stack->stats.tcp_timeouts, 0);
    close_ours(); /* a fourth: the first one goes */
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    assert_int_equal(state_of(PEER_PORT + 1), TCP_FIN_WAIT_1);
    assert_int_equal(bench.stack->orphan_count, 3);
    assert_int_equal(bench.stack->stats.tcp_timeouts, 1);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    bench_close();
}

/* RFC 9293, 3.6.1: our numbers begin behind those of the old connection. */
static void test_new_numbers_are_behind_the_old(void **state)
{
    static const uint32_t ahead[] = {0, 1000, 1u << 20, 1u << 30};
    struct peer_segment got;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ahead); i++) {
        struct tcp_wait *wait;
        uint32_t last;

        open_connection();
        to_time_wait(7);
        wait = bench_wait(PEER_ADDRESS, 7, SERVICE_PORT);
        wait->snd_max += ahead[i]; /* so much was sent, and fast */
        last = wait->snd_max;
        bench.relative = false;
        bench.server->half_open_max = 1; /* and no cookie */
        peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 8});
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        peer_send((struct peer_segment){
            .flags = SYN, .seq = 5000000, .port = 7, .window = 1000});
        assert_true(peer_receive(&got));
        assert_int_equal(got.flags, SYN | ACK);
        assert_true((int32_t)(got.seq - last) > 0);
        assert_int_equal(state_of(8), TCP_CLOSED);
        bench_close();
    }
}

/* It takes the place of the half-open connection that has waited longest: of
 * those whose SYN-ACK was sent most often the first. */
static void test_new_connection_takes_the_place_of_the_oldest(void **state)
{
    (void)state;
    open_connection();
    for (uint16_t port = 5; port <= 7; port++)
        to_time_wait(port);
    bench.relative = false;
    bench.server->half_open_max = 4;
    for (uint16_t port = 8; port <= 11; port++) {
        peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = port});
        bench_sleep(NS_PER_S * 6 / 10); /* 8 and 9 are answered again */
    }
    assert_int_equal(bench_half(PEER_ADDRESS, 9, SERVICE_PORT)->tries, 1);
    assert_int_equal(bench_half(PEER_ADDRESS, 10, SERVICE_PORT)->tries, 1);
    assert_int_equal(bench_half(PEER_ADDRESS, 11, SERVICE_PORT)->tries, 0);
    for (uint16_t port = 5; port <= 7; port++) {
        peer_send((struct peer_segment){
            .flags = SYN, .seq = 5000000, .port = port, .window = 1000});
        assert_int_equal(state_of(port), TCP_SYN_RECEIVED);
        assert_int_equal(bench.server->half_open_count, 4);
        for (uint16_t i = 8; i <= 11; i++)
            assert_int_equal(state_of(i),
                             i <= port + 3 ? TCP_CLOSED : TCP_SYN_RECEIVED);
    }
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    bench_close();
}

/* RFC 9293, 3.10.7.4: the peer's own FIN again, and nothing else. */
static void test_fins_in_time_wait(void **state)
{
    static const struct {
        const char *name;
        uint32_t seq, ack;
        uint8_t flags;
        bool restarts;
    } rows[] = {
        {"the FIN again", 1001, 2, FIN | ACK, true},
        {"another number", 1000, 2, FIN | ACK, false},
        {"behind it", 1002, 2, FIN | ACK, false},
        {"another acknowledgement", 1001, 1, FIN | ACK, false},
        {"no acknowledgement", 1001, 2, FIN, false},
        {"with SYN", 1001, 2, FIN | ACK | SYN, false},
        {"no FIN", 1001, 2, ACK, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection();
        print_message("row %s\n", rows[i].name);
        close_ours();
        say(1001, 2, FIN | ACK);
        assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
        bench_sleep(30 * NS_PER_S);
        say(rows[i].seq, rows[i].ack, rows[i].flags);
        bench_sleep(31 * NS_PER_S);
        assert_int_equal(state_of(PEER_PORT) == TCP_TIME_WAIT,
                         rows[i].restarts);
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        bench_close();
    }
}

/* TIME-WAIT lasts 60 s, from the last FIN on. */
static void test_time_wait_ends_on_time(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    say(1001, 2, FIN | ACK);
    check_ends_after(60 * NS_PER_S);
    assert_int_equal(bench.stack->stats.tcp_timeouts, 0);
    bench_close();

    open_connection();
    close_ours();
    say(1001, 2, FIN | ACK);
    bench_sleep(30 * NS_PER_S);
    say(1001, 2, FIN | ACK);
    bench_sleep(10 * NS_PER_S);
    say(1002, 2, ACK); /* no FIN: it does not begin anew */
    check_ends_after(50 * NS_PER_S);
    bench_close();
}

static struct packet *held[4096];

/* A segment for which there is a packet, but none for its answer. */
static void say_without_packets(struct peer_segment segment)
{
    static uint8_t frame[FAKENET_FRAME_MAX];
    unsigned count = 0;

    fakenet_inject(&bench.net, frame, peer_frame(frame, &segment));
    while ((held[count] = packet_get()) != NULL)
        count++;
    packet_put(held[--count]);
    bench_run();
    while (count > 0)
        packet_put(held[--count]);
}

/* The last acknowledgement finds no packet: the peer sends its FIN again. */
static void test_time_wait_without_packets(void **state)
{
    struct peer_segment fin = {.flags = FIN | ACK, .seq = 1001, .ack = 2};

    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    say(1001, 2, ACK);
    say_without_packets(fin);
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    bench_sleep(NS_PER_S);
    peer_expect_nothing();
    peer_send(fin);
    peer_expect({.flags = ACK, .seq = 2, .ack = 1002});
    bench_close();
}

/* The reset after too many data finds no packet: that is all. */
static void test_last_byte_without_packets(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    peer_expect({.flags = FIN | ACK, .seq = 1, .ack = 1001});
    bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT)->discarded =
        TCP_DISCARD_MAX;
    say_without_packets((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 2, .data = text, .len = 1});
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    peer_expect_nothing();
    bench_close();
}

/* A challenge each 50 ms. */
static void test_challenges_wait(void **state)
{
    (void)state;
    open_connection();
    say(1002, 1, RST);
    assert_int_equal(bench.stack->stats.tcp_challenges, 1);
    bench_sleep(50 * NS_PER_MS - 1);
    say(1002, 1, RST);
    assert_int_equal(bench.stack->stats.tcp_challenges, 1);
    bench_sleep(1);
    say(1002, 1, RST);
    assert_int_equal(bench.stack->stats.tcp_challenges, 2);
    bench_close();
}

/* A SYN for a connection in TIME-WAIT: newer than what was received, or not. */
static void test_time_wait_and_sequence_numbers(void **state)
{
    static const struct {
        uint32_t seq;
        bool is_new;
    } rows[] = {{1002, false},
                {1003, true},
                {1002U + 0x7fffffffU, true},
                {1002U + 0x80000001U, false}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection();
        close_ours();
        say(1001, 2, FIN | ACK);
        bench.relative = false;
        say(rows[i].seq, 0, SYN);
        assert_int_equal(state_of(PEER_PORT),
                         rows[i].is_new ? TCP_SYN_RECEIVED : TCP_TIME_WAIT);
        bench_close();
    }
}

/* 256 KiB after the close are taken, the next byte ends the connection. */
static void test_last_byte_after_close(void **state)
{
    struct tcp_conn *conn;

    (void)state;
    open_connection();
    close_ours();
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    conn->discarded = TCP_DISCARD_MAX - 10;
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 2, .data = text, .len = 10});
    assert_int_equal(state_of(PEER_PORT), TCP_FIN_WAIT_2);
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1011, .ack = 2, .data = text, .len = 1});
    assert_int_equal(state_of(PEER_PORT), TCP_CLOSED);
    bench_close();
}

/* A service may go before its connections in TIME-WAIT, and the stack, too. */
static void test_stack_goes_in_time_wait(void **state)
{
    (void)state;
    open_connection();
    close_ours();
    say(1001, 2, FIN | ACK);
    assert_int_equal(state_of(PEER_PORT), TCP_TIME_WAIT);
    server_destroy(bench.server);
    bench.server = NULL;
    bench_close();
}

/* Received data that nobody read are freed by the close, and so are those
 * behind a gap. */
static void test_close_frees_what_was_received(void **state)
{
    (void)state;
    open_connection();
    service.receive = NULL; /* nobody reads */
    peer_send_quietly((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .data = text, .len = 1000});
    peer_send_quietly((struct peer_segment){
        .flags = ACK, .seq = 2101, .ack = 1, .data = text, .len = 1000});
    service.receive = on_receive;
    assert_true(bench.stack->budget.used > 0);
    close_ours();
    assert_int_equal(bench.stack->budget.used, 0);
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 2001, .ack = 2, .data = text, .len = 100});
    assert_int_equal(bench.stack->budget.used, 0);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 2101, .ack = 2, .data = text, .len = 1000});
    peer_expect({.flags = ACK, .seq = 2, .ack = 3101}); /* it came again */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_with_the_last_data),
        cmocka_unit_test(test_hold_of_what_is_over),
        cmocka_unit_test(test_peer_closes_first),
        cmocka_unit_test(test_we_close_first),
        cmocka_unit_test(test_fin_and_ack_in_one),
        cmocka_unit_test(test_both_close_at_once),
        cmocka_unit_test(test_fin_follows_the_data),
        cmocka_unit_test(test_fin_waits_for_the_window),
        cmocka_unit_test(test_lost_fin_is_sent_again),
        cmocka_unit_test(test_lost_data_before_the_fin),
        cmocka_unit_test(test_probe_with_the_fin),
        cmocka_unit_test(test_lost_last_ack_is_repeated),
        cmocka_unit_test(test_time_wait_can_be_reused),
        cmocka_unit_test(test_time_waits_are_bounded),
        cmocka_unit_test(test_reset_ends_it),
        cmocka_unit_test(test_reasons_of_the_end),
        cmocka_unit_test(test_end_while_the_card_is_full),
        cmocka_unit_test(test_time_wait_while_the_card_is_full),
        cmocka_unit_test(test_abort_resets),
        cmocka_unit_test(test_data_after_close_is_forgotten),
        cmocka_unit_test(test_orphans_do_not_last),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_orphans_end_on_time),
        cmocka_unit_test(test_orphan_of_a_slow_reader),
        cmocka_unit_test(test_orphans_take_no_place),
        cmocka_unit_test(test_new_numbers_are_behind_the_old),
        cmocka_unit_test(test_new_connection_takes_the_place_of_the_oldest),
        cmocka_unit_test(test_fins_in_time_wait),
        cmocka_unit_test(test_time_wait_ends_on_time),
        cmocka_unit_test(test_time_wait_without_packets),
        cmocka_unit_test(test_last_byte_without_packets),
        cmocka_unit_test(test_challenges_wait),
        cmocka_unit_test(test_time_wait_and_sequence_numbers),
        cmocka_unit_test(test_last_byte_after_close),
        cmocka_unit_test(test_stack_goes_in_time_wait),
        cmocka_unit_test(test_close_frees_what_was_received),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
