/*
 * The checks of the kernel's structures (pages_check(), heap_all_check(),
 * table_check(), sched_check(), timer_check(), exchange_check()) at the points
 * of the simulated machine, and what they cannot see: that two CPUs agree.
 */
#include "tests/sim/invariants.h"
#include "hal/posix/sim/sim.h"
#include "kernel/base/boot_info.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include <torc/machine.h>

/* Every ONE_EVERY points a CPU is checked; its heap, HEAP_EVERY times less. */
enum { ONE_EVERY = 16, HEAP_EVERY = 16, CPUS_EACH_POINT = 16 };

/* The CPU's block, or NULL: it has not come so far. */
static struct cpu *ready_cpu(unsigned id)
{
    struct cpu *cpu = cpu_of(id);

    return cpu->idle != NULL ? cpu : NULL;
}

static void check_sleep(const struct cpu *cpu)
{
    if (!sim_asleep(cpu->id))
        return;
    if (cpu->ready.head != NULL)
        sim_fail("a CPU sleeps while a thread of it is ready");
    if (cpu->irq_work_head != NULL)
        sim_fail("a CPU sleeps while an interrupt's work waits");
    if (cpu->departed != NULL)
        sim_fail("a CPU sleeps over a thread that has left it");
}

/* A thread lives where its home says, from its arrival until it has left. */
static void check_guests(const struct cpu *cpu)
{
    list_for_each (node, &cpu->guests) {
        struct thread *thread = container_of(node, struct thread, guest);
        struct cpu *home = cpu_of(id_cpu(thread->id));
        struct thread_entry *entry = table_find(home, thread->id);

        if (entry == NULL || entry->thread != thread)
            sim_fail("a guest is unknown at home");
        if (entry->where != cpu->id)
            sim_fail("home takes a guest to be elsewhere");
        if (entry->holds < thread->holds_over)
            sim_fail("a guest was found by more errands than were out");
    }
}

/* The errand that joins a thread lies on the stack of one that waits for it. */
static void check_joiners(const struct cpu *cpu)
{
    for (unsigned i = 0; i < cpu->thread_slots; i++) {
        const struct errand *joiner = cpu->threads[i].joiner;

        if (joiner != NULL && (joiner->answered || joiner->from >= cpu_count()))
            sim_fail("a thread is joined by an errand that is over");
    }
}

static void check_lists(const struct cpu *cpu)
{
    sched_check(cpu);
    table_check(cpu);
    timer_check(cpu);
    pages_check(heap_of((struct cpu *)(uintptr_t)cpu)->pages);
    check_guests(cpu);
    check_joiners(cpu);
    if (sim_asleep(cpu->id)) /* else it may be in the middle of a pass */
        exchange_check(cpu);
}

void invariants_check(void)
{
    static unsigned count;
    unsigned cpus = boot_info()->cpu_count;
    struct cpu *cpu;

    count++;
    for (unsigned id = 0; id < cpus && cpus <= CPUS_EACH_POINT; id++) {
        cpu = ready_cpu(id);
        if (cpu != NULL)
            check_sleep(cpu);
    }
    if (count % ONE_EVERY != 0)
        return;
    cpu = ready_cpu(count / ONE_EVERY % cpus);
    if (cpu == NULL)
        return;
    check_sleep(cpu);
    check_lists(cpu);
    if (count / ONE_EVERY / cpus % HEAP_EVERY == 0)
        heap_all_check(heap_of(cpu));
}
