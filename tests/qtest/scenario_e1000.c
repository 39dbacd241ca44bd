/*
 * Names and numbers are those of the "PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual" (SDM), chapters 3 and 13, and of the
 * "82574 GbE Controller Family Datasheet", chapter 10.
 *
 * Only what a driver may rely on is compared. QEMU 7.2 differs from the
 * documents, and so from the model, in this:
 *
 * - values after a reset: flow control, LEDs, management, inter-frame gap;
 * - frames below 60 bytes leave without padding (TCTL.PSP, SDM 13.4.33);
 * - bytes and sizes are counted without the check sequence, and frames that no
 *   filter wanted are not counted (TPR, TOR, PRCn, PTCn: SDM 13.7);
 * - the 82574L: ICR has INT_ASSERTED when nothing is asserted, and none of the
 *   causes of its queues; a received frame that was not checked lacks IXSM.
 */
#include "tests/qtest/scenario_e1000.h"
#include "drivers/pci.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>
#include <torc/compiler.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    BAR_SIZE = 0x20000,
    RING = 16,
    BUFFER = 2048,
    CTRL = 0x0000,
    STATUS = 0x0008,
    EERD = 0x0014,
    MDIC = 0x0020,
    ICR = 0x00c0,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    TIPG = 0x0410,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    MTA = 0x5200,
    CTRL_FD = 1,
    CTRL_SLU = 1 << 6,
    CTRL_RST = 1 << 26,
    PATIENCE_MS = 5000,
};

static struct hal_io io;
static bool is_82574;
static uint8_t *rx_ring, *tx_ring, *buffers;

static uint32_t get(size_t at)
{
    return hal_io_read32(io, at);
}

static void set(size_t at, uint32_t value)
{
    hal_io_write32(io, at, value);
}

static uint8_t *rx_buffer(unsigned index)
{
    return buffers + BUFFER * index;
}

static uint8_t *tx_buffer(unsigned index)
{
    return buffers + BUFFER * (RING + index);
}

/* ---- Waiting ------------------------------------------------------------- */

/* Whether all bits of `mask` became `value` soon. */
static bool await(size_t at, uint32_t mask, uint32_t value)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;

    while ((get(at) & mask) != value) {
        if (time_ns() >= end)
            return false;
        thread_sleep(200 * NS_PER_US);
    }
    return true;
}

/* Whether the card has written DD into this descriptor. */
static bool await_done(const uint8_t *descriptor)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;

    while ((*(const volatile uint8_t *)(descriptor + 12) & 1) == 0) {
        if (time_ns() >= end)
            return false;
        thread_sleep(200 * NS_PER_US);
    }
    return true;
}

/* ---- What it is ---------------------------------------------------------- */

static void function_found(const struct pci_function *function, void *ctx)
{
    struct transcript *out = ctx;

    if (function->vendor != 0x8086 ||
        (function->device != 0x100e && function->device != 0x10d3))
        return;
    is_82574 = function->device == 0x10d3;
    transcript_add(out, "device %04x, class %06x, pin %u", function->device,
                   hal_pci_read32(function->addr, 0x08) >> 8,
                   pci_read8(function, 0x3d));
    pci_enable(function);
    assert_int_equal(pci_map_bar(function, 0, 0, BAR_SIZE, &io), 0);
    transcript_add(out, "command %04x", pci_read16(function, 4));
}

static void reset(struct transcript *out)
{
    set(IMC, UINT32_MAX);
    set(CTRL, get(CTRL) | CTRL_RST);
    thread_sleep(10 * NS_PER_US);
    transcript_add(out, "reset ends: %d", await(CTRL, CTRL_RST, 0));
    set(IMC, UINT32_MAX);
    (void)get(ICR);
}

/* A row of a table of registers, of which only `mask` is compared. */
struct reg_row {
    const char *name;
    uint16_t at;
    uint32_t mask;
};

static void registers_read(struct transcript *out, const struct reg_row *rows,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        transcript_add(out, "%s is %08x", rows[i].name,
                       get(rows[i].at) & rows[i].mask);
}

static void after_reset(struct transcript *out)
{
    static const struct reg_row rows[] = {
        {"VET", 0x0038, UINT32_MAX},   {"ITR", 0x00c4, UINT32_MAX},
        {"IMS", 0x00d0, UINT32_MAX},   {"RCTL", 0x0100, UINT32_MAX},
        {"TCTL.EN", 0x0400, 2},        {"PBA", 0x1000, UINT32_MAX},
        {"RDBAL", 0x2800, UINT32_MAX}, {"RDBAH", 0x2804, UINT32_MAX},
        {"RDLEN", 0x2808, UINT32_MAX}, {"RDH", 0x2810, UINT32_MAX},
        {"RDT", 0x2818, UINT32_MAX},   {"RDTR", 0x2820, UINT32_MAX},
        {"RADV", 0x282c, UINT32_MAX},  {"TDBAL", 0x3800, UINT32_MAX},
        {"TDBAH", 0x3804, UINT32_MAX}, {"TDLEN", 0x3808, UINT32_MAX},
        {"TDH", 0x3810, UINT32_MAX},   {"TDT", 0x3818, UINT32_MAX},
        {"TIDV", 0x3820, UINT32_MAX},  {"TADV", 0x382c, UINT32_MAX},
        {"RAL0", 0x5400, UINT32_MAX},  {"RAH0", 0x5404, UINT32_MAX},
        {"RAH1.AV", 0x540c, 1U << 31},
    };
    static const struct reg_row rows_82574[] = {
        {"EIAC", 0x00dc, UINT32_MAX},  {"IAM", 0x00e0, UINT32_MAX},
        {"IVAR", 0x00e4, UINT32_MAX},  {"EITR0", 0x00e8, UINT32_MAX},
        {"EITR4", 0x00f8, UINT32_MAX}, {"RFCTL", 0x5008, UINT32_MAX},
        {"MRQC", 0x5818, UINT32_MAX},  {"RDBAL1", 0x2900, UINT32_MAX},
        {"RDT1", 0x2918, UINT32_MAX},
    };

    registers_read(out, rows, COUNT_OF(rows));
    if (is_82574)
        registers_read(out, rows_82574, COUNT_OF(rows_82574));
}

/* ICR, without INT_ASSERTED and the causes of the 82574L's queues. */
static uint32_t icr(void)
{
    return get(ICR) & 0x1ffff;
}

/* ---- EEPROM and PHY ------------------------------------------------------ */

static uint16_t eeprom(unsigned word)
{
    set(EERD, is_82574 ? word << 2 | 1 : word << 8 | 1);
    assert_true(await(EERD, is_82574 ? 2 : 16, is_82574 ? 2 : 16));
    return (uint16_t)(get(EERD) >> 16);
}

static void eeprom_read(struct transcript *out)
{
    uint16_t sum = 0;

    for (unsigned word = 0; word < 64; word++) {
        uint16_t value = eeprom(word);

        sum = (uint16_t)(sum + value);
        if (word < 3) /* the address */
            transcript_add(out, "EEPROM %u is %04x", word, value);
    }
    transcript_add(out, "EEPROM's sum is %04x", sum);
}

static uint32_t phy(unsigned op, unsigned at, uint16_t value)
{
    set(MDIC, op << 26 | 1 << 21 | at << 16 | value);
    assert_true(await(MDIC, 1 << 28, 1 << 28));
    return get(MDIC);
}

static void phy_read(struct transcript *out)
{
    static const struct {
        uint8_t at;
        uint16_t mask;
    } rows[] = {
        {0, 0xffff}, {1, 0x0004}, {2, 0xffff}, {3, 0xffff}, {4, 0xffff},
    };

    (void)phy(2, 1, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        transcript_add(out, "PHY %u is %04x", rows[i].at,
                       phy(2, rows[i].at, 0) & rows[i].mask);
    set(MDIC, 2 << 26 | 2 << 21 | 2 << 16); /* there is one PHY, number 1 */
    transcript_add(out, "another PHY: %d", await(MDIC, 5 << 28, 5 << 28));
    transcript_add(out, "PHY 4 becomes %08x", phy(1, 4, 0x01e1));
    transcript_add(out, "PHY 4 is %08x", phy(2, 4, 0));
}

/* Autonegotiation takes the link away and brings it again. */
static void negotiate(struct transcript *out)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;
    uint32_t status;

    set(CTRL, (get(CTRL) | CTRL_SLU | CTRL_FD) & ~(UINT32_C(1) << 31));
    transcript_add(out, "link: %d", await(STATUS, 2, 2));
    (void)get(ICR);
    (void)phy(1, 0, 0x1340);
    do {
        thread_sleep(NS_PER_MS);
        status = phy(2, 1, 0) & 0x24;
    } while (status != 0x24 && time_ns() < end);
    transcript_add(out, "negotiated: %x, link: %d, PHY 0 is %04x", status,
                   await(STATUS, 2, 2), phy(2, 0, 0) & 0xffff);
    transcript_add(out, "link has changed: %x", icr() & 4);
}

/* ---- Interrupt causes ---------------------------------------------------- */

static void causes(struct transcript *out)
{
    (void)get(ICR);
    set(ICS, 0x10);
    transcript_add(out, "ICR, masked: %08x", icr());
    transcript_add(out, "ICR again: %08x", icr());
    set(IMS, 0x14);
    transcript_add(out, "IMS is %08x", get(IMS));
    set(ICS, 0x14);
    transcript_add(out, "ICR, wanted: %08x", icr());
    transcript_add(out, "ICR again: %08x", icr());
    set(ICS, 0x14);
    set(ICR, 0x04);
    transcript_add(out, "ICR, one written: %08x", icr());
    set(IMC, 0x10);
    transcript_add(out, "IMS is %08x", get(IMS));
    set(IMC, UINT32_MAX);
    transcript_add(out, "IMS is %08x", get(IMS));
    (void)get(ICR);
}

/* ---- Frames -------------------------------------------------------------- */

static void rings_make(struct transcript *out)
{
    set(CTRL, (get(CTRL) | CTRL_SLU | CTRL_FD) & ~(UINT32_C(1) << 31));
    transcript_add(out, "link: %d", await(STATUS, 2, 2));
    transcript_add(out, "STATUS is %08x", get(STATUS) & 3);
    for (unsigned i = 0; i < 128; i++)
        set(MTA + 4 * i, 0);
    memset(rx_ring, 0, RING * 16);
    memset(tx_ring, 0, RING * 16);
    for (unsigned i = 0; i < RING; i++)
        le64_put(rx_ring + 16 * i, hal_dma_addr(rx_buffer(i)));
    set(RDBAL, (uint32_t)hal_dma_addr(rx_ring));
    set(RDBAL + 4, (uint32_t)(hal_dma_addr(rx_ring) >> 32));
    set(RDLEN, RING * 16);
    set(RDH, 0);
    set(RDT, 0);
    set(TDBAL, (uint32_t)hal_dma_addr(tx_ring));
    set(TDBAL + 4, (uint32_t)(hal_dma_addr(tx_ring) >> 32));
    set(TDLEN, RING * 16);
    set(TDH, 0);
    set(TDT, 0);
    set(TIPG, 10 | 8 << 10 | 6 << 20);
    set(RDT, RING - 1);
    set(RCTL, 1 << 1 | 1 << 15 | 1 << 26);               /* EN, BAM, SECRC */
    set(TCTL, 1 << 1 | 1 << 3 | 0x0f << 4 | 0x40 << 12); /* EN, PSP */
    transcript_add(out, "RCTL %08x, TCTL %08x, RDT %u", get(RCTL), get(TCTL),
                   get(RDT));
    (void)get(ICR);
}

static void frame_fill(uint8_t *frame, size_t len, const uint8_t *to)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, scenario_peer_mac, 6);
    be16_put(frame + 12, 0x88b5);
    for (size_t i = 14; i < len; i++)
        frame[i] = (uint8_t)(i * 7 + len);
}

static size_t cable_await(const struct net_side *side, uint8_t *frame,
                          size_t size)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;
    size_t len;

    while ((len = side->cable_take(side, frame, size)) == 0 && time_ns() < end)
        thread_sleep(200 * NS_PER_US);
    return len;
}

/* Send one frame in one descriptor: EOP, and what `command` says. */
static void transmit(const struct net_side *side, struct transcript *out,
                     unsigned index, size_t len, uint8_t command)
{
    uint8_t *descriptor = tx_ring + 16 * index;
    uint8_t frame[SCENARIO_FRAME_MAX + 1];
    size_t got;

    frame_fill(tx_buffer(index), len, scenario_peer_mac);
    memset(descriptor, 0, 16);
    le64_put(descriptor, hal_dma_addr(tx_buffer(index)));
    le16_put(descriptor + 8, (uint16_t)len);
    descriptor[11] = command | 1;
    set(TDT, (index + 1) % RING);
    got = cable_await(side, frame, sizeof(frame));
    if ((command & 8) != 0)
        assert_true(await_done(descriptor));
    transcript_add(out, "sent %zu: %zu, sum %016llx, status %02x, head %u", len,
                   got, (unsigned long long)transcript_sum(frame, got),
                   descriptor[12], get(TDH));
    transcript_add(out, "ICR is %08x", icr());
}

/* A frame arrives for descriptor `index`, if the card wants it. */
static void receive(const struct net_side *side, struct transcript *out,
                    unsigned index, size_t len, const uint8_t *to, bool wanted)
{
    uint8_t *descriptor = rx_ring + 16 * index;
    uint8_t frame[SCENARIO_FRAME_MAX];

    frame_fill(frame, len, to);
    (void)side->cable_send(side, frame, len);
    if (!wanted) {
        thread_sleep(50 * NS_PER_MS);
        transcript_add(out, "unwanted %zu: status %02x, head %u", len,
                       descriptor[12], get(RDH));
        return;
    }
    transcript_add(out, "received: %d", await_done(descriptor));
    transcript_add(out,
                   "length %u, status %02x, errors %02x, special %04x, "
                   "head %u, sum %016llx",
                   le16_get(descriptor + 8), descriptor[12] & 3, descriptor[13],
                   le16_get(descriptor + 14), get(RDH),
                   (unsigned long long)transcript_sum(
                       rx_buffer(index), le16_get(descriptor + 8)));
    transcript_add(out, "ICR is %08x", icr());
}

static void statistics(struct transcript *out)
{
    static const struct reg_row rows[] = {
        {"GPRC", 0x4074, UINT32_MAX},
        {"BPRC", 0x4078, UINT32_MAX},
        {"MPRC", 0x407c, UINT32_MAX},
        {"GPTC", 0x4080, UINT32_MAX},
        {"RNBC", 0x40a0, UINT32_MAX},
        {"RUC", 0x40a4, UINT32_MAX},
        {"ROC", 0x40ac, UINT32_MAX},
        {"TPT", 0x40d4, UINT32_MAX},
        {"MPTC", 0x40f0, UINT32_MAX},
        {"BPTC", 0x40f4, UINT32_MAX},
        {"GPTC, read before,", 0x4080, UINT32_MAX},
    };

    registers_read(out, rows, COUNT_OF(rows));
}

static void frames(const struct net_side *side, struct transcript *out)
{
    static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
    static const uint8_t another[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
    static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};

    transmit(side, out, 0, 60, 8 | 2); /* RS, IFCS */
    transmit(side, out, 1, 1514, 8 | 2);
    transmit(side, out, 2, 100, 8 | 2);
    transmit(side, out, 3, 100, 2);
    transmit(side, out, 4, 61, 8 | 2);
    receive(side, out, 0, 60, scenario_mac, true);
    receive(side, out, 1, 1514, scenario_mac, true);
    receive(side, out, 2, 100, everybody, true);
    receive(side, out, 3, 100, another, false);
    receive(side, out, 3, 100, group, false);
    receive(side, out, 3, 101, scenario_mac, true);
    statistics(out);
}

void scenario_e1000(const struct net_side *side, struct transcript *out)
{
    side->make(side);
    side->begin(side);
    pci_scan(function_found, out);
    rx_ring = dma_alloc(RING * 16);
    tx_ring = dma_alloc(RING * 16);
    buffers = dma_alloc((size_t)2 * RING * BUFFER);
    assert_non_null(buffers);
    reset(out);
    after_reset(out);
    eeprom_read(out);
    phy_read(out);
    negotiate(out);
    causes(out);
    rings_make(out);
    frames(side, out);
    side->end(side);
    side->unmake(side);
}
