/* Memory for devices: whole pages, <torc/memory.h>. */
#include "kernel/heap/heap.h"
#include <torc/assert.h>
#include <torc/page_run.h>
#include <torc/string.h>

enum {
    RUN_PAGES = 64,
    RUN_SHARE = 64, /* of the memory that is free: no more is kept */
};

/* ---- One page after the other -------------------------------------------- */

size_t dma_kept_pages(const struct heap *heap)
{
    return heap->run == NULL ? 0 : page_count_of(heap->pages, heap->run);
}

void dma_trim(struct heap *heap)
{
    if (heap->run != NULL)
        page_free(heap->pages, heap->run);
    heap->run = NULL;
}

/*
 * A page of its own. Those that are allocated one after the other lie so in
 * memory, too: the processor reads ahead in the pages of a file.
 */
static void *page_next(struct heap *heap)
{
    size_t most = heap->pages->free_pages / RUN_SHARE;
    void *ptr;

    if (most > RUN_PAGES)
        most = RUN_PAGES;
    if (heap->run == NULL && most > 1)
        heap->run = page_alloc(heap->pages, most, 0);
    if (heap->run == NULL)
        return heap_pages(heap, 1, 0);
    if (heap_must_fail(heap))
        return NULL;
    ptr = heap->run;
    heap->run = page_split(heap->pages, ptr, 1);
    return ptr;
}

/* ---- Allocate and free --------------------------------------------------- */

void *dma_alloc_undefined(size_t size)
{
    struct heap *heap = heap_self();
    size_t count = pages_for(size);
    void *ptr;

    assert(size > 0);
    ptr = count == 1 ? page_next(heap) : heap_pages(heap, count, 0);
    if (ptr == NULL)
        return NULL;
    if (hal_dma_map(ptr, count << PAGE_SHIFT) != 0) {
        page_free(heap->pages, ptr);
        return NULL;
    }
    return ptr;
}

void *dma_alloc(size_t size)
{
    void *ptr = dma_alloc_undefined(size);

    if (ptr != NULL)
        memset(ptr, 0, pages_for(size) << PAGE_SHIFT);
    return ptr;
}

void dma_free(void *ptr, size_t size)
{
    size_t count = pages_for(size);
    struct page_allocator *pages = heap_self()->pages;

    if (ptr == NULL)
        return;
    assert(page_count_of(pages, ptr) == count);
    hal_dma_unmap(ptr, count << PAGE_SHIFT);
    page_free(pages, ptr);
}

/* ---- Runs that are taken apart ------------------------------------------- */

void *page_run_alloc(unsigned pages)
{
    struct heap *heap = heap_self();

    return heap_must_fail(heap) ? NULL : page_alloc(heap->pages, pages, 0);
}

void page_run_free(void *run)
{
    if (run != NULL)
        page_free(heap_self()->pages, run);
}

void *page_run_take(void **run)
{
    void *ptr = *run;

    if (hal_dma_map(ptr, PAGE_SIZE) != 0)
        return NULL;
    *run = page_split(heap_self()->pages, ptr, 1);
    return ptr;
}
