/* What the tests of the heap share. */
#ifndef TORC_TESTS_FAKES_HEAP_H
#define TORC_TESTS_FAKES_HEAP_H

#include <torc/memory.h>

/* This CPU's, now. */
static inline struct mem_stats stats(void)
{
    struct mem_stats now;

    mem_get_stats(&now);
    return now;
}

/* mem_free() on another CPU: for remote_call(). */
static inline int free_block(void *ptr)
{
    mem_free(ptr);
    return 0;
}

#endif
