/*
 * Setting extended attributes: both places are built anew in memory, then one
 * change puts them to the disk. Where an attribute comes to is durable before
 * it goes where it was.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/rw_dir.h"
#include "fs/ext2/write/rw_xattr.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/memory.h>
#include <torc/string.h>

/* ---- What they will be --------------------------------------------------- */

/* Make the end of the inode anew. Returns 0, -ENOSPC, -EUCLEAN, -ENOMEM. */
static int body_build(struct ext2_attributes *all,
                      const struct ext2_xattr_change *change)
{
    const uint32_t size = ext2_of(all->inode)->inode_size;
    struct ext2_xattr_area to = {.size = size,
                                 .first = all->end + XATTR_BODY_HEADER,
                                 .values = all->end + XATTR_BODY_HEADER};

    if (size - all->end < XATTR_BODY_HEADER + XATTR_END)
        return -ENOSPC;
    if (all->new_body == NULL)
        all->new_body = mem_alloc(size);
    if (all->new_body == NULL)
        return -ENOMEM;
    to.data = all->new_body;
    return ext2_xattr_build(all->has_body ? &all->body : NULL, change, &to,
                            all->new_body);
}

/* The same of the block. */
static int block_build(struct ext2_attributes *all,
                       const struct ext2_xattr_change *change)
{
    const uint32_t size = ext2_of(all->inode)->block_size;
    struct ext2_xattr_area to = {
        .size = size, .first = XATTR_BLOCK_HEADER, .values = 0};
    int status;

    all->new_block = mem_alloc(size);
    if (all->new_block == NULL)
        return -ENOMEM;
    to.data = all->new_block;
    status = ext2_xattr_build(all->block != NULL ? &all->area : NULL, change,
                              &to, all->new_block);
    if (status == 0)
        ext2_xattr_block_seal(all->new_block, size);
    return status;
}

/* The body of the inode stays as it is. */
static void body_keep(struct ext2_attributes *all)
{
    mem_free(all->new_body);
    all->new_body = NULL;
}

/* Put one into the inode, or into the block; and take it out of the other
 * place. *to_body says where it is. */
static int build(struct ext2_attributes *all,
                 const struct ext2_xattr_change *one, bool *to_body)
{
    const struct ext2_xattr_change none = {
        .prefix = one->prefix, .name = one->name, .name_len = one->name_len};
    struct ext2_xattr found;
    int in_body = ext2_attributes_find(all, true, one, &found);
    int in_block = ext2_attributes_find(all, false, one, &found);
    int status = -ENOSPC;

    if (in_body < 0 || in_block < 0)
        return -EUCLEAN;
    if (one->value != NULL)
        status = body_build(all, one);
    *to_body = status == 0;
    if (status == -ENOSPC && one->value != NULL) {
        body_keep(all);
        status = block_build(all, one);
        if (status == 0 && in_body == 1)
            status = body_build(all, &none);
        return status;
    }
    if (one->value == NULL)
        status = in_body == 1 ? body_build(all, &none) : 0;
    if (status == 0 && in_block == 1)
        status = block_build(all, &none);
    return status;
}

/* ---- Changing ------------------------------------------------------------ */

static bool is_block_empty(const struct ext2_attributes *all)
{
    return le32_get(all->new_block + XATTR_BLOCK_HEADER) == 0;
}

/* A block of its own for the inode, where it has none or one that others have.
 * May wait. */
static int fresh_pin(struct ext2_attributes *all)
{
    struct ext2_fs *fs = ext2_of(all->inode);
    int status;

    if (all->new_block == NULL || is_block_empty(all) ||
        (all->block != NULL && all->references == 1))
        return 0;
    status = ext2_block_alloc(all->inode, 0, &all->fresh_block);
    if (status != 0)
        return status;
    if (ext2_change_find(&all->change, all->fresh_block) != NULL)
        return ext2_attributes_damaged(all); /* it was not free */
    status = ext2_change_new_block(&all->change, all->fresh_block, &all->fresh);
    if (status != 0)
        ext2_block_free_new(fs, all->fresh_block);
    if (status != 0)
        all->fresh_block = 0;
    return status;
}

/* Where an attribute comes to is durable before it goes where it was. */
static void orders_make(struct ext2_attributes *all, bool to_body)
{
    if (all->fresh != NULL)
        ext2_change_order(&all->change, all->fresh, all->table);
    if (all->new_block == NULL || all->block == NULL)
        return;
    if (all->fresh != NULL || is_block_empty(all) || to_body)
        ext2_change_order(&all->change, all->table, all->block);
    else
        ext2_change_order(&all->change, all->block, all->table);
}

static void body_apply(struct ext2_attributes *all)
{
    const uint32_t size = ext2_of(all->inode)->inode_size;
    uint8_t *raw = all->table->data + all->at;
    uint32_t first = all->end + XATTR_BODY_HEADER;
    bool is_empty = le32_get(all->new_body + first) == 0;

    memcpy(raw + first, all->new_body + first, size - first);
    le32_put(raw + all->end, is_empty ? 0 : (uint32_t)XATTR_MAGIC_VALUE);
}

/* The inode leads to another block, or to none. */
static void block_apply(struct ext2_attributes *all)
{
    const uint32_t size = ext2_of(all->inode)->block_size;
    struct inode *inode = all->inode;
    bool had_block = all->block != NULL;

    if (all->fresh == NULL && !is_block_empty(all)) {
        memcpy(all->block->data, all->new_block, size);
        return;
    }
    if (all->fresh != NULL)
        memcpy(all->fresh->data, all->new_block, size);
    if (had_block && all->references > 1)
        le32_put(all->block->data + XATTR_REFERENCES, all->references - 1);
    if (all->fresh != NULL && !had_block)
        inode->blocks += size / 512;
    else if (all->fresh == NULL)
        inode->blocks -= min_u64(inode->blocks, size / 512);
    ext2_inode_of(inode)->file_acl = all->fresh_block;
    le32_put(all->table->data + all->at + INODE_FILE_ACL,
             (uint32_t)all->fresh_block);
}

/* Change what was built. *old becomes the block that nobody has any more. */
static int apply(struct ext2_attributes *all, bool to_body, uint64_t *old)
{
    int status = fresh_pin(all);

    if (status != 0)
        return status;
    orders_make(all, to_body);
    ext2_change_inode(&all->change, all->inode);
    status = ext2_change_start(&all->change);
    if (status != 0)
        return status;
    if (all->new_block != NULL && all->block != NULL && all->references == 1 &&
        is_block_empty(all))
        *old = all->block->block;
    if (all->new_body != NULL)
        body_apply(all);
    if (all->new_block != NULL)
        block_apply(all);
    return 0;
}

static int set(struct ext2_attributes *all, const struct ext2_xattr_change *one,
               uint64_t *old)
{
    bool to_body;
    int status = ext2_attributes_pin(all);

    if (status != 0)
        return status;
    status = build(all, one, &to_body);
    if (status == 0)
        status = apply(all, to_body, old);
    else if (status == -EUCLEAN)
        ext2_attributes_damaged(all);
    return status;
}

int ext2_xattr_set(struct inode *inode, const char *name, const void *value,
                   size_t size)
{
    struct ext2_xattr_change one = ext2_attribute_name(name);
    struct ext2_attributes *all;
    uint64_t old = 0;
    int status = ext2_super_attributes(ext2_rw_of(inode));

    if (status != 0)
        return status;
    all = ext2_attributes_begin(inode);
    if (all == NULL)
        return -ENOMEM;
    one.value = value;
    one.size = size;
    status = set(all, &one, &old);
    if (status == 0)
        ext2_change_end(&all->change);
    else
        ext2_change_abort(&all->change);
    if (status != 0 && all->fresh_block != 0)
        ext2_block_free_new(ext2_of(inode), all->fresh_block);
    if (old != 0)
        ext2_block_free(inode, old);
    ext2_attributes_free(all);
    return status;
}
