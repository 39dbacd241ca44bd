/* Extended attributes, and the file system as a whole: serve.h. */
#include "tools/fuse/node.h"
#include "tools/image/mount.h"

int64_t serve_xattr_get(uint64_t id, const char *name, void *value, size_t size)
{
    struct node *node = node_get(id);
    int64_t len;

    if (node == NULL)
        return -ENOENT;
    len = vfs_xattr_get(node->inode, name, value, size);
    node_put(node);
    return len;
}

int64_t serve_xattr_list(uint64_t id, char *names, size_t size)
{
    struct node *node = node_get(id);
    int64_t len;

    if (node == NULL)
        return -ENOENT;
    len = vfs_xattr_list(node->inode, names, size);
    node_put(node);
    return len;
}

int serve_xattr_set(uint64_t id, const char *name, const void *value,
                    size_t size, unsigned flags)
{
    struct node *node = node_get(id);
    int status;

    if (node == NULL)
        return -ENOENT;
    status = vfs_xattr_set(node->inode, name, value, size, flags);
    node_put(node);
    return status;
}

int serve_xattr_remove(uint64_t id, const char *name)
{
    struct node *node = node_get(id);
    int status;

    if (node == NULL)
        return -ENOENT;
    status = vfs_xattr_remove(node->inode, name);
    node_put(node);
    return status;
}

int serve_statfs(struct serve_fs *out)
{
    struct file_fs_stat stat;
    int status = image_stat_fs(&stat);

    if (status != 0)
        return status;
    *out = (struct serve_fs){
        .block_bytes = stat.block_bytes,
        .blocks = stat.blocks,
        .blocks_free = stat.blocks_free,
        .inodes = stat.inodes,
        .inodes_free = stat.inodes_free,
    };
    return 0;
}
