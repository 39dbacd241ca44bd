#include "kernel/base/boot_info.h"
#include <torc/assert.h>
#include <torc/string.h>

/* Constant from when the options have been read. */
static struct hal_boot_info boot;
uint64_t boot_cycles;

const struct hal_boot_info *boot_info(void)
{
    return &boot;
}

void boot_info_keep(const struct hal_boot_info *info)
{
    assert(info->cpu_count >= 1 && info->cpu_count <= HAL_CPU_MAX);
    assert(info->region_count <= HAL_REGION_MAX);
    boot = *info;
    boot_cycles = hal_cycles();
}

void boot_info_limit_cpus(unsigned count)
{
    if (boot.cpu_count > count)
        boot.cpu_count = count;
}

bool boot_module_has_settings(const struct hal_module *module)
{
    static const char first[] = "#torc settings";

    return module->size >= sizeof(first) &&
           memcmp(module->base, first, sizeof(first) - 1) == 0 &&
           (module->base[sizeof(first) - 1] == '\n' ||
            module->base[sizeof(first) - 1] == '\r');
}
