/*
 * ACPI tables, good and damaged, and the nodes they tell of. The sources are
 * pure, so they are included as they are: the hosted archive does not hold bare
 * metal's.
 */
#include "hal/baremetal/firmware/acpi_tables.c"
#include "hal/baremetal/firmware/numa.c"
#include "hal/baremetal/firmware/platform.c"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

/* Physical memory from BASE on; what is asked for beyond it does not exist. */
enum { BASE = 0x1000, MEMORY = 16 * 1024 };
static uint8_t *memory;
static size_t end;
static struct platform_info info;

static const uint8_t *map(uint64_t address, size_t size)
{
    if (address < BASE || address - BASE > MEMORY ||
        size > MEMORY - (address - BASE))
        return NULL;
    return memory + (address - BASE);
}

static const struct physical_memory acpi_memory = {map};

static int setup(void **state)
{
    (void)state;
    memory = calloc(1, MEMORY);
    end = 64; /* behind the RSDP */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static void checksum_fix(uint8_t *bytes, size_t size, size_t at)
{
    bytes[at] = 0;
    bytes[at] = (uint8_t)-byte_sum(bytes, size);
}

/* Append a table; its physical address. */
static uint64_t table_add(const char *name, const uint8_t *body, size_t size)
{
    uint8_t *table = memory + end;
    uint64_t address = BASE + end;

    memcpy(table, name, 4);
    le32_put(table + 4, (uint32_t)(HEADER_SIZE + size));
    memcpy(table + HEADER_SIZE, body, size);
    checksum_fix(table, HEADER_SIZE + size, 9);
    end += (HEADER_SIZE + size + 15) & ~(size_t)15;
    return address;
}

static uint64_t madt_add(void)
{
    static const uint8_t body[] = {
        0,  0,  0xe0, 0xfe, 1,    0,    0,    0, /* LAPIC base */
        0,  8,  0,    0,    1,    0,    0,    0, /* CPU, id 0 */
        0,  8,  1,    4,    1,    0,    0,    0, /* CPU, id 4 */
        0,  8,  2,    5,    0,    0,    0,    0, /* disabled */
        0,  8,  3,    4,    1,    0,    0,    0, /* id 4 again */
        9,  16, 0,    0,    0x34, 0x12, 0,    0,    1,  0, 0, 0,
        0,  0,  0,    0,                                         /* x2APIC */
        1,  12, 0,    0,    0,    0,    0xc0, 0xfe, 0,  0, 0, 0, /* I/O APIC */
        1,  12, 1,    0,    0,    0x10, 0xc0, 0xfe, 24, 0, 0, 0, /* one more */
        2,  10, 0,    0,    2,    0,    0,    0,    0,  0, /* IRQ 0 is GSI 2 */
        2,  10, 0,    9,    9,    0,    0,    0,    13, 0, /* IRQ 9, level */
        2,  10, 0,    200,  9,    0,    0,    0,    13, 0, /* no such IRQ */
        77, 5,  1,    2,    3,                             /* unknown */
    };

    return table_add("APIC", body, sizeof(body));
}

static uint64_t dsdt_add(void)
{
    static const uint8_t body[] = {
        /* Two devices: _HID, then _CRS with memory and interrupt. */
        'L', 'N', 'R', 'O', '0', '0', '0', '5', 0, 0x11, 0x22, 0x86, 9, 0, 1,
        0x00, 0x2e, 0xb0, 0xfe, 0x00, 0x02, 0, 0, 0x89, 6, 0, 1, 1, 47, 0, 0, 0,
        0x79, 0, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0, 0x86, 9, 0, 1, 0x00,
        0x2c, 0xb0, 0xfe, 0x00, 0x02, 0, 0, 0x89, 6, 0, 1, 1, 46, 0, 0, 0, 0x79,
        /* _S5_: Package (4) {5, 0, 0, 0} */
        0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0, 0, 0};

    return table_add("DSDT", body, sizeof(body));
}

static uint64_t fadt_add(uint64_t dsdt, bool reduced)
{
    uint8_t body[268 - HEADER_SIZE] = {0};

    le32_put(body + FADT_DSDT - HEADER_SIZE, (uint32_t)dsdt);
    le32_put(body + FADT_PM1A_CONTROL - HEADER_SIZE, 0x604);
    le32_put(body + FADT_PM_TIMER - HEADER_SIZE, 0x608);
    body[FADT_PM_TIMER_LENGTH - HEADER_SIZE] = 4;
    body[FADT_CENTURY - HEADER_SIZE] = 0x32;
    le32_put(body + FADT_FLAGS - HEADER_SIZE,
             reduced ? FLAG_HARDWARE_REDUCED : FLAG_TIMER_32BIT);
    le64_put(body + FADT_SLEEP_CONTROL + GAS_ADDRESS - HEADER_SIZE, 0xfea00200);
    return table_add("FACP", body, sizeof(body));
}

/* The root, with `count` tables; wide is an XSDT. */
static void root_add(const uint64_t *tables, unsigned count, bool wide)
{
    uint8_t body[64] = {0};
    uint64_t root;

    for (unsigned i = 0; i < count; i++) {
        if (wide)
            le64_put(body + 8 * i, tables[i]);
        else
            le32_put(body + 4 * i, (uint32_t)tables[i]);
    }
    root = table_add(wide ? "XSDT" : "RSDT", body, count * (wide ? 8 : 4));
    memcpy(memory, "RSD PTR ", 8);
    memory[RSDP_REVISION] = wide ? 2 : 0;
    if (wide)
        le64_put(memory + RSDP_XSDT, root);
    else
        le32_put(memory + RSDP_RSDT, (uint32_t)root);
    checksum_fix(memory, RSDP_SIZE, 8);
}

/* ---- SRATs are built entry by entry -------------------------------------- */

static uint8_t srat[8192];
static size_t srat_size;

static uint8_t *srat_entry_add(uint8_t type, uint8_t length)
{
    uint8_t *entry = srat + srat_size;

    memset(entry, 0, length);
    entry[0] = type;
    entry[1] = length;
    srat_size += length;
    return entry;
}

static void srat_begin(void)
{
    memset(srat, 0, sizeof(srat));
    srat_size = SRAT_ENTRIES - HEADER_SIZE;
}

static void srat_cpu(uint8_t apic_id, uint32_t domain, uint32_t flags)
{
    uint8_t *entry = srat_entry_add(SRAT_LAPIC, 16);

    le32_put(entry + 8, domain);
    entry[8] = 0x77; /* the SAPIC's id: not ours */
    entry[2] = (uint8_t)domain;
    entry[3] = apic_id;
    le32_put(entry + 4, flags);
}

static void srat_x2apic(uint32_t apic_id, uint32_t domain, uint32_t flags)
{
    uint8_t *entry = srat_entry_add(SRAT_X2APIC, 24);

    le32_put(entry + 4, domain);
    le32_put(entry + 8, apic_id);
    le32_put(entry + 12, flags);
}

static void srat_memory(uint64_t base, uint64_t size, uint32_t domain,
                        uint32_t flags)
{
    uint8_t *entry = srat_entry_add(SRAT_MEMORY, 40);

    le32_put(entry + 2, domain);
    le64_put(entry + 8, base);
    le64_put(entry + 16, size);
    le32_put(entry + 28, flags);
}

static uint64_t srat_add(uint8_t revision)
{
    uint64_t address = table_add("SRAT", srat, srat_size);
    uint8_t *table = memory + (address - BASE);

    table[HEADER_REVISION] = revision;
    checksum_fix(table, HEADER_SIZE + srat_size, 9);
    return address;
}

static void srat_read(uint8_t revision)
{
    uint64_t table;

    end = 64;
    memset(memory, 0, MEMORY);
    table = srat_add(revision);
    root_add(&table, 1, true);
    acpi_parse(&info, &acpi_memory, BASE);
}

static void srat_two_nodes(void)
{
    srat_begin();
    srat_cpu(0, 0, 1);
    srat_cpu(4, 1, 1);
    srat_x2apic(0x1234, 1, 1);
    srat_memory(0, 0xa0000, 0, 1);
    srat_memory(0x100000, 0x7ff00000, 0, 1);
    srat_memory(0x80000000, 0x40000000, 1, 1);
}

static void build(bool wide, bool reduced)
{
    uint64_t tables[3];

    srat_two_nodes();
    tables[0] = srat_add(3); /* before the CPUs are known */
    tables[1] = madt_add();
    tables[2] = fadt_add(dsdt_add(), reduced);
    root_add(tables, 3, wide);
}

static void test_acpi_everything(void **state)
{
    (void)state;
    build(true, false);
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.cpu_count, 3);
    assert_int_equal(info.apic_id[0], 0);
    assert_int_equal(info.apic_id[1], 4);
    assert_int_equal(info.apic_id[2], 0x1234);
    assert_int_equal(info.ioapic_count, 2);
    assert_int_equal(info.ioapic[0].base, 0xfec00000);
    assert_int_equal(info.ioapic[1].gsi, 24);
    assert_true(info.isa_irq[0].set);
    assert_int_equal(info.isa_irq[0].gsi, 2);
    assert_int_equal(info.isa_irq[9].flags, 13);
    assert_false(info.isa_irq[1].set);
    assert_int_equal(info.pm1a_control, 0x604);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_true(info.pm_timer_32bit);
    assert_int_equal(info.rtc_century, 0x32);
    assert_int_equal(info.s5_type, 5);
    assert_int_equal(info.device_count, 2);
    assert_string_equal(info.device[0].id, "LNRO0005");
    assert_int_equal(info.device[0].base, 0xfeb02e00);
    assert_int_equal(info.device[0].size, 0x200);
    assert_int_equal(info.device[0].irq, 47);
    assert_int_equal(info.device[1].base, 0xfeb02c00);
    assert_int_equal(info.device[1].irq, 46);
}

static void test_acpi_old_root_and_reduced_hardware(void **state)
{
    (void)state;
    build(false, true);
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.cpu_count, 3);
    assert_int_equal(info.device_count, 2);
    assert_int_equal(info.sleep_control, 0xfea00200);
    assert_int_equal(info.pm1a_control, 0);
    assert_int_equal(info.pm_timer_port, 0);
}

static void test_acpi_button(void **state)
{
    static const struct {
        const char *name;
        uint32_t flags, event, command;
        uint8_t length;
        uint16_t port, command_port;
    } rows[] = {
        {"a button", FLAG_TIMER_32BIT, 0x600, 0xb2, 4, 0x600, 0xb2},
        {"longer registers", 0, 0x600, 0xb2, 8, 0x600, 0xb2},
        {"a device of the namespace", FLAG_NO_BUTTON, 0x600, 0xb2, 4, 0, 0},
        {"reduced hardware", FLAG_HARDWARE_REDUCED, 0x600, 0xb2, 4, 0, 0},
        {"no registers", 0, 0, 0xb2, 4, 0, 0xb2},
        {"short registers", 0, 0x600, 0xb2, 3, 0, 0},
        {"the last ports", 0, 0xfffc, 0xb2, 4, 0xfffc, 0xb2},
        {"past the last port", 0, 0xfffd, 0xb2, 4, 0, 0},
        {"far past it", 0, 0xfffffffe, 0xb2, 4, 0, 0},
        {"the last command port", 0, 0x600, 0xffff, 4, 0x600, 0xffff},
        {"no command port", 0, 0x600, 0x10000, 4, 0x600, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t body[268 - HEADER_SIZE] = {0};
        uint64_t table;

        end = 64;
        memset(memory, 0, MEMORY);
        le16_put(body + FADT_SCI - HEADER_SIZE, 9);
        le32_put(body + FADT_FLAGS - HEADER_SIZE, rows[i].flags);
        le32_put(body + FADT_PM1A_EVENT - HEADER_SIZE, rows[i].event);
        le32_put(body + FADT_SMI_COMMAND - HEADER_SIZE, rows[i].command);
        body[FADT_ACPI_ENABLE - HEADER_SIZE] = 2;
        body[FADT_PM1_EVENT_LENGTH - HEADER_SIZE] = rows[i].length;
        table = table_add("FACP", body, sizeof(body));
        root_add(&table, 1, true);
        acpi_parse(&info, &acpi_memory, BASE);
        ROW(rows[i].name, info.button.event == rows[i].port);
        ROW(rows[i].name, info.button.command == rows[i].command_port);
        ROW(rows[i].name,
            info.button.enable == (rows[i].command_port == 0 ? 0 : 2));
        if (rows[i].port == 0)
            continue;
        ROW(rows[i].name, info.button.irq == 9);
        ROW(rows[i].name, info.button.event_length == rows[i].length);
    }
}

static void test_acpi_nothing_there(void **state)
{
    static const uint64_t places[] = {
        0, 1, BASE, BASE + MEMORY, BASE + MEMORY - 10, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        acpi_parse(&info, &acpi_memory, places[i]);
        assert_int_equal(info.cpu_count, 0);
        assert_int_equal(info.s5_type, -1);
    }
}

/* The id of a host bridge, whole, in the code of a table. */
static void test_acpi_pcie(void **state)
{
    static const struct {
        uint8_t body[12];
        size_t size;
        bool found;
    } rows[] = {
        {{8, 0x0c, 0x41, 0xd0, 0x0a, 0x08, 0}, 7, true},
        {{0x41, 0xd0, 0x0a, 0x08}, 4, true},
        {{0x41, 0xd0, 0x0a, 0x08}, 3, false},
        {{0x41, 0xd0, 0x0a, 0x03}, 4, false}, /* PCI */
        {{0x41, 0x41, 0xd0, 0x0a, 0x08}, 5, true},
        {"\x0dPNP0A08", 9, true},
        {"\x0dPNP0A08", 8, false},
        {"\x0dPNP0A03", 9, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t table;

        end = 64;
        memset(memory, 0, MEMORY);
        table = table_add("SSDT", rows[i].body, rows[i].size);
        root_add(&table, 1, true);
        acpi_parse(&info, &acpi_memory, BASE);
        assert_int_equal(info.has_pcie, rows[i].found);
    }
}

static void test_acpi_nodes(void **state)
{
    (void)state;
    build(true, false);
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.apic_node_count, 3);
    assert_int_equal(info.memory_node_count, 3);
    for (unsigned i = 0; i < info.cpu_count; i++)
        assert_int_equal(numa_cpu_node(&info, info.apic_id[i]), i > 0);
    assert_int_equal(numa_cpu_node(&info, 77), 0);
    assert_int_equal(info.memory_node[2].base, 0x80000000);
    assert_int_equal(info.memory_node[2].end, 0xc0000000);
    assert_int_equal(info.memory_node[2].node, 1);
}

static void test_srat_refuses_nonsense(void **state)
{
    (void)state;
    srat_begin();
    srat_cpu(1, 1, 0);    /* disabled */
    srat_cpu(2, 256, 1);  /* too large a number */
    srat_x2apic(3, 1, 2); /* disabled */
    srat_x2apic(4, UINT32_MAX, 1);
    srat_memory(0, 4096, 1, 6); /* disabled, hot pluggable */
    srat_memory(0, 0, 1, 1);    /* empty */
    srat_memory(4096, UINT64_MAX - 4095, 1, 1);
    srat_memory(0, 4096, 256, 1);
    srat_entry_add(SRAT_LAPIC, 15)[4] = 1; /* too short, all of them */
    srat_entry_add(SRAT_X2APIC, 23)[12] = 1;
    le64_put(srat_entry_add(SRAT_MEMORY, 39) + 16, 4096);
    srat_entry_add(3, 20)[4] = 1; /* of no kind we know */
    srat_cpu(9, 3, 1);
    srat_memory(4096, UINT64_MAX - 4096, 2, 1);
    srat_read(3);
    assert_int_equal(info.apic_node_count, 1);
    assert_int_equal(numa_cpu_node(&info, 9), 3);
    assert_int_equal(info.memory_node_count, 1);
    assert_int_equal(info.memory_node[0].base, 4096);
    assert_int_equal(info.memory_node[0].node, 2);
}

/* In the first revision only eight bits of a domain count. */
static void test_srat_revisions(void **state)
{
    (void)state;
    for (uint8_t revision = 1; revision < 4; revision++) {
        unsigned expected = revision == 1;

        srat_begin();
        srat_cpu(1, 0xabcdef01, 1);
        srat_memory(0, 4096, 0xabcdef01, 1);
        srat_read(revision);
        assert_int_equal(info.apic_node_count, expected);
        assert_int_equal(info.memory_node_count, expected);
        assert_int_equal(numa_cpu_node(&info, 1), expected);
    }
}

static void test_srat_lengths(void **state)
{
    (void)state;
    for (unsigned length = 0; length < 256; length++) {
        srat_begin();
        srat_cpu(1, 1, 1);
        srat[srat_size - 15] = (uint8_t)length;
        srat_memory(0, 4096, 1, 1);
        srat_size += 10; /* a rest that holds no entry */
        srat_read(3);
        /* Whole and inside the table: 66 bytes are there. */
        assert_int_equal(info.apic_node_count, length >= 16 && length <= 66);
        if (length < 2 || length > 66)
            assert_int_equal(info.memory_node_count, 0);
    }
    srat_begin();
    srat_size -= 4; /* not even the header */
    srat_read(3);
    assert_int_equal(info.memory_node_count, 0);
}

static void test_srat_many(void **state)
{
    (void)state;
    srat_begin();
    for (unsigned i = 0; i < 300; i++)
        srat_cpu((uint8_t)i, i < 256 ? 1 : 2, 1);
    for (unsigned i = 0; i < 70; i++)
        srat_memory(i * 4096, 4096, i, 1);
    srat_read(3);
    assert_int_equal(info.apic_node_count, HAL_CPU_MAX);
    assert_int_equal(numa_cpu_node(&info, 3), 1); /* the first one counts */
    assert_int_equal(info.memory_node_count, HAL_REGION_MAX);
}

/* ---- Regions and nodes --------------------------------------------------- */

static void node_range(uint64_t base, uint64_t range_end, uint8_t node)
{
    unsigned i = info.memory_node_count++;

    info.memory_node[i].base = base;
    info.memory_node[i].end = range_end;
    info.memory_node[i].node = node;
}

/* Split one region and compare with (end, node) pairs; 0 ends them. */
static void split_is(uint64_t base, uint64_t size, unsigned max,
                     const uint64_t *expected)
{
    struct hal_region region[8] = {{.base = base, .size = size, .node = 99}};
    unsigned count = numa_split(&info, region, 1, max);
    uint64_t at = base;
    unsigned i = 0;

    for (; expected[2 * i] != 0; i++) {
        assert_true(i < count);
        assert_int_equal(region[i].base, at);
        at += region[i].size;
        assert_int_equal(at, expected[2 * i]);
        assert_int_equal(region[i].node, expected[2 * i + 1]);
    }
    assert_int_equal(count, i);
    assert_int_equal(at, base + size);
}

static void test_numa_split(void **state)
{
    (void)state;
    info = (struct platform_info){0};
    split_is(0x1000, 0x9000, 8, (const uint64_t[]){0xa000, 0, 0});
    node_range(0x2000, 0x4000, 1);
    node_range(0x4000, 0x6000, 1); /* goes on: no cut */
    node_range(0x6800, 0x8000, 2); /* from the middle of a page */
    node_range(0x7000, 0xb000, 3); /* overlaps: the first counts */
    node_range(0xd000, 0xd800, 4); /* the first half of a page: it counts */
    split_is(0x1000, 0x1000, 8, (const uint64_t[]){0x2000, 0, 0});
    split_is(0x2000, 0x4000, 8, (const uint64_t[]){0x6000, 1, 0});
    split_is(0x3000, 0x2000, 8, (const uint64_t[]){0x5000, 1, 0});
    split_is(0x1000, 0x10000, 8,
             (const uint64_t[]){0x2000, 0, 0x6000, 1, 0x7000, 0, 0x8000, 2,
                                0xb000, 3, 0xd000, 0, 0xe000, 4, 0x11000, 0,
                                0});
    /* No room: the rest stays with the node of its beginning. */
    split_is(0x1000, 0x10000, 3,
             (const uint64_t[]){0x2000, 0, 0x6000, 1, 0x11000, 0, 0});
    split_is(0x2000, 0x10000, 1, (const uint64_t[]){0x12000, 1, 0});
}

static void test_numa_split_far_up(void **state)
{
    const uint64_t top = UINT64_MAX - 0xfff;

    (void)state;
    info = (struct platform_info){0};
    node_range(0x5000, UINT64_MAX, 1);
    node_range(top - 0x800, top + 0x800, 2);
    split_is(0x4000, 0x3000, 8, (const uint64_t[]){0x5000, 0, 0x7000, 1, 0});
    split_is(top - 0x3000, 0x3000, 8, (const uint64_t[]){top, 1, 0});
}

static void test_numa_split_random(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 5000; seed++) {
        struct hal_region region[12] = {{.base = 0x3000, .size = 0x9000},
                                        {.base = 0x10000, .size = 0x20000}};
        unsigned count;
        uint64_t total = 0;

        srand(seed);
        info = (struct platform_info){0};
        for (int k = rand() % 12; k > 0; k--) {
            uint64_t base = (uint64_t)rand() % 0x40000;

            node_range(base, base + 1 + (uint64_t)rand() % 0x10000,
                       (uint8_t)(rand() % 4));
        }
        count = numa_split(&info, region, 2, COUNT_OF(region));
        assert_in_range(count, 2, COUNT_OF(region));
        for (unsigned i = 0; i < count; i++) {
            uint64_t next;

            assert_int_equal(region[i].base % HAL_PAGE_SIZE, 0);
            assert_true(region[i].size >= HAL_PAGE_SIZE);
            assert_true(i == 0 || region[i].base >=
                                      region[i - 1].base + region[i - 1].size);
            assert_int_equal(region[i].node,
                             node_at(&info, region[i].base, &next));
            total += region[i].size;
        }
        assert_int_equal(total, 0x29000);
    }
}

/* A table whose checksum is wrong is not there; the others are. */
static void test_acpi_bad_checksums(void **state)
{
    uint64_t tables[2];

    (void)state;
    tables[0] = madt_add();
    tables[1] = fadt_add(dsdt_add(), false);
    root_add(tables, 2, true);
    memory[tables[0] - BASE + 50] ^= 1;
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.cpu_count, 0);
    assert_int_equal(info.device_count, 2);
    memory[tables[0] - BASE + 50] ^= 1;
    memory[3] ^= 1; /* the RSDP */
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.cpu_count, 0);
    assert_int_equal(info.device_count, 0);
}

static void test_acpi_lengths(void **state)
{
    static const uint32_t lengths[] = {
        0, 1, 35, 36, 37, MEMORY, 0x100000, 0x100001, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        uint64_t tables[2];

        end = 64;
        memset(memory, 0, MEMORY);
        tables[0] = madt_add();
        tables[1] = fadt_add(dsdt_add(), false);
        root_add(tables, 2, true);
        le32_put(memory + tables[0] - BASE + HEADER_LENGTH, lengths[i]);
        if (map(tables[0], lengths[i]) != NULL && lengths[i] > 9)
            checksum_fix(memory + tables[0] - BASE, lengths[i], 9);
        acpi_parse(&info, &acpi_memory, BASE);
        assert_int_equal(info.cpu_count, 0);
    }
}

/* Entries of length 0 and 1 would never end, long ones would leave the
 * table. */
static void test_acpi_madt_entry_lengths(void **state)
{
    (void)state;
    for (unsigned length = 0; length < 256; length++) {
        uint8_t body[24] = {0, 0, 0xe0, 0xfe, 0, 0, 0, 0};
        uint64_t table;

        end = 64;
        body[8] = 0;
        body[9] = (uint8_t)length;
        body[12] = 1;
        table = table_add("APIC", body, sizeof(body));
        root_add(&table, 1, true);
        acpi_parse(&info, &acpi_memory, BASE);
        /* Whole and inside the table: 8 to 16 bytes are left. */
        assert_int_equal(info.cpu_count, length >= 8 && length <= 16);
    }
}

static void test_acpi_many_cpus_and_controllers(void **state)
{
    static uint8_t body[8 + 8 * 400 + 12 * 20];
    uint64_t table;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        uint8_t *entry = body + 8 + 8 * i;

        entry[0] = i % 2 ? 9 : 0; /* too short to be an x2APIC entry */
        entry[1] = 8;
        entry[3] = (uint8_t)(i / 2);
        entry[4] = 1;
    }
    for (unsigned i = 0; i < 20; i++) {
        body[8 + 3200 + 12 * i] = 1;
        body[8 + 3200 + 12 * i + 1] = 12;
    }
    table = table_add("APIC", body, sizeof(body));
    root_add(&table, 1, true);
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.cpu_count, 200);
    assert_int_equal(info.ioapic_count, 8);
}

static void test_acpi_too_many_cpus(void **state)
{
    static uint8_t body[8 + 16 * 300];
    uint64_t table;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        uint8_t *entry = body + 8 + 16 * i;

        entry[0] = 9;
        entry[1] = 16;
        le32_put(entry + 4, i + 1000);
        entry[8] = i < 299; /* the last one is disabled */
    }
    table = table_add("APIC", body, sizeof(body));
    root_add(&table, 1, true);
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.cpu_count, HAL_CPU_MAX);
    assert_int_equal(info.cpu_ignored, 299 - HAL_CPU_MAX);
    /* The CPU that runs is used, although it is one of those behind. */
    platform_cpu_first(&info, 1290);
    assert_int_equal(info.cpu_count, HAL_CPU_MAX);
    assert_int_equal(info.cpu_ignored, 299 - HAL_CPU_MAX + 1);
    assert_int_equal(info.apic_id[0], 1290);
    assert_int_equal(info.apic_id[HAL_CPU_MAX - 1], 1000);
}

static void test_platform_cpu_first(void **state)
{
    static const struct {
        uint32_t self;
        unsigned count;
        uint32_t expected[4];
    } rows[] = {
        {10, 3, {10, 20, 30}},     /* where it is */
        {20, 3, {20, 10, 30}},     /* in the middle */
        {30, 3, {30, 20, 10}},     /* the last one */
        {40, 4, {40, 20, 30, 10}}, /* not in the list */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        info = (struct platform_info){.cpu_count = 3, .apic_id = {10, 20, 30}};
        platform_cpu_first(&info, rows[i].self);
        assert_int_equal(info.cpu_count, rows[i].count);
        assert_memory_equal(info.apic_id, rows[i].expected, 4 * rows[i].count);
    }
    info = (struct platform_info){0};
    platform_cpu_first(&info, 7);
    assert_int_equal(info.cpu_count, 1);
    assert_int_equal(info.apic_id[0], 7);
}

/* Tables at random places damaged at random: it ends, inside its memory. */
static void test_acpi_random_damage(void **state)
{
    static uint8_t good[MEMORY];
    size_t used;

    (void)state;
    build(true, false);
    used = end;
    memcpy(good, memory, MEMORY);
    for (unsigned seed = 0; seed < 20000; seed++) {
        srand(seed);
        memcpy(memory, good, MEMORY);
        for (int k = rand() % 10; k >= 0; k--)
            memory[(size_t)rand() % used] = (uint8_t)rand();
        /* Make the checksums right, so that the inside is reached. */
        for (size_t at = 64; at + HEADER_SIZE < used; at += 16) {
            uint32_t length = le32_get(memory + at + HEADER_LENGTH);

            if (memory[at] >= 'A' && length >= HEADER_SIZE &&
                length <= MEMORY - at)
                checksum_fix(memory + at, length, 9);
        }
        checksum_fix(memory, RSDP_SIZE, 8);
        acpi_parse(&info, &acpi_memory, BASE);
        assert_true(info.cpu_count <= HAL_CPU_MAX);
        assert_true(info.ioapic_count <= COUNT_OF(info.ioapic));
        assert_true(info.device_count <= COUNT_OF(info.device));
        assert_true(info.apic_node_count <= COUNT_OF(info.apic_node));
        assert_true(info.memory_node_count <= COUNT_OF(info.memory_node));
    }
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_acpi_everything),
        READY(test_acpi_old_root_and_reduced_hardware),
        READY(test_acpi_button),
        READY(test_acpi_nothing_there),
        READY(test_acpi_bad_checksums),
        READY(test_acpi_lengths),
        READY(test_acpi_madt_entry_lengths),
        READY(test_acpi_many_cpus_and_controllers),
        READY(test_acpi_too_many_cpus),
        cmocka_unit_test(test_platform_cpu_first),
        READY(test_acpi_pcie),
        READY(test_acpi_nodes),
        READY(test_srat_refuses_nonsense),
        READY(test_srat_revisions),
        READY(test_srat_lengths),
        READY(test_srat_many),
        cmocka_unit_test(test_numa_split),
        cmocka_unit_test(test_numa_split_far_up),
        cmocka_unit_test(test_numa_split_random),
        READY(test_acpi_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
