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
    while (span.len > 0 && is_blank(*span.at))
        span = span_skip(span, 1);
    while (span.len > 0 && is_blank(span.at[span.len - 1]))
        span.len--;
    return span;
}

bool span_cut(struct span *rest, char c, struct span *before)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->at[i] == c) {
            *before = (struct span){rest->at, i};
            *rest = span_skip(*rest, i + 1);
            return true;
        }
    }
    return false;
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

bool span_is_token(struct span span)
{
    if (span.len == 0)
        return false;
    for (size_t i = 0; i < span.len; i++) {
        char c = span.at[i];

        if (!char_is_alpha(c) && !char_is_digit(c) &&
            !char_is_in(c, "!#$%&'*+-.^_`|~"))
            return false;
    }
    return true;
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
