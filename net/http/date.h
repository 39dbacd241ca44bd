/* HTTP-date: RFC 9110, section 5.6.7. Pure functions. */
#ifndef TORC_NET_HTTP_DATE_H
#define TORC_NET_HTTP_DATE_H

#include "net/http/span.h"

enum {
    HTTP_DATE_LEN = 29, /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    HTTP_DATE_SIZE = HTTP_DATE_LEN + 1,
};

/*
 * Write an IMF-fixdate and a NUL.
 *   seconds  UTC since 1970; before 1970 it becomes 1970, after 9999 the end of
 *            9999
 */
void http_date_format(int64_t seconds, char text[HTTP_DATE_SIZE]);

/*
 * Read a date in any of the three forms of section 5.6.7.
 *   now   seconds UTC since 1970, for the two-digit year of the second form: a
 *         date that seems more than 50 years ahead is a century older
 *   *out  seconds UTC since 1970; negative before
 * False, and *out is not written, when it is no date. Years from 1583 on; the
 * name of the day must be one, but is not compared with the date.
 */
bool http_date_parse(struct span text, int64_t now, int64_t *out);

#endif
