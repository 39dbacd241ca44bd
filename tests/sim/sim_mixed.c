/* Everything at once, in a size the seed chooses. */
#include "hal/posix/host/console.h"
#include "hal/posix/sim/sim.h"
#include "tests/sim/runner.h"
#include "tests/stress/stress.h"

static int mixed(void)
{
    const struct stress stress = {
        .seed = 1 + hal_choose(1 << 30, SIM_WORK),
        .workers = 1 + hal_choose(8, SIM_WORK),
        .ops = 5 + hal_choose(20, SIM_WORK),
    };

    int line = stress_run(&stress);

    if (line != 0)
        host_complain("see stress.c, line %d", line);
    return line == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct scenario scenario = {
        .name = "mixed",
        .cpus_min = 2,
        .cpus_max = 5, /* with and without flags before the slots */
        .mem_bytes = 2 << 20,
        .run = mixed,
    };

    return sim_main(argc, argv, &scenario);
}
