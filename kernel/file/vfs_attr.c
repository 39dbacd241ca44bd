/* Attributes that are set: the rules that are the same for all file systems. */
#include "kernel/file/vfs_internal.h"

enum {
    MODE_ALL = 07777,
    MODE_SETUID = 04000,
    MODE_SETGID = 02000,
    MODE_XGRP = 010
};

/* A new owner does not get the rights of the old one. */
static void drop_rights(struct inode *inode)
{
    if (inode->type == FILE_DIRECTORY)
        return;
    inode->mode &= (uint16_t)~MODE_SETUID;
    if ((inode->mode & MODE_XGRP) != 0)
        inode->mode &= (uint16_t)~MODE_SETGID;
}

static void set(struct inode *inode, const struct vfs_attr *attr)
{
    if ((attr->mask & ATTR_UID) != 0)
        inode->uid = attr->uid;
    if ((attr->mask & ATTR_GID) != 0)
        inode->gid = attr->gid;
    if ((attr->mask & (ATTR_UID | ATTR_GID)) != 0)
        drop_rights(inode);
    if ((attr->mask & ATTR_MODE) != 0)
        inode->mode = attr->mode & MODE_ALL;
    if ((attr->mask & ATTR_ATIME) != 0)
        inode->atime = vfs_time_fit(inode->mount, attr->atime);
    if ((attr->mask & ATTR_MTIME) != 0)
        inode->mtime = vfs_time_fit(inode->mount, attr->mtime);
    inode->ctime = vfs_now_in(inode->mount);
}

int vfs_setattr(struct inode *inode, const struct vfs_attr *attr)
{
    const struct fs_ops *ops = inode->mount->ops;
    struct vfs_attr fit = *attr;
    int status = 0;

    if (attr->mask == 0)
        return 0;
    if (inode->mount->is_read_only)
        return -EROFS;
    if (ops->attr_fit != NULL)
        status = ops->attr_fit(inode, &fit);
    if (status != 0)
        return status;
    change_begin(inode->mount);
    rwlock_lock(&inode->lock);
    if (ops->attr_set != NULL)
        status = ops->attr_set(inode, &fit);
    if (status == 0) {
        set(inode, &fit);
        inode_dirty(inode, INODE_REST);
    }
    rwlock_unlock(&inode->lock);
    change_end(inode->mount);
    return status;
}
