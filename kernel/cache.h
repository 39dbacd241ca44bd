/*
 * The cache of a mounted disk: aligned chunks of it in memory.
 *
 * A chunk is larger than a block, and one request brings it: file systems lay
 * files out in long runs, so the neighbours are wanted next. What nobody holds
 * is kept, least recently used first to go, up to a share of the CPU's memory.
 *
 * A cache belongs to the CPU of its disk. Reading waits, and other threads run
 * meanwhile: a chunk that is being read is in the table already, and a second
 * thread that wants it waits for the same read.
 */
#ifndef TORC_KERNEL_CACHE_H
#define TORC_KERNEL_CACHE_H

#include "kernel/block.h"
#include <torc/compiler.h>

struct cache;
struct chunk;

/* A held piece of the disk. */
struct cache_ref {
    struct chunk *chunk;
    const uint8_t *data; /* the byte asked for */
    size_t left;         /* bytes from there to the end of the chunk */
};

/* Returns 0 and *out, -ENOMEM. */
must_check int cache_create(struct block_device *dev, struct cache **out);

/* Free everything; nothing is held. */
void cache_destroy(struct cache *cache);

/*
 * Hold the chunk with byte `offset` of the disk. Thread of the cache's CPU; may
 * wait. Returns 0 and *out, -EINVAL (past the end), -ENOMEM (everything is
 * held, or no memory), -EIO and what else the disk says. Errors are not kept:
 * the next one tries again.
 */
must_check int cache_get(struct cache *cache, uint64_t offset,
                         struct cache_ref *out);
void cache_put(struct cache *cache, struct cache_ref *ref);

/*
 * Copy `size` bytes at `offset` out. Returns as cache_get().
 */
must_check int cache_read(struct cache *cache, uint64_t offset, void *buf,
                          size_t size);

#endif
