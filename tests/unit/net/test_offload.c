/* What the stack leaves to the card, and what it believes the card. */
#include "net/ip4.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/netbench.h"
#include <string.h>
#include <torc/socket.h>

static char taken[100];
static size_t taken_len;

static void on_receive(struct service *service, struct socket *socket)
{
    int64_t got =
        socket_receive(socket, taken + taken_len, sizeof(taken) - taken_len);

    (void)service;
    if (got <= 0)
        return;
    taken_len += (size_t)got;
    assert_int_equal(socket_send(socket, "an answer", 9), 9);
}

static struct service service = {.port = SERVICE_PORT, .receive = on_receive};

static void open_connection(unsigned offloads)
{
    bench_open(64);
    bench.net.dev.offloads = offloads;
    bench_serve(&service);
    taken_len = 0;
    peer_connect(PEER_PORT, 1000, 60000);
    peer_expect_nothing();
}

static const struct peer_segment hello = {.flags = ACK | PSH,
                                          .seq = 1001,
                                          .ack = 1,
                                          .window = 60000,
                                          .data = "hello",
                                          .len = 5};

/* The peer checks the sum of everything it receives. */
static void test_checksums_are_left_to_a_card_that_adds_up(void **state)
{
    static const unsigned offloads[] = {0, NET_TX_CSUM, NET_RX_CSUM};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(offloads); i++) {
        struct peer_segment got;

        open_connection(offloads[i]);
        peer_send(hello);
        assert_true(peer_receive(&got));
        assert_int_equal(got.len, 9);
        assert_memory_equal(got.data, "an answer", 9);
        assert_int_equal(bench.net.sums_filled > 0, offloads[i] == NET_TX_CSUM);
        bench_close();
    }
}

/* ---- Memory that is lent ------------------------------------------------- */

enum { LENT_BYTES = 20000 };

static struct buf *lent;
static int64_t lent_taken;

/* A head, and the buffer as three slices of odd lengths. */
static void on_receive_lend(struct service *of, struct socket *socket)
{
    const struct slice slices[] = {
        {lent, 0, 7001}, {lent, 7001, 3}, {lent, 7004, LENT_BYTES - 7004}};
    char request[100];

    (void)of;
    if (socket_receive(socket, request, sizeof(request)) <= 0)
        return;
    lent_taken = socket_lend(socket, "head:", 5, slices, 3);
}

static struct service lender = {.port = SERVICE_PORT,
                                .receive = on_receive_lend};

/* Take what comes until nothing does, and acknowledge it: how many bytes. */
static size_t take_all(uint8_t *to)
{
    struct peer_segment got;
    size_t len = 0;

    while (peer_receive(&got)) {
        assert_int_equal(got.seq, 1 + len);
        assert_true(got.len <= 1000);
        memcpy(to + len, got.data, got.len);
        len += got.len;
        peer_send_quietly((struct peer_segment){.flags = ACK,
                                                .seq = 1006,
                                                .ack = 1 + (uint32_t)len,
                                                .window = 60000});
    }
    return len;
}

/* The peer gets the same bytes whatever the card can do, and each reference is
 * dropped when they are acknowledged. */
static void test_memory_that_is_lent(void **state)
{
    static const struct {
        unsigned offloads;
        bool cuts;
    } rows[] = {
        {0, false}, {NET_TX_CSUM, false}, {NET_TX_CSUM | NET_TX_TCP4, true}};
    static uint8_t taken_bytes[LENT_BYTES + 1000];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        bench_open(64);
        bench.net.dev.offloads = rows[i].offloads;
        bench_serve(&lender);
        lent = buf_alloc(LENT_BYTES);
        for (unsigned j = 0; j < LENT_BYTES; j++)
            lent->base[j] = (uint8_t)(j * 7 + (j >> 8));
        peer_connect(PEER_PORT, 1000, 60000);
        peer_send(hello);
        assert_int_equal(lent_taken, 5 + LENT_BYTES);
        assert_true(lent->refs > 1);
        assert_int_equal(take_all(taken_bytes), 5 + LENT_BYTES);
        assert_memory_equal(taken_bytes, "head:", 5);
        assert_memory_equal(taken_bytes + 5, lent->base, LENT_BYTES);
        assert_int_equal(bench.net.segments_cut > 0, rows[i].cuts);
        assert_int_equal(lent->refs, 1);
        buf_put(lent);
        bench_close();
    }
}

/* From the first data on the card cuts up, however a connection has begun. */
static void test_first_data_are_left_to_the_card(void **state)
{
    static const struct {
        uint32_t own;
        unsigned half_open_max; /* 0: all get cookies */
    } rows[] = {{OUR_ADDRESS, 128}, {OUR_ADDRESS, 0}, {0x0a000063, 128}};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct peer_segment ack = hello, request = hello, got;

        bench_open(64);
        bench.relative = false;
        bench.net.dev.offloads = NET_TX_CSUM | NET_TX_TCP4;
        assert_int_equal(ip4_address_add(bench.stack, 0x0a000063, 0xffffff00),
                         0);
        bench_serve(&lender);
        bench.server->half_open_max = rows[i].half_open_max;
        while (fakenet_sent(&bench.net) != NULL)
            continue; /* the neighbours are told of the address */
        lent = buf_alloc(LENT_BYTES);
        peer_send((struct peer_segment){
            .flags = SYN, .seq = 1000, .window = 60000, .own = rows[i].own});
        assert_true(peer_receive(&got));
        assert_int_equal(bench.server->half_open_count,
                         rows[i].half_open_max > 0);
        request.own = ack.own = rows[i].own;
        request.ack = ack.ack = got.seq + 1;
        ack.flags = ACK;
        ack.len = 0;
        peer_send_quietly(ack);
        assert_int_equal(bench.stack->conn_count, 1);
        assert_int_equal(bench.net.segments_cut, 0);
        peer_send(request);
        assert_true(bench.net.segments_cut > 1);
        assert_int_equal(bench.net.segments_cut, bench.net.sent.count);
        while (peer_receive(&got))
            assert_int_equal(got.own, rows[i].own);
        buf_put(lent);
        bench_close();
    }
}

/* The neighbour was forgotten before the connection began: it is asked for when
 * there is something to send, and the data wait for the answer. */
static void test_a_forgotten_neighbour_is_asked_for(void **state)
{
    struct peer_segment ack = hello, request = hello, got;
    const struct fakenet_frame *frame;

    (void)state;
    bench_open(64);
    bench.relative = false;
    bench_serve(&lender);
    lent = buf_alloc(LENT_BYTES);
    peer_send(
        (struct peer_segment){.flags = SYN, .seq = 1000, .window = 60000});
    assert_true(peer_receive(&got));
    neigh_fini(bench.stack);
    request.ack = ack.ack = got.seq + 1;
    ack.flags = ACK;
    ack.len = 0;
    peer_send_quietly(ack);
    assert_int_equal(bench.stack->conn_count, 1);
    stack_check(bench.stack);
    peer_send(request);
    frame = fakenet_sent(&bench.net);
    assert_non_null(frame);
    assert_int_equal(be16_get(frame->data + 12), 0x0806);
    stack_check(bench.stack);
    buf_put(lent);
    bench_close();
}

/* A connection that is reset drops what it was lent. */
static void test_reset_drops_what_was_lent(void **state)
{
    (void)state;
    bench_open(64);
    bench.net.dev.offloads = NET_TX_CSUM | NET_TX_TCP4;
    bench_serve(&lender);
    lent = buf_alloc(LENT_BYTES);
    peer_connect(PEER_PORT, 1000, 60000);
    peer_send(hello);
    assert_true(lent->refs > 1);
    peer_send((struct peer_segment){.flags = RST, .seq = 1006});
    assert_int_equal(lent->refs, 1);
    buf_put(lent);
    bench_close();
}

/* More pieces than a packet takes are sent as short segments, also when they
 * are sent again. */
enum { BITS = 40, BIT_BYTES = 30 };

static void on_receive_bits(struct service *of, struct socket *socket)
{
    struct slice slices[BITS];
    char request[100];

    (void)of;
    if (socket_receive(socket, request, sizeof(request)) <= 0)
        return;
    for (uint32_t i = 0; i < BITS; i++)
        slices[i] = (struct slice){lent, i * BIT_BYTES, BIT_BYTES};
    lent_taken = socket_lend(socket, NULL, 0, slices, BITS);
}

static void test_many_small_slices(void **state)
{
    static struct service of = {.port = SERVICE_PORT,
                                .receive = on_receive_bits};
    static const struct {
        unsigned offloads;
        uint32_t first;
    } rows[] = {{0, 1000},
                {NET_TX_CSUM, PACKET_SLICES * BIT_BYTES},
                {NET_TX_CSUM | NET_TX_TCP4, PACKET_SLICES * BIT_BYTES}};
    struct peer_segment got;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        uint32_t first = rows[i].first;

        bench_open(64);
        bench.net.dev.offloads = rows[i].offloads;
        bench_serve(&of);
        lent = buf_alloc(BITS * BIT_BYTES);
        for (unsigned j = 0; j < BITS * BIT_BYTES; j++)
            lent->base[j] = (uint8_t)(j * 7 + (j >> 8));
        peer_connect(PEER_PORT, 1000, 60000);
        peer_send(hello);
        assert_int_equal(lent_taken, BITS * BIT_BYTES);
        assert_true(peer_receive(&got));
        assert_int_equal(got.seq, 1);
        assert_int_equal(got.len, first);
        assert_memory_equal(got.data, lent->base, first);
        assert_true(peer_receive(&got));
        assert_int_equal(got.seq, 1 + first);
        assert_int_equal(got.len, BITS * BIT_BYTES - first);
        assert_memory_equal(got.data, lent->base + first, got.len);
        for (unsigned j = 0; j < 3; j++) /* duplicates: the first is lost */
            peer_send((struct peer_segment){
                .flags = ACK, .seq = 1006, .ack = 1, .window = 60000});
        assert_true(peer_receive(&got));
        assert_int_equal(got.seq, 1);
        assert_int_equal(got.len, first);
        assert_memory_equal(got.data, lent->base, first);
        peer_send((struct peer_segment){
            .flags = ACK, .seq = 1006, .ack = 1201, .window = 60000});
        assert_int_equal(lent->refs, 1);
        buf_put(lent);
        bench_close();
    }
}

/* Nothing that stays here is left to a card, whichever addresses it has. */
static void test_slices_to_ourselves(void **state)
{
    enum { SECOND = 0x0a000009 };
    static const uint32_t remotes[] = {OUR_ADDRESS, SECOND, 0x7f000001};
    const struct net_endpoint own = {.addr = addr_of_ip4(OUR_ADDRESS)};
    const struct net_endpoint all = {.port = SERVICE_PORT};
    char buf[32];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(remotes); i++) {
        const struct net_endpoint remote = {addr_of_ip4(remotes[i]),
                                            SERVICE_PORT};
        struct socket *listener, *from, *to;
        struct slice slice;

        bench_open(64);
        bench.net.dev.offloads = NET_TX_CSUM | NET_TX_TCP4;
        assert_int_equal(ip4_address_add(bench.stack, SECOND, 0xffffff00), 0);
        assert_int_equal(socket_open_tcp(&listener), 0);
        assert_int_equal(socket_bind(listener, &all), 0);
        assert_int_equal(socket_listen(listener, 0), 0);
        assert_int_equal(socket_open_tcp(&from), 0);
        assert_int_equal(socket_bind(from, &own), 0);
        assert_int_equal(socket_connect_start(from, &remote), 0);
        bench_run();
        assert_int_equal(socket_accept(listener, &to, 0), 0);
        lent = buf_alloc(16);
        memcpy(lent->base, "0123456789", 10);
        slice = (struct slice){lent, 2, 5};
        assert_int_equal(socket_lend(from, "head:", 5, &slice, 1), 10);
        bench_run();
        assert_int_equal(socket_receive(to, buf, sizeof(buf)), 10);
        assert_memory_equal(buf, "head:23456", 10);
        socket_abort(from);
        socket_abort(to);
        socket_close(listener);
        bench_run();
        assert_int_equal(lent->refs, 1);
        buf_put(lent);
        bench_close();
    }
}

/* A segment with a checksum that is wrong. */
static void receive_with(struct packet_offload offload)
{
    uint8_t frame[128];
    size_t len;

    open_connection(0);
    len = peer_frame(frame, &hello);
    frame[14 + 20 + 16] ^= 0x55;
    bench.net.coming_offload = offload;
    fakenet_inject(&bench.net, frame, len);
    bench_run();
}

static void test_checksums_that_the_card_has_checked(void **state)
{
    (void)state;
    receive_with((struct packet_offload){.csum_valid = false});
    assert_int_equal(taken_len, 0);
    assert_int_equal(bench.stack->stats.tcp_bad, 1);
    bench_close();

    receive_with((struct packet_offload){.csum_valid = true});
    assert_int_equal(taken_len, 5);
    assert_int_equal(bench.stack->stats.tcp_bad, 0);
    bench_close();

    receive_with((struct packet_offload){
        .csum_partial = true, .csum_start = 34, .csum_at = 50});
    assert_int_equal(taken_len, 5);
    bench_close();
}

/* The reply lies in the packet of the request. */
static void test_echo_forgets_what_the_card_has_said(void **state)
{
    static const uint8_t request[8] = {8, 0, 0xf7, 0xff};
    const struct fakenet_frame *reply;
    uint8_t frame[64];
    size_t len;

    (void)state;
    bench_open(64);
    memcpy(frame + 34, request, sizeof(request));
    len = peer_ip4(frame, PEER_ADDRESS, OUR_ADDRESS, 1, sizeof(request));
    bench.net.coming_offload = (struct packet_offload){
        .csum_partial = true, .csum_start = 300, .csum_at = 310};
    fakenet_inject(&bench.net, frame, len);
    bench_poll();
    reply = fakenet_sent(&bench.net);
    assert_non_null(reply);
    assert_int_equal(reply->data[34], 0);
    assert_int_equal(peer_checksum(reply->data + 34, 8, 0), 0);
    assert_int_equal(bench.net.sums_filled, 0);
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksums_are_left_to_a_card_that_adds_up),
        cmocka_unit_test(test_memory_that_is_lent),
        cmocka_unit_test(test_first_data_are_left_to_the_card),
        cmocka_unit_test(test_a_forgotten_neighbour_is_asked_for),
        cmocka_unit_test(test_reset_drops_what_was_lent),
        cmocka_unit_test(test_many_small_slices),
        cmocka_unit_test(test_slices_to_ourselves),
        cmocka_unit_test(test_checksums_that_the_card_has_checked),
        cmocka_unit_test(test_echo_forgets_what_the_card_has_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
