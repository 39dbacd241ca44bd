/* Processors and the clock. */
#include "tests/bench/bench.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* How long a sample may be tried for, in nanoseconds. */
enum { PATIENCE = 40000000 };

unsigned bench_disturbed;

/* Those of the process before anything was bound. */
static cpu_set_t allowed;

__attribute__((constructor)) static void look(void)
{
    sched_getaffinity(0, sizeof(allowed), &allowed);
}

unsigned bench_processors(void)
{
    return (unsigned)CPU_COUNT(&allowed);
}

void bench_pin(unsigned n)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &allowed) && n-- == 0)
            CPU_SET(i, &one);
    }
    if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one) != 0) {
        fprintf(stderr, "bench: there are not two processors to run on\n");
        exit(1);
    }
}

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* How often a thread of this process had to give way to another process. */
static long disturbances(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

uint64_t bench_sample_ps(bench_fn run, uint64_t count, bool quiet)
{
    uint64_t end = bench_now_ns() + PATIENCE;

    for (;;) {
        long before = disturbances();
        uint64_t ns = run(count);
        bool disturbed = quiet && disturbances() != before;

        if (disturbed && bench_now_ns() < end)
            continue;
        bench_disturbed += disturbed;
        return ns * 1000 / count;
    }
}
