/*
 * Allocating blocks. A file goes on behind its last block; where that is taken,
 * with the next run that is long enough, in its group or in the ones behind;
 * and where there is none, with any free block.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/minmax.h"
#include <torc/log.h>

enum { RUN_WANTED = 16 }; /* shorter ones only where there are no others */

/* ---- Bits ---------------------------------------------------------------- */

static bool bit_get(const uint8_t *bits, uint32_t at)
{
    return (bits[at / 8] >> at % 8 & 1) != 0;
}

static void bits_set(uint8_t *bits, uint32_t at, uint32_t count)
{
    for (; count > 0; at++, count--)
        bits[at / 8] |= (uint8_t)(1U << at % 8);
}

/* The first bit in at .. end - 1 that has this value, or `end`. */
static uint32_t bit_next(const uint8_t *bits, uint32_t at, uint32_t end,
                         bool value)
{
    const uint8_t whole = value ? 0 : 0xff; /* a byte without one */

    while (at < end && bit_get(bits, at) != value) {
        if (at % 8 == 0 && bits[at / 8] == whole)
            at += 8;
        else
            at++;
    }
    return at < end ? at : end;
}

/* ---- A group ------------------------------------------------------------- */

static uint32_t group_of(const struct ext2_fs *fs, uint64_t block)
{
    return (uint32_t)((block - fs->first_data_block) / fs->blocks_per_group);
}

static uint64_t group_first(const struct ext2_fs *fs, uint32_t group)
{
    return fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
}

/* Whether bits of blocks that a descriptor names are set, as far as they are in
 * this group. */
static bool are_set(const struct ext2_fs *fs, uint32_t group,
                    const uint8_t *bits, uint64_t block, uint32_t count)
{
    uint64_t first = group_first(fs, group);
    uint32_t blocks = ext2_group_blocks(fs, group);

    for (; count > 0; block++, count--) {
        if (block >= first && block - first < blocks &&
            !bit_get(bits, (uint32_t)(block - first)))
            return false;
    }
    return true;
}

/* Whether the superblock and the descriptors are not free, where they are in
 * this group; copies of them are nobody's loss. */
static bool are_descriptors_set(const struct ext2_fs *fs, uint32_t group,
                                const uint8_t *bits)
{
    const uint32_t in_block = fs->block_size / fs->desc_size;
    uint64_t block;
    uint32_t at;

    if (!are_set(fs, group, bits, fs->first_data_block, 1))
        return false;
    for (uint64_t i = 0; i < fs->group_count; i += in_block) {
        ext2_group_place(fs, (uint32_t)i, &block, &at);
        if (!are_set(fs, group, bits, block, 1))
            return false;
    }
    return true;
}

/* Look at a bitmap that is used for the first time: what it is itself for must
 * not be free in it. Returns 0, -EUCLEAN: nothing is taken from that group. */
static int bitmap_check(struct ext2_rw *rw, uint32_t group, const uint8_t *bits)
{
    const struct ext2_fs *fs = rw->fs;
    struct ext2_group *desc = &rw->groups[group];

    if (desc->is_block_bitmap_known)
        return 0;
    if (are_descriptors_set(fs, group, bits) &&
        are_set(fs, group, bits, desc->block_bitmap, 1) &&
        are_set(fs, group, bits, desc->inode_bitmap, 1) &&
        are_set(fs, group, bits, desc->inode_table, ext2_table_blocks(fs))) {
        desc->is_block_bitmap_known = true;
        return 0;
    }
    rw->free_blocks -= min_u64(rw->free_blocks, desc->free_blocks);
    desc->free_blocks = 0;
    ext2_rw_failed(rw);
    return ext2_damaged_volume(fs, "block bitmap");
}

/* Pin bitmap and descriptor of a group, and start. */
static int group_start(struct ext2_rw *rw, uint32_t group,
                       struct change *change, struct change_block **bitmap,
                       struct change_block **desc, uint32_t *at)
{
    int status = ext2_group_start(rw, group, rw->groups[group].block_bitmap,
                                  change, bitmap, desc, at);

    if (status != 0)
        return status;
    status = bitmap_check(rw, group, (*bitmap)->data);
    if (status != 0)
        ext2_change_abort(change);
    return status;
}

/* What is wanted. */
struct wish {
    const struct inode *inode;
    uint32_t from; /* in the group */
    uint32_t wanted;
    uint32_t max;
    bool reserved;
    bool keeps_off; /* other files' windows */
};

/* How long the run of clear bits at `at` is, up to what is wanted; 0: it is in
 * the window of another file, and *next is where that ends. */
static uint32_t run_length(const struct ext2_rw *rw, uint32_t group,
                           const uint8_t *bits, const struct wish *wish,
                           uint32_t at, uint32_t *next)
{
    uint32_t end = ext2_group_blocks(rw->fs, group);
    uint32_t max = min_u32(wish->max, end - at);

    if (wish->keeps_off) {
        uint64_t first = group_first(rw->fs, group);
        uint64_t skip = ext2_windows_skip(rw, wish->inode, first + at, &max);

        if (skip != 0) {
            *next = (uint32_t)min_u64(skip - first, end);
            return 0;
        }
    }
    *next = bit_next(bits, at, at + max, true);
    return *next - at;
}

/* A run of clear bits from `from` on: one that begins there, or has at least
 * what is wanted. Returns where, or the end of the group: there is none. */
static uint32_t run_find(const struct ext2_rw *rw, uint32_t group,
                         const uint8_t *bits, const struct wish *wish,
                         uint32_t from, uint32_t *length)
{
    uint32_t end = ext2_group_blocks(rw->fs, group);
    uint32_t at = bit_next(bits, from, end, false);

    while (at < end) {
        uint32_t next;

        *length = run_length(rw, group, bits, wish, at, &next);
        if (*length > 0 && (at == from || *length >= wish->wanted))
            return at;
        at = bit_next(bits, next, end, false);
    }
    return end;
}

/* A group has no clear bit, whatever its descriptor says. */
static void counts_lie(struct ext2_rw *rw, uint32_t group)
{
    rw->free_blocks -= rw->groups[group].free_blocks;
    rw->groups[group].free_blocks = 0;
    ext2_rw_failed(rw);
    (void)ext2_damaged_volume(rw->fs, "free blocks of a group");
}

/* Take a run out of a group. Returns 1, 0 (it has none), or an error; *block
 * and *count are set with 1 alone: who fails frees what they say. */
static int group_take(struct ext2_rw *rw, uint32_t group,
                      const struct wish *wish, uint64_t *block, uint32_t *count)
{
    uint32_t end = ext2_group_blocks(rw->fs, group), desc_at, found, run = 0;
    struct change_block *bitmap, *desc;
    struct change change;
    int status = group_start(rw, group, &change, &bitmap, &desc, &desc_at);

    if (status != 0)
        return status == -EUCLEAN ? 0 : status;
    found = run_find(rw, group, bitmap->data, wish, wish->from, &run);
    if (found == end && wish->from > 0)
        found = run_find(rw, group, bitmap->data, wish, 0, &run);
    if (found == end && wish->wanted == 1 && !wish->keeps_off)
        counts_lie(rw, group);
    if (found == end || rw->groups[group].free_blocks == 0) {
        ext2_change_abort(&change);
        return 0;
    }
    run = min_u32(run, rw->groups[group].free_blocks);
    bits_set(bitmap->data, found, run);
    rw->groups[group].free_blocks -= run;
    rw->free_blocks -= run;
    if (wish->reserved)
        rw->reserved_blocks -= run;
    rw->is_super_dirty = true;
    ext2_group_put(rw, group, desc, desc_at);
    ext2_change_end(&change);
    *block = group_first(rw->fs, group) + found;
    *count = run;
    return 1;
}

/* ---- All groups ---------------------------------------------------------- */

/* From a group on, once around. Returns as group_take(). */
static int take(struct ext2_rw *rw, uint32_t group, struct wish *wish,
                uint64_t *block, uint32_t *count)
{
    uint32_t groups = rw->fs->group_count;
    int status = 0;

    for (uint32_t i = 0; i < groups && status == 0; i++) {
        uint32_t next = (uint32_t)(((uint64_t)group + i) % groups);

        if (rw->groups[next].free_blocks >= wish->wanted)
            status = group_take(rw, next, wish, block, count);
        wish->from = 0;
    }
    return status;
}

/* Near a block: a long run, then any, then any in a window. */
static int take_best(struct ext2_rw *rw, uint64_t goal, struct wish *wish,
                     uint64_t *block, uint32_t *count)
{
    uint32_t group = group_of(rw->fs, goal);
    uint32_t from = (uint32_t)(goal - group_first(rw->fs, group));
    int status = 0;

    wish->keeps_off = rw->window_count > 0;
    wish->wanted = min_u32(wish->max, RUN_WANTED);
    for (;;) {
        wish->from = from;
        status = take(rw, group, wish, block, count);
        if (status != 0 || (wish->wanted == 1 && !wish->keeps_off))
            return status;
        if (wish->wanted == 1)
            wish->keeps_off = false;
        wish->wanted = 1;
    }
}

/* The first block of the group that an inode is in. */
static uint64_t home_of(const struct inode *inode)
{
    const struct ext2_fs *fs = ext2_of(inode);
    uint64_t group = (inode->number - 1) / fs->inodes_per_group;

    return group_first(fs, (uint32_t)group);
}

int ext2_alloc_run(struct inode *inode, uint64_t goal, uint32_t max,
                   bool reserved, uint64_t *block, uint32_t *count)
{
    struct ext2_rw *rw = ext2_rw_of(inode);
    struct wish wish = {.inode = inode, .reserved = reserved};
    int status;

    if (!ext2_blocks_valid(rw->fs, goal, 1))
        goal = home_of(inode);
    for (unsigned tries = 0;; tries++) {
        if (!reserved)
            max = (uint32_t)min_u64(max, ext2_rw_available(rw));
        if (max == 0)
            return -ENOSPC;
        wish.max = max;
        status = take_best(rw, goal, &wish, block, count);
        if (status != 0)
            return status < 0 ? status : 0;
        if (rw->freed_blocks == 0 || tries > 1)
            return -ENOSPC;
        status = ext2_make_durable(rw->fs); /* what was freed can be used */
        if (status != 0)
            return status;
    }
}

int ext2_block_alloc(struct inode *inode, uint64_t goal, uint64_t *block)
{
    uint32_t count;

    return ext2_alloc_run(inode, goal, 1, false, block, &count);
}

int ext2_change_bitmap_of(struct change *change, uint64_t block,
                          struct change_block **out)
{
    const struct ext2_rw *rw = change->fs->rw;
    uint32_t group = group_of(change->fs, block);

    return ext2_change_block(change, rw->groups[group].block_bitmap, out);
}

/* ---- Freeing ------------------------------------------------------------- */

/* Clear bits of one group; those that are clear already are damage. */
static int group_clear(struct ext2_rw *rw, uint32_t group, uint32_t from,
                       uint32_t count, bool was_freed)
{
    struct change_block *bitmap, *desc;
    struct change change;
    uint32_t desc_at, cleared = 0;
    int status = group_start(rw, group, &change, &bitmap, &desc, &desc_at);

    if (status != 0)
        return status;
    for (uint32_t at = from; at < from + count; at++) {
        cleared += bit_get(bitmap->data, at);
        bitmap->data[at / 8] &= (uint8_t) ~(1U << at % 8);
    }
    if (was_freed)
        rw->freed_blocks -= count;
    rw->groups[group].free_blocks += cleared;
    rw->free_blocks += cleared;
    rw->is_super_dirty = true;
    ext2_group_put(rw, group, desc, desc_at);
    ext2_change_end(&change);
    if (cleared != count) {
        ext2_rw_failed(rw);
        (void)ext2_damaged_volume(rw->fs, "block bitmap: freed twice");
    }
    return 0;
}

int ext2_blocks_clear(struct ext2_rw *rw, uint64_t block, uint32_t count,
                      bool was_freed, uint32_t *done)
{
    const struct ext2_fs *fs = rw->fs;

    *done = 0;
    while (*done < count) {
        uint32_t group = group_of(fs, block + *done);
        uint32_t from = (uint32_t)(block + *done - group_first(fs, group));
        uint32_t part =
            min_u32(count - *done, ext2_group_blocks(fs, group) - from);
        int status = group_clear(rw, group, from, part, was_freed);

        if (status == -EUCLEAN && was_freed)
            rw->freed_blocks -= part;
        else if (status != 0 && status != -EUCLEAN)
            return status;
        *done += part;
    }
    return 0;
}

void ext2_blocks_unalloc(struct ext2_fs *fs, uint64_t block, uint32_t count)
{
    uint32_t done;
    int status = ext2_blocks_clear(fs->rw, block, count, false, &done);

    if (status != 0) /* later, then */
        ext2_freed_add(fs->rw, NULL, block + done, count - done);
}

void ext2_block_free(struct inode *inode, uint64_t block)
{
    struct ext2_fs *fs = ext2_of(inode);

    ext2_freed_add(fs->rw, NULL, block, 1);
    mapping_forget(&fs->device, block << fs->block_shift, fs->block_size);
}
