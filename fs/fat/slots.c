/*
 * Changing entries. All slots of a change are held first, which may wait and
 * fail; then they are changed together, without a wait: an operation is done or
 * not.
 */
#include "fs/fat/slots.h"
#include "fs/fat/index.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/string.h>

void fat_hold_begin(struct fat_hold *hold)
{
    hold->count = 0;
    hold->order_count = 0;
}

void fat_hold_end(struct fat_hold *hold)
{
    while (hold->count > 0)
        mapping_unref(&hold->piece[--hold->count].ref);
}

int fat_hold_slots(struct fat_hold *hold, struct inode *dir, uint32_t first,
                   uint32_t count)
{
    while (count > 0) {
        struct fat_piece *piece = &hold->piece[hold->count];
        uint64_t offset;
        uint32_t run;
        int status = fat_slot_offset(dir, first, &offset, &run);

        assert(hold->count < FAT_HOLD_PIECES);
        if (status == 0)
            status = mapping_ref(&fat_of(dir)->device, offset, &piece->ref);
        if (status != 0)
            return status;
        piece->dir = dir;
        piece->position = offset >> SLOT_SHIFT;
        piece->first = first;
        piece->count = min_u32(run, count);
        hold->count++;
        first += piece->count;
        count -= piece->count;
    }
    return 0;
}

/* The piece with a slot. */
static struct fat_piece *piece_of(struct fat_hold *hold,
                                  const struct inode *dir, uint32_t slot)
{
    struct fat_piece *piece = hold->piece;

    while (piece->dir != dir || slot - piece->first >= piece->count) {
        piece++;
        assert(piece < hold->piece + hold->count);
    }
    return piece;
}

uint8_t *fat_hold_at(struct fat_hold *hold, const struct inode *dir,
                     uint32_t slot)
{
    struct fat_piece *piece = piece_of(hold, dir, slot);

    return piece->ref.data + (slot - piece->first) * (size_t)SLOT_BYTES;
}

uint64_t fat_hold_position(struct fat_hold *hold, const struct inode *dir,
                           uint32_t slot)
{
    struct fat_piece *piece = piece_of(hold, dir, slot);

    return piece->position + (slot - piece->first);
}

/* Where the sector with a slot begins in its page. */
static uint32_t sector_from(const struct fat_piece *piece, uint32_t slot,
                            uint32_t sector_bytes)
{
    uint32_t from =
        piece->ref.from + (slot - piece->first) * (uint32_t)SLOT_BYTES;

    return from & ~(sector_bytes - 1);
}

void fat_hold_order(struct fat_hold *hold, const struct inode *dir_before,
                    uint32_t before, const struct inode *dir_after,
                    uint32_t after)
{
    const uint32_t bytes = fat_of(dir_before)->write_bytes;
    const struct fat_piece *first = piece_of(hold, dir_before, before);
    const struct fat_piece *second = piece_of(hold, dir_after, after);
    struct order_pair *pair = &hold->order[hold->order_count];
    const struct order_pair fresh = {
        .before = first->ref.page,
        .after = second->ref.page,
        .before_from = sector_from(first, before, bytes),
        .after_from = sector_from(second, after, bytes),
    };

    if (fresh.before == fresh.after && fresh.before_from == fresh.after_from)
        return; /* one write */
    if (hold->order_count > 0 && pair[-1].before == fresh.before &&
        pair[-1].before_from == fresh.before_from)
        return;
    assert(hold->order_count < FAT_HOLD_ORDERS);
    *pair = fresh;
    hold->order_count++;
}

static int modify_all(struct fat_hold *hold)
{
    int status = 0;

    for (unsigned i = 0; i < hold->count && status == 0; i++)
        status = mapping_modify(&hold->piece[i].ref, 0,
                                hold->piece[i].count * (size_t)SLOT_BYTES);
    return status;
}

/* It is all in memory: only the order may wait. */
int fat_hold_modify(struct fat_hold *hold, struct fat_fs *fs)
{
    int status;

    do {
        status = modify_all(hold);
        if (status == 0 && hold->order_count > 0)
            status = mapping_order(&fs->device, hold->order, hold->order_count);
    } while (status == 1);
    return status;
}

void fat_hold_dirty(struct fat_hold *hold)
{
    for (unsigned i = 0; i < hold->count; i++)
        mapping_dirty(&hold->piece[i].ref, 0,
                      hold->piece[i].count * (size_t)SLOT_BYTES);
}

int fat_hold_entry(struct fat_hold *hold, struct inode *dir,
                   const struct inode *inode)
{
    const struct fat_inode *fat = fat_inode_of(inode);
    int status;

    if (fat->position == 0 || fat->parts > fat->slot)
        return -EUCLEAN;
    status = fat_hold_slots(hold, dir, fat->slot - fat->parts,
                            fat->parts + UINT32_C(1));
    if (status == 0 && fat_hold_position(hold, dir, fat->slot) != fat->position)
        status = fat_damaged(fat_of(dir), inode->number,
                             "directory: in two places", dir->number);
    return status;
}

void fat_entry_remove(struct fat_hold *hold, struct inode *dir,
                      const struct inode *inode)
{
    const struct fat_inode *fat = fat_inode_of(inode);

    for (uint32_t slot = fat->slot - fat->parts; slot <= fat->slot; slot++)
        *fat_hold_at(hold, dir, slot) = SLOT_DELETED;
    fat_index_removed(dir, fat->parts + UINT32_C(1));
}

/* ---- New entries --------------------------------------------------------- */

enum { ROUNDS = 8 }; /* of other hashes */

/* Mark the short names that an entry takes. */
static void note_taken(struct fat_plan *plan, const uint8_t *raw)
{
    for (unsigned i = 0; i <= FAT_SHORT_TRIES; i++) {
        if (memcmp(plan->tries[i], raw, SLOT_NAME_BYTES) == 0)
            plan->taken |= 1U << i;
    }
}

/* The short names to choose from: the plain one, if it says enough, and those
 * with a number. */
static void begin_round(struct fat_plan *plan, unsigned round)
{
    enum fat_short_fit fit = fat_short_make(&plan->name, plan->tries[0]);

    plan->taken = fit == FAT_SHORT_LOSSY ? 1 : 0;
    plan->parts = fit == FAT_SHORT_EXACT ? 0 : fat_name_parts(&plan->name);
    for (unsigned i = 0; i < FAT_SHORT_TRIES; i++)
        fat_short_try(&plan->name, plan->tries[0], i, round,
                      plan->tries[i + 1]);
}

/* Look at all of a directory: which short names are taken, which slots free. */
static int look(struct fat_plan *plan, struct inode *dir,
                const struct inode *own)
{
    struct fat_scan *scan = &plan->scan;
    int status;

    fat_scan_begin(scan, dir, 0);
    scan->room.wanted = plan->parts + 1;
    while ((status = fat_scan_next(scan)) == 1) {
        if (own == NULL || fat_inode_of(own)->position != scan->position)
            note_taken(plan, scan->raw);
    }
    fat_scan_end(scan);
    return status;
}

/*
 * The same by the index: what is at the end is free. Other slots are looked for
 * when there is nothing more, and when as many have become free.
 */
static int look_up(struct fat_plan *plan, struct inode *dir,
                   const struct inode *own)
{
    struct fat_index *index = fat_inode_of(dir)->index;
    uint32_t own_slot = own == NULL ? 0 : fat_inode_of(own)->slot + 1;
    uint32_t left = fat_slot_count(dir) - index->end;
    unsigned taken = plan->taken;
    int status = 0;

    plan->scan.room = (struct fat_room){plan->parts + 1, index->end, 0};
    if (left < plan->parts + 1 && index->holes > plan->parts) {
        status = look(plan, dir, own);
        if (plan->scan.room.count < plan->parts + 1)
            index->holes = 0; /* none is large enough */
    } else {
        plan->scan.next = index->end;
        plan->scan.room.count = min_u32(left, plan->parts + 1);
    }
    plan->taken = taken;
    for (unsigned i = 0; i <= FAT_SHORT_TRIES; i++) {
        uint8_t raw[SLOT_BYTES] = {0};

        memcpy(raw, plan->tries[i], SLOT_NAME_BYTES);
        if (fat_index_has_short(dir, raw, own_slot))
            plan->taken |= 1U << i;
    }
    return status;
}

/* Make room at the end of a directory. */
static int extend(struct fat_plan *plan, struct inode *dir)
{
    struct fat_fs *fs = fat_of(dir);
    struct fat_inode *fat = fat_inode_of(dir);
    struct fat_room *room = &plan->scan.room;
    const uint32_t slots = fat_slot_count(dir);
    uint32_t length, more;
    int status;

    if (room->count == 0 || room->first + room->count != slots)
        *room = (struct fat_room){room->wanted, slots, 0};
    if (fat->chain.first == 0)
        return -ENOSPC; /* the root of FAT12 and FAT16 */
    more = fat_clusters_of(fs,
                           (room->wanted - room->count) * (uint64_t)SLOT_BYTES);
    length = fat->chain.length + more;
    if ((uint64_t)length << fs->cluster_shift > (uint64_t)SLOTS_MAX
                                                    << SLOT_SHIFT)
        return -ENOSPC;
    status = fat_reserve(fs, more);
    if (status != 0)
        return status;
    status = fat_chain_grow(dir, length);
    fat_unreserve(fs, length - fat->chain.length);
    dir->size_bytes = (uint64_t)fat->chain.length << fs->cluster_shift;
    return status;
}

int fat_plan_entry(struct fat_plan *plan, struct inode *dir,
                   const struct name *name, const struct inode *own)
{
    const unsigned all = (2U << FAT_SHORT_TRIES) - 1;
    int status = fat_name_parse(name->text, name->len, &plan->name);
    unsigned round = 0;
    bool has_index;

    if (status != 0)
        return status;
    has_index = fat_index_get(dir);
    do {
        begin_round(plan, round);
        status = has_index ? look_up(plan, dir, own) : look(plan, dir, own);
    } while (status == 0 && plan->taken == all && ++round < ROUNDS);
    if (status == 0 && plan->taken == all)
        status = -ENOSPC;
    if (status == 0 && plan->scan.room.count < plan->parts + 1)
        status = extend(plan, dir);
    plan->chosen = (unsigned)__builtin_ctz(~plan->taken);
    return status;
}

/* Behind the last entry there is a slot that says so. */
static bool needs_end(const struct fat_plan *plan, const struct inode *dir)
{
    uint32_t behind = plan->scan.room.first + plan->parts + 1;

    return behind > plan->scan.next && behind < fat_slot_count(dir);
}

int fat_hold_plan(struct fat_hold *hold, struct inode *dir,
                  const struct fat_plan *plan)
{
    return fat_hold_slots(hold, dir, plan->scan.room.first,
                          plan->parts + 1 + needs_end(plan, dir));
}

uint64_t fat_plan_position(const struct fat_plan *plan, struct fat_hold *hold,
                           const struct inode *dir)
{
    return fat_hold_position(hold, dir, plan->scan.room.first + plan->parts);
}

int fat_plan_check(const struct fat_plan *plan, struct fat_hold *hold,
                   const struct inode *dir)
{
    uint64_t position = fat_plan_position(plan, hold, dir);

    if (!fat_position_is_known(fat_of(dir), position))
        return 0;
    return fat_damaged(fat_of(dir), dir->number, "directory: used twice",
                       position);
}

void fat_plan_fill(const struct fat_plan *plan, struct fat_hold *hold,
                   struct inode *dir, struct inode *inode)
{
    const uint8_t *chosen = plan->tries[plan->chosen];
    const uint8_t checksum = fat_short_checksum(chosen);
    const uint32_t first = plan->scan.room.first, slot = first + plan->parts;
    uint8_t *raw = fat_hold_at(hold, dir, slot);

    for (unsigned i = 0; i < plan->parts; i++)
        fat_part_fill(&plan->name, plan->parts - i, checksum,
                      fat_hold_at(hold, dir, first + i));
    memset(raw, 0, SLOT_BYTES);
    memcpy(raw, chosen, SLOT_NAME_BYTES);
    fat_entry_put(inode, raw);
    if (needs_end(plan, dir))
        *fat_hold_at(hold, dir, slot + 1) = SLOT_END;
    fat_index_added(dir, &plan->name, chosen, slot, plan->parts + 1);
    fat_inode_place(inode, fat_hold_position(hold, dir, slot), slot,
                    (uint8_t)plan->parts);
}
