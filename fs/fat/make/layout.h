/*
 * Where the parts of a volume lie that is to be made: numbers only. In sectors:
 * the reserved ones with the boot sector, two FATs, the root directory of FAT12
 * and FAT16, clusters.
 */
#ifndef TORC_FS_FAT_MAKE_LAYOUT_H
#define TORC_FS_FAT_MAKE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

enum { FAT_MADE_COPIES = 2, FAT_MADE_FSINFO = 1 };

struct fat_layout {
    uint32_t bits; /* 12, 16, 32 */
    uint32_t sectors;
    uint32_t cluster_sectors;
    uint32_t reserved;
    uint32_t fat_sectors; /* of one */
    uint32_t root_slots;  /* 0: FAT32 */
    uint32_t clusters;
};

/*
 * Lay out `sectors` of 512 bytes. `bits` and `cluster_sectors` may be 0: as
 * usual for the size. `root_slots` is how many the root directory has at least.
 * Numbers of clusters near the limits of a kind are not used, since some
 * drivers have them wrong. Returns 0, -ENOSPC, -EINVAL.
 */
must_check int fat_layout_set(struct fat_layout *layout, uint64_t sectors,
                              uint32_t bits, uint32_t cluster_sectors,
                              uint32_t root_slots);

/* The first sector of the root directory of FAT12 and FAT16, and of the
 * clusters. */
uint32_t fat_layout_root(const struct fat_layout *layout);
uint32_t fat_layout_data(const struct fat_layout *layout);

#endif
