/*
 * The mix of stress.c on a machine of pthreads: stress_main CPUS SECONDS. Built
 * with ThreadSanitizer by `make stress`.
 */
#include "tests/fakes/machine.h"
#include "tests/stress/stress.h"
#include <stdio.h>
#include <stdlib.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/time.h>

static unsigned seconds;

static int rounds(void *arg)
{
    uint64_t end = time_ns() + seconds * NS_PER_S;
    uint64_t next_ns = time_ns() + 10 * NS_PER_S;
    struct stress stress = {.workers = STRESS_WORKERS_MAX, .ops = 60};

    (void)arg;
    while (time_ns() < end) {
        int line;

        stress.seed++;
        line = stress_run(&stress);
        if (line != 0) {
            console_print("round %u: see stress.c, line %d\n",
                          (unsigned)stress.seed, line);
            return 1;
        }
        if (time_ns() >= next_ns) {
            console_print("%u rounds\n", (unsigned)stress.seed);
            next_ns += 10 * NS_PER_S;
        }
    }
    console_print("ok: %u rounds on %u CPUs in %u s\n", (unsigned)stress.seed,
                  cpu_count(), seconds);
    return 0;
}

int main(int argc, char **argv)
{
    static char output[65536];
    unsigned cpus = argc > 1 ? (unsigned)atoi(argv[1]) : 8;
    int status;

    seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
    status = machine_run_output(cpus, 16 << 20, "log=error", rounds, NULL,
                                output, sizeof(output));
    fputs(output, stdout);
    return status;
}
