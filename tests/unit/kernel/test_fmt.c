#include "kernel/lib/fmt.h"
#include "tests/fakes/cmocka_all.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

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
    SAME("%d %i %u", -1, 0, 4294967295u);
    SAME("%d", INT_MIN);
    SAME("%ld %lld", LONG_MIN, LLONG_MAX);
    SAME("%lu %llu %zu", ULONG_MAX, ULLONG_MAX, SIZE_MAX);
    SAME("%x %X %lx", 0xdeadbeefu, 0xdeadbeefu, 0x123456789abcul);
    SAME("%hhd %hhu %hd %hu", (signed char)-1, (unsigned char)255, (short)-2,
         (unsigned short)65535);
    SAME("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
    SAME("[%*d] [%-*d]", 6, 7, 6, 7);
    SAME("%02u:%06u", 3u, 77u);
    SAME("%p", (void *)0x1234);
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
    assert_int_equal(fmt_print(buf, 0, "%d", 12345), 5);
    assert_string_equal(buf, "abc");
}

static void test_fmt_unknown_conversion_prints_itself(void **state)
{
    char buf[32];
    const char *bad = "%y %";

    (void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fmt_print(buf, sizeof(buf), bad);
#pragma GCC diagnostic pop
    assert_string_equal(buf, "%y %");
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
        cmocka_unit_test(test_fmt_null_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
