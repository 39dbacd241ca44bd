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

static bool step(void)
{
    return ide_model_step(&model);
}

static void make(const struct block_side *side, unsigned kind)
{
    (void)side;
    assert_int_equal(kind, 0);
    scenario_fill(held);
}

static void begin(const struct block_side *side)
{
    const struct host_config config = {
        .mem_bytes = 32 << 20,
        .quiet = true,
        .fill = true,
        .memory_bus = 1 << 30,
    };

    (void)side;
    memset(&model, 0, sizeof(model));
    model.prog_if = 0x80;
    model.channel[0].drive[0] = (struct ide_model_drive){
        .kind = IDE_ATA,
        .sectors = SCENARIO_SECTORS,
        .data = held,
        .lba48 = true,
        .fua = true,
        .multiple_max = 16,
    };
    model.channel[1].drive[0].kind = IDE_ATAPI;
    sim_reset();
    machine_attach_config(&config);
    ide_model_add(&model);
}

static void serve(const struct block_side *side)
{
    (void)side;
    device_thread_begin(step);
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

const struct block_side model_ide = {
    .name = "model",
    .make = make,
    .begin = begin,
    .serve = serve,
    .end = end,
    .unmake = unmake,
};
