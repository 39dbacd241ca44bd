#include "tools/fsck/image_part.h"
#include "kernel/device/gpt.h"
#include "kernel/device/mbr.h"
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECTOR = 512, LOGICAL_MAX = 64 };

static bool sector_read(int fd, uint64_t lba, uint8_t *to)
{
    return lba < UINT64_MAX / SECTOR &&
           pread(fd, to, SECTOR, (off_t)(lba * SECTOR)) == SECTOR;
}

/* ---- GPT ----------------------------------------------------------------- */

static const char *gpt_find(int fd, uint64_t sectors, uint64_t number,
                            uint64_t *first, uint64_t *last)
{
    const char *why = "the partition table is not valid";
    struct gpt_header header;
    uint8_t sector[SECTOR], *array = NULL;
    size_t size = 0;

    if (!sector_read(fd, GPT_PRIMARY, sector) ||
        gpt_header_parse(sector, SECTOR, GPT_PRIMARY, sectors - 1, &header) !=
            NULL)
        return why;
    size = gpt_array_size(&header);
    array = malloc(size > 0 ? size : 1);
    if (array == NULL)
        return "there is not enough memory";
    if (pread(fd, array, size, (off_t)(header.array * SECTOR)) ==
            (ssize_t)size &&
        gpt_array_valid(&header, array))
        why =
            number >= 1 && number <= header.entry_count &&
                    gpt_entry(&header, array, (uint32_t)number - 1, first, last)
                ? NULL
                : "there is no such partition";
    free(array);
    return why;
}

/* ---- MBR ----------------------------------------------------------------- */

/* The chain of tables that begins at `table`, which is all of the extended
 * partition: each has one logical partition and the place of the next table. */
static bool logical_find(int fd, uint64_t table, uint64_t number,
                         uint64_t *first, uint64_t *last)
{
    uint64_t lba = table;

    for (unsigned i = MBR_LOGICAL_FIRST; i < LOGICAL_MAX; i++) {
        uint8_t sector[SECTOR];
        struct mbr mbr;

        if (!sector_read(fd, lba, sector) || !mbr_parse(sector, &mbr))
            return false;
        if (i == number && mbr.entry[0].sectors != 0) {
            *first = lba + mbr.entry[0].first;
            *last = *first + mbr.entry[0].sectors - 1;
            return true;
        }
        if (mbr.entry[1].sectors == 0)
            return false;
        lba = table + mbr.entry[1].first;
    }
    return false;
}

static bool mbr_find(int fd, const struct mbr *mbr, uint64_t number,
                     uint64_t *first, uint64_t *last)
{
    if (number >= 1 && number <= MBR_ENTRIES) {
        const struct mbr_entry *entry = &mbr->entry[number - 1];

        *first = entry->first;
        *last = *first + entry->sectors - 1;
        return entry->sectors != 0 && !mbr_is_extended(entry);
    }
    for (unsigned i = 0; i < MBR_ENTRIES; i++)
        if (mbr_is_extended(&mbr->entry[i]))
            return logical_find(fd, mbr->entry[i].first, number, first, last);
    return false;
}

const char *image_part_find(int fd, uint64_t number, uint64_t *first,
                            uint64_t *size)
{
    uint64_t sectors = *size / SECTOR, from, to;
    uint8_t sector[SECTOR];
    struct mbr mbr;
    const char *why = NULL;

    if (!sector_read(fd, 0, sector) || !mbr_parse(sector, &mbr))
        return "there is no partition table";
    if (mbr_protects_gpt(&mbr))
        why = gpt_find(fd, sectors, number, &from, &to);
    else if (!mbr_find(fd, &mbr, number, &from, &to))
        why = "there is no such partition";
    if (why != NULL)
        return why;
    if (to < from || to >= sectors)
        return "the partition lies outside the image";
    *first = from * SECTOR;
    *size = (to - from + 1) * SECTOR;
    return NULL;
}
