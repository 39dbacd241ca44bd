/*
 * Interrupts of device models in the guest (hal/posix/kernel/irq.h). A raised
 * one waits in a table, and becomes a real interrupt of its CPU's: at once on
 * another CPU; on this one where it turns interrupts on, relaxes, sleeps,
 * yields, or has used a register. So no handler runs in the middle of a model.
 */
#include "hal/posix/kernel/irq.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/exit.h"
#include "tests/guest/guest.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { ACTIONS_MAX = 512, NOBODY = -1 };
#define MSI_ADDRESS UINT64_C(0xfee00000)

/* `pending` is written by any CPU; the rest before the interrupt comes. */
static struct {
    int cpu;
    struct irq_action *first; /* the newest */
    atomic_bool pending;
} routes[IRQ_COUNT];
static struct irq_action actions[ACTIONS_MAX];
static unsigned action_count;
static unsigned msi_count;
static unsigned msi_cpu[IRQ_MSI_COUNT];
/* Each element is its CPU's; 0: it has no vector for this. */
static uint32_t vector_of[HAL_CPU_MAX];
static atomic_bool waits[HAL_CPU_MAX];

/* What tests write there changes nothing. */
struct vcpu machine_cpu[HAL_CPU_MAX];

void guest_irq_reset(void)
{
    memset(routes, 0, sizeof(routes));
    for (unsigned i = 0; i < IRQ_COUNT; i++)
        routes[i].cpu = NOBODY;
    action_count = 0;
    msi_count = 0;
    memset(vector_of, 0, sizeof(vector_of));
    memset(waits, 0, sizeof(waits));
}

void machine_bug(const char *what)
{
    printf("broken rule of hal.h on CPU %u: %s\n", hal_cpu_id(), what);
    guest_abort();
}

/* The handler of the real interrupt. */
static void run_pending(void *arg)
{
    int cpu = (int)hal_cpu_id();

    (void)arg;
    atomic_store(&waits[cpu], false);
    for (unsigned i = 0; i < IRQ_COUNT; i++) {
        if (routes[i].cpu != cpu || !atomic_load(&routes[i].pending))
            continue;
        atomic_store(&routes[i].pending, false);
        for (struct irq_action *action = routes[i].first; action != NULL;
             action = action->next)
            action->handler(action->arg);
    }
}

static void interrupt(unsigned cpu)
{
    lapic_ipi(cpu_blocks[cpu]->apic_id, IPI_FIXED | vector_of[cpu]);
}

/* Something waits for this CPU: now it may come. */
static void come(void)
{
    unsigned cpu = hal_cpu_id();

    if (atomic_load(&waits[cpu]) && vector_of[cpu] != 0)
        interrupt(cpu);
}

void irq_raise(int irq)
{
    int cpu;

    if (irq < 0 || irq >= IRQ_COUNT)
        machine_bug("a device raised an interrupt that does not exist");
    atomic_store(&routes[irq].pending, true);
    cpu = routes[irq].cpu;
    if (cpu == NOBODY)
        return;
    atomic_store(&waits[cpu], true);
    if ((unsigned)cpu != hal_cpu_id())
        interrupt((unsigned)cpu);
}

static int vector_make(unsigned cpu)
{
    uint64_t address;
    uint32_t vector;
    int irq;

    if (vector_of[cpu] != 0)
        return 0;
    irq = metal_irq_msi(cpu, &address, &vector);
    if (irq < 0)
        return irq;
    irq = metal_irq_attach(irq, cpu, run_pending, NULL);
    if (irq == 0)
        vector_of[cpu] = vector;
    return irq;
}

int hal_irq_attach(int irq, unsigned cpu, void (*handler)(void *), void *arg)
{
    struct irq_action *action;
    int status;

    if (irq < 0 || cpu >= cpu_block_count || handler == NULL)
        return metal_irq_attach(irq, cpu, handler, arg);
    if (irq >= IRQ_LINE_COUNT + (int)msi_count ||
        (irq >= IRQ_LINE_COUNT && msi_cpu[irq - IRQ_LINE_COUNT] != cpu))
        return -EINVAL;
    if (routes[irq].cpu != NOBODY &&
        (routes[irq].cpu != (int)cpu || irq >= IRQ_LINE_COUNT))
        return -EBUSY;
    if (action_count == ACTIONS_MAX)
        return -ENOMEM;
    status = vector_make(cpu);
    if (status != 0)
        return status;
    action = &actions[action_count++];
    *action = (struct irq_action){handler, arg, routes[irq].first};
    routes[irq].first = action;
    routes[irq].cpu = (int)cpu;
    if (atomic_load(&routes[irq].pending))
        irq_raise(irq);
    return 0;
}

int hal_irq_msi(unsigned cpu, uint64_t *addr, uint32_t *data)
{
    if (cpu >= cpu_block_count || msi_count == IRQ_MSI_COUNT)
        return -ENOSPC;
    msi_cpu[msi_count] = cpu;
    *addr = MSI_ADDRESS | (uint64_t)cpu << 12;
    *data = msi_count;
    return IRQ_LINE_COUNT + (int)msi_count++;
}

int irq_from_msi(uint64_t addr, uint32_t data)
{
    if (data < msi_count &&
        addr == (MSI_ADDRESS | (uint64_t)msi_cpu[data] << 12))
        return IRQ_LINE_COUNT + (int)data;
    return -EINVAL;
}

void hal_irq_restore(hal_irqflags flags)
{
    if (flags == HAL_IRQS_ON)
        come();
    metal_irq_restore(flags);
}

void hal_cpu_relax(void)
{
    come();
    metal_cpu_relax();
}

void hal_cpu_idle(void)
{
    come();
    metal_cpu_idle();
}

/* On the host a switch of threads lets interrupts in. */
void __real_thread_yield(void);
void __wrap_thread_yield(void);
void __wrap_thread_yield(void)
{
    come();
    __real_thread_yield();
}

/* ---- Registers of models: hal/posix/kernel/io.c, renamed ----------------- */

#define ACCESS(width, type)                                               \
    type model_read##width(struct hal_io io, size_t offset);              \
    void model_write##width(struct hal_io io, size_t offset, type value); \
    type hal_io_read##width(struct hal_io io, size_t offset)              \
    {                                                                     \
        hal_irqflags flags = hal_irq_save();                              \
        type value = model_read##width(io, offset);                       \
                                                                          \
        hal_irq_restore(flags);                                           \
        return value;                                                     \
    }                                                                     \
    void hal_io_write##width(struct hal_io io, size_t offset, type value) \
    {                                                                     \
        hal_irqflags flags = hal_irq_save();                              \
                                                                          \
        model_write##width(io, offset, value);                            \
        hal_irq_restore(flags);                                           \
    }

ACCESS(8, uint8_t)
ACCESS(16, uint16_t)
ACCESS(32, uint32_t)
