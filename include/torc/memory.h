/*
 * Memory. Each CPU allocates from its own region; a block belongs to the CPU
 * that allocated it and is freed there.
 */
#ifndef TORC_MEMORY_H
#define TORC_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/*
 * Allocate `size` bytes (> 0), aligned to 16, contents undefined.
 * Returns NULL when this CPU's region has no room. Does not wait.
 */
must_check static inline void *mem_alloc(size_t size);

/* As mem_alloc(), all bytes zero. */
must_check void *mem_alloc_zeroed(size_t size);

/*
 * As mem_alloc(), aligned to `align` bytes, a power of two of any size. Freed
 * and resized like any other; a resized one is aligned to 16 only.
 */
must_check void *mem_alloc_aligned(size_t size, size_t align);

/*
 * Free a block; NULL is ignored. On the CPU that owns the block; a foreign
 * block is sent home through an exchange slot.
 */
static inline void mem_free(void *ptr);

/*
 * Move a block to a new size, keeping the contents; NULL allocates.
 * Returns NULL, the old block untouched, when there is no room. On the CPU that
 * owns the block.
 */
must_check void *mem_resize(void *ptr, size_t size);

/* How many bytes the block at `ptr` can hold. On the CPU that owns it. */
size_t mem_usable_size(const void *ptr);

/*
 * Allocate whole zeroed pages that devices of this CPU can reach.
 *   size    bytes, rounded up to pages
 * Returns NULL when there is no room. dma_free() takes the same size.
 */
must_check void *dma_alloc(size_t size);

/* The same, contents undefined: a device or the caller fills it. */
must_check void *dma_alloc_undefined(size_t size);
void dma_free(void *ptr, size_t size);

/*
 * How the processor caches [ptr, ptr+size), whole pages of this CPU's region,
 * such as dma_alloc() gives. Set them back to MEM_CACHED before they are freed.
 * Returns 0, -EINVAL (not whole pages, no memory of the machine), -EXDEV (not
 * all this CPU's), -ENOTSUP (the machine cannot: the hosted one), -ENOMEM (no
 * room for a page table); after an error nothing has changed.
 */
enum mem_cache {
    MEM_CACHED,          /* the usual */
    MEM_UNCACHED,        /* each access goes to the memory, in order */
    MEM_WRITE_COMBINING, /* not cached; stores are collected into bursts */
};
must_check int mem_cache_set(void *ptr, size_t size, enum mem_cache mode);

/* This CPU's region. */
struct mem_stats {
    size_t total_bytes;
    size_t free_bytes;  /* in whole free pages */
    size_t kept_bytes;  /* in freed blocks kept for the next allocations */
    size_t block_count; /* live mem_alloc() blocks */
    uint64_t failed;    /* allocations that found no room */
    uint64_t sent_home; /* blocks of other CPUs freed here */
    uint64_t came_home; /* blocks of this CPU freed on others */
};
void mem_get_stats(struct mem_stats *stats);

/* Two of these at once, without counting blocks: total_bytes, free_bytes. */
size_t mem_total_bytes(void);
size_t mem_free_bytes(void);

/*
 * Turn the freed blocks that are kept into free pages, as far as they fill
 * whole pages. mem_alloc() does so by itself before it fails.
 */
void mem_trim(void);

#include <torc/memory_inline.h>

#endif
