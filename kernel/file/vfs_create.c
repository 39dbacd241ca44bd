/* Names that are made: the rules that are the same for all file systems. */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/time.h>

enum { MODE_SETGID = 02000 };

int name_init(struct name *name, const struct mount *mount, const char *text,
              size_t len)
{
    if (len == 0)
        return -ENOENT;
    if (len > FILE_NAME_MAX)
        return -ENAMETOOLONG;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '/' || text[i] == '\0')
            return -EINVAL;
    }
    *name = (struct name){text, (uint32_t)len,
                          hash_bytes(&mount->name_key, text, len)};
    return 0;
}

struct file_time vfs_now(void)
{
    uint64_t ns = time_wall_ns();

    return (struct file_time){.s = (int64_t)(ns / NS_PER_S),
                              .ns = (uint32_t)(ns % NS_PER_S)};
}

struct file_time vfs_time_fit(const struct mount *mount, struct file_time time)
{
    const struct vfs_times *times = &mount->times;

    if (times->unit_ns == 0)
        return time;
    if (time.s < times->first_s)
        return (struct file_time){.s = times->first_s};
    if (time.s > times->last_s)
        return (struct file_time){.s = times->last_s};
    time.ns -= time.ns % times->unit_ns;
    return time;
}

struct file_time vfs_now_in(const struct mount *mount)
{
    return vfs_time_fit(mount, vfs_now());
}

void dir_changed(struct inode *dir)
{
    dir->mtime = dir->ctime = vfs_now_in(dir->mount);
    inode_dirty(dir, INODE_REST); /* its size and links, too */
}

int check_changeable(const struct inode *dir)
{
    assert(rwlock_is_mine(&dir->lock));
    if (dir->links == 0)
        return -ENOENT;
    return dir->mount->is_read_only ? -EROFS : 0;
}

/*
 * Whether a name in a directory, which is locked, is free. Returns 0, -EEXIST
 * and *there, which is to be put when no lock is held, or an error. A name that
 * is there is found on a read-only file system, too.
 */
static int check_free(struct inode *dir, const struct name *name,
                      struct inode **there)
{
    int status = lookup_locked(dir, name, there);

    if (status == 0)
        return -EEXIST;
    *there = NULL;
    return status == -ENOENT ? check_changeable(dir) : status;
}

/* What the inode gets from its directory. */
static void inherit(const struct inode *dir, struct new_inode *what)
{
    if ((dir->mode & MODE_SETGID) == 0)
        return;
    what->gid = dir->gid;
    if (what->type == FILE_DIRECTORY)
        what->mode |= MODE_SETGID;
}

/* In a directory that is locked, where the name is free. */
static int create_locked(struct inode *dir, const struct name *name,
                         const struct new_inode *what, struct inode **out)
{
    struct new_inode inherited = *what;
    int status;

    inherit(dir, &inherited);
    change_begin(dir->mount);
    status = dir->mount->ops->create(dir, name, &inherited, out);
    change_end(dir->mount);
    if (status != 0)
        return status;
    inode_live(*out);
    inode_dirty(*out, INODE_REST);
    dir_changed(dir);
    dentry_set(dir, name, *out);
    return 0;
}

int vfs_create(struct inode *dir, const struct name *name,
               const struct new_inode *what, struct inode **out)
{
    struct inode *there;
    int status;

    if (dir->type != FILE_DIRECTORY)
        return -ENOTDIR;
    rwlock_lock(&dir->lock);
    status = check_free(dir, name, &there);
    if (status == 0)
        status = create_locked(dir, name, what, out);
    rwlock_unlock(&dir->lock);
    if (there != NULL)
        inode_put(there);
    return status;
}

/* A name for an inode, both locked. */
static int link_locked(struct inode *inode, struct inode *dir,
                       const struct name *name)
{
    int status;

    if (inode->links == 0)
        return -ENOENT; /* removed meanwhile */
    status = dir->mount->ops->link(dir, name, inode);
    if (status != 0)
        return status;
    inode->ctime = vfs_now_in(inode->mount);
    inode_dirty(inode, INODE_REST);
    dir_changed(dir);
    dentry_set(dir, name, inode);
    return 0;
}

int vfs_link(struct inode *inode, struct inode *dir, const struct name *name)
{
    struct inode *there;
    int status;

    if (dir->type != FILE_DIRECTORY)
        return -ENOTDIR;
    if (inode->mount != dir->mount)
        return -EXDEV;
    rwlock_lock(&dir->lock);
    status = check_free(dir, name, &there);
    if (status == 0 && inode->type == FILE_DIRECTORY)
        status = -EPERM;
    if (status == 0) {
        change_begin(dir->mount);
        rwlock_lock(&inode->lock);
        status = link_locked(inode, dir, name);
        rwlock_unlock(&inode->lock);
        change_end(dir->mount);
    }
    rwlock_unlock(&dir->lock);
    if (there != NULL)
        inode_put(there);
    return status;
}
