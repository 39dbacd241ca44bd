/* What the stack leaves to the card, and what it believes the card. */
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/netbench.h"
#include <string.h>

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
        cmocka_unit_test(test_checksums_that_the_card_has_checked),
        cmocka_unit_test(test_echo_forgets_what_the_card_has_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
