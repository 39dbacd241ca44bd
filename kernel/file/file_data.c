/* Calls of <torc/file.h> that change what a file holds, or read it in another
 * way than file_read(). */
#include "kernel/file/carry.h"

/* Whether a file may be used that way. Returns 0, -EBADF. */
static int check(const struct file *file, unsigned flag)
{
    return (file->flags & flag) != 0 ? 0 : -EBADF;
}

static int64_t run_read_parts(struct carried *call)
{
    return file_read_parts(call->file, call->in, (unsigned)call->number);
}

int64_t file_read_parts(struct file *file, const struct file_part *parts,
                        unsigned count)
{
    int64_t got;

    if (!file_is_mine(file))
        return carry_file(&(struct carried){
            .run = run_read_parts, .file = file, .in = parts, .number = count});
    got = check(file, FILE_READ);
    if (got == 0)
        got =
            vfs_read(file->inode, parts, count, file->offset, &file->readahead);
    if (got > 0)
        file->offset += (uint64_t)got;
    return got;
}

static int64_t run_write_parts(struct carried *call)
{
    return file_write_parts(call->file, call->in, (unsigned)call->number);
}

int64_t file_write_parts(struct file *file, const struct file_part *parts,
                         unsigned count)
{
    uint64_t offset;
    int64_t put;

    if (!file_is_mine(file))
        return carry_file(&(struct carried){.run = run_write_parts,
                                            .file = file,
                                            .in = parts,
                                            .number = count});
    put = check(file, FILE_WRITE);
    offset = file->offset;
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

static int64_t run_write_at(struct carried *call)
{
    return file_write_at(call->file, call->in, call->size, call->offset);
}

int64_t file_write_at(struct file *file, const void *buf, size_t size,
                      uint64_t offset)
{
    const struct file_part part = {(void *)buf, size};
    int64_t put;

    if (!file_is_mine(file))
        return carry_file(&(struct carried){.run = run_write_at,
                                            .file = file,
                                            .in = buf,
                                            .size = size,
                                            .offset = offset});
    put = check(file, FILE_WRITE);
    return put != 0 ? put : vfs_write(file->inode, &part, 1, &offset, false);
}

static int64_t run_truncate(struct carried *call)
{
    return file_truncate(call->file, call->size);
}

int file_truncate(struct file *file, uint64_t size_bytes)
{
    int status;

    if (!file_is_mine(file))
        return (int)carry_file(&(struct carried){
            .run = run_truncate, .file = file, .size = size_bytes});
    status = check(file, FILE_WRITE);
    return status != 0 ? status : vfs_truncate(file->inode, size_bytes);
}
