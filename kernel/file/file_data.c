/* Calls of <torc/file.h> that change what a file holds, or read it in another
 * way than file_read(). */
#include "kernel/file/file_internal.h"

/* Whether a file may be used that way. Returns 0, -EXDEV, -EBADF. */
static int check(const struct file *file, unsigned flag)
{
    if (!file_is_mine(file))
        return -EXDEV;
    return (file->flags & flag) != 0 ? 0 : -EBADF;
}

int64_t file_read_parts(struct file *file, const struct file_part *parts,
                        unsigned count)
{
    int64_t got = check(file, FILE_READ);

    if (got == 0)
        got =
            vfs_read(file->inode, parts, count, file->offset, &file->readahead);
    if (got > 0)
        file->offset += (uint64_t)got;
    return got;
}

int64_t file_write_parts(struct file *file, const struct file_part *parts,
                         unsigned count)
{
    int64_t put = check(file, FILE_WRITE);
    uint64_t offset = file->offset;

    if (put == 0)
        put = vfs_write(file->inode, parts, count, &offset,
                        (file->flags & FILE_APPEND) != 0);
    if (put > 0)
        file->offset = offset + (uint64_t)put;
    return put;
}

int64_t file_write(struct file *file, const void *buf, size_t size)
{
    const struct file_part part = {(void *)buf, size};

    return file_write_parts(file, &part, 1);
}

int64_t file_write_at(struct file *file, const void *buf, size_t size,
                      uint64_t offset)
{
    const struct file_part part = {(void *)buf, size};
    int64_t put = check(file, FILE_WRITE);

    return put != 0 ? put : vfs_write(file->inode, &part, 1, &offset, false);
}

int64_t file_lend(struct file *file, uint64_t offset, uint64_t size,
                  struct slice *slices, unsigned *count)
{
    int64_t got = check(file, FILE_READ);

    if (got != 0) {
        *count = 0;
        return got;
    }
    return vfs_lend(file->inode, offset, size, &file->readahead, slices, count);
}

int file_truncate(struct file *file, uint64_t size_bytes)
{
    int status = check(file, FILE_WRITE);

    return status != 0 ? status : vfs_truncate(file->inode, size_bytes);
}
