#include "net/http/span.h"
#include <torc/assert.h>
#include <torc/string.h>

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

bool span_equal_nocase(struct span a, struct span b)
{
    return a.len == b.len && str_equal_nocase(a.at, b.at, a.len);
}

struct span span_skip(struct span span, size_t count)
{
    assert(count <= span.len);
    return (struct span){span.at + count, span.len - count};
}

bool span_take(struct span *rest, const char *text)
{
    size_t len = strlen(text);

    if (rest->len < len || memcmp(rest->at, text, len) != 0)
        return false;
    *rest = span_skip(*rest, len);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span span)
{
    while (span.len > 0 && is_blank(*span.at)) {
        span.at++;
        span.len--;
    }
    while (span.len > 0 && is_blank(span.at[span.len - 1]))
        span.len--;
    return span;
}

/* ---- Eight bytes at once ------------------------------------------------- */

#define EACH(byte) ((uint8_t)(byte)*UINT64_C(0x0101010101010101))

/* The first byte in memory is the lowest: this machine's order. */
static uint64_t word_at(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* Its lowest bit is the highest one of the first byte that is less than
 * `limit`, 1 .. 128; 0: there is none. Bits above mean nothing. */
static uint64_t bytes_below(uint64_t word, uint8_t limit)
{
    return (word - EACH(limit)) & ~word & EACH(0x80);
}

/* As bytes_below(), of those that are `c`. */
static uint64_t bytes_equal(uint64_t word, char c)
{
    return bytes_below(word ^ EACH(c), 1);
}

size_t span_find(struct span span, char c)
{
    size_t i = 0;

    for (; span.len - i >= 8; i += 8) {
        uint64_t found = bytes_equal(word_at(span.at + i), c);

        if (found != 0)
            return i + (unsigned)__builtin_ctzll(found) / 8;
    }
    while (i < span.len && span.at[i] != c)
        i++;
    return i;
}

static bool ends_line(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

size_t span_find_line_end(struct span span)
{
    size_t i = 0;

    while (span.len - i >= 8) {
        uint64_t found = bytes_below(word_at(span.at + i), ' ');

        i += found != 0 ? (unsigned)__builtin_ctzll(found) / 8 : 8;
        if (found != 0 && ends_line(span.at[i]))
            return i;
        i += found != 0; /* another control character */
    }
    while (i < span.len && !ends_line(span.at[i]))
        i++;
    return i;
}

bool span_is_visible(struct span span)
{
    uint64_t found = 0;
    size_t i = 0;

    for (; span.len - i >= 8; i += 8) {
        uint64_t word = word_at(span.at + i);

        found |= bytes_below(word, ' ' + 1) | bytes_equal(word, 0x7f);
    }
    for (; i < span.len; i++)
        found |= (uint8_t)span.at[i] <= ' ' || span.at[i] == 0x7f;
    return found == 0;
}

/* ---- Parts --------------------------------------------------------------- */

bool span_cut(struct span *rest, char c, struct span *before)
{
    size_t len = span_find(*rest, c);

    if (len == rest->len)
        return false;
    *before = (struct span){rest->at, len};
    *rest = (struct span){rest->at + len + 1, rest->len - len - 1};
    return true;
}

bool span_list_next(struct span *list, struct span *member)
{
    while (list->len > 0) {
        if (!span_cut(list, ',', member)) {
            *member = *list;
            *list = span_skip(*list, list->len);
        }
        *member = span_trim(*member);
        if (member->len > 0)
            return true;
    }
    return false;
}

bool span_number(struct span span, uint64_t *out)
{
    uint64_t value = 0;

    if (span.len == 0)
        return false;
    for (size_t i = 0; i < span.len; i++) {
        uint64_t digit = (uint64_t)(span.at[i] - '0');

        if (!char_is_digit(span.at[i]))
            return false;
        if (value > (UINT64_MAX - digit) / 10)
            value = UINT64_MAX;
        else
            value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* clang-format off */
/* What a character may be part of, of a token (RFC 9110, 5.6.2) or of a
 * registered name (RFC 3986, 3.2.2). */
enum { T = CHAR_TOKEN, N = CHAR_NAME, B = CHAR_TOKEN | CHAR_NAME };
const uint8_t char_classes[256] = {
    ['!'] = B, ['#'] = T, ['$'] = B, ['%'] = T, ['&'] = B, ['\''] = B,
    ['('] = N, [')'] = N, ['*'] = B, ['+'] = B, [','] = N, ['-'] = B,
    ['.'] = B, [';'] = N, ['='] = N, ['^'] = T, ['_'] = B, ['`'] = T,
    ['|'] = T, ['~'] = B,
    ['0'] = B, B, B, B, B, B, B, B, B, B,
    ['A'] = B, B, B, B, B, B, B, B, B, B, B, B, B,
             B, B, B, B, B, B, B, B, B, B, B, B, B,
    ['a'] = B, B, B, B, B, B, B, B, B, B, B, B, B,
             B, B, B, B, B, B, B, B, B, B, B, B, B,
};
/* clang-format on */

size_t span_token_len(struct span span)
{
    size_t len = 0;

    while (len < span.len && char_is(span.at[len], CHAR_TOKEN))
        len++;
    return len;
}

bool span_is_token(struct span span)
{
    return span.len > 0 && span_token_len(span) == span.len;
}

int char_hex_value(char c)
{
    if (char_is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool char_is_in(char c, const char *set)
{
    for (; *set != '\0'; set++) {
        if (c == *set)
            return true;
    }
    return false;
}
