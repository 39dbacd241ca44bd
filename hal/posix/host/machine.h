/*
 * Make a hosted machine and close it. The kernel half implements both
 * (kernel/boot.c); host/process.c and tests call them.
 */
#ifndef TORC_HAL_POSIX_HOST_MACHINE_H
#define TORC_HAL_POSIX_HOST_MACHINE_H

#include "hal/posix/host/config.h"

struct hal_boot_info;

/*
 * Make a machine. The calling pthread becomes its CPU 0, interrupts off. The
 * caller may enter kernel_main() with the result, or use parts of the kernel on
 * this thread. If there is a machine already, it is closed first.
 * Returns NULL after a line on stderr when the machine cannot be made.
 */
const struct hal_boot_info *
host_machine_prepare(const struct host_config *config);

/*
 * Stop the other CPUs and the devices and free everything. Called on CPU 0, on
 * the stack host_machine_prepare() was called on; harmless without a machine.
 * A CPU that never comes to a delivery point (hal.h, "Interrupts") cannot be
 * stopped: that ends the process.
 */
void host_machine_close(void);

#endif
