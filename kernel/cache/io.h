/*
 * Requests to a device over pages. Each piece of one is a run of sectors of a
 * page; while it is under way the page is pinned, and the buffer it had is kept
 * even if the page gets another one.
 */
#ifndef TORC_KERNEL_CACHE_IO_H
#define TORC_KERNEL_CACHE_IO_H

#include "kernel/cache/mapping.h"

struct page_io {
    struct block_request request; /* with its list: request.next */
    /* A piece has ended: its pin is still there, and will be dropped. */
    void (*ended)(struct page_io *io, struct page *page, uint8_t sectors,
                  int status);
    void *cookie; /* of who made it */
    unsigned capacity;
    struct page_cache *spare_of; /* goes back there; NULL: is freed */
    struct page **pages;         /* of each piece */
    struct slice *vec;
};

/* A request without pieces, for up to `capacity` of them; the caller fills
 * `ended` and `cookie`. It frees itself at its end. NULL: no memory. */
must_check struct page_io *page_io_create(enum block_op op, unsigned flags,
                                          uint64_t sector, unsigned capacity);

/* Make such a request of one that has ended and was kept. */
void page_io_renew(struct page_io *io, enum block_op op, unsigned flags,
                   uint64_t sector);

/* Add `count` sectors of a page, from its sector `first` on. */
void page_io_add(struct page_io *io, struct page *page, unsigned first,
                 unsigned count);

/* Whether there is room for one more piece. */
static inline bool page_io_is_full(const struct page_io *io)
{
    return io->request.count == io->capacity;
}

/* Submit a list; each is told of its end, also when it cannot be started. */
void page_io_submit(struct block_open *open, struct block_request *list);

#endif
