/* Extended attributes: the rules that are the same for all file systems. */
#include "kernel/file/vfs_internal.h"
#include <torc/string.h>

enum { VALUE_MAX = 65536 };

/* Whether an inode may have an attribute of that name. Returns 0, -ENOTSUP (no
 * namespace we know), -ERANGE (the name is too long), -EINVAL. */
static int check_name(const struct inode *inode, const char *name)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security."};
    size_t len = str_len(name, FILE_NAME_MAX + 1);
    unsigned i = 0;

    if (len > FILE_NAME_MAX)
        return -ERANGE;
    while (i < COUNT_OF(prefixes) && !str_starts(name, prefixes[i]))
        i++;
    if (i == COUNT_OF(prefixes) || inode->mount->ops->xattr_get == NULL)
        return -ENOTSUP;
    if (len == str_len(prefixes[i], FILE_NAME_MAX))
        return -EINVAL;
    return 0;
}

/* Whoever may write to a device or follow a link may not label it: there are no
 * attributes of users. */
static bool is_unlabelled(const struct inode *inode, const char *name)
{
    return inode->type != FILE_REGULAR && inode->type != FILE_DIRECTORY &&
           str_starts(name, "user.");
}

/* What is told of something `len` bytes long that was copied if it had room. */
static int64_t told(int64_t len, size_t size)
{
    return size > 0 && len > (int64_t)size ? -ERANGE : len;
}

int64_t vfs_xattr_get(struct inode *inode, const char *name, void *value,
                      size_t size)
{
    int64_t len = check_name(inode, name);

    if (len != 0)
        return len;
    if (is_unlabelled(inode, name))
        return -ENODATA;
    rwlock_lock_shared(&inode->lock);
    len = inode->mount->ops->xattr_get(inode, name, value, size);
    rwlock_unlock_shared(&inode->lock);
    return told(len, size);
}

int64_t vfs_xattr_list(struct inode *inode, char *names, size_t size)
{
    int64_t len;

    if (inode->mount->ops->xattr_list == NULL)
        return -ENOTSUP;
    rwlock_lock_shared(&inode->lock);
    len = inode->mount->ops->xattr_list(inode, names, size);
    rwlock_unlock_shared(&inode->lock);
    return told(len, size);
}

/* The inode is locked; a value of NULL removes it. */
static int set_locked(struct inode *inode, const char *name, const void *value,
                      size_t size, unsigned flags)
{
    const struct fs_ops *ops = inode->mount->ops;
    int64_t len = ops->xattr_get(inode, name, NULL, 0);
    int status;

    if (len < 0 && len != -ENODATA)
        return (int)len;
    if (len == -ENODATA && (flags & FILE_XATTR_REPLACE) != 0)
        return -ENODATA;
    if (len >= 0 && (flags & FILE_XATTR_CREATE) != 0)
        return -EEXIST;
    status = ops->xattr_set(inode, name, value, size);
    if (status == 0)
        inode->ctime = vfs_now_in(inode->mount);
    inode_dirty(inode, INODE_REST);
    return status;
}

static int set(struct inode *inode, const char *name, const void *value,
               size_t size, unsigned flags)
{
    int status = check_name(inode, name);

    if (status != 0)
        return status;
    if (is_unlabelled(inode, name))
        return -EPERM;
    if (inode->mount->is_read_only)
        return -EROFS;
    change_begin(inode->mount);
    rwlock_lock(&inode->lock);
    status = set_locked(inode, name, value, size, flags);
    rwlock_unlock(&inode->lock);
    change_end(inode->mount);
    return status;
}

int vfs_xattr_set(struct inode *inode, const char *name, const void *value,
                  size_t size, unsigned flags)
{
    const unsigned both = FILE_XATTR_CREATE | FILE_XATTR_REPLACE;

    if ((flags & ~both) != 0 || flags == both)
        return -EINVAL;
    if (size > VALUE_MAX)
        return -E2BIG;
    return set(inode, name, size == 0 ? "" : value, size, flags);
}

int vfs_xattr_remove(struct inode *inode, const char *name)
{
    return set(inode, name, NULL, 0, FILE_XATTR_REPLACE);
}
