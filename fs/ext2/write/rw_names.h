/* What the files offer each other that change names (rw_names.c). */
#ifndef TORC_FS_EXT2_RW_NAMES_H
#define TORC_FS_EXT2_RW_NAMES_H

#include "fs/ext2/write/change.h"
#include "fs/ext2/write/rw_dir.h"
#include <torc/compiler.h>

/* An entry, or room for one, whose block is pinned in a change. */
struct ext2_pinned {
    struct ext2_place place;
    struct change_block *block;
};

/* Pin the entry of a name, which leads to `inode`; or the room that
 * ext2_place_room() has found. Return 0, -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_entry_pin(struct inode *dir, struct change *change,
                              const struct name *name,
                              const struct inode *inode,
                              struct ext2_pinned *out);
must_check int ext2_room_pin(struct inode *dir, struct change *change,
                             const struct name *name,
                             const struct ext2_place *room,
                             struct ext2_pinned *out);

/* After ext2_change_start(): add an entry where there is room, which becomes
 * the place of the entry; remove one. */
void ext2_entry_add(struct inode *dir, struct ext2_pinned *room,
                    const struct name *name, const struct inode *inode);
void ext2_entry_remove(struct inode *dir, const struct ext2_pinned *entry);

/* End a change, or abort it when the status is an error; returns that. */
int ext2_change_finish(struct change *change, int status);

/* Names of a directory have changed, and the attributes of what they lead to:
 * if it asks for that (DIRSYNC, SYNC), all of it is durable at return. What
 * cannot be written is told by the next sync: the names have changed. */
void ext2_dir_sync(struct inode *dir, struct inode *inode);

/* Whether an inode goes with its next name. */
bool ext2_is_last_link(const struct inode *inode);

/* Remove a name of an inode; its directory then has `dir_links`. Returns 0,
 * -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_name_drop(struct inode *dir, const struct name *name,
                              struct inode *inode, uint32_t dir_links);

/* Before a directory goes of which the VFS has found that it is empty: its
 * stale entries go, and it is looked whether there are names that its index
 * does not lead to. Returns 0, -EUCLEAN, -EIO, -ENOMEM. */
must_check int ext2_check_hidden(struct inode *dir);

#endif
