#include "drivers/virtqueue.h"
#include "hal/hal.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include <stdatomic.h>
#include <torc/errno.h>
#include <torc/memory.h>

enum {
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    AVAIL_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
    USED_ALIGN = 4096,
};

/* Shared with the device; little-endian, as this processor is. */
struct vq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct vq_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[];
};

struct vq_used_elem {
    uint32_t id;
    uint32_t len;
};

struct vq_used {
    uint16_t flags;
    uint16_t idx;
    struct vq_used_elem ring[];
};

static_assert(sizeof(struct vq_desc) == 16, "2.7.5");
static_assert(sizeof(struct vq_used_elem) == 8, "2.7.8");

static size_t used_offset(uint16_t size)
{
    size_t end = sizeof(struct vq_desc) * size + sizeof(struct vq_avail) +
                 sizeof(uint16_t) * (size + 1U);

    return (end + USED_ALIGN - 1) & ~(size_t)(USED_ALIGN - 1);
}

int vq_init(struct virtqueue *vq, uint16_t size)
{
    size_t used = used_offset(size);

    if (size < 2 || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)) != 0)
        return -EINVAL;
    *vq = (struct virtqueue){.size = size, .free_count = size};
    vq->memory_size = used + sizeof(struct vq_used) +
                      sizeof(struct vq_used_elem) * size + sizeof(uint16_t);
    vq->slots = mem_alloc_zeroed(size * sizeof(*vq->slots));
    if (vq->slots == NULL)
        return -ENOMEM;
    vq->memory = dma_alloc(vq->memory_size);
    if (vq->memory == NULL) {
        mem_free(vq->slots);
        return -ENOMEM;
    }
    vq->desc = vq->memory;
    vq->avail = (void *)((char *)vq->memory + sizeof(struct vq_desc) * size);
    vq->used = (void *)((char *)vq->memory + used);
    for (uint16_t i = 0; i < size; i++)
        vq->slots[i].next = (uint16_t)(i + 1);
    return 0;
}

void vq_fini(struct virtqueue *vq)
{
    mem_free(vq->slots);
    dma_free(vq->memory, vq->memory_size);
    *vq = (struct virtqueue){.broken = true};
}

uint64_t vq_desc_bus(const struct virtqueue *vq)
{
    return hal_dma_addr(vq->memory);
}

uint64_t vq_avail_bus(const struct virtqueue *vq)
{
    return hal_dma_addr((const void *)(uintptr_t)vq->avail);
}

uint64_t vq_used_bus(const struct virtqueue *vq)
{
    return hal_dma_addr((const void *)(uintptr_t)vq->used);
}

int vq_add(struct virtqueue *vq, const struct vq_piece *pieces, unsigned count,
           void *cookie)
{
    uint16_t head = vq->free_head;
    uint16_t at = head;
    uint32_t writable = 0;

    assert(count >= 1 && count <= VIRTQUEUE_CHAIN_MAX && cookie != NULL);
    if (vq->broken || vq->free_count < count)
        return -EAGAIN;
    for (unsigned i = 0; i < count; i++) {
        bool last = i + 1 == count;

        vq->desc[at].addr = pieces[i].bus;
        vq->desc[at].len = pieces[i].len;
        vq->desc[at].flags =
            (uint16_t)((pieces[i].device_writes ? DESC_WRITE : 0) |
                       (last ? 0 : DESC_NEXT));
        vq->desc[at].next = last ? 0 : vq->slots[at].next;
        if (pieces[i].device_writes)
            writable += pieces[i].len;
        if (last)
            vq->free_head = vq->slots[at].next;
        else
            at = vq->slots[at].next;
    }
    vq->free_count = (uint16_t)(vq->free_count - count);
    vq->slots[head].cookie = cookie;
    vq->slots[head].writable = writable;
    vq->slots[head].count = (uint16_t)count;
    vq->avail->ring[vq->avail_next % vq->size] = head;
    vq->avail_next++;
    /* The device sees the request before it sees the index: section 2.7.13. */
    atomic_thread_fence(memory_order_release);
    vq->avail->idx = vq->avail_next;
    return 0;
}

bool vq_must_notify(struct virtqueue *vq)
{
    if (vq->avail_told == vq->avail_next)
        return false;
    vq->avail_told = vq->avail_next;
    /* The index before the look at the flag: section 2.7.13.4.1. */
    hal_fence();
    return (vq->used->flags & USED_NO_NOTIFY) == 0;
}

/* The descriptors of a request become free again. */
static void release(struct virtqueue *vq, uint16_t head)
{
    struct vq_slot *slot = &vq->slots[head];
    uint16_t tail = head;

    for (uint16_t i = 1; i < slot->count; i++)
        tail = vq->slots[tail].next;
    vq->slots[tail].next = vq->free_head;
    vq->free_head = head;
    vq->free_count = (uint16_t)(vq->free_count + slot->count);
    slot->cookie = NULL;
}

static int break_queue(struct virtqueue *vq)
{
    vq->broken = true;
    return -EIO;
}

bool vq_has_used(const struct virtqueue *vq)
{
    return !vq->broken && vq->used->idx != vq->used_next;
}

int vq_take(struct virtqueue *vq, void **cookie, uint32_t *written)
{
    uint16_t pending;
    uint32_t id, len;

    if (vq->broken)
        return -EIO;
    pending = (uint16_t)(vq->used->idx - vq->used_next);
    if (pending == 0)
        return 0;
    if (pending > vq->size)
        return break_queue(vq);
    /* The index before the element: pairs with the device's barrier. */
    atomic_thread_fence(memory_order_acquire);
    id = vq->used->ring[vq->used_next % vq->size].id;
    len = vq->used->ring[vq->used_next % vq->size].len;
    if (id >= vq->size || vq->slots[id].cookie == NULL ||
        len > vq->slots[id].writable)
        return break_queue(vq);
    vq->used_next++;
    *cookie = vq->slots[id].cookie;
    *written = len;
    release(vq, (uint16_t)id);
    return 1;
}

void vq_want_interrupt(struct virtqueue *vq, bool want)
{
    vq->avail->flags = want ? 0 : AVAIL_NO_INTERRUPT;
    if (want)
        hal_fence(); /* the flag before the caller's second look: 2.7.7.1 */
}

void *vq_recall(struct virtqueue *vq)
{
    for (uint16_t i = 0; i < vq->size; i++) {
        void *cookie = vq->slots[i].cookie;

        if (cookie != NULL) {
            release(vq, i);
            return cookie;
        }
    }
    return NULL;
}
