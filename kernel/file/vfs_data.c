/* What inodes hold: the rules that are the same for all file systems. */
#include "kernel/file/vfs.h"
#include <torc/assert.h>

int64_t vfs_read(struct inode *inode, void *buf, size_t size, uint64_t offset)
{
    int64_t got = 0;

    if (inode->type == FILE_DIRECTORY)
        return -EISDIR;
    if (inode->type != FILE_REGULAR)
        return -EINVAL;
    rwlock_lock_shared(&inode->lock);
    if (offset < inode->size_bytes && size > 0) {
        if (size > inode->size_bytes - offset)
            size = (size_t)(inode->size_bytes - offset);
        if (size > INT64_MAX)
            size = INT64_MAX;
        got = inode->mount->ops->read(inode, buf, size, offset);
        assert(got < 0 || (uint64_t)got <= size);
    }
    rwlock_unlock_shared(&inode->lock);
    return got;
}

void vfs_stat(const struct inode *inode, struct file_stat *stat)
{
    stat->inode = inode->number;
    stat->type = inode->type;
    stat->mode = inode->mode;
    stat->links = inode->links;
    stat->uid = inode->uid;
    stat->gid = inode->gid;
    stat->size_bytes = inode->size_bytes;
    stat->blocks = inode->blocks;
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
