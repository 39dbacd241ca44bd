/*
 * Directories, entry by entry: what is in use, its long name if the parts
 * before it are whole and belong to it, and what is free. Parts that belong to
 * nothing are free.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

static uint32_t slot_shift(const struct fat_fs *fs)
{
    return fs->cluster_shift - SLOT_SHIFT;
}

static bool is_fixed_root(const struct inode *dir)
{
    return dir->number == FAT_ROOT_NUMBER && fat_of(dir)->root_slots > 0;
}

uint32_t fat_slot_count(const struct inode *dir)
{
    const struct fat_fs *fs = fat_of(dir);

    if (is_fixed_root(dir))
        return fs->root_slots;
    return fat_inode_of(dir)->chain.length << slot_shift(fs);
}

int fat_slot_offset(struct inode *dir, uint32_t slot, uint64_t *offset,
                    uint32_t *run)
{
    struct fat_fs *fs = fat_of(dir);
    uint32_t cluster, in_cluster, left = fs->root_slots - slot;
    int status = 1;

    if (is_fixed_root(dir)) {
        *offset = fs->root_offset + (uint64_t)slot * SLOT_BYTES;
    } else {
        in_cluster = slot & ((1U << slot_shift(fs)) - 1);
        left = (1U << slot_shift(fs)) - in_cluster;
        status = fat_chain_find(dir, slot >> slot_shift(fs), &cluster);
        if (status == 1)
            *offset = fat_cluster_offset(fs, cluster) +
                      (uint64_t)in_cluster * SLOT_BYTES;
    }
    if (status == 0)
        return fat_damaged(fs, dir->number, "directory", slot);
    if (status < 0)
        return status;
    *run = min_u32(left,
                   (uint32_t)(PAGE_BYTES - *offset % PAGE_BYTES) / SLOT_BYTES);
    return 0;
}

void fat_scan_begin(struct fat_scan *scan, struct inode *dir, uint32_t next)
{
    scan->dir = dir;
    scan->next = next;
    scan->room = (struct fat_room){0, 0, 0};
    scan->run_first = scan->run_count = 0;
    scan->parts = 0;
    fat_view_begin(&scan->view, fat_of(dir));
}

void fat_scan_move(struct fat_scan *scan, uint32_t next)
{
    scan->next = next;
    scan->parts = 0;
}

void fat_scan_end(struct fat_scan *scan)
{
    fat_view_end(&scan->view);
}

/* ---- Free slots ---------------------------------------------------------- */

static void room_add(struct fat_room *room, uint32_t first, uint32_t count)
{
    if (room->count >= room->wanted || count == 0)
        return;
    if (room->count > 0 && room->first + room->count == first)
        room->count += count;
    else
        *room = (struct fat_room){room->wanted, first, count};
    room->count = min_u32(room->count, room->wanted);
}

/* The parts that were collected belong to nothing. */
static void parts_drop(struct fat_scan *scan, uint32_t end)
{
    if (scan->parts > 0)
        room_add(&scan->room, scan->part_first, end - scan->part_first);
    scan->parts = 0;
}

/* ---- Slots --------------------------------------------------------------- */

/* The bytes of slot scan->next, until the thread waits. */
static int slot_get(struct fat_scan *scan, const uint8_t **out)
{
    uint32_t slot = scan->next;
    int status;

    if (slot - scan->run_first >= scan->run_count) {
        status = fat_slot_offset(scan->dir, slot, &scan->run_offset,
                                 &scan->run_count);
        if (status != 0)
            return status;
        scan->run_first = slot;
    }
    scan->position = (scan->run_offset >> SLOT_SHIFT) + slot - scan->run_first;
    return fat_view(&scan->view, scan->position << SLOT_SHIFT, SLOT_BYTES, out);
}

/* A part of a long name. */
static void take_part(struct fat_scan *scan, const uint8_t *raw)
{
    uint8_t order = raw[LONG_ORDER] & LONG_ORDER_MASK;

    if ((raw[LONG_ORDER] & LONG_LAST) != 0) {
        parts_drop(scan, scan->next);
        scan->parts = order <= LONG_PARTS_MAX ? order : 0;
        scan->part_first = scan->next;
        scan->checksum = raw[LONG_CHECKSUM];
    } else if (scan->parts == 0 || order + 1 != scan->order ||
               raw[LONG_CHECKSUM] != scan->checksum) {
        parts_drop(scan, scan->next);
    }
    if (scan->parts == 0 || order == 0) { /* it belongs to nothing */
        scan->parts = 0;
        room_add(&scan->room, scan->next, 1);
        return;
    }
    scan->order = order;
    fat_part_take(raw, order, scan->name);
}

static bool is_dots(const uint8_t *raw)
{
    return memcmp(raw, ".          ", SLOT_NAME_BYTES) == 0 ||
           memcmp(raw, "..         ", SLOT_NAME_BYTES) == 0;
}

/* An entry: with the parts before it, if they are its own. */
static void take_entry(struct fat_scan *scan, const uint8_t *raw)
{
    memcpy(scan->raw, raw, SLOT_BYTES);
    scan->slot = scan->first = scan->next;
    scan->len = 0;
    if (scan->parts == 0)
        return;
    if (scan->order != 1 || scan->checksum != fat_short_checksum(raw)) {
        parts_drop(scan, scan->next);
        return;
    }
    scan->first = scan->part_first;
    while (scan->len < scan->parts * (unsigned)LONG_PART &&
           scan->name[scan->len] != 0)
        scan->len++;
    if (scan->len > LONG_MAX)
        scan->len = 0;
    scan->parts = 0;
}

/* Look at a slot. Returns 1 if it is an entry, -ENOENT: nothing comes from here
 * on. */
static int take(struct fat_scan *scan, const uint8_t *raw)
{
    const uint8_t attr = raw[SLOT_ATTR] & ATTR_LONG_MASK;

    if (raw[0] == SLOT_END)
        return -ENOENT;
    if (raw[0] != SLOT_DELETED && attr == ATTR_LONG) {
        take_part(scan, raw);
        return 0;
    }
    if (raw[0] == SLOT_DELETED) {
        parts_drop(scan, scan->next);
        room_add(&scan->room, scan->next, 1);
        return 0;
    }
    if ((attr & ATTR_BIT_VOLUME) != 0 || (scan->next < 2 && is_dots(raw))) {
        parts_drop(scan, scan->next);
        return 0;
    }
    take_entry(scan, raw);
    return 1;
}

int fat_scan_next(struct fat_scan *scan)
{
    const uint32_t end = fat_slot_count(scan->dir);
    int status = 0;

    while (scan->next < end && status == 0) {
        const uint8_t *raw;

        status = slot_get(scan, &raw);
        fat_of(scan->dir)->slots_of_names++;
        if (status == 0)
            status = take(scan, raw);
        if (status >= 0)
            scan->next++;
    }
    if (status == 0 || status == -ENOENT) {
        parts_drop(scan, scan->next);
        room_add(&scan->room, scan->next, end - scan->next);
        return 0;
    }
    return status;
}

/* ---- Names --------------------------------------------------------------- */

void fat_scan_name(const struct fat_scan *scan, char *out)
{
    uint16_t units[12];
    unsigned len;

    if (scan->len > 0 && fat_name_text(scan->name, scan->len, out) > 0)
        return;
    len = fat_short_units(scan->raw, units);
    for (unsigned i = 0; i < len; i++)
        out[i] = (char)units[i];
    out[len] = '\0';
}

bool fat_scan_is(const struct fat_scan *scan, const struct fat_name *name)
{
    uint16_t units[12];

    if (scan->len > 0 && fat_name_is(name, scan->name, scan->len))
        return true;
    if (name->len > COUNT_OF(units))
        return false;
    return fat_name_is(name, units, fat_short_units(scan->raw, units));
}
