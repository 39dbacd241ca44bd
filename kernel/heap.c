/*
 * Slabs: runs of pages cut into objects of one size class, each with a list of
 * its free objects. The struct page of a slab's first page is its descriptor,
 * found from any object by arithmetic. A slab that becomes empty goes back to
 * the page allocator, so memory does not stay in the class that once needed it.
 *
 * Classes: multiples of 16 up to 128, then four to each doubling: at most a
 * fifth of a block is lost. Every object is aligned to 16.
 */
#include "kernel/heap.h"
#include "hal/hal.h"
#include "kernel/exchange.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/lib/poison.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

static_assert(sizeof(struct exchange_item) <= 16,
              "the smallest block can carry itself home");

static const uint16_t class_size[HEAP_CLASS_COUNT] = {
    16,   32,   48,   64,   80,   96,   112,  128,  160,  192,  224,
    256,  320,  384,  448,  512,  640,  768,  896,  1024, 1280, 1536,
    1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
};

/* The class of 1 .. HEAP_SMALL_MAX bytes. */
static unsigned class_of(size_t size)
{
    unsigned msb;

    if (size <= 128)
        return (unsigned)((size - 1) >> 4);
    msb = 63 - (unsigned)__builtin_clzll(size - 1);
    return 8 + (msb - 7) * 4 + (unsigned)((size - 1) >> (msb - 2) & 3);
}

/* Pages in a slab of a class: so that a slab holds eight objects or more. */
static unsigned slab_pages(unsigned class)
{
    return class_size[class] <= 512 ? 1 : class_size[class] <= 2048 ? 4 : 16;
}

struct heap *heap_create(struct page_allocator *pages)
{
    struct heap *heap = page_alloc(pages, 1, 0);

    static_assert(sizeof(struct heap) <= PAGE_SIZE, "one page");
    if (heap == NULL)
        return NULL;
    *heap = (struct heap){.pages = pages};
    for (unsigned i = 0; i < HEAP_CLASS_COUNT; i++)
        list_init(&heap->partial[i]);
    return heap;
}

/* ---- Failing on request -------------------------------------------------- */

void heap_fail(uint64_t after)
{
    cpu_self()->heap->fault_after = after;
}

bool heap_failed(void)
{
    return cpu_self()->heap->fault_after == 0;
}

static bool must_fail(struct heap *heap)
{
    if (likely(heap->fault_after == 0))
        return false;
    return --heap->fault_after == 0;
}

/* ---- Slabs --------------------------------------------------------------- */

/* Cut a new slab; its descriptor, on the class's list, or NULL. */
static struct page *slab_create(struct heap *heap, unsigned class)
{
    unsigned pages = slab_pages(class);
    size_t size = class_size[class];
    char *base = page_alloc(heap->pages, pages, 0);
    struct page *slab;
    void *objects = NULL;

    if (base == NULL)
        return NULL;
    slab = page_at(heap->pages, base);
    for (unsigned i = 0; i < pages; i++) {
        slab[i].state = PAGE_SLAB;
        slab[i].class = (uint8_t) class;
        slab[i].head = (uint8_t)i;
    }
    for (size_t i = pages * (size_t)PAGE_SIZE / size; i-- > 0;) {
        void *object = base + i * size;

        *(void **)object = objects;
        objects = object;
    }
    poison(base, pages * (size_t)PAGE_SIZE);
    slab->objects = objects;
    slab->used = 0;
    list_push_front(&heap->partial[class], &slab->link);
    return slab;
}

static void slab_destroy(struct heap *heap, struct page *slab)
{
    unsigned pages = slab_pages(slab->class);
    void *base = page_address(heap->pages, slab);

    list_remove(&slab->link);
    for (unsigned i = 0; i < pages; i++)
        slab[i].state = PAGE_INNER;
    slab->state = PAGE_RUN;
    slab->used = pages;
    unpoison(base, pages * (size_t)PAGE_SIZE);
    page_free(heap->pages, base);
}

static void *small_alloc(struct heap *heap, size_t size)
{
    unsigned class = class_of(size);
    struct list *partial = &heap->partial[class];
    struct page *slab;
    void *object;

    if (unlikely(list_empty(partial))) {
        slab = slab_create(heap, class);
        if (slab == NULL)
            return NULL;
    } else {
        slab = container_of(partial->next, struct page, link);
    }
    object = slab->objects;
    unpoison(object, size < sizeof(void *) ? sizeof(void *) : size);
    slab->objects = *(void **)object;
    slab->used++;
    if (slab->objects == NULL)
        list_remove(&slab->link);
    return object;
}

static void small_free(struct heap *heap, struct page *slab, void *object)
{
    struct list *partial = &heap->partial[slab->class];

    unpoison(object, sizeof(void *));
    *(void **)object = slab->objects;
    poison(object, class_size[slab->class]);
    if (slab->objects == NULL)
        list_push_front(partial, &slab->link);
    slab->objects = object;
    slab->used--;
    /* One empty slab stays, so that a lone pair does not make and unmake it. */
    if (slab->used == 0 && partial->next != partial->prev)
        slab_destroy(heap, slab);
}

/* The slab of `ptr`, or NULL when it is a run of pages. */
static struct page *slab_of(struct heap *heap, const void *ptr)
{
    struct page *page = page_at(heap->pages, ptr);

    if (page->state != PAGE_SLAB)
        return NULL;
    return page - page->head;
}

/* ---- The interface ------------------------------------------------------- */

void *mem_alloc(size_t size)
{
    struct heap *heap = cpu_self()->heap;
    void *ptr;

    assert(size > 0);
    if (must_fail(heap) || size > SIZE_MAX / 2)
        return NULL;
    if (size <= HEAP_SMALL_MAX)
        ptr = small_alloc(heap, size);
    else
        ptr = page_alloc(heap->pages, (size + PAGE_SIZE - 1) >> PAGE_SHIFT, 0);
    if (likely(ptr != NULL))
        heap->block_count++;
    return ptr;
}

void *mem_alloc_zeroed(size_t size)
{
    void *ptr = mem_alloc(size);

    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

/* On the owner, for a block freed elsewhere. */
static void free_arrived(struct exchange_item *item)
{
    mem_free(item);
}

/* The block itself carries the message. */
static void free_foreign(void *ptr)
{
    int owner = mem_owner(ptr);
    struct exchange_item *item = ptr;

    if (owner < 0)
        panic("mem_free: %p is not memory of any cpu", ptr);
    item->run = free_arrived;
    exchange_send((unsigned)owner, item);
}

static bool is_mine(const struct page_allocator *pages, const void *ptr)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        const struct page_range *range = &pages->range[i];

        if ((uintptr_t)ptr - range->base < range->page_count * PAGE_SIZE)
            return true;
    }
    return false;
}

void mem_free(void *ptr)
{
    struct heap *heap = cpu_self()->heap;
    struct page *slab;

    if (ptr == NULL)
        return;
    if (unlikely(!is_mine(heap->pages, ptr))) {
        free_foreign(ptr);
        return;
    }
    heap->block_count--;
    slab = slab_of(heap, ptr);
    if (likely(slab != NULL))
        small_free(heap, slab, ptr);
    else
        page_free(heap->pages, ptr);
}

size_t mem_usable_size(const void *ptr)
{
    struct heap *heap = cpu_self()->heap;
    struct page *slab = slab_of(heap, ptr);
    size_t size = slab != NULL ? class_size[slab->class]
                               : page_count_of(heap->pages, ptr) * PAGE_SIZE;

    unpoison(ptr, size);
    return size;
}

void *mem_resize(void *ptr, size_t size)
{
    size_t old_size;
    void *moved;

    if (ptr == NULL)
        return mem_alloc(size);
    old_size = mem_usable_size(ptr);
    if (size <= old_size && size > old_size / 2)
        return ptr;
    moved = mem_alloc(size);
    if (moved == NULL)
        return size <= old_size ? ptr : NULL;
    memcpy(moved, ptr, old_size < size ? old_size : size);
    mem_free(ptr);
    return moved;
}

void *dma_alloc(size_t size)
{
    struct heap *heap = cpu_self()->heap;
    size_t count = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    void *ptr;

    assert(size > 0);
    if (must_fail(heap))
        return NULL;
    ptr = page_alloc(heap->pages, count, 0);
    if (ptr == NULL)
        return NULL;
    if (hal_dma_map(ptr, count << PAGE_SHIFT) != 0) {
        page_free(heap->pages, ptr);
        return NULL;
    }
    memset(ptr, 0, count << PAGE_SHIFT);
    return ptr;
}

void dma_free(void *ptr, size_t size)
{
    size_t count = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    struct page_allocator *pages = cpu_self()->heap->pages;

    if (ptr == NULL)
        return;
    assert(page_count_of(pages, ptr) == count);
    hal_dma_unmap(ptr, count << PAGE_SHIFT);
    page_free(pages, ptr);
}

void mem_get_stats(struct mem_stats *stats)
{
    struct heap *heap = cpu_self()->heap;

    stats->total_bytes = heap->pages->total_pages * PAGE_SIZE;
    stats->free_bytes = heap->pages->free_pages * PAGE_SIZE;
    stats->block_count = heap->block_count;
}
