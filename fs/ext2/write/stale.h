/*
 * Stale entries: a name has gone, and its entry stays in its block until what
 * must be durable before that is.
 *
 * A rename between two blocks writes the new name before the old one goes. The
 * cache keeps such an order of two blocks, but renames to and fro between them
 * would make a circle. Then the old entry is left as it is, which asks for no
 * order at all: only memory knows that it is stale. As soon as all is durable
 * that was changed up to then, it is cleared, and that is made durable as well
 * (durable.c). After a crash the file has both names.
 *
 * An entry that is cleared becomes unused where it is: no other entry moves or
 * gets its room, so nobody needs the lock of the directory for that. Who moves
 * entries, adds the same name again or frees the block clears it first:
 * ext2_stale_settle().
 */
#ifndef TORC_FS_EXT2_STALE_H
#define TORC_FS_EXT2_STALE_H

#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/rw_names.h"

/* An entry. Owner CPU only. */
struct ext2_stale {
    struct list link;   /* in rw->stale, the oldest first */
    struct list bucket; /* in rw->stale_names */
    uint64_t dir;       /* the inode's number */
    uint32_t hash;      /* of the name, as the VFS has it */
    uint64_t stamp;     /* of the change that took the name away */
    uint64_t block;
    uint32_t at;
    struct page *page; /* pinned; NULL: it is not in use yet */
};

void ext2_stale_init(struct ext2_rw *rw);

/* The volume is not written any more: entries stay where they are. */
void ext2_stale_fini(struct ext2_rw *rw);

/* Memory for one, before a change starts; NULL: there is none, or there are
 * many. Free it if it is not used. */
struct ext2_stale *ext2_stale_new(struct ext2_rw *rw);

/* After the start: the entry of a name is stale with this change. Does not
 * wait. */
void ext2_stale_add(struct ext2_stale *stale, struct inode *dir,
                    const struct name *name, const struct ext2_pinned *entry);

/* Whether the entry of a name is stale; the same of one that was read; whether
 * there are any in a directory. Do not wait. */
bool ext2_stale_has(const struct inode *dir, const struct name *name);
bool ext2_stale_is(const struct inode *dir, const struct ext2_entry *entry);
bool ext2_stale_in(const struct inode *dir);

/* Clear the entry of a name; all of a directory. Thread; may wait. Return 0, or
 * as ext2_make_durable(). */
must_check int ext2_stale_settle(struct inode *dir, const struct name *name);
must_check int ext2_stale_settle_all(struct inode *dir);

/* Whether some are older than `stamp`. */
bool ext2_stale_waits(const struct ext2_rw *rw, uint64_t stamp);

/* Clear these, when what is older is durable. Thread, with the durable_lock;
 * may wait. Returns 0, -EIO, -ENOMEM: some are left. */
must_check int ext2_stale_clear(struct ext2_rw *rw, uint64_t stamp);

/* Assert what is always true. */
void ext2_stale_check(const struct ext2_rw *rw);

#endif
