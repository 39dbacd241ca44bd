/* Calls of <torc/file.h> that read what a path leads to, and directories. */
#include "kernel/file/file_internal.h"

int file_stat(const char *path, bool follow, struct file_stat *stat)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status != 0)
        return status;
    vfs_stat(inode, stat);
    inode_put(inode);
    return 0;
}

int64_t file_read_link(const char *path, char *buf, size_t size)
{
    struct inode *inode;
    int64_t len = vfs_walk(path, false, &inode);

    if (len != 0)
        return len;
    len = vfs_readlink(inode, buf, size);
    inode_put(inode);
    return len;
}

int dir_read(struct file *dir, struct dir_entry *entry)
{
    if (!file_is_mine(dir))
        return -EXDEV;
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
