/*
 * The device list: every disk, partition and card of the machine.
 *
 * CPU 0 alone appends to the list and gives devices to CPUs. Any CPU may walk
 * the list at any time: an entry is complete before it is linked, and none is
 * ever removed. The state of a device belongs to the CPU that it is dedicated
 * to.
 */
#ifndef TORC_KERNEL_DEVICE_H
#define TORC_KERNEL_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/list.h>

enum { DEVICE_NAME_MAX = 16, DEVICE_NOBODY = -1 };

struct device {
    /* constant after device_register(): */
    char name[DEVICE_NAME_MAX];
    enum device_class class;

    /*
     * Set the device up on the calling CPU, which becomes its owner: memory
     * from here, interrupts to here. May fill `children`. Starts of two devices
     * never overlap. Thread; may wait. On failure the device is reset, has no
     * children, and start() may be called again. NULL: the device came with its
     * parent and cannot be dedicated by itself. Returns 0, -ENOMEM, -EIO,
     * -ETIMEDOUT, -ENOTSUP.
     */
    int (*start)(struct device *device);

    /* During start() only: the CPUs that it is for, the calling one first. */
    const unsigned *cpus;
    unsigned cpu_count;

    /* Written by CPU 0 once, before or while the device is in the list; read by
     * every CPU. */
    _Atomic(struct device *) next;

    /* Written by CPU 0 alone; read by every CPU. A CPU that reads its own id
     * has got it by the message that starts the device there. */
    _Atomic(int) owner;

    /* The owner's during start(), then CPU 0's, which puts them into the list:
     * devices found behind this one, as partitions on a disk. */
    struct queue children;
    struct queue_node child_link; /* in the parent's `children` */
};

/* Empty the list. CPU 0, at boot. */
void device_list_init(void);

/*
 * The number of this boot within the process: what a driver found in an earlier
 * boot is gone.
 */
unsigned device_epoch(void);

/*
 * Append a device, owned by nobody, to the list; the caller filled class and
 * start. `prefix` gives its name: with a letter ("vd": vda, vdb) for disks,
 * with a number ("net": net0) for cards; there are 26 of each prefix.
 * CPU 0. Returns 0, -ENOSPC (no name left).
 */
must_check int device_register(struct device *device, const char *prefix);

/*
 * Give a device that has just been registered another name, before any other
 * CPU looks for devices. CPU 0, at boot. Returns 0, -EINVAL (a name of none or
 * too many bytes, or with one that is no visible character, or '/'), -EBUSY
 * (another device has it).
 */
must_check int device_rename(struct device *device, const char *name);

/*
 * In start(): announce a device found behind `parent`. The caller filled its
 * name and class; it belongs to the parent's owner.
 */
void device_add_child(struct device *parent, struct device *child);

/* Whether the device belongs to the calling CPU. Any CPU. */
bool device_is_mine(const struct device *device);

/*
 * As device_dedicate(), for a device that has queues: `cpus[0]` becomes its
 * owner, and start() may give a queue to each of the others. Returns 0 (also
 * when cpus[0] has it already), -EINVAL (no CPU, one that there is not, or one
 * twice), and as device_dedicate().
 */
must_check int device_dedicate_cpus(struct device *device,
                                    const unsigned cpus[], unsigned count);

#endif
