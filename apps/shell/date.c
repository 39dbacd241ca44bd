/* Moments as text: see date.h. */
#include "apps/shell/date.h"
#include <torc/format.h>

enum {
    DAY = 24 * 60 * 60,
    DAYS_400_YEARS = 146097,
    DAYS_100_YEARS = 36524,
    DAYS_4_YEARS = 1461,
    DAYS_BEFORE_1970 = 719468, /* from 1 March of the year 0 */
};
#define SECONDS_MAX INT64_C(253402300799) /* the end of 9999 */
#define SECONDS_MIN INT64_C(-62167219200) /* the begin of the year 0 */

/* Years begin with March, so that the day of a leap year is their last one. */
void date_format(char out[DATE_SIZE], int64_t seconds)
{
    int64_t days = seconds / DAY, second = seconds % DAY;
    int64_t era, in_era, year_of_era, in_year, month;

    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX) {
        fmt_print(out, DATE_SIZE, "%lld", (long long)seconds);
        return;
    }
    if (second < 0) {
        second += DAY;
        days--;
    }
    days += DAYS_BEFORE_1970;
    era = (days >= 0 ? days : days - (DAYS_400_YEARS - 1)) / DAYS_400_YEARS;
    in_era = days - era * DAYS_400_YEARS;
    year_of_era = (in_era - in_era / (DAYS_4_YEARS - 1) +
                   in_era / DAYS_100_YEARS - in_era / (DAYS_400_YEARS - 1)) /
                  365;
    in_year =
        in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * in_year + 2) / 153; /* 0: March */
    fmt_print(out, DATE_SIZE, "%04d-%02d-%02d %02d:%02d:%02d",
              (int)(year_of_era + era * 400 + (month >= 10 ? 1 : 0)),
              (int)(month < 10 ? month + 3 : month - 9),
              (int)(in_year - (153 * month + 2) / 5 + 1), (int)(second / 3600),
              (int)(second / 60 % 60), (int)(second % 60));
}
