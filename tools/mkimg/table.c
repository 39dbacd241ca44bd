#include "tools/mkimg/table.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/crc32.h"
#include <errno.h>
#include <string.h>

enum {
    MBR_ID = 440,
    MBR_ENTRY = 446,
    MBR_SIGNATURE = 510,
    ENTRY_HEADS = 1, /* the first place as heads and sectors: */
    ENTRY_TYPE = 4,
    ENTRY_HEADS_LAST = 5,
    ENTRY_FIRST = 8,
    ENTRY_SECTORS = 12,
    TYPE_PROTECTIVE = 0xee,

    GPT_ENTRIES = 128,
    GPT_ENTRY_SIZE = 128,
    GPT_ARRAY_SECTORS = GPT_ENTRIES * GPT_ENTRY_SIZE / TABLE_SECTOR,
    GPT_TAIL = GPT_ARRAY_SECTORS + 1, /* the backup at the end */
    GPT_HEADER_SIZE = 92,
};

uint64_t table_first(enum table_kind kind)
{
    return kind == TABLE_NONE ? 0 : (uint64_t)TABLE_FIRST * TABLE_SECTOR;
}

uint64_t table_total(enum table_kind kind, uint64_t sectors)
{
    return table_first(kind) +
           (sectors + (kind == TABLE_GPT ? GPT_TAIL : 0)) * TABLE_SECTOR;
}

/* ---- MBR ----------------------------------------------------------------- */

static int mbr_write(struct image *image, const struct table *table,
                     uint8_t type, uint64_t first, uint64_t sectors)
{
    /* What no heads and sectors can say. */
    static const uint8_t beyond[] = {0xfe, 0xff, 0xff};
    uint8_t mbr[TABLE_SECTOR] = {0};
    uint8_t *entry = mbr + MBR_ENTRY;

    if (type != TYPE_PROTECTIVE) {
        memcpy(mbr + MBR_ID, table->id, 4);
        if (first + sectors > UINT32_MAX)
            return -EFBIG;
    }
    memcpy(entry + ENTRY_HEADS, beyond, sizeof(beyond));
    memcpy(entry + ENTRY_HEADS_LAST, beyond, sizeof(beyond));
    if (type == TYPE_PROTECTIVE)
        memcpy(entry + ENTRY_HEADS, "\0\2\0", 3);
    entry[ENTRY_TYPE] = type;
    le32_put(entry + ENTRY_FIRST, (uint32_t)first);
    le32_put(entry + ENTRY_SECTORS,
             (uint32_t)(sectors < UINT32_MAX ? sectors : UINT32_MAX));
    le16_put(mbr + MBR_SIGNATURE, 0xaa55);
    return image_write(image, 0, mbr, sizeof(mbr));
}

/* ---- GPT ----------------------------------------------------------------- */

/* Types of partitions: Linux file system, Microsoft basic data. */
static const uint8_t type_linux[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84,
                                       0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69,
                                       0xd8, 0x47, 0x7d, 0xe4};
static const uint8_t type_data[16] = {0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9,
                                      0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6,
                                      0xb7, 0x26, 0x99, 0xc7};

static void array_fill(const struct table *table, uint8_t *array)
{
    memcpy(array, table->is_linux ? type_linux : type_data, 16);
    memcpy(array + 16, table->id, 16);
    array[16] ^= 1;
    le64_put(array + 32, TABLE_FIRST);
    le64_put(array + 40, TABLE_FIRST + table->sectors - 1);
}

/* The header for sector `at`, whose array is at `array_at`. */
static void header_fill(const struct table *table, const uint8_t *array,
                        uint64_t at, uint64_t other, uint64_t array_at,
                        uint8_t *header)
{
    const uint64_t last = TABLE_FIRST + table->sectors + GPT_TAIL - 1;

    memset(header, 0, TABLE_SECTOR);
    memcpy(header, "EFI PART", 8);
    le32_put(header + 8, 0x10000); /* revision */
    le32_put(header + 12, GPT_HEADER_SIZE);
    le64_put(header + 24, at);
    le64_put(header + 32, other);
    le64_put(header + 40, 2 + GPT_ARRAY_SECTORS); /* what can be used */
    le64_put(header + 48, last - GPT_TAIL);
    memcpy(header + 56, table->id, 16);
    le64_put(header + 72, array_at);
    le32_put(header + 80, GPT_ENTRIES);
    le32_put(header + 84, GPT_ENTRY_SIZE);
    le32_put(header + 88, crc32(0, array, GPT_ENTRIES * GPT_ENTRY_SIZE));
    le32_put(header + 16, crc32(0, header, GPT_HEADER_SIZE));
}

static int gpt_write(struct image *image, const struct table *table)
{
    static uint8_t array[GPT_ENTRIES * GPT_ENTRY_SIZE];
    const uint64_t last = TABLE_FIRST + table->sectors + GPT_TAIL - 1;
    uint8_t header[TABLE_SECTOR];
    int status = mbr_write(image, table, TYPE_PROTECTIVE, 1, last);

    memset(array, 0, sizeof(array));
    array_fill(table, array);
    header_fill(table, array, 1, last, 2, header);
    if (status == 0)
        status = image_write(image, TABLE_SECTOR, header, sizeof(header));
    if (status == 0)
        status = image_write(image, 2 * TABLE_SECTOR, array, sizeof(array));
    header_fill(table, array, last, 1, last - GPT_ARRAY_SECTORS, header);
    if (status == 0)
        status = image_write(image, (last - GPT_ARRAY_SECTORS) * TABLE_SECTOR,
                             array, sizeof(array));
    if (status == 0)
        status =
            image_write(image, last * TABLE_SECTOR, header, sizeof(header));
    return status;
}

int table_write(struct image *image, const struct table *table)
{
    if (table->kind == TABLE_NONE)
        return 0;
    return table->kind == TABLE_MBR ? mbr_write(image, table, table->mbr_type,
                                                TABLE_FIRST, table->sectors)
                                    : gpt_write(image, table);
}
