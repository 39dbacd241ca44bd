/*
 * The packed virtqueue: VIRTIO 1.2, section 2.8. Driver and device write to the
 * same ring: the driver descriptors, which the device overwrites with what it
 * has used. Two flags of a descriptor say whose it is; their meaning changes
 * with each lap, which the wrap counters count: 2.8.1.
 *
 * A request takes as many places of the ring as it has descriptors, and one id,
 * by which the device names it. A place is free again when as many descriptors
 * were given back, of whichever request.
 */
#include "drivers/virtio.h"
#include "drivers/virtqueue_internal.h"
#include "hal/hal.h"
#include <torc/drivers.h>

/* Event suppression: 2.8.14. In one word, so that no half of it is seen. */
struct vq_event {
    _Atomic uint32_t word; /* place; wrap counter << 15; flags << 16 */
};

enum {
    EVENT_AT = 0x7fff,
    EVENT_WRAP = 1 << 15,
    EVENT_ENABLE = 0 << 16,
    EVENT_DISABLE = 1 << 16,
    EVENT_DESC = 2 << 16, /* at one place; with EVENT_IDX */
    EVENT_FLAGS = 3 << 16,
    /* The driver's events and the device's have a cache line each. */
    LINE = 64,
};

static size_t lines(size_t size)
{
    return (size + LINE - 1) & ~(LINE - 1UL);
}

struct vq_layout vq_packed_layout(uint16_t size)
{
    struct vq_layout layout;

    layout.driver = lines(sizeof(struct vq_packed_desc) * size);
    layout.device = layout.driver + LINE;
    layout.size = layout.device + LINE;
    return layout;
}

void vq_packed_init(struct virtqueue *vq, const struct vq_layout *layout)
{
    vq->ring = vq->memory;
    vq->driver_event = (void *)((uint8_t *)vq->memory + layout->driver);
    vq->device_event = (void *)((uint8_t *)vq->memory + layout->device);
    /* Both wrap counters are 1. */
    vq->avail_flags = DESC_AVAIL;
    vq->used_flags = DESC_AVAIL | DESC_USED;
}

/* ---- To the device ------------------------------------------------------- */

static void desc_put(struct vq_packed_desc *desc, const struct vq_piece *piece,
                     uint16_t id)
{
    desc->addr = piece->bus;
    atomic_store_explicit(&desc->len, piece->len, memory_order_relaxed);
    atomic_store_explicit(&desc->id, id, memory_order_relaxed);
}

static void flags_put(struct vq_packed_desc *desc, uint16_t flags)
{
    atomic_store_explicit(&desc->flags, flags, memory_order_relaxed);
}

static uint16_t write_flag(const struct vq_piece *piece)
{
    return piece->device_writes ? DESC_WRITE : 0;
}

/* The driver has filled the place at avail_next. */
static void avail_advance(struct virtqueue *vq)
{
    if (++vq->avail_next == vq->size) {
        vq->avail_next = 0;
        vq->avail_flags ^= DESC_AVAIL | DESC_USED;
    }
}

/* Put a request into its table, and the table into the ring. Returns how many
 * bytes the device may write; *flags are those of the one descriptor. */
static uint32_t put_table(struct virtqueue *vq, uint16_t id, uint16_t table,
                          const struct vq_piece *pieces, unsigned count,
                          uint16_t *flags)
{
    struct vq_packed_desc *desc = vq_table_at(vq, table);
    const struct vq_piece whole = {
        .bus = vq_table_bus(vq, table),
        .len = (uint32_t)(count * sizeof(*desc)),
    };
    uint32_t writable = 0;

    for (unsigned i = 0; i < count; i++) {
        vq_piece_check(pieces, i);
        desc_put(&desc[i], &pieces[i], 0);
        flags_put(&desc[i], write_flag(&pieces[i]));
        writable += pieces[i].device_writes ? pieces[i].len : 0;
    }
    desc_put(&vq->ring[vq->avail_next], &whole, id);
    *flags = (uint16_t)(vq->avail_flags | DESC_INDIRECT);
    avail_advance(vq);
    return writable;
}

/* Put a request into the ring. The flags of its first descriptor are not
 * written, but returned in *flags. */
static uint32_t put_chain(struct virtqueue *vq, uint16_t id,
                          const struct vq_piece *pieces, unsigned count,
                          uint16_t *first_flags)
{
    uint32_t writable = 0;

    for (unsigned i = 0; i < count; i++) {
        struct vq_packed_desc *desc = &vq->ring[vq->avail_next];
        uint16_t flags = (uint16_t)(vq->avail_flags | write_flag(&pieces[i]) |
                                    (i + 1 == count ? 0 : DESC_NEXT));

        vq_piece_check(pieces, i);
        desc_put(desc, &pieces[i], id);
        if (i == 0)
            *first_flags = flags;
        else
            flags_put(desc, flags);
        writable += pieces[i].device_writes ? pieces[i].len : 0;
        avail_advance(vq);
    }
    return writable;
}

int vq_packed_add(struct virtqueue *vq, const struct vq_piece *pieces,
                  unsigned count, void *cookie)
{
    uint16_t first = vq->avail_next;
    uint16_t id = vq->free_head;
    uint16_t table, taken, flags = 0;
    struct vq_slot *slot;

    if (vq->broken)
        return -EAGAIN;
    assert(count >= 1 && count <= vq->size);
    assert(cookie != NULL);
    table = vq_table_get(vq, count);
    taken = table == VQ_NO_TABLE ? (uint16_t)count : 1;
    if (vq->free_count < taken) {
        vq_table_put(vq, table);
        return -EAGAIN;
    }
    slot = &vq->slots[id];
    slot->writable = table == VQ_NO_TABLE
                         ? put_chain(vq, id, pieces, count, &flags)
                         : put_table(vq, id, table, pieces, count, &flags);
    slot->cookie = cookie;
    slot->count = taken;
    slot->table = table;
    vq->free_head = slot->next;
    vq->free_count = (uint16_t)(vq->free_count - taken);
    vq->added = (uint16_t)(vq->added + taken);
    /* The device sees the request before these flags: section 2.8.19.1. */
    atomic_thread_fence(memory_order_release);
    flags_put(&vq->ring[first], flags);
    return 0;
}

bool vq_packed_must_notify(struct virtqueue *vq)
{
    uint16_t added = vq->added;
    uint32_t event;
    uint16_t at;

    if (added == 0)
        return false;
    vq->added = 0;
    /* The flags before the look at the events: 2.8.19.3. */
    hal_fence();
    event = atomic_load_explicit(&vq->device_event->word, memory_order_relaxed);
    if ((event & EVENT_FLAGS) != EVENT_DESC || !vq->has_event_idx)
        return (event & EVENT_FLAGS) != EVENT_DISABLE;
    at = event & EVENT_AT;
    if (((event & EVENT_WRAP) != 0) != ((vq->avail_flags & DESC_AVAIL) != 0))
        at = (uint16_t)(at - vq->size); /* of the lap before */
    return vq_event_passed(at, vq->avail_next, added);
}

/* ---- From the device ----------------------------------------------------- */

void vq_packed_release(struct virtqueue *vq, uint16_t id)
{
    struct vq_slot *slot = &vq->slots[id];

    assert(slot->cookie != NULL);
    assert(slot->count >= 1);
    assert(vq->free_count + slot->count <= vq->size);
    slot->next = vq->free_head;
    vq->free_head = id;
    vq->free_count = (uint16_t)(vq->free_count + slot->count);
    slot->cookie = NULL;
}

static uint16_t flags_of(const struct vq_packed_desc *desc)
{
    return atomic_load_explicit(&desc->flags, memory_order_relaxed);
}

bool vq_packed_has_used(const struct virtqueue *vq)
{
    return !vq->broken && (flags_of(&vq->ring[vq->used_next]) &
                           (DESC_AVAIL | DESC_USED)) == vq->used_flags;
}

/* The device has given `count` places back, from used_next on. */
static void used_advance(struct virtqueue *vq, uint16_t count)
{
    vq->used_next = (uint16_t)(vq->used_next + count);
    if (vq->used_next >= vq->size) {
        vq->used_next = (uint16_t)(vq->used_next - vq->size);
        vq->used_flags ^= DESC_AVAIL | DESC_USED;
    }
}

int vq_packed_take(struct virtqueue *vq, void **cookie, uint32_t *written)
{
    struct vq_packed_desc *desc;
    struct vq_slot *slot;
    uint16_t flags, id;
    uint32_t len;

    if (vq->broken)
        return -EIO;
    desc = &vq->ring[vq->used_next];
    flags = flags_of(desc);
    if ((flags & (DESC_AVAIL | DESC_USED)) != vq->used_flags)
        return 0;
    /* The flags before the rest: pairs with the device's barrier. */
    atomic_thread_fence(memory_order_acquire);
    id = atomic_load_explicit(&desc->id, memory_order_relaxed);
    len = atomic_load_explicit(&desc->len, memory_order_relaxed);
    if (id >= vq->size)
        return vq_break(vq);
    slot = &vq->slots[id];
    if (slot->cookie == NULL)
        return vq_break(vq);
    if (len > slot->writable) {
        /* Without the flag the length means nothing: 2.8.4. (With QEMU, which
         * never sets the flag, it does.) */
        if ((flags & DESC_WRITE) != 0 && !vq->ignores_len)
            return vq_break(vq);
        len = 0;
    }
    used_advance(vq, slot->count);
    *cookie = slot->cookie;
    *written = len;
    vq_table_put(vq, slot->table);
    vq_packed_release(vq, id);
    return 1;
}

void vq_packed_want_interrupt(struct virtqueue *vq, bool want)
{
    uint32_t word = EVENT_DISABLE;

    if (want && vq->has_event_idx)
        word = EVENT_DESC | vq->used_next |
               ((vq->used_flags & DESC_AVAIL) != 0 ? EVENT_WRAP : 0);
    else if (want)
        word = EVENT_ENABLE;
    atomic_store_explicit(&vq->driver_event->word, word, memory_order_relaxed);
    if (want)
        hal_fence(); /* the wish before the caller's second look: 2.8.21 */
}

/* ---- Checking ------------------------------------------------------------ */

void vq_packed_check(const struct virtqueue *vq)
{
    struct vq_census census = {.count = 0};
    uint16_t free = vq->free_head;
    unsigned in_ring = 0;
    bool same_lap =
        (vq->avail_flags & DESC_AVAIL) == (vq->used_flags & DESC_AVAIL);

    for (uint16_t i = 0; i < vq->size; i++) {
        if (vq->slots[i].cookie == NULL)
            continue;
        vq_census_add(&census, vq->size, i);
        assert(vq->slots[i].count >= 1);
        assert(vq->slots[i].table == VQ_NO_TABLE || vq->slots[i].count == 1);
        in_ring += vq->slots[i].count;
    }
    while (census.count < vq->size) {
        vq_census_add(&census, vq->size, free);
        assert(vq->slots[free].cookie == NULL);
        free = vq->slots[free].next;
    }
    assert(in_ring + vq->free_count == vq->size);
    assert(vq->avail_next < vq->size && vq->used_next < vq->size);
    /* What was added is taken, or with the device. */
    assert(vq->broken || vq->avail_next + (same_lap ? 0U : vq->size) ==
                             vq->used_next + in_ring);
}

const struct virtio_part virtio_packed_part = {.features =
                                                   VIRTIO_F_RING_PACKED};
