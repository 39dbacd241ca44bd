/* The choices of a run, in a file. */
#ifndef TORC_TESTS_SIM_TRACE_H
#define TORC_TESTS_SIM_TRACE_H

#include "hal/posix/sim/sim.h"

/* What a run needs besides its choices, to be the same again. */
struct trace_head {
    uint64_t seed;
    unsigned cpus;
    uint64_t step_ns;
};

/* Write the choices of a run. Ends the program when it cannot. */
void trace_write(const char *path, const char *scenario,
                 const struct trace_head *head, const struct sim_state *state);

/*
 * Read a file of trace_write(), at most SIM_TRACE_MAX choices. Returns how many
 * there are. Ends the program when the file is of something else.
 */
size_t trace_read(const char *path, const char *scenario,
                  struct trace_head *head, struct sim_choice *trace);

#endif
