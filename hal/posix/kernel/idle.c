/*
 * Sleep of the hosted machine: hal.h, section 2. A pthread cannot wait for a
 * store, so hal_cpu_watch() says no, unless a test lets it say yes: then the
 * sleep is a look at the line again and again.
 */
#include "hal/posix/kernel/idle.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/exit.h"

bool machine_watches;

static uint64_t line_word(const void *line, unsigned i)
{
    const _Atomic uint64_t *words = line;

    return atomic_load_explicit(&words[i], memory_order_acquire);
}

bool hal_cpu_watch(const void *line)
{
    struct vcpu *cpu = vcpu_self();

    cpu->watched = machine_watches ? line : NULL;
    for (unsigned i = 0; machine_watches && i < VCPU_LINE_WORDS; i++)
        cpu->seen[i] = line_word(line, i);
    return machine_watches;
}

static bool line_same(const struct vcpu *cpu)
{
    for (unsigned i = 0; i < VCPU_LINE_WORDS; i++) {
        if (line_word(cpu->watched, i) != cpu->seen[i])
            return false;
    }
    return true;
}

void hal_cpu_idle(void)
{
    struct vcpu *cpu = vcpu_self();

    if (cpu->irq_on)
        machine_bug("hal_cpu_idle() with interrupts on");
    cpu->is_idle = true;
    atomic_signal_fence(memory_order_seq_cst); /* sample.c looks at it */
    if (cpu_ring_look(cpu))
        cpu->watched = NULL; /* there is no sleep */
    else if (cpu->watched == NULL)
        host_cpu_sleep(cpu->id, &cpu->attention);
    while (cpu->watched != NULL && !atomic_load(&cpu->attention) &&
           line_same(cpu) && !cpu_ring_look(cpu))
        host_cpu_look_on(cpu->id);
    cpu->watched = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    cpu->is_idle = false;
    cpu->irq_on = true;
    cpu_attend(cpu);
    cpu->irq_on = false;
}
