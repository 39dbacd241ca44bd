/* The queue of events, for step.c, which runs them: sim_event() in sim.h. */
#ifndef TORC_HAL_POSIX_SIM_EVENT_H
#define TORC_HAL_POSIX_SIM_EVENT_H

#include <stdint.h>

/* Forget all events. */
void events_reset(void);

/* When the first one is due; UINT64_MAX: there is none. */
uint64_t events_next_ns(void);

/* Run those that are due at `now_ns`, one after the other. */
void events_run(uint64_t now_ns);

#endif
