/*
 * HTTP/1.1 requests, as far as a server of files needs them (RFC 9110, 9112).
 * Pure functions: text in, structure out.
 */
#ifndef TORC_APPS_WEBSERVER_HTTP_H
#define TORC_APPS_WEBSERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum {
    HTTP_HEAD_MAX = 8192, /* request line and header fields */
    HTTP_PATH_MAX = 1024, /* decoded, with its NUL */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_range {
    bool present;
    bool suffix;    /* the last `last` bytes */
    uint64_t first; /* of a range that is no suffix */
    uint64_t last;  /* UINT64_MAX: to the end */
};

struct http_request {
    enum http_method method;
    bool keep_alive;
    bool trailing_slash;
    char path[HTTP_PATH_MAX]; /* absolute, without '.', '..' or a last '/' */
    struct http_range range;
    bool has_etag; /* If-None-Match with one entity tag, */
    char etag[40]; /* this one, quotes included */
};

/*
 * Parse the request at the start of `text`.
 * Returns its length in bytes, 0 when it is not complete yet, or the negative
 * status to answer before closing: -400, -413, -414, -417, -431, -501, -505.
 */
must_check int http_parse(const char *text, size_t len,
                          struct http_request *out);

/*
 * What a range means for a file of `size` bytes: 0 and the bytes
 * [*first, *first + *count), or -416 when there are none.
 */
must_check int http_range_apply(const struct http_range *range, uint64_t size,
                                uint64_t *first, uint64_t *count);

/* The reason phrase of a status we send. */
const char *http_reason(int status);

/* The media type for a file of that name. */
const char *http_content_type(const char *path);

/* An IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT") of UTC seconds since
 * 1970. */
enum { HTTP_DATE_SIZE = 32 };
void http_date(int64_t seconds, char text[HTTP_DATE_SIZE]);

#endif
