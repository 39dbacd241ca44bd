/* What drives say of themselves: rows of changed words. */
#include "drivers/ata.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>
#include <torc/errno.h>

enum { CHANGES = 4 };

static uint8_t data[ATA_IDENTITY_SIZE];
static struct ata_identity id;

static void put(unsigned word, uint16_t value)
{
    le16_put(data + 2 * word, value);
}

static void put_text(unsigned word, unsigned words, const char *text)
{
    for (unsigned i = 0; i < 2 * words; i++)
        data[2 * word + (i ^ 1)] =
            i < strlen(text) ? (uint8_t)text[i] : (uint8_t)' ';
}

/* A drive of 2012: 1 TB, LBA48, UDMA 6 set, cache, FUA; as its data sheet and
 * ATA8-ACS say. */
static void fill(void)
{
    memset(data, 0, sizeof(data));
    put(0, 0x0c5a);
    put(1, 0x3fff);
    put_text(10, 10, "        W1D0ABCD");
    put_text(23, 4, "CC43");
    put_text(27, 20, "ST1000DM003-1CH162");
    put(47, 0x8010);
    put(48, 0x4000);
    put(49, 0x2f00);
    put(53, 7);
    put(60, 0xffff);
    put(61, 0x0fff);
    put(63, 7);
    put(82, 0x346b);
    put(83, 0x7d09);
    put(84, 0x4163);
    put(85, 0x3469);
    put(86, 0xbc09);
    put(87, 0x4163);
    put(88, 0x407f);
    put(100, 0x6db0);
    put(101, 0x7470);
    put(106, 0x6003);
}

static void sum_make(void)
{
    uint8_t sum = 0;

    data[510] = 0xa5;
    data[511] = 0;
    for (unsigned i = 0; i < 511; i++)
        sum = (uint8_t)(sum + data[i]);
    data[511] = (uint8_t)-sum;
}

static void test_identity_of_a_disk(void **state)
{
    (void)state;
    fill();
    sum_make();
    assert_int_equal(ata_identity_parse(data, &id), 0);
    assert_int_equal(id.sectors, 1953525168);
    assert_int_equal(id.sector_size, 512);
    assert_string_equal(id.model, "ST1000DM003-1CH162");
    assert_string_equal(id.serial, "        W1D0ABCD");
    assert_true(id.lba48);
    assert_true(id.dma);
    assert_true(id.fua);
    assert_true(id.cache);
    assert_true(id.flush);
    assert_true(id.flush_ext);
    assert_false(id.data32);
    assert_int_equal(id.multiple_max, 16);
    assert_int_equal(id.dma_mode, 0x46);
}

struct change {
    unsigned word;
    uint16_t value;
};

/* What cannot be used, and why; the last change of a row is {0, the word 0}. */
#define SAME      \
    {             \
        0, 0x0c5a \
    }

static const struct {
    const char *name;
    struct change change[CHANGES];
    int status;
    uint64_t sectors;
    uint32_t sector_size;
} size_rows[] = {
    {"as it is", {SAME}, 0, 1953525168, 512},
    {"no LBA", {{49, 0x0d00}, SAME}, -ENOTSUP, 0, 0},
    {"a packet device", {{0, 0x85c0}}, -ENOTSUP, 0, 0},
    {"CompactFlash", {{0, 0x848a}}, 0, 1953525168, 512},
    {"LBA48 that is not enabled", {{86, 0xb809}, SAME}, 0, 0xfffffff, 512},
    {"LBA48 that it has not", {{83, 0x7909}, SAME}, 0, 0xfffffff, 512},
    {"no word 83", {{83, 0x3d09}, SAME}, 0, 0xfffffff, 512},
    {"word 83 all ones", {{83, 0xffff}, SAME}, 0, 0xfffffff, 512},
    {"only words 60 and 61", {{100, 0}, {101, 0}, SAME}, 0, 0xfffffff, 512},
    {"48 bits", {{102, 1}, SAME}, 0, UINT64_C(0x174706db0), 512},
    {"more than 48 bits", {{103, 2}, SAME}, -EINVAL, 0, 0},
    {"all of 48 bits",
     {{103, 1}, {100, 0}, {101, 0}, SAME},
     0,
     UINT64_C(1) << 48,
     512},
    {"one more", {{103, 1}, {100, 1}, {101, 0}, SAME}, -EINVAL, 0, 0},
    {"one sector, 28 bits", {{86, 0}, {60, 1}, {61, 0}, SAME}, 0, 1, 512},
    {"no sector, 28 bits", {{86, 0}, {60, 0}, {61, 0}, SAME}, -EINVAL, 0, 0},
    {"more than 28 bits", {{86, 0}, {61, 0x1fff}, SAME}, 0, 0x0fffffff, 512},
    {"4096 bytes", {{106, 0x5000}, {117, 2048}, SAME}, 0, 1953525168, 4096},
    {"2048 bytes", {{106, 0x5000}, {117, 1024}, SAME}, 0, 1953525168, 2048},
    {"512 bytes, said so",
     {{106, 0x5000}, {117, 256}, SAME},
     0,
     1953525168,
     512},
    {"256 bytes", {{106, 0x5000}, {117, 128}, SAME}, -ENOTSUP, 0, 0},
    {"8192 bytes", {{106, 0x5000}, {117, 4096}, SAME}, -ENOTSUP, 0, 0},
    {"3072 bytes", {{106, 0x5000}, {117, 1536}, SAME}, -ENOTSUP, 0, 0},
    {"no bytes", {{106, 0x5000}, {117, 0}, SAME}, -ENOTSUP, 0, 0},
    {"in the upper half",
     {{106, 0x5000}, {117, 2048}, {118, 1}, SAME},
     -ENOTSUP,
     0,
     0},
    {"no word 106", {{106, 0x1000}, {117, 2048}, SAME}, 0, 1953525168, 512},
    {"word 106 all ones",
     {{106, 0xffff}, {117, 2048}, SAME},
     0,
     1953525168,
     512},
};

static void change_all(const struct change *change)
{
    fill();
    for (unsigned i = 0; i < CHANGES; i++) {
        put(change[i].word, change[i].value);
        if (change[i].word == 0)
            break;
    }
}

static void test_identity_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(size_rows); i++) {
        struct ata_identity before;

        change_all(size_rows[i].change);
        memset(&id, 0x5a, sizeof(id));
        before = id;
        ROW(size_rows[i].name,
            ata_identity_parse(data, &id) == size_rows[i].status);
        if (size_rows[i].status == 0) {
            ROW(size_rows[i].name, id.sectors == size_rows[i].sectors);
            ROW(size_rows[i].name, id.sector_size == size_rows[i].sector_size);
        } else {
            ROW(size_rows[i].name, memcmp(&id, &before, sizeof(id)) == 0);
        }
    }
}

static const struct {
    const char *name;
    struct change change[CHANGES];
    uint8_t mode;
} mode_rows[] = {
    {"UDMA 6", {SAME}, 0x46},
    {"UDMA 0", {{88, 0x017f}, SAME}, 0x40},
    {"UDMA 7", {{88, 0x807f}, SAME}, 0x47},
    {"none set", {{88, 0x007f}, SAME}, 0},
    {"multiword 2", {{88, 0x007f}, {63, 0x0407}, SAME}, 0x22},
    {"multiword 0", {{88, 0x007f}, {63, 0x0107}, SAME}, 0x20},
    {"reserved bits of 63", {{88, 0x007f}, {63, 0xf807}, SAME}, 0},
    {"no word 88", {{53, 3}, {63, 0x0407}, SAME}, 0x22},
    {"no DMA at all", {{49, 0x0e00}, SAME}, 0},
};

static void test_identity_modes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mode_rows); i++) {
        change_all(mode_rows[i].change);
        ROW(mode_rows[i].name, ata_identity_parse(data, &id) == 0);
        ROW(mode_rows[i].name, id.dma_mode == mode_rows[i].mode);
    }
}

static const struct {
    const char *name;
    uint16_t word;
    uint8_t multiple;
} multiple_rows[] = {
    {"none", 0x8000, 0},   {"one", 0x8001, 1},      {"two", 0x8002, 2},
    {"three", 0x8003, 2},  {"sixteen", 0x8010, 16}, {"seventeen", 0x8011, 16},
    {"most", 0x80ff, 128},
};

static void test_identity_multiple(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(multiple_rows); i++) {
        fill();
        put(47, multiple_rows[i].word);
        ROW(multiple_rows[i].name, ata_identity_parse(data, &id) == 0);
        ROW(multiple_rows[i].name,
            id.multiple_max == multiple_rows[i].multiple);
    }
}

/* Each feature by its own word and bit. */
static void test_identity_features(void **state)
{
    static const struct {
        const char *name;
        struct change change[CHANGES];
        bool cache, flush, flush_ext, fua, data32;
    } rows[] = {
        {"all but 32 bits", {SAME}, true, true, true, true, false},
        {"no cache", {{82, 0x344b}, SAME}, false, true, true, true, false},
        {"no flush", {{83, 0x6d09}, SAME}, true, false, true, true, false},
        {"no flush ext", {{83, 0x5d09}, SAME}, true, true, false, true, false},
        {"no FUA", {{84, 0x4123}, SAME}, true, true, true, false, false},
        {"no word 84", {{84, 0x8163}, SAME}, true, true, true, false, false},
        {"no word 83", {{83, 0x3d09}, SAME}, false, false, false, false, false},
        {"no LBA48", {{86, 0}, SAME}, true, true, false, false, false},
        {"32 bits", {{48, 1}, SAME}, true, true, true, true, true},
        {"trusted", {{48, 0x4001}, SAME}, true, true, true, true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        change_all(rows[i].change);
        ROW(rows[i].name, ata_identity_parse(data, &id) == 0);
        ROW(rows[i].name, id.cache == rows[i].cache);
        ROW(rows[i].name, id.flush == rows[i].flush);
        ROW(rows[i].name, id.flush_ext == rows[i].flush_ext);
        ROW(rows[i].name, id.fua == rows[i].fua);
        ROW(rows[i].name, id.data32 == rows[i].data32);
    }
}

static void test_identity_checksum(void **state)
{
    (void)state;
    fill();
    sum_make();
    data[511]++;
    assert_int_equal(ata_identity_parse(data, &id), -EIO);
    data[510] = 0; /* there is none */
    assert_int_equal(ata_identity_parse(data, &id), 0);
    sum_make();
    data[100] ^= 1;
    assert_int_equal(ata_identity_parse(data, &id), -EIO);
}

static void test_identity_text(void **state)
{
    (void)state;
    fill();
    put_text(27, 20,
             "a\tb\x80"
             "c\x7f~");
    put_text(10, 10, "");
    assert_int_equal(ata_identity_parse(data, &id), 0);
    assert_string_equal(id.model, "a b c ~");
    assert_string_equal(id.serial, "");
    put_text(27, 20, "0123456789012345678901234567890123456789");
    put_text(10, 10, "01234567890123456789");
    put(20, 0x4141); /* the words behind them could be text, too */
    put(47, 0x8041);
    assert_int_equal(ata_identity_parse(data, &id), 0);
    assert_int_equal(strlen(id.model), 40);
    assert_int_equal(strlen(id.serial), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_of_a_disk),
        cmocka_unit_test(test_identity_sizes),
        cmocka_unit_test(test_identity_modes),
        cmocka_unit_test(test_identity_multiple),
        cmocka_unit_test(test_identity_features),
        cmocka_unit_test(test_identity_checksum),
        cmocka_unit_test(test_identity_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
