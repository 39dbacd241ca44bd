#include "net/http/content.h"
#include <torc/assert.h>

void http_content_start(struct http_content *content, bool is_chunked,
                        uint64_t bytes)
{
    *content = (struct http_content){.is_chunked = is_chunked, .left = bytes};
    if (is_chunked)
        content->state = CONTENT_SIZE;
    else if (bytes == 0)
        content->state = CONTENT_COMPLETE;
    http_content_check(content);
}

void http_content_begin(struct http_content *content,
                        const struct http_request *request)
{
    http_content_start(content, request->is_chunked, request->content_bytes);
}

/* The size of a chunk is complete: its data, or the trailer. */
static void size_end(struct http_content *content)
{
    content->skipped = 0;
    content->digits = 0;
    content->state = content->left > 0 ? CONTENT_DATA : CONTENT_TRAILER;
}

/* One character of the size, or the one behind it. */
static bool take_size(struct http_content *content, char c)
{
    int digit = char_hex_value(c);

    if (digit >= 0) {
        content->left = content->left << 4 | (uint64_t)digit;
        return ++content->digits <= HTTP_CHUNK_DIGITS_MAX;
    }
    content->state = c == '\r' ? CONTENT_SIZE_LF : CONTENT_EXTENSION;
    return content->digits > 0 && char_is_in(c, "\r; \t");
}

/* A character of a line that is skipped up to its CR. */
static bool skip_to(struct http_content *content, char c, size_t limit,
                    enum http_content_state then)
{
    unsigned char byte = (unsigned char)c;

    if (c == '\r') {
        content->state = then;
        return true;
    }
    return ++content->skipped <= limit && byte != 0x7f &&
           (byte >= ' ' || c == '\t');
}

/* The character that must be there. */
static bool expect(struct http_content *content, char c, char wanted,
                   enum http_content_state then)
{
    content->state = then;
    return c == wanted;
}

/* One character that is no data; false: it is a mistake. */
static bool take_framing(struct http_content *content, char c)
{
    switch (content->state) {
    case CONTENT_SIZE:
        return take_size(content, c);
    case CONTENT_EXTENSION:
        return skip_to(content, c, HTTP_CHUNK_LINE_MAX, CONTENT_SIZE_LF);
    case CONTENT_SIZE_LF:
        size_end(content);
        return c == '\n';
    case CONTENT_DATA_CR:
        return expect(content, c, '\r', CONTENT_DATA_LF);
    case CONTENT_DATA_LF:
        return expect(content, c, '\n', CONTENT_SIZE);
    case CONTENT_TRAILER:
        content->state = c == '\r' ? CONTENT_TRAILER_LF : CONTENT_FIELD;
        return c == '\r' ||
               skip_to(content, c, HTTP_TRAILER_MAX, CONTENT_FIELD_LF);
    case CONTENT_FIELD:
        return skip_to(content, c, HTTP_TRAILER_MAX, CONTENT_FIELD_LF);
    case CONTENT_FIELD_LF:
        return expect(content, c, '\n', CONTENT_TRAILER);
    default:
        assert(content->state == CONTENT_TRAILER_LF);
        return expect(content, c, '\n', CONTENT_COMPLETE);
    }
}

static size_t take_data(struct http_content *content, const char *text,
                        size_t size, struct span *data)
{
    size_t count = size < content->left ? size : (size_t)content->left;

    *data = (struct span){text, count};
    content->left -= count;
    content->taken += count;
    if (content->left == 0)
        content->state =
            content->is_chunked ? CONTENT_DATA_CR : CONTENT_COMPLETE;
    return count;
}

int64_t http_content_take(struct http_content *content, const char *text,
                          size_t size, struct span *data)
{
    size_t at = 0;

    *data = (struct span){text, 0};
    while (at < size && content->state != CONTENT_COMPLETE &&
           content->state != CONTENT_DATA) {
        if (!take_framing(content, text[at++]))
            return -400;
    }
    if (at < size && content->state == CONTENT_DATA)
        at += take_data(content, text + at, size - at, data);
    http_content_check(content);
    return (int64_t)at;
}

void http_content_check(const struct http_content *content)
{
    assert(content->state <= CONTENT_COMPLETE);
    assert(content->digits <= HTTP_CHUNK_DIGITS_MAX);
    assert(content->state != CONTENT_DATA || content->left > 0);
    assert(content->is_chunked || content->state == CONTENT_DATA ||
           content->state == CONTENT_COMPLETE);
}
