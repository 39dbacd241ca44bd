/*
 * The power button, a fixed feature of ACPI (6.4, 4.8.2.2.1): it sets a bit of
 * the PM1 status register, which raises the SCI.
 */
#include "hal/baremetal/irq/button.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/platform.h"
#include "hal/hal.h"

enum {
    PM1_BUTTON = 1 << 8,    /* of status and enable: 4.8.3.1 */
    PM1_ALL = 0x8d31,       /* what the status register has */
    PM1_ACPI_MODE = 1 << 0, /* SCI_EN of the control register: 4.8.3.2.1 */
};
#define MODE_NS (UINT64_C(1000) * 1000 * 1000) /* firmware may take its time */

/* CPU 0. */
static void (*stop_handler)(void *);
static void *stop_arg;

static uint16_t enable_port(void)
{
    return (uint16_t)(platform.button.event + platform.button.event_length / 2);
}

/* The SCI: a bit is cleared by writing it. */
static void button_irq(void *arg)
{
    (void)arg;
    if ((inw(platform.button.event) & PM1_BUTTON) == 0)
        return;
    outw(platform.button.event, PM1_BUTTON);
    stop_handler(stop_arg);
}

static bool is_acpi_mode(void)
{
    return (inw(platform.pm1a_control) & PM1_ACPI_MODE) != 0;
}

/* Take the registers from the firmware: 4.8.2.5. */
static int acpi_mode_enter(void)
{
    uint64_t end_ns = hal_time_ns() + MODE_NS;

    if (platform.pm1a_control == 0)
        return -ENODEV;
    if (is_acpi_mode())
        return 0;
    if (platform.button.command == 0 || platform.button.enable == 0)
        return -ENODEV;
    outb(platform.button.command, platform.button.enable);
    while (!is_acpi_mode()) {
        if (hal_time_ns() > end_ns)
            return -ENODEV;
        hal_cpu_relax();
    }
    return 0;
}

int button_attach(void (*handler)(void *), void *arg)
{
    int status;

    if (stop_handler != NULL)
        return -EBUSY;
    if (platform.button.event == 0)
        return -ENODEV;
    status = acpi_mode_enter();
    if (status != 0)
        return status;
    /* Nothing but the button raises the SCI, and not for what was before. */
    outw(enable_port(), 0);
    outw(platform.button.event, PM1_ALL);
    stop_handler = handler;
    stop_arg = arg;
    status = hal_irq_attach(platform.button.irq, 0, button_irq, NULL);
    if (status == 0)
        outw(enable_port(), PM1_BUTTON);
    else
        stop_handler = NULL;
    return status;
}
