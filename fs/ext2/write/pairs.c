#include "fs/ext2/write/pairs.h"
#include "fs/ext2/write/entries.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/string.h>

static uint32_t begin_of(bool is_root)
{
    return is_root ? INDEX_ROOT_PAIRS : INDEX_NODE_PAIRS;
}

static uint32_t limit_of(const struct ext2_fs *fs, bool is_root)
{
    return (fs->block_size - begin_of(is_root)) / INDEX_PAIR_SIZE;
}

static uint8_t *pair_at(const struct ext2_pairs *pairs, uint32_t at)
{
    return pairs->first + (size_t)at * INDEX_PAIR_SIZE;
}

uint32_t ext2_pair_block(const struct ext2_pairs *pairs, uint32_t at)
{
    return le32_get(pair_at(pairs, at) + INDEX_PAIR_BLOCK);
}

uint32_t ext2_pair_hash(const struct ext2_pairs *pairs, uint32_t at)
{
    /* In place of the first one's are the count and the limit. */
    return at == 0 ? 0 : le32_get(pair_at(pairs, at));
}

static void pair_put(const struct ext2_pairs *pairs, uint32_t at, uint32_t hash,
                     uint32_t block)
{
    if (at > 0)
        le32_put(pair_at(pairs, at), hash);
    le32_put(pair_at(pairs, at) + INDEX_PAIR_BLOCK, block);
}

static void set_count(struct ext2_pairs *pairs, uint32_t count)
{
    assert(count <= pairs->limit);
    pairs->count = count;
    le16_put(pairs->first + INDEX_PAIR_COUNT, (uint16_t)count);
}

int ext2_pairs_open(const struct ext2_fs *fs, uint8_t *block, bool is_root,
                    uint64_t blocks, struct ext2_pairs *out)
{
    out->first = block + begin_of(is_root);
    out->limit = limit_of(fs, is_root);
    out->count = le16_get(out->first + INDEX_PAIR_COUNT);
    if (le16_get(out->first + INDEX_PAIR_LIMIT) != out->limit ||
        out->count == 0 || out->count > out->limit)
        return -EUCLEAN;
    for (uint32_t i = 0; i < out->count; i++) {
        if (ext2_pair_block(out, i) == 0 || ext2_pair_block(out, i) >= blocks)
            return -EUCLEAN;
        if (i > 0 && ext2_pair_hash(out, i) < ext2_pair_hash(out, i - 1))
            return -EUCLEAN;
    }
    return 0;
}

uint32_t ext2_pairs_find(const struct ext2_pairs *pairs, uint32_t hash)
{
    uint32_t low = 0, high = pairs->count; /* it is in low .. high - 1 */

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (ext2_pair_hash(pairs, middle) > hash)
            high = middle;
        else
            low = middle;
    }
    return low;
}

void ext2_pairs_insert(struct ext2_pairs *pairs, uint32_t at, uint32_t hash,
                       uint32_t block)
{
    assert(at < pairs->count);
    assert(pairs->count < pairs->limit);
    memmove(pair_at(pairs, at + 2), pair_at(pairs, at + 1),
            (size_t)(pairs->count - at - 1) * INDEX_PAIR_SIZE);
    set_count(pairs, pairs->count + 1);
    pair_put(pairs, at + 1, hash, block);
}

/* Pairs of a block that holds nothing else yet, with room for one at least. */
static struct ext2_pairs begin_pairs(const struct ext2_fs *fs, uint8_t *block,
                                     bool is_root)
{
    struct ext2_pairs pairs = {.first = block + begin_of(is_root),
                               .limit = limit_of(fs, is_root)};

    le16_put(pairs.first + INDEX_PAIR_LIMIT, (uint16_t)pairs.limit);
    return pairs;
}

void ext2_pairs_node_init(const struct ext2_fs *fs, uint8_t *node,
                          uint32_t block)
{
    struct ext2_pairs pairs;

    ext2_entries_clear(fs, node);
    pairs = begin_pairs(fs, node, false);
    pair_put(&pairs, 0, 0, block);
    set_count(&pairs, 1);
}

uint32_t ext2_pairs_split(const struct ext2_fs *fs, struct ext2_pairs *pairs,
                          uint8_t *node)
{
    uint32_t keep = pairs->count / 2, hash = ext2_pair_hash(pairs, keep);
    struct ext2_pairs upper;

    assert(keep > 0);
    ext2_pairs_node_init(fs, node, ext2_pair_block(pairs, keep));
    upper = begin_pairs(fs, node, false);
    memcpy(pair_at(&upper, 1), pair_at(pairs, keep + 1),
           (size_t)(pairs->count - keep - 1) * INDEX_PAIR_SIZE);
    set_count(&upper, pairs->count - keep);
    set_count(pairs, keep);
    return hash;
}

void ext2_pairs_root_init(const struct ext2_fs *fs, uint8_t *root,
                          unsigned version, uint32_t parent)
{
    const uint32_t self = le32_get(root + DIRENT_INODE);
    struct ext2_pairs pairs;

    ext2_entries_init(fs, root, self, parent);
    root[INDEX_ROOT_INFO + INDEX_ROOT_HASH] = (uint8_t)version;
    root[INDEX_ROOT_INFO + INDEX_ROOT_INFO_SIZE] =
        INDEX_ROOT_PAIRS - INDEX_ROOT_INFO;
    pairs = begin_pairs(fs, root, true);
    pair_put(&pairs, 0, 0, 1);
    set_count(&pairs, 1);
}

void ext2_pairs_deepen(const struct ext2_fs *fs, uint8_t *root, uint8_t *node,
                       uint32_t number)
{
    struct ext2_pairs top = begin_pairs(fs, root, true), below;
    uint32_t count = le16_get(top.first + INDEX_PAIR_COUNT);

    assert(count <= top.limit);
    ext2_pairs_node_init(fs, node, ext2_pair_block(&top, 0));
    below = begin_pairs(fs, node, false);
    memcpy(pair_at(&below, 1), pair_at(&top, 1),
           (size_t)(count - 1) * INDEX_PAIR_SIZE);
    set_count(&below, count);
    pair_put(&top, 0, 0, number);
    set_count(&top, 1);
    root[INDEX_ROOT_INFO + INDEX_ROOT_LEVELS]++;
}
