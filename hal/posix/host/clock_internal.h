/*
 * The clock of the machine that runs in real time, and waiting by it.
 */
#ifndef TORC_HAL_POSIX_HOST_CLOCK_INTERNAL_H
#define TORC_HAL_POSIX_HOST_CLOCK_INTERNAL_H

#include <pthread.h>
#include <stdint.h>

/* host_time_ns() is 1 now. */
void host_clock_start(void);

/* Make a condition variable for host_cond_wait_until(). */
void host_cond_open(pthread_cond_t *cond);

/*
 * Wait for a signal, but not longer than until host_time_ns() has reached
 * `deadline_ns`. UINT64_MAX: wait for the signal only.
 */
void host_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                          uint64_t deadline_ns);

#endif
