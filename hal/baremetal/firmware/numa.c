/*
 * Which memory and which CPU is of which node, by the SRAT. Pure: the ranges
 * may overlap, have holes and end inside a page; what none of them holds is of
 * node 0, and of two the first counts.
 */
#include "hal/baremetal/firmware/numa.h"

uint8_t numa_cpu_node(const struct platform_info *info, uint32_t apic_id)
{
    for (unsigned i = 0; i < info->apic_node_count; i++) {
        if (info->apic_node[i].apic_id == apic_id)
            return info->apic_node[i].node;
    }
    return 0;
}

/* The node of `address`; *next is where another may begin. */
static uint8_t node_at(const struct platform_info *info, uint64_t address,
                       uint64_t *next)
{
    uint8_t node = 0;
    bool found = false;

    *next = UINT64_MAX;
    for (unsigned i = 0; i < info->memory_node_count; i++) {
        uint64_t base = info->memory_node[i].base;
        uint64_t end = info->memory_node[i].end;

        if (!found && address >= base && address < end) {
            node = info->memory_node[i].node;
            found = true;
        }
        if (base > address && base < *next)
            *next = base;
        if (end > address && end < *next)
            *next = end;
    }
    return node;
}

/* The node at `from`; *to is where the first page of another begins. */
static uint8_t node_run(const struct platform_info *info, uint64_t from,
                        uint64_t *to)
{
    uint8_t node = node_at(info, from, to);

    while (*to <= UINT64_MAX - HAL_PAGE_SIZE) {
        uint64_t next;

        *to = (*to + HAL_PAGE_SIZE - 1) & ~(uint64_t)(HAL_PAGE_SIZE - 1);
        if (node_at(info, *to, &next) != node)
            break;
        *to = next;
    }
    return node;
}

unsigned numa_split(const struct platform_info *info, struct hal_region *region,
                    unsigned count, unsigned max)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t end = region[i].base + region[i].size;
        uint64_t cut;

        region[i].node = node_run(info, region[i].base, &cut);
        if (cut >= end || count == max)
            continue;
        for (unsigned k = count++; k > i; k--)
            region[k] = region[k - 1];
        region[i].size = cut - region[i].base;
        region[i + 1].base = cut;
        region[i + 1].size = end - cut;
    }
    return count;
}
