/* Mounting, and the table of operations for the VFS. */
#include "fs/memfs/memfs_internal.h"
#include <torc/assert.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

enum { ROOT_NUMBER = 1 };

static void memfs_unmount(struct mount *mount)
{
    struct memfs *fs = mount->fs_data;

    assert(memfs_pages(fs) == 0);
    mem_free(fs);
}

static int statfs(struct mount *mount, struct file_fs_stat *stat)
{
    const struct memfs *fs = mount->fs_data;

    stat->block_bytes = PAGE_BYTES;
    stat->blocks = fs->page_max;
    stat->blocks_free = fs->page_max - memfs_pages(fs);
    stat->inodes = fs->inode_max;
    stat->inodes_free = fs->inode_max - fs->inode_count;
    return 0;
}

static void inode_check(const struct inode *inode)
{
    const struct memfs_inode *node = memfs_inode_of(inode);

    assert(inode->number < memfs_of(inode)->number_next);
    assert(inode->refs > 0 || inode->links > 0);
    assert((inode->type == FILE_SYMLINK) == (node->target != NULL));
    if (inode->type == FILE_DIRECTORY)
        memfs_dir_check(node);
}

static void check(const struct mount *mount)
{
    const struct memfs *fs = mount->fs_data;

    assert(fs->inode_count <= fs->inode_max);
    assert(fs->inode_count <= mount->inodes.count);
    assert(memfs_pages(fs) <= fs->page_max);
}

static const struct fs_ops memfs_ops = {
    .inode_size = sizeof(struct memfs_inode),
    .keeps_inodes = true,
    .inode_evict = memfs_inode_evict,
    .inode_drop = memfs_inode_drop,
    .lookup = memfs_lookup,
    .create = memfs_create,
    .link = memfs_link,
    .unlink = memfs_unlink,
    .rename = memfs_rename,
    .readdir = memfs_readdir,
    .readlink = memfs_readlink,
    .xattr_get = memfs_xattr_get,
    .xattr_list = memfs_xattr_list,
    .xattr_set = memfs_xattr_set,
    .statfs = statfs,
    .unmount = memfs_unmount,
    .check = check,
    .inode_check = inode_check,
};

/* The root has no name; it is its own parent. */
static int make_root(struct mount *mount)
{
    const struct new_inode what = {.type = FILE_DIRECTORY, .mode = 0755};
    struct memfs_inode *root;
    int status = memfs_inode_make(mount, &what, &root);

    if (status != 0)
        return status;
    root->parent = root;
    mount->root_number = root->inode.number;
    inode_live(&root->inode);
    inode_put(&root->inode);
    return 0;
}

static int memfs_mount(struct mount *mount, const void *options)
{
    static const struct memfs_limits defaults = {.bytes = 0};
    const struct memfs_limits *limits = options == NULL ? &defaults : options;
    struct memfs *fs = mem_alloc_zeroed(sizeof(*fs));
    int status;

    if (fs == NULL)
        return -ENOMEM;
    fs->page_max = limits->bytes != 0 ? limits->bytes / PAGE_BYTES : UINT64_MAX;
    fs->inode_max = limits->inodes != 0 ? limits->inodes : UINT64_MAX;
    fs->number_next = ROOT_NUMBER;
    mount->ops = &memfs_ops;
    mount->fs_data = fs;
    status = make_root(mount);
    if (status != 0)
        mem_free(fs);
    return status;
}

const struct file_system memfs_file_system = {
    .type = "memfs",
    .is_in_memory = true,
    .mount = memfs_mount,
};

int file_mount_memory(const char *path, const struct memfs_limits *limits)
{
    return vfs_mount_memory(&memfs_file_system, path, limits);
}
