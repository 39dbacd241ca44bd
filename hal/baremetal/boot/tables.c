#include "hal/baremetal/boot/tables.h"
#include "hal/baremetal/base/fail.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/acpi_tables.h"
#include "hal/baremetal/firmware/mp_table.h"
#include "kernel/lib/bytes.h"

enum {
    EBDA_SEGMENT = 0x40e, /* BIOS data area: where the extended one is */
    EBDA_MIN = 0x80000,
    BIOS_START = 0xe0000,
    BIOS_END = 0x100000,
    LOW_MEMORY_LAST = 0x9fc00, /* the last KiB below 640 KiB */
    LOW_MEMORY_END = 0xa0000,
    KIB = 1024,
    TABLE_ALIGN = 16,
    RSDP_SIZE = 36,
    CPUID_HTT = 1 << 28,
};
#define IOAPIC_BASE 0xfec00000

/* Looks for a table's first bytes. */
typedef bool is_table(const uint8_t *bytes, size_t size);

static uint64_t scan(const struct physical_memory *memory, is_table *is,
                     size_t size, uint64_t start, uint64_t end)
{
    const uint8_t *bytes = memory->map(start, end - start);

    for (uint64_t at = 0; bytes != NULL && at + size <= end - start;
         at += TABLE_ALIGN) {
        if (is(bytes + at, size))
            return start + at;
    }
    return 0;
}

/* Where PC firmware keeps them: ACPI 6.4, 5.2.5.1; MP 1.4, chapter 4. */
static uint64_t find(const struct physical_memory *memory, is_table *is,
                     size_t size)
{
    const uint8_t *segment = memory->map(EBDA_SEGMENT, 2);
    uint64_t ebda = segment != NULL ? (uint64_t)le16_get(segment) << 4 : 0;
    uint64_t found = 0;

    if (ebda >= EBDA_MIN && ebda <= LOW_MEMORY_END - KIB)
        found = scan(memory, is, size, ebda, ebda + KIB);
    if (found == 0)
        found = scan(memory, is, size, LOW_MEMORY_LAST, LOW_MEMORY_END);
    if (found == 0)
        found = scan(memory, is, size, BIOS_START, BIOS_END);
    return found;
}

/* CPUs that one package has room for, by what this CPU says. */
static unsigned package_cpus(void)
{
    struct cpuid features = cpuid(1, 0);

    return (features.edx & CPUID_HTT) != 0 ? features.ebx >> 16 & 0xff : 1;
}

/* Some firmware names only the first CPU of each package in it. */
static void mp_read(const struct physical_memory *memory)
{
    uint64_t pointer = find(memory, mp_is_pointer, MP_POINTER_SIZE);

    if (!mp_parse(&platform, memory, pointer))
        boot_warn("the firmware has neither ACPI tables nor an MP table: one "
                  "CPU is used");
    else if (platform.cpu_count < package_cpus())
        boot_warn("the firmware has no ACPI tables, and its MP table does not "
                  "name all of up to %u CPUs: %u used",
                  package_cpus(), platform.cpu_count);
}

void tables_read(const struct physical_memory *memory, uint64_t rsdp)
{
    if (rsdp == 0)
        rsdp = find(memory, acpi_is_rsdp, RSDP_SIZE);
    acpi_parse(&platform, memory, rsdp);
    if (platform.cpu_count == 0)
        mp_read(memory);
    if (platform.ioapic_count == 0) {
        /* Where it is in every PC. */
        platform.ioapic[0].base = IOAPIC_BASE;
        platform.ioapic_count = 1;
    }
}
