/* From a directory and a name to an inode. */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>

/* What is known of a name. Returns 0 and *out, held, -ENOENT, or -EAGAIN:
 * nothing is. */
static int lookup_known(const struct inode *dir, const struct name *name,
                        struct inode **out)
{
    struct dentry *dentry = dentry_find(dir, name);

    if (dentry == NULL)
        return -EAGAIN;
    if (dentry->inode == NULL)
        return -ENOENT;
    inode_hold(dentry->inode);
    *out = dentry->inode;
    return 0;
}

/*
 * Between the file system's answer and dentry_set() nothing may be waited for:
 * whoever holds the directory exclusively changes the name and its dentry
 * together.
 */
int lookup_locked(struct inode *dir, const struct name *name,
                  struct inode **out)
{
    int status = lookup_known(dir, name, out);

    assert(rwlock_is_held(&dir->lock));
    if (status != -EAGAIN)
        return status;
    status = dir->mount->ops->lookup(dir, name, out);
    if (status == 0 || status == -ENOENT)
        dentry_set(dir, name, status == 0 ? *out : NULL);
    return status;
}

int vfs_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    int status;

    assert(dir->refs > 0);
    if (dir->type != FILE_DIRECTORY)
        return -ENOTDIR;
    status = lookup_known(dir, name, out);
    if (status != -EAGAIN)
        return status;
    rwlock_lock_shared(&dir->lock);
    status = lookup_locked(dir, name, out);
    rwlock_unlock_shared(&dir->lock);
    return status;
}
