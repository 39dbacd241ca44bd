/*
 * Renaming, as one change. The entry with the new name is durable before the
 * one with the old name goes; where both are in one block, or only one of them
 * changes, a crash leaves the one or the other.
 */
#include "fs/ext2/alloc.h"
#include "fs/ext2/entries.h"
#include "fs/ext2/rw_names.h"

struct renaming {
    const struct rename *rename;
    struct change change;
    struct ext2_pinned entry1; /* of name1, */
    struct ext2_pinned entry2; /* of name2, or the room for it */
    struct ext2_pinned up1;    /* ".." of inode1, if it moves, */
    struct ext2_pinned up2;    /* and that of inode2 */
    int links1, links2;        /* how many more dir1 and dir2 get */
};

/* ---- Link counts --------------------------------------------------------- */

/* What is in dir2 goes to dir1, or it goes altogether; and the other way. */
static void count_links(struct renaming *op)
{
    const struct rename *rename = op->rename;

    if (rename->inode1->type == FILE_DIRECTORY) {
        op->links1--;
        op->links2++;
    }
    if (rename->inode2 != NULL && rename->inode2->type == FILE_DIRECTORY) {
        op->links1 += rename->exchange;
        op->links2--;
    }
    if (rename->dir1 == rename->dir2) {
        op->links1 += op->links2;
        op->links2 = 0;
    }
}

static int check_links(struct inode *dir, int more)
{
    int64_t links = (int64_t)dir->links + more;

    if (more > 0 && links > EXT2_LINKS_MAX)
        return -EMLINK;
    if (more < 0 && links < 2)
        return ext2_damaged(ext2_of(dir), dir->number, "link count",
                            dir->links);
    return 0;
}

/* ---- What changes -------------------------------------------------------- */

/* Whether an inode gets another parent. */
static bool moves(const struct renaming *op, const struct inode *inode)
{
    return inode != NULL && inode->type == FILE_DIRECTORY &&
           op->rename->dir1 != op->rename->dir2;
}

/* Pin ".." of a directory. */
static int up_pin(struct renaming *op, struct inode *inode,
                  struct ext2_pinned *out)
{
    struct ext2_fs *fs = ext2_of(inode);
    uint64_t offset;
    int status = ext2_dir_block(inode, 0, &offset);

    if (status != 0)
        return status;
    out->place.block = offset >> fs->block_shift;
    status = ext2_change_block(&op->change, out->place.block, &out->block);
    if (status != 0)
        return status;
    if (ext2_entries_dots(fs, out->block->data, &out->place.at) != 0)
        return ext2_damaged(fs, inode->number, "first block of a directory", 0);
    return 0;
}

/* Pin both entries. */
static int entries_pin(struct renaming *op, const struct ext2_place *room)
{
    const struct rename *rename = op->rename;
    int status = rename->inode2 == NULL
                     ? ext2_room_pin(rename->dir2, &op->change, rename->name2,
                                     room, &op->entry2)
                     : ext2_entry_pin(rename->dir2, &op->change, rename->name2,
                                      rename->inode2, &op->entry2);

    if (status == 0)
        status = ext2_entry_pin(rename->dir1, &op->change, rename->name1,
                                rename->inode1, &op->entry1);
    if (status == 0 && moves(op, rename->inode1))
        status = up_pin(op, rename->inode1, &op->up1);
    if (status == 0 && rename->exchange && moves(op, rename->inode2))
        status = up_pin(op, rename->inode2, &op->up2);
    return status;
}

/* `before` is durable before `after`, another block. */
static void order(struct renaming *op, const struct ext2_pinned *before,
                  const struct ext2_pinned *after)
{
    if (before->block != after->block)
        ext2_change_order(&op->change, before->block, after->block);
}

static int orders_make(struct renaming *op)
{
    const struct rename *rename = op->rename;
    int status =
        ext2_change_entry(&op->change, op->entry2.block, rename->inode1);

    if (status == 0 && rename->exchange)
        status =
            ext2_change_entry(&op->change, op->entry1.block, rename->inode2);
    if (status != 0)
        return status;
    order(op, &op->entry2, &op->entry1);
    if (op->up1.block != NULL) {
        order(op, &op->entry2, &op->up1);
        order(op, &op->up1, &op->entry1);
    }
    ext2_change_inode(&op->change, rename->inode1);
    ext2_change_inode(&op->change, rename->dir1);
    ext2_change_inode(&op->change, rename->dir2);
    if (rename->inode2 != NULL)
        ext2_change_inode(&op->change, rename->inode2);
    return 0;
}

/* ---- The change ---------------------------------------------------------- */

static void entry_set(struct inode *dir, const struct ext2_pinned *entry,
                      const struct inode *inode)
{
    ext2_entries_set(ext2_of(dir), entry->block->data, entry->place.at,
                     (uint32_t)inode->number, inode->type);
}

static void entries_apply(struct renaming *op)
{
    const struct rename *rename = op->rename;

    if (rename->inode2 != NULL)
        entry_set(rename->dir2, &op->entry2, rename->inode1);
    else
        ext2_entry_add(rename->dir2, &op->entry2, rename->name2,
                       rename->inode1);
    if (rename->exchange)
        entry_set(rename->dir1, &op->entry1, rename->inode2);
    else
        ext2_entry_remove(rename->dir1, &op->entry1);
    if (op->up1.block != NULL)
        entry_set(rename->inode1, &op->up1, rename->dir2);
    if (op->up2.block != NULL)
        entry_set(rename->inode2, &op->up2, rename->dir1);
}

static void links_apply(struct renaming *op)
{
    const struct rename *rename = op->rename;

    rename->dir1->links += (uint32_t)op->links1;
    rename->dir2->links += (uint32_t)op->links2;
    if (rename->inode2 == NULL || rename->exchange)
        return;
    if (rename->inode2->type == FILE_DIRECTORY)
        rename->inode2->links = 0;
    else
        rename->inode2->links--;
}

static int rename_change(struct renaming *op, const struct ext2_place *room)
{
    int status = entries_pin(op, room);

    if (status == 0)
        status = orders_make(op);
    if (status == 0)
        status = ext2_change_start(&op->change);
    if (status != 0)
        return status;
    entries_apply(op);
    links_apply(op);
    return 0;
}

int ext2_rename(const struct rename *rename)
{
    struct renaming op = {.rename = rename};
    struct ext2_place room = {0};
    int status;

    count_links(&op);
    status = check_links(rename->dir1, op.links1);
    if (status == 0)
        status = check_links(rename->dir2, op.links2);
    if (status == 0 && rename->inode2 == NULL)
        status = ext2_place_room(rename->dir2, rename->name2, &room);
    else if (status == 0 && !rename->exchange)
        status = ext2_check_hidden(rename->inode2);
    if (status != 0)
        return status;
    ext2_change_begin(&op.change, ext2_of(rename->dir1));
    status = rename_change(&op, &room);
    status = ext2_change_finish(&op.change, status);
    if (status == 0) {
        ext2_dir_sync(rename->dir1, rename->inode1);
        ext2_dir_sync(rename->dir2, rename->inode1);
    }
    return status;
}
