#include "net/http/date.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    SECONDS_PER_DAY = 86400,
    YEAR_MIN = 1583, /* the first whole year of the Gregorian calendar */
};
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59 */

static const char day_names[7][10] = {"Sunday",    "Monday",   "Tuesday",
                                      "Wednesday", "Thursday", "Friday",
                                      "Saturday"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* A date in fields; month and day count from 1. */
struct date {
    unsigned year;
    unsigned month;
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second; /* 60: a leap second */
};

/* ---- Days and dates ------------------------------------------------------ */

/*
 * Both directions count in years that begin on 1 March, so that the leap day is
 * the last of its year, and in eras of 400 years, which all have equally many
 * days.
 */
enum {
    DAYS_PER_ERA = 146097,
    DAYS_TO_1970 = 719468, /* from 1 March of year 0 */
};

static void date_of_day(uint64_t day, struct date *out)
{
    uint64_t shifted = day + DAYS_TO_1970;
    uint64_t in_era = shifted % DAYS_PER_ERA;
    uint64_t year = (in_era - in_era / 1460 + in_era / 36524 -
                     in_era / (DAYS_PER_ERA - 1)) /
                    365;
    uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    uint64_t march_month = (5 * in_year + 2) / 153;

    out->day = (unsigned)(in_year - (153 * march_month + 2) / 5 + 1);
    out->month =
        (unsigned)(march_month < 10 ? march_month + 3 : march_month - 9);
    out->year = (unsigned)(shifted / DAYS_PER_ERA * 400 + year +
                           (out->month <= 2 ? 1 : 0));
}

/* Days from 1970 on; negative before. */
static int64_t day_of_date(const struct date *date)
{
    unsigned year = date->month <= 2 ? date->year - 1 : date->year;
    unsigned march_month = date->month <= 2 ? date->month + 9 : date->month - 3;
    unsigned in_year = (153 * march_month + 2) / 5 + date->day - 1;
    unsigned in_era =
        year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + in_year;

    return (int64_t)(year / 400) * DAYS_PER_ERA + in_era - DAYS_TO_1970;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        return 29;
    return days[month - 1];
}

/* ---- Writing ------------------------------------------------------------- */

/* Exactly `width` digits. */
static char *put_digits(char *at, unsigned value, unsigned width)
{
    for (unsigned i = width; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    assert(value == 0);
    return at + width;
}

static char *put_chars(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

void http_date_format(int64_t seconds, char text[HTTP_DATE_SIZE])
{
    struct date date;
    uint64_t at;
    char *end = text;

    if (seconds < 0)
        seconds = 0;
    if (seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;
    at = (uint64_t)seconds;
    date_of_day(at / SECONDS_PER_DAY, &date);
    /* 1 January 1970 was a Thursday. */
    end = put_chars(end, day_names[(at / SECONDS_PER_DAY + 4) % 7], 3);
    end = put_chars(end, ", ", 2);
    end = put_digits(end, date.day, 2);
    *end++ = ' ';
    end = put_chars(end, months[date.month - 1], 3);
    *end++ = ' ';
    end = put_digits(end, date.year, 4);
    *end++ = ' ';
    end = put_digits(end, (unsigned)(at / 3600 % 24), 2);
    *end++ = ':';
    end = put_digits(end, (unsigned)(at / 60 % 60), 2);
    *end++ = ':';
    end = put_digits(end, (unsigned)(at % 60), 2);
    end = put_chars(end, " GMT", 5); /* with its NUL */
    assert(end == text + HTTP_DATE_SIZE);
}

/* ---- Reading ------------------------------------------------------------- */

/* Take exactly `width` digits off the front. */
static bool take_digits(struct span *rest, unsigned width, unsigned *out)
{
    unsigned value = 0;

    if (rest->len < width)
        return false;
    for (unsigned i = 0; i < width; i++) {
        if (!char_is_digit(rest->at[i]))
            return false;
        value = value * 10 + (unsigned)(rest->at[i] - '0');
    }
    *rest = span_skip(*rest, width);
    *out = value;
    return true;
}

static bool take_month(struct span *rest, unsigned *out)
{
    for (unsigned i = 0; i < 12; i++) {
        if (span_take(rest, months[i])) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

/* The first three letters of a day, or its whole name. */
static bool take_day_name(struct span *rest, bool is_long)
{
    for (unsigned i = 0; i < 7; i++) {
        char name[10];

        memcpy(name, day_names[i], sizeof(name));
        if (!is_long)
            name[3] = '\0';
        if (span_take(rest, name))
            return true;
    }
    return false;
}

/* "08:49:37" */
static bool take_time(struct span *rest, struct date *date)
{
    return take_digits(rest, 2, &date->hour) && span_take(rest, ":") &&
           take_digits(rest, 2, &date->minute) && span_take(rest, ":") &&
           take_digits(rest, 2, &date->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool take_imf(struct span text, struct date *date)
{
    return take_day_name(&text, false) && span_take(&text, ", ") &&
           take_digits(&text, 2, &date->day) && span_take(&text, " ") &&
           take_month(&text, &date->month) && span_take(&text, " ") &&
           take_digits(&text, 4, &date->year) && span_take(&text, " ") &&
           take_time(&text, date) && span_take(&text, " GMT") && text.len == 0;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT"; the year is within its century. */
static bool take_rfc850(struct span text, struct date *date)
{
    return take_day_name(&text, true) && span_take(&text, ", ") &&
           take_digits(&text, 2, &date->day) && span_take(&text, "-") &&
           take_month(&text, &date->month) && span_take(&text, "-") &&
           take_digits(&text, 2, &date->year) && span_take(&text, " ") &&
           take_time(&text, date) && span_take(&text, " GMT") && text.len == 0;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool take_asctime(struct span text, struct date *date)
{
    if (!take_day_name(&text, false) || !span_take(&text, " ") ||
        !take_month(&text, &date->month) || !span_take(&text, " "))
        return false;
    if (span_take(&text, " ") ? !take_digits(&text, 1, &date->day)
                              : !take_digits(&text, 2, &date->day))
        return false;
    return span_take(&text, " ") && take_time(&text, date) &&
           span_take(&text, " ") && take_digits(&text, 4, &date->year) &&
           text.len == 0;
}

static bool date_is_valid(const struct date *date)
{
    return date->year >= YEAR_MIN && date->day >= 1 &&
           date->day <= days_in_month(date->year, date->month) &&
           date->hour < 24 && date->minute < 60 && date->second <= 60;
}

static int64_t seconds_of_date(const struct date *date)
{
    return day_of_date(date) * SECONDS_PER_DAY + date->hour * 3600 +
           date->minute * 60 + date->second;
}

/* The full year of a two-digit one: at most 50 years ahead of `now`. */
static void choose_century(struct date *date, int64_t now)
{
    struct date today;

    date_of_day(now < 0 ? 0 : (uint64_t)now / SECONDS_PER_DAY, &today);
    date->year += today.year / 100 * 100;
    if (date->year > today.year + 50)
        date->year -= 100;
}

bool http_date_parse(struct span text, int64_t now, int64_t *out)
{
    struct date date;

    if (take_rfc850(text, &date))
        choose_century(&date, now);
    else if (!take_imf(text, &date) && !take_asctime(text, &date))
        return false;
    if (!date_is_valid(&date))
        return false;
    *out = seconds_of_date(&date);
    return true;
}
