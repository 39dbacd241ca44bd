#include "kernel/percpu.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/mem.h"
#include "kernel/thread.h"
#include <torc/machine.h>

/* Written once each at boot, before the CPU starts; constant after. */
static struct cpu *cpus[HAL_CPU_MAX];

struct cpu *cpu_of(unsigned id)
{
    assert(id < HAL_CPU_MAX && cpus[id] != NULL);
    return cpus[id];
}

struct cpu *percpu_create(unsigned id)
{
    struct page_allocator *pages = mem_pages_of(id);
    struct heap *heap = heap_create(pages);
    struct cpu *cpu;

    if (heap == NULL)
        return NULL;
    static_assert(sizeof(struct cpu) <= PAGE_SIZE, "one page");
    cpu = page_alloc(pages, 1, 0);
    if (cpu == NULL)
        return NULL;
    *cpu = (struct cpu){.id = id, .heap = heap};
    queue_init(&cpu->ready);
    cpu->switch_extras = thread_accounting;
    queue_init(&cpu->spare_threads);
    list_init(&cpu->guests);
    cpus[id] = cpu;
    return cpu;
}

unsigned cpu_id(void)
{
    return cpu_self()->id;
}
