#include "tests/qtest/side_model_ide.h"
#include "hal/posix/host/config.h"
#include "hal/posix/kernel/simbus.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/ide_model.h"
#include "tests/qtest/device_thread.h"
#include <string.h>

enum { DISK_SIZE = SCENARIO_SECTORS * 512 };

static struct ide_model model;
static uint8_t held[DISK_SIZE];
static unsigned kind; /* of the disk */

static bool step(void)
{
    return ide_model_step(&model);
}

static void make(const struct block_side *side, unsigned of)
{
    (void)side;
    assert_int_equal(of & ~(unsigned)SCENARIO_FAULTY, 0);
    kind = of;
    scenario_fill(held);
}

static void begin(const struct block_side *side)
{
    const struct host_config config = {
        .mem_bytes = 32 << 20,
        .quiet = true,
        .fill = true,
        .memory_bus = 1 << 30,
        .cmdline = side->cmdline,
    };

    memset(&model, 0, sizeof(model));
    model.prog_if = 0x80;
    model.channel[0].drive[0] = (struct ide_model_drive){
        .kind = IDE_ATA,
        .sectors = side->first + SCENARIO_SECTORS,
        .data = held,
        .data_first = side->first,
        .data_count = SCENARIO_SECTORS,
        .bad_read = (kind & SCENARIO_FAULTY) != 0 ? SCENARIO_BAD_READ : 0,
        .bad_write = (kind & SCENARIO_FAULTY) != 0 ? SCENARIO_BAD_WRITE : 0,
        .lba48 = true,
        .fua = true,
        .multiple_max = 16,
    };
    model.channel[1].drive[0].kind = IDE_ATAPI;
    sim_reset();
    machine_attach_config(&config);
    ide_model_add(&model);
    device_thread_begin(step); /* the driver asks for it when it looks */
}

static void serve(const struct block_side *side)
{
    (void)side;
}

static void end(const struct block_side *side)
{
    (void)side;
    device_thread_end();
    machine_detach();
}

static void unmake(const struct block_side *side, uint8_t *disk)
{
    (void)side;
    memcpy(disk, held, DISK_SIZE);
}

#define SIDE(how, where)                                                  \
    {                                                                     \
        .name = "model", .make = make, .begin = begin, .serve = serve,    \
        .end = end, .unmake = unmake, .cmdline = (how), .first = (where), \
    }

const struct block_side model_ide = SIDE(NULL, 0);
const struct block_side model_ide_pio = SIDE("ide=pio", 0);
const struct block_side model_ide_48 = SIDE(NULL, SCENARIO_AT_28_BITS);
const struct block_side model_ide_48_pio = SIDE("ide=pio", SCENARIO_AT_28_BITS);
