/* Bring-up. */
#ifndef TORC_KERNEL_INIT_H
#define TORC_KERNEL_INIT_H

#include "hal/hal.h"

/* What the HAL handed over; constant after boot. */
const struct hal_boot_info *boot_info(void);

/* hal_cycles() when the machine was young; constant after boot. */
extern uint64_t boot_cycles;

/* The floating-point control words the machine began with; constant. */
extern uint64_t boot_fp_control;

/*
 * The part of bring-up that runs on CPU 0 before any thread: command line,
 * memory, the per-CPU blocks, the exchange slots. Ends the machine with a clear
 * line when it cannot. Afterwards cpu_self() works on CPU 0.
 */
void kernel_init(const struct hal_boot_info *info, const char *app_name);

#endif
