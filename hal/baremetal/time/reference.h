/*
 * The counter of known rate by which the clock is kept right: the ACPI PM timer
 * (ACPI 6.4, 4.8.3.3), else channel 2 of the 8254 (PIT). CPU 0 only.
 */
#ifndef TORC_HAL_BAREMETAL_REFERENCE_H
#define TORC_HAL_BAREMETAL_REFERENCE_H

#include "hal/baremetal/time/discipline.h"

struct reference {
    uint64_t hz; /* 0: this machine has none */
    uint64_t mask;
};

/* Choose the counter and start it. */
struct reference reference_find(void);

/* Read it together with the TSC: the best of some tries. */
void reference_read(struct reading *reading);

#endif
