/*
 * Listing a directory while it changes: a name that stays is told once,
 * whatever comes and goes.
 *
 * In a directory without an index entries do not move: the cursor is the byte
 * that the next entry begins at or behind. Where an entry begins is only known
 * from the begin of its block, or when nothing was removed since the last call.
 *
 * In one with an index, and in one of a single block that may get one, entries
 * move when a leaf is split. Names are told in the order of their keys: the
 * hash of the index, then one that peers do not know (a name that has both in
 * common with another one is not met). The cursor is the key that the next name
 * has at least. The entries of the last leaf, in that order, are kept; one
 * volume has one such list.
 */
#include "fs/ext2/hash.h"
#include "fs/ext2/write/leaf.h"
#include "fs/ext2/write/rw_dir.h"
#include "fs/ext2/write/stale.h"
#include "kernel/lib/bytes.h"
#include <torc/memory.h>
#include <torc/string.h>

/* Cursors of "." and ".." where names have an order; keys are above them, and
 * below 2^63: a cursor is a position of an open file. */
enum { CURSOR_SELF, CURSOR_PARENT, CURSOR_KEYS };

/* An entry of a leaf. */
struct keyed {
    uint64_t key;
    uint32_t at; /* byte of the block */
};

/* The entries of one block. Those that are removed leave the list; when one is
 * added anywhere, or entries move, it is made anew. */
struct ext2_sorted {
    uint64_t block;  /* of the volume; 0: the list is of none */
    uint64_t serial; /* fs->names_serial, when it was made */
    uint32_t count;
    struct keyed list[EXT2_HASHED_MAX];
};

void ext2_sorted_drop(struct ext2_fs *fs)
{
    mem_free(fs->sorted);
    fs->sorted = NULL;
}

void ext2_dir_added(struct inode *dir)
{
    ext2_of(dir)->names_serial++;
}

/* ---- Keys ---------------------------------------------------------------- */

static uint64_t key_of(const struct inode *dir, unsigned version,
                       const struct ext2_entry *entry)
{
    uint32_t hash = ext2_hash(version, ext2_of(dir)->hash_seed, entry->name,
                              entry->name_len);
    uint32_t secret =
        hash_bytes(&dir->mount->name_key, entry->name, entry->name_len);

    /* The lowest bit of the hash is 0. */
    return CURSOR_KEYS + ((uint64_t)(hash >> 1) << 32 | secret);
}

static uint32_t hash_of(uint64_t key)
{
    return (uint32_t)((key - CURSOR_KEYS) >> 32) << 1;
}

/* ---- The list of a leaf -------------------------------------------------- */

static bool is_before(const struct keyed *a, const struct keyed *b)
{
    return a->key < b->key;
}

/* Shell's sort: a few hundred entries. */
static void sort(struct keyed *list, uint32_t count)
{
    for (uint32_t gap = 256; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            struct keyed entry = list[i];
            uint32_t k = i;

            for (; k >= gap && is_before(&entry, &list[k - gap]); k -= gap)
                list[k] = list[k - gap];
            list[k] = entry;
        }
    }
}

/* List the entries of a block. Returns 0, -EUCLEAN, -ENOMEM. */
static int list_make(struct inode *dir, unsigned version, uint64_t number,
                     const uint8_t *block)
{
    struct ext2_fs *fs = ext2_of(dir);
    struct ext2_sorted *sorted = fs->sorted;
    struct ext2_entry entry;

    if (sorted == NULL)
        sorted = fs->sorted = mem_alloc(sizeof(*sorted));
    if (sorted == NULL)
        return -ENOMEM;
    sorted->block = 0;
    sorted->count = 0;
    for (uint32_t at = 0; at < fs->block_size; at += entry.rec_len) {
        if (ext2_entries_at(fs, block, at, &entry) != 0)
            return -EUCLEAN;
        /* "." and ".." have no keys. */
        if (entry.inode != 0 && !ext2_is_dots(&entry) &&
            !ext2_stale_is(dir, &entry))
            sorted->list[sorted->count++] =
                (struct keyed){key_of(dir, version, &entry), at};
    }
    sort(sorted->list, sorted->count);
    sorted->block = number;
    sorted->serial = fs->names_serial;
    return 0;
}

static bool is_list_of(const struct ext2_fs *fs, uint64_t block)
{
    return fs->sorted != NULL && fs->sorted->block == block &&
           fs->sorted->serial == fs->names_serial;
}

/* The first entry of the list whose key is `key` at least, or its end. */
static uint32_t list_find(const struct ext2_sorted *sorted, uint64_t key)
{
    uint32_t low = 0, high = sorted->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (sorted->list[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ext2_dir_removed(struct inode *dir, const struct ext2_place *place)
{
    struct ext2_sorted *sorted = ext2_of(dir)->sorted;
    uint32_t i = 0;

    ext2_inode_of(dir)->entry_begin = 0;
    if (!is_list_of(ext2_of(dir), place->block))
        return;
    while (i < sorted->count && sorted->list[i].at != place->at)
        i++;
    if (i < sorted->count)
        sorted->count--;
    for (; i < sorted->count; i++)
        sorted->list[i] = sorted->list[i + 1];
}

/* ---- By keys ------------------------------------------------------------- */

/* What is looked for, and the best of it so far. */
struct search {
    uint64_t from; /* the lowest key there may be */
    uint64_t key;  /* 0: nothing was found */
    struct dir_entry *entry;
};

/* The first name of a block whose list is made. Returns 0, -EUCLEAN. */
static int take_first(struct inode *dir, const uint8_t *block,
                      struct search *search)
{
    const struct ext2_sorted *sorted = ext2_of(dir)->sorted;
    uint32_t i = list_find(sorted, search->from);
    struct ext2_entry entry;

    if (i == sorted->count ||
        (search->key != 0 && search->key <= sorted->list[i].key))
        return 0;
    if (ext2_entries_at(ext2_of(dir), block, sorted->list[i].at, &entry) != 0 ||
        entry.inode == 0 || ext2_entry_copy(&entry, search->entry) < 0)
        return -EUCLEAN;
    search->key = sorted->list[i].key;
    return 0;
}

/* Look for a better name in block `index` of a directory. */
static int look_in(struct inode *dir, unsigned version, uint64_t index,
                   struct search *search)
{
    struct mapping_ref ref;
    uint64_t block;
    int status = ext2_dir_hold(dir, index, &ref, &block);

    if (status != 0)
        return status;
    /* Nothing waits from here on: others use the list, too. */
    if (!is_list_of(ext2_of(dir), block))
        status = list_make(dir, version, block, ref.data);
    if (status == 0)
        status = take_first(dir, ref.data, search);
    mapping_unref(&ref);
    if (status == -EUCLEAN)
        ext2_damaged(ext2_of(dir), dir->number, "directory block", index);
    return status;
}

/* Whether names of the next leaf, which begins with `next`, may come before the
 * one that was found: those with its hash. */
static bool goes_on(const struct search *search, uint32_t next)
{
    if (search->key == 0)
        return true;
    return (next & 1) != 0 && (next & ~UINT32_C(1)) <= hash_of(search->key);
}

/* Look in the leaves from the first one on that the key may be in. */
static int look_in_leaves(struct ext2_index_walk *walk, struct search *search)
{
    struct inode *dir = walk->dir;
    uint32_t leaf;
    int status = ext2_index_open(walk);

    if (status == 0)
        status = ext2_index_seek(walk, hash_of(search->from), &leaf);
    for (uint64_t i = 0; status == 0 && i < ext2_dir_blocks(dir); i++) {
        uint32_t next;
        unsigned depth;

        status = look_in(dir, walk->version, leaf, search);
        if (status != 0)
            return status;
        status = ext2_index_peek(walk, &depth, &next);
        if (status <= 0 || !goes_on(search, next))
            return status < 0 ? status : 0;
        status = ext2_index_go(walk, depth, &leaf);
    }
    return status != 0 ? status : -EUCLEAN; /* leaves in a circle */
}

static int look_by_index(struct inode *dir, struct search *search)
{
    struct ext2_view view;
    struct ext2_index_walk walk = {.dir = dir, .view = &view};
    int status;

    ext2_view_begin(&view, ext2_of(dir));
    status = look_in_leaves(&walk, search);
    ext2_view_end(&view);
    if (status == -EUCLEAN)
        ext2_damaged(ext2_of(dir), dir->number, "directory index", 0);
    return status;
}

/* "." and "..". */
static int tell_dots(struct inode *dir, uint64_t cursor,
                     struct dir_entry *entry)
{
    const struct name up = {.text = "..", .len = 2};
    uint64_t number = dir->number;
    int status =
        cursor == CURSOR_SELF ? 0 : ext2_lookup(dir, up.text, up.len, &number);

    if (status != 0)
        return status == -ENOENT ? -EUCLEAN : status;
    entry->inode = number;
    entry->type = FILE_DIRECTORY;
    memcpy(entry->name, "..", 3);
    entry->name[cursor + 1] = '\0';
    return 1;
}

static int next_by_key(struct inode *dir, uint64_t *cursor,
                       struct dir_entry *entry)
{
    struct search search = {.from = *cursor, .entry = entry};
    int status;

    if (*cursor < CURSOR_KEYS) {
        status = tell_dots(dir, *cursor, entry);
        *cursor += status == 1;
        return status;
    }
    status =
        ext2_has_index(dir)
            ? look_by_index(dir, &search)
            : look_in(dir, ext2_new_index_version(ext2_of(dir)), 0, &search);
    if (status != 0)
        return status;
    if (search.key == 0)
        return 0;
    *cursor = search.key + 1;
    return 1;
}

/* ---- By place ------------------------------------------------------------ */

/* The first byte of an entry from `at` on. Returns 0, -EUCLEAN. */
static int find_begin(const struct ext2_fs *fs, const uint8_t *block,
                      uint32_t *at)
{
    struct ext2_entry entry;
    uint32_t begin = 0;

    while (begin < *at) {
        if (ext2_entries_at(fs, block, begin, &entry) != 0)
            return -EUCLEAN;
        begin += entry.rec_len;
    }
    *at = begin;
    return 0;
}

/* The next entry of a block from byte *at on, which moves behind it: 1, 0,
 * -EUCLEAN. */
static int take_next(const struct inode *dir, const uint8_t *block,
                     uint32_t *at, struct dir_entry *out)
{
    const struct ext2_fs *fs = ext2_of(dir);
    struct ext2_entry entry;

    while (*at < fs->block_size) {
        if (ext2_entries_at(fs, block, *at, &entry) != 0)
            return -EUCLEAN;
        *at += entry.rec_len;
        if (entry.inode == 0 || ext2_stale_is(dir, &entry))
            continue;
        return ext2_entry_copy(&entry, out);
    }
    return 0;
}

/* The same of the block that the cursor is in. */
static int next_in_block(struct inode *dir, uint64_t *cursor,
                         struct dir_entry *entry)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint64_t index = *cursor >> fs->block_shift, block;
    uint32_t at = (uint32_t)*cursor & (fs->block_size - 1);
    struct mapping_ref ref;
    int status = ext2_dir_hold(dir, index, &ref, &block);

    if (status != 0)
        return status;
    if (ext2_inode_of(dir)->entry_begin != *cursor)
        status = find_begin(fs, ref.data, &at);
    if (status == 0)
        status = take_next(dir, ref.data, &at, entry);
    mapping_unref(&ref);
    if (status < 0)
        return ext2_damaged(fs, dir->number, "directory entry", *cursor);
    *cursor = (index << fs->block_shift) + at;
    ext2_inode_of(dir)->entry_begin = *cursor;
    return status;
}

int ext2_rw_readdir(struct inode *dir, uint64_t *cursor,
                    struct dir_entry *entry)
{
    int status = 0;

    if (dir->links == 0)
        return 0; /* removed: nothing is in it */
    if (ext2_has_order(dir))
        return next_by_key(dir, cursor, entry);
    while (status == 0 && *cursor < dir->size_bytes)
        status = next_in_block(dir, cursor, entry);
    return status;
}
