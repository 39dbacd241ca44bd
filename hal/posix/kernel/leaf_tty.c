/* The terminal of the hosted machine: hal/leaf.h. */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "hal/posix/host/terminal.h"
#include "hal/posix/kernel/cpu.h"

int hal_tty_open(void)
{
    uint64_t address;
    uint32_t data;
    int irq = hal_irq_msi(vcpu_self()->id, &address, &data);
    int err;

    if (irq < 0)
        return irq;
    err = host_terminal_open(irq);
    if (err == 0)
        return irq;
    irq_msi_undo(irq);
    return err;
}

void hal_tty_close(void)
{
    host_terminal_close();
}

int hal_tty_read(void *buf, size_t size)
{
    return host_terminal_read(buf, size);
}
