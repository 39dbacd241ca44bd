/*
 * Writing dirty pages to the device, in order and in runs.
 *
 * Sectors that are to be written change from `dirty` to `writing` before the
 * file system is asked to allocate them: from then on the page stays where it
 * is, and mapping_truncate() and other writers wait for it. What fails becomes
 * dirty again.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cache/io.h"
#include <torc/errno.h>

enum { RUN_SECTORS = 1024 * 1024 / BLOCK_SECTOR_SIZE }; /* of one request */

/* ---- Errors -------------------------------------------------------------- */

/* What the device or the file system said is kept for all who have the file
 * open. To be short of memory will pass. */
static void error_keep(struct mapping *mapping, int status)
{
    if (status == -ENOMEM)
        return;
    mapping->error = status;
    mapping->error_serial++;
    mapping->error_told = false;
}

int mapping_error(struct mapping *mapping, uint32_t *seen)
{
    if (*seen == mapping->error_serial)
        return 0;
    *seen = mapping->error_serial;
    mapping->error_told = true;
    return mapping->error;
}

uint32_t mapping_error_seen(const struct mapping *mapping)
{
    bool is_untold = mapping->error_serial > 0 && !mapping->error_told;

    return mapping->error_serial - is_untold;
}

/* ---- The end ------------------------------------------------------------- */

/* Sectors of a page are on the device, or must be written again. */
static void sectors_written(struct page *page, uint8_t sectors, int status)
{
    uint8_t again = status == 0 ? 0 : sectors;

    assert((page->writing & sectors) == sectors);
    if (page->order != NULL)
        page->mapping->order->ops->end(page, sectors, status);
    page_set_state(page, page->dirty | again,
                   page->writing & (uint8_t)~sectors);
    page_settle(page);
    if (page->writing == 0)
        wait_wake_all(&page->waiters);
}

static void piece_ended(struct page_io *io, struct page *page, uint8_t sectors,
                        int status)
{
    struct writing *writing = io->cookie;

    if (status != 0)
        error_keep(writing->mapping, status);
    if (status != 0 && writing->status == 0)
        writing->status = status;
    sectors_written(page, sectors, status);
    if (--writing->under_way == 0)
        wait_wake_all(&writing->ended);
}

/* ---- A run --------------------------------------------------------------- */

/* A piece of a run: sectors of one page. */
struct piece {
    struct page *page;
    unsigned first;
    unsigned count;
};

static struct piece piece_at(const struct mapping *mapping, uint64_t sector,
                             uint32_t sectors)
{
    struct piece piece = {
        .page = radix_find(&mapping->tree, sector / PAGE_SECTORS),
        .first = (unsigned)(sector % PAGE_SECTORS),
    };

    piece.count = PAGE_SECTORS - piece.first;
    if (piece.count > sectors)
        piece.count = sectors;
    return piece;
}

static uint8_t piece_bits(const struct piece *piece)
{
    return sector_bits(piece->first, piece->first + piece->count);
}

/* The dirty sectors of a page that may be written. */
static uint8_t writable(const struct page *page)
{
    if (likely(page->order == NULL))
        return page->dirty;
    return page->dirty & (uint8_t)~page->mapping->order->ops->waiting(page);
}

/* How many sectors from `sector` on are dirty, and no part of their pages is
 * under way. */
static uint32_t dirty_run(const struct mapping *mapping, uint64_t sector)
{
    uint64_t at = sector;

    while (at - sector < RUN_SECTORS) {
        struct piece piece = piece_at(mapping, at, PAGE_SECTORS);
        unsigned count;

        if (piece.page == NULL || piece.page->writing != 0)
            break;
        count = (unsigned)__builtin_ctz(~(unsigned)writable(piece.page) >>
                                        piece.first);
        at += count;
        if (piece.first + count < PAGE_SECTORS)
            break;
    }
    return (uint32_t)(at - sector);
}

static void run_claim(struct mapping *mapping, uint64_t sector,
                      uint32_t sectors)
{
    while (sectors > 0) {
        struct piece piece = piece_at(mapping, sector, sectors);
        uint8_t bits = piece_bits(&piece);

        if (piece.page->order != NULL)
            mapping->order->ops->begin(piece.page, bits);
        page_set_state(piece.page, piece.page->dirty & (uint8_t)~bits,
                       piece.page->writing | bits);
        sector += piece.count;
        sectors -= piece.count;
    }
}

/* Sectors that were claimed cannot be written now. */
static void run_fail(struct writing *writing, uint64_t sector, uint32_t sectors,
                     int status)
{
    struct mapping *mapping = writing->mapping;

    error_keep(mapping, status);
    if (writing->status == 0)
        writing->status = status;
    while (sectors > 0) {
        struct piece piece = piece_at(mapping, sector, sectors);

        sectors_written(piece.page, piece_bits(&piece), status);
        sector += piece.count;
        sectors -= piece.count;
    }
}

/* Claimed sectors have been allocated, and their pages nothing to give back:
 * also those that will not be written now. */
static void run_allocated(const struct mapping *mapping, uint64_t sector,
                          uint32_t sectors)
{
    while (sectors > 0) {
        struct piece piece = piece_at(mapping, sector, sectors);

        piece.page->reserved &= (uint8_t)~piece_bits(&piece);
        sector += piece.count;
        sectors -= piece.count;
    }
}

/* A request of up to `sectors`; the cache's own one where there is no memory,
 * which is a short one. */
static struct page_io *io_make(struct mapping *mapping, uint64_t at,
                               uint32_t sectors)
{
    struct page_cache *cache = mapping->cache;
    unsigned flags = mapping->is_file ? 0 : BLOCK_META;
    struct page_io *io =
        page_io_create(BLOCK_WRITE, flags, at, sectors / PAGE_SECTORS + 2);

    if (io != NULL || !cache->has_flusher)
        return io;
    while (cache->spare == NULL)
        wait_on(&cache->spare_back);
    io = cache->spare;
    cache->spare = NULL;
    page_io_renew(io, BLOCK_WRITE, flags, at);
    return io;
}

/* Write claimed sectors that lie at `at` on the device; how many are under way:
 * 0 without memory. */
static uint32_t run_submit(struct writing *writing, uint64_t sector,
                           uint64_t at, uint32_t sectors)
{
    struct page_io *io = io_make(writing->mapping, at, sectors);

    if (io == NULL)
        return 0;
    io->ended = piece_ended;
    io->cookie = writing;
    for (uint64_t next = sector;
         next < sector + sectors && !page_io_is_full(io);) {
        struct piece piece = piece_at(writing->mapping, next,
                                      (uint32_t)(sector + sectors - next));

        page_io_add(io, piece.page, piece.first, piece.count);
        writing->under_way++;
        next += piece.count;
    }
    sectors = io->request.sectors;
    page_io_submit(writing->mapping->open, &io->request);
    return sectors;
}

/* What of sectors [sector, end) lies in the page that has `end` in it, too. */
static uint8_t bits_before(uint64_t sector, uint64_t end)
{
    uint64_t begin = end - end % PAGE_SECTORS;

    return sector_bits(sector > begin ? (unsigned)(sector - begin) : 0,
                       (unsigned)(end - begin));
}

/* Write the dirty run that begins at `sector`; how long it is. */
static uint32_t run_write(struct writing *writing, uint64_t sector)
{
    struct mapping *mapping = writing->mapping;
    uint32_t run = dirty_run(mapping, sector);
    uint32_t done = 0;

    assert(run > 0);
    writing->has_tried = true;
    run_claim(mapping, sector, run);
    writing->end = sector + run;
    writing->end_bits = bits_before(sector, writing->end);
    while (done < run) {
        struct extent extent;
        uint32_t sectors = 0;
        int status = mapping_where(mapping, sector + done, run - done,
                                   MAP_WRITE, &extent);

        if (status == 0) {
            assert(extent.type == EXTENT_DATA);
            run_allocated(mapping, sector + done, extent.sectors);
            sectors = run_submit(writing, sector + done, extent.sector,
                                 extent.sectors);
            status = sectors == 0 ? -ENOMEM : 0;
        }
        if (status != 0) {
            run_fail(writing, sector + done, run - done, status);
            return run;
        }
        done += sectors;
    }
    return run;
}

/* ---- A mapping ----------------------------------------------------------- */

/* Wait until nothing of a page is under way to the device. */
static void wait_written(struct page *page)
{
    page_hold(page);
    while (page->writing != 0)
        wait_on(&page->waiters);
    page_put(page);
}

/* Whether all that is under way of a page is the end of this call's last run:
 * it is waited for in the end. */
static bool is_own(const struct writing *writing, const struct page *page)
{
    return writing->end / PAGE_SECTORS == page->index &&
           (page->writing & ~writing->end_bits) == 0;
}

/*
 * Write what is dirty of a page from `sector` on, or of a run that begins in
 * it; or wait for what others have under way, or what must end before more of
 * the page is written. Returns the next sector to be looked at.
 */
static uint64_t page_write(struct writing *writing, struct page *page,
                           uint64_t sector)
{
    uint64_t begin = page->index * PAGE_SECTORS;
    unsigned dirty;

    if (sector < begin)
        sector = begin;
    dirty = writable(page) >> (sector - begin);
    if (dirty != (unsigned)page->dirty >> (sector - begin))
        writing->is_waiting = true;
    if (page->writing != 0 && (dirty != 0 || !is_own(writing, page))) {
        wait_written(page);
        return sector;
    }
    if (dirty == 0)
        return begin + PAGE_SECTORS;
    sector += (unsigned)__builtin_ctz(dirty);
    return sector + run_write(writing, sector);
}

void writing_begin(struct writing *writing, struct mapping *mapping,
                   uint64_t first, uint64_t last)
{
    uint64_t sector = first * PAGE_SECTORS;
    struct page *page;

    *writing = (struct writing){.mapping = mapping};
    wait_queue_init(&writing->ended);
    while ((page = radix_next(&mapping->tree, sector / PAGE_SECTORS, true)) !=
               NULL &&
           page->index <= last)
        sector = page_write(writing, page, sector);
}

int writing_end(struct writing *writing)
{
    while (writing->under_way > 0)
        wait_on(&writing->ended);
    return writing->status;
}

int mapping_write_step(struct mapping *mapping, uint64_t first, uint64_t last,
                       bool *is_waiting)
{
    struct writing writing;

    writing_begin(&writing, mapping, first, last);
    (void)!writing_end(&writing);
    if (writing.has_tried)
        flush_status_set(mapping, writing.status);
    *is_waiting = writing.is_waiting;
    return writing.status;
}

int mapping_write(struct mapping *mapping, uint64_t first, uint64_t last)
{
    bool is_waiting;

    if (mapping->open == NULL)
        return 0;
    if (mapping->order != NULL) /* what comes before may be anywhere */
        return mapping->order->ops->write(mapping);
    return mapping_write_step(mapping, first, last, &is_waiting);
}
