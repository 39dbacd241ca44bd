/* The virtio card against the model, over MMIO of both versions and PCI. */
#include "kernel/cpu/irq_work.h"
#include "kernel/device/driver.h"
#include "kernel/device/netdev.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>

enum { RX, TX };

static struct virtio_model model;
static struct net_device *card;
static uint8_t got[2048];
static size_t got_len;
static unsigned got_count;
static unsigned wakes;
static bool answers; /* each received frame is answered by one */

#define QUEUE (&card->queues[0])

static struct packet *make(size_t len);

/* 0: the driver has taken it. */
static int send(struct packet *packet)
{
    return net_send(QUEUE, &packet, 1) == 1 ? 0 : -EAGAIN;
}

static void send_or_drop(struct packet *packet)
{
    if (send(packet) != 0)
        net_drop_sent(QUEUE, packet);
}

static void receive(struct packet *packet)
{
    got_len = packet->len;
    got_count++;
    memcpy(got, packet->data, packet->len);
    packet_put(packet);
    if (answers)
        send_or_drop(make(60));
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

static void fresh_with(size_t mem_bytes)
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
    answers = false;
    console_forget();
    machine_attach(mem_bytes);
}

static void fresh(void)
{
    fresh_with(16 << 20);
}

static void start(void)
{
    assert_int_equal(virtio_net_driver.probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
    assert_non_null(card);
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake;
    assert_true(model.status & 4);
}

static size_t header_size(void)
{
    return model.legacy ? 10 : 12;
}

/* The device puts a frame of `len` bytes, header included, into the ring. */
static bool device_sends(uint32_t len)
{
    struct ring_chain chain;
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
    struct ring_chain chain;
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
    unsigned interrupts;

    start();
    assert_memory_equal(card->mac, model.config, 6);
    assert_true(device_sends((uint32_t)header_size() + 1514));
    settle();
    assert_int_equal(wakes, 1);
    assert_int_equal(poll(16), 1);
    assert_int_equal(got_count, 1);
    assert_int_equal(got_len, 1514);
    for (size_t i = 0; i < 1514; i++)
        assert_int_equal(got[i], (uint8_t)i);
    send_or_drop(make(1514));
    thread_yield(); /* the device is told in the pass */
    assert_int_equal(model.queue[TX].notifications, 1);
    interrupts = model.interrupts;
    assert_int_equal(device_receives(frame), 1514);
    assert_int_equal(model.interrupts, interrupts); /* nobody waits for it */
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
    assert_true(model.by_message > 0);
    assert_int_equal(model.by_line, 0);
}

static void test_net_over_pci_line(void **state)
{
    const struct pci_model_options options = {.no_msix = true};

    (void)state;
    fresh();
    model_on_pci(&model, &options);
    exercise();
    assert_true(model.by_line > 0);
    assert_int_equal(model.by_message, 0);
}

static void test_net_poll_keeps_its_budget(void **state)
{
    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    for (int i = 0; i < 40; i++)
        assert_true(device_sends(100));
    assert_int_equal(poll(16), 16);
    assert_int_equal(poll(16), 16);
    assert_int_equal(poll(16), 8);
    assert_int_equal(poll(16), 0);
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
    assert_int_equal(poll(16), 1);
    interrupts = model.interrupts;
    assert_true(device_sends(100));
    assert_int_equal(model.interrupts, interrupts + 1);
    /* While there is more to poll there is nothing to say. */
    for (int i = 0; i < 20; i++)
        assert_true(device_sends(100));
    assert_int_equal(poll(4), 4);
    interrupts = model.interrupts;
    assert_true(device_sends(100));
    assert_int_equal(model.interrupts, interrupts);
    machine_detach();
}

/* One interrupt answers: none follows before it is asked for again. */
static void test_net_one_interrupt_answers(void **state)
{
    static const uint64_t event_idx[] = {0, 1 << 29};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(event_idx); i++) {
        unsigned interrupts;

        fresh();
        model.offered |= event_idx[i];
        model_on_mmio(&model, 2);
        start();
        assert_int_equal(poll(16), 0);
        interrupts = model.interrupts;
        assert_true(device_sends(100));
        assert_int_equal(model.interrupts, interrupts + 1);
        settle();
        assert_true(device_sends(100));
        assert_int_equal(model.interrupts, interrupts + 1);
        assert_int_equal(poll(16), 2);
        assert_true(device_sends(100));
        assert_int_equal(model.interrupts, interrupts + 2);
        machine_detach();
    }
}

static void test_net_bad_lengths_are_dropped(void **state)
{
    unsigned free_count;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    free_count = packet_free_count();
    for (uint32_t len = 0; len < 12 + 14; len++)
        assert_true(device_sends(len));
    assert_true(device_sends(12 + 14));
    while (poll(16) == 16)
        continue;
    assert_int_equal(got_count, 1);
    assert_int_equal(QUEUE->rx_dropped, 26);
    assert_int_equal(got_len, 14);
    assert_int_equal(packet_free_count(), free_count);
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
        poll(16);
    }
    assert_int_equal(got_count, 0);
    assert_int_equal(QUEUE->rx_dropped, 600);
    while (count > 0)
        packet_put(hoard[--count]);
    assert_true(device_sends(100));
    assert_int_equal(poll(16), 1);
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
        if (send(packet) != 0)
            break;
        sent++;
    }
    assert_non_null(packet);
    assert_int_equal(sent, 15); /* a legacy frame takes two: one is left */
    packet_put(packet);
    thread_yield(); /* the device is told in the pass */
    /* Somebody waits for room now: the device says when there is some. */
    before = model.interrupts;
    assert_int_equal(device_receives(frame), 60);
    assert_int_equal(model.interrupts, before + 1);
    settle();
    assert_true(wakes > 0);
    poll(16);
    packet = make(60);
    assert_int_equal(send(packet), 0);
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
        send_or_drop(make(60));
        thread_yield();
        assert_int_equal(device_receives(frame), 60);
        assert_true(device_sends(100));
        poll(16);
    }
    poll(16);
    assert_int_equal(packet_free_count(), free_count);
    machine_detach();
}

static void test_net_addresses(void **state)
{
    static const struct {
        const char *name;
        uint8_t mac[6];
        bool is_served;
    } rows[] = {
        {"of one card", {0x52, 0x54, 0, 1, 2, 3}, true},
        {"only the last byte", {0, 0, 0, 0, 0, 1}, true},
        {"only the first byte", {2, 0, 0, 0, 0, 0}, true},
        {"a group", {0x53, 0x54, 0, 1, 2, 3}, false},
        {"all cards", {255, 255, 255, 255, 255, 255}, false},
        {"none", {0, 0, 0, 0, 0, 0}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        memcpy(model.config, rows[i].mac, 6);
        model_on_mmio(&model, 2);
        assert_int_equal(virtio_net_driver.probe(), 0);
        card = net_from_device(device_find(DEVICE_NET, 0));
        ROW(rows[i].name, (card != NULL) == rows[i].is_served);
        ROW(rows[i].name, model.saw_failed == !rows[i].is_served);
        machine_detach();
    }
}

/* A card that has no address of its own gets one by chance: each bit but the
 * two that say "one card, of local meaning" is set once, and once is not. */
static void test_net_addresses_by_chance(void **state)
{
    uint8_t set[6] = {0}, clear[6] = {0};

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        fresh();
        model.offered &= ~UINT64_C(32);
        memset(model.config, 0xff, 6);
        model_on_mmio(&model, 2);
        assert_int_equal(virtio_net_driver.probe(), 0);
        card = net_from_device(device_find(DEVICE_NET, 0));
        assert_non_null(card);
        for (unsigned k = 0; k < 6; k++) {
            set[k] |= card->mac[k];
            clear[k] |= (uint8_t)~card->mac[k];
        }
        machine_detach();
    }
    assert_int_equal(set[0], 0xfe);
    assert_int_equal(clear[0], 0xfd);
    for (unsigned k = 1; k < 6; k++) {
        assert_int_equal(set[k], 0xff);
        assert_int_equal(clear[k], 0xff);
    }
}

/* There are names for 26 cards. */
static void test_net_one_too_many(void **state)
{
    (void)state;
    fresh();
    for (unsigned i = 0; i < 27; i++)
        model_on_mmio(&model, 2);
    assert_int_equal(virtio_net_driver.probe(), 0);
    assert_non_null(device_by_name("net25"));
    assert_null(device_find(DEVICE_NET, 26));
    assert_true(console_has("virtio: the card at mmio 1001a000 is one too "
                            "many: no name is left: left out"));
    assert_true(model.saw_failed);
    machine_detach();
}

/* ---- Start --------------------------------------------------------------- */

/* How many buffers the device has to receive into; it gives them back. */
static unsigned buffers(void)
{
    struct ring_chain chain;
    unsigned count = 0;

    for (; model_take(&model, RX, &chain); count++)
        model_complete(&model, RX, chain.head, 0);
    return count;
}

/* The rings are short where memory is short, and as long as the device can. */
static void test_net_ring_lengths(void **state)
{
    static const struct {
        const char *name;
        size_t mem_mib;
        uint16_t queue_max;
        bool legacy;
        unsigned size;    /* of both rings */
        unsigned buffers; /* of the device */
    } rows[] = {
        {"little memory", 16, 256, false, 64, 64},
        {"much", 64, 256, false, 256, 256},
        {"much, and longer rings", 64, 512, false, 256, 256},
        {"much, and short rings", 64, 32, false, 32, 32},
        {"two buffers a frame", 16, 256, true, 64, 32},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh_with(rows[i].mem_mib << 20);
        model.queue_max = rows[i].queue_max;
        if (rows[i].legacy)
            model.offered = 1 << 5;
        model_on_mmio(&model, rows[i].legacy ? 1 : 2);
        start();
        ROW(rows[i].name, model.queue[RX].size == rows[i].size);
        ROW(rows[i].name, model.queue[TX].size == rows[i].size);
        /* Enough for both rings, and for a poll. */
        ROW(rows[i].name,
            packet_free_count() == 9 * rows[i].size / 4 - rows[i].buffers);
        ROW(rows[i].name, buffers() == rows[i].buffers);
        machine_detach();
    }
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The memory of a thread that has ended stays with the CPU for the next one. */
static void thread_spare_make(void)
{
    thread_id id;

    assert_int_equal(thread_create(NULL, nothing, NULL, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
}

/* Whatever fails, nothing is left and the next attempt may succeed. */
/* As device_dedicate() does, without what it does around it. */
static int start_alone(void)
{
    static const unsigned cpus[] = {0};
    int status;

    card->device.cpus = cpus;
    card->device.cpu_count = 1;
    status = card->device.start(&card->device);
    card->device.cpu_count = 0;
    return status;
}

static void test_net_out_of_memory_at_start(void **state)
{
    uint64_t n = 1;

    (void)state;
    for (;; n++) {
        struct mem_stats before;
        int status;

        fresh();
        model_on_mmio(&model, 2);
        assert_int_equal(virtio_net_driver.probe(), 0);
        card = net_from_device(device_find(DEVICE_NET, 0));
        assert_int_equal(packet_pool_grow(2), 0); /* the pool stays */
        thread_spare_make();
        before = stats();
        heap_fail(n);
        status = start_alone();
        if (!heap_failed())
            break;
        heap_fail(0);
        if (status == 0) { /* it was the watchdog's timer */
            assert_true(model.status & 4);
            machine_detach();
            continue;
        }
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(model.status, 0);
        assert_true(model.saw_failed);
        assert_int_equal(stats().block_count, before.block_count);
        assert_int_equal(start_alone(), 0);
        assert_true(model.status & 4);
        machine_detach();
    }
    heap_fail(0);
    assert_true(n > 4);
    machine_detach();
}

static void test_net_out_of_memory_at_probe(void **state)
{
    struct mem_stats before;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
    before = stats();
    heap_fail(1);
    assert_int_equal(virtio_net_driver.probe(), -ENOMEM);
    assert_int_equal(stats().block_count, before.block_count);
    model.config[0] = 1; /* a group: left out */
    assert_int_equal(virtio_net_driver.probe(), 0);
    assert_int_equal(stats().block_count, before.block_count);
    machine_detach();
}

/* What a device may refuse, and what the machine may not have. */
static void test_net_does_not_start(void **state)
{
    static const struct {
        const char *name;
        bool refuses, never_resets;
        unsigned queue_count;
        bool has_interrupt;
        int status;
    } rows[] = {
        {"the features", true, false, 2, true, -ENOTSUP},
        {"the reset", false, true, 2, true, -ETIMEDOUT},
        {"no ring to send", false, false, 1, true, -ENODEV},
        {"no ring at all", false, false, 0, true, -ENODEV},
        {"no interrupt", false, false, 2, false, -ENODEV},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pci_model_options options = {
            .no_line = !rows[i].has_interrupt,
            .no_msix = !rows[i].has_interrupt};
        struct mem_stats before;

        fresh();
        model_on_pci(&model, &options);
        assert_int_equal(virtio_net_driver.probe(), 0);
        card = net_from_device(device_find(DEVICE_NET, 0));
        thread_spare_make();
        before = stats();
        model.refuse_features = rows[i].refuses;
        model.never_resets = rows[i].never_resets;
        model.queue_count = rows[i].queue_count;
        ROW(rows[i].name, start_alone() == rows[i].status);
        ROW(rows[i].name, (model.status & 4) == 0 && model.saw_failed);
        ROW(rows[i].name, stats().block_count == before.block_count);
        machine_detach();
    }
}

/* Features that are offered, and not: 5.1.4. */
static void test_net_mtu(void **state)
{
    static const struct {
        const char *name;
        uint16_t offered;
        uint16_t mtu;
        bool has;
    } rows[] = {
        {"not said", 576, 1500, false}, {"least", 576, 576, true},
        {"too small", 575, 1500, true}, {"zero", 0, 1500, true},
        {"usual", 1500, 1500, true},    {"a bit less", 1499, 1499, true},
        {"jumbo", 9000, 1500, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        if (rows[i].has)
            model.offered |= 1 << 3;
        le16_put(model.config + 10, rows[i].offered);
        model_on_mmio(&model, 2);
        start();
        ROW(rows[i].name, card->mtu == rows[i].mtu);
        machine_detach();
    }
}

/* A frame whose interrupt got lost is not lost itself: it comes with the next
 * interrupt, or with the next poll; but by itself nobody looks. */
static void test_net_lost_interrupt(void **state)
{
    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    model.lose_interrupts = true;
    assert_true(device_sends(100));
    settle();
    assert_int_equal(wakes, 0);
    model.lose_interrupts = false;
    assert_true(device_sends(100));
    settle();
    assert_int_equal(wakes, 1);
    assert_int_equal(poll(16), 2);
    assert_int_equal(got_count, 2);
    machine_detach();
}

/* Another device on the same line has interrupted. */
static void test_net_interrupt_of_another(void **state)
{
    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    model.lose_interrupts = true;
    assert_true(device_sends(100));
    model.raise(&model, 0);
    settle();
    assert_int_equal(wakes, 0);
    model.isr = 1;
    model.raise(&model, 0);
    settle();
    assert_int_equal(wakes, 1);
    machine_detach();
}

/* The device hears of fresh buffers, once a poll; and of none if it has all. */
static void test_net_fresh_buffers_are_told(void **state)
{
    unsigned told;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    assert_int_equal(model.queue[RX].notifications, 1);
    assert_true(device_sends(100));
    assert_true(device_sends(100));
    assert_int_equal(poll(16), 2);
    assert_int_equal(model.queue[RX].notifications, 2);
    assert_int_equal(poll(16), 0);
    assert_int_equal(model.queue[RX].notifications, 2);
    told = model.queue[TX].notifications;
    send_or_drop(make(60));
    send_or_drop(make(60));
    settle();
    assert_int_equal(model.queue[TX].notifications, told + 1);
    machine_detach();
}

/*
 * A sender that finds the ring full takes back what was sent, without a poll.
 */
static void test_net_sender_makes_room(void **state)
{
    struct packet *packet;
    uint8_t frame[2048];
    unsigned interrupts;

    (void)state;
    fresh();
    model.queue_max = 16;
    model_on_mmio(&model, 2);
    start();
    while ((packet = make(60)) != NULL && send(packet) == 0)
        continue;
    assert_non_null(packet);
    thread_yield();
    /* One that was sent is room enough for one. */
    assert_int_equal(device_receives(frame), 60);
    assert_int_equal(send(packet), 0);
    /* With room nobody waits for an interrupt any more. */
    thread_yield();
    interrupts = model.interrupts;
    assert_int_equal(device_receives(frame), 60);
    assert_int_equal(model.interrupts, interrupts);
    packet = make(60);
    assert_int_equal(send(packet), 0);
    packet = make(60);
    assert_int_equal(send(packet), -EAGAIN);
    thread_yield();
    while (device_receives(frame) == 60)
        continue;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(send(packet), 0);
        packet = make(60);
    }
    assert_true(model.status & 4);
    packet_put(packet);
    machine_detach();
}

/*
 * A sender waits for room, and another one finds it before the device has
 * interrupted, which it does not do then: who waits is woken nevertheless.
 */
static void test_net_sender_makes_room_for_others(void **state)
{
    struct packet *packet;
    uint8_t frame[2048];
    unsigned before;

    (void)state;
    fresh();
    model.queue_max = 16;
    model_on_mmio(&model, 2);
    start();
    while ((packet = make(60)) != NULL && send(packet) == 0)
        continue;
    assert_non_null(packet);
    settle();
    model.lose_interrupts = true;
    assert_int_equal(device_receives(frame), 60);
    model.lose_interrupts = false;
    settle();
    before = wakes;
    send_or_drop(packet); /* the pool has no other */
    settle();
    assert_int_equal(wakes, before + 1);
    machine_detach();
}

/* With room it takes back nothing: that is for the next poll. */
static void test_net_sender_with_room(void **state)
{
    unsigned free_count;
    uint8_t frame[2048];

    (void)state;
    fresh();
    model.queue_max = 16;
    model_on_mmio(&model, 2);
    start();
    send_or_drop(make(60));
    thread_yield();
    assert_int_equal(device_receives(frame), 60);
    free_count = packet_free_count();
    for (unsigned i = 0; i < 14; i++) /* two are free for the last one */
        send_or_drop(make(60));
    assert_int_equal(packet_free_count(), free_count - 14);
    send_or_drop(make(60));
    assert_int_equal(packet_free_count(), free_count - 14);
    poll(16);
    assert_int_equal(packet_free_count(), free_count - 14);
    machine_detach();
}

/* The header is written before the frame: it must fit there. */
static void test_net_frame_without_headroom(void **state)
{
    unsigned free_count;
    struct packet *packet;

    (void)state;
    fresh();
    model_on_mmio(&model, 2);
    start();
    free_count = packet_free_count();
    packet = make(60);
    assert_non_null(packet_push(packet, packet_headroom(packet) - 11));
    assert_int_equal(packet_headroom(packet), 11);
    assert_int_equal(send(packet), 0);
    assert_int_equal(QUEUE->tx_dropped, 1);
    assert_int_equal(QUEUE->tx_frames, 0);
    assert_int_equal(packet_free_count(), free_count);
    machine_detach();
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
        cmocka_unit_test(test_net_one_interrupt_answers),
        cmocka_unit_test(test_net_bad_lengths_are_dropped),
        cmocka_unit_test(test_net_empty_pool_drops_and_recovers),
        cmocka_unit_test(test_net_full_ring_and_its_interrupt),
        cmocka_unit_test(test_net_packets_come_back),
        cmocka_unit_test(test_net_addresses),
        cmocka_unit_test(test_net_addresses_by_chance),
        cmocka_unit_test(test_net_one_too_many),
        cmocka_unit_test(test_net_ring_lengths),
        cmocka_unit_test(test_net_out_of_memory_at_start),
        cmocka_unit_test(test_net_out_of_memory_at_probe),
        cmocka_unit_test(test_net_does_not_start),
        cmocka_unit_test(test_net_mtu),
        cmocka_unit_test(test_net_lost_interrupt),
        cmocka_unit_test(test_net_interrupt_of_another),
        cmocka_unit_test(test_net_fresh_buffers_are_told),
        cmocka_unit_test(test_net_sender_makes_room),
        cmocka_unit_test(test_net_sender_makes_room_for_others),
        cmocka_unit_test(test_net_sender_with_room),
        cmocka_unit_test(test_net_frame_without_headroom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
