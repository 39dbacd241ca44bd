/* Names that are removed: the rules that are the same for all file systems. */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>

static bool is_dots(const char *name)
{
    return name[0] == '.' &&
           (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int check_empty(struct inode *dir)
{
    struct dir_entry entry;
    uint64_t cursor = 0;
    int status;

    do
        status = dir->mount->ops->readdir(dir, &cursor, &entry);
    while (status == 1 && is_dots(entry.name));
    return status == 1 ? -ENOTEMPTY : status;
}

/* Whether a child may be removed, with the call for it. */
static int check_child(const struct inode *child, bool is_rmdir)
{
    if (is_rmdir) {
        if (child->type != FILE_DIRECTORY)
            return -ENOTDIR;
        return mount_is_on(child) ? -EBUSY : 0;
    }
    return child->type == FILE_DIRECTORY ? -EISDIR : 0;
}

/* The directory is locked, and the child is held. */
static int remove_child(struct inode *dir, const struct name *name,
                        struct inode *child)
{
    int status = 0;

    rwlock_lock(&child->lock);
    if (child->type == FILE_DIRECTORY)
        status = check_empty(child);
    if (status == 0)
        status = dir->mount->ops->unlink(dir, name, child);
    if (status == 0) {
        child->ctime = vfs_now();
        dir_changed(dir);
        dentry_set(dir, name, NULL);
        if (child->type == FILE_DIRECTORY)
            assert(child->links == 0);
    }
    rwlock_unlock(&child->lock);
    return status;
}

static int remove_name(struct inode *dir, const struct name *name,
                       bool is_rmdir)
{
    struct inode *child;
    int status;

    if (dir->type != FILE_DIRECTORY)
        return -ENOTDIR;
    rwlock_lock(&dir->lock);
    status = lookup_locked(dir, name, &child);
    if (status != 0) {
        rwlock_unlock(&dir->lock);
        return status;
    }
    status = check_child(child, is_rmdir);
    if (status == 0)
        status = check_changeable(dir);
    if (status == 0)
        status = remove_child(dir, name, child);
    rwlock_unlock(&dir->lock);
    inode_put(child);
    return status;
}

int vfs_unlink(struct inode *dir, const struct name *name)
{
    return remove_name(dir, name, false);
}

int vfs_rmdir(struct inode *dir, const struct name *name)
{
    return remove_name(dir, name, true);
}
