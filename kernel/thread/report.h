/* All threads of all CPUs, for a report of a panic and for debuggers. */
#ifndef TORC_KERNEL_THREAD_REPORT_H
#define TORC_KERNEL_THREAD_REPORT_H

#include "hal/hal.h"
#include "kernel/thread/thread.h"

struct thread_view {
    const struct thread *thread;
    unsigned cpu;                    /* where it lives */
    bool is_idle;                    /* a CPU's idle thread, which has no id */
    bool runs;                       /* it has the CPU */
    bool is_known;                   /* of one that runs: the registers are */
    struct hal_registers registers;  /* of one that does not: IP, SP, FP */
    uintptr_t stack_low, stack_high; /* 0, 0: not known */
};

/*
 * Call visit(ctx, ..) for each thread, those of CPU 0 first. All other CPUs are
 * stopped: in a report (panic_add_part()).
 */
void threads_visit(void (*visit)(void *ctx, const struct thread_view *view),
                   void *ctx);

/* Behind the outermost frame of a stack of which only this is known. */
uintptr_t thread_frames_end(uintptr_t sp, uintptr_t fp);

/* Bytes of the table of threads that a CPU has at cpu->threads, as far as a
 * report looks at it: the number of slots may be damaged. */
size_t thread_table_size(const struct cpu *cpu);

/* "running", "waiting": one word for people. */
const char *thread_state_name(const struct thread_view *view);

/* Let reports have the list of threads. CPU 0, at boot: by dump_driver. */
void thread_report_init(void);

#endif
