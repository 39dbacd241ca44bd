#include "tests/fakes/cmocka_all.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <torc/format.h>

/* The expected texts are libc's. */
#define SAME(...)                                                             \
    do {                                                                      \
        char ours[256], theirs[256];                                          \
        size_t len = fmt_print(ours, sizeof(ours), __VA_ARGS__);              \
        assert_int_equal(len, snprintf(theirs, sizeof(theirs), __VA_ARGS__)); \
        assert_string_equal(ours, theirs);                                    \
    } while (0)

static void test_fmt_numbers_as_libc(void **state)
{
    (void)state;
    SAME("plain");
    SAME("%s", "");
    SAME("%d %i %u", -1, 0, 4294967295u);
    SAME("%d", INT_MIN);
    SAME("%ld %lld", LONG_MIN, LLONG_MAX);
    SAME("%lu %llu %zu", ULONG_MAX, ULLONG_MAX, SIZE_MAX);
    SAME("%x %X %lx", 0xdeadbeefu, 0xdeadbeefu, 0x123456789abcul);
    SAME("%hhd %hhu %hd %hu", (signed char)-1, (unsigned char)255, (short)-2,
         (unsigned short)65535);
    SAME("%hhd %hhu %hd %hu", 300, 300u, 70000, 70000u); /* cut */
    SAME("%zd %td %jd %ju", (ssize_t)LONG_MIN, (ptrdiff_t)LONG_MAX,
         (intmax_t)LONG_MIN, UINTMAX_MAX);
    SAME("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
    SAME("[%*d] [%-*d] [%*d]", 6, 7, 6, 7, -6, 7);
    SAME("[%9d] [%19d] [%-90d]", 1, 2, 3);
    SAME("%02u:%06u", 3u, 77u);
    SAME("%p", (void *)0x1234);
    SAME("%#x %#X %#lx %#hhx", 0xbeefu, 0xbeefu, 1ul << 63, 0x1ffu);
    SAME("%#x %#X [%#5x] [%#05x]", 0u, 0u, 0u, 0u);
    SAME("[%#10x] [%-#10x] [%#010x] [%0#10X] [%#3x]", 0xau, 0xau, 0xau, 0xau,
         0xabcdu);
}

static void test_fmt_strings_as_libc(void **state)
{
    (void)state;
    SAME("%s|%10s|%-10s|", "abc", "abc", "abc");
    SAME("%.2s|%.*s|%.0s|", "abcdef", 3, "abcdef", "abc");
    SAME("%c%c", 'x', 'y');
    SAME("100%%");
}

static void test_fmt_cuts_and_reports_length(void **state)
{
    char buf[8] = "#######";

    (void)state;
    assert_int_equal(fmt_print(buf, 4, "%s", "abcdef"), 6);
    assert_string_equal(buf, "abc");
    assert_int_equal(buf[4], '#');
    assert_int_equal(fmt_print(buf, 4, "%s", "wxyz"), 4);
    assert_string_equal(buf, "wxy");
    assert_int_equal(buf[4], '#');
    assert_int_equal(fmt_print(buf, 4, "%s%s", "ab", "cd"), 4);
    assert_string_equal(buf, "abc");
    assert_int_equal(buf[4], '#');
    assert_int_equal(fmt_print(buf + 6, 1, "x"), 1);
    assert_int_equal(buf[6], '\0');
    assert_int_equal(fmt_print(buf, 0, "%d", 12345), 5);
    assert_string_equal(buf, "abc");
}

/* Formats that the compiler would warn of. */
static char odd[32];

static size_t print_odd(const char *format, ...)
{
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(odd, sizeof(odd), format, args);
    va_end(args);
    return len;
}

static void test_fmt_unknown_conversion_prints_itself(void **state)
{
    (void)state;
    assert_int_equal(print_odd("%y %"), 4);
    assert_string_equal(odd, "%y %");
    assert_int_equal(print_odd("%-03y%"), 6);
    assert_string_equal(odd, "%-03y%");
}

/* Of the flags '-' and '0' the first decides, wherever it is. */
static void test_fmt_left_needs_no_zeroes(void **state)
{
    (void)state;
    print_odd("[%-05d] [%0-5d]", 42, -42);
    assert_string_equal(odd, "[42   ] [-42  ]");
    print_odd("[%0*d]", -5, 42);
    assert_string_equal(odd, "[42   ]");
}

static size_t length_of(const char *format, ...)
{
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(NULL, 0, format, args);
    va_end(args);
    return len;
}

/* A width has at most five digits; the next one is no conversion. */
static void test_fmt_width_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(length_of("%9999d", 1), 9999);
    assert_int_equal(length_of("%10000d", 1), 10000);
    assert_int_equal(length_of("%99999d", 1), 99999);
    assert_int_equal(length_of("%100000d", 1), 8);
    assert_int_equal(length_of("%*d", INT_MIN, 1), 99999);
    assert_int_equal(length_of("%*s", -99999, "x"), 99999);
    assert_int_equal(length_of("%*s", -5, "x"), 5);
    assert_int_equal(length_of("%.*s", INT_MIN, "abc"), 3);
}

static void test_fmt_null_string(void **state)
{
    char buf[16];
    const char *volatile none = NULL;

    (void)state;
    fmt_print(buf, sizeof(buf), "%s", none);
    assert_string_equal(buf, "(null)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fmt_numbers_as_libc),
        cmocka_unit_test(test_fmt_strings_as_libc),
        cmocka_unit_test(test_fmt_cuts_and_reports_length),
        cmocka_unit_test(test_fmt_unknown_conversion_prints_itself),
        cmocka_unit_test(test_fmt_left_needs_no_zeroes),
        cmocka_unit_test(test_fmt_width_is_bounded),
        cmocka_unit_test(test_fmt_null_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
