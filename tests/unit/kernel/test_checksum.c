#include "kernel/lib/bytes.h"
#include "kernel/lib/checksum.h"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>

/* RFC 1071, section 3: these bytes sum to ddf2 (before complement). */
static void test_checksum_rfc1071_example(void **state)
{
    const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

    (void)state;
    assert_int_equal(checksum_finish(checksum_add(0, data, sizeof(data))),
                     (uint16_t)~0xddf2);
}

/* The sum as section 1 defines it, a word at a time. */
static uint16_t slow(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i += 2) {
        sum += (uint32_t)data[i] << 8 | (i + 1 < len ? data[i + 1] : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static void test_checksum_any_length_and_alignment(void **state)
{
    uint8_t data[300];

    (void)state;
    srand(1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rand();
    for (size_t start = 0; start < 8; start++) {
        for (size_t len = 0; len < 256; len++)
            assert_int_equal(
                checksum_finish(checksum_add(0, data + start, len)),
                slow(data + start, len));
    }
}

static void test_checksum_chains(void **state)
{
    uint8_t data[64];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(255 - i);
    for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
        uint32_t sum = checksum_add(0, data, cut);

        sum = checksum_add(sum, data + cut, sizeof(data) - cut);
        assert_int_equal(checksum_finish(sum), slow(data, sizeof(data)));
    }
}

static void test_checksum_all_ones(void **state)
{
    uint8_t data[65534];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = 0xff;
    assert_int_equal(checksum_finish(checksum_add(0, data, sizeof(data))), 0);
}

static void test_bytes_round_trip(void **state)
{
    uint8_t b[9];

    (void)state;
    le16_put(b + 1, 0x1234);
    assert_int_equal(b[1], 0x34);
    assert_int_equal(le16_get(b + 1), 0x1234);
    be16_put(b + 1, 0x1234);
    assert_int_equal(b[1], 0x12);
    assert_int_equal(be16_get(b + 1), 0x1234);
    le32_put(b + 1, 0x89abcdef);
    assert_int_equal(b[1], 0xef);
    assert_int_equal(le32_get(b + 1), 0x89abcdef);
    be32_put(b + 1, 0x89abcdef);
    assert_int_equal(b[1], 0x89);
    assert_int_equal(be32_get(b + 1), 0x89abcdef);
    le64_put(b + 1, UINT64_C(0x0123456789abcdef));
    assert_int_equal(b[1], 0xef);
    assert_true(le64_get(b + 1) == UINT64_C(0x0123456789abcdef));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_rfc1071_example),
        cmocka_unit_test(test_checksum_any_length_and_alignment),
        cmocka_unit_test(test_checksum_chains),
        cmocka_unit_test(test_checksum_all_ones),
        cmocka_unit_test(test_bytes_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
