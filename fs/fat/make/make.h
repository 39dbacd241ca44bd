/*
 * Making a volume of FAT12, FAT16 or FAT32 from a tree (fs/make/make.h). Every
 * file and directory is in one piece. Owners, rights but for those to write,
 * and extended attributes are left out: FAT has none.
 *
 * Source: Microsoft Extensible Firmware Initiative FAT32 File System
 * Specification (fatgen103), version 1.03.
 */
#ifndef TORC_FS_FAT_MAKE_H
#define TORC_FS_FAT_MAKE_H

#include "fs/fat/fat_format.h"
#include "fs/make/make.h"

struct fat_make_options {
    uint64_t size_bytes;     /* of the volume; whole sectors of it */
    uint32_t bits;           /* 12, 16 or 32; 0: as usual for the size */
    uint32_t cluster_bytes;  /* 0: as usual for the size */
    uint32_t hidden_sectors; /* of the disk, before the volume */
    uint32_t serial;         /* number of the volume */
    char label[SLOT_NAME_BYTES + 1]; /* in upper case; "": none */
    struct file_time time;           /* of the label */
};

struct fat_make_result {
    uint32_t bits;
    uint32_t cluster_bytes;
    uint32_t clusters, clusters_free;
    const struct make_file *file; /* what could not be, or NULL */
};

/*
 * Make the volume. *result is filled; on an error only its `file`, when it is
 * that file's, and the volume is nothing.
 *
 * Returns 0; -ENOSPC (the tree does not fit; too few or too many clusters for
 * this kind of FAT); -EINVAL (an option; of a file: FAT has no such name);
 * -EEXIST (another name differs in upper and lower case only); -EPERM (neither
 * file nor directory); -EMLINK (a second name); -EFBIG (a file of 4 GiB, a
 * directory of more than 65,536 entries); -ENOMEM; what the host said. Pure but
 * for the host's calls.
 */
must_check int fat_make(const struct make_host *host,
                        const struct fat_make_options *options,
                        struct make_file *root, struct fat_make_result *result);

/*
 * The smallest size in bytes that was found to have room for a tree, and
 * `free_bytes` and `free_percent` (of what the tree takes) more;
 * options->size_bytes is not looked at. Returns as fat_make().
 */
must_check int fat_make_measure(const struct make_host *host,
                                const struct fat_make_options *options,
                                struct make_file *root, uint64_t free_bytes,
                                uint32_t free_percent, uint64_t *size_bytes,
                                struct fat_make_result *result);

#endif
