/*
 * A span: a piece of somebody else's text, never NUL-terminated. The owner of
 * the text keeps it alive as long as spans into it are used. Pure functions.
 */
#ifndef TORC_NET_HTTP_SPAN_H
#define TORC_NET_HTTP_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/span.h>
#include <torc/string.h>

/* The span of a NUL-terminated text. */
static inline struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

/* Whether two spans have the same text; the same up to ASCII case. */
bool span_equal(struct span a, struct span b);
bool span_equal_nocase(struct span a, struct span b);

/* Whether it is exactly `text`. */
static inline bool span_is(struct span span, const char *text)
{
    return span_equal(span, span_of(text));
}

/* Whether it is `text` up to ASCII case. */
static inline bool span_is_nocase(struct span span, const char *text)
{
    return span_equal_nocase(span, span_of(text));
}

/* Whether it begins with `prefix` up to ASCII case. */
static inline bool span_starts_nocase(struct span span, const char *prefix)
{
    struct span wanted = span_of(prefix);

    if (span.len > wanted.len)
        span.len = wanted.len;
    return span_equal_nocase(span, wanted);
}

/* Take `text` off the front; false when it does not begin with it. */
bool span_take(struct span *rest, const char *text);

/* The span without its first `count` bytes; count <= span.len. */
struct span span_skip(struct span span, size_t count);

/* Without blanks and tabs at both ends: OWS of RFC 9110, 5.6.3. */
struct span span_trim(struct span span);

/*
 * Cut off what is before the first `c`: *before gets it, *rest is what follows
 * the `c`. False, and nothing is written, when there is no `c`.
 */
bool span_cut(struct span *rest, char c, struct span *before);

/*
 * The next member of a comma-separated list, without blanks around it. Empty
 * members are skipped (RFC 9110, 5.6.1.2). False at the end of the list.
 */
bool span_list_next(struct span *list, struct span *member);

/*
 * All of it as a decimal number; a number that is too large becomes UINT64_MAX.
 * False when it is empty or holds anything but digits.
 */
bool span_number(struct span span, uint64_t *out);

/* Where the first `c` is, or the first CR, LF or NUL; the length: there is
 * none. */
size_t span_find(struct span span, char c);
size_t span_find_line_end(struct span span);

/* Whether it has no control character of ASCII and no space. */
bool span_is_visible(struct span span);

/* Whether it is a token (RFC 9110, 5.6.2); how much of it is one. */
bool span_is_token(struct span span);
size_t span_token_len(struct span span);

enum { CHAR_TOKEN = 1, CHAR_NAME = 2 };
extern const uint8_t char_classes[256];

/* Whether it is of a class: in a token, or in a registered name, where '%'
 * begins an encoding. */
static inline bool char_is(char c, uint8_t class)
{
    return (char_classes[(uint8_t)c] & class) != 0;
}

static inline bool char_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool char_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The value of a hexadecimal digit, or -1. */
int char_hex_value(char c);

/* Whether `c` is one of the characters of `set`; NUL never is. */
bool char_is_in(char c, const char *set);

#endif
