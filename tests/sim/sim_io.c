/*
 * Input and output from several CPUs, with devices that are late, reorder and
 * fail, as the seed chooses.
 */
#include "tests/sim/io/devices.h"
#include "tests/sim/io/work.h"
#include "tests/sim/runner.h"
#include <torc/drivers.h>

static void plug(void)
{
    devices_draw(FAULT_ALL);
    net_work_plug();
}

static int work(void)
{
    net_work_begin();
    net_work_end();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct driver *const drivers[] = {&virtio_net_driver, NULL};
    static const struct scenario scenario = {
        .name = "io",
        .cpus_min = 1,
        .cpus_max = 4,
        .mem_bytes = 2 << 20,
        .run = work,
        .drivers = drivers,
        .plug = plug,
        .check = net_work_check,
    };

    return sim_main(argc, argv, &scenario);
}
