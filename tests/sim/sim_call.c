/*
 * Small enough for every schedule: calls to the other CPUs and back, each side
 * asleep in between.
 */
#include "tests/sim/runner.h"
#include <torc/machine.h>
#include <torc/message.h>

static int called(void *arg)
{
    return *(int *)arg + (int)cpu_id();
}

static int call(void)
{
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++) {
        int number = 40;

        if (remote_call(cpu, called, &number) != 40 + (int)cpu)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct scenario scenario = {
        .name = "call",
        .cpus_min = 2,
        .cpus_max = 2,
        .mem_bytes = 2 << 20,
        .run = call,
    };

    return sim_main(argc, argv, &scenario);
}
