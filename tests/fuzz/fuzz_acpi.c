/*
 * Fuzz the tables of the firmware: ACPI and MP. The input is memory from BASE
 * on, behind a byte of options. The RSDP or the MP pointer is at its start.
 * Option 2 makes the checksums right first, so that damage reaches what is
 * behind them.
 */
#include "hal/baremetal/firmware/acpi_tables.c"
#include "hal/baremetal/firmware/numa.c"
#include "hal/baremetal/firmware/platform.c"
#include "tests/fakes/physical.h"
#include <stdlib.h>
#include <torc/assert.h>

/* Both parsers have their own names for these. */
#define byte_sum      mp_byte_sum
#define context       mp_context
#define HEADER_SIZE   MP_HEADER_SIZE
#define HEADER_LENGTH MP_HEADER_LENGTH
#include "hal/baremetal/firmware/mp_table.c"
#undef byte_sum
#undef context
#undef HEADER_SIZE
#undef HEADER_LENGTH

enum { BASE = 0x1000, USE_MP = 1, MEND = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t size, size_t at)
{
    bytes[at] = 0;
    bytes[at] = (uint8_t)-byte_sum(bytes, size);
}

/* Whatever looks like a table: a name in capitals and a length. */
static void mend_all(uint8_t *memory, size_t size)
{
    if (size >= RSDP_SIZE)
        mend(memory, memory[0] == '_' ? MP_POINTER_SIZE : RSDP_SIZE,
             memory[0] == '_' ? 10 : 8);
    for (size_t at = 64; at + HEADER_SIZE <= size; at += 16) {
        bool is_mp = memcmp(memory + at, "PCMP", 4) == 0;
        uint32_t length = is_mp ? le16_get(memory + at + MP_HEADER_LENGTH)
                                : le32_get(memory + at + HEADER_LENGTH);

        if (memory[at] >= 'A' && memory[at] <= 'Z' && length >= HEADER_SIZE &&
            length <= size - at)
            mend(memory + at, length, is_mp ? 7 : 9);
    }
}

static void check(struct platform_info *info)
{
    struct hal_region region[HAL_REGION_MAX] = {
        {.base = 0x100000, .size = 0x3ff00000},
        {.base = UINT64_C(1) << 32, .size = UINT64_C(1) << 32}};
    unsigned count = numa_split(info, region, 2, HAL_REGION_MAX);
    uint64_t total = 0;

    assert(count >= 2 && count <= HAL_REGION_MAX);
    for (unsigned i = 0; i < count; i++) {
        assert(region[i].size > 0 && region[i].base % HAL_PAGE_SIZE == 0);
        total += region[i].size;
    }
    assert(total == 0x3ff00000 + (UINT64_C(1) << 32));
    assert(info->cpu_count <= HAL_CPU_MAX);
    assert(info->ioapic_count <= COUNT_OF(info->ioapic));
    assert(info->device_count <= COUNT_OF(info->device));
    assert(info->apic_node_count <= COUNT_OF(info->apic_node));
    assert(info->memory_node_count <= COUNT_OF(info->memory_node));
    platform_cpu_first(info, 77);
    assert(info->cpu_count >= 1 && info->cpu_count <= HAL_CPU_MAX);
    assert(info->apic_id[0] == 77);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct platform_info info;
    uint8_t *memory;

    if (size < 2)
        return 0;
    memory = malloc(size - 1);
    memcpy(memory, data + 1, size - 1);
    if ((data[0] & MEND) != 0)
        mend_all(memory, size - 1);
    physical_set(BASE, memory, size - 1);
    if ((data[0] & USE_MP) != 0) {
        memset(&info, 0, sizeof(info));
        (void)mp_parse(&info, &physical, BASE);
    } else {
        acpi_parse(&info, &physical, BASE);
    }
    check(&info);
    physical_set(0, NULL, 0);
    free(memory);
    return 0;
}
