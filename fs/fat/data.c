/*
 * What files hold. FAT has no holes: a file that grows is filled by the VFS
 * (fs_ops.has_no_holes), so what is not in the chain yet is in memory, and room
 * is kept for it: clusters chain.length .. reserve_end.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>

/* log2 of the sectors of a cluster */
static uint32_t sector_shift(const struct fat_fs *fs)
{
    return fs->cluster_shift - 9;
}

/* Clusters that nobody writes any more are not kept. */
static void reserve_trim(struct inode *inode)
{
    struct fat_inode *fat = fat_inode_of(inode);
    uint32_t end = fat_clusters_of(fat_of(inode), inode->pages.size_bytes);

    if (fat->chain.length == FAT_LENGTH_UNKNOWN)
        return; /* nothing was reserved yet */
    end = max_u32(end, fat->chain.length);
    if (end < fat->reserve_end) {
        fat_unreserve(fat_of(inode), fat->reserve_end - end);
        fat->reserve_end = end;
    }
}

/* Keep room for all clusters before `end`. */
static int reserve(struct inode *inode, uint32_t end)
{
    struct fat_inode *fat = fat_inode_of(inode);
    uint32_t more;
    int status = 0;

    fat->attr |= ATTR_BIT_ARCHIVE; /* it changes */
    if (fat->reserve_end < fat->chain.length)
        fat->reserve_end = fat->chain.length;
    while (status == 0 && fat->reserve_end < end) {
        more = end - fat->reserve_end;
        status = fat_reserve(fat_of(inode), more);
        if (status != 0)
            break;
        if (fat->reserve_end + more == end)
            fat->reserve_end = end;
        else /* it has changed in a wait */
            fat_unreserve(fat_of(inode), more);
    }
    return status;
}

static int map_reserve(struct inode *inode, uint64_t sector, uint32_t sectors,
                       struct extent *out)
{
    struct fat_fs *fs = fat_of(inode);
    struct fat_inode *fat = fat_inode_of(inode);
    const uint32_t shift = sector_shift(fs);
    uint64_t length;
    int status = fat_chain_measure(inode);

    if (status != 0)
        return status;
    length = (uint64_t)fat->chain.length << shift;
    if (sector < length) {
        out->type = EXTENT_DATA;
        out->sectors = (uint32_t)min_u64(sectors, length - sector);
        return 0;
    }
    out->type = EXTENT_HOLE;
    out->sectors = sectors;
    return reserve(inode, (uint32_t)((sector + sectors - 1) >> shift) + 1);
}

/* Where clusters of the chain lie. Returns as mapping_ops.map(). */
static int map_where(struct inode *inode, uint64_t sector, uint32_t sectors,
                     struct extent *out)
{
    struct fat_fs *fs = fat_of(inode);
    const uint32_t shift = sector_shift(fs);
    const uint32_t in_cluster = (uint32_t)sector & ((1U << shift) - 1);
    uint32_t cluster, count;
    int status = fat_chain_run(inode, (uint32_t)(sector >> shift),
                               (in_cluster + sectors - 1) / (1U << shift) + 1,
                               &cluster, &count);

    if (status == 0) {
        *out = (struct extent){EXTENT_HOLE, 0, sectors};
        return 0;
    }
    if (status < 0)
        return status;
    out->type = EXTENT_DATA;
    out->sector =
        fat_cluster_offset(fs, cluster) / BLOCK_SECTOR_SIZE + in_cluster;
    out->sectors =
        (uint32_t)min_u64(sectors, ((uint64_t)count << shift) - in_cluster);
    return 0;
}

/* What is before the end of the file is in the chain, or in memory. */
static int map_read(struct inode *inode, uint64_t sector, uint32_t sectors,
                    struct extent *out)
{
    const struct fat_inode *fat = fat_inode_of(inode);
    int status = map_where(inode, sector, sectors, out);

    if (status == 0 && out->type == EXTENT_HOLE &&
        sector >> sector_shift(fat_of(inode)) >= fat->reserve_end)
        return fat_damaged(fat_of(inode), inode->number, "chain: too short",
                           sector);
    return status;
}

static int map_write(struct inode *inode, uint64_t sector, uint32_t sectors,
                     struct extent *out)
{
    const uint32_t shift = sector_shift(fat_of(inode));
    uint32_t end = (uint32_t)((sector + sectors - 1) >> shift) + 1;
    int status = fat_chain_grow(inode, end);

    if (status != 0)
        return status;
    status = map_where(inode, sector, sectors, out);
    assert(status != 0 || out->type == EXTENT_DATA);
    return status;
}

static int map(struct mapping *mapping, uint64_t sector, uint32_t sectors,
               enum map_mode mode, struct extent *out)
{
    struct inode *inode = container_of(mapping, struct inode, pages);

    switch (mode) {
    case MAP_RELEASE:
        /* While the file is being changed, fat_truncate() comes behind. */
        if (!rwlock_is_held(&inode->lock))
            reserve_trim(inode);
        return 0;
    case MAP_RESERVE:
        return map_reserve(inode, sector, sectors, out);
    case MAP_WRITE:
        return map_write(inode, sector, sectors, out);
    default:
        return map_read(inode, sector, sectors, out);
    }
}

int fat_data_init(struct inode *inode, uint64_t size_bytes)
{
    static const struct mapping_ops ops = {.map = map};
    uint32_t unit = UINT32_C(1) << sector_shift(fat_of(inode));

    return mapping_init(&inode->pages, &ops, &inode->mount->open,
                        min_u32(unit, PAGE_SECTORS), size_bytes);
}

void fat_reserve_drop(struct inode *inode)
{
    struct fat_inode *fat = fat_inode_of(inode);

    if (fat->chain.length != FAT_LENGTH_UNKNOWN &&
        fat->reserve_end > fat->chain.length)
        fat_unreserve(fat_of(inode), fat->reserve_end - fat->chain.length);
    fat->reserve_end = 0;
}

uint64_t fat_promised(const struct inode *inode)
{
    const struct fat_inode *fat = fat_inode_of(inode);

    if (fat->chain.length == FAT_LENGTH_UNKNOWN ||
        fat->reserve_end <= fat->chain.length)
        return 0;
    return (uint64_t)(fat->reserve_end - fat->chain.length)
           << sector_shift(fat_of(inode));
}

int fat_truncate(struct inode *inode, uint64_t old_bytes)
{
    int status;

    (void)old_bytes;
    reserve_trim(inode);
    status =
        fat_chain_cut(inode, fat_clusters_of(fat_of(inode), inode->size_bytes));
    /* Before the clusters are free the entry says so; or it comes later. */
    if (status == 0)
        (void)!fat_inode_write(inode);
    return status;
}

/* Clusters that were a directory's may be a file's next: what is to be written
 * of them is not. */
static int forget(struct inode *dir)
{
    struct fat_fs *fs = fat_of(dir);
    uint32_t length = fat_inode_of(dir)->chain.length, cluster, count;

    for (uint32_t i = 0; i < length; i += count) {
        int status = fat_chain_run(dir, i, length - i, &cluster, &count);

        if (status != 1)
            return status == 0 ? -EUCLEAN : status;
        mapping_forget(&fs->device, fat_cluster_offset(fs, cluster),
                       (uint64_t)count << fs->cluster_shift);
    }
    return 0;
}

int fat_inode_evict(struct inode *inode)
{
    int status = 0;

    fat_reserve_drop(inode);
    if (inode->type == FILE_DIRECTORY)
        status = forget(inode);
    if (status == 0)
        status = fat_chain_cut(inode, 0);
    if (status != -EUCLEAN)
        return status;
    (void)fat_damaged(fat_of(inode), inode->number, "chain: lost clusters", 0);
    return 0;
}
