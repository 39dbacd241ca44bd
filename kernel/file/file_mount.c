/* Calls of <torc/file.h> for file systems as a whole. */
#include "kernel/file/file_internal.h"

int file_stat_fs(const char *path, struct file_fs_stat *stat)
{
    struct inode *inode;
    int status = vfs_walk(path, true, &inode);

    if (status != 0)
        return status;
    status = vfs_statfs(inode->mount, stat);
    inode_put(inode);
    return status;
}

int file_remount(const char *path, bool read_only)
{
    struct inode *inode;
    int status = vfs_walk(path, true, &inode);

    if (status != 0)
        return status;
    status = inode == inode->mount->root ? vfs_remount(inode->mount, read_only)
                                         : -EINVAL;
    inode_put(inode);
    return status;
}
