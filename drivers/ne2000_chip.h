/*
 * The chip of an NE2000 on PCI, Realtek's RTL8029AS: its registers, and its
 * memory, which is reached through a port only. Names of registers and bits are
 * those of the data sheets: DS is National's of the DP8390D/NS32490D (July
 * 1995), RS is Realtek's of the RTL8029AS (1997).
 *
 * Whoever calls these functions is the chip's owner CPU. Registers are those of
 * page 0 whenever interrupts are on, so that an interrupt handler may read ISR
 * and write IMR at any time.
 */
#ifndef TORC_DRIVERS_NE2000_CHIP_H
#define TORC_DRIVERS_NE2000_CHIP_H

#include "hal/hal.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Registers: DS 10.0. Some are others when they are read, or on page 1. */
enum ne2000_register {
    NE_CR = 0x00,
    NE_PSTART = 0x01, /* first page of the receive ring, */
    NE_PSTOP = 0x02,  /* the page behind its last, */
    NE_BNRY = 0x03,   /* the page that the chip must not write into */
    NE_TSR = 0x04,    /* read */
    NE_TPSR = 0x04,   /* written: first page of the frame to send, */
    NE_TBCR0 = 0x05,  /* its length, */
    NE_TBCR1 = 0x06,  /* upper byte */
    NE_ISR = 0x07,
    NE_RSAR0 = 0x08, /* remote DMA: address, */
    NE_RSAR1 = 0x09,
    NE_RBCR0 = 0x0a, /* bytes */
    NE_RBCR1 = 0x0b,
    NE_RCR = 0x0c,   /* written */
    NE_TCR = 0x0d,   /* written */
    NE_DCR = 0x0e,   /* written */
    NE_IMR = 0x0f,   /* written */
    NE_CNTR0 = 0x0d, /* read: frames that end within a byte, */
    NE_CNTR1 = 0x0e, /* with a wrong check sequence (those too), */
    NE_CNTR2 = 0x0f, /* that found no room. Reading sets to 0 */
    NE_PAR0 = 0x01,  /* page 1: the chip's Ethernet address */
    NE_CURR = 0x07,  /* page 1: where the chip writes the next frame */
    NE_MAR0 = 0x08,  /* page 1: which groups are received, 64 bits */
    NE_DATA = 0x10,  /* RS: 2 or 4 bytes at once */
    NE_RESET = 0x1f,
    NE_PORTS = 0x20,
};

enum {
    /* CR */
    NE_STP = 1,
    NE_STA = 1 << 1,
    NE_TXP = 1 << 2,
    NE_READ = 1 << 3,
    NE_WRITE = 1 << 4,
    NE_ABORT = 1 << 5, /* no remote DMA */
    NE_PAGE1 = 1 << 6,
    /* ISR, IMR */
    NE_PRX = 1,      /* a frame was received, */
    NE_PTX = 1 << 1, /* was sent, */
    NE_RXE = 1 << 2, /* was received with an error, */
    NE_TXE = 1 << 3, /* was not sent: collisions, or the chip was too slow */
    NE_OVW = 1 << 4, /* the receive ring is full */
    NE_RDC = 1 << 6, /* remote DMA is complete */
    NE_RST = 1 << 7, /* the chip is stopped. Not in IMR */
    NE_ISR_ALL = 0xff,
    /* DCR */
    NE_DCR_WORDS = 1,
    NE_DCR_NORMAL = 1 << 3, /* no loopback */
    NE_DCR_FIFO_8 = 2 << 5, /* local DMA in bursts of 8 bytes */
    /* TCR */
    NE_TCR_LOOPBACK = 1 << 1,
    /* RCR */
    NE_RCR_BROADCAST = 1 << 2,
    NE_RCR_GROUPS = 1 << 3,
    NE_RCR_MONITOR = 1 << 5, /* receive nothing */
    /* Status of a received frame */
    NE_RSR_PRX = 1, /* without errors */
};

/*
 * The chip's memory, in pages of 256 bytes: RS has 16 KiB at page 0x40. Two
 * frames to send, then the receive ring.
 */
enum {
    NE_PAGE = 256,
    NE_TX_FIRST = 0x40,
    NE_TX_SLOTS = 2,
    NE_TX_PAGES = 6, /* of a slot: 1,536 bytes */
    NE_RX_FIRST = NE_TX_FIRST + NE_TX_SLOTS * NE_TX_PAGES,
    NE_RX_END = 0x80,
    NE_RX_PAGES = NE_RX_END - NE_RX_FIRST,
};

static inline uint8_t ne2000_get(struct hal_io io, enum ne2000_register reg)
{
    return hal_io_read8(io, reg);
}

static inline void ne2000_set(struct hal_io io, enum ne2000_register reg,
                              uint8_t value)
{
    hal_io_write8(io, reg, value);
}

/*
 * Copy `size` bytes (> 0) out of the chip's memory at `address` (even), or into
 * it; `size` is rounded up to an even number for the chip, and for what is
 * written. No remote DMA is under way. The chip is started. Returns 0,
 * -ETIMEDOUT (the chip does not end it: only a reset helps), -ENODEV (it is
 * gone).
 */
must_check int ne2000_copy_out(struct hal_io io, unsigned address, void *to,
                               size_t size);
must_check int ne2000_copy_in(struct hal_io io, unsigned address,
                              const uint8_t *from, size_t size);

/* Reset the chip: soon, and NE_RESET_NS later at the latest, ne2000_is_reset(),
 * which looks for some microseconds. It is stopped, then. */
#define NE_RESET_NS UINT64_C(10000000)
void ne2000_reset(struct hal_io io);
bool ne2000_is_reset(struct hal_io io);

/* The same, and wait. At boot. Returns 0, -ETIMEDOUT. */
must_check int ne2000_reset_wait(struct hal_io io);

/*
 * Set up and start a chip that is reset: DS 11.0. It is in loopback, the ring
 * is empty, nothing interrupts. `rcr` is what it is to receive as soon as
 * TCR is set to 0. Returns 0, -EIO (nothing like it answers).
 */
must_check int ne2000_setup(struct hal_io io, const uint8_t mac[6],
                            uint8_t rcr);

/* Read the card's Ethernet address. At boot. The chip is stopped after that.
 * Returns 0, -EIO, -ETIMEDOUT. */
must_check int ne2000_read_address(struct hal_io io, uint8_t mac[6]);

/* The page where the chip writes the next frame, as it says. */
uint8_t ne2000_current(struct hal_io io);

/* Send the frame of `len` bytes at `page`. */
void ne2000_transmit(struct hal_io io, uint8_t page, unsigned len);

#endif
