/* The allocator under test: Torc's. */
#ifndef TORC_TESTS_BENCH_ALLOC_H
#define TORC_TESTS_BENCH_ALLOC_H

#include "kernel/cpu/exchange_inline.h"
#include <torc/memory.h>

static inline void *bench_alloc(size_t size)
{
    return mem_alloc(size);
}

static inline void bench_free(void *ptr)
{
    mem_free(ptr);
}

/* The scheduler's pass: foreign blocks go home with it. */
static inline void bench_turn(void)
{
    exchange_pass(cpu_self());
}

/* Wait until all that was freed is on its way to where it belongs. */
static inline void bench_settle(void)
{
    while (exchange_pass(cpu_self()))
        ;
}

#endif
