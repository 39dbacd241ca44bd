/*
 * One CPU stops the others with non-maskable interrupts, which reach a CPU
 * wherever it is. When several want to, Lamport's one-bit algorithm finds one
 * without locked instructions: each raises its flag; a CPU that then sees the
 * flag of a lower one gives up; the lowest waits until the higher ones have
 * given up, or is stopped by the one that was faster.
 */
#include "hal/baremetal/irq/stop.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/irq/lapic.h"
#include <stdatomic.h>

enum { PATIENCE_LOOKS = 1000 * 1000 };

/* Written by the CPU that stops the others, before it interrupts them. */
static _Atomic bool stopping;

/* Each entry is its CPU's, until that has stopped. */
const struct hal_registers *hal_stopped[HAL_CPU_MAX];

void halt(void)
{
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

static bool has_flag(const struct cpu_block *block)
{
    return atomic_load_explicit(&block->wants_stop, memory_order_acquire);
}

static void flag_set(struct cpu_block *block, bool value)
{
    atomic_store_explicit(&block->wants_stop, value, memory_order_release);
    hal_fence(); /* before this CPU looks at the flags of others */
}

/* Returns when this CPU is the one that stops the others. */
static void become_the_one(struct cpu_block *self)
{
    flag_set(self, true);
    for (unsigned i = 0; i < self->id; i++) {
        if (has_flag(cpu_blocks[i])) {
            flag_set(self, false);
            halt();
        }
    }
    for (unsigned i = (unsigned)self->id + 1; i < cpu_block_count; i++) {
        while (has_flag(cpu_blocks[i]))
            hal_cpu_relax();
    }
}

bool stop_others(void)
{
    struct cpu_block *self;

    (void)hal_irq_save();
    if (cpu_block_count == 0)
        return true; /* this early there is one CPU */
    self = cpu_block_self();
    if (has_flag(self))
        return false;
    become_the_one(self);
    atomic_store_explicit(&stopping, true, memory_order_release);
    for (unsigned i = 0; i < cpu_block_count; i++) {
        if (i != self->id && cpu_blocks[i]->started)
            lapic_ipi(cpu_blocks[i]->apic_id, IPI_NMI);
    }
    for (unsigned i = 0; i < cpu_block_count; i++) {
        const struct cpu_block *block = cpu_blocks[i];

        if (i == self->id || !block->started)
            continue;
        for (unsigned looks = 0; looks < PATIENCE_LOOKS; looks++) {
            if (atomic_load_explicit(&block->is_stopped, memory_order_acquire))
                break;
            hal_cpu_relax();
        }
    }
    return true;
}

void stop_here(const struct hal_registers *registers)
{
    struct cpu_block *self = cpu_block_self();

    if (!atomic_load_explicit(&stopping, memory_order_acquire))
        return;
    hal_stopped[self->id] = registers; /* this stack is left no more */
    atomic_store_explicit(&self->is_stopped, true, memory_order_release);
    halt();
}

bool hal_panic_begin(void)
{
    return stop_others();
}
