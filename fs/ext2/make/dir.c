/*
 * Directories: one block in the order of the tree, or more with an index, whose
 * leaves are full and lie in the order of the hashes of names. Without an index
 * are those that are too large for one.
 *
 * Source: the ext4 documentation of Linux, "Directory Entries" and "Hash Tree
 * Directories".
 */
#include "fs/ext2/hash.h"
#include "fs/ext2/make/make_internal.h"
#include "fs/ext2/write/entries.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

enum { DOTS = 2 * 12, LOST_BYTES = 16384 };

struct entry {
    const char *name;
    uint32_t len;
    uint32_t number;
    uint32_t hash;
    uint8_t type; /* enum file_type */
};

/* A directory that is being written. */
struct dir {
    struct maker *maker;
    struct maker_map *map;
    uint32_t number, parent; /* inodes */
    struct entry *entries;
    uint32_t count;
    uint32_t at;     /* in maker->block: where the next entry goes, */
    uint32_t before; /* and where the last one begins */

    /* Of an index: */
    uint32_t leaf_count;
    uint32_t *leaves; /* of each the hash that it begins with */
};

/* ---- Entries ------------------------------------------------------------- */

static uint8_t format_type(uint8_t type)
{
    static const uint8_t types[] = {
        [FILE_REGULAR] = DIRENT_TYPE_REGULAR,
        [FILE_DIRECTORY] = DIRENT_TYPE_DIRECTORY,
        [FILE_SYMLINK] = DIRENT_TYPE_SYMLINK,
        [FILE_FIFO] = DIRENT_TYPE_FIFO,
        [FILE_SOCKET] = DIRENT_TYPE_SOCKET,
        [FILE_CHARACTER] = DIRENT_TYPE_CHARACTER,
        [FILE_BLOCK] = DIRENT_TYPE_BLOCK,
    };

    return types[type];
}

static void block_begin(struct dir *dir)
{
    memset(dir->maker->block, 0, dir->maker->layout.block_size);
    dir->at = dir->before = 0;
}

/* Add an entry, for which there is room. */
static void entry_add(struct dir *dir, const struct entry *entry)
{
    uint8_t *raw = dir->maker->block + dir->at;
    uint32_t size = ext2_entry_size(entry->len);

    le32_put(raw + DIRENT_INODE, entry->number);
    le16_put(raw + DIRENT_REC_LEN, (uint16_t)size);
    raw[DIRENT_NAME_LEN] = (uint8_t)entry->len;
    raw[DIRENT_FILE_TYPE] = format_type(entry->type);
    memcpy(raw + DIRENT_NAME, entry->name, entry->len);
    dir->before = dir->at;
    dir->at += size;
}

static void dots_add(struct dir *dir)
{
    const struct entry self = {".", 1, dir->number, 0, FILE_DIRECTORY};
    const struct entry parent = {"..", 2, dir->parent, 0, FILE_DIRECTORY};

    entry_add(dir, &self);
    entry_add(dir, &parent);
}

/* Write the block, whose last entry has the rest of it. */
static int block_end(struct dir *dir)
{
    struct maker *maker = dir->maker;
    uint32_t rest = maker->layout.block_size - dir->before, block;
    int status;

    le16_put(maker->block + dir->before + DIRENT_REC_LEN, (uint16_t)rest);
    status = maker_map_block(maker, dir->map, &block);
    return status != 0 ? status : maker_write(maker, block, maker->block);
}

/* ---- Order --------------------------------------------------------------- */

/* By hash, then by name. */
static bool is_before(const struct entry *a, const struct entry *b)
{
    int order;

    if (a->hash != b->hash)
        return a->hash < b->hash;
    order = memcmp(a->name, b->name, min_u32(a->len, b->len));
    return order != 0 ? order < 0 : a->len < b->len;
}

/* Let an entry sink in a heap of `count`, whose first is the last in order. */
static void sink(struct entry *heap, uint32_t at, uint32_t count)
{
    struct entry entry = heap[at];

    while (at < count / 2) {
        uint32_t below = 2 * at + 1;

        if (below + 1 < count && is_before(&heap[below], &heap[below + 1]))
            below++;
        if (!is_before(&entry, &heap[below]))
            break;
        heap[at] = heap[below];
        at = below;
    }
    heap[at] = entry;
}

static void sort(struct entry *entries, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--)
        sink(entries, i - 1, count);
    for (uint32_t i = count; i > 1; i--) {
        struct entry last = entries[i - 1];

        entries[i - 1] = entries[0];
        entries[0] = last;
        sink(entries, 0, i - 1);
    }
}

static void hash_all(struct dir *dir)
{
    const struct ext2_make_options *options = dir->maker->options;
    uint32_t seed[4];

    for (unsigned i = 0; i < 4; i++)
        seed[i] = le32_get(options->hash_seed + 4 * i);
    for (uint32_t i = 0; i < dir->count; i++)
        dir->entries[i].hash =
            ext2_hash(options->hash_version, seed, dir->entries[i].name,
                      dir->entries[i].len);
    sort(dir->entries, dir->count);
}

/* ---- Leaves -------------------------------------------------------------- */

/* How many entries from `first` on fit in a block. */
static uint32_t leaf_length(const struct dir *dir, uint32_t first)
{
    uint32_t room = dir->maker->layout.block_size, at = first;

    while (at < dir->count && ext2_entry_size(dir->entries[at].len) <= room)
        room -= ext2_entry_size(dir->entries[at++].len);
    return at - first;
}

static uint32_t leaves_count(const struct dir *dir)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < dir->count; count++)
        at += leaf_length(dir, at);
    return count;
}

/* The lowest bit of a hash says that the block before has it, too. */
static void leaves_fill(struct dir *dir)
{
    const struct entry *entries = dir->entries;
    uint32_t at = 0;

    for (uint32_t i = 0; i < dir->leaf_count; i++) {
        dir->leaves[i] = entries[at].hash;
        if (i > 0 && entries[at - 1].hash == entries[at].hash)
            dir->leaves[i] |= 1;
        at += leaf_length(dir, at);
    }
}

static int leaves_write(struct dir *dir)
{
    uint32_t at = 0;
    int status = 0;

    while (at < dir->count && status == 0) {
        uint32_t end = at + leaf_length(dir, at);

        block_begin(dir);
        while (at < end)
            entry_add(dir, &dir->entries[at++]);
        status = block_end(dir);
    }
    return status;
}

/* ---- The index ----------------------------------------------------------- */

static uint32_t pairs_max(const struct dir *dir, uint32_t begin)
{
    return (dir->maker->layout.block_size - begin) / INDEX_PAIR_SIZE;
}

/* Pairs to `count` blocks of the directory, from `block` on; pair i begins with
 * the hash of leaf first + i * step. */
static void pairs_put(struct dir *dir, uint32_t begin, uint32_t first,
                      uint32_t step, uint32_t count, uint32_t block)
{
    uint8_t *pairs = dir->maker->block + begin;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *pair = pairs + (size_t)i * INDEX_PAIR_SIZE;

        le32_put(pair, dir->leaves[first + i * step]);
        le32_put(pair + INDEX_PAIR_BLOCK, block + i);
    }
    le16_put(pairs + INDEX_PAIR_LIMIT, (uint16_t)pairs_max(dir, begin));
    le16_put(pairs + INDEX_PAIR_COUNT, (uint16_t)count);
}

/* The first block: `nodes` of them are behind it, or, if none, the leaves. */
static int root_write(struct dir *dir, uint32_t nodes)
{
    uint8_t *info = dir->maker->block + INDEX_ROOT_INFO;

    block_begin(dir);
    dots_add(dir);
    info[INDEX_ROOT_HASH] = dir->maker->options->hash_version;
    info[INDEX_ROOT_INFO_SIZE] = INDEX_ROOT_PAIRS - INDEX_ROOT_INFO;
    info[INDEX_ROOT_LEVELS] = nodes > 0;
    if (nodes > 0)
        pairs_put(dir, INDEX_ROOT_PAIRS, 0, pairs_max(dir, INDEX_NODE_PAIRS),
                  nodes, 1);
    else
        pairs_put(dir, INDEX_ROOT_PAIRS, 0, 1, dir->leaf_count, 1);
    return block_end(dir);
}

static int nodes_write(struct dir *dir, uint32_t nodes)
{
    const uint32_t each = pairs_max(dir, INDEX_NODE_PAIRS);
    int status = 0;

    for (uint32_t i = 0; i < nodes && status == 0; i++) {
        uint32_t first = i * each;

        block_begin(dir);
        pairs_put(dir, INDEX_NODE_PAIRS, first, 1,
                  min_u32(each, dir->leaf_count - first), 1 + nodes + first);
        dir->before = 0; /* one entry that is unused */
        status = block_end(dir);
    }
    return status;
}

/* Write the blocks that lead to the leaves. */
static int index_write(struct dir *dir, uint32_t nodes)
{
    const struct make_host *host = dir->maker->host;
    size_t size = dir->leaf_count * sizeof(*dir->leaves);
    int status;

    dir->leaves = host->alloc(host->context, size);
    if (dir->leaves == NULL)
        return -ENOMEM;
    leaves_fill(dir);
    status = root_write(dir, nodes);
    if (status == 0)
        status = nodes_write(dir, nodes);
    host->release(host->context, dir->leaves, size);
    return status;
}

/* ---- Directories --------------------------------------------------------- */

static bool fits_in_one(const struct dir *dir)
{
    uint64_t size = DOTS;

    for (uint32_t i = 0; i < dir->count; i++)
        size += ext2_entry_size(dir->entries[i].len);
    return size <= dir->maker->layout.block_size;
}

static int write_one(struct dir *dir)
{
    block_begin(dir);
    dots_add(dir);
    for (uint32_t i = 0; i < dir->count; i++)
        entry_add(dir, &dir->entries[i]);
    return block_end(dir);
}

static int write_many(struct dir *dir, uint32_t *flags)
{
    const uint32_t each = pairs_max(dir, INDEX_NODE_PAIRS);
    const uint32_t root = pairs_max(dir, INDEX_ROOT_PAIRS);
    uint32_t nodes = 0;
    int status;

    hash_all(dir);
    dir->leaf_count = leaves_count(dir);
    if (dir->leaf_count > root)
        nodes = (dir->leaf_count + each - 1) / each;
    if (nodes <= root) {
        *flags |= INODE_FLAG_INDEX;
        status = index_write(dir, nodes);
    } else {
        block_begin(dir);
        dots_add(dir);
        status = block_end(dir);
    }
    return status != 0 ? status : leaves_write(dir);
}

static void entries_fill(struct dir *dir, const struct make_file *from)
{
    uint32_t at = 0;

    if (dir->count > from->name_count)
        dir->entries[at++] =
            (struct entry){MAKER_LOST_NAME, sizeof(MAKER_LOST_NAME) - 1,
                           EXT2_FIRST_INODE_REV0, 0, FILE_DIRECTORY};
    for (uint32_t i = 0; i < from->name_count; i++) {
        const struct make_name *name = &from->names[i];

        dir->entries[at++] = (struct entry){
            name->text, name->len, name->file->number, 0, name->file->type};
    }
}

int maker_dir(struct maker *maker, const struct make_file *from,
              struct maker_inode *inode)
{
    const struct make_host *host = maker->host;
    struct dir dir = {.maker = maker,
                      .map = &inode->map,
                      .number = from->number,
                      .parent = from->parent->number,
                      .count = from->name_count};
    size_t size;
    int status;

    if (from == maker->root && maker_has_lost_dir(maker))
        dir.count++;
    size = dir.count * sizeof(*dir.entries);
    if (size > 0) {
        dir.entries = host->alloc(host->context, size);
        if (dir.entries == NULL)
            return -ENOMEM;
        entries_fill(&dir, from);
    }
    status =
        fits_in_one(&dir) ? write_one(&dir) : write_many(&dir, &inode->flags);
    if (size > 0)
        host->release(host->context, dir.entries, size);
    inode->size = inode->map.index * maker->layout.block_size;
    return status;
}

int maker_lost_dir(struct maker *maker, struct maker_inode *inode)
{
    const uint32_t block = maker->layout.block_size;
    struct dir dir = {.maker = maker,
                      .map = &inode->map,
                      .number = EXT2_FIRST_INODE_REV0,
                      .parent = EXT2_ROOT_INODE};
    uint32_t blocks = min_u32(LOST_BYTES / block, EXT2_DIRECT_COUNT);
    int status = write_one(&dir);

    for (uint32_t i = 1; i < blocks && status == 0; i++) {
        block_begin(&dir);
        status = block_end(&dir);
    }
    inode->size = (uint64_t)blocks * block;
    return status;
}
