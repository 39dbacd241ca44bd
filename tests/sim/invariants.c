#include "tests/sim/invariants.h"
#include "hal/posix/sim.h"
#include "kernel/heap.h"
#include "kernel/init.h"
#include "kernel/mem.h"
#include "kernel/thread.h"
#include "kernel/thread_internal.h"

enum { DEEP_EVERY = 64, CPUS_EACH_POINT = 16, MANY = 100000 };

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
}

static void check_ready(const struct cpu *cpu)
{
    unsigned count = 0;

    for (struct queue_node *node = cpu->ready.head; node != NULL;
         node = node->next) {
        struct thread *thread = container_of(node, struct thread, ready);

        if (thread->state != THREAD_READY)
            sim_fail("a thread on the ready list is not ready");
        if (node->next == NULL && node != cpu->ready.tail)
            sim_fail("the ready list ends elsewhere");
        if (++count > MANY)
            sim_fail("the ready list goes round");
    }
}

static void check_table(const struct cpu *cpu)
{
    unsigned used = 0;

    for (unsigned i = 0; i < cpu->thread_slots; i++) {
        struct thread_entry *entry = &cpu->threads[i];

        if (entry->thread == NULL && !entry->ended)
            continue;
        used++;
        if ((entry->id & 0xffffff) != i || id_cpu(entry->id) != cpu->id)
            sim_fail("a thread is in the wrong place of the table");
        if (entry->ended && entry->joiner != NULL)
            sim_fail("somebody waits for a thread that has ended");
    }
    if (used != cpu->thread_count)
        sim_fail("the table has lost count of its threads");
    list_for_each (node, &cpu->guests) {
        struct thread *thread = container_of(node, struct thread, guest);

        if (id_cpu(thread->id) == cpu->id)
            sim_fail("a thread is a guest at home");
    }
}

/* Free pages are those on the lists and those never used. */
static void check_pages(const struct page_allocator *pages)
{
    size_t count = 0;

    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        if (list_empty(&pages->free[order]) !=
            ((pages->free_orders >> order & 1) == 0))
            sim_fail("a list of free pages and its bit differ");
        list_for_each (node, &pages->free[order]) {
            struct page *page = container_of(node, struct page, link);

            if (page->state != PAGE_FREE || page->order != order)
                sim_fail("a page on a free list is not free");
            count += (size_t)1 << order;
        }
    }
    for (unsigned i = 0; i < pages->range_count; i++)
        count += pages->range[i].page_count - pages->range[i].fresh;
    if (count != pages->free_pages)
        sim_fail("free pages were lost, or given twice");
}

static void check_heap(const struct heap *heap)
{
    size_t all = 0;

    for (unsigned class = 0; class < MEM_CLASS_COUNT; class ++) {
        size_t count = 0;

        for (struct mem_object *object = heap->quick.list[class];
             object != NULL; object = object->next) {
            if (++count > MANY)
                sim_fail("a quick list goes round");
        }
        all += count;
    }
    if (all > heap->taken)
        sim_fail("a block is on a quick list twice");
}

void invariants_check(void)
{
    static unsigned count;
    unsigned cpus = boot_info()->cpu_count;
    bool deep = count++ % DEEP_EVERY == 0;

    if (cpus > CPUS_EACH_POINT && !deep)
        return;

    for (unsigned id = 0; id < cpus; id++) {
        struct cpu *cpu = ready_cpu(id);

        if (cpu == NULL)
            continue;
        check_sleep(cpu);
        if (!deep)
            continue;
        check_ready(cpu);
        check_table(cpu);
        check_pages(cpu->heap->pages);
        check_heap(cpu->heap);
    }
}
