/*
 * Everything the core of the kernel does, mixed: threads that are created,
 * joined, killed, suspended and moved, messages, remote calls, sleeps, mutexes,
 * blocks freed on other CPUs, memory that runs out. At the end everything must
 * have come back. Runs on every machine: simulated, pthreads, bare metal.
 */
#ifndef TORC_TESTS_STRESS_STRESS_H
#define TORC_TESTS_STRESS_STRESS_H

#include <stdint.h>

struct stress {
    uint64_t seed;
    unsigned workers; /* at most STRESS_WORKERS_MAX */
    unsigned ops;     /* of each */
};

enum { STRESS_WORKERS_MAX = 64 };

/*
 * One round, on all CPUs. Context: a thread. Returns 0, or the line of
 * stress.c where something was wrong.
 */
int stress_run(const struct stress *stress);

#endif
