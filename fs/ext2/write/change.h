/*
 * Change sets: what one operation changes of the metadata. Its blocks are
 * pinned and read first, which may wait and fail; then all of them change
 * together, without a wait in between, so that neither the flusher nor another
 * thread sees a half; and between blocks the change says which must be durable
 * before which.
 *
 *     ext2_change_begin(&change, fs);
 *     status = ext2_change_block(&change, 7, &a);
 *     if (status == 0)
 *         status = ext2_change_block(&change, 9, &b);
 *     if (status == 0) {
 *         ext2_change_order(&change, a, b);
 *         status = ext2_change_start(&change);
 *     }
 *     if (status != 0) {
 *         ext2_change_abort(&change);
 *         return status;
 *     }
 *     ... change a->data and b->data, and what of it is kept in memory ...
 *     ext2_change_end(&change);
 *
 * Attributes of inodes are not in these blocks: they are in memory, and
 * ext2_inode_write() puts them into the table of inodes, but not before all
 * changes are durable that ext2_change_inode() has named. docs/ext2.md tells
 * the order of each operation.
 */
#ifndef TORC_FS_EXT2_CHANGE_H
#define TORC_FS_EXT2_CHANGE_H

#include "fs/ext2/ext2.h"

enum {
    EXT2_CHANGE_BLOCKS = 10,
    EXT2_CHANGE_ORDERS = 12,
    EXT2_CHANGE_INODES = 4,
};

/* A block of a change: 1 to 4 KiB, in one page. */
struct change_block {
    uint64_t block;
    uint8_t *data; /* may be looked at until the next wait, changed between
                    * start and end */
    struct page *page;
    uint32_t from; /* in the page */
    bool is_new;   /* its old content does not matter */
    bool is_kept;  /* it does not change after all */
};

/* On the stack of one thread. */
struct change {
    struct ext2_fs *fs;
    uint8_t block_count;
    uint8_t order_count;
    uint8_t inode_count;
    bool is_started;
    struct change_block blocks[EXT2_CHANGE_BLOCKS];
    struct {
        uint8_t before, after; /* of blocks[] */
    } orders[EXT2_CHANGE_ORDERS];
    struct inode *inodes[EXT2_CHANGE_INODES];
};

void ext2_change_begin(struct change *change, struct ext2_fs *fs);

/*
 * Pin a block, which is read. The same one again is the same *out. Thread of
 * the owner; may wait. Returns 0, -EUCLEAN (it is not in the volume), or as
 * page_get().
 */
must_check int ext2_change_block(struct change *change, uint64_t block,
                                 struct change_block **out);

/* The block, which is pinned; NULL: it is not. */
struct change_block *ext2_change_find(struct change *change, uint64_t block);

/* Pin a block whose old content does not matter: zeros after the start. Does
 * not wait. Returns 0, -EUCLEAN, -ENOMEM. */
must_check int ext2_change_new_block(struct change *change, uint64_t block,
                                     struct change_block **out);

/* A block that was pinned is only looked at. Before the start. */
void ext2_change_keep(struct change_block *block);

/* `before`, as this change leaves it, is to be durable before `after` is
 * written. Before the start. */
void ext2_change_order(struct change *change, const struct change_block *before,
                       const struct change_block *after);

/* Whether that would be kept at once: mapping_order_fits(). */
bool ext2_change_fits(struct change *change, const struct change_block *before,
                      const struct change_block *after);

/* The attributes of an inode, as they are at the end of this change, are to be
 * written, and not before all of the change is durable. */
void ext2_change_inode(struct change *change, struct inode *inode);

/*
 * All blocks may be changed from here to the end, and nothing may wait. Before
 * that, what would make a circle of orders is written. Thread; may wait.
 * Returns 0; -ENOMEM, -EIO and other errors of the device: nothing has changed,
 * and ext2_change_abort() follows.
 */
must_check int ext2_change_start(struct change *change);

/* The blocks are to be written. Does not wait. */
void ext2_change_end(struct change *change);

/* Nothing is changed after all: also after the start, if nothing has been. Does
 * not wait. */
void ext2_change_abort(struct change *change);

/* Begin, pin one block and start: for changes of one block. */
must_check int ext2_change_one(struct change *change, struct ext2_fs *fs,
                               uint64_t block, struct change_block **out);

#endif
