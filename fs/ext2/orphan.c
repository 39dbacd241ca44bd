/*
 * Orphans: inodes without links that are still open, or not freed yet. The disk
 * has them in a list, which begins in the superblock and goes on in the place
 * of each one's time of deletion, so that the next mount frees them.
 */
#include "fs/ext2/alloc.h"
#include "fs/ext2/rw.h"
#include "kernel/lib/bytes.h"
#include <torc/log.h>

static struct ext2_rw_inode *orphan_of(struct list *node)
{
    return container_of(node, struct ext2_rw_inode, orphan_link);
}

/* The one before it in the list, which came later; NULL: the superblock. */
static struct inode *before(struct ext2_rw *rw, struct ext2_rw_inode *rwi)
{
    struct list *prev = rwi->orphan_link.prev;

    return prev == &rw->orphans ? NULL : &orphan_of(prev)->ext2.inode;
}

static uint8_t *super_of(struct change *change)
{
    struct change_block *super =
        ext2_change_find(change, EXT2_SUPER_OFFSET >> change->fs->block_shift);

    return ext2_super_data(change->fs, super);
}

int ext2_orphan_pin(struct change *change, struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct inode *prev = rwi->is_orphan ? before(ext2_rw_of(inode), rwi) : NULL;
    struct change_block *block;
    uint32_t at;
    int status = ext2_change_super(change, &block);

    if (status == 0 && prev != NULL)
        status = ext2_change_inode_block(change, prev, &block, &at);
    return status;
}

void ext2_orphan_add(struct change *change, struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);
    uint8_t *super = super_of(change);

    rwi->is_orphan = true;
    rwi->orphan_next = rw->orphan_first;
    rw->orphan_first = (uint32_t)inode->number;
    le32_put(super + SUPER_LAST_ORPHAN, rw->orphan_first);
    list_push_front(&rw->orphans, &rwi->orphan_link);
}

bool ext2_orphan_remove(struct change *change, struct inode *inode)
{
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct ext2_rw *rw = ext2_rw_of(inode);
    struct inode *prev;

    if (!rwi->is_orphan)
        return true;
    prev = before(rw, rwi);
    if (prev == NULL) {
        rw->orphan_first = rwi->orphan_next;
        le32_put(super_of(change) + SUPER_LAST_ORPHAN, rw->orphan_first);
    } else {
        uint64_t block;
        uint32_t at;
        struct change_block *table;

        ext2_inode_place(prev, &block, &at);
        table = ext2_change_find(change, block);
        if (table == NULL)
            return false; /* another one was before it when it was pinned */
        ext2_rw_inode_of(prev)->orphan_next = rwi->orphan_next;
        le32_put(table->data + at + INODE_DTIME, rwi->orphan_next);
    }
    list_remove(&rwi->orphan_link);
    rwi->is_orphan = false;
    return true;
}

/* ---- Those of an earlier mount ------------------------------------------- */

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
    uint32_t number = rw->orphan_first;
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
    status = ext2_orphan_next(inode, &ext2_rw_inode_of(inode)->orphan_next);
    if (status == 0 && inode->links > 0) {
        status = finish_truncate(inode);
        if (status == 0)
            status = set_first(rw, ext2_rw_inode_of(inode)->orphan_next);
    } else if (status == 0) {
        ext2_rw_inode_of(inode)->is_orphan = true;
        list_push_front(&rw->orphans, &ext2_rw_inode_of(inode)->orphan_link);
    }
    inode_put(inode); /* and it is freed */
    return status;
}

int ext2_orphans_recover(struct ext2_rw *rw)
{
    uint32_t count = 0;
    int status = 0;

    rw->fs->takes_orphans = true;
    while (status == 0 && rw->orphan_first != 0 && !rw->has_failed) {
        uint32_t number = rw->orphan_first;

        status = recover_first(rw);
        if (status == 0 && rw->orphan_first == number)
            status = set_first(rw, 0); /* it could not be freed */
        count++;
    }
    rw->fs->takes_orphans = false;
    if (count > 0)
        log_info("%s: ext2: %u files that had been removed are freed",
                 rw->fs->name, count);
    return status;
}
