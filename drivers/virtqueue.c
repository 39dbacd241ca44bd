#include "drivers/virtqueue.h"
#include "drivers/virtqueue_internal.h"
#include "hal/hal.h"
#include <torc/memory.h>
#include <torc/string.h>

enum {
    TABLE_ALIGN = 64, /* a cache line */
    /* Tables of a power of two would all begin in the same few sets of the
     * processor's cache. */
    TABLE_GAP = 64,
};

static size_t align_up(size_t size, size_t align)
{
    return (size + align - 1) & ~(align - 1);
}

/* Whether such a queue can be made. */
static bool shape_valid(const struct vq_shape *shape)
{
    if (shape->size < 2 || shape->size > VIRTQUEUE_SIZE_MAX ||
        (shape->size & (shape->size - 1)) != 0)
        return false;
    return shape->table_count <= VIRTQUEUE_SIZE_MAX &&
           shape->table_len <= shape->size; /* 2.7.5.3.1 */
}

/* All descriptors and tables are free. */
static void slots_fill(struct virtqueue *vq)
{
    for (uint16_t i = 0; i < vq->size; i++) {
        vq->slots[i].next = (uint16_t)(i + 1);
        vq->slots[i].table = VQ_NO_TABLE;
    }
    vq->free_table = VQ_NO_TABLE;
    for (uint16_t i = vq->table_count; i-- > 0;)
        vq_table_put(vq, i);
}

/* Memory for what only this CPU sees. Returns 0, -ENOMEM. */
static int slots_make(struct virtqueue *vq)
{
    size_t slots = vq->size * sizeof(*vq->slots);

    vq->slots =
        mem_alloc_zeroed(slots + vq->table_count * sizeof(*vq->table_next));
    if (vq->slots == NULL)
        return -ENOMEM;
    vq->table_next = (void *)((uint8_t *)vq->slots + slots);
    slots_fill(vq);
    return 0;
}

int vq_init(struct virtqueue *vq, const struct vq_shape *shape)
{
    struct vq_layout layout;
    size_t tables;

    if (!shape_valid(shape))
        return -EINVAL;
    *vq = (struct virtqueue){.size = shape->size,
                             .is_packed = shape->is_packed,
                             .has_event_idx = shape->has_event_idx,
                             .table_count = shape->table_count,
                             .table_len = shape->table_len,
                             .free_count = shape->size};
    layout =
        vq->is_packed ? vq_packed_layout(vq->size) : vq_split_layout(vq->size);
    vq->table_stride =
        (uint32_t)(sizeof(struct vq_split_desc) * vq->table_len) + TABLE_GAP;
    tables = align_up(layout.size, TABLE_ALIGN);
    vq->memory_size = tables + (size_t)vq->table_count * vq->table_stride;
    if (slots_make(vq) != 0)
        return -ENOMEM;
    vq->memory = dma_alloc(vq->memory_size);
    if (vq->memory == NULL) {
        mem_free(vq->slots);
        return -ENOMEM;
    }
    vq->tables = (uint8_t *)vq->memory + tables;
    vq->tables_bus = hal_dma_addr(vq->memory) + tables;
    if (vq->is_packed)
        vq_packed_init(vq, &layout);
    else
        vq_split_init(vq, &layout);
    return 0;
}

void vq_restart(struct virtqueue *vq)
{
    struct vq_layout layout =
        vq->is_packed ? vq_packed_layout(vq->size) : vq_split_layout(vq->size);

    vq->free_head = 0;
    vq->free_count = vq->size;
    vq->avail_next = 0;
    vq->used_next = 0;
    vq->added = 0;
    vq->broken = false;
    memset(vq->memory, 0, vq->memory_size);
    memset(vq->slots, 0, vq->size * sizeof(*vq->slots));
    slots_fill(vq);
    if (vq->is_packed)
        vq_packed_init(vq, &layout);
    else
        vq_split_init(vq, &layout);
}

void vq_fini(struct virtqueue *vq)
{
    mem_free(vq->slots);
    dma_free(vq->memory, vq->memory_size);
    *vq = (struct virtqueue){.broken = true};
}

void vq_abandon(struct virtqueue *vq)
{
    mem_free(vq->slots);
    *vq = (struct virtqueue){.broken = true};
}

uint64_t vq_desc_bus(const struct virtqueue *vq)
{
    return hal_dma_addr(vq->memory);
}

uint64_t vq_driver_bus(const struct virtqueue *vq)
{
    return vq->is_packed ? hal_dma_addr(vq->driver_event)
                         : hal_dma_addr(vq->avail);
}

uint64_t vq_device_bus(const struct virtqueue *vq)
{
    return vq->is_packed ? hal_dma_addr(vq->device_event)
                         : hal_dma_addr(vq->used);
}

void *vq_recall(struct virtqueue *vq)
{
    vq->broken = true; /* the indices do not count its requests any more */
    for (uint16_t i = 0; i < vq->size; i++) {
        void *cookie = vq->slots[i].cookie;

        if (cookie == NULL)
            continue;
        vq_table_put(vq, vq->slots[i].table);
        if (vq->is_packed)
            vq_packed_release(vq, i);
        else
            vq_split_release(vq, i);
        return cookie;
    }
    return NULL;
}

/* ---- Checking ------------------------------------------------------------ */

void vq_census_add(struct vq_census *census, uint16_t size, uint16_t at)
{
    assert(at < size);
    assert((census->seen[at / 8] >> at % 8 & 1) == 0);
    census->seen[at / 8] |= (uint8_t)(1 << at % 8);
    census->count++;
}

/* Each table belongs to one request, or is free. */
static void tables_check(const struct virtqueue *vq)
{
    struct vq_census census = {.count = 0};

    for (uint16_t i = 0; i < vq->size; i++) {
        if (vq->slots[i].cookie != NULL && vq->slots[i].table != VQ_NO_TABLE)
            vq_census_add(&census, vq->table_count, vq->slots[i].table);
    }
    for (uint16_t i = vq->free_table; i != VQ_NO_TABLE; i = vq->table_next[i])
        vq_census_add(&census, vq->table_count, i);
    assert(census.count == vq->table_count);
}

void vq_check(const struct virtqueue *vq)
{
    assert(vq->size >= 2 && vq->size <= VIRTQUEUE_SIZE_MAX);
    assert((vq->size & (vq->size - 1)) == 0);
    assert(vq->free_count <= vq->size);
    tables_check(vq);
    if (vq->is_packed)
        vq_packed_check(vq);
    else
        vq_split_check(vq);
}
