/* The blocks of the CPUs, and what a CPU knows of itself. */
#include "hal/baremetal/base/cpu_block.h"
#include <torc/assert.h>

enum { RFLAGS_IF = 0x200 };

static_assert(offsetof(struct cpu_block, id) == 8, "cpu_block_self()");
static_assert(offsetof(struct cpu_block, start_stack) == 16, "start.S");

/* Made at boot; constant after. */
struct cpu_block *cpu_blocks[HAL_CPU_MAX];
uint32_t cpu_apic_ids[HAL_CPU_MAX];
unsigned cpu_block_count;

unsigned hal_cpu_id(void)
{
    uint64_t id;

    __asm__ volatile("movq %%gs:8, %0" : "=r"(id));
    return (unsigned)id;
}

void hal_cpu_set_local(void *local)
{
    __asm__ volatile("movq %0, %%gs:0" ::"r"(local) : "memory");
}

void hal_cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

hal_irqflags hal_irq_save(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags)::"memory");
    return (flags & RFLAGS_IF) != 0 ? HAL_IRQS_ON : HAL_IRQS_OFF;
}

void hal_irq_restore(hal_irqflags flags)
{
    if (flags == HAL_IRQS_ON)
        __asm__ volatile("sti" ::: "memory");
    else
        __asm__ volatile("cli" ::: "memory");
}
