/* The kernel's machine: CPUs that are model threads, and their memory. */
#ifndef TORC_WMM_MACHINE_H
#define TORC_WMM_MACHINE_H

#include <stdbool.h>

struct cpu;

/*
 * setup(): give `cpu_count` CPUs memory, heaps and exchange slots, as at boot.
 * Thread n of the test is CPU cpus[n]; the others never run.
 */
void machine_boot(unsigned cpu_count, unsigned threads, const unsigned *cpus);

/* Before machine_boot(): let the idle CPUs of the next machine poll. */
void machine_poll(unsigned us);

/* The same: let them watch memory while they sleep. */
void machine_watch(void);

/* After machine_boot(): whoever interrupts `cpu` is at fault. */
void machine_hush(unsigned cpu);

/* setup(): be this CPU for a while. */
void machine_be(unsigned cpu);

#endif
