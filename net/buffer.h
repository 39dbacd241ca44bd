/*
 * Ring buffers for the data of connections. A buffer has no memory until data
 * are put in; its size doubles as it fills.
 *
 * All buffers of a stack share one budget. One buffer may grow to half of what
 * the others have left of it (dynamic thresholds: Choudhury and Hahne, 1998):
 * few busy connections get large buffers, many get small ones, and some of the
 * budget always remains for the next connection. A part of the budget is kept
 * for those who have little: when many hold as much as they can get, and let it
 * lie, everybody can still have `least`.
 *
 * The first bytes of an empty buffer may stay in the packet that has brought
 * them, or that they are sent in (net_buffer_lend()): no memory, and one copy
 * less. They move to a ring when more are to come. Packets are fewer than
 * connections, so the budget says how many may be kept.
 *
 * Offsets are counted from the oldest byte. Data that come out of order are
 * written behind `used`; net_buffer_commit() makes them part of the contents.
 *
 * Owner: the CPU of the stack. Nothing here yields.
 */
#ifndef TORC_NET_BUFFER_H
#define TORC_NET_BUFFER_H

#include "kernel/lib/minmax.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum { NET_BUFFER_MIN = 2048, NET_BUFFER_MAX = 16 * 1024 * 1024 };

struct net_budget {
    size_t limit; /* bytes */
    size_t used;
    size_t reserve; /* of limit: for those who have less than `least` */
    uint32_t least; /* a power of two, or 0 */
    unsigned lent;  /* buffers of packets that are kept */
    unsigned lent_max;
    uint32_t share; /* of who has nothing, while so many bytes are free: */
    size_t shared;
};

struct net_buffer {
    uint8_t *base; /* NULL: there is no memory */
    union {
        struct {
            uint32_t size; /* 0 or a power of two, NET_BUFFER_MIN ..
                              NET_BUFFER_MAX */
            uint32_t head; /* index of the oldest byte */
        };
        struct buf *lent; /* with is_lent: a reference; base is in it */
    };
    uint32_t used; /* bytes of contents */
    bool is_lent;
};

/* Bytes of memory of its own. */
static inline uint32_t net_buffer_size(const struct net_buffer *buffer)
{
    return buffer->is_lent ? 0 : buffer->size;
}

/* How many bytes of a budget one may have now who has `size` of them; at least
 * `size`. What it is for who has none is kept until the budget changes. */
uint32_t net_budget_find_share(struct net_budget *budget, uint32_t size);

static inline uint32_t net_budget_share(struct net_budget *budget,
                                        uint32_t size)
{
    if (size == 0 && budget->limit - budget->used == budget->shared)
        return budget->share;
    return net_budget_find_share(budget, size);
}

/* The size, in bytes, to which the buffer may grow now; at least its present
 * size. */
static inline uint32_t net_buffer_limit(const struct net_buffer *buffer,
                                        struct net_budget *budget)
{
    return net_budget_share(budget, net_buffer_size(buffer));
}

/*
 * Let `len` bytes at `data`, in `buf`, be the contents of the buffer, which is
 * empty and takes the caller's reference; one more may be kept. They stay as
 * they are meanwhile.
 */
static inline void net_buffer_give(struct net_buffer *buffer,
                                   struct net_budget *budget, struct buf *buf,
                                   const uint8_t *data, uint32_t len)
{
    budget->lent++;
    *buffer = (struct net_buffer){.base = buf->base + (data - buf->base),
                                  .lent = buf,
                                  .used = len,
                                  .is_lent = true};
}

/* The same with a reference of its own. Returns false: `buf` is NULL, the
 * buffer is not empty, or no more may be kept. */
static inline bool net_buffer_lend(struct net_buffer *buffer,
                                   struct net_budget *budget, struct buf *buf,
                                   const uint8_t *data, uint32_t len)
{
    if (buf == NULL || buffer->base != NULL || budget->lent >= budget->lent_max)
        return false;
    buf_get(buf);
    net_buffer_give(buffer, budget, buf, data, len);
    return true;
}

/* Make the buffer at least `need` bytes large. Returns 0, -ENOMEM (budget or
 * memory). */
must_check int net_buffer_reserve(struct net_buffer *buffer,
                                  struct net_budget *budget, uint32_t need);

/* Copy `len` bytes in at `offset`; offset + len <= size. `used` stays. */
void net_buffer_write(struct net_buffer *buffer, uint32_t offset,
                      const void *data, uint32_t len);

/* The `len` bytes behind `used`, written before, become part of the contents.
 */
void net_buffer_commit(struct net_buffer *buffer, uint32_t len);

/* Copy `len` bytes at `offset` out; offset + len <= used. */
void net_buffer_peek(const struct net_buffer *buffer, uint32_t offset,
                     void *data, uint32_t len);

/* Remove the oldest `len` bytes; len <= used. */
void net_buffer_drop(struct net_buffer *buffer, uint32_t len);

/* Free the memory; the buffer is empty afterwards. */
void net_buffer_release(struct net_buffer *buffer, struct net_budget *budget);

/* Assert what must be true of a buffer. */
void net_buffer_check(const struct net_buffer *buffer);

#endif
