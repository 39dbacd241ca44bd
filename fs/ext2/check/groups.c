/*
 * The descriptors of groups, and what the volume itself has: copies of the
 * superblock and of the descriptors, bitmaps, tables of inodes. Each bitmap and
 * table is in its own group, and nothing overlaps.
 */
#include "fs/ext2/check/check_internal.h"
#include "kernel/lib/minmax.h"

enum { GROUP_UNINIT_FLAGS = 3 }; /* bitmaps and tables that were not written */

/* Whether `number` is a power of `base`. */
static bool is_power(uint32_t number, uint32_t base)
{
    while (number > 1 && number % base == 0)
        number /= base;
    return number == 1;
}

bool fsck_group_has_super(const struct fsck *fsck, uint32_t group)
{
    const uint8_t *backups = fsck->super + SUPER_BACKUP_GROUPS;

    if (group == 0)
        return true;
    if ((fsck->compat & COMPAT_SPARSE_SUPER2) != 0)
        return group == le32_get(backups) || group == le32_get(backups + 4);
    if ((fsck->ro_compat & RO_COMPAT_SPARSE_SUPER) == 0)
        return true;
    return is_power(group, 3) || is_power(group, 5) || is_power(group, 7);
}

static uint32_t descs_per_block(const struct fsck *fsck)
{
    return fsck->block_size / EXT2_GROUP_DESC_SIZE;
}

/* The first block of descriptors that is spread over the groups. */
static uint32_t first_spread(const struct fsck *fsck)
{
    return (fsck->incompat & INCOMPAT_META_BG) != 0
               ? le32_get(fsck->super + SUPER_FIRST_META_BG)
               : UINT32_MAX;
}

/* Where block `index` of the descriptors is. */
static uint64_t desc_block(const struct fsck *fsck, uint32_t index)
{
    uint32_t group = index * descs_per_block(fsck);

    if (index < first_spread(fsck))
        return (uint64_t)fsck->first_block + 1 + index;
    return (uint64_t)fsck_group_first(fsck, group) +
           fsck_group_has_super(fsck, group);
}

static void mark(struct fsck *fsck, uint64_t block)
{
    if (block >= fsck->blocks)
        return;
    fsck_bit_set(fsck->used, block);
    fsck_bit_set(fsck->meta, block);
}

/* The copies that are in a group. Where those of groups run into each other, on
 * a damaged volume, *done keeps a block from being marked again and again. */
static void mark_copies(struct fsck *fsck, uint32_t group, uint64_t *done)
{
    uint64_t first = fsck_group_first(fsck, group);
    bool has_super = fsck_group_has_super(fsck, group);
    uint32_t spread = first_spread(fsck), per_block = descs_per_block(fsck);
    uint32_t within = group % per_block;
    uint64_t end;

    if (has_super)
        mark(fsck, first);
    if (group / per_block >= spread) {
        if (within == 0 || within == 1 || within == per_block - 1)
            mark(fsck, first + has_super);
        return;
    }
    if (!has_super)
        return;
    end = first + 1;
    end += spread != UINT32_MAX
               ? spread
               : fsck->desc_blocks +
                     le16_get(fsck->super + SUPER_RESERVED_GDT_BLOCKS);
    for (*done = max_u64(*done, first + 1); *done < end; ++*done)
        mark(fsck, *done);
}

/* What a descriptor says is in its group: the block, or 0 and a finding. */
static uint32_t within_group(struct fsck *fsck, uint32_t group, uint32_t block,
                             uint32_t count, enum ext2_code code)
{
    uint32_t first = fsck_group_first(fsck, group);
    uint32_t blocks = fsck_group_blocks(fsck, group);

    if (block != 0 && block >= first && blocks >= count &&
        block - first <= blocks - count)
        return block;
    fsck_found(fsck, code, 0, block, group, 0);
    return 0;
}

static void claim(struct fsck *fsck, uint32_t group, uint32_t block)
{
    if (block != 0 && fsck_bit(fsck->used, block))
        fsck_found(fsck, CHECK_GROUP_OVERLAP, 0, block, group, 0);
    if (block != 0)
        mark(fsck, block);
}

static void parse(struct fsck *fsck, uint32_t index, const uint8_t *desc)
{
    struct fsck_group *group = &fsck->groups[index];

    group->block_bitmap =
        within_group(fsck, index, le32_get(desc + GROUP_BLOCK_BITMAP), 1,
                     CHECK_GROUP_BLOCK_BITMAP_BAD);
    group->inode_bitmap =
        within_group(fsck, index, le32_get(desc + GROUP_INODE_BITMAP), 1,
                     CHECK_GROUP_INODE_BITMAP_BAD);
    group->inode_table =
        within_group(fsck, index, le32_get(desc + GROUP_INODE_TABLE),
                     fsck->table_blocks, CHECK_GROUP_INODE_TABLE_BAD);
    group->free_blocks = le16_get(desc + GROUP_FREE_BLOCKS);
    group->free_inodes = le16_get(desc + GROUP_FREE_INODES);
    group->directories = le16_get(desc + GROUP_DIRECTORIES);
    if ((le16_get(desc + GROUP_FLAGS) & GROUP_UNINIT_FLAGS) != 0 ||
        le16_get(desc + GROUP_UNUSED_INODES) != 0)
        fsck_found(fsck, CHECK_GROUP_UNINIT, 0, 0, index,
                   le16_get(desc + GROUP_FLAGS));
}

int fsck_groups(struct fsck *fsck)
{
    uint32_t per_block = descs_per_block(fsck);
    uint64_t done = 0;

    for (uint32_t i = 0; i < fsck->group_count; i++) {
        uint64_t block = desc_block(fsck, i / per_block);
        int status = 0;

        if (block >= fsck->blocks) {
            fsck_found(fsck, CHECK_SUPER_FIELD, 0, SUPER_BLOCKS_COUNT,
                       block + 1, fsck->blocks);
            fsck->result->stopped = true;
            return 0;
        }
        if (i % per_block == 0)
            status = fsck_read_block(fsck, (uint32_t)block, fsck->data);
        if (status != 0)
            return status;
        parse(fsck, i,
              fsck->data + (size_t)(i % per_block) * EXT2_GROUP_DESC_SIZE);
    }
    for (uint32_t i = 0; i < fsck->group_count; i++)
        mark_copies(fsck, i, &done);
    for (uint32_t i = 0; i < fsck->group_count; i++) {
        const struct fsck_group *group = &fsck->groups[i];

        claim(fsck, i, group->block_bitmap);
        claim(fsck, i, group->inode_bitmap);
        for (uint32_t k = 0; group->inode_table != 0 && k < fsck->table_blocks;
             k++)
            claim(fsck, i, group->inode_table + k);
    }
    return 0;
}
