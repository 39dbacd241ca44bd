/* The I/O APICs: interrupt lines to CPUs. */
#ifndef TORC_HAL_BAREMETAL_IOAPIC_H
#define TORC_HAL_BAREMETAL_IOAPIC_H

#include <stdint.h>

void ioapic_init(void);

/* Route a line. Returns 0, -EINVAL: no such line, or no way to that CPU. */
int ioapic_route(uint32_t irq, uint32_t apic_id, uint8_t vector);

#endif
