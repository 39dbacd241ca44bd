/*
 * Renaming. All entries that change are held and then changed without a wait,
 * so in memory it is one step. What a crash may leave is in docs/fat.md.
 */
#include "fs/fat/slots.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

struct op {
    const struct rename *rename;
    struct fat_plan plan;
    struct fat_hold hold;
};

/* ---- ".." ---------------------------------------------------------------- */

static bool changes_parent(const struct op *op, const struct inode *inode)
{
    return inode != NULL && inode->type == FILE_DIRECTORY &&
           op->rename->dir1 != op->rename->dir2;
}

/* Hold the ".." of a directory that gets another parent. */
static int hold_up(struct op *op, struct inode *inode)
{
    int status;

    if (!changes_parent(op, inode))
        return 0;
    status = fat_hold_slots(&op->hold, inode, 1, 1);
    if (status == 0 && memcmp(fat_hold_at(&op->hold, inode, 1), "..         ",
                              SLOT_NAME_BYTES) != 0)
        status = fat_damaged(fat_of(inode), inode->number, "directory: ..", 1);
    return status;
}

/* An inode is in `dir` from now on. */
static void moved(struct op *op, struct inode *inode, const struct inode *dir)
{
    fat_inode_of(inode)->parent = dir->number;
    if (changes_parent(op, inode)) {
        uint32_t start = fat_dir_start(dir);
        uint8_t *raw = fat_hold_at(&op->hold, inode, 1);

        le16_put(raw + SLOT_START, (uint16_t)start);
        if (fat_of(inode)->bits == 32)
            le16_put(raw + SLOT_START_HIGH, (uint16_t)(start >> 16));
    }
}

/* ---- To a name that is free ---------------------------------------------- */

/* All of the new entry is durable before the old one goes. */
static void order_new(struct op *op)
{
    const struct rename *rename = op->rename;
    uint32_t first = op->plan.scan.room.first;

    for (uint32_t i = 0; i <= op->plan.parts; i++)
        fat_hold_order(&op->hold, rename->dir2, first + i, rename->dir1,
                       fat_inode_of(rename->inode1)->slot);
}

static int move(struct op *op)
{
    const struct rename *rename = op->rename;
    struct inode *inode = rename->inode1;
    int status = fat_plan_entry(&op->plan, rename->dir2, rename->name2,
                                rename->dir1 == rename->dir2 ? inode : NULL);

    if (status == 0)
        status = fat_hold_plan(&op->hold, rename->dir2, &op->plan);
    if (status == 0)
        status = fat_plan_check(&op->plan, &op->hold, rename->dir2);
    if (status == 0)
        status = fat_hold_entry(&op->hold, rename->dir1, inode);
    if (status == 0)
        status = hold_up(op, inode);
    if (status == 0)
        order_new(op);
    if (status == 0)
        status = fat_hold_modify(&op->hold, fat_of(rename->dir1));
    if (status != 0)
        return status;
    fat_entry_remove(&op->hold, rename->dir1, inode);
    fat_plan_fill(&op->plan, &op->hold, rename->dir2, inode);
    moved(op, inode, rename->dir2);
    fat_hold_dirty(&op->hold);
    return 0;
}

/* ---- To the place of another one ----------------------------------------- */

/* Where the entry of an inode is. */
struct place {
    uint64_t position;
    uint32_t slot;
    uint8_t parts;
};

static struct place take_away(struct inode *inode)
{
    const struct fat_inode *fat = fat_inode_of(inode);
    struct place place = {fat->position, fat->slot, fat->parts};

    fat_inode_place(inode, 0, 0, 0);
    return place;
}

/* An entry, with its name, is that of an inode from now on. */
static void give(struct op *op, struct inode *inode, struct inode *dir,
                 const struct place *place)
{
    fat_inode_place(inode, place->position, place->slot, place->parts);
    fat_entry_put(inode, fat_hold_at(&op->hold, dir, place->slot));
    moved(op, inode, dir);
}

static int replace(struct op *op)
{
    const struct rename *rename = op->rename;
    struct inode *inode1 = rename->inode1, *inode2 = rename->inode2;
    struct place place1, place2;
    int status = fat_hold_entry(&op->hold, rename->dir1, inode1);

    if (status == 0)
        status = fat_hold_entry(&op->hold, rename->dir2, inode2);
    if (status == 0)
        status = hold_up(op, inode1);
    if (status == 0 && rename->exchange)
        status = hold_up(op, inode2);
    if (status == 0 && !rename->exchange)
        fat_hold_order(&op->hold, rename->dir2, fat_inode_of(inode2)->slot,
                       rename->dir1, fat_inode_of(inode1)->slot);
    if (status == 0)
        status = fat_hold_modify(&op->hold, fat_of(rename->dir1));
    if (status != 0)
        return status;
    if (!rename->exchange)
        fat_entry_remove(&op->hold, rename->dir1, inode1);
    place1 = take_away(inode1);
    place2 = take_away(inode2);
    give(op, inode1, rename->dir2, &place2);
    if (rename->exchange)
        give(op, inode2, rename->dir1, &place1);
    else
        inode2->links = 0;
    fat_hold_dirty(&op->hold);
    return 0;
}

int fat_rename(const struct rename *rename)
{
    struct op *op = mem_alloc(sizeof(*op));
    int status;

    if (op == NULL)
        return -ENOMEM;
    op->rename = rename;
    fat_hold_begin(&op->hold);
    status = rename->inode2 != NULL ? replace(op) : move(op);
    fat_hold_end(&op->hold);
    mem_free(op);
    return status;
}
