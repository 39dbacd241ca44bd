#include "net/buffer.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

uint32_t net_budget_find_share(struct net_budget *budget, uint32_t size)
{
    size_t free = budget->limit - budget->used + size;
    size_t avail = free - min_size(free, budget->reserve);
    uint32_t half = (uint32_t)min_size(avail / 2, NET_BUFFER_MAX);
    uint32_t share;

    assert(budget->used <= budget->limit);
    assert(size <= budget->used);
    if (half < 2 * NET_BUFFER_MIN)
        share = avail < NET_BUFFER_MIN ? size : max_u32(NET_BUFFER_MIN, size);
    else /* the largest power of two that is not more */
        share = max_u32(1U << (31 - __builtin_clz(half)), size);
    if (free >= budget->least)
        share = max_u32(share, budget->least);
    if (size == 0) {
        budget->share = share;
        budget->shared = free;
    }
    return share;
}

/* What was lent goes back. */
static inline void lent_end(struct net_buffer *buffer,
                            struct net_budget *budget)
{
    struct buf *lent = buffer->lent;

    assert(budget->lent > 0);
    budget->lent--;
    *buffer = (struct net_buffer){0};
    buf_put(lent);
}

/* What was lent moves to a ring, or stays. Returns 0, -ENOMEM. */
static noinline int lent_reserve(struct net_buffer *buffer,
                                 struct net_budget *budget, uint32_t need)
{
    struct net_buffer ring = {0};
    int status = net_buffer_reserve(&ring, budget, need);

    if (status != 0)
        return status;
    ring.used = buffer->used;
    memcpy(ring.base, buffer->base, buffer->used);
    lent_end(buffer, budget);
    *buffer = ring;
    return 0;
}

int net_buffer_reserve(struct net_buffer *buffer, struct net_budget *budget,
                       uint32_t need)
{
    uint32_t size, first;
    uint8_t *base;

    if (buffer->is_lent)
        return lent_reserve(buffer, budget, need);
    if (need <= buffer->size)
        return 0;
    size = buffer->size != 0 ? buffer->size : NET_BUFFER_MIN;
    first = buffer->size - buffer->head;
    /* The first one of all is small: whether there is far more is told sooner
     * than how much. */
    if ((need > NET_BUFFER_MIN ||
         budget->limit - budget->used < 4 * NET_BUFFER_MIN) &&
        need > net_buffer_limit(buffer, budget))
        return -ENOMEM;
    while (size < need)
        size *= 2;
    base = mem_alloc(size);
    if (base == NULL)
        return -ENOMEM;
    if (buffer->size != 0) { /* all: data may be behind `used` */
        memcpy(base, buffer->base + buffer->head, first);
        memcpy(base + first, buffer->base, buffer->head);
    }
    if (buffer->base != NULL)
        mem_free(buffer->base);
    budget->used += size - buffer->size;
    buffer->base = base;
    buffer->size = size;
    buffer->head = 0;
    return 0;
}

void net_buffer_write(struct net_buffer *buffer, uint32_t offset,
                      const void *data, uint32_t len)
{
    uint32_t at, first;

    if (len == 0)
        return;
    assert(!buffer->is_lent && offset <= buffer->size);
    assert(len <= buffer->size - offset);
    at = (buffer->head + offset) & (buffer->size - 1);
    first = min_u32(buffer->size - at, len);
    memcpy(buffer->base + at, data, first);
    if (first < len)
        memcpy(buffer->base, (const uint8_t *)data + first, len - first);
}

void net_buffer_commit(struct net_buffer *buffer, uint32_t len)
{
    assert(!buffer->is_lent && len <= buffer->size - buffer->used);
    buffer->used += len;
}

void net_buffer_peek(const struct net_buffer *buffer, uint32_t offset,
                     void *data, uint32_t len)
{
    uint32_t at, first;

    if (len == 0)
        return;
    assert(offset <= buffer->used);
    assert(len <= buffer->used - offset);
    if (buffer->is_lent) {
        memcpy(data, buffer->base + offset, len);
        return;
    }
    at = (buffer->head + offset) & (buffer->size - 1);
    first = min_u32(buffer->size - at, len);
    memcpy(data, buffer->base + at, first);
    if (first < len)
        memcpy((uint8_t *)data + first, buffer->base, len - first);
}

void net_buffer_drop(struct net_buffer *buffer, uint32_t len)
{
    assert(len <= buffer->used);
    buffer->used -= len;
    if (buffer->is_lent)
        buffer->base += len;
    else
        buffer->head = (buffer->head + len) & (buffer->size - 1);
}

void net_buffer_release(struct net_buffer *buffer, struct net_budget *budget)
{
    if (buffer->base == NULL)
        return;
    if (buffer->is_lent) {
        lent_end(buffer, budget);
        return;
    }
    assert(buffer->size <= budget->used);
    budget->used -= buffer->size;
    mem_free(buffer->base);
    *buffer = (struct net_buffer){0};
}

__attribute__((cold)) void net_buffer_check(const struct net_buffer *buffer)
{
    if (buffer->is_lent) {
        buf_check(buffer->lent);
        assert(buffer->base >= buffer->lent->base);
        assert(buffer->base + buffer->used <=
               buffer->lent->base + buffer->lent->size);
        return;
    }
    assert((buffer->base != NULL) == (buffer->size != 0));
    assert(buffer->used <= buffer->size);
    if (buffer->size == 0) {
        assert(buffer->head == 0);
        return;
    }
    assert(buffer->size >= NET_BUFFER_MIN);
    assert(buffer->size <= NET_BUFFER_MAX);
    assert((buffer->size & (buffer->size - 1)) == 0);
    assert(buffer->head < buffer->size);
}
