/*
 * The end. A failure goes to QEMU's isa-debug-exit device, which turns status s
 * into exit status 2s+1; success cannot be said that way, so it is a power off
 * by ACPI, or where there is none a reset, which `qemu -no-reboot` also ends
 * with status 0.
 */
#include "hal/baremetal/machine.h"

enum {
    DEBUG_EXIT = 0xf4,
    STATUS_ABORT = 127,
    PM1_SLEEP_ENABLE = 1 << 13,
    PM1_TYPE_SHIFT = 10,
    REDUCED_SLEEP_ENABLE = 1 << 5,
    REDUCED_TYPE_SHIFT = 2,
};

static _Noreturn void halt(void)
{
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

/* ACPI 6.4, 4.8.3.2 and 4.8.3.7. */
static void power_off(void)
{
    unsigned type = acpi.s5_type < 0 ? 0 : (unsigned)acpi.s5_type;
    uint8_t reduced =
        (uint8_t)(type << REDUCED_TYPE_SHIFT | REDUCED_SLEEP_ENABLE);

    if (acpi.sleep_control != 0 && acpi.s5_type >= 0) {
        if (acpi.sleep_control_is_port)
            outb((uint16_t)acpi.sleep_control, reduced);
        else if (paging_map_io(acpi.sleep_control, 1) == 0)
            *(volatile uint8_t *)(uintptr_t)acpi.sleep_control = reduced;
    }
    if (acpi.pm1a_control != 0)
        outw(acpi.pm1a_control,
             (uint16_t)(type << PM1_TYPE_SHIFT | PM1_SLEEP_ENABLE));
}

/* An exception without a table to handle it: the processor gives up. */
static _Noreturn void reset(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};

    __asm__ volatile("lidt %0\n\tint3" ::"m"(nothing));
    halt();
}

void hal_exit(int status)
{
    (void)hal_irq_save();
    if (status != 0)
        outl(DEBUG_EXIT, (uint32_t)status);
    /* Still here: success, or no such device. */
    power_off();
    for (unsigned i = 0; i < 1000000; i++)
        hal_cpu_relax();
    if (status != 0)
        halt(); /* a machine that starts again would hide the failure */
    reset();
}

void hal_abort(void)
{
    (void)hal_irq_save();
    outl(DEBUG_EXIT, STATUS_ABORT);
    halt();
}
