/*
 * A request head: RFC 9112, sections 2 to 6. Pure functions over bytes.
 *
 * The parser looks at lines in the order in which they come and stops at the
 * first mistake, so what it says of a complete head is what it says as soon as
 * the mistake has arrived, in whatever pieces the head comes.
 *
 * Lines end with CR LF. A LF without its CR, or a CR without its LF, is a
 * mistake: RFC 9112, 2.2 allows to be lenient with LF, but two parsers that
 * disagree on where a line ends make request smuggling possible.
 */
#ifndef TORC_NET_HTTP_REQUEST_H
#define TORC_NET_HTTP_REQUEST_H

#include "net/http/span.h"
#include "net/http/target.h"

enum {
    HTTP_HEAD_MAX = 16384, /* request line and fields, with all line ends */
    HTTP_LINE_MAX = 8000,  /* the request line without its end: RFC 9112, 3 */
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_OPTIONS,
    HTTP_CONNECT,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OTHER, /* known: POST, PATCH, TRACE */
    HTTP_UNKNOWN,
};

/* The fields the server understands. */
enum http_field {
    HTTP_HOST,
    HTTP_CONNECTION,
    HTTP_CONTENT_LENGTH,
    HTTP_TRANSFER_ENCODING,
    HTTP_CONTENT_RANGE,
    HTTP_EXPECT,
    HTTP_RANGE,
    HTTP_IF_RANGE,
    HTTP_IF_MATCH,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_MODIFIED_SINCE,
    HTTP_IF_UNMODIFIED_SINCE,
    HTTP_FIELD_COUNT,
};

struct http_request {
    enum http_method method; /* also valid after an error */
    struct span method_name; /* of a complete head */
    bool is_1_1;             /* HTTP/1.1 or a later 1.x */
    bool is_conditional;     /* it has a precondition, or a range */
    bool has_content;        /* content follows the head */
    bool is_chunked;         /* its framing; else: */
    uint64_t content_bytes;
    struct span fields;               /* the field lines, each with its CR LF */
    uint16_t count[HTTP_FIELD_COUNT]; /* lines with that name */
    struct span value[HTTP_FIELD_COUNT]; /* of the first of them, trimmed */

    /* What members of the lists say, for the parser: */
    bool says_close;          /* Connection */
    bool says_keep_alive;     /* Connection */
    bool expects_other;       /* Expect: anything but 100-continue */
    bool is_last_chunked;     /* Transfer-Encoding: the last one is chunked */
    unsigned codings_chunked; /* Transfer-Encoding: so many are chunked, */
    unsigned codings_other;   /* and so many are not */

    struct http_target target; /* last: large, and not cleared beforehand */
};

/*
 * Parse the request head at the start of `text`. Spans in *out point into it.
 * Returns its length in bytes, 0 when it is right so far and not complete, or
 * the negative status to answer before the connection is closed: -400, -414,
 * -421, -431, -501, -505.
 */
must_check int http_request_parse(const char *text, size_t len,
                                  struct http_request *out);

enum { HTTP_REPEAT_MAX = 512 };

/* The text that a struct http_request is of. All zeros: of none. */
struct http_repeat {
    size_t len;        /* 0: it is too long, or was not right */
    const char *at;    /* where it was: the spans point there */
    const void *found; /* what the caller has found for it; NULL: nothing */
    char text[HTTP_REPEAT_MAX];
};

/*
 * As http_request_parse(). Clients repeat themselves: a text that is, byte for
 * byte, that of `last` is not parsed again; then *out is as it is, and its
 * spans are moved to the new text. Whoever else writes to *out clears
 * last->len.
 */
must_check int http_request_repeat(const char *text, size_t len,
                                   struct http_repeat *last,
                                   struct http_request *out);

/*
 * The next line of that field: *fields begins as request->fields and moves on.
 * False when there is no more.
 */
bool http_field_next(struct span *fields, enum http_field field,
                     struct span *value);

/* The invariants of a request that was parsed to its end; stops the machine
 * when one is broken. */
void http_request_check(const struct http_request *request);

#endif
