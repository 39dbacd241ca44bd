#include "fs/ext2/xattr_area.h"
#include "kernel/lib/bytes.h"
#include <torc/errno.h>
#include <torc/string.h>

bool ext2_xattr_in_inode(const uint8_t *raw, uint32_t size, uint32_t end,
                         struct ext2_xattr_area *area)
{
    if (size - end < XATTR_BODY_HEADER ||
        le32_get(raw + end) != (uint32_t)XATTR_MAGIC_VALUE)
        return false;
    *area = (struct ext2_xattr_area){.data = raw,
                                     .size = size,
                                     .first = end + XATTR_BODY_HEADER,
                                     .values = end + XATTR_BODY_HEADER};
    return true;
}

bool ext2_xattr_in_block(const uint8_t *block, uint32_t size,
                         struct ext2_xattr_area *area)
{
    if (le32_get(block + XATTR_MAGIC) != (uint32_t)XATTR_MAGIC_VALUE ||
        le32_get(block + XATTR_BLOCK_COUNT) != 1 ||
        le32_get(block + XATTR_REFERENCES) == 0)
        return false;
    *area = (struct ext2_xattr_area){
        .data = block, .size = size, .first = XATTR_BLOCK_HEADER, .values = 0};
    return true;
}

int ext2_xattr_next(const struct ext2_xattr_area *area, uint32_t *at,
                    struct ext2_xattr *out)
{
    const uint8_t *entry = area->data + *at;
    uint32_t left = area->size - *at, offset, room;

    /* The end may be that of the area. */
    if (left < XATTR_END || le32_get(entry) == 0)
        return 0;
    if (left < XATTR_NAME || left - XATTR_NAME < entry[XATTR_NAME_LEN])
        return -EUCLEAN;
    *out = (struct ext2_xattr){
        .prefix = entry[XATTR_PREFIX],
        .name_len = entry[XATTR_NAME_LEN],
        .name = (const char *)entry + XATTR_NAME,
        .size = le32_get(entry + XATTR_VALUE_SIZE),
        .inode = le32_get(entry + XATTR_VALUE_INODE),
    };
    offset = le16_get(entry + XATTR_VALUE_OFFSET);
    room = area->size - area->values;
    if (out->inode == 0) {
        if (offset > room || out->size > room - offset)
            return -EUCLEAN;
        out->value = area->data + area->values + offset;
    }
    offset = (XATTR_NAME + (uint32_t)out->name_len + 3) & ~UINT32_C(3);
    *at += offset < left ? offset : left;
    return 1;
}

int ext2_xattr_find(const struct ext2_xattr_area *area, unsigned prefix,
                    const char *name, size_t len, struct ext2_xattr *out)
{
    uint32_t at = area->first;
    int status;

    while ((status = ext2_xattr_next(area, &at, out)) == 1) {
        if (out->prefix == prefix && out->name_len == len &&
            memcmp(out->name, name, len) == 0)
            return 1;
    }
    return status;
}
