/*
 * PCI functions: finding them, their BARs, capabilities and interrupts. PCI
 * Local Bus specification 3.0, chapter 6.
 */
#ifndef TORC_DRIVERS_PCI_H
#define TORC_DRIVERS_PCI_H

#include "hal/hal.h"
#include <stdbool.h>
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
 * from bus 0, or from another root. The buses are searched once in each boot.
 * CPU 0, at boot.
 */
void pci_scan(void (*found)(const struct pci_function *function, void *ctx),
              void *ctx);

/* 8 bits, or 16 at an even offset, of configuration space. */
uint8_t pci_read8(const struct pci_function *function, unsigned reg);
uint16_t pci_read16(const struct pci_function *function, unsigned reg);

/*
 * The offset of the first capability with `id` that follows the one at `after`
 * in the list (0: from the start of the list). Returns 0 when there is none;
 * a list that leads back into itself ends there.
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

/* The size of a BAR in bytes; 0: there is no such BAR. */
uint64_t pci_bar_size(const struct pci_function *function, unsigned bar);

/* Let the function answer to accesses, and access memory itself. */
void pci_enable(const struct pci_function *function);

/*
 * Keep the function from accessing memory, and so from sending messages, too:
 * it is no bus master any more. Returns 0, -EIO (it stays one).
 */
must_check int pci_isolate(const struct pci_function *function);

/* ---- MSI-X: 6.8.2 -------------------------------------------------------- */

struct pci_msix {
    struct pci_function function;
    struct hal_io table;
    unsigned cap;
    unsigned count; /* of vectors, > 0 */
};

/*
 * Turn MSI-X on, with every vector masked. Returns 0, -ENODEV (the function has
 * none), or as pci_map_bar(): then MSI-X is off.
 */
must_check int pci_msix_open(const struct pci_function *function,
                             struct pci_msix *msix);

/*
 * Let vector `index` (< count) call handler(arg) on `cpu`. A vector that was
 * attached before goes there now. Returns 0, -ENOSPC, -ENODEV (as
 * hal_irq_msi()), or as hal_irq_attach(): then the vector is as it was.
 */
must_check int pci_msix_attach(const struct pci_msix *msix, unsigned index,
                               unsigned cpu, void (*handler)(void *),
                               void *arg);

/* Turn it off: the function uses its interrupt line. */
void pci_msix_close(const struct pci_msix *msix);

/* Whether it is on. */
bool pci_msix_is_on(const struct pci_function *function);

/*
 * Attach handler(arg) on `cpu`: to entry 0 of MSI-X when the function has it
 * (*is_msix is true then), or else, with a warning if MSI-X failed, to the
 * interrupt line. Returns 0, -ENODEV (neither), or as hal_irq_attach().
 */
must_check int pci_attach_irq(const struct pci_function *function, unsigned cpu,
                              void (*handler)(void *), void *arg,
                              bool *is_msix);

/* The same for the interrupt line alone. */
must_check int pci_attach_line(const struct pci_function *function,
                               unsigned cpu, void (*handler)(void *),
                               void *arg);

#endif
