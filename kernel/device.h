/*
 * The device list. Filled on CPU 0 by the drivers at boot and constant after;
 * the fields of a device belong to the CPU it is dedicated to.
 */
#ifndef TORC_KERNEL_DEVICE_H
#define TORC_KERNEL_DEVICE_H

#include "kernel/lib/list.h"
#include <stdbool.h>
#include <torc/device.h>

enum { DEVICE_NAME_MAX = 16, DEVICE_NOBODY = -1 };

struct device {
    /* constant after device_register(): */
    char name[DEVICE_NAME_MAX];
    enum device_class class;
    struct list link;

    /*
     * Set the device up on the calling CPU, which becomes its owner: memory
     * from here, interrupts to here. Once. Thread; may wait. On failure the
     * device is reset and start() may be called again. Returns 0, -ENOMEM,
     * -EIO, -ETIMEDOUT, -ENOTSUP.
     */
    int (*start)(struct device *device);

    /* written by CPU 0 alone, in device_dedicate(); DEVICE_NOBODY at first.
     * Other CPUs learn it by the message that starts the device there. */
    int owner;
};

/* Empty the list. At boot. */
void device_list_init(void);

/*
 * Which boot this is, of this process: what a driver found before another one
 * is gone.
 */
unsigned device_epoch(void);

/*
 * Add a device; the caller filled class and start. `prefix` gives its name:
 * with a letter ("vd": vda, vdb) for disks, with a number ("net": net0) for
 * cards. Returns 0, -ENOSPC (no name left).
 */
must_check int device_register(struct device *device, const char *prefix);

/* Whether the device belongs to the calling CPU. */
bool device_is_mine(const struct device *device);

#endif
