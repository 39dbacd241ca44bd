/*
 * The time of wires: who waits for a frame is told when it arrives
 * (host/link_timer.c). In the simulated machine nobody is: a frame that takes
 * time is found by who looks for it (sim/link_timer.c).
 */
#ifndef TORC_HAL_POSIX_HOST_LINK_TIMER_H
#define TORC_HAL_POSIX_HOST_LINK_TIMER_H

#include <stdint.h>

/*
 * From now on call look(), which tells those whose frames have arrived, and
 * returns when the next one does that somebody waits for. Returns 0 or an
 * error.
 */
int link_timer_open(uint64_t (*look)(void));

/* Does nothing when it is not open. */
void link_timer_close(void);

/* Somebody waits for a frame that arrives at `at_ns`. Any thread. */
void link_timer_tell(uint64_t at_ns);

#endif
