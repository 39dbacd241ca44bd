#include "kernel/heap.h"
#include "kernel/netdev.h"
#include "kernel/packet.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/errno.h>

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static void test_packet_pool_gives_all_and_no_more(void **state)
{
    struct packet *taken[10];

    (void)state;
    assert_null(packet_get());
    assert_int_equal(packet_free_count(), 0);
    assert_int_equal(packet_pool_grow(9), 0); /* rounded to pairs */
    assert_int_equal(packet_free_count(), 10);
    for (int i = 0; i < 10; i++) {
        taken[i] = packet_get();
        assert_non_null(taken[i]);
        memset(taken[i]->base, i, PACKET_SIZE);
    }
    assert_null(packet_get());
    for (int i = 0; i < 10; i++) {
        assert_int_equal(taken[i]->base[0], i);
        assert_int_equal(taken[i]->base[PACKET_SIZE - 1], i);
        packet_put(taken[i]);
    }
    packet_put(NULL);
    assert_int_equal(packet_free_count(), 10);
}

static void test_packet_edges(void **state)
{
    struct packet *packet;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    packet = packet_get();
    assert_int_equal(packet_headroom(packet), PACKET_HEADROOM);
    assert_int_equal(packet_tailroom(packet), PACKET_SIZE - PACKET_HEADROOM);
    assert_non_null(packet_append(packet, 100));
    assert_null(packet_append(packet, packet_tailroom(packet) + 1));
    assert_non_null(packet_append(packet, packet_tailroom(packet)));
    assert_int_equal(packet_tailroom(packet), 0);
    assert_ptr_equal(packet_push(packet, 28), packet->base + 100);
    assert_true(packet_bus(packet) == packet->bus + 100);
    assert_null(packet_push(packet, 101));
    assert_non_null(packet_push(packet, 100));
    assert_int_equal(packet->len, PACKET_SIZE);
    assert_null(packet_pull(packet, PACKET_SIZE + 1));
    assert_ptr_equal(packet_pull(packet, PACKET_SIZE), packet->base);
    assert_int_equal(packet->len, 0);
    packet_put(packet);
}

static void test_packet_pool_out_of_memory(void **state)
{
    (void)state;
    heap_fail(1); /* the pool */
    assert_int_equal(packet_pool_grow(4), -ENOMEM);
    heap_fail(2); /* the packets */
    assert_int_equal(packet_pool_grow(4), -ENOMEM);
    heap_fail(2); /* their buffers */
    assert_int_equal(packet_pool_grow(4), -ENOMEM);
    assert_int_equal(packet_pool_grow(4), 0);
    assert_int_equal(packet_pool_grow(100000), -ENOMEM);
    assert_int_equal(packet_free_count(), 4);
}

/* ---- The net class ------------------------------------------------------- */

static int send_status;
static struct packet *sent;

static int card_send(struct net_device *dev, struct packet *packet)
{
    (void)dev;
    if (send_status == 0)
        sent = packet;
    return send_status;
}

static const struct net_ops card_ops = {.send = card_send};

static void test_netdev_counts_and_drops(void **state)
{
    struct net_device card = {.ops = &card_ops, .mtu = 1500};
    struct packet *packet;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    assert_int_equal(net_register(&card), 0);
    assert_string_equal(device_name(&card.device), "net0");
    assert_ptr_equal(net_from_device(&card.device), &card);
    assert_null(net_from_device(NULL));
    card.device.owner = 0;

    packet = packet_get();
    (void)packet_append(packet, 60);
    net_send(&card, packet);
    assert_ptr_equal(sent, packet);
    assert_int_equal(card.tx_frames, 1);
    assert_int_equal(card.tx_bytes, 60);
    send_status = -EAGAIN; /* the ring is full: dropped, not leaked */
    net_send(&card, packet);
    assert_int_equal(card.tx_dropped, 1);
    assert_int_equal(packet_free_count(), 2);

    net_receive(&card, packet_get()); /* no stack yet */
    assert_int_equal(card.rx_frames, 1);
    assert_int_equal(card.rx_dropped, 1);
    assert_int_equal(packet_free_count(), 2);
    net_wake(&card); /* nobody: harmless */
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_packet_pool_gives_all_and_no_more),
        ATTACHED(test_packet_edges),
        ATTACHED(test_packet_pool_out_of_memory),
        ATTACHED(test_netdev_counts_and_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
