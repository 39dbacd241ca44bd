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
 * run. The other two the thread carries out itself, in
 * thread_requests_handle(): at its next yield, sleep, or wait that says so. So
 * a thread in the middle of a change, in the file system say, is never stopped
 * there.
 */
#include "kernel/thread/sched.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/pass.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/idle.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/time.h>
#include <torc/trace.h>

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

static void trace_switched(uintptr_t next, uintptr_t unused)
{
    const struct thread *thread = (struct thread *)next;

    (void)unused;
    trace_named(TRACE_SWITCH, thread_name_of(thread), thread->id);
}

/* CPU time, the trace, and control words of those that have their own. */
static void switch_extras(struct cpu *cpu, struct thread *previous,
                          const struct thread *next)
{
    uint64_t now = hal_cycles();

    trace_site_add(&previous->cycles, now - cpu->switch_cycles, trace_switched,
                   (uintptr_t)next, 0);
    cpu->switch_cycles = now;
    if (previous->own_fp_control || next->own_fp_control)
        hal_context_switch_fp(previous->own_fp_control ? &previous->context
                                                       : NULL,
                              next->own_fp_control ? &next->context : NULL);
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

/* No other thread is ready: the caller goes on, after interrupts came in. */
static void spin_once(struct cpu *cpu)
{
    cpu->switch_count++; /* it has yielded, as the watchdog wants it to */
    hal_cpu_relax();
}

/* Let the next one run; returns when the caller's turn has come again. */
static void give_up(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *next;

    cpu_pass(cpu);
    next = next_of(cpu);
    if (next != cpu->current)
        switch_to(cpu, cpu->current, next);
    else
        spin_once(cpu); /* woken by the pass, before it left */
}

void sched_exit(void)
{
    struct cpu *cpu = cpu_self();

    cpu_pass(cpu);
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

    cpu_pass(cpu);
    node = cpu->ready.head;
    if (unlikely(node == NULL)) {
        spin_once(cpu);
    } else {
        struct thread *self = cpu->current;

        queue_push_more(&cpu->ready, &self->ready);
        cpu->ready.head = node->next;
        cpu = switch_to(cpu, self, container_of(node, struct thread, ready));
    }
    if (unlikely(cpu->current->requests != 0))
        thread_requests_handle();
}

/* A thread on the list is at home here, or a guest; and on it once. */
__attribute__((cold)) void sched_check(const struct cpu *cpu)
{
    unsigned count = 0;
    unsigned limit = cpu->thread_count + 2; /* main or test, and idle */

    list_for_each (node, &cpu->guests)
        limit++;
    for (const struct queue_node *node = cpu->ready.head; node != NULL;
         node = node->next) {
        const struct thread *thread = container_of(node, struct thread, ready);

        count++;
        assert(count <= limit);
        assert(thread->state == THREAD_READY);
        assert(thread != cpu->idle);
        assert(node->next != NULL || node == cpu->ready.tail);
    }
    assert(cpu->idle == NULL || cpu->current != NULL);
}

/* ---- Start --------------------------------------------------------------- */

static _Noreturn void idle_loop(void)
{
    struct cpu *cpu = cpu_self();

    for (;;) {
        cpu_pass(cpu);
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

__attribute__((cold)) void sched_init(void)
{
    struct cpu *cpu = cpu_self();

    irq_work_init(&cpu->timer_work, timer_work_run);
    if (hal_irq_attach(HAL_IRQ_TIMER, cpu->id, timer_irq, cpu) != 0 ||
        hal_irq_attach(HAL_IRQ_DOORBELL, cpu->id, doorbell_irq, NULL) != 0)
        panic("cpu %u: no timer or doorbell interrupt", cpu->id);
}

/* For the report of a panic. */
static __attribute__((cold)) bool describe_current(struct panic_thread *out)
{
    const struct cpu *cpu = cpu_self();

    if (cpu == NULL || cpu->current == NULL)
        return false;
    out->name = thread_name_of(cpu->current);
    out->stack = cpu->current == cpu->idle ? cpu->idle_stack
                                           : (uintptr_t)cpu->current->stack;
    return true;
}

__attribute__((cold)) void sched_create(struct cpu *cpu)
{
    panic_set_describer(describe_current);
    queue_init(&cpu->ready);
    queue_init(&cpu->spare_threads);
    list_init(&cpu->guests);
    cpu->switch_extras = thread_accounting;
    cpu->switch_cycles = hal_cycles(); /* not from the machine's reset on */
}

/* A thread object for a context that exists already. */
static __attribute__((cold)) struct thread *adopt(const char *name)
{
    struct thread *thread = mem_alloc_zeroed(sizeof(*thread));

    if (thread == NULL)
        return NULL;
    static_assert(THREAD_READY == 0, "what is all zero is ready");
    thread_setup(thread);
    thread_set_name(thread, name);
    return thread;
}

__attribute__((cold)) void sched_run(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *idle = adopt("idle");

    if (idle == NULL)
        panic("cpu %u: no memory for the idle thread", cpu->id);
    cpu->idle = idle;
    cpu->current = idle;
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
    cpu->idle = idle;
    cpu->current = self;
    return 0;
}
