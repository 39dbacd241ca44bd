/*
 * From a block of a file to a block of the volume: i_block[0..11] are block
 * numbers, [12], [13], [14] lead through one, two, three levels of blocks that
 * are full of 32-bit block numbers. A zero at any level is a hole.
 */
#include "fs/ext2/ext2.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"

/* log2 of the entries in one indirect block. */
static uint32_t entries_shift(const struct ext2_fs *fs)
{
    return fs->block_shift - 2;
}

int ext2_levels_of(const struct ext2_fs *fs, uint64_t *index)
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

/* The number `count` places behind `first` in a run: numbers that follow each
 * other, or all of them holes. */
static uint32_t in_run(uint32_t first, uint32_t count)
{
    return first == 0 ? 0 : first + count;
}

/* How many of `max` entries are a run. */
static uint32_t run_length(const uint8_t *entries, uint32_t max)
{
    uint32_t first = le32_get(entries);
    uint32_t count = 1;

    while (count < max && le32_get(entries + 4 * count) == in_run(first, count))
        count++;
    return count;
}

/*
 * Entry `slot` of the indirect block `table`, and the run that begins there, as
 * far as the piece of the cache shows it.
 */
static int entry_read(struct ext2_fs *fs, uint64_t table, uint32_t slot,
                      uint64_t max, uint64_t *block, uint32_t *count)
{
    uint32_t entries = UINT32_C(1) << entries_shift(fs);
    uint64_t offset = (table << fs->block_shift) + 4 * slot;
    struct mapping_ref ref;
    uint8_t entry[4] = {0};
    int status;

    if (!ext2_blocks_valid(fs, table, 1))
        return -EUCLEAN;
    if (fs->has_copies) {
        status = ext2_read_disk(fs, offset, entry, sizeof(entry));
        *block = le32_get(entry);
        *count = 1;
        return status;
    }
    status = mapping_ref(&fs->device, offset, &ref);
    if (status != 0)
        return status;
    max = min_u64(max, min_u64(entries - slot, ref.size / 4));
    *block = le32_get(ref.data);
    *count = run_length(ref.data, (uint32_t)max);
    mapping_unref(&ref);
    return 0;
}

/* The run where a table is not there: all that it would map from `index` on,
 * below which there are `level` levels. */
static uint32_t hole_length(const struct ext2_fs *fs, int level, uint64_t index,
                            uint64_t max)
{
    uint64_t span = UINT64_C(1) << entries_shift(fs) * (uint32_t)level;

    max = min_u64(max, span - (index & (span - 1)));
    return (uint32_t)min_u64(max, UINT32_MAX);
}

int ext2_bmap(struct inode *inode, uint64_t index, uint64_t max,
              uint64_t *block, uint32_t *count)
{
    struct ext2_fs *fs = ext2_of(inode);
    const struct ext2_inode *ext2 = ext2_inode_of(inode);
    uint64_t wanted = index, at;
    int levels, level;
    uint32_t run = 1;

    if (ext2_has_extents(inode))
        return fs->ext4->map(inode, index, max, block, count);
    levels = ext2_levels_of(fs, &index);
    if (levels < 0)
        return levels;
    if (levels == 0) {
        const uint8_t *first = ext2->in_inode + 4 * index;

        max = min_u64(max, EXT2_DIRECT_COUNT - index);
        at = le32_get(first);
        run = run_length(first, (uint32_t)max);
    } else {
        at = le32_get(ext2->in_inode + 4 * (EXT2_DIRECT_COUNT + levels - 1));
    }
    for (level = levels; level > 0 && at != 0; level--) {
        uint32_t shift = entries_shift(fs) * (uint32_t)(level - 1);
        uint32_t mask = (UINT32_C(1) << entries_shift(fs)) - 1;
        uint32_t slot = (uint32_t)(index >> shift) & mask;
        int status = entry_read(fs, at, slot, level == 1 ? max : 1, &at, &run);

        if (status == -EUCLEAN)
            return ext2_damaged(fs, inode->number, "block map", wanted);
        if (status != 0)
            return status;
    }
    if (at == 0 && level > 0)
        run = hole_length(fs, level, index, max);
    if (at != 0 && !ext2_blocks_valid(fs, at, run))
        return ext2_damaged(fs, inode->number, "block map", wanted);
    *block = at;
    *count = run;
    return 0;
}
