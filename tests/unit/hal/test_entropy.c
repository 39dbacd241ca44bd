/* The pool of randomness, and what is believed of times. */
#include "hal/baremetal/cpu/entropy_pool.c"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

enum { COUNT = 128 };

static void test_every_byte_counts(void **state)
{
    uint8_t data[33] = {0};
    uint8_t plain[32], other[32];

    (void)state;
    for (size_t len = 1; len <= sizeof(data); len++) {
        struct entropy_pool pool = {0};

        entropy_add(&pool, data, len, 0);
        entropy_take(&pool, plain, sizeof(plain));
        for (size_t i = 0; i < len; i++) {
            pool = (struct entropy_pool){0};
            data[i] = 1;
            entropy_add(&pool, data, len, 0);
            data[i] = 0;
            entropy_take(&pool, other, sizeof(other));
            assert_memory_not_equal(plain, other, sizeof(plain));
        }
        /* The length, too. */
        pool = (struct entropy_pool){0};
        entropy_add(&pool, data, len - 1, 0);
        entropy_take(&pool, other, sizeof(other));
        assert_memory_not_equal(plain, other, sizeof(plain));
    }
}

static void test_earlier_pieces_stay_in(void **state)
{
    struct entropy_pool a = {0}, b = {0};
    uint64_t one = 1, two = 2, out_a, out_b;

    (void)state;
    entropy_add(&a, &one, sizeof(one), 0);
    entropy_add(&b, &two, sizeof(two), 0);
    for (unsigned i = 0; i < 100; i++) {
        entropy_add(&a, &one, sizeof(one), 0);
        entropy_add(&b, &one, sizeof(one), 0);
        entropy_take(&a, &out_a, sizeof(out_a));
        entropy_take(&b, &out_b, sizeof(out_b));
        assert_true(out_a != out_b);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Words never come twice, neither in one piece nor in the next. */
static void test_output_does_not_repeat(void **state)
{
    static uint64_t words[4096];
    struct entropy_pool pool = {0};
    unsigned ones = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i += 64)
        entropy_take(&pool, words + i, 64 * sizeof(*words));
    for (size_t i = 0; i < COUNT_OF(words); i++)
        ones += (unsigned)__builtin_popcountll(words[i]);
    assert_in_range(ones, 4096 * 32 - 2000, 4096 * 32 + 2000);
    qsort(words, COUNT_OF(words), sizeof(*words), by_value);
    for (size_t i = 1; i < COUNT_OF(words); i++)
        assert_true(words[i] != words[i - 1]);
}

static void test_lengths(void **state)
{
    uint8_t out[40];

    (void)state;
    for (size_t len = 0; len < sizeof(out); len++) {
        struct entropy_pool pool = {0};
        unsigned zeros = 0;

        memset(out, 0, sizeof(out));
        out[len] = 0x77;
        entropy_take(&pool, out, len);
        assert_int_equal(out[len], 0x77);
        for (size_t i = 0; i < len; i++)
            zeros += out[i] == 0;
        assert_true(zeros < 3);
    }
}

static void test_bits_add_up(void **state)
{
    struct entropy_pool pool = {0};
    uint64_t out;

    (void)state;
    assert_false(entropy_take(&pool, &out, sizeof(out)));
    entropy_add(&pool, &out, sizeof(out), 0);
    assert_false(entropy_take(&pool, &out, sizeof(out)));
    entropy_add(&pool, &out, sizeof(out), 127);
    assert_false(entropy_take(&pool, &out, sizeof(out)));
    entropy_add(&pool, &out, sizeof(out), 1);
    assert_true(entropy_take(&pool, &out, sizeof(out)));
    entropy_add(&pool, &out, sizeof(out), UINT32_MAX);
    assert_true(entropy_take(&pool, &out, sizeof(out)));
    assert_int_equal(pool.bits, ENTROPY_ENOUGH);
}

static uint32_t first[COUNT], second[COUNT];

static unsigned estimate(void)
{
    return entropy_of_times(first, second, COUNT);
}

static void test_regular_times_tell_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        first[i] = second[i] = 100;
    assert_int_equal(estimate(), 0);
    for (unsigned i = 0; i < COUNT; i++)
        first[i] = second[i] = i * i * 7919 % 1009; /* computed */
    assert_int_equal(estimate(), 0);
    for (unsigned i = 0; i < COUNT; i++)
        second[i] = first[i] + 13; /* and slower by a constant */
    assert_int_equal(estimate(), 0);
    first[7] += 1000; /* a single event */
    assert_int_equal(estimate(), 0);
    for (unsigned i = 0; i < COUNT; i++)
        second[i] = first[i] + i % 16 / 15; /* one of two, the other rarely */
    assert_int_equal(estimate(), 0);
}

static void test_irregular_times_tell_a_part(void **state)
{
    static const struct {
        unsigned values, bits;
    } row[] = {{2, COUNT / 8}, {4, 2 * COUNT / 8}, {16, 4 * COUNT / 8}};
    static const struct {
        unsigned a, b, eighths;
    } logs[] = {{1, 1, 0},     {128, 128, 0}, {128, 118, 0}, {128, 117, 1},
                {2, 1, 8},     {3, 1, 12},    {128, 1, 56},  {181, 128, 3},
                {182, 128, 4}, {1000, 1, 79}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(logs); i++)
        assert_int_equal(log2_eighths(logs[i].a, logs[i].b), logs[i].eighths);
    for (size_t r = 0; r < COUNT_OF(row); r++) {
        for (unsigned i = 0; i < COUNT; i++) {
            first[i] = 100;
            second[i] = 100 + i % row[r].values;
        }
        assert_int_equal(estimate(), row[r].bits);
    }
    for (unsigned i = 0; i < COUNT; i++)
        second[i] = i;
    assert_int_equal(estimate(), 7 * COUNT / 8);
    assert_int_equal(entropy_of_times(first, second, 0), 0);
    assert_int_equal(entropy_of_times(first, second, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_earlier_pieces_stay_in),
        cmocka_unit_test(test_output_does_not_repeat),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_bits_add_up),
        cmocka_unit_test(test_regular_times_tell_nothing),
        cmocka_unit_test(test_irregular_times_tell_a_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
