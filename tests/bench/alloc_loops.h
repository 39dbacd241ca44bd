/* The loads of the allocator rows, compiled once for each way to allocate. */
#ifndef TORC_TESTS_BENCH_ALLOC_LOOPS_H
#define TORC_TESTS_BENCH_ALLOC_LOOPS_H

#include <stdint.h>

struct alloc_load {
    const char *row;
    uint64_t (*run)(uint64_t count); /* a bench_fn */
    uint64_t count;
};

/* Ends with a NULL row. */
extern const struct alloc_load alloc_loads[];

/* Call before the first load; needs pair_serve() on the second processor. */
void alloc_prepare(void);

#endif
