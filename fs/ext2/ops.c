/* Mounting, and the table of operations for the VFS. */
#include "fs/ext2/ext2.h"
#include "kernel/file/vfs.h"
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>

void ext2_unmount(struct mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;

    if (fs->ext4 != NULL)
        fs->ext4->unmount(fs);
    mapping_destroy(&fs->device);
    mem_free(fs);
}

void ext2_check(const struct mount *mount)
{
    const struct ext2_fs *fs = mount->fs_data;

    ext2_super_check(fs);
    mapping_check(&fs->device);
}

int ext2_lookup_inode(struct inode *dir, const struct name *name,
                      struct inode **out)
{
    uint64_t number;
    int status = ext2_lookup(dir, name->text, name->len, &number);

    return status != 0 ? status : inode_get(dir->mount, number, out);
}

static const struct fs_ops ext2_ops = {
    .inode_size = sizeof(struct ext2_inode),
    .inode_read = ext2_inode_load,
    .inode_drop = ext2_inode_drop,
    .lookup = ext2_lookup_inode,
    .readdir = ext2_dir_next,
    .readlink = ext2_read_link,
    .unmount = ext2_unmount,
    .check = ext2_check,
    .inode_check = ext2_inode_check,
};

int ext2_mount_as(struct mount *mount, const struct file_system *file_system,
                  const struct ext4_ops *ext4)
{
    struct ext2_fs *fs = mem_alloc_zeroed(sizeof(*fs));
    int status;

    if (fs == NULL)
        return -ENOMEM;
    fs->name = mount->open.dev->device.name;
    fs->ext4 = ext4;
    fs->file_ops = &ext2_mapping_ops;
    fs->type = file_system->type;
    fs->sectors = mount->open.dev->sectors;
    status = mapping_init_device(&fs->device, &mount->open);
    if (status != 0)
        goto fail_device;
    mount->ops = &ext2_ops;
    mount->root_number = EXT2_ROOT_INODE;
    mount->fs_data = fs;
    mount->is_read_only = true;
    mount->is_write_protected = true;
    status = ext2_super_read(fs);
    if (status == 0 && ext4 != NULL)
        status = ext4->recover(mount);
    if (status == 0 && fs->has_copies)
        status = ext2_super_read(fs);
    if (status != 0)
        goto fail_super;
    status = ext2_groups_check(fs);
    if (status == -EUCLEAN)
        ext2_damaged_volume(fs, "group descriptors");
    if (status != 0)
        goto fail_super;
    return 0;

fail_super:
    if (ext4 != NULL)
        ext4->unmount(fs);
    mapping_destroy(&fs->device);
fail_device:
    mem_free(fs);
    return status;
}

void ext2_say_mounted(const struct mount *mount)
{
    const struct ext2_fs *fs = mount->fs_data;

    log_info("%s: %s, %lu blocks of %u bytes%s", fs->name, fs->type,
             fs->blocks_count, fs->block_size,
             mount->is_read_only ? ", read-only" : "");
}

static int ext2_mount(struct mount *mount, const void *options)
{
    int status = ext2_mount_as(mount, &ext2_file_system, NULL);

    (void)options;
    if (status == 0)
        ext2_say_mounted(mount);
    return status;
}

const struct file_system ext2_file_system = {
    .type = "ext2",
    .mount = ext2_mount,
};
