/*
 * Input and output from several CPUs, with devices that are late, reorder and
 * fail, as the seed chooses.
 */
#include "hal/hal.h"
#include "tests/models/virtio_model.h"
#include "tests/sim/io/devices.h"
#include "tests/sim/io/work.h"
#include "tests/sim/runner.h"
#include <torc/drivers.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/time.h>

static bool has_card, has_disk; /* one of them, or both */

static void plug(void)
{
    unsigned kind = hal_choose(3, SIM_WORK);

    has_card = kind != 1;
    has_disk = kind != 2;
    devices_draw(FAULT_ALL);
    if (has_card)
        net_work_plug();
    if (has_disk)
        disk_work_plug();
}

/* ---- Memory -------------------------------------------------------------- */

static size_t blocks_at_first[HAL_CPU_MAX];

static size_t blocks_now(void)
{
    struct mem_stats stats;

    mem_trim();
    mem_get_stats(&stats);
    return stats.block_count;
}

static int memory_note(void *unused)
{
    (void)unused;
    thread_sleep(1); /* what grows once has grown */
    blocks_at_first[cpu_id()] = blocks_now();
    return 0;
}

/* What other CPUs have freed may be on its way home. */
static int memory_compare(void *unused)
{
    uint64_t end = time_ns() + PATIENCE_NS;

    (void)unused;
    if (has_card && net_work_keeps())
        return 0;
    while (blocks_now() != blocks_at_first[cpu_id()]) {
        expect(time_ns() < end, "memory has leaked");
        thread_sleep(NS_PER_MS);
    }
    return 0;
}

static void on_all(int (*fn)(void *arg))
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        expect(remote_call(cpu, fn, NULL) == 0, "a CPU is lost");
}

/* ---- All of it ----------------------------------------------------------- */

static int work(void)
{
    if (has_card)
        net_work_begin();
    if (has_disk)
        disk_work_begin();
    on_all(memory_note);
    if (has_card)
        net_work_start();
    if (has_disk)
        disk_work_start();
    if (has_card)
        net_work_end();
    if (has_disk)
        disk_work_end();
    on_all(memory_compare);
    return 0;
}

static void check(void)
{
    if (has_card)
        net_work_check();
    if (has_disk)
        disk_work_check();
}

int main(int argc, char **argv)
{
    static const struct driver *const drivers[] = {
        &virtio_net_driver, &e1000_driver, &ne2000_driver,
        &virtio_blk_driver, &ide_driver,   NULL};
    static const struct scenario scenario = {
        .name = "io",
        .cpus_min = 1,
        .cpus_max = 4,
        .mem_bytes = 2 << 20,
        .memory_bus = 1 << 30, /* where 32 bits reach */
        .run = work,
        .drivers = drivers,
        .plug = plug,
        .unplug = models_reset,
        .check = check,
    };

    return sim_main(argc, argv, &scenario);
}
