/* Time. Nanoseconds everywhere. */
#ifndef TORC_TIME_H
#define TORC_TIME_H

#include <stdint.h>

#define NS_PER_US  UINT64_C(1000)
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_S   UINT64_C(1000000000)
#define TIME_NEVER UINT64_MAX

/* Monotonic time since boot, the same on all CPUs. */
uint64_t time_ns(void);

/* UTC since 1970, or 0 when the machine has no idea. */
uint64_t time_wall_ns(void);

/*
 * Correct the wall time of all CPUs by `delta_ns` from now on; a machine that
 * has no idea has 0. Returns 0; -EINVAL: the time would be before 1970; or as
 * remote_call() of <torc/message.h>. Context: thread; waits for CPU 0.
 */
int time_wall_adjust(int64_t delta_ns);

#endif
