/*
 * Inodes of a volume that is written: from memory to their place in the table,
 * and their end.
 *
 * What is put there is what they are in memory at that moment, all of it at
 * once. It waits for the changes that it relies on: blocks that pointers lead
 * to, and the entry of a new inode. docs/ext2.md has the order.
 */
#include "fs/ext2/inode_time.h"
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/errno.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

/* So often it is tried to free an inode, before it is left for later. */
enum { EVICT_TRIES = 100, EVICT_TRIES_DISK = 3 };

void ext2_rw_inode_init(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);

    rwlock_init(&rwi->map_lock);
    list_init(&rwi->freed);
    list_init(&rwi->window_link);
    rwi->reserved_at = UINT64_MAX;
    rwi->disk_size = inode->size_bytes;
}

int ext2_rw_inode_read(struct inode *inode)
{
    int status;

    ext2_rw_inode_init(inode);
    status = ext2_inode_load(inode);
    if (status != 0)
        return status;
    ext2_rw_inode_of(inode)->is_on_disk = true;
    ext2_rw_inode_of(inode)->is_dead = inode->links == 0; /* an orphan */
    ext2_rw_inode_of(inode)->disk_size = inode->size_bytes;
    return 0;
}

void ext2_rw_drop(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);

    if (inode->links == 0 && !inode->is_evicted)
        ext2_rw_failed(ext2_rw_of(inode)); /* e2fsck frees it */
    ext2_freed_close(ext2_rw_of(inode), &rwi->freed, UINT64_MAX);
    ext2_window_drop(inode);
    ext2_inode_drop(inode);
}

/* ---- Bytes of the table -------------------------------------------------- */

void ext2_inode_place(const struct inode *inode, uint64_t *block, uint32_t *at)
{
    const struct ext2_fs *fs = ext2_of(inode);
    uint32_t index = (uint32_t)(inode->number - 1);
    uint32_t group = index / fs->inodes_per_group;
    uint64_t offset =
        ((uint64_t)fs->rw->groups[group].inode_table << fs->block_shift) +
        (uint64_t)(index % fs->inodes_per_group) * fs->inode_size;

    *at = (uint32_t)offset & (fs->block_size - 1);
    *block = offset >> fs->block_shift;
}

int ext2_change_inode_block(struct change *change, struct inode *inode,
                            struct change_block **out, uint32_t *at)
{
    uint64_t block;

    ext2_inode_place(inode, &block, at);
    return ext2_change_block(change, block, out);
}

int ext2_inode_dtime(struct inode *inode, uint32_t *dtime)
{
    struct ext2_fs *fs = ext2_of(inode);
    uint8_t raw[4];
    uint64_t block;
    uint32_t at;
    int status;

    ext2_inode_place(inode, &block, &at);
    status = ext2_read_disk(fs, (block << fs->block_shift) + at + INODE_DTIME,
                            raw, sizeof(raw));
    if (status == 0)
        *dtime = le32_get(raw);
    return status;
}

struct vfs_times ext2_times(const struct ext2_fs *fs)
{
    const bool has_extra = fs->inode_size > EXT2_INODE_SIZE_MIN;

    return (struct vfs_times){.first_s = INT32_MIN,
                              .last_s = (has_extra ? INT64_C(3) << 32 : 0) +
                                        INT32_MAX,
                              .unit_ns = has_extra ? 1 : NS_PER_S};
}

static void times_put(uint8_t *raw, uint32_t end, const struct inode *inode)
{
    ext2_time_put(raw, INODE_ATIME, INODE_ATIME_EXTRA, end, inode->atime);
    ext2_time_put(raw, INODE_CTIME, INODE_CTIME_EXTRA, end, inode->ctime);
    ext2_time_put(raw, INODE_MTIME, INODE_MTIME_EXTRA, end, inode->mtime);
    if (INODE_BTIME + 4 <= end)
        ext2_time_put(raw, INODE_BTIME, INODE_BTIME_EXTRA, end, inode->btime);
}

/* How much of the inode in the table says something. */
static uint32_t end_of(const struct ext2_fs *fs, const uint8_t *raw)
{
    uint32_t extra;

    if (fs->inode_size == EXT2_INODE_SIZE_MIN)
        return EXT2_INODE_SIZE_MIN;
    extra = le16_get(raw + INODE_EXTRA_SIZE);
    return EXT2_INODE_SIZE_MIN +
           min_u32(extra, fs->inode_size - EXT2_INODE_SIZE_MIN);
}

/* The size for the disk: never one that blocks are behind. */
static uint64_t size_of(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    uint64_t size = inode->size_bytes;

    if (inode->type == FILE_REGULAR)
        rwi->disk_size = size =
            max_u64(rwi->disk_size, max_u64(size, inode->pages.size_bytes));
    return size;
}

/* Since when it is deleted: never a number that could be an inode's. */
static uint32_t dtime_of(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);

    if (rwi->dtime == 0)
        rwi->dtime =
            max_u32((uint32_t)vfs_now().s, ext2_of(inode)->inodes_count + 1);
    return rwi->dtime;
}

void ext2_inode_put_dead(struct inode *inode, uint8_t *raw)
{
    inode->links = 0;
    ext2_rw_inode_of(inode)->is_dead = true;
    le16_put(raw + INODE_LINKS, 0);
    le32_put(raw + INODE_DTIME, dtime_of(inode));
}

/* The flags for the disk. */
static uint32_t flags_of(const struct ext2_inode *ext2)
{
    if (ext2->spare_blocks > 0) /* which no index leads to */
        return ext2->flags & ~(uint32_t)INODE_FLAG_INDEX;
    return ext2->flags;
}

static void put(struct inode *inode, uint8_t *raw)
{
    struct ext2_inode *ext2 = ext2_inode_of(inode);
    uint64_t size = size_of(inode);

    ext2->format_mode =
        (uint16_t)((ext2->format_mode & ~MODE_PERMISSIONS) | inode->mode);
    le16_put(raw + INODE_MODE, ext2->format_mode);
    le16_put(raw + INODE_UID, (uint16_t)inode->uid);
    le16_put(raw + INODE_UID_HIGH, (uint16_t)(inode->uid >> 16));
    le16_put(raw + INODE_GID, (uint16_t)inode->gid);
    le16_put(raw + INODE_GID_HIGH, (uint16_t)(inode->gid >> 16));
    le32_put(raw + INODE_SIZE, (uint32_t)size);
    if (ext2_has_size_high(inode))
        le32_put(raw + INODE_SIZE_HIGH, (uint32_t)(size >> 32));
    le16_put(raw + INODE_LINKS, (uint16_t)inode->links);
    le32_put(raw + INODE_BLOCKS, (uint32_t)inode->blocks);
    le32_put(raw + INODE_FLAGS, flags_of(ext2));
    le32_put(raw + INODE_GENERATION, ext2->generation);
    le32_put(raw + INODE_FILE_ACL, (uint32_t)ext2->file_acl);
    le32_put(raw + INODE_DTIME, inode->links == 0 ? dtime_of(inode) : 0);
    memcpy(raw + INODE_BLOCK, ext2->in_inode, sizeof(ext2->in_inode));
    times_put(raw, end_of(ext2_of(inode), raw), inode);
}

/* ---- Writing ------------------------------------------------------------- */

/* The volume gets its first file of more than 2 GiB: also said in the
 * superblock. */
static bool is_first_large(struct inode *inode)
{
    return (ext2_of(inode)->ro_compat & RO_COMPAT_LARGE_FILE) == 0 &&
           ext2_has_size_high(inode) && size_of(inode) > INT32_MAX;
}

static void put_large(struct ext2_fs *fs, const struct change_block *block)
{
    fs->ro_compat |= RO_COMPAT_LARGE_FILE;
    le32_put(ext2_super_data(fs, block) + SUPER_FEATURE_RO_COMPAT,
             fs->ro_compat);
}

/* Whether it may be put into the table now. */
static bool is_ready(const struct inode *inode)
{
    return ext2_rw_inode_of(inode)->after < ext2_rw_of(inode)->durable;
}

/* One attempt. Returns 1: done; 0: it is not ready any more; or an error. */
static int write_once(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);
    struct change_block *table, *super = NULL;
    const bool is_large = is_first_large(inode);
    struct change change;
    uint32_t at;
    int status;

    ext2_change_begin(&change, rw->fs);
    status = ext2_change_inode_block(&change, inode, &table, &at);
    if (status == 0 && is_large)
        status = ext2_change_super(&change, &super);
    if (status == 0)
        status = ext2_change_start(&change);
    if (status != 0 || !is_ready(inode)) {
        ext2_change_abort(&change);
        return status;
    }
    put(inode, table->data + at);
    rwi->is_on_disk = true;
    rwi->is_dead = inode->links == 0;
    if (is_large)
        put_large(rw->fs, super);
    ext2_freed_close(rw, &rwi->freed, rw->stamp);
    ext2_change_end(&change);
    return 1;
}

int ext2_inode_write_locked(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    int status = 0;

    while (status == 0) {
        if (inode->links == 0 && !rwi->is_on_disk)
            return 0; /* it was made and removed meanwhile */
        if (is_ready(inode))
            status = write_once(inode);
        else
            status = ext2_wait_durable(ext2_rw_of(inode), rwi->after + 1);
    }
    return status < 0 ? status : 0;
}

int ext2_inode_write(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    int status;

    rwlock_lock(&rwi->map_lock);
    status = ext2_inode_write_locked(inode);
    rwlock_unlock(&rwi->map_lock);
    return status;
}

/* ---- The end ------------------------------------------------------------- */

/* Say in the table that it has nothing any more. */
static int bury(struct inode *inode)
{
    struct ext2_rw *rw = ext2_rw_of(inode);
    struct change_block *table;
    struct change change;
    uint64_t block;
    uint8_t *raw;
    uint32_t at;
    int status;

    ext2_inode_place(inode, &block, &at);
    status = ext2_change_one(&change, rw->fs, block, &table);
    if (status != 0)
        return status;
    raw = table->data + at;
    ext2_inode_put_dead(inode, raw);
    le32_put(raw + INODE_SIZE, 0);
    le32_put(raw + INODE_SIZE_HIGH, 0);
    le32_put(raw + INODE_BLOCKS, 0);
    le32_put(raw + INODE_FILE_ACL, 0);
    memset(raw + INODE_BLOCK, 0, EXT2_IN_INODE_SIZE);
    ext2_freed_close(rw, &ext2_rw_inode_of(inode)->freed, rw->stamp);
    ext2_change_end(&change);
    return 0;
}

/* Free all that an inode has. */
static int dismantle(struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);
    int status = 0;

    /* Its name went with a change that is to be durable before. */
    if (rwi->is_on_disk && !rwi->is_dead)
        status = ext2_wait_durable(rw, rwi->after + 1);
    if (status == 0 && ext2_inode_of(inode)->file_acl != 0)
        status = ext2_xattr_block_put(inode);
    if (status == 0 && ext2_has_blocks(inode))
        status = ext2_map_free(inode, 0, UINT64_MAX);
    if (status != 0)
        return status;
    if (rwi->is_on_disk)
        return bury(inode);
    ext2_freed_close(rw, &rwi->freed, rw->stamp - 1);
    return 0;
}

static bool may_try_again(int status, unsigned tries)
{
    return tries < (status == -ENOMEM ? EVICT_TRIES : EVICT_TRIES_DISK);
}

int ext2_rw_evict(struct inode *inode)
{
    struct ext2_rw *rw = ext2_rw_of(inode);
    int status;

    rwlock_lock(&ext2_rw_inode_of(inode)->map_lock);
    status = dismantle(inode);
    for (unsigned i = 0; status != 0 && may_try_again(status, i); i++) {
        thread_yield(); /* others may give memory back */
        status = dismantle(inode);
    }
    rwlock_unlock(&ext2_rw_inode_of(inode)->map_lock);
    if (status == -EUCLEAN) {
        ext2_rw_failed(rw); /* e2fsck frees it */
        return 0;
    }
    if (status == 0)
        ext2_freed_add_inode(rw, inode->number, inode->type == FILE_DIRECTORY);
    return status;
}
