/*
 * ACPI tables, good and damaged. The parser is pure, so it is included as it
 * is: the hosted archive does not hold bare metal's sources.
 */
#include "hal/baremetal/acpi_tables.c"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

/* Physical memory from BASE on; what is asked for beyond it does not exist. */
enum { BASE = 0x1000, MEMORY = 16 * 1024 };
static uint8_t *memory;
static size_t end;
static struct acpi_info info;

static const uint8_t *map(uint64_t address, size_t size)
{
    if (address < BASE || address - BASE > MEMORY ||
        size > MEMORY - (address - BASE))
        return NULL;
    return memory + (address - BASE);
}

static const struct acpi_memory acpi_memory = {map};

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

static void build(bool wide, bool reduced)
{
    uint64_t tables[2];

    tables[0] = madt_add();
    tables[1] = fadt_add(dsdt_add(), reduced);
    root_add(tables, 2, wide);
}

static void test_acpi_everything(void **state)
{
    (void)state;
    build(true, false);
    acpi_parse(&info, &acpi_memory, BASE);
    assert_int_equal(info.lapic_base, 0xfee00000);
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

static void test_acpi_nothing_there(void **state)
{
    static const uint64_t places[] = {
        0, 1, BASE, BASE + MEMORY, BASE + MEMORY - 10, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        acpi_parse(&info, &acpi_memory, places[i]);
        assert_int_equal(info.cpu_count, 0);
        assert_int_equal(info.lapic_base, 0xfee00000);
        assert_int_equal(info.s5_type, -1);
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
    }
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_acpi_everything),
        READY(test_acpi_old_root_and_reduced_hardware),
        READY(test_acpi_nothing_there),
        READY(test_acpi_bad_checksums),
        READY(test_acpi_lengths),
        READY(test_acpi_madt_entry_lengths),
        READY(test_acpi_many_cpus_and_controllers),
        READY(test_acpi_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
