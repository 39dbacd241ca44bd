/*
 * The registers of Intel's 82540EM and 82574L: reset, address, set-up, link.
 * Knows no packets.
 */
#ifndef TORC_DRIVERS_E1000_CHIP_H
#define TORC_DRIVERS_E1000_CHIP_H

#include "drivers/e1000_regs.h"
#include "drivers/pci.h"
#include "hal/hal.h"
#include <stdbool.h>
#include <stdint.h>

struct e1000_chip {
    /* constant after e1000_chip_open(): */
    struct pci_function pci;
    struct hal_io io;
    bool is_82574;
    /* owner CPU only: */
    bool is_msix;            /* set before e1000_chip_setup() */
    uint64_t reset_begun_ns; /* while a reset is under way, else 0 */
};

static inline uint32_t e1000_read(const struct e1000_chip *chip,
                                  enum e1000_register reg)
{
    return hal_io_read32(chip->io, reg);
}

static inline void e1000_write(const struct e1000_chip *chip,
                               enum e1000_register reg, uint32_t value)
{
    hal_io_write32(chip->io, reg, value);
}

/* Whether the function is one of these cards; then fill in what it is. */
bool e1000_chip_is(const struct pci_function *function,
                   struct e1000_chip *chip);

/* Map its registers and let it work. Returns 0, or as pci_map_bar(). */
must_check int e1000_chip_open(struct e1000_chip *chip);

/*
 * Read the card's address: from its EEPROM, or, when that has a wrong checksum
 * or does not answer, what the firmware has left in the registers. Waits at
 * most 100 ms. Returns 0, -EIO (neither has the address of one card).
 */
must_check int e1000_chip_address(const struct e1000_chip *chip,
                                  uint8_t mac[6]);

/*
 * Begin a reset: no register may be accessed until e1000_chip_reset_poll()
 * returns something else than -EAGAIN: 0, the card accesses no memory and has
 * forgotten everything; -ETIMEDOUT, it does not reset. Do not wait.
 */
void e1000_chip_reset_begin(struct e1000_chip *chip);
must_check int e1000_chip_reset_poll(struct e1000_chip *chip);

/* Both, waiting at most 100 ms; a reset that is under way, of a start that has
 * failed, is not begun again. Returns 0, -ETIMEDOUT. */
must_check int e1000_chip_reset(struct e1000_chip *chip);

/* Where the rings are: of `rx_size` and `tx_size` descriptors (multiples of
 * 8). */
struct e1000_rings {
    uint64_t rx_bus, tx_bus;
    unsigned rx_size, tx_size;
};

/* After a reset: set everything up, with empty rings. Nothing interrupts. */
void e1000_chip_setup(const struct e1000_chip *chip, const uint8_t mac[6],
                      const struct e1000_rings *rings);

/* Let in the frames of these groups, too; anew after each set-up. */
void e1000_chip_listen(const struct e1000_chip *chip, const uint8_t mac[6],
                       const uint8_t groups[][6], unsigned count);

/* Whether there is a link; and whether the card is still there, and as it was
 * set up. */
bool e1000_chip_link(const struct e1000_chip *chip);
bool e1000_chip_present(const struct e1000_chip *chip);
bool e1000_chip_is_set_up(const struct e1000_chip *chip);

/* Causes of interrupts, as this card and its kind of interrupt name them. */
uint32_t e1000_cause_rx(const struct e1000_chip *chip);
uint32_t e1000_cause_tx(const struct e1000_chip *chip);
uint32_t e1000_cause_link(const struct e1000_chip *chip);

/*
 * Take the causes that were noted since the last time. What happens from now
 * on is noted anew: memory that is read afterwards shows what was noted before.
 */
uint32_t e1000_causes_take(const struct e1000_chip *chip);

#endif
