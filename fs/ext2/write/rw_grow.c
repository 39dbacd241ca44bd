/*
 * Directories that grow: blocks at the end, and an index for the names of one
 * block.
 *
 * Between two writes to the disk names that move to another block are in both,
 * or in none; and to e2fsck an index is invalid that does not lead to each
 * block of its directory. So while an index grows the inode on the disk does
 * not say that there is one: then the directory is a list of blocks, in which a
 * name may be twice.
 *
 *   1. Spare blocks without entries are appended. The inode, with its new size
 *      and without the flag, is made durable.
 *   2. One change: the new leaf gets its names, which are durable there before
 *      the old one loses them, and the index gets its pair.
 *   3. The inode, with the flag, is written behind that change.
 *
 * When the second step fails the spare blocks stay for the next time, and until
 * then the inode is written without the flag.
 */
#include "fs/ext2/write/rw_grow.h"
#include "fs/ext2/hash.h"
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/pairs.h"
#include "fs/ext2/write/rw.h"
#include <torc/assert.h>
#include <torc/memory.h>

/* ---- Blocks at the end --------------------------------------------------- */

/* The directory as it is, to the disk. */
static int write_durable(struct inode *dir)
{
    int status = ext2_inode_write(dir);

    return status != 0 ? status : ext2_make_durable(ext2_of(dir));
}

static int append_empty(struct inode *dir)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint8_t *content;
    int status;

    /* Without LARGE_DIR the size of a directory has 31 bits. */
    if (dir->size_bytes + fs->block_size > INT32_MAX)
        return -ENOSPC;
    content = mem_alloc(fs->block_size);
    if (content == NULL)
        return -ENOMEM;
    ext2_entries_clear(fs, content);
    status = ext2_append_block(dir, content, NULL);
    mem_free(content);
    return status;
}

int ext2_dir_grow(struct inode *dir)
{
    int status = append_empty(dir);

    return status != 0 ? status : write_durable(dir);
}

int ext2_spares_get(struct inode *dir, uint32_t count)
{
    struct ext2_inode *ext2 = ext2_inode_of(dir);

    while (ext2->spare_blocks < count) {
        int status;

        ext2->spare_blocks++; /* first: then the flag is not written */
        status = append_empty(dir);
        if (status != 0) {
            ext2->spare_blocks--;
            return status;
        }
    }
    return write_durable(dir);
}

int ext2_spare_pin(struct inode *dir, struct change *change, uint32_t i,
                   uint32_t *index, struct change_block **out)
{
    uint64_t offset, block;
    int status;

    if (i >= ext2_inode_of(dir)->spare_blocks)
        return -EUCLEAN; /* the index is not what it was */
    *index = (uint32_t)ext2_dir_blocks(dir) + i;
    status = ext2_dir_block(dir, *index, &offset);
    if (status != 0)
        return status;
    block = offset >> ext2_of(dir)->block_shift;
    if (ext2_change_find(change, block) != NULL)
        return -EUCLEAN; /* it was not free */
    return ext2_change_new_block(change, block, out);
}

void ext2_spares_used(struct inode *dir, uint32_t used)
{
    struct ext2_inode *ext2 = ext2_inode_of(dir);

    assert(ext2->spare_blocks >= used);
    ext2_dir_added(dir);
    ext2->spare_blocks -= used;
    ext2->flags |= INODE_FLAG_INDEX;
}

int ext2_dir_said(struct inode *dir, int status, const char *what)
{
    return status == -EUCLEAN ? ext2_damaged(ext2_of(dir), dir->number, what, 0)
                              : status;
}

/* ---- The first leaf ------------------------------------------------------ */

/* On the heap. */
struct make {
    struct inode *dir;
    struct change change;
    struct ext2_leaf list; /* of the first block */
    uint32_t parent;       /* what ".." leads to */
    struct change_block *first, *leaf;
};

/* Pin the first block, and list its names. */
static int first_pin(struct make *op, const struct ext2_hasher *hasher)
{
    struct ext2_fs *fs = ext2_of(op->dir);
    struct ext2_entry up;
    uint64_t offset;
    uint32_t at = 0;
    int status = ext2_dir_block(op->dir, 0, &offset);

    if (status == 0)
        status = ext2_change_block(&op->change, offset >> fs->block_shift,
                                   &op->first);
    if (status != 0)
        return status;
    status = ext2_entries_dots(fs, op->first->data, &at);
    if (status == 0)
        status = ext2_entries_at(fs, op->first->data, at, &up);
    if (status == 0) {
        op->parent = up.inode;
        status = ext2_leaf_list(fs, hasher, op->first->data, at + up.rec_len,
                                &op->list);
    }
    return ext2_dir_said(op->dir, status, "first block of a directory");
}

static int make(struct make *op)
{
    struct ext2_fs *fs = ext2_of(op->dir);
    const struct ext2_hasher hasher = {ext2_new_index_version(fs),
                                       fs->hash_seed};
    uint32_t index;
    int status = first_pin(op, &hasher);

    if (status == 0)
        status = ext2_spare_pin(op->dir, &op->change, 0, &index, &op->leaf);
    if (status != 0)
        return status;
    assert(index == 1);
    ext2_change_order(&op->change, op->leaf, op->first);
    ext2_change_inode(&op->change, op->dir);
    status = ext2_change_start(&op->change);
    if (status != 0)
        return status;
    ext2_leaf_copy(fs, &op->list, op->first->data, 0, op->leaf->data);
    ext2_pairs_root_init(fs, op->first->data,
                         hasher.version % EXT2_HASH_UNSIGNED, op->parent);
    ext2_spares_used(op->dir, 1);
    return 0;
}

int ext2_index_make(struct inode *dir)
{
    struct make *op = mem_alloc_zeroed(sizeof(*op));
    int status;

    if (op == NULL)
        return -ENOMEM;
    op->dir = dir;
    status = ext2_spares_get(dir, 1);
    if (status == 0) {
        ext2_change_begin(&op->change, ext2_of(dir));
        status = make(op);
        if (status == 0)
            ext2_change_end(&op->change);
        else
            ext2_change_abort(&op->change);
    }
    mem_free(op);
    return status;
}
