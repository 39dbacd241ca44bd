/*
 * Four 16-byte entries at 446, signature 55 AA at 510. Of an entry only the
 * type (byte 4), the first sector (bytes 8..11) and the count (12..15) matter.
 *
 * The first kilobyte of an ext2 file system is free for boot code, which may
 * end with the same signature. So the signature alone is not enough: the status
 * bytes of all four entries must be valid too.
 */
#include "kernel/device/mbr.h"
#include "kernel/lib/bytes.h"

enum {
    TABLE = 446,
    ENTRY_SIZE = 16,
    SIGNATURE = 510,
    ENTRY_STATUS = 0, /* 0x80 active, 0x00 not */
    ENTRY_TYPE = 4,
    ENTRY_FIRST = 8,
    ENTRY_SECTORS = 12,

    TYPE_NONE = 0,
    TYPE_EXTENDED = 0x05,
    TYPE_EXTENDED_LBA = 0x0f,
    TYPE_EXTENDED_LINUX = 0x85,
    TYPE_GPT = 0xee,
};

static bool is_table(const uint8_t *bytes)
{
    if (bytes[SIGNATURE] != 0x55 || bytes[SIGNATURE + 1] != 0xaa)
        return false;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        if ((bytes[TABLE + i * ENTRY_SIZE + ENTRY_STATUS] & 0x7f) != 0)
            return false;
    }
    return true;
}

bool mbr_parse(const uint8_t bytes[MBR_SIZE], struct mbr *out)
{
    if (!is_table(bytes))
        return false;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *from = bytes + TABLE + i * ENTRY_SIZE;
        struct mbr_entry *entry = &out->entry[i];

        entry->type = from[ENTRY_TYPE];
        entry->first = le32_get(from + ENTRY_FIRST);
        entry->sectors = le32_get(from + ENTRY_SECTORS);
        if (entry->type == TYPE_NONE)
            entry->sectors = 0;
    }
    return true;
}

bool mbr_is_extended(const struct mbr_entry *entry)
{
    return entry->sectors != 0 &&
           (entry->type == TYPE_EXTENDED || entry->type == TYPE_EXTENDED_LBA ||
            entry->type == TYPE_EXTENDED_LINUX);
}

bool mbr_protects_gpt(const struct mbr *mbr)
{
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        if (mbr->entry[i].type == TYPE_GPT)
            return true;
    }
    return false;
}
