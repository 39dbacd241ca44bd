/* The local APIC of each CPU: its timer, interrupts to other CPUs. */
#ifndef TORC_HAL_BAREMETAL_LAPIC_H
#define TORC_HAL_BAREMETAL_LAPIC_H

#include <stdint.h>

enum {
    IPI_INIT = 0x4500,
    IPI_STARTUP = 0x4600,
    IPI_FIXED = 0x4000,
    IPI_NMI = 0x4400
};

void lapic_init(void); /* this CPU's */
void lapic_eoi(void);
void lapic_ipi(uint32_t apic_id, uint32_t command);
void lapic_timer_start(uint32_t ticks); /* one shot; 0 stops it */
uint32_t lapic_timer_left(void);

#endif
