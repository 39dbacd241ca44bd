#include "kernel/percpu.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
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
    size_t count = (sizeof(struct cpu) + PAGE_SIZE - 1) >> PAGE_SHIFT;
    struct cpu *cpu = page_alloc(pages, count, 0);

    if (cpu == NULL)
        return NULL;
    memset(cpu, 0, sizeof(*cpu));
    cpu->id = id;
    heap_create(cpu->heap, pages);
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
