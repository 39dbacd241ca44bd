/* What the peer sends: order, windows, acknowledgements, its end. */
#include "net/ip4.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static char taken[1 << 20]; /* what the service read */
static size_t taken_len;
static int received; /* calls */
static bool reading;
static bool ended;
static struct socket *last;

static void on_receive(struct service *service, struct socket *socket)
{
    int64_t got = 1;

    (void)service;
    last = socket;
    received++;
    while (reading && got > 0) {
        got = socket_receive(socket, taken + taken_len,
                             sizeof(taken) - taken_len);
        if (got > 0)
            taken_len += (size_t)got;
    }
    if (reading && got == 0)
        ended = true;
}

static struct service service = {.port = SERVICE_PORT, .receive = on_receive};

static void open_connection(uint32_t seq)
{
    bench_open(64);
    bench_serve(&service);
    taken_len = 0;
    received = 0;
    reading = true;
    ended = false;
    peer_connect(PEER_PORT, seq, 60000);
    peer_expect_nothing();
}

static void data(uint32_t seq, const char *text, uint8_t flags)
{
    peer_send((struct peer_segment){.flags = flags | ACK,
                                    .seq = seq,
                                    .ack = 1,
                                    .window = 60000,
                                    .data = text,
                                    .len = strlen(text)});
}

static void check_taken(const char *want)
{
    assert_int_equal(taken_len, strlen(want));
    assert_memory_equal(taken, want, taken_len);
}

static void test_data_is_delivered_and_acked_late(void **state)
{
    (void)state;
    open_connection(1000);
    data(1001, "hello", PSH);
    check_taken("hello");
    peer_expect_nothing();
    bench_sleep(39 * NS_PER_MS);
    peer_expect_nothing();
    bench_sleep(1 * NS_PER_MS);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1006});
    bench_sleep(NS_PER_S);
    peer_expect_nothing();
    bench_close();
}

/* More data do not put it off. */
static void test_late_ack_is_not_put_off(void **state)
{
    (void)state;
    open_connection(1000);
    data(1001, "hello", PSH);
    bench_sleep(30 * NS_PER_MS);
    data(1006, "world", PSH);
    bench_sleep(10 * NS_PER_MS - 1);
    peer_expect_nothing();
    bench_sleep(1);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1011});
    bench_close();
}

/* Data of ours bring the acknowledgement, and none follows. */
static void test_data_bring_the_ack(void **state)
{
    (void)state;
    open_connection(1000);
    data(1001, "hello", PSH);
    assert_int_equal(socket_send(last, "x", 1), 1);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1006, .len = 1});
    bench_sleep(100 * NS_PER_MS);
    peer_expect_nothing();
    bench_close();
}

static void full_segment(uint32_t seq)
{
    static char full[1000];

    peer_send((struct peer_segment){
        .flags = ACK, .seq = seq, .ack = 1, .data = full, .len = 1000});
}

/* RFC 9293, 3.8.6.3: at least every second full segment; each of the first. */
static void test_second_segment_is_acked_at_once(void **state)
{
    (void)state;
    open_connection(1000);
    for (uint32_t i = 1; i <= TCP_QUICK_SEGMENTS; i++) {
        full_segment(1001 + (i - 1) * 1000);
        if (i < TCP_QUICK_SEGMENTS)
            peer_expect({.flags = ACK, .seq = 1, .ack = 1001 + i * 1000});
    }
    peer_expect_nothing();
    full_segment(17001);
    peer_expect({.flags = ACK, .seq = 1, .ack = 18001});
    full_segment(18001);
    peer_expect_nothing();
    full_segment(19001);
    peer_expect({.flags = ACK, .seq = 1, .ack = 20001});
    bench_close();
}

static void test_out_of_order_is_put_in_order(void **state)
{
    (void)state;
    open_connection(1000);
    data(1004, "def", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
    data(1007, "ghi", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
    assert_int_equal(taken_len, 0);
    data(1001, "abc", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1010});
    check_taken("abcdefghi");
    bench_close();
}

/* Pieces in every order and overlap make the same text. */
static void test_overlapping_pieces(void **state)
{
    static const struct {
        uint32_t at;
        uint32_t len;
    } pieces[] = {{5, 3}, {20, 6}, {2, 4}, {12, 4}, {10, 12},
                  {7, 1}, {8, 4},  {0, 1}, {1, 3},  {0, 26}};
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (unsigned first = 0; first < COUNT_OF(pieces); first++) {
        open_connection(1000);
        for (unsigned i = 0; i < COUNT_OF(pieces); i++) {
            unsigned n = (first + i) % COUNT_OF(pieces);

            peer_send((struct peer_segment){.flags = ACK,
                                            .seq = 1001 + pieces[n].at,
                                            .ack = 1,
                                            .data = text + pieces[n].at,
                                            .len = pieces[n].len});
        }
        check_taken(text);
        bench_close();
    }
}

static void test_duplicate_is_acked_again(void **state)
{
    (void)state;
    open_connection(1000);
    data(1001, "abc", 0);
    bench_sleep(50 * NS_PER_MS);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1004});
    data(1001, "abc", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1004});
    check_taken("abc");
    assert_int_equal(received, 1);
    bench_close();
}

static void test_sequence_numbers_wrap(void **state)
{
    (void)state;
    open_connection(UINT32_MAX - 4); /* data begin at UINT32_MAX - 3 */
    data(UINT32_MAX - 3 + 6, "ghi", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = UINT32_MAX - 3});
    data(UINT32_MAX - 3, "abcdef", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 5});
    check_taken("abcdefghi");
    bench_close();
}

/* More holes than we keep: what does not fit is dropped and comes again. */
static void test_holes_are_bounded(void **state)
{
    struct peer_segment got;

    (void)state;
    open_connection(1000);
    for (uint32_t i = 0; i < 100; i++)
        data(1002 + 2 * i, "x", 0);
    assert_int_equal(
        bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT)->reorder->count, 100);
    for (uint32_t i = 0; i < 100; i++) {
        data(1001 + 2 * i, "o", 0);
        data(1002 + 2 * i, "x", 0);
    }
    bench_sleep(NS_PER_S);
    while (peer_receive(&got))
        continue;
    assert_int_equal(got.ack, 1201);
    assert_int_equal(taken_len, 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(taken[i], i % 2 == 0 ? 'o' : 'x');
    bench_close();
}

static void test_window_closes_when_nobody_reads(void **state)
{
    static char full[1000];
    struct peer_segment got = {.window = 1};
    uint32_t seq = 1001;
    uint32_t right = 0;
    unsigned sent;

    (void)state;
    open_connection(1000);
    reading = false;
    memset(full, 'q', sizeof(full));
    for (sent = 0; sent < 300; sent++) {
        peer_send((struct peer_segment){
            .flags = ACK, .seq = seq, .ack = 1, .data = full, .len = 1000});
        seq += 1000;
        while (peer_receive(&got)) {
            /* RFC 9293, 3.8.6: the right edge never goes back. */
            assert_true((int32_t)(got.ack + got.window - right) >= 0 ||
                        right == 0);
            right = got.ack + got.window;
        }
        if (got.window == 0)
            break;
    }
    assert_int_equal(got.window, 0);
    assert_in_range(right - 1001, 32768, 65535);
    assert_int_equal(taken_len, 0);
    /* A probe into the shut window is answered, not taken. */
    peer_send((struct peer_segment){
        .flags = ACK, .seq = right, .ack = 1, .data = full, .len = 1});
    peer_expect({.flags = ACK, .seq = 1, .ack = right});
    /* Reading opens it, and the peer is told. */
    reading = true;
    on_receive(&service, last);
    assert_int_equal(taken_len, right - 1001);
    assert_true(peer_receive(&got));
    assert_int_equal(got.ack, right);
    assert_true(got.window > 30000);
    bench_close();
}

static void test_data_beyond_the_window_is_cut(void **state)
{
    static char big[1400];
    struct tcp_conn *conn;

    (void)state;
    open_connection(1000);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    conn->rcv_adv = conn->rcv_nxt + 1000;
    conn->stack->budget.limit = 2048; /* so that the window stays */
    memset(big, 'z', sizeof(big));
    peer_send_quietly((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .data = big, .len = 1400});
    assert_int_equal(conn->rcv_nxt, 2001);
    conn->stack->budget.limit = 1 << 20;
    bench_close();
}

static void test_segments_outside_the_window(void **state)
{
    static const struct {
        const char *name;
        uint32_t seq;
        uint8_t flags;
        size_t len;
    } rows[] = {
        {"data long gone", 1, ACK, 10},
        {"data just before", 991, ACK, 10},
        {"data far ahead", 1001 + 70000, ACK, 10},
        {"half the space away", 1001 + 0x80000000u, ACK, 10},
        {"keep-alive probe", 1000, ACK, 0},
        {"keep-alive probe with a byte", 1000, ACK, 1},
        {"old FIN", 900, FIN | ACK, 0},
    };

    (void)state;
    open_connection(1000);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bench_sleep(NS_PER_S);
        print_message("row %s\n", rows[i].name);
        peer_send((struct peer_segment){.flags = rows[i].flags,
                                        .seq = rows[i].seq,
                                        .ack = 1,
                                        .data = "0123456789",
                                        .len = rows[i].len});
        peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
        peer_expect_nothing();
    }
    assert_int_equal(received, 0);
    bench_close();
}

/* Old data are acknowledged each time, empty segments only so often. */
static void test_answers_to_old_segments(void **state)
{
    static const struct {
        const char *name;
        uint8_t flags;
        size_t len;
        unsigned answers;
    } rows[] = {
        {"data", ACK, 5, 3}, {"FIN", ACK | FIN, 0, 3}, {"empty", ACK, 0, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer_segment got;
        unsigned count = 0;

        open_connection(1000);
        print_message("row %s\n", rows[i].name);
        for (unsigned n = 0; n < 3; n++)
            peer_send((struct peer_segment){.flags = rows[i].flags,
                                            .seq = 900,
                                            .ack = 1,
                                            .data = "12345",
                                            .len = rows[i].len});
        while (peer_receive(&got))
            count++;
        assert_int_equal(count, rows[i].answers);
        bench_close();
    }
}

/* RFC 5961: neither resets, nor SYNs, nor acknowledgements by guessers. */
static void test_blind_attacks(void **state)
{
    static const struct {
        const char *name;
        uint32_t seq;
        uint32_t ack;
        uint8_t flags;
        bool answer;
    } rows[] = {
        {"RST in the window", 1500, 1, RST, true},
        {"RST before the window", 900, 1, RST, false},
        {"RST after the window", 1001 + 70000, 1, RST, false},
        {"SYN in the window", 1500, 0, SYN, true},
        {"SYN at its start", 1001, 0, SYN, true},
        {"SYN outside", 5, 0, SYN, true},
        {"SYN ACK", 1001, 1, SYN | ACK, true},
        {"ACK of what was not sent", 1001, 100, ACK, true},
        {"ACK far in the past", 1001, 1 - 100000u, ACK, true},
        {"no flags", 1001, 0, 0, false},
    };

    (void)state;
    open_connection(1000);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bench_sleep(NS_PER_S);
        print_message("row %s\n", rows[i].name);
        peer_send((struct peer_segment){
            .flags = rows[i].flags, .seq = rows[i].seq, .ack = rows[i].ack});
        if (rows[i].answer)
            peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
        peer_expect_nothing();
    }
    data(1001, "still here", 0);
    check_taken("still here");
    bench_close();
}

static void test_challenges_are_limited(void **state)
{
    struct peer_segment got;
    unsigned count = 0;

    (void)state;
    open_connection(1000);
    for (unsigned i = 0; i < 1000; i++) {
        peer_send((struct peer_segment){.flags = RST, .seq = 1500});
        bench_sleep(NS_PER_MS);
    }
    while (peer_receive(&got))
        count++;
    assert_in_range(count, 1, 20);
    bench_close();
}

static void test_urgent_is_ordinary(void **state)
{
    (void)state;
    open_connection(1000);
    peer_send((struct peer_segment){.flags = ACK | URG,
                                    .seq = 1001,
                                    .ack = 1,
                                    .urgent = 60000,
                                    .data = "abc",
                                    .len = 3});
    peer_send((struct peer_segment){.flags = ACK | URG,
                                    .seq = 1004,
                                    .ack = 1,
                                    .urgent = 0,
                                    .data = "def",
                                    .len = 3});
    check_taken("abcdef");
    bench_close();
}

static void test_fin_ends_the_data(void **state)
{
    (void)state;
    open_connection(1000);
    data(1001, "bye", FIN);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1005});
    check_taken("bye");
    assert_true(ended);
    bench_close();
}

static void test_fin_before_its_data(void **state)
{
    (void)state;
    open_connection(1000);
    data(1004, "def", FIN);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
    assert_false(ended);
    data(1001, "abc", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1008});
    check_taken("abcdef");
    assert_true(ended);
    bench_close();
}

static void test_data_behind_the_fin_is_ignored(void **state)
{
    (void)state;
    open_connection(1000);
    data(1001, "abc", FIN);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1005});
    data(1005, "more", 0);
    check_taken("abc");
    data(1004, "", FIN); /* the FIN once more */
    bench_close();
}

/* A FIN that claims to be before what has come already is a lie. */
static void test_fin_before_later_data(void **state)
{
    (void)state;
    open_connection(1000);
    data(1011, "later", 0);
    data(1004, "x", FIN);
    data(1001, "abcdefghij", 0);
    check_taken("abcdefghijlater");
    assert_false(ended);
    bench_close();
}

/* Which FINs are believed, and where the data end then. */
static void test_fins_that_contradict(void **state)
{
    (void)state;
    open_connection(1000);
    data(1008, "hi", FIN); /* the end is 1010 */
    data(1004, "d", FIN);  /* another end: ignored */
    data(1001, "abcdefg", 0);
    check_taken("abcdefghi");
    assert_true(ended);
    bench_close();
    open_connection(1000);
    data(1003, "cdefgh", 0);
    data(1001, "abcd", FIN); /* before what has come */
    check_taken("abcdefgh");
    assert_false(ended);
    data(1009, "", FIN);
    assert_true(ended);
    bench_close();
}

/* The FIN of a segment that does not fit into the window is not in it. */
static void test_fin_beyond_the_window(void **state)
{
    struct tcp_conn *conn;

    (void)state;
    open_connection(1000);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    conn->rcv_adv = conn->rcv_nxt + 3;
    bench.stack->budget.limit = 2048;
    reading = false;
    data(1001, "abcd", FIN);
    assert_false(conn->fin_known);
    assert_int_equal(conn->rcv_nxt, 1004);
    bench.stack->budget.limit = 1 << 20;
    bench_close();
    open_connection(1000);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    conn->rcv_adv = conn->rcv_nxt + 4; /* the FIN is behind the edge: taken */
    data(1001, "abcd", FIN);
    assert_true(ended);
    bench_close();
}

/* RFC 9293, 3.10.7.4, first: the edges of the window, of 4 bytes here. */
static void test_edges_of_the_window(void **state)
{
    static const struct {
        const char *name;
        uint32_t seq;
        size_t len;
        bool is_accepted;
    } rows[] = {
        {"empty, at the start", 1001, 0, true},
        {"empty, before the start", 1000, 0, false},
        {"empty, at the end", 1005, 0, true},
        {"empty, behind the end", 1006, 0, false},
        {"data at the start", 1001, 1, true},
        {"data that end before the start", 1000, 1, false},
        {"data that end at the start", 1000, 2, true},
        {"data that end at the last byte", 999, 6, true},
        {"data from before the start to behind the end", 999, 7, false},
        {"data at the last byte", 1004, 9, true},
        {"data at the end", 1005, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tcp_conn *conn;

        open_connection(1000);
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        conn->rcv_adv = conn->rcv_nxt + 4;
        print_message("row %s\n", rows[i].name);
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = rows[i].seq,
                                        .ack = 1,
                                        .data = "0123456789",
                                        .len = rows[i].len});
        assert_int_equal(bench.stack->stats.tcp_out_of_window,
                         !rows[i].is_accepted);
        bench_close();
    }
}

/* RFC 9293, 3.8.6.2.2: the window opens by a segment, or by half of itself. */
static void test_window_does_not_open_by_small_steps(void **state)
{
    static const struct {
        const char *name;
        uint32_t limit; /* of the receive buffer */
        uint32_t promised;
        uint32_t used;
        uint32_t window;
    } rows[] = {
        {"a segment", 65536, 60000, 4536, 61000},
        {"a byte less", 65536, 60000, 4537, 60000},
        {"half of a small window", 2048, 500, 524, 1524},
        {"nothing gained", 65536, 60000, 5536, 60000},
        {"less than nothing", 65536, 60000, 9000, 60000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tcp_conn *conn;

        open_connection(1000);
        print_message("row %s\n", rows[i].name);
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        conn->rcv_scale = TCP_SCALE; /* so that the field is no limit */
        bench.stack->budget.limit = rows[i].limit * 2 + 1000;
        bench.stack->budget.reserve = 0;
        conn->rx.used = rows[i].used;
        conn->rcv_adv = conn->rcv_nxt + rows[i].promised;
        assert_int_equal(data_window(conn), rows[i].window);
        conn->rx.used = 0;
        conn->rcv_scale = 0;
        conn->rcv_adv = conn->rcv_nxt + 1000;
        bench_close();
    }
}

/* When reads are told of: a quarter of the buffer, or a segment while less than
 * two are promised. */
static void test_when_the_window_is_announced(void **state)
{
    static const struct {
        const char *name;
        uint32_t promised;
        uint32_t used;
        bool is_announced;
    } rows[] = {
        {"a segment, and less than two promised", 1999, 62537, true},
        {"less than a segment", 1999, 62538, false},
        {"a segment, and two promised", 2000, 62536, false},
        {"a quarter", 2000, 47152, true},
        {"a byte less", 2000, 47153, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tcp_conn *conn;

        open_connection(1000);
        print_message("row %s\n", rows[i].name);
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        conn->rcv_scale = TCP_SCALE; /* so that the field is no limit */
        bench.stack->budget.limit = 65536 * 2 + 1000;
        bench.stack->budget.reserve = 0;
        conn->rx.used = rows[i].used;
        conn->rcv_adv = conn->rcv_nxt + rows[i].promised;
        assert_int_equal(data_window_opened(conn), rows[i].is_announced);
        conn->rx.used = 0;
        conn->rcv_scale = 0;
        bench_close();
    }
}

/* RFC 9293, 3.10.7.4: with a closed window acknowledgements still count. */
static void test_closed_window_takes_acknowledgements(void **state)
{
    struct tcp_conn *conn;

    (void)state;
    open_connection(1000);
    data(1001, "x", 0);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_int_equal(socket_send(last, "abc", 3), 3);
    bench.stack->budget.limit = 4096; /* so that the window stays closed */
    conn->rcv_adv = conn->rcv_nxt;
    peer_send_quietly((struct peer_segment){
        .flags = ACK, .seq = 1002, .ack = 4, .data = "y", .len = 1});
    assert_int_equal(conn->tx.used, 0);
    assert_int_equal(conn->rcv_nxt, 1002);
    bench.stack->budget.limit = 1 << 20;
    bench_close();
}

/* After the peer's FIN it needs no window. */
static void test_no_window_updates_after_the_fin(void **state)
{
    static char full[1000];

    (void)state;
    open_connection(1000);
    reading = false;
    for (uint32_t i = 0; i < 30; i++)
        peer_send((struct peer_segment){.flags = ACK | (i == 29 ? FIN : 0),
                                        .seq = 1001 + i * 1000,
                                        .ack = 1,
                                        .data = full,
                                        .len = 1000});
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    reading = true;
    on_receive(&service, last);
    assert_int_equal(taken_len, 30000);
    assert_true(ended);
    peer_expect_nothing();
    bench_close();
}

/* Reading tells the peer as soon as a segment fits again, or a quarter. */
static void test_reading_opens_the_window(void **state)
{
    static char full[1000];
    struct peer_segment got = {.window = 1};
    uint32_t seq = 1001;

    (void)state;
    open_connection(1000);
    reading = false;
    while (got.window != 0) {
        peer_send((struct peer_segment){
            .flags = ACK, .seq = seq, .ack = 1, .data = full, .len = 1000});
        seq += 1000;
        bench_sleep(50 * NS_PER_MS);
        while (peer_receive(&got))
            continue;
    }
    assert_int_equal(socket_receive(last, taken, 500), 500);
    peer_expect_nothing();
    assert_int_equal(socket_receive(last, taken, 499), 499);
    peer_expect_nothing();
    bench.now += NS_PER_MS; /* the time of what is sent is that of the call */
    assert_int_equal(socket_receive(last, taken, 40000), 40000);
    assert_true(bench.stack->now == bench.now);
    assert_true(peer_receive(&got));
    assert_true(got.window >= 40000);
    peer_expect_nothing();
    bench.now += NS_PER_MS;
    socket_abort(last);
    assert_true(bench.stack->now == bench.now);
    bench_close();
}

/* With the window scale of the handshake. */
static void test_window_scale_of_our_window(void **state)
{
    static const uint8_t options[8] = {2, 4, 5, 180, 1, 3, 3, 7};
    struct peer_segment got;

    (void)state;
    bench_open(64);
    bench_serve(&service);
    reading = true;
    taken_len = 0;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = 1, .options = options, .options_len = 8});
    assert_true(peer_receive(&got));
    assert_int_equal(got.window, 65535); /* a SYN's is not scaled */
    bench.iss = got.seq;
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK, .seq = 2, .ack = 1});
    data(2, "abc", 0);
    bench_sleep(NS_PER_S);
    assert_true(peer_receive(&got));
    assert_in_range((uint32_t)got.window << 3, 200000, 262144);
    bench_close();
}

/* All memory of the budget in use: data is dropped, not acknowledged. */
static void test_no_memory_drops_data(void **state)
{
    (void)state;
    open_connection(1000);
    bench.stack->budget.limit = bench.stack->budget.lent_max = 0;
    data(1001, "abc", 0);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
    assert_int_equal(bench.stack->stats.tcp_no_memory, 1);
    bench.stack->budget.limit = 1 << 20;
    data(1001, "abc", 0);
    check_taken("abc");
    bench_close();
}

/* ---- Two ways in --------------------------------------------------------- */

enum {
    SECOND_ADDRESS = OUR_ADDRESS + 40,
    IP = 14, /* offsets in a frame */
    TCP = 34,
};

/* A frame with data in which something is odd. */
struct oddity {
    const char *name;
    bool is_taken;
    uint8_t at; /* this byte becomes `value`; both 0: none does */
    uint8_t value;
    bool keeps_sum;    /* of IP: it is wrong then */
    size_t more;       /* bytes behind it */
    uint32_t src, dst; /* 0: as they should be */
};

/* The address that is ours first is looked at before all else. */
static void open_way(bool is_short)
{
    struct ip4_address first;

    bench_open(64);
    assert_int_equal(ip4_address_add(bench.stack, SECOND_ADDRESS, 0xffffff00),
                     0);
    if (!is_short) {
        first = bench.stack->ip4[0];
        bench.stack->ip4[0] = bench.stack->ip4[1];
        bench.stack->ip4[1] = first;
    }
    bench_serve(&service);
    taken_len = 0;
    reading = true;
    peer_connect(PEER_PORT, 1000, 60000);
    bench_run();
    while (fakenet_sent(&bench.net) != NULL)
        continue;
}

static void send_odd(const struct oddity *odd)
{
    static uint8_t frame[FAKENET_FRAME_MAX];
    const struct peer_segment segment = {.flags = ACK,
                                         .seq = 1001,
                                         .ack = 1,
                                         .window = 60000,
                                         .data = "hello",
                                         .len = 5,
                                         .address = odd->src,
                                         .own = odd->dst};
    size_t len = peer_frame(frame, &segment);

    memset(frame + len, 0, odd->more);
    if (odd->at != 0 || odd->value != 0) /* a checksum may be that already */
        frame[odd->at] =
            frame[odd->at] != odd->value ? odd->value : odd->value + 1;
    if (!odd->keeps_sum) {
        peer_put16(frame + IP + 10, 0);
        peer_put16(frame + IP + 10, peer_checksum(frame + IP, 20, 0));
    }
    fakenet_inject(&bench.net, frame, len + odd->more);
    bench_run();
}

/* What is in a hurry and all else agree on what they take, count and answer. */
static void test_the_short_way_is_as_careful(void **state)
{
    static const struct oddity rows[] = {
        {.name = "nothing", .is_taken = true},
        {.name = "padding", .is_taken = true, .more = 6},
        {"IP checksum", false, IP + 10, 0xab, true, 0, 0, 0},
        {.name = "version", .at = IP, .value = 0x65},
        {.name = "header of 24 bytes", .at = IP, .value = 0x46},
        {.name = "header of 16 bytes", .at = IP, .value = 0x44},
        {.name = "ECN", .is_taken = true, .at = IP + 1, .value = 3},
        {.name = "total length 19", .at = IP + 3, .value = 19},
        {.name = "total length 39", .at = IP + 3, .value = 39},
        {.name = "total length 44", .at = IP + 3, .value = 44},
        {.name = "total length 46", .at = IP + 3, .value = 46},
        {.name = "and padding", .at = IP + 3, .value = 46, .more = 6},
        {.name = "more fragments", .at = IP + 6, .value = 0x20},
        {.name = "an offset", .at = IP + 7, .value = 1},
        {.name = "protocol", .at = IP + 9, .value = 17},
        {.name = "from a group", .at = 6, .value = 0x53},
        {.name = "to another card", .at = 5, .value = 0x99},
        {.name = "to a group", .at = 0, .value = 0x53},
        {.name = "another type", .at = 13, .value = 6},
        {.name = "from us", .src = OUR_ADDRESS},
        {.name = "from our other one", .src = SECOND_ADDRESS},
        {.name = "from nobody", .src = 0x7f000001},
        {.name = "to our other one", .dst = SECOND_ADDRESS},
        {.name = "to another host", .dst = OUR_ADDRESS + 9},
        {.name = "another port", .at = TCP, .value = 0},
        {.name = "TCP header", .at = TCP + 12, .value = 0xf0},
        {.name = "TCP checksum", .at = TCP + 16, .value = 0xab},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_stats stats[2];
        uint32_t next[2];

        for (unsigned way = 0; way < 2; way++) {
            open_way(way == 0);
            send_odd(&rows[i]);
            if ((taken_len == 5) != rows[i].is_taken)
                fail_msg("%s, way %u", rows[i].name, way);
            stats[way] = bench.stack->stats;
            next[way] =
                bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT)->rcv_nxt;
            while (fakenet_sent(&bench.net) != NULL)
                continue;
            bench_close();
        }
        if (memcmp(&stats[0], &stats[1], sizeof(stats[0])) != 0)
            fail_msg("%s: counted differently", rows[i].name);
        assert_int_equal(next[0], next[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_is_delivered_and_acked_late),
        cmocka_unit_test(test_late_ack_is_not_put_off),
        cmocka_unit_test(test_data_bring_the_ack),
        cmocka_unit_test(test_second_segment_is_acked_at_once),
        cmocka_unit_test(test_out_of_order_is_put_in_order),
        cmocka_unit_test(test_overlapping_pieces),
        cmocka_unit_test(test_duplicate_is_acked_again),
        cmocka_unit_test(test_sequence_numbers_wrap),
        cmocka_unit_test(test_holes_are_bounded),
        cmocka_unit_test(test_window_closes_when_nobody_reads),
        cmocka_unit_test(test_data_beyond_the_window_is_cut),
        cmocka_unit_test(test_segments_outside_the_window),
        cmocka_unit_test(test_answers_to_old_segments),
        cmocka_unit_test(test_blind_attacks),
        cmocka_unit_test(test_challenges_are_limited),
        cmocka_unit_test(test_urgent_is_ordinary),
        cmocka_unit_test(test_fin_ends_the_data),
        cmocka_unit_test(test_fin_before_its_data),
        cmocka_unit_test(test_data_behind_the_fin_is_ignored),
        cmocka_unit_test(test_fin_before_later_data),
        cmocka_unit_test(test_window_scale_of_our_window),
        cmocka_unit_test(test_no_memory_drops_data),
        cmocka_unit_test(test_fins_that_contradict),
        cmocka_unit_test(test_fin_beyond_the_window),
        cmocka_unit_test(test_edges_of_the_window),
        cmocka_unit_test(test_window_does_not_open_by_small_steps),
        cmocka_unit_test(test_when_the_window_is_announced),
        cmocka_unit_test(test_closed_window_takes_acknowledgements),
        cmocka_unit_test(test_no_window_updates_after_the_fin),
        cmocka_unit_test(test_reading_opens_the_window),
        cmocka_unit_test(test_the_short_way_is_as_careful),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
