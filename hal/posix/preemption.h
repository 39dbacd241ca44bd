/*
 * Preemption points: where the simulated machine (sim/) may switch to another
 * CPU, let time pass, or deliver an interrupt. On the machine of pthreads they
 * do nothing.
 */
#ifndef TORC_HAL_POSIX_PREEMPTION_H
#define TORC_HAL_POSIX_PREEMPTION_H

/* 1 in the build of the simulated machine. */
#ifndef HAL_SIM
#define HAL_SIM 0
#endif

#if HAL_SIM
void preemption_point(void);
#else
static inline void preemption_point(void)
{
}
#endif

#endif
