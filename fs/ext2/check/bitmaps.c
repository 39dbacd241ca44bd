/*
 * The bitmaps beside what was found to be in use, and the counts beside the
 * bitmaps. What differs is told in runs: `block` is the first block or inode,
 * `found` how many.
 */
#include "fs/ext2/check/check_internal.h"

/* One bitmap of a group, which is in fsck->node. */
struct bitmap {
    struct fsck *fsck;
    uint32_t first; /* what bit 0 stands for */
    uint32_t bits;
    bool is_inodes;
    enum ext2_code marked, not_marked;
    uint32_t free; /* counted */
    uint32_t directories;
    /* The run that is being met: */
    enum ext2_code run;
    uint32_t run_first, run_length;
};

static bool is_used(const struct bitmap *bitmap, uint32_t number)
{
    const struct fsck *fsck = bitmap->fsck;

    if (bitmap->is_inodes)
        return (fsck->inode[number].flags & (FSCK_USED | FSCK_ORPHAN)) != 0;
    return fsck_bit(fsck->used, number);
}

static void run_end(struct bitmap *bitmap)
{
    if (bitmap->run_length > 0)
        fsck_found(bitmap->fsck, bitmap->run,
                   bitmap->is_inodes ? bitmap->run_first : 0, bitmap->run_first,
                   0, bitmap->run_length);
    bitmap->run_length = 0;
}

static void differs(struct bitmap *bitmap, enum ext2_code code, uint32_t number)
{
    if (bitmap->run_length > 0 &&
        (bitmap->run != code ||
         bitmap->run_first + bitmap->run_length != number))
        run_end(bitmap);
    if (bitmap->run_length++ == 0) {
        bitmap->run = code;
        bitmap->run_first = number;
    }
}

static void compare(struct bitmap *bitmap)
{
    const struct fsck *fsck = bitmap->fsck;

    for (uint32_t i = 0; i < bitmap->bits; i++) {
        uint32_t number = bitmap->first + i;
        bool is_set = fsck_bit(fsck->node, i);

        if (is_set != is_used(bitmap, number))
            differs(bitmap, is_set ? bitmap->marked : bitmap->not_marked,
                    number);
        bitmap->free += !is_set;
        if (bitmap->is_inodes && is_set && is_used(bitmap, number) &&
            fsck->inode[number].type == DIRENT_TYPE_DIRECTORY)
            bitmap->directories++;
    }
    run_end(bitmap);
}

/* What stands for nothing is set. */
static void padding(struct fsck *fsck, uint32_t bits, uint32_t block,
                    enum ext2_code code)
{
    for (uint32_t i = bits; i < 8 * fsck->block_size; i++) {
        if (!fsck_bit(fsck->node, i)) {
            fsck_found(fsck, code, 0, block, 8 * fsck->block_size, i);
            return;
        }
    }
}

static void count(struct fsck *fsck, enum ext2_code code, uint32_t group,
                  uint32_t expected, uint32_t found)
{
    if (expected != found)
        fsck_found(fsck, code, 0, group, expected, found);
}

static int blocks(struct fsck *fsck, uint32_t index, uint64_t *free)
{
    const struct fsck_group *group = &fsck->groups[index];
    struct bitmap bitmap = {.fsck = fsck,
                            .first = fsck_group_first(fsck, index),
                            .bits = fsck_group_blocks(fsck, index),
                            .marked = CHECK_BLOCK_MARKED,
                            .not_marked = CHECK_BLOCK_NOT_MARKED};
    int status = fsck_read_block(fsck, group->block_bitmap, fsck->node);

    if (status != 0)
        return status;
    compare(&bitmap);
    padding(fsck, bitmap.bits, group->block_bitmap, CHECK_BLOCK_PADDING);
    count(fsck, CHECK_COUNT_GROUP_BLOCKS, index, bitmap.free,
          group->free_blocks);
    *free += bitmap.free;
    return 0;
}

static int inodes(struct fsck *fsck, uint32_t index, uint64_t *free)
{
    const struct fsck_group *group = &fsck->groups[index];
    struct bitmap bitmap = {.fsck = fsck,
                            .first = index * fsck->inodes_per_group + 1,
                            .bits = fsck->inodes_per_group,
                            .is_inodes = true,
                            .marked = CHECK_INODE_MARKED,
                            .not_marked = CHECK_INODE_NOT_MARKED};
    int status = fsck_read_block(fsck, group->inode_bitmap, fsck->node);

    if (status != 0)
        return status;
    compare(&bitmap);
    padding(fsck, (bitmap.bits + 7) & ~7u, group->inode_bitmap,
            CHECK_INODE_PADDING);
    count(fsck, CHECK_COUNT_GROUP_INODES, index, bitmap.free,
          group->free_inodes);
    count(fsck, CHECK_COUNT_GROUP_DIRECTORIES, index, bitmap.directories,
          group->directories);
    *free += bitmap.free;
    return 0;
}

int fsck_bitmaps(struct fsck *fsck)
{
    uint64_t free_blocks = 0, free_inodes = 0;
    bool all_blocks = true, all_inodes = true;

    fsck->bitmap_block = 0;
    for (uint32_t i = 0; i < fsck->group_count; i++) {
        const struct fsck_group *group = &fsck->groups[i];
        bool has_inodes = group->inode_bitmap != 0 && group->inode_table != 0;
        int status = 0;

        if (group->block_bitmap != 0)
            status = blocks(fsck, i, &free_blocks);
        if (status == 0 && has_inodes)
            status = inodes(fsck, i, &free_inodes);
        if (status != 0)
            return status;
        all_blocks = all_blocks && group->block_bitmap != 0;
        all_inodes = all_inodes && has_inodes;
    }
    if (all_blocks && free_blocks != le32_get(fsck->super + SUPER_FREE_BLOCKS))
        fsck_found(fsck, CHECK_COUNT_BLOCKS, 0, 0, free_blocks,
                   le32_get(fsck->super + SUPER_FREE_BLOCKS));
    if (all_inodes && free_inodes != le32_get(fsck->super + SUPER_FREE_INODES))
        fsck_found(fsck, CHECK_COUNT_INODES, 0, 0, free_inodes,
                   le32_get(fsck->super + SUPER_FREE_INODES));
    return 0;
}
