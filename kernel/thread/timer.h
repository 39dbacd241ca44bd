/*
 * Timers, one queue per CPU. A timer belongs to the CPU that set it. Its
 * function runs there in the scheduler's pass, under the rules of irq work: it
 * may wake threads and set timers, it must not wait.
 */
#ifndef TORC_KERNEL_TIMER_H
#define TORC_KERNEL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    /* owner CPU only: */
    uint64_t deadline_ns;
    unsigned slot; /* place in the heap plus 1; 0: not set */
    void (*run)(struct timer *timer);
};

static inline void timer_init(struct timer *timer,
                              void (*run)(struct timer *timer))
{
    timer->deadline_ns = 0;
    timer->slot = 0;
    timer->run = run;
}

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->slot != 0;
}

/*
 * Set the timer to run at the first pass with time_ns() >= deadline_ns, or move
 * it there when it is set already. A pass runs a timer at most once: when a
 * timer's function sets a timer to a time that has come, it runs with the next
 * pass. Returns 0, or -ENOMEM when the queue cannot grow; the timer is not set
 * then. Moving a timer that is set never fails.
 */
int timer_set(struct timer *timer, uint64_t deadline_ns)
    __attribute__((warn_unused_result));

/* Forget the timer; harmless when it is not set. */
void timer_cancel(struct timer *timer);

/* Run this CPU's expired timers. The scheduler's, and tests'. */
void timer_run(uint64_t now_ns);

/*
 * What must be true of a CPU's timers between any two calls: none is earlier
 * than the one above it, and each knows its place. Panics when it is not. For
 * tests and the simulated machine; takes as long as there are timers.
 */
struct cpu;
void timer_check(const struct cpu *cpu);

/* The earliest deadline of this CPU, or TIME_NEVER. */
uint64_t timer_next(void);

#endif
