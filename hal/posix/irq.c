/*
 * Interrupts of the hosted machine: hal.h, section 3.
 *
 * Each CPU has a bit for each interrupt. Bit 0 is HAL_IRQ_DOORBELL, bit 1
 * HAL_IRQ_TIMER, bit irq+2 the rest. A device sets the bit on the CPU the
 * interrupt is attached to. Handlers run on the current stack, at the delivery
 * points.
 */
#include "hal/posix/machine.h"
#include "hal/posix/point.h"

enum { ACTION_MAX = 512, NOBODY = -1 };

/* Message-signalled interrupts look like those of a local APIC. */
#define MSI_ADDRESS UINT64_C(0xfee00000)

/* A line or message, shared by all CPUs. */
struct irq_route {
    atomic_int cpu;      /* NOBODY until attached */
    atomic_bool latched; /* raised while nobody was attached */
    /* Appended to by the attached CPU or before it is known: */
    _Atomic(struct irq_action *) actions;
};

static struct irq_route routes[IRQ_COUNT];
static struct irq_action actions[ACTION_MAX];
static unsigned action_count;
static unsigned msi_count;
static unsigned msi_cpu[IRQ_MSI_COUNT];

/* Guards the tables above while they change. */
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
    /* Somebody who set it before has woken the CPU, or is about to. */
    if (!atomic_exchange(&cpu->attention, true))
        host_cpu_wake(cpu->id);
}

static void irq_pend(struct vcpu *cpu, unsigned bit)
{
    atomic_fetch_or(&cpu->pending[bit / 64], UINT64_C(1) << bit % 64);
    irq_attention(cpu);
}

void irq_raise(int irq)
{
    struct irq_route *route;
    int cpu;

    if (irq < 0 || irq >= IRQ_COUNT)
        machine_bug("a device raised an interrupt that is none");
    route = &routes[irq];
    cpu = atomic_load(&route->cpu);
    if (cpu == NOBODY) {
        /* Attaching stores `cpu`, then looks at `latched`; we the reverse. */
        atomic_store(&route->latched, true);
        cpu = atomic_load(&route->cpu);
        if (cpu == NOBODY)
            return;
    }
    irq_pend(&machine_cpu[cpu], (unsigned)irq + IRQ_OWN_COUNT);
}

void machine_irq_raise(int irq)
{
    irq_raise(irq);
}

void machine_timer_expired(unsigned cpu)
{
    irq_pend(&machine_cpu[cpu], IRQ_OWN_COUNT + HAL_IRQ_TIMER);
}

/* ---- Delivering ---------------------------------------------------------- */

static void irq_run(struct vcpu *cpu, unsigned bit)
{
    struct irq_action *action;

    if (bit < IRQ_OWN_COUNT) {
        action = &cpu->own[bit];
        if (action->handler != NULL)
            action->handler(action->arg);
        return;
    }
    action = atomic_load(&routes[bit - IRQ_OWN_COUNT].actions);
    for (; action != NULL; action = action->next)
        action->handler(action->arg);
}

void irq_deliver(struct vcpu *cpu)
{
    bool was_on = cpu->irq_on;

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
    machine_point();
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
