/* The MP table, right and damaged. Pure sources, included as they are. */
#include "hal/baremetal/firmware/mp_table.c"
#include "hal/baremetal/firmware/platform.c"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/physical.h"
#include <stdlib.h>

enum { BASE = 0x1000, SIZE = 4096, POINTER = BASE, TABLE = BASE + 64 };

static uint8_t memory[SIZE];
static size_t table_size;
static struct platform_info info;

static uint8_t *at(uint64_t address)
{
    return memory + (address - BASE);
}

static void checksum_fix(uint8_t *bytes, size_t size, size_t where)
{
    bytes[where] = 0;
    bytes[where] = (uint8_t)-byte_sum(bytes, size);
}

static void begin(void)
{
    memset(memory, 0, sizeof(memory));
    memcpy(at(POINTER), "_MP_", 4);
    le32_put(at(POINTER) + POINTER_TABLE, TABLE);
    at(POINTER)[POINTER_LENGTH] = 1;
    memcpy(at(TABLE), "PCMP", 4);
    table_size = HEADER_SIZE;
}

static void add(const uint8_t *entry, size_t size)
{
    memcpy(at(TABLE) + table_size, entry, size);
    table_size += size;
}

static void cpu(uint8_t id, uint8_t flags)
{
    add((const uint8_t[CPU_SIZE]){ENTRY_CPU, id, 0x14, flags}, CPU_SIZE);
}

static void ioapic(uint8_t id, uint8_t flags, uint8_t page)
{
    add((const uint8_t[]){ENTRY_IOAPIC, id, 0x11, flags, 0, page, 0xc0, 0xfe},
        OTHER_SIZE);
}

static void bus(uint8_t id, const char *name)
{
    uint8_t entry[OTHER_SIZE] = {ENTRY_BUS, id};

    memcpy(entry + 2, name, 6);
    add(entry, sizeof(entry));
}

static void interrupt(uint8_t flags, uint8_t from, uint8_t irq, uint8_t chip,
                      uint8_t line)
{
    add((const uint8_t[]){ENTRY_INTERRUPT, 0, flags, 0, from, irq, chip, line},
        OTHER_SIZE);
}

static bool parse(void)
{
    if (table_size <= UINT16_MAX) {
        le16_put(at(TABLE) + HEADER_LENGTH, (uint16_t)table_size);
        checksum_fix(at(TABLE), table_size, 7);
    }
    checksum_fix(at(POINTER), MP_POINTER_SIZE, 10);
    memset(&info, 0, sizeof(info));
    physical_set(BASE, memory, SIZE);
    return mp_parse(&info, &physical, POINTER);
}

static void build(void)
{
    begin();
    cpu(0, 3);
    cpu(2, 1);
    cpu(3, 0); /* disabled */
    cpu(2, 1); /* again */
    bus(0, "PCI   ");
    bus(1, "ISA   ");
    bus(2, "VME   ");
    ioapic(8, 0, 0x50); /* disabled */
    ioapic(9, 1, 0);
    ioapic(10, 1, 0x10);
    interrupt(0, 1, 0, 9, 2);
    interrupt(15, 1, 9, 9, 9);
    interrupt(5, 1, 5, 10, 5);  /* of the second I/O APIC */
    interrupt(0, 1, 7, 255, 7); /* of all */
    interrupt(0, 0, 12, 9, 11);
    interrupt(5, 0, 13, 9, 10);
    interrupt(0, 0, 14, 9, 17); /* not in ISA's way */
    interrupt(0, 1, 16, 9, 1);  /* no such ISA interrupt */
    interrupt(0, 2, 3, 9, 3);   /* of a bus we do not know */
    add((const uint8_t[]){ENTRY_INTERRUPT, 1, 0, 0, 1, 4, 9, 4},
        OTHER_SIZE); /* an NMI */
    add((const uint8_t[]){ENTRY_LOCAL, 3, 0, 0, 1, 6, 255, 6}, OTHER_SIZE);
}

static void test_mp_everything(void **state)
{
    static const struct {
        uint32_t gsi;
        uint16_t flags;
        bool set;
    } expected[ISA_IRQS] = {
        [0] = {2, 0, true},   [7] = {7, 0, true},    [9] = {9, 15, true},
        [10] = {10, 5, true}, [11] = {11, 15, true},
    };

    (void)state;
    build();
    assert_true(parse());
    assert_int_equal(info.cpu_count, 2);
    assert_int_equal(info.apic_id[1], 2);
    assert_int_equal(info.ioapic_count, 2);
    assert_int_equal(info.ioapic[0].base, 0xfec00000);
    assert_int_equal(info.ioapic[0].gsi, 0);
    assert_int_equal(info.ioapic[1].base, 0xfec01000);
    assert_int_equal(info.ioapic[1].gsi, PLATFORM_GSI_FOLLOWS);
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        assert_int_equal(info.isa_irq[i].set, expected[i].set);
        assert_int_equal(info.isa_irq[i].gsi, expected[i].gsi);
        assert_int_equal(info.isa_irq[i].flags, expected[i].flags);
    }
}

static void test_mp_damage(void **state)
{
    static const struct {
        const char *name;
        uint64_t field;
        uint8_t value;
        bool pointer_sum, table_sum; /* whether the checksums are mended */
        bool good;
    } rows[] = {
        {"nothing", POINTER, '_', true, true, true},
        {"the pointer's name", POINTER + 1, 'N', true, true, false},
        {"its length", POINTER + POINTER_LENGTH, 2, true, true, false},
        {"its checksum", POINTER + 12, 1, false, true, false},
        {"a default too high", POINTER + POINTER_DEFAULT, 8, true, true, false},
        {"the table far off", POINTER + POINTER_TABLE + 3, 0xff, true, true,
         false},
        {"the table at the end", POINTER + POINTER_TABLE + 1, 0x20, true, true,
         false},
        {"the table's name", TABLE + 3, 'Q', true, true, false},
        {"its checksum", TABLE + 20, 1, true, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool good;

        build();
        (void)parse();
        *at(rows[i].field) = rows[i].value;
        if (rows[i].pointer_sum)
            checksum_fix(at(POINTER), MP_POINTER_SIZE, 10);
        if (rows[i].table_sum)
            checksum_fix(at(TABLE), table_size, 7);
        memset(&info, 0, sizeof(info));
        physical_set(BASE, memory, SIZE);
        good = mp_parse(&info, &physical, POINTER);
        ROW(rows[i].name, good == rows[i].good);
        ROW(rows[i].name, info.cpu_count == (good ? 2 : 0));
    }
}

static void test_mp_lengths(void **state)
{
    static const struct {
        uint16_t length;
        bool good;
        unsigned cpus;
    } rows[] = {
        {0, false, 0},
        {HEADER_SIZE - 1, false, 0},
        {HEADER_SIZE, true, 0},
        {HEADER_SIZE + CPU_SIZE - 1, true, 0},
        {HEADER_SIZE + CPU_SIZE, true, 1},
        {HEADER_SIZE + 2 * CPU_SIZE - 1, true, 1},
        {SIZE - 64, true, 2},
        {SIZE - 63, false, 0},
        {UINT16_MAX, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        build();
        (void)parse();
        le16_put(at(TABLE) + HEADER_LENGTH, rows[i].length);
        if (rows[i].length > 8 && rows[i].length <= SIZE - 64)
            checksum_fix(at(TABLE), rows[i].length, 7);
        memset(&info, 0, sizeof(info));
        physical_set(BASE, memory, SIZE);
        assert_int_equal(mp_parse(&info, &physical, POINTER), rows[i].good);
        assert_int_equal(info.cpu_count, rows[i].cpus);
    }
}

/* What follows an entry of an unknown type cannot be found. */
static void test_mp_unknown_entry(void **state)
{
    (void)state;
    begin();
    cpu(1, 1);
    add((const uint8_t[OTHER_SIZE]){5}, OTHER_SIZE);
    cpu(2, 1);
    assert_true(parse());
    assert_int_equal(info.cpu_count, 1);
}

/* An interrupt counts when its I/O APIC has been told. */
static void test_mp_interrupt_before_its_chip(void **state)
{
    (void)state;
    begin();
    bus(1, "ISA   ");
    interrupt(0, 1, 3, 0, 4);
    interrupt(0, 1, 5, 255, 6);
    ioapic(0, 1, 0);
    interrupt(0, 1, 7, 0, 8);
    assert_true(parse());
    assert_false(info.isa_irq[3].set);
    assert_false(info.isa_irq[5].set);
    assert_int_equal(info.isa_irq[7].gsi, 8);
}

static void test_mp_default_configurations(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind <= 7; kind++) {
        begin();
        at(POINTER)[POINTER_DEFAULT] = (uint8_t)kind;
        assert_true(parse());
        assert_int_equal(info.cpu_count, 2);
        assert_int_equal(info.apic_id[1], 1);
        assert_int_equal(info.ioapic_count, 1);
        assert_int_equal(info.ioapic[0].base, 0xfec00000);
        assert_int_equal(info.isa_irq[0].gsi, 2);
    }
}

static void test_mp_many(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 12; i++)
        ioapic((uint8_t)i, 1, (uint8_t)(i << 4));
    for (unsigned i = 0; i < 150; i++)
        cpu((uint8_t)(i + 1), 1);
    assert_true(parse());
    assert_int_equal(info.cpu_count, 150);
    assert_int_equal(info.ioapic_count, COUNT_OF(info.ioapic));
}

static void test_mp_random_damage(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20000; seed++) {
        srand(seed);
        build();
        (void)parse();
        for (int k = rand() % 8; k >= 0; k--)
            at(TABLE)[(size_t)rand() % table_size] = (uint8_t)rand();
        checksum_fix(at(TABLE), table_size, 7);
        memset(&info, 0, sizeof(info));
        physical_set(BASE, memory, SIZE);
        (void)mp_parse(&info, &physical, POINTER);
        assert_true(info.cpu_count <= HAL_CPU_MAX);
        assert_true(info.ioapic_count <= COUNT_OF(info.ioapic));
    }
}

static int forget(void **state)
{
    (void)state;
    physical_set(0, NULL, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mp_everything),
        cmocka_unit_test(test_mp_damage),
        cmocka_unit_test(test_mp_lengths),
        cmocka_unit_test(test_mp_unknown_entry),
        cmocka_unit_test(test_mp_interrupt_before_its_chip),
        cmocka_unit_test(test_mp_default_configurations),
        cmocka_unit_test(test_mp_many),
        cmocka_unit_test(test_mp_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
