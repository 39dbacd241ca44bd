/*
 * Extended attributes: in a block, which inodes may share, and in the inode.
 * Entries and values must not overlap, lie where there is room, and have the
 * hash that their bytes give.
 */
#include "fs/ext2/check/check_internal.h"
#include "fs/ext2/xattr_format.h"
#include <torc/string.h>

enum { VALUE_SIZE_MAX = 65536 };

/* What attributes are in: a block, or the end of an inode. */
struct area {
    struct fsck *fsck;
    const uint8_t *data; /* offsets count from here */
    uint32_t size;
    uint32_t first;  /* entry */
    uint32_t values; /* their offsets count from here */
    uint32_t inode;
    uint32_t block; /* 0: in the inode */
};

static void wrong(const struct area *area, enum ext2_code code, uint32_t at)
{
    fsck_found(area->fsck, code, area->inode, area->block, 0, at);
}

/* Take bytes for one thing; false: they are outside, or taken. */
static bool take(struct area *area, uint64_t from, uint64_t size)
{
    if (size > area->size || from > area->size - size)
        return false;
    for (uint64_t i = from; i < from + size; i++)
        if (fsck_bit(area->fsck->bytes, i))
            return false;
    for (uint64_t i = from; i < from + size; i++)
        fsck_bit_set(area->fsck->bytes, i);
    return true;
}

static uint64_t padded(uint64_t size)
{
    return (size + XATTR_PAD - 1) & ~(uint64_t)(XATTR_PAD - 1);
}

/* The hash of an entry, whose value is in words; some systems took the bytes of
 * the name with a sign. */
static uint32_t hash_of(const uint8_t *entry, const uint8_t *value,
                        bool is_signed)
{
    uint64_t words = padded(le32_get(entry + XATTR_VALUE_SIZE)) / 4;
    uint32_t hash = 0;

    for (unsigned i = 0; i < entry[XATTR_NAME_LEN]; i++) {
        uint32_t byte = entry[XATTR_NAME + i];

        if (is_signed && byte >= 0x80)
            byte |= 0xffffff00;
        hash = (hash << 5 | hash >> 27) ^ byte;
    }
    for (uint64_t i = 0; i < words; i++)
        hash = (hash << 16 | hash >> 16) ^ le32_get(value + 4 * i);
    return hash;
}

static bool is_hash_right(const uint8_t *entry, const uint8_t *value)
{
    uint32_t hash = le32_get(entry + XATTR_HASH);

    return hash == hash_of(entry, value, false) ||
           hash == hash_of(entry, value, true);
}

static uint64_t entry_size(const uint8_t *entry)
{
    return padded(XATTR_NAME + (uint64_t)entry[XATTR_NAME_LEN]);
}

/* ---- In an inode --------------------------------------------------------- */

/* One entry; *remain are the bytes that neither it nor those before have. */
static enum ext2_code inode_entry(struct area *area, uint32_t at,
                                  uint64_t *remain)
{
    const uint8_t *entry = area->data + at;
    uint64_t name = padded(entry[XATTR_NAME_LEN]);
    uint64_t size = le32_get(entry + XATTR_VALUE_SIZE);
    uint64_t offset = area->values + le16_get(entry + XATTR_VALUE_OFFSET);

    if (!take(area, at, entry_size(entry)))
        return CHECK_XATTR_LAYOUT;
    *remain -= XATTR_NAME;
    if (name > *remain)
        return CHECK_XATTR_LENGTH;
    *remain -= name;
    if (le32_get(entry + XATTR_VALUE_INODE) != 0 || size > *remain)
        return CHECK_XATTR_LENGTH;
    if (size != 0 && !take(area, offset, padded(size)))
        return CHECK_XATTR_LAYOUT;
    if (le32_get(entry + XATTR_HASH) != 0 &&
        !is_hash_right(entry, area->data + offset))
        return CHECK_XATTR_HASH;
    *remain -= size;
    return CHECK_CODES;
}

void fsck_xattr_inode(struct fsck *fsck, const struct fsck_view *view)
{
    uint32_t skip = EXT2_INODE_SIZE_MIN;
    struct area area = {.fsck = fsck, .inode = view->number};
    uint64_t remain;
    uint32_t at = XATTR_BODY_HEADER;

    skip += le16_get(view->raw + INODE_EXTRA_SIZE);
    area.data = view->raw + skip;
    area.size = fsck->inode_size - skip;
    area.values = XATTR_BODY_HEADER;
    if (le32_get(area.data) != (uint32_t)XATTR_MAGIC_VALUE)
        return;
    memset(fsck->bytes, 0, fsck->block_size / 8);
    remain = area.size - XATTR_BODY_HEADER;
    take(&area, 0, XATTR_BODY_HEADER);
    while (remain >= XATTR_NAME && le32_get(area.data + at) != 0) {
        enum ext2_code code;

        if (at > area.size - XATTR_NAME) {
            wrong(&area, CHECK_XATTR_LAYOUT, at);
            return;
        }
        code = inode_entry(&area, at, &remain);
        if (code != CHECK_CODES) {
            wrong(&area, code, at);
            return;
        }
        at += (uint32_t)entry_size(area.data + at);
        if (at > area.size - XATTR_END)
            break;
    }
    if (!take(&area, at, XATTR_END))
        wrong(&area, CHECK_XATTR_LAYOUT, at);
}

/* ---- In a block ---------------------------------------------------------- */

/* One entry; false: those behind it cannot be found. */
static bool block_entry(struct area *area, uint32_t at)
{
    const uint8_t *entry = area->data + at;
    uint64_t size;
    uint32_t offset;

    if (area->size - at < XATTR_NAME || !take(area, at, entry_size(entry)) ||
        entry[XATTR_PREFIX] == 0) {
        wrong(area, CHECK_XATTR_LAYOUT, at);
        return false;
    }
    size = le32_get(entry + XATTR_VALUE_SIZE);
    offset = le16_get(entry + XATTR_VALUE_OFFSET);
    if (le32_get(entry + XATTR_VALUE_INODE) != 0 || size > VALUE_SIZE_MAX ||
        offset + size > area->size ||
        (size != 0 && !take(area, offset, padded(size)))) {
        wrong(area, CHECK_XATTR_LAYOUT, at);
        return false;
    }
    if (!is_hash_right(entry, area->data + offset))
        wrong(area, CHECK_XATTR_HASH, at);
    return true;
}

/* A block that no inode had before. */
static void block_check(struct area *area)
{
    uint32_t at = XATTR_BLOCK_HEADER;

    if (le32_get(area->data + XATTR_MAGIC) != (uint32_t)XATTR_MAGIC_VALUE ||
        le32_get(area->data + XATTR_BLOCK_COUNT) != 1) {
        wrong(area, CHECK_XATTR_HEADER, 0);
        return;
    }
    memset(area->fsck->bytes, 0, area->size / 8);
    take(area, 0, XATTR_BLOCK_HEADER);
    while (at <= area->size - XATTR_END && le32_get(area->data + at) != 0) {
        if (!block_entry(area, at))
            return;
        at += (uint32_t)entry_size(area->data + at);
    }
    if (!take(area, at, XATTR_END))
        wrong(area, CHECK_XATTR_LAYOUT, at);
}

int fsck_xattr_block(struct fsck *fsck, const struct fsck_view *view,
                     uint64_t *blocks)
{
    struct area area = {.fsck = fsck,
                        .data = fsck->data,
                        .size = fsck->block_size,
                        .inode = view->number,
                        .block = view->acl};
    int status;

    if (view->acl == 0)
        return 0;
    if ((fsck->compat & COMPAT_EXT_ATTR) == 0 ||
        !fsck_is_block(fsck, view->acl)) {
        fsck->inode[view->number].flags |= FSCK_BAD;
        if (view->number >= fsck->first_inode ||
            view->number == EXT2_ROOT_INODE)
            fsck_found(fsck, CHECK_INODE_ACL_BAD, view->number, view->acl, 0,
                       0);
        return 0;
    }
    ++*blocks;
    if (!fsck_bit_set(fsck->xattr, view->acl)) {
        fsck_claim(fsck, view->acl);
        status = fsck_read_block(fsck, view->acl, fsck->data);
        if (status != 0)
            return status;
        block_check(&area);
    }
    return fsck_list_add(fsck, &fsck->xattr_uses, view->acl);
}

/* Each block must know by how many inodes it is used. */
int fsck_xattr_references(struct fsck *fsck)
{
    const struct fsck_list *uses = &fsck->xattr_uses;

    fsck_list_sort(&fsck->xattr_uses);
    for (size_t i = 0, next; i < uses->count; i = next) {
        uint32_t block = (uint32_t)uses->item[i], found;
        int status = fsck_read_block(fsck, block, fsck->data);

        for (next = i; next < uses->count && uses->item[next] == block;)
            next++;
        if (status != 0)
            return status;
        found = le32_get(fsck->data + XATTR_REFERENCES);
        if (found != next - i)
            fsck_found(fsck, CHECK_XATTR_REFERENCES, 0, block, next - i, found);
    }
    return 0;
}
