/*
 * IDE: finding the PCI controllers and their drives, and the block driver.
 * Disks are hda, hdb ... in the order they are found. docs/drivers.md.
 */
#include "drivers/ide.h"
#include "drivers/pci.h"
#include "kernel/base/cmdline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    CLASS_REG = 0x0a,
    CLASS_IDE = 0x0101,
    INTERFACE_REG = 0x09,
    INTERFACE_NATIVE = 1, /* of channel 0; of channel 1 two bits up */
    INTERFACE_MASTER = 1 << 7,
    BAR_MASTER = 4,
    MASTER_SIZE = 8,    /* of each channel */
    CONTROL_OFFSET = 2, /* of the register, in its BAR */
    CHANNELS = 2,
};
#define PROBE_NS (10 * NS_PER_S) /* the firmware has waited before us */
#define RESET_NS (31 * NS_PER_S) /* [ATA] 9.2 */

static struct ide_drive *drive_of(struct block_device *disk)
{
    return container_of(disk, struct ide_drive, block);
}

/* ---- Requests ------------------------------------------------------------ */

static int drive_submit(struct block_queue *queue, struct block_request *first)
{
    struct ide_drive *drive = drive_of(queue->disk);

    if (drive->request != NULL)
        return -EAGAIN;
    drive->request = first;
    ide_next(drive->channel);
    return 0;
}

static void drive_poll(struct block_queue *queue)
{
    ide_advance(drive_of(queue->disk)->channel);
}

/* A drive has interrupted, or somebody on the same line. */
static void channel_irq(void *arg)
{
    struct ide_channel *channel = arg;
    struct ide_drive *drive = channel->active;

    if (channel->has_master) {
        if ((ide_dma_status(channel) & IDE_MASTER_INTERRUPT) == 0)
            return;
        ide_dma_clear(channel, IDE_MASTER_INTERRUPT);
    } else if ((ide_status(channel) & ATA_BSY) != 0) {
        return;
    }
    (void)hal_io_read8(channel->command, ATA_STATUS); /* quiets it */
    channel->has_event = true;
    if (drive != NULL)
        block_interrupt(drive->block.queues[0]);
}

/* ---- Recovery ------------------------------------------------------------ */

/*
 * Reset the channel, for the sake of `drive`, and set its drives up again. The
 * other drive has lost its command as well: it starts again. Returns 0, or why
 * `drive` does not work.
 */
static int channel_recover(struct ide_channel *channel,
                           const struct ide_drive *drive)
{
    int reset = ide_reset(channel, RESET_NS);
    int status = reset;

    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *other = channel->drives[i];
        int result;

        if (other == NULL || !other->is_started)
            continue;
        result = reset == 0 ? ide_setup(other) : reset;
        if (other == drive)
            status = result;
    }
    ide_interrupts(channel, true);
    return status;
}

/* What was under way on the channel is so no more. */
static void active_forget(struct ide_channel *channel)
{
    struct ide_drive *active = channel->active;

    if (active != NULL && channel->is_dma)
        ide_dma_failed(active);
    if (active != NULL)
        active->is_flushing = false;
    ide_forget(channel);
}

static int drive_recover(struct block_device *disk)
{
    struct ide_drive *drive = drive_of(disk);
    struct ide_channel *channel = drive->channel;
    struct block_request *first;
    bool stopped;
    int status = -EIO;

    ide_claim(channel, true);
    stopped = ide_dma_stop(channel);
    first = drive->request;
    drive->request = NULL;
    if (stopped)
        active_forget(channel);
    /* What the bus master may still reach is not given back. */
    if (first != NULL && channel->active != drive)
        block_done(disk->queues[0], first, -ECANCELED);
    if (stopped) {
        status = channel_recover(channel, drive);
    } else {
        log_error("%s: its bus master does not stop", disk->device.name);
        channel->phase = IDE_BROKEN;
    }
    drive->is_started = status == 0;
    ide_release(channel);
    return status;
}

/* ---- Start --------------------------------------------------------------- */

/* The first drive of a channel brings it to its CPU. */
static int channel_start(struct ide_channel *channel)
{
    int cpu = (int)cpu_self()->id;
    int status;

    if (channel->cpu < 0) {
        timer_init(&channel->timer, ide_timer_run);
        status = timer_set(&channel->timer, TIME_NEVER);
        if (status != 0)
            return status;
        channel->cpu = cpu;
    }
    if (channel->cpu != cpu) {
        log_error("ide: the drives of %s belong to one CPU: that is %d",
                  channel->where, channel->cpu);
        return -EXDEV;
    }
    if (channel->is_attached || channel->irq == 0)
        return 0;
    status = hal_irq_attach(channel->irq, cpu_self()->id, channel_irq, channel);
    channel->is_attached = status == 0;
    return status;
}

static int drive_start(struct block_device *disk)
{
    struct ide_drive *drive = drive_of(disk);
    struct ide_channel *channel = drive->channel;
    int status = channel_start(channel);

    if (status != 0)
        return status;
    ide_claim(channel, false);
    ide_interrupts(channel, false);
    status = ide_setup(drive);
    drive->is_started = status == 0;
    if (status != 0) /* for the other drive's sake */
        (void)channel_recover(channel, drive);
    ide_interrupts(channel, true);
    ide_release(channel);
    return status;
}

static const struct block_ops drive_ops = {
    .start = drive_start,
    .submit = drive_submit,
    .poll = drive_poll,
    .recover = drive_recover,
    .raw = &ide_raw,
};

/* ---- Drives -------------------------------------------------------------- */

static void drive_say(const struct ide_drive *drive)
{
    log_info("%s: %llu MiB in sectors of %u, %s, %s drive %u, %s",
             drive->block.device.name,
             (unsigned long long)(drive->block.sectors / 2048),
             drive->id.sector_size, drive->id.model, drive->channel->where,
             drive->number, drive->uses_dma ? "DMA" : "PIO");
}

/* Returns whether it has a name now. */
static bool drive_register(struct ide_drive *drive)
{
    struct block_device *disk = &drive->block;
    int status;

    disk->ops = &drive_ops;
    disk->sector_size = drive->id.sector_size;
    disk->sectors =
        drive->id.sectors * (drive->id.sector_size / BLOCK_SECTOR_SIZE);
    disk->limits.sectors = IDE_SECTORS_MAX;
    disk->limits.segments = IDE_SEGMENTS_MAX;
    if (drive->id.flush || drive->id.flush_ext)
        disk->features |= BLOCK_HAS_CACHE;
    if (drive->id.fua && disk->features != 0)
        disk->features |= BLOCK_HAS_FUA;
    status = block_register(disk, "hd");
    if (status != 0) {
        log_error("ide: %s drive %u cannot be registered (error %d): left out",
                  drive->channel->where, drive->number, status);
        return false;
    }
    drive_say(drive);
    return true;
}

/* Why a drive is left out; NULL: there is none. */
static const char *why_not(int status)
{
    switch (status) {
    case -ENODEV:
        return NULL;
    case -ENOTSUP:
        return "is no disk that this driver knows (ATAPI, or without LBA)";
    case -ETIMEDOUT:
        return "does not answer";
    case -EINVAL:
        return "has no sectors";
    default:
        return "does not say what it is";
    }
}

/* A drive that ide_look() has seen, or not: `look`. Returns 0, -ENOMEM. */
static int drive_find(struct ide_channel *channel, unsigned number, int look,
                      uint16_t signature)
{
    struct ata_identity id;
    struct ide_drive *drive;
    const char *why;
    int status = look;

    if (status == 0)
        status = ide_detect(channel, number, signature);
    if (status == 0)
        status = ide_identify(channel, number, &id);
    if (status != 0) {
        why = why_not(status);
        if (why != NULL)
            log_warn("ide: %s drive %u %s: not used", channel->where, number,
                     why);
        /* Whatever it does now, the other drive may be of use. */
        if (why != NULL && ide_reset(channel, PROBE_NS) != 0)
            log_warn("ide: %s cannot be reset", channel->where);
        return 0;
    }
    drive = mem_alloc_zeroed(sizeof(*drive));
    if (drive == NULL)
        return -ENOMEM;
    drive->channel = channel;
    drive->number = number;
    drive->id = id;
    channel->drives[number] = drive;
    return 0;
}

/* ---- Channels ------------------------------------------------------------ */

/* The option ide=. */
enum wish { WISH_DMA, WISH_PIO, WISH_OFF };

static enum wish wish(void)
{
    const char *option = cmdline_value("ide", 0);

    if (option == NULL || str_equal(option, "dma"))
        return WISH_DMA;
    return str_equal(option, "pio") ? WISH_PIO : WISH_OFF; /* checked */
}

/* DMA for the drives of a channel that have it. The other channel of a simplex
 * controller works by PIO: both may not run at a time. */
static void channel_dma(struct ide_channel *channel, enum wish wishes,
                        bool taken)
{
    bool has_any = false;

    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        const struct ide_drive *drive = channel->drives[i];

        has_any = has_any || (drive != NULL && drive->id.dma_mode != 0);
    }
    if (!channel->has_master || !has_any || wishes != WISH_DMA)
        return;
    if (taken && (ide_dma_status(channel) & IDE_MASTER_SIMPLEX) != 0) {
        log_info("ide: %s: the controller has one bus master only: PIO",
                 channel->where);
        return;
    }
    if (!ide_dma_prepare(channel)) {
        log_warn("ide: %s: no memory that its bus master reaches: PIO",
                 channel->where);
        return;
    }
    for (unsigned i = 0; i < IDE_DRIVES; i++)
        if (channel->drives[i] != NULL)
            channel->drives[i]->uses_dma = channel->drives[i]->id.dma_mode != 0;
}

/* Find the drives of a channel. Returns 0, -ENOMEM. */
static int channel_probe(struct ide_channel *channel)
{
    uint16_t signatures[IDE_DRIVES];
    int looks[IDE_DRIVES];
    int status;

    channel->cpu = -1;
    if (ide_is_empty(channel))
        return 0;
    status = ide_reset(channel, PROBE_NS);
    assert(status == 0); /* it waits for no drive yet */
    for (unsigned i = 0; i < IDE_DRIVES; i++)
        looks[i] = ide_look(channel, i, PROBE_NS, &signatures[i]);
    for (unsigned i = 0; i < IDE_DRIVES && status == 0; i++)
        status = drive_find(channel, i, looks[i], signatures[i]);
    return status;
}

/* Where the registers of a channel are. */
static int channel_map(struct ide_channel *channel,
                       const struct pci_function *function, unsigned index)
{
    uint8_t interface = pci_read8(function, INTERFACE_REG);
    bool is_native = (interface >> 2 * index & INTERFACE_NATIVE) != 0;
    int status;

    fmt_print(channel->where, sizeof(channel->where),
              "pci %02x:%02x.%x channel %u", function->addr.bus,
              function->addr.dev, function->addr.fn, index);
    if (is_native) {
        status = pci_map_bar(function, 2 * index, 0, 8, &channel->command);
        if (status == 0)
            status = pci_map_bar(function, 2 * index + 1, CONTROL_OFFSET, 1,
                                 &channel->control);
        if (function->irq_line != 0 && function->irq_line != 255)
            channel->irq = function->irq_line;
    } else {
        status = hal_io_map(HAL_IO_PORT, index == 0 ? 0x1f0 : 0x170, 8,
                            &channel->command);
        if (status == 0)
            status = hal_io_map(HAL_IO_PORT, index == 0 ? 0x3f6 : 0x376, 1,
                                &channel->control);
        channel->irq = index == 0 ? 14 : 15;
    }
    if (status == 0 && (interface & INTERFACE_MASTER) != 0)
        channel->has_master =
            pci_map_bar(function, BAR_MASTER, MASTER_SIZE * index, MASTER_SIZE,
                        &channel->master) == 0;
    return status;
}

/* Returns the channel if it has drives. */
static struct ide_channel *channel_add(const struct pci_function *function,
                                       unsigned index, int *status)
{
    struct ide_channel *channel = mem_alloc_zeroed(sizeof(*channel));

    if (channel == NULL) {
        *status = -ENOMEM;
        return NULL;
    }
    if (channel_map(channel, function, index) == 0) {
        *status = channel_probe(channel);
        if (channel->drives[0] != NULL || channel->drives[1] != NULL)
            return channel;
    } else {
        log_warn("ide: %s: its registers cannot be reached", channel->where);
    }
    mem_free(channel);
    return NULL;
}

/* What the scan of the bus is for. */
struct probe {
    enum wish wishes;
    int status;
};

static void controller_found(const struct pci_function *function, void *ctx)
{
    struct probe *probe = ctx;
    bool taken = false;

    if (pci_read16(function, CLASS_REG) != CLASS_IDE)
        return;
    pci_enable(function);
    for (unsigned i = 0; i < CHANNELS && probe->status == 0; i++) {
        struct ide_channel *channel = channel_add(function, i, &probe->status);

        if (channel == NULL)
            continue;
        channel_dma(channel, probe->wishes, taken);
        taken = taken || channel->table != NULL;
        for (unsigned k = 0; k < IDE_DRIVES; k++) {
            if (channel->drives[k] != NULL &&
                !drive_register(channel->drives[k]))
                channel->drives[k] = NULL; /* it is left alone */
        }
    }
}

static int ide_probe(void)
{
    struct probe probe = {.wishes = wish()};

    if (probe.wishes != WISH_OFF)
        pci_scan(controller_found, &probe);
    return probe.status;
}

static const char *const ide_options[] = {
    "ide=dma|pio|off how data are moved; off: the controllers are left alone "
    "(dma)",
    NULL,
};

const struct driver ide_driver = {
    .name = "ide", .probe = ide_probe, .options = ide_options};
