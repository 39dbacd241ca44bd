#include "tests/sim/io/ide_disk.h"
#include "hal/posix/sim/sim.h"
#include "tests/models/ide_model.h"
#include "tests/sim/io/devices.h"
#include <stddef.h>
#include <string.h>

enum { CHANNELS = 2 };

static struct ide_model model;
static bool has_faults;
static bool is_busy[CHANNELS]; /* a step will come */

/* Of a reset, and of what sets the drive up behind it, nothing fails: that
 * could be the end of the disk. A write may be short when all data have come:
 * then the drive lies, and nobody can know. */
static enum model_fault draw_fault(void *arg, const char *operation,
                                   unsigned kinds)
{
    (void)arg;
    if (strcmp(operation, "read") != 0 && strcmp(operation, "write") != 0 &&
        strcmp(operation, "flush") != 0)
        kinds &= fault_bit(FAULT_LATE);
    if (strcmp(operation, "write") == 0)
        kinds &= ~fault_bit(FAULT_SHORT);
    return has_faults ? fault_among(&device_faults, operation, kinds)
                      : FAULT_NONE;
}

/* Whether a drive works though there was nothing to do now: its time will come.
 */
static bool is_waiting(unsigned channel)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct ide_model_drive *drive = &model.channel[channel].drive[i];

        if (drive->kind != IDE_ABSENT &&
            (drive->phase == IDE_BUSY || drive->phase == IDE_RESET))
            return true;
    }
    return false;
}

static void step(void *arg)
{
    unsigned channel = (unsigned)(uintptr_t)arg;

    is_busy[channel] =
        ide_model_step_channel(&model, channel) || is_waiting(channel);
    if (is_busy[channel])
        device_after_step(step, arg);
}

static void work(struct ide_model *of, unsigned channel)
{
    (void)of;
    if (is_busy[channel])
        return;
    is_busy[channel] = true;
    device_after_step(step, (void *)(uintptr_t)channel);
}

void ide_disk_plug(uint8_t *data, uint64_t sectors)
{
    static struct fault_plan plan = {.draw = draw_fault};
    struct ide_model_drive *drive =
        &model.channel[hal_choose(2, SIM_DEVICE)].drive[0];

    drive->kind = IDE_ATA;
    drive->sectors = sectors;
    drive->data = data;
    drive->lba48 = hal_choose(2, SIM_DEVICE) != 0;
    drive->fua = drive->lba48 && hal_choose(2, SIM_DEVICE) != 0;
    drive->multiple_max = hal_choose(2, SIM_DEVICE) * 4;
    drive->no_dma = hal_choose(3, SIM_DEVICE) == 0;
    drive->late_steps = 200;
    model.prog_if = 0x80;
    model.faults = &plan;
    model.work = work;
    ide_model_add(&model);
}

void ide_disk_faults(bool come)
{
    has_faults = come;
}

bool ide_disk_is_volatile(void)
{
    for (unsigned i = 0; i < 2 * CHANNELS; i++) {
        if (model.channel[i / 2].drive[i % 2].unflushed != 0)
            return true;
    }
    return false;
}
