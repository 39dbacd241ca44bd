/* GPT headers and entries as bytes: UEFI specification 2.10, section 5.3. */
#include "kernel/device/gpt.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/part_image.h"
#include <string.h>
#include <torc/compiler.h>

enum { SECTORS = 200, LAST = SECTORS - 1 };

static uint8_t disk[SECTORS * 4096];
static struct gpt_image image;

static void fresh(uint32_t sector_size)
{
    image = (struct gpt_image){.disk = disk,
                               .sectors = SECTORS,
                               .sector_size = sector_size,
                               .entry_count = 128,
                               .entry_size = 128};
    gpt_image_init(&image);
}

static const char *parse(unsigned which, struct gpt_header *header)
{
    return gpt_header_parse(image.header[which], image.sector_size,
                            which == 0 ? 1 : LAST, LAST, header);
}

static void test_gpt_header_fields(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 4096; size *= 8) {
        for (unsigned which = 0; which < 2; which++) {
            uint64_t array_sectors = 128 * 128 / size;
            struct gpt_header header;

            fresh(size);
            assert_null(parse(which, &header));
            assert_int_equal(header.usable_first, 2 + array_sectors);
            assert_int_equal(header.usable_last, LAST - array_sectors - 1);
            assert_int_equal(header.array,
                             which == 0 ? 2 : LAST - array_sectors);
            assert_int_equal(header.entry_count, 128);
            assert_int_equal(header.entry_size, 128);
            assert_int_equal(gpt_array_size(&header), 128 * 128);
            assert_true(gpt_array_valid(&header, image.array[which]));
            image.array[which][128 * 128 - 1] ^= 1;
            assert_false(gpt_array_valid(&header, image.array[which]));
        }
    }
}

/* One field of the header changed, and its checksum right again. */
static void test_gpt_header_numbers(void **state)
{
    static const struct {
        const char *name;
        unsigned offset, size; /* bytes; size 0: nothing changes */
        uint64_t value;
        const char *why; /* NULL: it is valid */
    } rows[] = {
        {"as it should be", 0, 0, 0, NULL},
        {"revision 1.1", 8, 4, 0x00010001, NULL},
        {"revision 2.0", 8, 4, 0x00020000, "its revision is unknown"},
        {"revision 0", 8, 4, 0, "its revision is unknown"},
        {"size 91", 12, 4, 91, "its size cannot be"},
        {"size 93", 12, 4, 93, NULL},
        {"all of the sector", 12, 4, 512, NULL},
        {"more than the sector", 12, 4, 513, "its size cannot be"},
        {"size 0", 12, 4, 0, "its size cannot be"},
        {"all ones", 12, 4, UINT32_MAX, "its size cannot be"},
        {"of sector 2", 24, 8, 2, "it belongs elsewhere"},
        {"of the last sector", 24, 8, LAST, "it belongs elsewhere"},
        {"usable from 0", 40, 8, 0, NULL},
        {"usable: one sector", 40, 8, LAST - 33, NULL},
        {"usable: none", 40, 8, LAST - 32,
         "its partitions would lie outside the disk"},
        {"usable to the last", 48, 8, LAST, NULL},
        {"usable past it", 48, 8, LAST + 1,
         "its partitions would lie outside the disk"},
        {"usable for ever", 48, 8, UINT64_MAX,
         "its partitions would lie outside the disk"},
        {"entries behind it", 72, 8, 2, NULL},
        {"entries at the end", 72, 8, LAST - 31, NULL},
        {"entries past the end", 72, 8, LAST - 30,
         "its entries lie outside the disk"},
        {"entries far away", 72, 8, UINT64_MAX,
         "its entries lie outside the disk"},
        {"entries over the header", 72, 8, 1, "its entries would lie over it"},
        {"entries over the MBR", 72, 8, 0, "its entries lie outside the disk"},
        {"no entries", 80, 4, 0, NULL},
        {"as many as we read", 80, 4, 198 * 4, NULL},
        {"more than the disk has", 80, 4, 198 * 4 + 1,
         "its entries lie outside the disk"},
        {"2048 entries", 80, 4, 2048, "its entries lie outside the disk"},
        {"2049 entries", 80, 4, 2049, "it has too many entries"},
        {"entries without end", 80, 4, UINT32_MAX, "it has too many entries"},
        {"entries of 256 bytes", 84, 4, 256, NULL},
        {"entries of 384 bytes", 84, 4, 384, NULL},
        {"entries of no byte", 84, 4, 0, "the size of its entries cannot be"},
        {"entries of 64 bytes", 84, 4, 64, "the size of its entries cannot be"},
        {"entries of 129 bytes", 84, 4, 129,
         "the size of its entries cannot be"},
        {"large entries", 84, 4, UINT32_MAX - 127, "it has too many entries"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gpt_header header;
        uint32_t size;
        const char *why;

        fresh(512);
        if (rows[i].size == 4)
            le32_put(disk + 512 + rows[i].offset, (uint32_t)rows[i].value);
        if (rows[i].size == 8)
            le64_put(disk + 512 + rows[i].offset, rows[i].value);
        size = le32_get(disk + 512 + 12);
        le32_put(disk + 512 + 16, 0);
        if (size <= 512)
            le32_put(disk + 512 + 16, image_crc32(disk + 512, size));
        why = parse(0, &header);
        if (rows[i].why == NULL)
            ROW(rows[i].name, why == NULL);
        else
            ROW(rows[i].name, why != NULL && strcmp(why, rows[i].why) == 0);
    }
}

/* Where the four entries of a small array may be, which fill a sector. */
static void test_gpt_place_of_entries(void **state)
{
    static const struct {
        const char *name;
        unsigned which;
        uint32_t count;
        uint64_t array;
        bool is_valid;
    } rows[] = {
        {"the last sector", 0, 4, LAST, true},
        {"past it", 0, 4, LAST + 1, false},
        {"two from the last one on", 0, 5, LAST, false},
        {"the last two", 0, 5, LAST - 1, true},
        {"over the header", 0, 4, 1, false},
        {"behind the header", 0, 4, 2, true},
        {"over the backup", 1, 4, LAST, false},
        {"into the backup", 1, 8, LAST - 1, false},
        {"before the backup", 1, 8, LAST - 2, true},
        {"far before it", 1, 4, 2, true},
        {"none, at the end", 0, 0, LAST, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gpt_header header;

        fresh(512);
        image.entry_count = rows[i].count;
        gpt_image_init(&image);
        le64_put(image.header[rows[i].which] + 72, rows[i].array);
        gpt_image_seal(&image, rows[i].which);
        ROW(rows[i].name,
            (parse(rows[i].which, &header) == NULL) == rows[i].is_valid);
    }
}

/* Each byte of the header changed by itself: it is seen. */
static void test_gpt_header_every_byte_counts(void **state)
{
    struct gpt_header header;

    (void)state;
    for (unsigned i = 0; i < 92; i++) {
        fresh(512);
        disk[512 + i] ^= 0x10;
        assert_non_null(parse(0, &header));
    }
    fresh(512);
    disk[512 + 92] ^= 0x10; /* past the end of the header */
    assert_null(parse(0, &header));
}

static void test_gpt_entries(void **state)
{
    static const uint32_t sizes[] = {128, 256, 384};
    uint64_t first = 1, last = 1;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct gpt_header header;

        fresh(512);
        image.entry_count = 20;
        image.entry_size = sizes[i];
        gpt_image_init(&image);
        gpt_image_entry(&image, 0, 50, 59);
        gpt_image_entry(&image, 19, 60, UINT64_MAX);
        assert_null(parse(0, &header));
        assert_true(gpt_array_valid(&header, image.array[0]));
        assert_true(gpt_entry(&header, image.array[0], 0, &first, &last));
        assert_int_equal(first, 50);
        assert_int_equal(last, 59);
        assert_false(gpt_entry(&header, image.array[0], 1, &first, &last));
        assert_false(gpt_entry(&header, image.array[0], 18, &first, &last));
        assert_true(gpt_entry(&header, image.array[0], 19, &first, &last));
        assert_int_equal(first, 60);
        assert_true(last == UINT64_MAX);
        /* Any byte of the type makes it used. */
        memset(image.array[0], 0, 16);
        assert_false(gpt_entry(&header, image.array[0], 0, &first, &last));
        for (unsigned k = 0; k < 16; k++) {
            memset(image.array[0], 0, 16);
            image.array[0][k] = 1;
            assert_true(gpt_entry(&header, image.array[0], 0, &first, &last));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt_header_fields),
        cmocka_unit_test(test_gpt_header_numbers),
        cmocka_unit_test(test_gpt_place_of_entries),
        cmocka_unit_test(test_gpt_header_every_byte_counts),
        cmocka_unit_test(test_gpt_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
