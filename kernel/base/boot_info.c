#include "kernel/base/boot_info.h"
#include <torc/assert.h>

/* All constant after boot_info_keep(). */
static const struct hal_boot_info *boot;
uint64_t boot_cycles;

const struct hal_boot_info *boot_info(void)
{
    return boot;
}

void boot_info_keep(const struct hal_boot_info *info)
{
    assert(info->cpu_count >= 1 && info->cpu_count <= HAL_CPU_MAX);
    assert(info->region_count <= HAL_REGION_MAX);
    boot = info;
    boot_cycles = hal_cycles();
}
