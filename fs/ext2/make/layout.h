/*
 * Where the parts of a volume lie that is to be made: numbers only.
 *
 * In each group, from its first block on: the superblock and all descriptors,
 * if the group has them; the two bitmaps; its part of the inodes; data.
 */
#ifndef TORC_FS_EXT2_MAKE_LAYOUT_H
#define TORC_FS_EXT2_MAKE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

struct ext2_layout {
    uint32_t block_size;
    uint32_t inode_size;
    uint32_t blocks; /* of the volume */
    uint32_t first_block;
    uint32_t blocks_per_group;
    uint32_t groups;
    uint32_t inodes_per_group;
    uint32_t table_blocks; /* of a group's inodes */
    uint32_t desc_blocks;  /* of all descriptors */
};

/*
 * Lay out `blocks` blocks with at least `inodes` inodes; block_size and
 * inode_size are set. A last group that would hold little more than its own
 * tables is left out. Returns 0, -ENOSPC (too few blocks for so many inodes),
 * -EFBIG (too many inodes for a group).
 */
must_check int ext2_layout_set(struct ext2_layout *layout, uint64_t blocks,
                               uint64_t inodes);

/* Whether a group has a copy of the superblock and of the descriptors. */
bool ext2_layout_has_super(uint32_t group);

/* The first block of a group, how many it has, and how many of those are not
 * for data. */
uint32_t ext2_layout_first(const struct ext2_layout *layout, uint32_t group);
uint32_t ext2_layout_blocks(const struct ext2_layout *layout, uint32_t group);
uint32_t ext2_layout_meta(const struct ext2_layout *layout, uint32_t group);

/* How many blocks are for data. */
uint64_t ext2_layout_room(const struct ext2_layout *layout);

#endif
