#include "fs/fat/time.h"
#include <torc/time.h>

enum {
    YEAR_FIRST = 1980,
    YEAR_LAST = 2107,
    SECONDS_PER_DAY = 86400,
    NS_PER_10MS = 10 * 1000 * 1000,
};

/* Days from 1970-01-01 to a day of the Gregorian calendar. A year begins in
 * March, so that the leap day is its last one. */
static int64_t days_from(unsigned year, unsigned month, unsigned day)
{
    unsigned from_march = (month + 9) % 12;
    unsigned years = year - (month <= 2);
    unsigned days = (153 * from_march + 2) / 5 + day - 1;

    return (int64_t)years * 365 + years / 4 - years / 100 + years / 400 + days -
           719468;
}

static void date_of(int64_t days, unsigned *year, unsigned *month,
                    unsigned *day)
{
    uint32_t since = (uint32_t)(days + 719468); /* 0000-03-01 */
    uint32_t era = since / 146097;
    uint32_t in_era = since % 146097;
    uint32_t years =
        (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint32_t in_year = in_era - (365 * years + years / 4 - years / 100);
    uint32_t from_march = (5 * in_year + 2) / 153;

    *day = in_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = years + era * 400 + (*month <= 2);
}

/* Nothing checks what a disk says: a month 15 is some moment, too. */
struct file_time fat_time_get(uint16_t date, uint16_t time, uint8_t ten_ms)
{
    unsigned month = date >> 5 & 15, day = date & 31;
    int64_t days = days_from(YEAR_FIRST + (date >> 9), month == 0 ? 1 : month,
                             day == 0 ? 1 : day);
    uint32_t s = (time >> 11) * 3600U + (time >> 5 & 63) * 60U +
                 (time & 31) * 2U + ten_ms / 100U;

    return (struct file_time){
        .s = days * SECONDS_PER_DAY + s,
        .ns = ten_ms % 100U * NS_PER_10MS,
    };
}

void fat_time_put(struct file_time from, uint16_t *date, uint16_t *time,
                  uint8_t *ten_ms)
{
    const int64_t first = days_from(YEAR_FIRST, 1, 1) * SECONDS_PER_DAY;
    const int64_t end = days_from(YEAR_LAST + 1, 1, 1) * SECONDS_PER_DAY;
    unsigned year, month, day;
    uint32_t s;

    if (from.s < first)
        from = (struct file_time){first, 0};
    if (from.s >= end)
        from = (struct file_time){end - 1, NS_PER_S - 1};
    date_of(from.s / SECONDS_PER_DAY, &year, &month, &day);
    s = (uint32_t)(from.s % SECONDS_PER_DAY);
    *date = (uint16_t)((year - YEAR_FIRST) << 9 | month << 5 | day);
    *time = (uint16_t)(s / 3600 << 11 | (s / 60 % 60) << 5 | s % 60 / 2);
    *ten_ms = (uint8_t)(s % 2 * 100 + from.ns / NS_PER_10MS);
}
