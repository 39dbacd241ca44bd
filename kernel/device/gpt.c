#include "kernel/device/gpt.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/crc32.h"
#include <torc/assert.h>

/* Of the header: UEFI 2.10, table 5-5. */
enum {
    HEADER_REVISION = 8,
    HEADER_SIZE = 12,
    HEADER_CRC = 16,
    HEADER_RESERVED = 20,
    HEADER_MY_LBA = 24,
    HEADER_FIRST = 40,
    HEADER_LAST = 48,
    HEADER_ARRAY = 72,
    HEADER_ENTRY_COUNT = 80,
    HEADER_ENTRY_SIZE = 84,
    HEADER_ARRAY_CRC = 88,
    HEADER_MIN = 92, /* bytes of it */
};

/* Of an entry: table 5-6. */
enum { ENTRY_TYPE = 0, ENTRY_FIRST = 32, ENTRY_LAST = 40 };

#define SIGNATURE UINT64_C(0x5452415020494645) /* "EFI PART" */

static bool crc_is_right(const uint8_t *bytes, uint32_t size)
{
    static const uint8_t zeros[4];
    uint32_t crc = crc32(0, bytes, HEADER_CRC);

    crc = crc32(crc, zeros, sizeof(zeros)); /* in place of the checksum */
    crc = crc32(crc, bytes + HEADER_RESERVED, size - HEADER_RESERVED);
    return crc == le32_get(bytes + HEADER_CRC);
}

/* What is wrong with the numbers of a header that is as it was written. */
static const char *header_check(const struct gpt_header *header,
                                uint32_t sector_size, uint64_t lba,
                                uint64_t lba_last)
{
    uint64_t sectors;

    if (header->entry_size == 0 || header->entry_size % GPT_ENTRY_UNIT != 0)
        return "the size of its entries cannot be";
    if (header->entry_count > GPT_ARRAY_MAX / header->entry_size)
        return "it has too many entries";
    if (header->usable_first > header->usable_last ||
        header->usable_last > lba_last)
        return "its partitions would lie outside the disk";
    sectors = gpt_array_sectors(header, sector_size);
    if (header->array == 0 || header->array > lba_last ||
        sectors > lba_last - header->array + 1)
        return "its entries lie outside the disk";
    if (header->array <= lba && lba < header->array + sectors)
        return "its entries would lie over it";
    return NULL;
}

const char *gpt_header_parse(const uint8_t *bytes, uint32_t sector_size,
                             uint64_t lba, uint64_t lba_last,
                             struct gpt_header *out)
{
    uint32_t size = le32_get(bytes + HEADER_SIZE);

    assert(sector_size >= HEADER_MIN);
    if (le64_get(bytes) != SIGNATURE)
        return "there is none";
    if (le32_get(bytes + HEADER_REVISION) >> 16 != 1)
        return "its revision is unknown";
    if (size < HEADER_MIN || size > sector_size)
        return "its size cannot be";
    if (!crc_is_right(bytes, size))
        return "its checksum is wrong";
    if (le64_get(bytes + HEADER_MY_LBA) != lba)
        return "it belongs elsewhere";
    *out = (struct gpt_header){
        .usable_first = le64_get(bytes + HEADER_FIRST),
        .usable_last = le64_get(bytes + HEADER_LAST),
        .array = le64_get(bytes + HEADER_ARRAY),
        .entry_count = le32_get(bytes + HEADER_ENTRY_COUNT),
        .entry_size = le32_get(bytes + HEADER_ENTRY_SIZE),
        .array_crc = le32_get(bytes + HEADER_ARRAY_CRC),
    };
    return header_check(out, sector_size, lba, lba_last);
}

bool gpt_array_valid(const struct gpt_header *header, const uint8_t *array)
{
    return crc32(0, array, gpt_array_size(header)) == header->array_crc;
}

bool gpt_entry(const struct gpt_header *header, const uint8_t *array,
               uint32_t index, uint64_t *first, uint64_t *last)
{
    const uint8_t *entry = array + index * header->entry_size;

    assert(index < header->entry_count);
    if (le64_get(entry + ENTRY_TYPE) == 0 &&
        le64_get(entry + ENTRY_TYPE + 8) == 0)
        return false;
    *first = le64_get(entry + ENTRY_FIRST);
    *last = le64_get(entry + ENTRY_LAST);
    return true;
}
