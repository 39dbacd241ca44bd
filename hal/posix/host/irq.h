/*
 * The interrupt line from the host half into the machine.
 */
#ifndef TORC_HAL_POSIX_HOST_IRQ_H
#define TORC_HAL_POSIX_HOST_IRQ_H

#include <stdbool.h>

/*
 * Raise interrupt `irq` of the machine: a device of the host half has completed
 * a request or received a frame. The kernel half implements it
 * (kernel/irq.c). Any thread.
 */
void machine_irq_raise(int irq);

/*
 * Raise HAL_IRQ_STOP. Returns false when nobody is attached to it, or it has
 * been raised before. Any thread.
 */
bool machine_stop_ask(void);

#endif
