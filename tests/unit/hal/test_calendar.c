/* The calendar chip's registers, and what readings of whole seconds tell. */
#include "hal/baremetal/time/calendar.c"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <torc/compiler.h>

enum { BCD_24H = RTC_24H, BINARY_24H = RTC_24H | RTC_BINARY, BCD_12H = 0 };

struct row {
    const char *why;
    int hour, minute, second, day, month, year, century;
    uint8_t status_b;
    uint64_t seconds; /* 0: no date */
};

static uint64_t seconds_of(const struct row *row)
{
    uint8_t reg[RTC_TIME_COUNT];

    memset(reg, 0xee, sizeof(reg)); /* the alarm's are not looked at */
    reg[RTC_SECONDS] = (uint8_t)row->second;
    reg[RTC_MINUTES] = (uint8_t)row->minute;
    reg[RTC_HOURS] = (uint8_t)row->hour;
    reg[RTC_DAY] = (uint8_t)row->day;
    reg[RTC_MONTH] = (uint8_t)row->month;
    reg[RTC_YEAR] = (uint8_t)row->year;
    return calendar_seconds(reg, row->status_b, row->century);
}

static void test_dates(void **state)
{
    static const struct row rows[] = {
        {"BCD", 0x12, 0x34, 0x56, 0x25, 0x11, 0x26, 0x20, BCD_24H, 1795610096},
        {"binary", 12, 34, 56, 25, 11, 26, 20, BINARY_24H, 1795610096},
        {"1999", 0x23, 0x59, 0x59, 0x31, 0x12, 0x99, 0x19, BCD_24H, 946684799},
        {"1999 by the pivot", 0x23, 0x59, 0x59, 0x31, 0x12, 0x99, -1, BCD_24H,
         946684799},
        {"1970 by the pivot", 0, 0, 1, 1, 1, 0x70, -1, BCD_24H, 1},
        {"2069 by the pivot", 0, 0, 0, 1, 1, 0x69, -1, BCD_24H, 3124224000},
        {"a century of nonsense", 0, 0, 0, 1, 1, 0x00, 0, BCD_24H, 946684800},
        {"0xff as a century", 0, 0, 0, 1, 1, 0x00, 0xff, BCD_24H, 946684800},
        {"2100", 0, 0, 0, 1, 3, 0, 0x21, BCD_24H, 4107542400},
        {"leap day", 0, 0, 0, 0x29, 2, 0x24, 0x20, BCD_24H, 1709164800},
        {"leap day of 2000", 0, 0, 0, 0x29, 2, 0, 0x20, BCD_24H, 951782400},
        {"12 AM", 0x12, 0, 0, 1, 1, 0x26, 0x20, BCD_12H, 1767225600},
        {"1 AM", 0x01, 0, 0, 1, 1, 0x26, 0x20, BCD_12H, 1767229200},
        {"12 PM", 0x92, 0, 0, 1, 1, 0x26, 0x20, BCD_12H, 1767268800},
        {"11 PM", 0x91, 0, 0, 1, 1, 0x26, 0x20, BCD_12H, 1767308400},
        {"11 PM, binary", 0x8b, 0, 0, 1, 1, 26, 20, RTC_BINARY, 1767308400},
        {"no such BCD digit", 0, 0, 0x5a, 1, 1, 0x26, 0x20, BCD_24H, 0},
        {"no such BCD ten", 0, 0xa0, 0, 1, 1, 0x26, 0x20, BCD_24H, 0},
        {"second 60", 0, 0, 0x60, 1, 1, 0x26, 0x20, BCD_24H, 0},
        {"minute 60", 0, 0x60, 0, 1, 1, 0x26, 0x20, BCD_24H, 0},
        {"hour 24", 0x24, 0, 0, 1, 1, 0x26, 0x20, BCD_24H, 0},
        {"hour 0 of 12", 0, 0, 0, 1, 1, 0x26, 0x20, BCD_12H, 0},
        {"hour 13 of 12", 0x13, 0, 0, 1, 1, 0x26, 0x20, BCD_12H, 0},
        {"day 0", 0, 0, 0, 0, 1, 0x26, 0x20, BCD_24H, 0},
        {"day 32", 0, 0, 0, 0x32, 1, 0x26, 0x20, BCD_24H, 0},
        {"31 April", 0, 0, 0, 0x31, 4, 0x26, 0x20, BCD_24H, 0},
        {"29 February of no leap year", 0, 0, 0, 0x29, 2, 0x26, 0x20, BCD_24H,
         0},
        {"29 February of 2100", 0, 0, 0, 0x29, 2, 0, 0x21, BCD_24H, 0},
        {"month 0", 0, 0, 0, 1, 0, 0x26, 0x20, BCD_24H, 0},
        {"month 13", 0, 0, 0, 1, 0x13, 0x26, 0x20, BCD_24H, 0},
        {"year 100", 0, 0, 0, 1, 1, 100, 20, BINARY_24H, 0},
        {"before 1970", 0, 0, 0, 1, 1, 0x69, 0x19, BCD_24H, 0},
        {"all ones", 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
        {"all zero", 0, 0, 0, 0, 0, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (seconds_of(&rows[i]) != rows[i].seconds)
            fail_msg("%s: %llu and not %llu", rows[i].why,
                     (unsigned long long)seconds_of(&rows[i]),
                     (unsigned long long)rows[i].seconds);
    }
}

/* Every day of a century and a half as libc counts them. */
static void test_every_day(void **state)
{
    (void)state;
    for (time_t day = 0; day < 365 * 150; day++) {
        time_t at = day * 86400 + day % 86400;
        struct tm tm;
        struct row row = {.status_b = BINARY_24H};

        gmtime_r(&at, &tm);
        row.second = tm.tm_sec;
        row.minute = tm.tm_min;
        row.hour = tm.tm_hour;
        row.day = tm.tm_mday;
        row.month = tm.tm_mon + 1;
        row.year = tm.tm_year % 100;
        row.century = 19 + tm.tm_year / 100;
        if (at != 0)
            assert_int_equal(seconds_of(&row), at);
    }
}

/* ---- The offset ---------------------------------------------------------- */

#define MS    UINT64_C(1000000)
#define S     NS_PER_S
#define START (1795610096 * S + 345 * MS) /* wall time when the clock was 0 */

static struct calendar calendar;
static uint64_t wall_at_zero; /* the truth */

static bool read_at(uint64_t ns)
{
    return calendar_reading(&calendar, (wall_at_zero + ns) / S, ns, ns + 1000);
}

/* By the edge's interrupt, which comes late. */
static bool edge_after(uint64_t ns, uint64_t late_ns)
{
    uint64_t edge = ((wall_at_zero + ns) / S + 1) * S - wall_at_zero + late_ns;

    return calendar_reading(&calendar, (wall_at_zero + edge) / S, edge, edge);
}

static int64_t error_ms(void)
{
    return ((int64_t)(calendar.offset - wall_at_zero)) / (int64_t)MS;
}

static int setup(void **state)
{
    (void)state;
    calendar = (struct calendar){0};
    wall_at_zero = START;
    return 0;
}

static void test_first_reading_is_never_ahead(void **state)
{
    (void)state;
    assert_true(read_at(20 * MS)); /* an edge is worth looking for */
    assert_int_equal(error_ms(), -365);
}

static void test_edge_is_exact(void **state)
{
    (void)state;
    read_at(20 * MS);
    assert_true(edge_after(20 * MS, 3 * MS));
    assert_int_equal(error_ms(), -3);
    assert_false(edge_after(1000 * MS, 1 * MS)); /* a better one */
    assert_int_equal(error_ms(), -1);
    assert_false(edge_after(2000 * MS, 200 * MS)); /* a worse one */
    assert_int_equal(error_ms(), -1);
}

static void test_quiet_readings_change_nothing(void **state)
{
    uint64_t offset;

    (void)state;
    read_at(20 * MS);
    edge_after(20 * MS, 0);
    offset = calendar.offset;
    for (uint64_t ns = S; ns < 1000 * S; ns += 1234567891) {
        assert_false(read_at(ns));
        assert_int_equal(calendar.offset, offset);
    }
}

static void test_machine_was_paused(void **state)
{
    static const uint64_t pauses[] = {20 * S, 20 * S + 300 * MS, 60 * S,
                                      86400 * S, 1 * S + 1 * MS};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pauses); i++) {
        setup(NULL);
        read_at(20 * MS);
        edge_after(20 * MS, 0);
        wall_at_zero += pauses[i];
        assert_true(read_at(5 * S));
        assert_true(error_ms() <= 0 && error_ms() > -1001);
        edge_after(5 * S + 1 * MS, 1 * MS);
        assert_true(error_ms() >= -1 && error_ms() <= 0);
    }
}

/* Less than a second shows at an edge. */
static void test_short_pause(void **state)
{
    (void)state;
    read_at(20 * MS);
    edge_after(20 * MS, 0);
    wall_at_zero += 400 * MS;
    assert_true(edge_after(5 * S, 0));
    assert_int_equal(error_ms(), 0);
}

static void test_chip_was_set_back(void **state)
{
    (void)state;
    read_at(20 * MS);
    edge_after(20 * MS, 0);
    wall_at_zero -= 3600 * S;
    assert_true(read_at(5 * S));
    assert_true(error_ms() >= 0 && error_ms() < 1001);
}

/* Crystals that differ by 60 ppm: the time follows the chip's. */
static void test_drift_is_followed(void **state)
{
    (void)state;
    for (int slower = 0; slower < 2; slower++) {
        setup(NULL);
        srand(1);
        read_at(20 * MS);
        edge_after(20 * MS, 0);
        for (uint64_t ns = 16 * S; ns < 20000 * S; ns += 16 * S) {
            wall_at_zero += slower ? -16ULL * 60000 : 16ULL * 60000;
            read_at(ns + (uint64_t)rand() * 1000 % S);
            edge_after(ns + 2 * S, 0);
        }
        assert_true(error_ms() >= -3 && error_ms() <= 150);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test_setup(test_first_reading_is_never_ahead, setup),
        cmocka_unit_test_setup(test_edge_is_exact, setup),
        cmocka_unit_test_setup(test_quiet_readings_change_nothing, setup),
        cmocka_unit_test_setup(test_machine_was_paused, setup),
        cmocka_unit_test_setup(test_short_pause, setup),
        cmocka_unit_test_setup(test_chip_was_set_back, setup),
        cmocka_unit_test_setup(test_drift_is_followed, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
