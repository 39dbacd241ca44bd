/* Making connections: RFC 9293, 3.5 and 3.10.7; RFC 6528, 7323, 5961. */
#include "net/ip4.h"
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

/* The answer comes from the address that was asked, and what comes to the other
 * address is of another connection. */
static void test_every_address_of_ours_serves(void **state)
{
    enum { SECOND = 0x0a000009 };
    struct net_endpoint local;
    struct peer_segment got;
    struct tcp_conn *conn;

    (void)state;
    open_bench();
    assert_int_equal(ip4_address_add(bench.stack, SECOND, 0xffffff00), 0);
    peer_connect(PEER_PORT, 1000, 65535);
    bench.relative = false;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = 5000, .window = 1000, .own = SECOND});
    assert_true(peer_receive(&got));
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.own, SECOND);
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 5001,
                                    .ack = got.seq + 1,
                                    .window = 1000,
                                    .own = SECOND});
    peer_expect_nothing();
    assert_int_equal(accepted, 2);
    assert_int_equal(bench.stack->conn_count, 2);
    conn = container_of(bench.server->open.prev, struct tcp_conn, state_link);
    local = socket_local(conn->socket);
    assert_int_equal(addr_ip4(&local.addr), SECOND);
    assert_int_equal(socket_send(conn->socket, "abc", 3), 3);
    assert_true(peer_receive(&got));
    assert_int_equal(got.own, SECOND);
    assert_int_equal(got.len, 3);
    /* A reset from there, too. */
    peer_send((struct peer_segment){
        .flags = ACK, .port = 9, .ack = 77, .window = 1000, .own = SECOND});
    peer_expect({.flags = RST, .seq = 77, .own = SECOND});
    bench_close();
}

/* A SYN for who listens takes the short way, but not from what is no host. */
static void test_syn_from_nowhere(void **state)
{
    (void)state;
    open_bench();
    peer_send((struct peer_segment){
        .flags = SYN, .seq = 1, .window = 1000, .address = 0x0a0000ff});
    peer_expect_nothing();
    assert_int_equal(bench.stack->stats.ip_bad, 1);
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
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
    static const uint8_t want[8] = {2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, 8};
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
    assert_int_equal(bench.stack->half_open_count, 0);
    assert_int_equal(bench.server->half_open_count, 0);
    bench_close();
}

static void test_repeated_syn_gets_the_same_answer(void **state)
{
    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    assert_int_equal(syn(PEER_PORT, 1000), bench.iss);
    assert_int_equal(bench.stack->half_open_count, 1);
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

/* The ACK comes with data of which the first were before the SYN. */
static void test_handshake_with_old_data(void **state)
{
    struct peer_segment got;
    struct tcp_conn *conn;

    (void)state;
    open_bench();
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = 1000, .window = 3000});
    assert_true(peer_receive(&got));
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 995,
                                    .ack = got.seq + 1,
                                    .window = 9000,
                                    .data = "0123456789",
                                    .len = 10});
    assert_int_equal(accepted, 1);
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_int_equal(conn->snd_wnd, 3000); /* of the newer segment: the SYN */
    assert_int_equal(conn->rcv_nxt, 1005);
    bench_close();
}

/* Only the SYN itself, and only while its answer is not acknowledged. */
static void test_what_repeats_the_syn_ack(void **state)
{
    (void)state;
    open_bench();
    bench.iss = syn(PEER_PORT, 1000);
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK, .seq = 1000, .ack = 1});
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001}); /* out of the window */
    peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 1});
    assert_int_equal(accepted, 1);
    bench_sleep(NS_PER_S);
    peer_send((struct peer_segment){.flags = SYN, .seq = 1000});
    peer_expect({.flags = ACK, .seq = 1, .ack = 1001});
    peer_expect_nothing();
    bench_close();
}

static void test_reset_of_half_open(void **state)
{
    (void)state;
    open_bench();
    syn(PEER_PORT, 1000);
    peer_send((struct peer_segment){.flags = RST, .seq = 1001});
    peer_expect_nothing();
    assert_int_equal(bench.stack->half_open_count, 0);
    bench_close();
}

static void test_syn_flood_is_bounded(void **state)
{
    struct mem_stats before, after;
    struct peer_segment got;

    (void)state;
    open_bench();
    bench.check_every = 500; /* the checks visit every connection */
    mem_get_stats(&before);
    for (unsigned i = 0; i < 20000; i++) {
        peer_send((struct peer_segment){
            .flags = SYN, .seq = i, .port = (uint16_t)(1024 + i % 50000)});
        while (peer_receive(&got))
            continue;
    }
    assert_true(bench.server->half_open_count <= 2 * TCP_HALF_OPEN_MAX);
    assert_int_equal(bench.stack->half_open_count,
                     bench.server->half_open_count);
    assert_int_equal(bench.stack->conn_count, 0);
    mem_get_stats(&after);
    assert_true(before.free_bytes - after.free_bytes < 64 * 1024);
    /* A real client still gets in, by a cookie. */
    assert_int_equal(bench.stack->stats.tcp_cookies_in, 0);
    peer_connect(1000, 7, 1000);
    assert_int_equal(accepted, 1);
    assert_int_equal(bench.stack->stats.tcp_cookies_in, 1);
    assert_int_equal(bench_conn(PEER_ADDRESS, 1000, SERVICE_PORT)->mss, 1000);
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

/* RFC 6528: each part of the 4-tuple makes other numbers. */
static void test_sequence_numbers_depend_on_the_tuple(void **state)
{
    static struct service second = {.port = SERVICE_PORT + 1,
                                    .receive = on_receive};
    static const struct peer_segment syns[] = {
        {.flags = SYN, .port = 1},
        {.flags = SYN, .port = 2},
        {.flags = SYN, .port = 1, .address = GATEWAY},
        {.flags = SYN, .port = 1, .target = SERVICE_PORT + 1},
        {.flags = SYN, .port = 256},
        {.flags = SYN, .port = 1, .address = 0x08000002},
    };
    uint32_t numbers[COUNT_OF(syns)];
    struct server *server;
    struct peer_segment got;

    (void)state;
    open_bench();
    assert_int_equal(server_create(bench.stack, &second, &server), 0);
    server->is_listening = true;
    for (size_t i = 0; i < COUNT_OF(syns); i++) {
        peer_send(syns[i]);
        assert_true(peer_receive(&got));
        numbers[i] = got.seq;
        for (size_t j = 0; j < i; j++)
            assert_true(numbers[i] - numbers[j] > 100000 &&
                        numbers[j] - numbers[i] > 100000);
    }
    tcp_fini(bench.stack);
    server_destroy(server);
    bench_close();
}

/* RFC 6528, section 3: M + F(both addresses, both ports, a key). */
static void test_sequence_numbers_are_as_in_the_rfc(void **state)
{
    uint8_t tuple[12];

    (void)state;
    open_bench();
    peer_put32(tuple, OUR_ADDRESS);
    peer_put32(tuple + 4, PEER_ADDRESS);
    peer_put16(tuple + 8, SERVICE_PORT);
    peer_put16(tuple + 10, 0x1234);
    assert_int_equal(syn(0x1234, 10),
                     (uint32_t)(bench.now / 4000 +
                                siphash(&bench.stack->isn_key, tuple, 12)));
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
        uint16_t port = (uint16_t)(i + 1);
        struct peer_segment got;

        peer_send((struct peer_segment){.flags = SYN,
                                        .port = port,
                                        .options = rows[i].option,
                                        .options_len = rows[i].len});
        assert_true(peer_receive(&got));
        peer_send((struct peer_segment){
            .flags = ACK, .seq = 1, .ack = got.seq + 1, .port = port});
        print_message("row %s\n", rows[i].name);
        assert_int_equal(bench_conn(PEER_ADDRESS, port, SERVICE_PORT)->mss,
                         rows[i].want);
    }
    bench_close();
}

/* An option of two bytes may be the last. */
static void test_short_option_at_the_end(void **state)
{
    static const uint8_t option[4] = {1, 1, 4, 2};

    (void)state;
    open_bench();
    peer_send((struct peer_segment){
        .flags = SYN, .options = option, .options_len = 4});
    assert_int_equal(bench.stack->stats.tcp_bad, 0);
    assert_int_equal(bench.stack->half_open_count, 1);
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

/* The largest MSS of the table that is not above the peer's. */
static void test_cookies_keep_the_mss(void **state)
{
    static const struct {
        uint16_t offered; /* 0: no option */
        uint16_t want;
    } rows[] = {{0, 536},     {1, 64},      {64, 64},     {215, 64},
                {216, 216},   {535, 216},   {536, 536},   {999, 536},
                {1000, 1000}, {1219, 1000}, {1220, 1220}, {1379, 1220},
                {1380, 1380}, {1439, 1380}, {1440, 1440}, {1459, 1440},
                {1460, 1460}, {65535, 1460}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t option[4] = {2, 4, (uint8_t)(rows[i].offered >> 8),
                             (uint8_t)rows[i].offered};
        struct tcp_conn *conn;
        struct peer_segment got;

        open_bench();
        bench.server->half_open_max = 0;
        peer_send(
            (struct peer_segment){.flags = SYN,
                                  .seq = 10,
                                  .options = option,
                                  .options_len = rows[i].offered != 0 ? 4 : 0});
        assert_true(peer_receive(&got));
        assert_int_equal(got.window, TCP_COOKIE_WINDOW);
        peer_send(
            (struct peer_segment){.flags = ACK, .seq = 11, .ack = got.seq + 1});
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        assert_non_null(conn);
        assert_int_equal(conn->mss, rows[i].want);
        assert_int_equal(conn->rto_ms, 3000); /* RFC 6298, 5.7 */
        assert_int_equal(conn->snd_una, got.seq + 1);
        assert_int_equal(conn->rcv_adv - conn->rcv_nxt, TCP_COOKIE_WINDOW);
        bench_close();
    }
}

/* Without timestamps the ACK's own options mean nothing. */
static void test_cookies_believe_no_ack(void **state)
{
    static const uint8_t claims[8] = {1, 3, 3, 7, 1, 1, 4, 2};
    struct tcp_conn *conn;

    (void)state;
    open_bench();
    bench.server->half_open_max = 0;
    bench.iss = syn(PEER_PORT, 10);
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 11,
                                    .ack = 1,
                                    .window = 100,
                                    .options = claims,
                                    .options_len = sizeof(claims)});
    conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
    assert_non_null(conn);
    assert_false(conn->has_sack);
    assert_int_equal(conn->rcv_scale, 0);
    assert_int_equal(conn->snd_wnd, 100);
    bench_close();
}

/* All 24 bits of the hash are used; with less a cookie is guessed sooner. */
static void test_cookies_use_all_bits(void **state)
{
    uint32_t set = 0;

    (void)state;
    open_bench();
    bench.server->half_open_max = 0;
    for (uint16_t port = 1; port <= 100; port++)
        set |= syn(port, 10);
    assert_int_equal(set & 0xffffff, 0xffffff);
    bench_close();
}

/* A cookie is good in its period of 64 seconds and in the next one. */
static void test_cookies_age(void **state)
{
    static const struct {
        uint64_t sent_ns; /* in the period */
        uint64_t wait_ns;
        bool good;
    } rows[] = {
        {0, 0, true},
        {0, 128 * NS_PER_S - 1, true},
        {0, 128 * NS_PER_S, false},
        {63 * NS_PER_S, 65 * NS_PER_S - 1, true},
        {63 * NS_PER_S, 65 * NS_PER_S, false},
        {0, 32 * 64 * NS_PER_S, false}, /* its five bits are the same again */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t period = 64 * NS_PER_S;
        struct peer_segment got;

        open_bench();
        bench.server->half_open_max = 0;
        bench.now = (bench.now / period + 1) * period + rows[i].sent_ns;
        peer_send((struct peer_segment){.flags = SYN, .seq = 10});
        assert_true(peer_receive(&got));
        bench.now += rows[i].wait_ns;
        bench.server->cookies_until = TIME_NEVER; /* others were sent since */
        peer_send(
            (struct peer_segment){.flags = ACK, .seq = 11, .ack = got.seq + 1});
        assert_int_equal(accepted, rows[i].good);
        bench_close();
    }
}

/* Cookies are accepted for two periods after the last was sent. */
static void test_cookies_are_accepted_for_a_while(void **state)
{
    (void)state;
    open_bench();
    bench.server->half_open_max = 0;
    bench.iss = syn(1, 10);
    assert_int_equal(bench.server->cookies_until - bench.now, 128 * NS_PER_S);
    bench.relative = true;
    bench.server->cookies_until = bench.now + 1;
    peer_send(
        (struct peer_segment){.flags = ACK, .seq = 11, .ack = 1, .port = 1});
    assert_int_equal(accepted, 1);
    bench_close();
}

/* What else is in the hash of a cookie: address and port of both sides. */
static void test_cookies_are_of_one_connection(void **state)
{
    static const struct peer_segment others[] = {
        {.flags = ACK, .seq = 11, .ack = 1, .port = 2},
        {.flags = ACK, .seq = 11, .ack = 1, .port = 1, .address = GATEWAY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        open_bench();
        bench.server->half_open_max = 0;
        bench.iss = syn(1, 10);
        bench.relative = true;
        peer_send(others[i]);
        assert_int_equal(accepted, 0);
        bench_close();
    }
}

/* A cookie of one service is none of another. */
static void test_cookies_are_of_one_service(void **state)
{
    static struct service second = {.port = SERVICE_PORT + 1,
                                    .receive = on_receive};
    struct server *server;

    (void)state;
    open_bench();
    assert_int_equal(server_create(bench.stack, &second, &server), 0);
    server->is_listening = true;
    server->cookies_until = TIME_NEVER;
    bench.server->half_open_max = 0;
    bench.iss = syn(1, 10);
    bench.relative = true;
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 11,
                                    .ack = 1,
                                    .port = 1,
                                    .target = SERVICE_PORT + 1});
    peer_expect({.flags = RST, .seq = 1});
    assert_int_equal(bench.stack->conn_count, 0);
    server_destroy(server);
    bench_close();
}

/* A SYN-ACK answers a SYN as well, but brings no cookie back. */
static void test_cookies_do_not_come_with_a_syn(void **state)
{
    (void)state;
    open_bench();
    bench.server->half_open_max = 0;
    bench.iss = syn(1, 10);
    bench.relative = true;
    peer_send((struct peer_segment){
        .flags = SYN | ACK, .seq = 11, .ack = 1, .port = 1});
    assert_int_equal(accepted, 0);
    peer_send((struct peer_segment){
        .seq = 11, .ack = bench.iss + 1, .port = 1}); /* it is no ACK at all */
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* Half of the connections are half open: so many get no cookie. */
static void test_half_open_limits(void **state)
{
    static const struct {
        unsigned backlog; /* 0: what the memory is for */
        unsigned half_open_max;
        unsigned backlog_want;
    } rows[] = {
        {0, 256, 0}, {128, 128, 128}, {129, 256, 129}, {65536, 256, 65536}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bench_open(64);
        service = (struct service){.port = SERVICE_PORT,
                                   .backlog = rows[i].backlog,
                                   .receive = on_receive};
        bench_serve(&service);
        assert_int_equal(bench.server->half_open_max, rows[i].half_open_max);
        assert_int_equal(bench.server->backlog, rows[i].backlog == 0
                                                    ? bench.stack->place_max
                                                    : rows[i].backlog_want);
        bench_close();
    }
}

/* The SYN-ACK is sent 1, 2, 4, 8, 16 seconds after the one before. */
static void test_times_of_syn_acks(void **state)
{
    uint64_t last;
    unsigned count = 0;

    (void)state;
    open_bench();
    syn(PEER_PORT, 1000);
    last = bench.now;
    while (bench.stack->half_open_count > 0) {
        struct peer_segment got;

        bench_sleep(100 * NS_PER_MS);
        if (!peer_receive(&got))
            continue;
        assert_int_equal((bench.now - last) / NS_PER_S, 1u << count);
        last = bench.now;
        count++;
    }
    assert_int_equal(count, TCP_SYN_TRIES);
    assert_int_equal((bench.now - last) / NS_PER_S, 1u << count);
    bench_close();
}

/* Nothing wakes the machine before the first of them is due. */
static void test_timer_of_a_half_open_connection(void **state)
{
    (void)state;
    open_bench();
    syn(PEER_PORT, 1000);
    assert_int_equal(timer_next() - bench.now, 1 * NS_PER_S);
    bench_close();
}

/* The round trip of the handshake is measured unless the SYN-ACK was repeated.
 */
static void test_handshake_is_measured(void **state)
{
    struct tcp_conn *conn;

    (void)state;
    for (unsigned repeated = 0; repeated < 2; repeated++) {
        open_bench();
        bench.iss = syn(PEER_PORT, 1000);
        bench_sleep(repeated ? 1100 * NS_PER_MS : 300 * NS_PER_MS);
        while (fakenet_sent(&bench.net) != NULL)
            continue;
        bench.relative = true;
        peer_send((struct peer_segment){.flags = ACK, .seq = 1001, .ack = 1});
        conn = bench_conn(PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
        assert_int_equal(conn_srtt_ns(conn), repeated ? 0 : 300 * NS_PER_MS);
        assert_int_equal(conn->rto_ms, repeated ? 3000 : 900);
        assert_int_equal(conn->backoff, 0);
        assert_false(alarm_is_set(conn, TCP_ALARM_REXMIT));
        bench_close();
    }
}

static void open_from(uint32_t address, uint16_t port)
{
    struct peer_segment got;

    bench.relative = false;
    peer_send((struct peer_segment){
        .flags = SYN, .seq = 10, .address = address, .port = port});
    assert_true(peer_receive(&got));
    peer_send((struct peer_segment){.flags = ACK,
                                    .seq = 11,
                                    .ack = got.seq + 1,
                                    .address = address,
                                    .port = port});
}

static struct tcp_conn **bucket_of(uint32_t address, uint16_t port)
{
    return bench_chain(address, port, SERVICE_PORT);
}

/* Two connections in one hash chain that differ in the port, in the address. */
static void test_connections_of_one_chain(void **state)
{
    struct tcp_conn **bucket;
    uint32_t address = 0x08000000;
    uint16_t port = 2;

    (void)state;
    open_bench();
    bucket = bucket_of(PEER_ADDRESS, 1);
    while (bucket_of(PEER_ADDRESS, port) != bucket)
        port++;
    while (bucket_of(address, 1) != bucket)
        address++;
    open_from(PEER_ADDRESS, 1);
    assert_null(bench_conn(PEER_ADDRESS, port, SERVICE_PORT));
    assert_null(bench_conn(address, 1, SERVICE_PORT));
    open_from(PEER_ADDRESS, port);
    open_from(address, 1);
    assert_int_equal(bench.stack->conn_count, 3);
    bench_close();
}

/* A connection in the first chain, and in the last, ends with the stack. */
static void test_first_and_last_chain(void **state)
{
    struct tcp_conn **chain;
    uint16_t port[2] = {1, 1};

    (void)state;
    open_bench();
    chain = bench.stack->conns.chain;
    while (bucket_of(PEER_ADDRESS, port[0]) != &chain[0])
        port[0]++;
    while (bucket_of(PEER_ADDRESS, port[1]) != &chain[STACK_CONN_CHAINS - 1])
        port[1]++;
    open_from(PEER_ADDRESS, port[0]);
    open_from(PEER_ADDRESS, port[1]);
    assert_int_equal(bench.stack->conn_count, 2);
    tcp_fini(bench.stack);
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* 20 times as many connections as chains leave none empty. */
static void test_all_chains_are_used(void **state)
{
    static bool is_used[STACK_CONN_CHAINS];
    unsigned used = 0;

    (void)state;
    open_bench();
    memset(is_used, 0, sizeof(is_used));
    for (unsigned port = 1; port <= 20 * STACK_CONN_CHAINS; port++)
        is_used[bucket_of(PEER_ADDRESS, (uint16_t)port) -
                bench.stack->conns.chain] = true;
    for (unsigned i = 0; i < STACK_CONN_CHAINS; i++)
        used += is_used[i];
    assert_int_equal(used, STACK_CONN_CHAINS);
    bench_close();
}

/* The same with two services: the local port decides. */
static void test_services_of_one_chain(void **state)
{
    uint16_t port = 1;

    (void)state;
    open_bench();
    while (bench_chain(PEER_ADDRESS, port, SERVICE_PORT + 1) !=
           bucket_of(PEER_ADDRESS, port))
        port++;
    open_from(PEER_ADDRESS, port);
    assert_null(bench_conn(PEER_ADDRESS, port, SERVICE_PORT + 1));
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_accepts_once),
        cmocka_unit_test(test_syn_from_nowhere),
        cmocka_unit_test(test_every_address_of_ours_serves),
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
        cmocka_unit_test(test_accept_can_refuse),
        cmocka_unit_test(test_sequence_numbers_cannot_be_guessed),
        cmocka_unit_test(test_sequence_numbers_depend_on_the_tuple),
        cmocka_unit_test(test_sequence_numbers_are_as_in_the_rfc),
        cmocka_unit_test(test_sequence_numbers_move_with_the_clock),
        cmocka_unit_test(test_handshake_with_old_data),
        cmocka_unit_test(test_what_repeats_the_syn_ack),
        cmocka_unit_test(test_mss_offered),
        cmocka_unit_test(test_short_option_at_the_end),
        cmocka_unit_test(test_malformed_options_are_dropped),
        cmocka_unit_test(test_cookies_keep_the_mss),
        cmocka_unit_test(test_cookies_believe_no_ack),
        cmocka_unit_test(test_cookies_use_all_bits),
        cmocka_unit_test(test_cookies_age),
        cmocka_unit_test(test_cookies_are_accepted_for_a_while),
        cmocka_unit_test(test_cookies_are_of_one_connection),
        cmocka_unit_test(test_cookies_are_of_one_service),
        cmocka_unit_test(test_cookies_do_not_come_with_a_syn),
        cmocka_unit_test(test_half_open_limits),
        cmocka_unit_test(test_times_of_syn_acks),
        cmocka_unit_test(test_timer_of_a_half_open_connection),
        cmocka_unit_test(test_handshake_is_measured),
        cmocka_unit_test(test_connections_of_one_chain),
        cmocka_unit_test(test_first_and_last_chain),
        cmocka_unit_test(test_all_chains_are_used),
        cmocka_unit_test(test_services_of_one_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
