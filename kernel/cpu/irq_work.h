/*
 * Irq work: the one way from an interrupt handler into the kernel.
 *
 * A handler calls irq_work_raise(); the scheduler's next pass on that CPU calls
 * work->run(work) with interrupts on, on the stack of whichever thread made the
 * pass. run() may wake threads, complete requests and set timers, but must not
 * wait. Because it runs only between two threads, code between two yields needs
 * no protection against it.
 */
#ifndef TORC_KERNEL_IRQ_WORK_H
#define TORC_KERNEL_IRQ_WORK_H

#include <stdbool.h>

struct irq_work {
    struct irq_work *next; /* owner CPU, interrupts off */
    bool raised;           /* owner CPU, interrupts off */
    void (*run)(struct irq_work *work);
};

static inline void irq_work_init(struct irq_work *work,
                                 void (*run)(struct irq_work *work))
{
    work->next = 0;
    work->raised = false;
    work->run = run;
}

/* From an interrupt handler or a thread of the work's CPU; coalesces. */
void irq_work_raise(struct irq_work *work);

/* Run what was raised on this CPU. The scheduler's, and tests'. */
void irq_work_run(void);

#endif
