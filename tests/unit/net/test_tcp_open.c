/* Making connections: RFC 9293, 3.5 and 3.10.7; RFC 6528, 7323, 5961. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
}

static int accepted;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    accepted++;
    return 0;
}

static int on_accept_refuse(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
    return -1;
}

static struct service service;

static void open_bench(void)
{
    bench_open(64);
    accepted = 0;
    service = (struct service){
        .port = SERVICE_PORT, .accept = on_accept, .receive = on_receive};
    bench_serve(&service);
}

static uint32_t syn(uint16_t port, uint32_t seq)
{
    struct peer_segment got;

    bench.relative = false;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = seq, .port = port, .window = 65535});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.ack, seq + 1);
    return got.seq;
}

static void test_handshake_accepts_once(void **state)
{
    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    assert_int_equal(accepted, 0);
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 1});
    peer_expect_nothing();
    assert_int_equal(accepted, 1);
    assert_int_equal(bench.server->conn_count, 1);
    assert_int_equal(bench.server->half_open_count, 0);
    bench_close();
}

static void test_syn_ack_offers_mss_and_scale(void **state)
{
    static const uint8_t offered[8] = {2, 4, 5, 180, 1, 3, 3, 7};
    static const uint8_t want[8] = {2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, 3};
    struct peer_segment got;

    (void)state;
    open_bench();
    peer_send((struct peer_segment){
        .flags = SYN, .seq = 1, .options = offered, .options_len = 8});
    assert_true(peer_receive(&got));
    assert_int_equal(got.options_len, 8);
    assert_memory_equal(got.options, want, 8);
    bench_close();
}

/* RFC 7323, 2.2: a scale is only sent when one was received. */
static void test_syn_ack_without_scale_when_not_offered(void **state)
{
    static const uint8_t want[4] = {2, 4, 1460 >> 8, 1460 & 255};
    struct peer_segment got;

    (void)state;
    open_bench();
    peer_send((struct peer_segment){.flags = SYN, .seq = 1});
    assert_true(peer_receive(&got));
    assert_int_equal(got.options_len, 4);
    assert_memory_equal(got.options, want, 4);
    bench_close();
}

/* RFC 9293, 3.10.7.1: what goes to a port nobody serves. */
static void test_segments_for_closed_port(void **state)
{
    static const struct {
        const char *name;
        struct peer_segment send;
        bool answer;
        struct peer_segment want;
    } rows[] = {
        {"SYN", {.flags = SYN, .seq = 5}, true, {.flags = RST | ACK, .ack = 6}},
        {"SYN with data",
         {.flags = SYN, .seq = 5, .data = "abc", .len = 3},
         true,
         {.flags = RST | ACK, .ack = 9}},
        {"ACK", {.flags = ACK, .ack = 77}, true, {.flags = RST, .seq = 77}},
        {"FIN alone",
         {.flags = FIN, .seq = 9},
         true,
         {.flags = RST | ACK, .ack = 10}},
        {"SYN ACK",
         {.flags = SYN | ACK, .ack = 3},
         true,
         {.flags = RST, .seq = 3}},
        {"RST", {.flags = RST, .seq = 5}, false, {0}},
        {"RST ACK", {.flags = RST | ACK, .ack = 5}, false, {0}},
    };

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer_segment send = rows[i].send;

        print_message("row %s\n", rows[i].name);
        send.target = 81;
        peer_send(send);
        if (rows[i].answer)
            peer_expect_at(rows[i].want, __FILE__, __LINE__);
        peer_expect_nothing();
    }
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* RFC 9293, 3.10.7.2: what goes to a port that listens. */
static void test_segments_for_listening_port(void **state)
{
    (void)state;
    open_bench();
    peer_send((struct peer_segment){.flags = ACK, .ack = 77, .seq = 1});
    peer_expect({.flags = RST, .seq = 77});
    peer_send((struct peer_segment){.flags = RST, .seq = 1});
    peer_send((struct peer_segment){.flags = FIN, .seq = 1});
    peer_send((struct peer_segment){.flags = SYN | FIN, .seq = 1});
    peer_send((struct peer_segment){.flags = 0, .seq = 1});
    peer_expect_nothing();
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

static void test_syn_ack_is_sent_again_then_given_up(void **state)
{
    unsigned count = 0;
    struct peer_segment got;

    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    bench_sleep(990 * NS_PER_MS);
    peer_expect_nothing();
    bench_sleep(20 * NS_PER_MS); /* RFC 6298, 2.1: one second */
    while (peer_receive(&got)) {
        assert_int_equal(got.flags, SYN | ACK);
        assert_int_equal(got.seq, bench.iss);
        count++;
    }
    assert_int_equal(count, 1);
    bench_sleep(120 * NS_PER_S);
    while (peer_receive(&got))
        count++;
    assert_int_equal(count, TCP_SYN_TRIES);
    assert_int_equal(bench.stack->conn_count, 0);
    assert_int_equal(bench.server->half_open_count, 0);
    bench_close();
}

static void test_repeated_syn_gets_the_same_answer(void **state)
{
    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    assert_int_equal(syn(PEER_PORT, 1000), bench.iss);
    assert_int_equal(bench.stack->conn_count, 1);
    bench_close();
}

static void test_wrong_ack_of_syn_ack_is_reset(void **state)
{
    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 2});
    peer_expect({.flags = RST, .seq = 2});
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 0});
    peer_expect({.flags = RST, .seq = 0});
    assert_int_equal(accepted, 0);
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 1});
    assert_int_equal(accepted, 1);
    bench_close();
}

static void test_data_with_the_last_ack_is_taken(void **state)
{
    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    bench.relative = true;
    peer_send((struct peer_segment){
        .flags = ACK, .seq = 1001, .ack = 1, .data = "GET", .len = 3});
    assert_int_equal(accepted, 1);
    bench_sleep(50 * NS_PER_MS);
    peer_expect({.flags = ACK, .seq = 1, .ack = 1004});
    bench_close();
}

static void test_reset_of_half_open(void **state)
{
    (void)state;
    open_bench();
    syn(PEER_PORT, 1000);
    peer_send((struct peer_segment){.flags = RST, .seq = 1001});
    peer_expect_nothing();
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

static void test_syn_flood_is_bounded(void **state)
{
    struct mem_stats before, after;
    struct peer_segment got;

    (void)state;
    open_bench();
    mem_get_stats(&before);
    for (unsigned i = 0; i < 20000; i++) {
        peer_send((struct peer_segment){
            .flags = SYN, .seq = i, .port = (uint16_t)(1024 + i % 50000)});
        while (peer_receive(&got))
            continue;
    }
    assert_true(bench.server->half_open_count <= 2 * TCP_HALF_OPEN_MAX);
    assert_int_equal(bench.stack->conn_count, bench.server->half_open_count);
    mem_get_stats(&after);
    assert_true(before.free_bytes - after.free_bytes < 512 * 1024);
    /* A real client still gets in, by a cookie. */
    assert_int_equal(bench.stack->stats.tcp_cookies_in, 0);
    peer_connect(1000, 7, 1000);
    assert_int_equal(accepted, 1);
    assert_int_equal(bench.stack->stats.tcp_cookies_in, 1);
    assert_int_equal(
        conn_find(bench.stack, PEER_ADDRESS, 1000, SERVICE_PORT)->mss, 1000);
    bench_close();
}

/* What a cookie's ACK must have right: RFC 4987, section 3.6. */
static void test_syn_cookies_are_checked(void **state)
{
    static const struct {
        const char *name;
        uint32_t seq;
        uint32_t ack;
        uint16_t port;
        unsigned seconds;
        bool good;
    } rows[] = {
        {"another number", 11, 2, 1, 0, false},
        {"another clock", 11, 1 + (1u << 27), 1, 0, false},
        {"another MSS", 11, 1 + (1u << 24), 1, 0, false},
        {"another sequence", 12, 1, 1, 0, false},
        {"another port", 11, 1, 2, 0, false},
        {"too late", 11, 1, 1, 200, false},
        {"right", 11, 1, 1, 0, true},
        {"right, a minute later", 11, 1, 1, 60, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        bench.server->half_open_max = 0;
        print_message("row %s\n", rows[i].name);
        bench.iss = syn(1, 10);
        bench.relative = true;
        assert_int_equal(bench.stack->conn_count, 0);
        bench_sleep(rows[i].seconds * NS_PER_S);
        peer_send((struct peer_segment){.flags = ACK,
                                        .seq = rows[i].seq,
                                        .ack = rows[i].ack,
                                        .port = rows[i].port});
        assert_int_equal(accepted, rows[i].good);
        if (rows[i].good)
            peer_expect_nothing();
        else
            peer_expect({.flags = RST, .seq = rows[i].ack});
        bench_close();
    }
}

/* Without a flood no cookie is believed, however right it is. */
static void test_cookies_only_after_a_flood(void **state)
{
    (void)state;
    open_bench();
    bench.server->half_open_max = 0;
    bench.iss = syn(1, 10);
    bench.relative = true;
    bench.server->cookies_until = 0;
    peer_send(
        (struct peer_segment){.flags = ACK, .seq = 11, .ack = 1, .port = 1});
    peer_expect({.flags = RST, .seq = 1});
    assert_int_equal(accepted, 0);
    bench_close();
}

static void test_backlog_is_kept(void **state)
{
    (void)state;
    open_bench();
    bench.server->backlog = 2;
    peer_connect(1, 10, 1000);
    peer_connect(2, 10, 1000);
    assert_int_equal(accepted, 2);
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .port = 3});
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.tcp_backlog_full, 1);
    peer_send((struct peer_segment){.flags = RST, .port = 1, .seq = 11});
    peer_connect(3, 10, 1000);
    assert_int_equal(accepted, 3);
    bench_close();
}

/* Two handshakes pass the check at the SYN, one place is left. */
static void test_backlog_is_kept_at_the_last_ack(void **state)
{
    uint32_t iss[2];

    (void)state;
    open_bench();
    bench.server->backlog = 1;
    iss[0] = syn(1, 10);
    iss[1] = syn(2, 10);
    peer_send((struct peer_segment){
        .flags = ACK, .port = 1, .seq = 11, .ack = iss[0] + 1});
    peer_send((struct peer_segment){
        .flags = ACK, .port = 2, .seq = 11, .ack = iss[1] + 1});
    assert_int_equal(accepted, 1);
    assert_int_equal(bench.server->half_open_count, 1);
    bench_close();
}

static void test_accept_can_refuse(void **state)
{
    (void)state;
    open_bench();
    service.accept = on_accept_refuse;
    peer_connect(PEER_PORT, 1000, 1000);
    peer_expect({.flags = RST | ACK, .seq = 1, .ack = 1001});
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

static void test_sequence_numbers_cannot_be_guessed(void **state)
{
    uint32_t first, second;

    (void)state;
    open_bench();
    first = syn(1, 10);
    second = syn(2, 10);
    /* RFC 6528: other ports, other numbers, at the same time. */
    assert_true(first - second > 100000 && second - first > 100000);
    bench_close();
}

static void test_sequence_numbers_move_with_the_clock(void **state)
{
    uint32_t first, second;

    (void)state;
    open_bench();
    first = syn(1, 10);
    peer_send((struct peer_segment){.flags = RST, .seq = 11, .port = 1});
    bench.now += 400 * NS_PER_US;
    second = syn(1, 10);
    assert_int_equal(second - first, 100); /* one in 4 us */
    bench_close();
}

/* The MSS the peer offers is what we send; too little is an attack. */
static void test_mss_offered(void **state)
{
    static const struct {
        const char *name;
        uint8_t option[4];
        size_t len;
        uint16_t want;
    } rows[] = {
        {"none", {0}, 0, 536},
        {"1000", {2, 4, 3, 232}, 4, 1000},
        {"larger than ours", {2, 4, 35, 40}, 4, 1460},
        {"zero", {2, 4, 0, 0}, 4, 536},
        {"one", {2, 4, 0, 1}, 4, 64},
        {"48", {2, 4, 0, 48}, 4, 64},
    };

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer_segment got;

        peer_send((struct peer_segment){.flags = SYN,
                                        .port = (uint16_t)(i + 1),
                                        .options = rows[i].option,
                                        .options_len = rows[i].len});
        assert_true(peer_receive(&got));
        print_message("row %s\n", rows[i].name);
        assert_int_equal(conn_find(bench.stack, PEER_ADDRESS, (uint16_t)(i + 1),
                                   SERVICE_PORT)
                             ->mss,
                         rows[i].want);
    }
    bench_close();
}

/* AMNESIA:33, INFRA:HALT: options that lie about their length. */
static void test_malformed_options_are_dropped(void **state)
{
    static const struct {
        const char *name;
        uint8_t option[8];
    } rows[] = {
        {"length 0", {2, 0, 5, 180, 0, 0, 0, 0}},
        {"length 1", {8, 1, 1, 1, 1, 1, 1, 1}},
        {"unknown of length 0", {99, 0, 0, 0, 0, 0, 0, 0}},
        {"past the end", {1, 1, 1, 1, 1, 1, 8, 10}},
        {"kind without length", {1, 1, 1, 1, 1, 1, 1, 2}},
        {"MSS of 3", {2, 3, 5, 1, 1, 1, 1, 0}},
        {"MSS of 6", {2, 6, 5, 1, 1, 1, 1, 0}},
        {"scale of 2", {3, 2, 1, 1, 1, 1, 1, 0}},
        {"length 255", {253, 255, 0, 0, 0, 0, 0, 0}},
    };

    (void)state;
    open_bench();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("row %s\n", rows[i].name);
        peer_send((struct peer_segment){
            .flags = SYN, .options = rows[i].option, .options_len = 8});
        peer_expect_nothing();
        assert_int_equal(bench.stack->stats.tcp_bad, i + 1);
    }
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_accepts_once),
        cmocka_unit_test(test_syn_ack_offers_mss_and_scale),
        cmocka_unit_test(test_syn_ack_without_scale_when_not_offered),
        cmocka_unit_test(test_segments_for_closed_port),
        cmocka_unit_test(test_segments_for_listening_port),
        cmocka_unit_test(test_syn_ack_is_sent_again_then_given_up),
        cmocka_unit_test(test_repeated_syn_gets_the_same_answer),
        cmocka_unit_test(test_wrong_ack_of_syn_ack_is_reset),
        cmocka_unit_test(test_data_with_the_last_ack_is_taken),
        cmocka_unit_test(test_reset_of_half_open),
        cmocka_unit_test(test_syn_flood_is_bounded),
        cmocka_unit_test(test_syn_cookies_are_checked),
        cmocka_unit_test(test_cookies_only_after_a_flood),
        cmocka_unit_test(test_backlog_is_kept),
        cmocka_unit_test(test_backlog_is_kept_at_the_last_ack),
        cmocka_unit_test(test_accept_can_refuse),
        cmocka_unit_test(test_sequence_numbers_cannot_be_guessed),
        cmocka_unit_test(test_sequence_numbers_move_with_the_clock),
        cmocka_unit_test(test_mss_offered),
        cmocka_unit_test(test_malformed_options_are_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
