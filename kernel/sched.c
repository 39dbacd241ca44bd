/*
 * The scheduler of one CPU: a list of ready threads, oldest first, and an idle
 * thread that sleeps. A switch costs the same however many threads wait.
 *
 * A pass is made before each switch: interrupts' work, then the exchange slots.
 * So work that came from outside is at most one thread's turn away, and all of
 * it runs between threads, never inside one.
 */
#include "kernel/exchange.h"
#include "kernel/irq_work.h"
#include "kernel/lib/check.h"
#include "kernel/mem.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/thread.h"
#include "kernel/thread_internal.h"
#include <torc/memory.h>
#include <torc/time.h>

void sched_pass(void)
{
    struct cpu *cpu = cpu_self();

    if (unlikely(cpu->attention))
        irq_work_run();
    exchange_immigrate();
    exchange_emigrate();
}

void sched_ready(struct thread *thread)
{
    assert(thread->state == THREAD_WAITING);
    thread->state = THREAD_READY;
    list_push_back(&cpu_self()->ready, &thread->link);
}

/* Run `next`; returns when somebody switches back to the caller's thread. */
static void switch_to(struct cpu *cpu, struct thread *next)
{
    struct thread *previous = cpu->current;

    next->state = THREAD_RUNNING;
    if (next == previous) {
        /* A thread that yields to nobody spins: interrupts must come in. */
        hal_cpu_relax();
        return;
    }
    cpu->current = next;
    cpu->switch_count++;
    hal_context_switch(&previous->context, &next->context);
    thread_reap();
}

void sched_switch(void)
{
    struct cpu *cpu = cpu_self();
    struct list *node;

    sched_pass();
    node = list_pop_front(&cpu->ready);
    switch_to(cpu, node != NULL ? container_of(node, struct thread, link)
                                : cpu->idle);
}

void thread_yield(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu->current;

    self->state = THREAD_READY;
    list_push_back(&cpu->ready, &self->link);
    sched_switch();
}

/* ---- Idle ---------------------------------------------------------------- */

/*
 * Sleep unless something came since the last pass. Interrupts are off from the
 * look to the sleep, so an interrupt in between ends the sleep at once; a
 * message in between rings the doorbell (exchange.c).
 */
static void idle_sleep(struct cpu *cpu)
{
    hal_irqflags flags = hal_irq_save();

    if (!cpu->attention && exchange_may_sleep())
        hal_cpu_idle();
    exchange_wake();
    hal_irq_restore(flags);
    hal_cpu_relax();
}

static _Noreturn void idle_loop(void)
{
    struct cpu *cpu = cpu_self();

    for (;;) {
        sched_pass();
        if (list_empty(&cpu->ready)) {
            idle_sleep(cpu);
        } else {
            struct list *node = list_pop_front(&cpu->ready);

            switch_to(cpu, container_of(node, struct thread, link));
        }
    }
}

/* ---- Start --------------------------------------------------------------- */

static void timer_irq(void *arg)
{
    struct cpu *cpu = arg;

    irq_work_raise(&cpu->timer_work);
}

static void timer_work_run(struct irq_work *work)
{
    (void)work;
    timer_run(hal_time_ns());
}

/* The interrupt itself has ended the sleep; the pass finds the message. */
static void doorbell_irq(void *arg)
{
    (void)arg;
}

void sched_init(void)
{
    struct cpu *cpu = cpu_self();

    irq_work_init(&cpu->timer_work, timer_work_run);
    if (hal_irq_attach(HAL_IRQ_TIMER, cpu->id, timer_irq, cpu) != 0 ||
        hal_irq_attach(HAL_IRQ_DOORBELL, cpu->id, doorbell_irq, NULL) != 0)
        panic("cpu %u: no timer or doorbell interrupt", cpu->id);
}

/* A thread object for a context that exists already. */
static struct thread *adopt(const char *name)
{
    struct thread *thread = mem_alloc_zeroed(sizeof(*thread));

    if (thread != NULL)
        thread_setup(thread, name);
    return thread;
}

void sched_run(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *idle = adopt("idle");

    if (idle == NULL)
        panic("cpu %u: no memory for the idle thread", cpu->id);
    idle->state = THREAD_RUNNING;
    cpu->idle = idle;
    cpu->current = idle;
    hal_irq_restore(HAL_IRQS_ON);
    idle_loop();
}

static void idle_entry(void *arg)
{
    (void)arg;
    thread_reap();
    idle_loop();
}

int sched_adopt(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = adopt("test");
    struct thread *idle = adopt("idle");
    size_t stack_size = THREAD_STACK_DEFAULT * 4; /* sanitizers need more */
    void *stack = mem_alloc(stack_size);

    if (self == NULL || idle == NULL || stack == NULL)
        return -ENOMEM;
    hal_context_init(&idle->context, stack, stack_size, idle_entry, NULL);
    idle->state = THREAD_WAITING;
    self->state = THREAD_RUNNING;
    cpu->idle = idle;
    cpu->current = self;
    return 0;
}
