/*
 * A block of names. Entries fill it to its end; the first two of a directory
 * are "." and "..".
 */
#include "fs/ext2/check/check_internal.h"
#include "fs/ext2/ext2.h"
#include "fs/ext2/hash.h"
#include "kernel/lib/minmax.h"
#include "kernel/lib/siphash.h"

enum { ENTRY_MIN = 12 };

/* An entry whose length was found right. */
struct entry {
    const uint8_t *raw;
    uint32_t at; /* in the block */
    uint32_t size;
    uint32_t inode;
    uint32_t name_len;
    const char *name;
    unsigned place; /* 0: ".", 1: "..", 2: any other */
};

uint32_t fsck_rec_len(const struct fsck *fsck, const uint8_t *entry)
{
    uint32_t len = le16_get(entry + DIRENT_REC_LEN);

    if (fsck->block_size < DIRENT_REC_LEN_HUGE)
        return len;
    if (len == 0xffff || len == 0)
        return DIRENT_REC_LEN_HUGE;
    return (len & 0xfffc) | (len & 3) << 16;
}

static void wrong(const struct fsck_dir *dir, const struct entry *entry,
                  enum ext2_code code, uint64_t block)
{
    fsck_found(dir->fsck, code, dir->number, block, entry->inode, entry->at);
}

static bool is_name(const struct entry *entry, unsigned dots)
{
    return entry->name_len == dots && entry->name[0] == '.' &&
           (dots == 1 || entry->name[1] == '.');
}

/* ---- The first two ------------------------------------------------------- */

static void dot(struct fsck_dir *dir, const struct entry *entry, uint64_t block)
{
    if (entry->inode == 0 || !is_name(entry, 1) || entry->name[1] != '\0')
        wrong(dir, entry, CHECK_DOT_BAD, block);
    if (entry->inode != dir->number)
        wrong(dir, entry, CHECK_DOT_INODE, block);
    if (entry->size > 2 * ENTRY_MIN)
        wrong(dir, entry, CHECK_DOT_LONG, block);
}

static void dotdot(struct fsck_dir *dir, const struct entry *entry,
                   uint64_t block)
{
    if (entry->inode == 0 || !is_name(entry, 2) || entry->name[2] != '\0') {
        wrong(dir, entry, CHECK_DOTDOT_BAD, block);
        return;
    }
    dir->fsck->inode[dir->number].dotdot = entry->inode;
}

/* ---- Any entry ----------------------------------------------------------- */

/* Whether an inode may have a name at all. */
static bool is_legal(const struct fsck *fsck, uint32_t number)
{
    for (size_t i = 0; i < COUNT_OF(ext2_hidden_inodes); i++)
        if (number == le32_get(fsck->super + ext2_hidden_inodes[i]))
            return false;
    return number == EXT2_ROOT_INODE ||
           (number >= fsck->first_inode && number <= fsck->inodes);
}

static void name(struct fsck_dir *dir, const struct entry *entry,
                 uint64_t block)
{
    for (uint32_t i = 0; i < entry->name_len; i++) {
        if (entry->name[i] == '/' || entry->name[i] == '\0') {
            wrong(dir, entry, CHECK_ENTRY_NAME, block);
            return;
        }
    }
}

static void type(struct fsck_dir *dir, const struct entry *entry,
                 uint64_t block)
{
    const struct fsck *fsck = dir->fsck;
    const struct fsck_inode *inode = &fsck->inode[entry->inode];
    unsigned found = entry->raw[DIRENT_FILE_TYPE], expected = inode->type;

    if ((fsck->incompat & INCOMPAT_FILETYPE) == 0)
        expected = DIRENT_TYPE_UNKNOWN;
    else if ((inode->flags & FSCK_BAD) != 0 &&
             expected != DIRENT_TYPE_DIRECTORY &&
             expected != DIRENT_TYPE_REGULAR)
        expected = DIRENT_TYPE_UNKNOWN;
    if (found == expected)
        return;
    wrong(dir, entry,
          found == DIRENT_TYPE_UNKNOWN ||
                  (fsck->incompat & INCOMPAT_FILETYPE) == 0
              ? CHECK_ENTRY_TYPE_UNSET
              : CHECK_ENTRY_TYPE,
          block);
}

/* What only names behind the first two must not be. */
static void others(struct fsck_dir *dir, const struct entry *entry,
                   uint64_t block)
{
    struct fsck_inode *inode = &dir->fsck->inode[entry->inode];

    if (entry->inode == dir->number)
        wrong(dir, entry, CHECK_ENTRY_SELF, block);
    if (is_name(entry, 1) || is_name(entry, 2))
        wrong(dir, entry, CHECK_ENTRY_DOT, block);
    if (entry->inode == EXT2_ROOT_INODE)
        wrong(dir, entry, CHECK_ENTRY_ROOT, block);
    if (entry->name_len == 0)
        wrong(dir, entry, CHECK_ENTRY_NO_NAME, block);
    if (inode->type != DIRENT_TYPE_DIRECTORY || (inode->flags & FSCK_USED) == 0)
        return;
    if (inode->parent != 0)
        wrong(dir, entry, CHECK_DIR_TWO_PARENTS, block);
    else
        inode->parent = dir->number;
}

/* The hashes: one to find names that are there twice, one for the index. */
static int hashes(struct fsck_dir *dir, const struct entry *entry,
                  uint64_t logical)
{
    static const struct siphash_key key = {{1, 2}};
    uint64_t hash = siphash(&key, entry->name, entry->name_len);
    struct fsck_leaf *leaf;

    if (dir->has_index && logical > 0 && logical < dir->leaves) {
        uint32_t at = ext2_hash(dir->hash_version, dir->hash_seed, entry->name,
                                entry->name_len);

        leaf = &dir->leaf[logical];
        leaf->low = min_u32(leaf->low, at);
        leaf->high = max_u32(leaf->high, at);
    }
    return fsck_list_add(dir->fsck, &dir->fsck->names, hash);
}

static int entry_check(struct fsck_dir *dir, const struct entry *entry,
                       uint64_t logical, uint64_t block)
{
    struct fsck *fsck = dir->fsck;

    if (entry->place == 0)
        dot(dir, entry, block);
    if (entry->place == 1)
        dotdot(dir, entry, block);
    if (entry->inode == 0)
        return 0;
    if (!is_legal(fsck, entry->inode)) {
        wrong(dir, entry, CHECK_ENTRY_INODE, block);
        return 0;
    }
    if (entry->place == 2)
        others(dir, entry, block);
    if ((fsck->inode[entry->inode].flags & FSCK_USED) == 0)
        wrong(dir, entry, CHECK_ENTRY_UNUSED, block);
    else
        type(dir, entry, block);
    name(dir, entry, block);
    fsck->inode[entry->inode].named++;
    return hashes(dir, entry, logical);
}

/* ---- The block ----------------------------------------------------------- */

/* Read the entry at `at`; false: it is broken. */
static bool parse(const struct fsck *fsck, uint32_t at, struct entry *entry)
{
    const uint8_t *raw = fsck->data + at;

    if (fsck->block_size - at < EXT2_DIRENT_MIN)
        return false;
    *entry = (struct entry){.raw = raw,
                            .at = at,
                            .size = fsck_rec_len(fsck, raw),
                            .inode = le32_get(raw + DIRENT_INODE),
                            .name_len = raw[DIRENT_NAME_LEN],
                            .name = (const char *)raw + DIRENT_NAME,
                            .place = 2};
    return entry->size >= ENTRY_MIN && entry->size % 4 == 0 &&
           entry->size <= fsck->block_size - at &&
           entry->size >= EXT2_DIRENT_MIN + entry->name_len;
}

int fsck_entries(struct fsck_dir *dir, uint64_t logical, uint32_t block)
{
    struct fsck *fsck = dir->fsck;
    struct entry entry;
    unsigned count = 0;

    if (dir->has_index && logical < dir->leaves)
        dir->leaf[logical].block = block;
    for (uint32_t at = 0; at < fsck->block_size; at += entry.size) {
        int status;

        if (!parse(fsck, at, &entry)) {
            fsck_found(fsck, CHECK_ENTRY_BROKEN, dir->number, block, 0, at);
            return 0;
        }
        if (logical == 0 && count < 2)
            entry.place = count;
        count++;
        status = entry_check(dir, &entry, logical, block);
        if (status != 0)
            return status;
    }
    return 0;
}
