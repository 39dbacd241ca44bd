/*
 * The local APIC, by memory or in x2APIC mode: Intel SDM volume 3, chapter 10.
 */
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/fail.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/memory/paging.h"

/* Registers by their memory offset; the x2APIC MSR is 0x800 + offset / 16. */
enum {
    LAPIC_ID = 0x20,
    LAPIC_TASK_PRIORITY = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_SPURIOUS = 0xf0, /* vector, bit 8: enable */
    LAPIC_ICR_LOW = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
    LAPIC_ENABLE = 0x100,
    LAPIC_MASKED = 0x10000,
    LAPIC_NMI = 0x400,
    LAPIC_DIVIDE_BY_16 = 3,
    ICR_PENDING = 0x1000,
    MSR_APIC_BASE = 0x1b,
    MSR_X2APIC = 0x800,
    APIC_BASE_X2 = 0x400,
    APIC_BASE_ENABLE = 0x800,
    CPUID_X2APIC = 1 << 21,
    LAPIC_SIZE = 4096,
};
#define APIC_BASE_ADDRESS UINT64_C(0x000ffffffffff000)

/* Constant after lapic_init() on CPU 0. */
static bool x2apic;
static volatile uint32_t *lapic;

static uint32_t lapic_read(unsigned reg)
{
    if (x2apic)
        return (uint32_t)msr_read(MSR_X2APIC + reg / 16);
    return lapic[reg / 4];
}

static void lapic_write(unsigned reg, uint32_t value)
{
    if (x2apic)
        msr_write(MSR_X2APIC + reg / 16, value);
    else
        lapic[reg / 4] = value;
}

/* Where its registers are: the processor knows, so no table is asked. */
static uintptr_t registers_of(uint64_t base)
{
    uintptr_t address = base & APIC_BASE_ADDRESS;

    if (lapic == NULL && paging_map_io(address, LAPIC_SIZE) != 0)
        boot_fail("the local APIC's registers cannot be reached");
    return address;
}

void lapic_init(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE);

    if ((cpuid(1, 0).ecx & CPUID_X2APIC) != 0) {
        x2apic = true;
        msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2);
    } else {
        lapic = (volatile uint32_t *)registers_of(base);
        msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    }
    lapic_write(LAPIC_TASK_PRIORITY, 0);
    lapic_write(LAPIC_LVT_LINT0, LAPIC_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LAPIC_NMI);
    lapic_write(LAPIC_LVT_ERROR, LAPIC_MASKED);
    lapic_write(LAPIC_SPURIOUS, LAPIC_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_BY_16);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER); /* one shot */
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

void lapic_ipi(uint32_t apic_id, uint32_t command)
{
    hal_irqflags flags;

    if (x2apic) {
        /* Unlike the memory writes this one is not ordered behind earlier
         * stores: SDM volume 3, 10.12.3. */
        hal_fence();
        msr_write(MSR_X2APIC + LAPIC_ICR_LOW / 16,
                  (uint64_t)apic_id << 32 | command);
        return;
    }
    flags = hal_irq_save(); /* two writes that belong together */
    for (unsigned i = 0; i < 1000000; i++) {
        if ((lapic_read(LAPIC_ICR_LOW) & ICR_PENDING) == 0)
            break;
    }
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR_LOW, command);
    hal_irq_restore(flags);
}

void lapic_timer_start(uint32_t ticks)
{
    lapic_write(LAPIC_TIMER_INITIAL, ticks);
}

uint32_t lapic_timer_left(void)
{
    return lapic_read(LAPIC_TIMER_CURRENT);
}
