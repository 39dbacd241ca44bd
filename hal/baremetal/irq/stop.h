/* Stopping the other CPUs, when the machine ends. */
#ifndef TORC_HAL_BAREMETAL_STOP_H
#define TORC_HAL_BAREMETAL_STOP_H

#include "hal/hal.h"

/*
 * Stop all other CPUs for good. Of several CPUs that call it at once one
 * returns, the others are stopped in the call. Returns false when this CPU has
 * called it before. Interrupts are off from here on.
 */
bool stop_others(void);

/* A non-maskable interrupt has come, to code with these registers: does not
 * return if it is for a stop. */
void stop_here(const struct hal_registers *registers);

/* Interrupts off, and asleep for ever. */
_Noreturn void halt(void);

#endif
