/*
 * Orphans that another system has left: inodes without links that were still
 * open, and files that were being made shorter. They are in a list, which
 * begins in the superblock and goes on in the place of each one's time of
 * deletion, and are freed when the volume is mounted.
 *
 * We put none there: with more than one in the list no order of single writes
 * leaves it so that e2fsck -p accepts it. What has lost its last name says in
 * the table of inodes that it is deleted, before the name goes; e2fsck frees
 * what was still open at a crash.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include <torc/log.h>

/* The list of the superblock begins with `number`. */
static int set_first(struct ext2_rw *rw, uint32_t number)
{
    struct change_block *super;
    struct change change;
    int status = ext2_change_one(
        &change, rw->fs, EXT2_SUPER_OFFSET >> rw->fs->block_shift, &super);

    if (status != 0)
        return status;
    rw->orphan_first = number;
    le32_put(ext2_super_data(rw->fs, super) + SUPER_LAST_ORPHAN, number);
    ext2_change_end(&change);
    return 0;
}

/* A file that was being made shorter. */
static int finish_truncate(struct inode *inode)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    uint64_t from = (inode->size_bytes + fs->block_size - 1) >> fs->block_shift;
    int status = 0;

    if (inode->type != FILE_REGULAR)
        return 0;
    rwlock_lock(&rwi->map_lock);
    status = ext2_map_free(inode, from, UINT64_MAX);
    if (status == 0)
        status = ext2_inode_write_locked(inode);
    rwlock_unlock(&rwi->map_lock);
    return status;
}

/* Free the first one, and go on with the next. */
static int recover_first(struct ext2_rw *rw)
{
    uint32_t number = rw->orphan_first, next = 0;
    struct inode *inode;
    int status = -EUCLEAN;

    if (number >= rw->fs->first_inode && number <= rw->fs->inodes_count)
        status = inode_get(rw->mount, number, &inode);
    if (status == -EUCLEAN) {
        (void)ext2_damaged_volume(rw->fs, "list of orphans");
        ext2_rw_failed(rw);
        return set_first(rw, 0);
    }
    if (status != 0)
        return status;
    status = ext2_inode_dtime(inode, &next);
    if (status == 0 && inode->links > 0)
        status = finish_truncate(inode);
    inode_put(inode); /* and it is freed */
    return status != 0 ? status : set_first(rw, next);
}

int ext2_orphans_recover(struct ext2_rw *rw)
{
    uint32_t count = 0;
    int status = 0;

    rw->fs->takes_orphans = true;
    while (status == 0 && rw->orphan_first != 0 &&
           count < rw->fs->inodes_count) {
        status = recover_first(rw);
        count++;
    }
    rw->fs->takes_orphans = false;
    if (count == 0 || status != 0)
        return status;
    log_info("%s: ext2: %u files that had been removed are freed", rw->fs->name,
             count);
    return ext2_make_durable(rw->fs);
}
