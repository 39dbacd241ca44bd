/* Which memory and which CPU is of which node, by the SRAT. Pure. */
#ifndef TORC_HAL_BAREMETAL_NUMA_H
#define TORC_HAL_BAREMETAL_NUMA_H

#include "hal/baremetal/firmware/platform.h"

/* The node of a CPU, 0 when unknown. */
uint8_t numa_cpu_node(const struct platform_info *info, uint32_t apic_id);

/*
 * Give the regions their nodes; one of several nodes is cut, while there are
 * fewer than `max`. Returns how many there are then.
 */
unsigned numa_split(const struct platform_info *info, struct hal_region *region,
                    unsigned count, unsigned max);

#endif
