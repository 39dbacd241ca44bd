/* Virtio over PCI, modern interface: VIRTIO 1.2, section 4.1. */
#include "drivers/pci.h"
#include "drivers/virtio.h"
#include "kernel/lib/check.h"
#include "kernel/lib/fmt.h"
#include "kernel/percpu.h"
#include <torc/log.h>
#include <torc/memory.h>

enum {
    VENDOR = 0x1af4,
    DEVICE_FIRST = 0x1000, /* transitional: the id is the subsystem's */
    DEVICE_MODERN = 0x1040,
    DEVICE_LAST = 0x107f,
    CAP_VENDOR = 0x09,
    /* A capability: 4.1.4. */
    CAP_TYPE = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_MULTIPLIER = 16,
    TYPE_COMMON = 1,
    TYPE_NOTIFY = 2,
    TYPE_ISR = 3,
    TYPE_DEVICE = 4,
    /* Common configuration: 4.1.4.3. */
    COMMON_DEVICE_FEATURE_SELECT = 0,
    COMMON_DEVICE_FEATURE = 4,
    COMMON_DRIVER_FEATURE_SELECT = 8,
    COMMON_DRIVER_FEATURE = 12,
    COMMON_MSIX_CONFIG = 16,
    COMMON_STATUS = 20,
    COMMON_QUEUE_SELECT = 22,
    COMMON_QUEUE_SIZE = 24,
    COMMON_QUEUE_MSIX = 26,
    COMMON_QUEUE_ENABLE = 28,
    COMMON_QUEUE_NOTIFY_OFF = 30,
    COMMON_QUEUE_DESC = 32,
    COMMON_QUEUE_DRIVER = 40,
    COMMON_QUEUE_DEVICE = 48,
    COMMON_SIZE = 56,
    NO_VECTOR = 0xffff,
    QUEUE_MAX = 8,
};

struct virtio_pci {
    struct virtio_device virtio;
    struct pci_function function;
    struct hal_io common;
    struct hal_io notify;
    struct hal_io isr;
    struct hal_io config;
    uint32_t notify_multiplier;
    uint32_t notify_at[QUEUE_MAX];
    bool is_msix;
};

static struct virtio_pci *pci_of(struct virtio_device *dev)
{
    return container_of(dev, struct virtio_pci, virtio);
}

static uint64_t get_features(struct virtio_device *dev)
{
    struct hal_io io = pci_of(dev)->common;
    uint64_t features;

    hal_io_write32(io, COMMON_DEVICE_FEATURE_SELECT, 0);
    features = hal_io_read32(io, COMMON_DEVICE_FEATURE);
    hal_io_write32(io, COMMON_DEVICE_FEATURE_SELECT, 1);
    return features | (uint64_t)hal_io_read32(io, COMMON_DEVICE_FEATURE) << 32;
}

static void set_features(struct virtio_device *dev, uint64_t features)
{
    struct hal_io io = pci_of(dev)->common;

    hal_io_write32(io, COMMON_DRIVER_FEATURE_SELECT, 0);
    hal_io_write32(io, COMMON_DRIVER_FEATURE, (uint32_t)features);
    hal_io_write32(io, COMMON_DRIVER_FEATURE_SELECT, 1);
    hal_io_write32(io, COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32));
}

static uint8_t get_status(struct virtio_device *dev)
{
    return hal_io_read8(pci_of(dev)->common, COMMON_STATUS);
}

static void set_status(struct virtio_device *dev, uint8_t status)
{
    hal_io_write8(pci_of(dev)->common, COMMON_STATUS, status);
}

static uint16_t queue_max(struct virtio_device *dev, unsigned index)
{
    struct hal_io io = pci_of(dev)->common;

    hal_io_write16(io, COMMON_QUEUE_SELECT, (uint16_t)index);
    return hal_io_read16(io, COMMON_QUEUE_SIZE);
}

static int queue_setup(struct virtio_device *dev, unsigned index,
                       struct virtqueue *vq)
{
    struct virtio_pci *pci = pci_of(dev);
    struct hal_io io = pci->common;
    uint64_t at;

    assert(index < QUEUE_MAX);
    hal_io_write16(io, COMMON_QUEUE_SELECT, (uint16_t)index);
    hal_io_write16(io, COMMON_QUEUE_SIZE, vq->size);
    hal_io_write16(io, COMMON_QUEUE_MSIX, pci->is_msix ? 0 : NO_VECTOR);
    if (pci->is_msix && hal_io_read16(io, COMMON_QUEUE_MSIX) != 0)
        return -ENODEV;
    virtio_write64(io, COMMON_QUEUE_DESC, vq_desc_bus(vq));
    virtio_write64(io, COMMON_QUEUE_DRIVER, vq_avail_bus(vq));
    virtio_write64(io, COMMON_QUEUE_DEVICE, vq_used_bus(vq));
    at = (uint64_t)hal_io_read16(io, COMMON_QUEUE_NOTIFY_OFF) *
         pci->notify_multiplier;
    if (at > pci->notify.size - 2)
        return -ENODEV;
    pci->notify_at[index] = (uint32_t)at;
    hal_io_write16(io, COMMON_QUEUE_ENABLE, 1);
    return 0;
}

static void notify(struct virtio_device *dev, unsigned index)
{
    struct virtio_pci *pci = pci_of(dev);

    hal_io_write16(pci->notify, pci->notify_at[index], (uint16_t)index);
}

static uint8_t config8(struct virtio_device *dev, unsigned offset)
{
    struct virtio_pci *pci = pci_of(dev);

    return offset < pci->config.size ? hal_io_read8(pci->config, offset) : 0;
}

static int attach(struct virtio_device *dev, void (*handler)(void *), void *arg)
{
    struct virtio_pci *pci = pci_of(dev);
    int status = pci_attach_irq(&pci->function, cpu_self()->id, handler, arg,
                                &pci->is_msix);

    if (status == 0)
        hal_io_write16(pci->common, COMMON_MSIX_CONFIG, NO_VECTOR);
    return status;
}

static bool acknowledge(struct virtio_device *dev)
{
    struct virtio_pci *pci = pci_of(dev);

    /* Reading the ISR lowers the line; MSI-X needs nothing: 4.1.4.5. */
    return pci->is_msix || hal_io_read8(pci->isr, 0) != 0;
}

static const struct virtio_transport_ops pci_ops = {
    .get_features = get_features,
    .set_features = set_features,
    .get_status = get_status,
    .set_status = set_status,
    .queue_max = queue_max,
    .queue_setup = queue_setup,
    .notify = notify,
    .config8 = config8,
    .attach = attach,
    .acknowledge = acknowledge,
};

/* ---- Finding ------------------------------------------------------------- */

/* Map the first structure of a type; `size` bytes at least. */
static int map_structure(struct virtio_pci *pci, uint8_t type, uint32_t size,
                         struct hal_io *io, unsigned *cap_out)
{
    const struct pci_function *function = &pci->function;
    int status = -ENODEV;

    for (unsigned cap = pci_capability(function, CAP_VENDOR, 0); cap != 0;
         cap = pci_capability(function, CAP_VENDOR, cap)) {
        uint32_t length;

        if (pci_read8(function, cap + CAP_TYPE) != type)
            continue;
        length = hal_pci_read32(function->addr, cap + CAP_LENGTH);
        if (length < size)
            return -EINVAL;
        status = pci_map_bar(function, pci_read8(function, cap + CAP_BAR),
                             hal_pci_read32(function->addr, cap + CAP_OFFSET),
                             length, io);
        *cap_out = cap;
        if (status == 0)
            break;
    }
    return status;
}

static int map_all(struct virtio_pci *pci)
{
    unsigned cap;
    int status =
        map_structure(pci, TYPE_COMMON, COMMON_SIZE, &pci->common, &cap);

    if (status == 0)
        status = map_structure(pci, TYPE_ISR, 1, &pci->isr, &cap);
    if (status == 0)
        status = map_structure(pci, TYPE_NOTIFY, 2, &pci->notify, &cap);
    if (status == 0)
        pci->notify_multiplier =
            hal_pci_read32(pci->function.addr, cap + CAP_MULTIPLIER);
    /* A device without configuration may have none. */
    if (status == 0 &&
        map_structure(pci, TYPE_DEVICE, 1, &pci->config, &cap) != 0)
        pci->config.size = 0;
    return status;
}

struct scan {
    void (*add)(struct virtio_device *dev);
    int status;
};

static void function_found(const struct pci_function *function, void *ctx)
{
    struct scan *scan = ctx;
    struct virtio_pci *pci;

    if (function->vendor != VENDOR || function->device < DEVICE_FIRST ||
        function->device > DEVICE_LAST || scan->status != 0)
        return;
    pci = mem_alloc_zeroed(sizeof(*pci));
    if (pci == NULL) {
        scan->status = -ENOMEM;
        return;
    }
    pci->function = *function;
    pci->virtio.ops = &pci_ops;
    pci->virtio.id = function->device >= DEVICE_MODERN
                         ? function->device - DEVICE_MODERN
                         : function->subsystem;
    fmt_print(pci->virtio.where, sizeof(pci->virtio.where), "pci %02x:%02x.%x",
              function->addr.bus, function->addr.dev, function->addr.fn);
    pci_enable(function);
    if (map_all(pci) != 0) {
        log_warn("virtio: %s has no VIRTIO 1.x interface: left out (QEMU: "
                 "disable-modern=off)",
                 pci->virtio.where);
        mem_free(pci);
        return;
    }
    scan->add(&pci->virtio);
}

int virtio_pci_scan(void (*add)(struct virtio_device *dev))
{
    struct scan scan = {.add = add};

    pci_scan(function_found, &scan);
    return scan.status;
}
