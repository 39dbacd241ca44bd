/* Calls of <torc/file.h> for extended attributes. */
#include "kernel/file/carry.h"

static int64_t run_get(struct carried *call)
{
    return file_xattr_get(call->path, call->follow, call->name, call->out,
                          call->size);
}

int64_t file_xattr_get(const char *path, bool follow, const char *name,
                       void *value, size_t size)
{
    struct inode *inode;
    int64_t len = vfs_walk(path, follow, &inode);

    if (len == -EREMOTE)
        return carry_path(&(struct carried){.run = run_get,
                                            .path = path,
                                            .follow = follow,
                                            .name = name,
                                            .out = value,
                                            .size = size});
    if (len != 0)
        return len;
    len = vfs_xattr_get(inode, name, value, size);
    inode_put(inode);
    return len;
}

static int64_t run_list(struct carried *call)
{
    return file_xattr_list(call->path, call->follow, call->out, call->size);
}

int64_t file_xattr_list(const char *path, bool follow, char *names, size_t size)
{
    struct inode *inode;
    int64_t len = vfs_walk(path, follow, &inode);

    if (len == -EREMOTE)
        return carry_path(&(struct carried){.run = run_list,
                                            .path = path,
                                            .follow = follow,
                                            .out = names,
                                            .size = size});
    if (len != 0)
        return len;
    len = vfs_xattr_list(inode, names, size);
    inode_put(inode);
    return len;
}

static int64_t run_set(struct carried *call)
{
    return file_xattr_set(call->path, call->follow, call->name, call->in,
                          call->size, call->flags);
}

int file_xattr_set(const char *path, bool follow, const char *name,
                   const void *value, size_t size, unsigned flags)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){.run = run_set,
                                                 .path = path,
                                                 .follow = follow,
                                                 .name = name,
                                                 .in = value,
                                                 .size = size,
                                                 .flags = flags});
    if (status != 0)
        return status;
    status = vfs_xattr_set(inode, name, value, size, flags);
    inode_put(inode);
    return status;
}

static int64_t run_remove(struct carried *call)
{
    return file_xattr_remove(call->path, call->follow, call->name);
}

int file_xattr_remove(const char *path, bool follow, const char *name)
{
    struct inode *inode;
    int status = vfs_walk(path, follow, &inode);

    if (status == -EREMOTE)
        return (int)carry_path(&(struct carried){
            .run = run_remove, .path = path, .follow = follow, .name = name});
    if (status != 0)
        return status;
    status = vfs_xattr_remove(inode, name);
    inode_put(inode);
    return status;
}
