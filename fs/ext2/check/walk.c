/*
 * The pointers of an inode: 12 to blocks of the file, then one each to a tree
 * of 1, 2 and 3 levels. A tree is walked without recursion, with one buffer for
 * each level; who is told of an indirect block decides whether it is entered.
 */
#include "fs/ext2/check/check_internal.h"
#include <torc/assert.h>

struct place {
    uint64_t logical; /* where the block of this level begins in the file */
    uint64_t span;    /* blocks of the file for each of its pointers */
    uint32_t at;      /* the next pointer */
};

/* Tell of an indirect block, and read it: 1, 0: it is not entered, or error. */
static int enter(struct fsck_walk *walk, uint64_t logical, uint32_t block,
                 unsigned level)
{
    struct fsck *fsck = walk->fsck;
    int status = walk->visit(walk, logical, block, level);

    if (status <= 0)
        return status;
    assert(fsck_is_block(fsck, block));
    status = fsck_read_block(fsck, block, fsck->indirect[level - 1]);
    return status != 0 ? status : 1;
}

static int tree(struct fsck_walk *walk, uint32_t root, unsigned levels,
                uint64_t logical)
{
    struct fsck *fsck = walk->fsck;
    struct place place[EXT2_LEVEL_MAX + 1];
    unsigned level = levels;
    int status = enter(walk, logical, root, levels);

    for (unsigned i = 1; i <= levels; i++)
        place[i].span = i == 1 ? 1 : place[i - 1].span * fsck->pointers;
    place[levels].logical = logical;
    place[levels].at = 0;
    while (status == 1 && level <= levels) {
        struct place *here = &place[level];
        uint32_t block;

        if (here->at == fsck->pointers) {
            level++;
            continue;
        }
        block = le32_get(fsck->indirect[level - 1] + (size_t)4 * here->at);
        logical = here->logical + here->at++ * here->span;
        if (block == 0)
            continue;
        if (level > 1) {
            status = enter(walk, logical, block, level - 1);
            if (status == 1) {
                level--;
                place[level].logical = logical;
                place[level].at = 0;
            }
        } else {
            status = walk->visit(walk, logical, block, 0);
        }
        status = status < 0 ? status : 1;
    }
    return status < 0 ? status : 0;
}

int fsck_walk(struct fsck_walk *walk)
{
    const uint8_t *pointer = walk->inode->raw + INODE_BLOCK;
    uint32_t copy[EXT2_BLOCK_POINTERS];
    uint64_t logical = EXT2_DIRECT_COUNT, span = 1;
    int status = 0;

    /* Whoever is told may read another inode. */
    for (unsigned i = 0; i < EXT2_BLOCK_POINTERS; i++)
        copy[i] = le32_get(pointer + (size_t)4 * i);
    for (unsigned i = 0; i < EXT2_DIRECT_COUNT && status >= 0; i++)
        if (copy[i] != 0)
            status = walk->visit(walk, i, copy[i], 0);
    for (unsigned level = 1; level <= EXT2_LEVEL_MAX && status >= 0; level++) {
        uint32_t root = copy[EXT2_DIRECT_COUNT + level - 1];

        if (root != 0)
            status = tree(walk, root, level, logical);
        span *= walk->fsck->pointers;
        logical += span;
    }
    return status < 0 ? status : 0;
}
