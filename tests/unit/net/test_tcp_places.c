/* Who has the places of a service, and who must go: net/tcp/places.c. */
#include "net/tcp.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { OTHERS = 0xc0000200 }; /* 192.0.2.0: behind the gateway */

static int closed;

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    closed++;
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = bench_accept,
                                 .receive = bench_leave,
                                 .close = on_close};

static void open_bench(unsigned backlog)
{
    bench_open(64);
    bench.accepted = closed = 0;
    bench_serve(&service);
    bench.server->backlog = backlog;
    bench.answers_arp = true; /* of the gateway */
    bench.relative = false;
}

static void drain(void)
{
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

/* The address of the peer and its port, of which a connection begins at 10. */
static struct peer_segment from(uint32_t address, uint16_t port)
{
    return (struct peer_segment){
        .address = address, .port = port, .window = 1000};
}

/* A SYN, answered by *iss; false: it is not answered. */
static bool syn_answered(uint32_t address, uint16_t port, uint32_t *iss)
{
    struct peer_segment segment = from(address, port), got;

    segment.flags = SYN;
    segment.seq = 10;
    peer_send(segment);
    if (!peer_receive(&got))
        return false;
    assert_int_equal(got.flags, SYN | ACK);
    *iss = got.seq;
    return true;
}

static struct tcp_conn *find(uint32_t address, uint16_t port)
{
    return bench_conn(address, port, SERVICE_PORT);
}

static bool is_open(uint32_t address, uint16_t port)
{
    struct tcp_conn *conn = find(address, port);

    return conn != NULL && conn->state == TCP_ESTABLISHED;
}

static void last_ack(uint32_t address, uint16_t port, uint32_t iss)
{
    struct peer_segment segment = from(address, port);

    segment.flags = ACK;
    segment.seq = 11;
    segment.ack = iss + 1;
    peer_send(segment);
}

/* Returns whether it came about. */
static bool connected(uint32_t address, uint16_t port)
{
    uint32_t iss;

    if (!syn_answered(address, port, &iss))
        return false;
    last_ack(address, port, iss);
    return is_open(address, port);
}

/* The service sends, and the peer acknowledges it. */
static void be_useful(uint32_t address, uint16_t port)
{
    struct tcp_conn *conn = find(address, port);
    struct peer_segment segment = from(address, port);

    assert_int_equal(socket_send(conn->socket, "hello", 5), 5);
    bench_run();
    drain();
    segment.flags = ACK;
    segment.seq = conn->rcv_nxt;
    segment.ack = conn->snd_max;
    peer_send(segment);
    assert_true(conn->was_useful);
}

/* ---- Who may go ---------------------------------------------------------- */

static void test_who_may_go(void **state)
{
    static const struct {
        const char *name;
        bool useful;
        size_t unread, unsent;
        uint64_t quiet_ns;
        unsigned sign; /* the flag that it is told by; 0: it stays */
    } rows[] = {
        {"between requests, for a second", true, 0, 0, NS_PER_S, FIN},
        {"not quite", true, 0, 0, NS_PER_S - NS_PER_MS, 0},
        {"the answer is not taken", true, 0, 5, NS_PER_S, RST},
        {"not for a second", true, 0, 5, NS_PER_S - NS_PER_MS, 0},
        {"the service has not read it", true, 5, 0, NS_PER_S, 0},
        {"nothing was ever said", false, 0, 0, 0, RST},
        {"nothing was ever taken", false, 0, 5, 0, RST},
        {"new, and the service's turn", false, 5, 0, NS_PER_S, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer_segment segment, got;
        struct tcp_conn *conn;
        uint32_t iss;

        print_message("row %s\n", rows[i].name);
        open_bench(1);
        assert_true(connected(PEER_ADDRESS, 1));
        conn = find(PEER_ADDRESS, 1);
        if (rows[i].useful)
            be_useful(PEER_ADDRESS, 1);
        segment = from(PEER_ADDRESS, 1);
        segment.flags = ACK;
        segment.seq = 11;
        segment.ack = conn->snd_max;
        segment.data = "hello";
        segment.len = rows[i].unread;
        peer_send_quietly(segment);
        if (rows[i].unsent > 0)
            assert_int_equal(socket_send(conn->socket, "world", 5), 5);
        drain();
        bench.now += rows[i].quiet_ns;
        assert_int_equal(syn_answered(PEER_ADDRESS, 2, &iss),
                         rows[i].sign != 0);
        assert_int_equal(closed, 0); /* a SYN alone makes nobody go */
        if (rows[i].sign != 0) {
            last_ack(PEER_ADDRESS, 2, iss);
            assert_true(peer_receive(&got));
            assert_int_equal(got.port, 1);
            assert_int_equal(got.flags & (FIN | RST), rows[i].sign);
            assert_true(is_open(PEER_ADDRESS, 2));
        }
        assert_int_equal(closed, rows[i].sign != 0);
        assert_int_equal(bench.stack->stats.tcp_evicted, rows[i].sign != 0);
        assert_int_equal(bench.stack->stats.tcp_backlog_full,
                         rows[i].sign == 0);
        assert_int_equal(bench.server->conn_count, 1);
        drain();
        bench_close();
    }
}

static void test_longest_without_progress_goes_first(void **state)
{
    (void)state;
    open_bench(4);
    for (uint16_t port = 1; port <= 4; port++) {
        assert_true(connected(PEER_ADDRESS, port));
        bench.now += NS_PER_S;
    }
    be_useful(PEER_ADDRESS, 1);
    bench.now += NS_PER_S;
    for (uint16_t port = 5; port <= 7; port++) {
        assert_true(connected(PEER_ADDRESS, port));
        assert_null(find(PEER_ADDRESS, port - 3));
        assert_true(is_open(PEER_ADDRESS, 1));
        be_useful(PEER_ADDRESS, port);
        drain();
    }
    assert_true(connected(PEER_ADDRESS, 8));
    assert_false(is_open(PEER_ADDRESS, 1));
    drain();
    bench_close();
}

/* Bytes that the peer sends are progress, too, when they are many. */
static void test_uploads_are_progress(void **state)
{
    static const char data[1000];
    struct peer_segment segment;
    char buf[1000];

    (void)state;
    open_bench(1);
    assert_true(connected(PEER_ADDRESS, 1));
    segment = from(PEER_ADDRESS, 1);
    segment.flags = ACK;
    segment.data = data;
    segment.len = sizeof(data);
    for (unsigned i = 0; i < 17; i++) {
        struct tcp_conn *conn = find(PEER_ADDRESS, 1);

        assert_int_equal(conn->was_useful, i * sizeof(data) >= 16384);
        segment.seq = conn->rcv_nxt;
        segment.ack = conn->snd_max;
        peer_send(segment);
        assert_int_equal(socket_receive(conn->socket, buf, sizeof(buf)),
                         sizeof(buf));
    }
    assert_true(find(PEER_ADDRESS, 1)->was_useful);
    drain();
    assert_false(connected(PEER_ADDRESS, 2));
    bench_close();
}

/* Two handshakes pass the check at the SYN: who comes second makes the first
 * one go, if that said nothing, or waits until it may go. */
static void test_places_at_the_last_ack(void **state)
{
    uint32_t iss[2];

    (void)state;
    open_bench(1);
    for (uint16_t i = 0; i < 2; i++)
        assert_true(syn_answered(PEER_ADDRESS, (uint16_t)(i + 1), &iss[i]));
    last_ack(PEER_ADDRESS, 1, iss[0]);
    be_useful(PEER_ADDRESS, 1);
    last_ack(PEER_ADDRESS, 2, iss[1]);
    assert_int_equal(bench.accepted, 1);
    assert_int_equal(bench.server->half_open_count, 1);
    assert_int_equal(bench.stack->stats.tcp_backlog_full, 1);
    bench.now += NS_PER_S;
    last_ack(PEER_ADDRESS, 2, iss[1]);
    assert_int_equal(bench.accepted, 2);
    assert_false(is_open(PEER_ADDRESS, 1));
    drain();
    bench_close();
}

/* ---- Sources ------------------------------------------------------------- */

/* One source has a quarter, others have the rest. */
static void test_one_source_has_a_quarter(void **state)
{
    uint32_t iss;

    (void)state;
    open_bench(64);
    for (uint16_t port = 1; port <= 16; port++) {
        assert_true(connected(PEER_ADDRESS, port));
        be_useful(PEER_ADDRESS, port);
        drain();
    }
    assert_false(syn_answered(PEER_ADDRESS, 17, &iss));
    assert_int_equal(bench.stack->stats.tcp_backlog_full, 1);
    for (uint16_t i = 0; i < 48; i++) {
        assert_true(connected(OTHERS + i, 1));
        be_useful(OTHERS + i, 1);
        drain();
    }
    assert_int_equal(bench.server->conn_count, 64);
    assert_false(syn_answered(OTHERS + 99, 1, &iss));
    /* Its own connection goes, not that of another one. */
    bench.now += NS_PER_S;
    be_useful(PEER_ADDRESS, 1);
    drain();
    assert_true(connected(PEER_ADDRESS, 17));
    assert_false(is_open(PEER_ADDRESS, 2));
    drain();
    assert_int_equal(bench.server->conn_count, 64);
    bench_close();
}

/* However small the backlog is, eight. */
static void test_one_source_has_at_least_eight(void **state)
{
    uint32_t iss;

    (void)state;
    open_bench(12);
    for (uint16_t port = 1; port <= 8; port++) {
        assert_true(connected(PEER_ADDRESS, port));
        be_useful(PEER_ADDRESS, port);
        drain();
    }
    assert_false(syn_answered(PEER_ADDRESS, 9, &iss));
    assert_true(connected(OTHERS, 9));
    drain();
    bench_close();
}

/* A source that has all its places is not looked for without end. */
static void test_search_is_bounded(void **state)
{
    uint32_t iss;

    (void)state;
    open_bench(256);
    for (uint16_t i = 0; i < 64; i++)
        assert_true(connected(OTHERS + i, 1));
    for (uint16_t port = 1; port <= 64; port++)
        assert_true(connected(PEER_ADDRESS, port));
    assert_false(syn_answered(PEER_ADDRESS, 65, &iss));
    be_useful(OTHERS, 1); /* it is the last now */
    drain();
    assert_true(syn_answered(PEER_ADDRESS, 65, &iss));
    drain();
    bench_close();
}

/* Who ends gives its place back to its source. */
static void test_places_come_back(void **state)
{
    (void)state;
    open_bench(32);
    for (unsigned round = 0; round < 3; round++) {
        for (uint16_t port = 1; port <= 8; port++) {
            assert_true(connected(PEER_ADDRESS, port));
            be_useful(PEER_ADDRESS, port);
            drain();
        }
        for (uint16_t port = 1; port <= 8; port++) {
            struct peer_segment segment = from(PEER_ADDRESS, port);

            segment.flags = RST;
            segment.seq = find(PEER_ADDRESS, port)->rcv_nxt;
            peer_send(segment);
        }
        assert_int_equal(bench.server->conn_count, 0);
    }
    bench_close();
}

/* SYNs whose handshake never ends make nobody go. */
static void test_invented_syns_take_no_places(void **state)
{
    uint32_t iss;

    (void)state;
    open_bench(2);
    assert_true(connected(PEER_ADDRESS, 1));
    assert_true(connected(PEER_ADDRESS, 2));
    bench.now += 10 * NS_PER_S;
    for (uint16_t i = 0; i < 1000; i++)
        assert_true(syn_answered(OTHERS + i % 200, (uint16_t)(i + 1), &iss));
    assert_true(is_open(PEER_ADDRESS, 1) && is_open(PEER_ADDRESS, 2));
    assert_int_equal(closed, 0);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_go),
        cmocka_unit_test(test_longest_without_progress_goes_first),
        cmocka_unit_test(test_uploads_are_progress),
        cmocka_unit_test(test_places_at_the_last_ack),
        cmocka_unit_test(test_one_source_has_a_quarter),
        cmocka_unit_test(test_one_source_has_at_least_eight),
        cmocka_unit_test(test_search_is_bounded),
        cmocka_unit_test(test_places_come_back),
        cmocka_unit_test(test_invented_syns_take_no_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
