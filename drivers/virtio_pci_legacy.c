/*
 * The interface of virtio over PCI that was there before VIRTIO 1.0: one window
 * of I/O ports, BAR 0. VIRTIO 1.2, section 4.1.4.10; where the queues are:
 * 4.1.5.1.3.1.
 */
#include "drivers/virtio_pci_internal.h"
#include <torc/assert.h>
#include <torc/drivers.h>

enum {
    REG_DEVICE_FEATURES = 0,
    REG_DRIVER_FEATURES = 4,
    REG_QUEUE_PFN = 8,
    REG_QUEUE_SIZE = 12,
    REG_QUEUE_SELECT = 14,
    REG_QUEUE_NOTIFY = 16,
    REG_STATUS = 18,
    REG_ISR = 19,
    /* Only while MSI-X is on: */
    REG_CONFIG_VECTOR = 20,
    REG_QUEUE_VECTOR = 22,
    /* The device's configuration, which then moves: */
    REG_CONFIG = 20,
    REG_CONFIG_MSIX = 24,
    LEGACY_SIZE = 24,
    LEGACY_PAGE = 4096,
    TRANSITIONAL_LAST = 0x103f,
};

static struct hal_io io_of(struct virtio_device *dev)
{
    return virtio_pci_of(dev)->legacy;
}

static uint64_t get_features(struct virtio_device *dev)
{
    return hal_io_read32(io_of(dev), REG_DEVICE_FEATURES);
}

static void set_features(struct virtio_device *dev, uint64_t features)
{
    assert(features <= UINT32_MAX);
    hal_io_write32(io_of(dev), REG_DRIVER_FEATURES, (uint32_t)features);
}

static uint8_t get_status(struct virtio_device *dev)
{
    return hal_io_read8(io_of(dev), REG_STATUS);
}

static void set_status(struct virtio_device *dev, uint8_t status)
{
    hal_io_write8(io_of(dev), REG_STATUS, status);
}

static uint16_t queue_max(struct virtio_device *dev, unsigned index)
{
    hal_io_write16(io_of(dev), REG_QUEUE_SELECT, (uint16_t)index);
    return hal_io_read16(io_of(dev), REG_QUEUE_SIZE);
}

static int queue_setup(struct virtio_device *dev, unsigned index,
                       const struct virtqueue *vq, unsigned vector)
{
    struct virtio_pci *pci = virtio_pci_of(dev);
    uint64_t page = vq_desc_bus(vq) / LEGACY_PAGE;

    if (page > UINT32_MAX)
        return -ENOMEM;
    hal_io_write16(pci->legacy, REG_QUEUE_SELECT, (uint16_t)index);
    if (pci->interrupts == VIRTIO_PCI_MSIX &&
        virtio_pci_vector_set(pci->legacy, REG_QUEUE_VECTOR, vector) != 0)
        return -ENODEV;
    hal_io_write32(pci->legacy, REG_QUEUE_PFN, (uint32_t)page);
    return 0;
}

static void notify(struct virtio_device *dev, unsigned index)
{
    hal_io_write16(io_of(dev), REG_QUEUE_NOTIFY, (uint16_t)index);
}

static struct hal_io config(struct virtio_device *dev)
{
    struct virtio_pci *pci = virtio_pci_of(dev);

    return virtio_io_behind(pci->legacy, pci_msix_is_on(&pci->function)
                                             ? REG_CONFIG_MSIX
                                             : REG_CONFIG);
}

static int config_vector(struct virtio_device *dev, unsigned vector)
{
    return virtio_pci_vector_set(io_of(dev), REG_CONFIG_VECTOR, vector);
}

static uint32_t acknowledge(struct virtio_device *dev)
{
    return hal_io_read8(io_of(dev), REG_ISR);
}

static const struct virtio_transport_ops legacy_ops = {
    .get_features = get_features,
    .set_features = set_features,
    .get_status = get_status,
    .set_status = set_status,
    .queue_max = queue_max,
    .queue_setup = queue_setup,
    .notify = notify,
    .config = config,
    .vectors = virtio_pci_vectors,
    .attach = virtio_pci_attach,
    .config_vector = config_vector,
    .acknowledge = acknowledge,
    .enable = virtio_pci_enable,
    .isolate = virtio_pci_isolate,
};

int virtio_pci_legacy_map(struct virtio_pci *pci)
{
    uint64_t size = pci_bar_size(&pci->function, 0);
    int status;

    if (pci->function.device > TRANSITIONAL_LAST)
        return -ENOTSUP;
    if (size < LEGACY_SIZE)
        return -ENOTSUP;
    status = pci_map_bar(&pci->function, 0, 0, size, &pci->legacy);
    if (status != 0)
        return status;
    if (pci->legacy.space != HAL_IO_PORT)
        return -ENOTSUP;
    pci->virtio.ops = &legacy_ops;
    pci->virtio.is_legacy = true;
    pci->virtio.is_size_fixed = true;
    return 0;
}

/* It has no bus of its own: virtio_pci.c asks for it. */
const struct virtio_part virtio_legacy_part = {.scan = NULL};
