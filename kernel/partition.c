/*
 * The MBR partition table: four 16-byte entries at 446 of sector 0, signature
 * 55 AA at 510 (UEFI specification 2.10, section 5.2.1). Of an entry only the
 * type (byte 4), the first sector (bytes 8..11) and the count (12..15) matter.
 *
 * An ext2 file system may have any boot code in its first kilobyte, so the
 * signature alone is not enough: a table is one whose entries all make sense.
 */
#include "kernel/block.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/fmt.h"
#include "kernel/lib/mem.h"
#include <torc/log.h>
#include <torc/memory.h>

enum {
    MBR_TABLE = 446,
    MBR_ENTRY_SIZE = 16,
    MBR_ENTRY_COUNT = BLOCK_PARTITION_MAX,
    MBR_SIGNATURE = 510,
    MBR_STATUS = 0, /* 0x80 active, 0x00 not */
    MBR_TYPE = 4,
    MBR_FIRST = 8,
    MBR_COUNT = 12,
};

static bool is_table(const uint8_t *sector)
{
    if (sector[MBR_SIGNATURE] != 0x55 || sector[MBR_SIGNATURE + 1] != 0xaa)
        return false;
    for (unsigned i = 0; i < MBR_ENTRY_COUNT; i++) {
        if ((sector[MBR_TABLE + i * MBR_ENTRY_SIZE + MBR_STATUS] & 0x7f) != 0)
            return false;
    }
    return true;
}

static int partition_add(struct block_device *disk, unsigned number,
                         uint64_t first, uint64_t count)
{
    struct block_device *part;

    if (first == 0 || first >= disk->sectors || count > disk->sectors - first) {
        log_warn("%s: partition %u lies outside the disk: left out",
                 disk->device.name, number);
        return 0;
    }
    part = mem_alloc_zeroed(sizeof(*part));
    if (part == NULL)
        return -ENOMEM;
    part->ops = disk->ops;
    part->sectors = count;
    part->count_max = disk->count_max;
    part->read_only = disk->read_only;
    part->disk = disk;
    part->first_sector = first;
    part->device.class = DEVICE_BLOCK;
    part->device.owner = disk->device.owner;
    queue_init(&part->waiting);
    fmt_print(part->device.name, sizeof(part->device.name), "%s%u",
              disk->device.name, number);
    disk->partitions[number - 1] = part;
    return 0;
}

int partition_scan(struct block_device *disk)
{
    uint8_t *sector = dma_alloc(BLOCK_SECTOR_SIZE);
    int status;

    if (sector == NULL)
        return -ENOMEM;
    status = block_read(disk, 0, 1, sector);
    for (unsigned i = 0; status == 0 && i < MBR_ENTRY_COUNT && is_table(sector);
         i++) {
        const uint8_t *entry = sector + MBR_TABLE + i * MBR_ENTRY_SIZE;
        uint32_t count = le32_get(entry + MBR_COUNT);

        if (entry[MBR_TYPE] != 0 && count != 0)
            status =
                partition_add(disk, i + 1, le32_get(entry + MBR_FIRST), count);
    }
    dma_free(sector, BLOCK_SECTOR_SIZE);
    return status;
}

int partition_register(struct block_device *disk)
{
    int status = 0;

    for (unsigned i = 0; status == 0 && i < MBR_ENTRY_COUNT; i++) {
        if (disk->partitions[i] != NULL)
            status = device_register(&disk->partitions[i]->device, NULL);
    }
    return status;
}
