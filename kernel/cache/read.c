/*
 * Reading pages from the device.
 *
 * A read claims its pages before anything waits: they are in the tree and
 * marked, so that others wait for the same read. Then the file system says
 * where they lie, and all requests go to the device as one list. page->reading
 * counts the parts that have not ended: requests, and the claim itself.
 *
 * The page that somebody waits for has requests of its own. The block layer
 * joins them with those of its neighbours, but an error there is not its.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cache/io.h"
#include "kernel/lib/poison.h"
#include <torc/errno.h>
#include <torc/string.h>

enum { ALL = (1 << PAGE_SECTORS) - 1 };

/* ---- Its end ------------------------------------------------------------- */

/* What is behind the mapping's end reads as zeros, whatever is on the device.
 */
static void clear_behind_end(struct page *page)
{
    uint32_t length = page_length(page);

    if (length == PAGE_BYTES)
        return;
    unpoison(page->buf->base + length, PAGE_BYTES - length);
    memset(page->buf->base + length, 0, PAGE_BYTES - length);
}

/* One part less. Nothing is kept of a page that nobody waits for and that could
 * not be read; the caller has a pin. */
static void part_ended(struct page *page)
{
    assert(page->reading > 0);
    if (--page->reading == 0)
        wait_wake_all(&page->waiters);
    page_settle(page);
    if (page->reading == 0 && page->status != 0)
        page_discard(page);
}

static void sectors_read(struct page *page, uint8_t sectors, int status)
{
    if (status == 0) {
        clear_behind_end(page);
        page->valid |= sectors;
    } else if (page->status == 0) {
        page->status = status;
    }
}

static void piece_ended(struct page_io *io, struct page *page, uint8_t sectors,
                        int status)
{
    (void)io;
    sectors_read(page, sectors, status);
    part_ended(page);
}

/* ---- A run of sectors ---------------------------------------------------- */

/* A read that is being put together. */
struct reading {
    struct mapping *mapping;
    uint64_t sector; /* of the mapping: what is before it is done */
    uint64_t end;
    unsigned flags;
    struct block_request *list;
    struct block_request **link;
};

static struct page *page_of(const struct reading *reading, uint64_t sector)
{
    return radix_find(&reading->mapping->tree, sector / PAGE_SECTORS);
}

/* How many sectors from reading->sector on are not valid, up to `end`. */
static uint32_t invalid_run(const struct reading *reading, uint64_t end)
{
    uint64_t sector = reading->sector;

    while (sector < end) {
        unsigned first = (unsigned)(sector % PAGE_SECTORS);
        unsigned valid = page_of(reading, sector)->valid | 1U << PAGE_SECTORS;
        unsigned count = (unsigned)__builtin_ctz(valid >> first);

        sector += count;
        if (first + count < PAGE_SECTORS)
            break; /* a valid one comes next */
    }
    return (uint32_t)(sector - reading->sector);
}

/* Each piece of `sectors` that lies in one page. */
static void each_piece(struct reading *reading, uint32_t sectors,
                       struct page_io *io, int status)
{
    while (sectors > 0) {
        struct page *page = page_of(reading, reading->sector);
        unsigned first = (unsigned)(reading->sector % PAGE_SECTORS);
        unsigned count = PAGE_SECTORS - first;

        if (count > sectors)
            count = sectors;
        if (io != NULL) {
            page->reading++;
            page_io_add(io, page, first, count);
        } else {
            uint8_t bits = sector_bits(first, first + count);

            if (status == 0)
                page_clear(page, bits); /* a hole */
            sectors_read(page, bits, status);
        }
        reading->sector += count;
        sectors -= count;
    }
}

/* Ask for `sectors` that lie at `at` on the device. */
static int run_read(struct reading *reading, uint64_t at, uint32_t sectors)
{
    struct page_io *io = page_io_create(BLOCK_READ, reading->flags, at,
                                        sectors / PAGE_SECTORS + 2);

    if (io == NULL)
        return -ENOMEM;
    io->ended = piece_ended;
    each_piece(reading, sectors, io, 0);
    *reading->link = &io->request;
    reading->link = &io->request.next;
    return 0;
}

int mapping_where(struct mapping *mapping, uint64_t sector, uint32_t sectors,
                  enum map_mode mode, struct extent *out)
{
    int status;

    *out = (struct extent){EXTENT_DATA, sector, sectors};
    if (!mapping_has_map(mapping))
        return 0;
    status = mapping->ops->map(mapping, sector, sectors, mode, out);
    if (status != 0)
        return status;
    assert(out->sectors > 0);
    assert(out->sectors <= sectors);
    assert(out->sectors % mapping->unit == 0);
    return 0;
}

/* Read the first run of what is not valid up to `end`. */
static void run_begin(struct reading *reading, uint64_t end)
{
    uint32_t sectors = invalid_run(reading, end);
    struct extent extent;
    int status;

    if (sectors == 0) {
        reading->sector++;
        return;
    }
    status = mapping_where(reading->mapping, reading->sector, sectors, MAP_READ,
                           &extent);
    if (status == 0)
        sectors = extent.sectors;
    if (status == 0 && extent.type == EXTENT_DATA)
        status = run_read(reading, extent.sector, sectors);
    else if (status == 0)
        each_piece(reading, sectors, NULL, 0);
    if (status != 0)
        each_piece(reading, sectors, NULL, status);
}

/* ---- The pages of a read ------------------------------------------------- */

/* Claim a page, which gets a pin. */
static void claim(struct page *page, bool is_ahead)
{
    assert(page->reading == 0);
    page->status = 0;
    page->is_ahead = is_ahead;
    page->reading = 1;
    page_settle(page);
}

/* Claim up to `count` pages from `index` on, up to the first one that is in
 * memory. Returns the first one that is not claimed. */
static uint64_t claim_ahead(struct mapping *mapping, uint64_t index,
                            uint32_t count)
{
    uint64_t end = (mapping->size_bytes + PAGE_BYTES - 1) >> PAGE_BYTES_SHIFT;

    for (; count > 0 && index < end; count--, index++) {
        struct page *page;

        if (radix_find(&mapping->tree, index) != NULL ||
            page_take(mapping, index, &page) != 0)
            break;
        claim(page, true);
    }
    return index;
}

static void claim_end(struct page *page)
{
    part_ended(page);
    page_put(page);
}

/* Read pages first .. end, which are claimed; the first one by itself if it is
 * `wanted`. */
static void pages_read(struct mapping *mapping, uint64_t first, uint64_t end,
                       bool is_wanted, unsigned flags)
{
    struct reading reading = {
        .mapping = mapping,
        .sector = first * PAGE_SECTORS,
        .end = end * PAGE_SECTORS,
        .flags = flags | (mapping->is_file ? 0 : BLOCK_META),
    };
    uint64_t alone = is_wanted ? reading.sector + PAGE_SECTORS : 0;

    reading.link = &reading.list;
    while (reading.sector < reading.end)
        run_begin(&reading, reading.sector < alone ? alone : reading.end);
    page_io_submit(mapping->open, reading.list);
    for (; first < end; first++)
        claim_end(radix_find(&mapping->tree, first));
}

void page_read_ahead(struct mapping *mapping, uint64_t index, uint32_t count)
{
    uint64_t end = claim_ahead(mapping, index, count);

    if (index < end)
        pages_read(mapping, index, end, false, BLOCK_AHEAD);
}

int page_complete(struct page *page, uint32_t ahead)
{
    struct mapping *mapping = page->mapping;
    bool is_ahead;

    assert(mapping->open != NULL);
    if (page->reading == 0) {
        uint64_t index = page->index;

        page_pin(page);
        claim(page, false);
        pages_read(mapping, index, claim_ahead(mapping, index + 1, ahead), true,
                   0);
    }
    is_ahead = page->is_ahead;
    while (page->reading > 0)
        wait_on(&page->waiters);
    if (page->valid == ALL)
        return 0;
    return is_ahead ? -ECANCELED : page->status;
}

/* As page_get() of a page that is not in memory as a whole. */
static int get_slowly(struct mapping *mapping, uint64_t index, uint32_t ahead,
                      struct page **out)
{
    struct page *page;
    int status;

    do {
        if (index > MAPPING_SIZE_MAX >> PAGE_BYTES_SHIFT ||
            index << PAGE_BYTES_SHIFT >= mapping->size_bytes)
            return -EINVAL;
        status = page_take(mapping, index, &page);
        if (status != 0)
            return status;
        if (page->valid != ALL)
            status = page_complete(page, ahead);
        if (status == 0) {
            *out = page;
        } else {
            page_discard(page);
            page_put(page);
        }
    } while (status == -ECANCELED);
    return status;
}

int page_get(struct mapping *mapping, uint64_t index, uint32_t ahead,
             struct page **out)
{
    struct page *page = page_find(mapping, index);

    if (unlikely(page == NULL))
        return get_slowly(mapping, index, ahead, out);
    *out = page;
    return 0;
}
