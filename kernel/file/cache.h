/*
 * The cache of a mounted disk: aligned chunks of it in memory.
 *
 * A chunk is larger than a block and is read with one request: file systems lay
 * files out in long runs, so the blocks beside the one asked for are wanted
 * next. A chunk that nobody holds is kept; the one not used for longest is
 * replaced first. The cache takes at most a share of the CPU's memory.
 *
 * A cache belongs to the CPU of its disk. Reading waits, and other threads run
 * meanwhile: a chunk that is being read is in the table already, and a second
 * thread that wants it waits for the same read.
 */
#ifndef TORC_KERNEL_CACHE_H
#define TORC_KERNEL_CACHE_H

#include "kernel/device/block.h"
#include <torc/compiler.h>

struct cache;
struct chunk;

/* A held piece of the disk. */
struct cache_ref {
    struct chunk *chunk;
    const uint8_t *data; /* the byte asked for */
    size_t size;         /* bytes from there to the end of the chunk */
};

/* Make the cache of a device that stays open until cache_destroy(). Returns 0
 * and *out, -ENOMEM. */
must_check int cache_create(struct block_open *open, struct cache **out);

/* Free everything; nothing is held. */
void cache_destroy(struct cache *cache);

/* Assert what is always true of a cache between two calls. Owner CPU. */
void cache_check(const struct cache *cache);

/*
 * Hold the chunk with byte `offset` of the disk until cache_put(). Thread of
 * the cache's CPU; may wait. Returns 0 and *out, -EINVAL (past the end),
 * -ENOMEM (every chunk is held, or no memory), or the error of block_read(). A
 * failed read is not kept: the next call reads again.
 */
must_check int cache_get(struct cache *cache, uint64_t offset,
                         struct cache_ref *out);
void cache_put(struct cache *cache, struct cache_ref *ref);

/*
 * Copy `size` bytes from byte `offset` of the disk to `buf`. Thread of the
 * cache's CPU; may wait. Returns as cache_get().
 */
must_check int cache_read(struct cache *cache, uint64_t offset, void *buf,
                          size_t size);

#endif
