/*
 * Fuzz partition tables: MBR, chains of logical partitions, GPT.
 *
 *   bytes 0..3  how many logical sectors the disk has, less one
 *   byte 4      1: sectors of 4096 bytes; 2: the checksums of the GPT are made
 *               right; 4: those of its backup
 *   byte 5      which read fails; 0: none does
 *   from 8 on   up to 24 KiB each: the beginning of the disk, then its end
 *
 * All other sectors begin with their number, and go on as a sector of the
 * beginning does: so a chain of tables finds tables wherever it leads.
 *
 * Whatever the tables say, the disk can be dedicated and read; each partition
 * lies in it, keeps to its range, and reads what the disk has there; and no
 * sector gets two users.
 *
 * A partition lives as long as its machine, so each run has a machine of its
 * own: an input replays alone.
 */
#include "kernel/device/block_driver.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/part_image.h"
#include "tests/fakes/ramblk.h"
#include "tests/fuzz/must.h"
#include <string.h>
#include <torc/device.h>
#include <torc/errno.h>
#include <torc/memory.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 8, END_MAX = 24 * 1024, BIG = 1, SEAL = 2, SEAL_BACKUP = 4 };

static struct block_device disk;
static uint64_t lba_count;
static uint8_t begin_bytes[END_MAX], end_bytes[END_MAX];
static unsigned fail_read;

/* The first and the last sectors of the disk that are as the input says. */
static uint64_t end_count(void)
{
    uint64_t count = END_MAX / disk.sector_size;

    return count < lba_count ? count : lba_count;
}

static void sector_make(uint64_t lba, uint8_t *at)
{
    uint32_t size = disk.sector_size;
    uint64_t count = end_count();

    if (lba < count) {
        memcpy(at, begin_bytes + lba * size, size);
    } else if (lba >= lba_count - count) {
        memcpy(at, end_bytes + (lba - (lba_count - count)) * size, size);
    } else {
        memcpy(at, begin_bytes + lba % count * size, size);
        le64_put(at, lba);
    }
}

static int submit(struct block_queue *queue, struct block_request *first)
{
    static uint8_t bytes[64 * 4096];
    const struct block_private *priv = &first->priv;
    uint32_t unit = disk.sector_size / BLOCK_SECTOR_SIZE;

    must(priv->op == BLOCK_READ);
    must(priv->sector < queue->disk->sectors);
    must(priv->sectors <= queue->disk->sectors - priv->sector);
    must(priv->sector % unit == 0 && priv->sectors % unit == 0);
    must(priv->sectors * BLOCK_SECTOR_SIZE <= sizeof(bytes));
    for (uint32_t i = 0; i < priv->sectors / unit; i++)
        sector_make(priv->sector / unit + i, bytes + i * disk.sector_size);
    block_copy(first, bytes);
    block_done(queue, first, fail_read > 0 && --fail_read == 0 ? -EIO : 0);
    return 0;
}

static int start(struct block_device *dev)
{
    (void)dev;
    return 0;
}

static const struct block_ops ops = {.start = start, .submit = submit};

/* ---- The input ----------------------------------------------------------- */

/* Where `lba` of the disk is, as far as the input says it; else NULL. */
static uint8_t *input_sector(uint64_t lba)
{
    uint64_t count = end_count();

    if (lba < count)
        return begin_bytes + lba * disk.sector_size;
    if (lba < lba_count && lba >= lba_count - count)
        return end_bytes + (lba - (lba_count - count)) * disk.sector_size;
    return NULL;
}

/* Make the checksums of a header and of its entries right, where both are in
 * the input. */
static void seal(uint64_t lba)
{
    uint8_t *header = input_sector(lba);
    uint32_t entry_count, entry_size, size;
    uint8_t *array;

    if (header == NULL)
        return;
    entry_count = le32_get(header + 80);
    entry_size = le32_get(header + 84);
    array = input_sector(le64_get(header + 72));
    if (array != NULL && entry_count <= END_MAX && entry_size <= END_MAX &&
        (uint64_t)entry_count * entry_size <=
            (size_t)((array < begin_bytes + END_MAX && array >= begin_bytes
                          ? begin_bytes
                          : end_bytes) +
                     END_MAX - array))
        le32_put(header + 88,
                 image_crc32(array, (size_t)entry_count * entry_size));
    size = le32_get(header + 12);
    le32_put(header + 16, 0);
    if (size <= disk.sector_size)
        le32_put(header + 16, image_crc32(header, size));
}

static void input_read(const uint8_t *data, size_t size)
{
    size_t first, second;

    memset(begin_bytes, 0, sizeof(begin_bytes));
    memset(end_bytes, 0, sizeof(end_bytes));
    memset(&disk, 0, sizeof(disk));
    lba_count = (uint64_t)le32_get(data) + 1;
    disk.sector_size = data[4] & BIG ? 4096 : 512;
    disk.sectors = lba_count * (disk.sector_size / BLOCK_SECTOR_SIZE);
    fail_read = data[5];
    first = size - HEADER < END_MAX ? size - HEADER : END_MAX;
    second = size - HEADER - first < END_MAX ? size - HEADER - first : END_MAX;
    memcpy(begin_bytes, data + HEADER, first);
    memcpy(end_bytes, data + HEADER + first, second);
    if (data[4] & SEAL)
        seal(1);
    if (data[4] & SEAL_BACKUP)
        seal(lba_count - 1);
}

/* ---- What must hold ------------------------------------------------------ */

static struct block_device *part_of(struct list *link)
{
    return container_of(link, struct block_device, part_link);
}

/* Reading a sector of a partition reads that sector of the disk. */
static void sector_check(struct block_open *part, uint64_t sector)
{
    uint32_t unit = disk.sector_size / BLOCK_SECTOR_SIZE;
    uint8_t wanted[4096], got[4096];

    must(disk_read(part, sector, unit, got) == 0);
    sector_make((part->dev->first_sector + sector) / unit, wanted);
    must(memcmp(wanted, got, disk.sector_size) == 0);
}

static void partition_check(struct block_device *part)
{
    uint32_t unit = disk.sector_size / BLOCK_SECTOR_SIZE;
    uint8_t buf[2 * 4096];
    struct block_open open;

    block_check(part);
    must(part->number >= 1 && part->number <= BLOCK_PARTITION_MAX);
    must(block_partition(&disk, part->number) == part);
    must(part->first_sector > 0); /* the table itself is in none */
    must(part->first_sector < disk.sectors);
    must(part->sectors <= disk.sectors - part->first_sector);
    must(block_open(part, BLOCK_EXCLUSIVE, &open) == 0);
    must(block_open(&disk, BLOCK_SHARED, &(struct block_open){0}) == -EBUSY);
    sector_check(&open, 0);
    sector_check(&open, part->sectors - unit);
    must(disk_read(&open, part->sectors, unit, buf) == -EINVAL);
    must(disk_read(&open, part->sectors - unit, 2 * unit, buf) == -EINVAL);
    block_close(&open);
}

/* No two of them have a sector in common. */
static void apart_check(void)
{
    list_for_each (a, &disk.partitions) {
        for (struct list *b = a->next; b != &disk.partitions; b = b->next)
            must(part_of(a)->first_sector + part_of(a)->sectors <=
                     part_of(b)->first_sector ||
                 part_of(b)->first_sector + part_of(b)->sectors <=
                     part_of(a)->first_sector);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned listed = 0, number = 0;

    if (size < HEADER)
        return 0;
    machine_attach(2 << 20);
    input_read(data, size);
    disk.ops = &ops;
    must(block_register(&disk, "vd") == 0);
    must(device_dedicate(&disk.device, 0) == 0);
    fail_read = 0;
    block_check(&disk);
    list_for_each (link, &disk.partitions) {
        struct block_device *part = part_of(link);

        listed++;
        must(part->number > number); /* in this order */
        number = part->number;
        must(device_find(DEVICE_BLOCK, listed) == &part->device);
        must(device_by_name(part->device.name) == &part->device);
        partition_check(part);
    }
    must(device_find(DEVICE_BLOCK, listed + 1) == NULL);
    apart_check();
    machine_detach();
    return 0;
}
