#include "fs/ext2/write/leaf.h"
#include "fs/ext2/hash.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/string.h>

static bool is_before(const struct ext2_hashed *a, const struct ext2_hashed *b)
{
    return a->hash != b->hash ? a->hash < b->hash : a->at < b->at;
}

/* Shell's sort: a few hundred entries. */
static void sort(struct ext2_hashed *list, uint32_t count)
{
    static const uint32_t gaps[] = {132, 57, 23, 10, 4, 1};

    for (unsigned g = 0; g < COUNT_OF(gaps); g++) {
        uint32_t gap = gaps[g];

        for (uint32_t i = gap; i < count; i++) {
            struct ext2_hashed entry = list[i];
            uint32_t k = i;

            for (; k >= gap && is_before(&entry, &list[k - gap]); k -= gap)
                list[k] = list[k - gap];
            list[k] = entry;
        }
    }
}

int ext2_leaf_list(const struct ext2_fs *fs, const struct ext2_hasher *hasher,
                   const uint8_t *block, uint32_t begin, struct ext2_leaf *out)
{
    struct ext2_entry entry;

    out->count = 0;
    for (uint32_t at = begin; at < fs->block_size; at += entry.rec_len) {
        if (ext2_entries_at(fs, block, at, &entry) != 0)
            return -EUCLEAN;
        if (entry.inode == 0)
            continue;
        /* Each has 12 bytes at least. */
        assert(out->count < EXT2_HASHED_MAX);
        out->list[out->count++] = (struct ext2_hashed){
            .hash = ext2_hash(hasher->version, hasher->seed, entry.name,
                              entry.name_len),
            .at = (uint16_t)at,
            .size = (uint16_t)ext2_entry_size(entry.name_len)};
    }
    sort(out->list, out->count);
    return 0;
}

uint32_t ext2_leaf_size(const struct ext2_leaf *leaf)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < leaf->count; i++)
        sum += leaf->list[i].size;
    return sum;
}

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

uint32_t ext2_leaf_cut(const struct ext2_fs *fs, const struct ext2_leaf *leaf,
                       uint32_t hash, uint32_t size)
{
    uint32_t sum = ext2_leaf_size(leaf), below = 0, best = 0;
    uint32_t best_distance = UINT32_MAX;

    assert(sum + size > fs->block_size);
    for (uint32_t cut = 1; cut < leaf->count; cut++) {
        bool is_same = leaf->list[cut].hash == leaf->list[cut - 1].hash;
        uint32_t half, cost;

        below += leaf->list[cut - 1].size;
        half = hash < ext2_leaf_cut_hash(leaf, cut) ? below : sum - below;
        if (half > fs->block_size - size)
            continue;
        /* Any place between two hashes is better than one among equal ones. */
        cost = distance(below, sum - below) + (is_same ? fs->block_size : 0);
        if (cost < best_distance) {
            best = cut;
            best_distance = cost;
        }
    }
    /* One of the two places around the middle, which an entry of at most 264
     * bytes is between, leaves 644 bytes of 1024 in the larger half. */
    assert(best != 0);
    return best;
}

uint32_t ext2_leaf_cut_hash(const struct ext2_leaf *leaf, uint32_t cut)
{
    uint32_t hash = leaf->list[cut].hash;

    return hash | (leaf->list[cut - 1].hash == hash);
}

/* The last entry gets the rest of the block. */
static void close_at(const struct ext2_fs *fs, uint8_t *block, uint32_t last)
{
    le16_put(block + last + DIRENT_REC_LEN, (uint16_t)(fs->block_size - last));
}

void ext2_leaf_copy(const struct ext2_fs *fs, const struct ext2_leaf *leaf,
                    const uint8_t *block, uint32_t first, uint8_t *to)
{
    uint32_t at = 0, last = 0;

    ext2_entries_clear(fs, to);
    for (uint32_t i = first; i < leaf->count; i++) {
        const struct ext2_hashed *entry = &leaf->list[i];

        memcpy(to + at, block + entry->at, entry->size);
        le16_put(to + at + DIRENT_REC_LEN, entry->size);
        last = at;
        at += entry->size;
    }
    close_at(fs, to, last);
}

void ext2_leaf_drop(const struct ext2_fs *fs, const struct ext2_leaf *leaf,
                    uint8_t *block, uint32_t first)
{
    uint32_t to = 0, last = 0, at = 0;

    for (uint32_t i = first; i < leaf->count; i++)
        le32_put(block + leaf->list[i].at + DIRENT_INODE, 0);
    while (at < fs->block_size) {
        struct ext2_entry entry;
        int status = ext2_entries_at(fs, block, at, &entry);
        uint32_t size = ext2_entry_size(entry.name_len);

        assert(status == 0);
        if (entry.inode != 0) {
            memmove(block + to, block + at, size);
            le16_put(block + to + DIRENT_REC_LEN, (uint16_t)size);
            last = to;
            to += size;
        }
        at += entry.rec_len;
    }
    if (to == 0)
        ext2_entries_clear(fs, block);
    else
        close_at(fs, block, last);
}
