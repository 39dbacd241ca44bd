/* Devices that the firmware describes and no bus enumerates. */
#include "hal/baremetal/firmware/platform.h"

int hal_platform_device(unsigned index, struct hal_platform_device *out)
{
    if (index >= platform.device_count)
        return -ENODEV;
    *out = platform.device[index];
    return 0;
}
