#include "kernel/device/vsock_device.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/device.h"
#include <torc/assert.h>
#include <torc/errno.h>

/* CPU 0 only. */
static struct vsock_device *the_device;
static unsigned epoch; /* of the_device: another machine's is none of ours */

struct vsock_device *vsock_device_find(void)
{
    assert(cpu_self()->id == 0);
    if (the_device == NULL || epoch != device_epoch() || the_device->is_gone)
        return NULL;
    return the_device;
}

int vsock_device_register(struct vsock_device *device)
{
    if (vsock_device_find() != NULL)
        return -EBUSY;
    the_device = device;
    epoch = device_epoch();
    return 0;
}
