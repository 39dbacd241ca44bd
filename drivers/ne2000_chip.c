#include "drivers/ne2000_chip.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/time.h>

enum {
    ANSWER_READS = 2000, /* of ISR, until remote DMA is complete */
    RESET_READS = 10,
    TRIES = 3, /* at boot, before the card is left out */
    PROM_SIZE = 32,
};

/* ---- The chip's memory --------------------------------------------------- */

static void set16(struct hal_io io, enum ne2000_register reg, unsigned value)
{
    ne2000_set(io, reg, (uint8_t)value);
    ne2000_set(io, reg + 1, (uint8_t)(value >> 8));
}

/* DS 9.0. */
static void remote_begin(struct hal_io io, unsigned address, size_t size,
                         uint8_t command)
{
    assert(size > 0);
    assert(address % 2 == 0);
    set16(io, NE_RSAR0, address);
    set16(io, NE_RBCR0, (unsigned)(size + 1) & ~1U);
    ne2000_set(io, NE_CR, command | NE_STA);
}

/* All bytes have gone through the port: the chip is done in a moment. A read of
 * a port takes 100 ns or more, so this is the deadline. A card that is gone
 * answers with ones, and so were the data. */
static int remote_end(struct hal_io io)
{
    for (unsigned i = 0; i < ANSWER_READS; i++) {
        uint8_t isr = ne2000_get(io, NE_ISR);

        if (isr == UINT8_MAX)
            return -ENODEV;
        if ((isr & NE_RDC) != 0) {
            ne2000_set(io, NE_ISR, NE_RDC);
            return 0;
        }
    }
    return -ETIMEDOUT;
}

int ne2000_copy_out(struct hal_io io, unsigned address, void *to, size_t size)
{
    uint8_t *at = to;
    uint8_t last[2];

    remote_begin(io, address, size, NE_READ);
    for (; size >= 4; size -= 4, at += 4)
        le32_put(at, hal_io_read32(io, NE_DATA));
    for (; size >= 2; size -= 2, at += 2)
        le16_put(at, hal_io_read16(io, NE_DATA));
    if (size > 0) {
        le16_put(last, hal_io_read16(io, NE_DATA));
        *at = last[0];
    }
    return remote_end(io);
}

int ne2000_copy_in(struct hal_io io, unsigned address, const uint8_t *from,
                   size_t size)
{
    remote_begin(io, address, size, NE_WRITE);
    for (; size >= 4; size -= 4, from += 4)
        hal_io_write32(io, NE_DATA, le32_get(from));
    for (; size >= 2; size -= 2, from += 2)
        hal_io_write16(io, NE_DATA, le16_get(from));
    if (size > 0)
        hal_io_write16(io, NE_DATA, *from);
    return remote_end(io);
}

/* ---- Reset and setup ----------------------------------------------------- */

void ne2000_reset(struct hal_io io)
{
    /* On cards before PCI the read begins the reset, and the write ends it. */
    ne2000_set(io, NE_RESET, ne2000_get(io, NE_RESET));
}

bool ne2000_is_reset(struct hal_io io)
{
    for (unsigned i = 0; i < RESET_READS; i++) {
        if ((ne2000_get(io, NE_ISR) & NE_RST) != 0)
            return true;
    }
    return false;
}

int ne2000_reset_wait(struct hal_io io)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t deadline = time_ns() + NE_RESET_NS;

        ne2000_reset(io);
        while (time_ns() < deadline) {
            if (ne2000_is_reset(io))
                return 0;
            hal_cpu_relax();
        }
    }
    return -ETIMEDOUT;
}

int ne2000_setup(struct hal_io io, const uint8_t mac[6], uint8_t rcr)
{
    ne2000_set(io, NE_CR, NE_STP | NE_ABORT);
    if (ne2000_get(io, NE_CR) != (NE_STP | NE_ABORT))
        return -EIO;
    ne2000_set(io, NE_DCR, NE_DCR_WORDS | NE_DCR_NORMAL | NE_DCR_FIFO_8);
    set16(io, NE_RBCR0, 0);
    ne2000_set(io, NE_RCR, rcr);
    ne2000_set(io, NE_TCR, NE_TCR_LOOPBACK);
    ne2000_set(io, NE_PSTART, NE_RX_FIRST);
    ne2000_set(io, NE_PSTOP, NE_RX_END);
    ne2000_set(io, NE_BNRY, NE_RX_FIRST);
    ne2000_set(io, NE_ISR, NE_ISR_ALL);
    ne2000_set(io, NE_IMR, 0);
    ne2000_set(io, NE_CR, NE_STP | NE_ABORT | NE_PAGE1);
    for (unsigned i = 0; i < 6; i++)
        ne2000_set(io, NE_PAR0 + i, mac[i]);
    for (unsigned i = 0; i < 8; i++)
        ne2000_set(io, NE_MAR0 + i, 0xff);
    ne2000_set(io, NE_CURR, NE_RX_FIRST + 1);
    ne2000_set(io, NE_CR, NE_STA | NE_ABORT);
    return 0;
}

/* Reset the card, and read its PROM. */
static int prom_read(struct hal_io io, uint8_t prom[PROM_SIZE])
{
    static const uint8_t none[6];
    int status = ne2000_reset_wait(io);

    if (status == 0)
        status = ne2000_setup(io, none, NE_RCR_MONITOR);
    if (status == 0)
        status = ne2000_copy_out(io, 0, prom, PROM_SIZE);
    return status;
}

int ne2000_read_address(struct hal_io io, uint8_t mac[6])
{
    uint8_t prom[PROM_SIZE];
    int status = -ETIMEDOUT;

    for (unsigned i = 0; status != 0 && i < TRIES; i++)
        status = prom_read(io, prom);
    if (status != 0)
        return status;
    ne2000_set(io, NE_CR, NE_STP | NE_ABORT);
    /* Each byte is there twice, for cards that read by words. */
    for (unsigned i = 0; i < 6; i++)
        mac[i] = prom[2 * i];
    return 0;
}

/* ---- At work ------------------------------------------------------------- */

uint8_t ne2000_current(struct hal_io io)
{
    hal_irqflags flags = hal_irq_save();
    uint8_t page;

    ne2000_set(io, NE_CR, NE_STA | NE_ABORT | NE_PAGE1);
    page = ne2000_get(io, NE_CURR);
    ne2000_set(io, NE_CR, NE_STA | NE_ABORT);
    hal_irq_restore(flags);
    return page;
}

void ne2000_transmit(struct hal_io io, uint8_t page, unsigned len)
{
    assert(page >= NE_TX_FIRST && page + NE_TX_PAGES <= NE_RX_FIRST);
    assert(len <= NE_TX_PAGES * NE_PAGE);
    ne2000_set(io, NE_TPSR, page);
    set16(io, NE_TBCR0, len);
    ne2000_set(io, NE_CR, NE_STA | NE_ABORT | NE_TXP);
}
