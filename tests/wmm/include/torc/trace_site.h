/* Trace sites of the model machine: they are always off. */
#ifndef TORC_TRACE_SITE_H
#define TORC_TRACE_SITE_H

#include <stdint.h>

typedef void trace_site_fn(uintptr_t a, uintptr_t b);

static inline void trace_site_here(trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    (void)fn;
    (void)a;
    (void)b;
}

static inline void trace_site_store(void **place, void *value,
                                    trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    *place = value;
    trace_site_here(fn, a, b);
}

static inline void trace_site_add(uint64_t *place, uint64_t by,
                                  trace_site_fn *fn, uintptr_t a, uintptr_t b)
{
    *place += by;
    trace_site_here(fn, a, b);
}

#endif
