/*
 * For tests that include sim/step.c: the simulated machine has no wires, whose
 * timer would bring the clock of the real one along.
 */
#ifndef TORC_TESTS_NO_WIRES_H
#define TORC_TESTS_NO_WIRES_H

#include "hal/posix/host/clock_internal.h"
#include <stdlib.h>

void host_cond_open(pthread_cond_t *cond)
{
    (void)cond;
    abort();
}

void host_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                          uint64_t deadline_ns)
{
    (void)cond;
    (void)lock;
    (void)deadline_ns;
    abort();
}

#endif
