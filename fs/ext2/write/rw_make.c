/* Inodes that are made, get blocks of names, and lose their last name: for the
 * operations on names. */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

/* ---- Making -------------------------------------------------------------- */

static uint16_t mode_of(uint8_t type)
{
    static const uint16_t modes[] = {
        [FILE_REGULAR] = MODE_REGULAR,     [FILE_DIRECTORY] = MODE_DIRECTORY,
        [FILE_SYMLINK] = MODE_SYMLINK,     [FILE_FIFO] = MODE_FIFO,
        [FILE_CHARACTER] = MODE_CHARACTER, [FILE_BLOCK] = MODE_BLOCK,
        [FILE_SOCKET] = MODE_SOCKET,
    };

    return (uint16_t)(modes[type] << MODE_TYPE_SHIFT);
}

/* The number of a device, where device_of() looks for it. */
static void device_put(uint8_t *in_inode, uint64_t rdev)
{
    if (rdev <= 0xffff)
        le32_put(in_inode, (uint32_t)rdev);
    else
        le32_put(in_inode + 4, (uint32_t)rdev);
}

/* What the inode has beside what the VFS has set. Returns 0, -ENOMEM,
 * -ENAMETOOLONG. */
static int fill(struct inode *dir, struct inode *inode,
                const struct new_inode *what)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_inode *ext2 = ext2_inode_of(inode);

    ext2_rw_inode_init(inode);
    ext2->format_mode = mode_of(what->type) | what->mode;
    ext2->flags = ext2_inode_of(dir)->flags & INODE_FLAGS_INHERITED;
    if (what->type != FILE_DIRECTORY)
        ext2->flags &= ~(uint32_t)INODE_FLAG_DIRSYNC;
    ext2->generation = fs->rw->generation++;
    if (what->type == FILE_CHARACTER || what->type == FILE_BLOCK)
        device_put(ext2->in_inode, what->rdev);
    if (what->type == FILE_SYMLINK) {
        if (what->target_len >= fs->block_size)
            return -ENAMETOOLONG;
        inode->size_bytes = what->target_len;
        if (what->target_len <= EXT2_FAST_LINK_MAX)
            memcpy(ext2->in_inode, what->target, what->target_len);
    }
    return what->type == FILE_REGULAR ? ext2_data_init(inode) : 0;
}

/* Its place in the table is all zeros: what an earlier one has left is not an
 * inode. Returns -EUCLEAN: it is one that is in use. */
static int slot_clear(struct inode *inode)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct change_block *table;
    struct change change;
    uint64_t block;
    uint32_t at;
    int status;

    ext2_inode_place(inode, &block, &at);
    status = ext2_change_one(&change, fs, block, &table);
    if (status != 0)
        return status;
    if (le16_get(table->data + at + INODE_LINKS) != 0) {
        ext2_change_abort(&change);
        return -EUCLEAN;
    }
    memset(table->data + at, 0, fs->inode_size);
    if (fs->inode_size > EXT2_INODE_SIZE_MIN)
        le16_put(table->data + at + INODE_EXTRA_SIZE,
                 (uint16_t)min_u32(INODE_EXTRA_WANTED,
                                   fs->inode_size - EXT2_INODE_SIZE_MIN));
    ext2_change_end(&change);
    return 0;
}

int ext2_inode_make(struct inode *dir, const struct new_inode *what,
                    struct inode **out)
{
    struct ext2_fs *fs = ext2_of(dir);
    const bool is_dir = what->type == FILE_DIRECTORY;
    struct inode *inode;
    uint64_t number;
    int status = ext2_inode_alloc(dir, what->type, &number);

    if (status != 0)
        return status;
    status = inode_new(dir->mount, number, what, &inode);
    if (status != 0)
        goto fail_new;
    status = fill(dir, inode, what);
    if (status == 0)
        status = slot_clear(inode);
    if (status != 0)
        goto fail_fill;
    *out = inode;
    return 0;

fail_fill:
    inode_discard(inode);
fail_new:
    if (status == -EUCLEAN) /* it is in use, whatever the bitmap says */
        return ext2_damaged(fs, number, "inode bitmap", number);
    ext2_inode_unalloc(fs, number, is_dir);
    return status;
}

void ext2_inode_unmake(struct inode *inode)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    const bool is_dir = inode->type == FILE_DIRECTORY;
    const uint64_t number = inode->number;

    if (inode->blocks > 0 && ext2_map_free(inode, 0, UINT64_MAX) != 0)
        ext2_rw_failed(fs->rw); /* e2fsck frees them */
    ext2_freed_close(fs->rw, &rwi->freed, 0);
    inode_discard(inode);
    ext2_inode_unalloc(fs, number, is_dir);
    ext2_freed_release(fs->rw);
}

int ext2_append_block(struct inode *inode, const uint8_t *content,
                      uint64_t *block)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    const bool is_dir = inode->type == FILE_DIRECTORY;
    uint64_t index = is_dir ? inode->size_bytes >> fs->block_shift : 0;
    uint64_t at;
    int status;

    rwlock_lock(&rwi->map_lock);
    status = ext2_map_append(inode, index, content, &at);
    if (status == 0 && is_dir)
        inode->size_bytes += fs->block_size;
    rwlock_unlock(&rwi->map_lock);
    if (status == 0 && block != NULL)
        *block = at;
    return status;
}

/* ---- Names --------------------------------------------------------------- */

int ext2_change_entry(struct change *change, const struct change_block *entry,
                      struct inode *inode)
{
    struct change_block *bitmap;
    int status = ext2_change_inode_bitmap(change, inode->number, &bitmap);

    if (status != 0)
        return status;
    ext2_change_order(change, bitmap, entry);
    ext2_change_inode(change, inode);
    ext2_rw_inode_of(inode)->named = entry->block;
    return 0;
}

int ext2_unname_prepare(struct change *change, struct inode *inode,
                        const struct change_block *entry)
{
    const struct ext2_rw_inode *rwi = ext2_rw_inode_of(inode);
    struct change_block *named;
    int status;

    /* A block that was freed meanwhile is not used again before that. */
    if (rwi->named == 0 || rwi->named == entry->block ||
        rwi->after < ext2_rw_of(inode)->durable)
        return 0;
    /* It changes, too, and may have to wait: as it is now it must not. */
    if (ext2_change_find(change, rwi->named) != NULL)
        return ext2_make_durable(ext2_of(inode));
    status = ext2_change_block(change, rwi->named, &named);
    if (status == 0)
        ext2_change_order(change, named, entry);
    return status;
}

int ext2_unlink_prepare(struct change *change, struct inode *inode,
                        const struct change_block *entry)
{
    struct change_block *table;
    uint32_t at;
    int status = ext2_change_inode_block(change, inode, &table, &at);

    if (status == 0)
        ext2_change_order(change, table, entry);
    return status;
}

void ext2_unlink_apply(struct change *change, struct inode *inode)
{
    struct change_block *table;
    uint64_t block;
    uint32_t at;

    inode->links = 0;
    inode_dirty(inode, INODE_REST);
    if (!ext2_rw_inode_of(inode)->is_on_disk)
        return; /* and it does not get there any more */
    ext2_inode_place(inode, &block, &at);
    table = ext2_change_find(change, block);
    ext2_inode_put_dead(inode, table->data + at);
}
