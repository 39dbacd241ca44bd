/*
 * Points: where the simulated machine may let another CPU go on, time pass, or
 * an interrupt come in. On the machine of pthreads they are nothing.
 */
#ifndef TORC_HAL_POSIX_POINT_H
#define TORC_HAL_POSIX_POINT_H

/* Set by the build of the simulated machine; only this directory asks. */
#ifndef HAL_SIM
#define HAL_SIM 0
#endif

#if HAL_SIM
void machine_point(void);
#else
static inline void machine_point(void)
{
}
#endif

#endif
