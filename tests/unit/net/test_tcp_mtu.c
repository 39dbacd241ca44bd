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
    conn = conn_find(bench.stack, PEER_ADDRESS, PEER_PORT, SERVICE_PORT);
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
        {"less",
         {3, 4, 551, 0x45, 6, OUR_ADDRESS, PEER_ADDRESS, PEER_PORT, 1, 8},
         false},
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
    too_big(1, 0);
    too_big(1, 68); /* an attack */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_mtu),
        cmocka_unit_test(test_path_mtu_quotes),
        cmocka_unit_test(test_path_mtu_of_a_half_open_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
