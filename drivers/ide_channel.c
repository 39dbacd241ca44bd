/*
 * The registers of an IDE channel, and commands that a thread waits for, with
 * the interrupt off: at boot, at the start of a drive, after an error.
 */
#include "drivers/ide.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    SETTLE_READS = 5, /* a read takes 100 ns on the slowest bus */
    LOOKS = 20,       /* before a wait sleeps */
    MULTIPLE_MAX = 16,
    FLOATING = 0xff,           /* nobody drives the bus, */
    FLOATING_7 = 0x7f,         /* or only its resistor does */
    SIGNATURE_PACKET = 0xeb14, /* [ATA] 9.12 */
};

#define SETTLE_NS  UINT64_C(400)
#define LOOK_NS    (NS_PER_MS)
#define SRST_NS    (10 * NS_PER_US) /* 5 are needed: [ATA] 9.2 */
#define AFTER_NS   (3 * NS_PER_MS)  /* 2 */
#define READY_NS   (5 * NS_PER_MS)  /* that DRDY may come later than BSY goes */
#define COMMAND_NS (5 * NS_PER_S)

/* ---- Registers ----------------------------------------------------------- */

uint8_t ide_status(const struct ide_channel *channel)
{
    return hal_io_read8(channel->control, 0);
}

void ide_settle(const struct ide_channel *channel)
{
    uint64_t start_ns = time_ns();

    for (unsigned i = 0; i < SETTLE_READS && time_ns() < start_ns + SETTLE_NS;
         i++)
        (void)ide_status(channel);
}

static bool is_floating(uint8_t status)
{
    return status == FLOATING || status == FLOATING_7;
}

bool ide_is_idle(const struct ide_channel *channel)
{
    uint8_t status = ide_status(channel);

    return is_floating(status) || (status & (ATA_BSY | ATA_DRQ)) == 0;
}

void ide_select(struct ide_channel *channel, unsigned number)
{
    assert(number < IDE_DRIVES);
    if (channel->selected == number)
        return;
    hal_io_write8(channel->command, ATA_DEVICE,
                  (uint8_t)(ATA_DEVICE_OLD | ATA_DEVICE_LBA |
                            (number != 0 ? ATA_DEVICE_DEV : 0)));
    channel->selected = number;
    ide_settle(channel);
}

static void put(const struct ide_channel *channel, unsigned reg, uint64_t value)
{
    hal_io_write8(channel->command, reg, (uint8_t)value);
}

/* Commands with EXT take each register twice, the upper half first: [ATA] 6.20.
 * The device register holds the bits 24 to 27 of the others. */
void ide_issue(struct ide_channel *channel, const struct ide_taskfile *file)
{
    uint8_t device = (uint8_t)(ATA_DEVICE_OLD | ATA_DEVICE_LBA |
                               (channel->selected != 0 ? ATA_DEVICE_DEV : 0));

    assert(channel->selected < IDE_DRIVES);
    if (file->is_ext) {
        put(channel, ATA_FEATURES, 0);
        put(channel, ATA_COUNT, file->count >> 8);
        put(channel, ATA_LOW, file->lba >> 24);
        put(channel, ATA_MID, file->lba >> 32);
        put(channel, ATA_HIGH, file->lba >> 40);
    } else {
        assert(file->lba < ATA_SECTORS_28);
        device |= (uint8_t)(file->lba >> 24);
    }
    put(channel, ATA_FEATURES, file->features);
    put(channel, ATA_COUNT, file->count);
    put(channel, ATA_LOW, file->lba);
    put(channel, ATA_MID, file->lba >> 8);
    put(channel, ATA_HIGH, file->lba >> 16);
    put(channel, ATA_DEVICE, device);
    put(channel, ATA_COMMAND, file->command);
    ide_settle(channel);
}

void ide_data_in(const struct ide_channel *channel, bool by_32, uint8_t *at,
                 uint32_t len)
{
    uint32_t i = 0;

    assert(len % 2 == 0);
    for (; by_32 && i + 4 <= len; i += 4) {
        uint32_t value = hal_io_read32(channel->command, ATA_DATA);

        memcpy(at + i, &value, 4);
    }
    for (; i < len; i += 2) {
        uint16_t value = hal_io_read16(channel->command, ATA_DATA);

        memcpy(at + i, &value, 2);
    }
}

void ide_data_out(const struct ide_channel *channel, bool by_32,
                  const uint8_t *at, uint32_t len)
{
    uint32_t i = 0;

    assert(len % 2 == 0);
    for (; by_32 && i + 4 <= len; i += 4) {
        uint32_t value;

        memcpy(&value, at + i, 4);
        hal_io_write32(channel->command, ATA_DATA, value);
    }
    for (; i < len; i += 2) {
        uint16_t value;

        memcpy(&value, at + i, 2);
        hal_io_write16(channel->command, ATA_DATA, value);
    }
}

static uint64_t address_read(const struct ide_channel *channel)
{
    return hal_io_read8(channel->command, ATA_LOW) |
           (uint64_t)hal_io_read8(channel->command, ATA_MID) << 8 |
           (uint64_t)hal_io_read8(channel->command, ATA_HIGH) << 16;
}

uint64_t ide_failed_lba(struct ide_channel *channel, bool is_ext)
{
    uint64_t lba = address_read(channel);

    if (!is_ext)
        return lba | (uint64_t)(hal_io_read8(channel->command, ATA_DEVICE) & 15)
                         << 24;
    hal_io_write8(channel->control, 0, ATA_CONTROL_HOB);
    lba |= address_read(channel) << 24;
    hal_io_write8(channel->control, 0, 0);
    return lba;
}

/* The signature and the diagnostic code: [ATA] 9.12. */
bool ide_was_reset(const struct ide_channel *channel)
{
    return hal_io_read8(channel->command, ATA_ERROR) == ATA_PASSED &&
           hal_io_read8(channel->command, ATA_COUNT) == 1 &&
           address_read(channel) == 1;
}

void ide_interrupts(const struct ide_channel *channel, bool on)
{
    hal_io_write8(channel->control, 0, on ? 0 : ATA_CONTROL_NIEN);
}

/* ---- Waiting ------------------------------------------------------------- */

/* Wait until the status has `bits` of `mask`; whether it came to that. */
static bool wait_status(const struct ide_channel *channel, uint8_t mask,
                        uint8_t bits, uint64_t timeout_ns)
{
    uint64_t deadline_ns = time_ns() + timeout_ns;
    bool is_late = false; /* then come the last looks */

    for (unsigned looks = 1; (ide_status(channel) & mask) != bits; looks++) {
        if (looks % LOOKS != 0)
            continue;
        if (is_late)
            return false;
        is_late = time_ns() >= deadline_ns;
        if (!is_late)
            thread_sleep(LOOK_NS);
    }
    return true;
}

/* Select a drive as soon as the one that is selected lets go. */
static bool reach(struct ide_channel *channel, unsigned number,
                  uint64_t timeout_ns)
{
    if (!is_floating(ide_status(channel)) &&
        !wait_status(channel, ATA_BSY | ATA_DRQ, 0, timeout_ns))
        return false;
    ide_select(channel, number);
    return true;
}

/*
 * The status of drive `number`, which is selected. A reset ends with drive 0
 * selected, whoever was meanwhile ([ATA] 9.12): where there is no drive 0 the
 * bus floats then, until drive 1 is selected again.
 */
static uint8_t status_of(struct ide_channel *channel, unsigned number)
{
    uint8_t status = ide_status(channel);

    assert(channel->selected == number);
    if (!is_floating(status))
        return status;
    channel->selected = IDE_NOBODY;
    ide_select(channel, number);
    return ide_status(channel);
}

/* Wait until a drive, which is selected, has done its reset or command. Returns
 * 0, -ENODEV (there is no such drive), -ETIMEDOUT. */
static int wait_idle(struct ide_channel *channel, unsigned number,
                     uint64_t timeout_ns)
{
    uint64_t deadline_ns = time_ns() + timeout_ns;
    bool is_late = false; /* then come the last looks */

    for (unsigned looks = 1;; looks++) {
        uint8_t status = status_of(channel, number);

        if (is_floating(status))
            return -ENODEV;
        if ((status & (ATA_BSY | ATA_DRQ)) == 0)
            return 0;
        if (looks % LOOKS != 0)
            continue;
        if (is_late)
            return -ETIMEDOUT;
        is_late = time_ns() >= deadline_ns;
        if (!is_late)
            thread_sleep(LOOK_NS);
    }
}

/* A command without data, or up to its data. */
static int command_run(struct ide_channel *channel, unsigned number,
                       const struct ide_taskfile *file)
{
    if (!reach(channel, number, COMMAND_NS) ||
        !wait_status(channel, ATA_BSY | ATA_DRQ | ATA_DRDY, ATA_DRDY,
                     COMMAND_NS))
        return -ETIMEDOUT;
    ide_issue(channel, file);
    if (!wait_status(channel, ATA_BSY, 0, COMMAND_NS))
        return -ETIMEDOUT;
    /* Reading this one answers the interrupt. */
    return (hal_io_read8(channel->command, ATA_STATUS) & (ATA_ERR | ATA_DF)) !=
                   0
               ? -EIO
               : 0;
}

static int feature_set(struct ide_channel *channel, unsigned number,
                       uint8_t feature, uint8_t value)
{
    const struct ide_taskfile file = {
        .command = ATA_SET_FEATURES, .features = feature, .count = value};

    return command_run(channel, number, &file);
}

/* ---- Resets and drives --------------------------------------------------- */

int ide_reset(struct ide_channel *channel, uint64_t timeout_ns)
{
    hal_io_write8(channel->control, 0, ATA_CONTROL_SRST | ATA_CONTROL_NIEN);
    thread_sleep(SRST_NS);
    ide_interrupts(channel, false);
    thread_sleep(AFTER_NS);
    channel->selected = 0; /* by the reset */
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        if (channel->drives[i] == NULL)
            continue;
        /* One that has gone is none of the other's affair. */
        if (!reach(channel, i, timeout_ns) ||
            wait_idle(channel, i, timeout_ns) == -ETIMEDOUT)
            return -ETIMEDOUT;
    }
    return 0;
}

/* Registers of a drive that is there keep what is written to them. */
static bool answers(const struct ide_channel *channel)
{
    put(channel, ATA_COUNT, 0x55);
    put(channel, ATA_LOW, 0xaa);
    return hal_io_read8(channel->command, ATA_COUNT) == 0x55 &&
           hal_io_read8(channel->command, ATA_LOW) == 0xaa;
}

bool ide_is_empty(struct ide_channel *channel)
{
    ide_interrupts(channel, false);
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        if (!ide_is_idle(channel))
            return false;
        channel->selected = IDE_NOBODY; /* who knows */
        ide_select(channel, i);
        if (!ide_is_idle(channel) ||
            (!is_floating(ide_status(channel)) && answers(channel)))
            return false;
    }
    return true;
}

int ide_look(struct ide_channel *channel, unsigned number, uint64_t timeout_ns,
             uint16_t *signature)
{
    int status;

    if (!reach(channel, number, timeout_ns))
        return -ETIMEDOUT;
    status = wait_idle(channel, number, timeout_ns);
    if (status != 0)
        return status;
    *signature = (uint16_t)(hal_io_read8(channel->command, ATA_HIGH) << 8 |
                            hal_io_read8(channel->command, ATA_MID));
    return answers(channel) ? 0 : -ENODEV;
}

/* A packet device answers to this; a drive 0 that answers for a drive 1 that
 * is not there does not. */
static bool is_packet_device(struct ide_channel *channel)
{
    const struct ide_taskfile file = {.command = ATA_IDENTIFY_PACKET};
    uint8_t data[ATA_IDENTITY_SIZE];

    ide_issue(channel, &file);
    if (!wait_status(channel, ATA_BSY, 0, COMMAND_NS) ||
        (hal_io_read8(channel->command, ATA_STATUS) & ATA_DRQ) == 0)
        return false;
    ide_data_in(channel, false, data, sizeof(data));
    return true;
}

int ide_detect(struct ide_channel *channel, unsigned number, uint16_t signature)
{
    int status;

    if (!reach(channel, number, COMMAND_NS))
        return -ETIMEDOUT;
    if (signature == SIGNATURE_PACKET) {
        status = wait_idle(channel, number, COMMAND_NS);
        if (status != 0)
            return status;
        return is_packet_device(channel) ? -ENOTSUP : -ENODEV;
    }
    /* A drive 0 alone answers for drive 1 with a status of 0. */
    if (!wait_status(channel, ATA_DRDY, ATA_DRDY, READY_NS))
        return -ENODEV;
    return signature == 0 ? 0 : -ENOTSUP;
}

int ide_identify(struct ide_channel *channel, unsigned number,
                 struct ata_identity *id)
{
    const struct ide_taskfile file = {.command = ATA_IDENTIFY};
    uint8_t data[ATA_IDENTITY_SIZE];
    int status = command_run(channel, number, &file);

    if (status != 0)
        return status;
    if ((ide_status(channel) & ATA_DRQ) == 0)
        return -EIO;
    ide_data_in(channel, false, data, sizeof(data));
    (void)ide_status(channel); /* one cycle: [ATA] HPIOI2 */
    return ata_identity_parse(data, id);
}

/* The same drive as before. */
static bool is_same(const struct ata_identity *a, const struct ata_identity *b)
{
    return a->sectors == b->sectors && a->sector_size == b->sector_size &&
           str_equal(a->model, b->model) && str_equal(a->serial, b->serial);
}

/* READ MULTIPLE, if the drive takes it: one sector at a time else. */
static void multiple_set(struct ide_drive *drive)
{
    struct ide_taskfile file = {.command = ATA_SET_MULTIPLE};
    uint8_t multiple = drive->id.multiple_max;

    if (multiple > MULTIPLE_MAX)
        multiple = MULTIPLE_MAX;
    drive->multiple = 0;
    if (multiple < 2)
        return;
    file.count = multiple;
    if (command_run(drive->channel, drive->number, &file) == 0)
        drive->multiple = multiple;
}

int ide_setup(struct ide_drive *drive)
{
    struct ide_channel *channel = drive->channel;
    struct ata_identity id;
    int status = ide_identify(channel, drive->number, &id);

    if (status != 0)
        return status;
    if (!is_same(&id, &drive->id))
        return -ENODEV;
    /* The mode that the firmware chose: it has set the controller for it. */
    if (drive->uses_dma)
        status = feature_set(channel, drive->number, ATA_FEATURE_MODE,
                             drive->id.dma_mode);
    if (status == -ETIMEDOUT)
        return status;
    if (status != 0) {
        log_warn("%s: refuses its transfer mode: PIO",
                 drive->block.device.name);
        drive->uses_dma = false;
    }
    multiple_set(drive);
    if (drive->id.cache && !drive->id.flush && !drive->id.flush_ext)
        return feature_set(channel, drive->number, ATA_FEATURE_CACHE_OFF, 0);
    return 0;
}

/* ---- Claims -------------------------------------------------------------- */

void ide_claim(struct ide_channel *channel, bool at_once)
{
    channel->claimants++; /* no request is started meanwhile */
    while (channel->is_claimed || (channel->active != NULL && !at_once))
        thread_sleep(LOOK_NS);
    channel->claimants--;
    channel->is_claimed = true;
}

void ide_release(struct ide_channel *channel)
{
    assert(channel->is_claimed);
    channel->is_claimed = false;
    ide_next(channel);
}
