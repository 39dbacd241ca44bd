/*
 * The end. The last line on the console is the status, for whoever looks at the
 * machine from outside: tools/qemu.sh believes in no success without it. A
 * failure also goes to QEMU's isa-debug-exit device, which turns status s into
 * exit status 2s+1. Then the machine is powered off by ACPI; where it cannot
 * be, success ends with a reset, and failure with a machine that stands still,
 * since one that starts again would hide it.
 */
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/platform.h"
#include "hal/baremetal/irq/stop.h"
#include "hal/baremetal/memory/paging.h"
#include "hal/hal.h"
#include <torc/format.h>

enum {
    DEBUG_EXIT = 0xf4,
    STATUS_ABORT = 127,
    PM1_SLEEP_ENABLE = 1 << 13,
    PM1_TYPE_SHIFT = 10,
    REDUCED_SLEEP_ENABLE = 1 << 5,
    REDUCED_TYPE_SHIFT = 2,
};

/* ACPI 6.4, 4.8.3.2 and 4.8.3.7. */
static void power_off(void)
{
    unsigned type = platform.s5_type < 0 ? 0 : (unsigned)platform.s5_type;
    uint8_t reduced =
        (uint8_t)(type << REDUCED_TYPE_SHIFT | REDUCED_SLEEP_ENABLE);

    if (platform.sleep_control != 0 && platform.s5_type >= 0) {
        if (platform.sleep_control_is_port)
            outb((uint16_t)platform.sleep_control, reduced);
        else if (paging_map_io(platform.sleep_control, 1) == 0)
            *(volatile uint8_t *)(uintptr_t)platform.sleep_control = reduced;
    }
    if (platform.pm1a_control != 0)
        outw(platform.pm1a_control,
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

/* No other CPU writes after this. */
static void say_status(unsigned status)
{
    char text[48];
    size_t len =
        fmt_print(text, sizeof(text), "machine ended with status %u\n", status);

    hal_console_write(text, len);
}

static _Noreturn void end(unsigned status)
{
    say_status(status);
    if (status != 0)
        outl(DEBUG_EXIT, status);
    power_off(); /* still here: success, or no such device */
    for (unsigned i = 0; i < 1000000; i++)
        hal_cpu_relax();
    if (status != 0)
        halt();
    reset();
}

void hal_exit(int status)
{
    (void)stop_others();
    if (status == HAL_EXIT_AGAIN) {
        say_status(0);
        reset();
    }
    end((unsigned)status);
}

void hal_abort(enum hal_end how)
{
    (void)stop_others();
    if (how == HAL_END_OFF)
        end(STATUS_ABORT);
    say_status(STATUS_ABORT);
    if (how == HAL_END_REBOOT)
        reset();
    halt();
}
