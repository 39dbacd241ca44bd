/*
 * Extended attributes: all in the inode if they fit there, else all in a block.
 * Access lists are in a shorter form on the disk than programs see.
 *
 * Source: the ext4 documentation of Linux, "Extended Attributes" and "POSIX
 * ACLs"; acl(5); what programs see: xattr(7), posix_acl_xattr.h of Linux.
 */
#include "fs/ext2/make/make_internal.h"
#include "fs/ext2/write/xattr_build.h"
#include "fs/ext2/xattr_format.h"
#include <torc/string.h>

static const struct prefix {
    uint8_t number;
    bool is_acl; /* and all of the name */
    const char *text;
} prefixes[] = {
    {EXT2_XATTR_USER, false, "user."},
    {EXT2_XATTR_TRUSTED, false, "trusted."},
    {EXT2_XATTR_SECURITY, false, "security."},
    {EXT2_XATTR_ACL_ACCESS, true, "system.posix_acl_access"},
    {EXT2_XATTR_ACL_DEFAULT, true, "system.posix_acl_default"},
};

enum {
    ACL_SEEN_VERSION = 2, /* 32 bits */
    ACL_SEEN_ENTRY = 8,   /* tag and rights, 16 bits each, and an id */
    ACL_DISK_VERSION = 1,
    ACL_DISK_SHORT = 4, /* an entry without the id */
    ACL_USER = 2,       /* tags of entries that have one on the disk */
    ACL_GROUP = 8,
    ACL_ENTRIES_MAX = 500, /* more than fit in a block */
    ACL_BYTES_MAX = 4 + ACL_ENTRIES_MAX * ACL_SEEN_ENTRY,
};

/* Turn a list as programs see it into that of the disk, which is not longer.
 * Returns its size, or -ENOTSUP. */
static int acl_turn(const struct make_xattr *from, uint8_t *to)
{
    const uint8_t *in = from->value;
    int size = 4;

    if (from->size < 4 || from->size > ACL_BYTES_MAX ||
        (from->size - 4) % ACL_SEEN_ENTRY != 0 ||
        le32_get(in) != ACL_SEEN_VERSION)
        return -ENOTSUP;
    le32_put(to, ACL_DISK_VERSION);
    for (uint32_t at = 4; at < from->size; at += ACL_SEEN_ENTRY) {
        uint16_t tag = le16_get(in + at);
        int entry = tag == ACL_USER || tag == ACL_GROUP ? ACL_SEEN_ENTRY
                                                        : ACL_DISK_SHORT;

        memcpy(to + size, in + at, (size_t)entry);
        size += entry;
    }
    return size;
}

/* What to add for an attribute; `acl` of ACL_BYTES_MAX is used until then.
 * Returns 0, -ENOTSUP. */
static int change_of(const struct make_xattr *from, uint8_t *acl,
                     struct ext2_xattr_change *out)
{
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        const struct prefix *prefix = &prefixes[i];
        size_t len = strlen(prefix->text), all = strlen(from->name);
        int size;

        if (!str_starts(from->name, prefix->text) ||
            (all == len) != prefix->is_acl || all - len > UINT8_MAX)
            continue;
        *out = (struct ext2_xattr_change){.prefix = prefix->number,
                                          .name = from->name + len,
                                          .name_len = all - len,
                                          .value = from->value,
                                          .size = from->size};
        if (!prefix->is_acl)
            return 0;
        size = acl_turn(from, acl);
        if (size < 0)
            return size;
        out->value = acl;
        out->size = (size_t)size;
        return 0;
    }
    return -ENOTSUP;
}

/* An area of `size` bytes in buffer `n`, whose entries begin at `first`, and
 * from where values count. */
static struct ext2_xattr_area area_of(const struct maker *maker, unsigned n,
                                      uint32_t size, uint32_t first,
                                      uint32_t values)
{
    return (struct ext2_xattr_area){
        .data = maker->area[n], .size = size, .first = first, .values = values};
}

/* Build all attributes in one area after the other. Returns 0 and in which
 * buffer they are, -ENOSPC, -ENOTSUP. */
static int build(struct maker *maker, const struct make_file *file,
                 uint32_t size, uint32_t first, uint32_t values,
                 const uint8_t **out)
{
    uint8_t *acl = maker->chunk;
    struct ext2_xattr_area from = {.data = NULL};

    for (uint32_t i = 0; i < file->xattr_count; i++) {
        struct ext2_xattr_area to = area_of(maker, i % 2, size, first, values);
        struct ext2_xattr_change change;
        int status = change_of(&file->xattrs[i], acl, &change);

        if (status == 0)
            status = ext2_xattr_build(i > 0 ? &from : NULL, &change, &to,
                                      maker->area[i % 2]);
        if (status != 0)
            return status;
        from = to;
    }
    *out = from.data;
    return 0;
}

static int in_inode(struct maker *maker, const struct make_file *file,
                    uint8_t *raw)
{
    const uint32_t size = maker->layout.inode_size;
    const uint32_t at = EXT2_INODE_SIZE_MIN + INODE_EXTRA_WANTED;
    const uint32_t first = at + XATTR_BODY_HEADER;
    const uint8_t *built;
    int status;

    if (size < first + XATTR_END)
        return -ENOSPC;
    status = build(maker, file, size, first, first, &built);
    if (status != 0)
        return status;
    le32_put(raw + at, (uint32_t)XATTR_MAGIC_VALUE);
    memcpy(raw + first, built + first, size - first);
    return 0;
}

static int in_block(struct maker *maker, const struct make_file *file,
                    uint32_t *block)
{
    const uint32_t size = maker->layout.block_size;
    const uint8_t *built;
    int status = build(maker, file, size, XATTR_BLOCK_HEADER, 0, &built);

    if (status != 0)
        return status;
    memcpy(maker->block, built, size);
    ext2_xattr_block_seal(maker->block, size);
    status = maker_take(maker, block);
    return status != 0 ? status : maker_write(maker, *block, maker->block);
}

int maker_xattrs(struct maker *maker, const struct make_file *file,
                 uint8_t *raw, uint32_t *block)
{
    int status = 0;

    *block = 0;
    if (file->xattr_count > 0)
        status = in_inode(maker, file, raw);
    return status == -ENOSPC ? in_block(maker, file, block) : status;
}
