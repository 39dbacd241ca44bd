/* Open files: an inode and a position in it. See <torc/file.h>. */
#include "kernel/cpu/percpu.h"
#include "kernel/file/vfs.h"
#include <torc/assert.h>
#include <torc/file.h>
#include <torc/memory.h>

struct file {
    /* constant: */
    struct vfs_inode *inode; /* held */
    unsigned cpu;
    /* owner CPU only: */
    uint64_t offset; /* bytes; of a directory: the cursor of dir_next() */
};

int file_mount(struct device *device, const char *path, const char *type)
{
    struct block_device *disk = block_from_device(device);

    return disk == NULL ? -EINVAL : vfs_mount(disk, path, type);
}

int file_unmount(const char *path)
{
    return vfs_unmount(path);
}

int file_open(const char *path, struct file **out)
{
    struct vfs_inode *inode;
    struct file *file;
    int status = vfs_walk(path, true, &inode);

    if (status != 0)
        return status;
    file = mem_alloc(sizeof(*file));
    if (file == NULL) {
        vfs_put(inode);
        return -ENOMEM;
    }
    assert(inode->references > 0);
    *file = (struct file){.inode = inode, .cpu = cpu_self()->id};
    *out = file;
    return 0;
}

int64_t file_read_at(struct file *file, void *buf, size_t size, uint64_t offset)
{
    struct vfs_inode *inode = file->inode;

    if (file->cpu != cpu_self()->id)
        return -EXDEV;
    if (inode->type == FILE_DIRECTORY)
        return -EISDIR;
    if (inode->type != FILE_REGULAR)
        return -EINVAL;
    if (offset >= inode->size_bytes || size == 0)
        return 0;
    if (size > inode->size_bytes - offset)
        size = (size_t)(inode->size_bytes - offset);
    if (size > INT64_MAX)
        size = INT64_MAX;
    return inode->mount->ops->read(inode, buf, size, offset);
}

int64_t file_read(struct file *file, void *buf, size_t size)
{
    int64_t got = file_read_at(file, buf, size, file->offset);

    assert(got < 0 || (uint64_t)got <= size);
    if (got > 0)
        file->offset += (uint64_t)got;
    return got;
}

int file_seek(struct file *file, uint64_t offset)
{
    if (file->cpu != cpu_self()->id)
        return -EXDEV;
    file->offset = offset;
    return 0;
}

int file_fstat(struct file *file, struct file_stat *stat)
{
    if (file->cpu != cpu_self()->id)
        return -EXDEV;
    return file->inode->mount->ops->stat(file->inode, stat);
}

int file_stat(const char *path, bool follow, struct file_stat *stat)
{
    struct vfs_inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status != 0)
        return status;
    status = inode->mount->ops->stat(inode, stat);
    vfs_put(inode);
    return status;
}

int64_t file_read_link(const char *path, char *buf, size_t size)
{
    struct vfs_inode *inode;
    int64_t len = vfs_walk(path, false, &inode);

    if (len != 0)
        return len;
    len = inode->type == FILE_SYMLINK
              ? inode->mount->ops->read_link(inode, buf, size)
              : -EINVAL;
    vfs_put(inode);
    return len;
}

int dir_read(struct file *dir, struct dir_entry *entry)
{
    if (dir->cpu != cpu_self()->id)
        return -EXDEV;
    if (dir->inode->type != FILE_DIRECTORY)
        return -ENOTDIR;
    return dir->inode->mount->ops->dir_next(dir->inode, &dir->offset, entry);
}

void file_close(struct file *file)
{
    assert(file->cpu == cpu_self()->id);
    vfs_put(file->inode);
    mem_free(file);
}
