/*
 * What the files share that make a volume. Clusters are taken in the order of
 * the tree, so each file is one run, and the FAT follows from the runs.
 */
#ifndef TORC_FS_FAT_MAKE_INTERNAL_H
#define TORC_FS_FAT_MAKE_INTERNAL_H

#include "fs/fat/make/layout.h"
#include "fs/fat/make/make.h"
#include "kernel/lib/bytes.h"

struct fat_maker {
    const struct make_host *host;
    const struct fat_make_options *options;
    struct make_file *root;
    struct make_disk disk;
    struct fat_layout layout;
    uint32_t next;  /* cluster: all before it are in use */
    uint8_t *chunk; /* MAKE_CHUNK bytes */
};

/* The directory of FAT12 and FAT16 that has its own place. */
static inline bool fat_made_is_fixed(const struct fat_maker *maker,
                                     const struct make_file *file)
{
    return file == maker->root && maker->layout.bits != 32;
}

/* Where a file begins on the disk. */
static inline uint64_t fat_made_offset(const struct fat_maker *maker,
                                       const struct make_file *file)
{
    const struct fat_layout *layout = &maker->layout;
    uint64_t sector = fat_layout_root(layout);

    if (!fat_made_is_fixed(maker, file))
        sector = fat_layout_data(layout) +
                 (uint64_t)(file->number - FAT_FIRST) * layout->cluster_sectors;
    return sector * BOOT_BYTES;
}

/* How many slots a directory needs. Returns 0, -EFBIG, or of which file
 * -EINVAL. (dir.c) */
must_check int fat_made_dir_slots(const struct fat_maker *maker,
                                  const struct make_file *dir, uint32_t *slots,
                                  const struct make_file **file);

/* Write a directory. Returns as fat_made_names() and make_host.write(). */
must_check int fat_made_dir(struct fat_maker *maker,
                            const struct make_file *dir,
                            const struct make_file **file);

/* Write the boot sector, and what FAT32 has beside it (boot.c). */
must_check int fat_made_boot(struct fat_maker *maker);

/* Write both FATs (table.c). */
must_check int fat_made_table(struct fat_maker *maker);

#endif
