/* Calls of <torc/file.h> for file systems as a whole. */
#include "kernel/file/carry.h"

static int64_t run_stat_fs(struct carried *call)
{
    return file_stat_fs(call->path, call->out);
}

int file_stat_fs(const char *path, struct file_fs_stat *stat)
{
    struct inode *inode;
    int status = vfs_walk(path, true, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(
            &(struct carried){.run = run_stat_fs, .path = path, .out = stat});
    if (status != 0)
        return status;
    status = vfs_statfs(inode->mount, stat);
    inode_put(inode);
    return status;
}

static int64_t run_sync_mount(struct carried *call)
{
    return file_sync_mount(call->path);
}

int file_sync_mount(const char *path)
{
    struct inode *inode;
    int status = vfs_walk(path, true, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(
            &(struct carried){.run = run_sync_mount, .path = path});
    if (status != 0)
        return status;
    status = vfs_sync_mount(inode->mount);
    inode_put(inode);
    return status;
}

static int64_t run_remount(struct carried *call)
{
    return file_remount(call->path, call->number != 0);
}

int file_remount(const char *path, bool read_only)
{
    struct inode *inode;
    int status = vfs_walk(path, true, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){
            .run = run_remount, .path = path, .number = read_only});
    if (status != 0)
        return status;
    status = inode == inode->mount->root ? vfs_remount(inode->mount, read_only)
                                         : -EINVAL;
    inode_put(inode);
    return status;
}
