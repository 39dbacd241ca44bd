/* Fragments: put together again, and what those can do who send nothing else.
 * RFC 791, 815, 1858, 5722. */
#include "kernel/heap/heap.h"
#include "net/ip4.h"
#include "net/reassembly.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { PING_MAX = 1600 };

static uint8_t ping[PING_MAX]; /* an ICMP message of ping_len bytes */
static size_t ping_len;
static unsigned packets;

static void make_ping(size_t data_len)
{
    memset(ping, 0, sizeof(ping));
    ping[0] = 8;
    peer_put32(ping + 4, 0x12340007);
    for (size_t i = 0; i < data_len; i++)
        ping[8 + i] = (uint8_t)(i * 7 + 1);
    ping_len = 8 + data_len;
    peer_put16(ping + 2, peer_checksum(ping, ping_len, 0));
}

static void open_bench(void)
{
    bench_open(64);
    ip4_complete(bench.stack);
    packets = packet_free_count();
    make_ping(1000);
}

/* Nothing waits, and no packet is lost. */
static void expect_none_waiting(void)
{
    assert_int_equal(bench.stack->reassembly.waiting_count, 0);
    assert_int_equal(packet_free_count(), packets);
}

struct piece {
    uint32_t src; /* 0: the peer */
    uint16_t id;
    uint16_t offset; /* a multiple of 8 */
    uint16_t len;
    bool more;
    uint8_t protocol; /* 0: ICMP */
};

/* A fragment of `ping`. */
static void send_piece(struct piece piece)
{
    static uint8_t frame[FAKENET_FRAME_MAX];
    size_t len;

    memcpy(frame + 34, ping + piece.offset % PING_MAX,
           piece.len <= PING_MAX - piece.offset % PING_MAX
               ? piece.len
               : PING_MAX - piece.offset % PING_MAX);
    len =
        peer_ip4(frame, piece.src != 0 ? piece.src : PEER_ADDRESS, OUR_ADDRESS,
                 piece.protocol != 0 ? piece.protocol : 1, piece.len);
    peer_put16(frame + 18, piece.id);
    peer_put16(frame + 20, (unsigned)(piece.more << 13 | piece.offset / 8));
    peer_put16(frame + 24, 0);
    peer_put16(frame + 24, peer_checksum(frame + 14, 20, 0));
    fakenet_inject(&bench.net, frame, len);
    bench_run();
}

/* The ping was answered. */
static void expect_reply(void)
{
    const struct fakenet_frame *frame = fakenet_sent(&bench.net);

    assert_non_null(frame);
    assert_int_equal(frame->len, 34 + ping_len);
    assert_int_equal(frame->data[34], 0);
    assert_memory_equal(frame->data + 38, ping + 4, ping_len - 4);
}

static void expect_nothing(void)
{
    assert_null(fakenet_sent(&bench.net));
}

/* Three fragments in every order. */
static void test_every_order(void **state)
{
    static const struct piece pieces[3] = {{0, 7, 0, 400, true, 0},
                                           {0, 7, 400, 400, true, 0},
                                           {0, 7, 800, 208, false, 0}};
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        open_bench();
        for (unsigned j = 0; j < 3; j++) {
            expect_nothing();
            send_piece(pieces[orders[i][j]]);
        }
        expect_reply();
        expect_nothing();
        expect_none_waiting();
        bench_close();
    }
}

/* One packet has two flags: more follow, and an offset. */
static void test_two_fragments_of_any_size(void **state)
{
    (void)state;
    for (uint16_t cut = 8; cut < 1008; cut = (uint16_t)(cut + 8)) {
        open_bench();
        send_piece((struct piece){0, 7, cut, (uint16_t)(1008 - cut), false, 0});
        send_piece((struct piece){0, 7, 0, cut, true, 0});
        expect_reply();
        expect_none_waiting();
        bench_close();
    }
}

/* A fragment that is the whole datagram: RFC 6946 for IPv6; more follow, and
 * none does, in the other order. */
static void test_datagrams_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        struct piece rest;
        bool is_whole;
    } rows[] = {
        {"the same", {0, 7, 400, 608, false, 0}, true},
        {"another id", {0, 8, 400, 608, false, 0}, false},
        {"another source", {OUR_ADDRESS + 9, 7, 400, 608, false, 0}, false},
        {"another protocol", {0, 7, 400, 608, false, 6}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        print_message("row %s\n", rows[i].name);
        send_piece((struct piece){0, 7, 0, 400, true, 0});
        send_piece(rows[i].rest);
        if (rows[i].is_whole)
            expect_reply();
        expect_nothing();
        assert_int_equal(bench.stack->reassembly.waiting_count,
                         rows[i].is_whole ? 0 : 2);
        bench_close();
    }
}

/* What two fragments may not be to each other: the datagram is dropped. */
static void test_pieces_that_do_not_fit(void **state)
{
    static const struct {
        const char *name;
        struct piece first, second;
        bool is_kept;
    } rows[] = {
        {"twice", {0, 7, 400, 400, true, 0}, {0, 7, 400, 400, true, 0}, true},
        {"beside", {0, 7, 400, 400, true, 0}, {0, 7, 800, 8, true, 0}, true},
        {"before", {0, 7, 400, 400, true, 0}, {0, 7, 0, 400, true, 0}, true},
        {"longer", {0, 7, 400, 400, true, 0}, {0, 7, 400, 408, true, 0}, false},
        {"shorter",
         {0, 7, 400, 400, true, 0},
         {0, 7, 400, 392, true, 0},
         false},
        {"over its end",
         {0, 7, 400, 400, true, 0},
         {0, 7, 792, 400, true, 0},
         false},
        {"over its begin",
         {0, 7, 400, 400, true, 0},
         {0, 7, 0, 408, true, 0},
         false},
        {"around it",
         {0, 7, 400, 400, true, 0},
         {0, 7, 0, 1200, true, 0},
         false},
        {"in it", {0, 7, 400, 400, true, 0}, {0, 7, 408, 8, true, 0}, false},
        {"behind the end",
         {0, 7, 400, 400, false, 0},
         {0, 7, 800, 8, true, 0},
         false},
        {"another end",
         {0, 7, 400, 400, false, 0},
         {0, 7, 800, 8, false, 0},
         false},
        {"an end before it",
         {0, 7, 400, 400, true, 0},
         {0, 7, 200, 200, false, 0},
         false},
        {"an end that is far",
         {0, 7, 400, 400, true, 0},
         {0, 7, 1200, 9, false, 0},
         true},
        {"no multiple of 8",
         {0, 7, 400, 400, true, 0},
         {0, 7, 800, 9, true, 0},
         false},
        {"empty", {0, 7, 400, 400, true, 0}, {0, 7, 0, 0, true, 0}, false},
        {"empty at the end",
         {0, 7, 400, 400, true, 0},
         {0, 7, 800, 0, false, 0},
         false},
        {"beyond 64 KiB",
         {0, 7, 400, 400, true, 0},
         {0, 7, 65528, 8, false, 0},
         false},
        {"the ping of death",
         {0, 7, 400, 400, true, 0},
         {0, 7, 65528, 1000, false, 0},
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        print_message("row %s\n", rows[i].name);
        send_piece(rows[i].first);
        send_piece(rows[i].second);
        expect_nothing();
        assert_int_equal(bench.stack->reassembly.waiting_count,
                         rows[i].is_kept);
        assert_int_equal(bench.stack->stats.ip_reassembly_failed,
                         !rows[i].is_kept);
        if (!rows[i].is_kept)
            expect_none_waiting();
        bench_close();
    }
}

/* The largest payload that a header of 20 bytes leaves, and one more. */
static void test_largest_datagram(void **state)
{
    (void)state;
    open_bench();
    send_piece((struct piece){0, 7, 65512, 3, false, 0});
    assert_int_equal(bench.stack->reassembly.waiting_count, 1);
    send_piece((struct piece){0, 8, 65512, 4, false, 0});
    assert_int_equal(bench.stack->reassembly.waiting_count, 1);
    bench_close();
}

/* The rest does not come: the sender of the first fragment is told. */
static void test_time_is_over(void **state)
{
    static const struct {
        const char *name;
        struct piece piece;
        bool is_told;
    } rows[] = {
        {"first fragment of UDP", {0, 7, 0, 400, true, 17}, true},
        {"second fragment of UDP", {0, 7, 400, 400, true, 17}, false},
        {"first fragment of ICMP", {0, 7, 0, 400, true, 1}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        print_message("row %s\n", rows[i].name);
        send_piece(rows[i].piece);
        bench_sleep(REASSEMBLY_NS - 1);
        expect_nothing();
        assert_int_equal(bench.stack->reassembly.waiting_count, 1);
        bench_sleep(1);
        if (rows[i].is_told) {
            const struct fakenet_frame *frame = fakenet_sent(&bench.net);

            assert_non_null(frame);
            assert_int_equal(frame->data[34], 11);
            assert_int_equal(frame->data[35], 1);
            assert_int_equal(frame->len, 34 + 8 + 28);
            assert_int_equal(peer_get32(frame->data + 42 + 12), PEER_ADDRESS);
            assert_memory_equal(frame->data + 62, ping, 8);
        }
        expect_nothing();
        expect_none_waiting();
        bench_close();
    }
}

/* Each has its own time. */
static void test_times_of_two(void **state)
{
    (void)state;
    open_bench();
    send_piece((struct piece){0, 7, 8, 400, true, 0});
    bench_sleep(10 * NS_PER_S);
    send_piece((struct piece){0, 8, 0, 400, true, 0});
    bench_sleep(20 * NS_PER_S);
    assert_int_equal(bench.stack->reassembly.waiting_count, 1);
    send_piece((struct piece){0, 8, 400, 608, false, 0});
    expect_reply();
    expect_none_waiting();
    bench_sleep(60 * NS_PER_S);
    bench_close();
}

/* One source has a quarter of the places; its oldest datagram goes. */
static void test_one_source_has_a_quarter(void **state)
{
    (void)state;
    open_bench();
    send_piece((struct piece){OUR_ADDRESS + 9, 1, 0, 400, true, 0});
    for (uint16_t id = 1; id <= 1000; id++)
        send_piece((struct piece){0, id, 0, 400, true, 0});
    assert_int_equal(bench.stack->reassembly.waiting_count,
                     REASSEMBLY_OF_SOURCE + 1);
    send_piece((struct piece){0, 1000, 400, 608, false, 0}); /* the newest */
    expect_reply();
    assert_int_equal(bench.stack->reassembly.waiting_count,
                     REASSEMBLY_OF_SOURCE);
    bench_close();
}

/* Many sources: the oldest of all goes. */
static void test_places_are_bounded(void **state)
{
    (void)state;
    open_bench();
    for (uint32_t n = 0; n < 100; n++)
        send_piece((struct piece){0x0b000000 + n, 7, 0, 400, true, 0});
    assert_int_equal(bench.stack->reassembly.waiting_count, REASSEMBLY_MAX);
    assert_int_equal(packets - packet_free_count(), REASSEMBLY_MAX);
    send_piece((struct piece){0x0b000000 + 100 - REASSEMBLY_MAX, 7, 400, 608,
                              false, 0});
    expect_reply();
    bench_close();
}

/* So are the packets that wait, and the fragments of one datagram. */
static void test_packets_are_bounded(void **state)
{
    (void)state;
    open_bench();
    bench.stack->reassembly.packet_max = 10;
    for (uint32_t n = 0; n < 4; n++) {
        for (uint16_t i = 0; i < 4; i++)
            send_piece((struct piece){0x0b000000 + n, 7, (uint16_t)(i * 8), 8,
                                      true, 0});
    }
    assert_in_range(bench.stack->reassembly.packet_count, 4, 10);
    bench_close();
    open_bench();
    for (uint16_t i = 0; i < REASSEMBLY_PIECES; i++)
        send_piece((struct piece){0, 7, (uint16_t)(i * 8), 8, true, 0});
    assert_int_equal(bench.stack->reassembly.waiting_count, 1);
    send_piece((struct piece){0, 7, REASSEMBLY_PIECES * 8, 8, false, 0});
    expect_none_waiting();
    bench_close();
}

/* As many fragments as one may have. */
static void test_most_fragments(void **state)
{
    const uint16_t last = (REASSEMBLY_PIECES - 1) * 8;

    (void)state;
    open_bench();
    for (uint16_t at = last; at > 0; at = (uint16_t)(at - 8))
        send_piece(
            (struct piece){0, 7, at, at == last ? 752 : 8, at != last, 0});
    expect_nothing();
    send_piece((struct piece){0, 7, 0, 8, true, 0});
    expect_reply();
    expect_none_waiting();
    bench_close();
}

/* Without memory, a timer or a packet the datagram is lost, and no more. */
static void test_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 1; n++) {
        open_bench();
        heap_fail(n);
        send_piece((struct piece){0, 7, 0, 400, true, 0});
        assert_true(heap_failed());
        heap_fail(0);
        expect_none_waiting();
        assert_int_equal(bench.stack->stats.ip_reassembly_failed, 1);
        bench_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_two_fragments_of_any_size),
        cmocka_unit_test(test_datagrams_are_told_apart),
        cmocka_unit_test(test_pieces_that_do_not_fit),
        cmocka_unit_test(test_largest_datagram),
        cmocka_unit_test(test_time_is_over),
        cmocka_unit_test(test_times_of_two),
        cmocka_unit_test(test_one_source_has_a_quarter),
        cmocka_unit_test(test_places_are_bounded),
        cmocka_unit_test(test_packets_are_bounded),
        cmocka_unit_test(test_most_fragments),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
