/* TCP over IPv6: connections, refusals, path MTUs. */
#include "net/tcp.h"
#include "tests/fakes/netbench6.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { TCP = 6, PORT = 40000 };

static struct socket *sock;

static int on_accept(struct service *service, struct socket *socket)
{
    (void)service;
    sock = socket;
    return 0;
}

/* Sends back what comes. */
static void on_receive(struct service *service, struct socket *socket)
{
    char buf[100];
    int64_t got;

    (void)service;
    while ((got = socket_receive(socket, buf, sizeof(buf))) > 0)
        assert_int_equal(socket_send(socket, buf, (size_t)got), got);
    if (got == 0)
        socket_close(socket);
}

static struct service service = {
    .port = SERVICE_PORT, .accept = on_accept, .receive = on_receive};

static uint8_t frame[FAKENET_FRAME_MAX];

struct segment {
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t mss, port; /* to: SERVICE_PORT, if 0 */
    const char *text;
};

static size_t segment_make(const char *src, const char *dst,
                           struct segment segment)
{
    size_t header = segment.mss != 0 ? 24 : 20;
    size_t len = header + (segment.text != NULL ? strlen(segment.text) : 0);
    uint8_t *tcp = frame + 54;

    memset(tcp, 0, header);
    peer_put16(tcp, PORT);
    peer_put16(tcp + 2, segment.port != 0 ? segment.port : SERVICE_PORT);
    peer_put32(tcp + 4, segment.seq);
    peer_put32(tcp + 8, segment.ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = segment.flags;
    peer_put16(tcp + 14, 60000);
    if (segment.mss != 0) {
        tcp[20] = 2;
        tcp[21] = 4;
        peer_put16(tcp + 22, segment.mss);
    }
    if (segment.text != NULL)
        memcpy(tcp + header, segment.text, strlen(segment.text));
    peer6_ip(frame, src, dst, TCP, 64, len);
    peer6_sum(frame, TCP, len, 16);
    return 54 + len;
}

static void segment_send_to(const char *src, const char *dst,
                            struct segment segment)
{
    size_t len = segment_make(src, dst, segment);

    fakenet_inject(&bench.net, frame, len);
    bench_run();
}

#define say(...) \
    segment_send_to(PEER6_GLOBAL, OUR6, (struct segment)__VA_ARGS__)

/* The next segment; its checksum is right. */
static struct peer6_frame heard(void)
{
    struct peer6_frame got;
    uint32_t sum = TCP;

    assert_true(peer6_receive(&got));
    assert_int_equal(got.next, TCP);
    for (unsigned i = 0; i < 16; i += 2)
        sum += peer_get16(got.src.byte + i) + peer_get16(got.dst.byte + i);
    sum += (uint32_t)got.len;
    assert_int_equal(peer_checksum(got.data, got.len, sum), 0);
    return got;
}

/* A connection of the peer; the stack's first sequence number. */
static uint32_t connect_as(const char *src, const char *dst, uint16_t mss)
{
    struct peer6_frame got;
    uint32_t iss;

    segment_send_to(src, dst,
                    (struct segment){.flags = SYN, .seq = 1000, .mss = mss});
    got = heard();
    assert_int_equal(got.data[13], SYN | ACK);
    assert_int_equal(peer_get32(got.data + 8), 1001);
    assert_true(is_addr6(&got.src, dst) && is_addr6(&got.dst, src));
    assert_int_equal(got.data[20], 2);
    assert_int_equal(peer_get16(got.data + 22), 1440); /* 1500 - 40 - 20 */
    iss = peer_get32(got.data + 4);
    segment_send_to(
        src, dst, (struct segment){.flags = ACK, .seq = 1001, .ack = iss + 1});
    return iss;
}

static void test_a_connection_from_beginning_to_end(void **state)
{
    struct net_endpoint peer;
    struct peer6_frame got;
    uint32_t iss;

    (void)state;
    bench6_open_static();
    bench_serve(&service);
    iss = connect_as(PEER6_GLOBAL, OUR6, 1440);
    peer = socket_peer(sock);
    assert_true(is_addr6(&peer.addr, PEER6_GLOBAL));
    assert_int_equal(peer.port, PORT);
    say({.flags = ACK, .seq = 1001, .ack = iss + 1, .text = "hello"});
    got = heard();
    assert_int_equal(peer_get32(got.data + 8), 1006);
    assert_int_equal(got.len, 25);
    assert_memory_equal(got.data + 20, "hello", 5);
    say({.flags = FIN | ACK, .seq = 1006, .ack = iss + 6});
    do
        got = heard();
    while ((got.data[13] & FIN) == 0);
    assert_int_equal(peer_get32(got.data + 8), 1007);
    say({.flags = ACK, .seq = 1007, .ack = iss + 7});
    assert_int_equal(bench.stack->conn_count, 0);
    bench_close();
}

/* RFC 9293, 3.7.1: 1280 - 40 - 20. */
static void test_the_mss_of_a_peer_that_offers_none(void **state)
{
    (void)state;
    for (unsigned with_cookie = 0; with_cookie < 2; with_cookie++) {
        bench6_open_static();
        bench_serve(&service);
        if (with_cookie != 0)
            bench.server->half_open_max = 0;
        (void)connect_as(PEER6_GLOBAL, OUR6, 0);
        assert_int_equal(sock->conn->mss, 1220);
        bench_close();
    }
}

/* One source is a /64. */
static void test_a_source_is_all_of_a_prefix(void **state)
{
    static const char *const peers[] = {
        "2001:db8:1::1",    "2001:db8:1::2", "2001:db8:1:0:ffff::1",
        "2001:db8:1:0:1::", "2001:db8:1::5", "2001:db8:1::6",
        "2001:db8:1::7",    "2001:db8:1::8"};
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    bench_serve(&service);
    bench.server->backlog = 16;
    for (size_t i = 0; i < 8; i++) {
        (void)connect_as(peers[i], OUR6, 1440);
        sock->conn->was_useful = true;
    }
    segment_send_to("2001:db8:1::9", OUR6,
                    (struct segment){.flags = SYN, .seq = 1000});
    assert_false(peer6_receive(&got));
    assert_int_equal(bench.stack->stats.tcp_backlog_full, 1);
    (void)connect_as("2001:db8:2::1", OUR6, 1440);
    bench_close();
}

static void test_on_each_of_our_addresses(void **state)
{
    struct net_addr link;
    char text[64];

    (void)state;
    bench6_open_static();
    bench_serve(&service);
    link = ip6_link_address(bench.stack);
    for (unsigned i = 0, at = 0; i < 8; i++)
        at += (unsigned)snprintf(text + at, 8, "%s%x", i > 0 ? ":" : "",
                                 peer_get16(link.byte + 2 * i));
    connect_as(PEER6, text, 1440);
    connect_as(PEER6_GLOBAL, OUR6, 1440);
    assert_int_equal(bench.stack->conn_count, 2);
    bench_close();
}

static void test_a_port_that_nobody_serves(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    say({.flags = SYN, .seq = 1000, .port = 81});
    got = heard();
    assert_int_equal(got.data[13], RST | ACK);
    assert_int_equal(peer_get32(got.data + 8), 1001);
    bench_close();
}

static void test_segments_that_are_dropped(void **state)
{
    static const struct {
        const char *name, *src, *dst;
        size_t at; /* a byte of the frame that is changed; 0: none */
    } rows[] = {
        {"a wrong checksum", PEER6_GLOBAL, OUR6, 54 + 17},
        {"to a group", PEER6_GLOBAL, "ff02::1", 0},
        {"from nowhere", "::", "ff02::1", 0},
        {"to another host", PEER6_GLOBAL, "2001:db8::9", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer6_frame got;
        size_t len;

        bench6_open_static();
        bench_serve(&service);
        len = segment_make(rows[i].src, rows[i].dst,
                           (struct segment){.flags = SYN, .seq = 1000});
        frame[rows[i].at] ^= rows[i].at != 0;
        fakenet_inject(&bench.net, frame, len);
        bench_run();
        if (peer6_receive(&got) || bench.stack->conn_count != 0)
            fail_msg("%s", rows[i].name);
        bench_close();
    }
}

/* Behind a full table of half-open connections there are cookies. */
static void test_cookies(void **state)
{
    struct peer6_frame got;
    uint32_t cookie;

    (void)state;
    bench6_open_static();
    bench_serve(&service);
    bench.server->half_open_max = 0;
    say({.flags = SYN, .seq = 1000, .mss = 1440});
    got = heard();
    assert_int_equal(got.data[13], SYN | ACK);
    assert_int_equal(bench.stack->conn_count, 0);
    cookie = peer_get32(got.data + 4);
    say({.flags = ACK, .seq = 1001, .ack = cookie + 2}); /* a guess */
    got = heard();
    assert_int_equal(got.data[13], RST);
    say({.flags = ACK, .seq = 1001, .ack = cookie + 1});
    assert_int_equal(bench.stack->conn_count, 1);
    assert_int_equal(bench.stack->stats.tcp_cookies_in, 1);
    bench_close();
}

/* RFC 8201: an error about the segment at `seq` of the connection. */
static void too_big(uint32_t seq, uint32_t mtu, const char *remote)
{
    uint8_t message[8 + 60] = {2};

    memset(frame, 0, 128);
    peer6_ip(frame, OUR6, remote, TCP, 64, 1460);
    peer_put16(frame + 54, SERVICE_PORT);
    peer_put16(frame + 56, PORT);
    peer_put32(frame + 58, seq);
    memcpy(message + 8, frame + 14, 60);
    peer_put32(message + 4, mtu);
    peer6_icmp(ROUTER6, OUR6, 64, message, sizeof(message));
}

static void test_path_mtu(void **state)
{
    static const struct {
        const char *name, *remote;
        uint32_t mtu;
        int32_t off; /* from a segment in flight */
        size_t want; /* payload of what is sent again */
    } rows[] = {
        {"1400", PEER6_GLOBAL, 1400, 0, 1340},
        {"1280", PEER6_GLOBAL, 1280, 0, 1220},
        {"below the least", PEER6_GLOBAL, 1279, 0, 0},
        {"nothing", PEER6_GLOBAL, 0, 0, 0},
        {"larger than the link's", PEER6_GLOBAL, 9000, 0, 0},
        {"of another connection", "2001:db8::9", 1400, 0, 0},
        {"of a segment that was not sent", PEER6_GLOBAL, 1400, 100000, 0},
    };
    static char data[4000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer6_frame got;
        uint32_t iss;

        bench6_open_static();
        bench_serve(&service);
        iss = connect_as(PEER6_GLOBAL, OUR6, 1440);
        assert_int_equal(socket_send(sock, data, sizeof(data)), sizeof(data));
        bench_run();
        while (peer6_receive(&got))
            assert_true(got.len <= 1460);
        too_big(iss + 1 + (uint32_t)rows[i].off, rows[i].mtu, rows[i].remote);
        if (peer6_receive(&got) != (rows[i].want != 0) ||
            (rows[i].want != 0 && got.len != 20 + rows[i].want))
            fail_msg("%s", rows[i].name);
        bench_close();
    }
}

/* Where full segments vanish, those of the least MTU of IPv6 are sent. */
static void test_full_segments_vanish(void **state)
{
    static char data[4000];
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    bench_serve(&service);
    (void)connect_as(PEER6_GLOBAL, OUR6, 1440);
    assert_int_equal(socket_send(sock, data, sizeof(data)), sizeof(data));
    for (unsigned count = 0; count <= 5; count++) {
        assert_int_equal(sock->conn->mss, count < 3 ? 1440 : 1220);
        while (sock->conn->backoff <= count && count < 5) {
            while (peer6_receive(&got))
                continue;
            bench_sleep(10 * NS_PER_MS);
        }
    }
    bench_close();
}

/* The peer gets the same bytes whatever the card can do. */
static void test_segments_are_left_to_the_card(void **state)
{
    static const struct {
        unsigned offloads;
        bool cuts;
    } rows[] = {
        {0, false},
        {NET_TX_CSUM, false},
        {NET_TX_CSUM | NET_TX_TCP4, false},
        {NET_TX_CSUM | NET_TX_TCP6, true},
    };
    static char data[20000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t iss;
        size_t sent = 0;

        bench6_open_static();
        bench.net.dev.offloads = rows[i].offloads;
        bench_serve(&service);
        for (size_t j = 0; j < sizeof(data); j++)
            data[j] = (char)(j * 7 + (j >> 8));
        iss = connect_as(PEER6_GLOBAL, OUR6, 1440);
        assert_int_equal(socket_send(sock, data, sizeof(data)), sizeof(data));
        /* From the first segment on. */
        assert_int_equal(bench.net.segments_cut,
                         rows[i].cuts ? bench.net.sent.count : 0);
        while (sent < sizeof(data)) {
            struct peer6_frame got = heard();

            assert_true(got.len > 20 && got.len <= 1460);
            assert_int_equal(peer_get32(got.data + 4), iss + 1 + sent);
            assert_memory_equal(got.data + 20, data + sent, got.len - 20);
            sent += got.len - 20;
            say({.flags = ACK, .seq = 1001, .ack = iss + 1 + (uint32_t)sent});
        }
        assert_int_equal(bench.net.segments_cut > 0, rows[i].cuts);
        bench_close();
    }
}

/* Of a link that a router says is smaller. */
static void test_the_mtu_of_the_link(void **state)
{
    struct peer6_frame got;

    (void)state;
    bench6_open_static();
    bench_serve(&service);
    bench.stack->ip6_mtu = 1280;
    say({.flags = SYN, .seq = 1000, .mss = 1440});
    got = heard();
    assert_int_equal(peer_get16(got.data + 22), 1220);
    bench_close();
}

/* Two peers whose addresses differ in one bit are two. */
static void test_connections_are_told_apart(void **state)
{
    (void)state;
    bench6_open_static();
    bench_serve(&service);
    peer6_introduce("2001:db8:0:0:8000::2", peer_mac);
    connect_as(PEER6_GLOBAL, OUR6, 1440);
    connect_as("2001:db8:0:0:8000::2", OUR6, 1440);
    assert_int_equal(bench.stack->conn_count, 2);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_from_beginning_to_end),
        cmocka_unit_test(test_the_mss_of_a_peer_that_offers_none),
        cmocka_unit_test(test_a_source_is_all_of_a_prefix),
        cmocka_unit_test(test_on_each_of_our_addresses),
        cmocka_unit_test(test_a_port_that_nobody_serves),
        cmocka_unit_test(test_segments_that_are_dropped),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_path_mtu),
        cmocka_unit_test(test_full_segments_vanish),
        cmocka_unit_test(test_segments_are_left_to_the_card),
        cmocka_unit_test(test_the_mtu_of_the_link),
        cmocka_unit_test(test_connections_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
