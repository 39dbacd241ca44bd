/* Block groups and their descriptors. */
#include "fs/ext2/ext2.h"
#include "kernel/lib/bytes.h"

/*
 * Whether a group that a block of descriptors begins with has a copy of the
 * superblock. With SPARSE_SUPER the groups 0 and 1 and the powers of 3, 5 and 7
 * have one; such a group is a multiple of a power of two above 1, so only 0 can
 * be one of them. With SPARSE_SUPER2 the superblock names two.
 */
static bool has_super(const struct ext2_fs *fs, uint32_t group)
{
    if (group == 0)
        return true;
    if ((fs->compat & COMPAT_SPARSE_SUPER2) != 0)
        return group == fs->backup_groups[0] || group == fs->backup_groups[1];
    return (fs->ro_compat & RO_COMPAT_SPARSE_SUPER) == 0;
}

/*
 * The block that holds a group's descriptor. All descriptors follow the
 * superblock; or, with META_BG, each block of them is in the first group that
 * it describes.
 */
static uint64_t desc_block(const struct ext2_fs *fs, uint32_t group)
{
    uint32_t per_block = fs->block_size / fs->desc_size;
    uint32_t index = group / per_block;
    uint32_t first = index * per_block;

    if ((fs->incompat & INCOMPAT_META_BG) == 0 || index < fs->first_meta_bg)
        return ((uint64_t)EXT2_SUPER_OFFSET >> fs->block_shift) + 1 + index;
    return (uint64_t)fs->first_data_block +
           (uint64_t)first * fs->blocks_per_group + has_super(fs, first);
}

void ext2_group_place(const struct ext2_fs *fs, uint32_t group, uint64_t *block,
                      uint32_t *at)
{
    uint32_t per_block = fs->block_size / fs->desc_size;

    *block = desc_block(fs, group);
    *at = group % per_block * fs->desc_size;
}

int ext2_group_read(struct ext2_fs *fs, uint32_t group,
                    uint8_t desc[EXT2_GROUP_DESC_LARGE])
{
    uint64_t block;
    uint32_t at;
    int status;

    ext2_group_place(fs, group, &block, &at);
    if (!ext2_blocks_valid(fs, block, 1))
        return -EUCLEAN;
    status = ext2_read_disk(fs, (block << fs->block_shift) + at, desc,
                            fs->desc_size);
    if (status == 0 && fs->ext4 != NULL)
        status = fs->ext4->group(fs, group, desc);
    return status;
}

uint64_t ext2_group_block(const struct ext2_fs *fs, const uint8_t *desc,
                          uint32_t at)
{
    uint64_t block = le32_get(desc + at);

    if (fs->desc_size > EXT2_GROUP_DESC_SIZE)
        block |= (uint64_t)le32_get(desc + GROUP_HIGH + at) << 32;
    return block;
}

/* The first block of an inode table, which must lie in the volume. */
static int table_of(const struct ext2_fs *fs, const uint8_t *desc,
                    uint64_t *block)
{
    uint64_t first = ext2_group_block(fs, desc, GROUP_INODE_TABLE);

    if (!ext2_blocks_valid(fs, first, ext2_table_blocks(fs)))
        return -EUCLEAN;
    *block = first;
    return 0;
}

int ext2_group_inode_table(struct ext2_fs *fs, uint32_t group, uint64_t *block)
{
    uint8_t desc[EXT2_GROUP_DESC_LARGE];
    int status = ext2_group_read(fs, group, desc);

    return status != 0 ? status : table_of(fs, desc, block);
}

int ext2_groups_check(struct ext2_fs *fs)
{
    for (uint32_t group = 0; group < fs->group_count; group++) {
        uint8_t desc[EXT2_GROUP_DESC_LARGE];
        uint64_t table;
        int status = ext2_group_read(fs, group, desc);

        if (status == 0)
            status = table_of(fs, desc, &table);
        if (status != 0)
            return status;
        if (!ext2_blocks_valid(
                fs, ext2_group_block(fs, desc, GROUP_BLOCK_BITMAP), 1) ||
            !ext2_blocks_valid(
                fs, ext2_group_block(fs, desc, GROUP_INODE_BITMAP), 1))
            return -EUCLEAN;
    }
    return 0;
}
