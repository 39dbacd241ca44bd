/*
 * Finding a name by the index of its directory: a tree of pairs of a hash and a
 * block, sorted by hash. The names of a block have hashes from its own up to
 * the next one's; where names with one hash fill more than a block, the lowest
 * bit of the next one's hash is set. Source: the ext4 documentation of Linux,
 * "Hash Tree Directories".
 *
 * An index that makes no sense is damage (-EUCLEAN): the caller then searches
 * the blocks one after the other.
 */
#include "fs/ext2/index.h"
#include "fs/ext2/hash.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>

/* How many pairs a node has room for, which begin at byte `begin` of it. */
static uint32_t room_of(const struct ext2_fs *fs, uint32_t begin)
{
    bool has_tail = (fs->ro_compat & RO_COMPAT_METADATA_CSUM) != 0;

    return (fs->block_size - begin - (has_tail ? INDEX_TAIL_SIZE : 0)) /
           INDEX_PAIR_SIZE;
}

/* Go to the node at byte `offset` of the disk, whose pairs begin at `begin`. */
static int node_open(struct ext2_index_walk *walk, unsigned depth,
                     uint64_t offset, uint32_t begin)
{
    const struct ext2_fs *fs = walk->view->fs;
    struct ext2_index_level *level = &walk->level[depth];
    const uint8_t *first;
    int status = ext2_view(walk->view, offset + begin, INDEX_PAIR_SIZE, &first);

    if (status != 0)
        return status;
    level->pairs = offset + begin;
    level->count = le16_get(first + INDEX_PAIR_COUNT);
    level->at = 0;
    level->block = le32_get(first + INDEX_PAIR_BLOCK);
    if (le16_get(first + INDEX_PAIR_LIMIT) != room_of(fs, begin) ||
        level->count == 0 || level->count > room_of(fs, begin))
        return -EUCLEAN;
    return 0;
}

/* Pair `at` of a node, behind the first, which has no hash: that is for all
 * below the second. */
static int pair_read(struct ext2_index_walk *walk,
                     const struct ext2_index_level *level, uint32_t at,
                     uint32_t *hash, uint32_t *block)
{
    const uint8_t *pair;
    int status =
        ext2_view(walk->view, level->pairs + (uint64_t)at * INDEX_PAIR_SIZE,
                  INDEX_PAIR_SIZE, &pair);

    if (status != 0)
        return status;
    *hash = le32_get(pair);
    *block = le32_get(pair + INDEX_PAIR_BLOCK);
    return 0;
}

/* Go to the last pair of a node whose hash is not above this one. */
static int node_search(struct ext2_index_walk *walk,
                       struct ext2_index_level *level, uint32_t wanted)
{
    uint32_t low = 0, high = level->count; /* it is in low .. high - 1 */

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2, hash, block;
        int status = pair_read(walk, level, middle, &hash, &block);

        if (status != 0)
            return status;
        if (hash > wanted) {
            high = middle;
        } else {
            low = middle;
            level->block = block;
        }
    }
    level->at = low;
    return 0;
}

/* Whether a block is one of the directory, and not the root. */
static bool is_below_root(const struct ext2_index_walk *walk, uint32_t block)
{
    return block != 0 &&
           block < walk->dir->size_bytes >> walk->view->fs->block_shift;
}

/* From the pair of level `depth` down to the leaf, a block of the directory: by
 * a hash, of which 0 leads to the first leaf. */
static int descend(struct ext2_index_walk *walk, unsigned depth, uint32_t hash,
                   uint32_t *leaf)
{
    for (;; depth++) {
        uint64_t offset;
        int status;

        *leaf = walk->level[depth].block;
        if (!is_below_root(walk, *leaf))
            return -EUCLEAN;
        if (depth == walk->levels)
            return 0;
        status = ext2_dir_block(walk->dir, *leaf, &offset);
        if (status == 0)
            status = node_open(walk, depth + 1, offset, INDEX_NODE_PAIRS);
        if (status == 0)
            status = node_search(walk, &walk->level[depth + 1], hash);
        if (status != 0)
            return status;
    }
}

int ext2_index_open(struct ext2_index_walk *walk)
{
    const struct ext2_fs *fs = walk->view->fs;
    unsigned max = (fs->incompat & INCOMPAT_LARGE_DIR) != 0 ? INDEX_LEVELS_LARGE
                                                            : INDEX_LEVELS_MAX;
    const uint8_t *info;
    uint64_t offset;
    int status = ext2_dir_block(walk->dir, 0, &offset);

    if (status == 0)
        status = ext2_view(walk->view, offset + INDEX_ROOT_INFO,
                           INDEX_ROOT_PAIRS - INDEX_ROOT_INFO, &info);
    if (status != 0)
        return status;
    walk->version = info[INDEX_ROOT_HASH];
    walk->levels = info[INDEX_ROOT_LEVELS];
    if (le32_get(info + INDEX_ROOT_ZERO) != 0 ||
        walk->version >= EXT2_HASH_UNSIGNED || walk->levels > max ||
        info[INDEX_ROOT_INFO_SIZE] != INDEX_ROOT_PAIRS - INDEX_ROOT_INFO)
        return -EUCLEAN;
    if (fs->is_hash_unsigned)
        walk->version += EXT2_HASH_UNSIGNED;
    return node_open(walk, 0, offset, INDEX_ROOT_PAIRS);
}

int ext2_index_seek(struct ext2_index_walk *walk, uint32_t hash, uint32_t *leaf)
{
    int status = node_search(walk, &walk->level[0], hash);

    return status != 0 ? status : descend(walk, 0, hash, leaf);
}

int ext2_index_here(struct ext2_index_walk *walk, uint32_t *hash)
{
    unsigned depth = walk->levels;
    uint32_t block;

    while (walk->level[depth].at == 0) {
        *hash = 0;
        if (depth-- == 0)
            return 0;
    }
    return pair_read(walk, &walk->level[depth], walk->level[depth].at, hash,
                     &block);
}

int ext2_index_peek(struct ext2_index_walk *walk, unsigned *depth,
                    uint32_t *hash)
{
    const struct ext2_index_level *level;
    uint32_t block;
    int status;

    *depth = walk->levels;
    while (walk->level[*depth].at + 1 == walk->level[*depth].count) {
        if (*depth == 0)
            return 0;
        --*depth;
    }
    level = &walk->level[*depth];
    status = pair_read(walk, level, level->at + 1, hash, &block);
    return status != 0 ? status : 1;
}

int ext2_index_go(struct ext2_index_walk *walk, unsigned depth, uint32_t *leaf)
{
    struct ext2_index_level *level = &walk->level[depth];
    uint32_t hash;
    int status = pair_read(walk, level, ++level->at, &hash, &level->block);

    return status != 0 ? status : descend(walk, depth, 0, leaf);
}

/* The next leaf, if names with this hash go on there: 1, 0, or an error. */
static int next_leaf(struct ext2_index_walk *walk, uint32_t hash,
                     uint32_t *leaf)
{
    uint32_t next;
    unsigned depth;
    int status = ext2_index_peek(walk, &depth, &next);

    if (status != 1)
        return status;
    if (next != (hash | 1))
        return 0;
    status = ext2_index_go(walk, depth, leaf);
    return status != 0 ? status : 1;
}

int ext2_index_lookup(struct inode *dir, struct ext2_view *view,
                      const char *name, size_t len, uint64_t *number)
{
    struct ext2_index_walk walk = {.dir = dir, .view = view};
    uint64_t blocks = dir->size_bytes >> view->fs->block_shift;
    uint32_t leaf = 0, hash = 0;
    int status = ext2_index_open(&walk);

    if (status == 0) {
        hash = ext2_hash(walk.version, view->fs->hash_seed, name, len);
        status = ext2_index_seek(&walk, hash, &leaf);
    }
    /* No leaf is met twice, unless the index is damaged. */
    for (uint64_t i = 0; status == 0 && i < blocks; i++) {
        status = ext2_dir_search(dir, view, leaf, name, len, number);
        if (status != 0)
            return status < 0 ? status : 0;
        status = next_leaf(&walk, hash, &leaf);
        if (status == 0)
            return -ENOENT;
        if (status == 1)
            status = 0;
    }
    if (status != 0 && status != -EUCLEAN)
        return status;
    return ext2_damaged(view->fs, dir->number, "directory index", leaf);
}
