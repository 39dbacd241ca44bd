/* What the scheduler has inline, as a part of the kernel that is explored. */
#include "kernel/exchange_inline.h"
#include "tests/wmm/machine.h"

bool wmm_pass(struct cpu *cpu)
{
    return exchange_pass(cpu);
}
