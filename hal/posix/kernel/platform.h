/* Devices hal_platform_device() tells of: device models add theirs here. */
#ifndef TORC_HAL_POSIX_PLATFORM_H
#define TORC_HAL_POSIX_PLATFORM_H

#include "hal/hal.h"

/* Add a device; after host_machine_prepare(). Returns 0, -ENOSPC. */
must_check int platform_add(const struct hal_platform_device *device);

/* Before a machine starts: no devices. */
void platform_reset(void);

#endif
