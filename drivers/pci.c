#include "drivers/pci.h"
#include "kernel/device/device.h"
#include <torc/assert.h>
#include <torc/log.h>

enum {
    BUS_COUNT = 256,
    KNOWN_MAX = 64,
    CONFIG_SIZE = 256,
    REG_ID = 0x00,
    REG_COMMAND = 0x04, /* status in the upper half */
    REG_CLASS = 0x08,
    REG_HEADER = 0x0c, /* header type: bits 16-23 */
    REG_BAR = 0x10,
    REG_BUSES = 0x18, /* of a bridge: secondary in bits 8-15 */
    REG_SUBSYSTEM = 0x2c,
    REG_CAPABILITIES = 0x34,
    REG_INTERRUPT = 0x3c,
    COMMAND_IO = 1,
    COMMAND_MEMORY = 2,
    COMMAND_MASTER = 4,
    COMMAND_INTX_OFF = 1 << 10,
    STATUS_CAPABILITIES = 1 << 20,
    HEADER_MULTI = 0x80,
    HEADER_BRIDGE = 1,
    CLASS_HOST_BRIDGE = 0x0600,
    BAR_IO = 1,
    BAR_TYPE = 6,
    BAR_64 = 4,
    CAP_FIRST = 0x40,
    CAP_MSIX = 0x11,
    MSIX_ENABLE = UINT32_C(1) << 31,
    MSIX_MASK_ALL = 1 << 30,
    MSIX_ENTRY_SIZE = 16,
};

static uint32_t read(const struct pci_function *function, unsigned reg)
{
    return hal_pci_read32(function->addr, reg);
}

static void write(const struct pci_function *function, unsigned reg,
                  uint32_t value)
{
    hal_pci_write32(function->addr, reg, value);
}

uint8_t pci_read8(const struct pci_function *function, unsigned reg)
{
    assert(reg < CONFIG_SIZE);
    return (uint8_t)(read(function, reg & ~3U) >> 8 * (reg & 3));
}

uint16_t pci_read16(const struct pci_function *function, unsigned reg)
{
    assert(reg < CONFIG_SIZE);
    assert(reg % 2 == 0);
    return (uint16_t)(read(function, reg & ~3U) >> 8 * (reg & 2));
}

/* ---- Enumeration --------------------------------------------------------- */

/* Buses found so far, each once, so that a loop of bridges ends. */
struct scan {
    bool seen[BUS_COUNT];
    uint8_t queue[BUS_COUNT];
    unsigned count;
};

static void bus_add(struct scan *scan, uint8_t bus)
{
    if (scan->seen[bus])
        return;
    assert(scan->count < BUS_COUNT);
    scan->seen[bus] = true;
    scan->queue[scan->count++] = bus;
}

/* Fill `function` and *header, its header type. Returns whether anything
 * answers at its address. */
static bool function_read(struct pci_function *function, uint8_t *header)
{
    uint32_t id = read(function, REG_ID);

    if ((id & 0xffff) == 0xffff || id == 0)
        return false;
    function->vendor = (uint16_t)id;
    function->device = (uint16_t)(id >> 16);
    function->subsystem = (uint16_t)(read(function, REG_SUBSYSTEM) >> 16);
    function->irq_line = (uint8_t)read(function, REG_INTERRUPT);
    *header = (uint8_t)(read(function, REG_HEADER) >> 16);
    return true;
}

/*
 * A host bridge besides the one at 00:00.0 leads to buses of its own, with
 * numbers that only the firmware's bytecode tells: look at all of them, last.
 */
static bool is_another_root(const struct pci_function *function)
{
    return read(function, REG_CLASS) >> 16 == CLASS_HOST_BRIDGE &&
           (function->addr.bus | function->addr.dev | function->addr.fn) != 0;
}

static void buses_add_all(struct scan *scan)
{
    for (unsigned bus = 1; bus < BUS_COUNT; bus++)
        bus_add(scan, (uint8_t)bus);
}

/*
 * What was found in this boot: with several roots a scan reads from 65,536
 * addresses, and each driver wants one. CPU 0 only.
 */
static struct {
    unsigned epoch; /* of the boot; another one: nothing is known */
    unsigned count; /* > KNOWN_MAX: there are too many to know them */
    struct hal_pci_addr at[KNOWN_MAX];
} known;

static void known_add(struct hal_pci_addr addr)
{
    if (known.count < KNOWN_MAX)
        known.at[known.count] = addr;
    known.count++;
}

static void known_again(void (*found)(const struct pci_function *function,
                                      void *ctx),
                        void *ctx)
{
    for (unsigned i = 0; i < known.count; i++) {
        struct pci_function function = {.addr = known.at[i]};
        uint8_t header;

        if (function_read(&function, &header))
            found(&function, ctx);
    }
}

void pci_scan(void (*found)(const struct pci_function *function, void *ctx),
              void *ctx)
{
    struct scan scan = {.count = 0};
    bool more_roots = false;

    if (known.epoch == device_epoch() && known.count <= KNOWN_MAX) {
        known_again(found, ctx);
        return;
    }
    known.epoch = 0;
    known.count = 0;
    bus_add(&scan, 0);
    for (unsigned i = 0; i < scan.count; i++) {
        for (unsigned slot = 0; slot < 32 * 8; slot++) {
            struct pci_function function = {.addr = {scan.queue[i],
                                                     (uint8_t)(slot / 8),
                                                     (uint8_t)(slot % 8)}};
            uint8_t header;

            if (!function_read(&function, &header)) {
                slot |= function.addr.fn == 0 ? 7 : 0; /* next device */
                continue;
            }
            if ((header & 0x7f) == HEADER_BRIDGE) {
                bus_add(&scan, (uint8_t)(read(&function, REG_BUSES) >> 8));
            } else {
                known_add(function.addr);
                found(&function, ctx);
            }
            more_roots = more_roots || is_another_root(&function);
            if (function.addr.fn == 0 && (header & HEADER_MULTI) == 0)
                slot |= 7;
        }
        if (more_roots && i + 1 == scan.count)
            buses_add_all(&scan);
    }
    known.epoch = device_epoch();
}

unsigned pci_capability(const struct pci_function *function, uint8_t id,
                        unsigned after)
{
    unsigned at = pci_read8(function, REG_CAPABILITIES) & ~3U;
    bool is_behind = after == 0;
    bool seen[CONFIG_SIZE / 4] = {
        false}; /* by offset / 4: a list that loops ends */

    if ((read(function, REG_COMMAND) & STATUS_CAPABILITIES) == 0)
        return 0;
    while (at >= CAP_FIRST && !seen[at / 4]) {
        seen[at / 4] = true;
        if (is_behind && pci_read8(function, at) == id)
            return at;
        if (at == after)
            is_behind = true;
        at = pci_read8(function, at + 1) & ~3U;
    }
    return 0;
}

/* ---- BARs ---------------------------------------------------------------- */

/* The bits of a BAR that say what it is; the others are its address. */
static uint64_t bar_flags(uint32_t low)
{
    return (low & BAR_IO) != 0 ? 3 : 15;
}

static uint64_t bar_read(const struct pci_function *function, unsigned reg,
                         bool is_64)
{
    uint64_t low = read(function, reg);

    return is_64 ? (uint64_t)read(function, reg + 4) << 32 | low : low;
}

static void bar_write(const struct pci_function *function, unsigned reg,
                      bool is_64, uint64_t value)
{
    write(function, reg, (uint32_t)value);
    if (is_64)
        write(function, reg + 4, (uint32_t)(value >> 32));
}

/*
 * The size of a BAR: the lowest address bit that can be set (6.2.5.1); 0: there
 * is no such BAR. The function answers to no access meanwhile.
 */
static uint64_t bar_size(const struct pci_function *function, unsigned reg,
                         bool is_64)
{
    uint32_t command = read(function, REG_COMMAND) & 0xffff;
    uint64_t before = bar_read(function, reg, is_64);
    uint64_t mask;

    write(function, REG_COMMAND,
          command & ~(uint32_t)(COMMAND_IO | COMMAND_MEMORY));
    bar_write(function, reg, is_64, UINT64_MAX);
    mask = bar_read(function, reg, is_64) & ~bar_flags((uint32_t)before);
    bar_write(function, reg, is_64, before);
    write(function, REG_COMMAND, command);
    assert(is_64 || mask <= UINT32_MAX);
    return mask & -mask;
}

/* Where a BAR's register is, what it says of itself, and how wide it is. */
static unsigned bar_find(const struct pci_function *function, unsigned bar,
                         uint32_t *low, bool *is_64)
{
    unsigned reg = REG_BAR + 4 * bar;

    *low = read(function, reg);
    *is_64 = (*low & (BAR_IO | BAR_TYPE)) == BAR_64 && bar + 1 < PCI_BAR_COUNT;
    return reg;
}

uint64_t pci_bar_size(const struct pci_function *function, unsigned bar)
{
    uint32_t low;
    unsigned reg;
    bool is_64;

    if (bar >= PCI_BAR_COUNT)
        return 0;
    reg = bar_find(function, bar, &low, &is_64);
    return bar_size(function, reg, is_64);
}

int pci_map_bar(const struct pci_function *function, unsigned bar,
                uint64_t offset, uint64_t size, struct hal_io *io)
{
    uint64_t base, length;
    uint32_t low;
    unsigned reg;
    bool is_64;

    if (bar >= PCI_BAR_COUNT || size == 0)
        return -EINVAL;
    reg = bar_find(function, bar, &low, &is_64);
    length = bar_size(function, reg, is_64);
    if (size > length || offset > length - size)
        return -EINVAL;
    base = bar_read(function, reg, is_64) & ~bar_flags(low);
    if (base == 0)
        return -ENODEV;
    return hal_io_map((low & BAR_IO) != 0 ? HAL_IO_PORT : HAL_IO_MEMORY,
                      base + offset, size, io);
}

void pci_enable(const struct pci_function *function)
{
    uint32_t command = read(function, REG_COMMAND) & 0xffff;

    write(function, REG_COMMAND,
          (command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER) &
              ~(uint32_t)COMMAND_INTX_OFF);
}

int pci_isolate(const struct pci_function *function)
{
    uint32_t command = read(function, REG_COMMAND) & 0xffff;

    write(function, REG_COMMAND, command & ~(uint32_t)COMMAND_MASTER);
    return (read(function, REG_COMMAND) & COMMAND_MASTER) == 0 ? 0 : -EIO;
}

/* ---- Interrupts ---------------------------------------------------------- */

static uint32_t msix_control(const struct pci_msix *msix)
{
    return read(&msix->function, msix->cap) &
           ~(uint32_t)(MSIX_ENABLE | MSIX_MASK_ALL);
}

bool pci_msix_is_on(const struct pci_function *function)
{
    unsigned cap = pci_capability(function, CAP_MSIX, 0);

    return cap != 0 && (read(function, cap) & MSIX_ENABLE) != 0;
}

static void intx_off(const struct pci_function *function, bool off)
{
    uint32_t command = read(function, REG_COMMAND) & 0xffff;

    write(function, REG_COMMAND,
          off ? command | COMMAND_INTX_OFF
              : command & ~(uint32_t)COMMAND_INTX_OFF);
}

int pci_msix_open(const struct pci_function *function, struct pci_msix *msix)
{
    uint32_t where;
    int status;

    *msix = (struct pci_msix){.function = *function};
    msix->cap = pci_capability(function, CAP_MSIX, 0);
    if (msix->cap == 0)
        return -ENODEV;
    msix->count = (read(function, msix->cap) >> 16 & 0x7ff) + 1;
    where = read(function, msix->cap + 4);
    status = pci_map_bar(function, where & 7, where & ~7U,
                         (uint64_t)msix->count * MSIX_ENTRY_SIZE, &msix->table);
    if (status != 0)
        return status;
    write(function, msix->cap,
          msix_control(msix) | MSIX_ENABLE | MSIX_MASK_ALL);
    for (unsigned i = 0; i < msix->count; i++)
        hal_io_write32(msix->table, i * MSIX_ENTRY_SIZE + 12, 1);
    intx_off(function, true);
    write(function, msix->cap, msix_control(msix) | MSIX_ENABLE);
    return 0;
}

int pci_msix_attach(const struct pci_msix *msix, unsigned index, unsigned cpu,
                    void (*handler)(void *), void *arg)
{
    size_t entry = index * MSIX_ENTRY_SIZE;
    uint64_t addr;
    uint32_t data;
    int irq, status;

    assert(index < msix->count);
    assert(handler != NULL);
    irq = hal_irq_msi(cpu, &addr, &data);
    if (irq < 0)
        return irq;
    status = hal_irq_attach(irq, cpu, handler, arg);
    if (status != 0)
        return status;
    hal_io_write32(msix->table, entry + 12, 1);
    hal_io_write32(msix->table, entry, (uint32_t)addr);
    hal_io_write32(msix->table, entry + 4, (uint32_t)(addr >> 32));
    hal_io_write32(msix->table, entry + 8, data);
    hal_io_write32(msix->table, entry + 12, 0);
    return 0;
}

void pci_msix_close(const struct pci_msix *msix)
{
    write(&msix->function, msix->cap, msix_control(msix));
    intx_off(&msix->function, false);
}

int pci_attach_line(const struct pci_function *function, unsigned cpu,
                    void (*handler)(void *), void *arg)
{
    if (function->irq_line == 0 || function->irq_line == 255)
        return -ENODEV;
    return hal_irq_attach(function->irq_line, cpu, handler, arg);
}

int pci_attach_irq(const struct pci_function *function, unsigned cpu,
                   void (*handler)(void *), void *arg, bool *is_msix)
{
    struct pci_msix msix;
    int status = pci_msix_open(function, &msix);

    if (status == 0) {
        status = pci_msix_attach(&msix, 0, cpu, handler, arg);
        if (status != 0)
            pci_msix_close(&msix);
    }
    *is_msix = status == 0;
    if (*is_msix)
        return 0;
    if (msix.cap != 0)
        log_warn("pci %02x:%02x.%x: MSI-X does not work (error %d): the "
                 "interrupt line is used",
                 function->addr.bus, function->addr.dev, function->addr.fn,
                 status);
    return pci_attach_line(function, cpu, handler, arg);
}
