/*
 * Response heads as text: RFC 9110, sections 6.6, 8, 10.2, 14 and 15. Pure
 * functions that append to a buffer.
 *
 *     http_head_begin()     the status line, Server, Date, Connection
 *     http_head_file()      the fields of a file, and the end of the head
 *     http_head_page()      or those of a page without a file, and the page
 *
 * The fields of a file are formatted once for each state the file has, by
 * http_file_describe(), and copied afterwards; the date once a second.
 */
#ifndef TORC_NET_HTTP_HEAD_H
#define TORC_NET_HTTP_HEAD_H

#include "net/http/condition.h"
#include "net/http/date.h"

enum {
    HTTP_FILE_TEXT_SIZE = 256, /* the fields of a file */
    HTTP_BEGIN_MAX = 160,      /* what http_head_begin() appends */
    /* What http_head_file() appends. */
    HTTP_FILE_MAX = HTTP_FILE_TEXT_SIZE + 128,
    /* What http_head_page() appends, without `extra`. */
    HTTP_PAGE_MAX = 512,
    /* A Location of any target. */
    HTTP_LOCATION_MAX = 3 * HTTP_PATH_MAX + 8000 + 32,
};

/* Text that grows in a buffer of the caller, which is large enough: appending
 * more than `size` stops the machine. */
struct http_text {
    char *at;
    size_t size;
    size_t len;
};

void http_text_put_span(struct http_text *text, struct span piece);
void http_text_put_number(struct http_text *text, uint64_t number);

static inline void http_text_put(struct http_text *text, const char *piece)
{
    http_text_put_span(text, span_of(piece));
}

/*
 * The status line, and the fields every answer has.
 *   date  of http_date_format(), or "" when nobody knows the time
 *   connection  "close", "keep-alive", "Upgrade", or NULL for no such field
 */
void http_head_begin(struct http_text *text, int status, const char *date,
                     const char *connection);

/* The field Connection; NULL: nothing. */
void http_connection_put(struct http_text *text, const char *connection);

/* "200 OK"; NULL: a status without a phrase. */
const char *http_status_text(int status);

/* The status of an answer when its file cannot be opened: `error` is what
 * file_open() says. */
int http_status_of_error(int error);

enum { HTTP_STATUS_PAGE_MAX = 192 };

/* Write the page that says a status to `page` of HTTP_STATUS_PAGE_MAX bytes at
 * least, without a NUL. Returns its length. */
size_t http_status_page(int status, char *page, size_t size);

/* A file in one state, described for the heads of its answers. */
struct http_file {
    uint64_t size_bytes;
    int64_t modified_s;
    uint64_t version; /* tells states of one second apart; 0: there are none */
    const char *type; /* of http_media_type() */
    char etag[HTTP_ETAG_SIZE];
    uint16_t validators_len; /* of text: what a 304 says, too */
    uint16_t type_len;       /* of text behind that: Content-Type */
    uint16_t length_len;     /* and behind that: Content-Length, empty line */
    char text[HTTP_FILE_TEXT_SIZE];
};

/* Fill all of *out. */
void http_file_describe(struct http_file *out, int64_t modified_s,
                        uint64_t version, uint64_t size_bytes,
                        const char *type);

/* The invariants of a described file. */
void http_file_check(const struct http_file *file);

/* The rest of the head of a 200, 206 or 304 for that file. */
void http_head_file(struct http_text *text, const struct http_file *file,
                    const struct http_answer *answer);

/*
 * The rest of the head of an answer without a file, and its page.
 *   extra     more fields, each with its line end
 *   is_head   the request was HEAD: the head alone
 */
void http_head_page(struct http_text *text, int status, const char *extra,
                    bool is_head);

/* A path, encoded again. */
void http_path_put(struct http_text *text, const char *path);

/*
 * A Location field with its line end: the path encoded again, a '/' behind it,
 * and the query.
 */
void http_location_put(struct http_text *text,
                       const struct http_target *target);

/* Whether text of an application is whole field lines: names that are tokens,
 * values without control characters. RFC 9112, 5. */
bool http_fields_are_valid(struct span fields);

#endif
