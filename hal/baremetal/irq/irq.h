/* Interrupt vectors to the handlers that hal_irq_attach() was given. */
#ifndef TORC_HAL_BAREMETAL_IRQ_H
#define TORC_HAL_BAREMETAL_IRQ_H

#include <stdint.h>

/* Call the handlers of a vector of this CPU, and acknowledge it. */
void irq_dispatch(uint8_t vector);

#endif
