/*
 * The size-class allocator behind mem_alloc(): see <torc/memory.h>.
 */
#ifndef TORC_KERNEL_HEAP_H
#define TORC_KERNEL_HEAP_H

#include <torc/memory.h>

struct page_allocator;
struct heap;

/* Make a heap that takes its pages from `pages`; NULL when it is empty. */
struct heap *heap_create(struct page_allocator *pages, unsigned cpu);

#endif
