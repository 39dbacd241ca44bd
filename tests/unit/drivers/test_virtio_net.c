/* The virtio card against the model, over MMIO of both versions and PCI. */
#include "drivers/drivers.h"
#include "kernel/irq_work.h"
#include "kernel/lib/bytes.h"
#include "kernel/netdev.h"
#include "kernel/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <string.h>
#include <torc/device.h>
#include <torc/errno.h>

enum { RX, TX };

static struct virtio_model model;
static struct net_device *card;
static uint8_t got[2048];
static size_t got_len;
static unsigned got_count;
static unsigned wakes;

static void receive(struct net_device *dev, struct packet *packet)
{
    (void)dev;
    got_len = packet->len;
    got_count++;
    memcpy(got, packet->data, packet->len);
    packet_put(packet);
}

static void wake(struct net_device *dev)
{
    (void)dev;
    wakes++;
}

static void fresh(void)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

    models_reset();
    model = (struct virtio_model){
        .id = 1,
        .offered = UINT64_C(1) << 32 | 1 << 5,
        .queue_max = 256,
        .queue_count = 2,
    };
    memcpy(model.config, mac, 6);
    got_count = wakes = 0;
    machine_attach(16 << 20);
}

static void start(void)
{
    assert_int_equal(virtio_net_driver.probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
    assert_non_null(card);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    card->receive = receive;
    card->wake = wake;
    assert_true(model.status & 4);
}

static size_t header_size(void)
{
    return model.legacy ? 10 : 12;
}

/* The device puts a frame of `len` bytes, header included, into the ring. */
static bool device_sends(uint32_t len)
{
    struct model_chain chain;
    uint32_t at = 0;

    if (!model_take(&model, RX, &chain))
        return false;
    for (unsigned i = 0; i < chain.count; i++) {
        if (!chain.piece[i].writable)
            model_breach("a receive buffer that cannot be written");
        if (model.legacy && i == 0 && chain.piece[0].len != 10)
            model_breach("a legacy header of its own: 5.1.6.1");
        for (uint32_t k = 0; k < chain.piece[i].len && at < len; k++, at++)
            chain.piece[i].data[k] =
                at < header_size() ? 0 : (uint8_t)(at - header_size());
    }
    model_complete(&model, RX, chain.head, len);
    return true;
}

/* One sent frame as the device sees it; its length, or 0. */
static size_t device_receives(uint8_t frame[2048])
{
    struct model_chain chain;
    size_t len = 0;

    if (!model_take(&model, TX, &chain))
        return 0;
    for (unsigned i = 0; i < chain.count; i++) {
        if (chain.piece[i].writable)
            model_breach("a frame to send that is writable");
        memcpy(frame + len, chain.piece[i].data, chain.piece[i].len);
        len += chain.piece[i].len;
    }
    for (size_t i = 0; i < header_size(); i++)
        assert_int_equal(frame[i], 0);
    memmove(frame, frame + header_size(), len - header_size());
    model_complete(&model, TX, chain.head, 0);
    return len - header_size();
}

static struct packet *make(size_t len)
{
    struct packet *packet = packet_get();
    uint8_t *at = packet == NULL ? NULL : packet_append(packet, len);

    for (size_t i = 0; at != NULL && i < len; i++)
        at[i] = (uint8_t)(i * 3);
    return packet;
}

/* Interrupts come in at the end of one pass; their work runs in the next. */
static void settle(void)
{
    thread_yield();
    thread_yield();
}

static void exercise(void)
{
    uint8_t frame[2048];

    start();
    assert_memory_equal(card->mac, model.config, 6);
    assert_true(device_sends((uint32_t)header_size() + 1514));
    settle();
    assert_int_equal(wakes, 1);
    assert_int_equal(card->ops->poll(card, 16), 1);
    assert_int_equal(got_count, 1);
    assert_int_equal(got_len, 1514);
    for (size_t i = 0; i < 1514; i++)
        assert_int_equal(got[i], (uint8_t)i);
    net_send(card, make(1514));
    thread_yield(); /* the device is told in the pass */
    assert_true(model.queue[TX].notified);
    assert_int_equal(device_receives(frame), 1514);
    for (size_t i = 0; i < 1514; i++)
        assert_int_equal(frame[i], (uint8_t)(i * 3));
    machine_detach();
}

static void test_net_over_mmio(void **state)
{
    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    exercise();
}

static void test_net_over_legacy_mmio(void **state)
{
    (void)state;
    fresh();
    model.offered = 1 << 5;
    model_on_mmio(&model, 1);
    exercise();
}

static void test_net_over_pci(void **state)
{
    const struct pci_model_options options = {.no_msix = false};

    (void)state;
    fresh();
    model_on_pci(&model, &options);
    exercise();
}

static void test_net_over_pci_line(void **state)
{
    const struct pci_model_options options = {.no_msix = true};

    (void)state;
    fresh();
    model_on_pci(&model, &options);
    exercise();
}

static void test_net_poll_keeps_its_budget(void **state)
{
    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    for (int i = 0; i < 40; i++)
        assert_true(device_sends(100));
    assert_int_equal(card->ops->poll(card, 16), 16);
    assert_int_equal(card->ops->poll(card, 16), 16);
    assert_int_equal(card->ops->poll(card, 16), 8);
    assert_int_equal(card->ops->poll(card, 16), 0);
    assert_int_equal(got_count, 40);
    machine_detach();
}

static void test_net_polled_dry_interrupts_again(void **state)
{
    unsigned interrupts;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    assert_true(device_sends(100));
    assert_int_equal(card->ops->poll(card, 16), 1);
    interrupts = model.interrupts;
    assert_true(device_sends(100));
    assert_int_equal(model.interrupts, interrupts + 1);
    /* While there is more to poll there is nothing to say. */
    for (int i = 0; i < 20; i++)
        assert_true(device_sends(100));
    assert_int_equal(card->ops->poll(card, 4), 4);
    interrupts = model.interrupts;
    assert_true(device_sends(100));
    assert_int_equal(model.interrupts, interrupts);
    machine_detach();
}

static void test_net_bad_lengths_are_dropped(void **state)
{
    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    for (uint32_t len = 0; len < 12 + 14; len++)
        assert_true(device_sends(len));
    assert_true(device_sends(12 + 14));
    while (card->ops->poll(card, 16) == 16)
        continue;
    assert_int_equal(got_count, 1);
    assert_int_equal(card->rx_dropped, 26);
    machine_detach();
}

static void test_net_empty_pool_drops_and_recovers(void **state)
{
    struct packet *hoard[2000];
    unsigned count = 0;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    while ((hoard[count] = packet_get()) != NULL)
        count++;
    for (int i = 0; i < 600; i++) { /* more than the ring is long */
        assert_true(device_sends(100));
        card->ops->poll(card, 16);
    }
    assert_int_equal(got_count, 0);
    assert_int_equal(card->rx_dropped, 600);
    while (count > 0)
        packet_put(hoard[--count]);
    assert_true(device_sends(100));
    assert_int_equal(card->ops->poll(card, 16), 1);
    assert_int_equal(got_count, 1);
    machine_detach();
}

static void test_net_full_ring_and_its_interrupt(void **state)
{
    struct packet *packet;
    uint8_t frame[2048];
    unsigned sent = 0, before;

    (void)state;
    fresh();
    model.queue_max = 16;
    model_on_mmio(&model, 2);
    start();
    while ((packet = make(60)) != NULL) {
        if (card->ops->send(card, packet) != 0)
            break;
        sent++;
    }
    assert_non_null(packet);
    assert_in_range(sent, 14, 16);
    packet_put(packet);
    /* Somebody waits for room now: the device says when there is some. */
    before = model.interrupts;
    assert_int_equal(device_receives(frame), 60);
    assert_int_equal(model.interrupts, before + 1);
    settle();
    assert_true(wakes > 0);
    card->ops->poll(card, 16);
    packet = make(60);
    assert_int_equal(card->ops->send(card, packet), 0);
    machine_detach();
}

static void test_net_packets_come_back(void **state)
{
    uint8_t frame[2048];
    unsigned free_count;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    free_count = packet_free_count();
    for (int i = 0; i < 2000; i++) {
        net_send(card, make(60));
        thread_yield();
        assert_int_equal(device_receives(frame), 60);
        assert_true(device_sends(100));
        card->ops->poll(card, 16);
    }
    card->ops->poll(card, 16);
    assert_int_equal(packet_free_count(), free_count);
    machine_detach();
}

static void test_net_lying_device_is_given_up(void **state)
{
    struct packet *packet;

    (void)state;
    for (unsigned lie = 0; lie < 4; lie++) {
        fresh();
        model_on_mmio(&model, 2);
        start();
        if (lie == 0)
            model_use_raw(&model, RX, 5000, 100);
        else if (lie == 1)
            model_use_raw(&model, RX, 0, 1 << 20);
        else if (lie == 2)
            model_used_index(&model, RX, 3000);
        else
            model_use_raw(&model, TX, 3, 0);
        card->ops->poll(card, 16);
        assert_int_equal(got_count, 0);
        assert_int_equal(model.status, 0);
        packet = make(60);
        assert_int_equal(card->ops->send(card, packet), -EAGAIN);
        packet_put(packet);
        assert_int_equal(card->ops->poll(card, 16), 0);
        machine_detach();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net_over_mmio),
        cmocka_unit_test(test_net_over_legacy_mmio),
        cmocka_unit_test(test_net_over_pci),
        cmocka_unit_test(test_net_over_pci_line),
        cmocka_unit_test(test_net_poll_keeps_its_budget),
        cmocka_unit_test(test_net_polled_dry_interrupts_again),
        cmocka_unit_test(test_net_bad_lengths_are_dropped),
        cmocka_unit_test(test_net_empty_pool_drops_and_recovers),
        cmocka_unit_test(test_net_full_ring_and_its_interrupt),
        cmocka_unit_test(test_net_packets_come_back),
        cmocka_unit_test(test_net_lying_device_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
