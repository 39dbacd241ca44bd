/*
 * Pages: the allocator of one CPU's share, which only that CPU touches.
 *
 * A buddy allocator by physical address: a block of 2^k pages is aligned to its
 * size, and a freed one joins its free neighbours. Every page has a struct
 * page; the array is made ready in chunks as the memory is first used, so that
 * boot costs the same with 8 MiB and with 512 GiB.
 */
#ifndef TORC_KERNEL_PAGE_H
#define TORC_KERNEL_PAGE_H

#include "hal/hal.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>
#include <torc/memory.h>

enum {
    PAGE_SHIFT = MEM_PAGE_SHIFT,
    PAGE_SIZE = HAL_PAGE_SIZE,
    PAGE_ORDER_MAX = 18, /* a block of 1 GiB */
};

/* The pages that `size` bytes need; right up to SIZE_MAX, where a sum wraps. */
static inline size_t pages_for(size_t size)
{
    return (size >> PAGE_SHIFT) + ((size & (PAGE_SIZE - 1)) != 0);
}

enum page_state {
    PAGE_FREE,  /* first page of a free block of 2^order pages */
    PAGE_INNER, /* inside a free or used block */
    PAGE_RUN,   /* first page of `count` pages handed out */
    PAGE_SLAB,  /* in a slab of the heap; `head` pages behind its first */
};

struct page_info {
    uint8_t state;
    uint8_t order;    /* of a free block */
    uint8_t class;    /* of a slab: its size class */
    uint8_t head;     /* of a slab's page: distance to the first */
    uint32_t used;    /* of a slab: objects handed out; of a run: pages */
    void *objects;    /* of a slab: its free objects */
    struct list link; /* of a free block or of a slab that has free objects */
};

/* A contiguous piece of a CPU's share. */
struct page_range {
    uintptr_t base;          /* first allocatable byte */
    size_t page_count;       /* pages from there */
    size_t fresh;            /* pages from here on were never used */
    struct page_info *pages; /* page_count of them, below base */
    uint8_t *classes;        /* of each page: the size class of its slab, or
                           MEM_NO_CLASS; just below base */
};

/* Is told of pages that were used and are free from now on, before they are.
 * Owner CPU; it may neither allocate nor free. */
struct page_watch {
    void (*freed)(struct page_watch *watch, uintptr_t address, size_t count);
};

struct page_allocator {
    /* constant after mem_init(): */
    unsigned cpu;
    unsigned range_count;
    /* owner CPU only: */
    struct page_range *range; /* range_count of them */
    struct list free[PAGE_ORDER_MAX + 1];
    uint32_t free_orders; /* bit k: free[k] is not empty */
    size_t total_pages;
    size_t free_pages;        /* fresh ones included */
    struct page_watch *watch; /* NULL: none */
};

/*
 * Take `count` (> 0) contiguous pages, aligned to 2^align_order pages; contents
 * undefined. A request for a large part of the share may lie over several
 * blocks, and is not limited by their size. Returns NULL when there is no such
 * block. Owner CPU.
 */
void *page_alloc(struct page_allocator *pages, size_t count,
                 unsigned align_order);

/* Give back what page_alloc() returned. Owner CPU. */
void page_free(struct page_allocator *pages, void *ptr);

/* Keep the first `count` (> 0) of these pages, give back the rest. Owner
 * CPU. */
void page_shrink(struct page_allocator *pages, void *ptr, size_t count);

/*
 * Make two of these pages: the first `count` (> 0), and the rest, which is
 * returned; NULL: there is none. Each is freed by itself. Owner CPU.
 */
void *page_split(struct page_allocator *pages, void *ptr, size_t count);

/* Say that `count` pages from `ptr` on belong to a slab of a class. */
void page_set_class(struct page_allocator *pages, const void *ptr, size_t count,
                    uint8_t class);

/*
 * Take pages of a range that are known to be free: [first, first + count), in a
 * row of free blocks that begins at page `run`, none of it fresh. They are
 * freed as page_alloc()'s. Owner CPU.
 */
char *page_claim(struct page_allocator *pages, const struct page_range *range,
                 size_t run, size_t first, size_t count);

/* Whether an address is in a range. */
static inline bool page_range_holds(const struct page_range *range,
                                    uintptr_t address)
{
    return address >= range->base &&
           address - range->base < range->page_count * (uintptr_t)PAGE_SIZE;
}

/* The range of an address; NULL: it is not in this share. */
static inline const struct page_range *
page_range_of(const struct page_allocator *pages, uintptr_t address)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        if (page_range_holds(&pages->range[i], address))
            return &pages->range[i];
    }
    return NULL;
}

/* Whether `ptr` is in this share. */
bool page_is_mine(const struct page_allocator *pages, const void *ptr);

/* How many pages page_alloc() gave at `ptr`. */
size_t page_count_of(const struct page_allocator *pages, const void *ptr);

/* The page_info of an address of this share; outside it the machine stops. */
struct page_info *page_at(const struct page_allocator *pages, const void *ptr);

/*
 * What must be true of a share between any two calls: each free block is whole,
 * aligned and on the list of its order, and all free pages are accounted for.
 * Panics when it is not. For tests and the simulated machine; takes as long as
 * there are free blocks.
 */
void pages_check(const struct page_allocator *pages);

/* The address of a struct page_info. */
void *page_address(const struct page_allocator *pages,
                   const struct page_info *page);

#endif
