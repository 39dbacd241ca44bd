/* Mounting, and the table of operations for the VFS. */
#include "fs/fat/fat_internal.h"
#include "kernel/cache/order.h"
#include <torc/assert.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>

static void fat_unmount(struct mount *mount)
{
    struct fat_fs *fs = mount->fs_data;

    assert(fs->files.count == 0);
    assert(fs->reserved == 0);
    fat_pending_fini(fs);
    if (fat_state_end(fs) != 0)
        log_error("%s: fat: unmounted with an error: run fsck.fat", fs->name);
    mapping_destroy(&fs->device);
    hash_fini(&fs->files);
    fat_alloc_fini(fs);
    mem_free(fs);
}

static int statfs(struct mount *mount, struct file_fs_stat *stat)
{
    struct fat_fs *fs = mount->fs_data;
    uint32_t count;
    int status = fat_count_free(fs, &count);

    if (status != 0)
        return status;
    stat->block_bytes = UINT32_C(1) << fs->cluster_shift;
    stat->blocks = fs->cluster_end - FAT_FIRST;
    stat->blocks_free = count;
    return 0;
}

static void check(const struct mount *mount)
{
    const struct fat_fs *fs = mount->fs_data;

    fat_boot_check(fs);
    fat_alloc_check(fs);
    hash_check(&fs->files);
    mapping_check(&fs->device);
}

int fat_write_metadata(struct fat_fs *fs)
{
    uint64_t first = fs->fat_offset[0] >> PAGE_BYTES_SHIFT;
    uint64_t last = (fs->fat_offset[fs->copies - 1] + fs->fat_bytes - 1) >>
                    PAGE_BYTES_SHIFT;
    int status = mapping_write(&fs->device, first, last);

    return status != 0 ? status : mapping_write(&fs->device, 0, UINT64_MAX);
}

static int sync(struct inode *inode, bool data_only)
{
    (void)data_only;
    return fat_write_metadata(fat_of(inode));
}

static int sync_fs(struct mount *mount)
{
    struct fat_fs *fs = mount->fs_data;
    int status = fat_release_pending(fs);

    if (status == 0)
        status = fat_write_metadata(fs);
    return status != 0 ? status : mapping_flush(&fs->device);
}

static int begin_writing(struct fat_fs *fs)
{
    int status = page_cache_start_flusher();

    return status != 0 ? status : fat_state_begin(fs);
}

static int remount(struct mount *mount, bool read_only)
{
    struct fat_fs *fs = mount->fs_data;
    int status;

    if (!read_only)
        return begin_writing(fs);
    status = fat_release_pending(fs);
    return status != 0 ? status : fat_state_end(fs);
}

static const struct fs_ops fat_ops = {
    .inode_size = sizeof(struct fat_inode),
    .folds_names = true,
    .has_no_holes = true,
    .inode_read = fat_inode_read,
    .inode_write = fat_inode_write,
    .pages_write = mapping_write,
    .inode_evict = fat_inode_evict,
    .inode_drop = fat_inode_drop,
    .promised = fat_promised,
    .attr_fit = fat_attr_fit,
    .lookup = fat_lookup,
    .create = fat_create,
    .link = fat_link,
    .unlink = fat_unlink,
    .rename = fat_rename,
    .truncate = fat_truncate,
    .readdir = fat_readdir,
    .sync = sync,
    .sync_fs = sync_fs,
    .statfs = statfs,
    .remount = remount,
    .unmount = fat_unmount,
    .check = check,
    .inode_check = fat_inode_check,
};

/* What needs the disk; the rest is set up. */
static int read_volume(struct fat_fs *fs)
{
    struct mount *mount = fs->mount;
    int status = fat_boot_read(fs);

    mount->is_write_protected = mount->open.dev->read_only || fs->is_backup;
    mount->is_read_only = mount->is_write_protected;
    if (status == 0)
        status = fat_alloc_init(fs);
    if (status != 0)
        return status;
    status = mapping_order_init(&fs->device, fs->write_bytes);
    if (status == 0)
        status = fat_state_read(fs);
    if (status == 0 && !mount->is_read_only)
        status = begin_writing(fs);
    if (status != 0)
        fat_alloc_fini(fs);
    return status;
}

static int fat_mount(struct mount *mount, const void *options)
{
    static const struct fat_options defaults = {.umask = 022};
    struct fat_fs *fs = mem_alloc_zeroed(sizeof(*fs));
    int status;

    if (fs == NULL)
        return -ENOMEM;
    fs->mount = mount;
    fs->name = mount->open.dev->device.name;
    fs->options =
        *(const struct fat_options *)(options == NULL ? &defaults : options);
    list_init(&fs->wanted);
    fat_pending_init(fs);
    status = mapping_init_device(&fs->device, &mount->open);
    if (status != 0)
        goto fail_device;
    status = hash_init(&fs->files);
    if (status != 0)
        goto fail_files;
    status = read_volume(fs);
    if (status != 0)
        goto fail_volume;
    mount->ops = &fat_ops;
    mount->root_number = FAT_ROOT_NUMBER;
    mount->fs_data = fs;
    mount->size_max = FAT_SIZE_MAX;
    log_info("%s: FAT%u \"%s\", %u clusters of %u bytes%s", fs->name,
             (unsigned)fs->bits, fs->label, fs->cluster_end - FAT_FIRST,
             1U << fs->cluster_shift, mount->is_read_only ? ", read-only" : "");
    return 0;

fail_volume:
    mount->is_read_only = mount->is_write_protected = false;
    hash_fini(&fs->files);
fail_files:
    mapping_destroy(&fs->device);
fail_device:
    mem_free(fs);
    return status;
}

int file_mount_fat(struct device *device, const char *path,
                   const struct fat_options *options)
{
    struct block_device *block = block_from_device(device);

    if (block == NULL)
        return -EINVAL;
    return vfs_mount_with(block, path, &fat_file_system, options);
}

const struct file_system fat_file_system = {
    .type = "fat",
    .mount = fat_mount,
};
