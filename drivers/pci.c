#include "drivers/pci.h"
#include "kernel/lib/check.h"

enum {
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
    BAR_IO = 1,
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
    return (uint8_t)(read(function, reg & ~3U) >> 8 * (reg & 3));
}

uint16_t pci_read16(const struct pci_function *function, unsigned reg)
{
    return (uint16_t)(read(function, reg & ~3U) >> 8 * (reg & 2));
}

/* ---- Enumeration --------------------------------------------------------- */

/* Buses seen and buses to look at, so that a loop of bridges ends. */
struct scan {
    uint64_t seen[4];
    uint8_t queue[256];
    unsigned count;
};

static void bus_add(struct scan *scan, uint8_t bus)
{
    uint64_t bit = UINT64_C(1) << bus % 64;

    if ((scan->seen[bus / 64] & bit) != 0)
        return;
    scan->seen[bus / 64] |= bit;
    scan->queue[scan->count++] = bus;
}

/* Fill `function` if something answers at its address; its header type. */
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

void pci_scan(void (*found)(const struct pci_function *function, void *ctx),
              void *ctx)
{
    struct scan scan = {.count = 0};

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
            if ((header & 0x7f) == HEADER_BRIDGE)
                bus_add(&scan, (uint8_t)(read(&function, REG_BUSES) >> 8));
            else
                found(&function, ctx);
            if (function.addr.fn == 0 && (header & HEADER_MULTI) == 0)
                slot |= 7;
        }
    }
}

unsigned pci_capability(const struct pci_function *function, uint8_t id,
                        unsigned after)
{
    unsigned at = pci_read8(function, REG_CAPABILITIES) & ~3U;
    bool is_behind = after == 0;
    uint64_t seen = 0; /* by offset / 4: a list that loops ends */

    if ((read(function, REG_COMMAND) & STATUS_CAPABILITIES) == 0)
        return 0;
    while (at >= CAP_FIRST && (seen >> at / 4 & 1) == 0) {
        seen |= UINT64_C(1) << at / 4;
        if (is_behind && pci_read8(function, at) == id)
            return at;
        if (at == after)
            is_behind = true;
        at = pci_read8(function, at + 1) & ~3U;
    }
    return 0;
}

/* ---- BARs ---------------------------------------------------------------- */

/* Size a BAR by writing ones (6.2.5.1), with the function deaf meanwhile. */
static uint64_t bar_size(const struct pci_function *function, unsigned reg,
                         uint32_t low, bool is_64)
{
    uint32_t command = read(function, REG_COMMAND) & 0xffff;
    uint32_t high = is_64 ? read(function, reg + 4) : 0;
    uint64_t mask;

    write(function, REG_COMMAND,
          command & ~(uint32_t)(COMMAND_IO | COMMAND_MEMORY));
    write(function, reg, UINT32_MAX);
    if (is_64)
        write(function, reg + 4, UINT32_MAX);
    mask = read(function, reg);
    mask |= (is_64 ? (uint64_t)read(function, reg + 4) : UINT32_MAX) << 32;
    write(function, reg, low);
    if (is_64)
        write(function, reg + 4, high);
    write(function, REG_COMMAND, command);
    if ((low & BAR_IO) != 0)
        return -(mask & ~UINT64_C(3) & 0xffff) & 0xffff;
    if ((uint32_t)(mask & ~UINT64_C(15)) == 0 && !is_64)
        return 0; /* not there: no bit stayed */
    return -(mask & ~UINT64_C(15));
}

int pci_map_bar(const struct pci_function *function, unsigned bar,
                uint64_t offset, uint64_t size, struct hal_io *io)
{
    unsigned reg = REG_BAR + 4 * bar;
    uint64_t base, length;
    uint32_t low;
    bool is_64;

    if (bar >= PCI_BAR_COUNT || size == 0)
        return -EINVAL;
    low = read(function, reg);
    is_64 = (low & (BAR_IO | 6)) == BAR_64 && bar + 1 < PCI_BAR_COUNT;
    length = bar_size(function, reg, low, is_64);
    if (offset > length || size > length - offset)
        return -EINVAL;
    if ((low & BAR_IO) != 0)
        base = low & ~UINT32_C(3);
    else
        base = (low & ~UINT32_C(15)) |
               (is_64 ? (uint64_t)read(function, reg + 4) << 32 : 0);
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

/* ---- Interrupts ---------------------------------------------------------- */

/* MSI-X: 6.8.2. All entries but the first stay masked. */
static int attach_msix(const struct pci_function *function, unsigned cap,
                       unsigned cpu, void (*handler)(void *), void *arg)
{
    uint32_t control = read(function, cap);
    uint32_t where = read(function, cap + 4);
    unsigned entries = (control >> 16 & 0x7ff) + 1;
    struct hal_io table;
    uint64_t addr;
    uint32_t data;
    int status = pci_map_bar(function, where & 7, where & ~7U,
                             (uint64_t)entries * MSIX_ENTRY_SIZE, &table);
    int irq;

    if (status != 0)
        return status;
    irq = hal_irq_msi(cpu, &addr, &data);
    if (irq < 0)
        return irq;
    status = hal_irq_attach(irq, cpu, handler, arg);
    if (status != 0)
        return status;
    write(function, cap, control | MSIX_ENABLE | MSIX_MASK_ALL);
    for (unsigned i = 0; i < entries; i++)
        hal_io_write32(table, i * MSIX_ENTRY_SIZE + 12, 1);
    hal_io_write32(table, 0, (uint32_t)addr);
    hal_io_write32(table, 4, (uint32_t)(addr >> 32));
    hal_io_write32(table, 8, data);
    hal_io_write32(table, 12, 0);
    write(function, REG_COMMAND,
          (read(function, REG_COMMAND) & 0xffff) | COMMAND_INTX_OFF);
    write(function, cap, (control | MSIX_ENABLE) & ~(uint32_t)MSIX_MASK_ALL);
    return 0;
}

int pci_attach_irq(const struct pci_function *function, unsigned cpu,
                   void (*handler)(void *), void *arg, bool *is_msix)
{
    unsigned cap = pci_capability(function, CAP_MSIX, 0);

    *is_msix = cap != 0 && attach_msix(function, cap, cpu, handler, arg) == 0;
    if (*is_msix)
        return 0;
    if (function->irq_line == 0 || function->irq_line == 255)
        return -ENODEV;
    return hal_irq_attach(function->irq_line, cpu, handler, arg);
}
