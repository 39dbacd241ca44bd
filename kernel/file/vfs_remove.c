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

int check_is_in(struct inode *dir, struct inode *child, struct inode **stray)
{
    const struct name up = name_up(child);
    struct inode *parent;
    int status;

    if (child == dir)
        return -EUCLEAN;
    if (child->type != FILE_DIRECTORY)
        return 0;
    status = vfs_lookup(child, &up, &parent);
    if (status != 0)
        return status == -ENOENT ? -EUCLEAN : status;
    if (parent != dir) {
        *stray = parent;
        return -EUCLEAN;
    }
    inode_put(parent); /* not the last reference: the caller has one */
    return 0;
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

/* What is held on the way; NULL: nothing. */
struct found {
    struct inode *child;
    struct inode *stray; /* check_is_in() */
};

/* A directory leads nowhere any more; what its ".." was is not told either. */
static void removed(const struct inode *child)
{
    const struct name up = name_up(child);

    dentry_forget(child, &up);
    assert(child->links == 0);
}

/* The directory is locked, and the child is held. */
static int remove_child(struct inode *dir, const struct name *name,
                        struct inode *child)
{
    int status = 0;

    change_begin(dir->mount);
    rwlock_lock(&child->lock);
    if (child->type == FILE_DIRECTORY)
        status = check_empty(child);
    if (status == 0)
        status = dir->mount->ops->unlink(dir, name, child);
    if (status == 0) {
        child->ctime = vfs_now_in(child->mount);
        inode_dirty(child, INODE_REST);
        dir_changed(dir);
        if (dir->mount->ops->folds_names)
            dentry_forget_names(child); /* however they are spelled */
        dentry_set(dir, name, NULL);
        if (child->type == FILE_DIRECTORY)
            removed(child);
    }
    rwlock_unlock(&child->lock);
    change_end(dir->mount);
    return status;
}

/* The directory is locked; with is_rmdir the rename lock is held, too. */
static int remove_locked(struct inode *dir, const struct name *name,
                         bool is_rmdir, struct found *found)
{
    int status = lookup_locked(dir, name, &found->child);

    if (status != 0) {
        found->child = NULL;
        return status;
    }
    status = check_child(found->child, is_rmdir);
    if (status == 0)
        status = check_changeable(dir);
    if (status == 0 && is_rmdir)
        status = check_is_in(dir, found->child, &found->stray);
    if (status == 0)
        status = remove_child(dir, name, found->child);
    return status;
}

static int remove_name(struct inode *dir, const struct name *name,
                       bool is_rmdir)
{
    struct found found = {NULL, NULL};
    int status;

    if (dir->type != FILE_DIRECTORY)
        return -ENOTDIR;
    if (is_rmdir)
        rwlock_lock(&dir->mount->rename_lock);
    rwlock_lock(&dir->lock);
    status = remove_locked(dir, name, is_rmdir, &found);
    rwlock_unlock(&dir->lock);
    if (is_rmdir)
        rwlock_unlock(&dir->mount->rename_lock);
    if (found.child != NULL)
        inode_put(found.child);
    if (found.stray != NULL)
        inode_put(found.stray);
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
