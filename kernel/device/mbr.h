/*
 * The MBR partition table, and the tables of an extended partition, which have
 * the same form. Pure: bytes in, numbers out.
 *
 * UEFI specification 2.10, section 5.2.1; all places and lengths are in logical
 * sectors of the disk.
 */
#ifndef TORC_KERNEL_MBR_H
#define TORC_KERNEL_MBR_H

#include <stdbool.h>
#include <stdint.h>

enum {
    MBR_SIZE = 512, /* bytes, at the beginning of the sector */
    MBR_ENTRIES = 4,
    MBR_LOGICAL_FIRST = 5, /* the number of the first logical partition */
};

/* An entry that says nothing has sectors == 0. */
struct mbr_entry {
    uint8_t type;
    uint32_t first;   /* of an extended partition's table: relative */
    uint32_t sectors; /* 0: unused */
};

struct mbr {
    struct mbr_entry entry[MBR_ENTRIES];
};

/* Read a table. Returns false when the bytes are none. */
bool mbr_parse(const uint8_t bytes[MBR_SIZE], struct mbr *out);

/* An extended partition: it holds tables of further ones. */
bool mbr_is_extended(const struct mbr_entry *entry);

/* Whether the table only protects a GPT, also when it shows a part of what that
 * has as MBR partitions (a hybrid MBR). */
bool mbr_protects_gpt(const struct mbr *mbr);

#endif
