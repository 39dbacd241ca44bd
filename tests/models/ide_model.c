/*
 * A channel of the IDE model: the registers that its two drives share, which
 * drive is selected, resets, INTRQ.
 */
#include "hal/hal.h"
#include "tests/models/ide_model_internal.h"
#include <stdlib.h>

enum {
    STATUS_SETTLE_NS = 400, /* after command or device: [ATA] chapter 9 */
    STATUS_READ_NS = 100,   /* what a read takes */
    SRST_MIN_NS = 5 * 1000,
    SRST_WAIT_NS = 2 * 1000 * 1000,
    LINE_RAISES_MAX = 100000,
    FLOATING = 0x7f, /* DD7 has a resistor to ground */
    DEVICE_RESET = 0x08,
    DIAGNOSTIC = 0x90,
    SET_PARAMETERS = 0x91,
};

unsigned channel_index(const struct ide_model_channel *channel)
{
    return (unsigned)(channel - channel->model->channel);
}

void channel_work(struct ide_model_channel *channel)
{
    if (channel->model->work != NULL)
        channel->model->work(channel->model, channel_index(channel));
}

static struct ide_model_drive *selected(struct ide_model_channel *channel)
{
    return &channel->drive[channel->selected];
}

static bool is_there(const struct ide_model_channel *channel, unsigned drive)
{
    return channel->drive[drive].kind != IDE_ABSENT;
}

static uint8_t floating(const struct ide_model_channel *channel)
{
    return channel->model->floating != 0 ? channel->model->floating : FLOATING;
}

/* ---- INTRQ --------------------------------------------------------------- */

void channel_line(struct ide_model_channel *channel)
{
    const struct ide_model_drive *drive = selected(channel);
    bool line = drive->pending && (channel->control & CONTROL_NIEN) == 0;

    if (line && !channel->line) {
        channel->interrupts++;
        channel->bm_status |= 4; /* [BM]: the edge sets it */
        channel->lost = channel->lose;
        channel->lose = false;
        channel->line_raises = 0;
        if (!channel->lost)
            pci_raise(channel);
    }
    channel->line = line;
}

/* ---- The status ---------------------------------------------------------- */

/* What the selected drive's status register is. [ATA] "Device 0 only": a drive
 * 0 without a drive 1 answers in its place. */
static uint8_t status_now(const struct ide_model_channel *channel)
{
    if (is_there(channel, channel->selected))
        return drive_status(&channel->drive[channel->selected]);
    if (channel->selected == 1 && is_there(channel, 0))
        return 0;
    return floating(channel);
}

/* For `ns` from now on the status register does not show what comes. */
static void stale_begin(struct ide_model_channel *channel, uint8_t shown,
                        unsigned ns)
{
    channel->is_stale = true;
    channel->stale_status = shown;
    channel->stale_since = hal_time_ns();
    channel->stale_reads = 0;
    channel->stale_ns = ns;
}

static bool stale_now(struct ide_model_channel *channel)
{
    uint64_t passed;

    if (!channel->is_stale)
        return false;
    passed = hal_time_ns() - channel->stale_since +
             (uint64_t)channel->stale_reads * STATUS_READ_NS;
    channel->stale_reads++;
    if (passed >= channel->stale_ns)
        channel->is_stale = false;
    return channel->is_stale;
}

/* The host reads the status, by either register. */
static uint8_t status_read(struct ide_model_channel *channel)
{
    uint8_t status;

    if ((channel->control & CONTROL_SRST) != 0)
        return BSY;
    if (channel->after_reset) {
        if (hal_time_ns() - channel->reset_ns < SRST_WAIT_NS)
            model_breach("the status is read less than 2 ms after SRST");
        channel->after_reset = false;
    }
    if (stale_now(channel))
        return channel->stale_status;
    status = status_now(channel);
    if ((status & (BSY | DRQ)) == 0)
        channel->is_checked = true;
    if ((status & BSY) != 0 && channel->model->patience != 0 &&
        ++channel->busy_reads >= channel->model->patience) {
        channel->busy_reads = 0;
        (void)ide_model_step_channel(channel->model, channel_index(channel));
    }
    return status;
}

uint8_t alternate_read(struct ide_model_channel *channel)
{
    return status_read(channel);
}

/* ---- The command block --------------------------------------------------- */

static uint16_t data_read(struct ide_model_channel *channel)
{
    struct ide_model_drive *drive = selected(channel);
    uint16_t value;

    if (drive->phase != IDE_DATA_IN)
        model_breach("the data register is read, and the drive gives none "
                     "(status %#x)",
                     status_now(channel));
    value = drive_data_read(drive);
    if (drive->phase != IDE_DATA_IN) /* HPIOI2: wait one cycle */
        stale_begin(channel, DRDY | DRQ, STATUS_READ_NS);
    return value;
}

static void data_write(struct ide_model_channel *channel, uint16_t value)
{
    struct ide_model_drive *drive = selected(channel);

    if (drive->phase != IDE_DATA_OUT)
        model_breach("the data register is written, and the drive takes none "
                     "(status %#x)",
                     status_now(channel));
    drive_data_write(drive, value);
    if (drive->phase != IDE_DATA_OUT)
        stale_begin(channel, DRDY | DRQ, STATUS_READ_NS);
}

static void width_check(const struct ide_model_channel *channel, size_t reg,
                        unsigned width)
{
    bool right = reg == 0
                     ? width == 2 || (width == 4 && !channel->model->no_data32)
                     : width == 1;

    if (!right)
        model_breach("command block register %zu accessed with %u bytes", reg,
                     width);
}

static uint8_t register_read(struct ide_model_channel *channel, size_t reg)
{
    const struct ide_model_drive *drive = selected(channel);
    unsigned which;

    if (!is_there(channel, channel->selected)) {
        if (!is_there(channel, 0))
            return floating(channel);
        drive = &channel->drive[0]; /* as above */
    }
    if ((drive_status(drive) & BSY) != 0)
        return drive_status(drive); /* every register shows it */
    which = (channel->control & CONTROL_HOB) != 0 && drive->lba48 ? 1 : 0;
    switch (reg) {
    case 1:
        return drive->error;
    case 2:
        return drive->count[which];
    case 3:
        return drive->low[which];
    case 4:
        return drive->mid[which];
    case 5:
        return drive->high[which];
    default:
        return (uint8_t)(0xa0 | drive->device |
                         (channel->selected != 0 ? DEVICE_DEV : 0));
    }
}

uint32_t command_block_read(struct ide_model_channel *channel, size_t reg,
                            unsigned width)
{
    uint8_t status;

    width_check(channel, reg, width);
    if (reg == 0) {
        uint32_t low = data_read(channel);

        return width == 2 ? low : low | (uint32_t)data_read(channel) << 16;
    }
    if (reg != 7)
        return register_read(channel, reg);
    status = status_read(channel);
    selected(channel)->pending = false; /* this answers it */
    channel_line(channel);
    return status;
}

static void push(uint8_t fifo[2], uint8_t value)
{
    fifo[1] = fifo[0];
    fifo[0] = value;
}

/* Parameters go to both drives. */
static void parameter_write(struct ide_model_drive *drive, size_t reg,
                            uint8_t value)
{
    switch (reg) {
    case 1:
        push(drive->features, value);
        break;
    case 2:
        push(drive->count, value);
        break;
    case 3:
        push(drive->low, value);
        break;
    case 4:
        push(drive->mid, value);
        break;
    case 5:
        push(drive->high, value);
        break;
    default:
        drive->device = value & 0x4f;
        break;
    }
}

static void device_write(struct ide_model_channel *channel, uint8_t value)
{
    unsigned drive = (value & DEVICE_DEV) != 0 ? 1 : 0;
    uint8_t before = status_now(channel);

    for (unsigned i = 0; i < 2; i++)
        parameter_write(&channel->drive[i], 6, value);
    if (drive == channel->selected)
        return;
    channel->selected = drive;
    channel->is_checked = false;
    stale_begin(channel, before, STATUS_SETTLE_NS);
    channel_line(channel);
}

/* A reset or a diagnostic starts. */
static void drive_reset_begin(struct ide_model_drive *drive, uint8_t command,
                              enum model_fault fault)
{
    if (drive->kind == IDE_ABSENT)
        return;
    drive->phase = IDE_RESET;
    drive->command = command;
    drive->fault = fault;
    drive->delay = 0;
    if (fault == FAULT_LATE)
        drive->delay = drive_late_steps(drive);
    drive->pending = drive->again = false;
}

static enum model_fault reset_fault(struct ide_model_channel *channel)
{
    channel->lose = false;
    return fault_among(channel->model->faults, "reset",
                       fault_bit(FAULT_LATE) | fault_bit(FAULT_NEVER) |
                           fault_bit(FAULT_FAIL));
}

static void diagnostic_begin(struct ide_model_channel *channel)
{
    enum model_fault fault = reset_fault(channel);

    for (unsigned i = 0; i < 2; i++) {
        drive_reset_begin(&channel->drive[i], DIAGNOSTIC, fault);
        channel->drive[i].commands[DIAGNOSTIC]++;
    }
    channel_line(channel);
    channel_work(channel);
}

static bool is_dma_command(uint8_t command)
{
    return command == 0x25 || command == 0x35 || command == 0x3d ||
           command == 0xc8 || command == 0xca;
}

static void command_write(struct ide_model_channel *channel, uint8_t command)
{
    struct ide_model_drive *drive = selected(channel);
    uint8_t before = status_now(channel);

    if (command == DIAGNOSTIC) {
        stale_begin(channel, before, STATUS_SETTLE_NS);
        diagnostic_begin(channel);
        return;
    }
    if (drive->kind == IDE_ABSENT)
        return;
    if (!channel->is_checked && command != DEVICE_RESET)
        model_breach("command %#x to a drive that was just selected, and whose "
                     "status nobody has seen idle",
                     command);
    if (drive->kind == IDE_ATA && command != SET_PARAMETERS &&
        (before & DRDY) == 0)
        model_breach("command %#x to a drive that is not ready", command);
    if (channel->bm_running)
        model_breach("command %#x while the bus master still runs", command);
    stale_begin(channel, before, STATUS_SETTLE_NS);
    channel->bm_wanted = is_dma_command(command);
    drive_command(drive, command);
    channel_line(channel);
}

/* Not while BSY or DRQ is set, but for DEVICE RESET. */
static void busy_check(const struct ide_model_channel *channel, size_t reg,
                       uint8_t value)
{
    const struct ide_model_drive *drive = &channel->drive[channel->selected];
    uint8_t status = status_now(channel);

    if ((channel->control & CONTROL_SRST) != 0)
        model_breach("command block register %zu written during SRST", reg);
    if (drive->kind == IDE_ABSENT || (status & (BSY | DRQ)) == 0)
        return;
    if (reg == 7 && value == DEVICE_RESET && drive->kind == IDE_ATAPI)
        return;
    model_breach("command block register %zu written while the drive has %s",
                 reg, (status & BSY) != 0 ? "BSY" : "DRQ");
}

void command_block_write(struct ide_model_channel *channel, size_t reg,
                         unsigned width, uint32_t value)
{
    width_check(channel, reg, width);
    if (reg == 0) {
        data_write(channel, (uint16_t)value);
        if (width == 4)
            data_write(channel, (uint16_t)(value >> 16));
        return;
    }
    busy_check(channel, reg, (uint8_t)value);
    channel->control &= (uint8_t)~CONTROL_HOB; /* any write does */
    if (reg == 7) {
        command_write(channel, (uint8_t)value);
    } else if (reg == 6) {
        device_write(channel, (uint8_t)value);
    } else {
        for (unsigned i = 0; i < 2; i++)
            parameter_write(&channel->drive[i], reg, (uint8_t)value);
    }
}

/* ---- Resets -------------------------------------------------------------- */

static void reset_begin(struct ide_model_channel *channel)
{
    enum model_fault fault = reset_fault(channel);

    channel->reset_ns = hal_time_ns();
    channel->bm_wanted = false;
    channel->is_stale = false;
    for (unsigned i = 0; i < 2; i++)
        drive_reset_begin(&channel->drive[i], 0, fault);
    channel_line(channel);
}

static void reset_end(struct ide_model_channel *channel)
{
    uint64_t now = hal_time_ns();

    if (now - channel->reset_ns < SRST_MIN_NS)
        model_breach("SRST for %llu ns, at least 5 us",
                     (unsigned long long)(now - channel->reset_ns));
    channel->reset_ns = now;
    channel->after_reset = true;
    channel->selected = 0;
    channel->is_checked = false;
    channel_work(channel);
}

void control_write(struct ide_model_channel *channel, uint8_t value)
{
    bool was = (channel->control & CONTROL_SRST) != 0;
    bool is = (value & CONTROL_SRST) != 0;

    if ((value & ~(CONTROL_HOB | CONTROL_SRST | CONTROL_NIEN)) != 0)
        model_breach("device control %#x: reserved bits", value);
    channel->control = value;
    if (!was && is)
        reset_begin(channel);
    else if (was && !is)
        reset_end(channel);
    channel_line(channel);
}

/* A reset or a diagnostic is done. Returns false while it is not. */
static bool reset_step(struct ide_model_drive *drive)
{
    bool is_diagnostic = drive->command == DIAGNOSTIC;
    uint8_t code = 1;

    if (drive->phase != IDE_RESET || drive->fault == FAULT_NEVER)
        return false;
    if (drive->delay > 0) {
        drive->delay--;
        return true;
    }
    if (drive->fault == FAULT_FAIL) {
        drive->broken = true;
        code = 2; /* what failed is up to the maker */
    }
    if (!is_diagnostic)
        drive_defaults(drive);
    drive_signature(drive, code);
    drive->channel->selected = 0;
    if (is_diagnostic && drive == &drive->channel->drive[0]) {
        drive->pending = true;
        channel_line(drive->channel);
    }
    return true;
}

/* ---- Steps --------------------------------------------------------------- */

bool ide_model_step_channel(struct ide_model *model, unsigned index)
{
    struct ide_model_channel *channel = &model->channel[index];

    /* A line that is level-triggered and not quieted interrupts again. */
    if (pci_is_native(model, index) && channel->line && !channel->lost) {
        pci_raise(channel);
        if (++channel->line_raises == LINE_RAISES_MAX)
            model_breach("nobody quiets the interrupt of channel %u", index);
    }
    if ((channel->control & CONTROL_SRST) != 0)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        struct ide_model_drive *drive = &channel->drive[i];

        if (drive->kind == IDE_ABSENT)
            continue;
        if (reset_step(drive) || drive_step(drive)) {
            model->steps++;
            return true;
        }
    }
    return false;
}

bool ide_model_step(struct ide_model *model)
{
    unsigned first = model->steps % 2;

    return ide_model_step_channel(model, first) ||
           ide_model_step_channel(model, 1 - first);
}

void ide_model_check_idle(const struct ide_model *model)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct ide_model_channel *channel = &model->channel[i];

        if (channel->region_count != 0)
            model_breach("channel %u still holds memory", i);
        if ((channel->bm_command & 1) != 0)
            model_breach("the bus master of channel %u was not stopped", i);
        for (unsigned j = 0; j < 2; j++)
            if (channel->drive[j].kind != IDE_ABSENT &&
                channel->drive[j].phase != IDE_IDLE)
                model_breach("drive %u of channel %u is busy", j, i);
    }
}

void ide_model_add(struct ide_model *model)
{
    for (unsigned i = 0; i < 2; i++) {
        struct ide_model_channel *channel = &model->channel[i];

        channel->model = model;
        channel->bm_cleared = true;
        for (unsigned j = 0; j < 2; j++) {
            channel->drive[j].channel = channel;
            if (channel->drive[j].multiple_max *
                    drive_sector_size(&channel->drive[j]) >
                IDE_MODEL_BLOCK_MAX)
                abort();
            if (channel->drive[j].kind != IDE_ABSENT)
                drive_power_on(&channel->drive[j]);
        }
    }
    pci_add(model);
}
