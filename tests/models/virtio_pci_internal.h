/* Between virtio_pci_model.c and virtio_pci_legacy_model.c. */
#ifndef TORC_TESTS_MODELS_VIRTIO_PCI_INTERNAL_H
#define TORC_TESTS_MODELS_VIRTIO_PCI_INTERNAL_H

#include "hal/hal.h"
#include "tests/models/virtio_model.h"

enum { MSIX_ENTRIES = 12, NO_VECTOR = 0xffff };

struct pci_place {
    struct virtio_model *model;
    struct hal_pci_addr addr;
    uint64_t base;  /* of the memory BAR, */
    unsigned bar;   /* which is this one and the next */
    uint32_t ports; /* of BAR 0 of a transitional or legacy device; 0: none */
    uint8_t config[256];
    uint8_t table[16 * MSIX_ENTRIES];
    uint16_t queue_vector[MODEL_QUEUES];
    uint16_t config_vector;
    unsigned msix_entries; /* 0: no MSI-X */
    bool refuse_vector, refuse_config_vector;
    uint16_t notify_offset;
};

bool pci_place_msix_on(const struct pci_place *place);

/* A vector that the driver writes for an event: what is read back. */
uint16_t pci_place_vector(const struct pci_place *place, uint32_t value,
                          bool is_config);

/* The driver writes the device status. */
void pci_place_status(struct pci_place *place, uint32_t value);

/* Put the legacy registers at place->ports. */
void pci_legacy_claim(struct pci_place *place);

enum { PCI_LEGACY_PORTS = 128 };

#endif
