/* What must be true of the kernel whenever a CPU may be left. */
#ifndef TORC_TESTS_SIM_INVARIANTS_H
#define TORC_TESTS_SIM_INVARIANTS_H

/* Ends the run by sim_fail() when something is not. For sim_config.check. */
void invariants_check(void);

#endif
