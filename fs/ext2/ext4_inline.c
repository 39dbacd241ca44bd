/*
 * Directories that are in their inodes: the number of the parent, entries to
 * the end of the place of the block numbers, and more entries in the attribute
 * behind. "." and ".." have no entries: they are at the cursors 0 and 2.
 */
#include "fs/ext2/ext4_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

enum { AT_DOT = 0, AT_DOT_DOT = 2 };

/* The entry at byte `at`; it moves to the next. Returns 1, 0 at the end, or
 * -EUCLEAN. */
static int next(struct inode *dir, uint64_t *at, struct ext2_entry *out)
{
    const struct ext2_inode *ext2 = ext2_inode_of(dir);
    uint64_t end =
        *at < EXT2_IN_INODE_SIZE ? EXT2_IN_INODE_SIZE : dir->size_bytes;

    if (*at >= dir->size_bytes)
        return 0;
    if (end - *at < EXT2_DIRENT_MIN ||
        ext2_entry_parse(ext2_of(dir), ext2->data + *at, (uint32_t)(end - *at),
                         out) != 0)
        return ext2_damaged(ext2_of(dir), dir->number, "directory entry", *at);
    out->name = (const char *)ext2->data + *at + DIRENT_NAME;
    *at += out->rec_len;
    return 1;
}

int ext4_inline_lookup(struct inode *dir, const char *name, size_t len,
                       uint64_t *number)
{
    uint64_t at = INLINE_PARENT_SIZE;
    struct ext2_entry entry;
    int status;

    /* Nobody looks for ".": a path does not go anywhere by it. */
    if (len == 2 && name[0] == '.' && name[1] == '.') {
        *number = le32_get(ext2_inode_of(dir)->data);
        return 0;
    }
    while ((status = next(dir, &at, &entry)) == 1) {
        if (entry.inode != 0 && entry.name_len == len &&
            memcmp(entry.name, name, len) == 0) {
            *number = entry.inode;
            return 0;
        }
    }
    return status == 0 ? -ENOENT : status;
}

/* An entry that is not there. */
static int dots(uint64_t number, size_t count, struct dir_entry *out)
{
    out->inode = number;
    out->type = FILE_DIRECTORY;
    memcpy(out->name, "..", count);
    out->name[count] = '\0';
    return 1;
}

int ext4_inline_next(struct inode *dir, uint64_t *cursor,
                     struct dir_entry *entry)
{
    struct ext2_entry found;
    uint64_t at = *cursor;
    int status;

    if (at == AT_DOT) {
        *cursor = AT_DOT_DOT;
        return dots(dir->number, 1, entry);
    }
    if (at == AT_DOT_DOT) {
        *cursor = INLINE_PARENT_SIZE;
        return dots(le32_get(ext2_inode_of(dir)->data), 2, entry);
    }
    do {
        status = next(dir, &at, &found);
    } while (status == 1 && found.inode == 0);
    if (status != 1)
        return status;
    status = ext2_entry_copy(&found, entry);
    if (status == 1)
        *cursor = at;
    return status;
}
