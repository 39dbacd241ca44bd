/*
 * Machines for tests.
 *
 * machine_attach() makes a machine of one CPU out of the calling thread: the
 * whole kernel but no application. The test is a thread of that kernel: it may
 * create threads, wait, and set timers.
 *
 * machine_run() runs a function as the application of a whole machine in a
 * child process, with as many CPUs as wished.
 */
#ifndef TORC_TESTS_FAKES_MACHINE_H
#define TORC_TESTS_FAKES_MACHINE_H

#include <stddef.h>

struct driver;

/* A fresh machine with `mem_bytes` of memory; detach ends it. */
void machine_attach(size_t mem_bytes);
void machine_attach_cmdline(size_t mem_bytes, const char *cmdline);
void machine_detach(void);

/* The same, of one CPU and as the config says else. */
struct host_config;
void machine_attach_config(const struct host_config *config);

/* A fresh machine none of whose CPUs runs, and without threads: the test takes
 * the place of one after the other with hal_cpu_set_local(cpu_of(n)). */
void machine_attach_still(unsigned cpus, size_t mem_bytes_per_cpu);

/*
 * Run fn(arg) as the main thread of a machine. Returns its exit status: what fn
 * returned (0 .. 127), or 128 and the signal that ended it (panics: 134).
 */
int machine_run(unsigned cpus, size_t mem_bytes_per_cpu, int (*fn)(void *),
                void *arg);

/* What machines that run are made of besides; NULL ends the drivers, and 0
 * nodes are one. */
enum { MACHINE_DRIVERS_MAX = 2 };
extern const struct driver *machine_drivers[MACHINE_DRIVERS_MAX + 1];
extern unsigned machine_nodes;

/* As machine_run(), with a command line; what it prints goes to `output`, which
 * is NUL-terminated; NULL: not kept. */
int machine_run_output(unsigned cpus, size_t mem_bytes_per_cpu,
                       const char *cmdline, int (*fn)(void *), void *arg,
                       char *output, size_t output_size);

#endif
