#include "fs/ext2/write/xattr_build.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/string.h>

/* Where the next entry and the next value go. */
struct builder {
    uint8_t *bytes;
    uint32_t values; /* offsets count from here */
    uint32_t at;
    uint32_t end; /* of the room between entries and values */
};

static uint32_t round_up(size_t size)
{
    return ((uint32_t)size + 3) & ~UINT32_C(3);
}

/* Of a name as bytes without sign, and of the value in words, filled up with
 * zeros. Source: the ext4 documentation of Linux, "Extended Attributes". */
static uint32_t hash_of(const uint8_t *name, size_t len, const uint8_t *value,
                        size_t size)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < len; i++)
        hash = hash << 5 ^ hash >> 27 ^ name[i];
    for (size_t i = 0; i < size; i += 4)
        hash = hash << 16 ^ hash >> 16 ^ le32_get(value + i);
    return hash;
}

/* Add one. Returns 0, -ENOSPC. */
static int add(struct builder *out, const struct ext2_xattr_change *one)
{
    uint32_t head = XATTR_NAME + round_up(one->name_len);
    uint32_t room = out->end - out->at - XATTR_END, offset = 0;
    uint8_t *entry = out->bytes + out->at;

    if (one->size > room || head > room || round_up(one->size) > room - head)
        return -ENOSPC;
    if (one->size > 0) {
        out->end -= round_up(one->size);
        memcpy(out->bytes + out->end, one->value, one->size);
        offset = out->end - out->values;
    }
    entry[XATTR_NAME_LEN] = (uint8_t)one->name_len;
    entry[XATTR_PREFIX] = one->prefix;
    le16_put(entry + XATTR_VALUE_OFFSET, (uint16_t)offset);
    le32_put(entry + XATTR_VALUE_SIZE, (uint32_t)one->size);
    memcpy(entry + XATTR_NAME, one->name, one->name_len);
    le32_put(entry + XATTR_HASH, hash_of(entry + XATTR_NAME, one->name_len,
                                         out->bytes + out->end, one->size));
    out->at += head;
    return 0;
}

/* The order of a block: by prefix, length, and bytes. */
static int compare(const struct ext2_xattr_change *a,
                   const struct ext2_xattr_change *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    if (a->name_len != b->name_len)
        return a->name_len < b->name_len ? -1 : 1;
    return memcmp(a->name, b->name, a->name_len);
}

/* Add what is there, and before the first that is behind it the new one. */
static int build(const struct ext2_xattr_area *from,
                 const struct ext2_xattr_change *change, struct builder *out)
{
    bool is_new = change->value != NULL;
    struct ext2_xattr found;
    uint32_t at = from->first;
    int status;

    while ((status = ext2_xattr_next(from, &at, &found)) == 1) {
        const struct ext2_xattr_change old = {.prefix = found.prefix,
                                              .name = found.name,
                                              .name_len = found.name_len,
                                              .value = found.value,
                                              .size = found.size};
        int order = compare(change, &old);

        if (found.inode != 0)
            return -EUCLEAN; /* EA_INODE is not written */
        if (order < 0 && is_new) {
            is_new = false;
            status = add(out, change);
            if (status != 0)
                return status;
        }
        if (order == 0)
            continue;
        status = add(out, &old);
        if (status != 0)
            return status;
    }
    if (status == 0 && is_new)
        status = add(out, change);
    return status;
}

int ext2_xattr_build(const struct ext2_xattr_area *from,
                     const struct ext2_xattr_change *change,
                     const struct ext2_xattr_area *to, uint8_t *bytes)
{
    static const uint8_t none[XATTR_END];
    static const struct ext2_xattr_area empty = {.data = none,
                                                 .size = sizeof(none)};
    struct builder out = {
        .bytes = bytes, .values = to->values, .at = to->first, .end = to->size};

    assert(to->data == bytes);
    assert(to->size - to->first >= XATTR_END);
    assert(change->name_len <= UINT8_MAX);
    memset(bytes + to->first, 0, to->size - to->first);
    return build(from != NULL ? from : &empty, change, &out);
}

bool ext2_xattr_is_empty(const struct ext2_xattr_area *area)
{
    return area->size - area->first < XATTR_END ||
           le32_get(area->data + area->first) == 0;
}

/* Of the hashes of all entries; 0 when one has none: such a block is not
 * shared. */
static uint32_t block_hash(const uint8_t *block, uint32_t size)
{
    uint32_t hash = 0, at = XATTR_BLOCK_HEADER;

    while (at < size && le32_get(block + at) != 0) {
        uint32_t one = le32_get(block + at + XATTR_HASH);

        if (one == 0)
            return 0;
        hash = hash << 16 ^ hash >> 16 ^ one;
        at += XATTR_NAME + round_up(block[at + XATTR_NAME_LEN]);
    }
    return hash;
}

void ext2_xattr_block_seal(uint8_t *block, uint32_t size)
{
    memset(block, 0, XATTR_BLOCK_HEADER);
    le32_put(block + XATTR_MAGIC, (uint32_t)XATTR_MAGIC_VALUE);
    le32_put(block + XATTR_REFERENCES, 1);
    le32_put(block + XATTR_BLOCK_COUNT, 1);
    le32_put(block + XATTR_BLOCK_HASH, block_hash(block, size));
}
