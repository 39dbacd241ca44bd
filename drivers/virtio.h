/*
 * Virtio devices, whatever they are attached by: VIRTIO 1.2, chapters 2 and 3.
 *
 * A transport (virtio_pci.c, virtio_mmio.c) finds devices and implements the
 * ops; a driver (virtio_blk.c, virtio_net.c) knows nothing of it.
 */
#ifndef TORC_DRIVERS_VIRTIO_H
#define TORC_DRIVERS_VIRTIO_H

#include "drivers/virtqueue.h"
#include "hal/hal.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Device ids: chapter 5. */
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2 };

/* Device status: section 2.1. */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)

struct virtio_device;

struct virtio_transport_ops {
    uint64_t (*get_features)(struct virtio_device *dev);
    void (*set_features)(struct virtio_device *dev, uint64_t features);
    uint8_t (*get_status)(struct virtio_device *dev);
    void (*set_status)(struct virtio_device *dev,
                       uint8_t status); /* 0: reset */
    /* How long queue `index` may be; 0: there is none. */
    uint16_t (*queue_max)(struct virtio_device *dev, unsigned index);
    int (*queue_setup)(struct virtio_device *dev, unsigned index,
                       struct virtqueue *vq);
    void (*notify)(struct virtio_device *dev, unsigned index);
    uint8_t (*config8)(struct virtio_device *dev, unsigned offset);
    /* Attach the one interrupt of the device to this CPU; before the queues. */
    int (*attach)(struct virtio_device *dev, void (*handler)(void *),
                  void *arg);
    /* In the handler: quiet the device; whether it was this one. */
    bool (*acknowledge)(struct virtio_device *dev);
};

struct virtio_device {
    const struct virtio_transport_ops *ops;
    uint32_t id;
    bool is_legacy;    /* before VIRTIO 1.0: no FEATURES_OK, other net header */
    uint64_t features; /* agreed on */
    char where[24];    /* for people: "pci 00:03.0" */
};

/*
 * Call found(dev) for every device with that id, in the order PCI, then MMIO;
 * the transports look once. CPU 0, at boot. Returns 0, -ENOMEM.
 */
must_check int virtio_find(uint32_t id, int (*found)(struct virtio_device *));

/*
 * Reset the device and agree on features out of `wanted` (section 3.1.1, steps
 * 1 to 6). Returns 0, -ETIMEDOUT (does not reset), -ENOTSUP (refuses).
 */
must_check int virtio_begin(struct virtio_device *dev, uint64_t wanted);

/*
 * Make queue `index` of at most `size_max` descriptors. Returns 0, -ENODEV (no
 * such queue), -ENOMEM.
 */
must_check int virtio_queue(struct virtio_device *dev, unsigned index,
                            uint16_t size_max, struct virtqueue *vq);

/* The device may go (step 8). */
void virtio_ready(struct virtio_device *dev);

/* Give up: tell the device and reset it, so that it leaves memory alone. */
void virtio_fail(struct virtio_device *dev);

/* Tell the device of new requests if it wants to know. */
void virtio_kick(struct virtio_device *dev, unsigned index,
                 struct virtqueue *vq);

/* Little-endian fields of the device's configuration. */
uint16_t virtio_config16(struct virtio_device *dev, unsigned offset);
uint32_t virtio_config32(struct virtio_device *dev, unsigned offset);
uint64_t virtio_config64(struct virtio_device *dev, unsigned offset);

/* For transports: a 64-bit address register, as two halves. */
static inline void virtio_write64(struct hal_io io, size_t offset,
                                  uint64_t value)
{
    hal_io_write32(io, offset, (uint32_t)value);
    hal_io_write32(io, offset + 4, (uint32_t)(value >> 32));
}

static inline bool virtio_has(const struct virtio_device *dev, unsigned bit)
{
    return (dev->features >> bit & 1) != 0;
}

/* For virtio.c: each transport's search; 0 or -ENOMEM. */
must_check int virtio_pci_scan(void (*add)(struct virtio_device *dev));
must_check int virtio_mmio_scan(void (*add)(struct virtio_device *dev));

#endif
