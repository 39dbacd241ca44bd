/*
 * The pass: what a CPU does for the world outside between two threads. First
 * the work that its interrupts raised, then the exchange slots.
 */
#ifndef TORC_KERNEL_PASS_H
#define TORC_KERNEL_PASS_H

#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"

/* There is something to do. */
void cpu_pass_busy(struct cpu *cpu);

/*
 * Make a pass. The three questions (interrupts, slots that are full, items to
 * send) are asked in one: mostly the answer is no. Owner CPU, between threads.
 */
static inline void cpu_pass(struct cpu *cpu)
{
    uintptr_t any = exchange_look(cpu->exchange->watch);

    any |= cpu->attention;
    if (unlikely(any != 0))
        cpu_pass_busy(cpu);
}

#endif
