/* What the tests of the virtio card share: a machine, a card, and its model. */
#ifndef TORC_TESTS_UNIT_DRIVERS_VIRTIO_NET_FIXTURE_H
#define TORC_TESTS_UNIT_DRIVERS_VIRTIO_NET_FIXTURE_H

#include "drivers/virtio_net_internal.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_net_model.h"
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { MEMORY = 16 << 20 };

static struct net_model model;
static struct net_device *card;
static unsigned wakes;

#define QUEUE (&card->queues[0])
#define NET   vnet_of(card)

static inline void fresh(void)
{
    models_reset();
    net_model_init(&model);
    card = NULL;
    wakes = 0;
    console_forget();
}

/* The model on one of the transports, in a machine. */
enum { MMIO, PCI, LEGACY_MMIO, LEGACY_PCI, TRANSPORTS };

static inline void model_place(unsigned transport)
{
    const struct pci_model_options pci = {
        .legacy = transport == LEGACY_PCI,
        .no_modern = transport == LEGACY_PCI,
    };

    if (transport >= LEGACY_MMIO)
        model.virtio.offered &= UINT32_MAX;
    if (transport == MMIO || transport == LEGACY_MMIO)
        model_on_mmio(&model.virtio, transport == MMIO ? 2 : 1);
    else
        model_on_pci(&model.virtio, &pci);
}

static inline void plug(unsigned transport)
{
    machine_attach(MEMORY);
    model_place(transport);
}

static inline void wake(struct net_queue *queue)
{
    assert_ptr_equal(queue, QUEUE);
    wakes++;
}

static inline void probe(void)
{
    assert_int_equal(virtio_net_driver.probe(), 0);
    card = net_from_device(device_find(DEVICE_NET, 0));
    assert_non_null(card);
}

static inline void start(void)
{
    probe();
    assert_int_equal(device_dedicate(&card->device, 0), 0);
    QUEUE->wake = wake;
    assert_true((model.virtio.status & 4) != 0);
    net_check(card);
}

/* Started, over that transport, with these features besides. */
static inline void started(unsigned transport, uint32_t features)
{
    fresh();
    net_model_offer(&model, features, 1);
    plug(transport);
    start();
}

/* The device is a part of the machine that goes. */
static inline void finish(void)
{
    net_check(card);
    model_set_status(&model.virtio, 0);
    machine_detach();
}

/* Interrupts come in at the end of one pass; their work runs in the next. */
static inline void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static inline void time_passes(uint64_t ns)
{
    clock_set(clock_now() + ns);
    timer_run(time_ns());
    settle();
}

/* Byte `i` of test frames. */
static inline uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 256);
}

static inline struct packet *make(size_t len)
{
    struct packet *packet = packet_get();
    uint8_t *at = packet == NULL ? NULL : packet_append(packet, len);

    for (size_t i = 0; at != NULL && i < len; i++)
        at[i] = byte_at(i);
    return packet;
}

/* Whether the driver has taken it. */
static inline bool send(struct packet *packet)
{
    return net_send(QUEUE, &packet, 1) == 1;
}

/* The next received frame, or NULL. */
static inline struct packet *receive(void)
{
    struct packet *packet = NULL;

    (void)net_arm(QUEUE, false);
    if (net_poll(QUEUE, &packet, 1) == 0)
        packet = NULL;
    (void)net_arm(QUEUE, true);
    return packet;
}

static inline bool deliver(const struct net_model_header *header, uint32_t len)
{
    static uint8_t frame[NET_MODEL_FRAME_MAX];

    for (uint32_t i = 0; i < len; i++)
        frame[i] = byte_at(i);
    return net_model_send(&model, 0, header, frame, len);
}

/* One frame each way. */
static inline void assert_works(void)
{
    const struct net_model_frame *frame;
    struct packet *packet;

    assert_true(send(make(100)));
    settle();
    frame = net_model_take(&model, 0);
    assert_non_null(frame);
    assert_int_equal(frame->len, 100);
    assert_int_equal(frame->data[99], byte_at(99));
    assert_true(deliver(NULL, 200));
    packet = receive();
    assert_non_null(packet);
    assert_int_equal(packet_len(packet), 200);
    assert_int_equal(packet->data[199], byte_at(199));
    packet_put(packet);
    net_check(card);
}

#endif
