/*
 * Logical to physical blocks: i_block[0..11] are direct, [12], [13], [14] lead
 * through one, two, three levels of blocks full of 32-bit block numbers. A zero
 * at any level is a hole.
 */
#include "fs/ext2/ext2_internal.h"
#include "kernel/lib/bytes.h"

/* log2 of the entries in one indirect block. */
static uint32_t entries_shift(const struct ext2_fs *fs)
{
    return fs->block_shift - 2;
}

/*
 * How many levels lead to `index`, which becomes relative to their tree.
 * Returns 0..3, or -EFBIG.
 */
static int levels_of(const struct ext2_fs *fs, uint64_t *index)
{
    if (*index < EXT2_DIRECT_COUNT)
        return 0;
    *index -= EXT2_DIRECT_COUNT;
    for (int level = 1; level <= EXT2_LEVEL_MAX; level++) {
        uint64_t span = UINT64_C(1) << entries_shift(fs) * (uint32_t)level;

        if (*index < span)
            return level;
        *index -= span;
    }
    return -EFBIG;
}

/* Of entries that stand one after the other: how many continue the first. */
static uint32_t run_length(const uint8_t *entries, uint32_t max)
{
    uint32_t first = le32_get(entries);
    uint32_t count = 1;

    while (count < max &&
           le32_get(entries + 4 * count) == (first == 0 ? 0 : first + count))
        count++;
    return count;
}

/* One entry of an indirect block, and the run that begins there. */
static int entry_read(struct ext2_fs *fs, uint32_t table, uint32_t at,
                      uint32_t max, uint32_t *block, uint32_t *count)
{
    uint32_t entries = UINT32_C(1) << entries_shift(fs);
    struct cache_ref ref;
    int status;

    if (!ext2_blocks_valid(fs, table, 1))
        return -EUCLEAN;
    status = cache_get(fs->cache, ((uint64_t)table << fs->block_shift) + 4 * at,
                       &ref);
    if (status != 0)
        return status;
    *block = le32_get(ref.data);
    *count = run_length(ref.data, max < entries - at ? max : entries - at);
    cache_put(fs->cache, &ref);
    return 0;
}

/* Of the direct pointers, which are in memory. */
static uint32_t direct_run(const struct ext2_inode *ext2, uint32_t index,
                           uint32_t max)
{
    uint32_t first = ext2->block[index];
    uint32_t count = 1;

    while (count < max && index + count < EXT2_DIRECT_COUNT &&
           ext2->block[index + count] == (first == 0 ? 0 : first + count))
        count++;
    return count;
}

int ext2_bmap(struct vfs_inode *inode, uint64_t index, uint32_t max,
              uint32_t *block, uint32_t *count)
{
    struct ext2_fs *fs = ext2_of(inode);
    const struct ext2_inode *ext2 = ext2_inode_of(inode);
    int levels = levels_of(fs, &index);
    uint32_t at, run = 1;

    if (levels < 0)
        return levels;
    if (levels == 0) {
        at = ext2->block[index];
        run = direct_run(ext2, (uint32_t)index, max);
    } else {
        at = ext2->block[EXT2_DIRECT_COUNT + levels - 1];
    }
    for (int level = levels; level > 0 && at != 0; level--) {
        uint32_t shift = entries_shift(fs) * (uint32_t)(level - 1);
        uint32_t mask = (UINT32_C(1) << entries_shift(fs)) - 1;
        uint32_t slot = (uint32_t)(index >> shift) & mask;
        int status = entry_read(fs, at, slot, level == 1 ? max : 1, &at, &run);

        if (status != 0)
            return status;
    }
    if (at != 0 && !ext2_blocks_valid(fs, at, run))
        return -EUCLEAN;
    *block = at;
    *count = run;
    return 0;
}
