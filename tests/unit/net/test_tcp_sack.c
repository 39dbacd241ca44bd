/*
 * What a peer with the options of RFC 2018 and RFC 7323 gets and gives: SACK
 * both ways, timestamps, RACK-TLP (RFC 8985), PRR (RFC 9937), and recoveries
 * that are undone (RFC 3522).
 */
#include "kernel/heap/heap.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { STAMP = 5000 };

static struct socket *sock;
static struct tcp_conn *conn;
static bool has_stamps; /* what open_with() has offered */
static char text[100000];
static uint32_t stamp_first; /* the stack's, in its SYN-ACK */
static uint64_t begin;       /* when it sent that */
static char read_back[100000];
static size_t read_len;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    sock = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    int64_t got;

    (void)service;
    while ((got = socket_receive(socket, read_back + read_len, 10000)) > 0)
        read_len += (size_t)got;
}

static void on_timeout(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
}

static struct service service = {.port = SERVICE_PORT,
                                 .accept = on_accept,
                                 .receive = on_receive,
                                 .timeout = on_timeout};

/* Two NOPs, and an option of `len` bytes with its kind and length. */
static uint8_t *put_option(uint8_t *at, uint8_t kind, uint8_t len)
{
    at[0] = at[1] = 1;
    at[2] = kind;
    at[3] = len;
    return at + 4;
}

static uint8_t *put_stamps(uint8_t *at, uint32_t value, uint32_t echo)
{
    at = put_option(at, 8, 10);
    peer_put32(at, value);
    peer_put32(at + 4, echo);
    return at + 8;
}

/* With an MSS of 1012: 1000 bytes beside timestamps. */
static void open_with(bool stamps, bool scale)
{
    uint8_t options[40] = {2, 4, 1012 >> 8, 1012 & 255, 1, 1, 4, 2};
    uint8_t *end = options + 8;
    struct peer_segment got;

    bench_open(64);
    bench_serve(&service);
    read_len = 0;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 251);
    bench.relative = false;
    if (stamps)
        end = put_stamps(end, STAMP, 0);
    else
        options[3] = 1000 & 255, options[2] = 1000 >> 8;
    if (scale) {
        memcpy(end, (const uint8_t[]){1, 3, 3, 4}, 4);
        end += 4;
    }
    begin = bench.now;
    peer_send((struct peer_segment){.flags = SYN,
                                    .seq = 1000,
                                    .window = 60000,
                                    .options = options,
                                    .options_len = (size_t)(end - options)});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.options_len, 4 + (stamps ? 12 : 4) + (scale ? 4 : 0));
    assert_memory_equal(got.options + 4, "\4\2", 2);
    if (stamps) {
        assert_int_equal(got.options[6], 8);
        stamp_first = peer_get32(got.options + 8);
        assert_int_equal(peer_get32(got.options + 12), STAMP);
    }
    bench.iss = got.seq;
    bench.relative = true;
    has_stamps = stamps;
}

/* The stack's timestamp at a time after the SYN-ACK. */
static uint32_t stamp_at(uint64_t ns)
{
    return stamp_first + (uint32_t)(ns / NS_PER_MS);
}

struct block {
    uint32_t start, end;
};

/* An acknowledgement with blocks (until one is empty) and, unless `echo` is 0,
 * timestamps. */
static void ack_full(uint32_t number, const struct block *blocks, uint32_t echo)
{
    uint8_t options[40];
    uint8_t *end = options;
    unsigned count = 0;

    if (has_stamps)
        end = put_stamps(end, STAMP, echo);
    while (count < 3 && blocks[count].end != 0)
        count++;
    if (count > 0)
        end = put_option(end, 5, (uint8_t)(2 + 8 * count));
    for (unsigned i = 0; i < count; i++, end += 8) {
        peer_put32(end, blocks[i].start + bench.iss);
        peer_put32(end + 4, blocks[i].end + bench.iss);
    }
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1001,
                                    .ack = number,
                                    .window = 60000,
                                    .options = options,
                                    .options_len = (size_t)(end - options)});
}

static void ack_sack(uint32_t number, uint32_t start, uint32_t end)
{
    ack_full(number, (const struct block[]){{start, end}, {0, 0}},
             stamp_at(bench.now - begin));
}

static void establish(bool stamps)
{
    open_with(stamps, false);
    ack_sack(1, 0, 0);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    peer_expect_nothing();
    assert_int_equal(conn->state, TCP_ESTABLISHED);
    conn->srtt = 0;
    ack_measure(conn, 20 * NS_PER_MS);
}

static unsigned drain(void)
{
    struct peer_segment got;
    unsigned count = 0;

    while (peer_receive(&got))
        count++;
    return count;
}

static void send_data(uint32_t len)
{
    assert_int_equal(socket_send(sock, text, len), len);
    assert_int_equal(drain(), (len + 999) / 1000);
}

static void expect_data(uint32_t seq, uint32_t len)
{
    struct peer_segment got;

    assert_true(peer_receive(&got));
    assert_int_equal(got.seq, seq);
    assert_int_equal(got.len, len);
}

/* ---- What is offered and sent -------------------------------------------- */

static void test_options_of_segments(void **state)
{
    struct peer_segment got;

    (void)state;
    establish(true);
    assert_int_equal(conn->mss, 1000);
    bench_sleep(30 * NS_PER_MS);
    assert_int_equal(socket_send(sock, text, 1000), 1000);
    assert_true(peer_receive(&got));
    assert_int_equal(got.len, 1000);
    assert_int_equal(got.options_len, 12);
    assert_memory_equal(got.options, "\1\1\10\12", 4);
    assert_int_equal(peer_get32(got.options + 4), stamp_at(30 * NS_PER_MS));
    assert_int_equal(peer_get32(got.options + 8), STAMP);
    bench_close();
}

static void test_scale_is_offered_with_the_others(void **state)
{
    (void)state;
    open_with(true, true);
    ack_sack(1, 0, 0);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_int_equal(conn->rcv_scale, TCP_SCALE);
    assert_int_equal(conn->snd_scale, 4);
    bench_close();
}

/* ---- Timestamps ---------------------------------------------------------- */

static void data_stamped(uint32_t seq, const char *data, size_t len,
                         uint32_t stamp)
{
    uint8_t options[12];

    (void)put_stamps(options, stamp, stamp_at(bench.now - begin));
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = seq,
                                    .ack = 1,
                                    .window = 60000,
                                    .data = data,
                                    .len = len,
                                    .options = options,
                                    .options_len = 12});
}

/* RFC 7323, 5.3: old timestamps, none, and very old ones of ours. */
static void test_old_timestamps_are_refused(void **state)
{
    static const struct {
        const char *name;
        int32_t age;
        uint64_t pause_ns;
        bool is_taken;
    } rows[] = {
        {"the same", 0, 0, true},
        {"newer", -1, 0, true},
        {"older", 1, 0, false},
        {"older, much later", 1, 25ull * 24 * 3600 * NS_PER_S, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        establish(true);
        print_message("row %s\n", rows[i].name);
        bench.now += rows[i].pause_ns;
        data_stamped(1001, text, 10, STAMP - (uint32_t)rows[i].age);
        assert_int_equal(read_len, rows[i].is_taken ? 10 : 0);
        assert_int_equal(bench.stack->stats.tcp_out_of_window,
                         !rows[i].is_taken);
        bench.now += rows[i].pause_ns;
        (void)drain();
        bench_close();
    }
    establish(true); /* none at all: no answer either */
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 1001,
                                    .ack = 1,
                                    .window = 60000,
                                    .data = text,
                                    .len = 10});
    assert_int_equal(read_len, 0);
    peer_expect_nothing();
    peer_send((struct peer_segment){.flags = RST, .seq = 1001});
    assert_null(bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT));
    bench_close();
}

/* RFC 7323, 4.3: the echo is that of what the acknowledgement is for. */
static void test_what_is_echoed(void **state)
{
    struct peer_segment got;

    (void)state;
    establish(true);
    data_stamped(1001, text, 10, STAMP + 1);
    data_stamped(1011, text, 10, STAMP + 2); /* its acknowledgement waits */
    data_stamped(2000, text, 10, STAMP + 3); /* not in order */
    assert_int_equal(conn->stamp_recent, STAMP + 1);
    assert_true(peer_receive(&got));
    assert_int_equal(peer_get32(got.options + 8), STAMP + 1);
    bench_close();
}

/* RFC 7323, 4: a segment that was sent twice is timed by its echo. */
static void test_round_trip_of_a_retransmission(void **state)
{
    uint64_t sent;

    (void)state;
    establish(true);
    send_data(1000);
    bench_sleep(250 * NS_PER_MS);
    assert_true(drain() > 0);
    conn->srtt = 0;
    sent = bench.now;
    bench_sleep(30 * NS_PER_MS);
    ack_full(1001, (const struct block[]){{0, 0}}, stamp_at(sent - begin));
    assert_int_equal(conn_srtt_ns(conn), 30 * NS_PER_MS);
    bench_close();
}

/* ---- What we tell -------------------------------------------------------- */

static unsigned blocks_of(const struct peer_segment *got, struct block *blocks)
{
    const uint8_t *at = got->options;
    const uint8_t *end = at + got->options_len;
    unsigned count = 0;

    while (at < end) {
        if (*at == 1) {
            at++;
            continue;
        }
        for (unsigned i = 2; at[0] == 5 && i < at[1]; i += 8)
            blocks[count++] =
                (struct block){peer_get32(at + i), peer_get32(at + i + 4)};
        at += at[1];
    }
    return count;
}

static void say_data(uint32_t seq, uint32_t len)
{
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = seq,
                                    .ack = 1,
                                    .window = 60000,
                                    .data = text + (seq - 1001),
                                    .len = len});
}

/* RFC 2018, 4: the block of the latest segment first; RFC 2883: what came
 * twice before it. */
static void test_blocks_we_send(void **state)
{
    static const struct {
        uint32_t seq, len, ack;
        struct block blocks[5];
    } rows[] = {
        {1101, 100, 1001, {{1101, 1201}}},
        {1201, 100, 1001, {{1101, 1301}}},
        {1401, 100, 1001, {{1401, 1501}, {1101, 1301}}},
        {1601, 100, 1001, {{1601, 1701}, {1401, 1501}, {1101, 1301}}},
        {1801,
         100,
         1001,
         {{1801, 1901}, {1601, 1701}, {1401, 1501}, {1101, 1301}}},
        {1301, 100, 1001, {{1101, 1501}, {1801, 1901}, {1601, 1701}}},
        {1450,
         10,
         1001,
         {{1450, 1460}, {1101, 1501}, {1801, 1901}, {1601, 1701}}},
        {1001, 100, 1501, {{1801, 1901}, {1601, 1701}}},
        {1001, 50, 1501, {{1001, 1051}, {1801, 1901}, {1601, 1701}}},
        {1451, 100, 1551, {{1451, 1501}, {1801, 1901}, {1601, 1701}}},
        {1551, 300, 1901, {{0, 0}}},
    };
    struct peer_segment got;

    (void)state;
    establish(false);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct block blocks[5] = {{0, 0}};
        unsigned count;

        print_message("row %zu\n", i);
        say_data(rows[i].seq, rows[i].len);
        bench_sleep(TCP_HOLE_WAIT_NS);
        assert_true(peer_receive(&got));
        assert_int_equal(got.ack, rows[i].ack);
        count = blocks_of(&got, blocks);
        for (unsigned at = 0; at < count; at++) {
            assert_int_equal(blocks[at].start, rows[i].blocks[at].start);
            assert_int_equal(blocks[at].end, rows[i].blocks[at].end);
        }
        assert_int_equal(rows[i].blocks[count].end, 0);
        (void)drain();
    }
    assert_null(conn->reorder);
    assert_int_equal(read_len, 900);
    assert_memory_equal(read_back, text, 900);
    bench_close();
}

/* One byte far away costs what a byte does, and data in the window that are
 * wholly out of order arrive whole, in whatever order and pieces they come. */
static void test_memory_of_what_is_out_of_order(void **state)
{
    (void)state;
    establish(false);
    say_data(1001 + 60000, 1);
    assert_true(bench.stack->budget.used < 100);
    for (uint32_t at = 50000; at > 0; at -= 1000)
        say_data(1001 + at, 1000);
    for (uint32_t at = 51000; at < 60000; at += 900)
        say_data(1001 + at, 1000);
    assert_int_equal(read_len, 0);
    (void)drain();
    say_data(1001, 1000);
    assert_int_equal(read_len, 60100);
    assert_memory_equal(read_back, text, 60100);
    assert_int_equal(bench.stack->budget.used, 0);
    (void)drain();
    bench_close();
}

/* ---- Losses -------------------------------------------------------------- */

/* RFC 8985, 6.2: three segments behind the hole, or one that was sent later
 * than a part of the round trip. */
static void test_hole_is_sent_again(void **state)
{
    (void)state;
    establish(true);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 2001);
    ack_sack(1, 1001, 3001);
    assert_int_equal(drain(), 0);
    assert_false(conn->is_recovering);
    ack_sack(1, 1001, 4001);
    assert_true(conn->is_recovering);
    expect_data(1, 1000);
    assert_int_equal(conn->board.sacked, 3000);
    assert_int_equal(conn->ssthresh, 7000); /* RFC 9438, 4.6 */
    assert_int_equal(bench.stack->stats.tcp_fast_retransmits, 1);
    ack_sack(1, 1001, 10001);
    ack_sack(10001, 0, 0);
    assert_false(conn->is_recovering);
    assert_int_equal(conn->cwnd, 7000);
    bench_close();
}

/* Each hole is sent once, and what the peer has is not. */
static void test_many_holes(void **state)
{
    struct peer_segment got;
    bool have[11] = {false};

    (void)state;
    establish(true);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    for (uint32_t at = 1; at < 10; at += 2) {
        ack_sack(1, at * 1000 + 1, at * 1000 + 1001);
        have[at] = true;
    }
    while (peer_receive(&got)) {
        uint32_t at = (got.seq - 1) / 1000;
        uint32_t next = 0;

        assert_int_equal(got.len, 1000);
        assert_false(have[at]);
        have[at] = true;
        while (have[next])
            next++;
        bench_sleep(NS_PER_MS);
        ack_sack(next * 1000 + 1, next < 9 ? 9001 : 0, next < 9 ? 10001 : 0);
    }
    assert_int_equal(conn_flight(conn), 0);
    assert_int_equal(bench.stack->stats.tcp_retransmits, 5);
    bench_close();
}

/* RFC 8985, 6.2, step 5: what is only late has a quarter of a round trip. */
static void test_reordering_is_waited_for(void **state)
{
    (void)state;
    establish(true);
    send_data(3000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 2001);
    assert_int_equal(drain(), 0);
    bench_sleep(5 * NS_PER_MS - 1000);
    assert_int_equal(drain(), 0);
    bench_sleep(2000);
    assert_int_equal(drain(), 1);
    bench_close();
}

/* A retransmission that is lost, too, is sent again without a timeout. */
static void test_lost_retransmission(void **state)
{
    struct peer_segment got;

    (void)state;
    establish(true);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 4001);
    expect_data(1, 1000);
    assert_int_equal(socket_send(sock, text, 10000), 10000);
    bench_sleep(NS_PER_MS);
    ack_sack(1, 1001, 10001);
    assert_true(drain() > 0); /* new data, later than the retransmission */
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 12001);
    bench_sleep(6 * NS_PER_MS);
    do
        assert_true(peer_receive(&got));
    while (got.seq != 1);
    assert_int_equal(conn->backoff, 0);
    (void)drain();
    bench_close();
}

/* RFC 8985, 7: the last segment is lost, and a probe finds it. */
static void test_tail_loss_probe(void **state)
{
    (void)state;
    establish(true);
    send_data(5000);
    bench_sleep(40 * NS_PER_MS - 1);
    assert_int_equal(drain(), 0);
    bench_sleep(1);
    expect_data(4001, 1000);
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.tcp_tail_probes, 1);
    assert_int_equal(conn->cwnd, 10000);
    bench_sleep(10 * NS_PER_MS);
    ack_sack(5001, 0, 0); /* the probe repaired the loss: that counts */
    assert_int_equal(conn->ssthresh, 7000);
    assert_in_range(conn->cwnd, 7000, 7500);
    bench_close();
}

/* The peer had it already: RFC 8985, 7.4.2. */
static void test_probe_that_was_not_needed(void **state)
{
    (void)state;
    establish(true);
    send_data(5000);
    bench_sleep(40 * NS_PER_MS);
    expect_data(4001, 1000);
    ack_sack(5001, 4001, 5001);
    assert_int_equal(conn->ssthresh, TCP_CWND_MAX);
    assert_int_equal(conn->cwnd, 10000);
    bench_close();
}

/* RFC 8985, 7.2: none in a recovery, also when its first segment waits. */
static void test_recovery_needs_no_probe(void **state)
{
    (void)state;
    establish(true);
    send_data(5000);
    bench_sleep(20 * NS_PER_MS);
    bench.net.is_full = true;
    while (!stack_tx_full(bench.stack)) /* acknowledgements wait */
        data_stamped(2000, text, 10, STAMP + 1);
    ack_sack(1, 1001, 4001);
    assert_true(conn->is_recovering);
    assert_int_equal(bench.stack->stats.tcp_retransmits, 0);
    bench_sleep(100 * NS_PER_MS);
    assert_int_equal(bench.stack->stats.tcp_tail_probes, 0);
    bench_close();
}

/* New data are the better probe. */
static void test_probe_with_new_data(void **state)
{
    (void)state;
    establish(true);
    send_data(10000);
    assert_int_equal(socket_send(sock, text, 2000), 2000);
    assert_int_equal(drain(), 0); /* the window is full */
    bench_sleep(40 * NS_PER_MS);
    expect_data(10001, 1000);
    peer_expect_nothing();
    bench_close();
}

/* ---- Undo ---------------------------------------------------------------- */

/* RFC 3522: the acknowledgement echoes a time before the retransmission. */
static void test_spurious_timeout_is_undone(void **state)
{
    static const struct {
        const char *name;
        uint64_t echo_ns; /* when what it answers was sent */
        bool is_undone;
    } rows[] = {
        {"the original", 0, true},
        {"the retransmission", 250 * NS_PER_MS, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        establish(true);
        print_message("row %s\n", rows[i].name);
        send_data(1000);
        bench_sleep(250 * NS_PER_MS); /* a delay of the path */
        (void)drain();
        conn->loss->undo.stamp = stamp_at(250 * NS_PER_MS);
        assert_int_equal(conn->cwnd, 1000);
        ack_full(1001, (const struct block[]){{0, 0}},
                 stamp_at(rows[i].echo_ns));
        assert_int_equal(bench.stack->stats.tcp_undone, rows[i].is_undone);
        assert_int_equal(conn->cwnd >= 10000, rows[i].is_undone);
        assert_int_equal(conn->ssthresh == TCP_CWND_MAX, rows[i].is_undone);
        bench_close();
    }
}

/* RFC 3708: the peer had all twice that was sent twice. */
static void test_duplicates_undo_a_recovery(void **state)
{
    (void)state;
    establish(false);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 4001);
    expect_data(1, 1000);
    assert_true(conn->is_recovering);
    ack_sack(4001, 1, 1001);
    assert_false(conn->is_recovering);
    assert_int_equal(bench.stack->stats.tcp_undone, 1);
    assert_true(conn->cwnd >= 10000);
    assert_int_equal(conn->rack_mult, 1); /* and reordering is expected */
    (void)drain();
    bench_close();
}

/* Without memory for it nothing is undone, and the window is the smaller one at
 * once. */
static void test_recovery_without_memory(void **state)
{
    (void)state;
    establish(false);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    heap_fail(2); /* the first is for the board */
    ack_sack(1, 1001, 4001);
    assert_true(heap_failed());
    expect_data(1, 1000);
    assert_true(conn->is_recovering);
    assert_null(conn->loss);
    assert_int_equal(conn->cwnd, conn->ssthresh);
    ack_sack(4001, 1, 1001);
    assert_int_equal(bench.stack->stats.tcp_undone, 0);
    assert_true(conn->is_recovering);
    ack_sack(10001, 0, 0);
    assert_false(conn->is_recovering);
    bench_close();
}

/* What only a loss needs goes when nothing is sent for a while: with the next
 * data, and where the service has a limit of silence at that. */
static void test_loss_is_forgotten(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        service.idle_ns = i == 0 ? 0 : 2 * NS_PER_S;
        establish(false);
        send_data(10000);
        bench_sleep(20 * NS_PER_MS);
        ack_sack(1, 1001, 4001);
        (void)drain();
        if (i == 1) {
            bench.now += 3 * NS_PER_S; /* the timeout comes first */
            bench_sleep(0);
            (void)drain();
            assert_non_null(conn->loss);
        }
        ack_sack(10001, 0, 0);
        assert_non_null(conn->loss);
        bench_sleep(3 * NS_PER_S);
        assert_true((conn->loss == NULL) == (i == 1));
        send_data(1000);
        assert_null(conn->loss);
        ack_sack(11001, 0, 0);
        bench_close();
    }
    service.idle_ns = 0;
}

/* What was sent twice in an earlier recovery says nothing of this one. */
static void test_old_duplicates_undo_nothing(void **state)
{
    (void)state;
    establish(false);
    send_data(2000);
    ack_sack(2001, 0, 0);
    send_data(8000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(2001, 3001, 6001);
    expect_data(2001, 1000);
    assert_true(conn->is_recovering);
    ack_sack(2001, 1, 1001);
    assert_true(conn->is_recovering);
    assert_int_equal(bench.stack->stats.tcp_undone, 0);
    (void)drain();
    bench_close();
}

/* ---- Lies ---------------------------------------------------------------- */

/* Blocks that cannot be: nothing of them is believed. */
static void test_impossible_blocks(void **state)
{
    static const struct block rows[] = {
        {5001, 10002}, {10001, 11001},           {5001, 5001},
        {6001, 5001},  {0x80000000, 0x80001000},
    };

    (void)state;
    establish(true);
    send_data(10000);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ack_sack(1, rows[i].start, rows[i].end);
        assert_int_equal(conn->board.sacked, 0);
    }
    assert_int_equal(drain(), 0);
    bench_close();
}

/* RFC 2018, 8: a peer may drop what it has told of. */
static void test_peer_drops_what_it_had(void **state)
{
    struct peer_segment got;
    uint32_t at = 1;

    (void)state;
    establish(true);
    send_data(4000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 4001);
    expect_data(1, 1000);
    ack_sack(1001, 1001, 4001); /* it should acknowledge it */
    bench_sleep(300 * NS_PER_MS);
    while (at < 3001) {
        at += 1000;
        assert_true(peer_receive(&got));
        assert_int_equal(got.seq, at);
        ack_sack(at + 1000, 0, 0);
    }
    bench_close();
}

/* Many small holes, and no memory for them: all arrives in the end. */
static void test_scoreboard_without_memory(void **state)
{
    (void)state;
    establish(true);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    for (uint32_t at = 101; at < 10000; at += 200) {
        heap_fail(1);
        ack_sack(1, at, at + 100);
    }
    heap_fail(0);
    assert_true(conn->board.count <= TCP_RUNS_INNER);
    (void)drain();
    for (unsigned i = 0; i < 20 && conn_flight(conn) > 0; i++) {
        bench_sleep(NS_PER_S);
        (void)drain();
        ack_sack(i * 1000 + 1 < 10001 ? i * 1000 + 1 : 10001, 0, 0);
    }
    assert_int_equal(conn_flight(conn), 0);
    bench_close();
}

/* ---- Congestion control -------------------------------------------------- */

/* RFC 9438, equation 1: in the middle of the curve, at its plateau, behind it.
 */
static void test_cubic_curve(void **state)
{
    uint32_t before;

    (void)state;
    establish(true);
    conn->srtt = NS_PER_MS / TCP_RTT_UNIT;
    conn->cwnd = 1000000;
    tcp_cubic.lost(conn);
    assert_int_equal(conn->cubic.max, 1000000);
    assert_int_equal(conn->ssthresh, 700000);
    conn->cwnd = conn->ssthresh;
    tcp_cubic.acked(conn, 1000);
    /* K = cbrt(300 segments / 0.4) = 9.086 s */
    assert_in_range(conn->cubic.k_ms, 9080, 9090);
    bench.now += 9085 * NS_PER_MS;
    stack_tick(bench.stack);
    for (unsigned i = 0; i < 1000; i++)
        tcp_cubic.acked(conn, 10000);
    assert_in_range(conn->cwnd, 990000, 1000100);
    before = conn->cwnd;
    bench.now += 5 * NS_PER_S; /* 0.4 * 5^3 = 50 segments beyond */
    stack_tick(bench.stack);
    for (unsigned i = 0; i < 2000; i++)
        tcp_cubic.acked(conn, 10000);
    assert_in_range(conn->cwnd, before + 45000, before + 55000);
    /* Fast convergence: a loss below the last maximum. */
    conn->cwnd = 900000;
    tcp_cubic.lost(conn);
    assert_int_equal(conn->cubic.max, 765000);
    bench_close();
}

/* RFC 9438, 4.3: with a short round trip the curve is slower than Reno would
 * be: a segment a round trip, 3 (1 - beta) / (1 + beta) of it below the last
 * maximum. */
static void test_cubic_is_no_slower_than_reno(void **state)
{
    (void)state;
    establish(true);
    conn->srtt = NS_PER_MS / TCP_RTT_UNIT;
    conn->cwnd = 100000;
    tcp_cubic.lost(conn);
    conn->cwnd = conn->ssthresh;
    for (unsigned trip = 0; trip < 10; trip++) {
        uint32_t window = conn->cwnd;

        for (uint32_t acked = 0; acked < window; acked += 1000)
            tcp_cubic.acked(conn, 1000);
        bench.now += NS_PER_MS;
    }
    assert_in_range(conn->cwnd, 70000 + 5200, 70000 + 5500);
    /* From there on where it was before the loss: a whole segment. */
    conn->cubic.max = 0;
    for (unsigned trip = 0; trip < 10; trip++) {
        uint32_t window = conn->cwnd;

        for (uint32_t acked = 0; acked < window; acked += 1000)
            tcp_cubic.acked(conn, 1000);
    }
    assert_in_range(conn->cwnd, 85000, 85900);
    bench_close();
}

/* The same when all is acknowledged before the peer tells it. */
static void test_late_duplicates_undo_a_recovery(void **state)
{
    (void)state;
    establish(false);
    send_data(10000);
    bench_sleep(20 * NS_PER_MS);
    ack_sack(1, 1001, 4001);
    expect_data(1, 1000);
    ack_sack(10001, 0, 0);
    assert_int_equal(conn->cwnd, 7000);
    assert_int_equal(bench.stack->stats.tcp_undone, 0);
    ack_sack(10001, 1, 1001);
    assert_int_equal(bench.stack->stats.tcp_undone, 1);
    assert_int_equal(conn->cwnd, 10000);
    bench_close();
}

/* The reordering timer acknowledges nothing: the window stays. */
static void test_reordering_timer_grows_no_window(void **state)
{
    (void)state;
    establish(false);
    send_data(10000);
    recover_reordered(conn);
    assert_int_equal(conn->cwnd, 10000);
    bench_close();
}

/* More runs than there may be: the last one takes in what follows. */
static void test_runs_are_bounded(void **state)
{
    (void)state;
    establish(false);
    conn->srtt = 1; /* a run for each segment */
    conn->cwnd = 20000;
    bench.check_every = 100;
    for (unsigned i = 0; i < TCP_RUNS_MAX + 100; i++) {
        bench.now += 2 * NS_PER_US;
        assert_int_equal(socket_send(sock, text + i, 1), 1);
        (void)drain();
    }
    bench.check_every = 1;
    bench_check();
    assert_int_equal(conn->board.count, TCP_RUNS_MAX);
    ack_sack(1, 11, 12); /* there is no room to note it */
    assert_int_equal(conn->board.sacked, 0);
    ack_sack(2001, 2011, 2012);
    assert_int_equal(conn->board.sacked, 1);
    assert_int_equal(conn->board.size, TCP_RUNS_MAX);
    ack_sack(1 + TCP_RUNS_MAX + 100, 0, 0);
    assert_int_equal(conn->board.count, 0);
    assert_null(conn->board.more);
    bench_close();
}

/* `count` segments in runs of their own. */
static void send_runs(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        send_data(1000);
        bench.now += NS_PER_MS;
    }
    assert_int_equal(conn->board.count, count);
    assert_null(conn->board.more);
}

/* New data behind a run that was sent again, without memory for another one:
 * it is one run, and as if it were sent once. */
static void test_new_run_without_memory(void **state)
{
    const struct tcp_run *last;

    (void)state;
    establish(true);
    send_runs(TCP_RUNS_INNER);
    last = &conn->board.inner[TCP_RUNS_INNER - 1];
    heap_fail(1);
    bench_sleep(40 * NS_PER_MS); /* a probe */
    assert_true(heap_failed());
    expect_data((TCP_RUNS_INNER - 1) * 1000 + 1, 1000);
    assert_int_equal(last->flags, TCP_RUN_RESENT);
    heap_fail(2); /* the first is for the send buffer */
    send_data(1000);
    assert_true(heap_failed());
    assert_int_equal(conn->board.count, TCP_RUNS_INNER);
    assert_int_equal(last->end, conn->snd_max);
    assert_int_equal(last->flags, 0);
    bench_close();
}

/* A retransmission of a part of a run, without memory to cut it. */
static void test_retransmission_without_memory(void **state)
{
    (void)state;
    establish(true);
    assert_int_equal(socket_send(sock, text, 2000), 2000);
    bench.now += NS_PER_MS;
    assert_int_equal(socket_send(sock, text, 1000), 1000);
    assert_int_equal(drain(), 3);
    assert_int_equal(conn->board.count, TCP_RUNS_INNER);
    conn->tlp_sent = true; /* a timeout, no probe */
    conn->tlp_end = conn->snd_max;
    rexmit_start(conn);
    heap_fail(2); /* the first is for an undo */
    bench_sleep(260 * NS_PER_MS);
    assert_true(heap_failed());
    expect_data(1, 1000);
    assert_int_equal(conn->board.lost, 1000); /* all of the first run is sent */
    bench_close();
}

/* RFC 8985, 7.3: the probe is the last segment, also when the peer has it. */
static void test_probe_of_what_the_peer_has(void **state)
{
    (void)state;
    establish(true);
    send_data(3000);
    conn->rack_mult = TCP_REORDER_MAX;
    bench_sleep(30 * NS_PER_MS);
    ack_sack(1, 2001, 3001);
    bench_sleep(10 * NS_PER_MS);
    expect_data(2001, 1000);
    peer_expect_nothing();
    assert_int_equal(conn->board.sacked, 1000);
    bench_close();
}

/* Out of order: no memory for the list, for its first chunk, and for the data
 * when they are in order. They come again each time. */
static void test_reordering_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 3; n++) {
        establish(true);
        bench.stack->budget.lent_max = 0; /* all data need memory */
        print_message("allocation %u\n", n);
        heap_fail(n);
        data_stamped(2001, text + 1000, 1000, STAMP);
        if (n <= 2) {
            assert_true(heap_failed());
            assert_null(conn->reorder);
            assert_int_equal(bench.stack->stats.tcp_no_memory, 1);
            data_stamped(2001, text + 1000, 1000, STAMP);
        }
        assert_non_null(conn->reorder);
        data_stamped(1001, text, 1000, STAMP);
        if (n == 3) {
            assert_true(heap_failed());
            assert_int_equal(bench.stack->stats.tcp_no_memory, 1);
            assert_int_equal(conn->rcv_nxt - conn->irs, 1);
            data_stamped(1001, text, 1000, STAMP);
        }
        assert_int_equal(read_len, 2000);
        assert_memory_equal(read_back, text, 2000);
        assert_null(conn->reorder);
        heap_fail(0);
        bench_close();
    }
}

/* The chunks of a connection have a limit, in number and in bytes. */
static void test_reordering_beyond_the_budget(void **state)
{
    struct net_budget *budget;

    (void)state;
    establish(true);
    budget = &bench.stack->budget;
    budget->limit = budget->used + 4000;
    data_stamped(2001, text, 1000, STAMP);
    assert_int_equal(bench.stack->stats.tcp_no_memory, 0);
    data_stamped(4001, text, 1000, STAMP);
    assert_int_equal(bench.stack->stats.tcp_no_memory, 1);
    assert_int_equal(conn->reorder->count, 1);
    bench_close();
}

/* RFC 8985, 6.2, step 4, and what rack.c says of short round trips. */
static void test_reordering_window(void **state)
{
    static const struct {
        const char *name;
        uint32_t min_rtt_us, srtt_us;
        uint8_t mult;
        uint32_t window_us;
    } rows[] = {
        {"a quarter of the round trip", 20000, 20000, 0, 5000},
        {"more when it came twice", 20000, 20000, 1, 10000},
        {"no more than the round trip", 20000, 20000, 7, 20000},
        {"short: nothing came twice", 100, 100, 0, 25},
        {"short: at least the step", 100, 100, 1, 120},
        {"short: at most a millisecond", 100, 100, 15, 960},
        {"not quite short", 1000, 1000, 15, 1000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        establish(true);
        send_data(3000);
        bench.now += rows[i].min_rtt_us * NS_PER_US;
        conn->srtt = (uint32_t)(rows[i].srtt_us * NS_PER_US / TCP_RTT_UNIT);
        conn->rack.min_rtt_us = rows[i].min_rtt_us;
        conn->rack_mult = rows[i].mult;
        ack_sack(1, 2001, 3001);
        assert_int_equal(bench.stack->ack.window_us, rows[i].window_us);
        bench_close();
    }
}

/* What came twice is told at once (RFC 2883, 4), however many come. */
static void test_duplicates_out_of_order(void **state)
{
    (void)state;
    establish(false);
    for (unsigned i = 0; i < 6; i++)
        say_data(1101 + 100 * i, 100);
    (void)drain();
    for (unsigned i = 0; i < 3; i++) {
        struct block blocks[5] = {{0, 0}};
        struct peer_segment got;

        say_data(1101 + 100 * i, 100);
        assert_true(peer_receive(&got));
        assert_int_equal(blocks_of(&got, blocks), 2);
        assert_int_equal(blocks[0].start, 1101 + 100 * i);
        assert_int_equal(blocks[0].end, 1201 + 100 * i);
    }
    bench_close();
}

/* A timestamp that cannot be one of ours is no round trip: RFC 7323, 4. */
static void test_echo_of_long_ago(void **state)
{
    (void)state;
    establish(true);
    send_data(1000);
    bench_sleep(250 * NS_PER_MS);
    assert_true(drain() > 0);
    ack_full(1001, (const struct block[]){{0, 0}},
             stamp_at(bench.now - begin) - 60000);
    assert_int_equal(conn_srtt_ns(conn), 20 * NS_PER_MS);
    bench_close();
}

/* The timestamp of a cookie brings back the scale and SACK. */
static void test_cookie_keeps_the_options(void **state)
{
    static const struct {
        const char *name;
        bool has_sack, has_scale;
    } rows[] = {{"all", true, true},
                {"no SACK", false, true},
                {"no scale", true, false},
                {"timestamps only", false, false}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t options[24] = {2, 4, 1012 >> 8, 1012 & 255};
        uint8_t *end = options + 4;
        struct peer_segment got;

        print_message("row %s\n", rows[i].name);
        memcpy(end, rows[i].has_sack ? "\1\1\4\2" : "\1\1\1\1", 4);
        end = put_stamps(end + 4, STAMP, 0);
        memcpy(end, rows[i].has_scale ? "\1\3\3\5" : "\1\1\1\1", 4);
        bench_open(64);
        bench_serve(&service);
        bench.server->half_open_max = 0;
        bench.now += 12345 * NS_PER_MS;
        peer_send((struct peer_segment){.flags = SYN,
                                        .seq = 1000,
                                        .window = 60000,
                                        .options = options,
                                        .options_len = 24});
        assert_true(peer_receive(&got));
        assert_int_equal(bench.stack->conn_count, 0);
        assert_int_equal(got.options_len, 4 + 12 + 4 * rows[i].has_scale);
        assert_memory_equal(got.options + 4,
                            rows[i].has_sack ? "\4\2\10" : "\1\1\10", 3);
        stamp_first = peer_get32(got.options + 8);
        (void)put_stamps(options, STAMP + 1, stamp_first);
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = 1001,
                                        .ack = got.seq + 1,
                                        .window = 1000,
                                        .options = options,
                                        .options_len = 12});
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        assert_non_null(conn);
        assert_true(conn->has_stamps);
        assert_int_equal(conn->stamp_recent, STAMP + 1);
        assert_int_equal(conn->has_sack, rows[i].has_sack);
        assert_int_equal(conn->snd_wnd, rows[i].has_scale ? 32000 : 1000);
        assert_int_equal(conn->rcv_scale, rows[i].has_scale ? TCP_SCALE : 0);
        assert_int_equal(conn->mss, 1000 - 12);
        /* The clock does not run backwards. */
        bench_sleep(1 * NS_PER_MS);
        assert_int_equal(socket_send(sock, text, 10), 10);
        assert_true(peer_receive(&got));
        assert_true((int32_t)(peer_get32(got.options + 4) - stamp_first) >= 0);
        bench_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_of_segments),
        cmocka_unit_test(test_scale_is_offered_with_the_others),
        cmocka_unit_test(test_old_timestamps_are_refused),
        cmocka_unit_test(test_what_is_echoed),
        cmocka_unit_test(test_round_trip_of_a_retransmission),
        cmocka_unit_test(test_blocks_we_send),
        cmocka_unit_test(test_memory_of_what_is_out_of_order),
        cmocka_unit_test(test_hole_is_sent_again),
        cmocka_unit_test(test_many_holes),
        cmocka_unit_test(test_reordering_is_waited_for),
        cmocka_unit_test(test_lost_retransmission),
        cmocka_unit_test(test_tail_loss_probe),
        cmocka_unit_test(test_probe_that_was_not_needed),
        cmocka_unit_test(test_recovery_needs_no_probe),
        cmocka_unit_test(test_probe_with_new_data),
        cmocka_unit_test(test_spurious_timeout_is_undone),
        cmocka_unit_test(test_duplicates_undo_a_recovery),
        cmocka_unit_test(test_recovery_without_memory),
        cmocka_unit_test(test_loss_is_forgotten),
        cmocka_unit_test(test_old_duplicates_undo_nothing),
        cmocka_unit_test(test_impossible_blocks),
        cmocka_unit_test(test_peer_drops_what_it_had),
        cmocka_unit_test(test_scoreboard_without_memory),
        cmocka_unit_test(test_cubic_curve),
        cmocka_unit_test(test_cubic_is_no_slower_than_reno),
        cmocka_unit_test(test_late_duplicates_undo_a_recovery),
        cmocka_unit_test(test_reordering_timer_grows_no_window),
        cmocka_unit_test(test_runs_are_bounded),
        cmocka_unit_test(test_new_run_without_memory),
        cmocka_unit_test(test_retransmission_without_memory),
        cmocka_unit_test(test_probe_of_what_the_peer_has),
        cmocka_unit_test(test_reordering_without_memory),
        cmocka_unit_test(test_reordering_beyond_the_budget),
        cmocka_unit_test(test_echo_of_long_ago),
        cmocka_unit_test(test_reordering_window),
        cmocka_unit_test(test_duplicates_out_of_order),
        cmocka_unit_test(test_cookie_keeps_the_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
