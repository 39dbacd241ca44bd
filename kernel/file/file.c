/* Open files that exist: an inode and a position in it. See <torc/file.h>. */
#include "kernel/file/carry.h"
#include <torc/assert.h>
#include <torc/memory.h>

void file_fill(struct file *file, struct inode *inode, unsigned flags)
{
    assert(inode->refs > 0);
    file->inode = inode;
    file->cpu = cpu_self()->id;
    file->flags = flags;
    file->offset = 0;
    file->readahead = (struct readahead){.next = 0};
    file->error_seen =
        inode->type == FILE_REGULAR ? mapping_error_seen(&inode->pages) : 0;
    if ((flags & FILE_WRITE) != 0)
        inode->mount->writers++;
}

int file_may_open(const struct inode *inode, unsigned flags)
{
    if (inode->type == FILE_DIRECTORY) {
        if ((flags & FILE_WRITE) != 0)
            return -EISDIR;
    } else {
        if ((flags & FILE_DIRECTORY_ONLY) != 0)
            return -ENOTDIR;
        if (inode->type == FILE_SYMLINK)
            return -ELOOP; /* with FILE_NOFOLLOW */
    }
    if ((flags & FILE_WRITE) != 0 && inode->mount->is_read_only)
        return -EROFS;
    return 0;
}

static int64_t run_open(struct carried *call)
{
    return file_open_existing(call->path, call->flags, call->out);
}

int file_open_existing(const char *path, unsigned flags, struct file **out)
{
    struct inode *inode;
    struct file *file;
    int status = vfs_walk(path, (flags & FILE_NOFOLLOW) == 0, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){
            .run = run_open, .path = path, .flags = flags, .out = out});
    if (status != 0)
        return status;
    status = file_may_open(inode, flags);
    if (status != 0)
        goto fail;
    file = mem_alloc(sizeof(*file));
    if (file == NULL) {
        status = -ENOMEM;
        goto fail;
    }
    file_fill(file, inode, flags);
    *out = file;
    return 0;

fail:
    inode_put(inode);
    return status;
}

static int64_t run_read_at(struct carried *call)
{
    return file_read_at(call->file, call->out, call->size, call->offset);
}

int64_t file_read_at(struct file *file, void *buf, size_t size, uint64_t offset)
{
    const struct file_part part = {buf, size};

    if (!file_is_mine(file))
        return carry_file(&(struct carried){.run = run_read_at,
                                            .file = file,
                                            .out = buf,
                                            .size = size,
                                            .offset = offset});
    if ((file->flags & FILE_READ) == 0)
        return -EBADF;
    return vfs_read(file->inode, &part, 1, offset, &file->readahead);
}

static int64_t run_read(struct carried *call)
{
    return file_read(call->file, call->out, call->size);
}

int64_t file_read(struct file *file, void *buf, size_t size)
{
    int64_t got;

    if (!file_is_mine(file))
        return carry_file(&(struct carried){
            .run = run_read, .file = file, .out = buf, .size = size});
    got = file_read_at(file, buf, size, file->offset);
    if (got > 0)
        file->offset += (uint64_t)got;
    return got;
}

static int64_t run_fstat(struct carried *call)
{
    return file_fstat(call->file, call->out);
}

int file_fstat(struct file *file, struct file_stat *stat)
{
    if (!file_is_mine(file))
        return (int)carry_file(
            &(struct carried){.run = run_fstat, .file = file, .out = stat});
    vfs_stat(file->inode, stat);
    return 0;
}

static int64_t run_close(struct carried *call)
{
    file_close(call->file);
    return 0;
}

void file_close(struct file *file)
{
    struct inode *inode;

    if (!file_is_mine(file)) {
        carry_surely(&(struct carried){.run = run_close, .file = file},
                     file->cpu);
        return;
    }
    inode = file->inode;
    if (unlikely(inode->locks != NULL))
        inode->locks->release(file);
    if ((file->flags & FILE_WRITE) != 0)
        inode->mount->writers--;
    mem_free(file);
    inode_put(inode);
}
