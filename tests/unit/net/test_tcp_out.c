/* What we send: windows, losses, timers, probes. RFC 5681, 6298, 6582, 9293. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct socket *sock;
static char text[1 << 20];
static int writable;
static int closed;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    sock = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    char buf[2000];

    (void)service;
    while (socket_receive(socket, buf, 500) > 0)
        continue;
}

static void on_writable(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    writable++;
}

static void on_close(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    closed++;
    sock = NULL;
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = on_accept,
                                 .receive = on_receive,
                                 .writable = on_writable,
                                 .close = on_close};

static struct tcp_conn *conn;

static void open_connection(uint16_t window)
{
    bench_open(64);
    bench_serve(&service);
    writable = 0;
    closed = 0;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31 + i / 251);
    peer_connect(PEER_PORT, 1000, window);
    peer_expect_nothing();
    conn = conn_find(bench.stack, PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
}

static void ack(uint32_t number, uint16_t window)
{
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = number, .window = window});
}

/* Data of ours, `len` bytes from `seq` on. */
#define expect_data(at, size)   \
    peer_expect({.flags = ACK,  \
                 .seq = (at),   \
                 .ack = 1001,   \
                 .len = (size), \
                 .data = text + (at)-1})

static unsigned drain(void)
{
    struct peer_segment got;
    unsigned count = 0;

    while (peer_receive(&got))
        count++;
    return count;
}

static void test_data_goes_at_once(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 5), 5);
    expect_data(1, 5);
    assert_int_equal(socket_send(sock, text + 5, 3), 3); /* no Nagle */
    expect_data(6, 3);
    ack(9, 60000);
    assert_int_equal(conn->tx.used, 0);
    assert_int_equal(bench.stack->budget.used, 0);
    bench_sleep(10 * NS_PER_S);
    peer_expect_nothing();
    bench_close();
}

static void test_data_is_cut_into_segments(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 2500), 2500);
    expect_data(1, 1000);
    expect_data(1001, 1000);
    expect_data(2001, 500);
    bench_close();
}

/* RFC 6928: ten segments; RFC 5681, 3.1: two more for each acknowledged. */
static void test_slow_start(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 60000), 60000);
    assert_int_equal(drain(), 10);
    ack(1001, 60000);
    assert_int_equal(drain(), 2);
    ack(3001, 60000); /* RFC 5681: by at most one MSS an acknowledgement */
    assert_int_equal(drain(), 3);
    bench_close();
}

static void test_congestion_avoidance(void **state)
{
    (void)state;
    open_connection(60000);
    conn->ssthresh = 10000;
    assert_int_equal(socket_send(sock, text, 60000), 60000);
    assert_int_equal(drain(), 10);
    for (uint32_t i = 1; i <= 10; i++)
        ack(1 + i * 1000, 60000);
    /* One round trip: one segment more (a little less, by rounding). */
    assert_int_equal(drain(), 10);
    assert_in_range(conn->cwnd, 10900, 11000);
    bench_close();
}

static void test_peer_window_limits(void **state)
{
    (void)state;
    open_connection(3000);
    assert_int_equal(socket_send(sock, text, 10000), 10000);
    expect_data(1, 1000);
    expect_data(1001, 1000);
    expect_data(2001, 1000);
    peer_expect_nothing();
    ack(1001, 3000);
    expect_data(3001, 1000);
    ack(2001, 2000); /* the right edge stays */
    peer_expect_nothing();
    ack(2001, 3000);
    expect_data(4001, 1000);
    bench_close();
}

static void test_peer_window_scale(void **state)
{
    static const uint8_t options[8] = {2, 4, 3, 232, 1, 3, 3, 4};
    struct peer_segment got;

    (void)state;
    bench_open(64);
    bench_serve(&service);
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = 1000,
                                    .window = 100,
                                    .options = options,
                                    .options_len = 8});
    assert_true(peer_receive(&got));
    bench.iss = got.seq;
    bench.relative = true;
    ack(1, 250); /* times 16: 4000 */
    assert_int_equal(socket_send(sock, text, 10000), 10000);
    assert_int_equal(drain(), 4);
    bench_close();
}

/* RFC 1122, 4.2.3.4: what the window cuts short waits. */
static void test_silly_windows_are_not_used(void **state)
{
    (void)state;
    open_connection(2000);
    assert_int_equal(socket_send(sock, text, 5000), 5000);
    assert_int_equal(drain(), 2);
    ack(1001, 1300); /* 300 bytes of room */
    peer_expect_nothing();
    ack(2001, 1300);
    expect_data(2001, 1000);
    bench_close();
}

static void test_retransmission_timeout(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 2000), 2000);
    assert_int_equal(drain(), 2);
    bench_sleep(199 * NS_PER_MS);
    peer_expect_nothing();
    bench_sleep(1 * NS_PER_MS);
    expect_data(1, 1000); /* RFC 5681, 3.1: one segment */
    peer_expect_nothing();
    bench_sleep(399 * NS_PER_MS); /* RFC 6298, 5.5: twice as long */
    peer_expect_nothing();
    bench_sleep(1 * NS_PER_MS);
    expect_data(1, 1000);
    ack(1001, 60000);
    expect_data(1001, 1000);
    ack(2001, 60000);
    bench_sleep(100 * NS_PER_S);
    peer_expect_nothing();
    bench_close();
}

static void test_backoff_ends_in_giving_up(void **state)
{
    uint64_t begin;
    struct peer_segment got, final = {0};
    unsigned count = 0;

    (void)state;
    open_connection(60000);
    begin = bench.now;
    assert_int_equal(socket_send(sock, text, 100), 100);
    while (sock != NULL && bench.now - begin < 1000 * NS_PER_S)
        bench_sleep(NS_PER_S);
    while (peer_receive(&got)) {
        count++;
        final = got;
    }
    assert_int_equal(closed, 1);
    /* RFC 9293, 3.8.3: R2 at least 100 seconds. */
    assert_in_range((bench.now - begin) / NS_PER_S, 100, 240);
    assert_in_range(count, 8, 14); /* the waits double up to a minute */
    assert_int_equal(final.flags & RST, RST);
    assert_int_equal(bench.stack->stats.tcp_timeouts, 1);
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* RFC 6298, 2: what is measured, and Karn: what is not. */
static void test_round_trip_times(void **state)
{
    (void)state;
    open_connection(60000);
    conn->srtt_ns = 0;
    assert_int_equal(socket_send(sock, text, 100), 100);
    bench.now += 100 * NS_PER_MS;
    ack(101, 60000);
    assert_int_equal(conn->srtt_ns, 100 * NS_PER_MS);
    assert_int_equal(conn->rttvar_ns, 50 * NS_PER_MS);
    assert_int_equal(conn->rto_ns, 300 * NS_PER_MS);
    assert_int_equal(socket_send(sock, text + 100, 100), 100);
    bench.now += 180 * NS_PER_MS;
    ack(201, 60000);
    /* rttvar = 3/4*50 + 1/4*80, srtt = 7/8*100 + 1/8*180 */
    assert_int_equal(conn->rttvar_ns, 57500 * NS_PER_US);
    assert_int_equal(conn->srtt_ns, 110 * NS_PER_MS);
    assert_int_equal(socket_send(sock, text + 200, 100), 100);
    bench_sleep(400 * NS_PER_MS); /* sent again */
    ack(301, 60000);
    assert_int_equal(conn->srtt_ns, 110 * NS_PER_MS);
    bench_close();
}

static void test_fast_retransmit(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 10000), 10000);
    assert_int_equal(drain(), 10);
    ack(1, 60000);
    ack(1, 60000);
    peer_expect_nothing();
    ack(1, 60000);
    expect_data(1, 1000);
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    ack(10001, 60000);
    assert_false(conn->is_recovering);
    assert_int_equal(conn->ssthresh, 5000);
    assert_true(conn->cwnd <= 5000);
    bench_close();
}

/* RFC 6582: each partial acknowledgement tells of the next hole. */
static void test_new_reno_repairs_several_losses(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 10000), 10000);
    assert_int_equal(drain(), 10);
    /* Lost: 1, 4001, 7001. The other seven cause duplicates. */
    for (unsigned i = 0; i < 3; i++)
        ack(1, 60000);
    expect_data(1, 1000);
    for (unsigned i = 0; i < 4; i++)
        ack(1, 60000);
    peer_expect_nothing();
    ack(4001, 60000);
    expect_data(4001, 1000);
    ack(7001, 60000);
    expect_data(7001, 1000);
    ack(10001, 60000);
    peer_expect_nothing();
    assert_false(conn->is_recovering);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    bench_close();
}

/* RFC 3042: new data for the first two duplicates. */
static void test_limited_transmit(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 20000), 20000);
    assert_int_equal(drain(), 10);
    ack(1, 60000);
    expect_data(10001, 1000);
    ack(1, 60000);
    expect_data(11001, 1000);
    ack(1, 60000);
    expect_data(1, 1000);
    bench_close();
}

/* RFC 5681, 2: what looks like a duplicate but is none. */
static void test_not_duplicates(void **state)
{
    (void)state;
    open_connection(30000);
    assert_int_equal(socket_send(sock, text, 10000), 10000);
    assert_int_equal(drain(), 10);
    for (uint16_t i = 1; i < 8; i++)
        ack(1, (uint16_t)(30000 + i)); /* the window moves */
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1001,
                                    .ack = 1,
                                    .window = 30007,
                                    .data = "with data",
                                    .len = 9});
    assert_int_equal(conn->dup_acks, 0);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 0);
    bench_close();
}

static void test_zero_window_is_probed(void **state)
{
    struct peer_segment got;

    (void)state;
    open_connection(2000);
    assert_int_equal(socket_send(sock, text, 5000), 5000);
    assert_int_equal(drain(), 2);
    ack(2001, 0);
    peer_expect_nothing();
    for (unsigned i = 0; i < 5; i++) { /* 0.2, 0.4, 0.8 .. seconds */
        bench_sleep((200u << i) * NS_PER_MS);
        expect_data(2001, 1);
        ack(2001, 0);
        peer_expect_nothing();
    }
    ack(2001, 2000);
    expect_data(2001, 1000);
    expect_data(3001, 1000);
    ack(4001, 2000);
    while (peer_receive(&got))
        continue;
    bench_close();
}

/* RFC 9293, 3.8.6.1: as long as it answers, for hours. */
static void test_zero_window_lasts(void **state)
{
    (void)state;
    open_connection(1000);
    assert_int_equal(socket_send(sock, text, 2000), 2000);
    drain();
    ack(1001, 0);
    for (unsigned i = 0; i < 120; i++) {
        bench_sleep(60 * NS_PER_S);
        if (drain() > 0)
            ack(1001, 0);
    }
    assert_int_equal(closed, 0);
    bench_sleep(300 * NS_PER_S); /* silence is something else */
    assert_int_equal(closed, 1);
    bench_close();
}

/* A peer that takes the probe's byte though its window is shut. */
static void test_probe_byte_may_be_taken(void **state)
{
    (void)state;
    open_connection(1000);
    assert_int_equal(socket_send(sock, text, 3000), 3000);
    drain();
    ack(1001, 0);
    bench_sleep(200 * NS_PER_MS);
    expect_data(1001, 1);
    ack(1002, 0);
    peer_expect_nothing();
    ack(1002, 1000);
    expect_data(1002, 1000);
    bench_close();
}

static void test_send_buffer_fills_and_room_is_told(void **state)
{
    int64_t took, all = 0;
    uint32_t acked = 1;

    (void)state;
    open_connection(10000);
    while ((took = socket_send(sock, text, sizeof(text))) > 0)
        all += took;
    assert_int_equal(all, NET_BUFFER_MAX);
    assert_int_equal(socket_send_room(sock), 0);
    assert_int_equal(writable, 0);
    drain();
    while (writable == 0 && acked < (uint32_t)all) {
        acked += 10000;
        ack(acked, 10000);
        drain();
    }
    assert_int_equal(writable, 1);
    assert_in_range(socket_send_room(sock), NET_BUFFER_MAX / 4,
                    NET_BUFFER_MAX / 4 + 10000);
    bench_close();
}

/* Without memory for the first byte only time can help. */
static void test_room_is_told_after_no_memory(void **state)
{
    (void)state;
    open_connection(10000);
    bench.stack->budget.limit = 0;
    assert_int_equal(socket_send(sock, text, 10), 0);
    bench_sleep(NS_PER_S);
    assert_int_equal(writable, 0);
    bench.stack->budget.limit = 1 << 20;
    bench_sleep(20 * NS_PER_MS);
    assert_int_equal(writable, 1);
    assert_int_equal(socket_send(sock, text, 10), 10);
    bench_close();
}

/* A full card holds TCP back; nothing is lost by it. */
static void test_full_card_is_waited_for(void **state)
{
    (void)state;
    open_connection(60000);
    bench.net.is_full = true;
    assert_int_equal(socket_send(sock, text, 5000), 5000);
    peer_expect_nothing();
    bench_sleep(10 * NS_PER_MS);
    bench.net.is_full = false;
    bench_sleep(1 * NS_PER_MS);
    for (uint32_t i = 0; i < 5; i++)
        expect_data(1 + i * 1000, 1000);
    assert_int_equal(bench.stack->stats.frames_dropped, 0);
    bench_close();
}

/* An empty packet pool as well. */
static void test_empty_pool_is_waited_for(void **state)
{
    struct packet *held[4096];
    unsigned count = 0;

    (void)state;
    open_connection(60000);
    while (count < 4096 && (held[count] = packet_get()) != NULL)
        count++;
    assert_int_equal(socket_send(sock, text, 3000), 3000);
    peer_expect_nothing();
    bench_sleep(10 * NS_PER_MS);
    while (count > 0)
        packet_put(held[--count]);
    bench_sleep(1 * NS_PER_MS);
    for (uint32_t i = 0; i < 3; i++)
        expect_data(1 + i * 1000, 1000);
    bench_close();
}

/* RFC 1191, RFC 5927: a router's word about the path. */
static void too_big(uint32_t seq, uint16_t mtu)
{
    uint8_t frame[128] = {0};
    uint8_t *icmp = frame + 34;
    uint8_t *inner = icmp + 8;

    icmp[0] = 3;
    icmp[1] = 4;
    peer_put16(icmp + 6, mtu);
    inner[0] = 0x45;
    peer_put16(inner + 2, 1040);
    inner[9] = 6;
    peer_put32(inner + 12, OUR_ADDRESS);
    peer_put32(inner + 16, PEER_ADDRESS);
    peer_put16(inner + 20, SERVICE_PORT);
    peer_put16(inner + 22, PEER_PORT);
    peer_put32(inner + 24, seq + bench.iss);
    peer_put16(icmp + 2, peer_checksum(icmp, 36, 0));
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, GATEWAY, OUR_ADDRESS, 1, 36));
    bench_run();
}

static void test_path_mtu(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(sock, text, 2000), 2000);
    assert_int_equal(drain(), 2);
    too_big(5000, 600); /* never sent */
    too_big(1, 0);
    too_big(1, 68); /* an attack */
    too_big(1, 9000);
    assert_int_equal(conn->mss, 1000);
    peer_expect_nothing();
    too_big(1, 600);
    assert_int_equal(conn->mss, 560);
    expect_data(1, 560);
    expect_data(561, 560);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_goes_at_once),
        cmocka_unit_test(test_data_is_cut_into_segments),
        cmocka_unit_test(test_slow_start),
        cmocka_unit_test(test_congestion_avoidance),
        cmocka_unit_test(test_peer_window_limits),
        cmocka_unit_test(test_peer_window_scale),
        cmocka_unit_test(test_silly_windows_are_not_used),
        cmocka_unit_test(test_retransmission_timeout),
        cmocka_unit_test(test_backoff_ends_in_giving_up),
        cmocka_unit_test(test_round_trip_times),
        cmocka_unit_test(test_fast_retransmit),
        cmocka_unit_test(test_new_reno_repairs_several_losses),
        cmocka_unit_test(test_limited_transmit),
        cmocka_unit_test(test_not_duplicates),
        cmocka_unit_test(test_zero_window_is_probed),
        cmocka_unit_test(test_zero_window_lasts),
        cmocka_unit_test(test_probe_byte_may_be_taken),
        cmocka_unit_test(test_send_buffer_fills_and_room_is_told),
        cmocka_unit_test(test_room_is_told_after_no_memory),
        cmocka_unit_test(test_full_card_is_waited_for),
        cmocka_unit_test(test_empty_pool_is_waited_for),
        cmocka_unit_test(test_path_mtu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
