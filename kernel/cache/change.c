/* Changing pages: what comes before a change, and behind it. */
#include "kernel/cache/cache_internal.h"
#include "kernel/cache/run.h"
#include "kernel/lib/poison.h"
#include <torc/errno.h>
#include <torc/string.h>
#include <torc/time.h>

/* ---- Counting ------------------------------------------------------------ */

/* A mapping has its first dirty page. The list is by time: the new one has the
 * latest. */
static void mapping_has_dirty(struct mapping *mapping)
{
    struct page_cache *cache = mapping->cache;

    mapping->flush_at_ns = time_ns() + FLUSH_AFTER_NS;
    list_push_back(&cache->dirty, &mapping->dirty_link);
    wait_wake_all(&cache->work);
}

/* One page more, or less, that is dirty or under way. */
static void mapping_count(struct mapping *mapping, bool one_more)
{
    struct page_cache *cache = mapping->cache;

    mapping->dirty_count += one_more;
    mapping->dirty_count -= !one_more;
    if (mapping->open == NULL)
        return;
    cache->dirty_count += one_more;
    cache->dirty_count -= !one_more;
    if (!one_more && mapping->dirty_count == 0)
        list_remove(&mapping->dirty_link);
    else if (one_more && mapping->dirty_count == 1)
        mapping_has_dirty(mapping);
    else if (one_more && cache->dirty_count == cache->dirty_limit / FLUSH_SHARE)
        wait_wake_all(&cache->work);
    if (unlikely(cache->throttled > 0) &&
        cache->dirty_count < cache->dirty_limit)
        wait_wake_all(&cache->room);
}

void page_set_state(struct page *page, uint8_t dirty, uint8_t writing)
{
    bool was_marked = (page->dirty | page->writing) != 0;
    bool is_marked = (dirty | writing) != 0;

    page->dirty = dirty;
    page->writing = writing;
    if (was_marked == is_marked)
        return;
    radix_set_dirty(&page->mapping->tree, page->index, is_marked);
    mapping_count(page->mapping, is_marked);
}

/* ---- Before a change ----------------------------------------------------- */

/* The sectors that lie in bytes [from, from + len) as a whole. */
static uint8_t covered(uint32_t from, uint32_t len)
{
    uint32_t first = (from + BLOCK_SECTOR_SIZE - 1) / BLOCK_SECTOR_SIZE;
    uint32_t end = (from + len) / BLOCK_SECTOR_SIZE;

    return first < end ? sector_bits(first, end) : 0;
}

/*
 * Ask the file system for room for the first run of `sectors`. What is in
 * memory as dirty has its room already. Waits.
 */
static int reserve(struct page *page, uint8_t sectors)
{
    struct mapping *mapping = page->mapping;
    unsigned first = (unsigned)__builtin_ctz(sectors);
    unsigned count = (unsigned)__builtin_ctz(~((unsigned)sectors >> first));
    uint64_t sector = page->index * PAGE_SECTORS + first;
    struct extent out;
    int status = mapping->ops->map(mapping, sector, count, MAP_RESERVE, &out);

    if (status != 0)
        return status;
    assert(out.sectors > 0);
    assert(out.sectors <= count);
    assert(out.sectors % mapping->unit == 0);
    sectors = sector_bits(first, first + out.sectors);
    if (page->mapping == NULL) {
        if (out.type == EXTENT_HOLE)
            (void)mapping->ops->map(mapping, sector, out.sectors, MAP_RELEASE,
                                    &out);
        return -ENOENT;
    }
    page->has_room |= sectors;
    if (out.type == EXTENT_HOLE)
        page->reserved |= sectors;
    return 0;
}

/* A buffer that nobody else has, whose bytes may be anything. Returns 0,
 * -ENOMEM. */
static int renew(struct page *page)
{
    struct buf *buf = buf_alloc_undefined(PAGE_BYTES);

    if (buf == NULL)
        return -ENOMEM;
    buf_put(page->buf);
    page->buf = buf;
    return 0;
}

int page_stabilize(struct page *page)
{
    struct buf *old = page->buf;
    int status;

    assert(page->reading == 0);
    if (old->refs == 1)
        return 0;
    buf_get(old);
    status = renew(page);
    if (status == 0) {
        memcpy(page->buf->base, old->base, PAGE_BYTES);
        page_settle(page);
    }
    buf_put(old);
    return status;
}

/* What comes before a change, but for a buffer that nobody else has. Waits. */
static int prepare(struct page *page, uint32_t from, uint32_t len)
{
    int status = 0;

    assert(page->pins > 0);
    while (status == 0) {
        struct mapping *mapping = page->mapping;
        uint8_t units, rest, roomless;

        if (mapping == NULL)
            return -ENOENT;
        units = page_units(mapping, from, len);
        rest = units & (uint8_t) ~(covered(from, len) | page->valid);
        roomless = units & (uint8_t)~page->has_room;
        if (page->reading > 0)
            wait_on(&page->waiters);
        else if (rest != 0)
            status = page_complete(page, 0);
        else if (roomless != 0 && mapping_has_map(mapping))
            status = reserve(page, roomless);
        else
            break;
    }
    return status;
}

int page_modify(struct page *page, uint32_t from, uint32_t len)
{
    int status = prepare(page, from, len);

    if (status == 0)
        status = page_stabilize(page);
    if (status == 0)
        unpoison(page->buf->base + from, len);
    return status;
}

/* ---- Behind it ----------------------------------------------------------- */

void page_mark_dirty(struct page *page, uint8_t units)
{
    page->valid |= units;
    page_set_state(page, page->dirty | units, page->writing);
    page_settle(page);
}

/* The new end is in another page than the old one, where readers may look at
 * more bytes. */
static void grow(struct mapping *mapping, uint64_t size_bytes)
{
    struct page *last =
        radix_find(&mapping->tree, mapping->size_bytes >> PAGE_BYTES_SHIFT);

    assert(mapping->is_file);
    mapping->size_bytes = size_bytes;
    if (SANITIZE_ADDRESS && last != NULL)
        page_settle(last);
}

void page_dirty(struct page *page, uint32_t from, uint32_t len)
{
    struct mapping *mapping = page->mapping;
    uint8_t units = page_units(mapping, from, len);
    uint64_t end = (page->index << PAGE_BYTES_SHIFT) + from + len;

    assert(page->pins > 0);
    assert(page->reading == 0);
    assert((units & ~(covered(from, len) | page->valid)) == 0);
    if (end > mapping->size_bytes)
        grow(mapping, end);
    page_mark_dirty(page, units);
}

/* ---- Whole pages --------------------------------------------------------- */

/* After an error: nothing of the page is left that was to be overwritten. */
static void overwrite_undo(struct page *page)
{
    if (page->mapping != NULL)
        page_clear_new(page);
}

/* page_modify() of a whole page: what it holds is not kept. */
static int modify_whole(struct page *page)
{
    int status = prepare(page, 0, PAGE_BYTES);

    if (status == 0 && page->buf->refs > 1)
        status = renew(page);
    if (status == 0)
        unpoison(page->buf->base, PAGE_BYTES);
    return status;
}

int page_overwrite(struct mapping *mapping, uint64_t at, const void *from,
                   uint32_t size)
{
    const uint64_t index = at >> PAGE_BYTES_SHIFT;
    const uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
    struct page *page;
    int status = size == PAGE_BYTES
                     ? page_take_whole(mapping, index, NULL, &page)
                     : page_take(mapping, index, &page);

    if (status != 0)
        return status;
    status = size == PAGE_BYTES ? modify_whole(page)
                                : page_modify(page, in_page, size);
    if (status == 0) {
        memcpy(page->buf->base + in_page, from, size);
        page_dirty(page, in_page, size);
    } else if (size == PAGE_BYTES) {
        overwrite_undo(page);
    }
    page_put(page);
    return status;
}

int page_give(struct mapping *mapping, uint64_t index, struct buf *buf)
{
    struct buf *rest = buf; /* of the page's buffer and this one */
    struct page *page;
    int status;

    assert(buf->size == PAGE_BYTES);
    status = page_take_whole(mapping, index, buf, &page);
    if (status != 0) {
        buf_put(buf);
        return status;
    }
    status = prepare(page, 0, PAGE_BYTES);
    if (status == 0) {
        rest = page->buf;
        page->buf = buf;
        page_dirty(page, 0, PAGE_BYTES);
    } else {
        overwrite_undo(page);
    }
    if (rest != page->buf)
        buf_put(rest);
    page_put(page);
    return status;
}
