/*
 * Samples of what the CPUs do.
 */
#ifndef TORC_HAL_POSIX_HOST_SAMPLE_H
#define TORC_HAL_POSIX_HOST_SAMPLE_H

#include "hal/posix/host/fault.h"

/*
 * Call machine_sample() on this CPU after each `period_ns` of processor time;
 * 0: no more. Returns 0, -ENOTSUP.
 */
int host_sample_start(unsigned cpu, uint64_t period_ns);

/* End the samples of all CPUs. */
void host_samples_close(void);

/*
 * A sample of this CPU; called on its signal stack. The kernel half implements
 * it (kernel/sample.c).
 */
void machine_sample(const struct host_fault *where);

#endif
