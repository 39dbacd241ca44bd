#include "drivers/virtio.h"
#include "kernel/device.h"
#include <torc/log.h>
#include <torc/time.h>

enum { DEVICE_MAX = 32 };
#define RESET_TIMEOUT_NS (100 * NS_PER_MS)

/* CPU 0, at boot. */
static struct virtio_device *devices[DEVICE_MAX];
static unsigned device_count;
static unsigned scanned_epoch; /* the boot they were found in */

static void device_add(struct virtio_device *dev)
{
    if (device_count < DEVICE_MAX)
        devices[device_count++] = dev;
    else
        log_warn("virtio: %s is one device too many: left out", dev->where);
}

static int scan_once(void)
{
    int status;

    if (scanned_epoch == device_epoch())
        return 0;
    scanned_epoch = device_epoch();
    device_count = 0;
    status = virtio_pci_scan(device_add);
    return status != 0 ? status : virtio_mmio_scan(device_add);
}

int virtio_find(uint32_t id, int (*found)(struct virtio_device *))
{
    int status = scan_once();

    for (unsigned i = 0; status == 0 && i < device_count; i++) {
        if (devices[i]->id == id)
            status = found(devices[i]);
    }
    return status;
}

static void status_add(struct virtio_device *dev, uint8_t bit)
{
    dev->ops->set_status(dev, (uint8_t)(dev->ops->get_status(dev) | bit));
}

static int reset(struct virtio_device *dev)
{
    uint64_t deadline = time_ns() + RESET_TIMEOUT_NS;

    dev->ops->set_status(dev, 0);
    while (dev->ops->get_status(dev) != 0) {
        if (time_ns() >= deadline)
            return -ETIMEDOUT;
        hal_cpu_relax();
    }
    return 0;
}

int virtio_begin(struct virtio_device *dev, uint64_t wanted)
{
    int status = reset(dev);

    if (status != 0)
        return status;
    status_add(dev, VIRTIO_ACKNOWLEDGE);
    status_add(dev, VIRTIO_DRIVER);
    if (!dev->is_legacy)
        wanted |= VIRTIO_F_VERSION_1;
    dev->features = dev->ops->get_features(dev) & wanted;
    dev->ops->set_features(dev, dev->features);
    if (dev->is_legacy)
        return 0;
    if ((dev->features & VIRTIO_F_VERSION_1) == 0)
        return -ENOTSUP;
    status_add(dev, VIRTIO_FEATURES_OK);
    return (dev->ops->get_status(dev) & VIRTIO_FEATURES_OK) != 0 ? 0 : -ENOTSUP;
}

int virtio_queue(struct virtio_device *dev, unsigned index, uint16_t size_max,
                 struct virtqueue *vq)
{
    uint16_t size = dev->ops->queue_max(dev, index);
    int status;

    if (size == 0)
        return -ENODEV;
    if (size > size_max)
        size = size_max;
    while ((size & (size - 1)) != 0) /* down to a power of two */
        size &= (uint16_t)(size - 1);
    status = vq_init(vq, size);
    if (status != 0)
        return status;
    status = dev->ops->queue_setup(dev, index, vq);
    if (status != 0)
        vq_fini(vq);
    return status;
}

void virtio_ready(struct virtio_device *dev)
{
    status_add(dev, VIRTIO_DRIVER_OK);
}

void virtio_fail(struct virtio_device *dev)
{
    status_add(dev, VIRTIO_FAILED);
    if (reset(dev) != 0)
        log_error("virtio: %s does not reset: it may still write to memory",
                  dev->where);
}

void virtio_kick(struct virtio_device *dev, unsigned index,
                 struct virtqueue *vq)
{
    if (vq_must_notify(vq))
        dev->ops->notify(dev, index);
}

uint16_t virtio_config16(struct virtio_device *dev, unsigned offset)
{
    return (uint16_t)(dev->ops->config8(dev, offset) |
                      dev->ops->config8(dev, offset + 1) << 8);
}

uint32_t virtio_config32(struct virtio_device *dev, unsigned offset)
{
    return virtio_config16(dev, offset) |
           (uint32_t)virtio_config16(dev, offset + 2) << 16;
}

uint64_t virtio_config64(struct virtio_device *dev, unsigned offset)
{
    return virtio_config32(dev, offset) |
           (uint64_t)virtio_config32(dev, offset + 4) << 32;
}
