#include "tests/qtest/firmware.h"
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/platform.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/lib/bytes.h"
#include "tests/qtest/qemu.h"
#include <stdlib.h>
#include <string.h>
#include <torc/assert.h>

/* PCI Local Bus specification 3.0, chapter 6. */
enum {
    REG_ID = 0x00,
    REG_COMMAND = 0x04,
    REG_HEADER = 0x0c,
    REG_BAR = 0x10,
    REG_CAPABILITIES = 0x34,
    REG_INTERRUPT = 0x3c,
    BAR_COUNT = 6,
    BAR_IO = 1,
    BAR_64 = 4,
    BAR_TYPE = 6,
    CAP_MSIX = 0x11,
    ENTRY_SIZE = 16,
    ENTRIES_MAX = 64,
    FUNCTIONS_MAX = 16,
    WINDOWS_MAX = 32,
    PORTS_FROM = 0xc000,
    MEMORY_FROM = 0xe0000000u,
    ID_NE2000 = 0x802910ec,
};
#define MEMORY_64_FROM UINT64_C(0x800000000)

/* A function of QEMU's, and its MSI-X table as our machine sees it. */
struct function {
    struct hal_pci_addr addr;
    unsigned table_bar; /* BAR_COUNT: it has none */
    uint32_t table_offset;
    unsigned entries;
    uint8_t entry[ENTRIES_MAX][ENTRY_SIZE]; /* of it the first 12 bytes */
};

/* Registers of QEMU's. */
struct window {
    enum hal_io_space space;
    uint64_t base;
    struct function *function; /* whose table is in them, else NULL */
    size_t data_port;          /* takes data by many writes; NO_PORT: none */
};
#define NO_PORT SIZE_MAX

static struct function functions[FUNCTIONS_MAX];
static unsigned function_count;
static struct window windows[WINDOWS_MAX];
static unsigned window_count;

/* Where the next BAR goes. */
static uint64_t next_port, next_memory, next_memory_64;

/* ---- Messages ------------------------------------------------------------ */

/*
 * An entry of the table has changed: QEMU's has the address where a message is
 * seen, if ours has what hal_irq_msi() gave; else one that ends the test.
 */
static void entry_translate(const struct window *window, unsigned index)
{
    const uint8_t *entry = window->function->entry[index];
    uint64_t at = window->base + window->function->table_offset +
                  (uint64_t)index * ENTRY_SIZE;
    int irq = irq_from_msi(le64_get(entry), le32_get(entry + 8));
    uint32_t address = qemu_message_address(irq < 0 ? QEMU_MESSAGE_TRAP : irq);

    qemu_write(HAL_IO_MEMORY, at, 4, address);
    qemu_write(HAL_IO_MEMORY, at + 4, 4, 0);
    qemu_write(HAL_IO_MEMORY, at + 8, 4, QEMU_MESSAGE);
}

/* The field of an entry at `offset` of a window; NULL when there is none, or
 * when it is the one that masks, which stays as it is. */
static uint8_t *entry_field(const struct window *window, size_t offset,
                            unsigned width)
{
    struct function *function = window->function;
    size_t at;

    if (function == NULL || offset < function->table_offset)
        return NULL;
    at = offset - function->table_offset;
    if (at >= (size_t)function->entries * ENTRY_SIZE || at % ENTRY_SIZE >= 12)
        return NULL;
    if (width != 4 || at % 4 != 0)
        qemu_die("an MSI-X table is accessed with %u bytes at %zu", width, at);
    return &function->entry[at / ENTRY_SIZE][at % ENTRY_SIZE];
}

/* ---- Windows ------------------------------------------------------------- */

static uint32_t window_read(void *model, size_t offset, unsigned width)
{
    const struct window *window = model;
    const uint8_t *field = entry_field(window, offset, width);

    return field != NULL
               ? le32_get(field)
               : qemu_read(window->space, window->base + offset, width);
}

static void window_write(void *model, size_t offset, unsigned width,
                         uint32_t value)
{
    const struct window *window = model;
    uint8_t *field = entry_field(window, offset, width);

    if (offset == window->data_port) {
        qemu_post(window->space, window->base + offset, width, value);
        return;
    }
    if (field == NULL) {
        qemu_write(window->space, window->base + offset, width, value);
        return;
    }
    le32_put(field, value);
    entry_translate(window,
                    (unsigned)(offset - window->function->table_offset) /
                        ENTRY_SIZE);
}

static struct window *window_add(enum hal_io_space space, uint64_t base,
                                 uint64_t size, struct function *function)
{
    struct window *window = &windows[window_count++];
    const struct sim_window ops = {window_read, window_write, window};

    assert(window_count <= WINDOWS_MAX);
    *window = (struct window){space, base, function, NO_PORT};
    if (sim_claim(space, base, size, &ops) != 0)
        qemu_die("too many windows");
    return window;
}

static uint32_t config_read(void *model, unsigned reg)
{
    return qemu_pci_read(((struct function *)model)->addr, reg);
}

static void config_write(void *model, unsigned reg, uint32_t value)
{
    qemu_pci_write(((struct function *)model)->addr, reg, value);
}

/* ---- Addresses ----------------------------------------------------------- */

static uint64_t take(uint64_t *next, uint64_t size)
{
    uint64_t at = (*next + size - 1) & ~(size - 1);

    *next = at + size;
    return at;
}

/* Give one BAR an address; returns how many registers it takes. */
static unsigned bar_place(struct function *function, unsigned bar)
{
    unsigned reg = REG_BAR + 4 * bar;
    uint64_t mask, size, base;
    struct window *window;
    uint32_t low;
    bool is_64, is_io;

    qemu_pci_write(function->addr, reg, UINT32_MAX);
    low = qemu_pci_read(function->addr, reg);
    if (low == 0)
        return 1;
    is_io = (low & BAR_IO) != 0;
    is_64 = !is_io && (low & BAR_TYPE) == BAR_64;
    mask = (low & (is_io ? ~3U : ~15U)) | UINT64_C(0xffffffff) << 32;
    if (is_64) {
        qemu_pci_write(function->addr, reg + 4, UINT32_MAX);
        mask &=
            (uint64_t)qemu_pci_read(function->addr, reg + 4) << 32 | UINT32_MAX;
    }
    size = mask & -mask;
    base = take(is_io   ? &next_port
                : is_64 ? &next_memory_64
                        : &next_memory,
                size);
    qemu_pci_write(function->addr, reg, (uint32_t)base);
    if (is_64)
        qemu_pci_write(function->addr, reg + 4, (uint32_t)(base >> 32));
    window = window_add(is_io ? HAL_IO_PORT : HAL_IO_MEMORY, base, size,
                        bar == function->table_bar ? function : NULL);
    if (is_io && qemu_pci_read(function->addr, REG_ID) == ID_NE2000)
        window->data_port = 0x10;
    return is_64 ? 2 : 1;
}

static void table_find(struct function *function)
{
    unsigned at = qemu_pci_read(function->addr, REG_CAPABILITIES) & 0xfc;
    uint32_t head, where;

    function->table_bar = BAR_COUNT;
    if ((qemu_pci_read(function->addr, REG_COMMAND) & 1 << 20) == 0)
        return;
    for (; at != 0; at = head >> 8 & 0xfc) {
        head = qemu_pci_read(function->addr, at);
        if ((head & 0xff) != CAP_MSIX)
            continue;
        where = qemu_pci_read(function->addr, at + 4);
        function->entries = (head >> 16 & 0x7ff) + 1;
        function->table_bar = where & 7;
        function->table_offset = where & ~7U;
        assert(function->entries <= ENTRIES_MAX);
        /* As after a reset: off. */
        qemu_pci_write(function->addr, at, head & 0xffff);
    }
}

/* ---- Interrupt lines ----------------------------------------------------- */

/*
 * The line of pin 1..4 (INTA..INTD) of a device on bus 0.
 *
 * i440FX: the four pins, turned by the number of the device, are the inputs
 * PIRQA-D of the PIIX3, which registers 60-63 of function 00:01.0 connect with
 * interrupts of the PC (Intel 82371SB, 4.1.10).
 * Q35: devices 0 to 24 have PIRQE-H, turned the same way, and these are the
 * inputs 20 to 23 of the I/O APIC (QEMU's ich9; Intel ICH9, 10.1.31).
 */
static uint8_t line_of(uint16_t host_bridge, unsigned dev, unsigned pin)
{
    static const uint8_t piix[] = {10, 10, 11, 11};

    assert(pin >= 1 && pin <= 4);
    if (host_bridge == 0x1237)
        return piix[(dev + pin - 2) % 4];
    assert(dev < 25);
    return (uint8_t)(20 + (dev + pin - 1) % 4);
}

/* The PIIX3's IDE: both channels answer to the ports that they have on every
 * PC (82371SB, 2.3.9). */
static void ide_open(void)
{
    const struct hal_pci_addr ide = {0, 1, 1};

    qemu_pci_write(ide, 0x40, 0x80008000);
    window_add(HAL_IO_PORT, 0x1f0, 8, NULL)->data_port = 0;
    (void)window_add(HAL_IO_PORT, 0x3f6, 1, NULL);
    window_add(HAL_IO_PORT, 0x170, 8, NULL)->data_port = 0;
    (void)window_add(HAL_IO_PORT, 0x376, 1, NULL);
}

static uint16_t host_bridge_id(void)
{
    const struct hal_pci_addr bridge = {0, 0, 0};
    const struct hal_pci_addr piix = {0, 1, 0};
    uint16_t id = (uint16_t)(qemu_pci_read(bridge, REG_ID) >> 16);

    if (id == 0x1237) {
        qemu_pci_write(piix, 0x60, 0x0b0b0a0a);
        ide_open();
    } else if (id != 0x29c0) {
        qemu_die("an unknown host bridge, %04x", id);
    }
    return id;
}

/* ---- All of it ----------------------------------------------------------- */

static void function_add(struct hal_pci_addr addr, uint16_t host_bridge)
{
    struct function *function = &functions[function_count++];
    const struct sim_pci ops = {config_read, config_write, function};
    uint32_t interrupt = qemu_pci_read(addr, REG_INTERRUPT);
    unsigned pin = interrupt >> 8 & 0xff;
    unsigned header = qemu_pci_read(addr, REG_HEADER) >> 16 & 0x7f;

    assert(function_count <= FUNCTIONS_MAX);
    *function = (struct function){.addr = addr};
    qemu_pci_write(addr, REG_COMMAND, 0);
    table_find(function);
    if (header == 0)
        for (unsigned bar = 0; bar < BAR_COUNT;)
            bar += bar_place(function, bar);
    if (pin != 0 && addr.dev < 25)
        qemu_pci_write(addr, REG_INTERRUPT,
                       (interrupt & ~0xffU) |
                           line_of(host_bridge, addr.dev, pin));
    if (sim_pci(addr, &ops) != 0)
        qemu_die("too many functions");
}

static void run_pci(void)
{
    uint16_t host_bridge;

    function_count = window_count = 0;
    next_port = PORTS_FROM;
    next_memory = MEMORY_FROM;
    next_memory_64 = MEMORY_64_FROM;
    sim_reset();
    host_bridge = host_bridge_id();
    for (uint8_t dev = 0; dev < 32; dev++) {
        for (uint8_t fn = 0; fn < 8; fn++) {
            struct hal_pci_addr addr = {0, dev, fn};

            if (qemu_pci_read(addr, REG_ID) != UINT32_MAX)
                function_add(addr, host_bridge);
            else if (fn == 0)
                break;
        }
    }
    sim_check();
}

/*
 * QEMU's microvm, with the option ioapic2=off: eight places of 512 bytes, with
 * the lines 16 to 23.
 */
static void run_microvm(void)
{
    enum { PLACES = 8, SIZE = 512, LINE = 16 };
    const uint64_t from = 0xfeb00000;

    window_count = 0;
    sim_reset();
    for (unsigned i = 0; i < PLACES; i++) {
        struct hal_platform_device device = {.id = "LNRO0005",
                                             .base = from + i * SIZE,
                                             .size = SIZE,
                                             .irq = (int)(LINE + i)};

        (void)window_add(HAL_IO_MEMORY, device.base, SIZE, NULL);
        if (platform_add(&device) != 0)
            qemu_die("too many platform devices");
    }
}

void firmware_run(const char *machine)
{
    if (strncmp(machine, "microvm", strlen("microvm")) == 0)
        run_microvm();
    else
        run_pci();
}
