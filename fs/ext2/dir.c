/*
 * Directories: blocks of entries, each with the distance to the next one. A
 * directory with a hash index has the same entries; the index is inside entries
 * that say they are unused, so it reads as a directory without one.
 */
#include "fs/ext2/ext2_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/string.h>

struct entry {
    uint32_t inode; /* 0: unused */
    uint32_t rec_len;
    uint32_t name_len;
    uint8_t type; /* 0: the volume does not say */
    const char *name;
};

/* The entry at offset `at` of a block. Returns 0, -EUCLEAN: it, or what it
 * says, does not fit in. */
static int entry_parse(const struct ext2_fs *fs, const uint8_t *block,
                       uint32_t at, struct entry *out)
{
    const uint8_t *raw = block + at;
    bool has_type = (fs->incompat & INCOMPAT_FILETYPE) != 0;

    assert(at < fs->block_size);
    assert(at % 4 == 0);
    if (fs->block_size - at < EXT2_DIRENT_MIN)
        return -EUCLEAN;
    out->inode = le32_get(raw + DIRENT_INODE);
    out->rec_len = le16_get(raw + DIRENT_REC_LEN);
    out->name_len =
        has_type ? raw[DIRENT_NAME_LEN] : le16_get(raw + DIRENT_NAME_LEN);
    out->type = has_type ? raw[DIRENT_FILE_TYPE] : 0;
    out->name = (const char *)raw + DIRENT_NAME;
    if (out->rec_len < EXT2_DIRENT_MIN || (out->rec_len & 3) != 0 ||
        out->rec_len > fs->block_size - at)
        return -EUCLEAN;
    if (out->inode == 0)
        return 0;
    if (out->inode > fs->inodes_count || out->name_len == 0 ||
        out->name_len > FILE_NAME_MAX ||
        out->name_len > out->rec_len - EXT2_DIRENT_MIN)
        return -EUCLEAN;
    return 0;
}

/* Hold block `index` of a directory, which has no holes. */
static int block_get(struct inode *dir, uint64_t index, struct cache_ref *ref)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint32_t block, count;
    int status = ext2_bmap(dir, index, 1, &block, &count);

    assert(status != -EFBIG); /* a directory is no longer than the volume */
    if (status != 0)
        return status;
    if (block == 0)
        return -EUCLEAN;
    status = cache_get(fs->cache, (uint64_t)block << fs->block_shift, ref);
    assert(status != 0 || ref->size >= fs->block_size);
    return status;
}

/* Search one block. Returns 1 (found), 0 (not here), -EUCLEAN. */
static int block_search(const struct ext2_fs *fs, const uint8_t *block,
                        const char *name, size_t len, uint64_t *number)
{
    struct entry entry;

    for (uint32_t at = 0; at < fs->block_size; at += entry.rec_len) {
        int status = entry_parse(fs, block, at, &entry);

        if (status != 0)
            return status;
        if (entry.inode != 0 && entry.name_len == len &&
            memcmp(entry.name, name, len) == 0) {
            *number = entry.inode;
            return 1;
        }
    }
    return 0;
}

int ext2_lookup(struct inode *dir, const char *name, size_t len,
                uint64_t *number)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint64_t blocks = dir->size_bytes >> fs->block_shift;

    assert(dir->type == FILE_DIRECTORY);
    assert(len >= 1 && len <= FILE_NAME_MAX);
    for (uint64_t i = 0; i < blocks; i++) {
        struct cache_ref ref;
        int status = block_get(dir, i, &ref);

        if (status != 0)
            return status;
        status = block_search(fs, ref.data, name, len, number);
        cache_put(fs->cache, &ref);
        if (status != 0)
            return status < 0 ? status : 0;
    }
    return -ENOENT;
}

/* No path could lead to a name with a slash or a NUL. */
static bool name_valid(const struct entry *entry)
{
    for (uint32_t i = 0; i < entry->name_len; i++) {
        if (entry->name[i] == '/' || entry->name[i] == '\0')
            return false;
    }
    return true;
}

static enum file_type type_of(uint8_t type)
{
    static const enum file_type types[] = {
        FILE_UNKNOWN, FILE_REGULAR, FILE_DIRECTORY, FILE_CHARACTER,
        FILE_BLOCK,   FILE_FIFO,    FILE_SOCKET,    FILE_SYMLINK,
    };

    return type < COUNT_OF(types) ? types[type] : FILE_UNKNOWN;
}

/*
 * Copy the entry at *cursor to `out` and move the cursor past it; after an
 * error it stays. Returns 1, 0 (the entry is unused), or an error.
 */
static int entry_take(struct inode *dir, uint64_t *cursor,
                      struct dir_entry *out)
{
    struct ext2_fs *fs = ext2_of(dir);
    struct cache_ref ref;
    struct entry entry;
    int status = block_get(dir, *cursor >> fs->block_shift, &ref);

    if (status != 0)
        return status;
    status = entry_parse(fs, ref.data,
                         (uint32_t)(*cursor & (fs->block_size - 1)), &entry);
    if (status == 0 && entry.inode != 0) {
        status = name_valid(&entry) ? 1 : -EUCLEAN;
        out->inode = entry.inode;
        out->type = type_of(entry.type);
        memcpy(out->name, entry.name, entry.name_len);
        out->name[entry.name_len] = '\0';
    }
    cache_put(fs->cache, &ref);
    if (status < 0)
        return status;
    assert(entry.rec_len >= EXT2_DIRENT_MIN);
    *cursor += entry.rec_len;
    return status;
}

int ext2_dir_next(struct inode *dir, uint64_t *cursor, struct dir_entry *entry)
{
    while (*cursor < dir->size_bytes) {
        int status = entry_take(dir, cursor, entry);

        if (status != 0)
            return status;
    }
    return 0;
}
