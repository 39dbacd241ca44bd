/* The host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_TIME_H
#define TORC_TESTS_GUEST_TIME_H

#include <stddef.h>
#include <sys/types.h>

struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday;
    int tm_isdst;
};
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
int nanosleep(const struct timespec *time, struct timespec *left);
time_t time(time_t *out);
struct tm *gmtime_r(const time_t *time, struct tm *out);
size_t strftime(char *text, size_t size, const char *format,
                const struct tm *tm);

#endif
