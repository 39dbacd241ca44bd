/* The first slow start: HyStart++, RFC 9406. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { MSS = 1460, SAMPLES = 8, SCALE = 7 };

static struct tcp_conn *conn;
static char lot[65536];

static struct service service = {
    .port = SERVICE_PORT, .accept = bench_accept, .receive = bench_leave};

/* A connection whose peer has a large window, and tells what it has; its
 * handshake takes `us`. */
static void open_with(const struct tcp_cc *cc, uint32_t us)
{
    static const uint8_t options[] = {2, 4, MSS >> 8, MSS & 255, 4, 2,
                                      1, 3, 3,        SCALE,     1, 1};
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
    bench_sleep(us * NS_PER_US);
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .window = 60000});
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    bench.stack->cc = cc;
    cc->init(conn);
}

/* As much as is taken goes out. */
static void fill(void)
{
    struct peer_segment got;
    bool is_full = false;

    while (!is_full)
        is_full =
            socket_send(bench.socket, lot, sizeof(lot)) < (int64_t)sizeof(lot);
    bench_run();
    while (peer_receive(&got))
        continue;
}

static void ack(uint32_t number)
{
    struct peer_segment got;

    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = number, .window = 60000});
    while (peer_receive(&got))
        continue;
}

/* One round trip, whose segments are acknowledged `each` at a time; how many
 * bytes that is. */
static uint32_t round_trip_by(uint32_t us, uint32_t each)
{
    uint32_t start, end, at;

    fill();
    end = conn->snd_max - bench.iss;
    at = start = conn->snd_una - bench.iss;
    bench_sleep(us * NS_PER_US);
    while (at != end) {
        at = end - at > each * MSS ? at + each * MSS : end;
        ack(at);
    }
    return end - start;
}

/* By how much the window grows when `len` bytes are acknowledged in segments
 * and growth is careful. */
static uint32_t careful_growth(uint32_t len)
{
    return len / MSS * (MSS / 4) + len % MSS / 4;
}

/* A round trip in which growth is careful behind the `first` segments. */
static void careful(uint32_t us, uint32_t first)
{
    uint32_t before = conn->cwnd;
    uint32_t len = round_trip_by(us, 1);

    assert_int_equal(conn->cwnd,
                     before + first * MSS + careful_growth(len - first * MSS));
}

static void quick(uint32_t us)
{
    uint32_t before = conn->cwnd;
    uint32_t len = round_trip_by(us, 1);

    assert_true(len > before - MSS);
    assert_int_equal(conn->cwnd, before + len);
    assert_int_equal(conn->ssthresh, TCP_CWND_MAX);
}

/* When round trips become longer growth is careful, and then it is over. */
static void test_slow_start_ends_before_a_loss(void **state)
{
    static const struct tcp_cc *const each[] = {&tcp_cubic, &tcp_newreno};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(each); i++) {
        open_with(each[i], 100000);
        quick(100000);
        quick(100000);
        quick(112000); /* less than an eighth */
        careful(126000, SAMPLES);
        for (unsigned n = 0; n < 3; n++)
            careful(126000, 0);
        assert_int_equal(conn->ssthresh, TCP_CWND_MAX);
        careful(126000, 0);
        assert_int_equal(conn->ssthresh, conn->cwnd);
        if (each[i] == &tcp_cubic)
            assert_int_equal(conn->cubic.max, 0);
        else
            assert_int_equal(conn->newreno_acked, 0);
        bench_close();
    }
}

/* They become shorter again: it was chance. */
static void test_slow_start_goes_on(void **state)
{
    uint32_t before, len;

    (void)state;
    open_with(&tcp_cubic, 100000);
    quick(100000);
    quick(100000);
    careful(130000, SAMPLES);
    careful(130000, 0);
    before = conn->cwnd;
    len = round_trip_by(129000, 1);
    assert_int_equal(conn->cwnd, before + careful_growth(SAMPLES * MSS) + len -
                                     SAMPLES * MSS);
    assert_int_equal(conn->ssthresh, TCP_CWND_MAX);
    quick(129000);
    bench_close();
}

/* RFC 9406, 4.2: an eighth, at least 4 ms and at most 16. */
static void test_what_is_longer(void **state)
{
    static const struct {
        uint32_t us, rise;
        bool is_careful;
    } rows[] = {
        {1000, 3999, false},    {1000, 4000, true},     {64000, 7999, false},
        {64000, 8000, true},    {128000, 15999, false}, {128000, 16000, true},
        {400000, 15999, false}, {400000, 16000, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %u + %u\n", rows[i].us, rows[i].rise);
        open_with(&tcp_cubic, rows[i].us);
        quick(rows[i].us);
        if (rows[i].is_careful)
            careful(rows[i].us + rows[i].rise, SAMPLES);
        else
            quick(rows[i].us + rows[i].rise);
        bench_close();
    }
}

/* The least of fewer than eight round trips tells nothing. */
static void test_few_samples(void **state)
{
    uint32_t before;

    (void)state;
    open_with(&tcp_cubic, 100000);
    quick(100000);
    before = conn->cwnd;
    (void)round_trip_by(150000, 3); /* 20 segments: 7 */
    assert_int_equal(conn->cwnd, 2 * before);
    assert_int_equal(conn->hystart.base_us, 0);
    (void)round_trip_by(200000, 5); /* 40: 8 */
    assert_int_equal(conn->hystart.base_us, 200000);
    bench_close();
}

/* A loss ends it, and CUBIC begins with nothing but what the window is. */
static void test_a_loss_ends_it(void **state)
{
    uint32_t before;

    (void)state;
    open_with(&tcp_cubic, 100000);
    quick(100000);
    quick(100000);
    before = conn->cwnd;
    bench.stack->cc->lost(conn);
    assert_int_equal(conn->cubic.max, before);
    assert_int_equal(conn->ssthresh, before / 10 * 7);
    bench_close();
}

/* The window is as large as any: the start is over all the same. */
static void test_the_largest_window_ends_it(void **state)
{
    (void)state;
    open_with(&tcp_cubic, 1000);
    conn->hystart = (struct tcp_hystart){
        .base_us = 1, .rounds = 4, .round_end = conn->snd_una};
    conn->cwnd = TCP_CWND_MAX;
    assert_true(hystart_acked(conn, 0));
    assert_false(conn_is_first_start(conn));
    conn->cwnd = 10 * MSS;
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_start_ends_before_a_loss),
        cmocka_unit_test(test_slow_start_goes_on),
        cmocka_unit_test(test_what_is_longer),
        cmocka_unit_test(test_few_samples),
        cmocka_unit_test(test_a_loss_ends_it),
        cmocka_unit_test(test_the_largest_window_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
