/* Moments as text. Pure. */
#ifndef TORC_APPS_SHELL_DATE_H
#define TORC_APPS_SHELL_DATE_H

#include <stdint.h>

enum { DATE_SIZE = 32 /* with the NUL */ };

/* Seconds since 1970, UTC, as "2026-12-01 07:30:00" (the Gregorian calendar
 * before its time, too); outside of the years 0 .. 9999 the number. */
void date_format(char out[DATE_SIZE], int64_t seconds);

#endif
