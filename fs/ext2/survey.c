/* What a volume consists of: survey.h. */
#include "fs/ext2/survey.h"
#include "fs/ext2/ext2.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

static bool is_ours(const struct mount *mount)
{
    return str_equal(mount->type, "ext2") || str_equal(mount->type, "ext4");
}

int ext2_survey(const struct mount *mount, struct ext2_survey *out)
{
    const struct ext2_fs *fs = mount->fs_data;

    if (!is_ours(mount))
        return -EINVAL;
    *out = (struct ext2_survey){
        .block_size = fs->block_size,
        .blocks_count = fs->blocks_count,
        .first_data_block = fs->first_data_block,
        .blocks_per_group = fs->blocks_per_group,
        .group_count = fs->group_count,
        .inodes_count = fs->inodes_count,
        .inodes_per_group = fs->inodes_per_group,
        .inode_size = fs->inode_size,
        .compat = fs->compat,
        .incompat = fs->incompat,
        .ro_compat = fs->ro_compat,
    };
    return 0;
}

/* A count in a descriptor, of which 64BIT has an upper half elsewhere. */
static uint32_t count_of(const struct ext2_fs *fs, const uint8_t *desc,
                         uint32_t at)
{
    uint32_t count = le16_get(desc + at);

    if (fs->desc_size > EXT2_GROUP_DESC_SIZE)
        count |= (uint32_t)le16_get(desc + GROUP_HIGH + at) << 16;
    return count;
}

int ext2_survey_group(struct mount *mount, uint32_t group,
                      struct ext2_survey_group *out)
{
    struct ext2_fs *fs = mount->fs_data;
    uint8_t desc[EXT2_GROUP_DESC_LARGE];
    int status = ext2_group_read(fs, group, desc);

    if (status != 0)
        return status;
    *out = (struct ext2_survey_group){
        .block_bitmap = ext2_group_block(fs, desc, GROUP_BLOCK_BITMAP),
        .inode_bitmap = ext2_group_block(fs, desc, GROUP_INODE_BITMAP),
        .inode_table = ext2_group_block(fs, desc, GROUP_INODE_TABLE),
        .table_blocks = ext2_table_blocks(fs),
        .free_blocks = count_of(fs, desc, GROUP_FREE_BLOCKS),
        .free_inodes = count_of(fs, desc, GROUP_FREE_INODES),
        .directories = count_of(fs, desc, GROUP_DIRECTORIES),
    };
    return 0;
}

int ext2_survey_read(struct mount *mount, uint64_t offset, void *buf,
                     size_t size)
{
    struct ext2_fs *fs = mount->fs_data;
    uint64_t end = fs->blocks_count << fs->block_shift;

    if (offset > end || size > end - offset)
        return -EINVAL;
    return ext2_read_disk(fs, offset, buf, size);
}

int ext2_survey_run(struct inode *inode, uint64_t index, uint32_t max,
                    uint64_t *block, uint32_t *count)
{
    const struct ext2_fs *fs = ext2_of(inode);
    uint64_t blocks =
        (inode->size_bytes + fs->block_size - 1) >> fs->block_shift;

    if (ext2_inode_of(inode)->data != NULL || !ext2_has_blocks(inode) ||
        index >= blocks)
        return -ENOENT;
    if (max > blocks - index)
        max = (uint32_t)(blocks - index);
    return ext2_bmap(inode, index, max, block, count);
}
