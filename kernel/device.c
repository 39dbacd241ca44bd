#include "kernel/device.h"
#include "kernel/block.h"
#include "kernel/lib/check.h"
#include "kernel/lib/fmt.h"
#include "kernel/lib/str.h"
#include "kernel/percpu.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>

/* CPU 0 only. */
static struct list devices;
static unsigned epoch;

void device_list_init(void)
{
    list_init(&devices);
    epoch++;
}

unsigned device_epoch(void)
{
    return epoch;
}

struct device *device_find(enum device_class class, unsigned index)
{
    list_for_each (node, &devices) {
        struct device *device = container_of(node, struct device, link);

        if (device->class == class && index-- == 0)
            return device;
    }
    return NULL;
}

struct device *device_by_name(const char *name)
{
    list_for_each (node, &devices) {
        struct device *device = container_of(node, struct device, link);

        if (str_equal(device->name, name))
            return device;
    }
    return NULL;
}

const char *device_name(const struct device *device)
{
    return device->name;
}

bool device_is_mine(const struct device *device)
{
    return device->owner == (int)cpu_self()->id;
}

/* Partitions bring their names; the others get the next of their kind. */
static int name_make(struct device *device, const char *prefix)
{
    for (unsigned i = 0; i < 26; i++) {
        if (device->class == DEVICE_BLOCK)
            fmt_print(device->name, sizeof(device->name), "%s%c", prefix,
                      (int)('a' + i));
        else
            fmt_print(device->name, sizeof(device->name), "%s%u", prefix, i);
        if (device_by_name(device->name) == NULL)
            return 0;
    }
    return -ENOSPC;
}

int device_register(struct device *device, const char *prefix)
{
    if (prefix != NULL && name_make(device, prefix) != 0)
        return -ENOSPC;
    list_push_back(&devices, &device->link);
    return 0;
}

/* On the new owner. */
static int start_here(void *arg)
{
    struct device *device = arg;
    struct block_device *disk = block_from_device(device);
    int status = device->start(device);

    if (status == 0 && disk != NULL)
        status = partition_scan(disk);
    return status;
}

struct dedication {
    struct device *device;
    unsigned cpu;
};

/* On CPU 0, which keeps the owners. */
static int dedicate_here(void *arg)
{
    struct dedication *wish = arg;
    struct device *device = wish->device;
    int status;

    if (device->owner == (int)wish->cpu)
        return 0;
    if (device->owner != DEVICE_NOBODY || device->start == NULL)
        return -EBUSY;
    device->owner = (int)wish->cpu;
    status = wish->cpu == 0 ? start_here(device)
                            : remote_call(wish->cpu, start_here, device);
    if (status != 0) {
        device->owner = DEVICE_NOBODY;
        return status;
    }
    return device->class == DEVICE_BLOCK
               ? partition_register(block_from_device(device))
               : 0;
}

int device_dedicate(struct device *device, unsigned cpu)
{
    struct dedication wish = {device, cpu};

    if (cpu >= cpu_count())
        return -EINVAL;
    if (cpu_id() == 0)
        return dedicate_here(&wish);
    return remote_call(0, dedicate_here, &wish);
}
