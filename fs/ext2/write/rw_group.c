/* Block groups of a volume that is written: what the descriptors say is kept in
 * memory, and put back with each change of it. */
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/memory.h>

/* What a descriptor says; counts that cannot be are cut. */
static void parse(const struct ext2_fs *fs, uint32_t group, const uint8_t *desc,
                  struct ext2_group *out)
{
    out->block_bitmap = le32_get(desc + GROUP_BLOCK_BITMAP);
    out->inode_bitmap = le32_get(desc + GROUP_INODE_BITMAP);
    out->inode_table = le32_get(desc + GROUP_INODE_TABLE);
    out->free_blocks = min_u32(le16_get(desc + GROUP_FREE_BLOCKS),
                               ext2_group_blocks(fs, group));
    out->free_inodes =
        min_u32(le16_get(desc + GROUP_FREE_INODES), fs->inodes_per_group);
    out->dirs = min_u32(le16_get(desc + GROUP_DIRECTORIES),
                        fs->inodes_per_group - out->free_inodes);
}

int ext2_groups_load(struct ext2_rw *rw)
{
    struct ext2_fs *fs = rw->fs;

    rw->groups = mem_alloc_zeroed(sizeof(*rw->groups) * fs->group_count);
    if (rw->groups == NULL)
        return -ENOMEM;
    rw->free_blocks = rw->free_inodes = 0;
    for (uint32_t group = 0; group < fs->group_count; group++) {
        uint8_t desc[EXT2_GROUP_DESC_LARGE];
        int status = ext2_group_read(fs, group, desc);

        if (status != 0)
            return status;
        parse(fs, group, desc, &rw->groups[group]);
        rw->free_blocks += rw->groups[group].free_blocks;
        rw->free_inodes += rw->groups[group].free_inodes;
    }
    return 0;
}

int ext2_change_group(struct change *change, uint32_t group,
                      struct change_block **out, uint32_t *at)
{
    uint64_t block;

    ext2_group_place(change->fs, group, &block, at);
    return ext2_change_block(change, block, out);
}

int ext2_group_start(struct ext2_rw *rw, uint32_t group, uint64_t bitmap_block,
                     struct change *change, struct change_block **bitmap,
                     struct change_block **desc, uint32_t *at)
{
    int status;

    ext2_change_begin(change, rw->fs);
    status = ext2_change_block(change, bitmap_block, bitmap);
    if (status == 0)
        status = ext2_change_group(change, group, desc, at);
    if (status == 0)
        status = ext2_change_start(change);
    if (status != 0)
        ext2_change_abort(change);
    return status;
}

void ext2_group_put(const struct ext2_rw *rw, uint32_t group,
                    const struct change_block *block, uint32_t at)
{
    const struct ext2_group *from = &rw->groups[group];
    uint8_t *desc = block->data + at;

    le16_put(desc + GROUP_FREE_BLOCKS, (uint16_t)from->free_blocks);
    le16_put(desc + GROUP_FREE_INODES, (uint16_t)from->free_inodes);
    le16_put(desc + GROUP_DIRECTORIES, (uint16_t)from->dirs);
}
