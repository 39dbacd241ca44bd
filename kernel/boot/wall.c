/*
 * The wall time: that of the HAL, corrected by whoever knows better.
 *
 * The correction is one word. CPU 0 writes it, all CPUs read it; nothing else
 * depends on it, so no order is needed.
 */
#include "hal/hal.h"
#include <stdatomic.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/time.h>

/* In nanoseconds; 0: none. Written by CPU 0 only. */
static _Atomic int64_t correction;

/* What the correction is of: UTC, or, where the machine has no idea, the time
 * since boot. */
static uint64_t base_ns(void)
{
    uint64_t wall = hal_wall_ns();

    return wall != 0 ? wall : hal_time_ns();
}

uint64_t time_wall_ns(void)
{
    int64_t by = atomic_load_explicit(&correction, memory_order_relaxed);

    return by == 0 ? hal_wall_ns() : base_ns() + (uint64_t)by;
}

/* On CPU 0. */
static int adjust(void *arg)
{
    int64_t base = (int64_t)base_ns();
    int64_t by = atomic_load_explicit(&correction, memory_order_relaxed);
    int64_t wall;

    if (by == 0 && hal_wall_ns() == 0)
        by = -base; /* it has no idea, which counts as 0 */
    if (__builtin_add_overflow(by, *(const int64_t *)arg, &by) ||
        __builtin_add_overflow(base, by, &wall) || wall < 0)
        return -EINVAL;
    atomic_store_explicit(&correction, by, memory_order_relaxed);
    return 0;
}

int time_wall_adjust(int64_t delta_ns)
{
    return remote_call(0, adjust, &delta_ns);
}
