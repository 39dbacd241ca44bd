/*
 * Freeing blocks of a file: one table of pointers after the other, from the
 * first one of the range on. A table that has no pointer left is freed with
 * them, and so on up to the inode. Each step is one change of one block.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

/* A step: the pointers of one table, or those in the inode. */
struct step {
    struct inode *inode;
    struct change change;
    int levels;
    uint32_t slots[EXT2_LEVEL_MAX + 1];
    struct change_block *tables[EXT2_LEVEL_MAX];
    int keeps;      /* the lowest table that is changed and stays; -1: the
                        * inode */
    uint32_t count; /* slots of the last table */
    uint64_t end;   /* the first block of the file behind this step */
    uint64_t gone[EXT2_LEVEL_MAX]; /* tables that are freed */
    unsigned gone_count;
};

static uint32_t entries_of(const struct ext2_fs *fs)
{
    return fs->block_size / 4;
}

/* Blocks of the file below one slot at a depth. */
static uint64_t span_of(const struct ext2_fs *fs, int levels, int depth)
{
    return UINT64_C(1) << (fs->block_shift - 2) * (uint32_t)(levels - depth);
}

/* Set the slots of a step; `relative` is the block in its tree. */
static int slots_set(struct step *step, uint64_t index, uint64_t to)
{
    const struct ext2_fs *fs = ext2_of(step->inode);
    uint64_t relative = index;

    step->levels = ext2_levels_of(fs, &relative);
    if (step->levels < 0)
        return step->levels;
    if (step->levels == 0) {
        step->slots[0] = (uint32_t)index;
        step->count = (uint32_t)min_u64(to - index, EXT2_DIRECT_COUNT - index);
        step->end = index + step->count;
        return 0;
    }
    step->slots[0] = EXT2_DIRECT_COUNT + (uint32_t)step->levels - 1;
    for (int level = step->levels; level >= 1; level--) {
        step->slots[level] = (uint32_t)(relative & (entries_of(fs) - 1));
        relative >>= fs->block_shift - 2;
    }
    step->count = (uint32_t)min_u64(to - index,
                                    entries_of(fs) - step->slots[step->levels]);
    step->end = index + step->count;
    return 0;
}

/* Skip what a slot at some depth does not lead to. */
static void skip(struct step *step, uint64_t index, int depth)
{
    const struct ext2_fs *fs = ext2_of(step->inode);
    uint64_t relative = index, span = span_of(fs, step->levels, depth);

    (void)!ext2_levels_of(fs, &relative);
    step->end = index - (relative & (span - 1)) + span;
}

/* Whether a table has no pointers but [slot, slot + count). */
static bool is_empty_but(const struct ext2_fs *fs, const uint8_t *table,
                         uint32_t slot, uint32_t count)
{
    for (uint32_t i = 0; i < entries_of(fs); i++) {
        if ((i < slot || i >= slot + count) && le32_get(table + 4 * i) != 0)
            return false;
    }
    return true;
}

/* What a slot at some depth leads to is a hole. Returns 0; 1: it is the table
 * with the slot, without any pointer, that is to be freed: Linux leaves such
 * tables. */
static int meet_hole(struct step *step, uint64_t index, int depth)
{
    skip(step, index, depth);
    if (depth == 0 || !is_empty_but(ext2_of(step->inode),
                                    step->tables[depth - 1]->data, 0, 0))
        return 0;
    step->levels = depth;
    step->count = 1;
    return 1;
}

/* Pin the tables on the way. Returns 1; 0: the range of the step is a hole; or
 * an error. A pointer that leads nowhere is damage, and a hole; in the inode it
 * goes. */
static int tables_pin(struct step *step, uint64_t index)
{
    struct ext2_fs *fs = ext2_of(step->inode);
    uint8_t *first = ext2_inode_of(step->inode)->in_inode + 4 * step->slots[0];
    uint64_t at = le32_get(first);

    for (int depth = 0; depth < step->levels; depth++) {
        int status;

        if (at != 0 && !ext2_blocks_valid(fs, at, 1)) {
            (void)ext2_damaged(fs, step->inode->number, "block map", at);
            if (depth == 0)
                le32_put(first, 0);
            at = 0;
        }
        if (at == 0)
            return meet_hole(step, index, depth);
        status = ext2_change_block(&step->change, at, &step->tables[depth]);
        if (status != 0)
            return status;
        at = le32_get(step->tables[depth]->data + 4 * step->slots[depth + 1]);
    }
    return 1;
}

/* Which tables go: from the lowest one up. A table stays while pages have been
 * promised blocks that it may be for. */
static void choose(struct step *step)
{
    const struct ext2_fs *fs = ext2_of(step->inode);
    uint32_t count = step->count;
    int depth = step->levels - 1;

    step->gone_count = 0;
    while (depth >= 0 && ext2_rw_inode_of(step->inode)->reserved_data == 0 &&
           is_empty_but(fs, step->tables[depth]->data, step->slots[depth + 1],
                        count)) {
        step->gone[step->gone_count++] = step->tables[depth]->block;
        count = 1;
        depth--;
    }
    step->keeps = depth;
}

/* Give back what the slots lead to, which does not wait. */
static void pointers_free(struct step *step, const uint8_t *slots)
{
    struct ext2_fs *fs = ext2_of(step->inode);
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(step->inode);

    for (uint32_t i = 0; i < step->count; i++) {
        uint64_t block = le32_get(slots + 4 * i);

        if (block == 0)
            continue;
        if (!ext2_blocks_valid(fs, block, 1)) {
            (void)ext2_damaged(fs, step->inode->number, "block map", block);
            continue;
        }
        ext2_freed_add(fs->rw, &rwi->freed, block, 1);
        step->inode->blocks -=
            min_u64(step->inode->blocks, fs->block_size / 512);
    }
}

/* Between start and end: the pointers go out of what stays. */
static void pointers_clear(struct step *step)
{
    struct ext2_fs *fs = ext2_of(step->inode);
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(step->inode);
    uint8_t *in_inode = ext2_inode_of(step->inode)->in_inode;
    uint8_t *lowest =
        step->levels == 0 ? in_inode : step->tables[step->levels - 1]->data;
    uint32_t count = step->keeps == step->levels - 1 ? step->count : 1;
    uint8_t *at = step->keeps < 0 ? in_inode : step->tables[step->keeps]->data;

    pointers_free(step, lowest + 4 * step->slots[step->levels]);
    memset(at + 4 * step->slots[step->keeps + 1], 0, (size_t)4 * count);
    for (unsigned i = 0; i < step->gone_count; i++) {
        ext2_freed_add(fs->rw, &rwi->freed, step->gone[i], 1);
        step->inode->blocks -=
            min_u64(step->inode->blocks, fs->block_size / 512);
    }
}

/* Free what is in the range of one table. */
static int step_run(struct step *step, uint64_t index, uint64_t to)
{
    struct ext2_fs *fs = ext2_of(step->inode);
    int status = slots_set(step, index, to);

    if (status != 0)
        return status;
    ext2_change_begin(&step->change, fs);
    status = tables_pin(step, index);
    if (status == 1)
        status = ext2_change_start(&step->change);
    else if (status == 0)
        status = 1;
    if (status != 0) {
        ext2_change_abort(&step->change);
        return status < 0 ? status : 0;
    }
    choose(step);
    pointers_clear(step);
    ext2_change_end(&step->change);
    for (unsigned i = 0; i < step->gone_count; i++)
        mapping_forget(&fs->device, step->gone[i] << fs->block_shift,
                       fs->block_size);
    return 0;
}

/* The blocks of a directory or a long link are in the device's pages, too. */
static int content_forget(struct inode *inode, uint64_t from, uint64_t to)
{
    struct ext2_fs *fs = ext2_of(inode);
    int status = 0;

    to = min_u64(to,
                 (inode->size_bytes + fs->block_size - 1) >> fs->block_shift);
    while (from < to && status == 0) {
        uint64_t block;
        uint32_t count;

        status = ext2_bmap(inode, from, to - from, &block, &count);
        if (status == 0 && block != 0)
            mapping_forget(&fs->device, block << fs->block_shift,
                           (uint64_t)count << fs->block_shift);
        from += count;
    }
    return status == -EUCLEAN ? 0 : status;
}

int ext2_map_free(struct inode *inode, uint64_t from, uint64_t to)
{
    struct step step = {.inode = inode};
    int status = 0;

    if (inode->type != FILE_REGULAR)
        status = content_forget(inode, from, to);
    while (from < to && status == 0) {
        status = step_run(&step, from, to);
        if (status == -EFBIG)
            return 0; /* there is nothing behind */
        from = step.end;
    }
    ext2_rw_inode_of(inode)->last_block = 0;
    ext2_window_drop(inode);
    return status;
}
