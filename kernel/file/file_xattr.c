/* Calls of <torc/file.h> for extended attributes. */
#include "kernel/file/file_internal.h"

int64_t file_xattr_get(const char *path, bool follow, const char *name,
                       void *value, size_t size)
{
    struct inode *inode;
    int64_t len = vfs_walk(path, follow, &inode);

    if (len != 0)
        return len;
    len = vfs_xattr_get(inode, name, value, size);
    inode_put(inode);
    return len;
}

int64_t file_xattr_list(const char *path, bool follow, char *names, size_t size)
{
    struct inode *inode;
    int64_t len = vfs_walk(path, follow, &inode);

    if (len != 0)
        return len;
    len = vfs_xattr_list(inode, names, size);
    inode_put(inode);
    return len;
}

int file_xattr_set(const char *path, bool follow, const char *name,
                   const void *value, size_t size, unsigned flags)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status != 0)
        return status;
    status = vfs_xattr_set(inode, name, value, size, flags);
    inode_put(inode);
    return status;
}

int file_xattr_remove(const char *path, bool follow, const char *name)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status != 0)
        return status;
    status = vfs_xattr_remove(inode, name);
    inode_put(inode);
    return status;
}
