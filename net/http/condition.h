/*
 * Which answer a request for a file gets: preconditions (RFC 9110, section 13)
 * and ranges (section 14). Pure functions.
 */
#ifndef TORC_NET_HTTP_CONDITION_H
#define TORC_NET_HTTP_CONDITION_H

#include "net/http/request.h"

enum {
    HTTP_ETAG_SIZE =
        56, /* three 64-bit numbers in hexadecimal, '"', '-', NUL */
};

/* What conditions are compared with. */
struct http_validators {
    const char *etag;   /* a strong entity tag, with its quotes */
    int64_t modified_s; /* seconds UTC since 1970 */
    int64_t now_s;      /* as http_date_parse() takes it */
    uint64_t size_bytes;
    bool is_date_weak; /* the file may change twice in a second */
};

/* What to send. */
struct http_answer {
    int status;     /* 200, 206, 304, 412, 416 */
    uint64_t first; /* of 200 and 206: the bytes [first, first + count) */
    uint64_t count;
};

/* Evaluate a GET or HEAD request for a file that is there. */
struct http_answer http_evaluate(const struct http_request *request,
                                 const struct http_validators *validators);

/*
 * Evaluate the conditions of a request that changes a file: RFC 9110, 13.2.2.
 * `file` is NULL when there is none. Returns 0: go on, or 412.
 */
int http_evaluate_write(const struct http_request *request,
                        const struct http_validators *file);

/* Write the strong entity tag of a file: it changes with each number. */
void http_etag_format(int64_t modified_s, uint64_t version, uint64_t size_bytes,
                      char text[HTTP_ETAG_SIZE]);

#endif
