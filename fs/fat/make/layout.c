#include "fs/fat/make/layout.h"
#include "fs/fat/fat_format.h"
#include "kernel/lib/minmax.h"
#include <torc/errno.h>

enum {
    KEPT_AWAY = 16, /* clusters from a limit */
    CLUSTER_SECTORS_MAX = 64,
    RESERVED_32 = 32,
    ROOT_SLOTS = 512, /* as usual */
    SLOTS_PER_SECTOR = BOOT_BYTES / SLOT_BYTES,
    FAT12_SECTORS = 8400, /* smaller disks have FAT12, */
    FAT16_SECTORS =
        1048576, /* smaller ones FAT16: the specification's tables */
};

/* The specification's tables of cluster sizes: what disks of up to so many
 * sectors have. */
static const struct row {
    uint32_t sectors;
    uint32_t cluster_sectors;
} rows_16[] = {{32680, 2},    {262144, 4},   {524288, 8},
               {1048576, 16}, {2097152, 32}, {UINT32_MAX, 64}},
  rows_32[] = {{532480, 1},
               {16777216, 8},
               {33554432, 16},
               {67108864, 32},
               {UINT32_MAX, 64}};

static uint32_t usual_cluster(uint32_t bits, uint32_t sectors)
{
    const struct row *row = bits == 16 ? rows_16 : rows_32;

    if (bits == 12)
        return 1;
    while (sectors > row->sectors)
        row++;
    return row->cluster_sectors;
}

/* How many clusters a kind may have. */
static uint32_t clusters_min(uint32_t bits)
{
    if (bits == 12)
        return 1;
    return (bits == 16 ? FAT12_CLUSTERS_MAX : FAT16_CLUSTERS_MAX) + 1 +
           KEPT_AWAY;
}

static uint32_t clusters_max(uint32_t bits)
{
    if (bits == 32)
        return FAT32_CLUSTERS_MAX - KEPT_AWAY;
    return (bits == 16 ? FAT16_CLUSTERS_MAX : FAT12_CLUSTERS_MAX) - KEPT_AWAY;
}

uint32_t fat_layout_root(const struct fat_layout *layout)
{
    return layout->reserved + FAT_MADE_COPIES * layout->fat_sectors;
}

uint32_t fat_layout_data(const struct fat_layout *layout)
{
    return fat_layout_root(layout) + layout->root_slots / SLOTS_PER_SECTOR;
}

/* Sectors of a FAT with entries for so many clusters. */
static uint32_t fat_sectors_of(uint32_t bits, uint32_t clusters)
{
    uint64_t bytes = (((uint64_t)clusters + FAT_FIRST) * bits + 7) / 8;

    return (uint32_t)((bytes + BOOT_BYTES - 1) / BOOT_BYTES);
}

static uint32_t clusters_of(const struct fat_layout *layout)
{
    uint32_t data = fat_layout_data(layout);

    return data >= layout->sectors
               ? 0
               : (layout->sectors - data) / layout->cluster_sectors;
}

/* The smallest FAT for the clusters that it leaves room for. */
static void fat_fit(struct fat_layout *layout)
{
    layout->fat_sectors = 0;
    for (unsigned i = 0; i < 2; i++) /* too large, then not too large */
        layout->fat_sectors = fat_sectors_of(layout->bits, clusters_of(layout));
    while (fat_sectors_of(layout->bits, clusters_of(layout)) >
           layout->fat_sectors)
        layout->fat_sectors++;
    layout->clusters = clusters_of(layout);
}

/* The cluster size that is nearest to the usual one, if none is asked for.
 * Returns 0, -ENOSPC. */
static int cluster_fit(struct fat_layout *layout, uint32_t cluster_sectors)
{
    const uint32_t min = clusters_min(layout->bits);
    const uint32_t max = clusters_max(layout->bits);

    layout->cluster_sectors = cluster_sectors;
    if (cluster_sectors == 0)
        layout->cluster_sectors = usual_cluster(layout->bits, layout->sectors);
    fat_fit(layout);
    while (cluster_sectors == 0 && layout->clusters > max &&
           layout->cluster_sectors < CLUSTER_SECTORS_MAX) {
        layout->cluster_sectors *= 2;
        fat_fit(layout);
    }
    while (cluster_sectors == 0 && layout->clusters < min &&
           layout->cluster_sectors > 1) {
        layout->cluster_sectors /= 2;
        fat_fit(layout);
    }
    return layout->clusters >= min && layout->clusters <= max ? 0 : -ENOSPC;
}

int fat_layout_set(struct fat_layout *layout, uint64_t sectors, uint32_t bits,
                   uint32_t cluster_sectors, uint32_t root_slots)
{
    if ((bits != 0 && bits != 12 && bits != 16 && bits != 32) ||
        (cluster_sectors & (cluster_sectors - 1)) != 0 ||
        cluster_sectors > 2 * CLUSTER_SECTORS_MAX)
        return -EINVAL;
    *layout = (struct fat_layout){.bits = bits};
    layout->sectors = (uint32_t)min_u64(sectors, UINT32_MAX);
    if (bits == 0 && layout->sectors < FAT12_SECTORS)
        layout->bits = 12;
    else if (bits == 0)
        layout->bits = layout->sectors < FAT16_SECTORS ? 16 : 32;
    layout->reserved = 1;
    if (layout->bits == 32)
        layout->reserved = RESERVED_32;
    else
        layout->root_slots =
            (max_u32(root_slots, ROOT_SLOTS) + SLOTS_PER_SECTOR - 1) &
            ~(uint32_t)(SLOTS_PER_SECTOR - 1);
    if (layout->root_slots > UINT16_MAX)
        return -EFBIG;
    return cluster_fit(layout, cluster_sectors);
}
