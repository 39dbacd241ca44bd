/*
 * The machine there is (boot.c).
 */
#ifndef TORC_HAL_POSIX_BOOT_H
#define TORC_HAL_POSIX_BOOT_H

#include "hal/hal.h"

extern struct hal_boot_info machine_boot;

#endif
