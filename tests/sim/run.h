/*
 * Runs of a scenario on the simulated machine: each in a process of its own, or
 * many in one process, which restores all between them.
 */
#ifndef TORC_TESTS_SIM_RUN_H
#define TORC_TESTS_SIM_RUN_H

#include "hal/posix/sim/sim.h"
#include "tests/sim/runner.h"

/* What is to run. */
struct run {
    struct sim_config config;
    uint64_t seed; /* chooses the machine */
    unsigned cpus;
};

/* Before all else, and again in each process that runs some. */
void run_open(const struct scenario *scenario);

/* Memory that children share with their parents, zeroed. */
void *run_share(size_t size);

/*
 * In a new process. Quiet: what the machine says is not seen. Returns whether
 * it ended well; else state->failure says why.
 */
bool run_alone(const struct run *run, struct sim_state *state, bool quiet);

/*
 * Many, quietly, one after the other in one new process. There, next(arg, run)
 * is called before each one and after the last: it sees in the state what the
 * one before it came to, fills in `run`, and returns false when there is no
 * more. What it wants to remember lies in shared memory. The first run that
 * does not end well ends the process. Returns as run_alone() does, of the last
 * one.
 */
bool run_many(bool (*next)(void *arg, struct run *run), void *arg,
              struct sim_state *state);

/* In this process, which ends with it: for gdb. */
_Noreturn void run_here(const struct run *run, struct sim_state *state);

#endif
