/*
 * Processors of the hosted machine: hal.h, section 2.
 *
 * Invariant: a CPU never sleeps with `attention` set. Whoever makes something
 * pending sets the bit, then `attention`, then wakes; the sleeper looks at
 * `attention` after it announced that it sleeps (host/thread.c).
 */
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/ring.h"
#include "hal/posix/kernel/boot.h"
#include "hal/posix/kernel/context.h"
#include "hal/posix/kernel/exit.h"
#include "hal/posix/preemption.h"
#include <torc/assert.h>

struct vcpu machine_cpu[HAL_CPU_MAX];

_Thread_local struct vcpu *machine_vcpu = &machine_cpu[0];
_Thread_local void *machine_local;
_Thread_local atomic_bool *machine_attention = &machine_cpu[0].attention;

void vcpu_become(struct vcpu *cpu)
{
    assert(cpu >= machine_cpu && cpu < machine_cpu + HAL_CPU_MAX);
    assert(cpu == &machine_cpu[cpu->id]);
    machine_vcpu = cpu;
    machine_local = cpu->local;
    machine_attention = &cpu->attention;
}

/* What the CPUs are told at their next delivery point. */
enum order { ORDER_NONE, ORDER_RETURN, ORDER_PARK };
static atomic_int order;
static struct vcpu *order_giver; /* it goes on; NULL: it is no CPU */

/* What a CPU with a busy ring looks at in place of its own `attention`. */
static atomic_bool always = true;

void cpu_reset(void)
{
    for (unsigned i = 0; i < HAL_CPU_MAX; i++) {
        struct vcpu *cpu = &machine_cpu[i];

        cpu->id = i;
        cpu->local = NULL;
        cpu->irq_on = false;
        cpu->is_idle = false;
        cpu->sample_period = 0;
        cpu->samples_off = 0;
        cpu->watched = NULL;
        cpu->ring_watched = false;
        cpu->started = i == 0;
    }
    vcpu_become(&machine_cpu[0]);
    atomic_store(&order, ORDER_NONE);
}

static void order_give(enum order what, struct vcpu *giver, unsigned count)
{
    order_giver = giver;
    atomic_store(&order, what);
    for (unsigned i = 0; i < count; i++)
        if (machine_cpu[i].started && &machine_cpu[i] != giver)
            irq_attention(&machine_cpu[i]);
}

void cpu_stop_others(unsigned count)
{
    order_give(ORDER_RETURN, &machine_cpu[0], count);
}

void cpu_park_others(unsigned count)
{
    order_give(ORDER_PARK, host_is_cpu() ? vcpu_self() : NULL, count);
}

static void order_obey(struct vcpu *cpu)
{
    struct hal_context gone = {0};

    if (cpu == order_giver)
        return;
    if (atomic_load(&order) == ORDER_PARK)
        host_cpu_park();
    context_jump(cpu, &gone, &cpu->host);
}

void cpu_watch_ring(void)
{
    struct vcpu *cpu = vcpu_self();

    cpu->ring_watched = host_ring_busy(cpu->id);
    machine_attention = cpu->ring_watched ? &always : &cpu->attention;
}

bool cpu_ring_look(struct vcpu *cpu)
{
    bool any;

    if (!cpu->ring_watched)
        return false;
    any = host_ring_reap(cpu->id);
    cpu_watch_ring();
    return any;
}

void cpu_attend(struct vcpu *cpu)
{
    assert(cpu == vcpu_self());
    if (unlikely(atomic_load(&order) != ORDER_NONE))
        order_obey(cpu);
    if (!cpu->irq_on)
        return;
    (void)cpu_ring_look(cpu);
    if (atomic_load(&cpu->attention))
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

    assert(id != 0);
    assert(!cpu->irq_on);
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
    if (context_attention())
        cpu_attend(cpu);
}

void hal_ipi_send(unsigned cpu)
{
    struct vcpu *target;
    unsigned bit = (unsigned)(IRQ_OWN_COUNT + HAL_IRQ_DOORBELL);

    if (cpu >= machine_boot.cpu_count)
        machine_bug("hal_ipi_send() to a CPU that is not there");
    preemption_point();
    target = &machine_cpu[cpu];
    atomic_fetch_or(&target->pending[0], UINT64_C(1) << bit);
    irq_attention(target);
}
