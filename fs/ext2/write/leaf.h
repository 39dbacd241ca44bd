/*
 * Blocks of entries in a directory that has an index, by the hashes of their
 * names: functions on the bytes of blocks, as in entries.h.
 */
#ifndef TORC_FS_EXT2_LEAF_H
#define TORC_FS_EXT2_LEAF_H

#include "fs/ext2/write/entries.h"
#include <stdint.h>
#include <torc/compiler.h>

/* An entry of a block. */
struct ext2_hashed {
    uint32_t hash;
    uint16_t at;   /* where it begins */
    uint16_t size; /* what it needs */
};

enum {
    /* Entries of a block, with a name of one byte each. */
    EXT2_HASHED_MAX = EXT2_WRITTEN_MAX / 12,
};

/* All entries of a block that are in use. Too large for a stack. */
struct ext2_leaf {
    uint32_t count;
    struct ext2_hashed list[EXT2_HASHED_MAX];
};

/* How the hash of a name is made. */
struct ext2_hasher {
    unsigned version;     /* below EXT2_HASH_END */
    const uint32_t *seed; /* 4 words */
};

/* List the entries of a block from byte `begin` on, in order of their hashes
 * and then of their places. Returns 0, -EUCLEAN. */
must_check int ext2_leaf_list(const struct ext2_fs *fs,
                              const struct ext2_hasher *hasher,
                              const uint8_t *block, uint32_t begin,
                              struct ext2_leaf *out);

/* What the entries need together. */
uint32_t ext2_leaf_size(const struct ext2_leaf *leaf);

/*
 * Where to split a leaf that, with a name more that needs `size` bytes, is
 * larger than a block: entries from the returned one on go to a new block, 1 ..
 * count-1. That name, with `hash`, then fits in its half. What has one hash
 * stays together, if it can.
 */
uint32_t ext2_leaf_cut(const struct ext2_fs *fs, const struct ext2_leaf *leaf,
                       uint32_t hash, uint32_t size);

/* The hash from which on a block that begins with entry `cut` is found: with
 * the lowest bit set when the one before it has the same hash. */
uint32_t ext2_leaf_cut_hash(const struct ext2_leaf *leaf, uint32_t cut);

/* Copy entries first .. count-1 of a listed block to another one, which holds
 * nothing else then. */
void ext2_leaf_copy(const struct ext2_fs *fs, const struct ext2_leaf *leaf,
                    const uint8_t *block, uint32_t first, uint8_t *to);

/* Drop the same entries from the listed block, where the others move
 * together. */
void ext2_leaf_drop(const struct ext2_fs *fs, const struct ext2_leaf *leaf,
                    uint8_t *block, uint32_t first);

#endif
