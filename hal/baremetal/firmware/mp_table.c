#include "hal/baremetal/firmware/mp_table.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

enum {
    POINTER_TABLE = 4,
    POINTER_LENGTH = 8, /* in 16 bytes */
    POINTER_DEFAULT = 11,
    DEFAULT_MAX = 7,
    HEADER_SIZE = 44,
    HEADER_LENGTH = 4,
    ENTRY_CPU = 0,
    ENTRY_BUS = 1,
    ENTRY_IOAPIC = 2,
    ENTRY_INTERRUPT = 3,
    ENTRY_LOCAL = 4,
    CPU_SIZE = 20,
    OTHER_SIZE = 8,
    ENABLED = 1,
    INTERRUPT_VECTORED = 0,
    IOAPIC_ALL = 0xff,
    LEVEL_ACTIVE_LOW = 3 << 2 | 3,
    ISA_IRQS = 16,
    DEFAULT_CPUS = 2,
};
#define DEFAULT_IOAPIC 0xfec00000

/* What entries say that later ones refer to. */
struct context {
    struct platform_info *info;
    bool bus_is_pci[256];
    bool bus_is_isa[256];
    bool has_ioapic;
    uint8_t ioapic_id; /* of the first one */
};

static uint8_t byte_sum(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum;
}

bool mp_is_pointer(const uint8_t *bytes, size_t size)
{
    return size >= MP_POINTER_SIZE && memcmp(bytes, "_MP_", 4) == 0 &&
           bytes[POINTER_LENGTH] == 1 && byte_sum(bytes, MP_POINTER_SIZE) == 0;
}

static void ioapic_add(struct context *ctx, uint8_t id, uint32_t base)
{
    struct platform_info *info = ctx->info;

    if (info->ioapic_count == COUNT_OF(info->ioapic))
        return;
    info->ioapic[info->ioapic_count].base = base;
    info->ioapic[info->ioapic_count].gsi =
        info->ioapic_count == 0 ? 0 : PLATFORM_GSI_FOLLOWS;
    info->ioapic_count++;
    if (!ctx->has_ioapic) {
        ctx->has_ioapic = true;
        ctx->ioapic_id = id;
    }
}

static void irq_set(struct platform_info *info, uint8_t irq, uint8_t line,
                    uint16_t flags)
{
    info->isa_irq[irq].gsi = line;
    info->isa_irq[irq].flags = flags;
    info->isa_irq[irq].set = true;
}

/*
 * An interrupt of the ISA or PCI bus that goes to a line of the first I/O APIC.
 * Flags of 0 mean as the bus does it, which on PCI is level, active low. A PCI
 * device knows its line by the number in its configuration space, which
 * firmware sets to that of the line.
 */
static void interrupt_add(struct context *ctx, const uint8_t *entry)
{
    uint16_t flags = le16_get(entry + 2);
    uint8_t bus = entry[4], source = entry[5], line = entry[7];

    if (entry[1] != INTERRUPT_VECTORED || !ctx->has_ioapic ||
        (entry[6] != ctx->ioapic_id && entry[6] != IOAPIC_ALL))
        return;
    if (ctx->bus_is_isa[bus] && source < ISA_IRQS)
        irq_set(ctx->info, source, line, flags);
    else if (ctx->bus_is_pci[bus] && line < ISA_IRQS)
        irq_set(ctx->info, line, line, flags == 0 ? LEVEL_ACTIVE_LOW : flags);
}

static void entry_add(struct context *ctx, const uint8_t *entry)
{
    switch (entry[0]) {
    case ENTRY_CPU:
        if ((entry[3] & ENABLED) != 0)
            platform_cpu_add(ctx->info, entry[1]);
        break;
    case ENTRY_BUS:
        ctx->bus_is_pci[entry[1]] = memcmp(entry + 2, "PCI", 3) == 0;
        ctx->bus_is_isa[entry[1]] = memcmp(entry + 2, "ISA", 3) == 0 ||
                                    memcmp(entry + 2, "EISA", 4) == 0;
        break;
    case ENTRY_IOAPIC:
        if ((entry[3] & ENABLED) != 0)
            ioapic_add(ctx, entry[1], le32_get(entry + 4));
        break;
    case ENTRY_INTERRUPT:
        interrupt_add(ctx, entry);
        break;
    default:
        break;
    }
}

/* The sizes follow from the type; behind an unknown one nothing is known. */
static void entries_parse(struct context *ctx, const uint8_t *table,
                          size_t size)
{
    for (size_t at = HEADER_SIZE; at < size;) {
        size_t length = table[at] == ENTRY_CPU ? CPU_SIZE : OTHER_SIZE;

        if (table[at] > ENTRY_LOCAL || length > size - at)
            return;
        entry_add(ctx, table + at);
        at += length;
    }
}

/* Two CPUs and one I/O APIC, and no table of them (chapter 5). */
static void default_set(struct context *ctx)
{
    for (uint8_t id = 0; id < DEFAULT_CPUS; id++)
        platform_cpu_add(ctx->info, id);
    ioapic_add(ctx, DEFAULT_CPUS, DEFAULT_IOAPIC);
    irq_set(ctx->info, 0, 2, 0);
}

bool mp_parse(struct platform_info *info, const struct physical_memory *memory,
              uint64_t pointer)
{
    struct context ctx = {.info = info};
    const uint8_t *bytes = memory->map(pointer, MP_POINTER_SIZE);
    const uint8_t *table;
    uint32_t address;
    uint16_t length;

    if (bytes == NULL || !mp_is_pointer(bytes, MP_POINTER_SIZE))
        return false;
    if (bytes[POINTER_DEFAULT] != 0) {
        if (bytes[POINTER_DEFAULT] > DEFAULT_MAX)
            return false;
        default_set(&ctx);
        return true;
    }
    address = le32_get(bytes + POINTER_TABLE);
    table = memory->map(address, HEADER_SIZE);
    if (table == NULL || memcmp(table, "PCMP", 4) != 0)
        return false;
    length = le16_get(table + HEADER_LENGTH);
    if (length < HEADER_SIZE)
        return false;
    table = memory->map(address, length);
    if (table == NULL || byte_sum(table, length) != 0)
        return false;
    entries_parse(&ctx, table, length);
    return true;
}
