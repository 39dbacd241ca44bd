/* The file system ext4, for reading: ext2, with what is added to it. */
#include "fs/ext2/ext4_internal.h"
#include <torc/file_systems.h>
#include <torc/memory.h>

static void ext4_unmount(struct ext2_fs *fs)
{
    if (fs->ext4_data != NULL)
        mem_free(ext4_of(fs)->copies.table);
    mem_free(fs->ext4_data);
}

static const struct ext4_ops ext4_ops = {
    .super = ext4_super,
    .recover = ext4_recover,
    .place = ext4_place,
    .group = ext4_group,
    .inode = ext4_inode,
    .map = ext4_map,
    .dir_block = ext4_dir_block,
    .data_init = ext4_data_init,
    .lookup = ext4_inline_lookup,
    .readdir = ext4_inline_next,
    .unmount = ext4_unmount,
};

static int ext4_mount(struct mount *mount, const void *options)
{
    int status = ext2_mount_as(mount, &ext4_file_system, &ext4_ops);

    (void)options;
    if (status == 0)
        ext2_say_mounted(mount);
    return status;
}

const struct file_system ext4_file_system = {
    .type = "ext4",
    .mount = ext4_mount,
};
