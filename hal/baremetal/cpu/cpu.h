/* Starting CPUs, their stacks and exceptions, how they sleep. */
#ifndef TORC_HAL_BAREMETAL_CPU_H
#define TORC_HAL_BAREMETAL_CPU_H

#include <stdint.h>

enum {
    IRQ_STACK_SIZE = 8192,
    FAULT_STACK_SIZE = 8192,
    /* Which stack of the TSS: IRQs, NMI, double fault, other exceptions. */
    IST_IRQ = 1,
    IST_NMI = 2,
    IST_DOUBLE = 3,
    IST_FAULT = 4,
};

/* Make the blocks of all CPUs; the caller becomes CPU 0. */
void cpu_init(const uint32_t *apic_ids, unsigned count);

void traps_init(void); /* build the IDT */
void traps_load(void); /* this CPU uses it */

/* Choose how to sleep, as the command line says. */
void sleep_init(const char *cmdline);

#endif
