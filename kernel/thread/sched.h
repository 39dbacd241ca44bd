/*
 * The scheduler of one CPU, for the kernel: sched.c tells how it works.
 */
#ifndef TORC_KERNEL_SCHED_H
#define TORC_KERNEL_SCHED_H

struct cpu;
struct thread;

/*
 * Make the calling context the idle thread of this CPU and run the scheduler's
 * idle loop for ever. Interrupts are off at entry.
 */
_Noreturn void sched_run(void);

/* Set up the lists of threads of a CPU, which has none. CPU 0, at boot. */
void sched_create(struct cpu *cpu);

/* Attach this CPU's timer and doorbell. Each CPU for itself, once. */
void sched_init(void);

/* Give up the CPU for good. */
_Noreturn void sched_exit(void);

/* Give up the CPU; the caller has put itself where somebody will find it. */
void sched_switch(void);

/* Put a waiting thread at the end of the ready list. */
void sched_ready(struct thread *thread);

/*
 * What must be true of a CPU's ready list between any two calls. Panics when it
 * is not. For tests and the simulated machine; takes as long as the list is.
 */
void sched_check(const struct cpu *cpu);

/* The calling thread stays here while it is suspended. */
void sched_park(void);

#endif
