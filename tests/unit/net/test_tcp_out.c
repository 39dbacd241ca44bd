/* What we send: windows, losses, timers, probes. RFC 5681, 6298, 6582, 9293. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static char text[1 << 20];
static int writable;
static int closed;

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
    bench.socket = NULL;
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = bench_accept,
                                 .receive = bench_drain,
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
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    bench.stack->cc = &tcp_newreno;
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
    assert_int_equal(socket_send(bench.socket, text, 5), 5);
    expect_data(1, 5);
    assert_int_equal(socket_send(bench.socket, text + 5, 3), 3); /* no Nagle */
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
    assert_int_equal(socket_send(bench.socket, text, 2500), 2500);
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
    assert_int_equal(socket_send(bench.socket, text, 60000), 60000);
    assert_int_equal(drain(), 10);
    ack(1001, 60000);
    assert_int_equal(drain(), 2);
    ack(3001, 60000); /* RFC 3465: by what was acknowledged */
    assert_int_equal(drain(), 4);
    bench_close();
}

static void test_congestion_avoidance(void **state)
{
    (void)state;
    open_connection(60000);
    conn->ssthresh = 10000;
    assert_int_equal(socket_send(bench.socket, text, 60000), 60000);
    assert_int_equal(drain(), 10);
    for (uint32_t i = 1; i <= 10; i++)
        ack(1 + i * 1000, 60000);
    /* One round trip: one segment more. */
    assert_int_equal(drain(), 11);
    assert_int_equal(conn->cwnd, 11000);
    bench_close();
}

static void test_peer_window_limits(void **state)
{
    (void)state;
    open_connection(3000);
    assert_int_equal(socket_send(bench.socket, text, 10000), 10000);
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
    assert_int_equal(socket_send(bench.socket, text, 10000), 10000);
    assert_int_equal(drain(), 4);
    bench_close();
}

/* RFC 1122, 4.2.3.4: what the window cuts short waits. */
static void test_silly_windows_are_not_used(void **state)
{
    (void)state;
    open_connection(2000);
    assert_int_equal(socket_send(bench.socket, text, 5000), 5000);
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
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
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
    assert_int_equal(socket_send(bench.socket, text, 100), 100);
    while (bench.socket != NULL && bench.now - begin < 1000 * NS_PER_S)
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

/* A machine that stood still for longer than alarms can tell goes on at once.
 */
static void test_timeout_after_a_pause_of_the_machine(void **state)
{
    static const uint64_t pauses[] = {40 * 60 * NS_PER_S, 100 * 60 * NS_PER_S};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pauses); i++) {
        open_connection(60000);
        assert_int_equal(socket_send(bench.socket, text, 100), 100);
        assert_int_equal(drain(), 1);
        conn->progress_ms += (uint32_t)(pauses[i] / NS_PER_MS);
        bench.now += pauses[i];
        bench_sleep(0);
        assert_int_equal(drain(), 1);
        bench_close();
    }
}

/* RFC 6298, 2: what is measured, and Karn: what is not. */
static void test_round_trip_times(void **state)
{
    (void)state;
    open_connection(60000);
    conn->srtt = 0;
    assert_int_equal(socket_send(bench.socket, text, 100), 100);
    bench.now += 100 * NS_PER_MS;
    ack(101, 60000);
    assert_int_equal(conn_srtt_ns(conn), 100 * NS_PER_MS);
    assert_int_equal(conn->rttvar * TCP_RTT_UNIT, 50 * NS_PER_MS);
    assert_int_equal(conn->rto_ms, 300);
    assert_int_equal(socket_send(bench.socket, text + 100, 100), 100);
    bench.now += 180 * NS_PER_MS;
    ack(201, 60000);
    /* rttvar = 3/4*50 + 1/4*80, srtt = 7/8*100 + 1/8*180 */
    assert_int_equal(conn->rttvar * TCP_RTT_UNIT, 57500 * NS_PER_US);
    assert_int_equal(conn_srtt_ns(conn), 110 * NS_PER_MS);
    assert_int_equal(socket_send(bench.socket, text + 200, 100), 100);
    bench_sleep(400 * NS_PER_MS); /* sent again */
    ack(301, 60000);
    assert_int_equal(conn_srtt_ns(conn), 110 * NS_PER_MS);
    bench_close();
}

static void test_fast_retransmit(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(bench.socket, text, 10000), 10000);
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

/* A connection that has sent almost 2 GiB without a loss, then some more. */
static void test_fast_retransmit_after_two_gigabytes(void **state)
{
    (void)state;
    open_connection(60000);
    conn->recover = conn->snd_una - 0x7fffe000;
    for (uint32_t at = 0; at < 10000; at += 5000) {
        assert_int_equal(socket_send(bench.socket, text + at, 5000), 5000);
        assert_int_equal(drain(), 5);
        ack(at + 5001, 60000);
    }
    assert_int_equal(socket_send(bench.socket, text + 10000, 5000), 5000);
    assert_int_equal(drain(), 5);
    for (unsigned i = 0; i < 3; i++)
        ack(10001, 60000);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    bench_close();
}

/* RFC 5681, 3.1, equation 4: half of what is in flight, but only once. */
static void test_timeouts_set_ssthresh_once(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(bench.socket, text, 10000), 10000);
    assert_int_equal(drain(), 10);
    bench_sleep(200 * NS_PER_MS);
    assert_int_equal(drain(), 1);
    assert_int_equal(conn->ssthresh, 5000);
    assert_int_equal(conn->cwnd, 1000);
    ack(4001, 60000); /* no measurement: the timer stays backed off */
    bench_sleep(500 * NS_PER_MS);
    assert_int_equal(conn->ssthresh, 5000);
    assert_int_equal(conn->cwnd, 1000);
    bench_close();
}

static void test_timeout_with_little_in_flight(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(bench.socket, text, 1500), 1500);
    assert_int_equal(drain(), 2);
    bench_sleep(200 * NS_PER_MS);
    assert_int_equal(conn->ssthresh, 2000); /* at least two segments */
    bench_close();
}

/*
 * RFC 1122, 4.2.3.4: a segment that the window makes short is sent when it is
 * half of the largest window so far, and nothing is in flight.
 */
static void test_short_segments_wait(void **state)
{
    static const struct {
        const char *name;
        uint32_t acked;
        uint16_t window;
        unsigned sent;
    } windows[] = {
        {"half of the largest window", 801, 400, 1},
        {"less", 801, 399, 0},
        {"half, but something is in flight", 401, 800, 0},
        {"all that is left", 801, 700, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        open_connection(800);
        print_message("row %s\n", windows[i].name);
        assert_int_equal(socket_send(bench.socket, text, 400), 400);
        assert_int_equal(socket_send(bench.socket, text + 400, 400), 400);
        assert_int_equal(drain(), 2);
        assert_int_equal(socket_send(bench.socket, text + 800, 700), 700);
        assert_int_equal(drain(), 0);
        ack(windows[i].acked, windows[i].window);
        assert_int_equal(drain(), windows[i].sent);
        bench_close();
    }
}

static void data_with_window(uint32_t seq, uint32_t number, size_t len,
                             uint16_t window)
{
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = seq,
                                    .ack = number,
                                    .window = window,
                                    .data = text,
                                    .len = len});
    (void)drain();
}

/* RFC 9293, 3.10.7.4: which segments may set the peer's window. */
static void test_old_segments_do_not_set_the_window(void **state)
{
    static const struct {
        const char *name;
        uint32_t seq;
        uint32_t ack;
        bool is_taken;
    } segments[] = {
        {"newer data", 1021, 1001, true},
        {"newer data, newer acknowledgement", 1021, 1501, true},
        {"newer data, old acknowledgement", 1021, 501, false},
        {"the last data once more", 1011, 1001, true},
        {"older data once more", 1001, 1001, false},
        {"older data, newer acknowledgement", 1001, 1501, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(segments); i++) {
        open_connection(60000);
        print_message("row %s\n", segments[i].name);
        assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
        data_with_window(1001, 1001, 10, 50000);
        data_with_window(1011, 1001, 10, 45000);
        assert_int_equal(conn->snd_wnd, 45000);
        data_with_window(segments[i].seq, segments[i].ack, 30, 40000);
        assert_int_equal(conn->snd_wnd, segments[i].is_taken ? 40000 : 45000);
        bench_close();
    }
}

/* RFC 6582: each partial acknowledgement tells of the next hole. */
static void test_new_reno_repairs_several_losses(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(bench.socket, text, 10000), 10000);
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
    assert_int_equal(socket_send(bench.socket, text, 20000), 20000);
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
    assert_int_equal(socket_send(bench.socket, text, 10000), 10000);
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
    assert_int_equal(socket_send(bench.socket, text, 5000), 5000);
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
    assert_false(conn->is_probing);
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
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
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

/* The peer was silent before there was anything to answer. */
static void test_silence_counts_from_the_first_data(void **state)
{
    (void)state;
    open_connection(60000);
    bench_sleep(200 * NS_PER_S);
    assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
    bench_run(); /* ARP is asked again */
    assert_int_equal(drain(), 1);
    bench_sleep(300 * NS_PER_MS);
    assert_int_equal(drain(), 1); /* again, and no reset */
    assert_int_equal(closed, 0);
    bench_close();
    open_connection(60000); /* and with a closed window */
    ack(1, 0);
    bench_sleep(200 * NS_PER_S);
    assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
    peer_expect_nothing();
    bench_sleep(300 * NS_PER_MS);
    expect_data(1, 1);
    assert_int_equal(closed, 0);
    bench_close();
}

/* What keeps the window closed does not put the probe off. */
static void test_probe_is_not_put_off(void **state)
{
    (void)state;
    open_connection(60000);
    ack(1, 0);
    assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
    bench_sleep(150 * NS_PER_MS);
    ack(1, 0);
    assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
    peer_expect_nothing();
    bench_sleep(50 * NS_PER_MS);
    expect_data(1, 1);
    bench_close();
}

/* RFC 9293, 3.9.1: the last of what is there is pushed. */
static void test_last_segment_is_pushed(void **state)
{
    struct peer_segment got;

    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(bench.socket, text, 2500), 2500);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(peer_receive(&got));
        assert_int_equal(got.flags & PSH, i == 2 ? PSH : 0);
    }
    for (unsigned i = 0; i < 3; i++)
        ack(1, 60000);
    assert_true(peer_receive(&got)); /* sent again: the peer waits for it */
    assert_int_equal(got.flags & PSH, PSH);
    bench_close();
}

/* A peer that takes the probe's byte though its window is shut. */
static void test_probe_byte_may_be_taken(void **state)
{
    (void)state;
    open_connection(1000);
    assert_int_equal(socket_send(bench.socket, text, 3000), 3000);
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
    while ((took = socket_send(bench.socket, text, sizeof(text))) > 0)
        all += took;
    assert_int_equal(all, TCP_SEND_BUFFER);
    assert_int_equal(socket_send_room(bench.socket), 0);
    assert_int_equal(writable, 0);
    drain();
    while (writable == 0 && acked < (uint32_t)all) {
        acked += 10000;
        ack(acked, 10000);
        drain();
    }
    assert_int_equal(writable, 1);
    assert_in_range(socket_send_room(bench.socket), TCP_SEND_BUFFER / 4,
                    TCP_SEND_BUFFER / 4 + 10000);
    bench_close();
}

/* A short answer for which there is no packet is sent when there is one. */
static void test_answer_waits_for_a_packet(void **state)
{
    static struct packet *taken[4096];
    struct peer_segment got;
    unsigned count = 0;

    (void)state;
    open_connection(10000);
    bench.stack->budget.lent_max = 0;
    while ((taken[count] = packet_get()) != NULL)
        count++;
    assert_int_equal(socket_send(bench.socket, text, 10), 10);
    assert_int_equal(bench.stack->stats.no_packet, 1);
    while (count > 0)
        packet_put(taken[--count]);
    bench_sleep(NS_PER_MS);
    assert_true(peer_receive(&got));
    assert_int_equal(got.len, 10);
    bench_close();
}

/* Without memory for the first byte only time can help. */
static void test_room_is_told_after_no_memory(void **state)
{
    (void)state;
    open_connection(10000);
    bench.stack->budget.limit = bench.stack->budget.lent_max = 0;
    assert_int_equal(socket_send(bench.socket, text, 10), 0);
    conn_check_room(conn);
    assert_int_equal(bench.socket->events & SOCKET_WRITABLE, 0);
    bench_sleep(NS_PER_S); /* looked at each 10 ms */
    assert_int_equal(writable, 0);
    bench.stack->budget.limit = 1 << 20;
    bench_sleep(10 * NS_PER_MS - 1);
    assert_int_equal(writable, 0);
    bench_sleep(1);
    assert_int_equal(writable, 1);
    assert_int_equal(socket_send(bench.socket, text, 10), 10);
    bench_close();
}

/* The same where a packet could be lent, but there is no room for a byte. */
static void test_no_room_for_a_first_byte(void **state)
{
    (void)state;
    open_connection(10000);
    assert_true(bench.stack->budget.lent_max > 0);
    bench.stack->budget.limit = 0;
    assert_int_equal(socket_send(bench.socket, text, 3000), 0);
    assert_int_equal(socket_lend(bench.socket, text, 5, NULL, 0), 0);
    send_queue_check(&conn->tx);
    assert_int_equal(bench.stack->budget.lent, 0);
    peer_expect_nothing();
    bench.stack->budget.limit = 1 << 20;
    assert_int_equal(socket_send(bench.socket, text, 10), 10);
    expect_data(1, 10);
    bench_close();
}

static void test_nothing_is_sent(void **state)
{
    (void)state;
    open_connection(10000);
    assert_int_equal(socket_send(bench.socket, text, 0), 0);
    assert_int_equal(socket_lend(bench.socket, text, 0, NULL, 0), 0);
    peer_expect_nothing();
    assert_int_equal(socket_send(bench.socket, text, 1), 1);
    expect_data(1, 1);
    bench_close();
}

/* The first look is 10 ms after the failure, too. */
static void test_first_retry_for_room(void **state)
{
    (void)state;
    open_connection(10000);
    bench.stack->budget.limit = bench.stack->budget.lent_max = 0;
    assert_int_equal(socket_send(bench.socket, text, 10), 0);
    bench.stack->budget.limit = 1 << 20;
    bench_sleep(10 * NS_PER_MS - 1);
    assert_int_equal(writable, 0);
    bench_sleep(1);
    assert_int_equal(writable, 1);
    bench_sleep(NS_PER_S); /* once */
    assert_int_equal(writable, 1);
    bench_close();
}

/* A full card holds TCP back; nothing is lost by it. */
static void test_full_card_is_waited_for(void **state)
{
    (void)state;
    open_connection(60000);
    bench.net.is_full = true;
    assert_int_equal(socket_send(bench.socket, text, 5000), 5000);
    peer_expect_nothing();
    bench_sleep(10 * NS_PER_MS);
    bench.net.is_full = false;
    bench_sleep(1 * NS_PER_MS);
    for (uint32_t i = 0; i < 5; i++)
        expect_data(1 + i * 1000, 1000);
    assert_int_equal(bench.stack->stats.frames_dropped, 0);
    bench_close();
}

/* TCP stops before the queue behind the card overflows. */
static void test_full_card_holds_tcp_back(void **state)
{
    (void)state;
    open_connection(60000);
    conn->cwnd = TCP_CWND_MAX;
    conn->sent_ms = (uint32_t)(bench.now / NS_PER_MS);
    conn->snd_scale = 3;
    ack(1, 60000);
    bench.net.is_full = true;
    assert_int_equal(socket_send(bench.socket, text, TCP_SEND_BUFFER),
                     TCP_SEND_BUFFER);
    assert_int_equal(bench.stack->tx_queued, STACK_TX_HOLD);
    bench.net.is_full = false;
    bench_sleep(1 * NS_PER_MS);
    assert_int_equal(drain(), (TCP_SEND_BUFFER + 999) / 1000);
    assert_int_equal(bench.stack->stats.frames_dropped, 0);
    assert_int_equal(bench.stack->tx_queued, 0);
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
    assert_int_equal(socket_send(bench.socket, text, 3000), 3000);
    peer_expect_nothing();
    bench_sleep(10 * NS_PER_MS);
    while (count > 0)
        packet_put(held[--count]);
    bench_sleep(1 * NS_PER_MS);
    for (uint32_t i = 0; i < 3; i++)
        expect_data(1 + i * 1000, 1000);
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
        cmocka_unit_test(test_timeout_after_a_pause_of_the_machine),
        cmocka_unit_test(test_round_trip_times),
        cmocka_unit_test(test_fast_retransmit),
        cmocka_unit_test(test_new_reno_repairs_several_losses),
        cmocka_unit_test(test_limited_transmit),
        cmocka_unit_test(test_not_duplicates),
        cmocka_unit_test(test_zero_window_is_probed),
        cmocka_unit_test(test_zero_window_lasts),
        cmocka_unit_test(test_probe_byte_may_be_taken),
        cmocka_unit_test(test_silence_counts_from_the_first_data),
        cmocka_unit_test(test_probe_is_not_put_off),
        cmocka_unit_test(test_last_segment_is_pushed),
        cmocka_unit_test(test_send_buffer_fills_and_room_is_told),
        cmocka_unit_test(test_answer_waits_for_a_packet),
        cmocka_unit_test(test_room_is_told_after_no_memory),
        cmocka_unit_test(test_no_room_for_a_first_byte),
        cmocka_unit_test(test_nothing_is_sent),
        cmocka_unit_test(test_first_retry_for_room),
        cmocka_unit_test(test_full_card_is_waited_for),
        cmocka_unit_test(test_empty_pool_is_waited_for),
        cmocka_unit_test(test_fast_retransmit_after_two_gigabytes),
        cmocka_unit_test(test_timeouts_set_ssthresh_once),
        cmocka_unit_test(test_timeout_with_little_in_flight),
        cmocka_unit_test(test_short_segments_wait),
        cmocka_unit_test(test_old_segments_do_not_set_the_window),
        cmocka_unit_test(test_full_card_holds_tcp_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
