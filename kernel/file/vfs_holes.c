/* Holes of regular files: finding, filling and punching them. */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { RUN_MAX = 1 << 20 }; /* pages that the file system is asked about */

/* Pages of a file from some index on that are alike. */
struct run {
    bool is_data;
    uint64_t end; /* the first page behind it; or far behind the file's end */
};

/* The first page from `index` on that holds what the device may not have. */
static uint64_t next_dirty(struct mapping *pages, uint64_t index)
{
    struct page *page = mapping_next_dirty(pages, index);
    uint64_t at = page == NULL ? UINT64_MAX : page->index;

    if (page != NULL)
        page_put(page);
    return at;
}

/* What the device has, where no page is dirty. A hole that is smaller than a
 * page counts as data. */
static int run_on_device(struct mapping *pages, uint64_t index, uint64_t end,
                         struct run *run)
{
    uint64_t count = end - index < RUN_MAX ? end - index : RUN_MAX;
    struct extent extent;
    int status =
        pages->ops->map(pages, index * PAGE_SECTORS,
                        (uint32_t)(count * PAGE_SECTORS), MAP_READ, &extent);

    if (status != 0)
        return status;
    run->is_data = extent.type == EXTENT_DATA || extent.sectors < PAGE_SECTORS;
    run->end = index + extent.sectors / PAGE_SECTORS;
    if (run->end == index)
        run->end++;
    return 0;
}

static int run_at(struct mapping *pages, uint64_t index, struct run *run)
{
    uint64_t dirty = next_dirty(pages, index);

    if (dirty == index) {
        *run = (struct run){true, index + 1};
        return 0;
    }
    if (pages->open != NULL)
        return run_on_device(pages, index, dirty, run);
    *run = (struct run){false, dirty};
    return 0;
}

/* The file is locked, and `offset` is before its end. */
static int64_t seek_locked(struct inode *inode, uint64_t offset, bool hole)
{
    uint64_t index = offset >> PAGE_BYTES_SHIFT;
    uint64_t end = (inode->size_bytes + PAGE_BYTES - 1) >> PAGE_BYTES_SHIFT;
    struct run run;

    while (index < end) {
        int status = run_at(&inode->pages, index, &run);

        if (status != 0)
            return status;
        if (run.is_data != hole) {
            uint64_t at = index << PAGE_BYTES_SHIFT;

            return (int64_t)(at > offset ? at : offset);
        }
        index = run.end;
    }
    return hole ? (int64_t)inode->size_bytes : -ENXIO;
}

int64_t vfs_seek(struct inode *inode, uint64_t offset, bool hole)
{
    int64_t at = vfs_check_regular(inode);

    if (at != 0)
        return at;
    rwlock_lock_shared(&inode->lock);
    at = offset < inode->size_bytes ? seek_locked(inode, offset, hole) : -ENXIO;
    rwlock_unlock_shared(&inode->lock);
    return at;
}

/* ---- Filling ------------------------------------------------------------- */

/* Keep room for bytes of one page, which read as before. */
static int fill_page(struct mapping *pages, uint64_t at, uint32_t size)
{
    uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
    struct page *page;
    int status;

    if (next_dirty(pages, at >> PAGE_BYTES_SHIFT) == at >> PAGE_BYTES_SHIFT &&
        at + size <= pages->size_bytes)
        return 0;
    /* Nothing of it is overwritten: what the device has is read first. */
    if (pages->open != NULL && at < pages->size_bytes)
        status = page_get(pages, at >> PAGE_BYTES_SHIFT, 0, &page);
    else
        status = page_take(pages, at >> PAGE_BYTES_SHIFT, &page);
    if (status != 0)
        return status;
    status = page_modify(page, in_page, size);
    if (status == 0)
        page_dirty(page, in_page, size);
    page_put(page);
    return status;
}

/* The file is locked. */
static int fill(struct inode *inode, uint64_t offset, uint64_t len)
{
    struct mapping *pages = &inode->pages;
    uint64_t old = inode->size_bytes;
    int status = offset > old ? grow(inode, offset) : 0;

    if (status != 0)
        return status;
    for (uint64_t done = 0; done < len && status == 0;) {
        uint64_t at = offset + done;
        uint64_t piece = PAGE_BYTES - at % PAGE_BYTES;

        if (piece > len - done)
            piece = len - done;
        status = mapping_throttle(pages);
        if (status == 0)
            status = fill_page(pages, at, (uint32_t)piece);
        done += piece;
    }
    if (status != 0)
        grow_undo(inode, old);
    else
        inode->size_bytes = pages->size_bytes;
    return status;
}

/* ---- Punching ------------------------------------------------------------ */

/* Make zeros of bytes of one page that is not a hole. */
static int clear_part(struct mapping *pages, uint64_t at, uint64_t size)
{
    uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
    struct page *page;
    struct run run;
    int status;

    if (size == 0)
        return 0;
    status = run_at(pages, at >> PAGE_BYTES_SHIFT, &run);
    if (status != 0 || !run.is_data)
        return status;
    status = page_get(pages, at >> PAGE_BYTES_SHIFT, 0, &page);
    if (status != 0)
        return status;
    status = page_modify(page, in_page, (uint32_t)size);
    if (status == 0) {
        memset(page->buf->base + in_page, 0, size);
        page_dirty(page, in_page, (uint32_t)size);
    }
    page_put(page);
    return status;
}

/* The file is locked; the range is before its end. */
static int punch(struct inode *inode, uint64_t from, uint64_t to)
{
    const struct fs_ops *ops = inode->mount->ops;
    uint64_t first = (from + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t last = to & ~(uint64_t)(PAGE_BYTES - 1);
    int status;

    if (to == inode->size_bytes) /* what is behind the end is zeros anyway */
        last = (to + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    if (first > last)
        return clear_part(&inode->pages, from, to - from);
    status = clear_part(&inode->pages, from, (first < to ? first : to) - from);
    if (status == 0 && last < to)
        status = clear_part(&inode->pages, last, to - last);
    if (status != 0 || first == last)
        return status;
    mapping_forget(&inode->pages, first, last - first);
    return ops->punch == NULL ? 0 : ops->punch(inode, first, last);
}

/* ---- The call ------------------------------------------------------------ */

/* The file is locked. */
static int allocate_locked(struct inode *inode, uint64_t offset, uint64_t len,
                           unsigned flags)
{
    uint64_t size = inode->size_bytes;
    uint64_t end = offset + len;
    int status = 0;

    if ((flags & FILE_PUNCH_HOLE) != 0) {
        if (inode->pages.open != NULL && inode->mount->ops->punch == NULL)
            return -ENOTSUP;
        if (offset < size)
            status = punch(inode, offset, end < size ? end : size);
    } else if ((flags & FILE_KEEP_SIZE) != 0 && end > size) {
        return -ENOTSUP; /* a page behind the end keeps no room */
    } else if (inode->mount->ops->has_no_holes) {
        status = end > size ? grow(inode, end) : 0;
        inode->size_bytes = inode->pages.size_bytes;
    } else {
        status = fill(inode, offset, len);
    }
    if (status == 0) {
        inode->mtime = inode->ctime = vfs_now_in(inode->mount);
        inode_dirty(inode, INODE_REST);
    }
    return status;
}

int vfs_allocate(struct inode *inode, uint64_t offset, uint64_t len,
                 unsigned flags)
{
    const unsigned both = FILE_KEEP_SIZE | FILE_PUNCH_HOLE;
    uint64_t max = (flags & FILE_PUNCH_HOLE) != 0 ? MAPPING_SIZE_MAX
                                                  : inode->mount->size_max;
    int status = vfs_check_writable(inode);

    if (status != 0)
        return status;
    if ((flags & ~both) != 0 || flags == FILE_PUNCH_HOLE || len == 0)
        return -EINVAL;
    if (offset > max || len > max - offset)
        return -EFBIG;
    status = mapping_throttle(&inode->pages);
    if (status != 0 && (flags & FILE_PUNCH_HOLE) == 0)
        return status;
    rwlock_lock(&inode->lock);
    status = allocate_locked(inode, offset, len, flags);
    rwlock_unlock(&inode->lock);
    return status;
}
