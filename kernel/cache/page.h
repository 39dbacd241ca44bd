/*
 * Pages: 4096 bytes of a file or of a device, in memory.
 *
 * A page belongs to a mapping (mapping.h), and with it to one CPU. Who has a
 * page *pinned* may look at its bytes: page->buf->base. A page that is not
 * pinned may be given back to the memory, unless it is dirty.
 *
 *     status = page_get(mapping, index, 0, &page);
 *     if (status != 0)
 *         return status;
 *     memcpy(to, page->buf->base + from, len);
 *     page_put(page);
 *
 * Bytes are changed between page_modify() and page_dirty(), without a wait in
 * between. page_modify() makes the content *stable* for others: while it is
 * being written to the device, or while slices of it are lent to the network,
 * nobody but the page has a reference to the buffer that changes.
 */
#ifndef TORC_KERNEL_CACHE_PAGE_H
#define TORC_KERNEL_CACHE_PAGE_H

#include "kernel/thread/wait.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/list.h>

enum {
    PAGE_BYTES_SHIFT = 12,
    PAGE_BYTES = 1 << PAGE_BYTES_SHIFT,
    PAGE_SECTORS = 8, /* of 512 bytes */
};

struct mapping;
struct order_block;

/* Owner CPU only. */
struct page {
    struct mapping *mapping; /* NULL: it was dropped while somebody held it */
    uint64_t index;          /* byte offset / PAGE_BYTES */
    struct buf *buf;         /* PAGE_BYTES; replaced by page_modify() */
    uint32_t pins;           /* holders */

    /* A bit for each sector: */
    uint8_t valid;    /* it holds the content */
    uint8_t dirty;    /* must not be lost; valid */
    uint8_t writing;  /* under way to the device */
    uint8_t has_room; /* the device or the file system has room for it */
    uint8_t reserved; /* the file system keeps room for it: MAP_RESERVE */

    uint8_t reading;           /* parts of a read that are under way */
    bool used;                 /* since the reclaimer has last looked */
    bool is_ahead;             /* the last read was for nobody yet */
    int status;                /* of the last read */
    struct order_block *order; /* those of it that wait for others, or others
                                * for them: order.h */
    struct list clean;         /* in cache->clean while there is nothing dirty,
                          * writing, reading */
    struct wait_queue waiters; /* for the end of a read or of a write */
};

/* Bytes that a reader of a file expects to be asked for next. All zero for a
 * file that has just been opened. */
struct readahead {
    uint64_t next;   /* a sequential reader's next page */
    uint64_t end;    /* what is before it has been asked for */
    uint64_t mark;   /* when this page is read, the next window is asked for */
    uint32_t window; /* pages; 0: the reads are not sequential */
};

/* ---- Finding, all by a thread or irq work of the owner ------------------- */

/*
 * The page, pinned, if it is in memory as a whole; else NULL. Does not wait:
 * the way of a read that finds what it wants.
 */
struct page *page_find(struct mapping *mapping, uint64_t index);

/* One pin less. A pin more for a page that is pinned. Do not wait. */
void page_put(struct page *page);
static inline void page_pin(struct page *page)
{
    assert(page->pins > 0);
    page->pins++;
}

/* ---- Reading, all by a thread of the owner ------------------------------- */

/*
 * Pin the page with all its content, read from the device if need be: together
 * with up to `ahead` pages behind it that are not in memory. Threads that want
 * one page wait for one read. What is behind the mapping's size are zeros.
 * Waits. Returns 0 and *out, -EINVAL (no byte of the page is before the
 * mapping's end), -ENOMEM, -EIO and other errors of the device or of
 * mapping_ops.map; a failed read is not kept: the next call reads again.
 */
must_check int page_get(struct mapping *mapping, uint64_t index, uint32_t ahead,
                        struct page **out);

/*
 * The same for the reader of a file: how much is read with it, `readahead`
 * says, which belongs to the open file. Pages read one after the other double
 * it, up to 64; while the reader uses what has been read, the next pages are
 * asked for. A page elsewhere ends it.
 */
must_check int page_read(struct mapping *mapping, uint64_t index,
                         struct readahead *readahead, struct page **out);

/*
 * The same without a wait. NULL: page_read() is needed, for the page is not in
 * memory, or more is to be read ahead.
 */
struct page *page_read_now(struct mapping *mapping, uint64_t index,
                           struct readahead *readahead);

/* The same, but in place of a pin a reference to the page's buffer. */
struct buf *page_lend_now(struct mapping *mapping, uint64_t index,
                          struct readahead *readahead);

/* ---- Changing, all by a thread of the owner ------------------------------ */

/*
 * Pin the page, whether or not it is in memory, for page_modify(). A new one
 * has no valid sectors but those behind the mapping's end. May be behind the
 * mapping's size. Does not wait. Returns 0 and *out, -ENOMEM, -EFBIG (behind
 * the largest size of a mapping).
 */
must_check int page_take(struct mapping *mapping, uint64_t index,
                         struct page **out);

/*
 * Before `len` (> 0) bytes at `from` of a pinned page are changed: what of the
 * units around them is not in memory and will not be overwritten is read, the
 * file system is asked for room, and if anybody else has a reference to the
 * buffer the page gets a copy of its own. page->buf may be another one after
 * it. Waits. Returns 0, -ENOMEM, -ENOSPC, -ENOENT (the page was dropped by
 * mapping_truncate() meanwhile), or as page_get().
 *
 * The bytes may be changed until the thread waits again. Whoever may change a
 * mapping is settled by its users: a lock of the inode.
 */
must_check int page_modify(struct page *page, uint32_t from, uint32_t len);

/*
 * Behind the change: the bytes are the content and must reach the device. A
 * mapping of a file grows to their end, if it was smaller. Does not wait.
 */
void page_dirty(struct page *page, uint32_t from, uint32_t len);

/* Assert what is always true of a page. Owner CPU. */
void page_check(const struct page *page);

#endif
