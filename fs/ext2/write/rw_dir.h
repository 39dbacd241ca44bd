/* What the files offer each other that change directories. */
#ifndef TORC_FS_EXT2_RW_DIR_H
#define TORC_FS_EXT2_RW_DIR_H

#include "fs/ext2/ext2.h"
#include "fs/ext2/hash.h"
#include "fs/ext2/index.h"
#include <stdint.h>
#include <torc/compiler.h>

/* All of these: thread, which has the directory locked exclusively where it is
 * changed; may wait. Where nothing else is said they return 0, -EUCLEAN (the
 * log says what), -EIO, -ENOMEM. */

/* ---- Where entries are (rw_place.c) -------------------------------------- */

/* An entry, or room for one, in block `block` of the volume. */
struct ext2_place {
    uint64_t block;
    uint32_t at; /* byte of the block */
};

/* How many blocks of a directory hold names: all but the spare ones of its
 * index, which are the last. */
static inline uint64_t ext2_dir_blocks(const struct inode *dir)
{
    return (dir->size_bytes >> ext2_of(dir)->block_shift) -
           ext2_inode_of(dir)->spare_blocks;
}

/* Whether its names have an order by hash, in which they are told: those of an
 * index, or of a single block that gets one when it is full. */
static inline bool ext2_has_order(const struct inode *dir)
{
    return (ext2_of(dir)->compat & COMPAT_DIR_INDEX) != 0 &&
           ((ext2_inode_of(dir)->flags & INODE_FLAG_INDEX) != 0 ||
            ext2_dir_blocks(dir) == 1);
}

/* Hold block `index` of a directory as a whole. *block is its number. */
must_check int ext2_dir_hold(struct inode *dir, uint64_t index,
                             struct mapping_ref *ref, uint64_t *block);

/* Find the entry of a name. Also -ENOENT. */
must_check int ext2_place_find(struct inode *dir, const struct name *name,
                               struct ext2_place *out);

/* Find what a name leads to, which is not "." or ".."; what is behind its entry
 * may be damaged. Also -ENOENT. */
must_check int ext2_place_look(struct inode *dir, const struct name *name,
                               uint64_t *number);

/* Find room for a name that is not there; the directory may grow for it. It
 * stays until the directory is unlocked or gets a name. Also -ENOSPC. */
must_check int ext2_place_room(struct inode *dir, const struct name *name,
                               struct ext2_place *out);

/* The same without growing; -ENOSPC: there is none. */
must_check int ext2_place_room_left(struct inode *dir, const struct name *name,
                                    struct ext2_place *out);

/* ---- The leaves that a name may be in (rw_chain.c) ----------------------- */

struct ext2_chain {
    struct ext2_view view;
    struct ext2_index_walk walk;
    uint32_t hash;   /* of the name */
    uint32_t leaf;   /* the block of the directory that it has come to */
    uint64_t passed; /* leaves before it */
};

/* Go to the first leaf; to the next one: returns 1, or 0 if there is no more.
 * After any begin the end. */
must_check int ext2_chain_begin(struct ext2_chain *chain, struct inode *dir,
                                const struct name *name);
must_check int ext2_chain_next(struct ext2_chain *chain);
void ext2_chain_end(struct ext2_chain *chain);

/* Names whose hash is above *low and below *high belong to the leaf, and to no
 * other one. */
must_check int ext2_chain_range(struct ext2_chain *chain, uint32_t *low,
                                uint32_t *high);

/* The hash of the indices that are made, below EXT2_HASH_END. */
static inline unsigned ext2_new_index_version(const struct ext2_fs *fs)
{
    return fs->index_version +
           (fs->is_hash_unsigned ? 1U : 0U) * EXT2_HASH_UNSIGNED;
}

/* ---- Growing (rw_grow.c, rw_split.c) ------------------------------------- */

/* Append a block to a directory that has no index: it is there after a crash,
 * too, before a name is in it. Also -ENOSPC, as of what follows. */
must_check int ext2_dir_grow(struct inode *dir);

/* Give an index to a directory of one block. */
must_check int ext2_index_make(struct inode *dir);

/* Make room for a name in a leaf that it belongs to. */
must_check int ext2_index_grow(struct inode *dir, const struct name *name);

/* ---- Listing (rw_readdir.c) ---------------------------------------------- */

/* fs_ops.readdir() */
int ext2_rw_readdir(struct inode *dir, uint64_t *cursor,
                    struct dir_entry *entry);

/* Before a name is added to a directory, or its entries move; before an entry
 * is removed. Do not wait. */
void ext2_dir_added(struct inode *dir);
void ext2_dir_removed(struct inode *dir, const struct ext2_place *place);

/* Free what listing keeps of a volume. */
void ext2_sorted_drop(struct ext2_fs *fs);

/* ---- Operations (rw_names.c, rw_rename.c, rw_xattr.c): struct fs_ops ----- */

int ext2_create(struct inode *dir, const struct name *name,
                const struct new_inode *what, struct inode **out);
int ext2_link(struct inode *dir, const struct name *name, struct inode *inode);
int ext2_unlink(struct inode *dir, const struct name *name,
                struct inode *inode);
int ext2_rename(const struct rename *rename);

int64_t ext2_xattr_get(struct inode *inode, const char *name, void *value,
                       size_t size);
int64_t ext2_xattr_list(struct inode *inode, char *names, size_t size);
int ext2_xattr_set(struct inode *inode, const char *name, const void *value,
                   size_t size);

#endif
