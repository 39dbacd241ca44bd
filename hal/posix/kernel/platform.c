/*
 * Platform devices of the hosted machine: none but what device models add.
 */
#include "hal/posix/kernel/platform.h"

enum { PLATFORM_MAX = 40 };

static struct hal_platform_device devices[PLATFORM_MAX];
static unsigned device_count;

void platform_reset(void)
{
    device_count = 0;
}

int platform_add(const struct hal_platform_device *device)
{
    if (device_count == PLATFORM_MAX)
        return -ENOSPC;
    devices[device_count++] = *device;
    return 0;
}

int hal_platform_device(unsigned index, struct hal_platform_device *out)
{
    if (index >= device_count)
        return -ENODEV;
    *out = devices[index];
    return 0;
}
