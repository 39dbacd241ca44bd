/* The path's MTU: what ICMP says (RFC 1191, RFC 5927), and what is found
 * without a word (RFC 4821). */
#include "kernel/heap/heap.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct tcp_conn *conn;
static char text[2000];

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

static void open_connection(void)
{
    bench_open(64);
    bench_serve(&service);
    peer_connect(PEER_PORT, 1000, 60000);
    peer_expect_nothing();
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
}

static unsigned drain(void)
{
    struct peer_segment got;
    unsigned count = 0;

    while (peer_receive(&got))
        count++;
    return count;
}

static void expect_data(uint32_t seq, size_t len)
{
    peer_expect({.flags = ACK, .seq = seq, .ack = 1001, .len = len});
}

/* An ICMP message as a router sends it about a segment of ours. */
struct quote {
    uint8_t type;
    uint8_t code;
    uint16_t mtu;
    uint8_t version; /* and header length */
    uint8_t protocol;
    uint32_t src;
    uint32_t dst;
    uint16_t port;
    uint32_t seq; /* from our first one */
    size_t len;   /* of the quote's TCP part */
};

static const struct quote good_quote = {
    3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8};

static void router_says(struct quote quote)
{
    uint8_t frame[128] = {0};
    uint8_t *icmp = frame + 34;
    uint8_t *inner = icmp + 8;
    size_t len = 28 + quote.len;

    icmp[0] = quote.type;
    icmp[1] = quote.code;
    peer_put16(icmp + 6, quote.mtu);
    inner[0] = quote.version;
    peer_put16(inner + 2, 1040);
    inner[9] = quote.protocol;
    peer_put32(inner + 12, quote.src);
    peer_put32(inner + 16, quote.dst);
    peer_put16(inner + 20, SERVICE_PORT);
    peer_put16(inner + 22, quote.port);
    peer_put32(inner + 24, quote.seq + bench.iss);
    peer_put16(icmp + 2, peer_checksum(icmp, len, 0));
    fakenet_inject(&bench.net, frame,
                   peer_ip4(frame, GATEWAY, OUR_ADDRESS, 1, len));
    bench_run();
}

static void too_big(uint32_t seq, uint16_t mtu)
{
    struct quote quote = good_quote;

    quote.seq = seq;
    quote.mtu = mtu;
    router_says(quote);
}

/* RFC 1191, RFC 5927: what a router's word about the path must have right. */
static void test_path_mtu_quotes(void **state)
{
    static const struct {
        const char *name;
        struct quote quote;
        bool is_taken;
    } quotes[] = {
        {"right",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         true},
        {"another type",
         {11, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
        {"another code",
         {3, 3, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
        {"not IPv4",
         {3, 4, 600, 0x65, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
        {"not TCP",
         {3, 4, 600, 0x45, 17, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
        {"not from us",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS + 9, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
        {"not to a peer",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS + 9, PEER_PORT, 1, 8},
         false},
        {"another port",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT + 1, 1, 8},
         false},
        {"too short",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 7},
         false},
        {"acknowledged already",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 0, 8},
         false},
        {"the last byte in flight",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 2000, 8},
         true},
        {"not sent yet",
         {3, 4, 600, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 2001, 8},
         false},
        {"the least MTU",
         {3, 4, 552, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         true},
        {"what fits already",
         {3, 4, 1040, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(quotes); i++) {
        open_connection();
        print_message("row %s\n", quotes[i].name);
        assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
        assert_int_equal(drain(), 2);
        router_says(quotes[i].quote);
        assert_int_equal(conn->mss,
                         quotes[i].is_taken ? quotes[i].quote.mtu - 40 : 1000);
        assert_int_equal(drain() > 0, quotes[i].is_taken);
        bench_close();
    }
}

/* Without data of ours, and after the end of it, there is nothing to resend. */
static void test_path_mtu_of_a_half_open_connection(void **state)
{
    struct peer_segment got;

    (void)state;
    open_connection();
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 9});
    assert_true(peer_receive(&got));
    bench.iss = got.seq;
    router_says(
        (struct quote){3, 4, 552, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, 9, 0, 8});
    peer_expect_nothing();
    bench_close();
}

static void test_path_mtu(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
    assert_int_equal(drain(), 2);
    too_big(5000, 600); /* never sent */
    too_big(1, 9000);
    assert_int_equal(conn->mss, 1000);
    peer_expect_nothing();
    too_big(1, 600);
    assert_int_equal(conn->mss, 560);
    expect_data(1, 560);
    expect_data(561, 560);
    expect_data(1121, 560);
    expect_data(1681, 320);
    peer_expect_nothing();
    bench_close();
}

/*
 * MTUs for which no datagram of ours can be small enough, and routers that do
 * not say: no smaller path MTU than 552 is believed, and routers may cut up
 * what they must.
 */
static void test_small_path_mtus(void **state)
{
    static const struct {
        uint16_t mtu;
        uint16_t want; /* MSS */
        bool may_fragment;
    } rows[] = {
        {553, 513, false}, {552, 512, false}, {551, 512, true},
        {500, 512, true},  {296, 512, true},  {68, 512, true},
        {1, 512, true},    {0, 966, false}, /* 1006 is below 1040 */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct fakenet_frame *frame;
        uint32_t sent = 0;
        uint16_t id = 0;

        open_connection();
        print_message("row %u\n", rows[i].mtu);
        assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
        assert_int_equal(drain(), 2);
        too_big(1, rows[i].mtu);
        assert_int_equal(conn->mss, rows[i].want);
        while ((frame = fakenet_sent(&bench.net)) != NULL) {
            unsigned df = peer_get16(frame->data + 20);

            assert_int_equal(df, rows[i].may_fragment ? 0 : 0x4000);
            assert_in_range(frame->len, 54, 54 + rows[i].want);
            /* RFC 6864, 4.1: datagrams that may be cut up have ids. */
            if (sent > 0 && rows[i].may_fragment)
                assert_int_equal(peer_get16(frame->data + 18),
                                 (uint16_t)(id + 1));
            id = (uint16_t)peer_get16(frame->data + 18);
            sent += (uint32_t)frame->len - 54;
        }
        assert_int_equal(sent, 2000);
        too_big(1, rows[i].mtu); /* again: known */
        peer_expect_nothing();
        bench_close();
    }
}

/* A segment that is smaller than 552 bytes is sent again when it may not be
 * smaller: now routers may cut it up. */
static void test_small_segments_may_be_cut_up(void **state)
{
    const struct fakenet_frame *frame;

    (void)state;
    open_connection();
    conn->mss = 400;
    assert_int_equal(socket_send(bench.socket, text, 400), 400);
    assert_int_equal(drain(), 1);
    too_big(1, 552); /* it is smaller than that: not ours */
    peer_expect_nothing();
    too_big(1, 296);
    assert_int_equal(conn->mss, 400);
    frame = fakenet_sent(&bench.net);
    assert_non_null(frame);
    assert_int_equal(frame->len, 454);
    assert_int_equal(peer_get16(frame->data + 20), 0);
    assert_null(fakenet_sent(&bench.net));
    bench_close();
}

/* What the link takes has become less: what is in flight, and what follows it,
 * goes in segments that fit. One that is smaller already is left alone. */
static void test_the_link_takes_less(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
    assert_int_equal(drain(), 2);
    bench.stack->mtu = 600;
    tcp_link_shrunk(bench.stack);
    tcp_check_all(bench.stack);
    assert_int_equal(conn->mss, 560);
    expect_data(1, 560);
    expect_data(561, 560);
    expect_data(1121, 560);
    expect_data(1681, 320);
    peer_expect_nothing();
    tcp_link_shrunk(bench.stack);
    bench.stack->mtu = 1500;
    tcp_link_shrunk(bench.stack);
    assert_int_equal(conn->mss, 560);
    peer_expect_nothing();
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 2001, .window = 60000});
    assert_int_equal(socket_send(bench.socket, text, 700), 700);
    expect_data(2001, 560);
    expect_data(2561, 140);
    bench_close();
}

/* One that is not open yet keeps to it when it is. */
static void test_the_link_takes_less_for_a_half_open_connection(void **state)
{
    static const uint8_t mss[4] = {2, 4, 1460 >> 8, 1460 & 255};
    struct peer_segment got;

    (void)state;
    open_connection();
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = 1,
                                    .port = 9,
                                    .options = mss,
                                    .options_len = sizeof(mss)});
    assert_true(peer_receive(&got));
    bench.stack->mtu = 576;
    tcp_link_shrunk(bench.stack);
    tcp_check_all(bench.stack);
    peer_expect_nothing();
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 2, .ack = got.seq + 1, .port = 9});
    conn = bench_conn(PEER_ADDRESS, 9, SERVICE_PORT);
    assert_non_null(conn);
    assert_int_equal(conn->mss, 536);
    bench_close();
}

/* RFC 9293, 3.9.2.2: source quench, soft errors, and what is against a
 * connection that is open, as true as it may look. */
static void test_icmp_lies_change_nothing(void **state)
{
    static const struct {
        const char *name;
        uint8_t type, code;
    } rows[] = {
        {"network unreachable", 3, 0},
        {"host unreachable", 3, 1},
        {"protocol unreachable", 3, 2},
        {"port unreachable", 3, 3},
        {"source route failed", 3, 5},
        {"source quench", 4, 0},
        {"redirect", 5, 1},
        {"time exceeded", 11, 0},
        {"parameter problem", 12, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct quote quote = good_quote;
        uint32_t cwnd;

        print_message("row %s\n", rows[i].name);
        open_connection();
        assert_int_equal(socket_send(bench.socket, text, 1000), 1000);
        assert_int_equal(drain(), 1);
        cwnd = conn->cwnd;
        quote.type = rows[i].type;
        quote.code = rows[i].code;
        router_says(quote);
        assert_int_equal(conn->state, TCP_ESTABLISHED);
        assert_int_equal(conn->cwnd, cwnd);
        assert_int_equal(conn->mss, 1000);
        assert_int_equal(drain(), 0);
        bench_close();
    }
}

/* ---- Without a router's word: RFC 4821 ----------------------------------- */

enum { FULL = 1460, BASE = 1240, LEAST = 512, LOT = 20000 };

static char lot[LOT];

/* A connection whose peer tells what it has. */
static void open_telling(void)
{
    static const uint8_t options[] = {2, 4, FULL >> 8, FULL & 255, 4, 2, 1, 1};
    struct peer_segment got;

    bench_open(64);
    bench_serve(&service);
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = 1000,
                                    .window = 60000,
                                    .options = options,
                                    .options_len = sizeof(options)});
    assert_true(peer_receive(&got));
    bench.iss = got.seq;
    bench.relative = true;
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .window = 60000});
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_int_equal(conn->mss, FULL);
}

static void write_bytes(size_t len)
{
    assert_int_equal(socket_send(bench.socket, lot, len), len);
    bench_run(); /* who is asked for its address answers */
}

static void write_lot(void)
{
    write_bytes(LOT);
}

/* Acknowledge up to `ack`; `start` .. `end`, if it is not empty, came beyond.
 */
static void ack(uint32_t number, uint32_t start, uint32_t end)
{
    uint8_t options[12] = {1, 1, 5, 10};

    peer_put32(options + 4, bench.iss + start);
    peer_put32(options + 8, bench.iss + end);
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1001,
                                    .ack = number,
                                    .window = 60000,
                                    .options = options,
                                    .options_len = start < end ? 12 : 0});
}

/* All that is sent arrives, until nothing more comes; the largest segment. */
static size_t deliver(void)
{
    struct peer_segment got;
    size_t most = 0;

    while (peer_receive(&got)) {
        most = got.len > most ? got.len : most;
        if (got.len > 0)
            ack(got.seq + (uint32_t)got.len, 0, 0);
    }
    assert_int_equal(conn_flight(conn), 0);
    return most;
}

/* Nothing arrives until the retransmission timer has expired so often. */
static void time_out(unsigned count)
{
    while (conn->backoff < count) {
        drain();
        bench_sleep(10 * NS_PER_MS);
    }
}

static void test_full_segments_vanish(void **state)
{
    struct peer_segment got;

    (void)state;
    open_telling();
    write_lot();
    time_out(2);
    assert_int_equal(conn->mss, FULL);
    assert_true(conn->ssthresh < LOT);
    time_out(3);
    assert_int_equal(conn->mss, BASE);
    assert_int_equal(conn->cwnd, BASE);
    assert_int_equal(conn->ssthresh, TCP_CWND_MAX); /* a slow start */
    expect_data(1, BASE);                           /* of the first one only */
    peer_expect_nothing();
    time_out(4);
    assert_int_equal(conn->mss, BASE);
    time_out(5);
    assert_int_equal(conn->mss, LEAST);
    assert_int_equal(conn->dst.pmtu, 552);
    assert_false(conn->dst.may_fragment);
    expect_data(1, LEAST);
    time_out(7); /* no less is believed */
    assert_int_equal(conn->mss, LEAST);
    while (peer_receive(&got))
        assert_true(got.len <= LEAST);
    bench_close();
}

/* What fits into a small segment has other reasons not to arrive. */
static void test_small_segments_vanish(void **state)
{
    (void)state;
    open_telling();
    write_bytes(LEAST);
    time_out(5);
    assert_int_equal(conn->mss, FULL);
    assert_null(conn->mtu);
    bench_close();
}

/* The path was down, and is as wide as before: the first probe says so. */
static void test_an_outage_is_no_black_hole(void **state)
{
    size_t most = 0;

    (void)state;
    open_telling();
    write_lot();
    time_out(3);
    assert_non_null(conn->mtu);
    for (unsigned i = 0; i < 10 && conn->mtu != NULL; i++) {
        most = deliver();
        write_lot();
    }
    assert_null(conn->mtu);
    assert_int_equal(most, FULL);
    assert_int_equal(conn->mss, FULL);
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 0);
    bench_close();
}

/* A router has told of 1400 bytes: so much is sent for ten minutes. */
static void open_narrow(void)
{
    open_telling();
    write_lot();
    drain();
    too_big(1, 1400);
    assert_int_equal(deliver(), 1360);
    bench_sleep(599 * NS_PER_S);
    write_lot();
    assert_int_equal(deliver(), 1360);
    bench_sleep(NS_PER_S);
}

static void test_a_path_may_become_wider(void **state)
{
    (void)state;
    open_narrow();
    write_lot();
    assert_int_equal(deliver(), FULL);
    assert_int_equal(conn->mss, FULL);
    assert_null(conn->mtu);
    write_lot();
    assert_int_equal(deliver(), FULL);
    bench_close();
}

/* Send what has a probe at its beginning, and no more than three segments
 * behind it; where it begins. */
static uint32_t probe_go(size_t size)
{
    uint32_t start = conn->snd_una - bench.iss;
    struct peer_segment got;

    write_bytes(size + 3 * conn->mss);
    assert_true(peer_receive(&got));
    assert_int_equal(got.seq, start);
    assert_int_equal(got.len, size);
    assert_int_equal(drain(), 3);
    return start;
}

/* The probe is lost, what is behind it arrives: that is no congestion. */
static void probe_vanishes(size_t size)
{
    uint32_t start = probe_go(size), end = start + (uint32_t)size;
    uint32_t cwnd = conn->cwnd;

    ack(start, end, end + 3 * conn->mss);
    assert_false(conn->is_recovering);
    assert_true(conn->cwnd >= cwnd);
    expect_data(start, conn->mss);
    expect_data(start + conn->mss, size - conn->mss);
    peer_expect_nothing();
    ack(end + 3 * conn->mss, 0, 0);
}

static void test_what_passes_is_searched(void **state)
{
    (void)state;
    open_narrow();
    probe_vanishes(FULL);
    assert_int_equal(conn->mtu->high, FULL); /* once may be by chance */
    probe_vanishes(FULL);
    assert_int_equal(conn->mtu->high, FULL - 1);
    probe_vanishes(1410);
    probe_vanishes(1410);
    ack(probe_go(1385) + 1385 + 3 * 1360, 0, 0);
    assert_int_equal(conn->mss, 1385);
    ack(probe_go(1397) + 1397 + 3 * 1385, 0, 0);
    probe_vanishes(1403);
    probe_vanishes(1403);
    /* It is known to seven bytes: no probe for ten minutes. */
    assert_int_equal(conn->mtu->high, 1402);
    write_lot();
    assert_int_equal(deliver(), 1397);
    bench_sleep(600 * NS_PER_S);
    probe_vanishes(FULL);
    bench_close();
}

static void test_a_router_tells_of_a_probe(void **state)
{
    uint32_t start;

    (void)state;
    open_narrow();
    start = probe_go(FULL);
    too_big(start, 1500); /* it is not larger */
    too_big(start, 1420);
    assert_int_equal(conn->mss, 1360);
    peer_expect_nothing();
    ack(start, start + FULL, start + FULL + 3 * 1360);
    assert_int_equal(drain(), 2);
    ack(start + FULL + 3 * 1360, 0, 0);
    assert_int_equal(conn->mtu->high, 1380);
    start = probe_go(1370);
    too_big(start, 1300); /* less than what has passed: a narrow path */
    assert_int_equal(conn->mss, 1260);
    bench_close();
}

/* Others are lost, too: that is congestion, and tells nothing of the probe. */
static void test_a_probe_is_lost_among_others(void **state)
{
    uint32_t start, cwnd;

    (void)state;
    open_narrow();
    cwnd = conn->cwnd;
    write_bytes(FULL + 6 * 1360);
    drain();
    start = conn->snd_una - bench.iss;
    ack(start, start + FULL + 1360, start + FULL + 6 * 1360);
    assert_true(conn->is_recovering);
    assert_true(conn->ssthresh < cwnd);
    assert_int_equal(conn->mtu->probe, 0);
    assert_int_equal(conn->mtu->tries, 0);
    bench_close();
}

/* A timeout with a probe under way tells nothing of it, either. */
static void test_a_probe_and_a_timeout(void **state)
{
    (void)state;
    open_narrow();
    (void)probe_go(FULL);
    time_out(1);
    assert_int_equal(conn->mtu->probe, 0);
    assert_int_equal(conn->mtu->tries, 0);
    assert_int_equal(conn->mss, 1360);
    deliver();
    bench_close();
}

/* What is needed for a probe: data and windows, or its loss is not seen. */
static void test_when_no_probe_is_sent(void **state)
{
    (void)state;
    open_narrow();
    write_bytes(FULL + 3 * 1360 - 1);
    assert_int_equal(deliver(), 1360);
    conn->snd_wnd = FULL + 3 * 1360 - 1;
    write_lot();
    assert_int_equal(drain(), 4);
    bench_close();
}

/* Something may be lost already, even if only a byte has come behind it. */
static void test_no_probe_behind_a_hole(void **state)
{
    uint32_t start;
    struct peer_segment got;

    (void)state;
    open_narrow();
    start = conn->snd_una - bench.iss;
    write_bytes(100);
    write_bytes(1);
    drain();
    bench_sleep(100 * NS_PER_MS);
    conn->srtt = 100 * NS_PER_MS / TCP_RTT_UNIT; /* it may only be late */
    conn->rack.min_rtt_us = 100000;
    ack(start, start + 100, start + 101);
    assert_false(conn->is_recovering);
    write_lot();
    assert_true(peer_receive(&got));
    assert_int_equal(got.len, 1360);
    bench_close();
}

/* Datagrams that may be cut up arrive; their segments have 400 bytes or less.
 */
static void deliver_cut_up(void)
{
    const struct fakenet_frame *frame;

    while ((frame = fakenet_sent(&bench.net)) != NULL) {
        if (frame->len != 0) { /* else it was an answered question of ARP */
            assert_in_range(frame->len, 55, 54 + 400);
            assert_int_equal(peer_get16(frame->data + 20), 0);
        }
        if (bench.net.sent.count == 0)
            ack(conn->snd_max - bench.iss, 0, 0);
    }
}

/* Segments that cannot be smaller are cut up by routers: nothing to search. */
static void test_nothing_is_searched_below_the_least(void **state)
{
    (void)state;
    open_telling();
    conn->mss = 400;
    write_bytes(400);
    drain();
    too_big(1, 296);
    deliver_cut_up();
    assert_non_null(conn->mtu);
    bench_sleep(600 * NS_PER_S);
    write_lot();
    deliver_cut_up();
    assert_null(conn->mtu);
    bench_close();
}

/* What fits into 1280 bytes already is not searched, either. */
static void test_the_base_is_passed_over(void **state)
{
    (void)state;
    open_telling();
    conn->mss = BASE;
    write_lot();
    time_out(3);
    assert_null(conn->mtu);
    time_out(5);
    assert_int_equal(conn->mss, LEAST);
    bench_close();
}

static void test_without_memory_nothing_larger_is_tried(void **state)
{
    (void)state;
    open_telling();
    write_lot();
    time_out(2);
    loss_free(conn); /* as if there had been none for that, either */
    heap_fail(1);
    time_out(3);
    heap_fail(0);
    assert_int_equal(conn->mss, BASE);
    assert_null(conn->mtu);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(deliver(), BASE);
        write_lot();
    }
    bench_close();
}

/* Peers without SACK: down, and never up. */
static void test_peers_that_do_not_tell(void **state)
{
    (void)state;
    open_connection();
    assert_int_equal(socket_send(bench.socket, text, 2000), 2000);
    time_out(3);
    assert_int_equal(conn->mss, 1000); /* less than the base */
    time_out(5);
    assert_int_equal(conn->mss, LEAST);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(deliver() <= LEAST);
        write_lot();
    }
    bench_close();
}

static void test_the_link_ends_a_search(void **state)
{
    (void)state;
    open_narrow();
    assert_non_null(conn->mtu);
    bench.stack->mtu = 1300;
    tcp_link_shrunk(bench.stack);
    assert_null(conn->mtu);
    write_lot();
    assert_int_equal(deliver(), 1260);
    bench_close();
}

/* As above, but the link still takes more than what passes: it bounds what is
 * searched. */
static void test_the_link_bounds_a_search(void **state)
{
    uint32_t end;

    (void)state;
    open_narrow();
    end = probe_go(FULL) + FULL + 3 * 1360;
    tcp_link_shrunk(bench.stack); /* it has not */
    assert_int_equal(conn->mtu->probe, FULL);
    bench.stack->mtu = 1450;
    tcp_link_shrunk(bench.stack);
    assert_int_equal(conn->mtu->max, 1410);
    assert_int_equal(conn->mtu->high, 1410);
    assert_int_equal(conn->mtu->probe, 0);
    ack(end, 0, 0); /* it was under way before */
    tcp_check_all(bench.stack);
    assert_int_equal(conn->mss, 1360);
    ack(probe_go(1410) + 1410 + 3 * 1360, 0, 0);
    assert_int_equal(conn->mss, 1410);
    assert_null(conn->mtu);
    bench_close();
    open_narrow();
    bench.stack->mtu = 1400; /* what passes, and no more */
    tcp_link_shrunk(bench.stack);
    assert_int_equal(conn->mss, 1360);
    assert_null(conn->mtu);
    bench_close();
}

/* After a loss ssthresh is two segments, which become larger. */
static void test_windows_hold_larger_segments(void **state)
{
    (void)state;
    open_narrow();
    conn->ssthresh = 2 * 1360;
    (void)probe_go(FULL);
    conn->cwnd = 1360;
    ack(conn->snd_max - bench.iss, 0, 0);
    tcp_check_all(bench.stack);
    assert_int_equal(conn->mss, FULL);
    assert_int_equal(conn->ssthresh, 2 * FULL);
    bench_close();
}

/* What was in flight at a timeout, or at a mark of congestion, is not
 * acknowledged yet: a probe behind it that is lost has not passed. */
static void test_a_probe_in_the_window_of_a_loss(void **state)
{
    uint32_t start, end;

    (void)state;
    open_narrow();
    start = probe_go(FULL);
    end = start + FULL;
    conn->recover = conn->snd_max;
    ack(start, end, end + 3 * 1360);
    assert_int_equal(conn->mtu->probe, 0);
    assert_int_equal(conn->mtu->tries, 1);
    assert_int_equal(drain(), 2);
    ack(end + 3 * 1360, 0, 0);
    assert_int_equal(conn->mss, 1360);
    bench_close();
}

/* The peer's window is closed: it is probed although more follows. */
static void test_a_closed_window_while_held(void **state)
{
    (void)state;
    open_telling();
    socket_hold(bench.socket);
    conn->snd_wnd = 0;
    write_bytes(2 * FULL);
    assert_true(conn->is_probing);
    bench_close();
}

/* What is lost is sent again although more follows the last data, and so is an
 * acknowledgement. */
static void test_what_is_held_back_is_sent_again(void **state)
{
    (void)state;
    open_telling();
    socket_hold(bench.socket);
    write_bytes(3 * FULL + 100);
    assert_int_equal(drain(), 3);
    conn->ack_now = true;
    write_bytes(12);
    expect_data(1 + 3 * FULL, 0);
    too_big(1, 600);
    expect_data(1, 560);
    deliver();
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_mtu),
        cmocka_unit_test(test_path_mtu_quotes),
        cmocka_unit_test(test_small_path_mtus),
        cmocka_unit_test(test_small_segments_may_be_cut_up),
        cmocka_unit_test(test_path_mtu_of_a_half_open_connection),
        cmocka_unit_test(test_the_link_takes_less),
        cmocka_unit_test(test_the_link_takes_less_for_a_half_open_connection),
        cmocka_unit_test(test_icmp_lies_change_nothing),
        cmocka_unit_test(test_full_segments_vanish),
        cmocka_unit_test(test_small_segments_vanish),
        cmocka_unit_test(test_an_outage_is_no_black_hole),
        cmocka_unit_test(test_a_path_may_become_wider),
        cmocka_unit_test(test_what_passes_is_searched),
        cmocka_unit_test(test_a_router_tells_of_a_probe),
        cmocka_unit_test(test_a_probe_is_lost_among_others),
        cmocka_unit_test(test_a_probe_and_a_timeout),
        cmocka_unit_test(test_when_no_probe_is_sent),
        cmocka_unit_test(test_no_probe_behind_a_hole),
        cmocka_unit_test(test_nothing_is_searched_below_the_least),
        cmocka_unit_test(test_the_base_is_passed_over),
        cmocka_unit_test(test_without_memory_nothing_larger_is_tried),
        cmocka_unit_test(test_peers_that_do_not_tell),
        cmocka_unit_test(test_the_link_ends_a_search),
        cmocka_unit_test(test_the_link_bounds_a_search),
        cmocka_unit_test(test_windows_hold_larger_segments),
        cmocka_unit_test(test_a_probe_in_the_window_of_a_loss),
        cmocka_unit_test(test_a_closed_window_while_held),
        cmocka_unit_test(test_what_is_held_back_is_sent_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
