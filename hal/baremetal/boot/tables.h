/* Finding the firmware's tables in this machine's memory. */
#ifndef TORC_HAL_BAREMETAL_TABLES_H
#define TORC_HAL_BAREMETAL_TABLES_H

#include "hal/baremetal/firmware/physical.h"

/*
 * Fill `platform` from the ACPI tables, or from the MP table where there are
 * none. `rsdp` is the address that the loader gave, or 0: then the places where
 * PC firmware keeps it are searched. CPU 0, at boot.
 */
void tables_read(const struct physical_memory *memory, uint64_t rsdp);

#endif
