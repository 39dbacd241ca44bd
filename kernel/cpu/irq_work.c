#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"

void irq_work_raise(struct irq_work *work)
{
    hal_irqflags flags = hal_irq_save();
    struct cpu *cpu = cpu_self();

    if (!work->raised) {
        work->raised = true;
        work->next = NULL;
        if (cpu->irq_work_head == NULL)
            cpu->irq_work_head = work;
        else
            cpu->irq_work_tail->next = work;
        cpu->irq_work_tail = work;
        cpu->attention = true;
    }
    hal_irq_restore(flags);
}

/*
 * Takes the whole list at once: work raised meanwhile, by itself even, waits
 * for the next pass, so a storm of interrupts cannot keep the threads out.
 */
void irq_work_run(void)
{
    struct cpu *cpu = cpu_self();
    hal_irqflags flags = hal_irq_save();
    struct irq_work *work = cpu->irq_work_head;

    cpu->irq_work_head = NULL;
    cpu->attention = false; /* for now: see pass_busy() */
    hal_irq_restore(flags);
    while (work != NULL) {
        struct irq_work *next = work->next;

        /* May be raised again from here on, which changes `next`. */
        work->raised = false;
        work->run(work);
        work = next;
    }
}
