#include "net/http/head.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/string.h>

enum {
    DIGITS_MAX = 20, /* of UINT64_MAX */
    PAGE_MAX = HTTP_STATUS_PAGE_MAX,
};

/* ---- Text ---------------------------------------------------------------- */

void http_text_put_span(struct http_text *text, struct span piece)
{
    assert(piece.len <= text->size - text->len);
    memcpy(text->at + text->len, piece.at, piece.len);
    text->len += piece.len;
}

void http_text_put_number(struct http_text *text, uint64_t number)
{
    char digits[DIGITS_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    http_text_put_span(text, (struct span){digits + at, sizeof(digits) - at});
}

/* ---- Every answer -------------------------------------------------------- */

/* RFC 9110, 15; RFC 6585; RFC 4918, 11. */
static const struct {
    int status;
    const char *text; /* "200 OK": the status and its reason phrase */
} status_texts[] = {
    {200, "200 OK"},
    {204, "204 No Content"},
    {201, "201 Created"},
    {206, "206 Partial Content"},
    {301, "301 Moved Permanently"},
    {304, "304 Not Modified"},
    {400, "400 Bad Request"},
    {403, "403 Forbidden"},
    {404, "404 Not Found"},
    {405, "405 Method Not Allowed"},
    {408, "408 Request Timeout"},
    {409, "409 Conflict"},
    {412, "412 Precondition Failed"},
    {413, "413 Content Too Large"},
    {414, "414 URI Too Long"},
    {416, "416 Range Not Satisfiable"},
    {417, "417 Expectation Failed"},
    {421, "421 Misdirected Request"},
    {431, "431 Request Header Fields Too Large"},
    {500, "500 Internal Server Error"},
    {501, "501 Not Implemented"},
    {503, "503 Service Unavailable"},
    {505, "505 HTTP Version Not Supported"},
    {507, "507 Insufficient Storage"},
    {101, "101 Switching Protocols"},
    {202, "202 Accepted"},
    {203, "203 Non-Authoritative Information"},
    {205, "205 Reset Content"},
    {300, "300 Multiple Choices"},
    {302, "302 Found"},
    {303, "303 See Other"},
    {307, "307 Temporary Redirect"},
    {308, "308 Permanent Redirect"},
    {401, "401 Unauthorized"},
    {402, "402 Payment Required"},
    {406, "406 Not Acceptable"},
    {407, "407 Proxy Authentication Required"},
    {410, "410 Gone"},
    {411, "411 Length Required"},
    {415, "415 Unsupported Media Type"},
    {422, "422 Unprocessable Content"},
    {426, "426 Upgrade Required"},
    {428, "428 Precondition Required"},
    {429, "429 Too Many Requests"},
    {502, "502 Bad Gateway"},
    {504, "504 Gateway Timeout"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < COUNT_OF(status_texts); i++) {
        if (status_texts[i].status == status)
            return status_texts[i].text;
    }
    return NULL;
}

/* A status without a phrase of its own is said by its number. */
static void put_status(struct http_text *text, int status)
{
    const char *known = http_status_text(status);

    if (known != NULL) {
        http_text_put(text, known);
        return;
    }
    assert(status >= 100 && status <= 599);
    http_text_put_number(text, (uint64_t)status);
    http_text_put(text, " ");
}

size_t http_status_page(int status, char *page, size_t size)
{
    struct http_text text = {page, size, 0};

    http_text_put(&text, "<!doctype html><title>");
    put_status(&text, status);
    http_text_put(&text, "</title><h1>");
    put_status(&text, status);
    http_text_put(&text, "</h1>\n");
    return text.len;
}

void http_head_begin(struct http_text *text, int status, const char *date,
                     const char *connection)
{
    http_text_put(text, "HTTP/1.1 ");
    put_status(text, status);
    http_text_put(text, "\r\nServer: Torc\r\n");
    if (date[0] != '\0') {
        http_text_put(text, "Date: ");
        http_text_put(text, date);
        http_text_put(text, "\r\n");
    }
    http_connection_put(text, connection);
}

void http_connection_put(struct http_text *text, const char *connection)
{
    static const char keep_alive[] = "Connection: keep-alive\r\n";
    static const char close[] = "Connection: close\r\n";
    static const char upgrade[] = "Connection: Upgrade\r\n";
    struct span line = {upgrade, sizeof(upgrade) - 1};

    if (connection == NULL)
        return;
    if (connection[0] == 'k')
        line = (struct span){keep_alive, sizeof(keep_alive) - 1};
    else if (connection[0] == 'c')
        line = (struct span){close, sizeof(close) - 1};
    http_text_put_span(text, line);
}

/* ---- Files --------------------------------------------------------------- */

void http_file_describe(struct http_file *out, int64_t modified_s,
                        uint64_t version, uint64_t size_bytes, const char *type)
{
    struct http_text text = {out->text, sizeof(out->text), 0};
    char modified[HTTP_DATE_SIZE];

    out->size_bytes = size_bytes;
    out->modified_s = modified_s;
    out->version = version;
    out->type = type;
    http_etag_format(modified_s, version, size_bytes, out->etag);
    http_date_format(modified_s, modified);
    http_text_put(&text, "ETag: ");
    http_text_put(&text, out->etag);
    http_text_put(&text, "\r\nLast-Modified: ");
    http_text_put(&text, modified);
    http_text_put(&text, "\r\nAccept-Ranges: bytes\r\n");
    out->validators_len = (uint16_t)text.len;
    http_text_put(&text, "Content-Type: ");
    http_text_put(&text, type);
    http_text_put(&text, "\r\n");
    out->type_len = (uint16_t)(text.len - out->validators_len);
    http_text_put(&text, "Content-Length: ");
    http_text_put_number(&text, size_bytes);
    http_text_put(&text, "\r\n\r\n");
    out->length_len =
        (uint16_t)(text.len - out->validators_len - out->type_len);
    http_file_check(out);
}

void http_file_check(const struct http_file *file)
{
    size_t len =
        (size_t)file->validators_len + file->type_len + file->length_len;

    assert(file->type != NULL);
    assert(file->validators_len > 0);
    assert(file->type_len > 0);
    assert(len <= sizeof(file->text));
    assert(memcmp(file->text + len - 4, "\r\n\r\n", 4) == 0);
}

void http_head_file(struct http_text *text, const struct http_file *file,
                    const struct http_answer *answer)
{
    struct span rest = {file->text, file->validators_len};

    assert(answer->status == 200 || answer->status == 206 ||
           answer->status == 304);
    if (answer->status == 200) {
        rest.len += file->type_len + file->length_len;
        http_text_put_span(text, rest);
        return;
    }
    if (answer->status == 304) {
        http_text_put_span(text, rest);
        http_text_put(text, "\r\n");
        return;
    }
    rest.len += file->type_len;
    http_text_put_span(text, rest);
    http_text_put(text, "Content-Range: bytes ");
    http_text_put_number(text, answer->first);
    http_text_put(text, "-");
    http_text_put_number(text, answer->first + answer->count - 1);
    http_text_put(text, "/");
    http_text_put_number(text, file->size_bytes);
    http_text_put(text, "\r\nContent-Length: ");
    http_text_put_number(text, answer->count);
    http_text_put(text, "\r\n\r\n");
}

/* ---- Pages --------------------------------------------------------------- */

void http_head_page(struct http_text *text, int status, const char *extra,
                    bool is_head)
{
    char page[PAGE_MAX];
    size_t len;

    http_text_put(text, extra);
    if (status == 204) { /* no content, and no length: RFC 9110, 8.6 */
        http_text_put(text, "\r\n");
        return;
    }
    len = http_status_page(status, page, sizeof(page));
    http_text_put(text, "Content-Type: text/html; charset=utf-8\r\n"
                        "Content-Length: ");
    http_text_put_number(text, len);
    http_text_put(text, "\r\n\r\n");
    if (!is_head)
        http_text_put_span(text, (struct span){page, len});
}

/* Whether a character of a path needs no encoding: RFC 3986, 2.3. */
static bool is_plain(char c)
{
    return char_is_alpha(c) || char_is_digit(c) || char_is_in(c, "/-._~");
}

void http_path_put(struct http_text *text, const char *path)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const char *p = path; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        const char encoded[] = {'%', digits[c >> 4], digits[c & 15]};

        if (is_plain(*p))
            http_text_put_span(text, (struct span){p, 1});
        else
            http_text_put_span(text, (struct span){encoded, sizeof(encoded)});
    }
}

void http_location_put(struct http_text *text, const struct http_target *target)
{
    http_text_put(text, "Location: ");
    http_path_put(text, target->path);
    http_text_put(text, "/");
    http_text_put_span(text, target->query);
    http_text_put(text, "\r\n");
}

int http_status_of_error(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -ELOOP:
        return 404;
    case -ENOMEM:
    case -ENFILE:
        return 503;
    default:
        return 500;
    }
}

/* ---- Fields of an application -------------------------------------------- */

bool http_fields_are_valid(struct span fields)
{
    struct span line, name;

    while (fields.len > 0) {
        if (!span_cut(&fields, '\n', &line) || line.len == 0 ||
            line.at[line.len - 1] != '\r')
            return false;
        line.len--;
        if (!span_cut(&line, ':', &name) || !span_is_token(name))
            return false;
        for (size_t i = 0; i < line.len; i++) {
            unsigned char c = (unsigned char)line.at[i];

            if ((c < ' ' && c != '\t') || c == 0x7f)
                return false;
        }
    }
    return true;
}
