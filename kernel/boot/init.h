/* Bring-up. */
#ifndef TORC_KERNEL_INIT_H
#define TORC_KERNEL_INIT_H

#include "hal/hal.h"
#include <torc/app.h>

/*
 * The part of bring-up that runs on CPU 0 before any thread: command line,
 * memory, the per-CPU blocks, the exchange slots. Ends the machine with a clear
 * line when it cannot. Afterwards cpu_self() works on CPU 0.
 */
void kernel_init(const struct hal_boot_info *info, const struct torc_app *app);

#endif
