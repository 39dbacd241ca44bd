/*
 * The MP table, which tells of CPUs and I/O APICs where there is no ACPI: Intel
 * MultiProcessor Specification 1.4, chapter 4. Pure: every byte may be wrong.
 */
#ifndef TORC_HAL_BAREMETAL_MP_TABLE_H
#define TORC_HAL_BAREMETAL_MP_TABLE_H

#include "hal/baremetal/firmware/physical.h"
#include "hal/baremetal/firmware/platform.h"

enum { MP_POINTER_SIZE = 16 };

/* Whether an MP floating pointer with a right checksum begins at `bytes`. */
bool mp_is_pointer(const uint8_t *bytes, size_t size);

/*
 * Add to *info what the table says that the floating pointer at `pointer`
 * names. Returns whether there was one; without, *info is as before.
 */
bool mp_parse(struct platform_info *info, const struct physical_memory *memory,
              uint64_t pointer);

#endif
