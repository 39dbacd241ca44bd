/*
 * A machine with the IDE model, whose drives the test has as disks. Time is
 * virtual: it passes while threads wait, at each turn of the device's thread.
 */
#ifndef TORC_TESTS_UNIT_DRIVERS_IDE_BENCH_H
#define TORC_TESTS_UNIT_DRIVERS_IDE_BENCH_H

#include "hal/posix/host/config.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/driver.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/models/ide_model.h"
#include <stdlib.h>
#include <string.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    SECTORS = 1024, /* of 512 bytes, that a drive keeps */
    MEMORY = 16 << 20,
    DRIVES = 4,
};
#define TURN_NS  (100 * NS_PER_US)
#define START_NS NS_PER_S
#define LOW_BUS  (UINT64_C(1) << 30)

static struct ide_model model;
static uint8_t media[DRIVES][SECTORS * 512];
static struct block_device *disks[DRIVES];
static struct block_open opens[DRIVES];
static unsigned disk_count;

/* A thread that is the device, so that others may wait for it. */
static bool stop, silent;
static uint64_t look_ns; /* so long takes each look at the clock; 0: nothing */
static thread_id device_thread;

static inline int device_run(void *arg)
{
    (void)arg;
    while (!stop) {
        if (!silent)
            (void)ide_model_step(&model);
        clock_set(clock_now() + TURN_NS);
        if (look_ns != 0)
            clock_step(look_ns);
        timer_run(clock_now());
        thread_yield();
    }
    return 0;
}

static inline struct ide_model_drive *drive_at(unsigned index)
{
    return &model.channel[index / 2].drive[index % 2];
}

/* What a drive holds at first, made once. */
static inline const uint8_t *pattern(unsigned index)
{
    static uint8_t made[COUNT_OF(media)][sizeof(media[0])];

    if (made[index][1] == 0) {
        for (size_t i = 0; i < sizeof(made[index]); i++)
            made[index][i] = (uint8_t)(i / 512 * 7 + i % 509 + index * 31);
    }
    return made[index];
}

/* A drive with everything, at place 0 .. 3. */
static inline struct ide_model_drive *drive_add(unsigned index)
{
    struct ide_model_drive *drive = drive_at(index);

    drive->kind = IDE_ATA;
    drive->sectors = SECTORS;
    drive->data = media[index];
    drive->lba48 = true;
    drive->fua = true;
    drive->multiple_max = 16;
    memcpy(media[index], pattern(index), sizeof(media[index]));
    return drive;
}

/* No drives yet; a PIIX3 in compatibility mode. */
static inline void fresh(void)
{
    sim_reset();
    memset(&model, 0, sizeof(model));
    memset(disks, 0, sizeof(disks));
    model.prog_if = 0x80;
    model.patience = 3;
    stop = silent = false;
    disk_count = 0;
    console_forget();
    clock_set(START_NS);
}

static inline void machine_begin(uint64_t memory_bus, const char *cmdline)
{
    const struct host_config config = {
        .mem_bytes = MEMORY,
        .memory_bus = memory_bus,
        .cmdline = cmdline,
        .quiet = true,
        .fill = true,
    };

    machine_attach_config(&config);
    ide_model_add(&model);
    assert_int_equal(thread_create(NULL, device_run, NULL, &device_thread), 0);
    thread_sleep(NS_PER_MS); /* timers have their memory */
}

static inline void disks_note(void)
{
    for (disk_count = 0; disk_count < DRIVES; disk_count++) {
        disks[disk_count] =
            block_from_device(device_find(DEVICE_BLOCK, disk_count));
        if (disks[disk_count] == NULL)
            break;
    }
}

/* The machine, with its memory at this bus address; and the drives are found.
 */
static inline void probe_at(uint64_t memory_bus, const char *cmdline)
{
    machine_begin(memory_bus, cmdline);
    assert_int_equal(ide_driver.probe(), 0);
    disks_note();
}

static inline void open_all(void)
{
    for (unsigned i = 0; i < disk_count; i++) {
        assert_int_equal(device_dedicate(&disks[i]->device, 0), 0);
        assert_int_equal(block_open(disks[i], BLOCK_SHARED, &opens[i]), 0);
    }
}

static inline void start(const char *cmdline)
{
    probe_at(LOW_BUS, cmdline);
    open_all();
}

static inline void finish(void)
{
    stop = true;
    assert_int_equal(thread_join(device_thread, NULL), 0);
    machine_detach();
    clock_set(0);
}

/* One request of any kind. */
static struct block_request request;
static int request_status;
static bool request_ended;

static inline void request_done(struct block_request *ended, int status)
{
    (void)ended;
    request_status = status;
    request_ended = true;
}

/* Submit the request that stands in `request`, and wait. */
static inline int request_run(unsigned disk)
{
    request.done = request_done;
    request_ended = false;
    assert_int_equal(block_submit(&opens[disk], &request), 0);
    while (!request_ended)
        thread_yield();
    return request_status;
}

/* Wait until the log says so. */
static inline void await_text(const char *text)
{
    uint64_t end_ns = clock_now() + 200 * NS_PER_S;

    while (!console_has(text) && clock_now() < end_ns)
        thread_yield();
    assert_true(console_has(text));
}

/* All commands of these codes that a drive has seen. */
static inline unsigned commands(unsigned index, uint8_t a, uint8_t b)
{
    return drive_at(index)->commands[a] + drive_at(index)->commands[b];
}

#endif
