/* Changing the entries of directories. */
#ifndef TORC_FS_FAT_SLOTS_H
#define TORC_FS_FAT_SLOTS_H

#include "fs/fat/fat_internal.h"
#include "kernel/cache/order.h"

enum {
    FAT_HOLD_ENTRY = 5, /* pieces that the slots of one entry may lie in */
    FAT_HOLD_PIECES = 2 * FAT_HOLD_ENTRY + 2,
    FAT_HOLD_ORDERS = 3, /* sectors that a new entry may lie in */
};

/* Slots that are held: all that an operation changes. */
struct fat_hold {
    unsigned count;
    struct fat_piece {
        struct mapping_ref ref;
        const struct inode *dir;
        uint64_t position; /* on the disk, in entries */
        uint32_t first;
        uint32_t count;
    } piece[FAT_HOLD_PIECES];
    unsigned order_count;
    struct order_pair order[FAT_HOLD_ORDERS];
};

void fat_hold_begin(struct fat_hold *hold);
void fat_hold_end(struct fat_hold *hold);

/* Hold slots of a directory that is locked. Thread; may wait. Returns 0,
 * -EUCLEAN, or as page_get(). */
must_check int fat_hold_slots(struct fat_hold *hold, struct inode *dir,
                              uint32_t first, uint32_t count);

/* The same of all slots of the entry of an inode; -EUCLEAN: it is not in that
 * directory. */
must_check int fat_hold_entry(struct fat_hold *hold, struct inode *dir,
                              const struct inode *inode);

/* Slot `before` is to be durable before slot `after` is written, both held. */
void fat_hold_order(struct fat_hold *hold, const struct inode *dir_before,
                    uint32_t before, const struct inode *dir_after,
                    uint32_t after);

/* Before all that is held is changed: from here on nothing waits. Thread; may
 * wait. Returns 0, -ENOMEM, or as mapping_write(). */
must_check int fat_hold_modify(struct fat_hold *hold, struct fat_fs *fs);

/* Behind the change. */
void fat_hold_dirty(struct fat_hold *hold);

/* The bytes of a slot that is held, and its place on the disk. */
uint8_t *fat_hold_at(struct fat_hold *hold, const struct inode *dir,
                     uint32_t slot);
uint64_t fat_hold_position(struct fat_hold *hold, const struct inode *dir,
                           uint32_t slot);

/* Mark the slots of an entry, which are held, as deleted. */
void fat_entry_remove(struct fat_hold *hold, struct inode *dir,
                      const struct inode *inode);

/* A new entry: its names, and where it goes. */
struct fat_plan {
    struct fat_name name;
    unsigned parts;  /* of its long name */
    unsigned chosen; /* of the short names */
    unsigned taken;  /* a bit for each: others have it */
    uint8_t tries[FAT_SHORT_TRIES + 1][SLOT_NAME_BYTES];
    struct fat_scan scan; /* with room */
};

/*
 * Plan an entry for `name`, which is free, in a directory that is locked; it
 * grows if need be. The short name of `own` (NULL: nobody) counts as free.
 * Thread; may wait. Returns 0, -EINVAL (FAT has no such name), -ENOSPC,
 * -EUCLEAN, or as page_get().
 */
must_check int fat_plan_entry(struct fat_plan *plan, struct inode *dir,
                              const struct name *name, const struct inode *own);

/* Where the entry will be, when its slots are held; -EUCLEAN: an inode has its
 * entry there already. */
uint64_t fat_plan_position(const struct fat_plan *plan, struct fat_hold *hold,
                           const struct inode *dir);
must_check int fat_plan_check(const struct fat_plan *plan,
                              struct fat_hold *hold, const struct inode *dir);

/* Hold the slots of a plan; then, when they may be modified, fill them for an
 * inode, which gets this place. */
must_check int fat_hold_plan(struct fat_hold *hold, struct inode *dir,
                             const struct fat_plan *plan);
void fat_plan_fill(const struct fat_plan *plan, struct fat_hold *hold,
                   struct inode *dir, struct inode *inode);

#endif
