/*
 * Whether the TSCs of all CPUs count the same. A CPU stamps a request with its
 * TSC; CPU 0 has read its own before the other CPU could have stamped, and
 * reads it again when the request arrives. The stamp must be in between.
 */
#ifndef TORC_HAL_BAREMETAL_TSC_SYNC_H
#define TORC_HAL_BAREMETAL_TSC_SYNC_H

#include <stdint.h>

struct cpu_block;

/* CPU 0, before it starts a CPU. */
void tsc_sync_begin(struct cpu_block *block);

/* The CPU of the block, before it interrupts CPU 0. */
void tsc_sync_stamp(struct cpu_block *block);

/* CPU 0: look at the stamps that have come; say once what is off. */
void tsc_sync_check(void);

/*
 * How far the stamp lies outside [earliest, latest], in ticks: positive when it
 * is ahead, 0 when it is inside. Pure.
 */
static inline int64_t tsc_sync_offset(uint64_t earliest, uint64_t stamp,
                                      uint64_t latest)
{
    if (stamp > latest)
        return (int64_t)(stamp - latest);
    return stamp < earliest ? -(int64_t)(earliest - stamp) : 0;
}

#endif
