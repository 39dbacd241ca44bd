/*
 * Model threads: contexts on one host thread. Which one goes on is a choice,
 * made where an execution can tell the difference.
 */
#ifndef TORC_WMM_THREADS_H
#define TORC_WMM_THREADS_H

#include "tests/wmm/wmm.h"
#include <stdint.h>

enum run_end {
    RUN_DONE,   /* all threads ended */
    RUN_FAILED, /* see threads_failure() */
    RUN_PRUNED, /* goes on as an earlier execution did */
};

/* The running thread, and whether one runs at all. */
extern unsigned thread_now;
extern bool threads_active;

void threads_init(void);

/* Bring memory back to what it was before the first execution. */
void threads_forget(void);

/* Run one execution of `test`, as explore_next() has prepared it. */
enum run_end threads_run(const struct wmm_test *test, unsigned bound);
const char *threads_failure(void);

/*
 * Before each operation on memory that others can see: another thread may come
 * first. It does nothing unless thread_seen() was called since the last time:
 * a load may read what was stored long ago, so a switch in front of it can be
 * moved to before the loads that precede it, up to the last store.
 */
void thread_point(void);

/* After an operation whose place in the order of all matters. */
void thread_seen(void);

/* After a store: who waits for one may look again. */
void thread_stored(void);

/* After it, too: who watches this line is interrupted. */
void thread_wake_watchers(uintptr_t line);

/* explore_choose(), in an execution: a later one can go on from here. */
unsigned thread_choose(unsigned count);

/* This thread has observed `what`: part of the state's name. */
void thread_observe(uint64_t what);

/* For replays: print each step. */
extern bool threads_verbose;

/* For checking the explorer: let thread_point() never do nothing. */
extern bool threads_all_points;

static inline uint64_t hash_mix(uint64_t hash, uint64_t what)
{
    hash = (hash ^ what) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

#endif
