/* Between the files of the trace. */
#ifndef TORC_KERNEL_TRACE_INTERNAL_H
#define TORC_KERNEL_TRACE_INTERNAL_H

#include "kernel/cpu/percpu.h"
#include "kernel/trace/trace.h"

/*
 * The files of the trace name each other strongly, so that the linker takes all
 * or none: what the kernel has of them is only named weakly.
 */

/* Written by CPU 0 at boot; constant after. */
struct trace_settings {
    bool on;
    uint64_t first_cycles, first_ns;
};
extern struct trace_settings trace_settings; /* take.c */

/* Whether rings are printed at the end: boot.c. */
bool trace_is_printed(void);

/*
 * The rings of a CPU in memory of its own; CPU 0 makes them at boot. They keep
 * events of these kinds, `events` of threads, a power of two. Returns 0,
 * -ENOMEM.
 */
must_check int trace_create(struct cpu *cpu, uint32_t kinds, uint64_t events);

#endif
