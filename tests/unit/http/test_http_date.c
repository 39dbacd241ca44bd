/* HTTP-date: RFC 9110, 5.6.7. */
#include "net/http/date.c"
#include "net/http/span.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void test_date_format(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {1, "Thu, 01 Jan 1970 00:00:01 GMT"},
        {-1, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {253402300800, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[HTTP_DATE_SIZE];

        http_date_format(rows[i].seconds, text);
        assert_string_equal(text, rows[i].text);
    }
}

/* Every day of 1970 to 2079 and some of later centuries, against libc. */
static void test_date_agrees_with_libc(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 400000; day += day < 40000 ? 1 : 53) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        char want[64], got[HTTP_DATE_SIZE];
        int64_t back;

        gmtime_r(&seconds, &tm);
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        http_date_format(seconds, got);
        assert_string_equal(got, want);
        assert_true(http_date_parse(span_of(got), 0, &back));
        assert_int_equal(back, seconds);
        strftime(want, sizeof(want), "%a %b %e %H:%M:%S %Y", &tm);
        assert_true(http_date_parse(span_of(want), 0, &back));
        assert_int_equal(back, seconds);
    }
}

/* 2025-01-01 and 1994-11-06 */
#define NOW  INT64_C(1735689600)
#define THEN INT64_C(784111777)
#define NONE INT64_MIN

static void test_date_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t now, want;
    } rows[] = {
        /* the three forms */
        {"Sun, 06 Nov 1994 08:49:37 GMT", NOW, THEN},
        {"Sunday, 06-Nov-94 08:49:37 GMT", NOW, THEN},
        {"Sun Nov  6 08:49:37 1994", NOW, THEN},
        {"Wed Nov 16 08:49:37 1994", NOW, THEN + 10 * 86400},
        /* two-digit years: at most 50 years ahead */
        {"Monday, 01-Jan-00 00:00:00 GMT", NOW, 946684800},
        {"Monday, 01-Jan-75 00:00:00 GMT", NOW, 3313526400},
        {"Monday, 01-Jan-76 00:00:00 GMT", NOW, 189302400},
        {"Monday, 01-Jan-99 00:00:00 GMT", 0, 915148800},
        {"Monday, 01-Jan-20 00:00:00 GMT", 0, -1577923200},
        {"Monday, 01-Jan-21 00:00:00 GMT", 0, -1546300800},
        {"Monday, 01-Jan-70 00:00:00 GMT", -1, 0},
        {"Monday, 01-Jan-99 00:00:00 GMT", 4102444800, 4070908800},
        /* days and months */
        {"Sat, 31 Jan 1970 00:00:00 GMT", NOW, 30 * 86400},
        {"Mon, 29 Feb 2000 00:00:00 GMT", NOW, 951782400},
        {"Mon, 29 Feb 2004 00:00:00 GMT", NOW, 1078012800},
        {"Mon, 29 Feb 1900 00:00:00 GMT", NOW, NONE},
        {"Mon, 29 Feb 2100 00:00:00 GMT", NOW, NONE},
        {"Mon, 29 Feb 2001 00:00:00 GMT", NOW, NONE},
        {"Mon, 28 Feb 2001 00:00:00 GMT", NOW, 983318400},
        {"Mon, 30 Feb 2000 00:00:00 GMT", NOW, NONE},
        {"Mon, 31 Apr 2001 00:00:00 GMT", NOW, NONE},
        {"Mon, 30 Apr 2001 00:00:00 GMT", NOW, 988588800},
        {"Mon, 31 Dec 2001 00:00:00 GMT", NOW, 1009756800},
        {"Mon, 32 Dec 2001 00:00:00 GMT", NOW, NONE},
        {"Mon, 00 Jan 2001 00:00:00 GMT", NOW, NONE},
        {"Mon, 01 Jan 1583 00:00:00 GMT", NOW, -12212553600},
        {"Mon, 31 Dec 1582 00:00:00 GMT", NOW, NONE},
        {"Fri, 31 Dec 9999 23:59:59 GMT", NOW, 253402300799},
        /* time of day */
        {"Sun, 06 Nov 1994 23:59:59 GMT", NOW, 784166399},
        {"Sun, 06 Nov 1994 23:59:60 GMT", NOW, 784166400},
        {"Sun, 06 Nov 1994 24:00:00 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 23:60:00 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 23:59:61 GMT", NOW, NONE},
        /* not one of the forms */
        {"", NOW, NONE},
        {"0", NOW, NONE},
        {"yesterday", NOW, NONE},
        {"Xun, 06 Nov 1994 08:49:37 GMT", NOW, NONE},
        {"Sun 06 Nov 1994 08:49:37 GMT", NOW, NONE},
        {"Sun, 6 Nov 1994 08:49:37 GMT", NOW, NONE},
        {"Sun, 06-Nov-1994 08:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov-1994 08:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nox 1994 08:49:37 GMT", NOW, NONE},
        {"Sun, 06 nov 1994 08:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 94 08:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994-08:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 8:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 08-49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 08:49-37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 08:4x:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 0::49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 1/:49:37 GMT", NOW, NONE},
        {"Sun, 06 Nov 1994 08:49:3", NOW, NONE},
        {"Sun, 06 Nov 1994 08:49:37", NOW, NONE},
        {"Sun, 06 Nov 1994 08:49:37 UTC", NOW, NONE},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", NOW, NONE},
        {"Sun, 06 Nov 1994 08:49:37 GMT, x", NOW, NONE},
        {"Sunday, 06-Nov-1994 08:49:37 GMT", NOW, NONE},
        {"Sunday, 6-Nov-94 08:49:37 GMT", NOW, NONE},
        {"Sunday 06-Nov-94 08:49:37 GMT", NOW, NONE},
        {"Sunday, 06 Nov-94 08:49:37 GMT", NOW, NONE},
        {"Sunday, 06-Nox-94 08:49:37 GMT", NOW, NONE},
        {"Sunday, 06-Nov 94 08:49:37 GMT", NOW, NONE},
        {"Sunday, 06-Nov-94-08:49:37 GMT", NOW, NONE},
        {"Sunday, 06-Nov-94 08:49:3x GMT", NOW, NONE},
        {"Sunday, 06-Nov-94 08:49:37 BST", NOW, NONE},
        {"Sunday, 06-Nov-94 08:49:37 GMT+1", NOW, NONE},
        {"Sun, 06-Nov-94 08:49:37 GMT", NOW, NONE},
        {"Sun Nov 6 08:49:37 1994", NOW, NONE},
        {"Sun Nov 06 08:49:37 1994", NOW, THEN},
        {"Sun Nov  16 08:49:37 1994", NOW, NONE},
        {"Sun, Nov  6 08:49:37 1994", NOW, NONE},
        {"Sun Nox  6 08:49:37 1994", NOW, NONE},
        {"Sun Nov- 6 08:49:37 1994", NOW, NONE},
        {"Sun Nov  x 08:49:37 1994", NOW, NONE},
        {"Sun Nov  6-08:49:37 1994", NOW, NONE},
        {"Sun Nov  6 08:49:37-1994", NOW, NONE},
        {"Sun Nov  6 08:49:37 94", NOW, NONE},
        {"Sun Nov  6 08:49:37 19940", NOW, NONE},
        {"Sun Nov  6 08:49:37 1994 GMT", NOW, NONE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t got = NONE;
        size_t len = strlen(rows[i].text);
        char *exact = malloc(len + 1); /* nothing behind may be read */

        memcpy(exact, rows[i].text, len);
        exact = realloc(exact, len == 0 ? 1 : len);
        ROW(rows[i].text,
            http_date_parse((struct span){exact, len}, rows[i].now, &got) ==
                (rows[i].want != NONE));
        if (got != rows[i].want)
            fail_msg("row \"%s\": %lld", rows[i].text, (long long)got);
        free(exact);
    }
}

/* The last day of every month is one, the day after it is not. */
static void test_date_ends_of_months(void **state)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const unsigned last[12] = {31, 28, 31, 30, 31, 30,
                                      31, 31, 30, 31, 30, 31};
    char text[64];
    int64_t got;

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "Mon, %02u %.3s 2001 00:00:00 GMT",
                 last[i], names + 3 * i);
        ROW(text, http_date_parse(span_of(text), NOW, &got));
        snprintf(text, sizeof(text), "Mon, %02u %.3s 2001 00:00:00 GMT",
                 last[i] + 1, names + 3 * i);
        ROW(text, !http_date_parse(span_of(text), NOW, &got));
    }
}

static void test_take_digits(void **state)
{
    struct span text = span_of("12x4");
    unsigned value = 0;

    (void)state;
    assert_true(take_digits(&text, 2, &value));
    assert_int_equal(value, 12);
    assert_true(span_is(text, "x4"));
    assert_false(take_digits(&text, 2, &value));
    assert_false(take_digits(&text, 3, &value));
    assert_int_equal(value, 12);
    assert_true(span_is(text, "x4"));
}

/* Every name of a day and of a month, and no beginning of a date. */
static void test_date_names(void **state)
{
    static const char *const names[] = {"Sunday",    "Monday",   "Tuesday",
                                        "Wednesday", "Thursday", "Friday",
                                        "Saturday"};
    static const char whole[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    static const char whole850[] = "Sunday, 06-Nov-94 08:49:37 GMT";
    static const char whole_asc[] = "Sun Nov  6 08:49:37 1994";
    char text[64];
    int64_t got;

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        snprintf(text, sizeof(text), "%s, 06-Nov-94 08:49:37 GMT", names[i]);
        assert_true(http_date_parse(span_of(text), NOW, &got));
        snprintf(text, sizeof(text), "%.3s, 06 Nov 1994 08:49:37 GMT",
                 names[i]);
        assert_true(http_date_parse(span_of(text), NOW, &got));
    }
    for (size_t len = 0; len < sizeof(whole) - 1; len++)
        assert_false(http_date_parse((struct span){whole, len}, NOW, &got));
    for (size_t len = 0; len < sizeof(whole850) - 1; len++)
        assert_false(http_date_parse((struct span){whole850, len}, NOW, &got));
    for (size_t len = 0; len < sizeof(whole_asc) - 1; len++)
        assert_false(http_date_parse((struct span){whole_asc, len}, NOW, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date_format),
        cmocka_unit_test(test_date_agrees_with_libc),
        cmocka_unit_test(test_date_parse),
        cmocka_unit_test(test_date_ends_of_months),
        cmocka_unit_test(test_take_digits),
        cmocka_unit_test(test_date_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
