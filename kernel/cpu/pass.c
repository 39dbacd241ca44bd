#include "kernel/cpu/pass.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/irq_work.h"

void cpu_pass_busy(struct cpu *cpu)
{
    if (cpu->attention)
        irq_work_run();
    if (exchange_pass(cpu))
        cpu->attention = true; /* try again with the next pass */
}
