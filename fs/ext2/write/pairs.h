/*
 * The blocks of a directory's index, to be changed: functions on their bytes,
 * which know no disk. What an index is: index.c. Blocks that are changed have
 * no checksum behind the pairs.
 */
#ifndef TORC_FS_EXT2_PAIRS_H
#define TORC_FS_EXT2_PAIRS_H

#include "fs/ext2/ext2.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* The pairs of one block, from byte `begin` on. */
struct ext2_pairs {
    uint8_t *first;
    uint32_t count;
    uint32_t limit; /* there is room for so many */
};

/*
 * Look at the pairs of a root or node of a directory of `blocks` blocks: their
 * hashes are in order and they lead into the directory. Returns 0, -EUCLEAN.
 */
must_check int ext2_pairs_open(const struct ext2_fs *fs, uint8_t *block,
                               bool is_root, uint64_t blocks,
                               struct ext2_pairs *out);

/* Where pair `at` leads to; its hash, 0 of the first one. */
uint32_t ext2_pair_block(const struct ext2_pairs *pairs, uint32_t at);
uint32_t ext2_pair_hash(const struct ext2_pairs *pairs, uint32_t at);

/* The last pair whose hash is not above `hash`. */
uint32_t ext2_pairs_find(const struct ext2_pairs *pairs, uint32_t hash);

/* Put a pair behind pair `at`; there is room for one. */
void ext2_pairs_insert(struct ext2_pairs *pairs, uint32_t at, uint32_t hash,
                       uint32_t block);

/* A node that leads to one block. */
void ext2_pairs_node_init(const struct ext2_fs *fs, uint8_t *node,
                          uint32_t block);

/* Move the upper half of a node's pairs, which are 2 at least, to a new node.
 * Returns the hash from which on that one is followed. */
uint32_t ext2_pairs_split(const struct ext2_fs *fs, struct ext2_pairs *pairs,
                          uint8_t *node);

/* Make the first block of a directory, which begins with "." and "..", the root
 * of an index that leads to block 1 alone: it has no entries any more. */
void ext2_pairs_root_init(const struct ext2_fs *fs, uint8_t *root,
                          unsigned version, uint32_t parent);

/* Move all pairs of a root to a new node, block `number` of the directory; the
 * root has one level more, and leads to it alone. */
void ext2_pairs_deepen(const struct ext2_fs *fs, uint8_t *root, uint8_t *node,
                       uint32_t number);

#endif
