/* Pages in memory: making and dropping them, pins, marks. */
#include "kernel/cache/cache_internal.h"
#include "kernel/lib/poison.h"
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { ALL = (1 << PAGE_SECTORS) - 1 };

uint8_t page_units(const struct mapping *mapping, uint32_t from, uint32_t len)
{
    uint32_t unit = (uint32_t)mapping->unit * BLOCK_SECTOR_SIZE;
    uint32_t first = from / unit;
    uint32_t end = (from + len + unit - 1) / unit;

    assert(len > 0);
    assert(len <= PAGE_BYTES);
    assert(from <= PAGE_BYTES - len);
    return sector_bits(first * mapping->unit, end * mapping->unit);
}

uint32_t page_length(const struct page *page)
{
    const struct mapping *mapping = page->mapping;
    uint64_t rest;

    if (mapping == NULL)
        return PAGE_BYTES;
    if (mapping->size_bytes >> PAGE_BYTES_SHIFT < page->index)
        return 0;
    rest = mapping->size_bytes - (page->index << PAGE_BYTES_SHIFT);
    return rest < PAGE_BYTES ? (uint32_t)rest : PAGE_BYTES;
}

/*
 * Bytes that nobody may look at are poisoned: those of a page without pins, and
 * what is behind the mapping's end. Not while somebody else has the buffer: a
 * device reads or writes whole sectors, and slices that are lent outlive pins.
 */
static void guard(const struct page *page)
{
    uint32_t length = page_length(page);

    if (!SANITIZE_ADDRESS)
        return;
    if (page->pins == 0 && page->buf->refs == 1) {
        poison(page->buf->base, PAGE_BYTES);
        return;
    }
    unpoison(page->buf->base, PAGE_BYTES);
    if (page->buf->refs == 1)
        poison(page->buf->base + length, PAGE_BYTES - length);
}

void page_settle(struct page *page)
{
    struct mapping *mapping = page->mapping;
    bool is_busy = page->reading > 0 || (page->dirty | page->writing) != 0;

    bool is_listed = !list_empty(&page->clean);

    assert(mapping != NULL);
    if (is_listed && is_busy) {
        list_remove(&page->clean);
        mapping->cache->clean_count--;
    } else if (!is_listed && !is_busy) {
        list_push_back(&mapping->cache->clean, &page->clean);
        mapping->cache->clean_count++;
    }
    guard(page);
}

/* ---- Making and dropping ------------------------------------------------- */

/* Sectors of a new page that hold their content, which is zeros: those of units
 * behind the end; without a device all. */
static uint8_t valid_from_start(const struct page *page)
{
    const struct mapping *mapping = page->mapping;
    uint32_t length = page_length(page);

    if (mapping->open == NULL)
        return ALL;
    return length == 0 ? ALL : (uint8_t)~page_units(mapping, 0, length);
}

void page_clear(struct page *page, uint8_t sectors)
{
    while (sectors != 0) {
        unsigned first = (unsigned)__builtin_ctz(sectors);
        unsigned count = (unsigned)__builtin_ctz(~((unsigned)sectors >> first));
        uint8_t *at = page->buf->base + first * BLOCK_SECTOR_SIZE;

        unpoison(at, count * (size_t)BLOCK_SECTOR_SIZE);
        memset(at, 0, count * (size_t)BLOCK_SECTOR_SIZE);
        sectors &= (uint8_t)~sector_bits(first, first + count);
    }
}

static void page_free(struct page *page)
{
    assert(wait_queue_empty(&page->waiters));
    assert(list_empty(&page->clean));
    unpoison(page->buf->base, PAGE_BYTES);
    buf_put(page->buf);
    mem_free(page);
}

/* A new page with one pin and without a valid sector. The reclaimer, which may
 * run here, sees only what is complete. */
static __attribute__((cold)) struct page *
page_make(struct mapping *mapping, uint64_t index, struct buf *buf)
{
    struct page *page = mem_alloc_zeroed(sizeof(*page));

    if (page == NULL)
        return NULL;
    page->buf = buf != NULL ? buf : buf_alloc_undefined(PAGE_BYTES);
    if (page->buf == NULL)
        goto fail_buf;
    page->mapping = mapping;
    page->index = index;
    page->pins = 1;
    list_init(&page->clean);
    wait_queue_init(&page->waiters);
    if (radix_insert(&mapping->tree, index, page) != 0)
        goto fail_insert;
    mapping->page_count++;
    mapping->cache->page_count++;
    page_settle(page);
    return page;

fail_insert:
    if (buf == NULL)
        buf_put(page->buf);
fail_buf:
    mem_free(page);
    return NULL;
}

/* What the file system keeps room for is given back. */
static void release(struct page *page, uint8_t sectors)
{
    struct mapping *mapping = page->mapping;
    unsigned first = 0;

    sectors &= page->reserved;
    page->reserved &= (uint8_t)~sectors;
    while (sectors >> first != 0) {
        unsigned end = first;
        struct extent out;

        while ((sectors >> end & 1) != 0)
            end++;
        if (end > first)
            (void)mapping->ops->map(mapping, page->index * PAGE_SECTORS + first,
                                    end - first, MAP_RELEASE, &out);
        first = end + 1;
    }
}

void page_forget(struct page *page, uint8_t sectors)
{
    assert((page->writing & sectors) == 0);
    page_set_state(page, page->dirty & (uint8_t)~sectors, page->writing);
    if (page->order != NULL)
        page->mapping->order->ops->forget(page, sectors);
    release(page, sectors);
    page->has_room &= (uint8_t)~sectors;
    page_settle(page);
}

__attribute__((cold)) void page_drop(struct page *page)
{
    struct mapping *mapping = page->mapping;

    assert(page->reading == 0);
    assert(page->writing == 0);
    page_forget(page, ALL);
    assert(page->order == NULL);
    list_remove(&page->clean);
    mapping->cache->clean_count--;
    radix_remove(&mapping->tree, page->index);
    mapping->page_count--;
    mapping->cache->page_count--;
    page->mapping = NULL;
    guard(page);
    if (page->pins == 0)
        page_free(page);
}

void page_discard(struct page *page)
{
    bool is_wanted = page->pins > 1 || page->reading > 0 ||
                     (page->dirty | page->writing) != 0;

    if (page->mapping != NULL && !is_wanted)
        page_drop(page);
}

/* ---- Pins ---------------------------------------------------------------- */

void page_hold(struct page *page)
{
    page->pins++;
    page->used = true;
    guard(page);
}

struct page *page_find(struct mapping *mapping, uint64_t index)
{
    struct page *page = radix_find(&mapping->tree, index);

    if (page == NULL || page->valid != ALL)
        return NULL;
    page_hold(page);
    return page;
}

/* The page, if page_read() would only find it. What the reader will be asked
 * for is noted. */
static inline struct page *find_next(struct mapping *mapping, uint64_t index,
                                     struct readahead *readahead)
{
    struct page *page = radix_find(&mapping->tree, index);

    if (unlikely(page == NULL || page->valid != ALL))
        return NULL;
    if (readahead->window > 0 && index == readahead->mark)
        return NULL;
    if (unlikely(readahead->next - index > 1)) /* neither the next nor again */
        *readahead = (struct readahead){.next = 0};
    readahead->next = index + 1;
    return page;
}

__attribute__((cold)) struct page *page_read_now(struct mapping *mapping,
                                                 uint64_t index,
                                                 struct readahead *readahead)
{
    struct page *page = find_next(mapping, index, readahead);

    if (likely(page != NULL))
        page_hold(page);
    return page;
}

struct buf *page_lend_now(struct mapping *mapping, uint64_t index,
                          struct readahead *readahead)
{
    struct page *page = find_next(mapping, index, readahead);

    if (unlikely(page == NULL))
        return NULL;
    buf_get(page->buf);
    page->used = true;
    guard(page);
    return page->buf;
}

/* The page, pinned, with `buf` if it is new. */
static int take(struct mapping *mapping, uint64_t index, struct buf *buf,
                bool *is_new, struct page **out)
{
    struct page *page = radix_find(&mapping->tree, index);

    if (index > (uint64_t)MAPPING_SIZE_MAX >> PAGE_BYTES_SHIFT)
        return -EFBIG;
    *is_new = page == NULL;
    if (page != NULL)
        page_hold(page);
    else
        page = page_make(mapping, index, buf);
    if (page == NULL)
        return -ENOMEM;
    *out = page;
    return 0;
}

__attribute__((cold)) void page_clear_new(struct page *page)
{
    uint8_t rest = valid_from_start(page) & (uint8_t)~page->valid;

    page_clear(page, rest);
    page->valid |= rest;
    page_settle(page);
}

int page_take(struct mapping *mapping, uint64_t index, struct page **out)
{
    bool is_new;
    int status = take(mapping, index, NULL, &is_new, out);

    if (status == 0 && is_new)
        page_clear_new(*out);
    return status;
}

int page_take_whole(struct mapping *mapping, uint64_t index, struct buf *buf,
                    struct page **out)
{
    bool is_new;

    return take(mapping, index, buf, &is_new, out);
}

void page_put(struct page *page)
{
    assert(page->pins > 0);
    if (--page->pins > 0)
        return;
    if (likely(page->mapping != NULL))
        guard(page);
    else
        page_free(page);
}

struct page *mapping_next_dirty(struct mapping *mapping, uint64_t index)
{
    struct page *page = radix_next(&mapping->tree, index, true);

    if (page != NULL)
        page_hold(page);
    return page;
}

/* ---- Checking ------------------------------------------------------------ */

__attribute__((cold)) void page_check(const struct page *page)
{
    const struct mapping *mapping = page->mapping;
    bool is_busy = page->reading > 0 || (page->dirty | page->writing) != 0;

    buf_check(page->buf);
    wait_queue_check(&page->waiters);
    assert(page->buf->size == PAGE_BYTES);
    if (mapping == NULL) {
        assert(page->pins > 0);
        assert(list_empty(&page->clean));
        return;
    }
    assert(radix_find(&mapping->tree, page->index) == page);
    assert((page->dirty & ~page->valid) == 0);
    assert((page->writing & ~page->valid) == 0);
    assert((page->reserved & ~page->has_room) == 0);
    assert(!mapping_has_map(mapping) || (page->dirty & ~page->has_room) == 0);
    assert(is_busy == list_empty(&page->clean));
    assert(page->writing == 0 || mapping->open != NULL);
    if (page->order != NULL)
        mapping->order->ops->check(page);
}
