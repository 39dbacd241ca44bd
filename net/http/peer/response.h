/*
 * A response head: RFC 9112, 4 and 6.3. Pure functions over bytes. Lines end
 * with CR LF, as those of requests.
 */
#ifndef TORC_NET_HTTP_PEER_RESPONSE_H
#define TORC_NET_HTTP_PEER_RESPONSE_H

#include "net/http/span.h"

enum { HTTP_RESPONSE_MAX = 16384 }; /* bytes of a head */

enum http_response_framing {
    RESPONSE_EMPTY,   /* no content */
    RESPONSE_LENGTH,  /* so many bytes */
    RESPONSE_CHUNKED, /* RFC 9112, 7.1 */
    RESPONSE_TO_END,  /* up to the end of the connection */
};

struct http_response_head {
    int status; /* 100 .. 599 */
    bool is_1_1;
    bool keep_alive; /* another request may follow the content */
    enum http_response_framing framing;
    uint64_t length;    /* of RESPONSE_LENGTH */
    struct span fields; /* the field lines, each with its CR LF */
};

/*
 * Parse the head at the start of `text`.
 *   is_head  the request was HEAD
 * Returns its length, 0 when it is right so far and not complete, or -EPROTO.
 */
must_check int http_response_parse(const char *text, size_t len, bool is_head,
                                   struct http_response_head *out);

/* The first of field lines with that name, trimmed; at == NULL: none. */
struct span http_fields_find(struct span fields, const char *name);

#endif
