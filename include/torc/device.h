/*
 * Devices. Found at boot, then dedicated by the application: from then on they
 * belong to one CPU, with their memory and their interrupts.
 */
#ifndef TORC_DEVICE_H
#define TORC_DEVICE_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum device_class { DEVICE_BLOCK, DEVICE_NET };

struct device;

/* The `index`-th device of a class, in the order found; NULL past the last. */
struct device *device_find(enum device_class class, unsigned index);

/* The device of that name ("vda", "net0"), or NULL. */
struct device *device_by_name(const char *name);

const char *device_name(const struct device *device);

/*
 * Give a device to `cpu`: the driver sets it up there.
 * Returns 0 (also when it is there already), -EINVAL (no such CPU), -EBUSY
 * (another CPU has it), or what the driver says: -ENOMEM, -EIO, -ETIMEDOUT.
 * Context: thread; waits.
 */
must_check int device_dedicate(struct device *device, unsigned cpu);

#endif
