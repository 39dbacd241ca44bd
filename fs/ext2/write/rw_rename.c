/*
 * Renaming, as one change. The entry with the new name is durable before the
 * one with the old name goes; where both are in one block, or only one of them
 * changes, a crash leaves the one or the other. Where the cache cannot keep
 * that order the old entry becomes a stale one (stale.h).
 *
 * What loses its last name to another inode must neither go before that is
 * durable, nor be without a name when it is, or e2fsck asks what to do with it.
 * So it is put aside: the write that gives its name away gives it another one,
 * in the same block, which is removed when that is durable. In a directory with
 * an index that is one whose hash leads to this block. Where there is none, or
 * no room, a file gets its other name in another block, which is durable
 * before; where there is no room either, it loses its name at once.
 *
 * Files that are exchanged, in two blocks, are put aside, too: between the two
 * writes one of them has both names. The name of the other is a stale entry
 * from the beginning.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/entries.h"
#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/rw_names.h"
#include "fs/ext2/write/stale.h"
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>

/* Names for what is replaced that are tried: in one leaf of an index; else. */
enum { ASIDE_TRIES = 1000, ASIDE_FEW = 16 };

struct renaming {
    const struct rename *rename;
    struct change change;
    struct ext2_pinned entry1; /* of name1, */
    struct ext2_pinned entry2; /* of name2, or the room for it */
    struct ext2_pinned up1;    /* ".." of inode1, if it moves, */
    struct ext2_pinned up2;    /* and that of inode2 */
    int links1, links2;        /* how many more dir1 and dir2 get */
    struct ext2_pinned aside;  /* room for another name of inode2, */
    struct name aside_name;    /* which is this one */
    char aside_text[40];
    bool is_elsewhere; /* it is not in the block of entry2, but there: */
    struct ext2_place aside_place; /* block 0: there is none */
    struct ext2_stale *stale;      /* name1 goes later, when this is durable; */
    struct ext2_stale *aside_stale; /* so does aside_name, of an exchange */
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

/* ---- Putting aside ------------------------------------------------------- */

/* Whether inode2 would be without a name between two writes. An exchange of a
 * directory has two names of one anyway. */
static bool may_put_aside(const struct renaming *op)
{
    const struct rename *rename = op->rename;

    if (rename->inode2 == NULL || !ext2_is_last_link(rename->inode2))
        return false;
    return !rename->exchange || (rename->inode2->type != FILE_DIRECTORY &&
                                 op->entry1.block != op->entry2.block);
}

/* The i-th name for what is replaced. */
static void aside_call(struct renaming *op, unsigned i)
{
    unsigned long number = op->rename->inode2->number;
    size_t len = i == 0 ? fmt_print(op->aside_text, sizeof(op->aside_text),
                                    ".replaced-%lu", number)
                        : fmt_print(op->aside_text, sizeof(op->aside_text),
                                    ".replaced-%lu-%u", number, i);

    op->aside_name =
        (struct name){.text = op->aside_text, .len = (uint32_t)len};
    op->aside_name.hash =
        hash_bytes(&op->rename->dir2->mount->name_key, op->aside_text, len);
}

/* Whether that name is not there: a stale one is. */
static bool aside_is_free(struct renaming *op)
{
    struct ext2_place other;

    return ext2_place_find(op->rename->dir2, &op->aside_name, &other) ==
           -ENOENT;
}

/* Find a name for it that may be in the block with its entry: 1, 0, or an
 * error. It has a walk on its stack. */
static noinline int aside_choose(struct renaming *op)
{
    struct inode *dir = op->rename->dir2;
    struct ext2_chain chain;
    uint32_t low, high, hash;
    uint64_t offset;
    int status;

    for (unsigned i = 0; i < ASIDE_FEW && !ext2_has_index(dir); i++) {
        aside_call(op, i);
        if (aside_is_free(op))
            return 1;
    }
    if (!ext2_has_index(dir))
        return 0;
    status = ext2_chain_begin(&chain, dir, op->rename->name2);
    if (status == 0)
        status = ext2_chain_range(&chain, &low, &high);
    if (status == 0)
        status = ext2_dir_block(dir, chain.leaf, &offset);
    ext2_chain_end(&chain);
    if (status != 0)
        return status;
    /* One of the leaves behind, with names of the same hash? */
    if (offset >> ext2_of(dir)->block_shift != op->entry2.place.block)
        return 0;
    for (unsigned i = 0; i < ASIDE_TRIES; i++) {
        aside_call(op, i);
        hash = ext2_hash(chain.walk.version, ext2_of(dir)->hash_seed,
                         op->aside_name.text, op->aside_name.len);
        if (hash > low && hash < high && aside_is_free(op))
            return 1;
    }
    return 0;
}

/* Find room for what is replaced, in the block with its entry. Where that
 * fails it is not put aside. */
static void aside_pin_here(struct renaming *op)
{
    struct inode *dir = op->rename->dir2;
    struct ext2_fs *fs = ext2_of(dir);

    if (aside_choose(op) != 1 ||
        ext2_change_block(&op->change, op->entry2.place.block,
                          &op->entry2.block) != 0 ||
        ext2_entries_room(fs, op->entry2.block->data, op->aside_name.len,
                          &op->aside.place.at) != 1)
        return;
    op->aside.place.block = op->entry2.place.block;
    op->aside.block = op->entry2.block;
}

/* Whether the old entry can stay as it is, for it is in the block that is
 * written first. */
static bool may_be_stale(const struct renaming *op)
{
    return !op->rename->exchange && op->rename->inode1->type != FILE_DIRECTORY;
}

/* The same in another block, where aside_find() has found room. */
static void aside_pin_elsewhere(struct renaming *op)
{
    struct ext2_pinned room;

    if (op->aside_place.block == 0)
        return;
    if (op->aside_place.block == op->entry1.place.block && !may_be_stale(op))
        return; /* each of two blocks before the other */
    if (ext2_room_pin(op->rename->dir2, &op->change, &op->aside_name,
                      &op->aside_place, &room) == 0)
        op->aside = room;
}

/* Returns 0, whether it is put aside or not; 1: there may be room elsewhere. */
static int aside_pin(struct renaming *op)
{
    op->aside.block = NULL;
    if (!may_put_aside(op))
        return 0;
    if (op->is_elsewhere)
        aside_pin_elsewhere(op);
    else
        aside_pin_here(op);
    if (op->aside.block == NULL)
        return !op->is_elsewhere && op->rename->inode2->type != FILE_DIRECTORY;
    if (op->rename->exchange) {
        op->aside_stale = ext2_stale_new(ext2_rw_of(op->rename->dir2));
        if (op->aside_stale == NULL)
            op->aside.block = NULL;
    }
    return 0;
}

/* Look for room in the blocks of the directory, which does not grow for it; in
 * those of an index, by names of which each has its leaf. */
static void aside_find(struct renaming *op)
{
    struct inode *dir = op->rename->dir2;

    op->is_elsewhere = true;
    for (unsigned i = 0; i < ASIDE_FEW; i++) {
        aside_call(op, i);
        if (!aside_is_free(op))
            continue;
        if (ext2_place_room_left(dir, &op->aside_name, &op->aside_place) == 0)
            return;
        if (!ext2_has_index(dir))
            break; /* nor for another name */
    }
    op->aside_place.block = 0;
}

static void lose_link(struct inode *inode)
{
    if (inode->type == FILE_DIRECTORY)
        inode->links = 0;
    else
        inode->links--;
}

/* Take its name from what was put aside, in one block: without an order that
 * would need memory. */
static int aside_forget(struct renaming *op)
{
    const struct rename *rename = op->rename;
    int status;

    ext2_change_begin(&op->change, ext2_of(rename->dir2));
    status = ext2_entry_pin(rename->dir2, &op->change, &op->aside_name,
                            rename->inode2, &op->aside);
    if (status == 0) {
        ext2_change_inode(&op->change, rename->inode2);
        status = ext2_change_start(&op->change);
    }
    if (status == 0) {
        ext2_entry_remove(rename->dir2, &op->aside);
        lose_link(rename->inode2);
    }
    return ext2_change_finish(&op->change, status);
}

/* What was put aside goes, when that is durable. */
static void aside_drop(struct renaming *op)
{
    struct inode *dir = op->rename->dir2;
    int status = ext2_make_durable(ext2_of(dir));

    if (status == 0)
        status = ext2_name_drop(dir, &op->aside_name, op->rename->inode2,
                                dir->links);
    if (status != 0)
        status = aside_forget(op);
    if (status != 0)
        log_warn("%s: ext2: what was replaced stays as \"%s\" (%d)",
                 ext2_of(dir)->name, op->aside_text, status);
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

/* Pin both entries. Returns 1 as aside_pin(). */
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
    if (status == 0)
        status = aside_pin(op);
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

/* The old entry of a file waits in memory where the cache cannot have it wait:
 * a directory must not have two names. */
static bool make_stale(struct renaming *op)
{
    if (!may_be_stale(op) || op->entry1.block == op->entry2.block ||
        (op->entry1.block != op->aside.block &&
         ext2_change_fits(&op->change, op->entry2.block, op->entry1.block)))
        return false;
    op->stale = ext2_stale_new(ext2_rw_of(op->rename->dir1));
    return op->stale != NULL;
}

/* The other name of inode2, in another block, is durable before its entry. */
static int aside_order(struct renaming *op)
{
    int status;

    if (op->aside.block == NULL || op->aside.block == op->entry2.block)
        return 0;
    status =
        ext2_change_entry(&op->change, op->aside.block, op->rename->inode2);
    if (status == 0)
        order(op, &op->aside, &op->entry2);
    return status;
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
    if (!make_stale(op)) {
        if (op->is_elsewhere && op->entry1.block == op->aside.block)
            op->aside.block = NULL; /* each before the other */
        order(op, &op->entry2, &op->entry1);
    } else if (op->entry1.block != op->aside.block) {
        ext2_change_keep(op->entry1.block);
    }
    status = aside_order(op);
    if (status != 0)
        return status;
    if (op->up1.block != NULL) {
        order(op, &op->entry2, &op->up1);
        order(op, &op->up1, &op->entry1);
    }
    ext2_change_inode(&op->change, rename->inode1);
    ext2_change_inode(&op->change, rename->dir1);
    ext2_change_inode(&op->change, rename->dir2);
    if (rename->inode2 == NULL)
        return 0;
    if (!ext2_is_last_link(rename->inode2))
        status =
            ext2_unname_prepare(&op->change, rename->inode2, op->entry2.block);
    ext2_change_inode(&op->change, rename->inode2);
    return status;
}

/* ---- The change ---------------------------------------------------------- */

static void entry_set(struct inode *dir, const struct ext2_pinned *entry,
                      const struct inode *inode)
{
    ext2_entries_set(ext2_of(dir), entry->block->data, entry->place.at,
                     (uint32_t)inode->number, inode->type);
}

static void aside_apply(struct renaming *op)
{
    const struct rename *rename = op->rename;

    if (op->aside.block == NULL)
        return;
    ext2_entry_add(rename->dir2, &op->aside, &op->aside_name, rename->inode2);
    if (op->aside_stale != NULL)
        ext2_stale_add(op->aside_stale, rename->dir2, &op->aside_name,
                       &op->aside);
}

static void entries_apply(struct renaming *op)
{
    const struct rename *rename = op->rename;

    aside_apply(op);
    if (rename->inode2 != NULL)
        entry_set(rename->dir2, &op->entry2, rename->inode1);
    else
        ext2_entry_add(rename->dir2, &op->entry2, rename->name2,
                       rename->inode1);
    if (rename->exchange)
        entry_set(rename->dir1, &op->entry1, rename->inode2);
    else if (op->stale != NULL)
        ext2_stale_add(op->stale, rename->dir1, rename->name1, &op->entry1);
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
    if (rename->inode2 == NULL || rename->exchange || op->aside.block != NULL)
        return;
    lose_link(rename->inode2);
}

static int rename_change(struct renaming *op, const struct ext2_place *room)
{
    int status = entries_pin(op, room);

    if (status == 0)
        status = orders_make(op);
    if (status == 0)
        status = ext2_change_start(&op->change);
    if (status != 0) {
        mem_free(op->stale);
        mem_free(op->aside_stale);
        op->stale = op->aside_stale = NULL;
        return status;
    }
    entries_apply(op);
    links_apply(op);
    return 0;
}

static int rename_run(struct renaming *op, const struct ext2_place *room)
{
    ext2_change_begin(&op->change, ext2_of(op->rename->dir1));
    return ext2_change_finish(&op->change, rename_change(op, room));
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
    status = rename_run(&op, &room);
    if (status == 1) {
        aside_find(&op);
        status = rename_run(&op, &room);
    }
    if (status == 0 && op.aside.block != NULL && !rename->exchange)
        aside_drop(&op);
    if (status == 0) {
        ext2_dir_sync(rename->dir1, rename->inode1);
        ext2_dir_sync(rename->dir2, rename->inode1);
    }
    return status;
}
