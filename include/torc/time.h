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

#endif
