/*
 * Data of files that are written: where pages lie, room for those that are
 * dirty, and what is given back when a file gets shorter.
 *
 * Room is counted, not placed: a block for each one that is a hole, and for the
 * indirect blocks that are missing on the way to it. The flusher then allocates
 * whole runs.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>

/* ---- Room ---------------------------------------------------------------- */

/* No page has been promised anything: nor are tables needed. */
static void settle(struct ext2_rw *rw, struct ext2_rw_inode *rwi)
{
    if (rwi->reserved_data > 0)
        return;
    rw->reserved_blocks -= rwi->reserved_tables;
    rwi->reserved_tables = 0;
    rwi->reserved_at = UINT64_MAX;
}

static void unreserve(struct inode *inode, uint32_t count)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);

    assert(rwi->reserved_data >= count);
    rwi->reserved_data -= count;
    rw->reserved_blocks -= count;
    settle(rw, rwi);
}

/* How many tables are to be promised with the block, which is a hole, but for
 * those that have been. *table is remembered when they are. */
static int tables_needed(struct inode *inode, uint64_t index, uint64_t *table)
{
    const struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    int missing;

    *table = UINT64_MAX;
    if (index < EXT2_DIRECT_COUNT)
        return 0;
    missing = ext2_map_missing(inode, index, table);
    return missing > 0 && *table == rwi->reserved_at ? 0 : missing;
}

/* Promise `count` blocks of one page from `index` on, whose pointers so lie in
 * one table. */
static int promise(struct inode *inode, uint64_t index, uint32_t count)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);
    const uint64_t in_sectors = rw->fs->block_size / 512;
    uint64_t table, sum;
    int tables = tables_needed(inode, index, &table);

    if (tables < 0)
        return tables;
    sum = count + (uint64_t)tables;
    if (inode->blocks +
            (rwi->reserved_data + rwi->reserved_tables + sum) * in_sectors >
        UINT32_MAX)
        return -EFBIG;
    if (sum > ext2_rw_available(rw))
        return -ENOSPC;
    rw->reserved_blocks += sum;
    rwi->reserved_data += count;
    rwi->reserved_tables += (uint32_t)tables;
    if (table != UINT64_MAX)
        rwi->reserved_at = table;
    return 0;
}

/* The same; where there is no room, what the file has been promised may be too
 * much: when it is written, it has what it needs. */
static int reserve(struct inode *inode, uint64_t index, uint32_t count)
{
    const struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    int status = promise(inode, index, count);

    if (status != -ENOSPC || rwi->reserved_tables == 0)
        return status;
    status = mapping_write(&inode->pages, 0, UINT64_MAX);
    return status != 0 ? status : promise(inode, index, count);
}

/* ---- mapping_ops --------------------------------------------------------- */

/* Give the hole that begins at a block a place. The map_lock is held. */
static int allocate(struct inode *inode, uint64_t index, uint64_t max,
                    uint64_t *block, uint32_t *count)
{
    int status;

    *count = (uint32_t)min_u64(max, UINT32_MAX);
    status = ext2_map_allocate(inode, index, count, block);
    settle(ext2_rw_of(inode), ext2_rw_inode_of(inode));
    return status;
}

/* Where a run is that is to be written. */
static int place(struct inode *inode, uint64_t index, uint64_t max,
                 uint64_t *block, uint32_t *count)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    int status;

    rwlock_lock(&rwi->map_lock);
    status = ext2_bmap(inode, index, max, block, count);
    if (status == 0 && *block == 0)
        status = allocate(inode, index, max, block, count);
    rwlock_unlock(&rwi->map_lock);
    return status;
}

static int find(struct inode *inode, uint64_t index, uint64_t max,
                enum map_mode mode, uint64_t *block, uint32_t *count)
{
    int status;

    if (mode == MAP_WRITE)
        return place(inode, index, max, block, count);
    status = ext2_bmap(inode, index, max, block, count);
    if (status == 0 && mode == MAP_RESERVE && *block == 0)
        status = reserve(inode, index, *count);
    return status;
}

static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    struct inode *inode = container_of(mapping, struct inode, pages);
    const uint32_t shift = ext2_of(inode)->block_shift - 9; /* to sectors */
    uint64_t block;
    uint32_t count;
    int status;

    if (mode == MAP_RELEASE) {
        unreserve(inode, sectors >> shift);
        return 0;
    }
    status =
        find(inode, sector >> shift, sectors >> shift, mode, &block, &count);
    if (status != 0)
        return status;
    out->type = block == 0 ? EXTENT_HOLE : EXTENT_DATA;
    out->sector = block << shift;
    out->sectors = count << shift;
    return 0;
}

const struct mapping_ops ext2_rw_mapping_ops = {.map = map};

uint64_t ext2_promised(const struct inode *inode)
{
    return (uint64_t)ext2_rw_inode_of(inode)->reserved_data *
           (ext2_of(inode)->block_size / 512);
}

/* ---- fs_ops -------------------------------------------------------------- */

/* Let the disk know of blocks that were freed, which ended with `status`.
 * Returns the first error. */
static int tell_freed(struct inode *inode, int status)
{
    if (!list_empty(&ext2_rw_inode_of(inode)->freed)) {
        int written = ext2_inode_write_locked(inode);

        if (status == 0)
            status = written;
    }
    return status;
}

int ext2_rw_truncate(struct inode *inode, uint64_t old_bytes)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    const struct ext2_fs *fs = ext2_of(inode);
    int status = 0;

    (void)old_bytes;
    rwlock_lock(&rwi->map_lock);
    if (inode->blocks > 0) {
        uint64_t from =
            (inode->size_bytes + fs->block_size - 1) >> fs->block_shift;

        status = ext2_map_free(inode, from, UINT64_MAX);
    }
    if (status == 0)
        rwi->disk_size = inode->size_bytes;
    status = tell_freed(inode, status);
    rwlock_unlock(&rwi->map_lock);
    return status;
}

int ext2_rw_punch(struct inode *inode, uint64_t from, uint64_t to)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    const uint32_t shift = ext2_of(inode)->block_shift;
    int status;

    rwlock_lock(&rwi->map_lock);
    status = ext2_map_free(inode, from >> shift, to >> shift);
    status = tell_freed(inode, status);
    rwlock_unlock(&rwi->map_lock);
    return status;
}
