#include "kernel/cpu/percpu.h"
#include "kernel/memory/mem.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/string.h>

/* Written once each at boot, before the CPU starts; constant after. */
static struct cpu *cpus[HAL_CPU_MAX];

struct cpu *cpu_of(unsigned id)
{
    assert(id < HAL_CPU_MAX && cpus[id] != NULL);
    return cpus[id];
}

struct cpu *cpu_if_any(unsigned id)
{
    return id < HAL_CPU_MAX ? cpus[id] : NULL;
}

static_assert(sizeof(struct cpu) <= MEM_QUICK_OFFSET, "the heap is behind it");

struct cpu *percpu_create(unsigned id, size_t size)
{
    struct page_allocator *pages = mem_pages_of(id);
    size_t count = pages_for(size);
    struct cpu *cpu;

    assert(size >= sizeof(*cpu));
    if (id == 0) /* the first: a process may boot one machine after another */
        memset(cpus, 0, sizeof(cpus));
    cpu = page_alloc(pages, count, 0);
    if (cpu == NULL)
        return NULL;
    memset(cpu, 0, size);
    cpu->id = id;
    cpus[id] = cpu;
    return cpu;
}

unsigned cpu_id(void)
{
    return cpu_self()->id;
}
