/*
 * Runs of pages: memory that is filled first, and becomes pages for devices
 * one by one, each of which is freed by itself.
 */
#ifndef TORC_PAGE_RUN_H
#define TORC_PAGE_RUN_H

#include <torc/buf.h>
#include <torc/compiler.h>

/*
 * Allocate `pages` (> 0) in a row, which devices do not reach yet. NULL: there
 * is no such run; nothing is given back for it. Does not wait.
 */
must_check void *page_run_alloc(unsigned pages);

/*
 * Make memory of the first page of *run as dma_alloc() gives it; *run gets the
 * rest, NULL: there is none. NULL: devices cannot reach it, and nothing is
 * changed.
 */
must_check void *page_run_take(void **run);

/* Free what is left of a run; NULL: nothing. */
void page_run_free(void *run);

/*
 * A buffer over a page of dma_alloc(), with one reference; dropping the last
 * one frees the page, too. Returns NULL: no memory; the page is the caller's.
 */
must_check struct buf *buf_of_page(void *page);

#endif
