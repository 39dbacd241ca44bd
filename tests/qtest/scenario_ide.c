/*
 * [ATA] is ATA/ATAPI-6 (T13/1410D); [BM] "Programming Interface for Bus Master
 * IDE Controller", revision 1.0.
 *
 * Only what a driver may rely on is compared. QEMU 7.2 differs from the
 * documents, and so from the model, in this:
 *
 * - the bit DSC (4) of the status, which [ATA] gives to each command;
 * - the error register after a place beyond the end: ABRT, where [ATA] allows
 *   IDNF as well;
 * - the bus master is not active any more after a command that was refused,
 *   where [BM] wants it to be until it is stopped or its table is at its end.
 */
#include "tests/qtest/scenario_ide.h"
#include "drivers/pci.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    /* The command block; CONTROL apart. */
    DATA = 0,
    ERROR = 1,
    FEATURES = 1,
    COUNT = 2,
    LBA_LOW = 3,
    LBA_MID = 4,
    LBA_HIGH = 5,
    DEVICE = 6,
    STATUS = 7,
    COMMAND = 7,
    BSY = 0x80,
    DRDY = 0x40,
    DF = 0x20,
    DRQ = 0x08,
    ERR = 0x01,
    ABRT = 0x04,
    LBA = 0x40,
    NIEN = 2,
    SRST = 4,
    /* The bus master of a channel. */
    BM_COMMAND = 0,
    BM_STATUS = 2,
    BM_TABLE = 4,
    BM_START = 1,
    BM_TO_MEMORY = 8,
    BM_ACTIVE = 1,
    BM_FAILED = 2,
    BM_INTERRUPT = 4,
    SECTOR = 512,
    MEMORY = 256 << 10,
    TABLE = 192 << 10, /* in it */
    SPREAD = 16,       /* sectors of READ MULTIPLE */
    PATIENCE_MS = 10000,
};

static struct hal_io block[2], control[2], master;
static unsigned interrupts[2];
static unsigned now; /* the channel that is used */
static uint8_t *memory;
static uint8_t *wanted; /* what the disk must hold */

/* ---- Registers ----------------------------------------------------------- */

static void count_irq(void *arg)
{
    ++*(unsigned *)arg;
}

static uint8_t in(size_t at)
{
    return hal_io_read8(block[now], at);
}

static void put(size_t at, uint8_t value)
{
    hal_io_write8(block[now], at, value);
}

/* The status once it can be trusted: after 400 ns. It answers nothing. */
static uint8_t alternate(void)
{
    for (unsigned i = 0; i < 4; i++)
        (void)hal_io_read8(control[now], 0);
    return hal_io_read8(control[now], 0);
}

/* The status when the drive is not busy any more, without DSC. */
static uint8_t await_ready(void)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;

    while ((alternate() & BSY) != 0) {
        if (time_ns() >= end)
            fail_msg("the drive is busy for ever");
        thread_sleep(200 * NS_PER_US);
    }
    return in(STATUS) & ~0x10;
}

/* Whether interrupt number `count` of the channel has come. */
static bool await_irq(unsigned count)
{
    uint64_t end = time_ns() + PATIENCE_MS * NS_PER_MS;

    while (interrupts[now] < count) {
        if (time_ns() >= end)
            return false;
        thread_sleep(200 * NS_PER_US);
    }
    return true;
}

static void command28(uint8_t code, uint32_t lba, uint8_t count)
{
    (void)await_ready();
    put(COUNT, count);
    put(LBA_LOW, (uint8_t)lba);
    put(LBA_MID, (uint8_t)(lba >> 8));
    put(LBA_HIGH, (uint8_t)(lba >> 16));
    put(DEVICE, (uint8_t)(LBA | (lba >> 24 & 15)));
    put(COMMAND, code);
}

static void command48(uint8_t code, uint64_t lba, uint16_t count)
{
    (void)await_ready();
    put(COUNT, (uint8_t)(count >> 8));
    put(LBA_LOW, (uint8_t)(lba >> 24));
    put(LBA_MID, (uint8_t)(lba >> 32));
    put(LBA_HIGH, (uint8_t)(lba >> 40));
    command28(code, (uint32_t)lba & 0xffffff, (uint8_t)count);
}

static bool is_48(uint8_t code)
{
    return code == 0x24 || code == 0x25 || code == 0x29 || code == 0x34 ||
           code == 0x35 || code == 0x39 || code == 0xea || code == 0x42;
}

static void command(uint8_t code, uint64_t lba, uint16_t count)
{
    if (is_48(code))
        command48(code, lba, count);
    else
        command28(code, (uint32_t)lba, (uint8_t)count);
}

/* A command without data; what it leaves. */
static void plain(struct transcript *out, const char *name, uint8_t code,
                  uint8_t features, uint8_t count)
{
    unsigned before = interrupts[now];
    uint8_t status;

    (void)await_ready();
    put(FEATURES, features);
    command28(code, 0, count);
    (void)await_irq(before + 1);
    status = await_ready();
    transcript_add(out, "%s: status %02x, error %02x, interrupts %u", name,
                   status, (status & ERR) != 0 ? in(ERROR) : 0,
                   interrupts[now] - before);
}

/* ---- Resets -------------------------------------------------------------- */

static void signature(struct transcript *out, const char *when)
{
    uint8_t status = await_ready();

    transcript_add(out,
                   "%s: status %02x, error %02x, count %u, LBA %02x %02x %02x, "
                   "device %02x",
                   when, status, in(ERROR), in(COUNT), in(LBA_LOW), in(LBA_MID),
                   in(LBA_HIGH), in(DEVICE)&0x10);
}

static void software_reset(struct transcript *out, const char *name)
{
    hal_io_write8(control[now], 0, SRST);
    thread_sleep(20 * NS_PER_US);
    hal_io_write8(control[now], 0, 0);
    thread_sleep(3 * NS_PER_MS);
    signature(out, name);
}

/* ---- PIO ----------------------------------------------------------------- */

/* Take a block from the data register, or give one. */
static void block_move(uint8_t *at, size_t size, bool is_write)
{
    for (size_t i = 0; i < size; i += 2) {
        if (is_write)
            hal_io_write16(block[now], DATA, le16_get(at + i));
        else
            le16_put(at + i, hal_io_read16(block[now], DATA));
    }
}

/*
 * Move `size` bytes of memory, in blocks of `one` bytes. The drive interrupts
 * when a block is there to be read, and when it has taken one. Returns the
 * status at the end.
 */
static uint8_t data_move(size_t size, size_t one, bool is_write)
{
    unsigned seen = interrupts[now];
    uint8_t status;

    if (!is_write)
        (void)await_irq(++seen);
    status = await_ready();
    for (size_t at = 0; at < size && (status & (DRQ | ERR)) == DRQ; at += one) {
        block_move(memory + at, one, is_write);
        if (is_write || at + one < size)
            (void)await_irq(++seen);
        status = await_ready();
    }
    return status;
}

static void pio(struct transcript *out, uint8_t code, uint64_t lba,
                uint16_t count, unsigned sectors_of_block)
{
    bool is_write = code == 0x30 || code == 0x34 || code == 0xc5;
    unsigned before = interrupts[now];
    size_t size = (size_t)count * SECTOR;
    uint8_t status;

    for (size_t i = 0; i < size; i++)
        memory[i] = (uint8_t)(i * 3 + i / 256 + code);
    command(code, lba, count);
    status = data_move(size, (size_t)sectors_of_block * SECTOR, is_write);
    hal_irq_restore(hal_irq_save()); /* what has come is delivered */
    transcript_add(out, "%s %02x, %llu+%u: status %02x, interrupts %u",
                   is_write ? "write" : "read", code, (unsigned long long)lba,
                   count, status, interrupts[now] - before);
    if ((status & ERR) != 0)
        return;
    if (is_write)
        memcpy(wanted + lba * SECTOR, memory, size);
    else
        assert_memory_equal(memory, wanted + lba * SECTOR, size);
}

static void identify(struct transcript *out)
{
    static const struct {
        uint8_t word;
        uint16_t mask;
    } rows[] = {
        {0, 0x8000},   {47, 0x00ff},  {49, 0x0300},  {53, 0x0006},
        {60, 0xffff},  {61, 0xffff},  {63, 0x0007},  {80, 0x0070},
        {82, 0xc020},  {83, 0xf400},  {84, 0xc000},  {87, 0xc000},
        {88, 0x003f},  {100, 0xffff}, {101, 0xffff}, {102, 0xffff},
        {103, 0xffff}, {106, 0x1000},
    };
    uint8_t status;

    command28(0xec, 0, 0);
    status = data_move(SECTOR, SECTOR, false);
    transcript_add(out, "identify: status %02x", status);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        transcript_add(out, "word %u is %04x", rows[i].word,
                       le16_get(memory + 2 * rows[i].word) & rows[i].mask);
}

/* ---- DMA ----------------------------------------------------------------- */

static void entry(unsigned index, uint32_t offset, uint32_t size, bool last)
{
    le32_put(memory + TABLE + 8 * index,
             (uint32_t)hal_dma_addr(memory) + offset);
    le32_put(memory + TABLE + 8 * index + 4,
             (size & 0xffff) | (last ? UINT32_C(1) << 31 : 0));
}

static void master_put(size_t at, uint8_t value)
{
    hal_io_write8(master, now * 8 + at, value);
}

/* Memory is described by the caller; from 0 on it is `count` sectors. */
static void dma(struct transcript *out, uint8_t code, uint64_t lba,
                uint16_t count)
{
    bool is_write = code == 0xca || code == 0x35;
    uint8_t direction = is_write ? 0 : BM_TO_MEMORY;
    unsigned before = interrupts[now];
    uint8_t status, master_status;

    (void)await_ready();
    hal_io_write32(master, now * 8 + BM_TABLE,
                   (uint32_t)hal_dma_addr(memory) + TABLE);
    master_put(BM_COMMAND, direction);
    master_put(BM_STATUS, BM_FAILED | BM_INTERRUPT);
    command(code, lba, count);
    master_put(BM_COMMAND, direction | BM_START);
    transcript_add(out, "dma %02x, %llu+%u: interrupt %d", code,
                   (unsigned long long)lba, count, await_irq(before + 1));
    master_status = hal_io_read8(master, now * 8 + BM_STATUS);
    master_put(BM_COMMAND, direction);
    status = await_ready();
    transcript_add(out, "master %x, status %02x, interrupts %u",
                   master_status & ((status & ERR) != 0 ? 6 : 7), status,
                   interrupts[now] - before);
    master_put(BM_STATUS, BM_INTERRUPT | BM_FAILED);
    transcript_add(out, "master %x then",
                   hal_io_read8(master, now * 8 + BM_STATUS) & 7);
}

static void dma_steps(struct transcript *out)
{
    /* In pieces. */
    memset(memory, 0xee, 64 << 10);
    entry(0, 0, 700, false);
    entry(1, 0x8000, 20 * SECTOR - 700, true);
    dma(out, 0xc8, 3, 20);
    assert_memory_equal(memory, wanted + 3 * SECTOR, 700);
    assert_int_equal(memory[700], 0xee);
    assert_memory_equal(memory + 0x8000, wanted + 3 * SECTOR + 700,
                        20 * SECTOR - 700);
    /* 0 is 64 KiB, and 0 is 256 sectors. */
    entry(0, 0, 0x10000, false);
    entry(1, 0x10000, 0x10000, true);
    dma(out, 0xc8, 100, 0);
    assert_memory_equal(memory, wanted + 100 * SECTOR, 0x20000);
    entry(0, 0x10000, 512, true);
    dma(out, 0x25, SCENARIO_SECTORS - 1, 1);
    assert_memory_equal(memory + 0x10000,
                        wanted + (SCENARIO_SECTORS - 1) * SECTOR, SECTOR);
    for (unsigned i = 0; i < 2; i++) {
        memset(memory + 0x4000, 0x51 + (int)i, 8 * SECTOR);
        entry(0, 0x4000, 8 * SECTOR, true);
        dma(out, i == 0 ? 0xca : 0x35, 2000 + 4 * i, 8);
        memset(wanted + (2000 + 4 * i) * SECTOR, 0x51 + (int)i, 8 * SECTOR);
    }
    /* Beyond the end. */
    entry(0, 0, 512, true);
    dma(out, 0xc8, SCENARIO_SECTORS, 1);
}

/* ---- All of it ----------------------------------------------------------- */

static void function_found(const struct pci_function *function, void *ctx)
{
    struct transcript *out = ctx;
    uint32_t class_code = hal_pci_read32(function->addr, 0x08) >> 8;

    if (class_code >> 8 != 0x0101)
        return;
    transcript_add(out, "device %04x:%04x, class %06x", function->vendor,
                   function->device, class_code);
    pci_enable(function);
    assert_int_equal(pci_map_bar(function, 4, 0, 16, &master), 0);
}

static void begin(const struct block_side *side, struct transcript *out)
{
    static const uint16_t blocks[] = {0x1f0, 0x170},
                          controls[] = {0x3f6, 0x376};

    wanted = malloc(SCENARIO_SECTORS * SECTOR);
    assert_non_null(wanted);
    scenario_fill(wanted);
    side->make(side, 0);
    side->begin(side);
    side->serve(side);
    pci_scan(function_found, out);
    memory = dma_alloc(2 * MEMORY); /* aligned to 64 KiB by itself */
    assert_non_null(memory);
    memory += (0 - hal_dma_addr(memory)) % 0x10000;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(hal_io_map(HAL_IO_PORT, blocks[i], 8, &block[i]), 0);
        assert_int_equal(hal_io_map(HAL_IO_PORT, controls[i], 1, &control[i]),
                         0);
        interrupts[i] = 0;
        assert_int_equal(
            hal_irq_attach(14 + (int)i, 0, count_irq, &interrupts[i]), 0);
    }
}

static void drive_steps(struct transcript *out)
{
    now = 0;
    software_reset(out, "reset");
    identify(out);
    pio(out, 0x20, 0, 1, 1);
    pio(out, 0x20, 77, 3, 1);
    pio(out, 0x24, SCENARIO_SECTORS - 2, 2, 1);
    pio(out, 0x30, 10, 2, 1);
    pio(out, 0x34, 12, 1, 1);
    pio(out, 0x20, 9, 5, 1);
    pio(out, 0x20, SCENARIO_SECTORS, 1, 1);
    pio(out, 0x24, UINT64_C(1) << 40, 1, 1);
    pio(out, 0x30, SCENARIO_SECTORS, 1, 1);
    plain(out, "flush", 0xe7, 0, 0);
    plain(out, "flush ext", 0xea, 0, 0);
    plain(out, "set multiple", 0xc6, 0, SPREAD);
    pio(out, 0xc4, 50, SPREAD, SPREAD);
    pio(out, 0xc5, 50, SPREAD, SPREAD);
    plain(out, "set multiple of 3", 0xc6, 0, 3);
    plain(out, "no command", 0xff, 0, 0);
    plain(out, "cache on", 0xef, 0x02, 0);
    plain(out, "cache off", 0xef, 0x82, 0);
    plain(out, "transfer mode", 0xef, 0x03, 0x22);
    plain(out, "no feature", 0xef, 0x4f, 0);
    plain(out, "verify", 0x40, 0, 4);
    dma_steps(out);
    software_reset(out, "reset again");
    pio(out, 0x20, 2000, 2, 1);
}

void scenario_ide(const struct block_side *side, struct transcript *out)
{
    uint8_t *held = malloc(SCENARIO_SECTORS * SECTOR);

    begin(side, out);
    drive_steps(out);
    now = 1;
    software_reset(out, "a packet drive");
    plain(out, "identify to a packet drive", 0xec, 0, 0);
    signature(out, "then");
    now = 0;
    put(DEVICE, 0x10);
    transcript_add(out, "drive 1: %02x", alternate());
    put(DEVICE, 0);
    side->end(side);
    side->unmake(side, held);
    assert_memory_equal(held, wanted, SCENARIO_SECTORS * SECTOR);
    free(held);
    free(wanted);
}
