/* A walk over the index of a directory (index.c). */
#ifndef TORC_FS_EXT2_INDEX_H
#define TORC_FS_EXT2_INDEX_H

#include "fs/ext2/ext2.h"
#include <stdint.h>
#include <torc/compiler.h>

/* Where the walk is in a node. */
struct ext2_index_level {
    uint64_t pairs; /* byte offset on the disk */
    uint32_t count;
    uint32_t at;    /* the pair that is followed, */
    uint32_t block; /* and where it leads to */
};

/* All of these: thread, the directory is locked; may wait. They return 0;
 * -EUCLEAN (the index is damaged, which is not said in the log); or as
 * page_get(). */
struct ext2_index_walk {
    struct inode *dir;
    struct ext2_view *view;
    unsigned version; /* of the hash, below EXT2_HASH_END */
    unsigned levels;  /* below the root */
    struct ext2_index_level level[INDEX_LEVELS_LARGE + 1];
};

/* Read the root; dir and view are set. */
must_check int ext2_index_open(struct ext2_index_walk *walk);

/* Go from the root to the first leaf that names with `hash` may be in: a block
 * of the directory. */
must_check int ext2_index_seek(struct ext2_index_walk *walk, uint32_t hash,
                               uint32_t *leaf);

/* The hash of the pair that leads to the leaf, or that of the level above, if
 * it is the first of its node; 0: it is the first of all. */
must_check int ext2_index_here(struct ext2_index_walk *walk, uint32_t *hash);

/* Look at the pair that leads on from the leaf: the level it is in, and its
 * hash, whose lowest bit is set when the leaf behind goes on with a hash of
 * this one. Returns 1; 0: it is the last leaf. */
must_check int ext2_index_peek(struct ext2_index_walk *walk, unsigned *depth,
                               uint32_t *hash);

/* Go to that leaf. */
must_check int ext2_index_go(struct ext2_index_walk *walk, unsigned depth,
                             uint32_t *leaf);

#endif
