/*
 * Runs of pages: neighbours that are in memory, in one step. A page by itself
 * costs three accesses to memory, each of which needs the one before: its slot
 * in the tree, the page, its buffer. Slots of neighbours lie side by side, and
 * while the bytes of one run are copied the processor fetches the pages of the
 * next.
 */
#include "kernel/cache/run.h"
#include "kernel/cache/cache_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

enum { ALL = (1 << PAGE_SECTORS) - 1, RUN_PAGES = 16 };

/* Pages whose bytes lie one behind the other. */
struct run {
    void *const *slots;
    unsigned count;
    uint8_t *base;
};

static inline struct page *page_in(void *const *slot)
{
    return *slot;
}

/*
 * The slots from `index` on that lie side by side: *count gets how many. Each
 * is NULL or what is at its index. NULL where there is nothing near.
 */
static void *const *radix_slots(const struct radix *tree, uint64_t index,
                                unsigned *count)
{
    unsigned shift = tree->height * (unsigned)RADIX_SHIFT;
    void *const *at = &tree->root;

    *count = 1;
    if (index >> shift != 0)
        return NULL;
    while (shift > 0 && *at != NULL) {
        const struct radix_node *node = *at;
        unsigned slot;

        shift -= RADIX_SHIFT;
        slot = (unsigned)(index >> shift) % RADIX_SLOTS;
        at = &node->slots[slot];
        *count = RADIX_SLOTS - slot;
    }
    return shift > 0 ? NULL : at;
}

/* Whether a page's bytes may be read. */
static bool is_readable(const struct page *page)
{
    return page->valid == ALL;
}

/* Whether all of a page may be overwritten: there is room for it, and nobody
 * else has its buffer. */
static bool is_writable(const struct page *page)
{
    return page->reading == 0 && page->buf->refs == 1 &&
           (page->has_room == ALL || !mapping_has_map(page->mapping));
}

/* The run that begins in the first of `count` slots, of pages that are in
 * memory and of which `fits` says so. */
static inline struct run run_find(void *const *slots, unsigned count,
                                  bool (*fits)(const struct page *page))
{
    struct run run = {.slots = slots};

    count = min_u32(count, RUN_PAGES);
    for (; run.count < count; run.count++) {
        const struct page *page = page_in(&slots[run.count]);

        if (page == NULL || !fits(page))
            break;
        if (run.count == 0)
            run.base = page->buf->base;
        else if (page->buf->base != run.base + run.count * PAGE_BYTES)
            break;
    }
    return run;
}

/* The run behind is to be used next. */
static void prefetch(const struct run *run, unsigned count)
{
    unsigned end = min_u32(count, run->count + RUN_PAGES);

    for (unsigned i = run->count; i < end; i++)
        __builtin_prefetch(run->slots[i], 1);
}

/* Nothing waits while the bytes are looked at: a pin is for the sanitizer. */
static void run_hold(const struct run *run)
{
    for (unsigned i = 0; i < run->count; i++) {
        struct page *page = page_in(&run->slots[i]);

        if (SANITIZE_ADDRESS)
            page_hold(page);
        page->used = true;
    }
}

static void run_put(const struct run *run)
{
    for (unsigned i = 0; SANITIZE_ADDRESS && i < run->count; i++)
        page_put(page_in(&run->slots[i]));
}

/* How many pages from `index` on the reader may have before more is read ahead
 * for it. */
static unsigned free_of_mark(const struct readahead *readahead, uint64_t index,
                             unsigned count)
{
    uint64_t left = readahead->mark - index;

    if (readahead->window == 0 || readahead->mark < index)
        return count;
    return left < count ? (unsigned)left : count;
}

/* The reader gets `count` pages from `index` on. */
static void advance(struct readahead *readahead, uint64_t index, unsigned count)
{
    if (readahead->next - index > 1) /* neither the next one nor again */
        *readahead = (struct readahead){.next = 0};
    readahead->next = index + count;
}

/* The run at `index`, of which the reader has not got all yet: `pages` (> 0)
 * at most. */
static struct run run_next(struct mapping *mapping, uint64_t index,
                           uint64_t pages, struct readahead *readahead)
{
    unsigned near, count;
    void *const *slots = radix_slots(&mapping->tree, index, &near);
    struct run run = {.count = 0};

    if (slots == NULL)
        return run;
    count = (unsigned)min_u64(near, pages);
    run = run_find(slots, free_of_mark(readahead, index, count), is_readable);
    if (likely(run.count > 0)) {
        prefetch(&run, near);
        advance(readahead, index, run.count);
    }
    return run;
}

size_t page_copy_now(struct mapping *mapping, uint64_t at, void *to,
                     size_t size, struct readahead *readahead)
{
    size_t done = 0;

    while (done < size) {
        uint64_t index = (at + done) >> PAGE_BYTES_SHIFT;
        size_t from = (at + done) % PAGE_BYTES;
        uint64_t pages = (from + size - done + PAGE_BYTES - 1) / PAGE_BYTES;
        struct run run = run_next(mapping, index, pages, readahead);
        size_t part =
            min_size(run.count * (size_t)PAGE_BYTES, from + size - done);

        if (unlikely(run.count == 0))
            break;
        run_hold(&run);
        memcpy((char *)to + done, run.base + from, part - from);
        run_put(&run);
        done += part - from;
    }
    return done;
}

/* ---- Overwriting --------------------------------------------------------- */

static void run_dirty(const struct run *run)
{
    for (unsigned i = 0; i < run->count; i++) {
        struct page *page = page_in(&run->slots[i]);

        if (page->dirty != ALL)
            page_mark_dirty(page, ALL);
    }
}

size_t page_overwrite_now(struct mapping *mapping, uint64_t at,
                          const void *from, size_t size)
{
    const uint64_t end = min_u64(at + size, mapping->size_bytes);
    struct run run = {.count = 0};
    void *const *slots;
    unsigned near;

    if (at % PAGE_BYTES != 0 || at + PAGE_BYTES > end)
        return 0;
    slots = radix_slots(&mapping->tree, at >> PAGE_BYTES_SHIFT, &near);
    if (slots != NULL)
        run = run_find(slots, (unsigned)min_u64(near, (end - at) / PAGE_BYTES),
                       is_writable);
    if (run.count == 0)
        return 0;
    prefetch(&run, near);
    run_hold(&run);
    memcpy(run.base, from, run.count * (size_t)PAGE_BYTES);
    run_dirty(&run);
    run_put(&run);
    return run.count * (size_t)PAGE_BYTES;
}
