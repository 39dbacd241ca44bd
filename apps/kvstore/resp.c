#include "apps/kvstore/resp.h"
#include <torc/errno.h>
#include <torc/format.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { TEXT_FIRST = 256 };

/* ---- Requests ------------------------------------------------------------ */

/* What has come of a part, unless it is the number of bytes taken. */
enum { MORE = 0 };

/* "12\r\n" after its mark: how many bytes, MORE, or -EPROTO. */
static int64_t take_length(const char *bytes, size_t len, int64_t *out)
{
    struct span digits = {bytes, 0};

    while (digits.len < len && bytes[digits.len] != '\r') {
        if (digits.len++ == RESP_DIGITS_MAX)
            return -EPROTO;
    }
    if (digits.len + 2 > len)
        return MORE;
    if (bytes[digits.len + 1] != '\n' || !resp_number(digits, out))
        return -EPROTO;
    return (int64_t)digits.len + 2;
}

/* "$3\r\nabc\r\n": how many bytes, MORE, or -EPROTO. */
static int64_t take_bulk(const char *bytes, size_t len, size_t value_max,
                         struct span *out, const char **error)
{
    int64_t size, head;

    if (len == 0)
        return MORE;
    if (bytes[0] != '$') {
        *error = "ERR Protocol error: expected '$'";
        return -EPROTO;
    }
    head = take_length(bytes + 1, len - 1, &size);
    if (head < 0 || (head > 0 && (size < 0 || (uint64_t)size > value_max))) {
        *error = "ERR Protocol error: invalid bulk length";
        return -EPROTO;
    }
    if (head == MORE || len - 1 - (size_t)head < (size_t)size + 2)
        return MORE;
    bytes += 1 + head;
    if (bytes[size] != '\r' || bytes[size + 1] != '\n') {
        *error = "ERR Protocol error: a bulk string has no end";
        return -EPROTO;
    }
    *out = (struct span){bytes, (size_t)size};
    return 1 + head + size + 2;
}

static int64_t take_array(const char *bytes, size_t len, size_t value_max,
                          size_t total_max, struct resp_request *out,
                          const char **error)
{
    int64_t count;
    int64_t at = take_length(bytes + 1, len - 1, &count);

    if (at < 0 || (at > 0 && (count > RESP_ARGS_MAX))) {
        *error = "ERR Protocol error: invalid multibulk length";
        return -EPROTO;
    }
    if (at == MORE)
        return MORE;
    at++;
    while ((int64_t)out->argc < count) {
        int64_t taken = take_bulk(bytes + at, len - (size_t)at, value_max,
                                  &out->argv[out->argc], error);

        if (taken > 0)
            at += taken;
        if (taken < 0 || (size_t)at > total_max ||
            (taken == MORE && len > total_max)) {
            if (taken >= 0)
                *error = "ERR Protocol error: the request is too long";
            return -EPROTO;
        }
        if (taken == MORE)
            return MORE;
        out->argc++;
    }
    return at;
}

/* Words with blanks between them, up to a LF. Quotes are not understood. */
static int64_t take_line(const char *bytes, size_t len,
                         struct resp_request *out, const char **error)
{
    size_t end = 0, at = 0;

    while (end < len && bytes[end] != '\n' && end < RESP_LINE_MAX)
        end++;
    if (end == RESP_LINE_MAX) {
        *error = "ERR Protocol error: too big inline request";
        return -EPROTO;
    }
    if (end == len)
        return MORE;
    while (at < end) {
        size_t begin = at;

        while (at < end && bytes[at] != ' ' && bytes[at] != '\r' &&
               bytes[at] != '\t') {
            if (bytes[at] == '"' || bytes[at] == '\'') {
                *error = "ERR Protocol error: no quotes in inline requests";
                return -EPROTO;
            }
            at++;
        }
        if (at > begin) {
            if (out->argc == RESP_ARGS_MAX) {
                *error = "ERR Protocol error: too many words";
                return -EPROTO;
            }
            out->argv[out->argc++] = (struct span){bytes + begin, at - begin};
        }
        at += at < end;
    }
    return (int64_t)end + 1;
}

int64_t resp_parse(const char *bytes, size_t len, size_t value_max,
                   size_t total_max, struct resp_request *out,
                   const char **error)
{
    out->argc = 0;
    if (len == 0)
        return MORE;
    if (bytes[0] == '*')
        return take_array(bytes, len, value_max, total_max, out, error);
    return take_line(bytes, len, out, error);
}

/* ---- Words --------------------------------------------------------------- */

bool resp_is(struct span word, const char *name)
{
    return word.len == strlen(name) &&
           str_equal_nocase(word.at, name, word.len);
}

bool resp_number(struct span word, int64_t *out)
{
    uint64_t limit = INT64_MAX;
    uint64_t value = 0;
    bool is_negative = word.len > 0 && word.at[0] == '-';
    size_t at = is_negative;

    if (is_negative)
        limit++;
    if (at == word.len || word.len - at > 19)
        return false;
    if (word.at[at] == '0' && word.len > 1)
        return false;
    for (; at < word.len; at++) {
        if (word.at[at] < '0' || word.at[at] > '9')
            return false;
        value = value * 10 + (uint64_t)(word.at[at] - '0');
    }
    if (value > limit)
        return false;
    *out = (int64_t)(is_negative ? 0 - value : value);
    return true;
}

/* Whether `c` is in the class at the front of *pattern, which moves past it:
 * a step for each of its characters. */
static bool match_class(struct span *pattern, char c, unsigned *budget)
{
    size_t at = 1;
    bool is_not = pattern->len > 1 && pattern->at[1] == '^';
    bool is_in = false;

    at += is_not;
    while (at < pattern->len && pattern->at[at] != ']') {
        char first = pattern->at[at];
        char last = first;

        if (at >= *budget) {
            *budget = 0;
            return false;
        }
        if (first == '\\' && at + 1 < pattern->len) {
            first = last = pattern->at[++at];
        } else if (at + 2 < pattern->len && pattern->at[at + 1] == '-' &&
                   pattern->at[at + 2] != ']') {
            last = pattern->at[at + 2];
            at += 2;
        }
        is_in |= (c >= first && c <= last) || (c >= last && c <= first);
        at++;
    }
    at += at < pattern->len; /* the ']', or it has none */
    *budget -= at < *budget ? (unsigned)at : *budget;
    pattern->at += at;
    pattern->len -= at;
    return is_in != is_not;
}

/* One character of the text against one of the pattern, which moves. */
static bool match_one(struct span *pattern, char c, unsigned *budget)
{
    char wanted = pattern->at[0];

    if (wanted == '[')
        return match_class(pattern, c, budget);
    if (wanted == '\\' && pattern->len > 1) {
        pattern->at++;
        pattern->len--;
        wanted = pattern->at[0];
    } else if (wanted == '?') {
        wanted = c;
    }
    pattern->at++;
    pattern->len--;
    return wanted == c;
}

/* Only the last '*' is ever tried again: what stands before it has matched in
 * the shortest way. */
bool resp_match(struct span pattern, struct span text, unsigned *budget)
{
    struct span star = {NULL, 0}; /* the pattern behind the last '*' */
    struct span retry = text;     /* and from where it is tried */

    while (text.len > 0) {
        if (*budget == 0)
            return false;
        --*budget;
        if (pattern.len > 0 && pattern.at[0] == '*') {
            pattern.at++;
            pattern.len--;
            star = pattern;
            retry = text;
            continue;
        }
        if (pattern.len > 0 && match_one(&pattern, text.at[0], budget)) {
            text.at++;
            text.len--;
            continue;
        }
        if (star.at == NULL)
            return false;
        retry.at++;
        retry.len--;
        pattern = star;
        text = retry;
    }
    while (pattern.len > 0 && pattern.at[0] == '*' && *budget > 0) {
        --*budget;
        pattern.at++;
        pattern.len--;
    }
    return pattern.len == 0;
}

/* ---- Replies ------------------------------------------------------------- */

void resp_text_free(struct resp_text *text)
{
    mem_free(text->at);
    *text = (struct resp_text){.at = NULL};
}

void resp_text_cut(struct resp_text *text, size_t len)
{
    text->len = len;
    text->is_short = false;
}

static bool grow(struct resp_text *text, size_t more)
{
    size_t size = text->size == 0 ? TEXT_FIRST : text->size;
    char *at;

    while (size - text->len < more)
        size *= 2;
    if (size == text->size)
        return true;
    at = mem_resize(text->at, size);
    if (at == NULL)
        return false;
    text->at = at;
    text->size = size;
    return true;
}

void resp_put(struct resp_text *text, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (text->is_short || !grow(text, len)) {
        text->is_short = true;
        return;
    }
    memcpy(text->at + text->len, bytes, len);
    text->len += len;
}

static void put_line(struct resp_text *text, char mark, const char *line)
{
    resp_put(text, &mark, 1);
    resp_put(text, line, strlen(line));
    resp_put(text, "\r\n", 2);
}

void resp_put_simple(struct resp_text *text, const char *line)
{
    put_line(text, '+', line);
}

void resp_put_error(struct resp_text *text, const char *line)
{
    put_line(text, '-', line);
}

static void put_count(struct resp_text *text, char mark, int64_t count)
{
    char line[24];

    fmt_print(line, sizeof(line), "%lld", (long long)count);
    put_line(text, mark, line);
}

void resp_put_number(struct resp_text *text, int64_t number)
{
    put_count(text, ':', number);
}

void resp_put_bulk(struct resp_text *text, struct span bytes)
{
    put_count(text, '$', (int64_t)bytes.len);
    resp_put(text, bytes.at, bytes.len);
    resp_put(text, "\r\n", 2);
}

void resp_put_null(struct resp_text *text, unsigned proto)
{
    if (proto == 3)
        resp_put(text, "_\r\n", 3);
    else
        resp_put(text, "$-1\r\n", 5);
}

void resp_put_array(struct resp_text *text, size_t count)
{
    put_count(text, '*', (int64_t)count);
}

void resp_put_map(struct resp_text *text, size_t pairs, unsigned proto)
{
    if (proto == 3)
        put_count(text, '%', (int64_t)pairs);
    else
        resp_put_array(text, 2 * pairs);
}
