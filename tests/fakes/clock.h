/*
 * A clock that the test sets. A program that calls one of these has it in place
 * of hal/posix/kernel/clock.c, for the whole program: the host's clock until
 * clock_set(), and then one that stands still. Timers run when the test says
 * so, by timer_run(); the host's timer does not interrupt any more.
 */
#ifndef TORC_TESTS_FAKES_CLOCK_H
#define TORC_TESTS_FAKES_CLOCK_H

#include <stdint.h>

/* It is `ns` now, and stays so; 0: the host's clock again. */
void clock_set(uint64_t ns);

/* What it is, without looking at it. */
uint64_t clock_now(void);

/* From now on each look at the clock takes so long; clock_set() ends it. */
void clock_step(uint64_t ns);

#endif
