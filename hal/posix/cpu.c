/*
 * Processors of the hosted machine: hal.h, section 2.
 *
 * Invariant: a CPU never sleeps with `attention` set. Whoever makes something
 * pending sets the bit, then `attention`, then wakes; the sleeper looks at
 * `attention` after it announced that it sleeps (host_thread.c).
 */
#include "hal/posix/machine.h"
#include "hal/posix/point.h"

struct vcpu machine_cpu[HAL_CPU_MAX];

_Thread_local struct vcpu *machine_vcpu = &machine_cpu[0];
_Thread_local void *machine_local;
_Thread_local atomic_bool *machine_attention = &machine_cpu[0].attention;

void vcpu_become(struct vcpu *cpu)
{
    machine_vcpu = cpu;
    machine_local = cpu->local;
    machine_attention = &cpu->attention;
}

/* Set while CPUs other than 0 have to leave. */
static atomic_bool stopping;

void cpu_reset(void)
{
    for (unsigned i = 0; i < HAL_CPU_MAX; i++) {
        struct vcpu *cpu = &machine_cpu[i];

        cpu->id = i;
        cpu->local = NULL;
        cpu->irq_on = false;
        cpu->watched = NULL;
        cpu->started = i == 0;
    }
    vcpu_become(&machine_cpu[0]);
    atomic_store(&stopping, false);
}

void cpu_stop_others(void)
{
    atomic_store(&stopping, true);
    for (unsigned i = 1; i < machine_boot.cpu_count; i++)
        if (machine_cpu[i].started)
            irq_attention(&machine_cpu[i]);
}

void cpu_attend(struct vcpu *cpu)
{
    if (unlikely(atomic_load(&stopping)) && cpu->id != 0) {
        struct hal_context gone = {0};

        context_jump(cpu, &gone, &cpu->host);
    }
    if (cpu->irq_on)
        irq_deliver(cpu);
}

/* On the stack the kernel gave. */
static void cpu_enter(void *arg)
{
    struct vcpu *cpu = arg;

    cpu->entry(cpu->arg);
    machine_bug("the entry function of a CPU returned");
}

/* The pthread of a CPU; comes back only when the machine is closed. */
static void cpu_main(unsigned id)
{
    struct vcpu *cpu = &machine_cpu[id];

    vcpu_become(cpu);
    context_jump(cpu, &cpu->host, &cpu->start);
    hal_context_fini(&cpu->start);
}

int hal_cpu_start(unsigned id, void (*entry)(void *), void *arg, void *stack,
                  size_t stack_size)
{
    struct vcpu *cpu;
    int err;

    if (id >= machine_boot.cpu_count || machine_cpu[id].started)
        return -EINVAL;
    cpu = &machine_cpu[id];
    cpu->entry = entry;
    cpu->arg = arg;
    hal_context_init(&cpu->start, stack, stack_size, cpu_enter, cpu);
    err = host_cpu_start(id, cpu_main);
    if (err != 0) {
        hal_context_fini(&cpu->start);
        return -ENODEV;
    }
    cpu->started = true;
    return 0;
}

unsigned hal_cpu_id(void)
{
    return vcpu_self()->id;
}

void hal_cpu_set_local(void *local)
{
    vcpu_self()->local = local;
    machine_local = local;
}

void hal_cpu_relax(void)
{
    struct vcpu *cpu = vcpu_self();

    host_cpu_relax();
    if (atomic_load_explicit(&cpu->attention, memory_order_relaxed))
        cpu_attend(cpu);
}

void hal_ipi_send(unsigned cpu)
{
    struct vcpu *target;
    unsigned bit = (unsigned)(IRQ_OWN_COUNT + HAL_IRQ_DOORBELL);

    if (cpu >= machine_boot.cpu_count)
        machine_bug("hal_ipi_send() to a CPU that is not there");
    machine_point();
    target = &machine_cpu[cpu];
    atomic_fetch_or(&target->pending[0], UINT64_C(1) << bit);
    irq_attention(target);
}
