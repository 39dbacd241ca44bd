/*
 * The trace rings, for the kernel: see <torc/trace.h>.
 *
 * Each CPU has two rings. Threads and irq work write one; interrupt handlers,
 * which run with interrupts off and do not nest, the other. So a write needs no
 * protection: nobody comes between. The newest events overwrite the oldest.
 *
 * The events of the rings become one sequence by their time, outside.
 */
#ifndef TORC_KERNEL_TRACE_H
#define TORC_KERNEL_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/trace.h>

struct trace_ring {
    struct trace_event *events; /* constant after trace_boot() */
    uint64_t mask;              /* constant: how many there are room for, - 1 */
    uint64_t next;              /* the number of the next event */
};

/* What a CPU traces: cpu->trace. */
struct trace {
    /* owner CPU only; the second ring with interrupts off */
    struct trace_ring rings[TRACE_RINGS];
    uint32_t kinds; /* constant: bits 1 << enum trace_kind */
};

enum {
    TRACE_EVENTS_DEFAULT = 4096, /* of the threads' ring of a CPU */
    TRACE_EVENTS_MIN = 64,
    TRACE_INTERRUPTS_SHARE = 4, /* the other ring has a quarter */
};

/* Of the command line: kernel/base/options.h. Weak: NULL where the trace is not
 * linked. */
__attribute__((weak)) extern const char *const trace_options[];

/*
 * With the option trace=, make the rings and turn the sites on. CPU 0, at boot,
 * before others start. Returns 0, -EINVAL after a line in the log, -ENOMEM
 * after one.
 *
 * Weak, as trace_exit(): NULL where the trace is not linked.
 */
__attribute__((weak)) int trace_boot(void);

/*
 * The machine ends: print the rings, with trace_dump=1, as lines of hexadecimal
 * digits behind "trace: ". A CPU whose rings have not come after patience_ns
 * is left out, with a line in the log. CPU 0; thread; yields between lines.
 */
__attribute__((weak)) void trace_exit(uint64_t patience_ns);

/*
 * What must be true of the calling CPU's rings. Panics when it is not. For
 * tests.
 */
void trace_check(void);

#endif
