/*
 * The PCI side of a device model: configuration space of a function with an
 * ordinary header (PCI Local Bus specification 3.0, chapter 6), its BARs, its
 * interrupt line and MSI-X (6.8.2). Written from the specification, strict: a
 * breach of the protocol fails the test with a sentence.
 *
 * - A BAR is answered only while the function may decode it: COMMAND has I/O
 *   or memory space on, and the BAR holds the address it was plugged at.
 * - The function reaches memory only while COMMAND has bus mastering on.
 * - The interrupt line is a level. The hosted machine knows edges only, so
 *   pci_card_step() raises a line that is still asserted once more: a driver
 *   that does not quiet its device has an interrupt storm.
 */
#ifndef TORC_TESTS_MODELS_PCI_CARD_H
#define TORC_TESTS_MODELS_PCI_CARD_H

#include "hal/posix/kernel/simbus.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PCI_CARD_BARS = 6, PCI_CARD_VECTORS = 8 };

struct pci_card_bar {
    struct pci_card *card;
    enum hal_io_space space;
    uint64_t base; /* where it is plugged */
    uint32_t size; /* a power of 2; 0: there is no such BAR */
    struct sim_window window;
};

struct pci_card {
    /* What it is; set before pci_card_plug(). Offset 0x10 to 0x27 of `config`
     * is not used: BARs are below. */
    struct hal_pci_addr addr;
    uint8_t config[256];
    struct pci_card_bar bar[PCI_CARD_BARS];
    int line;          /* 0: none */
    unsigned msix_cap; /* offset of the capability, 0: none */
    unsigned vectors;  /* of MSI-X, at most PCI_CARD_VECTORS */

    /* What the driver made of it: */
    uint32_t bar_value[PCI_CARD_BARS];
    uint8_t table[16 * PCI_CARD_VECTORS];
    uint32_t pending; /* messages that are masked */
    bool asserted;    /* the line */
    bool muffled;     /* the line is asserted, and nobody hears of it */

    /* For tests: */
    unsigned by_line;    /* interrupts by the line, */
    unsigned by_message; /* and by MSI-X */
    bool lose_interrupts;
};

/* Fill in identity: vendor, device, class (24 bits: class, subclass,
 * interface), the interrupt line's register and pin. */
void pci_card_identify(struct pci_card *card, uint16_t vendor, uint16_t device,
                       uint32_t class_code);

/* Append a capability at offset `at` (a multiple of 4) to the list. */
void pci_card_capability(struct pci_card *card, uint8_t at, uint8_t id);

/* Put the function into the machine. */
void pci_card_plug(struct pci_card *card);

/* Pull it out of the machine: its BARs read as ones from now on. */
void pci_card_pull(struct pci_card *card);

/* Memory as the function reaches it: a breach when it cannot. `what` is for
 * the sentence: "the ring". */
uint8_t *pci_card_reach(const struct pci_card *card, uint64_t bus, size_t size,
                        const char *what);

/* Drive the interrupt line. */
void pci_card_line(struct pci_card *card, bool asserted);

/* MSI-X: whether the driver has enabled it; send the message of a vector. */
bool pci_card_msix_on(const struct pci_card *card);
void pci_card_message(struct pci_card *card, unsigned vector);

/* One interrupt without a reason. */
void pci_card_spurious(struct pci_card *card);

/* A line that is asserted interrupts again. */
void pci_card_step(struct pci_card *card);

/* Registers of the MSI-X table and the pending bits, for a model that has them
 * in a BAR: offset from the start of each. */
uint32_t pci_card_table_read(struct pci_card *card, size_t offset,
                             unsigned width);
void pci_card_table_write(struct pci_card *card, size_t offset, unsigned width,
                          uint32_t value);
uint32_t pci_card_pending_read(struct pci_card *card, size_t offset,
                               unsigned width);

#endif
