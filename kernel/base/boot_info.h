/* What the machine was like when it began; constant after boot. */
#ifndef TORC_KERNEL_BOOT_INFO_H
#define TORC_KERNEL_BOOT_INFO_H

#include "hal/hal.h"

/* What the HAL handed over. */
const struct hal_boot_info *boot_info(void);

/* hal_cycles() at the start of the kernel. */
extern uint64_t boot_cycles;

/* Keep a copy of what the HAL handed over, and the time. CPU 0, once. */
void boot_info_keep(const struct hal_boot_info *info);

/* Use at most so many CPUs, 1 or more. CPU 0, before memory is divided. */
void boot_info_limit_cpus(unsigned count);

/* Whether a boot module is no disk, but lines of settings: <torc/env.h>. */
bool boot_module_has_settings(const struct hal_module *module);

#endif
