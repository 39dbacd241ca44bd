/*
 * Byte rings for the data of connections. A ring has no memory until something
 * is put in, doubles as it fills, and gives its memory back when it is empty.
 *
 * All rings of a stack share one budget. How far one may grow depends on how
 * much is left (dynamic thresholds: Choudhury and Hahne, 1998): few busy
 * connections get large buffers, many get small ones, and there is always
 * something left for the next.
 *
 * Positions are counted from the oldest byte. Bytes past `used` may be written
 * ahead (data that came out of order) and are taken in by net_buffer_commit().
 */
#ifndef TORC_NET_BUFFER_H
#define TORC_NET_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum { NET_BUFFER_MIN = 2048, NET_BUFFER_MAX = 256 * 1024 };

struct net_budget {
    size_t limit; /* bytes */
    size_t used;
};

struct net_buffer {
    uint8_t *base; /* NULL when size is 0 */
    uint32_t size; /* 0 or a power of two, NET_BUFFER_MIN .. NET_BUFFER_MAX */
    uint32_t head; /* index of the oldest byte */
    uint32_t used;
};

/* How large the ring might be now, its present size included. */
uint32_t net_buffer_limit(const struct net_buffer *buffer,
                          const struct net_budget *budget);

/* Make room for `need` bytes in all. Returns 0, -ENOMEM (budget or memory). */
must_check int net_buffer_reserve(struct net_buffer *buffer,
                                  struct net_budget *budget, uint32_t need);

/* Copy in at `offset`; offset + len was reserved. Does not change `used`. */
void net_buffer_write(struct net_buffer *buffer, uint32_t offset,
                      const void *data, uint32_t len);

/* Take `len` bytes that were written behind `used` in. */
void net_buffer_commit(struct net_buffer *buffer, uint32_t len);

/* Copy `len` bytes at `offset` out; offset + len <= used. */
void net_buffer_peek(const struct net_buffer *buffer, uint32_t offset,
                     void *data, uint32_t len);

/* Forget the oldest `len` bytes, len <= used. */
void net_buffer_drop(struct net_buffer *buffer, uint32_t len);

/* Give the memory back; the contents are gone. */
void net_buffer_release(struct net_buffer *buffer, struct net_budget *budget);

#endif
