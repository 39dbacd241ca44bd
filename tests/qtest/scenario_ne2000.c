/*
 * Names are those of National's data sheet of the DP8390D/NS32490D.
 *
 * Only what a driver may rely on is compared.
 */
#include "tests/qtest/scenario_ne2000.h"
#include "drivers/pci.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>
#include <torc/compiler.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    PORTS = 32,
    CR = 0x00, /* page 0: */
    PSTART = 0x01,
    PSTOP = 0x02,
    BNRY = 0x03,
    TPSR = 0x04,
    TSR = 0x04,
    TBCR = 0x05,
    ISR = 0x07,
    RSAR = 0x08,
    RBCR = 0x0a,
    RCR = 0x0c,
    TCR = 0x0d,
    DCR = 0x0e,
    IMR = 0x0f,
    PAR = 0x01, /* page 1: */
    CURR = 0x07,
    MAR = 0x08,
    DATA = 0x10,
    RESET = 0x1f,
    CR_STP = 1,
    CR_STA = 2,
    CR_TXP = 4,
    CR_READ = 1 << 3,
    CR_WRITE = 2 << 3,
    CR_ABORT = 4 << 3,
    CR_PAGE1 = 1 << 6,
    ISR_PRX = 1,
    ISR_PTX = 2,
    ISR_RDC = 0x40,
    ISR_RST = 0x80,
    TX = 0x40, /* pages: 0x40 to 0x45 to send, */
    START = 0x46,
    STOP = 0x60, /* 0x46 to 0x5f to receive: it goes round soon */
    BROADCAST = 4,
    MULTICAST = 8,
    PROMISCUOUS = 0x10,
    PATIENCE_MS = 5000,
};

static struct hal_io io;
static int line;
static unsigned interrupts;
static unsigned next_page; /* where the next frame is */

static uint8_t get(size_t at)
{
    return hal_io_read8(io, at);
}

static void set(size_t at, uint8_t value)
{
    hal_io_write8(io, at, value);
}

static void count_irq(void *arg)
{
    (void)arg;
    interrupts++;
    set(IMR, 0); /* it is a level */
}

/* Whether these bits of ISR come soon. */
static bool await_isr(uint8_t bits)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;

    while ((get(ISR) & bits) != bits) {
        if (time_ns() >= end)
            return false;
        thread_sleep(200 * NS_PER_US);
    }
    return true;
}

/* ---- Remote DMA, by words ------------------------------------------------ */

static void remote_begin(uint16_t at, uint16_t size, uint8_t operation)
{
    set(ISR, ISR_RDC);
    set(RSAR, (uint8_t)at);
    set(RSAR + 1, (uint8_t)(at >> 8));
    set(RBCR, (uint8_t)size);
    set(RBCR + 1, (uint8_t)(size >> 8));
    set(CR, (uint8_t)((get(CR) & (CR_STP | CR_STA)) | operation));
}

static void remote_read(uint16_t at, uint8_t *to, uint16_t size)
{
    remote_begin(at, size, CR_READ);
    for (unsigned i = 0; i < size; i += 2)
        le16_put(to + i, hal_io_read16(io, DATA));
    assert_true(await_isr(ISR_RDC));
    set(ISR, ISR_RDC);
}

static void remote_write(uint16_t at, const uint8_t *from, uint16_t size)
{
    remote_begin(at, size, CR_WRITE);
    for (unsigned i = 0; i < size; i += 2)
        hal_io_write16(io, DATA, le16_get(from + i));
    assert_true(await_isr(ISR_RDC));
    set(ISR, ISR_RDC);
}

/* ---- The start ----------------------------------------------------------- */

static void function_found(const struct pci_function *function, void *ctx)
{
    struct transcript *out = ctx;

    if (function->vendor != 0x10ec)
        return;
    transcript_add(out, "device %04x, class %06x, pin %u", function->device,
                   hal_pci_read32(function->addr, 0x08) >> 8,
                   pci_read8(function, 0x3d));
    pci_enable(function);
    assert_int_equal(pci_map_bar(function, 0, 0, PORTS, &io), 0);
    line = function->irq_line;
}

static void reset(struct transcript *out)
{
    set(RESET, get(RESET));
    transcript_add(out, "reset: %d", await_isr(ISR_RST));
    set(CR, CR_STP | CR_ABORT);
    transcript_add(out, "CR is %02x", get(CR));
}

static void address_read(struct transcript *out)
{
    uint8_t prom[32];

    set(DCR, 0x49); /* words, no loopback, FIFO of 8 bytes */
    remote_read(0, prom, sizeof(prom));
    transcript_add(out, "PROM %02x %02x %02x %02x %02x %02x, ends in %02x%02x",
                   prom[0], prom[2], prom[4], prom[6], prom[8], prom[10],
                   prom[28], prom[30]);
    assert_int_equal(prom[0], scenario_mac[0]);
    assert_int_equal(prom[10], scenario_mac[5]);
}

static void start(struct transcript *out)
{
    set(RBCR, 0);
    set(RBCR + 1, 0);
    set(RCR, BROADCAST);
    set(TCR, 2); /* loopback, until it runs */
    set(PSTART, START);
    set(PSTOP, STOP);
    set(BNRY, START);
    set(ISR, 0xff);
    set(IMR, 0);
    set(CR, CR_STP | CR_ABORT | CR_PAGE1);
    for (unsigned i = 0; i < 6; i++)
        set(PAR + i, scenario_mac[i]);
    for (unsigned i = 0; i < 8; i++)
        set(MAR + i, 0);
    set(CURR, START + 1);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(get(PAR + i), scenario_mac[i]);
    transcript_add(out, "CURR is %02x", get(CURR));
    set(CR, CR_STA | CR_ABORT);
    set(TCR, 0);
    next_page = START + 1;
    transcript_add(out, "CR is %02x, BNRY %02x", get(CR), get(BNRY));
}

static void memory(struct transcript *out)
{
    uint8_t data[600];

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 11 + i / 256);
    remote_write(TX << 8, data, sizeof(data));
    memset(data, 0, sizeof(data));
    remote_read((TX << 8) + 2, data, sizeof(data) - 2);
    transcript_add(out, "memory %016llx",
                   (unsigned long long)transcript_sum(data, sizeof(data)));
    assert_int_equal(data[0], 22);
}

/* ---- Frames -------------------------------------------------------------- */

static void frame_fill(uint8_t *frame, size_t len, const uint8_t *to)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, scenario_peer_mac, 6);
    be16_put(frame + 12, 0x88b5);
    for (size_t i = 14; i < len; i++)
        frame[i] = (uint8_t)(i * 7 + len);
}

static void transmit(const struct net_side *side, struct transcript *out,
                     size_t len)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;
    uint8_t frame[SCENARIO_FRAME_MAX + 1] = {0};
    unsigned before = interrupts;
    size_t got;
    bool is_told;

    frame_fill(frame, len, scenario_peer_mac);
    remote_write(TX << 8, frame, (uint16_t)((len + 1) & ~(size_t)1));
    set(TPSR, TX);
    set(TBCR, (uint8_t)len);
    set(TBCR + 1, (uint8_t)(len >> 8));
    set(IMR, ISR_PTX);
    set(CR, CR_STA | CR_ABORT | CR_TXP);
    while ((got = side->cable_take(side, frame, sizeof(frame))) == 0 &&
           time_ns() < end)
        thread_sleep(200 * NS_PER_US);
    is_told = await_isr(ISR_PTX);
    transcript_add(out, "sent %zu: %zu, sum %016llx, told: %d, TSR %x", len,
                   got, (unsigned long long)transcript_sum(frame, got), is_told,
                   get(TSR) & 1);
    while (interrupts == before && time_ns() < end)
        thread_sleep(200 * NS_PER_US);
    transcript_add(out, "interrupts %u, CR is %02x", interrupts - before,
                   get(CR));
    set(ISR, ISR_PTX);
    transcript_add(out, "ISR is %02x", get(ISR));
}

/* Take the frame out of the ring. */
static void frame_take(struct transcript *out)
{
    uint8_t header[4], frame[SCENARIO_FRAME_MAX + 5];
    unsigned at = next_page * 256 + 4;
    unsigned len, first;

    remote_read((uint16_t)(next_page << 8), header, sizeof(header));
    len = le16_get(header + 2) - 4U; /* of it, 4 of the header */
    assert_true(len <= sizeof(frame));
    first = STOP * 256 - at; /* up to where the ring goes on at its start */
    first = first < len ? first : (len + 1) & ~1U;
    remote_read((uint16_t)at, frame, (uint16_t)first);
    if (first < len)
        remote_read(START << 8, frame + first,
                    (uint16_t)((len - first + 1) & ~1U));
    transcript_add(out, "status %x, next %02x, length %u, sum %016llx",
                   header[0] & 1, header[1], len + 4,
                   (unsigned long long)transcript_sum(frame, len & ~3U));
    next_page = header[1];
    set(BNRY, (uint8_t)(next_page == START ? STOP - 1 : next_page - 1));
}

static uint8_t current(void)
{
    uint8_t page;

    set(CR, CR_STA | CR_ABORT | CR_PAGE1);
    page = get(CURR);
    set(CR, CR_STA | CR_ABORT);
    return page;
}

static void receive(const struct net_side *side, struct transcript *out,
                    size_t len, const uint8_t *to, bool wanted)
{
    uint8_t frame[SCENARIO_FRAME_MAX];

    frame_fill(frame, len, to);
    (void)side->cable_send(side, frame, len);
    if (!wanted) {
        thread_sleep(50 * NS_PER_MS);
        transcript_add(out, "unwanted %zu: ISR %02x, CURR %02x", len, get(ISR),
                       current());
        return;
    }
    transcript_add(out, "received %zu: %d", len, await_isr(ISR_PRX));
    transcript_add(out, "CURR %02x", current());
    set(ISR, ISR_PRX);
    frame_take(out);
}

static void frames(const struct net_side *side, struct transcript *out)
{
    static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
    static const uint8_t another[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
    static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
    static const size_t lengths[] = {60, 61, 252, 253, 248, 1514};

    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        transmit(side, out, lengths[i]);
    receive(side, out, 60, scenario_mac, true);
    receive(side, out, 100, everybody, true);
    receive(side, out, 100, another, false);
    receive(side, out, 100, group, false);
    set(RCR, BROADCAST | PROMISCUOUS);
    receive(side, out, 100, another, true);
    set(RCR, 0);
    receive(side, out, 100, everybody, false);
    set(RCR, BROADCAST | MULTICAST);
    receive(side, out, 100, group, false); /* no bit of MAR is set */
    for (unsigned i = 0; i < 12; i++)      /* round the ring, and again */
        receive(side, out, lengths[i % COUNT_OF(lengths)], scenario_mac, true);
}

void scenario_ne2000(const struct net_side *side, struct transcript *out)
{
    side->make(side);
    side->begin(side);
    interrupts = 0;
    pci_scan(function_found, out);
    assert_int_equal(hal_irq_attach(line, 0, count_irq, NULL), 0);
    reset(out);
    address_read(out);
    start(out);
    memory(out);
    frames(side, out);
    side->end(side);
    side->unmake(side);
}
