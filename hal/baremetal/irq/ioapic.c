/* The I/O APICs: 82093AA data sheet. */
#include "hal/baremetal/irq/ioapic.h"
#include "hal/baremetal/base/fail.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/platform.h"
#include "hal/baremetal/memory/paging.h"

enum {
    IOAPIC_VERSION = 1, /* bits 16-23: the last entry */
    IOAPIC_SIZE = 0x20,
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
    unsigned kept = 0;
    uint32_t next_gsi = 0;

    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    for (unsigned i = 0; i < platform.ioapic_count; i++) {
        uint32_t base = platform.ioapic[i].base;

        if (paging_map_io(base, IOAPIC_SIZE) != 0) {
            boot_warn("the firmware's tables have an I/O APIC at %x, "
                      "which is memory",
                      base);
            continue;
        }
        if (platform.ioapic[i].gsi == PLATFORM_GSI_FOLLOWS)
            platform.ioapic[i].gsi = next_gsi;
        next_gsi = platform.ioapic[i].gsi + ioapic_lines(base);
        platform.ioapic[kept++] = platform.ioapic[i];
        for (unsigned line = 0; line < ioapic_lines(base); line++)
            ioapic_write(base, IOAPIC_REDIRECT + 2 * line, REDIRECT_MASKED);
    }
    platform.ioapic_count = kept;
}

/*
 * How a line signals. An ISA line is edge, active high unless an override says
 * otherwise or it is the SCI (ACPI 6.4, 5.2.9: level, active low); devices of
 * the platform and PCI lines above 15 are level. ACPI says active high for
 * virtio over MMIO and active low for PCI; the I/O APIC of QEMU ignores the
 * polarity, real ones above 15 carry PCI.
 */
static uint32_t line_mode(uint32_t gsi)
{
    uint32_t mode = 0;

    for (unsigned i = 0; i < platform.device_count; i++) {
        if (platform.device[i].irq == (int)gsi)
            return REDIRECT_LEVEL;
    }
    for (unsigned i = 0; i < 16; i++) {
        uint16_t flags = platform.isa_irq[i].flags;

        if (!platform.isa_irq[i].set || platform.isa_irq[i].gsi != gsi)
            continue;
        if ((flags & INTI_POLARITY) == INTI_ACTIVE_LOW)
            mode |= REDIRECT_LOW_ACTIVE;
        if ((flags & INTI_TRIGGER) == INTI_LEVEL)
            mode |= REDIRECT_LEVEL;
        return mode;
    }
    if (gsi < 16 && (platform.button.event == 0 || gsi != platform.button.irq))
        return 0;
    return REDIRECT_LEVEL | REDIRECT_LOW_ACTIVE;
}

/* An ISA interrupt number may be wired to another line. */
static uint32_t line_of(uint32_t irq)
{
    return irq < 16 && platform.isa_irq[irq].set ? platform.isa_irq[irq].gsi
                                                 : irq;
}

int ioapic_route(uint32_t irq, uint32_t apic_id, uint8_t vector)
{
    uint32_t gsi = line_of(irq);

    if (apic_id > 255)
        return -EINVAL;
    for (unsigned i = 0; i < platform.ioapic_count; i++) {
        uint32_t base = platform.ioapic[i].base;
        uint32_t line = gsi - platform.ioapic[i].gsi;

        if (gsi < platform.ioapic[i].gsi || line >= ioapic_lines(base))
            continue;
        ioapic_write(base, IOAPIC_REDIRECT + 2 * line + 1, apic_id << 24);
        ioapic_write(base, IOAPIC_REDIRECT + 2 * line, line_mode(gsi) | vector);
        return 0;
    }
    return -EINVAL;
}
