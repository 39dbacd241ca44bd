/*
 * A partition table with one partition, which begins at 1 MiB: the MBR of PCs,
 * or a GPT (UEFI specification 2.10, sections 5.2 and 5.3).
 */
#ifndef TORC_TOOLS_MKIMG_TABLE_H
#define TORC_TOOLS_MKIMG_TABLE_H

#include "tools/mkimg/image.h"

enum table_kind { TABLE_NONE, TABLE_MBR, TABLE_GPT };
enum { TABLE_SECTOR = 512, TABLE_FIRST = 2048 /* sector of the partition */ };

struct table {
    enum table_kind kind;
    uint8_t mbr_type; /* of the partition */
    bool is_linux;    /* else Microsoft's data */
    uint64_t sectors; /* of the partition */
    uint8_t id[16];   /* of the disk; of the partition it differs a little */
};

/* Bytes before the volume, and of the whole image. */
uint64_t table_first(enum table_kind kind);
uint64_t table_total(enum table_kind kind, uint64_t sectors);

/* Write it. Returns 0, or as image_write(); -EFBIG: the MBR has no number for
 * so many sectors. */
int table_write(struct image *image, const struct table *table);

#endif
