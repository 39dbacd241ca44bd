/*
 * The size-class allocator behind mem_alloc(): see <torc/memory.h>.
 */
#ifndef TORC_KERNEL_HEAP_H
#define TORC_KERNEL_HEAP_H

#include "kernel/mem.h"
#include <torc/memory.h>

enum {
    HEAP_CLASS_COUNT = 32,
    HEAP_SMALL_MAX = 8192, /* larger blocks are whole pages */
};

struct heap {
    /* constant: */
    struct page_allocator *pages;
    /* owner CPU only: */
    struct list partial[HEAP_CLASS_COUNT]; /* slabs that have free objects */
    size_t block_count;
    uint64_t fault_after; /* tests: allocations until one fails; 0: never */
};

/* Make the heap of a CPU, in its own pages; NULL when there are none. */
struct heap *heap_create(struct page_allocator *pages);

/*
 * Tests: let the `after`-th allocation from now on this CPU fail, once; 0 ends
 * it. Whole-page allocations count too.
 */
void heap_fail(uint64_t after);

/* Whether the failure asked for has happened. */
bool heap_failed(void);

#endif
