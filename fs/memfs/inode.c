/* Inodes: numbers, the limit, targets of symbolic links. */
#include "fs/memfs/memfs_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

int memfs_count(struct memfs *fs, uint64_t more, uint64_t less)
{
    const uint64_t before = fs->byte_count;

    assert(less <= before);
    fs->byte_count += more - less;
    if (more <= less || memfs_pages(fs) <= fs->page_max)
        return 0;
    fs->byte_count = before;
    return -ENOSPC;
}

void memfs_uncount(struct memfs *fs, uint64_t bytes)
{
    assert(bytes <= fs->byte_count);
    fs->byte_count -= bytes;
}

static int set_target(struct memfs_inode *node, const struct new_inode *what)
{
    int status = memfs_count(memfs_of(&node->inode), what->target_len, 0);

    if (status != 0)
        return status;
    node->target = mem_alloc(what->target_len);
    if (node->target == NULL) {
        memfs_uncount(memfs_of(&node->inode), what->target_len);
        return -ENOMEM;
    }
    memcpy(node->target, what->target, what->target_len);
    node->inode.size_bytes = what->target_len;
    return 0;
}

/* What an inode has beside its struct. */
static int fill(struct memfs_inode *node, const struct new_inode *what)
{
    if (what->type == FILE_DIRECTORY)
        return memfs_dir_init(node);
    if (what->type == FILE_REGULAR)
        return memfs_data_init(node);
    return what->type == FILE_SYMLINK ? set_target(node, what) : 0;
}

int memfs_inode_make(struct mount *mount, const struct new_inode *what,
                     struct memfs_inode **out)
{
    struct memfs *fs = mount->fs_data;
    struct inode *inode;
    int status;

    if (fs->inode_count >= fs->inode_max)
        return -ENOSPC;
    status = inode_new(mount, fs->number_next, what, &inode);
    if (status != 0)
        return status;
    status = fill(memfs_inode_of(inode), what);
    if (status != 0) {
        inode_discard(inode);
        return status;
    }
    fs->number_next++;
    fs->inode_count++;
    *out = memfs_inode_of(inode);
    return 0;
}

int memfs_inode_evict(struct inode *inode)
{
    assert(memfs_of(inode)->inode_count > 0);
    memfs_of(inode)->inode_count--;
    return 0;
}

void memfs_inode_drop(struct inode *inode)
{
    struct memfs_inode *node = memfs_inode_of(inode);

    if (inode->type == FILE_DIRECTORY)
        memfs_dir_fini(node);
    if (node->target != NULL)
        memfs_uncount(memfs_of(inode), inode->size_bytes);
    mem_free(node->target);
    memfs_xattr_drop(node);
}

int64_t memfs_readlink(struct inode *inode, char *buf, size_t size)
{
    const struct memfs_inode *node = memfs_inode_of(inode);
    size_t len = (size_t)inode->size_bytes;

    memcpy(buf, node->target, len < size ? len : size);
    return (int64_t)len;
}
