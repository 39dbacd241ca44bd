/*
 * Mappings: the pages of one file or of one device, by their index.
 *
 * The mapping of a device is the device: sector n is sector n. That of a file
 * asks the file system by mapping_ops.map where its sectors lie. A mapping
 * without a device keeps its pages as long as it lives: a file system in
 * memory.
 *
 * Everything of a mapping belongs to the CPU that made it. Whether two threads
 * may change it at the same time is settled above it, by the lock of an inode.
 * Reading, writing to the device and giving memory back need no lock, and
 * mapping_ops must not take one that is held while a mapping is changed.
 */
#ifndef TORC_KERNEL_CACHE_MAPPING_H
#define TORC_KERNEL_CACHE_MAPPING_H

#include "kernel/cache/page.h"
#include "kernel/cache/radix.h"
#include "kernel/device/block.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>
#include <torc/time.h>

struct flush;
struct order;
struct page_cache;

/* The largest size of a mapping. */
#define MAPPING_SIZE_MAX INT64_MAX

/* ---- What a file system says --------------------------------------------- */

/* What map() is asked for. */
enum map_mode {
    MAP_READ,    /* where is it? */
    MAP_RESERVE, /* it will be written: keep room for what is a hole, or
                  * -ENOSPC. Nothing is allocated. */
    MAP_RELEASE, /* what was reserved and will not be written: cannot fail and
                  * must not wait; *out is not looked at */
    MAP_WRITE,   /* it is being written: allocate what is a hole, out of what
                  * was reserved; never EXTENT_HOLE */
};

enum extent_type {
    EXTENT_HOLE, /* reads as zeros */
    EXTENT_DATA, /* at `sector` of the device */
};

struct extent {
    enum extent_type type;
    uint64_t sector;  /* of the device, in 512 bytes */
    uint32_t sectors; /* > 0; whole units */
};

struct mapping_ops {
    /*
     * Where `sectors` (> 0) of the mapping lie from `sector` on, whole units:
     * *out gets the run that begins there, at most `sectors` long. Thread of
     * the owner; may wait. Returns 0, -EIO, -EUCLEAN, -ENOMEM, -EFBIG; with
     * MAP_RESERVE also -ENOSPC. NULL: of a device, it is the device.
     */
    int (*map)(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out);

    /*
     * Write the mapping and whatever else of its file must reach the device;
     * for the flusher. NULL: mapping_write() of all. Thread; may wait, and may
     * end with mapping_destroy() of it. Returns 0 or the first error.
     */
    int (*flush)(struct mapping *mapping);
};

struct mapping {
    /* constant: */
    const struct mapping_ops *ops; /* NULL: a device, or nothing to ask */
    struct block_open *open;       /* NULL: it has no device */
    struct page_cache *cache;      /* the CPU's */
    uint8_t unit; /* sectors that are read and written as one: 1 .. 8 */
    bool is_file; /* grows by page_dirty() */

    /* owner CPU only: */
    struct radix tree; /* of struct page */
    uint64_t size_bytes;
    uint64_t page_count;
    uint64_t dirty_count; /* pages with dirty sectors */
    struct order *order;  /* order.h; NULL: they are written in any order */

    uint32_t error_serial; /* how many writes have failed */
    int error;             /* the last one; told by mapping_error() */
    bool error_told;
    int flush_status; /* of the last write to the device; not -ENOMEM */

    struct flush *flush;    /* the flusher looks at it; NULL: it does not */
    struct list dirty_link; /* in cache->dirty while dirty_count > 0 */
    uint64_t flush_at_ns;   /* then; when the flusher is to write it */
    uint64_t urgent_at_ns;  /* not before, even if somebody waits for it */
};

/* What has been changed is written after so long, if nothing asks before. */
#define FLUSH_AFTER_NS (5 * NS_PER_S)

/* ---- Making and dropping, by a thread of the owner ----------------------- */

/*
 * Make the mapping of a file: embedded in the caller's structure, without
 * pages. `unit`: what the file system allocates at a time, 1, 2, 4, 8 sectors
 * (8 where it is more). `open` NULL: without a device; then `ops` may be NULL,
 * or its map() is asked with MAP_RESERVE and MAP_RELEASE only. Does not wait.
 * Returns 0, -ENOMEM.
 */
must_check int mapping_init(struct mapping *mapping,
                            const struct mapping_ops *ops,
                            struct block_open *open, unsigned unit,
                            uint64_t size_bytes);

/* Make the mapping of a device, which stays open until mapping_destroy(). */
must_check int mapping_init_device(struct mapping *mapping,
                                   struct block_open *open);

/*
 * Drop all pages, written or not, and end the mapping: waits for reads and
 * writes that are under way, and until the flusher does not look at it any
 * more. Pages that are pinned stay with those who hold them.
 */
void mapping_destroy(struct mapping *mapping);

/* Whether mapping_destroy() of it does not wait: it has no pages, and the
 * flusher does not look at it. */
bool mapping_is_idle(const struct mapping *mapping);

/*
 * Set the size, which drops what is behind it, written or not, and makes zeros
 * of the rest of the last unit; also when the mapping grows: what is behind the
 * end on the device may be anything. Waits for what is under way. A writer that
 * begins behind the end calls it first. Returns 0, -ENOMEM, -EFBIG, or as
 * page_modify() of the last unit; after an error the size is as before.
 */
must_check int mapping_truncate(struct mapping *mapping, uint64_t size_bytes);

/*
 * Forget whole units without writing them: of a device, blocks of the file
 * system that were freed; of a file, pages that become a hole. Pages that lie
 * in the range as a whole are dropped; of others, which only a device may have,
 * the units will not be written. Waits for what is under way.
 */
void mapping_forget(struct mapping *mapping, uint64_t offset, uint64_t len);

/* ---- Metadata: bytes of a mapping ---------------------------------------- */

/* Held bytes of one page. Where they are may change in a wait of the holder, if
 * nothing keeps others from changing the page: page->buf->base + from. */
struct mapping_ref {
    struct page *page;
    uint32_t from;
    uint8_t *data; /* the byte asked for */
    size_t size;   /* bytes from there to the end of the page or mapping */
};

/*
 * Hold the bytes at `offset` until mapping_unref(). Thread of the owner; waits.
 * Returns 0 and *out, or as page_get().
 */
must_check int mapping_ref(struct mapping *mapping, uint64_t offset,
                           struct mapping_ref *out);
void mapping_unref(struct mapping_ref *ref);

/*
 * page_modify() and page_dirty() of `len` bytes, `at` bytes behind ref->data,
 * which is another place after mapping_modify().
 */
must_check int mapping_modify(struct mapping_ref *ref, size_t at, size_t len);
void mapping_dirty(struct mapping_ref *ref, size_t at, size_t len);

/* Copy `size` bytes from `offset` on. Thread; waits. Returns as page_get(). */
must_check int mapping_copy(struct mapping *mapping, uint64_t offset, void *to,
                            size_t size);

/* ---- Writing to the device, by a thread of the owner --------------------- */

/*
 * Write the dirty pages first .. last, in order, and wait for them, and for
 * those of them that were under way already. What fails stays dirty and is
 * tried again by the flusher. Without a device nothing is done. Returns 0, or
 * the first error of map() or of the device.
 */
must_check int mapping_write(struct mapping *mapping, uint64_t first,
                             uint64_t last);

/*
 * Before more is written: while too much of the CPU's memory is dirty, wait for
 * the flusher. The caller has no lock that mapping_ops need; it may have that
 * which keeps others from changing the mapping: a long write stays one. Returns
 * 0, or the error for which the flusher cannot write this mapping.
 */
must_check int mapping_throttle(struct mapping *mapping);

/*
 * Each error of a write is told once to each `seen`, of which every open file
 * has one: set by mapping_error_seen() when it is opened. An error that nobody
 * has been told is told to a file opened after it, too. Returns 0 or the error.
 */
must_check int mapping_error(struct mapping *mapping, uint32_t *seen);
uint32_t mapping_error_seen(const struct mapping *mapping);

/* The first page from `index` on that has dirty sectors (without a device: that
 * has content), pinned; or NULL. */
struct page *mapping_next_dirty(struct mapping *mapping, uint64_t index);

/* ---- The CPU's cache ----------------------------------------------------- */

/* Let pages be given back when a CPU is short of memory. CPU 0, at boot. */
void page_cache_boot(void);

/*
 * Start the flusher of this CPU, if it has none: before something with a device
 * is written. Thread. Returns 0, -ENOMEM.
 */
must_check int page_cache_start_flusher(void);

/*
 * Something else that the flusher does at its time, for who embeds it; all zero
 * before the first use. run() is called by the flusher's thread, may wait, and
 * may queue the work again. Owner CPU only.
 */
struct flush_work {
    void (*run)(struct flush_work *work);
    uint64_t at_ns;
    bool is_queued;
    bool is_running;
    struct list link; /* in cache->works while it is queued */
};

/* Run it `delay_ns` from now, if it is not queued yet; the CPU has a flusher.
 * Does not wait. */
void flush_work_queue(struct flush_work *work, uint64_t delay_ns);

/* It is neither queued nor running any more; waits for the end of run(). */
void flush_work_cancel(struct flush_work *work);

/* This CPU's pages. */
struct page_cache_stats {
    uint64_t pages; /* in mappings */
    uint64_t dirty; /* of these, with a device and dirty */
    uint64_t dirty_limit;
};
void page_cache_get_stats(struct page_cache_stats *stats);

/* Assert what is always true of a mapping and its pages; of all this CPU's
 * cache knows. Owner CPU. */
void mapping_check(const struct mapping *mapping);
void page_cache_check(void);

#endif
