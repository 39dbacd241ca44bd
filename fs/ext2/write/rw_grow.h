/* What the files offer each other that let directories grow (rw_grow.c). */
#ifndef TORC_FS_EXT2_RW_GROW_H
#define TORC_FS_EXT2_RW_GROW_H

#include "fs/ext2/write/change.h"
#include "fs/ext2/write/leaf.h"
#include "fs/ext2/write/rw_dir.h"
#include <stdint.h>
#include <torc/compiler.h>

/* Let a directory have `count` spare blocks, and let the disk know them.
 * Returns 0, -ENOSPC, -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_spares_get(struct inode *dir, uint32_t count);

/* Pin spare block `i` in a change, to be filled. *index is its place in the
 * directory. Returns 0, -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_spare_pin(struct inode *dir, struct change *change,
                              uint32_t i, uint32_t *index,
                              struct change_block **out);

/* A change that can fail no more puts something into the first `used` spare
 * blocks, and the index leads to it. */
void ext2_spares_used(struct inode *dir, uint32_t used);

/* Say in the log what is damaged, if that is the status; returns it. */
int ext2_dir_said(struct inode *dir, int status, const char *what);

#endif
