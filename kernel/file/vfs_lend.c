/* What regular files hold, without a copy. */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>

/* The buffer of one page, with a reference: `size` bytes at `at`. */
static int lend_page(struct mapping *pages, uint64_t at, uint32_t size,
                     struct readahead *readahead, struct slice *slice)
{
    struct page *page;
    int status = page_read(pages, at >> PAGE_BYTES_SHIFT, readahead, &page);

    if (status != 0)
        return status;
    buf_get(page->buf);
    *slice = (struct slice){page->buf, (uint32_t)(at % PAGE_BYTES), size};
    page_put(page);
    return 0;
}

static int64_t lend_locked(struct inode *inode, uint64_t offset, uint64_t size,
                           struct readahead *readahead, struct slice *slices,
                           unsigned *count)
{
    const unsigned room = *count;
    uint64_t done = 0;

    *count = 0;
    if (offset >= inode->size_bytes)
        return 0;
    if (size > inode->size_bytes - offset)
        size = inode->size_bytes - offset;
    while (done < size && *count < room) {
        uint64_t at = offset + done;
        uint32_t piece = (uint32_t)(PAGE_BYTES - at % PAGE_BYTES);
        int status;

        if (piece > size - done)
            piece = (uint32_t)(size - done);
        status =
            lend_page(&inode->pages, at, piece, readahead, &slices[*count]);
        if (status != 0)
            return done > 0 ? (int64_t)done : status;
        ++*count;
        done += piece;
    }
    return (int64_t)done;
}

int64_t vfs_lend(struct inode *inode, uint64_t offset, uint64_t size,
                 struct readahead *readahead, struct slice *slices,
                 unsigned *count)
{
    int64_t got = vfs_check_regular(inode);

    if (got != 0) {
        *count = 0;
        return got;
    }
    rwlock_lock_shared(&inode->lock);
    got = lend_locked(inode, offset, size, readahead, slices, count);
    rwlock_unlock_shared(&inode->lock);
    return got;
}
