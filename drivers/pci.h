/*
 * PCI functions: finding them, their BARs, capabilities and interrupts. PCI
 * Local Bus specification 3.0, chapter 6.
 */
#ifndef TORC_DRIVERS_PCI_H
#define TORC_DRIVERS_PCI_H

#include "hal/hal.h"
#include <torc/compiler.h>

enum { PCI_BAR_COUNT = 6 };

struct pci_function {
    struct hal_pci_addr addr;
    uint16_t vendor;
    uint16_t device;
    uint16_t subsystem;
    uint8_t irq_line; /* as the firmware set it; 0 or 255: none */
};

/*
 * Call found(function, ctx) for every function on every bus that can be reached
 * from bus 0. CPU 0, at boot.
 */
void pci_scan(void (*found)(const struct pci_function *function, void *ctx),
              void *ctx);

/* 8, 16 or 32 bits of configuration space. */
uint8_t pci_read8(const struct pci_function *function, unsigned reg);
uint16_t pci_read16(const struct pci_function *function, unsigned reg);

/*
 * Walk the capabilities: the offset of the first one with `id` behind `after`
 * (0: from the start), or 0. A list that loops ends.
 */
unsigned pci_capability(const struct pci_function *function, uint8_t id,
                        unsigned after);

/*
 * Map `size` bytes at `offset` of BAR `bar`. Returns 0, -EINVAL (no such BAR,
 * or beyond its end), -ENODEV (the firmware gave it no address), and as
 * hal_io_map().
 */
must_check int pci_map_bar(const struct pci_function *function, unsigned bar,
                           uint64_t offset, uint64_t size, struct hal_io *io);

/* Let the function answer, and be a bus master. */
void pci_enable(const struct pci_function *function);

/*
 * Attach handler(arg) on `cpu`: entry 0 of MSI-X if there is one and *is_msix
 * tells so, else the interrupt line. Returns 0, -ENODEV (neither), and as
 * hal_irq_attach().
 */
must_check int pci_attach_irq(const struct pci_function *function, unsigned cpu,
                              void (*handler)(void *), void *arg,
                              bool *is_msix);

#endif
