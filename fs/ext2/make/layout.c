#include "fs/ext2/make/layout.h"
#include "fs/ext2/ext2_format.h"
#include "kernel/lib/minmax.h"
#include <torc/errno.h>

/* A last group with fewer blocks for data is not worth its tables. */
enum { DATA_MIN = 50 };

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static bool is_power_of(uint32_t value, uint32_t base)
{
    while (value % base == 0)
        value /= base;
    return value == 1;
}

/* With SPARSE_SUPER: 0, 1, and powers of 3, 5 and 7. */
bool ext2_layout_has_super(uint32_t group)
{
    return group <= 1 || is_power_of(group, 3) || is_power_of(group, 5) ||
           is_power_of(group, 7);
}

uint32_t ext2_layout_first(const struct ext2_layout *layout, uint32_t group)
{
    return layout->first_block + group * layout->blocks_per_group;
}

uint32_t ext2_layout_blocks(const struct ext2_layout *layout, uint32_t group)
{
    return min_u32(layout->blocks - ext2_layout_first(layout, group),
                   layout->blocks_per_group);
}

uint32_t ext2_layout_meta(const struct ext2_layout *layout, uint32_t group)
{
    return (ext2_layout_has_super(group) ? 1 + layout->desc_blocks : 0) + 2 +
           layout->table_blocks;
}

uint64_t ext2_layout_room(const struct ext2_layout *layout)
{
    uint64_t room = 0;

    for (uint32_t i = 0; i < layout->groups; i++)
        room += ext2_layout_blocks(layout, i) - ext2_layout_meta(layout, i);
    return room;
}

/* Divide blocks and inodes among groups. Returns 0, -EFBIG. */
static int divide(struct ext2_layout *layout, uint64_t inodes)
{
    const uint32_t block = layout->block_size;
    const uint32_t bits = 8 * block; /* of a bitmap */
    const uint32_t per_block = block / layout->inode_size;
    const uint32_t unit = max_u32(per_block, 8); /* whole blocks and bytes */
    uint64_t each;

    layout->groups = (uint32_t)divide_up(layout->blocks - layout->first_block,
                                         layout->blocks_per_group);
    layout->desc_blocks = (uint32_t)divide_up(
        (uint64_t)layout->groups * EXT2_GROUP_DESC_SIZE, block);
    each = divide_up(divide_up(inodes, layout->groups), unit) * unit;
    if (each > bits || each > UINT16_MAX)
        return -EFBIG;
    layout->inodes_per_group = (uint32_t)each;
    layout->table_blocks = (uint32_t)(each / per_block);
    return 0;
}

/* Whether each group has room for what is its own; the last one may have none.
 */
static bool all_fit(const struct ext2_layout *layout)
{
    for (uint32_t i = 0; i + 1 < layout->groups; i++)
        if (ext2_layout_meta(layout, i) >= layout->blocks_per_group)
            return false;
    return true;
}

int ext2_layout_set(struct ext2_layout *layout, uint64_t blocks,
                    uint64_t inodes)
{
    layout->first_block = layout->block_size == EXT2_SUPER_OFFSET ? 1 : 0;
    layout->blocks_per_group = 8 * layout->block_size;
    layout->blocks = (uint32_t)min_u64(blocks, UINT32_MAX);
    while (layout->blocks > layout->first_block) {
        uint32_t last, rest, meta;
        int status = divide(layout, inodes);

        if (status != 0)
            return status;
        last = layout->groups - 1;
        rest = ext2_layout_blocks(layout, last);
        meta = ext2_layout_meta(layout, last);
        if (!all_fit(layout))
            return -ENOSPC;
        if (rest >= meta + (last > 0 ? DATA_MIN : 1))
            return 0;
        layout->blocks -= rest;
    }
    return -ENOSPC;
}
