/*
 * Giving blocks of a file places on the disk: the run itself, and the indirect
 * blocks on the way to it, which are new up to some level. All of it is linked
 * by one change: the pointer to a new indirect block when that has its content,
 * and any pointer when the bit of what it leads to is set in the bitmap.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

/* What is to be linked. */
struct linking {
    struct inode *inode;
    int levels;
    uint32_t slots[EXT2_LEVEL_MAX + 1]; /* in the inode, then in each table */
    uint64_t tables[EXT2_LEVEL_MAX];    /* from the inode on */
    int known;                          /* so many of these are there */
    uint64_t block;                     /* the run */
    uint32_t count;
    const uint8_t *content; /* of its only block; or NULL */
    bool reserved;          /* the run has been promised, */
    uint32_t promised;      /* and so many tables */
};

static uint32_t entries_of(const struct ext2_fs *fs)
{
    return fs->block_size / 4;
}

uint64_t ext2_size_max(const struct ext2_fs *fs)
{
    uint64_t blocks = EXT2_DIRECT_COUNT, span = 1;

    if (fs->is_rev0)
        return INT32_MAX;
    for (int level = 1; level <= EXT2_LEVEL_MAX; level++) {
        span *= entries_of(fs);
        blocks += span;
    }
    return blocks << fs->block_shift;
}

/* The slots on the way to a block. Returns 0, -EFBIG. */
static int path_of(const struct ext2_fs *fs, uint64_t index,
                   struct linking *out)
{
    out->levels = ext2_levels_of(fs, &index);
    if (out->levels < 0)
        return out->levels;
    if (out->levels == 0) {
        out->slots[0] = (uint32_t)index;
        return 0;
    }
    out->slots[0] = EXT2_DIRECT_COUNT + (uint32_t)out->levels - 1;
    for (int level = out->levels; level >= 1; level--) {
        out->slots[level] = (uint32_t)(index & (entries_of(fs) - 1));
        index >>= fs->block_shift - 2;
    }
    return 0;
}

/* Find the tables that are there. Returns 0, -EUCLEAN, or as page_get(). */
static int tables_find(struct linking *linking)
{
    struct inode *inode = linking->inode;
    struct ext2_fs *fs = ext2_of(inode);
    uint64_t at =
        le32_get(ext2_inode_of(inode)->in_inode + 4 * linking->slots[0]);

    linking->known = 0;
    while (linking->known < linking->levels && at != 0) {
        uint32_t slot = linking->slots[linking->known + 1];
        uint8_t raw[4];
        int status;

        if (!ext2_blocks_valid(fs, at, 1))
            return ext2_damaged(fs, inode->number, "block map", at);
        linking->tables[linking->known++] = at;
        status = ext2_read_disk(fs, (at << fs->block_shift) + 4 * slot, raw,
                                sizeof(raw));
        if (status != 0)
            return status;
        at = le32_get(raw);
    }
    return 0;
}

int ext2_map_missing(struct inode *inode, uint64_t index, uint64_t *table)
{
    struct linking linking = {.inode = inode};
    int status = path_of(ext2_of(inode), index, &linking);

    if (status == 0)
        status = tables_find(&linking);
    if (status != 0)
        return status;
    *table = (index - EXT2_DIRECT_COUNT) >> (ext2_of(inode)->block_shift - 2);
    return linking.levels - linking.known;
}

/* How many blocks from the first slot on are a hole that this linking can fill,
 * up to `max`. */
static int hole_length(struct linking *linking, uint32_t max, uint32_t *out)
{
    struct ext2_fs *fs = ext2_of(linking->inode);
    uint32_t slot = linking->slots[linking->levels], count = 0;
    struct mapping_ref ref;
    int status;

    if (linking->levels == 0) {
        const uint8_t *direct = ext2_inode_of(linking->inode)->in_inode;

        while (count < max && slot + count < EXT2_DIRECT_COUNT &&
               le32_get(direct + 4 * (slot + count)) == 0)
            count++;
        *out = count;
        return 0;
    }
    max = min_u32(max, entries_of(fs) - slot);
    *out = max;
    if (linking->known < linking->levels)
        return 0;
    status = mapping_ref(
        &fs->device,
        (linking->tables[linking->levels - 1] << fs->block_shift) + 4 * slot,
        &ref);
    if (status != 0)
        return status;
    while (count < max && le32_get(ref.data + 4 * count) == 0)
        count++;
    mapping_unref(&ref);
    *out = count;
    return 0;
}

/* ---- Allocating ---------------------------------------------------------- */

/* Where the next block of the file should be. */
static uint64_t goal_of(const struct inode *inode, uint64_t index)
{
    const struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);

    if (rwi->last_block == 0)
        return 0;
    if (index > rwi->last_index)
        return rwi->last_block + min_u64(index - rwi->last_index, 1);
    return rwi->last_block;
}

/* One more table, out of what was promised for it. */
static int table_alloc(struct linking *linking, uint64_t goal, uint64_t *out)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(linking->inode);
    const bool is_promised = rwi->reserved_tables > 0;
    uint32_t count;
    int status =
        ext2_alloc_run(linking->inode, goal, 1, is_promised, out, &count);

    if (status == 0 && is_promised) {
        rwi->reserved_tables--;
        linking->promised++;
    }
    return status;
}

/* Give back what was allocated for a linking that has failed: what was promised
 * is so again. */
static void unallocate(const struct linking *linking, int tables)
{
    struct ext2_fs *fs = ext2_of(linking->inode);

    ext2_rw_inode_of(linking->inode)->reserved_tables += linking->promised;
    fs->rw->reserved_blocks += linking->promised;
    if (linking->reserved)
        fs->rw->reserved_blocks += linking->count;
    for (int i = linking->known; i < tables; i++)
        ext2_blocks_unalloc(fs, linking->tables[i], 1);
    if (linking->count > 0)
        ext2_blocks_unalloc(fs, linking->block, linking->count);
}

/* Allocate the tables that are missing, then the run. */
static int allocate(struct linking *linking, uint64_t index, uint32_t max)
{
    uint64_t goal = goal_of(linking->inode, index);
    int level = linking->known, status = 0;

    linking->count = 0;
    for (; level < linking->levels && status == 0; level++) {
        status = table_alloc(linking, goal, &linking->tables[level]);
        if (status != 0)
            break;
        goal = linking->tables[level] + 1;
    }
    if (status == 0)
        status = ext2_alloc_run(linking->inode, goal, max, linking->reserved,
                                &linking->block, &linking->count);
    if (status != 0)
        unallocate(linking, level);
    return status;
}

/* ---- Linking ------------------------------------------------------------- */

/* The blocks of the change: the tables from the lowest known one on. */
struct pins {
    struct change change;
    struct change_block *tables[EXT2_LEVEL_MAX];
    struct change_block *content;
};

/* The bit of `block` is durable before `after`. */
static int order_bit(struct change *change, uint64_t block,
                     const struct change_block *after)
{
    struct change_block *bitmap;
    int status = ext2_change_bitmap_of(change, block, &bitmap);

    if (status == 0)
        ext2_change_order(change, bitmap, after);
    return status;
}

/* Pin a table, with what is below it before it. */
static int pin_table(struct linking *linking, struct pins *pins, int level)
{
    const bool is_new = level >= linking->known;
    const bool is_lowest = level == linking->levels - 1;
    uint64_t below = is_lowest ? linking->block : linking->tables[level + 1];
    struct change_block **at = &pins->tables[level];
    int status =
        is_new
            ? ext2_change_new_block(&pins->change, linking->tables[level], at)
            : ext2_change_block(&pins->change, linking->tables[level], at);

    if (status == 0)
        status = order_bit(&pins->change, below, *at);
    if (status != 0)
        return status;
    if (!is_lowest)
        ext2_change_order(&pins->change, pins->tables[level + 1], *at);
    else if (pins->content != NULL)
        ext2_change_order(&pins->change, pins->content, *at);
    return 0;
}

/* Pin all that the linking changes. */
static int pin(struct linking *linking, struct pins *pins)
{
    int lowest = linking->known > 0 ? linking->known - 1 : 0;
    int status = 0;

    ext2_change_begin(&pins->change, ext2_of(linking->inode));
    pins->content = NULL;
    if (linking->content != NULL)
        status = ext2_change_new_block(&pins->change, linking->block,
                                       &pins->content);
    for (int level = linking->levels - 1; level >= lowest && status == 0;
         level--)
        status = pin_table(linking, pins, level);
    ext2_change_inode(&pins->change, linking->inode);
    return status;
}

/* Between start and end. */
static void put_pointers(const struct linking *linking, struct pins *pins)
{
    uint8_t *in_inode = ext2_inode_of(linking->inode)->in_inode;
    int first = linking->known > 0 ? linking->known - 1 : 0;
    uint8_t *at;

    if (linking->known == 0 && linking->levels > 0)
        le32_put(in_inode + 4 * linking->slots[0],
                 (uint32_t)linking->tables[0]);
    for (int level = first; level < linking->levels - 1; level++)
        le32_put(pins->tables[level]->data + 4 * linking->slots[level + 1],
                 (uint32_t)linking->tables[level + 1]);
    at = linking->levels == 0 ? in_inode
                              : pins->tables[linking->levels - 1]->data;
    at += 4 * linking->slots[linking->levels];
    for (uint32_t i = 0; i < linking->count; i++)
        le32_put(at + 4 * i, (uint32_t)(linking->block + i));
}

static int link_all(struct linking *linking, uint64_t index)
{
    struct ext2_fs *fs = ext2_of(linking->inode);
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(linking->inode);
    uint32_t blocks =
        linking->count + (uint32_t)(linking->levels - linking->known);
    struct pins pins;
    int status = pin(linking, &pins);

    if (status == 0)
        status = ext2_change_start(&pins.change);
    if (status != 0) {
        ext2_change_abort(&pins.change);
        return status;
    }
    if (pins.content != NULL)
        memcpy(pins.content->data, linking->content, fs->block_size);
    put_pointers(linking, &pins);
    linking->inode->blocks += (uint64_t)blocks * (fs->block_size / 512);
    ext2_window_move(linking->inode, linking->block + linking->count,
                     index == rwi->last_index + 1 && rwi->last_block != 0);
    rwi->last_index = index + linking->count - 1;
    rwi->last_block = linking->block + linking->count - 1;
    ext2_change_end(&pins.change);
    return 0;
}

/* As ext2_map_allocate(), in the order of its steps. */
static int map_new(struct linking *linking, uint64_t index, uint32_t max)
{
    struct ext2_fs *fs = ext2_of(linking->inode);
    int status = path_of(fs, index, linking);

    if (status == 0)
        status = tables_find(linking);
    if (status == 0)
        status = hole_length(linking, max, &max);
    if (status != 0)
        return status;
    if (max == 0) /* the block was not a hole */
        return ext2_damaged(fs, linking->inode->number, "block map", index);
    if (linking->inode->blocks >
        UINT32_MAX - (max + EXT2_LEVEL_MAX) * (uint64_t)fs->block_size / 512)
        return -EFBIG;
    status = allocate(linking, index, max);
    if (status != 0)
        return status;
    status = link_all(linking, index);
    if (status != 0)
        unallocate(linking, linking->levels);
    return status;
}

int ext2_map_allocate(struct inode *inode, uint64_t index, uint32_t *count,
                      uint64_t *block)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct linking linking = {.inode = inode,
                              .reserved = rwi->reserved_data > 0};
    int status = map_new(&linking, index, *count);

    if (status != 0)
        return status;
    if (linking.reserved)
        rwi->reserved_data -= min_u32(rwi->reserved_data, linking.count);
    *block = linking.block;
    *count = linking.count;
    return 0;
}

int ext2_map_append(struct inode *inode, uint64_t index, const uint8_t *content,
                    uint64_t *block)
{
    struct linking linking = {.inode = inode, .content = content};
    int status = map_new(&linking, index, 1);

    if (status == 0)
        *block = linking.block;
    return status;
}
