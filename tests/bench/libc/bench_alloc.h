/* The allocator under test: that of the C library, or one loaded before it. */
#ifndef TORC_TESTS_BENCH_ALLOC_H
#define TORC_TESTS_BENCH_ALLOC_H

#include <stdlib.h>

static inline void *bench_alloc(size_t size)
{
    return malloc(size);
}

static inline void bench_free(void *ptr)
{
    free(ptr);
}

/* What a processor does between two turns of work: nothing here. */
static inline void bench_turn(void)
{
}

/* Wait until all that was freed is on its way to where it belongs. */
static inline void bench_settle(void)
{
}

#endif
