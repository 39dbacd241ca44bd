/*
 * Blocks that more than one thing claims: now that they are known, each inode
 * that has one is named.
 */
#include "fs/ext2/check/check_internal.h"
#include <torc/string.h>

static void tell(struct fsck *fsck, uint32_t inode, uint32_t block,
                 uint64_t logical)
{
    if (fsck_bit(fsck->shared, block))
        fsck_found(fsck, CHECK_BLOCK_SHARED, inode, block, 0, logical);
}

static int visit(struct fsck_walk *walk, uint64_t logical, uint32_t block,
                 unsigned level)
{
    struct fsck *fsck = walk->fsck;

    if (!fsck_is_block(fsck, block))
        return 0;
    if (walk->inode->number == EXT2_RESIZE_INODE) {
        if (level == 2)
            tell(fsck, walk->inode->number, block, logical);
        return 0;
    }
    tell(fsck, walk->inode->number, block, logical);
    return level > 0 && !fsck_bit_set(fsck->seen, block);
}

int fsck_shared(struct fsck *fsck)
{
    if (!fsck->any_shared)
        return 0;
    memset(fsck->seen, 0, fsck_map_size(fsck));
    for (uint32_t i = 1; i <= fsck->inodes; i++) {
        struct fsck_view view;
        struct fsck_walk walk = {fsck, &view, visit};
        int status;

        if ((fsck->inode[i].flags & (FSCK_USED | FSCK_ORPHAN)) == 0)
            continue;
        status = fsck_inode_read(fsck, i, &view);
        if (status == 1 && fsck_is_block(fsck, view.acl) &&
            fsck_bit(fsck->xattr, view.acl))
            tell(fsck, i, view.acl, 0);
        if (status == 1 && (fsck->inode[i].flags & FSCK_BLOCKS) != 0)
            status = fsck_walk(&walk);
        if (status < 0)
            return status;
    }
    return 0;
}
