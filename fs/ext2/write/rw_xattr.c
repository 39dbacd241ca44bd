/*
 * Extended attributes: in the inode, where it has room behind its fields, else
 * in one block, which other inodes may have, too. A block that others have is
 * not changed: the inode gets one of its own.
 */
#include "fs/ext2/write/rw_xattr.h"
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw_dir.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* ---- Names --------------------------------------------------------------- */

static const struct prefix {
    uint8_t number;
    const char *text;
} prefixes[] = {
    {EXT2_XATTR_USER, "user."},
    {EXT2_XATTR_TRUSTED, "trusted."},
    {EXT2_XATTR_SECURITY, "security."},
};

struct ext2_xattr_change ext2_attribute_name(const char *name)
{
    struct ext2_xattr_change out = {.prefix = 0};

    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        if (str_starts(name, prefixes[i].text)) {
            out.prefix = prefixes[i].number;
            out.name = name + strlen(prefixes[i].text);
            out.name_len = strlen(out.name);
        }
    }
    assert(out.prefix != 0);
    return out;
}

/* ---- Finding ------------------------------------------------------------- */

int ext2_attributes_damaged(const struct ext2_attributes *all)
{
    return ext2_damaged(ext2_of(all->inode), all->inode->number,
                        "extended attributes",
                        ext2_inode_of(all->inode)->file_acl);
}

/* The place in the inode, if there is any. */
static int body_open(struct ext2_attributes *all)
{
    const struct ext2_fs *fs = ext2_of(all->inode);
    const uint8_t *raw = all->table->data + all->at;
    uint32_t extra;

    all->end = fs->inode_size;
    if (fs->inode_size == EXT2_INODE_SIZE_MIN)
        return 0;
    extra = le16_get(raw + INODE_EXTRA_SIZE);
    if (extra > fs->inode_size - EXT2_INODE_SIZE_MIN || extra % 4 != 0)
        return ext2_attributes_damaged(all);
    all->end = EXT2_INODE_SIZE_MIN + extra;
    all->has_body =
        ext2_xattr_in_inode(raw, fs->inode_size, all->end, &all->body);
    return 0;
}

static int area_open(struct ext2_attributes *all)
{
    const struct ext2_fs *fs = ext2_of(all->inode);

    if (all->block == NULL)
        return 0;
    if (!ext2_xattr_in_block(all->block->data, fs->block_size, &all->area))
        return ext2_attributes_damaged(all);
    all->references = le32_get(all->block->data + XATTR_REFERENCES);
    return 0;
}

int ext2_attributes_pin(struct ext2_attributes *all)
{
    const uint64_t block = ext2_inode_of(all->inode)->file_acl;
    int status = ext2_change_inode_block(&all->change, all->inode, &all->table,
                                         &all->at);

    if (status == 0 && block != 0) {
        status = ext2_change_block(&all->change, block, &all->block);
        if (status == 0) /* it may be elsewhere after the wait */
            status =
                ext2_change_block(&all->change, all->table->block, &all->table);
    }
    if (status == 0)
        status = body_open(all);
    return status == 0 ? area_open(all) : status;
}

struct ext2_attributes *ext2_attributes_begin(struct inode *inode)
{
    struct ext2_attributes *all = mem_alloc_zeroed(sizeof(*all));

    if (all == NULL)
        return NULL;
    all->inode = inode;
    ext2_change_begin(&all->change, ext2_of(inode));
    return all;
}

void ext2_attributes_free(struct ext2_attributes *all)
{
    mem_free(all->new_body);
    mem_free(all->new_block);
    mem_free(all);
}

int ext2_attributes_find(const struct ext2_attributes *all, bool in_body,
                         const struct ext2_xattr_change *name,
                         struct ext2_xattr *out)
{
    if (in_body ? !all->has_body : all->block == NULL)
        return 0;
    return ext2_xattr_find(in_body ? &all->body : &all->area, name->prefix,
                           name->name, name->name_len, out);
}

/* ---- Reading ------------------------------------------------------------- */

static int64_t get(struct ext2_attributes *all, const char *name, void *value,
                   size_t size)
{
    const struct ext2_xattr_change wanted = ext2_attribute_name(name);
    struct ext2_xattr found;
    int status = ext2_attributes_pin(all);

    if (status != 0)
        return status;
    status = ext2_attributes_find(all, true, &wanted, &found);
    if (status == 0)
        status = ext2_attributes_find(all, false, &wanted, &found);
    if (status == 0)
        return -ENODATA;
    if (status < 0 || found.inode != 0)
        return ext2_attributes_damaged(all);
    if (size > 0 && found.size <= size)
        memcpy(value, found.value, found.size);
    return (int64_t)found.size;
}

int64_t ext2_xattr_get(struct inode *inode, const char *name, void *value,
                       size_t size)
{
    struct ext2_attributes *all = ext2_attributes_begin(inode);
    int64_t len;

    if (all == NULL)
        return -ENOMEM;
    len = get(all, name, value, size);
    ext2_change_abort(&all->change);
    ext2_attributes_free(all);
    return len;
}

static const char *prefix_of(uint8_t number)
{
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        if (prefixes[i].number == number)
            return prefixes[i].text;
    }
    return NULL; /* of a kind that nobody can ask for */
}

/* Add the names of one place to the list, of which *len bytes are there. */
static int names_add(const struct ext2_xattr_area *area, char *names,
                     size_t size, size_t *len)
{
    uint32_t at = area->first;
    struct ext2_xattr found;
    int status;

    while ((status = ext2_xattr_next(area, &at, &found)) == 1) {
        const char *prefix = prefix_of(found.prefix);
        size_t head, all;

        if (prefix == NULL)
            continue;
        head = strlen(prefix);
        all = head + found.name_len + 1;
        if (*len + all <= size) {
            memcpy(names + *len, prefix, head);
            memcpy(names + *len + head, found.name, found.name_len);
            names[*len + all - 1] = '\0';
        }
        *len += all;
    }
    return status;
}

static int64_t list(struct ext2_attributes *all, char *names, size_t size)
{
    size_t len = 0;
    int status = ext2_attributes_pin(all);

    if (status != 0)
        return status;
    if (all->has_body)
        status = names_add(&all->body, names, size, &len);
    if (status == 0 && all->block != NULL)
        status = names_add(&all->area, names, size, &len);
    return status != 0 ? ext2_attributes_damaged(all) : (int64_t)len;
}

int64_t ext2_xattr_list(struct inode *inode, char *names, size_t size)
{
    struct ext2_attributes *all = ext2_attributes_begin(inode);
    int64_t len;

    if (all == NULL)
        return -ENOMEM;
    len = list(all, names, size);
    ext2_change_abort(&all->change);
    ext2_attributes_free(all);
    return len;
}
