/*
 * A list of memory regions: whole pages, ascending, disjoint. Pure; whoever
 * has a list owns it.
 *
 * A list holds HAL_REGION_MAX regions. When there are more, it keeps the
 * largest and counts what it had to drop.
 */
#ifndef TORC_HAL_BAREMETAL_REGIONS_H
#define TORC_HAL_BAREMETAL_REGIONS_H

#include "hal/hal.h"

/* Identity mapping ends here, where addresses stop being canonical. */
#define REGION_ADDRESS_LIMIT (UINT64_C(1) << 47)

struct region_list {
    unsigned count;
    uint64_t dropped; /* bytes that found no place in the list */
    struct hal_region region[HAL_REGION_MAX];
};

/*
 * Add the whole pages in [base, end), of node 0. What the list has of them
 * already is in it once. Addresses past REGION_ADDRESS_LIMIT are ignored.
 */
void regions_add(struct region_list *list, uint64_t base, uint64_t end);

/* Remove every page that [base, end) touches. */
void regions_cut(struct region_list *list, uint64_t base, uint64_t end);

/* Whether [base, base+size) lies in the list; it may reach over several
 * adjacent regions. */
bool regions_contain(const struct region_list *list, uint64_t base,
                     uint64_t size);

/* Whether [base, base+size) has a byte in common with the list. */
bool regions_overlap(const struct region_list *list, uint64_t base,
                     uint64_t size);

/* Bytes in all of them. */
uint64_t regions_size(const struct region_list *list);

/* Assert what must be true of a list. */
void regions_check(const struct region_list *list);

#endif
