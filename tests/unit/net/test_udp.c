/* UDP: RFC 768, RFC 1122 section 4.1. */
#include "kernel/heap/heap.h"
#include "net/ip4.h"
#include "net/udp.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { OUR_PORT = 5353, THEIR_PORT = 53000 };

static const struct net_addr any = {.word = {0, 0}};
static struct udp_socket *sock;
static unsigned packets;
static uint8_t frame[FAKENET_FRAME_MAX];
static uint8_t text[2000];

static void open_bench(void)
{
    bench_open(64);
    packets = packet_free_count();
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 5 + 3);
}

static void open_socket(void)
{
    open_bench();
    assert_int_equal(udp_open(bench.stack, &any, OUR_PORT, &sock), 0);
}

static void close_socket(void)
{
    udp_check(bench.stack);
    udp_close(sock);
    assert_int_equal(packet_free_count(), packets);
    bench_close();
}

static uint16_t udp_sum(const uint8_t *udp, size_t len, uint32_t src,
                        uint32_t dst)
{
    return peer_checksum(udp, len,
                         (src >> 16) + (src & 0xffff) + (dst >> 16) +
                             (dst & 0xffff) + 17 + (uint32_t)len);
}

struct datagram {
    uint32_t src;  /* 0: the peer */
    uint32_t dst;  /* 0: us */
    uint16_t from; /* 0: THEIR_PORT */
    uint16_t to;   /* 0: OUR_PORT */
    size_t len;    /* of the payload */
};

static size_t make(struct datagram d)
{
    uint32_t src = d.src != 0 ? d.src : PEER_ADDRESS;
    uint32_t dst = d.dst != 0 ? d.dst : OUR_ADDRESS;

    peer_put16(frame + 34, d.from != 0 ? d.from : THEIR_PORT);
    peer_put16(frame + 36, d.to != 0 ? d.to : OUR_PORT);
    peer_put16(frame + 38, (unsigned)(8 + d.len));
    peer_put16(frame + 40, 0);
    memcpy(frame + 42, text, d.len);
    peer_put16(frame + 40, udp_sum(frame + 34, 8 + d.len, src, dst));
    return peer_ip4(frame, src, dst, 17, 8 + d.len);
}

static void inject(size_t len)
{
    fakenet_inject(&bench.net, frame, len);
    bench_run();
    udp_check(bench.stack);
}

static void send_to_us(struct datagram d)
{
    inject(make(d));
}

static void expect_received(size_t len, uint32_t src, uint16_t port)
{
    uint8_t buf[2000];
    struct flow from;

    assert_int_equal(udp_receive(sock, &from, buf, sizeof(buf), 0), len);
    assert_memory_equal(buf, text, len);
    assert_true(addr_is_ip4(&from.remote));
    assert_int_equal(addr_ip4(&from.remote), src);
    assert_int_equal(from.rport, port);
}

static void expect_none_received(void)
{
    uint8_t buf[10];

    assert_int_equal(udp_receive(sock, NULL, buf, sizeof(buf), 0), -ETIMEDOUT);
}

static void expect_sent(uint32_t dst, uint16_t port, size_t len)
{
    const struct fakenet_frame *sent = fakenet_sent(&bench.net);

    assert_non_null(sent);
    assert_int_equal(sent->len, 42 + len);
    assert_int_equal(peer_get16(sent->data + 12), 0x0800);
    assert_int_equal(sent->data[23], 17);
    assert_int_equal(peer_get16(sent->data + 20), 0); /* may be cut up */
    assert_int_equal(peer_get32(sent->data + 26), OUR_ADDRESS);
    assert_int_equal(peer_get32(sent->data + 30), dst);
    assert_int_equal(peer_get16(sent->data + 34), OUR_PORT);
    assert_int_equal(peer_get16(sent->data + 36), port);
    assert_int_equal(peer_get16(sent->data + 38), 8 + len);
    assert_int_not_equal(peer_get16(sent->data + 40), 0);
    assert_int_equal(udp_sum(sent->data + 34, 8 + len, OUR_ADDRESS, dst), 0);
    assert_memory_equal(sent->data + 42, text, len);
}

/* An unreachable port, or that of a closed socket, is told. */
static void expect_unreachable(uint8_t code)
{
    const struct fakenet_frame *sent = fakenet_sent(&bench.net);

    assert_non_null(sent);
    assert_int_equal(sent->data[23], 1);
    assert_int_equal(sent->data[34], 3);
    assert_int_equal(sent->data[35], code);
    assert_memory_equal(sent->data + 42, frame + 14, 28);
}

static void test_datagrams_come_in(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 7, 100, 1471, 1472};

    (void)state;
    open_socket();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        send_to_us((struct datagram){.len = sizes[i]});
        expect_received(sizes[i], PEER_ADDRESS, THEIR_PORT);
        expect_none_received();
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        send_to_us(
            (struct datagram){.len = sizes[i], .from = (uint16_t)(i + 1)});
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        expect_received(sizes[i], PEER_ADDRESS, (uint16_t)(i + 1));
    assert_null(fakenet_sent(&bench.net));
    close_socket();
}

static void test_datagrams_go_out(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 7, 100, 1471, 1472};
    static const struct net_addr six = {.byte = {0x20, 1}};
    struct net_addr peer = addr_of_ip4(PEER_ADDRESS);
    struct net_addr own = addr_of_ip4(OUR_ADDRESS);

    (void)state;
    open_socket();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(udp_send(sock, &peer, 77, text, sizes[i]), 0);
        expect_sent(PEER_ADDRESS, 77, sizes[i]);
    }
    assert_int_equal(udp_send(sock, &peer, 77, text, 1473), -EMSGSIZE);
    assert_int_equal(udp_send(sock, &peer, 0, text, 1), -EINVAL);
    assert_int_equal(udp_send(sock, NULL, 77, text, 1), -EINVAL);
    assert_int_equal(udp_send(sock, &six, 77, text, 1), -EINVAL);
    assert_null(fakenet_sent(&bench.net));
    udp_close(sock);
    /* The same from a socket that has an address. */
    assert_int_equal(udp_open(bench.stack, &own, OUR_PORT, &sock), 0);
    assert_int_equal(udp_send(sock, &peer, 77, text, 7), 0);
    expect_sent(PEER_ADDRESS, 77, 7);
    assert_null(fakenet_sent(&bench.net));
    close_socket();
}

/* A checksum that happens to be 0 is sent as ffff. */
static void test_sum_of_zero(void **state)
{
    struct net_addr peer = addr_of_ip4(PEER_ADDRESS);
    const struct fakenet_frame *sent;
    uint8_t pad[2];
    uint8_t probe[10] = {0};

    (void)state;
    open_socket();
    peer_put16(probe, OUR_PORT);
    peer_put16(probe + 2, 77);
    peer_put16(probe + 4, 10);
    peer_put16(pad, udp_sum(probe, 10, OUR_ADDRESS, PEER_ADDRESS));
    assert_int_equal(udp_send(sock, &peer, 77, pad, 2), 0);
    sent = fakenet_sent(&bench.net);
    assert_non_null(sent);
    assert_int_equal(peer_get16(sent->data + 40), 0xffff);
    close_socket();
}

static void test_damaged_datagrams(void **state)
{
    (void)state;
    open_socket();
    for (size_t at = 34; at < 52; at++) {
        size_t len = make((struct datagram){.len = 10});

        frame[at] ^= 0x10;
        inject(len);
        expect_none_received();
    }
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    for (size_t cut = 0; cut < 18; cut++) { /* the header says more */
        make((struct datagram){.len = 10});
        inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, cut));
        expect_none_received();
    }
    for (unsigned len = 0; len < 8; len++) { /* less than the header */
        make((struct datagram){.len = 10});
        peer_put16(frame + 38, len);
        peer_put16(frame + 40, 0);
        inject(52);
        expect_none_received();
    }
    assert_null(fakenet_sent(&bench.net));
    make((struct datagram){.len = 10}); /* none was made */
    peer_put16(frame + 40, 0);
    inject(52);
    expect_received(10, PEER_ADDRESS, THEIR_PORT);
    make((struct datagram){.len = 10}); /* what is behind it, is not of it */
    inject(peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, 30));
    expect_received(10, PEER_ADDRESS, THEIR_PORT);
    make((struct datagram){.to = OUR_PORT, .len = 4});
    peer_put16(frame + 36, 0);
    peer_put16(frame + 40, 0);
    inject(46); /* to port 0 */
    assert_null(fakenet_sent(&bench.net));
    close_socket();
}

/* What the card has checked, or nobody had to, is not looked at. */
static void test_sums_of_the_card(void **state)
{
    size_t len;

    (void)state;
    open_socket();
    bench.net.coming_offload.csum_valid = true;
    len = make((struct datagram){.len = 10});
    frame[40] ^= 1;
    inject(len);
    expect_received(10, PEER_ADDRESS, THEIR_PORT);
    bench.net.coming_offload.csum_valid = false;
    bench.net.coming_offload.csum_partial = true;
    inject(len);
    expect_received(10, PEER_ADDRESS, THEIR_PORT);
    bench.net.coming_offload.csum_partial = false;
    inject(len);
    expect_none_received();
    close_socket();
}

/* Of a datagram that is too long for the buffer, the rest is lost. */
static void test_short_buffers(void **state)
{
    uint8_t buf[10] = {0};

    (void)state;
    open_socket();
    send_to_us((struct datagram){.len = 100});
    send_to_us((struct datagram){.len = 5});
    assert_int_equal(udp_receive(sock, NULL, buf, 9, 0), 100);
    assert_memory_equal(buf, text, 9);
    assert_int_equal(buf[9], 0);
    expect_received(5, PEER_ADDRESS, THEIR_PORT);
    close_socket();
}

static void test_ports_nobody_has(void **state)
{
    (void)state;
    open_socket();
    send_to_us((struct datagram){.to = OUR_PORT + 1, .len = 30});
    expect_unreachable(3);
    send_to_us((struct datagram){.to = OUR_PORT + 64, .len = 30});
    expect_unreachable(3); /* of the same bucket */
    assert_int_equal(bench.stack->stats.udp_no_port, 2);
    /* To all: nobody is told. */
    send_to_us(
        (struct datagram){.dst = 0x0a0000ff, .to = OUR_PORT + 1, .len = 30});
    assert_null(fakenet_sent(&bench.net));
    send_to_us((struct datagram){.dst = 0x0a0000ff, .len = 30});
    expect_received(30, PEER_ADDRESS, THEIR_PORT);
    send_to_us((struct datagram){.dst = 0xffffffff, .len = 30});
    expect_received(30, PEER_ADDRESS, THEIR_PORT);
    udp_close(sock);
    send_to_us((struct datagram){.len = 30});
    expect_unreachable(3);
    assert_int_equal(udp_open(bench.stack, &any, OUR_PORT, &sock), 0);
    close_socket();
}

/* A connected socket takes datagrams of its peer only, and is preferred. */
static void test_connected_sockets(void **state)
{
    struct udp_socket *other = NULL;
    struct net_addr peer = addr_of_ip4(PEER_ADDRESS);
    struct net_addr local = addr_of_ip4(OUR_ADDRESS);

    (void)state;
    open_socket();
    assert_int_equal(udp_connect(sock, &any, 1), -EINVAL);
    assert_int_equal(udp_connect(sock, &peer, 0), -EINVAL);
    send_to_us((struct datagram){.len = 3, .from = 9});
    assert_int_equal(udp_connect(sock, &peer, THEIR_PORT), 0);
    expect_none_received(); /* what came before is no part of it */
    send_to_us((struct datagram){.len = 3, .from = 9});
    expect_unreachable(3);
    send_to_us((struct datagram){.len = 3, .src = PEER_ADDRESS + 1});
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    expect_none_received();
    send_to_us((struct datagram){.len = 3});
    expect_received(3, PEER_ADDRESS, THEIR_PORT);
    assert_int_equal(udp_send(sock, NULL, 0, text, 20), 0);
    expect_sent(PEER_ADDRESS, THEIR_PORT, 20);
    assert_int_equal(udp_send(sock, NULL, 0, text, 21), 0);
    expect_sent(PEER_ADDRESS, THEIR_PORT, 21);
    assert_int_equal(udp_open(bench.stack, &any, OUR_PORT, &other),
                     -EADDRINUSE);
    assert_int_equal(udp_open(bench.stack, &local, OUR_PORT, &other),
                     -EADDRINUSE);
    assert_null(other);
    bench_sleep(10 * NS_PER_S);
    while (fakenet_sent(&bench.net) != NULL)
        continue;
    packets = packet_free_count();
    close_socket();
}

/* An error of a datagram is told once, and only to a socket that talks to that
 * peer alone. */
static void test_errors_are_told(void **state)
{
    static const struct {
        const char *name;
        uint8_t type, code;
        bool is_connected;
        uint32_t src;
        uint16_t port;
        int want;
    } rows[] = {
        {"port", 3, 3, true, OUR_ADDRESS, OUR_PORT, -ECONNREFUSED},
        {"protocol", 3, 2, true, OUR_ADDRESS, OUR_PORT, -ECONNREFUSED},
        {"host", 3, 1, true, OUR_ADDRESS, OUR_PORT, -EHOSTUNREACH},
        {"network", 3, 0, true, OUR_ADDRESS, OUR_PORT, -EHOSTUNREACH},
        {"hop limit", 11, 0, true, OUR_ADDRESS, OUR_PORT, -EHOSTUNREACH},
        {"not connected", 3, 3, false, OUR_ADDRESS, OUR_PORT, 0},
        {"too big", 3, 4, true, OUR_ADDRESS, OUR_PORT, 0},
        {"another port", 3, 3, true, OUR_ADDRESS, OUR_PORT + 1, 0},
        {"another address", 3, 3, true, OUR_ADDRESS + 9, OUR_PORT, 0},
        {"another type", 4, 0, true, OUR_ADDRESS, OUR_PORT, 0},
    };
    struct net_addr peer = addr_of_ip4(PEER_ADDRESS);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *icmp = frame + 34;
        uint8_t buf[1];

        print_message("row %s\n", rows[i].name);
        open_socket();
        if (rows[i].is_connected)
            assert_int_equal(udp_connect(sock, &peer, THEIR_PORT), 0);
        for (unsigned again = 0; again < 2; again++) {
            memset(icmp, 0, 36);
            icmp[0] = rows[i].type;
            icmp[1] = rows[i].code;
            icmp[8] = 0x45;
            peer_put16(icmp + 10, 40);
            icmp[17] = 17;
            peer_put32(icmp + 20, rows[i].src);
            peer_put32(icmp + 24, PEER_ADDRESS);
            peer_put16(icmp + 28, rows[i].port);
            peer_put16(icmp + 30, THEIR_PORT);
            peer_put16(icmp + 2, peer_checksum(icmp, 36, 0));
            inject(peer_ip4(frame, GATEWAY, OUR_ADDRESS, 1, 36));
            if (again == 0)
                assert_int_equal(udp_receive(sock, NULL, buf, 1, 0),
                                 rows[i].want != 0 ? rows[i].want : -ETIMEDOUT);
            else
                assert_int_equal(udp_send(sock, &peer, THEIR_PORT, text, 1),
                                 rows[i].want);
            assert_int_equal(udp_receive(sock, NULL, buf, 1, 0), -ETIMEDOUT);
        }
        close_socket();
    }
}

/* What a socket keeps is bounded, and so is what all of them keep. */
static void test_queues_are_bounded(void **state)
{
    struct udp_socket *more[3];
    unsigned all = 0;

    (void)state;
    open_socket();
    for (unsigned i = 0; i < 2 * UDP_QUEUE_MAX; i++)
        send_to_us((struct datagram){.len = 30});
    assert_int_equal(bench.stack->stats.udp_full, UDP_QUEUE_MAX);
    assert_int_equal(packets - packet_free_count(), UDP_QUEUE_MAX);
    for (uint16_t n = 0; n < COUNT_OF(more); n++) {
        assert_int_equal(
            udp_open(bench.stack, &any, (uint16_t)(100 + n), &more[n]), 0);
        for (unsigned i = 0; i < UDP_QUEUE_MAX; i++)
            send_to_us((struct datagram){.len = 30, .to = (uint16_t)(100 + n)});
    }
    all = packets - packet_free_count();
    assert_int_equal(all, bench.stack->packet_count / 8);
    for (unsigned n = 0; n < COUNT_OF(more); n++)
        udp_close(more[n]);
    for (unsigned i = 0; i < UDP_QUEUE_MAX; i++)
        expect_received(30, PEER_ADDRESS, THEIR_PORT);
    expect_none_received();
    close_socket();
}

/* A port is taken for one address or for all; random ones differ. */
static void test_ports_are_chosen(void **state)
{
    struct udp_socket *sockets[100];
    struct net_addr one = addr_of_ip4(OUR_ADDRESS);
    struct net_addr two = addr_of_ip4(OUR_ADDRESS + 1);
    unsigned steps = 0;

    (void)state;
    open_socket();
    for (unsigned i = 0; i < COUNT_OF(sockets); i++) {
        assert_int_equal(udp_open(bench.stack, &any, 0, &sockets[i]), 0);
        assert_in_range(udp_port(sockets[i]), 49152, 65535);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(udp_port(sockets[i]), udp_port(sockets[j]));
        steps += i > 0 && udp_port(sockets[i]) == udp_port(sockets[i - 1]) + 1;
    }
    assert_in_range(steps, 0, 5);
    for (unsigned i = 0; i < COUNT_OF(sockets); i++)
        udp_close(sockets[i]);
    assert_int_equal(udp_open(bench.stack, &one, 99, &sockets[0]), 0);
    assert_int_equal(udp_open(bench.stack, &two, 99, &sockets[1]), 0);
    assert_int_equal(udp_open(bench.stack, &one, 99, &sockets[2]), -EADDRINUSE);
    assert_int_equal(udp_open(bench.stack, &any, 99, &sockets[2]), -EADDRINUSE);
    udp_close(sockets[0]);
    udp_close(sockets[1]);
    close_socket();
}

/* Datagrams to ourselves come back, to each of our addresses. */
static void test_loop(void **state)
{
    static const uint32_t ours[] = {OUR_ADDRESS, 0x7f000001, 0x0a000099};

    (void)state;
    open_socket();
    assert_int_equal(ip4_address_add(bench.stack, 0x0a000099, 0xffffff00), 0);
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        struct net_addr addr = addr_of_ip4(ours[i]);

        assert_int_equal(udp_send(sock, &addr, OUR_PORT, text, 50), 0);
        expect_none_received();
        bench_run();
        expect_received(50, ours[i], OUR_PORT);
    }
    assert_null(fakenet_sent(&bench.net));
    /* What comes from outside to the loop is not ours. */
    send_to_us((struct datagram){.dst = 0x7f000001, .len = 5});
    expect_none_received();
    close_socket();
}

static void test_loop_is_bounded(void **state)
{
    struct net_addr addr = addr_of_ip4(OUR_ADDRESS);

    (void)state;
    open_socket();
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(udp_send(sock, &addr, OUR_PORT, text, 5), 0);
    assert_int_equal(packets - packet_free_count(), 64);
    assert_int_equal(bench.stack->stats.frames_dropped, 200 - 64);
    bench_run();
    for (unsigned i = 0; i < 64; i++)
        expect_received(5, OUR_ADDRESS, OUR_PORT);
    assert_int_equal(udp_send(sock, &addr, OUR_PORT, text, 5), 0);
    udp_close(sock);
    bench_close(); /* what is in the loop is dropped */
}

/* To all hosts, and to a group. */
static void test_groups(void **state)
{
    static const struct {
        uint32_t address;
        uint8_t mac[6];
    } rows[] = {
        {0xffffffff, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
        {0x0a0000ff, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
        {0xe00000fb, {0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}},
        {0xefffffff, {0x01, 0x00, 0x5e, 0x7f, 0xff, 0xff}},
    };

    (void)state;
    open_socket();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_addr addr = addr_of_ip4(rows[i].address);

        assert_int_equal(udp_send(sock, &addr, 77, text, 5), 0);
        assert_memory_equal(bench.net.sent.frame[bench.net.sent.head].data,
                            rows[i].mac, 6);
        expect_sent(rows[i].address, 77, 5);
    }
    close_socket();
}

enum { LARGE = 4001, LARGE_PIECE = 1200, LARGE_PACKETS = 4 };

static uint8_t large[8 + LARGE];

static void make_large(void)
{
    for (size_t i = 8; i < sizeof(large); i++)
        large[i] = (uint8_t)(i * 11);
    peer_put16(large, THEIR_PORT);
    peer_put16(large + 2, OUR_PORT);
    peer_put16(large + 4, sizeof(large));
    peer_put16(large + 6, 0);
    peer_put16(large + 6,
               udp_sum(large, sizeof(large), PEER_ADDRESS, OUR_ADDRESS));
}

/* It comes in fragments, larger than a packet. */
static void send_large(unsigned id)
{
    for (unsigned at = 0; at < sizeof(large); at += LARGE_PIECE) {
        unsigned len = (unsigned)sizeof(large) - at;
        bool more = len > LARGE_PIECE;

        len = more ? LARGE_PIECE : len;
        memcpy(frame + 34, large + at, len);
        peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 17, len);
        peer_put16(frame + 18, id);
        peer_put16(frame + 20, (unsigned)more << 13 | at / 8);
        peer_put16(frame + 24, 0);
        peer_put16(frame + 24, peer_checksum(frame + 14, 20, 0));
        inject(34 + len);
    }
}

static void expect_large(void)
{
    static uint8_t got[LARGE];

    assert_int_equal(udp_receive(sock, NULL, got, sizeof(got), 0), LARGE);
    assert_memory_equal(got, large + 8, sizeof(got));
}

static void test_large_datagrams(void **state)
{
    (void)state;
    open_socket();
    make_large();
    send_large(99);
    expect_large();
    large[sizeof(large) - 1] ^= 1;
    send_large(100);
    expect_none_received();
    close_socket();
}

/* The largest datagram that is put together fits, however few packets there
 * are, where so many fragments may be kept. */
static void test_the_largest_datagram_fits(void **state)
{
    static const struct {
        unsigned packets, fit;
    } rows[] = {{1024, 128}, {272, 34}, {264, 33}, {256, 33},
                {132, 33},   {128, 32}, {64, 16}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_bench();
        bench.stack->packet_count = rows[i].packets;
        assert_int_equal(udp_open(bench.stack, &any, OUR_PORT, &sock), 0);
        for (unsigned n = 0; n < UDP_QUEUE_MAX; n++)
            send_to_us((struct datagram){.len = 30});
        print_message("%u packets\n", rows[i].packets);
        assert_int_equal(packets - packet_free_count(),
                         rows[i].fit < UDP_QUEUE_MAX ? rows[i].fit
                                                     : UDP_QUEUE_MAX);
        close_socket();
    }
}

/* What all sockets keep is counted in packets: large datagrams to a slow reader
 * do not take those that frames are received into. */
static void test_large_datagrams_are_counted_by_packets(void **state)
{
    unsigned max, fit, used;

    (void)state;
    open_socket();
    max = bench.stack->packet_count / 8;
    fit = max / LARGE_PACKETS;
    make_large();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < UDP_QUEUE_MAX; i++)
            send_large(round * UDP_QUEUE_MAX + i);
        assert_int_equal(packets - packet_free_count(), fit * LARGE_PACKETS);
        assert_int_equal(bench.stack->stats.udp_full,
                         (round + 1) * (UDP_QUEUE_MAX - fit));
        for (unsigned i = 0; i < fit; i++)
            expect_large();
        expect_none_received();
    }
    /* Where a large one has no room any more, small ones have. */
    for (unsigned i = 0; i + 1 < fit; i++)
        send_large(300 + i);
    send_to_us((struct datagram){.len = 30});
    used = (fit - 1) * LARGE_PACKETS + 1;
    send_large(400);
    assert_int_equal(packets - packet_free_count(), used);
    for (; used < max; used++)
        send_to_us((struct datagram){.len = 30});
    assert_int_equal(packets - packet_free_count(), max);
    close_socket();
}

static void test_without_memory(void **state)
{
    struct net_addr peer = addr_of_ip4(PEER_ADDRESS);
    struct packet *taken[1100];
    unsigned count = 0;

    (void)state;
    open_bench();
    for (unsigned n = 1; n <= 2; n++) {
        heap_fail(n);
        assert_int_equal(udp_open(bench.stack, &any, OUR_PORT, &sock), -ENOMEM);
        heap_fail(0);
        udp_check(bench.stack);
    }
    assert_int_equal(udp_open(bench.stack, &any, OUR_PORT, &sock), 0);
    while ((taken[count] = packet_get()) != NULL)
        count++;
    assert_int_equal(udp_send(sock, &peer, 77, text, 5), -ENOBUFS);
    while (count > 0)
        packet_put(taken[--count]);
    close_socket();
}

/* The stack ends before its sockets. */
static void test_stack_ends_first(void **state)
{
    (void)state;
    open_socket();
    send_to_us((struct datagram){.len = 30});
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagrams_come_in),
        cmocka_unit_test(test_datagrams_go_out),
        cmocka_unit_test(test_sum_of_zero),
        cmocka_unit_test(test_damaged_datagrams),
        cmocka_unit_test(test_sums_of_the_card),
        cmocka_unit_test(test_short_buffers),
        cmocka_unit_test(test_ports_nobody_has),
        cmocka_unit_test(test_connected_sockets),
        cmocka_unit_test(test_errors_are_told),
        cmocka_unit_test(test_queues_are_bounded),
        cmocka_unit_test(test_ports_are_chosen),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_loop_is_bounded),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_large_datagrams),
        cmocka_unit_test(test_the_largest_datagram_fits),
        cmocka_unit_test(test_large_datagrams_are_counted_by_packets),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_stack_ends_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
