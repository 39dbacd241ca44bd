/*
 * IDE disks without the block layer: kernel/device/block_raw.h. The channel is
 * reset; commands move their sectors by PIO, and are waited for by looking.
 */
#include "drivers/ide.h"
#include "kernel/device/block_raw.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/list.h>
#include <torc/time.h>

#define SRST_NS    (10 * NS_PER_US) /* 5 are needed: [ATA] 9.2 */
#define AFTER_NS   (3 * NS_PER_MS)  /* 2 */
#define READY_NS   (5 * NS_PER_MS)  /* that DRDY may come later than BSY goes */
#define RESET_NS   (10 * NS_PER_S)  /* of a drive that turns */
#define COMMAND_NS (5 * NS_PER_S)

static struct ide_drive *drive_of(struct block_device *disk)
{
    return container_of(disk, struct ide_drive, block);
}

static void pause_ns(uint64_t ns)
{
    uint64_t end_ns = time_ns() + ns;

    while (time_ns() < end_ns)
        hal_cpu_relax();
}

/* Wait until the status has `bits` of `mask`. Returns 0, -ETIMEDOUT. */
static int wait_for(const struct ide_channel *channel, uint8_t mask,
                    uint8_t bits, uint64_t timeout_ns)
{
    uint64_t end_ns = time_ns() + timeout_ns;

    while ((ide_status(channel) & mask) != bits) {
        if (time_ns() >= end_ns)
            return -ETIMEDOUT;
    }
    return 0;
}

static int raw_prepare(struct block_device *disk)
{
    (void)disk;
    return 0;
}

static int raw_begin(struct block_device *disk)
{
    const struct ide_drive *drive = drive_of(disk);
    struct ide_channel *channel = drive->channel;
    int status;

    if (channel->has_master && !ide_dma_stop(channel))
        return -EIO;
    hal_io_write8(channel->control, 0, ATA_CONTROL_SRST | ATA_CONTROL_NIEN);
    pause_ns(SRST_NS);
    ide_interrupts(channel, false);
    pause_ns(AFTER_NS);
    channel->selected = 0; /* by the reset */
    status = wait_for(channel, ATA_BSY, 0, RESET_NS);
    if (status != 0)
        return status;
    ide_select(channel, drive->number);
    status = wait_for(channel, ATA_BSY | ATA_DRQ, 0, RESET_NS);
    if (status != 0)
        return status;
    channel->selected = IDE_NOBODY; /* at its end the reset selects drive 0 */
    ide_select(channel, drive->number);
    status = wait_for(channel, ATA_BSY | ATA_DRQ, 0, RESET_NS);
    /* Some, as QEMU's, say that they are ready only behind a command. */
    (void)wait_for(channel, ATA_DRDY, ATA_DRDY, READY_NS);
    return status;
}

static bool has_failed(const struct ide_channel *channel)
{
    return (ide_status(channel) & (ATA_ERR | ATA_DF)) != 0;
}

/* The end of a command: it is not busy, wants nothing, and is content. */
static int command_end(const struct ide_channel *channel)
{
    int status = wait_for(channel, ATA_BSY | ATA_DRQ, 0, COMMAND_NS);

    if (status == 0 && has_failed(channel))
        status = -EIO;
    return status;
}

static int raw_move(struct block_device *disk, bool is_write, uint64_t sector,
                    void *data, uint32_t bytes)
{
    const struct ide_drive *drive = drive_of(disk);
    struct ide_channel *channel = drive->channel;
    uint32_t size = drive->id.sector_size;
    struct ide_taskfile file = {.lba = sector / (size / BLOCK_SECTOR_SIZE),
                                .count = (uint16_t)(bytes / size),
                                .is_ext = drive->id.lba48};
    int status = 0;

    if (is_write)
        file.command = file.is_ext ? ATA_WRITE_SECTORS_EXT : ATA_WRITE_SECTORS;
    else
        file.command = file.is_ext ? ATA_READ_SECTORS_EXT : ATA_READ_SECTORS;
    ide_issue(channel, &file);
    for (uint32_t at = 0; status == 0 && at < bytes; at += size) {
        status = wait_for(channel, ATA_BSY, 0, COMMAND_NS);
        if (status == 0 &&
            (has_failed(channel) || (ide_status(channel) & ATA_DRQ) == 0))
            status = -EIO;
        if (status != 0)
            break;
        if (is_write)
            ide_data_out(channel, false, (uint8_t *)data + at, size);
        else
            ide_data_in(channel, false, (uint8_t *)data + at, size);
        ide_settle(channel);
    }
    return status != 0 ? status : command_end(channel);
}

static int raw_flush(struct block_device *disk)
{
    const struct ide_drive *drive = drive_of(disk);
    const struct ide_taskfile file = {
        .command = drive->id.flush_ext ? ATA_FLUSH_EXT : ATA_FLUSH};

    if (!drive->id.flush && !drive->id.flush_ext)
        return 0;
    ide_issue(drive->channel, &file);
    return command_end(drive->channel);
}

const struct block_raw_ops ide_raw = {
    .prepare = raw_prepare,
    .begin = raw_begin,
    .move = raw_move,
    .flush = raw_flush,
};

const struct driver ide_dump_driver = {.name = "ide_dump"};
