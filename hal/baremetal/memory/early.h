/*
 * The memory of the machine, and what the HAL takes of it for itself at boot:
 * that is never given back. Written by CPU 0 before the kernel starts; constant
 * after.
 */
#ifndef TORC_HAL_BAREMETAL_EARLY_H
#define TORC_HAL_BAREMETAL_EARLY_H

#include "hal/baremetal/base/regions.h"

/* Memory that nobody has taken yet; then the kernel's. */
extern struct region_list ram;

/* Begin with the memory that the boot loader calls usable, above 1 MiB. */
void ram_init(const struct region_list *usable);

/* Memory for the HAL, below 4 GiB, whole pages, zeroed. NULL once closed. */
void *boot_alloc(size_t size);
void boot_alloc_close(void);

/* The same, anywhere, of that node if it has as much; not zeroed. */
void *boot_alloc_near(unsigned node, size_t size);

/* Whether [base, base+size) is the kernel's memory. */
bool boot_is_ram(uintptr_t base, size_t size);

/* Whether a byte of [base, base+size) is memory, whoever uses it: then there
 * are no device registers. */
bool boot_has_ram(uint64_t base, uint64_t size);

#endif
