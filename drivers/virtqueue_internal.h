/*
 * What the two formats of a virtqueue share: virtqueue.c, virtqueue_split.c,
 * virtqueue_packed.c.
 *
 * What is shared with the device is little-endian, as this processor is. What
 * one side may write while the other looks at it is atomic. The rest is written
 * before the index, or the flags, that give it to the device, and the driver
 * never reads it: there the device may have written anything.
 */
#ifndef TORC_DRIVERS_VIRTQUEUE_INTERNAL_H
#define TORC_DRIVERS_VIRTQUEUE_INTERNAL_H

#include "drivers/virtqueue.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/errno.h>

/* Flags of a descriptor: 2.7.5, 2.8.1. */
enum {
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
    DESC_AVAIL = 1 << 7, /* packed */
    DESC_USED = 1 << 15, /* packed */
};

enum {
    /* A shorter request takes descriptors of the ring: then the device has no
     * table to fetch first. */
    INDIRECT_MIN = 3,
};

/* Of the split ring, and of its indirect tables: 2.7.5. */
struct vq_split_desc {
    uint64_t addr;
    uint64_t rest; /* len; flags << 32; next << 48 */
};

/* Of the packed ring, and of its indirect tables: 2.8.13. */
struct vq_packed_desc {
    uint64_t addr;
    _Atomic uint32_t len;
    _Atomic uint16_t id;
    _Atomic uint16_t flags;
};

static_assert(sizeof(struct vq_split_desc) == 16, "2.7.5");
static_assert(sizeof(struct vq_packed_desc) == 16, "2.8.13");

/* Bytes from the beginning of the memory to the areas of a ring, and the size
 * of them all. */
struct vq_layout {
    size_t driver;
    size_t device;
    size_t size;
};

struct vq_layout vq_split_layout(uint16_t size);
__attribute__((weak)) struct vq_layout vq_packed_layout(uint16_t size);

/* The areas are in zeroed memory from vq->memory on: all slots are free. */
void vq_split_init(struct virtqueue *vq, const struct vq_layout *layout);
__attribute__((weak)) void vq_packed_init(struct virtqueue *vq,
                                          const struct vq_layout *layout);

/* Free a request, but not its table. */
void vq_split_release(struct virtqueue *vq, uint16_t head);
__attribute__((weak)) void vq_packed_release(struct virtqueue *vq, uint16_t id);

void vq_split_check(const struct virtqueue *vq);
__attribute__((weak)) void vq_packed_check(const struct virtqueue *vq);

/* Each descriptor, id or table is used once, or free, and nowhere twice. */
struct vq_census {
    uint8_t seen[VIRTQUEUE_SIZE_MAX / 8]; /* a bit each */
    unsigned count;
};

/* Count one of `size`. */
void vq_census_add(struct vq_census *census, uint16_t size, uint16_t at);

static inline int vq_break(struct virtqueue *vq)
{
    vq->broken = true;
    return -EIO;
}

/* Whether an event at `event` lies in the last `added` entries before `next`:
 * 2.7.10, 2.8.10. Counters of 16 bits that wrap. */
static inline bool vq_event_passed(uint16_t event, uint16_t next,
                                   uint16_t added)
{
    return (uint16_t)(next - event - 1) < added;
}

/* ---- Indirect tables ----------------------------------------------------- */

/* A table for a request of `count` pieces. VQ_NO_TABLE: it goes without one. */
static inline uint16_t vq_table_get(struct virtqueue *vq, unsigned count)
{
    uint16_t table = vq->free_table;

    if (count < INDIRECT_MIN || count > vq->table_len || table == VQ_NO_TABLE)
        return VQ_NO_TABLE;
    assert(table < vq->table_count);
    vq->free_table = vq->table_next[table];
    return table;
}

static inline void vq_table_put(struct virtqueue *vq, uint16_t table)
{
    if (table == VQ_NO_TABLE)
        return;
    assert(table < vq->table_count);
    vq->table_next[table] = vq->free_table;
    vq->free_table = table;
}

static inline void *vq_table_at(const struct virtqueue *vq, uint16_t table)
{
    return vq->tables + (size_t)table * vq->table_stride;
}

static inline uint64_t vq_table_bus(const struct virtqueue *vq, uint16_t table)
{
    return vq->tables_bus + (uint64_t)table * vq->table_stride;
}

/* The device reads its part first: 2.7.4.2, 2.8.17. */
static inline void vq_piece_check(const struct vq_piece *pieces, unsigned i)
{
    assert(pieces[i].len > 0);
    assert(i == 0 || pieces[i].device_writes || !pieces[i - 1].device_writes);
}

#endif
