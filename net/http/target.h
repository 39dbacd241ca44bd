/*
 * The request target: RFC 9112, section 3.2, and RFC 3986. Pure functions.
 */
#ifndef TORC_NET_HTTP_TARGET_H
#define TORC_NET_HTTP_TARGET_H

#include "net/http/span.h"

enum { HTTP_PATH_MAX = 4096 }; /* decoded, with its NUL */

enum http_form {
    HTTP_ORIGIN,    /* "/path?query" */
    HTTP_ABSOLUTE,  /* "http://host/path?query" */
    HTTP_AUTHORITY, /* "host:port": CONNECT only */
    HTTP_ASTERISK,  /* "*": OPTIONS only; the caller checks that */
};

struct http_target {
    enum http_form form;
    /* Of the origin and the absolute form: */
    struct span query;        /* with its '?', or empty; not decoded */
    bool has_trailing_slash;  /* the path names a directory */
    size_t path_len;          /* without its NUL */
    char path[HTTP_PATH_MAX]; /* decoded; begins with one '/', has no empty
                               * segment, no "." or "..", and no '/' at its end
                               * unless it is "/" */
};

/*
 * Parse a request target.
 *   is_connect  the method is CONNECT: only the authority form is allowed
 * Returns 0, or the negative status to answer: -400 (malformed, or a ".." above
 * the root), -414 (the path is too long), -421 (an absolute form of a scheme
 * that is not http: RFC 9110, 7.4).
 */
must_check int http_target_parse(struct span text, bool is_connect,
                                 struct http_target *out);

/*
 * Whether a text is "host" or "host:port": RFC 3986, 3.2.2 and 3.2.3. An IPv6
 * address is checked for its characters, not its form. User information
 * ("user@host") is refused: RFC 9110, 4.2.4.
 */
bool http_host_is_valid(struct span text, bool needs_port);

#endif
