#include "tests/fakes/cmocka_all.h"
#include <torc/errno.h>
#include <torc/string.h>

static void test_str_to_u64(void **state)
{
    static const struct {
        const char *text;
        int status;
        uint64_t value;
    } rows[] = {
        {"0", 0, 0},
        {"42", 0, 42},
        {"0x2a", 0, 42},
        {"0X2A", 0, 42},
        {"18446744073709551615", 0, UINT64_MAX},
        {"0xffffffffffffffff", 0, UINT64_MAX},
        {"4k", 0, 4096},
        {"8M", 0, 8 << 20},
        {"8m", 0, 8 << 20},
        {"2g", 0, UINT64_C(2) << 30},
        {"4K", 0, 4096},
        {"2G", 0, UINT64_C(2) << 30},
        {"0xaF9", 0, 0xaf9},
        {"0x1fk", 0, 0x1f << 10},
        {"18014398509481983k", 0, UINT64_MAX - 1023},
        {"18014398509481984k", -ERANGE, 0},
        {"17179869183g", 0, UINT64_C(17179869183) << 30},
        {"17179869184g", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"0x10000000000000000", -ERANGE, 0},
        {"18446744073709551615k", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"k", -EINVAL, 0},
        {"0x", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"12a", -EINVAL, 0},
        {"4kb", -EINVAL, 0},
        {"4t", -EINVAL, 0},
        {"a", -EINVAL, 0},
        /* Neighbours of the digits and letters. */
        {"0x/", -EINVAL, 0},
        {"0x:", -EINVAL, 0},
        {"0x@", -EINVAL, 0},
        {"0x`", -EINVAL, 0},
        {"0xg", -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 7;

        ROW(rows[i].text, str_to_u64(rows[i].text, &value) == rows[i].status);
        ROW(rows[i].text, value == (rows[i].status == 0 ? rows[i].value : 7));
    }
}

static void test_str_compare(void **state)
{
    (void)state;
    assert_true(str_equal("", ""));
    assert_true(str_equal("abc", "abc"));
    assert_false(str_equal("abc", "abd"));
    assert_false(str_equal("abc", "ab"));
    assert_false(str_equal("ab", "abc"));
    assert_true(str_starts("abc", "ab"));
    assert_true(str_starts("abc", ""));
    assert_false(str_starts("ab", "abc"));
    assert_true(str_equal_nocase("HoSt", "hOsT", 4));
    assert_false(str_equal_nocase("host", "hose", 4));
    assert_true(str_equal_nocase("AZaz", "azAZ", 4));
    assert_false(str_equal_nocase("[", "{", 1)); /* not letters */
    assert_false(str_equal_nocase("@", "`", 1));
    assert_true(str_equal_nocase("abc", "abd", 2));
    assert_true(str_equal_nocase("a", "b", 0));
}

static void test_str_len_stops_at_limit(void **state)
{
    const char text[3] = {'a', 'b', 'c'}; /* no NUL */

    (void)state;
    assert_int_equal(str_len(text, 3), 3);
    assert_int_equal(str_len("ab", 10), 2);
    assert_int_equal(str_len("", 10), 0);
}

static void test_str_copy_terminates(void **state)
{
    char buf[4];

    (void)state;
    assert_int_equal(str_copy(buf, 4, "abc"), 0);
    assert_string_equal(buf, "abc");
    assert_int_equal(str_copy(buf, 4, "abcd"), -ENAMETOOLONG);
    assert_string_equal(buf, "abc");
    assert_int_equal(str_copy(buf, 1, ""), 0);
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str_to_u64),
        cmocka_unit_test(test_str_compare),
        cmocka_unit_test(test_str_len_stops_at_limit),
        cmocka_unit_test(test_str_copy_terminates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
