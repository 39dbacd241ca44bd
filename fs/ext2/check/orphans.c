/*
 * The list of orphans: inodes that are removed or cut short, but not yet done.
 * The superblock has the first, the time of removal in each has the next one.
 * It is ignored when the volume says that it has errors, as e2fsck does.
 */
#include "fs/ext2/check/check_internal.h"

int fsck_orphans(struct fsck *fsck)
{
    uint32_t number = le32_get(fsck->super + SUPER_LAST_ORPHAN), before = 0;

    if ((le16_get(fsck->super + SUPER_STATE) & SUPER_STATE_ERROR) != 0)
        return 0;
    while (number != 0) {
        struct fsck_view view;
        int status;

        if (number < fsck->first_inode || number > fsck->inodes ||
            (fsck->inode[number].flags & FSCK_ORPHAN) != 0) {
            fsck_found(fsck, CHECK_ORPHAN_BAD, before, 0, 0, number);
            return 0;
        }
        status = fsck_inode_read(fsck, number, &view);
        if (status < 0)
            return status;
        if (status == 0)
            return 0;
        fsck->inode[number].flags |= FSCK_ORPHAN;
        fsck_found(fsck, CHECK_ORPHAN, number, 0, 0, view.links);
        before = number;
        number = view.dtime;
    }
    return 0;
}
