/* MBR tables as bytes: UEFI specification 2.10, section 5.2.1. */
#include "kernel/device/mbr.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/part_image.h"
#include <string.h>

static uint8_t table[MBR_SIZE];

static void fresh(void)
{
    memset(table, 0, sizeof(table));
    mbr_image_entry(table, 0, 0x83, 8, 8);
}

/* What makes a table: the signature, and four valid status bytes. */
static void test_mbr_what_is_a_table(void **state)
{
    static const struct {
        const char *name;
        size_t offset;
        uint8_t value;
        bool is_table;
    } rows[] = {
        {"as it should be", 446, 0, true},
        {"active", 446, 0x80, true},
        {"status 0x55", 446, 0x55, false},
        {"status 1", 446, 1, false},
        {"second status", 462, 0x40, false},
        {"third status", 478, 0x20, false},
        {"fourth status", 494, 0x7f, false},
        {"all are active", 494, 0x80, true},
        {"first byte of the signature", 510, 0x54, false},
        {"second byte of the signature", 511, 0xab, false},
    };
    struct mbr mbr;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fresh();
        table[rows[i].offset] = rows[i].value;
        ROW(rows[i].name, mbr_parse(table, &mbr) == rows[i].is_table);
    }
}

static void test_mbr_entries(void **state)
{
    struct mbr mbr;

    (void)state;
    fresh();
    mbr_image_entry(table, 1, 0, 100, 200); /* type 0: unused */
    mbr_image_entry(table, 2, 0x0c, 0x01020304, UINT32_MAX);
    mbr_image_entry(table, 3, 1, 7, 0);
    assert_true(mbr_parse(table, &mbr));
    assert_int_equal(mbr.entry[0].type, 0x83);
    assert_int_equal(mbr.entry[0].first, 8);
    assert_int_equal(mbr.entry[0].sectors, 8);
    assert_int_equal(mbr.entry[1].sectors, 0);
    assert_int_equal(mbr.entry[2].first, 0x01020304);
    assert_int_equal(mbr.entry[2].sectors, UINT32_MAX);
    assert_int_equal(mbr.entry[3].type, 1);
    assert_int_equal(mbr.entry[3].first, 7);
    assert_int_equal(mbr.entry[3].sectors, 0);
}

static void test_mbr_extended(void **state)
{
    static const struct {
        uint8_t type;
        uint32_t sectors;
        bool is_extended;
    } rows[] = {
        {0x05, 1, true},  {0x0f, 1, true},  {0x85, 1, true},
        {0x05, 0, false}, {0x0f, 0, false}, {0x83, 1, false},
        {0x04, 1, false}, {0x06, 1, false}, {0xee, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct mbr_entry entry = {.type = rows[i].type,
                                        .sectors = rows[i].sectors};

        assert_int_equal(mbr_is_extended(&entry), rows[i].is_extended);
    }
}

static void test_mbr_protects_a_gpt(void **state)
{
    struct mbr mbr;

    (void)state;
    fresh();
    assert_true(mbr_parse(table, &mbr));
    assert_false(mbr_protects_gpt(&mbr));
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        fresh(); /* from the second on a hybrid */
        mbr_image_entry(table, i, 0xee, 1, 100);
        assert_true(mbr_parse(table, &mbr));
        assert_true(mbr_protects_gpt(&mbr));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mbr_what_is_a_table),
        cmocka_unit_test(test_mbr_entries),
        cmocka_unit_test(test_mbr_extended),
        cmocka_unit_test(test_mbr_protects_a_gpt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
