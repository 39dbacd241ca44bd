/* Dropping pages that are not part of a file, or not in use, any more. */
#include "kernel/cache/cache_internal.h"
#include "kernel/lib/poison.h"
#include <torc/errno.h>
#include <torc/string.h>

/* Wait until nothing of a pinned page is under way. */
static void wait_idle(struct page *page)
{
    while (page->reading > 0 || page->writing != 0)
        wait_on(&page->waiters);
}

static void wait_unpinned(struct page *page)
{
    page_hold(page);
    wait_idle(page);
    page_put(page);
}

void mapping_drop(struct mapping *mapping, uint64_t first, uint64_t end)
{
    struct page *page;

    while ((page = radix_next(&mapping->tree, first, false)) != NULL &&
           page->index < end) {
        if (page->reading > 0 || page->writing != 0)
            wait_unpinned(page);
        else
            page_drop(page);
    }
}

/* ---- The last unit ------------------------------------------------------- */

/* Whether the unit with byte `from` of a page lies on the device: then bytes of
 * it that become zeros in memory must do so there. Returns 1, 0, or an error.
 */
static int unit_on_device(struct page *page, uint32_t from)
{
    struct mapping *mapping = page->mapping;
    uint8_t unit = page_units(mapping, from, 1);
    struct extent out;
    int status;

    if (mapping->open == NULL ||
        from % ((uint32_t)mapping->unit * BLOCK_SECTOR_SIZE) == 0)
        return 0;
    if ((page->dirty & unit) != 0)
        return 1;
    status = mapping->ops->map(
        mapping, page->index * PAGE_SECTORS + (unsigned)__builtin_ctz(unit),
        mapping->unit, MAP_READ, &out);
    return status != 0 ? status : out.type == EXTENT_DATA;
}

/* Get a pinned page ready to lose what is behind byte `from`. Returns as
 * unit_on_device(). */
static int prepare(struct page *page, uint32_t from)
{
    const uint32_t unit = page->mapping->unit * (uint32_t)BLOCK_SECTOR_SIZE;
    int on_device, status;

    do {
        wait_idle(page);
        on_device = unit_on_device(page, from);
        if (on_device < 0)
            return on_device;
        status = on_device ? page_modify(page, from, unit - from % unit)
                           : page_stabilize(page);
    } while (status == 0 && (page->reading > 0 || page->writing != 0));
    return status != 0 ? status : on_device;
}

/*
 * Make zeros of what is behind `size` in its page. It is never left to the
 * device what is there: when the file grows, it reads as zeros.
 */
static int clear_behind(struct mapping *mapping, uint64_t size)
{
    uint32_t from = (uint32_t)(size % PAGE_BYTES);
    uint8_t behind = 0;
    struct page *page;
    int status;

    if (from == 0)
        return 0;
    if (mapping->open == NULL &&
        radix_find(&mapping->tree, size >> PAGE_BYTES_SHIFT) == NULL)
        return 0;
    status = page_take(mapping, size >> PAGE_BYTES_SHIFT, &page);
    if (status != 0)
        return status;
    status = prepare(page, from);
    if (status >= 0) {
        unpoison(page->buf->base + from, PAGE_BYTES - from);
        memset(page->buf->base + from, 0, PAGE_BYTES - from);
        behind = (uint8_t)~page_units(mapping, 0, from);
        page_forget(page, behind);
        page->valid |= behind;
        if (status > 0)
            page_mark_dirty(page, page_units(mapping, from, 1));
        page_settle(page);
        status = 0;
    }
    page_put(page);
    return status;
}

int mapping_truncate(struct mapping *mapping, uint64_t size_bytes)
{
    uint64_t old = mapping->size_bytes;
    uint64_t pages = (size_bytes + PAGE_BYTES - 1) >> PAGE_BYTES_SHIFT;
    int status;

    assert(mapping->is_file);
    if (size_bytes > MAPPING_SIZE_MAX)
        return -EFBIG;
    if (size_bytes == old)
        return 0;
    status = clear_behind(mapping, size_bytes < old ? size_bytes : old);
    if (status != 0)
        return status;
    mapping->size_bytes = size_bytes;
    mapping_drop(mapping, pages, RADIX_LIMIT);
    return 0;
}

/* ---- Holes --------------------------------------------------------------- */

/* Forget the units first .. end (in bytes) of one page. */
static void forget_part(struct mapping *mapping, uint64_t first, uint64_t end)
{
    struct page *page = radix_find(&mapping->tree, first >> PAGE_BYTES_SHIFT);
    uint32_t from = (uint32_t)(first % PAGE_BYTES);

    if (page == NULL || first == end)
        return;
    assert(!mapping->is_file);
    page_hold(page);
    wait_idle(page);
    if (page->mapping != NULL)
        page_forget(page, page_units(mapping, from, (uint32_t)(end - first)));
    page_put(page);
}

/* Whether something in the range stands between two others in their order. */
static bool is_between(const struct mapping *mapping, uint64_t offset,
                       uint64_t end)
{
    struct page *page =
        radix_next(&mapping->tree, offset >> PAGE_BYTES_SHIFT, false);

    for (; page != NULL && page->index << PAGE_BYTES_SHIFT < end;
         page = radix_next(&mapping->tree, page->index + 1, false)) {
        uint64_t begin = page->index << PAGE_BYTES_SHIFT;
        uint32_t from = offset > begin ? (uint32_t)(offset - begin) : 0;
        uint32_t to =
            end - begin < PAGE_BYTES ? (uint32_t)(end - begin) : PAGE_BYTES;

        if (page->order != NULL &&
            mapping->order->ops->is_between(
                page, page_units(mapping, from, to - from)))
            return true;
    }
    return false;
}

void mapping_forget(struct mapping *mapping, uint64_t offset, uint64_t len)
{
    const uint64_t unit = mapping->unit * (uint64_t)BLOCK_SECTOR_SIZE;
    const uint64_t rest = PAGE_BYTES - 1;
    uint64_t end = offset + len;
    uint64_t first_page = (offset + rest) >> PAGE_BYTES_SHIFT;
    uint64_t end_page;

    assert(offset % unit == 0);
    assert(len % unit == 0);
    if (mapping->order != NULL && is_between(mapping, offset, end))
        (void)!mapping_write(mapping, 0, UINT64_MAX);
    if (end >= mapping->size_bytes)
        end = (end + rest) & ~rest; /* the last page as a whole */
    end_page = end >> PAGE_BYTES_SHIFT;
    if (first_page > end_page) {
        forget_part(mapping, offset, end);
        return;
    }
    forget_part(mapping, offset, first_page << PAGE_BYTES_SHIFT);
    mapping_drop(mapping, first_page, end_page);
    forget_part(mapping, end_page << PAGE_BYTES_SHIFT, end);
}
