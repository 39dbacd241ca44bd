/*
 * The scheduler of one CPU: a list of ready threads, oldest first, and an idle
 * thread that sleeps. A switch costs the same however many threads wait.
 *
 * A pass is made before each switch: interrupts' work, then the exchange slots.
 * So work that came from outside is at most one thread's turn away, and all of
 * it runs between threads, never inside one.
 *
 * Requests. Another thread may ask that one be suspended, killed or moved.
 * Suspension takes effect here, when the thread would become ready or would
 * run. The other two the thread carries out itself, at its next point
 * (thread_point()): a yield, a sleep, a wait that says so. So a thread that is
 * inside the file system or holds half a list in its hands is never torn out of
 * it.
 */
#include "kernel/exchange_inline.h"
#include "kernel/idle.h"
#include "kernel/init.h"
#include "kernel/irq_work.h"
#include "kernel/lib/check.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/thread.h"
#include "kernel/thread_internal.h"
#include <torc/memory.h>
#include <torc/time.h>

static noinline void pass_busy(struct cpu *cpu)
{
    if (cpu->attention)
        irq_work_run();
    if (exchange_pass(cpu))
        cpu->attention = true; /* try again with the next pass */
}

/* The three questions of every pass are asked in one: mostly the answer is no.
 * */
static inline void pass(struct cpu *cpu)
{
    uintptr_t any = exchange_look(cpu->exchange->watch);

    any |= cpu->attention;
    if (unlikely(any != 0))
        pass_busy(cpu);
}

void sched_pass(void)
{
    pass(cpu_self());
}

void sched_ready(struct thread *thread)
{
    assert(thread->state == THREAD_WAITING);
    if (unlikely((thread->requests & REQUEST_SUSPEND) != 0)) {
        thread->state = THREAD_SUSPENDED;
        return;
    }
    thread->state = THREAD_READY;
    queue_push(&cpu_self()->ready, &thread->ready);
}

/* CPU time, and control words of those that have their own. */
static void switch_extras(struct cpu *cpu, struct thread *previous,
                          const struct thread *next)
{
    uint64_t now = hal_cycles();

    previous->cycles += now - cpu->switch_cycles;
    cpu->switch_cycles = now;
    if (previous->own_fp_control) {
        previous->fp_control = hal_fp_control();
        hal_fp_control_set(boot_fp_control);
    }
    if (next->own_fp_control)
        hal_fp_control_set(next->fp_control);
}

/*
 * From `previous`, the current thread, to `next`, another. Returns when
 * somebody switches back, and the CPU that is on, perhaps another.
 */
static inline struct cpu *switch_to(struct cpu *cpu, struct thread *previous,
                                    struct thread *next)
{
    if (unlikely(cpu->switch_extras))
        switch_extras(cpu, previous, next);
    cpu->switch_count++;
    cpu->current = next;
    hal_context_switch(&previous->context, &next->context);
    return thread_after_switch();
}

static inline struct thread *next_of(struct cpu *cpu)
{
    struct queue_node *node = queue_pop(&cpu->ready);

    return node != NULL ? container_of(node, struct thread, ready) : cpu->idle;
}

/* A thread that yields to nobody spins: interrupts must come in. */
static void stay(struct cpu *cpu)
{
    cpu->switch_count++; /* it had the chance: the watchdog counts it */
    hal_cpu_relax();
}

/* Let the next one run; returns when the caller's turn has come again. */
static void give_up(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *next;

    pass(cpu);
    next = next_of(cpu);
    if (next != cpu->current)
        switch_to(cpu, cpu->current, next);
    else
        stay(cpu); /* woken by the pass, before it left */
}

void sched_leave(void)
{
    struct cpu *cpu = cpu_self();

    pass(cpu);
    switch_to(cpu, cpu->current, next_of(cpu));
    panic("thread %s ran after its end", thread_name());
}

void sched_park(void)
{
    struct thread *self = thread_current();

    while ((self->requests & REQUEST_SUSPEND) != 0) {
        self->state = THREAD_SUSPENDED;
        give_up();
    }
}

void sched_switch(void)
{
    struct thread *self = thread_current();

    give_up();
    if (unlikely((self->requests & REQUEST_SUSPEND) != 0))
        sched_park();
}

/* The current thread is READY by its state, and on the list while it is not
 * the one that runs: a yield changes nothing but the list. */
void thread_yield(void)
{
    struct cpu *cpu = cpu_self();
    struct queue_node *node;

    pass(cpu);
    node = cpu->ready.head;
    if (unlikely(node == NULL)) {
        stay(cpu);
    } else {
        struct thread *self = cpu->current;

        queue_push_more(&cpu->ready, &self->ready);
        cpu->ready.head = node->next;
        cpu = switch_to(cpu, self, container_of(node, struct thread, ready));
    }
    if (unlikely(cpu->current->requests != 0))
        thread_point();
}

/* ---- Start --------------------------------------------------------------- */

static _Noreturn void idle_loop(void)
{
    struct cpu *cpu = cpu_self();

    for (;;) {
        pass(cpu);
        if (queue_empty(&cpu->ready))
            idle_sleep(cpu);
        else
            switch_to(cpu, cpu->current, next_of(cpu));
    }
}

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

    if (thread == NULL)
        return NULL;
    thread_setup(thread);
    thread_set_name(thread, name);
    return thread;
}

void sched_run(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *idle = adopt("idle");

    if (idle == NULL)
        panic("cpu %u: no memory for the idle thread", cpu->id);
    idle->state = THREAD_READY;
    cpu->idle = idle;
    cpu->current = idle;
    cpu->switch_cycles = hal_cycles();
    hal_irq_restore(HAL_IRQS_ON);
    idle_loop();
}

static void idle_entry(void *arg)
{
    (void)arg;
    thread_after_switch();
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
    idle->state = THREAD_READY;
    self->state = THREAD_READY;
    cpu->idle = idle;
    cpu->current = self;
    cpu->switch_cycles = hal_cycles();
    return 0;
}
