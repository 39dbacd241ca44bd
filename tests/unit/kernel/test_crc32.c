/* CRC-32: values from zlib's crc32(). */
#include "kernel/lib/crc32.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/part_image.h"
#include <string.h>

static void test_crc32_known_values(void **state)
{
    static const struct {
        const char *name;
        const char *data;
        size_t size;
        uint32_t crc;
    } rows[] = {
        {"nothing", "", 0, 0},
        {"one byte", "a", 1, 0xe8b7be43},
        {"the check value", "123456789", 9, 0xcbf43926},
        {"text", "The quick brown fox jumps over the lazy dog", 43, 0x414fa339},
        {"zero", "\0", 1, 0xd202ef8d},
        {"all ones", "\xff\xff\xff\xff", 4, 0xffffffff},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ROW(rows[i].name, crc32(0, rows[i].data, rows[i].size) == rows[i].crc);
}

/* Each byte, against the definition bit by bit. */
static void test_crc32_every_byte(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t bytes[3] = {0x5a, (uint8_t)i, 0xc3};

        assert_int_equal(crc32(0, bytes, 3), image_crc32(bytes, 3));
    }
}

static void test_crc32_goes_on(void **state)
{
    static const char text[] = "123456789";

    (void)state;
    for (size_t i = 0; i <= 9; i++)
        assert_int_equal(crc32(crc32(0, text, i), text + i, 9 - i), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32_known_values),
        cmocka_unit_test(test_crc32_every_byte),
        cmocka_unit_test(test_crc32_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
