/*
 * Slabs: runs of pages cut into objects of one size class, each with a list of
 * its free objects. The page_info of a slab's first page is its descriptor,
 * found from any object by arithmetic. A slab that becomes empty goes back to
 * the page allocator, so memory does not stay in the class that once needed it.
 *
 * In front of the slabs each class has a quick list, last in, first out, which
 * is all that most calls touch: <torc/memory_inline.h>. An empty one takes over
 * the free list of a slab as it is. Objects go back to their slabs only when
 * pages run out (mem_trim()): a count to limit the list would be written by
 * every call, and each would wait for the one before.
 *
 * Classes: multiples of 16 up to 128, then four to each doubling: at most a
 * fifth of a block is lost. Every object is aligned to 16.
 */
#include "kernel/heap/heap.h"
#include "hal/hal.h"
#include "kernel/base/options.h"
#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/poison.h"
#include <torc/assert.h>
#include <torc/string.h>
#include <torc/trace.h>

enum { GRAIN = 1 << MEM_GRAIN_SHIFT };

static_assert(sizeof(struct exchange_item) <= GRAIN,
              "the smallest block can carry itself home");
static_assert(offsetof(struct heap, quick) == 0, "mem_quick_self()");
static_assert(1 << MEM_PAGE_SHIFT == HAL_PAGE_SIZE, "mem_quick_class()");

static const uint16_t class_size[MEM_CLASS_COUNT] = {
    16,   32,   48,   64,   80,   96,   112,  128,  160,  192,  224,
    256,  320,  384,  448,  512,  640,  768,  896,  1024, 1280, 1536,
    1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
};

bool heap_checking;

/* Pages in a slab of a class: so that a slab holds eight objects or more. */
static unsigned slab_pages(unsigned class)
{
    return class_size[class] <= 512 ? 1 : class_size[class] <= 2048 ? 4 : 16;
}

static unsigned slab_objects(unsigned class)
{
    return slab_pages(class) * PAGE_SIZE / class_size[class];
}

int heap_init(void)
{
    uint64_t check = 0;
    int status = option_number("memcheck", &check);

    heap_checking = check != 0;
    return status;
}

/* No block is the latest. NULL has no class: mem_free(NULL) takes the slow way.
 */
static void latest_forget(struct heap *heap)
{
    heap->quick.latest = NULL;
    heap->quick.latest_class = MEM_NO_CLASS;
}

/* Let mem_free() know its range, or know none, so that it is never quick. */
static void span_set(struct heap *heap, bool quick)
{
    struct mem_quick *mine = &heap->quick;

    latest_forget(heap);
    mine->span = 0;
    for (unsigned i = 0; i < heap->pages->range_count; i++) {
        struct page_range *range = &heap->pages->range[i];

        if (!quick || range->page_count * PAGE_SIZE <= mine->span)
            continue;
        mine->base = range->base;
        mine->span = range->page_count * PAGE_SIZE;
        mine->classes = range->classes;
    }
}

void heap_create(struct cpu *cpu)
{
    struct heap *heap = heap_of(cpu);

    *heap = (struct heap){.pages = mem_pages_of(cpu->id)};
    for (unsigned i = 0; i < MEM_CLASS_COUNT; i++)
        list_init(&heap->partial[i]);
    span_set(heap, !heap_checking);
}

/* ---- Slabs --------------------------------------------------------------- */

/* Cut a new slab; its descriptor, on the class's list, or NULL. */
static struct page_info *slab_create(struct heap *heap, unsigned class)
{
    unsigned pages = slab_pages(class);
    size_t size = class_size[class];
    char *base = page_alloc(heap->pages, pages, 0);
    struct page_info *slab;
    void *objects = NULL;

    if (base == NULL)
        return NULL;
    slab = page_at(heap->pages, base);
    for (unsigned i = 0; i < pages; i++) {
        slab[i].state = PAGE_SLAB;
        slab[i].class = (uint8_t) class;
        slab[i].head = (uint8_t)i;
    }
    for (unsigned i = slab_objects(class); i-- > 0;) {
        void *object = base + i * size;

        *(void **)object = objects;
        objects = object;
    }
    page_set_class(heap->pages, base, pages, (uint8_t) class);
    poison(base, pages * (size_t)PAGE_SIZE);
    slab->objects = objects;
    slab->used = 0;
    list_push_front(&heap->partial[class], &slab->link);
    return slab;
}

static void slab_destroy(struct heap *heap, struct page_info *slab)
{
    unsigned pages = slab_pages(slab->class);
    void *base = page_address(heap->pages, slab);

    list_remove(&slab->link);
    latest_forget(heap); /* it may be here, and has no class any more */
    for (unsigned i = 0; i < pages; i++)
        slab[i].state = PAGE_INNER;
    page_set_class(heap->pages, base, pages, MEM_NO_CLASS);
    slab->state = PAGE_RUN;
    slab->used = pages;
    unpoison(base, pages * (size_t)PAGE_SIZE);
    page_free(heap->pages, base);
}

/* Only the link of a free object may be touched. */
static inline struct mem_object *next_of(struct mem_object *object)
{
    struct mem_object *next;

    unpoison(object, sizeof(*object));
    next = object->next;
    poison(object, sizeof(*object));
    return next;
}

static inline void quick_push(struct heap *heap, unsigned class, void *ptr)
{
    unpoison(ptr, sizeof(struct mem_object));
    mem_quick_push(&heap->quick, class, ptr);
    poison(ptr, class_size[class]);
}

/* Let the quick list, which is empty, take over all a slab has. */
static bool quick_fill(struct heap *heap, unsigned class)
{
    struct list *partial = &heap->partial[class];
    unsigned all = slab_objects(class);
    struct page_info *slab;

    if (!list_empty(partial))
        slab = container_of(partial->next, struct page_info, link);
    else
        slab = slab_create(heap, class);
    if (slab == NULL)
        return false;
    heap->quick.list[class] = slab->objects;
    heap->taken += all - slab->used;
    slab->objects = NULL;
    slab->used = all;
    list_remove(&slab->link);
    return true;
}

/* An object goes back to its slab. */
static void slab_return(struct heap *heap, struct page_info *slab, void *object)
{
    struct list *partial = &heap->partial[slab->class];

    unpoison(object, sizeof(struct mem_object));
    ((struct mem_object *)object)->next = slab->objects;
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
static struct page_info *slab_of(struct heap *heap, const void *ptr)
{
    struct page_info *page = page_at(heap->pages, ptr);

    return page->state == PAGE_SLAB ? page - page->head : NULL;
}

/* Give the objects of a quick list back to their slabs. */
static void quick_drain(struct heap *heap, unsigned class)
{
    struct mem_object *object = heap->quick.list[class];

    heap->quick.list[class] = NULL;
    while (object != NULL) {
        struct mem_object *next = next_of(object);

        heap->taken--;
        slab_return(heap, slab_of(heap, object), object);
        object = next;
    }
}

/* Written by CPU 0 at boot, constant when others have started. */
static struct heap_reclaimer *reclaimers;

void heap_add_reclaimer(struct heap_reclaimer *reclaimer)
{
    for (const struct heap_reclaimer *at = reclaimers; at != NULL;
         at = at->next)
        if (at == reclaimer)
            return; /* tests boot a machine more than once */
    reclaimer->next = reclaimers;
    reclaimers = reclaimer;
}

void heap_set_last_resort(bool (*run)(void))
{
    heap_self()->last_resort = run;
}

/* Returns whether a reclaimer may give more; those behind it wait until it has
 * no more. */
static bool trim(struct heap *heap)
{
    bool more = false;

    for (const struct heap_reclaimer *at = reclaimers; at != NULL && !more;
         at = at->next)
        more = at->run();
    mem_free(heap->spare);
    heap->spare = NULL;
    dma_trim(heap);
    check_trim(heap);
    for (unsigned class = 0; class < MEM_CLASS_COUNT; class ++) {
        struct list *partial = &heap->partial[class];
        struct page_info *slab;

        quick_drain(heap, class);
        if (list_empty(partial))
            continue;
        slab = container_of(partial->next, struct page_info, link);
        if (slab->used == 0) /* the one that stayed */
            slab_destroy(heap, slab);
    }
    return more;
}

void mem_trim(void)
{
    (void)trim(heap_self());
}

/* All that is kept for later was given back, and was not enough. Returns
 * whether something has become free. */
static noinline bool last_resort(const struct heap *heap)
{
    return heap->last_resort != NULL && heap->last_resort();
}

/* ---- Failing on request -------------------------------------------------- */

/* While a failure is asked for, nothing is quick: all calls are counted. */
void heap_fail(uint64_t after)
{
    struct heap *heap = heap_self();

    heap->fault_after = after;
    span_set(heap, after == 0 && !heap_checking);
    for (unsigned i = 0; after != 0 && i < MEM_CLASS_COUNT; i++)
        quick_drain(heap, i);
}

bool heap_failed(void)
{
    return heap_self()->fault_after == 0;
}

/* ---- Allocate ------------------------------------------------------------ */

void *heap_pages(struct heap *heap, size_t count, unsigned align_order)
{
    void *ptr;

    if (unlikely(heap_must_fail(heap)))
        return NULL;
    ptr = page_alloc(heap->pages, count, align_order);
    while (unlikely(ptr == NULL) && count <= heap->pages->total_pages) {
        bool more = trim(heap);

        ptr = page_alloc(heap->pages, count, align_order);
        if (ptr == NULL && !more && !last_resort(heap))
            break;
    }
    if (unlikely(ptr == NULL))
        heap->failed++;
    return ptr;
}

/* ---- For the trace ------------------------------------------------------- */

static void trace_run_alloc(uintptr_t ptr, uintptr_t bytes)
{
    trace_event(TRACE_ALLOC, 0, 0, ptr, bytes);
}

void mem_trace_alloc(uintptr_t ptr, uintptr_t class)
{
    trace_event(TRACE_ALLOC, 0, 0, ptr, class_size[class]);
}

void mem_trace_free(uintptr_t ptr, uintptr_t unused)
{
    (void)unused;
    trace_event(TRACE_FREE, 0, 0, ptr, 0);
}

/* ---- Allocate, the long ways --------------------------------------------- */

static void *run_alloc(struct heap *heap, size_t size, size_t align)
{
    size_t count = pages_for(size);
    unsigned order = 0;
    void *ptr;

    while ((size_t)PAGE_SIZE << order < align)
        order++;
    ptr = heap_pages(heap, count, order);
    if (ptr != NULL)
        trace_site_add(&heap->run_count, 1, trace_run_alloc, (uintptr_t)ptr,
                       count * PAGE_SIZE);
    return ptr;
}

/* quick_fill() when there was no page for it: other classes may keep what this
 * one needs. */
static bool quick_fill_hard(struct heap *heap, unsigned class)
{
    bool more;

    do {
        more = trim(heap);
        if (quick_fill(heap, class))
            return true;
    } while (more || last_resort(heap));
    return false;
}

static void *small_alloc(struct heap *heap, unsigned class)
{
    struct mem_object *object;

    if (heap_must_fail(heap))
        return NULL;
    if (heap->quick.list[class] == NULL && !quick_fill(heap, class)) {
        if (!quick_fill_hard(heap, class)) {
            heap->failed++;
            return NULL;
        }
    }
    object = heap->quick.list[class];
    trace_site_store(&heap->quick.list[class], next_of(object), mem_trace_alloc,
                     (uintptr_t)object, class);
    if (heap->quick.span == 0)
        quick_drain(heap, class); /* the next one is counted, too */
    return object;
}

void *heap_alloc_plain(struct heap *heap, size_t size, size_t align)
{
    unsigned class;
    void *ptr;

    if (size > MEM_SMALL_MAX || align > PAGE_SIZE)
        return run_alloc(heap, size, align);
    class = mem_class_of(size);
    /* A slab begins on a page: objects of a multiple of align are aligned. */
    while (class_size[class] % align != 0)
        class ++;
    ptr = small_alloc(heap, class);
    if (ptr != NULL)
        unpoison(ptr, size);
    return ptr;
}

void *mem_alloc_slow(size_t size)
{
    struct heap *heap = heap_self();

    assert(size > 0);
    if (heap_checking)
        return check_alloc(heap, size, GRAIN);
    return heap_alloc_plain(heap, size, GRAIN);
}

void *mem_alloc_aligned(size_t size, size_t align)
{
    struct heap *heap = heap_self();

    assert(size > 0 && align > 0 && (align & (align - 1)) == 0);
    if (align < GRAIN)
        align = GRAIN;
    if (heap_checking)
        return check_alloc(heap, size, align);
    return heap_alloc_plain(heap, size, align);
}

void *mem_alloc_zeroed(size_t size)
{
    void *ptr = mem_alloc(size);

    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

/* ---- Free ---------------------------------------------------------------- */

void heap_free_plain(struct heap *heap, void *ptr)
{
    struct page_info *slab = slab_of(heap, ptr);

    if (slab != NULL) {
        trace_site_add(&heap->taken, (uint64_t)-1, mem_trace_free,
                       (uintptr_t)ptr, 0);
        slab_return(heap, slab, ptr);
    } else {
        page_free(heap->pages, ptr);
        trace_site_add(&heap->run_count, (uint64_t)-1, mem_trace_free,
                       (uintptr_t)ptr, 0);
    }
}

static noinline void free_slow(struct heap *heap, void *ptr)
{
    if (ptr == NULL)
        return;
    if (!page_is_mine(heap->pages, ptr))
        heap_send_home(heap, ptr);
    else if (heap_checking)
        check_free(heap, ptr);
    else
        heap_free_plain(heap, ptr);
}

/* Of its own most blocks go to their quick list. */
static inline bool free_quickly(struct heap *heap, void *ptr)
{
    unsigned class = mem_quick_class(&heap->quick, ptr);

    if (unlikely(class == MEM_NO_CLASS))
        return false;
    touch(ptr); /* the sanitizer tells when it is free already */
    quick_push(heap, class, ptr);
    return true;
}

void mem_free_slow(void *ptr)
{
    struct heap *heap = heap_self();

    if (SANITIZE_ADDRESS && free_quickly(heap, ptr))
        return;
    if (likely(heap_send_quickly(heap, ptr)))
        return;
    free_slow(heap, ptr);
}

void heap_free_all(struct heap *heap, void **blocks, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (unlikely(!free_quickly(heap, blocks[i])))
            free_slow(heap, blocks[i]);
    }
}

/* ---- Sizes --------------------------------------------------------------- */

size_t heap_usable_plain(struct heap *heap, const void *ptr)
{
    struct page_info *slab = slab_of(heap, ptr);

    return slab != NULL ? class_size[slab->class]
                        : page_count_of(heap->pages, ptr) * PAGE_SIZE;
}

size_t mem_usable_size(const void *ptr)
{
    struct heap *heap = heap_self();
    size_t size;

    if (heap_checking)
        return check_usable(ptr);
    size = heap_usable_plain(heap, ptr);
    unpoison(ptr, size);
    return size;
}

void *mem_resize(void *ptr, size_t size)
{
    struct heap *heap = heap_self();
    size_t old_size;
    void *moved;

    if (ptr == NULL)
        return mem_alloc(size);
    assert(size > 0);
    old_size = mem_usable_size(ptr);
    if (size <= old_size && size > old_size / 2)
        return ptr;
    if (!heap_checking && size > MEM_SMALL_MAX && size <= old_size) {
        page_shrink(heap->pages, ptr, pages_for(size));
        return ptr;
    }
    moved = mem_alloc(size);
    if (moved == NULL)
        return size < old_size ? ptr : NULL;
    memcpy(moved, ptr, old_size < size ? old_size : size);
    mem_free(ptr);
    return moved;
}

/* ---- Statistics ---------------------------------------------------------- */

size_t mem_total_bytes(void)
{
    return heap_self()->pages->total_pages * PAGE_SIZE;
}

size_t mem_free_bytes(void)
{
    const struct heap *heap = heap_self();

    return (heap->pages->free_pages + dma_kept_pages(heap)) * PAGE_SIZE;
}

void mem_get_stats(struct mem_stats *stats)
{
    struct heap *heap = heap_self();
    size_t kept = 0;
    size_t kept_bytes = 0;

    for (unsigned i = 0; i < MEM_CLASS_COUNT; i++) {
        for (struct mem_object *object = heap->quick.list[i]; object != NULL;
             object = next_of(object)) {
            kept++;
            kept_bytes += class_size[i];
        }
    }
    *stats = (struct mem_stats){
        .total_bytes = mem_total_bytes(),
        .free_bytes = mem_free_bytes(),
        .kept_bytes = kept_bytes,
        .block_count =
            heap->taken - kept + heap->run_count - heap->quarantine.count,
        .failed = heap->failed,
        .sent_home = heap->sent_home,
        .came_home = heap->came_home,
    };
}

/* ---- What must be true --------------------------------------------------- */

/* A slab, at its first page; returns how many of its objects are taken. */
static size_t slab_check(const struct heap *heap, const struct page_info *slab)
{
    char *base = page_address(heap->pages, slab);
    size_t size = class_size[slab->class];
    struct mem_object *object = slab->objects;
    unsigned free = 0;

    assert(slab->class < MEM_CLASS_COUNT);
    assert(slab->used <= slab_objects(slab->class));
    for (unsigned i = 0; i < slab_pages(slab->class); i++) {
        assert(slab[i].state == PAGE_SLAB);
        assert(slab[i].class == slab->class);
        assert(slab[i].head == i);
    }
    for (; object != NULL; object = next_of(object)) {
        size_t offset = (size_t)((char *)object - base);

        assert(offset % size == 0 && offset / size < slab_objects(slab->class));
        free++;
        assert(free <= slab_objects(slab->class) - slab->used);
    }
    assert(free == slab_objects(slab->class) - slab->used);
    return slab->used;
}

/* The slabs with free objects; returns how many there are. */
static size_t partial_check(const struct heap *heap, unsigned class)
{
    size_t count = 0;

    list_for_each (node, &heap->partial[class]) {
        const struct page_info *slab =
            container_of(node, struct page_info, link);

        assert(node->next->prev == node);
        assert(slab->state == PAGE_SLAB && slab->head == 0);
        assert(slab->class == class);
        assert(slab->objects != NULL);
        count++;
    }
    return count;
}

/* The block that mem_free() need not look up has the class it thinks. */
static void latest_check(const struct heap *heap)
{
    const struct mem_quick *quick = &heap->quick;
    const struct page_info *page;

    if (quick->latest == NULL) {
        assert(quick->latest_class == MEM_NO_CLASS);
        return;
    }
    page = page_at(heap->pages, quick->latest);
    assert(quick->span != 0);
    assert(page->state == PAGE_SLAB);
    assert(page->class == quick->latest_class);
}

/* A quick list; returns how many blocks are on it. */
static size_t quick_check(const struct heap *heap, unsigned class)
{
    size_t count = 0;

    for (struct mem_object *object = heap->quick.list[class]; object != NULL;
         object = next_of(object)) {
        const struct page_info *page = page_at(heap->pages, object);

        assert(page->state == PAGE_SLAB);
        assert(page->class == class);
        count++;
        assert(count <= heap->taken);
    }
    return count;
}

void heap_all_check(const struct heap *heap)
{
    size_t taken = 0;
    size_t with_free = 0;
    size_t kept = 0;
    size_t partial = 0;

    for (unsigned i = 0; i < heap->pages->range_count; i++) {
        const struct page_range *range = &heap->pages->range[i];

        for (size_t j = 0; j < range->fresh; j++) {
            const struct page_info *page = &range->pages[j];

            if (page->state != PAGE_SLAB || page->head != 0)
                continue;
            taken += slab_check(heap, page);
            with_free += page->objects != NULL;
        }
    }
    for (unsigned class = 0; class < MEM_CLASS_COUNT; class ++) {
        partial += partial_check(heap, class);
        kept += quick_check(heap, class);
    }
    latest_check(heap);
    assert(taken == heap->taken);
    assert(partial == with_free);
    assert(kept <= taken);
    assert(kept == 0 || heap->quick.span != 0);
    assert(!heap_checking || heap->quick.span == 0);
    assert(heap->quarantine.count <= QUARANTINE_BLOCKS);
    assert(heap->away.span == 0 || heap->away.parcel != NULL);
}
