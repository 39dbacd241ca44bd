/*
 * Interrupts of the hosted machine: hal.h, section 3.
 *
 * Each CPU has a bitmap of pending interrupts: bit 0 is HAL_IRQ_STOP, bit 1
 * HAL_IRQ_DOORBELL, bit 2 HAL_IRQ_TIMER, bit irq+3 any other. A device sets the
 * bit in the bitmap of the CPU that its interrupt is attached to. That CPU
 * calls the handlers at its next delivery point, on the stack that it runs on.
 */
#include "hal/posix/kernel/irq.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/kernel/boot.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/exit.h"
#include "hal/posix/preemption.h"
#include <torc/assert.h>
#include <torc/trace.h>

enum { ACTION_MAX = 512, NOBODY = -1 };

/* Message-signalled interrupts look like those of a local APIC. */
#define MSI_ADDRESS UINT64_C(0xfee00000)

/* An interrupt line, or a message: which CPU it interrupts, and its handlers.
 * Raising one reads it without the lock. */
struct irq_route {
    atomic_int cpu;      /* NOBODY until the first handler is attached */
    atomic_bool latched; /* raised before a handler was attached */
    _Atomic(struct irq_action *) actions; /* the newest first */
};

static struct irq_route routes[IRQ_COUNT];
static atomic_bool can_ask; /* HAL_IRQ_STOP is attached, and was not raised */
static struct irq_action actions[ACTION_MAX];
static unsigned action_count;
static unsigned msi_count;
static unsigned msi_cpu[IRQ_MSI_COUNT];

/* Held while the tables above are changed. */
static atomic_flag table_lock = ATOMIC_FLAG_INIT;

static void table_acquire(void)
{
    while (atomic_flag_test_and_set(&table_lock))
        host_cpu_relax();
}

static void table_release(void)
{
    atomic_flag_clear(&table_lock);
}

void irq_reset(void)
{
    for (unsigned i = 0; i < IRQ_COUNT; i++) {
        atomic_store(&routes[i].cpu, NOBODY);
        atomic_store(&routes[i].latched, false);
        atomic_store(&routes[i].actions, NULL);
    }
    action_count = 0;
    msi_count = 0;
    atomic_store(&can_ask, false);
    for (unsigned i = 0; i < HAL_CPU_MAX; i++) {
        struct vcpu *cpu = &machine_cpu[i];

        atomic_store(&cpu->attention, false);
        for (unsigned word = 0; word < IRQ_WORDS; word++)
            atomic_store(&cpu->pending[word], 0);
        for (unsigned own = 0; own < IRQ_OWN_COUNT; own++)
            cpu->own[own].handler = NULL;
    }
}

/* ---- Raising ------------------------------------------------------------- */

void irq_attention(struct vcpu *cpu)
{
    /* If it was set already, another thread wakes the CPU. */
    if (!atomic_exchange(&cpu->attention, true))
        host_cpu_wake(cpu->id);
}

static void irq_pend(struct vcpu *cpu, unsigned bit)
{
    assert(bit < IRQ_OWN_COUNT + IRQ_COUNT);
    atomic_fetch_or(&cpu->pending[bit / 64], UINT64_C(1) << bit % 64);
    irq_attention(cpu);
}

void irq_raise(int irq)
{
    struct irq_route *route;
    int cpu;

    if (irq < 0 || irq >= IRQ_COUNT)
        machine_bug("a device raised an interrupt that does not exist");
    route = &routes[irq];
    cpu = atomic_load(&route->cpu);
    if (cpu == NOBODY) {
        /*
         * Perhaps a handler is being attached: that stores `cpu` and then reads
         * `latched`. Here the order is the reverse, so at least one of the two
         * reads what the other has stored, and the interrupt is not lost.
         */
        atomic_store(&route->latched, true);
        cpu = atomic_load(&route->cpu);
        if (cpu == NOBODY)
            return;
    }
    irq_pend(&machine_cpu[cpu], (unsigned)irq + IRQ_OWN_COUNT);
}

/* Returns how many handlers a route has. */
static unsigned route_check(unsigned irq)
{
    const struct irq_action *action = atomic_load(&routes[irq].actions);
    int cpu = atomic_load(&routes[irq].cpu);
    unsigned count = 0;

    assert((cpu == NOBODY) == (action == NULL));
    assert(cpu == NOBODY || (unsigned)cpu < machine_boot.cpu_count);
    assert(irq < IRQ_LINE_COUNT + msi_count || cpu == NOBODY);
    for (; action != NULL; action = action->next) {
        assert(action >= actions && action < actions + action_count);
        assert(action->handler != NULL);
        count++;
        assert(count <= action_count); /* no circle */
    }
    return count;
}

void irq_check(void)
{
    unsigned handlers = 0;

    assert(action_count <= ACTION_MAX);
    assert(msi_count <= IRQ_MSI_COUNT);
    for (unsigned i = 0; i < msi_count; i++)
        assert(msi_cpu[i] < machine_boot.cpu_count);
    for (unsigned i = 0; i < IRQ_COUNT; i++)
        handlers += route_check(i);
    assert(handlers == action_count);
    for (unsigned i = 0; i < machine_boot.cpu_count; i++) {
        assert(machine_cpu[i].id == i);
        /* No bits are set above that of the last interrupt. */
        assert(atomic_load(&machine_cpu[i].pending[IRQ_WORDS - 1]) >>
                   (IRQ_OWN_COUNT + IRQ_COUNT) % 64 ==
               0);
    }
}

void machine_irq_raise(int irq)
{
    irq_raise(irq);
}

void machine_timer_expired(unsigned cpu)
{
    irq_pend(&machine_cpu[cpu], IRQ_OWN_COUNT + HAL_IRQ_TIMER);
}

bool machine_stop_ask(void)
{
    if (!atomic_exchange(&can_ask, false))
        return false;
    irq_pend(&machine_cpu[0], IRQ_OWN_COUNT + HAL_IRQ_STOP);
    return true;
}

/* ---- Delivering ---------------------------------------------------------- */

static void trace_run(uintptr_t bit, uintptr_t unused)
{
    (void)unused;
    trace_event(TRACE_INTERRUPT, (unsigned)bit, 0, 0, 0);
}

static void irq_run(struct vcpu *cpu, unsigned bit)
{
    struct irq_action *action;

    trace_site_here(trace_run, bit, 0);
    if (bit < IRQ_OWN_COUNT) {
        action = &cpu->own[bit];
        if (action->handler != NULL)
            action->handler(action->arg);
        return;
    }
    assert(bit < IRQ_OWN_COUNT + IRQ_COUNT);
    assert(atomic_load(&routes[bit - IRQ_OWN_COUNT].cpu) == (int)cpu->id);
    action = atomic_load(&routes[bit - IRQ_OWN_COUNT].actions);
    assert(action != NULL); /* it is not pending before it is attached */
    for (; action != NULL; action = action->next)
        action->handler(action->arg);
}

void irq_deliver(struct vcpu *cpu)
{
    bool was_on = cpu->irq_on;

    assert(cpu == vcpu_self());
    cpu->irq_on = false;
    while (atomic_exchange(&cpu->attention, false)) {
        for (unsigned word = 0; word < IRQ_WORDS; word++) {
            uint64_t bits =
                atomic_load_explicit(&cpu->pending[word], memory_order_relaxed);

            if (bits != 0)
                bits = atomic_exchange(&cpu->pending[word], 0);
            for (; bits != 0; bits &= bits - 1)
                irq_run(cpu, word * 64 + (unsigned)__builtin_ctzll(bits));
        }
    }
    cpu->irq_on = was_on;
}

hal_irqflags hal_irq_save(void)
{
    struct vcpu *cpu = vcpu_self();
    bool was_on = cpu->irq_on;

    cpu->irq_on = false;
    return was_on;
}

void hal_irq_restore(hal_irqflags flags)
{
    struct vcpu *cpu = vcpu_self();

    cpu->irq_on = flags != 0;
    preemption_point();
    if (atomic_load_explicit(&cpu->attention, memory_order_relaxed))
        cpu_attend(cpu);
}

/* ---- Attaching ----------------------------------------------------------- */

static int own_attach(unsigned index, unsigned cpu, void (*handler)(void *),
                      void *arg)
{
    struct vcpu *self = vcpu_self();
    struct irq_action *own = &self->own[index];

    if (cpu != self->id)
        return -EINVAL;
    if (own->handler != NULL)
        return -EBUSY;
    own->arg = arg;
    own->handler = handler;
    return 0;
}

static int route_attach(struct irq_route *route, unsigned cpu,
                        void (*handler)(void *), void *arg)
{
    int owner = atomic_load(&route->cpu);
    struct irq_action *action;

    if (owner != NOBODY && owner != (int)cpu)
        return -EBUSY;
    if (action_count == ACTION_MAX)
        return -ENOMEM;
    /* It is attached to a CPU if, and only if, it has a handler. */
    assert((owner == NOBODY) == (atomic_load(&route->actions) == NULL));
    action = &actions[action_count++];
    action->handler = handler;
    action->arg = arg;
    action->next = atomic_load(&route->actions);
    atomic_store(&route->actions, action);
    atomic_store(&route->cpu, (int)cpu);
    return 0;
}

int hal_irq_attach(int irq, unsigned cpu, void (*handler)(void *), void *arg)
{
    int err;

    if (cpu >= machine_boot.cpu_count || handler == NULL)
        return -EINVAL;
    if (irq == HAL_IRQ_STOP && cpu == 0) {
        err = own_attach(IRQ_OWN_COUNT + HAL_IRQ_STOP, cpu, handler, arg);
        if (err == 0)
            atomic_store(&can_ask, true);
        return err;
    }
    if (irq == HAL_IRQ_TIMER || irq == HAL_IRQ_DOORBELL)
        return own_attach((unsigned)(irq + IRQ_OWN_COUNT), cpu, handler, arg);
    if (irq < 0 || irq >= IRQ_COUNT)
        return -EINVAL;

    table_acquire();
    if (irq >= IRQ_LINE_COUNT + (int)msi_count ||
        (irq >= IRQ_LINE_COUNT && msi_cpu[irq - IRQ_LINE_COUNT] != cpu))
        err = -EINVAL;
    else
        err = route_attach(&routes[irq], cpu, handler, arg);
    table_release();
    if (err == 0 && atomic_exchange(&routes[irq].latched, false))
        irq_raise(irq);
    return err;
}

int hal_irq_msi(unsigned cpu, uint64_t *addr, uint32_t *data)
{
    unsigned index;

    if (cpu >= machine_boot.cpu_count)
        return -ENODEV;
    table_acquire();
    index = msi_count;
    if (index < IRQ_MSI_COUNT) {
        msi_cpu[index] = cpu;
        msi_count++;
    }
    table_release();
    if (index == IRQ_MSI_COUNT)
        return -ENOSPC;
    *addr = MSI_ADDRESS | (uint64_t)cpu << 12;
    *data = index;
    return (int)(IRQ_LINE_COUNT + index);
}

int irq_from_msi(uint64_t addr, uint32_t data)
{
    int irq = -EINVAL;

    table_acquire();
    if (data < msi_count &&
        addr == (MSI_ADDRESS | (uint64_t)msi_cpu[data] << 12))
        irq = (int)(IRQ_LINE_COUNT + data);
    table_release();
    return irq;
}

void irq_msi_undo(int irq)
{
    table_acquire();
    if (irq == (int)(IRQ_LINE_COUNT + msi_count) - 1)
        msi_count--;
    table_release();
}
