/*
 * Congestion control to the byte, and the retransmission timer: RFC 5681, 6298,
 * 6582, 6928, 3042.
 */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct tcp_conn *conn;
static char text[100000];
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

static void open_connection(uint16_t window)
{
    bench_open(64);
    bench_serve(&service);
    closed = 0;
    peer_connect(PEER_PORT, 1000, window);
    peer_expect_nothing();
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    bench.stack->cc = &tcp_newreno;
}

static unsigned drain(void)
{
    struct peer_segment got;
    unsigned count = 0;

    while (peer_receive(&got))
        count++;
    return count;
}

/* Send `len` bytes in full segments, all of which go out. */
static void send_data(uint32_t len)
{
    assert_int_equal(socket_send(bench.socket, text, len), len);
    assert_int_equal(drain(), (len + 999) / 1000);
}

static void ack(uint32_t number)
{
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = number, .window = 60000});
}

static void dup_acks(uint32_t number, unsigned count)
{
    while (count-- > 0)
        ack(number);
}

/* RFC 6928, 2: min(10 MSS, max(2 MSS, 14600)). */
static void test_initial_window(void **state)
{
    static const struct {
        uint16_t mss;
        uint32_t cwnd;
    } rows[] = {{64, 640},     {536, 5360},   {1000, 10000}, {1460, 14600},
                {1461, 14600}, {7300, 14600}, {7301, 14602}, {8000, 16000}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t option[4] = {2, 4, (uint8_t)(rows[i].mss >> 8),
                             (uint8_t)rows[i].mss};
        struct peer_segment got;

        bench_open(64);
        bench_serve(&service);
        bench.stack->mtu = 9000;
        peer_send((struct peer_segment){
            .flags = SYN, .seq = 1000, .options = option, .options_len = 4});
        assert_true(peer_receive(&got));
        peer_send((struct peer_segment){
            .flags = ACK, .seq = 1001, .ack = got.seq + 1});
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        assert_int_equal(conn->cwnd, rows[i].cwnd);
        bench_close();
    }
}

/* RFC 3465, 2: by what was acknowledged; then by a segment when a window was,
 * however many acknowledgements that took. */
static void test_window_grows(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(6000);
    ack(301);
    assert_int_equal(conn->cwnd, 10300);
    ack(1301);
    assert_int_equal(conn->cwnd, 11300);
    ack(3301);
    assert_int_equal(conn->cwnd, 13300);
    ack(6001); /* twice what is used is enough */
    assert_int_equal(conn->cwnd, 13300);
    conn->cwnd = conn->ssthresh = 3000; /* not below it any more */
    conn->newreno_acked = 0;
    send_data(3000);
    ack(9000);
    assert_int_equal(conn->cwnd, 3000);
    ack(9001);
    assert_int_equal(conn->cwnd, 4000);
    conn->cwnd = TCP_CWND_MAX - 10;
    conn->ssthresh = TCP_CWND_MAX;
    send_data(1000);
    conn->used = TCP_CWND_MAX;
    ack(10001);
    assert_int_equal(conn->cwnd, TCP_CWND_MAX);
    bench_close();
}

/* RFC 9438, 5.8; RFC 7661, 4.3: of what was not used nothing is learnt. */
static void test_unused_window_does_not_grow(void **state)
{
    static const struct {
        const char *name;
        uint32_t ssthresh, cwnd, sent;
        bool grows;
    } rows[] = {
        {"half of it, in slow start", TCP_CWND_MAX, 10000, 5000, false},
        {"more, in slow start", TCP_CWND_MAX, 10000, 6000, true},
        {"but for a segment", 4000, 4000, 3000, false},
        {"all of it", 4000, 4000, 4000, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        open_connection(60000);
        conn->ssthresh = rows[i].ssthresh;
        conn->cwnd = rows[i].cwnd;
        send_data(rows[i].sent);
        ack(rows[i].sent + 1);
        assert_int_equal(conn->cwnd > rows[i].cwnd, rows[i].grows);
        bench_close();
    }
}

/* What was in flight counts for a round trip, not for ever. */
static void test_use_of_the_window_is_forgotten(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    ack(10001);
    assert_int_equal(conn->cwnd, 20000);
    send_data(1000);
    ack(11001);
    assert_int_equal(conn->cwnd, 20000);
    bench_close();
}

/* RFC 6582, 3.2: the numbers of a recovery, step by step. */
static void test_fast_recovery_numbers(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    dup_acks(1, 3);
    assert_int_equal(drain(), 1);
    assert_true(conn->is_recovering);
    assert_int_equal(conn->recover - bench.iss, 10001);
    assert_int_equal(conn->ssthresh, 5000);
    assert_int_equal(conn->cwnd, 8000);
    dup_acks(1, 2);
    assert_int_equal(conn->cwnd, 10000);
    ack(3001); /* partial: less what was acknowledged, plus a segment */
    assert_int_equal(drain(), 1);
    assert_int_equal(conn->cwnd, 8000);
    ack(3501); /* less than a segment */
    assert_int_equal(drain(), 1);
    assert_int_equal(conn->cwnd, 7500);
    ack(4501); /* exactly one */
    assert_int_equal(drain(), 1);
    assert_int_equal(conn->cwnd, 7500);
    ack(10001); /* nothing is in flight: min(ssthresh, 2 MSS) */
    assert_false(conn->is_recovering);
    assert_int_equal(conn->cwnd, 2000);
    assert_int_equal(conn->dup_acks, 0);
    bench_close();
}

/* A partial acknowledgement of more than the window: a segment remains. */
static void test_partial_acknowledgement_of_much(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    dup_acks(1, 3);
    assert_int_equal(drain(), 1);
    ack(9001);
    assert_int_equal(drain(), 1);
    assert_int_equal(conn->cwnd, 1000);
    bench_close();
}

/* The end of a recovery with data in flight: min(ssthresh, flight + MSS). */
static void test_recovery_ends_with_data_in_flight(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
    dup_acks(1, 2); /* limited transmit */
    assert_int_equal(drain(), 2);
    ack(1);
    assert_int_equal(drain(), 1);
    assert_int_equal(conn->ssthresh, 6000);
    assert_int_equal(conn->recover - bench.iss, 12001);
    assert_int_equal(socket_send(bench.socket, text, 6000), 6000);
    assert_int_equal(conn->cwnd, 9000);
    dup_acks(1, 5);
    assert_int_equal(drain(), 2); /* 14000 are the window */
    assert_int_equal(conn->snd_max - bench.iss, 14001);
    conn->ssthresh = 50000;
    ack(12001);
    assert_int_equal(conn->cwnd, 2000 + 1000);
    /* And the next loss is repaired as well: after new acknowledgements. */
    ack(12501);
    (void)drain();
    dup_acks(12501, 3);
    assert_true(conn->is_recovering);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 2);
    bench_close();
}

/* A recovery that ends behind `recover`; duplicates follow at once. */
static void test_duplicates_right_after_a_recovery(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    dup_acks(1, 3);
    assert_int_equal(socket_send(bench.socket, text, 3000), 3000);
    dup_acks(1, 5);
    (void)drain();
    assert_true(conn->snd_max - bench.iss > 12001);
    ack(11001);
    assert_false(conn->is_recovering);
    (void)drain();
    dup_acks(11001, 2);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    ack(11001);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 2);
    bench_close();
}

/* RFC 6582, 3.2, step 2: duplicates of what a timeout sent again do not count.
 */
static void test_duplicates_after_a_timeout(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    bench_sleep(200 * NS_PER_MS);
    assert_int_equal(drain(), 1);
    for (unsigned i = 1; i <= 5; i++) {
        ack(1);
        assert_int_equal(drain(), i <= 2); /* RFC 3042: two, no more */
    }
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 0);
    ack(10001); /* all that was in flight, and not one byte more */
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
    (void)drain();
    dup_acks(10001, 3);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 0);
    ack(11001);
    dup_acks(11001, 3);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    bench_close();
}

/* Little in flight: two segments remain the threshold. */
static void test_threshold_is_two_segments(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(3000);
    dup_acks(1, 3);
    assert_int_equal(conn->ssthresh, 2000);
    assert_int_equal(conn->cwnd, 5000);
    bench_close();
}

/* Duplicates are counted from the last new acknowledgement on. */
static void test_duplicates_of_two_holes(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    dup_acks(1, 2);
    ack(1001);
    dup_acks(1001, 2);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 0);
    ack(1001);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    bench_close();
}

/* RFC 6298, 5.3: the timer begins anew when the lost segment is sent again. */
static void test_fast_retransmit_restarts_the_timer(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(10000);
    bench_sleep(150 * NS_PER_MS);
    dup_acks(1, 3);
    assert_int_equal(drain(), 1);
    bench_sleep(200 * NS_PER_MS - 1);
    assert_int_equal(drain(), 0);
    bench_sleep(1);
    assert_int_equal(drain(), 1);
    bench_close();
}

/* A timeout ends the recovery, and what was counted for one. */
static void test_timeout_ends_a_recovery(void **state)
{
    static const unsigned counts[] = {2, 3};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        open_connection(60000);
        send_data(10000);
        dup_acks(1, counts[i]);
        (void)drain();
        bench_sleep(200 * NS_PER_MS);
        assert_int_equal(drain(), 1); /* and nothing for the duplicates */
        assert_false(conn->is_recovering);
        assert_int_equal(conn->cwnd, 1000);
        ack(1001);
        assert_int_equal(conn->cwnd, 2000); /* slow start */
        assert_int_equal(drain(), 2);
        bench_close();
    }
}

/* Equation 4 of RFC 5681 is for the first timeout, also of the longest kind. */
static void test_threshold_after_the_longest_timeouts(void **state)
{
    (void)state;
    open_connection(60000);
    conn->rto_ms = TCP_RTO_MAX_NS / NS_PER_MS;
    send_data(10000);
    bench_sleep(60 * NS_PER_S);
    assert_int_equal(conn->ssthresh, 5000);
    ack(6001);
    bench_sleep(60 * NS_PER_S);
    assert_int_equal(conn->ssthresh, 5000);
    bench_close();
}

/* RFC 5681, 2: each part of the definition of a duplicate. */
static void test_what_is_a_duplicate(void **state)
{
    static const struct {
        const char *name;
        uint32_t ack;
        uint8_t flags;
        uint16_t window;
        size_t len;
        uint32_t sent;
        unsigned count;
    } rows[] = {
        {"a duplicate", 1001, ACK, 60000, 0, 3000, 1},
        {"an older one", 501, ACK, 60000, 0, 3000, 0},
        {"with data", 1001, ACK, 60000, 5, 3000, 0},
        {"with a FIN", 1001, ACK | FIN, 60000, 0, 3000, 0},
        {"with another window", 1001, ACK, 59999, 0, 3000, 0},
        {"nothing in flight", 1001, ACK, 60000, 0, 1000, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection(60000);
        print_message("row %s\n", rows[i].name);
        send_data(rows[i].sent);
        ack(1001);
        peer_send((struct peer_segment){.flags = rows[i].flags,
                                        .seq = 1001,
                                        .ack = rows[i].ack,
                                        .window = rows[i].window,
                                        .data = "12345",
                                        .len = rows[i].len});
        assert_int_equal(conn->dup_acks, rows[i].count);
        bench_close();
    }
}

/* RFC 5961, 5.2: acknowledgements older than any window are challenged. */
static void test_oldest_acknowledgement(void **state)
{
    static const struct {
        uint32_t ack;
        uint64_t challenges;
    } rows[] = {
        {4001 - 2000, 0}, {4001 - 2001, 1}, {4001, 0}, {5001, 0}, {5002, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection(2000); /* the largest window */
        for (uint32_t at = 1; at <= 3001; at += 1000) {
            assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
            peer_send((struct peer_segment){
                .flags = ACK, .seq = 1001, .ack = at + 1000, .window = 1500});
        }
        assert_int_equal(conn->snd_una - bench.iss, 4001);
        assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
        ack(rows[i].ack);
        assert_int_equal(bench.stack->stats.tcp_challenges, rows[i].challenges);
        bench_close();
    }
}

/* RFC 6298, 2: the limits of the timeout, and measurements of no time. */
static void test_timeout_limits(void **state)
{
    static const struct {
        uint64_t rtt_ns;
        uint64_t rto_ns;
    } rows[] = {
        {0, 200 * NS_PER_MS},
        {NS_PER_MS - 1, 200 * NS_PER_MS},
        {NS_PER_MS, 201 * NS_PER_MS},
        {100 * NS_PER_MS, 300 * NS_PER_MS},
        {110 * NS_PER_MS, 330 * NS_PER_MS},
        {20 * NS_PER_S, 60 * NS_PER_S},
        {21 * NS_PER_S, 60 * NS_PER_S},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection(60000);
        conn->srtt = 0;
        conn->backoff = 3;
        ack_measure(conn, rows[i].rtt_ns);
        assert_int_equal(conn_rto_ns(conn), rows[i].rto_ns);
        assert_int_equal(conn->backoff, 0);
        /* 0 means that there is none. */
        assert_int_equal(conn->srtt,
                         rows[i].rtt_ns ? rows[i].rtt_ns / TCP_RTT_UNIT : 1);
        bench_close();
    }
}

/* A shorter round trip as well: 3/4 of the deviation and 1/4 of the gap. */
static void test_round_trip_becomes_shorter(void **state)
{
    (void)state;
    open_connection(60000);
    conn->srtt = 0;
    ack_measure(conn, 800 * NS_PER_MS);
    ack_measure(conn, 400 * NS_PER_MS);
    assert_int_equal(conn->rttvar * TCP_RTT_UNIT, 400 * NS_PER_MS);
    assert_int_equal(conn_srtt_ns(conn), 750 * NS_PER_MS);
    assert_int_equal(conn->rto_ms, 2350);
    bench_close();
}

/* Each acknowledgement of something new is a measurement. */
static void test_each_acknowledgement_is_timed(void **state)
{
    (void)state;
    open_connection(60000);
    conn->srtt = 0;
    send_data(1000);
    bench.now += 50 * NS_PER_MS;
    send_data(1000);
    bench.now += 50 * NS_PER_MS;
    ack(1001);
    assert_int_equal(conn_srtt_ns(conn), 100 * NS_PER_MS);
    ack(1001);
    assert_int_equal(conn_srtt_ns(conn), 100 * NS_PER_MS);
    ack(1501); /* 50 ms, an eighth of which counts */
    assert_int_equal(conn_srtt_ns(conn), 93750 * NS_PER_US);
    bench_close();
}

/* The timeouts double up to a minute, and the last comes after 120 seconds. */
static void test_times_of_retransmissions(void **state)
{
    uint64_t begin, last;
    unsigned count = 1;

    (void)state;
    open_connection(60000);
    begin = last = bench.now;
    send_data(1000);
    while (closed == 0) {
        uint64_t wait = 200 * NS_PER_MS << (count - 1);

        bench_sleep(NS_PER_MS);
        if (drain() == 0)
            continue;
        if (wait > 60 * NS_PER_S)
            wait = 60 * NS_PER_S;
        assert_int_equal(bench.now - last, wait);
        last = bench.now;
        count++;
    }
    /* 0.2 + 0.4 + ... + 51.2 = 102.2; the next one is 60 s later. */
    assert_int_equal(bench.now - begin, 162200 * NS_PER_MS);
    bench_close();
}

/* Giving up is for 120 seconds without an answer: at once then, not before. */
static void test_giving_up_is_exact(void **state)
{
    static const struct {
        uint64_t silence_ns;
        int closed;
    } rows[] = {{120 * NS_PER_S - NS_PER_MS, 0}, {120 * NS_PER_S, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection(60000);
        send_data(1000);
        conn->progress_ms =
            (uint32_t)((bench.now + 200 * NS_PER_MS - rows[i].silence_ns) /
                       NS_PER_MS);
        bench_sleep(200 * NS_PER_MS);
        assert_int_equal(closed, rows[i].closed);
        (void)drain();
        bench_close();
    }
}

/* A peer that takes a segment now and then is never given up. */
static void test_slow_progress_is_progress(void **state)
{
    (void)state;
    open_connection(60000);
    assert_int_equal(socket_send(bench.socket, text, 20000), 20000);
    for (uint32_t at = 1001; at < 15000; at += 1000) {
        (void)drain();
        bench_sleep(30 * NS_PER_S);
        ack(at);
    }
    assert_int_equal(closed, 0);
    (void)drain();
    bench_close();
}

/* The probe takes what the window has room for, at least a byte. */
static void test_probe_fills_a_small_window(void **state)
{
    static const struct {
        uint16_t window;
        size_t len;
    } rows[] = {{0, 1}, {1, 1}, {2, 2}, {400, 400}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection(1000);
        send_data(1000);
        assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
        peer_send((struct peer_segment){
            .flags = ACK, .seq = 1001, .ack = 1001, .window = rows[i].window});
        peer_expect_nothing();
        assert_true(conn->is_probing);
        bench_sleep(200 * NS_PER_MS);
        peer_expect(
            {.flags = ACK, .seq = 1001, .ack = 1001, .len = rows[i].len});
        bench_close();
    }
}

static void ack_window(uint32_t number, uint16_t window)
{
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = number, .window = window});
}

/* Probes begin after one timeout, whatever was before; and so does what follows
 * when the window opens. */
static void test_probes_do_not_inherit_the_backoff(void **state)
{
    (void)state;
    open_connection(60000);
    send_data(2000);
    bench_sleep(600 * NS_PER_MS); /* two timeouts */
    assert_int_equal(drain(), 2);
    ack(1001); /* no measurement, so the timer stays backed off */
    assert_int_equal(drain(), 1);
    ack_window(2001, 0);
    assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
    bench_sleep(200 * NS_PER_MS - 1);
    assert_int_equal(drain(), 0);
    bench_sleep(1);
    assert_int_equal(drain(), 1);
    for (unsigned i = 1; i < 4; i++) {
        ack_window(2001, 0);
        bench_sleep(200 * NS_PER_MS << i);
        assert_int_equal(drain(), 1);
    }
    bench_sleep(100 * NS_PER_MS);
    ack_window(2001, 60000);
    assert_int_equal(drain(), 1);
    bench_sleep(200 * NS_PER_MS - 1);
    assert_int_equal(drain(), 0);
    bench_sleep(1); /* the data were lost */
    assert_int_equal(drain(), 1);
    bench_close();
}

/* One byte is enough to probe for. */
static void test_probe_for_one_byte(void **state)
{
    (void)state;
    open_connection(60000);
    ack_window(1, 0);
    assert_int_equal(socket_send(bench.socket, text, 1), 1);
    bench_sleep(200 * NS_PER_MS);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001, .len = 1});
    bench_close();
}

/* A connection that is given up has no timeouts of the service any more. */
static void test_idle_timeout_when_given_up(void **state)
{
    (void)state;
    service.idle_ns = 162200 * NS_PER_MS; /* of the same moment */
    open_connection(60000);
    send_data(1000);
    bench_sleep(service.idle_ns);
    service.idle_ns = 0;
    assert_int_equal(closed, 1);
    (void)drain();
    bench_close();
}

/* RFC 5681, 4.1: after a pause longer than the timeout the window is at most
 * the initial one. */
static void test_window_after_a_pause(void **state)
{
    static const struct {
        const char *name;
        uint64_t pause_ns;
        uint32_t cwnd;
        uint32_t after;
    } rows[] = {
        {"a short one", 200 * NS_PER_MS, 30000, 30000},
        {"longer than the timeout", 201 * NS_PER_MS, 30000, 10000},
        {"with a small window", NS_PER_S, 4000, 4000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_connection(60000);
        print_message("row %s\n", rows[i].name);
        send_data(1000);
        ack(1001);
        assert_int_equal(conn->rto_ms, 200);
        conn->cwnd = rows[i].cwnd;
        bench_sleep(rows[i].pause_ns);
        send_data(1000);
        assert_int_equal(conn->cwnd, rows[i].after);
        bench_close();
    }
}

/* While data are in flight there is no pause. */
static void test_no_pause_while_data_are_in_flight(void **state)
{
    (void)state;
    open_connection(60000);
    conn->rto_ms = 10000;
    send_data(1000);
    conn->rto_ms = 200;
    conn->cwnd = 30000;
    bench_sleep(NS_PER_S);
    send_data(1000);
    assert_int_equal(conn->cwnd, 30000);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_window),
        cmocka_unit_test(test_window_grows),
        cmocka_unit_test(test_unused_window_does_not_grow),
        cmocka_unit_test(test_use_of_the_window_is_forgotten),
        cmocka_unit_test(test_fast_recovery_numbers),
        cmocka_unit_test(test_partial_acknowledgement_of_much),
        cmocka_unit_test(test_recovery_ends_with_data_in_flight),
        cmocka_unit_test(test_duplicates_right_after_a_recovery),
        cmocka_unit_test(test_duplicates_after_a_timeout),
        cmocka_unit_test(test_threshold_is_two_segments),
        cmocka_unit_test(test_duplicates_of_two_holes),
        cmocka_unit_test(test_fast_retransmit_restarts_the_timer),
        cmocka_unit_test(test_timeout_ends_a_recovery),
        cmocka_unit_test(test_threshold_after_the_longest_timeouts),
        cmocka_unit_test(test_what_is_a_duplicate),
        cmocka_unit_test(test_oldest_acknowledgement),
        cmocka_unit_test(test_timeout_limits),
        cmocka_unit_test(test_round_trip_becomes_shorter),
        cmocka_unit_test(test_each_acknowledgement_is_timed),
        cmocka_unit_test(test_times_of_retransmissions),
        cmocka_unit_test(test_giving_up_is_exact),
        cmocka_unit_test(test_slow_progress_is_progress),
        cmocka_unit_test(test_probe_fills_a_small_window),
        cmocka_unit_test(test_probes_do_not_inherit_the_backoff),
        cmocka_unit_test(test_probe_for_one_byte),
        cmocka_unit_test(test_idle_timeout_when_given_up),
        cmocka_unit_test(test_window_after_a_pause),
        cmocka_unit_test(test_no_pause_while_data_are_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
