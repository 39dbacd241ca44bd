/*
 * Free memory that the host may have: which parts of a share are free, and not
 * known to be so.
 *
 * A share is looked at in chunks. One is known when the host was told that it
 * is free, and nothing in it was used and freed since; those that were never
 * used are known from the start. Parts that are not known are taken, so that
 * nobody uses them, while the host is told; then they are put back.
 */
#ifndef TORC_KERNEL_PAGE_REPORT_H
#define TORC_KERNEL_PAGE_REPORT_H

#include "kernel/memory/page.h"
#include <stdbool.h>

/* Owner CPU only. */
struct page_report {
    struct page_watch watch;
    struct page_allocator *pages;
    unsigned order;  /* of a chunk, in pages */
    uint64_t *known; /* a bit for each chunk, those of a range in a row */
    size_t *first;   /* of each range: its first bit */
    /* Something became free that was not known: called at the first, until
     * `stirred` is false again. It may neither allocate nor free. */
    void (*stir)(struct page_report *report);
    bool stirred;
};

/*
 * Watch a share from now on; `report` is all zero but for `stir`. Chunks are of
 * 2 MiB, or of 64 KiB in a share of less than 128 MiB. Returns 0, -ENOMEM. The
 * share's CPU.
 */
must_check int page_report_begin(struct page_report *report,
                                 struct page_allocator *pages);

/*
 * Take free chunks in a row that are not known, at most `limit` pages of them.
 * Returns where they are, and how many pages in `count`; NULL: there are none.
 */
void *page_report_take(struct page_report *report, size_t limit, size_t *count);

/* Watch no more, and free the bits. What was taken is put back before. */
void page_report_end(struct page_report *report);

/* Free what was taken; it is known now, or not. */
void page_report_put(struct page_report *report, void *ptr, bool is_known);

#endif
