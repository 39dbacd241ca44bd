/* The split virtqueue: VIRTIO 1.2, section 2.7. */
#include "drivers/virtqueue_internal.h"
#include "hal/hal.h"

enum {
    AVAIL_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
    USED_ALIGN = 4096,
    /* As far as can be from what is used soon, and from what was. */
    EVENT_FAR = 0x8000,
};

/* Behind ring[size]: used_event, with EVENT_IDX. */
struct vq_avail {
    _Atomic uint16_t flags;
    _Atomic uint16_t idx;
    uint16_t ring[];
};

struct vq_used_elem {
    _Atomic uint32_t id;
    _Atomic uint32_t len;
};

/* Behind ring[size]: avail_event, with EVENT_IDX. */
struct vq_used {
    _Atomic uint16_t flags;
    _Atomic uint16_t idx;
    struct vq_used_elem ring[];
};

static_assert(sizeof(struct vq_used_elem) == 8, "2.7.8");

static _Atomic uint16_t *used_event(const struct virtqueue *vq)
{
    return (void *)&vq->avail->ring[vq->size];
}

static _Atomic uint16_t *avail_event(const struct virtqueue *vq)
{
    return (void *)&vq->used->ring[vq->size];
}

__attribute__((cold)) struct vq_layout vq_split_layout(uint16_t size)
{
    struct vq_layout layout;

    layout.driver = sizeof(struct vq_split_desc) * size;
    layout.device = layout.driver + sizeof(struct vq_avail) +
                    sizeof(uint16_t) * (size + 1U);
    layout.device = (layout.device + USED_ALIGN - 1) & ~(USED_ALIGN - 1U);
    layout.size = layout.device + sizeof(struct vq_used) +
                  sizeof(struct vq_used_elem) * size + sizeof(uint16_t);
    return layout;
}

__attribute__((cold)) void vq_split_init(struct virtqueue *vq,
                                         const struct vq_layout *layout)
{
    vq->desc = vq->memory;
    vq->avail = (void *)((uint8_t *)vq->memory + layout->driver);
    vq->used = (void *)((uint8_t *)vq->memory + layout->device);
}

/* ---- To the device ------------------------------------------------------- */

/* A descriptor of `len` bytes. */
static inline void desc_put(struct vq_split_desc *desc, uint64_t addr,
                            uint32_t len, uint32_t flags, uint16_t next)
{
    desc->addr = addr;
    desc->rest = len | (uint64_t)flags << 32 | (uint64_t)next << 48;
}

static inline uint32_t write_flag(const struct vq_piece *piece)
{
    return piece->device_writes ? DESC_WRITE : 0;
}

static inline uint32_t writable_of(const struct vq_piece *piece)
{
    return piece->device_writes ? piece->len : 0;
}

/* Put a request into its table, and the table into descriptor `head`. Returns
 * how many bytes the device may write. */
static uint32_t put_table(struct virtqueue *vq, uint16_t head, uint16_t table,
                          const struct vq_piece *pieces, unsigned count)
{
    struct vq_split_desc *desc = vq_table_at(vq, table);
    uint32_t writable = 0;

    for (unsigned i = 0; i < count; i++) {
        vq_piece_check(pieces, i);
        desc_put(&desc[i], pieces[i].bus, pieces[i].len,
                 write_flag(&pieces[i]) | (i + 1 == count ? 0 : DESC_NEXT),
                 (uint16_t)(i + 1));
        writable += writable_of(&pieces[i]);
    }
    desc_put(&vq->desc[head], vq_table_bus(vq, table),
             (uint32_t)(count * sizeof(*desc)), DESC_INDIRECT, 0);
    vq->free_head = vq->slots[head].next;
    return writable;
}

/* Put a request into `count` descriptors from `head` on. */
static uint32_t put_chain(struct virtqueue *vq, uint16_t head,
                          const struct vq_piece *pieces, unsigned count)
{
    const struct vq_piece *last = &pieces[count - 1];
    const struct vq_slot *slots = vq->slots;
    struct vq_split_desc *desc = vq->desc;
    uint32_t writable = 0;
    uint32_t flags = 0;

    for (; pieces < last; pieces++) {
        uint16_t next = slots[head].next;

        assert(pieces->len > 0);
        assert(write_flag(pieces) >= flags); /* it reads its part first */
        flags = write_flag(pieces);
        desc_put(&desc[head], pieces->bus, pieces->len, flags | DESC_NEXT,
                 next);
        writable += writable_of(pieces);
        head = next;
    }
    assert(last->len > 0);
    assert(write_flag(last) >= flags);
    desc_put(&desc[head], last->bus, last->len, write_flag(last), 0);
    vq->free_head = slots[head].next;
    return writable + writable_of(last);
}

/* The request in descriptor `head` is available from now on. */
static inline void publish(struct virtqueue *vq, uint16_t head)
{
    vq->avail->ring[vq->avail_next & (vq->size - 1U)] = head;
    vq->avail_next++;
    vq->added++;
    /* The device sees the request before it sees the index: section 2.7.13. */
    atomic_store_explicit(&vq->avail->idx, vq->avail_next,
                          memory_order_release);
}

/* A request of a table of its own. */
static noinline int add_table(struct virtqueue *vq, uint16_t table,
                              const struct vq_piece *pieces, unsigned count,
                              void *cookie)
{
    uint16_t head = vq->free_head;
    struct vq_slot *slot = &vq->slots[head];

    if (vq->free_count == 0) {
        vq_table_put(vq, table);
        return -EAGAIN;
    }
    slot->cookie = cookie;
    slot->count = 1;
    slot->table = table;
    slot->writable = put_table(vq, head, table, pieces, count);
    vq->free_count--;
    publish(vq, head);
    return 0;
}

int vq_split_add_one(struct virtqueue *vq, uint64_t bus, uint32_t len,
                     bool device_writes, void *cookie)
{
    uint16_t head = vq->free_head;
    struct vq_slot *slot = &vq->slots[head];

    if (unlikely(vq->broken || vq->free_count == 0))
        return -EAGAIN;
    assert(cookie != NULL && len > 0);
    slot->cookie = cookie;
    slot->count = 1;
    slot->table = VQ_NO_TABLE;
    slot->writable = device_writes ? len : 0;
    desc_put(&vq->desc[head], bus, len, device_writes ? DESC_WRITE : 0, 0);
    vq->free_head = slot->next;
    vq->free_count--;
    publish(vq, head);
    return 0;
}

int vq_split_add(struct virtqueue *vq, const struct vq_piece *pieces,
                 unsigned count, void *cookie)
{
    uint16_t head = vq->free_head;
    struct vq_slot *slot;

    if (unlikely(vq->broken))
        return -EAGAIN;
    assert(count - 1 < vq->size);
    assert(cookie != NULL);
    if (count >= INDIRECT_MIN) {
        uint16_t table = vq_table_get(vq, count);

        if (table != VQ_NO_TABLE)
            return add_table(vq, table, pieces, count, cookie);
    }
    if (vq->free_count < count)
        return -EAGAIN;
    slot = &vq->slots[head];
    slot->cookie = cookie;
    slot->count = (uint16_t)count;
    slot->table = VQ_NO_TABLE;
    slot->writable = put_chain(vq, head, pieces, count);
    vq->free_count = (uint16_t)(vq->free_count - count);
    publish(vq, head);
    return 0;
}

bool vq_split_must_notify(struct virtqueue *vq)
{
    uint16_t added = vq->added;

    if (added == 0)
        return false;
    vq->added = 0;
    /* The index before the look at the flag, or the event: 2.7.13.4.1. */
    hal_fence();
    if (!vq->has_event_idx)
        return (atomic_load_explicit(&vq->used->flags, memory_order_relaxed) &
                USED_NO_NOTIFY) == 0;
    return vq_event_passed(
        atomic_load_explicit(avail_event(vq), memory_order_relaxed),
        vq->avail_next, added);
}

/* ---- From the device ----------------------------------------------------- */

/* The last descriptor of a request of several. */
static noinline struct vq_slot *slot_last(const struct virtqueue *vq,
                                          struct vq_slot *slot)
{
    unsigned count = slot->count;

    while (count-- > 1)
        slot = &vq->slots[slot->next];
    return slot;
}

/* The descriptors of a request, from `head` on, are free again. */
static inline void release(struct virtqueue *vq, struct vq_slot *slot,
                           uint16_t head)
{
    unsigned free_count = vq->free_count + slot->count;
    struct vq_slot *last = slot;

    assert(free_count - 1 < vq->size);
    if (slot->count != 1)
        last = slot_last(vq, slot);
    last->next = vq->free_head;
    vq->free_head = head;
    vq->free_count = (uint16_t)free_count;
    slot->cookie = NULL;
}

void vq_split_release(struct virtqueue *vq, uint16_t head)
{
    assert(vq->slots[head].cookie != NULL);
    release(vq, &vq->slots[head], head);
}

static uint16_t used_idx(const struct virtqueue *vq)
{
    return atomic_load_explicit(&vq->used->idx, memory_order_relaxed);
}

bool vq_split_has_used(const struct virtqueue *vq)
{
    return !vq->broken && used_idx(vq) != vq->used_next;
}

int vq_split_take(struct virtqueue *vq, void **cookie, uint32_t *written)
{
    struct vq_used_elem *elem;
    struct vq_slot *slot;
    uint16_t pending;
    uint32_t id, len;

    if (vq->broken)
        return -EIO;
    pending = (uint16_t)(used_idx(vq) - vq->used_next);
    if (pending == 0)
        return 0;
    if (pending > vq->size)
        return vq_break(vq);
    /* The index before the element: pairs with the device's barrier. */
    atomic_thread_fence(memory_order_acquire);
    elem = &vq->used->ring[vq->used_next & (vq->size - 1U)];
    id = atomic_load_explicit(&elem->id, memory_order_relaxed);
    len = atomic_load_explicit(&elem->len, memory_order_relaxed);
    if (id >= vq->size)
        return vq_break(vq);
    slot = &vq->slots[id];
    if (slot->cookie == NULL || (len > slot->writable && !vq->ignores_len))
        return vq_break(vq);
    vq->used_next++;
    *cookie = slot->cookie;
    *written = len;
    if (unlikely(slot->table != VQ_NO_TABLE))
        vq_table_put(vq, slot->table);
    release(vq, slot, (uint16_t)id);
    return 1;
}

void vq_split_want_interrupt(struct virtqueue *vq, bool want)
{
    if (vq->has_event_idx)
        atomic_store_explicit(used_event(vq),
                              want ? vq->used_next
                                   : (uint16_t)(vq->used_next + EVENT_FAR),
                              memory_order_relaxed);
    else
        atomic_store_explicit(&vq->avail->flags, want ? 0 : AVAIL_NO_INTERRUPT,
                              memory_order_relaxed);
    if (want)
        hal_fence(); /* the wish before the caller's second look: 2.7.7.1 */
}

/* ---- Checking ------------------------------------------------------------ */

static __attribute__((cold)) void request_check(const struct virtqueue *vq,
                                                struct vq_census *census,
                                                uint16_t head)
{
    const struct vq_slot *slot = &vq->slots[head];
    uint16_t at = head;

    assert(slot->count >= 1 && slot->count <= vq->size);
    assert(slot->table == VQ_NO_TABLE || slot->count == 1);
    for (unsigned i = 0; i < slot->count; i++) {
        vq_census_add(census, vq->size, at);
        assert(i == 0 || vq->slots[at].cookie == NULL);
        at = vq->slots[at].next;
    }
}

__attribute__((cold)) void vq_split_check(const struct virtqueue *vq)
{
    struct vq_census census = {.count = 0};
    uint16_t free = vq->free_head;
    uint16_t requests = 0;

    for (uint16_t i = 0; i < vq->size; i++) {
        if (vq->slots[i].cookie == NULL)
            continue;
        request_check(vq, &census, i);
        requests++;
    }
    for (uint16_t i = 0; i < vq->free_count; i++) {
        vq_census_add(&census, vq->size, free);
        assert(vq->slots[free].cookie == NULL);
        free = vq->slots[free].next;
    }
    assert(census.count == vq->size);
    /* What was added is taken, or with the device. */
    assert(vq->broken ||
           (uint16_t)(vq->avail_next - vq->used_next) == requests);
    assert(atomic_load_explicit(&vq->avail->idx, memory_order_relaxed) ==
           vq->avail_next);
}
