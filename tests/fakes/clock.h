/*
 * A clock that the test sets. A program that calls one of these has it in place
 * of hal/posix/kernel/clock.c, for the whole program: the host's clock until
 * clock_set(), and then one that stands still. Timers run when the test says
 * so, by timer_run(); the host's timer does not interrupt any more.
 */
#ifndef TORC_TESTS_FAKES_CLOCK_H
#define TORC_TESTS_FAKES_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* It is `ns` now, and stays so; 0: the host's clock again. */
void clock_set(uint64_t ns);

/* What it is, without looking at it. */
uint64_t clock_now(void);

/*
 * The machine's own source of random numbers, hal_entropy(), gives `byte` only
 * from now on, and says that nobody can predict `good` of them; -1: the host's
 * again. Meanwhile the wall time is 0, so that nothing else is random. How
 * often it was asked since.
 */
void entropy_set(int byte, size_t good);
unsigned entropy_asked(void);

/* From now on each look at the clock takes so long; clock_set() ends it. */
void clock_step(uint64_t ns);

#endif
