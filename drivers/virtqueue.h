/*
 * Virtqueues: VIRTIO 1.2, section 2.6. A queue is memory only and touches no
 * register: the transport tells the device where its three areas are.
 *
 * There are two formats, split (section 2.7, virtqueue_split.c) and packed
 * (section 2.8, virtqueue_packed.c). The users of a queue see no difference.
 *
 * Everything that the device writes is checked. A device that breaks the rules
 * marks the queue as broken, and nothing is taken from it any more.
 *
 * A queue belongs to one CPU: all of these functions are for it alone, and none
 * of them waits.
 */
#ifndef TORC_DRIVERS_VIRTQUEUE_H
#define TORC_DRIVERS_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum { VIRTQUEUE_SIZE_MAX = 1024 }; /* descriptors in a queue */

struct vq_split_desc;
struct vq_avail;
struct vq_used;
struct vq_packed_desc;
struct vq_event;

/* How a queue is to be made. */
struct vq_shape {
    uint16_t size;  /* descriptors: a power of two, 2 .. VIRTQUEUE_SIZE_MAX */
    bool is_packed; /* VIRTIO_F_RING_PACKED */
    bool has_event_idx; /* VIRTIO_F_EVENT_IDX */
    /* VIRTIO_F_INDIRECT_DESC: as many requests at a time can have a table of
     * their own, each of up to so many pieces. 0: none. */
    uint16_t table_count;
    uint16_t table_len;
};

struct virtqueue {
    /* constant after vq_init(): */
    uint16_t size;
    bool is_packed;
    bool has_event_idx;
    uint16_t table_count;
    uint16_t table_len;
    uint32_t table_stride; /* bytes from one table to the next */
    uint8_t *tables;       /* indirect tables; written by us */
    uint64_t tables_bus;
    void *memory;
    size_t memory_size;
    /* The format's areas. The split one: */
    struct vq_split_desc *desc; /* written by us, read by the device */
    struct vq_avail *avail;     /* the same */
    struct vq_used *used;       /* written by the device */
    /* The packed one: */
    struct vq_packed_desc *ring;   /* written by both */
    struct vq_event *driver_event; /* written by us */
    struct vq_event *device_event; /* written by the device */

    /* owner CPU only: */
    uint16_t free_head;   /* the first free slot, when there is one */
    uint16_t free_count;  /* how many descriptors are free */
    uint16_t avail_next;  /* split: index after the last request made available.
                           * Packed: place in the ring of the next one */
    uint16_t used_next;   /* index, or place, of the next completion */
    uint16_t added;       /* entries of the ring since the last notification */
    uint16_t avail_flags; /* packed: the wrap counters, as flags: of a */
    uint16_t used_flags;  /* descriptor at avail_next; of one at used_next */
    uint16_t free_table;  /* the first free table, or VQ_NO_TABLE */
    bool broken;
    /* The user reads no length, and the device may say any: set behind
     * vq_init(), for queues where it writes nothing. */
    bool ignores_len;
    uint16_t *table_next;  /* of each free table the next free one */
    struct vq_slot {       /* split: of each descriptor; packed: of each id: */
        void *cookie;      /* NULL: free, or not the first of a request */
        uint32_t writable; /* of a request: bytes the device may write */
        uint16_t count;    /* of a request: descriptors in the ring */
        uint16_t table;    /* of a request: its table, or VQ_NO_TABLE */
        uint16_t next;     /* the next of the request, or of the free ones; a
                            * copy, which the device cannot change */
    } * slots;
};

enum { VQ_NO_TABLE = 0xffff };

/* One buffer of a request, by its address on the bus. */
struct vq_piece {
    uint64_t bus;
    uint32_t len;
    bool device_writes;
};

/*
 * Make a queue in this CPU's memory. Returns 0, -EINVAL (a size that cannot
 * be), -ENOMEM.
 */
must_check int vq_init(struct virtqueue *vq, const struct vq_shape *shape);

/* Make it as vq_init() has made it, in the same memory. Only after the device
 * was reset. */
void vq_restart(struct virtqueue *vq);

/*
 * Free the memory of a queue that the device does not know, or that was reset.
 */
void vq_fini(struct virtqueue *vq);

/* The device may still write to the queue: its memory is never used again. */
void vq_abandon(struct virtqueue *vq);

/* Assert what is always true of a queue between two calls. */
void vq_check(const struct virtqueue *vq);

/*
 * Bus addresses of the three areas: descriptors; driver (available ring, or the
 * driver's events); device (used ring, or the device's events). Legacy devices
 * want the used ring to begin on the page after the available ring (section
 * 2.7.2), so it always does.
 */
uint64_t vq_desc_bus(const struct virtqueue *vq);
uint64_t vq_driver_bus(const struct virtqueue *vq);
uint64_t vq_device_bus(const struct virtqueue *vq);

/*
 * Make a request of 1 .. size pieces available, those the device reads first.
 * `cookie` is not NULL. Returns 0, -EAGAIN (not enough descriptors are free).
 */
must_check static inline int vq_add(struct virtqueue *vq,
                                    const struct vq_piece *pieces,
                                    unsigned count, void *cookie);

/* As vq_add() of one piece of `len` bytes at `bus`: the short way. */
must_check static inline int vq_add_one(struct virtqueue *vq, uint64_t bus,
                                        uint32_t len, bool device_writes,
                                        void *cookie);

/* Whether requests were added since the last call, and the device wants to be
 * notified of them. */
must_check static inline bool vq_must_notify(struct virtqueue *vq);

/*
 * Take a completed request: its cookie and how many bytes the device wrote.
 * Returns 1, 0 (none), -EIO (the queue is broken).
 */
must_check static inline int vq_take(struct virtqueue *vq, void **cookie,
                                     uint32_t *written);

/* Whether there is a completed request that was not taken. */
static inline bool vq_has_used(const struct virtqueue *vq);

/*
 * Ask for an interrupt at the next request that is completed, or for none; the
 * device may send some all the same. Ask again before each wait: with EVENT_IDX
 * one interrupt answers. After asking look at the queue once more: a request
 * that was completed before causes no interrupt.
 */
static inline void vq_want_interrupt(struct virtqueue *vq, bool want);

/*
 * Take any request back that the device holds, whether completed or not. Only
 * after the device was reset. Returns its cookie; NULL: there is none.
 */
void *vq_recall(struct virtqueue *vq);

/* ---- The two formats ----------------------------------------------------- */

/* As the functions without their name above. */
must_check int vq_split_add(struct virtqueue *vq, const struct vq_piece *pieces,
                            unsigned count, void *cookie);
must_check int vq_split_add_one(struct virtqueue *vq, uint64_t bus,
                                uint32_t len, bool device_writes, void *cookie);
must_check bool vq_split_must_notify(struct virtqueue *vq);
must_check int vq_split_take(struct virtqueue *vq, void **cookie,
                             uint32_t *written);
bool vq_split_has_used(const struct virtqueue *vq);
void vq_split_want_interrupt(struct virtqueue *vq, bool want);

/* Those of the packed format are linked by virtio_packed_part. */
__attribute__((weak)) must_check int
vq_packed_add(struct virtqueue *vq, const struct vq_piece *pieces,
              unsigned count, void *cookie);
__attribute__((weak)) must_check bool
vq_packed_must_notify(struct virtqueue *vq);
__attribute__((weak)) must_check int
vq_packed_take(struct virtqueue *vq, void **cookie, uint32_t *written);
__attribute__((weak)) bool vq_packed_has_used(const struct virtqueue *vq);
__attribute__((weak)) void vq_packed_want_interrupt(struct virtqueue *vq,
                                                    bool want);

static inline int vq_add(struct virtqueue *vq, const struct vq_piece *pieces,
                         unsigned count, void *cookie)
{
    return vq->is_packed ? vq_packed_add(vq, pieces, count, cookie)
                         : vq_split_add(vq, pieces, count, cookie);
}

static inline int vq_add_one(struct virtqueue *vq, uint64_t bus, uint32_t len,
                             bool device_writes, void *cookie)
{
    if (!vq->is_packed)
        return vq_split_add_one(vq, bus, len, device_writes, cookie);
    return vq_packed_add(vq, &(struct vq_piece){bus, len, device_writes}, 1,
                         cookie);
}

static inline bool vq_must_notify(struct virtqueue *vq)
{
    return vq->is_packed ? vq_packed_must_notify(vq) : vq_split_must_notify(vq);
}

static inline int vq_take(struct virtqueue *vq, void **cookie,
                          uint32_t *written)
{
    return vq->is_packed ? vq_packed_take(vq, cookie, written)
                         : vq_split_take(vq, cookie, written);
}

static inline bool vq_has_used(const struct virtqueue *vq)
{
    return vq->is_packed ? vq_packed_has_used(vq) : vq_split_has_used(vq);
}

static inline void vq_want_interrupt(struct virtqueue *vq, bool want)
{
    if (vq->is_packed)
        vq_packed_want_interrupt(vq, want);
    else
        vq_split_want_interrupt(vq, want);
}

#endif
