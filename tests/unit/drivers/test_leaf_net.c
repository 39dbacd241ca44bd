/* The hosted card, against libslirp: ask it who the gateway is. */
#include "hal/posix/host/machine.h"
#include "kernel/boot/init.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/thread/thread_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/time.h>

static struct net_device *card;
static uint8_t answer[1600];
static size_t answer_len;
static unsigned wakes;

#define QUEUE (&card->queues[0])

static void receive(struct packet *packet)
{
    /* Of what comes, the ARP reply: operation 2. */
    if (packet->len >= 42 && packet->data[12] == 8 && packet->data[13] == 6 &&
        packet->data[21] == 2) {
        answer_len = packet->len;
        memcpy(answer, packet->data, packet->len);
    }
    packet_put(packet);
}

/* As a stack does: polls until nothing comes, then asks for interrupts. */
static unsigned poll(unsigned max)
{
    struct packet *packets[64];
    unsigned count = 0;

    assert_true(max <= COUNT_OF(packets));
    (void)net_arm(QUEUE, false);
    do
        count += net_poll(QUEUE, packets + count, max - count);
    while (count < max && !net_arm(QUEUE, true));
    for (unsigned i = 0; i < count; i++)
        receive(packets[i]);
    return count;
}

static void wake(struct net_queue *queue)
{
    assert_ptr_equal(queue, QUEUE);
    wakes++;
}

static void attach_with(size_t mem_bytes)
{
    const struct host_net_config net = {.kind = HOST_NET_USER};
    const struct host_config config = {.cpus = 1,
                                       .mem_bytes = mem_bytes,
                                       .net_count = 1,
                                       .nets = &net,
                                       .quiet = true};
    const struct hal_boot_info *info = host_machine_prepare(&config);

    assert_non_null(info);
    kernel_init(info, &torc_app);
    assert_int_equal(sched_adopt(), 0);
    hal_irq_restore(HAL_IRQS_ON);
    assert_int_equal(leaf_net_driver.probe(), 0);
    card = net_from_device(device_by_name("net0"));
    assert_non_null(card);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake;
    answer_len = 0;
    wakes = 0;
}

static void attach(void)
{
    attach_with(16 << 20);
}

/* RFC 826: who has 10.0.2.2? Tell 10.0.2.15. */
static struct packet *question(void)
{
    static const uint8_t arp[42] = {
        255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0,  0, 8, 6,
        0,   1,   8,   0,   6,   4,   0, 1, 0, 0, 0,  0, 0, 0,
        10,  0,   2,   15,  0,   0,   0, 0, 0, 0, 10, 0, 2, 2};
    struct packet *packet = packet_get();
    uint8_t *at = packet_append(packet, sizeof(arp));

    memcpy(at, arp, sizeof(arp));
    memcpy(at + 6, card->mac, 6);
    memcpy(at + 22, card->mac, 6);
    return packet;
}

static void test_leaf_net_asks_and_hears(void **state)
{
    static const uint8_t gateway[4] = {10, 0, 2, 2};
    struct packet *packet;
    uint64_t deadline;
    unsigned free_count;

    (void)state;
    attach();
    free_count = packet_free_count();
    assert_int_equal(poll(8), 0); /* arms the interrupt */
    packet = question();
    assert_int_equal(net_send(QUEUE, &packet, 1), 1);
    deadline = time_ns() + 10 * NS_PER_S;
    while (wakes == 0 && time_ns() < deadline)
        thread_sleep(NS_PER_MS);
    assert_true(wakes > 0);
    while (answer_len == 0 && time_ns() < deadline) {
        poll(8);
        thread_yield();
    }
    assert_in_range(answer_len, 42, 64);
    assert_memory_equal(answer, card->mac, 6);
    assert_memory_equal(answer + 28, gateway, 4);
    assert_int_equal(packet_free_count(), free_count);
    assert_int_equal(QUEUE->tx_frames, 1);
    machine_detach();
}

static void test_leaf_net_without_packets(void **state)
{
    struct packet *hoard[600], *packets[8];
    unsigned count = 0;

    (void)state;
    attach();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    /* Nothing to receive into: "poll again", and nothing is lost. */
    assert_int_equal(net_poll(QUEUE, packets, 8), 0);
    assert_false(net_arm(QUEUE, true));
    while (count > 0)
        packet_put(hoard[--count]);
    machine_detach();
}

/* As many packets as the memory allows. */
static void test_leaf_net_packets(void **state)
{
    (void)state;
    attach_with(8 << 20);
    assert_int_equal(packet_free_count(), 128);
    assert_int_equal(card->mtu, 1500);
    machine_detach();
    attach_with(64 << 20);
    assert_int_equal(packet_free_count(), 512);
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaf_net_asks_and_hears),
        cmocka_unit_test(test_leaf_net_without_packets),
        cmocka_unit_test(test_leaf_net_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
