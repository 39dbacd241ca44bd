/*
 * Which execution comes next. An execution is the list of the choices made in
 * it; each choice is a number below the number of alternatives.
 */
#ifndef TORC_WMM_EXPLORE_H
#define TORC_WMM_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

enum { CHOICES_MAX = 4096 };

enum explore_mode {
    EXPLORE_ALL,    /* depth first, until there is no other */
    EXPLORE_RANDOM, /* by a seed, a number of times */
    EXPLORE_REPLAY, /* one, given */
};

void explore_begin(enum explore_mode mode, uint64_t seed, const char *trace);

/* Begin an execution, or go on with one that has made `depth` choices. */
void explore_restart(unsigned depth);
unsigned explore_depth(void);

/* How many choices of this execution are given, by the one before. */
unsigned explore_given(void);

/* One of `count` (> 0) alternatives. */
unsigned explore_choose(unsigned count);

/* Prepare the next execution; false when all have been. */
bool explore_next(void);

/*
 * Whether the state with this hash has been gone on from before, with as many
 * preemptions left; if not, note it. Only EXPLORE_ALL, and only where the
 * execution has left the choices of the one before.
 */
bool explore_visited(uint64_t hash, unsigned preemptions_left);

/* Off: explore_visited() always says no, which is slower and needs no hash. */
void explore_set_memory(bool on);

/* The choices of this execution, as explore_begin() takes them. */
const char *explore_trace(void);

unsigned long explore_choice_count(void);

#endif
