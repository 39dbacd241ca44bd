/*
 * What the tests of virtio devices share: a machine with one device that no
 * driver looks for.
 */
#ifndef TORC_TESTS_UNIT_DRIVERS_VIRTIO_FIXTURE_H
#define TORC_TESTS_UNIT_DRIVERS_VIRTIO_FIXTURE_H

#include "drivers/virtio.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/platform.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_model.h"
#include <stdio.h>
#include <string.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { ID = 5, WANTED = 1 << 4 };

static struct virtio_model model;
static struct virtio_device *device;
static unsigned found_count;

static inline void fresh_with(const char *cmdline)
{
    models_reset();
    memset(&model, 0, sizeof(model));
    model = (struct virtio_model){
        .id = ID,
        .offered = UINT64_C(1) << 32 | WANTED | 1 << 9,
        .queue_max = 16,
        .queue_count = 2,
    };
    device = NULL;
    found_count = 0;
    console_forget();
    machine_attach_cmdline(8 << 20, cmdline);
}

static inline void fresh(void)
{
    fresh_with("");
}

static inline int found(struct virtio_device *virtio)
{
    device = virtio;
    found_count++;
    return 0;
}

static inline void find(void)
{
    assert_int_equal(virtio_find(ID, found), 0);
    assert_non_null(device);
}

/* The model on one of the transports. */
enum { MMIO, PCI, LEGACY_MMIO, LEGACY_PCI, TRANSPORTS, MODERN = LEGACY_MMIO };

static inline void model_on(unsigned transport,
                            const struct pci_model_options *options)
{
    struct pci_model_options mine = *options;

    switch (transport) {
    case MMIO:
        model_on_mmio(&model, 2);
        break;
    case LEGACY_MMIO:
        model_on_mmio(&model, 1);
        break;
    default:
        mine.legacy = mine.no_modern = transport == LEGACY_PCI;
        model_on_pci(&model, &mine);
    }
}

static inline void ignore(void *arg)
{
    (void)arg;
}

/* One vector, here. */
static inline int attach(void (*handler)(void *), void *arg)
{
    const struct virtio_vector vector = {handler, arg, 0};

    return virtio_attach(device, &vector, 1, NULL);
}

/* Queue `index`, with the first vector, which is attached. */
static inline int queue(unsigned index, uint16_t size_max, struct virtqueue *vq)
{
    const struct virtio_queue_wish wish = {.size_max = size_max};

    return virtio_queue(device, index, &wish, vq);
}

#endif
