#include "net/http/target.h"
#include <torc/assert.h>

enum { PORT_MAX = 65535 };

/* ---- Host and port ------------------------------------------------------- */

/* Whether it begins with a character in percent encoding: RFC 3986, 2.1. */
static bool is_encoded(struct span text)
{
    return text.len >= 3 && *text.at == '%' &&
           char_hex_value(text.at[1]) >= 0 && char_hex_value(text.at[2]) >= 0;
}

/* Without the IPv6 address in brackets at the front, if there is one. */
static struct span skip_ip_literal(struct span text)
{
    struct span after, address;
    unsigned colons = 0;

    if (text.len == 0 || *text.at != '[')
        return text;
    after = span_skip(text, 1);
    if (!span_cut(&after, ']', &address))
        return text;
    for (size_t i = 0; i < address.len; i++) {
        char c = address.at[i];

        if (c == ':')
            colons++;
        else if (char_hex_value(c) < 0 && c != '.')
            return text;
    }
    return colons >= 2 ? after : text;
}

/* Without the registered name or IPv4 address at the front: RFC 3986, 3.2.2. */
static struct span skip_reg_name(struct span text)
{
    size_t len = 0;

    while (len < text.len && (char_is(text.at[len], CHAR_NAME) ||
                              is_encoded(span_skip(text, len))))
        len++; /* the digits of an encoding are such, too */
    return span_skip(text, len);
}

bool http_host_is_valid(struct span text, bool needs_port)
{
    struct span rest = skip_ip_literal(text);
    uint64_t port;

    if (rest.len == text.len)
        rest = skip_reg_name(text);
    if (rest.len == text.len)
        return false;
    if (rest.len == 0)
        return !needs_port;
    if (!span_take(&rest, ":"))
        return false;
    if (rest.len == 0)
        return !needs_port; /* "host:" is allowed */
    return span_number(rest, &port) && port <= PORT_MAX;
}

/* ---- The path ------------------------------------------------------------ */

/* One decoded character off the front of a path; false: it is not allowed. */
static bool take_char(struct span *path, char *out)
{
    unsigned char c = (unsigned char)*path->at;

    if (c != '%') {
        *path = span_skip(*path, 1);
        *out = (char)c;
        return c > ' ' && c != 0x7f;
    }
    if (!is_encoded(*path))
        return false;
    *out =
        (char)(char_hex_value(path->at[1]) * 16 + char_hex_value(path->at[2]));
    *path = span_skip(*path, 3);
    return *out != '\0' && *out != '/';
}

static bool ends_segment(char c)
{
    return c == '/' || c == '?' || c == '#';
}

/* Decode one segment to `out`, not up to `end`; its length, -400 or -414. */
static int take_segment(struct span *path, char *out, const char *end)
{
    size_t len = 0;

    while (path->len > 0 && !ends_segment(*path->at)) {
        char c = *path->at;

        if (char_is(c, CHAR_NAME)) { /* stands for itself, and most do */
            path->at++;
            path->len--;
        } else if (!take_char(path, &c)) {
            return -400;
        }
        if (out + len >= end)
            return -414;
        out[len++] = c;
    }
    return (int)len;
}

/* Drop the last "/segment" of out[0..len); the new length. */
static size_t drop_segment(const char *out, size_t len)
{
    assert(len > 0);
    assert(out[0] == '/');
    do
        len--;
    while (out[len] != '/');
    return len;
}

/*
 * Decode and remove the dot segments (RFC 3986, 5.2.4) and the empty ones. A
 * last segment that is empty or a dot segment names a directory. *rest begins
 * with '/', and becomes what follows the path.
 */
static int parse_path(struct span *rest, struct http_target *out)
{
    struct span path = *rest;
    size_t len = 0;

    assert(path.len > 0);
    while (path.len > 0 && *path.at == '/') {
        const char *end = out->path + HTTP_PATH_MAX - 1; /* the NUL's place */
        struct span segment;
        int got;

        assert(len < HTTP_PATH_MAX); /* and the NUL has a place behind it */
        path = span_skip(path, 1);
        out->path[len] = '/';
        got = take_segment(&path, out->path + len + 1, end);
        if (got < 0)
            return got;
        segment = (struct span){out->path + len + 1, (size_t)got};
        out->has_trailing_slash = got == 0 || span_is(segment, ".");
        if (span_is(segment, "..")) {
            if (len == 0)
                return -400;
            len = drop_segment(out->path, len);
            out->has_trailing_slash = true;
        } else if (!out->has_trailing_slash) {
            len += 1 + (size_t)got;
        }
    }
    if (len == 0)
        out->path[len++] = '/';
    out->path[len] = '\0';
    out->path_len = len;
    *rest = path;
    return 0;
}

/* ---- The target ---------------------------------------------------------- */

/* "/path?query"; without a path, as "http://host" may be, it is "/". */
static int parse_path_query(struct span text, struct http_target *out)
{
    struct span root = span_of("/");
    bool has_path = text.len > 0 && *text.at == '/';
    int status = parse_path(has_path ? &text : &root, out);

    if (status != 0)
        return status;
    /* A fragment is not sent (RFC 9110, 4.2.5); ignore one that is. */
    text.len = span_find(text, '#');
    out->query = text;
    return span_is_visible(text) ? 0 : -400;
}

/* RFC 3986, 3.1. */
static bool is_scheme(struct span text)
{
    if (text.len == 0 || !char_is_alpha(*text.at))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.at[i];

        if (!char_is_alpha(c) && !char_is_digit(c) && !char_is_in(c, "+-."))
            return false;
    }
    return true;
}

/* "scheme://authority" and the rest: RFC 3986, 4.3. */
static int parse_absolute(struct span text, struct http_target *out)
{
    struct span scheme, authority;
    size_t len = 0;

    if (!span_cut(&text, ':', &scheme) || !is_scheme(scheme) ||
        !span_starts_nocase(text, "//"))
        return -400;
    text = span_skip(text, 2);
    while (len < text.len && !char_is_in(text.at[len], "/?#"))
        len++;
    authority = (struct span){text.at, len};
    if (!http_host_is_valid(authority, false))
        return -400;
    if (!span_is_nocase(scheme, "http"))
        return -421;
    return parse_path_query(span_skip(text, len), out);
}

int http_target_parse(struct span text, bool is_connect,
                      struct http_target *out)
{
    out->query = (struct span){text.at, 0};
    if (text.len == 0)
        return -400;
    if (is_connect) {
        out->form = HTTP_AUTHORITY;
        return http_host_is_valid(text, true) ? 0 : -400;
    }
    if (span_is(text, "*")) {
        out->form = HTTP_ASTERISK;
        return 0;
    }
    if (*text.at == '/') {
        out->form = HTTP_ORIGIN;
        return parse_path_query(text, out);
    }
    out->form = HTTP_ABSOLUTE;
    return parse_absolute(text, out);
}
