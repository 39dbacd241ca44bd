/*
 * Commands of requests on an IDE channel: one at a time, the two drives in
 * turns. An interrupt only says that it is worth looking: what happens next
 * depends on the status alone, so one that is lost or comes for nothing harms
 * nothing.
 *
 * By PIO the drive interrupts for each block of data (but the first of a
 * write): one look moves one block. By DMA it interrupts at the end.
 */
#include "drivers/ide.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/time.h>

enum {
    LOOKS = 20,       /* at a status that changes soon */
    DMA_FAILURES = 3, /* in a row: then PIO */
    REFUSALS = 2,     /* in a row: then an error */
};
#define LOOK_NS  NS_PER_MS
#define WATCH_NS NS_PER_S /* an interrupt that is lost costs so much */

static struct block_queue *queue_of(struct ide_drive *drive)
{
    return drive->block.queues[0];
}

static const char *name_of(const struct ide_drive *drive)
{
    return drive->block.device.name;
}

static void timer_move(struct ide_channel *channel, uint64_t deadline_ns)
{
    int status = timer_set(&channel->timer, deadline_ns);

    assert(status == 0); /* it is set already: moving it needs no memory */
}

/* Look again in a while, whoever interrupts. */
static void look_later(struct ide_channel *channel)
{
    timer_move(channel, time_ns() + LOOK_NS);
}

/* ... and in any case from time to time, while a command is under way. When
 * there is none the timer ends by itself. */
static void watch(struct ide_channel *channel)
{
    if (channel->timer.deadline_ns == TIME_NEVER)
        timer_move(channel, time_ns() + WATCH_NS);
}

/* ---- The end of a command ------------------------------------------------ */

void ide_forget(struct ide_channel *channel)
{
    channel->active = NULL;
    channel->phase = IDE_IDLE;
}

/* The request of the active drive has ended. */
static void request_end(struct ide_channel *channel, int status)
{
    struct ide_drive *drive = channel->active;
    struct block_request *first = drive->request;

    assert(first != NULL);
    if (status == 0)
        drive->refusals = 0;
    drive->request = NULL;
    drive->is_flushing = false;
    ide_forget(channel);
    block_done(queue_of(drive), first, status);
    ide_next(channel);
}

/* Only a reset helps. Until then nothing happens on the channel. */
static void broken(struct ide_channel *channel, const char *why)
{
    struct ide_drive *drive = channel->active;

    if (ide_was_reset(channel)) {
        why = "it was reset by itself";
        drive->cache_lost = drive->id.cache;
    }
    channel->phase = IDE_BROKEN;
    block_recover(queue_of(drive), why);
}

void ide_dma_failed(struct ide_drive *drive)
{
    if (!drive->uses_dma || ++drive->dma_failures < DMA_FAILURES)
        return;
    log_warn("%s: DMA has failed %u times in a row: from now on by PIO",
             name_of(drive), drive->dma_failures);
    drive->uses_dma = false;
}

static const char *error_name(uint8_t status, uint8_t error)
{
    if ((status & ATA_DF) != 0)
        return "device fault";
    if ((error & ATA_UNC) != 0)
        return "uncorrectable data";
    if ((error & ATA_IDNF) != 0)
        return "no such sector";
    return (error & ATA_ABRT) != 0 ? "command refused" : "error";
}

static void command_begin(struct ide_channel *channel);

/* The drive is not busy any more and says that the command has failed. */
static void command_failed(struct ide_channel *channel, uint8_t status)
{
    struct ide_drive *drive = channel->active;
    const struct block_private *priv = &drive->request->priv;
    uint8_t error = hal_io_read8(channel->command, ATA_ERROR);
    bool is_medium =
        (status & ATA_DF) != 0 || (error & (ATA_UNC | ATA_IDNF)) != 0;

    if (channel->is_dma && (error & ATA_ICRC) != 0) { /* UNC or not */
        ide_dma_failed(drive);
        command_begin(channel);
        return;
    }
    if (!is_medium && (error & ATA_ABRT) != 0 && ++drive->refusals < REFUSALS) {
        broken(channel, "it refuses a command");
        return;
    }
    log_error("%s: %s of %u sectors at %llu: %s (status 0x%x, error 0x%x) at "
              "sector %llu of %u bytes",
              name_of(drive),
              priv->op == BLOCK_FLUSH || drive->is_flushing ? "flush"
              : channel->is_write                           ? "write"
                                                            : "read",
              priv->sectors, (unsigned long long)priv->sector,
              error_name(status, error), status, error,
              (unsigned long long)ide_failed_lba(channel, channel->is_ext),
              drive->id.sector_size);
    request_end(channel, -EIO);
}

/* ---- Data by PIO --------------------------------------------------------- */

/* One piece of a block. A word may lie half in one piece and half in the next
 * one. */
static void piece_in(struct ide_channel *channel,
                     const struct block_piece *piece)
{
    bool by_32 = channel->active->id.data32;
    uint32_t i = 0;
    uint32_t even;

    if (channel->has_carry)
        piece->at[i++] = channel->carry;
    channel->has_carry = false;
    even = (piece->len - i) & ~1U;
    ide_data_in(channel, by_32, piece->at + i, even);
    i += even;
    if (i < piece->len) {
        uint8_t word[2];

        ide_data_in(channel, false, word, 2);
        piece->at[i] = word[0];
        channel->carry = word[1];
        channel->has_carry = true;
    }
}

static void piece_out(struct ide_channel *channel,
                      const struct block_piece *piece)
{
    bool by_32 = channel->active->id.data32;
    uint32_t i = 0;
    uint32_t even;

    if (channel->has_carry) {
        const uint8_t word[2] = {channel->carry, piece->at[i++]};

        ide_data_out(channel, false, word, 2);
    }
    channel->has_carry = false;
    even = (piece->len - i) & ~1U;
    ide_data_out(channel, by_32, piece->at + i, even);
    i += even;
    if (i < piece->len) {
        channel->carry = piece->at[i];
        channel->has_carry = true;
    }
}

/* The drive has DRQ: move a block. */
static void block_move(struct ide_channel *channel)
{
    uint32_t left = min_u32(channel->left, channel->block);
    struct block_piece piece;

    assert(left > 0);
    channel->left -= left;
    while (left > 0 && block_piece_next(&channel->cursor, left, &piece)) {
        if (channel->is_write)
            piece_out(channel, &piece);
        else
            piece_in(channel, &piece);
        left -= piece.len;
    }
    assert(left == 0);
    assert(!channel->has_carry); /* a block is whole words */
    ide_settle(channel);
}

/* ---- Starting a command -------------------------------------------------- */

/* By: write, kind of transfer, EXT. */
enum { BY_SECTORS, BY_MULTIPLE, BY_DMA };
static const uint8_t codes[2][3][2] = {
    {{ATA_READ_SECTORS, ATA_READ_SECTORS_EXT},
     {ATA_READ_MULTIPLE, ATA_READ_MULTIPLE_EXT},
     {ATA_READ_DMA, ATA_READ_DMA_EXT}},
    {{ATA_WRITE_SECTORS, ATA_WRITE_SECTORS_EXT},
     {ATA_WRITE_MULTIPLE, ATA_WRITE_MULTIPLE_EXT},
     {ATA_WRITE_DMA, ATA_WRITE_DMA_EXT}},
};

/* The block layer asks for it only where the drive has a command for it. */
static bool is_fua(const struct ide_drive *drive)
{
    const struct block_private *priv = &drive->request->priv;

    return priv->op == BLOCK_WRITE && (priv->flags & BLOCK_FUA) != 0;
}

static void flush_issue(struct ide_channel *channel)
{
    const struct ide_drive *drive = channel->active;
    const struct ide_taskfile file = {
        .command = drive->id.flush_ext ? ATA_FLUSH_EXT : ATA_FLUSH};

    channel->is_ext = drive->id.flush_ext;
    channel->is_dma = false;
    channel->phase = IDE_NO_DATA;
    ide_issue(channel, &file);
}

static void transfer_issue(struct ide_channel *channel)
{
    struct ide_drive *drive = channel->active;
    const struct block_request *first = drive->request;
    const struct block_private *priv = &first->priv;
    uint32_t unit = drive->id.sector_size / BLOCK_SECTOR_SIZE;
    uint32_t sectors = priv->sectors / unit;
    unsigned kind = drive->uses_dma        ? BY_DMA
                    : drive->multiple != 0 ? BY_MULTIPLE
                                           : BY_SECTORS;
    struct ide_taskfile file = {.lba = priv->sector / unit};

    assert(sectors > 0 && sectors <= IDE_SECTORS_MAX);
    assert(file.lba + sectors <= drive->id.sectors);
    channel->is_write = priv->op == BLOCK_WRITE;
    channel->is_dma = drive->uses_dma;
    file.count = (uint16_t)sectors; /* 256 is 0 in the old commands */
    file.is_ext = file.lba + sectors > ATA_SECTORS_28;
    file.command = codes[channel->is_write][kind][file.is_ext];
    if (is_fua(drive) && channel->is_dma) { /* by PIO a flush follows */
        file.is_ext = true;
        file.command = ATA_WRITE_DMA_FUA_EXT;
    }
    channel->is_ext = file.is_ext;
    if (channel->is_dma) {
        ide_dma_begin(channel, first);
        channel->phase = IDE_DMA;
        ide_issue(channel, &file);
        ide_dma_go(channel);
        return;
    }
    channel->left = priv->sectors * BLOCK_SECTOR_SIZE;
    channel->block =
        drive->id.sector_size * (drive->multiple != 0 ? drive->multiple : 1U);
    channel->has_carry = false;
    block_pieces_begin(first, &channel->cursor);
    channel->phase = channel->is_write ? IDE_FIRST_OUT : IDE_DATA_IN;
    ide_issue(channel, &file);
    if (channel->is_write)
        ide_advance(channel);
}

/* Select the drive as soon as the other one lets go, and give it the command as
 * soon as it is ready. */
static void ready_look(struct ide_channel *channel)
{
    const struct ide_drive *drive = channel->active;

    for (unsigned i = 0; i < LOOKS; i++) {
        if (!ide_is_idle(channel))
            continue;
        ide_select(channel, drive->number);
        if ((ide_status(channel) & (ATA_BSY | ATA_DRQ | ATA_DRDY)) != ATA_DRDY)
            continue;
        if (channel->irq == 0)
            look_later(channel);
        if (drive->is_flushing || drive->request->priv.op == BLOCK_FLUSH)
            flush_issue(channel);
        else
            transfer_issue(channel);
        return;
    }
    look_later(channel);
}

static void command_begin(struct ide_channel *channel)
{
    channel->phase = IDE_READY;
    watch(channel);
    ready_look(channel);
}

void ide_next(struct ide_channel *channel)
{
    struct ide_drive *drive = NULL;

    if (channel->phase != IDE_IDLE || channel->is_claimed ||
        channel->claimants > 0)
        return;
    assert(channel->active == NULL);
    for (unsigned i = 1; i <= IDE_DRIVES && drive == NULL; i++) {
        unsigned number = (channel->last + i) % IDE_DRIVES;

        if (channel->drives[number] != NULL &&
            channel->drives[number]->request != NULL)
            drive = channel->drives[number];
    }
    if (drive == NULL)
        return;
    channel->active = drive;
    channel->last = drive->number;
    if (drive->cache_lost && drive->request->priv.op == BLOCK_FLUSH) {
        /* What was to be flushed is gone. */
        drive->cache_lost = false;
        log_error("%s: was reset by itself: what it had in its cache is lost",
                  name_of(drive));
        request_end(channel, -EIO);
        return;
    }
    command_begin(channel);
}

/* ---- Looking how far it is ----------------------------------------------- */

/* A transfer or a flush is done. */
static void command_done(struct ide_channel *channel)
{
    struct ide_drive *drive = channel->active;

    if (is_fua(drive) && !channel->is_dma && !drive->is_flushing) {
        drive->is_flushing = true;
        command_begin(channel);
        return;
    }
    request_end(channel, 0);
}

/* Not busy any more: with data to move, at the end, or failed. */
static void pio_advance(struct ide_channel *channel)
{
    uint8_t status = ide_status(channel);
    bool wants_data = channel->phase != IDE_NO_DATA && channel->left > 0;

    for (unsigned i = 0; (status & ATA_BSY) != 0; i++) {
        if (channel->phase != IDE_FIRST_OUT || i == LOOKS) {
            if (channel->phase == IDE_FIRST_OUT || channel->irq == 0)
                look_later(channel);
            return;
        }
        status = ide_status(channel);
    }
    status = hal_io_read8(channel->command, ATA_STATUS); /* answers it */
    if ((status & (ATA_ERR | ATA_DF)) != 0) {
        command_failed(channel, status);
    } else if (((status & ATA_DRQ) != 0) != wants_data) {
        broken(channel, wants_data ? "it has ended a command early"
                                   : "it wants data without end");
    } else if (wants_data) {
        block_move(channel);
        if (channel->phase == IDE_FIRST_OUT)
            channel->phase = IDE_DATA_OUT;
        if (channel->left == 0 && channel->phase == IDE_DATA_IN)
            command_done(channel);
        else if (channel->irq == 0)
            look_later(channel);
    } else if (channel->phase == IDE_NO_DATA && ide_was_reset(channel)) {
        broken(channel, "it has forgotten a command");
    } else {
        command_done(channel);
    }
}

/* Whether the bus master has told of the end of the command. */
static bool master_event(struct ide_channel *channel)
{
    hal_irqflags flags = hal_irq_save();
    bool event = channel->has_event;

    channel->has_event = false;
    hal_irq_restore(flags);
    return event || (ide_dma_status(channel) & IDE_MASTER_INTERRUPT) != 0;
}

static void dma_advance(struct ide_channel *channel)
{
    struct ide_drive *drive = channel->active;
    bool event = master_event(channel);
    uint8_t status = ide_status(channel);
    uint8_t master;

    if ((status & (ATA_BSY | ATA_DRQ)) != 0 || !event) {
        if (channel->irq == 0)
            look_later(channel);
        if ((status & (ATA_BSY | ATA_DRQ)) == 0 && ide_was_reset(channel))
            broken(channel, "it has forgotten a command");
        return;
    }
    master = ide_dma_status(channel);
    if (!ide_dma_stop(channel)) {
        broken(channel, "its bus master does not stop");
        return;
    }
    status = hal_io_read8(channel->command, ATA_STATUS);
    ide_dma_clear(channel, IDE_MASTER_INTERRUPT | IDE_MASTER_ERROR);
    if ((status & (ATA_ERR | ATA_DF)) != 0) {
        command_failed(channel, status);
    } else if ((master & (IDE_MASTER_ERROR | IDE_MASTER_ACTIVE)) != 0) {
        ide_dma_failed(drive);
        broken(channel, (master & IDE_MASTER_ERROR) != 0
                            ? "its bus master has failed"
                            : "it has ended a command early");
    } else {
        drive->dma_failures = 0;
        ide_dma_end(channel, drive->request);
        command_done(channel);
    }
}

void ide_advance(struct ide_channel *channel)
{
    switch (channel->phase) {
    case IDE_READY:
        ready_look(channel);
        break;
    case IDE_DATA_IN:
    case IDE_FIRST_OUT:
    case IDE_DATA_OUT:
    case IDE_NO_DATA:
        pio_advance(channel);
        break;
    case IDE_DMA:
        dma_advance(channel);
        break;
    default: /* nothing is under way, or nothing helps */
        break;
    }
}

void ide_timer_run(struct timer *timer)
{
    struct ide_channel *channel =
        container_of(timer, struct ide_channel, timer);

    /* It has just left the timers, where there is room for it now. */
    timer_move(channel,
               channel->active != NULL ? time_ns() + WATCH_NS : TIME_NEVER);
    ide_advance(channel);
}
