/*
 * Trace sites on the hosted machine: see hal/trace.h. A byte says whether they
 * are on.
 */
#ifndef TORC_TRACE_SITE_H
#define TORC_TRACE_SITE_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

typedef void trace_site_fn(uintptr_t a, uintptr_t b);

extern bool trace_sites_on; /* constant once the other CPUs run */

/* Where there is nothing to do besides. */
static inline void trace_site_here(trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    if (unlikely(trace_sites_on))
        fn(a, b);
}

/* *place = value. */
static inline void trace_site_store(void **place, void *value,
                                    trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    *place = value;
    trace_site_here(fn, a, b);
}

static inline void trace_site_store_int(int *place, int value,
                                        trace_site_fn *fn, uintptr_t a,
                                        uintptr_t b)
{
    *place = value;
    trace_site_here(fn, a, b);
}

/* *place += by. */
static inline void trace_site_add(uint64_t *place, uint64_t by,
                                  trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    *place += by;
    trace_site_here(fn, a, b);
}

/* Returns *place. */
static inline void *trace_site_load(void *const *place, trace_site_fn *fn,
                                    uintptr_t a, uintptr_t b)
{
    void *value = *place;

    trace_site_here(fn, a, b);
    return value;
}

#endif
