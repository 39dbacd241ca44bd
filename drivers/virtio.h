/*
 * Virtio devices on any bus: VIRTIO 1.2, chapters 2 and 3.
 *
 * A transport (virtio_pci.c, virtio_pci_legacy.c, virtio_mmio.c) finds devices
 * and implements the operations; a driver (virtio_blk.c, virtio_net.c,
 * virtio_rng.c, virtio_console.c, virtio_vsock.c, virtio_balloon.c) does not
 * know which one it is. A driver sets a device up, for the first time or again:
 *
 *   virtio_begin()    reset it, agree on features
 *   virtio_attach()   interrupts
 *   virtio_queue()    each queue, on the CPU that owns it
 *   virtio_ready()    it works from now on
 *
 * Unless said otherwise the functions are for one CPU, the device's owner (CPU
 * 0 before it has one), and none waits for an event.
 */
#ifndef TORC_DRIVERS_VIRTIO_H
#define TORC_DRIVERS_VIRTIO_H

#include "drivers/virtqueue.h"
#include "hal/hal.h"
#include "kernel/cpu/irq_work.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Device ids: chapter 5. */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_ENTROPY = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_VSOCK = 19,
    VIRTIO_ID_FS = 26,
};

/* Device status: section 2.1. */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* Features of every device: chapter 6. */
#define VIRTIO_F_ANY_LAYOUT      (UINT64_C(1) << 27) /* of legacy devices */
#define VIRTIO_F_INDIRECT_DESC   (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX       (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1       (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM (UINT64_C(1) << 33)
#define VIRTIO_F_RING_PACKED     (UINT64_C(1) << 34)

enum { VIRTIO_NO_VECTOR = 0xffff }; /* for queue_setup(): no interrupt */

enum {
    VIRTIO_QUEUE_MAX = 65,  /* of a device */
    VIRTIO_VECTOR_MAX = 64, /* of interrupts of queues */
};

struct virtio_device;

struct virtio_transport_ops {
    uint64_t (*get_features)(struct virtio_device *dev);
    void (*set_features)(struct virtio_device *dev, uint64_t features);
    uint8_t (*get_status)(struct virtio_device *dev);
    void (*set_status)(struct virtio_device *dev,
                       uint8_t status); /* 0: reset */

    /* The greatest length of queue `index`; 0: there is no such queue. */
    uint16_t (*queue_max)(struct virtio_device *dev, unsigned index);
    /* `vector` is a number as of attach(). Returns 0, -ENODEV, -ENOMEM. */
    int (*queue_setup)(struct virtio_device *dev, unsigned index,
                       const struct virtqueue *vq, unsigned vector);
    /* Any CPU. */
    void (*notify)(struct virtio_device *dev, unsigned index);

    /* Where the configuration is. */
    struct hal_io (*config)(struct virtio_device *dev);
    /* The configuration's generation; not called of a legacy device, which has
     * none. */
    uint32_t (*generation)(struct virtio_device *dev);

    /* How many interrupt vectors there are, each with a CPU of its own, but at
     * most `wanted`; 0: one line for all, as from now on with `wanted` 0. */
    unsigned (*vectors)(struct virtio_device *dev, unsigned wanted);
    /* Let vector `vector`, or the line (0), call fn(arg) on `cpu`. Returns 0,
     * or as hal_irq_attach(). */
    int (*attach)(struct virtio_device *dev, unsigned vector, unsigned cpu,
                  void (*fn)(void *), void *arg);
    /* Changes of the configuration use `vector`. Returns 0, -ENODEV. */
    int (*config_vector)(struct virtio_device *dev, unsigned vector);
    /* In the handler of a line: end the interrupt request, and say why it
     * came: VIRTIO_CAUSE_...; 0: it is not this device's. */
    uint32_t (*acknowledge)(struct virtio_device *dev);

    /* The device may access memory, and interrupt; NULL: nothing to do. */
    void (*enable)(struct virtio_device *dev);
    /* Keep it from doing so. Returns 0, -EIO. NULL: the bus cannot. */
    int (*isolate)(struct virtio_device *dev);
};

enum { VIRTIO_CAUSE_QUEUE = 1, VIRTIO_CAUSE_CONFIG = 2 };

/* Who is told that a queue has something. The handler runs in an interrupt, on
 * `cpu`; it may be called without a reason. */
struct virtio_vector {
    void (*handler)(void *arg);
    void *arg;
    unsigned cpu;
};

struct virtio_device {
    /* set by the transport: */
    const struct virtio_transport_ops *ops;
    uint32_t id;
    bool is_legacy; /* before VIRTIO 1.0: no FEATURES_OK, other net header */
    bool is_size_fixed; /* queues have the length that the device says */
    char where[24];     /* for messages: "pci 00:03.0" */

    uint64_t features; /* agreed on */
    void *driver;      /* the driver's */
    /* Set by the driver: without those that need others which are not there
     * (section 2.2); NULL: none does. */
    uint64_t (*possible)(uint64_t features);

    /* virtio_irq.c's: */
    void (*changed)(struct virtio_device *dev);
    struct irq_work change;
    bool is_attached;      /* `change` is in use, and `cpus` filled */
    unsigned vector_first; /* of queues, in the transport's numbers */
    struct virtio_vector vectors[VIRTIO_VECTOR_MAX];
    int cpus[VIRTIO_VECTOR_MAX + 1]; /* where each vector goes; -1: nowhere */
};

/*
 * Call found(dev) for every device with that id, first those on PCI, then those
 * on MMIO. The buses are searched by the first call in a boot. CPU 0, at boot.
 * Returns 0, -ENOMEM, or the first error of found().
 */
must_check int virtio_find(uint32_t id, int (*found)(struct virtio_device *));

/* ---- Setting up: virtio.c ------------------------------------------------ */

/*
 * Reset the device and agree on features (section 3.1.1, steps 1 to 6): those
 * of `wanted` that it offers, and those that queues are made with. Returns 0,
 * -ETIMEDOUT (it does not reset), -ENOTSUP (it is older than VIRTIO 1.0, or
 * refuses the features).
 */
must_check int virtio_begin(struct virtio_device *dev, uint64_t wanted);

/* How long queue `index` can be, a power of two, at most `size_max`, unless the
 * device says its length; 0: that cannot be. */
uint16_t virtio_queue_max(struct virtio_device *dev, unsigned index,
                          uint16_t size_max);

/* How a queue is to be. */
struct virtio_queue_wish {
    uint16_t size_max; /* descriptors, a power of two */
    unsigned vector;   /* an index as of virtio_attach() */
    /* If indirect tables are agreed on: so many, each of so many descriptors,
     * or as many as the queue has. */
    uint16_t table_count;
    uint16_t table_len;
};

/*
 * Make queue `index` in this CPU's memory, while no other queue of the device
 * is being made. Returns 0, -ENODEV (no such queue, or it cannot be notified,
 * or have the vector), -ENOTSUP (a length that cannot be), -ENOMEM.
 */
must_check int virtio_queue(struct virtio_device *dev, unsigned index,
                            const struct virtio_queue_wish *wish,
                            struct virtqueue *vq);

/* The driver is ready: the device may work from now on (step 8). */
void virtio_ready(struct virtio_device *dev);

/*
 * Reset the device. Returns 0: it accesses no memory from now on, because it
 * says that it was reset, or because it is no bus master any more; -ETIMEDOUT
 * (logged): it may still do so, and what it knows must never be used again.
 */
must_check int virtio_stop(struct virtio_device *dev);

/* Give up: tell the device so, then as virtio_stop(). */
int virtio_fail(struct virtio_device *dev);

/*
 * Free the memory of a queue of a device for which virtio_stop() or
 * virtio_fail() returned `stopped`; if that is not 0, it is lost. Nothing is
 * done for a queue that was never made (all zero). The queue's CPU.
 */
void virtio_queue_end(struct virtqueue *vq, int stopped);

/* Whether the device has met an error from which only a reset helps: 2.1.2. */
bool virtio_needs_reset(struct virtio_device *dev);

/* Whether it still knows that it was told to work: it was not reset by somebody
 * else, and is there. After virtio_ready(). */
bool virtio_is_ready(struct virtio_device *dev);

/* Notify the device of requests that were added, if it wants to know. The
 * queue's CPU. */
static inline void virtio_kick(struct virtio_device *dev, unsigned index,
                               struct virtqueue *vq)
{
    if (vq_must_notify(vq))
        dev->ops->notify(dev, index);
}

static inline bool virtio_has(const struct virtio_device *dev, unsigned bit)
{
    return (dev->features >> bit & 1) != 0;
}

/* ---- Interrupts: virtio_irq.c -------------------------------------------- */

/*
 * Route the interrupts of queues to vectors[0 .. count), which may be
 * dev->vectors, and let changed(dev)
 * be called, as irq work on this CPU, after the configuration, or the need for
 * a reset, has changed. After virtio_begin(), before virtio_queue(). Setting a
 * device up again attaches anew; a vector that has not moved costs nothing.
 *
 * Returns how many vectors there are: fewer than `count` when the device or the
 * machine has no more, and then vectors[] is used up to there; 1 when it has a
 * line only, whose CPU is vectors[0].cpu, which must be this one. Or an error:
 * -ENODEV, or as hal_irq_attach().
 */
must_check int virtio_attach(struct virtio_device *dev,
                             const struct virtio_vector vectors[],
                             unsigned count,
                             void (*changed)(struct virtio_device *dev));

/* Nobody is told of a vector any more; with the first one, nor of changes of
 * the configuration. The vector's CPU. */
void virtio_detach(struct virtio_device *dev, unsigned vector);

/* How many vectors of queues the device has, at least 1 and at most `wanted`:
 * what virtio_attach() returns while the machine has enough. */
unsigned virtio_vectors_max(struct virtio_device *dev, unsigned wanted);

/* For virtio_queue(): the transport's number of the vector of a queue. */
unsigned virtio_vector_number(const struct virtio_device *dev, unsigned vector);

/* ---- Configuration: virtio_config.c -------------------------------------- */

/* A little-endian field: 1, 2, 4 or 8 bytes. */
struct virtio_field {
    uint8_t offset;
    uint8_t width;
};

/*
 * Read fields that belong together: all of them are of the same generation
 * (section 2.5.3; a legacy device is read until two readings are equal). Each
 * is accessed with its own width. Returns 0 and the values, -EIO (the device
 * changes them all the time).
 */
must_check int virtio_config_read(struct virtio_device *dev,
                                  const struct virtio_field fields[],
                                  unsigned count, uint64_t values[]);

/* Write a field of 32 bits; nothing is written behind the end. */
void virtio_config_write32(struct virtio_device *dev, unsigned offset,
                           uint32_t value);

/* ---- For transports ------------------------------------------------------ */

/* A 64-bit address register, as two halves. */
static inline void virtio_write64(struct hal_io io, size_t offset,
                                  uint64_t value)
{
    hal_io_write32(io, offset, (uint32_t)value);
    hal_io_write32(io, offset + 4, (uint32_t)(value >> 32));
}

/* Features are a register of 32 bits, and one that selects which half of them
 * it shows: 4.1.4.3, 4.2.2. */
static inline uint64_t virtio_read_halves(struct hal_io io, size_t select,
                                          size_t at)
{
    uint64_t low;

    hal_io_write32(io, select, 0);
    low = hal_io_read32(io, at);
    hal_io_write32(io, select, 1);
    return low | (uint64_t)hal_io_read32(io, at) << 32;
}

static inline void virtio_write_halves(struct hal_io io, size_t select,
                                       size_t at, uint64_t value)
{
    hal_io_write32(io, select, 0);
    hal_io_write32(io, at, (uint32_t)value);
    hal_io_write32(io, select, 1);
    hal_io_write32(io, at, (uint32_t)(value >> 32));
}

/* The part of a window from `offset` on; it is that large. */
static inline struct hal_io virtio_io_behind(struct hal_io io, size_t offset)
{
    return (struct hal_io){io.space, io.base + offset, io.size - offset};
}

/* Read 1, 2 or 4 bytes at an offset; 0 behind the end of the window. */
uint32_t virtio_io_read(struct hal_io io, size_t offset, unsigned width);

/* What an image may have or not: virtio_parts of <torc/drivers.h>. */
struct virtio_part {
    /* Call add(dev) for each device of a bus. Returns 0, -ENOMEM. NULL: it is
     * no bus. */
    int (*scan)(void (*add)(struct virtio_device *dev));
    uint64_t features; /* how rings can be with it */
};

/* The options of the drivers of virtio: those of virtio_mmio_part; NULL
 * without it. */
__attribute__((weak)) extern const char *const virtio_options[];

#endif
