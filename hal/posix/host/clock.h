/*
 * Time: one clock for all CPUs, and a timer for each (host/clock.c,
 * host/thread.c; in the simulated machine sim/step.c).
 */
#ifndef TORC_HAL_POSIX_HOST_CLOCK_H
#define TORC_HAL_POSIX_HOST_CLOCK_H

#include <stdint.h>

/* Nanoseconds since host_cpus_open(), never 0. */
uint64_t host_time_ns(void);

/* UTC since 1970, in nanoseconds; 0 when the machine has no calendar. */
uint64_t host_wall_ns(void);

/*
 * Call machine_timer_expired(cpu) once, when host_time_ns() has reached
 * `deadline_ns`. Replaces the CPU's earlier deadline. UINT64_MAX: never.
 */
void host_timer_set(unsigned cpu, uint64_t deadline_ns);

/*
 * The time of host_timer_set() has come. The kernel half implements it
 * (kernel/irq.c). Any thread.
 */
void machine_timer_expired(unsigned cpu);

#endif
