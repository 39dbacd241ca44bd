/*
 * ACPI tables to struct platform_info: ACPI specification 6.4, chapter 5. Pure:
 * the bytes come from a function, and every one of them may be wrong. A damaged
 * table counts as missing.
 */
#include "hal/baremetal/firmware/acpi_tables.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>

enum {
    RSDP_SIZE = 20,
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
    RSDP_SIZE_2 = 36,
    HEADER_SIZE = 36,
    HEADER_LENGTH = 4,
    HEADER_REVISION = 8,
    TABLE_SIZE_MAX = 1024 * 1024,
    TABLE_COUNT_MAX = 64,
};

struct context {
    struct platform_info *info;
    const struct physical_memory *memory;
};

static uint8_t byte_sum(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum;
}

bool acpi_is_rsdp(const uint8_t *bytes, size_t size)
{
    return size >= RSDP_SIZE && memcmp(bytes, "RSD PTR ", 8) == 0 &&
           byte_sum(bytes, RSDP_SIZE) == 0;
}

/* A whole table with a right checksum, and its length; or NULL. */
static const uint8_t *table_get(const struct context *ctx, uint64_t address,
                                size_t *size)
{
    const uint8_t *header = ctx->memory->map(address, HEADER_SIZE);
    const uint8_t *table;
    uint32_t length;

    if (header == NULL)
        return NULL;
    length = le32_get(header + HEADER_LENGTH);
    if (length < HEADER_SIZE || length > TABLE_SIZE_MAX)
        return NULL;
    table = ctx->memory->map(address, length);
    if (table == NULL || byte_sum(table, length) != 0)
        return NULL;
    *size = length;
    return table;
}

/* ---- MADT: CPUs, I/O APICs, overrides (5.2.12) --------------------------- */

enum {
    MADT_ENTRIES = 44,
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_X2APIC = 9,
    CPU_ENABLED = 1,
};

static void cpu_add(struct platform_info *info, uint32_t apic_id,
                    uint32_t flags)
{
    if ((flags & CPU_ENABLED) != 0)
        platform_cpu_add(info, apic_id);
}

static void madt_entry(struct platform_info *info, const uint8_t *entry,
                       uint8_t length)
{
    if (entry[0] == MADT_LAPIC && length >= 8) {
        cpu_add(info, entry[3], le32_get(entry + 4));
    } else if (entry[0] == MADT_X2APIC && length >= 16) {
        cpu_add(info, le32_get(entry + 4), le32_get(entry + 8));
    } else if (entry[0] == MADT_IOAPIC && length >= 12 &&
               info->ioapic_count < COUNT_OF(info->ioapic)) {
        info->ioapic[info->ioapic_count].base = le32_get(entry + 4);
        info->ioapic[info->ioapic_count].gsi = le32_get(entry + 8);
        info->ioapic_count++;
    } else if (entry[0] == MADT_OVERRIDE && length >= 10 && entry[3] < 16) {
        info->isa_irq[entry[3]].gsi = le32_get(entry + 4);
        info->isa_irq[entry[3]].flags = le16_get(entry + 8);
        info->isa_irq[entry[3]].set = true;
    }
}

static void madt_parse(struct platform_info *info, const uint8_t *table,
                       size_t size)
{
    for (size_t at = MADT_ENTRIES; at + 2 <= size;) {
        uint8_t length = table[at + 1];

        if (length < 2 || length > size - at)
            break;
        madt_entry(info, table + at, length);
        at += length;
    }
}

/* ---- SRAT: which node a CPU and a range of memory is of (5.2.16) --------- */

enum {
    SRAT_ENTRIES = 48,
    SRAT_LAPIC = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,
    AFFINITY_ENABLED = 1,
    DOMAIN_MAX = UINT8_MAX, /* one with a larger number counts as unknown */
};

static void affinity_add_cpu(struct platform_info *info, uint32_t apic_id,
                             uint32_t domain, uint32_t flags)
{
    unsigned i = info->apic_node_count;

    if ((flags & AFFINITY_ENABLED) == 0 || domain > DOMAIN_MAX ||
        i == COUNT_OF(info->apic_node))
        return;
    info->apic_node[i].apic_id = apic_id;
    info->apic_node[i].node = (uint8_t)domain;
    info->apic_node_count++;
}

static void affinity_add_memory(struct platform_info *info,
                                const uint8_t *entry, uint32_t domain)
{
    unsigned i = info->memory_node_count;
    uint64_t base = le64_get(entry + 8);
    uint64_t size = le64_get(entry + 16);

    if ((le32_get(entry + 28) & AFFINITY_ENABLED) == 0 || domain > DOMAIN_MAX ||
        i == COUNT_OF(info->memory_node) || size == 0 ||
        size > UINT64_MAX - base)
        return;
    info->memory_node[i].base = base;
    info->memory_node[i].end = base + size;
    info->memory_node[i].node = (uint8_t)domain;
    info->memory_node_count++;
}

/* In revision 1 the upper bytes of a domain's number mean nothing. */
static void srat_entry(struct platform_info *info, const uint8_t *entry,
                       uint8_t length, uint32_t domain_mask)
{
    if (entry[0] == SRAT_LAPIC && length >= 16) {
        uint32_t domain = entry[2] | (le32_get(entry + 8) & 0xffffff00);

        affinity_add_cpu(info, entry[3], domain & domain_mask,
                         le32_get(entry + 4));
    } else if (entry[0] == SRAT_X2APIC && length >= 24) {
        affinity_add_cpu(info, le32_get(entry + 8), le32_get(entry + 4),
                         le32_get(entry + 12));
    } else if (entry[0] == SRAT_MEMORY && length >= 40) {
        affinity_add_memory(info, entry, le32_get(entry + 2) & domain_mask);
    }
}

static void srat_parse(struct platform_info *info, const uint8_t *table,
                       size_t size)
{
    uint32_t domain_mask = table[HEADER_REVISION] < 2 ? 0xff : UINT32_MAX;

    for (size_t at = SRAT_ENTRIES; at + 2 <= size;) {
        uint8_t length = table[at + 1];

        if (length < 2 || length > size - at)
            break;
        srat_entry(info, table + at, length, domain_mask);
        at += length;
    }
}

/* ---- DSDT and SSDTs: bytes we know the look of --------------------------- */

/*
 * AML is not interpreted. QEMU, Firecracker and the like describe a virtio
 * device as a Device with _HID "LNRO0005" and a _CRS buffer of two descriptors
 * (6.4.3.4, 6.4.3.6): find the name, then the descriptors behind it.
 */
enum {
    MEMORY32_FIXED = 0x86, /* length 9: info, base, size */
    EXTENDED_IRQ = 0x89,   /* length 6+: flags, count, number */
    DEVICE_SPAN = 160,     /* how far behind the name they may be */
};

static const char virtio_hid[] = "LNRO0005";

static bool device_scan(const uint8_t *aml, size_t size,
                        struct hal_platform_device *out)
{
    bool has_memory = false;

    for (size_t i = 0; i + 12 <= size; i++) {
        if (aml[i] == MEMORY32_FIXED && le16_get(aml + i + 1) == 9) {
            out->base = le32_get(aml + i + 4);
            out->size = le32_get(aml + i + 8);
            has_memory = out->size > 0;
        } else if (aml[i] == EXTENDED_IRQ && le16_get(aml + i + 1) == 6 &&
                   aml[i + 4] == 1 && has_memory) {
            out->irq = (int)(le32_get(aml + i + 5) & 0xff);
            return true;
        }
    }
    return false;
}

static void aml_devices(struct platform_info *info, const uint8_t *aml,
                        size_t size)
{
    const size_t name = sizeof(virtio_hid); /* with its NUL */

    for (size_t i = HEADER_SIZE; i + name <= size; i++) {
        struct hal_platform_device device = {.id = "LNRO0005"};
        size_t span = size - i - name;

        if (memcmp(aml + i, virtio_hid, name) != 0)
            continue;
        if (info->device_count == COUNT_OF(info->device))
            return;
        if (device_scan(aml + i + name, span < DEVICE_SPAN ? span : DEVICE_SPAN,
                        &device))
            info->device[info->device_count++] = device;
    }
}

/* A host bridge of PCI Express: the id "PNP0A08", as text or in four bytes. */
static void aml_pci(struct platform_info *info, const uint8_t *aml, size_t size)
{
    static const uint8_t id[] = {0x41, 0xd0, 0x0a, 0x08};
    static const char text[] = "PNP0A08"; /* with its NUL */

    for (size_t i = HEADER_SIZE; i + sizeof(id) <= size; i++) {
        if (aml[i] == id[0] && memcmp(aml + i, id, sizeof(id)) == 0)
            info->has_pcie = true;
        if (aml[i] == text[0] && size - i >= sizeof(text) &&
            memcmp(aml + i, text, sizeof(text)) == 0)
            info->has_pcie = true;
    }
}

/* _S5_: a package whose first element is SLP_TYPa (7.4.2). */
static void aml_s5(struct platform_info *info, const uint8_t *aml, size_t size)
{
    enum { PACKAGE_OP = 0x12, BYTE_PREFIX = 0x0a, ONE_OP = 1 };

    for (size_t i = HEADER_SIZE; i + 9 <= size; i++) {
        const uint8_t *at = aml + i;

        if (memcmp(at, "_S5_", 4) != 0 || at[4] != PACKAGE_OP)
            continue;
        at += 5 + (at[5] >> 6) + 2; /* package length, element count */
        if (at + 2 > aml + size)
            return;
        if (at[0] == BYTE_PREFIX)
            info->s5_type = at[1] & 7;
        else if (at[0] <= ONE_OP)
            info->s5_type = at[0];
        return;
    }
}

static void aml_parse(const struct context *ctx, uint64_t address)
{
    size_t size;
    const uint8_t *aml = table_get(ctx, address, &size);

    if (aml == NULL)
        return;
    aml_devices(ctx->info, aml, size);
    aml_pci(ctx->info, aml, size);
    aml_s5(ctx->info, aml, size);
}

/* ---- FADT: power off and button, PM timer, DSDT (5.2.9) ------------------ */

enum {
    FADT_DSDT = 40,
    FADT_SCI = 46,
    FADT_SMI_COMMAND = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_EVENT = 56,
    FADT_PM1A_CONTROL = 64,
    FADT_PM_TIMER = 76,
    FADT_PM1_EVENT_LENGTH = 88,
    FADT_PM_TIMER_LENGTH = 91,
    FADT_CENTURY = 108,
    FADT_FLAGS = 112,
    FADT_FLAGS_END = 116,
    FADT_X_DSDT = 140,
    FADT_X_DSDT_END = 148,
    FADT_SLEEP_CONTROL = 244,
    FADT_SLEEP_CONTROL_END = 256,
    PM1_EVENT_LENGTH_MIN = 4,
    PORT_MAX = 0xffff,
    FLAG_NO_BUTTON = 1 << 4, /* it is a device of the namespace, if any */
    FLAG_TIMER_32BIT = 1 << 8,
    FLAG_HARDWARE_REDUCED = 1 << 20,
    GAS_IO = 1,
    GAS_ADDRESS = 4,
};

/* What does not fit into the port space is not there. */
static void button_parse(struct platform_button *out, const uint8_t *table,
                         uint32_t flags)
{
    uint32_t event = le32_get(table + FADT_PM1A_EVENT);
    uint32_t command = le32_get(table + FADT_SMI_COMMAND);
    uint8_t length = table[FADT_PM1_EVENT_LENGTH];

    if ((flags & FLAG_NO_BUTTON) != 0 || length < PM1_EVENT_LENGTH_MIN ||
        event > (uint32_t)PORT_MAX + 1 - length)
        return;
    out->event = (uint16_t)event;
    out->event_length = length;
    out->irq = le16_get(table + FADT_SCI);
    if (command <= PORT_MAX) {
        out->command = (uint16_t)command;
        out->enable = table[FADT_ACPI_ENABLE];
    }
}

static void fadt_parse(const struct context *ctx, const uint8_t *table,
                       size_t size)
{
    struct platform_info *info = ctx->info;
    uint64_t dsdt;
    uint32_t flags;

    if (size < FADT_FLAGS_END)
        return;
    flags = le32_get(table + FADT_FLAGS);
    dsdt = le32_get(table + FADT_DSDT);
    if (size >= FADT_X_DSDT_END && le64_get(table + FADT_X_DSDT) != 0)
        dsdt = le64_get(table + FADT_X_DSDT);
    aml_parse(ctx, dsdt);
    if ((flags & FLAG_HARDWARE_REDUCED) != 0) {
        if (size < FADT_SLEEP_CONTROL_END)
            return;
        info->sleep_control =
            le64_get(table + FADT_SLEEP_CONTROL + GAS_ADDRESS);
        info->sleep_control_is_port = table[FADT_SLEEP_CONTROL] == GAS_IO;
        return;
    }
    info->pm1a_control = (uint16_t)le32_get(table + FADT_PM1A_CONTROL);
    if (table[FADT_PM_TIMER_LENGTH] == 4)
        info->pm_timer_port = (uint16_t)le32_get(table + FADT_PM_TIMER);
    info->pm_timer_32bit = (flags & FLAG_TIMER_32BIT) != 0;
    button_parse(&info->button, table, flags);
    if (table[FADT_CENTURY] < 0x80)
        info->rtc_century = table[FADT_CENTURY];
}

/* ---- The root ------------------------------------------------------------ */

static void table_parse(const struct context *ctx, uint64_t address)
{
    size_t size;
    const uint8_t *table = table_get(ctx, address, &size);

    if (table == NULL)
        return;
    if (memcmp(table, "APIC", 4) == 0)
        madt_parse(ctx->info, table, size);
    else if (memcmp(table, "FACP", 4) == 0)
        fadt_parse(ctx, table, size);
    else if (memcmp(table, "SRAT", 4) == 0)
        srat_parse(ctx->info, table, size);
    else if (memcmp(table, "SSDT", 4) == 0)
        aml_parse(ctx, address);
}

/* Every table the RSDT (4-byte addresses) or XSDT (8-byte) names. */
static bool root_parse(const struct context *ctx, uint64_t address,
                       unsigned width)
{
    size_t size;
    const uint8_t *root = table_get(ctx, address, &size);

    if (root == NULL)
        return false;
    for (unsigned i = 0; i < TABLE_COUNT_MAX; i++) {
        size_t at = HEADER_SIZE + (size_t)i * width;

        if (at + width > size)
            break;
        table_parse(ctx,
                    width == 8 ? le64_get(root + at) : le32_get(root + at));
    }
    return true;
}

void acpi_parse(struct platform_info *out, const struct physical_memory *memory,
                uint64_t rsdp)
{
    const struct context ctx = {out, memory};
    const uint8_t *bytes = memory->map(rsdp, RSDP_SIZE);
    const uint8_t *bytes_2;

    *out = (struct platform_info){.s5_type = -1};
    if (bytes == NULL || !acpi_is_rsdp(bytes, RSDP_SIZE))
        return;
    bytes_2 = bytes[RSDP_REVISION] >= 2 ? memory->map(rsdp, RSDP_SIZE_2) : NULL;
    if (bytes_2 != NULL && le64_get(bytes_2 + RSDP_XSDT) != 0 &&
        root_parse(&ctx, le64_get(bytes_2 + RSDP_XSDT), 8))
        return;
    root_parse(&ctx, le32_get(bytes + RSDP_RSDT), 4);
}
