#include "hal/baremetal/time/calendar.h"
#include <torc/assert.h>
#include <torc/time.h>

enum {
    DRIFT_PPM = 100,             /* of the chip's crystal against the clock's */
    CHANGE_NS = 5 * 1000 * 1000, /* a change worth an edge */
    PIVOT = 70,
};

/* The number in a register, or -1: not two decimal digits. */
static int number(uint8_t value, bool binary)
{
    if (binary)
        return value;
    if ((value & 15) > 9 || value >> 4 > 9)
        return -1;
    return (value >> 4) * 10 + (value & 15);
}

/* Days since 1970, months 1..12 (proleptic Gregorian), years from 1970 on. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9; /* March is the first */

    return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
           day - 1 - 719468;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int month, int year)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

static int hour_of(uint8_t value, uint8_t status_b)
{
    int hour;

    if ((status_b & RTC_24H) != 0)
        return number(value, (status_b & RTC_BINARY) != 0);
    hour = number(value & ~RTC_PM & 0xff, (status_b & RTC_BINARY) != 0);
    if (hour < 1 || hour > 12)
        return -1;
    return hour % 12 + ((value & RTC_PM) != 0 ? 12 : 0);
}

/* The year with its century, or -1. */
static int year_of(uint8_t value, bool binary, int century)
{
    int year = number(value, binary);
    int hundreds = century < 0 ? -1 : number((uint8_t)century, binary);

    if (year < 0 || year > 99)
        return -1;
    if (hundreds >= 19 && hundreds <= 99)
        return hundreds * 100 + year;
    return year < PIVOT ? 2000 + year : 1900 + year;
}

uint64_t calendar_seconds(const uint8_t reg[RTC_TIME_COUNT], uint8_t status_b,
                          int century)
{
    bool binary = (status_b & RTC_BINARY) != 0;
    int second = number(reg[RTC_SECONDS], binary);
    int minute = number(reg[RTC_MINUTES], binary);
    int hour = hour_of(reg[RTC_HOURS], status_b);
    int day = number(reg[RTC_DAY], binary);
    int month = number(reg[RTC_MONTH], binary);
    int year = year_of(reg[RTC_YEAR], binary, century);

    if (second < 0 || second > 59 || minute < 0 || minute > 59 || hour < 0 ||
        hour > 23 || month < 1 || month > 12 || year < 1970 || day < 1 ||
        day > days_in(month, year))
        return 0;
    return days_of((unsigned)year, (unsigned)month, (unsigned)day) * 86400 +
           (unsigned)hour * 3600 + (unsigned)minute * 60 + (unsigned)second;
}

/* The two crystals have drifted apart since the last reading. */
static void widen(struct calendar *calendar, uint64_t now_ns)
{
    uint64_t drift =
        (now_ns - calendar->checked_ns) / 1000 * DRIFT_PPM / 1000 + 1;

    calendar->low -= drift;
    calendar->high += drift;
}

bool calendar_reading(struct calendar *calendar, uint64_t seconds,
                      uint64_t before_ns, uint64_t after_ns)
{
    uint64_t low = seconds * NS_PER_S - after_ns;
    uint64_t high = (seconds + 1) * NS_PER_S - before_ns;
    uint64_t old = calendar->offset;
    bool was_known = calendar->known;

    assert(after_ns >= before_ns);
    if (was_known) {
        widen(calendar, after_ns);
        if (low <= calendar->high && high >= calendar->low) {
            low = low > calendar->low ? low : calendar->low;
            high = high < calendar->high ? high : calendar->high;
        }
    }
    calendar->known = true;
    calendar->low = low;
    calendar->high = high;
    calendar->checked_ns = after_ns;
    if (!was_known || old < low)
        calendar->offset = low;
    else if (old > high)
        calendar->offset = high;
    assert(calendar->offset >= calendar->low);
    assert(calendar->offset <= calendar->high);
    return !was_known || calendar->offset > old + CHANGE_NS ||
           calendar->offset + CHANGE_NS < old;
}
