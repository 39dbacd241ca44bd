/*
 * How inodes are connected: from each directory up to the root, by one way; and
 * as many names for each inode as it says that it has.
 */
#include "fs/ext2/check/check_internal.h"

enum { LINKS_MAX = 65000 };

static bool is_used_dir(const struct fsck *fsck, uint32_t number)
{
    return (fsck->inode[number].flags & FSCK_USED) != 0 &&
           fsck->inode[number].type == DIRENT_TYPE_DIRECTORY;
}

/* Go up until what is known to be connected, or not; then again, to note that
 * it is known. */
static void walk_up(struct fsck *fsck, uint32_t start)
{
    struct fsck_inode *inode = &fsck->inode[start];
    uint32_t number = start;

    while ((inode->flags & (FSCK_WALKED | FSCK_DONE)) == 0) {
        inode->flags |= FSCK_WALKED;
        if (inode->parent == 0) {
            fsck_found(fsck, CHECK_DIR_UNCONNECTED, number, 0, 0,
                       inode->dotdot);
            break;
        }
        number = inode->parent;
        inode = &fsck->inode[number];
        if ((inode->flags & FSCK_WALKED) != 0)
            fsck_found(fsck, CHECK_DIR_LOOP, number, 0, 0, start);
    }
    for (number = start; (fsck->inode[number].flags & FSCK_WALKED) != 0;) {
        inode = &fsck->inode[number];
        inode->flags ^= FSCK_WALKED | FSCK_DONE;
        number = inode->parent;
    }
}

static void directories(struct fsck *fsck)
{
    if (is_used_dir(fsck, EXT2_ROOT_INODE))
        fsck->inode[EXT2_ROOT_INODE].flags |= FSCK_DONE;
    else if ((fsck->inode[EXT2_ROOT_INODE].flags & FSCK_USED) == 0)
        fsck_found(fsck, CHECK_ROOT_BAD, EXT2_ROOT_INODE, 0, 0, 0);
    for (uint32_t i = EXT2_ROOT_INODE; i <= fsck->inodes; i++) {
        const struct fsck_inode *inode = &fsck->inode[i];

        if (!is_used_dir(fsck, i) ||
            (i != EXT2_ROOT_INODE && i < fsck->first_inode))
            continue;
        walk_up(fsck, i);
        if (inode->dotdot != inode->parent)
            fsck_found(fsck, CHECK_DIR_DOTDOT, i, 0, inode->parent,
                       inode->dotdot);
    }
}

/* ---- Names of each inode ------------------------------------------------- */

static bool is_counted(const struct fsck *fsck, uint32_t number)
{
    return (fsck->inode[number].flags & FSCK_USED) != 0 &&
           number != le32_get(fsck->super + SUPER_QUOTA_PROJECT) &&
           number != le32_get(fsck->super + SUPER_ORPHAN_FILE) &&
           (number == EXT2_ROOT_INODE || number >= fsck->first_inode);
}

static void links(struct fsck *fsck, uint32_t number)
{
    const struct fsck_inode *inode = &fsck->inode[number];
    bool is_dir = inode->type == DIRENT_TYPE_DIRECTORY;
    uint32_t expected = inode->named;

    if (inode->named == 0) {
        fsck_found(fsck,
                   (inode->flags & FSCK_EMPTY) != 0
                       ? CHECK_INODE_UNATTACHED_EMPTY
                       : CHECK_INODE_UNATTACHED,
                   number, 0, 0, inode->links);
        return;
    }
    if (is_dir && inode->named > LINKS_MAX) {
        fsck_found(fsck, CHECK_LINKS_MANY, number, 0, LINKS_MAX, inode->named);
        expected = 1;
    }
    /* 1 of an indexed directory: there were too many to count. */
    if (expected == inode->links ||
        (is_dir && inode->links == 1 && (inode->flags & FSCK_INDEX) != 0))
        return;
    fsck_found(fsck, CHECK_LINKS, number, 0, expected, inode->links);
}

int fsck_connect(struct fsck *fsck)
{
    directories(fsck);
    for (uint32_t i = EXT2_ROOT_INODE; i <= fsck->inodes; i++)
        if (is_counted(fsck, i))
            links(fsck, i);
    return 0;
}
