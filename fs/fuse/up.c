/*
 * The way up: what ".." of a directory leads to. It is known from the way down
 * while the parent is in memory; else the server is asked. A server may not
 * know its own root by that name (virtiofsd tells of another node): then it is
 * the root if it has its attributes.
 */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>

void fuse_parent_set(struct inode *inode, const struct inode *dir)
{
    struct fuse_inode *node = fuse_inode_of(inode);

    if (inode->type != FILE_DIRECTORY)
        return;
    node->parent = dir->number;
    node->parent_serial = fuse_inode_of(dir)->serial;
}

/* The parent, if it is in memory, and is the same node still. Returns 0 and
 * *out, held, or -ENOENT. */
static int parent_known(const struct fuse_inode *node, struct inode **out)
{
    struct mount *mount = node->inode.mount;

    if (node->parent_serial == 0 || !inode_is_known(mount, node->parent) ||
        inode_get(mount, node->parent, out) != 0)
        return -ENOENT;
    if (fuse_inode_of(*out)->serial == node->parent_serial)
        return 0;
    inode_put_quick(*out);
    return -ENOENT;
}

static bool is_same(const struct fuse_attr *a, const struct fuse_attr *b)
{
    return a->ino == b->ino && a->type == b->type && a->links == b->links &&
           a->mtime.s == b->mtime.s && a->mtime.ns == b->mtime.ns &&
           a->ctime.s == b->ctime.s && a->ctime.ns == b->ctime.ns;
}

bool fuse_is_root(struct fuse_fs *fs, const struct fuse_entry *entry)
{
    struct fuse_attr root;

    return entry->node != FUSE_ROOT_NODE &&
           fuse_ask_attr(fs, FUSE_ROOT_NODE, &root) == 0 &&
           is_same(&root, &entry->attr);
}

int fuse_lookup_up(struct inode *dir, struct inode **out)
{
    struct fuse_fs *fs = fuse_of(dir);
    int status = parent_known(fuse_inode_of(dir), out);

    if (status != 0)
        status = fuse_ask_up(dir, out);
    if (status == 0 && (*out)->type != FILE_DIRECTORY) {
        inode_put_quick(*out);
        status = fuse_fault(fs, "a parent that is no directory");
    }
    fuse_trust(fs, 0);
    return status;
}
