/*
 * Blocks and inodes: finding free ones near where they belong, and giving them
 * back. Bits of the bitmaps are set at once; they are cleared when what named
 * the block is durable without it (freed.c). All by a thread of the owner CPU.
 */
#ifndef TORC_FS_EXT2_ALLOC_H
#define TORC_FS_EXT2_ALLOC_H

#include "fs/ext2/ext2.h"
#include "fs/ext2/write/change.h"

/* ---- alloc_block.c ------------------------------------------------------- */

/*
 * Up to `max` blocks that follow each other, near `goal` (0: near the inode).
 * Their bits are set. `reserved`: they have been promised by MAP_RESERVE. May
 * wait. Returns 0, *block and *count; -ENOSPC, -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int ext2_alloc_run(struct inode *inode, uint64_t goal, uint32_t max,
                              bool reserved, uint64_t *block, uint32_t *count);

/* One block that nobody has been promised. */
must_check int ext2_block_alloc(struct inode *inode, uint64_t goal,
                                uint64_t *block);

/* Give blocks back that nothing on the disk can name. May wait. */
void ext2_blocks_unalloc(struct ext2_fs *fs, uint64_t block, uint32_t count);

/* The same of one block. */
static inline void ext2_block_free_new(struct ext2_fs *fs, uint64_t block)
{
    ext2_blocks_unalloc(fs, block, 1);
}

/*
 * Free a block of metadata that the disk may name, when what has been changed
 * so far is durable. What is in memory of it is forgotten. May wait.
 */
void ext2_block_free(struct inode *inode, uint64_t block);

/* Pin the block of the bitmap that has a block's bit in a change. */
must_check int ext2_change_bitmap_of(struct change *change, uint64_t block,
                                     struct change_block **out);

/* ---- alloc_inode.c ------------------------------------------------------- */

/* A free inode for something of this type in `dir`; its bit is set. Returns 0
 * and *number; -ENOSPC, -EIO, -EUCLEAN, -ENOMEM. */
must_check int ext2_inode_alloc(struct inode *dir, enum file_type type,
                                uint64_t *number);

/* Clear the bit of one that nothing on the disk can name. May wait. */
void ext2_inode_unalloc(struct ext2_fs *fs, uint64_t number, bool is_dir);

/* Pin the block of the inode bitmap with its bit in a change. */
must_check int ext2_change_inode_bitmap(struct change *change, uint64_t number,
                                        struct change_block **out);

/* ---- rw_make.c: for who makes and removes names -------------------------- */

/*
 * Make an inode that no name leads to yet: LOADING and held, with one link; a
 * fast symbolic link has its target, a slow one and a directory get their block
 * by ext2_append_block(). Returns 0, -ENOSPC, -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int ext2_inode_make(struct inode *dir, const struct new_inode *what,
                               struct inode **out);

/* There is to be none after all: with its blocks, inode_discard(). */
void ext2_inode_unmake(struct inode *inode);

/*
 * Append a block with this content to a directory, or give a symbolic link its
 * only one; sizes of directories grow. *block may be NULL. Returns 0, -ENOSPC,
 * -EFBIG, -EIO, -EUCLEAN, -ENOMEM: then nothing has changed.
 */
must_check int ext2_append_block(struct inode *inode, const uint8_t *content,
                                 uint64_t *block);

/* Pin the block of the table with an inode in a change; *at is where in
 * ->data. */
must_check int ext2_change_inode_block(struct change *change,
                                       struct inode *inode,
                                       struct change_block **out, uint32_t *at);

/* An entry in `entry` will lead to the inode: its bit in the bitmap is durable
 * before. */
must_check int ext2_change_entry(struct change *change,
                                 const struct change_block *entry,
                                 struct inode *inode);

/*
 * One of several names of an inode goes with this change, out of block `entry`:
 * the one it has got last is durable before.
 */
must_check int ext2_unname_prepare(struct change *change, struct inode *inode,
                                   const struct change_block *entry);

/*
 * The last name of an inode goes with this change, out of block `entry`: on the
 * disk the inode is deleted before. The first one pins what it needs, before
 * the start; the second one does it: links are 0.
 */
must_check int ext2_unlink_prepare(struct change *change, struct inode *inode,
                                   const struct change_block *entry);
void ext2_unlink_apply(struct change *change, struct inode *inode);

#endif
