/* What the files of the page cache offer each other. */
#ifndef TORC_KERNEL_CACHE_INTERNAL_H
#define TORC_KERNEL_CACHE_INTERNAL_H

#include "kernel/cache/mapping.h"
#include "kernel/thread/wait.h"
#include <torc/thread.h>
#include <torc/time.h>

/* What is dirty is written at once when it is one of so many parts of the
 * limit. */
enum { FLUSH_SHARE = 2 };

struct page_io;

/* One a CPU: cpu->page_cache. Owner CPU only. */
struct page_cache {
    bool (*reclaim)(struct page_cache *cache); /* constant */

    /* Pages that may be given back once nobody has them pinned: nothing of
     * them is dirty or under way. The reclaimer takes the first ones; where
     * `used` is set it gives them another round. */
    struct list clean;
    uint64_t clean_count;
    uint64_t page_count; /* in mappings */

    /* Pages with dirty sectors that have a device. */
    uint64_t dirty_count;
    uint64_t dirty_limit;
    struct list dirty; /* mappings with such pages, by flush_at_ns */

    /* flusher.c */
    bool has_flusher;
    thread_id flusher;
    struct list works;         /* struct flush_work, in no order */
    struct wait_queue work;    /* the flusher, until there is something */
    struct wait_queue flushed; /* for the end of a flush */
    struct wait_queue room;    /* for fewer dirty pages */
    unsigned throttled;        /* threads that wait for these */

    /* A request for when there is no memory; NULL: under way. */
    struct page_io *spare;
    struct wait_queue spare_back;
};

/* This CPU's, made if there is none. NULL: no memory. */
must_check struct page_cache *page_cache_of_cpu(void);

/* Give back some pages that nobody has used for long. Returns whether there
 * were any. Does not wait. */
bool page_cache_reclaim(struct page_cache *cache);

/* ---- page.c -------------------------------------------------------------- */

/* Bits of the sectors from `first` up to `end` (not included) of a page. */
static inline uint8_t sector_bits(unsigned first, unsigned end)
{
    return (uint8_t)((1U << end) - (1U << first));
}

/* Bits of the units that bytes [from, from + len) of a page lie in. */
uint8_t page_units(const struct mapping *mapping, uint32_t from, uint32_t len);

/* How many bytes of the page are before the mapping's end. */
uint32_t page_length(const struct page *page);

/* Whether the file system says where it lies, and keeps room for it. */
static inline bool mapping_has_map(const struct mapping *mapping)
{
    return mapping->ops != NULL && mapping->ops->map != NULL;
}

/* Put the page on cache->clean or take it off, after its state has changed, and
 * let the sanitizer know which bytes are in use. */
void page_settle(struct page *page);

/*
 * page_take() for who overwrites the whole page: a new one is not cleared. Its
 * buffer is `buf`, of which it gets the caller's reference, or one of its own
 * where that is NULL. If page_modify() fails after it, page_clear_new() is
 * needed: what is behind the mapping's end holds zeros then.
 */
must_check int page_take_whole(struct mapping *mapping, uint64_t index,
                               struct buf *buf, struct page **out);
void page_clear_new(struct page *page);

/* Make zeros of sectors. */
void page_clear(struct page *page, uint8_t sectors);

/* What of the units is dirty will not be written, and needs no room. */
void page_forget(struct page *page, uint8_t sectors);

/* Drop a pinned page if nobody else wants it: a read of it has failed. */
void page_discard(struct page *page);

/* One pin more, for a page that may have none. */
void page_hold(struct page *page);

/* Take a page out of its mapping; dirty sectors are lost. Nothing of it is
 * under way. It is freed when nobody has it pinned. */
void page_drop(struct page *page);

/* ---- change.c ------------------------------------------------------------ */

/* Set what of a page is dirty and under way to the device, and count it. */
void page_set_state(struct page *page, uint8_t dirty, uint8_t writing);

/* Units of a page hold their content and must reach the device. */
void page_mark_dirty(struct page *page, uint8_t units);

/* Give a page that is not being read a buffer that nobody else has. Returns 0,
 * -ENOMEM. */
must_check int page_stabilize(struct page *page);

/* ---- order.c, and write.c for it ----------------------------------------- */

/* Of a mapping with an order, so that an image without one has none of it. */
struct order_ops {
    /* Blocks of a page that must not be written yet. */
    uint8_t (*waiting)(const struct page *page);

    /* Sectors of a page are being written; or have been, or could not be. */
    void (*begin)(struct page *page, uint8_t sectors);
    void (*end)(struct page *page, uint8_t sectors, int status);

    /* mapping_write() of all. */
    int (*write)(struct mapping *mapping);

    /* Whether blocks wait for others, and others for them: they cannot be
     * forgotten. The others' waiting ends when they are. */
    bool (*is_between)(const struct page *page, uint8_t sectors);
    void (*forget)(struct page *page, uint8_t sectors);

    void (*fini)(struct mapping *mapping);
    void (*check)(const struct page *page);
};

/* The beginning of struct order. */
struct order {
    const struct order_ops *ops;
};

/* What mapping_write() does, in two steps. Owner CPU only. */
struct writing {
    struct mapping *mapping;
    unsigned under_way; /* pieces */
    int status;         /* the first error */
    bool has_tried;     /* something was dirty */
    bool is_waiting;    /* something was, and must not be written yet */
    uint64_t end;       /* of the last run, in sectors */
    uint8_t end_bits;   /* the run's sectors of the page with its end */
    struct wait_queue ended;
};

/* Begin to write what may be written of the pages first .. last. Thread of the
 * owner; may wait, but not for what it has given to the device. */
void writing_begin(struct writing *writing, struct mapping *mapping,
                   uint64_t first, uint64_t last);

/* Wait until it is written; the mapping may have ended meanwhile. Returns 0, or
 * the first error. */
must_check int writing_end(struct writing *writing);

/* Write what may be written of the pages first .. last, and wait for it, as
 * mapping_write(); *is_waiting: there is more, which waits for a flush. */
must_check int mapping_write_step(struct mapping *mapping, uint64_t first,
                                  uint64_t last, bool *is_waiting);

/* ---- truncate.c ---------------------------------------------------------- */

/* Drop the pages first .. end (not included); waits for what is under way. */
void mapping_drop(struct mapping *mapping, uint64_t first, uint64_t end);

/* ---- read.c -------------------------------------------------------------- */

/*
 * Wait for the read of a pinned page that is under way, or read what is not
 * valid of it, and up to `ahead` pages behind it. Returns 0, the error, or
 * -ECANCELED: it was read ahead, for nobody, and is to be read again.
 */
must_check int page_complete(struct page *page, uint32_t ahead);

/* Where sectors are: mapping_ops.map(), or the device itself. */
must_check int mapping_where(struct mapping *mapping, uint64_t sector,
                             uint32_t sectors, enum map_mode mode,
                             struct extent *out);

/* Ask for up to `count` pages from `index` on, up to the first one that is in
 * memory; nobody waits for them. */
void page_read_ahead(struct mapping *mapping, uint64_t index, uint32_t count);

/* ---- flusher.c ----------------------------------------------------------- */

/* How a write of a mapping to the device has ended, for those who wait for the
 * flusher. To be short of memory will pass. */
void flush_status_set(struct mapping *mapping, int status);

/* The mapping ends: wait until the flusher does not look at it. */
void flusher_leave(struct mapping *mapping);

#endif
