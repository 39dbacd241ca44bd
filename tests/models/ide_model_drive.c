/* One drive of the IDE model: commands and protocols ([ATA], chapters 8, 9). */
#include "kernel/lib/bytes.h"
#include "tests/models/ide_model_internal.h"
#include <string.h>

enum {
    NOP = 0x00,
    DEVICE_RESET = 0x08,
    READ_SECTORS = 0x20,
    READ_SECTORS_EXT = 0x24,
    READ_DMA_EXT = 0x25,
    READ_MULTIPLE_EXT = 0x29,
    WRITE_SECTORS = 0x30,
    WRITE_SECTORS_EXT = 0x34,
    WRITE_DMA_EXT = 0x35,
    WRITE_MULTIPLE_EXT = 0x39,
    WRITE_DMA_FUA_EXT = 0x3d,
    READ_VERIFY = 0x40,
    READ_VERIFY_EXT = 0x42,
    DIAGNOSTIC = 0x90,
    SET_PARAMETERS = 0x91, /* INITIALIZE DEVICE PARAMETERS */
    IDENTIFY_PACKET = 0xa1,
    READ_MULTIPLE = 0xc4,
    WRITE_MULTIPLE = 0xc5,
    SET_MULTIPLE = 0xc6,
    READ_DMA = 0xc8,
    WRITE_DMA = 0xca,
    WRITE_MULTIPLE_FUA_EXT = 0xce,
    STANDBY_NOW = 0xe0,
    IDLE_NOW = 0xe1,
    CHECK_POWER = 0xe5,
    FLUSH = 0xe7,
    FLUSH_EXT = 0xea,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef,
};

/* SECTORS_28: that 28 bits reach, [ATA] 6.2, words 60 and 61. */
enum { NO_STOP = 0xffffffff, LATE_STEPS = 50, SECTORS_28 = 0x0fffffff };

uint32_t drive_sector_size(const struct ide_model_drive *drive)
{
    return drive->sector_size != 0 ? drive->sector_size : 512;
}

unsigned drive_late_steps(const struct ide_model_drive *drive)
{
    return drive->late_steps != 0 ? drive->late_steps : LATE_STEPS;
}

uint8_t drive_status(const struct ide_model_drive *drive)
{
    switch (drive->phase) {
    case IDE_IDLE:
        return drive->status;
    case IDE_DATA_IN:
    case IDE_DATA_OUT:
        return DRDY | DRQ;
    case IDE_DMA:
        return drive->dma_drq ? DRDY | DRQ : BSY;
    default:
        return BSY;
    }
}

/* ---- Reset --------------------------------------------------------------- */

void drive_signature(struct ide_model_drive *drive, uint8_t code)
{
    bool is_packet = drive->kind == IDE_ATAPI;

    memset(drive->features, 0, 2);
    memset(drive->count, 0, 2);
    memset(drive->low, 0, 2);
    memset(drive->mid, 0, 2);
    memset(drive->high, 0, 2);
    drive->count[0] = drive->low[0] = 1;
    drive->mid[0] = is_packet ? 0x14 : 0;
    drive->high[0] = is_packet ? 0xeb : 0;
    drive->device = 0;
    drive->error = code;
    drive->pending = false;
    drive->phase = IDE_IDLE;
    drive->fault = FAULT_NONE;
    drive->again = false;
    drive->delay = 0;
    drive->has_block = false;
    /* A packet device is not ready before its first command. */
    drive->status = is_packet ? 0 : DRDY;
    if (drive->slow_ready && !is_packet) {
        drive->status = 0;
        channel_work(drive->channel);
    }
}

void drive_defaults(struct ide_model_drive *drive)
{
    drive->multiple = 0;
    drive->cache_on = !drive->no_cache;
}

void drive_power_on(struct ide_model_drive *drive)
{
    drive->heads = 16;
    drive->track_sectors = 63;
    drive->pio_mode = drive->no_modes ? 0 : 0x0c;
    drive->dma_mode = 0;
    if (!drive->no_modes && !drive->no_dma)
        drive->dma_mode = drive->no_udma ? 0x22 : 0x45;
    drive->unflushed = 0;
    drive->broken = false;
    drive_defaults(drive);
    drive_signature(drive, 1);
}

/* ---- The end of a command ------------------------------------------------ */

static void interrupt(struct ide_model_drive *drive)
{
    drive->pending = true;
    if (drive->fault == FAULT_LOST_IRQ) {
        drive->fault = FAULT_NONE;
        drive->channel->lose = true;
    }
    channel_line(drive->channel);
}

/* A command that is done, or refused, or failed. */
static void end(struct ide_model_drive *drive, uint8_t status, uint8_t error)
{
    bool is_dma = drive->phase == IDE_DMA;

    drive->phase = IDE_IDLE;
    drive->status = status;
    drive->error = error;
    if (is_dma)
        bus_master_done(drive->channel);
    if (drive->fault == FAULT_TWICE) {
        drive->fault = FAULT_NONE;
        drive->again = true;
        channel_work(drive->channel);
    }
    interrupt(drive);
}

static void end_well(struct ide_model_drive *drive)
{
    end(drive, DRDY, 0);
}

static void refuse(struct ide_model_drive *drive)
{
    drive->aborts++;
    end(drive, DRDY | ERR, ABRT);
}

/* A packet device answers ATA commands with its signature. */
static void refuse_packet(struct ide_model_drive *drive)
{
    drive->count[0] = drive->low[0] = 1;
    drive->mid[0] = 0x14;
    drive->high[0] = 0xeb;
    refuse(drive);
}

/* The registers name the sector that could not be transferred. */
static void put_address(struct ide_model_drive *drive, uint64_t lba)
{
    drive->low[0] = (uint8_t)lba;
    drive->mid[0] = (uint8_t)(lba >> 8);
    drive->high[0] = (uint8_t)(lba >> 16);
    if (drive->is_ext) {
        drive->low[1] = (uint8_t)(lba >> 24);
        drive->mid[1] = (uint8_t)(lba >> 32);
        drive->high[1] = (uint8_t)(lba >> 40);
    } else {
        drive->device = (uint8_t)((drive->device & 0xf0) | (lba >> 24 & 0x0f));
    }
}

static void end_badly(struct ide_model_drive *drive, uint8_t usual)
{
    uint8_t error = drive->fail_error != 0 ? drive->fail_error : usual;

    drive->fault = FAULT_NONE;
    if (drive->total != 0)
        put_address(drive, drive->lba + drive->done);
    end(drive, DRDY | (drive->fail_df ? DF : ERR), error);
}

/* ---- Faults that strike in the middle ------------------------------------ */

/* The command has come to where its fault is. Returns true when the fault has
 * ended it, or will never let it end. */
static bool strike(struct ide_model_drive *drive, uint8_t usual_error)
{
    enum model_fault fault = drive->fault;

    switch (fault) {
    case FAULT_FAIL:
        end_badly(drive, usual_error);
        return true;
    case FAULT_SHORT:
        drive->fault = FAULT_NONE;
        end_well(drive);
        return true;
    case FAULT_NEVER:
        drive->fault = FAULT_NONE;
        drive->phase = IDE_HUNG;
        return true;
    case FAULT_RESET:
        drive->power_ons++;
        drive_power_on(drive);
        return true;
    default:
        return false;
    }
}

static bool strikes_at_stop(const struct ide_model_drive *drive)
{
    return drive->fault == FAULT_FAIL || drive->fault == FAULT_SHORT ||
           drive->fault == FAULT_NEVER || drive->fault == FAULT_RESET;
}

/* ---- Transfers ----------------------------------------------------------- */

/* Where a sector's bytes are, or NULL when they are not kept. */
static uint8_t *sector_at(const struct ide_model_drive *drive, uint64_t lba)
{
    uint64_t count =
        drive->data_count != 0 ? drive->data_count : drive->sectors;

    if (drive->data == NULL || lba < drive->data_first ||
        lba - drive->data_first >= count)
        return NULL;
    return drive->data + (lba - drive->data_first) * drive_sector_size(drive);
}

static void media_read(struct ide_model_drive *drive, uint64_t lba,
                       uint8_t *out)
{
    const uint8_t *at = sector_at(drive, lba);

    if (at != NULL)
        memcpy(out, at, drive_sector_size(drive));
    else
        memset(out, 0, drive_sector_size(drive));
}

static void media_write(struct ide_model_drive *drive, uint64_t lba,
                        const uint8_t *in)
{
    uint8_t *at = sector_at(drive, lba);

    if (at != NULL)
        memcpy(at, in, drive_sector_size(drive));
    else
        drive->strays++;
    if (drive->cache_on && !drive->is_fua)
        drive->unflushed++;
}

static uint64_t ext_address(const struct ide_model_drive *drive)
{
    return drive->low[0] | (uint64_t)drive->mid[0] << 8 |
           (uint64_t)drive->high[0] << 16 | (uint64_t)drive->low[1] << 24 |
           (uint64_t)drive->mid[1] << 32 | (uint64_t)drive->high[1] << 40;
}

/* Returns false for a sector number that is none. */
static bool chs_address(const struct ide_model_drive *drive, uint64_t *lba)
{
    uint32_t cylinder = drive->mid[0] | (uint32_t)drive->high[0] << 8;
    uint32_t head = drive->device & 0x0f;
    uint32_t sector = drive->low[0];

    if (sector == 0 || sector > drive->track_sectors || head >= drive->heads)
        return false;
    *lba = ((uint64_t)cylinder * drive->heads + head) * drive->track_sectors +
           sector - 1;
    return true;
}

/* What the registers ask for. Returns false when there are no such sectors. */
static bool extent_read(struct ide_model_drive *drive)
{
    bool is_lba = (drive->device & DEVICE_LBA) != 0;
    bool is_there = true;
    uint64_t sectors = drive->sectors;

    if (drive->is_ext) {
        if (!is_lba)
            model_breach("command %#x without the bit LBA", drive->command);
        drive->lba = ext_address(drive);
        drive->total = drive->count[0] | (uint32_t)drive->count[1] << 8;
        if (drive->total == 0)
            drive->total = 65536;
    } else {
        drive->lba = (ext_address(drive) & 0xffffff) |
                     (uint64_t)(drive->device & 0x0f) << 24;
        if (!is_lba)
            is_there = chs_address(drive, &drive->lba);
        drive->total = drive->count[0] != 0 ? drive->count[0] : 256;
        if (sectors > SECTORS_28)
            sectors = SECTORS_28;
    }
    return is_there && drive->lba < sectors &&
           drive->total <= sectors - drive->lba;
}

/* Sectors of the next block. */
static uint32_t block_length(const struct ide_model_drive *drive)
{
    uint32_t left = drive->total - drive->done;

    return left < drive->block ? left : drive->block;
}

static void block_begin(struct ide_model_drive *drive,
                        enum ide_model_phase phase)
{
    drive->block_sectors = block_length(drive);
    drive->block_size = drive->block_sectors * drive_sector_size(drive);
    drive->block_at = 0;
    drive->phase = phase;
}

/* PIO data-in. Each block interrupts. */
static void read_step(struct ide_model_drive *drive)
{
    uint32_t size = drive_sector_size(drive);

    if (drive->done == drive->stop_at && strike(drive, UNC))
        return;
    block_begin(drive, IDE_DATA_IN);
    for (uint32_t i = 0; i < drive->block_sectors; i++)
        media_read(drive, drive->lba + drive->done + i,
                   drive->buffer + i * size);
    interrupt(drive);
}

/* PIO data-out. Each block but the first interrupts, and the end. */
static void write_step(struct ide_model_drive *drive)
{
    uint32_t size = drive_sector_size(drive);
    bool is_first = !drive->has_block;

    if (drive->has_block) {
        if (drive->done == drive->stop_at && strike(drive, IDNF))
            return;
        for (uint32_t i = 0; i < drive->block_sectors; i++)
            media_write(drive, drive->lba + drive->done + i,
                        drive->buffer + i * size);
        drive->done += drive->block_sectors;
        drive->has_block = false;
        if (drive->done == drive->total) {
            end_well(drive);
            return;
        }
    }
    block_begin(drive, IDE_DATA_OUT);
    if (!is_first)
        interrupt(drive);
}

static void dma_sector(struct ide_model_drive *drive)
{
    uint64_t lba = drive->lba + drive->done;
    uint32_t size = drive_sector_size(drive);

    if (drive->is_write) {
        bus_master_transfer(drive->channel, drive->buffer, size, false);
        media_write(drive, lba, drive->buffer);
    } else {
        media_read(drive, lba, drive->buffer);
        bus_master_transfer(drive->channel, drive->buffer, size, true);
    }
    drive->done++;
}

static bool dma_step(struct ide_model_drive *drive)
{
    if (!drive->channel->bm_running)
        return false;
    if (drive->done == 0)
        bus_master_begin(drive->channel,
                         (uint64_t)drive->total * drive_sector_size(drive));
    for (unsigned i = 0; i < IDE_MODEL_DMA_STEP; i++) {
        if (drive->done == drive->stop_at &&
            strike(drive, drive->is_write ? IDNF : UNC))
            return true;
        dma_sector(drive);
        if (drive->done == drive->total) {
            end_well(drive);
            return true;
        }
    }
    channel_work(drive->channel);
    return true;
}

/* Where the command strikes: in its middle if that is its fault, or at a bad
 * sector. */
static void stop_find(struct ide_model_drive *drive)
{
    uint64_t bad = drive->is_write ? drive->bad_write : drive->bad_read;
    uint64_t stop = drive->total / 2;

    drive->stop_at = NO_STOP;
    if (bad != 0 && bad >= drive->lba && bad - drive->lba < drive->total) {
        stop = bad - drive->lba;
        drive->fault = FAULT_FAIL;
    }
    if (strikes_at_stop(drive))
        drive->stop_at = (uint32_t)stop / drive->block * drive->block;
}

/* A read or write was accepted: find out what it transfers. */
static void transfer_begin(struct ide_model_drive *drive, uint32_t block)
{
    drive->done = 0;
    drive->block = block;
    if (!extent_read(drive)) {
        put_address(drive,
                    drive->lba < drive->sectors ? drive->sectors : drive->lba);
        drive->aborts++;
        end(drive, DRDY | ERR, IDNF);
        return;
    }
    stop_find(drive);
    if (drive->is_dma) {
        if (drive->dma_mode == 0)
            model_breach("a DMA command, and no DMA mode is set: SET FEATURES "
                         "03h");
        drive->phase = IDE_DMA;
        channel_work(drive->channel);
    } else if (drive->is_write) {
        write_step(drive);
    } else {
        read_step(drive);
    }
}

/* ---- Commands without sectors -------------------------------------------- */

static void identify(struct ide_model_drive *drive)
{
    drive_identify(drive, drive->buffer);
    drive->total = 1;
    drive->done = 0;
    drive->block_sectors = 1;
    drive->block_size = 512;
    drive->block_at = 0;
    drive->phase = IDE_DATA_IN;
    interrupt(drive);
}

/* SET FEATURES 03h: the transfer mode is in the count. */
static bool set_mode(struct ide_model_drive *drive, uint8_t mode)
{
    unsigned number = mode & 7;

    switch (mode & 0xf8) {
    case 0x00:
        drive->pio_mode = mode;
        return number <= 1;
    case 0x08:
        drive->pio_mode = mode;
        return number <= 4;
    case 0x20:
        drive->dma_mode = mode;
        return !drive->no_dma && number <= 2;
    case 0x40:
        drive->dma_mode = mode;
        return !drive->no_dma && !drive->no_udma && number <= 5;
    default:
        return false;
    }
}

static bool set_feature(struct ide_model_drive *drive)
{
    uint8_t dma = drive->dma_mode;
    uint8_t pio = drive->pio_mode;

    switch (drive->features[0]) {
    case 0x02:
    case 0x82:
        if (drive->no_cache)
            return false;
        drive->cache_on = drive->features[0] == 0x02;
        if (!drive->cache_on) /* it writes what it has */
            drive->unflushed = 0;
        return true;
    case 0x03:
        if (set_mode(drive, drive->count[0]))
            return true;
        drive->dma_mode = dma;
        drive->pio_mode = pio;
        return false;
    default:
        return false;
    }
}

/* SET MULTIPLE MODE: a power of two that IDENTIFY allows; 0 disables. */
static bool set_multiple(struct ide_model_drive *drive)
{
    uint8_t count = drive->count[0];

    drive->multiple = 0;
    if (count > drive->multiple_max || (count & (count - 1)) != 0)
        return false;
    drive->multiple = count;
    return true;
}

static bool set_parameters(struct ide_model_drive *drive)
{
    if (drive->count[0] == 0)
        return false;
    drive->track_sectors = drive->count[0];
    drive->heads = (drive->device & 0x0f) + 1;
    return true;
}

static bool verify(struct ide_model_drive *drive)
{
    return extent_read(drive);
}

static bool flush(struct ide_model_drive *drive)
{
    if (drive->no_flush)
        return false;
    drive->unflushed = 0;
    return true;
}

static void end_if(struct ide_model_drive *drive, bool well)
{
    if (well)
        end_well(drive);
    else
        refuse(drive);
}

/* ---- Which command it is ------------------------------------------------- */

/* Fill the is_... of a read or write. Returns 0 when it is none the drive has,
 * else the sectors of a block. */
static uint32_t transfer_kind(struct ide_model_drive *drive)
{
    /* clang-format off */
    static const struct {
        uint8_t command;
        bool is_write, is_ext, is_dma, is_multiple, is_fua;
    } kinds[] = {
        {READ_SECTORS,           false, false, false, false, false},
        {READ_SECTORS_EXT,       false, true,  false, false, false},
        {READ_DMA_EXT,           false, true,  true,  false, false},
        {READ_MULTIPLE_EXT,      false, true,  false, true,  false},
        {WRITE_SECTORS,          true,  false, false, false, false},
        {WRITE_SECTORS_EXT,      true,  true,  false, false, false},
        {WRITE_DMA_EXT,          true,  true,  true,  false, false},
        {WRITE_MULTIPLE_EXT,     true,  true,  false, true,  false},
        {WRITE_DMA_FUA_EXT,      true,  true,  true,  false, true},
        {READ_MULTIPLE,          false, false, false, true,  false},
        {WRITE_MULTIPLE,         true,  false, false, true,  false},
        {READ_DMA,               false, false, true,  false, false},
        {WRITE_DMA,              true,  false, true,  false, false},
        {WRITE_MULTIPLE_FUA_EXT, true,  true,  false, true,  true},
    };
    /* clang-format on */

    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].command != drive->command)
            continue;
        drive->is_write = kinds[i].is_write;
        drive->is_ext = kinds[i].is_ext;
        drive->is_dma = kinds[i].is_dma;
        drive->is_fua = kinds[i].is_fua;
        if ((kinds[i].is_ext && !drive->lba48) ||
            (kinds[i].is_dma && drive->no_dma) ||
            (kinds[i].is_fua && !drive->fua))
            return 0;
        return kinds[i].is_multiple ? drive->multiple : 1;
    }
    return 0;
}

static const char *operation_name(uint8_t command)
{
    switch (command) {
    case READ_SECTORS:
    case READ_SECTORS_EXT:
    case READ_DMA_EXT:
    case READ_MULTIPLE_EXT:
    case READ_MULTIPLE:
    case READ_DMA:
        return "read";
    case WRITE_SECTORS:
    case WRITE_SECTORS_EXT:
    case WRITE_DMA_EXT:
    case WRITE_MULTIPLE_EXT:
    case WRITE_DMA_FUA_EXT:
    case WRITE_MULTIPLE:
    case WRITE_DMA:
    case WRITE_MULTIPLE_FUA_EXT:
        return "write";
    case FLUSH:
    case FLUSH_EXT:
        return "flush";
    case IDENTIFY:
    case IDENTIFY_PACKET:
        return "identify";
    case SET_FEATURES:
        return "set features";
    case SET_MULTIPLE:
        return "set multiple";
    default:
        return "other";
    }
}

/* Only what moves data can end early. */
static unsigned fault_kinds(uint8_t command)
{
    const char *name = operation_name(command);

    if (strcmp(name, "read") == 0 || strcmp(name, "write") == 0 ||
        strcmp(name, "identify") == 0)
        return FAULT_ALL;
    return FAULT_ALL & ~fault_bit(FAULT_SHORT);
}

void drive_command(struct ide_model_drive *drive, uint8_t command)
{
    drive->command = command;
    drive->commands[command]++;
    drive->phase = IDE_BUSY;
    drive->pending = false;
    drive->total = drive->done = 0;
    drive->has_block = false;
    drive->is_ext = drive->is_dma = drive->is_fua = false;
    drive->fault = fault_among(drive->channel->model->faults,
                               operation_name(command), fault_kinds(command));
    drive->delay = 0;
    if (drive->fault == FAULT_LATE)
        drive->delay = drive_late_steps(drive);
    drive->channel->lose = false;
    channel_work(drive->channel);
}

/* What only a drive that is no packet device has. */
static void command_ata(struct ide_model_drive *drive)
{
    switch (drive->command) {
    case IDENTIFY:
        identify(drive);
        break;
    case SET_MULTIPLE:
        end_if(drive, set_multiple(drive));
        break;
    case SET_PARAMETERS:
        end_if(drive, set_parameters(drive));
        break;
    case FLUSH_EXT:
        drive->is_ext = true;
        end_if(drive, drive->lba48 && flush(drive));
        break;
    case FLUSH:
        end_if(drive, flush(drive));
        break;
    case READ_VERIFY_EXT:
        drive->is_ext = true;
        end_if(drive, drive->lba48 && verify(drive));
        break;
    case READ_VERIFY:
        end_if(drive, verify(drive));
        break;
    case CHECK_POWER:
        drive->count[0] = 0xff;
        end_well(drive);
        break;
    case STANDBY_NOW:
    case IDLE_NOW:
        drive->unflushed = 0;
        end_well(drive);
        break;
    default:
        refuse(drive);
    }
}

/* Carry out what the command register says. */
static void command_run(struct ide_model_drive *drive)
{
    bool is_packet = drive->kind == IDE_ATAPI;
    uint32_t block = is_packet ? 0 : transfer_kind(drive);

    if (drive->broken) {
        refuse(drive);
    } else if (block != 0) {
        transfer_begin(drive, block);
    } else if (strike(drive, ABRT)) {
        return;
    } else if (drive->command == SET_FEATURES) {
        end_if(drive, set_feature(drive));
    } else if (!is_packet) {
        command_ata(drive);
    } else if (drive->command == IDENTIFY_PACKET) {
        identify(drive);
    } else if (drive->command == DEVICE_RESET) {
        drive_signature(drive, 1); /* without an interrupt */
    } else {
        refuse_packet(drive);
    }
}

/* ---- The data register --------------------------------------------------- */

/* The host has moved the last word of a block. */
static void block_end(struct ide_model_drive *drive)
{
    bool is_out = drive->phase == IDE_DATA_OUT;

    drive->phase = IDE_BUSY;
    if (is_out) {
        drive->has_block = true;
    } else {
        drive->done += drive->block_sectors;
        if (drive->done == drive->total) {
            drive->phase = IDE_IDLE;
            drive->status = DRDY;
            drive->error = 0;
            if (drive->fault == FAULT_TWICE) {
                drive->fault = FAULT_NONE;
                drive->again = true;
                channel_work(drive->channel);
            }
            return;
        }
    }
    channel_work(drive->channel);
}

uint16_t drive_data_read(struct ide_model_drive *drive)
{
    uint16_t value = le16_get(drive->buffer + drive->block_at);

    drive->block_at += 2;
    if (drive->block_at == drive->block_size)
        block_end(drive);
    return value;
}

void drive_data_write(struct ide_model_drive *drive, uint16_t value)
{
    le16_put(drive->buffer + drive->block_at, value);
    drive->block_at += 2;
    if (drive->block_at == drive->block_size)
        block_end(drive);
}

/* ---- Steps --------------------------------------------------------------- */

static bool busy_step(struct ide_model_drive *drive)
{
    channel_work(drive->channel);
    if (drive->delay > 0) {
        drive->delay--;
    } else if (drive->fault == FAULT_SPURIOUS_IRQ) {
        drive->fault = FAULT_NONE;
        pci_raise(drive->channel);
    } else if (drive->has_block ||
               (drive->total != 0 && drive->done != 0 && !drive->is_dma)) {
        if (drive->is_write)
            write_step(drive);
        else
            read_step(drive);
    } else {
        command_run(drive);
    }
    return true;
}

bool drive_step(struct ide_model_drive *drive)
{
    if (drive->again) {
        drive->again = false;
        interrupt(drive);
        return true;
    }
    switch (drive->phase) {
    case IDE_BUSY:
        return busy_step(drive);
    case IDE_DMA:
        return dma_step(drive);
    case IDE_IDLE:
        if (drive->kind == IDE_ATA && drive->status == 0) { /* slow_ready */
            drive->status = DRDY;
            return true;
        }
        return false;
    default:
        return false;
    }
}
