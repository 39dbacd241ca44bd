/*
 * The split virtqueue: VIRTIO 1.2, section 2.7. Pure memory logic without a
 * register; the transport tells the device where the rings are.
 *
 * Everything the device writes is checked: a used ring that makes no sense
 * marks the queue broken, and nothing is taken from it any more.
 */
#ifndef TORC_DRIVERS_VIRTQUEUE_H
#define TORC_DRIVERS_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum {
    VIRTQUEUE_SIZE_MAX = 256, /* descriptors we use at most */
    VIRTQUEUE_CHAIN_MAX = 4,  /* in one request */
};

struct vq_desc;
struct vq_avail;
struct vq_used;

struct virtqueue {
    /* constant after vq_init(): */
    uint16_t size; /* a power of two */
    void *memory;
    size_t memory_size;
    volatile struct vq_desc *desc;
    volatile struct vq_avail *avail; /* written by us, read by the device */
    volatile struct vq_used *used;   /* written by the device */

    /* owner CPU only: */
    uint16_t free_head;
    uint16_t free_count;
    uint16_t avail_next; /* index after the last request made available */
    uint16_t avail_told; /* as far as the device was notified */
    uint16_t used_next;  /* index of the next completion */
    bool broken;
    struct vq_slot {
        void *cookie;      /* NULL: not the head of a request */
        uint32_t writable; /* bytes the device may write */
        uint16_t next; /* our copy of the chain: the device cannot bend it */
        uint16_t count;
    } * slots;
};

/* A piece of a request, by its device address. */
struct vq_piece {
    uint64_t bus;
    uint32_t len;
    bool device_writes;
};

/*
 * Make a queue of `size` descriptors (a power of two, 2 .. SIZE_MAX) in this
 * CPU's memory. Returns 0, -EINVAL, -ENOMEM.
 */
must_check int vq_init(struct virtqueue *vq, uint16_t size);
void vq_fini(struct virtqueue *vq);

/* Device addresses of the three parts. The rings are laid out as section 2.7.2
 * wants it of legacy devices: the used ring begins on the next page. */
uint64_t vq_desc_bus(const struct virtqueue *vq);
uint64_t vq_avail_bus(const struct virtqueue *vq);
uint64_t vq_used_bus(const struct virtqueue *vq);

/*
 * Make a request of 1 .. VIRTQUEUE_CHAIN_MAX pieces available, those the device
 * reads first. `cookie` is not NULL. Returns 0, -EAGAIN (no descriptors).
 */
must_check int vq_add(struct virtqueue *vq, const struct vq_piece *pieces,
                      unsigned count, void *cookie);

/* Whether the device wants to be notified of what was added since last
 * asked. */
must_check bool vq_must_notify(struct virtqueue *vq);

/*
 * Take a completed request: its cookie and how many bytes the device wrote.
 * Returns 1, 0 (none), -EIO (the queue is broken).
 */
must_check int vq_take(struct virtqueue *vq, void **cookie, uint32_t *written);

/* Whether vq_take() would find something. */
bool vq_has_used(const struct virtqueue *vq);

/*
 * Ask for interrupts, or for none (a hint). After asking for them look at the
 * queue once more: what was completed before is not announced.
 */
void vq_want_interrupt(struct virtqueue *vq, bool want);

/*
 * Take back any request the device holds, completed or not: only after a reset
 * of the device. Returns its cookie, or NULL.
 */
void *vq_recall(struct virtqueue *vq);

#endif
