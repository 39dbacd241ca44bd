/* Finding the ACPI tables in this machine's memory, and platform devices. */
#include "hal/baremetal/machine.h"

enum {
    EBDA_SEGMENT = 0x40e, /* BIOS data area: where the extended one is */
    BIOS_START = 0xe0000,
    BIOS_END = 0x100000,
    RSDP_ALIGN = 16,
};

/* Constant after acpi_init(). */
struct acpi_info acpi;

/* Tables lie below 4 GiB, all of which is mapped, and not on page 0. */
static const uint8_t *map_low(uint64_t address, size_t size)
{
    if (address < HAL_PAGE_SIZE || address > UINT32_MAX ||
        size > UINT32_MAX - address)
        return NULL;
    return (const uint8_t *)(uintptr_t)address;
}

static uint64_t rsdp_scan(uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at + 36 <= end; at += RSDP_ALIGN) {
        if (acpi_is_rsdp((const uint8_t *)(uintptr_t)at, 36))
            return at;
    }
    return 0;
}

void acpi_init(uint64_t rsdp)
{
    static const struct acpi_memory memory = {map_low};
    uint16_t segment;

    if (rsdp == 0) {
        uintptr_t where = EBDA_SEGMENT;

        /* So that the compiler does not take it for a null pointer. */
        __asm__("" : "+r"(where));
        segment = *(const volatile uint16_t *)where;
        if (segment >= 0x8000 && segment < 0xa000)
            rsdp = rsdp_scan((uint64_t)segment << 4,
                             ((uint64_t)segment << 4) + 1024);
    }
    if (rsdp == 0)
        rsdp = rsdp_scan(BIOS_START, BIOS_END);
    acpi_parse(&acpi, &memory, rsdp);
}

int hal_platform_device(unsigned index, struct hal_platform_device *out)
{
    if (index >= acpi.device_count)
        return -ENODEV;
    *out = acpi.device[index];
    return 0;
}
