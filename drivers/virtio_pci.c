/*
 * Virtio over PCI: finding devices, and the interface of VIRTIO 1.x: VIRTIO
 * 1.2, section 4.1. A device that has no such interface is used by the legacy
 * one, if it has that (4.1.5.1.1.1).
 */
#include "drivers/virtio_pci_internal.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>

enum {
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
    COMMON_GENERATION = 21,
    COMMON_QUEUE_SELECT = 22,
    COMMON_QUEUE_SIZE = 24,
    COMMON_QUEUE_MSIX = 26,
    COMMON_QUEUE_ENABLE = 28,
    COMMON_QUEUE_NOTIFY_OFF = 30,
    COMMON_QUEUE_DESC = 32,
    COMMON_QUEUE_DRIVER = 40,
    COMMON_QUEUE_DEVICE = 48,
    COMMON_SIZE = 56,
};

/* ---- Operations of both interfaces --------------------------------------- */

unsigned virtio_pci_vectors(struct virtio_device *dev, unsigned wanted)
{
    struct virtio_pci *pci = virtio_pci_of(dev);
    int status = 0;

    if (wanted == 0 && pci->interrupts == VIRTIO_PCI_MSIX)
        pci_msix_close(&pci->msix);
    if (wanted == 0)
        pci->interrupts = VIRTIO_PCI_LINE;
    if (pci->interrupts == VIRTIO_PCI_UNKNOWN) {
        status = pci_msix_open(&pci->function, &pci->msix);
        pci->interrupts = status == 0 ? VIRTIO_PCI_MSIX : VIRTIO_PCI_LINE;
    }
    if (status != 0 && pci->msix.cap != 0)
        log_warn("virtio: %s: MSI-X does not work (error %d): the interrupt "
                 "line is used",
                 dev->where, status);
    if (pci->interrupts == VIRTIO_PCI_LINE)
        return 0;
    return pci->msix.count < wanted ? pci->msix.count : wanted;
}

int virtio_pci_attach(struct virtio_device *dev, unsigned vector, unsigned cpu,
                      void (*fn)(void *), void *arg)
{
    struct virtio_pci *pci = virtio_pci_of(dev);

    return pci->interrupts == VIRTIO_PCI_MSIX
               ? pci_msix_attach(&pci->msix, vector, cpu, fn, arg)
               : pci_attach_line(&pci->function, cpu, fn, arg);
}

int virtio_pci_vector_set(struct hal_io io, size_t reg, unsigned vector)
{
    hal_io_write16(io, reg, (uint16_t)vector);
    return hal_io_read16(io, reg) == vector ? 0 : -ENODEV;
}

void virtio_pci_enable(struct virtio_device *dev)
{
    pci_enable(&virtio_pci_of(dev)->function);
}

int virtio_pci_isolate(struct virtio_device *dev)
{
    return pci_isolate(&virtio_pci_of(dev)->function);
}

/* ---- VIRTIO 1.x ---------------------------------------------------------- */

static uint64_t get_features(struct virtio_device *dev)
{
    return virtio_read_halves(virtio_pci_of(dev)->common,
                              COMMON_DEVICE_FEATURE_SELECT,
                              COMMON_DEVICE_FEATURE);
}

static void set_features(struct virtio_device *dev, uint64_t features)
{
    virtio_write_halves(virtio_pci_of(dev)->common,
                        COMMON_DRIVER_FEATURE_SELECT, COMMON_DRIVER_FEATURE,
                        features);
}

static uint8_t get_status(struct virtio_device *dev)
{
    return hal_io_read8(virtio_pci_of(dev)->common, COMMON_STATUS);
}

static void set_status(struct virtio_device *dev, uint8_t status)
{
    hal_io_write8(virtio_pci_of(dev)->common, COMMON_STATUS, status);
}

static uint16_t queue_max(struct virtio_device *dev, unsigned index)
{
    struct hal_io io = virtio_pci_of(dev)->common;

    hal_io_write16(io, COMMON_QUEUE_SELECT, (uint16_t)index);
    return hal_io_read16(io, COMMON_QUEUE_SIZE);
}

static int queue_setup(struct virtio_device *dev, unsigned index,
                       const struct virtqueue *vq, unsigned vector)
{
    struct virtio_pci *pci = virtio_pci_of(dev);
    struct hal_io io = pci->common;
    uint64_t at;

    assert(index < VIRTIO_QUEUE_MAX);
    if (pci->interrupts != VIRTIO_PCI_MSIX)
        vector = VIRTIO_NO_VECTOR;
    hal_io_write16(io, COMMON_QUEUE_SELECT, (uint16_t)index);
    hal_io_write16(io, COMMON_QUEUE_SIZE, vq->size);
    if (virtio_pci_vector_set(io, COMMON_QUEUE_MSIX, vector) != 0)
        return -ENODEV;
    virtio_write64(io, COMMON_QUEUE_DESC, vq_desc_bus(vq));
    virtio_write64(io, COMMON_QUEUE_DRIVER, vq_driver_bus(vq));
    virtio_write64(io, COMMON_QUEUE_DEVICE, vq_device_bus(vq));
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
    struct virtio_pci *pci = virtio_pci_of(dev);

    assert(index < VIRTIO_QUEUE_MAX);
    hal_io_write16(pci->notify, pci->notify_at[index], (uint16_t)index);
}

static struct hal_io config(struct virtio_device *dev)
{
    return virtio_pci_of(dev)->config;
}

static uint32_t generation(struct virtio_device *dev)
{
    return hal_io_read8(virtio_pci_of(dev)->common, COMMON_GENERATION);
}

static int config_vector(struct virtio_device *dev, unsigned vector)
{
    return virtio_pci_vector_set(virtio_pci_of(dev)->common, COMMON_MSIX_CONFIG,
                                 vector);
}

/* Reading the ISR lowers the line: 4.1.4.5. */
static uint32_t acknowledge(struct virtio_device *dev)
{
    return hal_io_read8(virtio_pci_of(dev)->isr, 0);
}

static const struct virtio_transport_ops pci_ops = {
    .get_features = get_features,
    .set_features = set_features,
    .get_status = get_status,
    .set_status = set_status,
    .queue_max = queue_max,
    .queue_setup = queue_setup,
    .notify = notify,
    .config = config,
    .generation = generation,
    .vectors = virtio_pci_vectors,
    .attach = virtio_pci_attach,
    .config_vector = config_vector,
    .acknowledge = acknowledge,
    .enable = virtio_pci_enable,
    .isolate = virtio_pci_isolate,
};

/* ---- Finding ------------------------------------------------------------- */

/*
 * Map the first structure of a type that can be mapped, and say which
 * capability tells of it. Returns 0, -ENOTSUP (there is none), -EINVAL (it is
 * shorter than `size` bytes), or as pci_map_bar().
 */
static int map_structure(struct virtio_pci *pci, uint8_t type, uint32_t size,
                         struct hal_io *io, unsigned *cap_out)
{
    const struct pci_function *function = &pci->function;
    int status = -ENOTSUP;

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

static int map_modern(struct virtio_pci *pci)
{
    unsigned cap;
    int status =
        map_structure(pci, TYPE_COMMON, COMMON_SIZE, &pci->common, &cap);

    if (status == 0)
        status = map_structure(pci, TYPE_ISR, 1, &pci->isr, &cap);
    if (status == 0)
        status = map_structure(pci, TYPE_NOTIFY, 2, &pci->notify, &cap);
    if (status != 0)
        return status;
    pci->notify_multiplier =
        hal_pci_read32(pci->function.addr, cap + CAP_MULTIPLIER);
    /* A device without configuration may have none. */
    if (map_structure(pci, TYPE_DEVICE, 1, &pci->config, &cap) != 0)
        pci->config.size = 0;
    pci->virtio.ops = &pci_ops;
    return 0;
}

/* The best interface that the device has. */
static int map_any(struct virtio_pci *pci)
{
    int status = map_modern(pci);

    return status == -ENOTSUP && virtio_pci_legacy_map != NULL
               ? virtio_pci_legacy_map(pci)
               : status;
}

struct scan {
    void (*add)(struct virtio_device *dev);
    int status;
};

static void function_found(const struct pci_function *function, void *ctx)
{
    struct scan *scan = ctx;
    struct virtio_pci *pci;
    int status;

    if (!virtio_is_pci(function) || scan->status != 0)
        return;
    pci = mem_alloc_zeroed(sizeof(*pci));
    if (pci == NULL) {
        scan->status = -ENOMEM;
        return;
    }
    assert(function->addr.dev < 32);
    pci->function = *function;
    pci->virtio.id = function->device >= VIRTIO_PCI_MODERN
                         ? function->device - VIRTIO_PCI_MODERN
                         : function->subsystem;
    fmt_print(pci->virtio.where, sizeof(pci->virtio.where), "pci %02x:%02x.%x",
              function->addr.bus, function->addr.dev, function->addr.fn);
    pci_enable(function);
    status = map_any(pci);
    if (status == 0) {
        scan->add(&pci->virtio);
        return;
    }
    if (status == -ENOTSUP)
        log_warn("virtio: %s has no interface that is known: left out",
                 pci->virtio.where);
    else
        log_warn("virtio: the registers of %s cannot be reached (error %d): "
                 "left out",
                 pci->virtio.where, status);
    mem_free(pci);
}

static int scan_pci(void (*add)(struct virtio_device *dev))
{
    struct scan scan = {.add = add};

    pci_scan(function_found, &scan);
    return scan.status;
}

const struct virtio_part virtio_pci_part = {.scan = scan_pci};
