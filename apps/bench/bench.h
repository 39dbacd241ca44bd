/* The loads. */
#ifndef TORC_APPS_BENCH_BENCH_H
#define TORC_APPS_BENCH_BENCH_H

#include "apps/bench/marks.h"
#include <stdbool.h>
#include <stdint.h>

struct load {
    const char *name;
    /*
     * Do `count` operations between bench_begin() and bench_end(), after a few
     * for warming up. Returns 0, or what failed.
     */
    int (*run)(uint64_t count);
    uint64_t count;
    bool two_cpus;
};

/* Ends with a NULL name. */
extern const struct load loads[];

#endif
