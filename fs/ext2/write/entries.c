#include "fs/ext2/write/entries.h"
#include "fs/ext2/entry.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { DOT_SIZE = 12 }; /* of the entry of "." */

static bool has_types(const struct ext2_fs *fs)
{
    return (fs->incompat & INCOMPAT_FILETYPE) != 0;
}

uint8_t ext2_entry_type(const struct ext2_fs *fs, enum file_type type)
{
    static const uint8_t types[] = {
        [FILE_UNKNOWN] = 0, [FILE_REGULAR] = 1,   [FILE_DIRECTORY] = 2,
        [FILE_SYMLINK] = 7, [FILE_FIFO] = 5,      [FILE_SOCKET] = 6,
        [FILE_BLOCK] = 4,   [FILE_CHARACTER] = 3,
    };

    return has_types(fs) ? types[type] : 0;
}

bool ext2_is_dots(const struct ext2_entry *entry)
{
    return entry->name_len <= 2 &&
           memcmp(entry->name, "..", entry->name_len) == 0;
}

static inline int entry_at(const struct ext2_fs *fs, const uint8_t *block,
                           uint32_t at, struct ext2_entry *out)
{
    int status;

    assert(fs->block_size <= EXT2_WRITTEN_MAX);
    if (at % 4 != 0 || at > fs->block_size - EXT2_DIRENT_MIN)
        return -EUCLEAN;
    status = ext2_entry_read(fs, block + at, fs->block_size - at, out);
    out->name = (const char *)block + at + DIRENT_NAME;
    return status;
}

int ext2_entries_at(const struct ext2_fs *fs, const uint8_t *block, uint32_t at,
                    struct ext2_entry *out)
{
    return entry_at(fs, block, at, out);
}

bool ext2_entry_is(const struct ext2_entry *entry, const char *name, size_t len)
{
    /* Most names of a directory differ at their end. */
    return entry->inode != 0 && entry->name_len == len &&
           entry->name[len - 1] == name[len - 1] &&
           memcmp(entry->name, name, len) == 0;
}

int ext2_entries_check(const struct ext2_fs *fs, const uint8_t *block)
{
    struct ext2_entry entry;

    for (uint32_t at = 0; at < fs->block_size; at += entry.rec_len) {
        if (entry_at(fs, block, at, &entry) != 0)
            return -EUCLEAN;
    }
    return 0;
}

/* What an entry takes itself; the rest of its length is room. */
static uint32_t used_size(const struct ext2_entry *entry)
{
    return entry->inode == 0 ? 0 : ext2_entry_size(entry->name_len);
}

int ext2_entries_find(const struct ext2_fs *fs, const uint8_t *block,
                      const char *name, size_t len, uint32_t *at)
{
    struct ext2_entry entry;
    bool found = false;

    for (uint32_t i = 0; i < fs->block_size; i += entry.rec_len) {
        if (entry_at(fs, block, i, &entry) != 0)
            return -EUCLEAN;
        if (!found && ext2_entry_is(&entry, name, len)) {
            found = true;
            *at = i;
        }
    }
    return found;
}

int ext2_entries_search(const struct ext2_fs *fs, const uint8_t *block,
                        const char *name, size_t len, uint32_t *at,
                        uint32_t *room)
{
    const uint32_t size = ext2_entry_size(len);
    struct ext2_entry entry;

    *room = EXT2_NO_ROOM;
    for (uint32_t i = 0; i < fs->block_size; i += entry.rec_len) {
        if (entry_at(fs, block, i, &entry) != 0)
            return -EUCLEAN;
        if (ext2_entry_is(&entry, name, len)) {
            *at = i;
            return 1;
        }
        if (*room == EXT2_NO_ROOM && entry.rec_len >= used_size(&entry) + size)
            *room = i;
    }
    return 0;
}

int ext2_entries_room(const struct ext2_fs *fs, const uint8_t *block,
                      size_t len, uint32_t *at)
{
    struct ext2_entry entry;
    bool found = false;

    for (uint32_t i = 0; i < fs->block_size; i += entry.rec_len) {
        if (entry_at(fs, block, i, &entry) != 0)
            return -EUCLEAN;
        if (!found &&
            entry.rec_len >= used_size(&entry) + ext2_entry_size(len)) {
            found = true;
            *at = i;
        }
    }
    return found;
}

int ext2_entries_fits(const struct ext2_fs *fs, const uint8_t *block,
                      uint32_t at, size_t len)
{
    struct ext2_entry entry;

    if (entry_at(fs, block, at, &entry) != 0)
        return -EUCLEAN;
    return entry.rec_len >= used_size(&entry) + ext2_entry_size(len);
}

/* Write an entry, but its length. */
static void entry_put(const struct ext2_fs *fs, uint8_t *raw, const char *name,
                      size_t len, uint32_t inode, enum file_type type)
{
    assert(len <= FILE_NAME_MAX);
    le32_put(raw + DIRENT_INODE, inode);
    raw[DIRENT_NAME_LEN] = (uint8_t)len;
    raw[DIRENT_FILE_TYPE] = ext2_entry_type(fs, type);
    memcpy(raw + DIRENT_NAME, name, len);
}

uint32_t ext2_entries_add(const struct ext2_fs *fs, uint8_t *block, uint32_t at,
                          const char *name, size_t len, uint32_t inode,
                          enum file_type type)
{
    struct ext2_entry entry;
    uint32_t used;
    int status = entry_at(fs, block, at, &entry);

    assert(status == 0);
    used = used_size(&entry);
    assert(entry.rec_len >= used + ext2_entry_size(len));
    if (used > 0) {
        le16_put(block + at + DIRENT_REC_LEN, (uint16_t)used);
        le16_put(block + at + used + DIRENT_REC_LEN,
                 (uint16_t)(entry.rec_len - used));
    }
    entry_put(fs, block + at + used, name, len, inode, type);
    return at + used;
}

void ext2_entries_set(const struct ext2_fs *fs, uint8_t *block, uint32_t at,
                      uint32_t inode, enum file_type type)
{
    le32_put(block + at + DIRENT_INODE, inode);
    if (has_types(fs))
        block[at + DIRENT_FILE_TYPE] = ext2_entry_type(fs, type);
}

/* The entry before the one at `at`: *before; the same if it is the first.
 * Returns 0, -EUCLEAN. */
static int find_before(const struct ext2_fs *fs, const uint8_t *block,
                       uint32_t at, uint32_t *before)
{
    struct ext2_entry entry;

    *before = at;
    for (uint32_t i = 0; i < at; i += entry.rec_len) {
        if (entry_at(fs, block, i, &entry) != 0 || entry.rec_len > at - i)
            return -EUCLEAN;
        *before = i;
    }
    return entry_at(fs, block, at, &entry);
}

int ext2_entries_remove(const struct ext2_fs *fs, uint8_t *block, uint32_t at)
{
    uint32_t before, len;
    int status = find_before(fs, block, at, &before);

    if (status != 0)
        return status;
    if (before == at) {
        le32_put(block + at + DIRENT_INODE, 0);
        return 0;
    }
    len = le16_get(block + before + DIRENT_REC_LEN) +
          (uint32_t)le16_get(block + at + DIRENT_REC_LEN);
    le16_put(block + before + DIRENT_REC_LEN, (uint16_t)len);
    return 0;
}

void ext2_entries_init(const struct ext2_fs *fs, uint8_t *block, uint32_t self,
                       uint32_t parent)
{
    ext2_entries_clear(fs, block);
    entry_put(fs, block, ".", 1, self, FILE_DIRECTORY);
    le16_put(block + DIRENT_REC_LEN, DOT_SIZE);
    entry_put(fs, block + DOT_SIZE, "..", 2, parent, FILE_DIRECTORY);
    le16_put(block + DOT_SIZE + DIRENT_REC_LEN,
             (uint16_t)(fs->block_size - DOT_SIZE));
}

void ext2_entries_clear(const struct ext2_fs *fs, uint8_t *block)
{
    assert(fs->block_size <= EXT2_WRITTEN_MAX);
    memset(block, 0, fs->block_size);
    le16_put(block + DIRENT_REC_LEN, (uint16_t)fs->block_size);
}

/* Whether an entry has a name of `len` dots. */
static bool is_dots(const struct ext2_entry *entry, uint32_t len)
{
    return entry->inode != 0 && entry->name_len == len &&
           memcmp(entry->name, "..", len) == 0;
}

int ext2_entries_dots(const struct ext2_fs *fs, const uint8_t *block,
                      uint32_t *at)
{
    struct ext2_entry dot, up;

    if (entry_at(fs, block, 0, &dot) != 0 || !is_dots(&dot, 1) ||
        entry_at(fs, block, dot.rec_len, &up) != 0 || !is_dots(&up, 2))
        return -EUCLEAN;
    *at = dot.rec_len;
    return 0;
}
