/* Calls of <torc/file.h> that read what a path leads to, and directories. */
#include "kernel/file/carry.h"

static int64_t run_stat(struct carried *call)
{
    return file_stat(call->path, call->follow, call->out);
}

int file_stat(const char *path, bool follow, struct file_stat *stat)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){
            .run = run_stat, .path = path, .follow = follow, .out = stat});
    if (status != 0)
        return status;
    vfs_stat(inode, stat);
    inode_put(inode);
    return 0;
}

static int64_t run_read_link(struct carried *call)
{
    return file_read_link(call->path, call->out, call->size);
}

int64_t file_read_link(const char *path, char *buf, size_t size)
{
    struct inode *inode;
    int64_t len = vfs_walk(path, false, &inode);

    if (len == -EREMOTE)
        return carry_path(&(struct carried){
            .run = run_read_link, .path = path, .out = buf, .size = size});
    if (len != 0)
        return len;
    len = vfs_readlink(inode, buf, size);
    inode_put(inode);
    return len;
}

static int64_t run_dir_read(struct carried *call)
{
    return dir_read(call->file, call->out);
}

int dir_read(struct file *dir, struct dir_entry *entry)
{
    if (!file_is_mine(dir))
        return (int)carry_file(
            &(struct carried){.run = run_dir_read, .file = dir, .out = entry});
    return vfs_readdir(dir->inode, &dir->offset, entry);
}

int file_mount(struct device *device, const char *path, const char *type)
{
    struct block_device *disk = NULL;

    if (device != NULL) {
        disk = block_from_device(device);
        if (disk == NULL)
            return -EINVAL;
    }
    return vfs_mount(disk, path, type);
}

int file_unmount(const char *path)
{
    return vfs_unmount(path);
}
