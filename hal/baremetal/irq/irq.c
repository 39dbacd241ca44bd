/*
 * Interrupt numbers to vectors to handlers. Each CPU has vectors of its own;
 * number 256 + cpu * 256 + vector is a message-signalled interrupt.
 */
#include "hal/baremetal/irq/irq.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/irq/button.h"
#include "hal/baremetal/irq/ioapic.h"
#include "hal/baremetal/irq/lapic.h"
#include <torc/assert.h>
#include <torc/trace.h>

enum { IRQ_LINES = 256, SHARED_MAX = 64 };

/* Where a line goes; written by the CPU that attaches it. */
static struct {
    bool routed;
    uint8_t vector;
    unsigned cpu;
} lines[IRQ_LINES];

/* Further handlers of shared lines, handed out at boot. */
static struct handler shared[SHARED_MAX];
static unsigned shared_count;

/* Of shared handlers beside the first one the vector is not known here. */
static void trace_handler(uintptr_t handler, uintptr_t unused)
{
    uintptr_t offset = handler - (uintptr_t)cpu_block_self()->handlers;

    (void)unused;
    if (offset < sizeof(cpu_block_self()->handlers))
        trace_event(TRACE_INTERRUPT,
                    (unsigned)(offset / sizeof(struct handler)), 0, 0, 0);
}

void irq_dispatch(uint8_t vector)
{
    struct handler *handler = &cpu_block_self()->handlers[vector];

    if (vector == VECTOR_SPURIOUS)
        return; /* not acknowledged: Intel SDM volume 3, 10.9 */
    for (; handler != NULL; handler = handler->next) {
        if (handler->fn != NULL)
            handler->fn(trace_site_load(&handler->arg, trace_handler,
                                        (uintptr_t)handler, 0));
    }
    lapic_eoi();
}

static int vector_alloc(struct cpu_block *block)
{
    for (int vector = VECTOR_IRQ_FIRST; vector <= VECTOR_IRQ_LAST; vector++) {
        if (block->handlers[vector].fn == NULL)
            return vector;
    }
    return -ENOSPC;
}

static int attach_vector(struct cpu_block *block, unsigned vector,
                         void (*fn)(void *), void *arg)
{
    struct handler *handler = &block->handlers[vector];

    if (handler->fn != NULL)
        return -EBUSY;
    handler->arg = arg;
    handler->fn = fn;
    return 0;
}

/* A second device on a line that goes to this CPU already. */
static int attach_shared(struct handler *first, void (*fn)(void *), void *arg)
{
    struct handler *handler;

    if (shared_count == SHARED_MAX)
        return -ENOMEM;
    handler = &shared[shared_count++];
    *handler = (struct handler){fn, arg, first->next};
    first->next = handler;
    return 0;
}

static int attach_line(unsigned line, unsigned cpu, void (*fn)(void *),
                       void *arg)
{
    struct cpu_block *block = cpu_blocks[cpu];
    int vector;
    int status;

    if (lines[line].routed)
        return lines[line].cpu == cpu
                   ? attach_shared(&block->handlers[lines[line].vector], fn,
                                   arg)
                   : -EBUSY;
    vector = vector_alloc(block);
    if (vector < 0)
        return -EBUSY;
    block->handlers[vector].arg = arg;
    block->handlers[vector].fn = fn;
    status = ioapic_route(line, block->apic_id, (uint8_t)vector);
    if (status != 0) {
        block->handlers[vector].fn = NULL;
        return status;
    }
    lines[line].routed = true;
    lines[line].cpu = cpu;
    lines[line].vector = (uint8_t)vector;
    return 0;
}

/* Marks a vector that hal_irq_msi() gave out and nobody attached yet. */
static void msi_unattached(void *arg)
{
    (void)arg;
}

int hal_irq_msi(unsigned cpu, uint64_t *addr, uint32_t *data)
{
    struct cpu_block *block;
    int vector;

    if (cpu >= cpu_block_count)
        return -ENOSPC;
    block = cpu_blocks[cpu];
    if (block->apic_id > 255)
        return -ENODEV; /* needs interrupt remapping */
    vector = vector_alloc(block);
    if (vector < 0)
        return vector;
    block->handlers[vector].fn = msi_unattached;
    *addr = 0xfee00000 | block->apic_id << 12;
    *data = (uint32_t)vector; /* fixed, edge: Intel SDM volume 3, 10.11 */
    return IRQ_LINES + (int)cpu * VECTOR_COUNT + vector;
}

static int attach_msi(unsigned number, unsigned cpu, void (*fn)(void *),
                      void *arg)
{
    unsigned vector = number % VECTOR_COUNT;
    struct handler *handler;

    if (number / VECTOR_COUNT != cpu || vector < VECTOR_IRQ_FIRST ||
        vector > VECTOR_IRQ_LAST)
        return -EINVAL;
    handler = &cpu_blocks[cpu]->handlers[vector];
    if (handler->fn != msi_unattached)
        return handler->fn == NULL ? -EINVAL : -EBUSY;
    handler->arg = arg;
    handler->fn = fn;
    return 0;
}

int hal_irq_attach(int irq, unsigned cpu, void (*fn)(void *), void *arg)
{
    if (cpu >= cpu_block_count || fn == NULL)
        return -EINVAL;
    if (irq == HAL_IRQ_TIMER || irq == HAL_IRQ_DOORBELL) {
        if (cpu != hal_cpu_id())
            return -EINVAL;
        return attach_vector(
            cpu_blocks[cpu],
            irq == HAL_IRQ_TIMER ? VECTOR_TIMER : VECTOR_DOORBELL, fn, arg);
    }
    if (irq == HAL_IRQ_STOP && cpu == 0 && hal_cpu_id() == 0)
        return button_attach(fn, arg);
    if (irq < 0)
        return -EINVAL;
    if (irq < IRQ_LINES)
        return attach_line((unsigned)irq, cpu, fn, arg);
    return attach_msi((unsigned)irq - IRQ_LINES, cpu, fn, arg);
}
