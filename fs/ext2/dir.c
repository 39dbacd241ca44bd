/*
 * Directories: blocks of entries, each with the distance to the next one. A
 * directory with a hash index has the same entries; the index is inside entries
 * that say they are unused, so it reads as a directory without one. Only a
 * lookup uses the index, and does without where it is damaged.
 */
#include "fs/ext2/entry.h"
#include <torc/string.h>

noinline int ext2_entry_parse(const struct ext2_fs *fs, const uint8_t *raw,
                              uint32_t room, struct ext2_entry *out)
{
    return ext2_entry_read(fs, raw, room, out);
}

/*
 * The entry at byte `offset` of the disk, where `room` bytes are left in the
 * block; without the name. Returns 0, -EUCLEAN, or as page_get().
 */
static int entry_get(struct ext2_view *view, uint64_t offset, uint32_t room,
                     struct ext2_entry *out)
{
    const uint8_t *raw;
    int status;

    if (room < EXT2_DIRENT_MIN)
        return -EUCLEAN;
    status = ext2_view(view, offset, EXT2_DIRENT_MIN, &raw);
    return status != 0 ? status : ext2_entry_parse(view->fs, raw, room, out);
}

/* The name of the entry at `offset`, until the view moves. */
static int name_get(struct ext2_view *view, uint64_t offset,
                    struct ext2_entry *entry)
{
    const uint8_t *raw;
    int status = ext2_view(view, offset + DIRENT_NAME, entry->name_len, &raw);

    if (status == 0)
        entry->name = (const char *)raw;
    return status;
}

int ext2_dir_block(struct inode *dir, uint64_t index, uint64_t *offset)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint64_t block;
    uint32_t count;
    int status = ext2_bmap(dir, index, 1, &block, &count);

    if (status == -EFBIG || (status == 0 && block == 0)) /* it has no holes */
        return ext2_damaged(fs, dir->number, "block map", index);
    if (status != 0)
        return status;
    *offset = block << fs->block_shift;
    return fs->ext4 != NULL ? fs->ext4->dir_block(dir, index, *offset) : 0;
}

/* Whether it is the entry of a name: 1, 0, or an error. */
static int entry_is(struct ext2_view *view, uint64_t offset,
                    struct ext2_entry *entry, const char *name, size_t len)
{
    int status;

    if (entry->inode == 0 || entry->name_len != len)
        return 0;
    status = name_get(view, offset, entry);
    if (status != 0)
        return status;
    return memcmp(entry->name, name, len) == 0;
}

int ext2_dir_search(struct inode *dir, struct ext2_view *view, uint64_t index,
                    const char *name, size_t len, uint64_t *number)
{
    struct ext2_fs *fs = ext2_of(dir);
    struct ext2_entry entry;
    uint64_t offset;
    int status = ext2_dir_block(dir, index, &offset);

    if (status != 0)
        return status;
    fs->blocks_of_names++;
    for (uint32_t at = 0; at < fs->block_size; at += entry.rec_len) {
        status = entry_get(view, offset + at, fs->block_size - at, &entry);
        if (status == -EUCLEAN)
            return ext2_damaged(fs, dir->number, "directory entry",
                                (index << fs->block_shift) + at);
        if (status == 0)
            status = entry_is(view, offset + at, &entry, name, len);
        if (status == 1)
            *number = entry.inode;
        if (status != 0)
            return status;
    }
    return 0;
}

static int linear_lookup(struct inode *dir, struct ext2_view *view,
                         const char *name, size_t len, uint64_t *number)
{
    uint64_t blocks = dir->size_bytes >> ext2_of(dir)->block_shift;

    for (uint64_t i = 0; i < blocks; i++) {
        int status = ext2_dir_search(dir, view, i, name, len, number);

        if (status != 0)
            return status < 0 ? status : 0;
    }
    return -ENOENT;
}

/* "." and ".." are not in the index. */
static bool is_dots(const char *name, size_t len)
{
    return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

int ext2_lookup(struct inode *dir, const char *name, size_t len,
                uint64_t *number)
{
    struct ext2_view view;
    int status = -EUCLEAN;

    if (ext2_inode_of(dir)->data != NULL)
        return ext2_of(dir)->ext4->lookup(dir, name, len, number);
    ext2_view_begin(&view, ext2_of(dir));
    if (ext2_has_index(dir) && !is_dots(name, len))
        status = ext2_index_lookup(dir, &view, name, len, number);
    if (status == -EUCLEAN) /* the entries are there without the index */
        status = linear_lookup(dir, &view, name, len, number);
    ext2_view_end(&view);
    return status;
}

/* No path could lead to a name with a slash or a NUL. */
static bool name_valid(const struct ext2_entry *entry)
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

int ext2_entry_copy(const struct ext2_entry *entry, struct dir_entry *out)
{
    if (!name_valid(entry))
        return -EUCLEAN;
    out->inode = entry->inode;
    out->type = type_of(entry->type);
    memcpy(out->name, entry->name, entry->name_len);
    out->name[entry->name_len] = '\0';
    return 1;
}

/*
 * Copy the entry at *cursor to `out` and move the cursor past it; after an
 * error it stays. Returns 1, 0 (the entry is unused), or an error.
 */
static int entry_take(struct inode *dir, struct ext2_view *view,
                      uint64_t *cursor, struct dir_entry *out)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint32_t at = (uint32_t)(*cursor & (fs->block_size - 1));
    struct ext2_entry entry;
    uint64_t offset;
    int status = ext2_dir_block(dir, *cursor >> fs->block_shift, &offset);

    if (status != 0)
        return status;
    offset += at;
    status = entry_get(view, offset, fs->block_size - at, &entry);
    if (status == 0 && entry.inode != 0) {
        status = name_get(view, offset, &entry);
        if (status == 0)
            status = ext2_entry_copy(&entry, out);
    }
    if (status == -EUCLEAN)
        return ext2_damaged(fs, dir->number, "directory entry", *cursor);
    if (status < 0)
        return status;
    *cursor += entry.rec_len;
    return status;
}

int ext2_dir_next(struct inode *dir, uint64_t *cursor, struct dir_entry *entry)
{
    struct ext2_view view;
    int status = 0;

    if (ext2_inode_of(dir)->data != NULL)
        return ext2_of(dir)->ext4->readdir(dir, cursor, entry);
    ext2_view_begin(&view, ext2_of(dir));
    while (status == 0 && *cursor < dir->size_bytes)
        status = entry_take(dir, &view, cursor, entry);
    ext2_view_end(&view);
    return status;
}
