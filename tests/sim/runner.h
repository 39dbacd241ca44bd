/*
 * Runs a scenario on the simulated machine, thousands of times: each seed
 * twice, and the hashes must be equal; or once for a person to look at; or
 * every schedule up to a bound of preemptions.
 */
#ifndef TORC_TESTS_SIM_RUNNER_H
#define TORC_TESTS_SIM_RUNNER_H

#include <stddef.h>
#include <stdint.h>

struct driver;

struct scenario {
    const char *name;
    unsigned cpus_min; /* the seed chooses from these, unless --cpus does */
    unsigned cpus_max;
    size_t mem_bytes;    /* of each CPU */
    int (*run)(void);    /* in the main thread; 0: all was well */
    uint64_t memory_bus; /* host_config.memory_bus */

    /* NULL where there are no devices: */
    const struct driver *const *drivers; /* NULL-terminated */
    void (*plug)(void);   /* put devices into the machine before it boots */
    void (*unplug)(void); /* it has ended: free what they have allocated */
    void (*check)(void);  /* at every point: what must be true of them */
};

/* The program's main(). */
int sim_main(int argc, char **argv, const struct scenario *scenario);

#endif
