/*
 * ACPI tables to struct platform_info: ACPI specification 6.4, chapter 5. Pure:
 * the bytes come from a function, and every one of them may be wrong.
 */
#ifndef TORC_HAL_BAREMETAL_ACPI_TABLES_H
#define TORC_HAL_BAREMETAL_ACPI_TABLES_H

#include "hal/baremetal/firmware/physical.h"
#include "hal/baremetal/firmware/platform.h"

/* Fill *out from the tables below the RSDP at `rsdp`; damaged ones count as
 * missing. */
void acpi_parse(struct platform_info *out, const struct physical_memory *memory,
                uint64_t rsdp);

/* Whether an RSDP with a right checksum begins at `bytes`. */
bool acpi_is_rsdp(const uint8_t *bytes, size_t size);

#endif
