/*
 * Finding the partitions of a disk. An MBR tells of up to four primary ones and
 * of logical ones, which a chain of tables in an extended partition tells of. A
 * GPT is behind an MBR that protects it; what such an MBR shows besides is
 * ignored.
 *
 * A partition that lies outside the disk or overlaps one before it is left out,
 * and keeps its number: the others are called the same with and without it.
 */
#include "kernel/device/block_internal.h"
#include "kernel/device/gpt.h"
#include "kernel/device/mbr.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>

enum { TABLES_MAX = BLOCK_PARTITION_MAX }; /* of extended partitions */

/* A scan that is under way. */
struct scan {
    struct block_device *disk;
    struct block_open open;
    struct buf *sector; /* the logical sector that was read last */
    uint32_t unit;      /* a logical sector, in 512 bytes */
    uint64_t lba_last;  /* the last logical sector */
    unsigned too_many;  /* partitions whose number is too large */

    /* Where the tables of extended partitions are that were read. */
    uint64_t tables[TABLES_MAX];
    unsigned table_count;
};

/* Read the logical sector `lba`. */
static int sector_read(struct scan *scan, uint64_t lba)
{
    struct slice slice = {.buf = scan->sector, .len = scan->disk->sector_size};

    return block_read(&scan->open, lba * scan->unit, &slice, 1);
}

/* ---- Adding -------------------------------------------------------------- */

static bool overlaps_another(const struct block_device *disk, uint64_t first,
                             uint64_t last)
{
    list_for_each (link, &disk->partitions) {
        const struct block_device *part =
            container_of(link, struct block_device, part_link);

        if (first < part->first_sector + part->sectors &&
            part->first_sector <= last)
            return true;
    }
    return false;
}

/* The partition from logical sector `first` to `last`, both within it. */
static int partition_add(struct scan *scan, unsigned number, uint64_t first,
                         uint64_t last)
{
    struct block_device *disk = scan->disk;
    const char *why = NULL;
    struct block_device *part;

    if (number > BLOCK_PARTITION_MAX) {
        scan->too_many++;
        return 0;
    }
    if (first == 0 || last < first || last > scan->lba_last)
        why = "lies outside the disk";
    else if (overlaps_another(disk, first * scan->unit,
                              (last + 1) * scan->unit - 1))
        why = "overlaps another one";
    if (why != NULL) {
        log_warn("%s: partition %u %s: left out", disk->device.name, number,
                 why);
        return 0;
    }
    part = mem_alloc_zeroed(sizeof(*part));
    if (part == NULL)
        return -ENOMEM;
    part->device.class = DEVICE_BLOCK;
    part->ops = disk->ops;
    part->sectors = (last - first + 1) * scan->unit;
    part->sector_size = disk->sector_size;
    part->read_only = disk->read_only;
    part->features = disk->features;
    part->limits = disk->limits;
    part->disk = disk;
    part->first_sector = first * scan->unit;
    part->number = number;
    fmt_print(part->device.name, sizeof(part->device.name), "%s%u",
              disk->device.name, number);
    device_add_child(&disk->device, &part->device);
    list_push_back(&disk->partitions, &part->part_link);
    block_check(part);
    return 0;
}

/* ---- MBR ----------------------------------------------------------------- */

/* Whether the chain of tables may go on at `lba`; else it is logged why not. */
static bool table_is_new(struct scan *scan, uint64_t lba)
{
    const char *name = scan->disk->device.name;

    for (unsigned i = 0; i < scan->table_count; i++) {
        if (scan->tables[i] == lba) {
            log_warn("%s: its logical partitions form a loop", name);
            return false;
        }
    }
    if (scan->table_count == TABLES_MAX) {
        log_warn("%s: it has too many logical partitions", name);
        return false;
    }
    scan->tables[scan->table_count++] = lba;
    return true;
}

/* The logical partition that the table at `lba` tells of. */
static int logical_add(struct scan *scan, unsigned number, uint64_t lba,
                       const struct mbr_entry *entry, uint64_t extended_last)
{
    uint64_t first = lba + entry->first;
    uint64_t last = first + entry->sectors - 1;

    if (entry->first == 0 || last > extended_last) {
        log_warn("%s: partition %u lies outside the extended one: left out",
                 scan->disk->device.name, number);
        return 0;
    }
    return partition_add(scan, number, first, last);
}

/* The chain of tables in an extended partition; *number is the next one's. */
static int extended_scan(struct scan *scan, const struct mbr_entry *extended,
                         unsigned *number)
{
    uint64_t lba = extended->first;
    uint64_t last = lba + extended->sectors - 1;
    struct mbr table;

    if (lba == 0 || last > scan->lba_last) {
        log_warn("%s: its extended partition lies outside the disk: left out",
                 scan->disk->device.name);
        return 0;
    }
    while (table_is_new(scan, lba)) {
        int status = sector_read(scan, lba);

        if (status != 0)
            return status;
        if (!mbr_parse(scan->sector->base, &table)) {
            log_warn("%s: no table of logical partitions at %llu",
                     scan->disk->device.name, (unsigned long long)lba);
            return 0;
        }
        if (table.entry[0].sectors != 0) {
            status = logical_add(scan, *number, lba, &table.entry[0], last);
            if (status != 0)
                return status;
            *number += 1;
        }
        if (!mbr_is_extended(&table.entry[1]))
            return 0;
        if (table.entry[1].first >= extended->sectors) {
            log_warn("%s: its logical partitions leave the extended one",
                     scan->disk->device.name);
            return 0;
        }
        lba = extended->first + table.entry[1].first;
    }
    return 0;
}

static int mbr_scan(struct scan *scan, const struct mbr *mbr)
{
    unsigned number = MBR_LOGICAL_FIRST;
    int status = 0;

    for (unsigned i = 0; status == 0 && i < MBR_ENTRIES; i++) {
        const struct mbr_entry *entry = &mbr->entry[i];

        if (entry->sectors != 0 && !mbr_is_extended(entry))
            status = partition_add(scan, i + 1, entry->first,
                                   (uint64_t)entry->first + entry->sectors - 1);
    }
    for (unsigned i = 0; status == 0 && i < MBR_ENTRIES; i++) {
        if (mbr_is_extended(&mbr->entry[i]))
            status = extended_scan(scan, &mbr->entry[i], &number);
    }
    return status;
}

/* ---- GPT ----------------------------------------------------------------- */

/* Read the entries of a header. Returns 0 and *out, or an error. */
static int gpt_array_read(struct scan *scan, const struct gpt_header *header,
                          struct buf **out)
{
    uint32_t sector_size = scan->disk->sector_size;
    struct slice slice = {.len = gpt_array_sectors(header, sector_size) *
                                 sector_size};
    int status;

    slice.buf = buf_alloc(slice.len > 0 ? slice.len : 1);
    if (slice.buf == NULL)
        return -ENOMEM;
    status = slice.len > 0 ? block_read(&scan->open, header->array * scan->unit,
                                        &slice, 1)
                           : 0;
    if (status == 0 && !gpt_array_valid(header, slice.buf->base))
        status = -EUCLEAN;
    if (status != 0) {
        buf_put(slice.buf);
        return status;
    }
    *out = slice.buf;
    return 0;
}

/*
 * Read the header in sector `lba`, and its entries. Returns 0 and *header,
 * *array; -ENOMEM; or, logged, -EUCLEAN (damaged) or the error of the disk.
 */
static int gpt_read(struct scan *scan, uint64_t lba, struct gpt_header *header,
                    struct buf **array)
{
    const char *why = "it cannot be read";
    int status = sector_read(scan, lba);

    if (status == 0) {
        why = gpt_header_parse(scan->sector->base, scan->disk->sector_size, lba,
                               scan->lba_last, header);
        status = why != NULL ? -EUCLEAN : gpt_array_read(scan, header, array);
        if (why == NULL)
            why = status == -EUCLEAN ? "the checksum of its entries is wrong"
                                     : "its entries cannot be read";
    }
    if (status != 0)
        log_warn("%s: GPT header at %llu: %s (error %d)",
                 scan->disk->device.name, (unsigned long long)lba, why, status);
    return status;
}

static int gpt_add_all(struct scan *scan, const struct gpt_header *header,
                       const uint8_t *array)
{
    int status = 0;

    for (uint32_t i = 0; status == 0 && i < header->entry_count; i++) {
        uint64_t first, last;

        if (!gpt_entry(header, array, i, &first, &last))
            continue;
        if (first < header->usable_first || last > header->usable_last)
            last = UINT64_MAX; /* of no disk */
        status = partition_add(scan, i + 1, first, last);
    }
    return status;
}

static int gpt_scan(struct scan *scan)
{
    const char *name = scan->disk->device.name;
    struct gpt_header header;
    struct buf *array;
    int status = -EUCLEAN;

    if (scan->lba_last >= GPT_SECTORS_MIN - 1)
        status = gpt_read(scan, GPT_PRIMARY, &header, &array);
    if (status != 0 && status != -ENOMEM &&
        scan->lba_last >= GPT_SECTORS_MIN - 1) {
        status = gpt_read(scan, scan->lba_last, &header, &array);
        if (status == 0)
            log_warn("%s: the backup of its GPT is used", name);
    }
    if (status == -EUCLEAN) {
        log_error("%s: an MBR for a GPT, but no GPT: no partitions", name);
        return 0;
    }
    if (status != 0)
        return status;
    status = gpt_add_all(scan, &header, array->base);
    buf_put(array);
    return status;
}

/* ---- The scan ------------------------------------------------------------ */

static int scan_run(struct scan *scan)
{
    struct mbr mbr;
    int status = sector_read(scan, 0);

    if (status != 0)
        return status;
    if (!mbr_parse(scan->sector->base, &mbr))
        return 0;
    status = mbr_protects_gpt(&mbr) ? gpt_scan(scan) : mbr_scan(scan, &mbr);
    if (scan->too_many > 0)
        log_warn("%s: %u partitions past number %u: left out",
                 scan->disk->device.name, scan->too_many, BLOCK_PARTITION_MAX);
    return status;
}

int partition_scan(struct block_device *disk)
{
    struct scan *scan = mem_alloc_zeroed(sizeof(*scan));
    int status = -ENOMEM;

    assert(disk->disk == NULL);
    if (scan == NULL)
        return -ENOMEM;
    scan->disk = disk;
    scan->unit = disk->sector_size / BLOCK_SECTOR_SIZE;
    scan->lba_last = disk->sectors / scan->unit - 1;
    scan->sector = buf_alloc(disk->sector_size);
    if (scan->sector != NULL) {
        status = block_open(disk, BLOCK_SHARED, &scan->open);
        if (status == 0) {
            status = scan_run(scan);
            block_close(&scan->open);
        }
        buf_put(scan->sector);
    }
    mem_free(scan);
    return status;
}
