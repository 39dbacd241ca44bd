/*
 * CPUs: pthreads that run the kernel's code (host/thread.c). The simulated
 * machine has its own implementation of this header and of clock.h, in which
 * all CPUs share one pthread (sim/step.c).
 */
#ifndef TORC_HAL_POSIX_HOST_CPU_H
#define TORC_HAL_POSIX_HOST_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What else differs between these two kinds of hosted machine. */
struct host_kind {
    const char *name;      /* hal_boot_info.machine */
    uintptr_t memory_hint; /* where the memory should lie; 0: anywhere */
    bool memory_protect;   /* hal_page_attr() takes rights away */
    bool rings;            /* CPUs sleep in their rings (ring.h) */
};
extern const struct host_kind host_kind;

/* Make `count` CPUs; the caller becomes CPU 0. Returns 0, -ENOMEM, -EAGAIN. */
int host_cpus_open(unsigned count);

/* Whether the CPUs are of this process; after a fork() the child has none. */
bool host_cpus_here(void);

/*
 * Wait until the CPUs other than 0 have returned from main(), then free what
 * they use. The caller has told them to return; if one does not within ten
 * seconds, the process ends.
 */
void host_cpus_close(void);

/* Run main(cpu) as another CPU. Returns 0, -EAGAIN, -ENOMEM. */
int host_cpu_start(unsigned cpu, void (*main)(unsigned cpu));

/* Whether the caller is a CPU. */
bool host_is_cpu(void);

/*
 * Sleep until *attention is set (and host_cpu_wake() was called after that) or
 * the CPU's timer expires.
 */
void host_cpu_sleep(unsigned cpu, const atomic_bool *attention);
void host_cpu_wake(unsigned cpu);

/* The caller spins: let others run. */
void host_cpu_relax(void);

/*
 * The same, by a CPU that does nothing until memory it looks at changes or an
 * interrupt comes, and has just seen that neither is so.
 */
void host_cpu_look_on(unsigned cpu);

/*
 * The machine ends. When this returns, no CPU but the caller runs any more:
 * those the kernel half has told to stop had a quarter of a second to call
 * host_cpu_park(), the others were stopped where they were by a signal. The
 * caller need not be a CPU.
 *
 *   status   as in hal_exit(); HOST_ABORTED: at once, by the signal only
 */
enum { HOST_ABORTED = -1 };
void host_cpus_stop(int status);

/* The calling CPU runs no more: wait for the end of the process. */
_Noreturn void host_cpu_park(void);

#endif
