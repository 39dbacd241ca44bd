/* Page tables. */
#ifndef TORC_HAL_BAREMETAL_PAGING_H
#define TORC_HAL_BAREMETAL_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* Rights for the image's parts; nothing at page 0. CPU 0, at boot. */
void paging_init(void);

/* This CPU's memory types. */
void paging_cpu_init(void);

/* Map memory above 4 GiB. CPU 0, at boot. */
void paging_map_ram(uint64_t base, uint64_t size);

/*
 * Make a page of the HAL's own a guard page, below a stack. CPU 0, at boot.
 */
void paging_guard(void *page);

/* Whether an address lies in a guard page, the kernel's included. */
bool paging_is_guard(uintptr_t address);

/* Whether there is memory, or registers, at an address. */
bool paging_is_mapped(uintptr_t address);

/* Set pages aside for the page tables of each CPU, on its node. */
void paging_pools_init(const uint8_t *cpu_node);

/*
 * Map device registers, uncached. Returns 0, -EINVAL (no such addresses),
 * -ENODEV (memory is there), -ENOMEM (no page for a page table).
 */
int paging_map_io(uint64_t base, uint64_t size);

#endif
