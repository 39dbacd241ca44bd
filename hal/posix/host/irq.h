/*
 * The interrupt line from the host half into the machine.
 */
#ifndef TORC_HAL_POSIX_HOST_IRQ_H
#define TORC_HAL_POSIX_HOST_IRQ_H

/*
 * Raise interrupt `irq` of the machine: a device of the host half has completed
 * a request or received a frame. The kernel half implements it
 * (kernel/irq.c). Any thread.
 */
void machine_irq_raise(int irq);

#endif
