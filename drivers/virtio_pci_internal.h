/*
 * What the two interfaces of virtio over PCI share: virtio_pci.c (VIRTIO 1.x)
 * and virtio_pci_legacy.c.
 */
#ifndef TORC_DRIVERS_VIRTIO_PCI_INTERNAL_H
#define TORC_DRIVERS_VIRTIO_PCI_INTERNAL_H

#include "drivers/pci.h"
#include "drivers/virtio.h"
#include <torc/list.h>

/* What PCI says of them: 4.1.2. */
enum {
    VIRTIO_PCI_VENDOR = 0x1af4,
    VIRTIO_PCI_FIRST = 0x1000, /* transitional: the id is in the subsystem */
    VIRTIO_PCI_MODERN = 0x1040,
    VIRTIO_PCI_LAST = 0x107f,
};

static inline bool virtio_is_pci(const struct pci_function *function)
{
    return function->vendor == VIRTIO_PCI_VENDOR &&
           function->device >= VIRTIO_PCI_FIRST &&
           function->device <= VIRTIO_PCI_LAST;
}

enum virtio_pci_interrupts {
    VIRTIO_PCI_UNKNOWN, /* not yet asked for */
    VIRTIO_PCI_MSIX,
    VIRTIO_PCI_LINE,
};

struct virtio_pci {
    struct virtio_device virtio;
    struct pci_function function;
    enum virtio_pci_interrupts interrupts;
    struct pci_msix msix; /* with VIRTIO_PCI_MSIX */

    /* VIRTIO 1.x: */
    struct hal_io common;
    struct hal_io notify;
    struct hal_io isr;
    struct hal_io config;
    uint32_t notify_multiplier;
    uint32_t notify_at[VIRTIO_QUEUE_MAX]; /* offset in `notify` of each queue */

    /* legacy: all registers */
    struct hal_io legacy;
};

static inline struct virtio_pci *virtio_pci_of(struct virtio_device *dev)
{
    return container_of(dev, struct virtio_pci, virtio);
}

/* Operations of both. */
unsigned virtio_pci_vectors(struct virtio_device *dev, unsigned wanted);
int virtio_pci_attach(struct virtio_device *dev, unsigned vector, unsigned cpu,
                      void (*fn)(void *), void *arg);
void virtio_pci_enable(struct virtio_device *dev);
int virtio_pci_isolate(struct virtio_device *dev);

/* Write a vector to a register: one that the device takes can be read back
 * (4.1.5.1.2.2). Returns 0, -ENODEV. */
must_check int virtio_pci_vector_set(struct hal_io io, size_t reg,
                                     unsigned vector);

/*
 * Find the legacy interface of a device. Returns 0; -ENOTSUP (it cannot have
 * one), or as pci_map_bar().
 */
__attribute__((weak)) must_check int
virtio_pci_legacy_map(struct virtio_pci *pci);

#endif
