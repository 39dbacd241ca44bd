/* The position of an open file, and holes. */
#include "kernel/file/carry.h"

/* Where a position is to be. Returns it, -EINVAL, -EOVERFLOW, or as vfs_seek().
 */
static int64_t place(struct file *file, int64_t offset, enum file_seek whence)
{
    int64_t from = 0;

    if (whence == FILE_SEEK_DATA || whence == FILE_SEEK_HOLE)
        return offset < 0 ? -EINVAL
                          : vfs_seek(file->inode, (uint64_t)offset,
                                     whence == FILE_SEEK_HOLE);
    if (whence == FILE_SEEK_CUR)
        from = (int64_t)file->offset;
    else if (whence == FILE_SEEK_END)
        from = (int64_t)file->inode->size_bytes;
    if (__builtin_add_overflow(from, offset, &from))
        return -EOVERFLOW;
    return from < 0 ? -EINVAL : from;
}

static int64_t run_seek(struct carried *call)
{
    return file_seek(call->file, (int64_t)call->offset,
                     (enum file_seek)call->number);
}

int64_t file_seek(struct file *file, int64_t offset, enum file_seek whence)
{
    int64_t at;

    if (!file_is_mine(file))
        return carry_file(&(struct carried){.run = run_seek,
                                            .file = file,
                                            .offset = (uint64_t)offset,
                                            .number = whence});
    at = place(file, offset, whence);
    if (at >= 0)
        file->offset = (uint64_t)at;
    return at;
}

static int64_t run_allocate(struct carried *call)
{
    return file_allocate(call->file, call->offset, call->size, call->flags);
}

int file_allocate(struct file *file, uint64_t offset, uint64_t len,
                  unsigned flags)
{
    if (!file_is_mine(file))
        return (int)carry_file(&(struct carried){.run = run_allocate,
                                                 .file = file,
                                                 .offset = offset,
                                                 .size = len,
                                                 .flags = flags});
    if ((file->flags & FILE_WRITE) == 0)
        return -EBADF;
    return vfs_allocate(file->inode, offset, len, flags);
}
