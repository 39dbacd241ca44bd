/* What regular files hold, changed: the rules that are the same for all file
 * systems. */
#include "kernel/cache/run.h"
#include "kernel/file/vfs_give.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/string.h>

int vfs_check_writable(const struct inode *inode)
{
    int status = vfs_check_regular(inode);

    if (status == 0 && inode->mount->is_read_only)
        status = -EROFS;
    if (status == 0 && inode->pages.open != NULL)
        status = page_cache_start_flusher();
    return status;
}

/* Returns how many bytes, or an error when it is none. */
static int64_t write_part(struct mapping *pages, const char *from, size_t size,
                          uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        uint64_t at = offset + done;
        int status = mapping_throttle(pages);
        size_t piece = 0;

        if (status == 0)
            piece = page_overwrite_now(pages, at, from + done, size - done);
        if (status == 0 && piece == 0) {
            piece = min_size(PAGE_BYTES - at % PAGE_BYTES, size - done);
            status = page_overwrite(pages, at, from + done, (uint32_t)piece);
        }
        if (status != 0)
            return done > 0 ? (int64_t)done : status;
        done += piece;
    }
    return (int64_t)done;
}

/* What of a write at `offset` fits below the largest size. */
static size_t cut(size_t size, uint64_t offset, uint64_t max)
{
    uint64_t room = max - offset;

    return size < room ? size : (size_t)room;
}

static int64_t write_parts(struct inode *inode, const struct file_part *parts,
                           unsigned count, uint64_t offset)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t at = offset + (uint64_t)sum;
        size_t size = cut(parts[i].size, at, inode->mount->size_max);
        int64_t put = size == 0 && parts[i].size > 0
                          ? -EFBIG
                          : write_part(&inode->pages, parts[i].base, size, at);

        if (put < 0)
            return sum > 0 ? sum : put;
        sum += put;
        if ((size_t)put < parts[i].size)
            break;
    }
    return sum;
}

static bool is_nothing(const struct file_part *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size > 0)
            return false;
    }
    return true;
}

void grow_undo(struct inode *inode, uint64_t old)
{
    struct mapping *pages = &inode->pages;
    uint64_t grown = pages->size_bytes;

    /* To shrink it needs nothing but the memory that it had. */
    if (grown > old && mapping_truncate(pages, old) != 0)
        old = grown;
    inode->size_bytes = pages->size_bytes;
    if (grown > old && inode->mount->ops->truncate != NULL)
        (void)!inode->mount->ops->truncate(inode, grown);
}

/* Zeros from the end on. */
static int fill(struct mapping *pages, uint64_t size_bytes)
{
    int status = 0;

    while (pages->size_bytes < size_bytes && status == 0) {
        uint64_t at = pages->size_bytes;
        uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
        uint64_t left = size_bytes - at;
        uint32_t piece = PAGE_BYTES - in_page;
        struct page *page;

        if (piece > left)
            piece = (uint32_t)left;
        status = mapping_throttle(pages);
        if (status == 0)
            status = page_take(pages, at >> PAGE_BYTES_SHIFT, &page);
        if (status != 0)
            break;
        status = page_modify(page, in_page, piece);
        if (status == 0) {
            memset(page->buf->base + in_page, 0, piece);
            page_dirty(page, in_page, piece);
        }
        page_put(page);
    }
    return status;
}

int grow(struct inode *inode, uint64_t size_bytes)
{
    uint64_t old = inode->size_bytes;
    int status;

    if (size_bytes > inode->mount->size_max)
        return -EFBIG;
    if (!inode->mount->ops->has_no_holes)
        return mapping_truncate(&inode->pages, size_bytes);
    status = fill(&inode->pages, size_bytes);
    if (status != 0)
        grow_undo(inode, old);
    return status;
}

/* What is to be written: one of the two. */
struct content {
    const struct file_part *parts;
    struct buf *const *bufs; /* of whole pages */
    unsigned count;
};

/* One page of them; the last one may not fit as a whole. */
static int64_t write_page(struct inode *inode, struct buf *buf, uint64_t at)
{
    const size_t size = cut(PAGE_BYTES, at, inode->mount->size_max);
    int status;

    if (size == 0)
        return -EFBIG;
    if (size < PAGE_BYTES)
        return write_part(&inode->pages, (char *)buf->base, size, at);
    status = mapping_throttle(&inode->pages);
    if (status != 0)
        return status;
    buf_get(buf);
    status = page_give(&inode->pages, at >> PAGE_BYTES_SHIFT, buf);
    return status != 0 ? status : PAGE_BYTES;
}

/* Returns how many bytes, or an error when it is none. */
static int64_t write_pages(struct inode *inode, struct buf *const *bufs,
                           unsigned count, uint64_t offset)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        int64_t put = write_page(inode, bufs[i], offset + (uint64_t)sum);

        if (put < 0)
            return sum > 0 ? sum : put;
        sum += put;
        if (put < PAGE_BYTES)
            break;
    }
    return sum;
}

/* The file is locked, and something is to be written. */
static int64_t write_locked(struct inode *inode, const struct content *what,
                            uint64_t offset)
{
    struct mapping *pages = &inode->pages;
    uint64_t old = inode->size_bytes;
    int64_t put;

    if (offset >= inode->mount->size_max)
        return -EFBIG;
    if (offset > old) {
        int status = grow(inode, offset);

        if (status != 0)
            return status;
    }
    put = what->bufs != NULL
              ? write_pages(inode, what->bufs, what->count, offset)
              : write_parts(inode, what->parts, what->count, offset);
    if (put < 0)
        grow_undo(inode, old); /* without a byte written it has not grown */
    else
        inode->size_bytes = pages->size_bytes;
    if (put > 0) {
        inode->mtime = inode->ctime = vfs_now_in(inode->mount);
        inode_dirty(inode, inode->size_bytes != old ? INODE_REST : INODE_TIMES);
    }
    return put;
}

/* Something is to be written. */
static int64_t write(struct inode *inode, const struct content *what,
                     uint64_t *offset, bool append)
{
    int64_t put = mapping_throttle(&inode->pages);

    if (put != 0)
        return put;
    rwlock_lock(&inode->lock);
    if (append)
        *offset = inode->size_bytes;
    put = write_locked(inode, what, *offset);
    rwlock_unlock(&inode->lock);
    return put;
}

int64_t vfs_write(struct inode *inode, const struct file_part *parts,
                  unsigned count, uint64_t *offset, bool append)
{
    const struct content what = {.parts = parts, .count = count};
    int64_t put = vfs_check_writable(inode);

    if (put != 0 || is_nothing(parts, count))
        return put;
    return write(inode, &what, offset, append);
}

int64_t vfs_give(struct inode *inode, struct buf *const *bufs, unsigned count,
                 uint64_t offset)
{
    const struct content what = {.bufs = bufs, .count = count};
    int64_t put = vfs_check_writable(inode);

    assert(count > 0);
    assert(offset % PAGE_BYTES == 0);
    if (put == 0)
        put = write(inode, &what, &offset, false);
    for (unsigned i = 0; i < count; i++)
        buf_put(bufs[i]);
    return put;
}

/* The file is locked. */
static int truncate_locked(struct inode *inode, uint64_t size_bytes)
{
    uint64_t old = inode->size_bytes;
    int status = size_bytes > old ? grow(inode, size_bytes)
                                  : mapping_truncate(&inode->pages, size_bytes);

    if (status != 0)
        return status;
    inode->size_bytes = size_bytes;
    inode->mtime = inode->ctime = vfs_now_in(inode->mount);
    inode_dirty(inode, INODE_REST);
    if (size_bytes >= old || inode->mount->ops->truncate == NULL)
        return 0;
    return inode->mount->ops->truncate(inode, old);
}

int vfs_truncate(struct inode *inode, uint64_t size_bytes)
{
    int status;

    change_begin(inode->mount);
    status = vfs_check_writable(inode);
    if (status == 0) {
        /* What cannot be written may be cut off. */
        (void)!mapping_throttle(&inode->pages);
        rwlock_lock(&inode->lock);
        status = truncate_locked(inode, size_bytes);
        rwlock_unlock(&inode->lock);
    }
    change_end(inode->mount);
    return status;
}
