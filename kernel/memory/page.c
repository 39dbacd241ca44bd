#include "kernel/memory/page.h"
#include "kernel/base/panic.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    CHUNK_PAGES = HAL_LARGE_PAGE_SIZE / PAGE_SIZE,
    LARGE_FRACTION = 8, /* of a share */
};

static_assert(sizeof(struct page_info) == 32,
              "33 bytes for 4 KiB: 0.8 percent");

static struct page_info *page_in(const struct page_range *range,
                                 uintptr_t address)
{
    return &range->pages[(address - range->base) >> PAGE_SHIFT];
}

struct page_info *page_at(const struct page_allocator *pages, const void *ptr)
{
    const struct page_range *range = page_range_of(pages, (uintptr_t)ptr);

    if (unlikely(range == NULL))
        panic("address %p is not memory of cpu %u", ptr, pages->cpu);
    return page_in(range, (uintptr_t)ptr);
}

void *page_address(const struct page_allocator *pages,
                   const struct page_info *page)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        const struct page_range *range = &pages->range[i];

        if (page >= range->pages && page < range->pages + range->page_count)
            return (char *)range->base +
                   (size_t)(page - range->pages) * PAGE_SIZE;
    }
    panic("page %p is not of cpu %u", (const void *)page, pages->cpu);
}

/* ---- Blocks -------------------------------------------------------------- */

static void block_insert(struct page_allocator *pages, struct page_info *page,
                         unsigned order)
{
    page->state = PAGE_FREE;
    page->order = (uint8_t)order;
    list_push_front(&pages->free[order], &page->link);
    pages->free_orders |= UINT32_C(1) << order;
}

static void block_remove(struct page_allocator *pages, struct page_info *page)
{
    list_remove(&page->link);
    page->state = PAGE_INNER;
    if (list_empty(&pages->free[page->order]))
        pages->free_orders &= ~(UINT32_C(1) << page->order);
}

/* Free one aligned block, joining it with its buddies as far as they go. */
static void block_free(struct page_allocator *pages,
                       const struct page_range *range, uintptr_t address,
                       unsigned order)
{
    while (order < PAGE_ORDER_MAX) {
        uintptr_t size = (uintptr_t)PAGE_SIZE << order;
        uintptr_t buddy_address = address ^ size;
        struct page_info *buddy;

        /* Of one below the range the difference is more than any, too. */
        if ((buddy_address - range->base) >> PAGE_SHIFT >= range->fresh)
            break;
        buddy = page_in(range, buddy_address);
        if (buddy->state != PAGE_FREE || buddy->order != order)
            break;
        block_remove(pages, buddy);
        address &= ~size;
        order++;
    }
    block_insert(pages, page_in(range, address), order);
}

/* The largest order a block at `address` of at most `count` pages can have. */
static unsigned order_fit(uintptr_t address, size_t count)
{
    unsigned align = (unsigned)__builtin_ctzll(address >> PAGE_SHIFT);
    unsigned size = 63 - (unsigned)__builtin_clzll(count);
    unsigned order = align < size ? align : size;

    return order < PAGE_ORDER_MAX ? order : PAGE_ORDER_MAX;
}

/* Free `count` pages at `address`, as the aligned blocks they are made of. */
static void pages_free(struct page_allocator *pages,
                       const struct page_range *range, uintptr_t address,
                       size_t count)
{
    while (count > 0) {
        unsigned order = order_fit(address, count);

        block_free(pages, range, address, order);
        address += (uintptr_t)PAGE_SIZE << order;
        count -= (size_t)1 << order;
    }
}

/* Make the next chunk of never-used pages ready; false when there is none. */
static __attribute__((cold)) bool range_grow(struct page_allocator *pages,
                                             struct page_range *range)
{
    uintptr_t address = range->base + range->fresh * PAGE_SIZE;
    size_t first = range->fresh;
    size_t count = CHUNK_PAGES - ((address >> PAGE_SHIFT) & (CHUNK_PAGES - 1));

    if (count > range->page_count - first)
        count = range->page_count - first;
    if (count == 0)
        return false;
    for (size_t i = first; i < first + count; i++)
        range->pages[i] = (struct page_info){.state = PAGE_INNER};
    for (size_t i = first; i < first + count; i++)
        range->classes[i] = MEM_NO_CLASS;
    range->fresh += count;
    pages_free(pages, range, address, count);
    return true;
}

static bool allocator_grow(struct page_allocator *pages)
{
    for (unsigned i = 0; i < pages->range_count; i++) {
        if (range_grow(pages, &pages->range[i]))
            return true;
    }
    return false;
}

/* Take a free block of at least `order`, from the smallest that fits. */
static struct page_info *block_take(struct page_allocator *pages,
                                    unsigned order)
{
    uint32_t fitting;
    struct page_info *page;

    for (;;) {
        fitting = pages->free_orders >> order << order;
        if (fitting != 0)
            break;
        if (!allocator_grow(pages))
            return NULL;
    }
    page = container_of(pages->free[__builtin_ctz(fitting)].next,
                        struct page_info, link);
    block_remove(pages, page);
    return page;
}

/* ---- Runs over several blocks -------------------------------------------- */

/* Pages free in a row from `at` on, never-used ones included; 0 when `at` is in
 * use. */
static size_t run_length(const struct page_range *range, size_t at)
{
    size_t end = at;

    while (end < range->fresh && range->pages[end].state == PAGE_FREE)
        end += (size_t)1 << range->pages[end].order;
    return (end >= range->fresh ? range->page_count : end) - at;
}

/* How far it is from a page in use to the next one of which more is known. */
static size_t used_length(const struct page_info *page)
{
    return page->state == PAGE_RUN ? page->used : 1;
}

__attribute__((cold)) char *page_claim(struct page_allocator *pages,
                                       const struct page_range *range,
                                       size_t run, size_t first, size_t count)
{
    size_t end = run;

    while (end < first + count) {
        struct page_info *page = &range->pages[end];

        assert(page->state == PAGE_FREE);
        end += (size_t)1 << page->order;
        block_remove(pages, page);
    }
    range->pages[first].state = PAGE_RUN;
    range->pages[first].used = (uint32_t)count;
    pages->free_pages -= count;
    pages_free(pages, range, range->base + run * PAGE_SIZE, first - run);
    pages_free(pages, range, range->base + (first + count) * PAGE_SIZE,
               end - first - count);
    return (char *)(range->base + first * PAGE_SIZE);
}

/* The first run of a range that has room. Looks at all its blocks. */
static __attribute__((cold)) char *run_alloc(struct page_allocator *pages,
                                             struct page_range *range,
                                             size_t count, size_t align)
{
    for (size_t at = 0; at < range->page_count;) {
        uintptr_t number = (range->base >> PAGE_SHIFT) + at;
        size_t skip = -number & (align - 1);
        size_t length = run_length(range, at);

        if (length >= skip + count) {
            while (range->fresh < at + skip + count)
                (void)range_grow(pages, range);
            return page_claim(pages, range, at, at + skip, count);
        }
        at += length > 0 ? length : used_length(&range->pages[at]);
    }
    return NULL;
}

/*
 * What is large against the share is worth looking for among neighbours: a
 * block of a power of two may not exist, or be needed only in part.
 */
static void *large_alloc(struct page_allocator *pages, size_t count,
                         unsigned align_order)
{
    void *found = NULL;

    if (count < pages->total_pages / LARGE_FRACTION &&
        count <= (size_t)1 << PAGE_ORDER_MAX)
        return NULL;
    for (unsigned i = 0; found == NULL && i < pages->range_count; i++)
        found =
            run_alloc(pages, &pages->range[i], count, (size_t)1 << align_order);
    return found;
}

void *page_alloc(struct page_allocator *pages, size_t count,
                 unsigned align_order)
{
    unsigned order = align_order;
    const struct page_range *range;
    struct page_info *page;
    uintptr_t address;

    assert(count > 0);
    if (count > pages->free_pages)
        return NULL;
    while ((size_t)1 << order < count)
        order++;
    page = order <= PAGE_ORDER_MAX ? block_take(pages, order) : NULL;
    if (page == NULL)
        return large_alloc(pages, count, align_order);
    address = (uintptr_t)page_address(pages, page);
    range = page_range_of(pages, address);
    page->state = PAGE_RUN;
    page->used = (uint32_t)count;
    pages->free_pages -= count;
    pages_free(pages, range, address + count * PAGE_SIZE,
               ((size_t)1 << page->order) - count);
    return (char *)address;
}

/* Pages that were used are free again. */
static void give_back(struct page_allocator *pages, uintptr_t address,
                      size_t count)
{
    if (unlikely(pages->watch != NULL))
        pages->watch->freed(pages->watch, address, count);
    pages->free_pages += count;
    pages_free(pages, page_range_of(pages, address), address, count);
}

size_t page_count_of(const struct page_allocator *pages, const void *ptr)
{
    struct page_info *page = page_at(pages, ptr);

    if (page->state != PAGE_RUN || ((uintptr_t)ptr & (PAGE_SIZE - 1)) != 0)
        panic("%p is not the start of allocated pages", ptr);
    return page->used;
}

void page_free(struct page_allocator *pages, void *ptr)
{
    size_t count = page_count_of(pages, ptr);

    page_at(pages, ptr)->state = PAGE_INNER;
    give_back(pages, (uintptr_t)ptr, count);
}

__attribute__((cold)) void page_shrink(struct page_allocator *pages, void *ptr,
                                       size_t count)
{
    size_t old = page_count_of(pages, ptr);

    assert(count > 0 && count <= old);
    page_at(pages, ptr)->used = (uint32_t)count;
    if (count < old)
        give_back(pages, (uintptr_t)ptr + count * PAGE_SIZE, old - count);
}

__attribute__((cold)) void *page_split(struct page_allocator *pages, void *ptr,
                                       size_t count)
{
    size_t old = page_count_of(pages, ptr);
    struct page_info *page = page_at(pages, ptr);

    assert(count > 0 && count <= old);
    page->used = (uint32_t)count;
    if (count == old)
        return NULL;
    page[count].state = PAGE_RUN;
    page[count].used = (uint32_t)(old - count);
    return (char *)ptr + count * PAGE_SIZE;
}

__attribute__((cold)) void page_set_class(struct page_allocator *pages,
                                          const void *ptr, size_t count,
                                          uint8_t class)
{
    const struct page_range *range = page_range_of(pages, (uintptr_t)ptr);
    size_t first = ((uintptr_t)ptr - range->base) >> PAGE_SHIFT;

    for (size_t i = first; i < first + count; i++)
        range->classes[i] = class;
}

/* A free block at `address`; it would have been joined to a free buddy. */
static __attribute__((cold)) void block_check(const struct page_range *range,
                                              uintptr_t address, unsigned order)
{
    uintptr_t size = (uintptr_t)PAGE_SIZE << order;
    uintptr_t buddy = address ^ size;
    uintptr_t ready = range->base + range->fresh * PAGE_SIZE;

    assert(address % size == 0);
    assert(address >= range->base && address + size <= ready);
    assert(page_in(range, address)->state == PAGE_FREE);
    assert(page_in(range, address)->order == order);
    if (order < PAGE_ORDER_MAX && buddy >= range->base && buddy < ready)
        assert(page_in(range, buddy)->state != PAGE_FREE ||
               page_in(range, buddy)->order != order);
}

/* The blocks on the list of an order; returns how many pages they have. */
static __attribute__((cold)) size_t
free_list_check(const struct page_allocator *pages, unsigned order)
{
    const struct list *head = &pages->free[order];
    size_t count = 0;

    assert(list_empty(head) == ((pages->free_orders >> order & 1) == 0));
    list_for_each (node, head) {
        struct page_info *page = container_of(node, struct page_info, link);
        uintptr_t address = (uintptr_t)page_address(pages, page);

        assert(node->next->prev == node);
        block_check(page_range_of(pages, address), address, order);
        count += (size_t)1 << order;
        assert(count <= pages->free_pages);
    }
    return count;
}

__attribute__((cold)) void pages_check(const struct page_allocator *pages)
{
    size_t free = 0;
    size_t total = 0;

    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
        free += free_list_check(pages, order);
    for (unsigned i = 0; i < pages->range_count; i++) {
        const struct page_range *range = &pages->range[i];

        assert(range->fresh <= range->page_count);
        assert(range->base % PAGE_SIZE == 0);
        free += range->page_count - range->fresh;
        total += range->page_count;
    }
    assert(free == pages->free_pages);
    assert(total == pages->total_pages);
}

bool page_is_mine(const struct page_allocator *pages, const void *ptr)
{
    return page_range_of(pages, (uintptr_t)ptr) != NULL;
}
