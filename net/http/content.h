/*
 * The content of a request as it comes, in any pieces: RFC 9112, sections 6 and
 * 7. Pure functions.
 *
 * Lines of the chunked coding end with CR LF, as those of a head. Extensions of
 * chunks and trailer fields are skipped.
 */
#ifndef TORC_NET_HTTP_CONTENT_H
#define TORC_NET_HTTP_CONTENT_H

#include "net/http/request.h"

enum {
    HTTP_CHUNK_LINE_MAX = 1024, /* bytes behind the size of a chunk */
    HTTP_TRAILER_MAX = 8192,    /* bytes of all trailer fields */
    HTTP_CHUNK_DIGITS_MAX = 16, /* hexadecimal ones of a size */
};

enum http_content_state {
    CONTENT_DATA,       /* `left` bytes of data come */
    CONTENT_SIZE,       /* the size of a chunk, */
    CONTENT_EXTENSION,  /* what stands behind it, */
    CONTENT_SIZE_LF,    /* and its last character */
    CONTENT_DATA_CR,    /* the end of a chunk */
    CONTENT_DATA_LF,    /* ... */
    CONTENT_TRAILER,    /* the beginning of a line of the trailer, */
    CONTENT_FIELD,      /* a field of it, */
    CONTENT_FIELD_LF,   /* and its last character */
    CONTENT_TRAILER_LF, /* the last character of all */
    CONTENT_COMPLETE,
};

struct http_content {
    enum http_content_state state;
    bool is_chunked;
    uint64_t left;  /* bytes of data, of all or of this chunk */
    uint64_t taken; /* bytes of data so far */
    size_t digits;  /* of the size of this chunk */
    size_t skipped; /* bytes of this extension, or of the trailer */
};

/* Begin with content in chunks, or of so many bytes. */
void http_content_start(struct http_content *content, bool is_chunked,
                        uint64_t bytes);

/* Begin with the content of a request, which may have none. */
void http_content_begin(struct http_content *content,
                        const struct http_request *request);

/*
 * Take the next of `size` bytes at `text`: *data is what of them is data, maybe
 * nothing; call again with the rest. Returns how many bytes were taken, 0 only
 * if size is 0 or the content is complete; or -400.
 */
must_check int64_t http_content_take(struct http_content *content,
                                     const char *text, size_t size,
                                     struct span *data);

/* The invariants. */
void http_content_check(const struct http_content *content);

#endif
