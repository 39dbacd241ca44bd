#include "drivers/virtio.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/device.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/time.h>

enum { DEVICE_MAX = 32 };
#define RESET_TIMEOUT_NS (100 * NS_PER_MS)

/* CPU 0, at boot. */
static struct virtio_device *devices[DEVICE_MAX];
static unsigned device_count;
static unsigned scanned_epoch; /* the boot they were found in, */
static int scan_status;        /* and whether all of them were: 0, -ENOMEM */

static void device_add(struct virtio_device *dev)
{
    assert(dev->ops != NULL);
    assert(device_count <= DEVICE_MAX);
    if (device_count < DEVICE_MAX)
        devices[device_count++] = dev;
    else
        log_warn("virtio: %s is one device too many: left out", dev->where);
}

/* Look for devices, once in a boot. Returns 0, -ENOMEM. */
static int scan_once(void)
{
    if (scanned_epoch == device_epoch())
        return scan_status;
    scanned_epoch = device_epoch();
    device_count = 0;
    scan_status = 0;
    for (unsigned i = 0; scan_status == 0 && virtio_parts[i] != NULL; i++) {
        if (virtio_parts[i]->scan != NULL)
            scan_status = virtio_parts[i]->scan(device_add);
    }
    return scan_status;
}

int virtio_find(uint32_t id, int (*found)(struct virtio_device *))
{
    int status = scan_once();

    assert(cpu_self()->id == 0);
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

/* Section 3.1.1 step 1, 2.4: a device that was reset says status 0. */
static int reset(struct virtio_device *dev)
{
    uint64_t deadline = time_ns() + RESET_TIMEOUT_NS;
    bool is_late = false; /* then comes the last look */

    dev->ops->set_status(dev, 0);
    while (dev->ops->get_status(dev) != 0) {
        if (is_late)
            return -ETIMEDOUT;
        hal_cpu_relax();
        is_late = time_ns() >= deadline;
    }
    return 0;
}

/* The features that queues are made with. */
static uint64_t ring_features(const struct virtio_device *dev)
{
    uint64_t features = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;

    if (dev->is_legacy)
        return features | VIRTIO_F_ANY_LAYOUT;
    for (unsigned i = 0; virtio_parts[i] != NULL; i++)
        features |= virtio_parts[i]->features;
    return features | VIRTIO_F_VERSION_1;
}

int virtio_begin(struct virtio_device *dev, uint64_t wanted)
{
    int status = reset(dev);
    uint64_t offered;

    if (status != 0)
        return status;
    if (dev->ops->enable != NULL)
        dev->ops->enable(dev);
    status_add(dev, VIRTIO_ACKNOWLEDGE);
    status_add(dev, VIRTIO_DRIVER);
    offered = dev->ops->get_features(dev);
    if (dev->possible != NULL)
        wanted = dev->possible(offered & wanted);
    dev->features = offered & (wanted | ring_features(dev));
    assert(!dev->is_legacy || dev->features <= UINT32_MAX);
    dev->ops->set_features(dev, dev->features);
    if (dev->is_legacy)
        return 0;
    if ((dev->features & VIRTIO_F_VERSION_1) == 0)
        return -ENOTSUP;
    status_add(dev, VIRTIO_FEATURES_OK);
    if ((dev->ops->get_status(dev) & VIRTIO_FEATURES_OK) != 0)
        return 0;
    log_error("virtio: %s refuses the features %llx%s", dev->where,
              (unsigned long long)dev->features,
              (offered & VIRTIO_F_ACCESS_PLATFORM) != 0
                  ? ": it wants an IOMMU (QEMU: iommu_platform=off)"
                  : "");
    return -ENOTSUP;
}

/* How long a queue is to be; 0: that cannot be. */
static uint16_t queue_size(const struct virtio_device *dev, uint16_t device_max,
                           uint16_t wish_max)
{
    uint16_t size = device_max;

    if (size > wish_max && !dev->is_size_fixed)
        size = wish_max;
    while ((size & (size - 1)) != 0) /* down to a power of two */
        size &= (uint16_t)(size - 1);
    if (dev->is_size_fixed && size != device_max)
        return 0;
    return size < 2 || size > VIRTQUEUE_SIZE_MAX ? 0 : size;
}

uint16_t virtio_queue_max(struct virtio_device *dev, unsigned index,
                          uint16_t size_max)
{
    return queue_size(dev, dev->ops->queue_max(dev, index), size_max);
}

static struct vq_shape queue_shape(const struct virtio_device *dev,
                                   uint16_t size,
                                   const struct virtio_queue_wish *wish)
{
    struct vq_shape shape = {
        .size = size,
        .is_packed = (dev->features & VIRTIO_F_RING_PACKED) != 0,
        .has_event_idx = (dev->features & VIRTIO_F_EVENT_IDX) != 0};

    if ((dev->features & VIRTIO_F_INDIRECT_DESC) != 0) {
        shape.table_count = wish->table_count;
        shape.table_len = wish->table_len < size ? wish->table_len : size;
    }
    return shape;
}

int virtio_queue(struct virtio_device *dev, unsigned index,
                 const struct virtio_queue_wish *wish, struct virtqueue *vq)
{
    uint16_t device_max = dev->ops->queue_max(dev, index);
    uint16_t size = queue_size(dev, device_max, wish->size_max);
    struct vq_shape shape;
    int status;

    assert(index < VIRTIO_QUEUE_MAX);
    assert(dev->is_attached);
    if (device_max == 0)
        return -ENODEV;
    if (size == 0)
        return -ENOTSUP;
    shape = queue_shape(dev, size, wish);
    status = vq_init(vq, &shape);
    if (status != 0)
        return status;
    status = dev->ops->queue_setup(dev, index, vq,
                                   virtio_vector_number(dev, wish->vector));
    if (status != 0)
        vq_fini(vq);
    return status;
}

void virtio_ready(struct virtio_device *dev)
{
    assert(dev->is_legacy || (dev->features & VIRTIO_F_VERSION_1) != 0);
    status_add(dev, VIRTIO_DRIVER_OK);
}

int virtio_stop(struct virtio_device *dev)
{
    if (reset(dev) == 0)
        return 0;
    if (dev->ops->isolate != NULL && dev->ops->isolate(dev) == 0) {
        log_warn("virtio: %s does not reset: it is cut off from memory",
                 dev->where);
        return 0;
    }
    log_error("virtio: %s does not reset: it may still write to memory",
              dev->where);
    return -ETIMEDOUT;
}

int virtio_fail(struct virtio_device *dev)
{
    status_add(dev, VIRTIO_FAILED);
    return virtio_stop(dev);
}

void virtio_queue_end(struct virtqueue *vq, int stopped)
{
    if (vq->memory == NULL)
        return;
    if (stopped == 0)
        vq_fini(vq);
    else
        vq_abandon(vq);
}

bool virtio_is_ready(struct virtio_device *dev)
{
    return (dev->ops->get_status(dev) & VIRTIO_DRIVER_OK) != 0;
}

bool virtio_needs_reset(struct virtio_device *dev)
{
    return (dev->ops->get_status(dev) & VIRTIO_NEEDS_RESET) != 0;
}
