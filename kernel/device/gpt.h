/*
 * The GUID partition table: a header at the second sector of the disk, which
 * tells where the array of entries is, and a backup of both at its end. Pure:
 * bytes in, numbers out.
 *
 * UEFI specification 2.10, section 5.3; all places and lengths are in logical
 * sectors of the disk.
 */
#ifndef TORC_KERNEL_GPT_H
#define TORC_KERNEL_GPT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GPT_PRIMARY = 1,            /* where the first header is */
    GPT_ARRAY_MAX = 256 * 1024, /* bytes of entries that we read */
    GPT_ENTRY_UNIT = 128,       /* entries are multiples of that */
    GPT_SECTORS_MIN = 3,        /* of a disk: protective MBR, two headers */
};

struct gpt_header {
    uint64_t usable_first, usable_last; /* where partitions may be */
    uint64_t array;                     /* its first sector */
    uint32_t entry_count;
    uint32_t entry_size; /* bytes */
    uint32_t array_crc;
};

/* Bytes of all entries; at most GPT_ARRAY_MAX for a header that was parsed. */
static inline uint32_t gpt_array_size(const struct gpt_header *header)
{
    return header->entry_count * header->entry_size;
}

/* In how many sectors they are. */
static inline uint32_t gpt_array_sectors(const struct gpt_header *header,
                                         uint32_t sector_size)
{
    uint32_t size = gpt_array_size(header);

    return size / sector_size + (size % sector_size != 0);
}

/*
 * Read the header that was found in sector `lba` of a disk whose last sector is
 * `lba_last`. `bytes` is the whole sector. Returns NULL, or what is wrong with
 * it, as a part of a sentence ("its checksum is wrong").
 */
const char *gpt_header_parse(const uint8_t *bytes, uint32_t sector_size,
                             uint64_t lba, uint64_t lba_last,
                             struct gpt_header *out);

/* Whether the array is what the header was written with. */
bool gpt_array_valid(const struct gpt_header *header, const uint8_t *array);

/*
 * Entry `index` of a valid array. Returns false when it is unused; else its
 * first and its last sector, which may be anything.
 */
bool gpt_entry(const struct gpt_header *header, const uint8_t *array,
               uint32_t index, uint64_t *first, uint64_t *last);

#endif
