/* What inodes hold: the rules that are the same for all file systems. */
#include "kernel/cache/run.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

int vfs_check_regular(const struct inode *inode)
{
    if (inode->type == FILE_DIRECTORY)
        return -EISDIR;
    return inode->type == FILE_REGULAR ? 0 : -EINVAL;
}

/* Copy from one page: `size` bytes at `at`, which lie in it. */
static int read_page(struct mapping *pages, uint64_t at, char *to, size_t size,
                     struct readahead *readahead)
{
    struct page *page;
    int status = page_read(pages, at >> PAGE_BYTES_SHIFT, readahead, &page);

    if (unlikely(status != 0))
        return status;
    memcpy(to, page->buf->base + at % PAGE_BYTES, size);
    page_put(page);
    return 0;
}

/* Read into one part; the range is before the end. Returns how many bytes, or
 * an error when it is none. */
static int64_t read_part(struct mapping *pages, char *to, size_t size,
                         uint64_t offset, struct readahead *readahead)
{
    size_t done = 0;

    while (done < size) {
        uint64_t at = offset + done;
        size_t piece =
            page_copy_now(pages, at, to + done, size - done, readahead);
        int status = 0;

        if (unlikely(piece == 0)) {
            piece = min_size(PAGE_BYTES - at % PAGE_BYTES, size - done);
            status = read_page(pages, at, to + done, piece, readahead);
        }
        if (unlikely(status != 0))
            return done > 0 ? (int64_t)done : status;
        done += piece;
    }
    return (int64_t)done;
}

/* The file is locked. */
static int64_t read_parts(struct inode *inode, const struct file_part *parts,
                          unsigned count, uint64_t offset,
                          struct readahead *readahead)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t at = offset + (uint64_t)sum;
        size_t size = parts[i].size;
        int64_t got;

        if (at >= inode->size_bytes)
            break;
        if (size > inode->size_bytes - at)
            size = (size_t)(inode->size_bytes - at);
        got = read_part(&inode->pages, parts[i].base, size, at, readahead);
        if (unlikely(got < 0))
            return sum > 0 ? sum : got;
        sum += got;
        if ((size_t)got < parts[i].size)
            break;
    }
    return sum;
}

int64_t vfs_read(struct inode *inode, const struct file_part *parts,
                 unsigned count, uint64_t offset, struct readahead *readahead)
{
    int64_t got;

    if (count == 1 && is_quick(inode, offset, parts->size)) {
        struct page *page =
            page_read_now(&inode->pages, offset >> PAGE_BYTES_SHIFT, readahead);

        if (page != NULL) {
            memcpy(parts->base, page->buf->base + offset % PAGE_BYTES,
                   parts->size);
            page_put(page);
            return (int64_t)parts->size;
        }
    }
    got = vfs_check_regular(inode);
    if (unlikely(got != 0))
        return got;
    rwlock_lock_shared(&inode->lock);
    got = read_parts(inode, parts, count, offset, readahead);
    rwlock_unlock_shared(&inode->lock);
    return got;
}

uint64_t vfs_blocks(const struct inode *inode)
{
    const struct fs_ops *ops = inode->mount->ops;

    if (ops->promised == NULL || inode->type != FILE_REGULAR)
        return inode->blocks;
    return inode->blocks + ops->promised(inode);
}

void vfs_stat(const struct inode *inode, struct file_stat *stat)
{
    const struct fs_ops *ops = inode->mount->ops;

    stat->mount = (uintptr_t)inode->mount;
    stat->inode =
        ops->number_told == NULL ? inode->number : ops->number_told(inode);
    stat->type = inode->type;
    stat->mode = inode->mode;
    stat->links = inode->links;
    stat->uid = inode->uid;
    stat->gid = inode->gid;
    stat->size_bytes = inode->size_bytes;
    stat->blocks = vfs_blocks(inode);
    stat->atime = inode->atime;
    stat->mtime = inode->mtime;
    stat->ctime = inode->ctime;
    stat->btime = inode->btime;
}

int vfs_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry)
{
    int status;

    if (dir->type != FILE_DIRECTORY)
        return -ENOTDIR;
    rwlock_lock_shared(&dir->lock);
    status = dir->mount->ops->readdir(dir, cursor, entry);
    rwlock_unlock_shared(&dir->lock);
    return status;
}

int64_t vfs_readlink(struct inode *inode, char *buf, size_t size)
{
    if (inode->type != FILE_SYMLINK)
        return -EINVAL;
    return inode->mount->ops->readlink(inode, buf, size);
}
