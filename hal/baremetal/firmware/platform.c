#include "hal/baremetal/firmware/platform.h"

struct platform_info platform;

void platform_cpu_add(struct platform_info *info, uint32_t apic_id)
{
    for (unsigned i = 0; i < info->cpu_count; i++) {
        if (info->apic_id[i] == apic_id)
            return;
    }
    if (info->cpu_count == HAL_CPU_MAX)
        info->cpu_ignored++;
    else
        info->apic_id[info->cpu_count++] = apic_id;
}

void platform_cpu_first(struct platform_info *info, uint32_t apic_id)
{
    unsigned at = 0;

    while (at < info->cpu_count && info->apic_id[at] != apic_id)
        at++;
    if (at == HAL_CPU_MAX) {
        at--; /* in the place of the last one */
        info->cpu_ignored++;
    } else if (at == info->cpu_count) {
        info->cpu_count++;
    }
    info->apic_id[at] = info->apic_id[0];
    info->apic_id[0] = apic_id;
}
