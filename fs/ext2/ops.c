/* ext2 as the VFS sees it. */
#include "fs/ext2/ext2_internal.h"
#include "fs/file_systems.h"
#include <torc/log.h>
#include <torc/memory.h>

static void ext2_unmount(struct vfs_mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;

    cache_destroy(fs->cache);
    mem_free(fs);
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
};

static int ext2_mount(struct vfs_mount *mount)
{
    const char *name = mount->device->device.name;
    struct ext2_fs *fs = mem_alloc_zeroed(sizeof(*fs));
    int status;

    if (fs == NULL)
        return -ENOMEM;
    status = cache_create(mount->device, &fs->cache);
    if (status != 0)
        goto fail_cache;
    status = ext2_super_read(fs, mount->device);
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
