/* Mounting, and the table of operations for the VFS. */
#include "fs/ext2/ext2_internal.h"
#include "kernel/file/vfs.h"
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>

static void ext2_unmount(struct vfs_mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;

    cache_destroy(fs->cache);
    mem_free(fs);
}

static void ext2_check(const struct vfs_mount *mount)
{
    const struct ext2_fs *fs = mount->fs_data;

    ext2_super_check(fs);
    cache_check(fs->cache);
    list_for_each (node, &mount->inodes) {
        const struct vfs_inode *inode =
            container_of(node, struct vfs_inode, link);

        if (!inode->loading)
            ext2_inode_check(inode);
    }
}

static const struct vfs_ops ext2_ops = {
    .inode_load = ext2_inode_load,
    .inode_drop = ext2_inode_drop,
    .lookup = ext2_lookup,
    .read = ext2_read,
    .dir_next = ext2_dir_next,
    .read_link = ext2_read_link,
    .stat = ext2_stat,
    .unmount = ext2_unmount,
    .check = ext2_check,
};

static int ext2_mount(struct vfs_mount *mount)
{
    const char *name = mount->open.dev->device.name;
    struct ext2_fs *fs = mem_alloc_zeroed(sizeof(*fs));
    int status;

    if (fs == NULL)
        return -ENOMEM;
    status = cache_create(&mount->open, &fs->cache);
    if (status != 0)
        goto fail_cache;
    status = ext2_super_read(fs, mount->open.dev);
    if (status != 0)
        goto fail_super;
    status = ext2_groups_check(fs);
    if (status != 0) {
        log_error("%s: ext2: damaged group descriptors (error %d); run e2fsck "
                  "on the image",
                  name, status);
        goto fail_super;
    }
    mount->ops = &ext2_ops;
    mount->root_number = EXT2_ROOT_INODE;
    mount->fs_data = fs;
    log_info("%s: ext2, %u blocks of %u bytes, read-only", name,
             fs->blocks_count, fs->block_size);
    return 0;

fail_super:
    cache_destroy(fs->cache);
fail_cache:
    mem_free(fs);
    return status;
}

const struct file_system ext2_file_system = {
    .type = "ext2",
    .mount = ext2_mount,
};
