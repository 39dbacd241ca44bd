/*
 * What an inode claims: each block once, within the volume, none of the
 * volume's own; and the size and the count of blocks that follow from that. An
 * indirect block is entered once, whoever claims it, so that all trees together
 * take no longer than the volume is large.
 */
#include "fs/ext2/check/check_internal.h"
#include "kernel/lib/minmax.h"

struct claims {
    struct fsck_walk walk;
    uint64_t count;  /* of blocks */
    uint64_t end;    /* behind the last one of the file */
    bool is_partial; /* not all were counted */
    bool is_too_far; /* said */
    bool is_on_list; /* of orphans, with another one behind it */
};

static struct claims *claims_of(struct fsck_walk *walk)
{
    return container_of(walk, struct claims, walk);
}

void fsck_claim(struct fsck *fsck, uint32_t block)
{
    if (fsck_bit_set(fsck->used, block)) {
        fsck_bit_set(fsck->shared, block);
        fsck->any_shared = true;
    }
}

/* ---- Limits -------------------------------------------------------------- */

static bool is_too_far(const struct claims *claims, uint64_t logical,
                       unsigned level)
{
    const struct fsck *fsck = claims->walk.fsck;
    uint64_t blocks_max = UINT64_C(1) << (41 - fsck->block_shift);
    uint8_t type = claims->walk.inode->type;

    if (type == DIRENT_TYPE_DIRECTORY)
        return claims->count + 1 >= blocks_max ||
               (level == 0 && logical > blocks_max >> 10);
    if (type == DIRENT_TYPE_REGULAR)
        return claims->count + 1 >= blocks_max;
    return level == 0 && logical > 0;
}

/* Whether the block is marked in its bitmap: 1, 0, or an error. */
static int is_marked(struct fsck *fsck, uint32_t block)
{
    uint32_t at = block - fsck->first_block;
    uint32_t bitmap = fsck->groups[at / fsck->blocks_per_group].block_bitmap;

    if (bitmap == 0)
        return 1;
    if (fsck->bitmap_block != bitmap) {
        int status;

        fsck->bitmap_block = 0;
        status = fsck_read_block(fsck, bitmap, fsck->node);
        if (status != 0)
            return status;
        fsck->bitmap_block = bitmap;
    }
    return fsck_bit(fsck->node, at % fsck->blocks_per_group);
}

/* ---- Visits -------------------------------------------------------------- */

static int visit(struct fsck_walk *walk, uint64_t logical, uint32_t block,
                 unsigned level)
{
    struct claims *claims = claims_of(walk);
    struct fsck *fsck = walk->fsck;
    uint32_t number = walk->inode->number;
    bool is_known;

    if (!fsck_is_block(fsck, block)) {
        fsck_found(fsck, CHECK_BLOCK_ILLEGAL, number, block, 0, logical);
        return 0;
    }
    if (is_too_far(claims, logical, level)) {
        if (!claims->is_too_far)
            fsck_found(fsck, CHECK_BLOCK_TOO_FAR, number, block, 0, logical);
        claims->is_too_far = true;
        return 0;
    }
    claims->count++;
    if (level == 0)
        claims->end = logical + 1;
    if (number == EXT2_RESIZE_INODE) {
        /* The blocks that it leads to are the volume's. */
        if (level == 2)
            fsck_claim(fsck, block);
        is_known = level > 0 && fsck_bit_set(fsck->seen, block);
        claims->is_partial |= is_known;
        return level > 0 && !is_known;
    }
    if (claims->is_on_list) {
        int status = is_marked(fsck, block);

        if (status < 0)
            return status;
        if (status == 0)
            fsck_found(fsck, CHECK_ORPHAN_BLOCK_FREE, number, block, 0,
                       logical);
    }
    fsck_claim(fsck, block);
    if (level == 0)
        return 0;
    is_known = fsck_bit_set(fsck->seen, block);
    claims->is_partial |= is_known;
    return !is_known;
}

/* Blocks that the disk cannot keep. */
static int visit_bad(struct fsck_walk *walk, uint64_t logical, uint32_t block,
                     unsigned level)
{
    struct fsck *fsck = walk->fsck;
    bool is_first;

    if (!fsck_is_block(fsck, block)) {
        fsck_found(fsck, CHECK_BAD_BLOCKS_BAD, EXT2_BAD_BLOCKS_INODE, block, 0,
                   logical);
        return 0;
    }
    is_first = !fsck_bit_set(fsck->used, block);
    if (!is_first)
        fsck_found(fsck, CHECK_BAD_BLOCKS_BAD, EXT2_BAD_BLOCKS_INODE, block, 0,
                   logical);
    return level > 0 && is_first;
}

/* ---- Sizes --------------------------------------------------------------- */

/* The largest file that pointers reach. */
static uint64_t size_max(const struct fsck *fsck)
{
    uint64_t pointers = fsck->pointers;

    return (EXT2_DIRECT_COUNT + pointers + pointers * pointers +
            pointers * pointers * pointers)
           << fsck->block_shift;
}

static bool is_size_wrong(const struct claims *claims)
{
    const struct fsck *fsck = claims->walk.fsck;
    const struct fsck_view *view = claims->walk.inode;
    uint32_t blocks = (uint32_t)(view->size >> fsck->block_shift);

    if (view->type == DIRENT_TYPE_SYMLINK) /* its target says it */
        return false;
    if (view->type == DIRENT_TYPE_DIRECTORY)
        return (view->size & (fsck->block_size - 1)) != 0 ||
               blocks > claims->end ||
               claims->end - blocks > fsck->super[SUPER_PREALLOC_DIR_BLOCKS];
    return (claims->end > 0 && view->size < (claims->end - 1)
                                                << fsck->block_shift) ||
           view->size > size_max(fsck);
}

static int compare(struct claims *claims)
{
    struct fsck *fsck = claims->walk.fsck;
    const struct fsck_view *view = claims->walk.inode;
    uint32_t number = view->number;
    uint64_t sectors = claims->count << (fsck->block_shift - 9);
    bool is_orphan = (fsck->inode[number].flags & FSCK_ORPHAN) != 0;

    if (view->type == DIRENT_TYPE_DIRECTORY && claims->count == 0)
        fsck_found(fsck, CHECK_DIR_EMPTY, number, 0, 0, 0);
    if (view->type == DIRENT_TYPE_REGULAR && view->size >= 0x80000000)
        fsck->large_files++;
    if (claims->is_partial || is_orphan)
        return 0;
    if (is_size_wrong(claims))
        fsck_found(fsck, CHECK_INODE_SIZE, number, 0,
                   claims->end << fsck->block_shift, view->size);
    if (!fsck->is_hurd && sectors != view->sectors)
        fsck_found(fsck, CHECK_INODE_BLOCKS, number, 0, sectors, view->sectors);
    return 0;
}

int fsck_claims(struct fsck *fsck, const struct fsck_view *view)
{
    struct claims claims = {.walk = {fsck, view, visit}};
    int status;

    claims.is_on_list = (fsck->inode[view->number].flags & FSCK_ORPHAN) != 0 &&
                        view->dtime != 0;
    if (view->number == EXT2_BAD_BLOCKS_INODE) {
        claims.walk.visit = visit_bad;
        return fsck_walk(&claims.walk);
    }
    status = fsck_xattr_block(fsck, view, &claims.count);
    if (status == 0 && fsck_inode_has_blocks(fsck, view)) {
        fsck->inode[view->number].flags |= FSCK_BLOCKS;
        status = fsck_walk(&claims.walk);
    }
    if (status == 0 && (view->flags & INODE_FLAG_INDEX) != 0)
        status = fsck_index_root(fsck, view);
    return status != 0 ? status : compare(&claims);
}
