/* What ICMP says about the path's MTU: RFC 1191, RFC 5927. */
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct socket *sock;
static struct tcp_conn *conn;
static char text[2000];

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    sock = socket;
    return 0;
}

static void on_receive(struct service *service, struct socket *socket)
{
    (void)service;
    (void)socket;
}

static struct service service = {
    .port = SERVICE_PORT, .accept = on_accept, .receive = on_receive};

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
        assert_int_equal(socket_send(sock, text, 2000), 2000);
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
    assert_int_equal(socket_send(sock, text, 2000), 2000);
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
        assert_int_equal(socket_send(sock, text, 2000), 2000);
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
    assert_int_equal(socket_send(sock, text, 400), 400);
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
    assert_int_equal(socket_send(sock, text, 2000), 2000);
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
    assert_int_equal(socket_send(sock, text, 700), 700);
    expect_data(2001, 560);
    expect_data(2561, 140);
    bench_close();
}

/* One that is not open yet sends nothing, but keeps to it. */
static void test_the_link_takes_less_for_a_half_open_connection(void **state)
{
    struct peer_segment got;

    (void)state;
    open_connection();
    bench.relative = false;
    peer_send((struct peer_segment){.flags = SYN, .seq = 1, .port = 9});
    assert_true(peer_receive(&got));
    conn = bench_conn(PEER_ADDRESS, 9, SERVICE_PORT);
    assert_non_null(conn);
    conn->mss = 1460;
    bench.stack->mtu = 576;
    tcp_link_shrunk(bench.stack);
    tcp_check_all(bench.stack);
    assert_int_equal(conn->mss, 536);
    peer_expect_nothing();
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
        assert_int_equal(socket_send(sock, text, 1000), 1000);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
