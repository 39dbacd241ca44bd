/*
 * Interrupt controllers: the local APIC, by memory or in x2APIC mode, and the
 * I/O APICs. Intel SDM volume 3, chapter 10; 82093AA data sheet.
 */
#include "hal/baremetal/machine.h"

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
};

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

void lapic_init(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE);

    if ((cpuid(1, 0).ecx & CPUID_X2APIC) != 0) {
        x2apic = true;
        msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2);
    } else {
        lapic = (volatile uint32_t *)(uintptr_t)acpi.lapic_base;
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

/* ---- I/O APICs ----------------------------------------------------------- */

enum {
    IOAPIC_VERSION = 1,     /* bits 16-23: the last entry */
    IOAPIC_REDIRECT = 0x10, /* two words each */
    REDIRECT_LOW_ACTIVE = 1 << 13,
    REDIRECT_LEVEL = 1 << 15,
    REDIRECT_MASKED = 1 << 16,
    INTI_POLARITY = 3,
    INTI_ACTIVE_LOW = 3,
    INTI_TRIGGER = 3 << 2,
    INTI_LEVEL = 3 << 2,
};

static uint32_t ioapic_read(uint32_t base, uint32_t reg)
{
    volatile uint32_t *window = (volatile uint32_t *)(uintptr_t)base;

    window[0] = reg;
    return window[4];
}

static void ioapic_write(uint32_t base, uint32_t reg, uint32_t value)
{
    volatile uint32_t *window = (volatile uint32_t *)(uintptr_t)base;

    window[0] = reg;
    window[4] = value;
}

static unsigned ioapic_lines(uint32_t base)
{
    return (ioapic_read(base, IOAPIC_VERSION) >> 16 & 0xff) + 1;
}

/* Everything masked; and the two 8259s, which may still be wired. */
void ioapic_init(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    for (unsigned i = 0; i < acpi.ioapic_count; i++) {
        uint32_t base = acpi.ioapic[i].base;

        for (unsigned line = 0; line < ioapic_lines(base); line++)
            ioapic_write(base, IOAPIC_REDIRECT + 2 * line, REDIRECT_MASKED);
    }
}

/*
 * How a line signals. An ISA line is edge, active high unless an override says
 * otherwise; devices of the platform and PCI lines above 15 are level. ACPI
 * says active high for virtio over MMIO and active low for PCI; the I/O APIC of
 * QEMU ignores the polarity, real ones above 15 carry PCI.
 */
static uint32_t line_mode(uint32_t gsi)
{
    uint32_t mode = 0;

    for (unsigned i = 0; i < acpi.device_count; i++) {
        if (acpi.device[i].irq == (int)gsi)
            return REDIRECT_LEVEL;
    }
    for (unsigned i = 0; i < 16; i++) {
        uint16_t flags = acpi.isa_irq[i].flags;

        if (!acpi.isa_irq[i].set || acpi.isa_irq[i].gsi != gsi)
            continue;
        if ((flags & INTI_POLARITY) == INTI_ACTIVE_LOW)
            mode |= REDIRECT_LOW_ACTIVE;
        if ((flags & INTI_TRIGGER) == INTI_LEVEL)
            mode |= REDIRECT_LEVEL;
        return mode;
    }
    return gsi < 16 ? 0 : REDIRECT_LEVEL | REDIRECT_LOW_ACTIVE;
}

/* An ISA interrupt number may be wired to another line. */
static uint32_t line_of(uint32_t irq)
{
    return irq < 16 && acpi.isa_irq[irq].set ? acpi.isa_irq[irq].gsi : irq;
}

int ioapic_route(uint32_t irq, uint32_t apic_id, uint8_t vector)
{
    uint32_t gsi = line_of(irq);

    if (apic_id > 255)
        return -EINVAL;
    for (unsigned i = 0; i < acpi.ioapic_count; i++) {
        uint32_t base = acpi.ioapic[i].base;
        uint32_t line = gsi - acpi.ioapic[i].gsi;

        if (gsi < acpi.ioapic[i].gsi || line >= ioapic_lines(base))
            continue;
        ioapic_write(base, IOAPIC_REDIRECT + 2 * line + 1, apic_id << 24);
        ioapic_write(base, IOAPIC_REDIRECT + 2 * line, line_mode(gsi) | vector);
        return 0;
    }
    return -EINVAL;
}
