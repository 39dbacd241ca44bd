#include "tests/fakes/ext2_fields.h"
#include "fs/ext2/ext2_format.h"
#include "fs/ext2/ext4_format.h"
#include "fs/ext2/xattr_format.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/ext2_image.h"
#include <stdbool.h>
#include <torc/compiler.h>

struct reader {
    const uint8_t *image;
    size_t size;
    uint32_t block_size;
    struct field *fields;
    size_t count, max;
};

struct row {
    uint16_t at;
    uint8_t size;
    uint8_t kind;
};

static const struct row super_rows[] = {
    {SUPER_INODES_COUNT, 4, FIELD_NUMBER},
    {SUPER_BLOCKS_COUNT, 4, FIELD_NUMBER},
    {SUPER_RESERVED_BLOCKS, 4, FIELD_NUMBER},
    {SUPER_FREE_BLOCKS, 4, FIELD_NUMBER},
    {SUPER_FREE_INODES, 4, FIELD_NUMBER},
    {SUPER_FIRST_DATA_BLOCK, 4, FIELD_BLOCK},
    {SUPER_LOG_BLOCK_SIZE, 4, FIELD_NUMBER},
    {SUPER_LOG_FRAGMENT_SIZE, 4, FIELD_NUMBER},
    {SUPER_BLOCKS_PER_GROUP, 4, FIELD_NUMBER},
    {SUPER_FRAGMENTS_PER_GROUP, 4, FIELD_NUMBER},
    {SUPER_INODES_PER_GROUP, 4, FIELD_NUMBER},
    {SUPER_MOUNT_COUNT, 2, FIELD_NUMBER},
    {SUPER_MOUNT_COUNT_MAX, 2, FIELD_NUMBER},
    {SUPER_STATE, 2, FIELD_NUMBER},
    {SUPER_ERRORS, 2, FIELD_NUMBER},
    {SUPER_CREATOR, 4, FIELD_NUMBER},
    {SUPER_REV_LEVEL, 4, FIELD_NUMBER},
    {SUPER_FIRST_INO, 4, FIELD_INODE},
    {SUPER_INODE_SIZE, 2, FIELD_NUMBER},
    {SUPER_FEATURE_COMPAT, 4, FIELD_NUMBER},
    {SUPER_FEATURE_INCOMPAT, 4, FIELD_NUMBER},
    {SUPER_FEATURE_RO_COMPAT, 4, FIELD_NUMBER},
    {SUPER_LAST_MOUNTED, 1, FIELD_TEXT},
    {SUPER_PREALLOC_DIR_BLOCKS, 1, FIELD_NUMBER},
    {SUPER_RESERVED_GDT_BLOCKS, 2, FIELD_NUMBER},
    {SUPER_LAST_ORPHAN, 4, FIELD_INODE},
    {SUPER_HASH_SEED, 4, FIELD_NUMBER},
    {SUPER_DEF_HASH_VERSION, 1, FIELD_NUMBER},
    {SUPER_FIRST_META_BG, 4, FIELD_NUMBER},
    {SUPER_MIN_EXTRA_SIZE, 2, FIELD_LENGTH},
    {SUPER_WANT_EXTRA_SIZE, 2, FIELD_LENGTH},
    {SUPER_FLAGS, 4, FIELD_NUMBER},
    {SUPER_MOUNT_TIME, 4, FIELD_TIME},
    {SUPER_WRITE_TIME, 4, FIELD_TIME},
    {SUPER_JOURNAL_INODE, 4, FIELD_INODE},
    {SUPER_JOURNAL_DEVICE, 4, FIELD_NUMBER},
    {SUPER_DESC_SIZE, 2, FIELD_LENGTH},
    {SUPER_QUOTA_USER, 4, FIELD_INODE},
    {SUPER_QUOTA_GROUP, 4, FIELD_INODE},
};
static const struct row group_rows[] = {
    {GROUP_BLOCK_BITMAP, 4, FIELD_BLOCK}, {GROUP_INODE_BITMAP, 4, FIELD_BLOCK},
    {GROUP_INODE_TABLE, 4, FIELD_BLOCK},  {GROUP_FREE_BLOCKS, 2, FIELD_NUMBER},
    {GROUP_FREE_INODES, 2, FIELD_NUMBER}, {GROUP_DIRECTORIES, 2, FIELD_NUMBER},
    {GROUP_FLAGS, 2, FIELD_NUMBER},
};
static const struct row inode_rows[] = {
    {INODE_MODE, 2, FIELD_NUMBER},       {INODE_UID, 2, FIELD_NUMBER},
    {INODE_SIZE, 4, FIELD_NUMBER},       {INODE_MTIME, 4, FIELD_TIME},
    {INODE_DTIME, 4, FIELD_INODE},       {INODE_LINKS, 2, FIELD_NUMBER},
    {INODE_BLOCKS, 4, FIELD_NUMBER},     {INODE_FLAGS, 4, FIELD_NUMBER},
    {INODE_FILE_ACL, 4, FIELD_BLOCK},    {INODE_SIZE_HIGH, 4, FIELD_NUMBER},
    {INODE_EXTRA_SIZE, 2, FIELD_LENGTH}, {INODE_CTIME_EXTRA, 4, FIELD_TIME},
    {INODE_UID_HIGH, 2, FIELD_NUMBER},   {INODE_GENERATION, 4, FIELD_NUMBER},
};
static const struct row entry_rows[] = {
    {DIRENT_INODE, 4, FIELD_INODE},     {DIRENT_REC_LEN, 2, FIELD_LENGTH},
    {DIRENT_NAME_LEN, 1, FIELD_LENGTH}, {DIRENT_FILE_TYPE, 1, FIELD_NUMBER},
    {DIRENT_NAME, 1, FIELD_TEXT},
};
static const struct row root_rows[] = {
    {INDEX_ROOT_INFO + INDEX_ROOT_ZERO, 4, FIELD_NUMBER},
    {INDEX_ROOT_INFO + INDEX_ROOT_HASH, 1, FIELD_NUMBER},
    {INDEX_ROOT_INFO + INDEX_ROOT_INFO_SIZE, 1, FIELD_LENGTH},
    {INDEX_ROOT_INFO + INDEX_ROOT_LEVELS, 1, FIELD_NUMBER},
    {INDEX_ROOT_INFO + INDEX_ROOT_FLAGS, 1, FIELD_NUMBER},
};
static const struct row extent_header_rows[] = {
    {EXTENT_MAGIC, 2, FIELD_NUMBER},
    {EXTENT_ENTRIES, 2, FIELD_LENGTH},
    {EXTENT_MAX, 2, FIELD_LENGTH},
    {EXTENT_DEPTH, 2, FIELD_NUMBER},
};
/* Of data; an entry that leads to a node has its block where these have it, or
 * in front of it. */
static const struct row extent_rows[] = {
    {EXTENT_FILE_BLOCK, 4, FIELD_NUMBER},
    {EXTENT_LENGTH, 2, FIELD_NUMBER},
    {EXTENT_START_HIGH, 2, FIELD_NUMBER},
    {EXTENT_START, 4, FIELD_BLOCK},
};
static const struct row attribute_rows[] = {
    {XATTR_NAME_LEN, 1, FIELD_LENGTH},     {XATTR_PREFIX, 1, FIELD_NUMBER},
    {XATTR_VALUE_OFFSET, 2, FIELD_LENGTH}, {XATTR_VALUE_INODE, 4, FIELD_INODE},
    {XATTR_VALUE_SIZE, 4, FIELD_LENGTH},   {XATTR_HASH, 4, FIELD_NUMBER},
    {XATTR_NAME, 1, FIELD_TEXT},
};

static void add(struct reader *reader, size_t at, uint8_t size, uint8_t kind)
{
    if (reader->count == reader->max || at + size > reader->size)
        return;
    reader->fields[reader->count++] = (struct field){(uint32_t)at, size, kind};
}

static void add_rows(struct reader *reader, size_t at, const struct row *rows,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(reader, at + rows[i].at, rows[i].size, rows[i].kind);
}

/* ---- Blocks -------------------------------------------------------------- */

static void index_add(struct reader *reader, size_t pairs)
{
    uint16_t count = le16_get(reader->image + pairs + INDEX_PAIR_COUNT);

    add(reader, pairs + INDEX_PAIR_LIMIT, 2, FIELD_LENGTH);
    add(reader, pairs + INDEX_PAIR_COUNT, 2, FIELD_LENGTH);
    for (uint16_t i = 0; i < count; i++) {
        if (i > 0)
            add(reader, pairs + i * INDEX_PAIR_SIZE, 4, FIELD_NUMBER);
        add(reader, pairs + i * INDEX_PAIR_SIZE + INDEX_PAIR_BLOCK, 4,
            FIELD_BLOCK);
    }
}

static void entries_add(struct reader *reader, size_t block)
{
    for (uint32_t at = 0; at + EXT2_DIRENT_MIN <= reader->block_size;) {
        const uint8_t *entry = reader->image + block + at;

        add_rows(reader, block + at, entry_rows, COUNT_OF(entry_rows));
        if (le16_get(entry + DIRENT_REC_LEN) < EXT2_DIRENT_MIN)
            return;
        at += le16_get(entry + DIRENT_REC_LEN);
    }
}

/* `end`: of what the entries are in. */
static void attributes_add(struct reader *reader, size_t at, size_t end)
{
    while (at + XATTR_NAME <= end && le32_get(reader->image + at) != 0) {
        add_rows(reader, at, attribute_rows, COUNT_OF(attribute_rows));
        at += XATTR_NAME + (size_t)(reader->image[at] + 3) / 4 * 4;
    }
}

static void attribute_block_add(struct reader *reader, uint32_t block)
{
    size_t at = (size_t)block * reader->block_size;

    add(reader, at + XATTR_MAGIC, 4, FIELD_NUMBER);
    add(reader, at + XATTR_REFERENCES, 4, FIELD_NUMBER);
    add(reader, at + XATTR_BLOCK_COUNT, 4, FIELD_NUMBER);
    add(reader, at + XATTR_BLOCK_HASH, 4, FIELD_NUMBER);
    attributes_add(reader, at + XATTR_BLOCK_HEADER, at + reader->block_size);
}

/* A block of an inode: of data, or of pointers `level` times. Indirect blocks
 * of three levels at most, so this ends. */
static void tree_add(struct reader *reader, uint32_t block, unsigned level,
                     bool is_directory)
{
    size_t at = (size_t)block * reader->block_size;

    if (block == 0 || at + reader->block_size > reader->size)
        return;
    if (level == 0) {
        if (is_directory)
            entries_add(reader, at);
        return;
    }
    for (uint32_t i = 0; i < reader->block_size; i += 4) {
        uint32_t next = le32_get(reader->image + at + i);

        if (next == 0 && i > 8 && i + 4 < reader->block_size)
            continue;
        add(reader, at + i, 4, FIELD_BLOCK);
        tree_add(reader, next, level - 1, is_directory);
    }
}

/* ---- Inodes -------------------------------------------------------------- */

static void index_of_inode_add(struct reader *reader, const uint8_t *inode)
{
    bool has_extents =
        (le32_get(inode + INODE_FLAGS) & INODE_FLAG_EXTENTS) != 0;
    uint32_t first =
        le32_get(inode + INODE_BLOCK +
                 (has_extents ? EXTENT_HEADER_SIZE + EXTENT_START : 0));
    size_t at = (size_t)first * reader->block_size;

    if (at + reader->block_size > reader->size)
        return;
    add_rows(reader, at, root_rows, COUNT_OF(root_rows));
    index_add(reader, at + INDEX_ROOT_PAIRS);
}

/* A node of extents; below it at most as many levels as ext4 permits. */
static void extents_add(struct reader *reader, size_t at, unsigned depth_max,
                        bool is_directory)
{
    const uint8_t *node = reader->image + at;
    unsigned count = le16_get(node + EXTENT_ENTRIES);
    bool is_leaf = le16_get(node + EXTENT_DEPTH) == 0;

    add_rows(reader, at, extent_header_rows, COUNT_OF(extent_header_rows));
    for (unsigned i = 0; i < count; i++) {
        size_t entry = at + EXTENT_HEADER_SIZE + (size_t)i * EXTENT_ENTRY_SIZE;
        size_t to = (size_t)reader->block_size *
                    le32_get(reader->image + entry +
                             (is_leaf ? EXTENT_START : EXTENT_NODE));

        add_rows(reader, entry, extent_rows, COUNT_OF(extent_rows));
        if (to + reader->block_size > reader->size)
            continue;
        if (!is_leaf && depth_max > 0)
            extents_add(reader, to, depth_max - 1, is_directory);
        else if (is_leaf && is_directory)
            entries_add(reader, to);
    }
}

static void pointers_add(struct reader *reader, size_t at, unsigned type)
{
    bool is_directory = type == MODE_DIRECTORY;

    for (unsigned i = 0; i < EXT2_BLOCK_POINTERS; i++) {
        unsigned level =
            i < EXT2_DIRECT_COUNT ? 0 : i - (EXT2_DIRECT_COUNT - 1);
        uint32_t block = le32_get(reader->image + at + 4 * (size_t)i);

        add(reader, at + 4 * (size_t)i, 4, FIELD_BLOCK);
        if (type == MODE_REGULAR || is_directory || type == MODE_SYMLINK)
            tree_add(reader, block, level, is_directory);
    }
}

/* What leads to an inode's blocks, or is there instead. */
static void map_add(struct reader *reader, size_t at, unsigned type)
{
    uint32_t flags = le32_get(reader->image + at + INODE_FLAGS);
    bool is_link =
        type == MODE_SYMLINK &&
        le32_get(reader->image + at + INODE_SIZE) <= EXT2_FAST_LINK_MAX;

    if ((flags & INODE_FLAG_EXTENTS) != 0)
        extents_add(reader, at + INODE_BLOCK, EXT4_EXTENT_DEPTH_MAX,
                    type == MODE_DIRECTORY);
    else if ((flags & INODE_FLAG_INLINE_DATA) != 0)
        add_rows(reader, at + INODE_BLOCK + INLINE_PARENT_SIZE, entry_rows,
                 COUNT_OF(entry_rows));
    else if (!is_link)
        pointers_add(reader, at + INODE_BLOCK, type);
}

static void inode_add(struct reader *reader, size_t at, uint32_t inode_size)
{
    const uint8_t *inode = reader->image + at;
    unsigned type = le16_get(inode + INODE_MODE) >> MODE_TYPE_SHIFT;
    uint32_t flags = le32_get(inode + INODE_FLAGS);

    add_rows(reader, at, inode_rows, COUNT_OF(inode_rows));
    map_add(reader, at, type);
    if (type == MODE_DIRECTORY && (flags & INODE_FLAG_INDEX) != 0)
        index_of_inode_add(reader, inode);
    if (le32_get(inode + INODE_FILE_ACL) != 0)
        attribute_block_add(reader, le32_get(inode + INODE_FILE_ACL));
    if (inode_size > EXT2_INODE_SIZE_MIN) {
        size_t body =
            at + EXT2_INODE_SIZE_MIN + le16_get(inode + INODE_EXTRA_SIZE);

        add(reader, body, 4, FIELD_NUMBER); /* the magic */
        if (body + XATTR_BODY_HEADER < at + inode_size &&
            le32_get(reader->image + body) == XATTR_MAGIC_VALUE)
            attributes_add(reader, body + XATTR_BODY_HEADER, at + inode_size);
    }
}

/* ---- All ----------------------------------------------------------------- */

static void groups_add(struct reader *reader)
{
    const uint8_t *super = reader->image + EXT2_SUPER_OFFSET;
    uint32_t first = le32_get(super + SUPER_FIRST_DATA_BLOCK);
    uint32_t per_group = le32_get(super + SUPER_BLOCKS_PER_GROUP);
    uint32_t blocks = le32_get(super + SUPER_BLOCKS_COUNT) - first;
    bool is_64bit =
        (le32_get(super + SUPER_FEATURE_INCOMPAT) & INCOMPAT_64BIT) != 0;
    uint32_t desc_size =
        is_64bit ? le16_get(super + SUPER_DESC_SIZE) : EXT2_GROUP_DESC_SIZE;

    for (uint32_t group = 0; group * per_group < blocks; group++) {
        size_t desc = ((size_t)first + 1) * reader->block_size +
                      (size_t)group * desc_size;

        add_rows(reader, desc, group_rows, COUNT_OF(group_rows));
        for (unsigned map = GROUP_BLOCK_BITMAP; map <= GROUP_INODE_BITMAP;
             map += 4) {
            size_t at = (size_t)le32_get(reader->image + desc + map) *
                        reader->block_size;

            for (unsigned i = 0; i < 32; i++)
                add(reader, at + i * (per_group / 8 / 32 + 1), 1, FIELD_BITS);
        }
    }
}

static void inodes_add(struct reader *reader)
{
    const uint8_t *super = reader->image + EXT2_SUPER_OFFSET;
    uint32_t inode_size = le32_get(super + SUPER_REV_LEVEL) != 0
                              ? le16_get(super + SUPER_INODE_SIZE)
                              : EXT2_INODE_SIZE_MIN;
    uint32_t count = le32_get(super + SUPER_INODES_COUNT);

    for (uint32_t i = 1; i <= count; i++) {
        size_t at = ext2_inode_offset(reader->image, i);

        if (at + inode_size <= reader->size &&
            (i < EXT2_FIRST_INODE_REV0 ||
             le16_get(reader->image + at + INODE_LINKS) != 0))
            inode_add(reader, at, inode_size);
    }
}

size_t ext2_fields(const uint8_t *image, size_t size, struct field *fields,
                   size_t max)
{
    struct reader reader = {
        .image = image, .size = size, .fields = fields, .max = max};

    reader.block_size =
        1024u << le32_get(image + EXT2_SUPER_OFFSET + SUPER_LOG_BLOCK_SIZE);
    add_rows(&reader, EXT2_SUPER_OFFSET, super_rows, COUNT_OF(super_rows));
    groups_add(&reader);
    inodes_add(&reader);
    return reader.count;
}
