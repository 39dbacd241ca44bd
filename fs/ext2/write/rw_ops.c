/* Mounting for writing, and the table of operations for the VFS. */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/rw_dir.h"
#include "fs/ext2/write/stale.h"
#include "kernel/cache/order.h"
#include "kernel/lib/bytes.h"
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>

/* ---- Operations ---------------------------------------------------------- */

/* "." and ".." are not in an index. */
static bool is_dots(const struct name *name)
{
    return name->text[0] == '.' &&
           (name->len == 1 || (name->len == 2 && name->text[1] == '.'));
}

/* A directory that has been removed has no names, whatever its blocks say; nor
 * has any those that are stale. */
static int lookup(struct inode *dir, const struct name *name,
                  struct inode **out)
{
    uint64_t number;
    int status;

    if (dir->links == 0 || ext2_stale_has(dir, name))
        return -ENOENT;
    if (is_dots(name))
        return ext2_lookup_inode(dir, name, out);
    status = ext2_place_look(dir, name, &number);
    return status != 0 ? status : inode_get(dir->mount, number, out);
}

static int sync_inode(struct inode *inode, bool data_only)
{
    (void)data_only;
    return ext2_make_durable(ext2_of(inode));
}

static int sync_fs(struct mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;
    int status = ext2_super_counts(fs->rw);

    return status != 0 ? status : ext2_make_durable(fs);
}

static int statfs(struct mount *mount, struct file_fs_stat *stat)
{
    const struct ext2_fs *fs = mount->fs_data;
    const struct ext2_rw *rw = fs->rw;

    stat->block_bytes = fs->block_size;
    stat->blocks = fs->blocks_count - rw->overhead;
    stat->blocks_free = ext2_rw_available(rw);
    stat->inodes = fs->inodes_count;
    stat->inodes_free = rw->free_inodes + rw->freed_inodes;
    return 0;
}

/* What was freed is free on the disk, too, before the volume says that it is
 * clean. */
static int end_writing(struct ext2_rw *rw)
{
    int status = ext2_make_durable(rw->fs);

    return status != 0 ? status : ext2_super_end(rw);
}

static int remount(struct mount *mount, bool read_only)
{
    struct ext2_fs *fs = mount->fs_data;
    struct ext2_rw *rw = fs->rw;
    int status = 0;

    if (!read_only && rw->has_failed)
        return -EROFS;
    if (read_only == !rw->is_active)
        return 0;
    status = read_only ? end_writing(rw) : ext2_super_begin(rw);
    if (status == 0)
        rw->is_active = !read_only;
    return status;
}

static void rw_free(struct ext2_rw *rw)
{
    ext2_stale_fini(rw);
    ext2_freed_fini(rw);
    mem_free(rw->groups);
    mem_free(rw);
}

static void unmount(struct mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;

    if (fs->rw->is_active && ext2_super_end(fs->rw) != 0)
        log_error("%s: ext2: not unmounted cleanly; run e2fsck", fs->name);
    ext2_sorted_drop(fs);
    rw_free(fs->rw);
    ext2_unmount(mount);
}

static void check(const struct mount *mount)
{
    const struct ext2_fs *fs = mount->fs_data;
    const struct ext2_rw *rw = fs->rw;
    uint64_t blocks = 0, inodes = 0;

    ext2_check(mount);
    for (uint32_t i = 0; i < fs->group_count; i++) {
        blocks += rw->groups[i].free_blocks;
        inodes += rw->groups[i].free_inodes;
    }
    assert(blocks == rw->free_blocks);
    assert(inodes == rw->free_inodes);
    assert(rw->durable <= rw->stamp);
    ext2_stale_check(rw);
}

static void inode_check(const struct inode *inode)
{
    const struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);

    ext2_inode_check(inode);
    assert(!rwi->is_dead || inode->links == 0);
    assert(rwi->after < ext2_rw_of(inode)->stamp);
    assert(rwi->reserved_data > 0 || rwi->reserved_tables == 0);
}

/* ext2_ops with what changes something. */
static const struct fs_ops ext2_rw_ops = {
    .inode_size = sizeof(struct ext2_rw_inode),
    .inode_read = ext2_rw_inode_read,
    .inode_write = ext2_inode_write,
    .pages_write = mapping_write,
    .inode_evict = ext2_rw_evict,
    .inode_drop = ext2_rw_drop,
    .promised = ext2_promised,
    .lookup = lookup,
    .create = ext2_create,
    .link = ext2_link,
    .unlink = ext2_unlink,
    .rename = ext2_rename,
    .xattr_get = ext2_xattr_get,
    .xattr_list = ext2_xattr_list,
    .xattr_set = ext2_xattr_set,
    .readdir = ext2_rw_readdir,
    .readlink = ext2_read_link,
    .truncate = ext2_rw_truncate,
    .punch = ext2_rw_punch,
    .sync = sync_inode,
    .sync_fs = sync_fs,
    .statfs = statfs,
    .remount = remount,
    .unmount = unmount,
    .check = check,
    .inode_check = inode_check,
};

/* ---- Mounting ------------------------------------------------------------ */

const char *ext2_oddity(const struct ext2_fs *fs)
{
    if (fs->hides_inodes) /* also without the feature: none may get a name */
        return "the superblock names inodes of quotas or of orphans";
    if (fs->is_rev0 && (fs->compat | fs->incompat | fs->ro_compat) != 0)
        return "features in a volume of revision 0";
    return NULL;
}

/* Why the volume cannot be written; NULL: it can. */
static const char *reason_of(const struct ext2_fs *fs)
{
    const char *feature = ext2_feature_unwritable(fs);
    const char *oddity = ext2_oddity(fs);

    if (fs->device.open->dev->read_only)
        return "the disk is read-only";
    if (feature != NULL)
        return feature;
    if (oddity != NULL)
        return oddity;
    if (fs->block_size > PAGE_BYTES)
        return "blocks of more than 4 KiB";
    if (fs->inodes_per_group > 8 * fs->block_size ||
        fs->inodes_count != (uint64_t)fs->group_count * fs->inodes_per_group)
        return "the number of inodes";
    return NULL;
}

static int flush_device(struct mapping *mapping)
{
    struct ext2_fs *fs = container_of(mapping, struct ext2_fs, device);
    int status = fs->rw->is_active ? ext2_super_counts(fs->rw) : 0;

    return status != 0 ? status : ext2_make_durable(fs);
}

static const struct mapping_ops device_ops = {.flush = flush_device};

static int rw_make(struct mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;
    struct ext2_rw *rw = mem_alloc_zeroed(sizeof(*rw));
    int status;

    if (rw == NULL)
        return -ENOMEM;
    rw->fs = fs;
    rw->mount = mount;
    rw->stamp = 1;
    rwlock_init(&rw->durable_lock);
    list_init(&rw->windows);
    ext2_freed_init(rw);
    ext2_stale_init(rw);
    (void)!random_bytes(&rw->generation, sizeof(rw->generation));
    status = ext2_groups_load(rw);
    if (status == 0)
        status = mapping_order_init(&fs->device, fs->block_size);
    if (status != 0) {
        rw_free(rw);
        return status;
    }
    fs->rw = rw;
    fs->file_ops = &ext2_rw_mapping_ops;
    fs->device.ops = &device_ops;
    mount->ops = &ext2_rw_ops;
    mount->size_max = ext2_size_max(fs);
    return 0;
}

/* Let a volume that has been mounted be written. */
static int begin(struct mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;
    int status = page_cache_start_flusher();

    if (status == 0)
        status = rw_make(mount);
    if (status != 0)
        return status;
    mount->times = ext2_times(fs);
    status = ext2_super_begin(fs->rw);
    fs->rw->is_active = status == 0;
    mount->is_read_only = mount->is_write_protected = false;
    if (status == 0)
        status = ext2_orphans_recover(fs->rw);
    return status;
}

static int mount_rw(struct mount *mount, const void *options)
{
    int status = ext2_mount_as(mount, &ext2_rw_file_system, NULL);
    struct ext2_fs *fs = mount->fs_data;
    const char *reason;

    (void)options;
    if (status != 0)
        return status;
    reason = reason_of(fs);
    if (reason != NULL)
        log_warn("%s: ext2: read-only: %s", fs->name, reason);
    else
        status = begin(mount);
    if (status == 0) {
        ext2_say_mounted(mount);
        return 0;
    }
    if (fs->rw != NULL)
        rw_free(fs->rw);
    ext2_unmount(mount);
    return status;
}

const struct file_system ext2_rw_file_system = {
    .type = "ext2",
    .mount = mount_rw,
};
