#include "apps/webserver/http.h"
#include "kernel/lib/fmt.h"
#include "kernel/lib/mem.h"
#include "kernel/lib/str.h"

/* A piece of the request; never NUL-terminated. */
struct span {
    const char *at;
    size_t len;
};

/* What the header fields said, before it is judged. */
struct fields {
    bool host;
    bool close;
    bool keep_alive;
    uint64_t content_length;
    bool has_content_length;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110, section 5.6.2. */
static bool is_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c))
        return true;
    for (const char *p = "!#$%&'*+-.^_`|~"; *p != '\0'; p++) {
        if (c == *p)
            return true;
    }
    return false;
}

static bool span_is(struct span span, const char *text)
{
    size_t len = str_len(text, HTTP_HEAD_MAX);

    return span.len == len && memcmp(span.at, text, len) == 0;
}

static bool span_is_nocase(struct span span, const char *text)
{
    size_t len = str_len(text, HTTP_HEAD_MAX);

    return span.len == len && str_equal_nocase(span.at, text, len);
}

static struct span span_trim(struct span span)
{
    while (span.len > 0 && (*span.at == ' ' || *span.at == '\t')) {
        span.at++;
        span.len--;
    }
    while (span.len > 0 &&
           (span.at[span.len - 1] == ' ' || span.at[span.len - 1] == '\t'))
        span.len--;
    return span;
}

/* Cut off what is before `c`; false when there is no `c`. */
static bool span_cut(struct span *rest, char c, struct span *out)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->at[i] == c) {
            *out = (struct span){rest->at, i};
            rest->at += i + 1;
            rest->len -= i + 1;
            return true;
        }
    }
    return false;
}

/* All of a span as decimal; false when empty, foreign or too large. */
static bool span_number(struct span span, uint64_t *out)
{
    uint64_t value = 0;

    if (span.len == 0 || span.len > 18)
        return false;
    for (size_t i = 0; i < span.len; i++) {
        if (!is_digit(span.at[i]))
            return false;
        value = value * 10 + (uint64_t)(span.at[i] - '0');
    }
    *out = value;
    return true;
}

/* ---- The request target -------------------------------------------------- */

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One decoded character of the path, or -1 when it may not be there. */
static int next_char(struct span *path)
{
    int high, low, value;
    char c = *path->at;

    path->at++;
    path->len--;
    if (c != '%')
        return (unsigned char)c > ' ' && c != 0x7f ? (unsigned char)c : -1;
    if (path->len < 2)
        return -1;
    high = hex_value(path->at[0]);
    low = hex_value(path->at[1]);
    path->at += 2;
    path->len -= 2;
    if (high < 0 || low < 0)
        return -1;
    value = high << 4 | low;
    return value != 0 && value != '/' ? value : -1;
}

/* Drop the last segment of out[0..len); the new length. */
static size_t drop_segment(const char *out, size_t len)
{
    while (len > 0 && out[len - 1] != '/')
        len--;
    return len > 0 ? len - 1 : 0;
}

/*
 * Decode and normalise: "/a/./b/../c/" becomes "/a/c". A ".." above the root is
 * refused.
 */
static int parse_path(struct span path, struct http_request *out)
{
    size_t len = 0;

    if (path.len == 0 || *path.at != '/')
        return -400;
    out->trailing_slash = path.at[path.len - 1] == '/';
    while (path.len > 0) {
        size_t start = len;

        path.at++; /* the '/' */
        path.len--;
        out->path[len++] = '/';
        while (path.len > 0 && *path.at != '/') {
            int c = next_char(&path);

            if (c < 0)
                return -400;
            if (len >= HTTP_PATH_MAX - 2)
                return -414;
            out->path[len++] = (char)c;
        }
        out->path[len] = '\0';
        if (len == start + 1 || str_equal(out->path + start, "/.")) {
            len = start;
        } else if (str_equal(out->path + start, "/..")) {
            if (start == 0)
                return -400;
            len = drop_segment(out->path, start);
        }
    }
    if (len == 0)
        out->path[len++] = '/';
    out->path[len] = '\0';
    return 0;
}

static int parse_target(struct span target, struct http_request *out)
{
    struct span before;

    /* The absolute form: skip the scheme and the authority. */
    if (target.len > 7 && str_equal_nocase(target.at, "http://", 7)) {
        target.at += 7;
        target.len -= 7;
        while (target.len > 0 && *target.at != '/') {
            target.at++;
            target.len--;
        }
    }
    if (span_cut(&target, '?', &before) || span_cut(&target, '#', &before))
        target = before;
    return parse_path(target, out);
}

static int parse_request_line(struct span line, struct http_request *out,
                              bool *is_1_1)
{
    struct span method, target;

    if (!span_cut(&line, ' ', &method) || !span_cut(&line, ' ', &target) ||
        method.len == 0)
        return -400;
    for (size_t i = 0; i < method.len; i++) {
        if (!is_token_char(method.at[i]))
            return -400;
    }
    out->method = span_is(method, "GET")    ? HTTP_GET
                  : span_is(method, "HEAD") ? HTTP_HEAD
                                            : HTTP_OTHER;
    if (line.len != 8 || memcmp(line.at, "HTTP/", 5) != 0 ||
        !is_digit(line.at[5]) || line.at[6] != '.' || !is_digit(line.at[7]))
        return -400;
    if (line.at[5] != '1')
        return -505;
    *is_1_1 = line.at[7] != '0';
    return parse_target(target, out);
}

/* ---- Header fields ------------------------------------------------------- */

/*
 * Range: bytes=first-last | first- | -suffix (RFC 9110, section 14.1.2).
 * Several ranges, other units and nonsense are ignored, as section 14.2 allows.
 */
static void parse_range(struct span value, struct http_range *out)
{
    struct span first;
    struct http_range range = {.present = true, .last = UINT64_MAX};

    if (value.len < 6 || !str_equal_nocase(value.at, "bytes=", 6))
        return;
    value.at += 6;
    value.len -= 6;
    if (!span_cut(&value, '-', &first))
        return;
    if (first.len == 0) {
        range.suffix = true;
        if (!span_number(value, &range.last))
            return;
    } else {
        if (!span_number(first, &range.first))
            return;
        if (value.len > 0 && !span_number(value, &range.last))
            return;
        if (range.last < range.first)
            return;
    }
    *out = range;
}

static void parse_connection(struct span value, struct fields *fields)
{
    struct span option;
    bool more = true;

    while (more) {
        more = span_cut(&value, ',', &option);
        option = span_trim(more ? option : value);
        if (span_is_nocase(option, "close"))
            fields->close = true;
        else if (span_is_nocase(option, "keep-alive"))
            fields->keep_alive = true;
    }
}

static int parse_content_length(struct span value, struct fields *fields)
{
    uint64_t length;

    if (!span_number(value, &length))
        return -400;
    if (fields->has_content_length && length != fields->content_length)
        return -400;
    fields->has_content_length = true;
    fields->content_length = length;
    return 0;
}

static int parse_field(struct span line, struct fields *fields,
                       struct http_request *out)
{
    struct span name;

    if (!span_cut(&line, ':', &name) || name.len == 0)
        return -400;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(name.at[i])) /* blanks too: RFC 9112, 5.1 */
            return -400;
    }
    line = span_trim(line);
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] == '\0' || line.at[i] == '\r' || line.at[i] == '\n')
            return -400;
    }
    if (span_is_nocase(name, "host")) {
        if (fields->host)
            return -400;
        fields->host = true;
    } else if (span_is_nocase(name, "connection")) {
        parse_connection(line, fields);
    } else if (span_is_nocase(name, "content-length")) {
        return parse_content_length(line, fields);
    } else if (span_is_nocase(name, "transfer-encoding")) {
        return -501;
    } else if (span_is_nocase(name, "expect")) {
        return -417;
    } else if (span_is_nocase(name, "range")) {
        parse_range(line, &out->range);
    } else if (span_is_nocase(name, "if-none-match") &&
               line.len < sizeof(out->etag)) {
        memcpy(out->etag, line.at, line.len);
        out->etag[line.len] = '\0';
        out->has_etag = true;
    }
    return 0;
}

/*
 * Cut a line off at CR LF; false when there is none. A lone CR or LF stays in
 * the line, where the callers refuse it.
 */
static bool next_line(struct span *rest, struct span *line)
{
    for (size_t i = 0; i + 1 < rest->len; i++) {
        if (rest->at[i] == '\r' && rest->at[i + 1] == '\n') {
            *line = (struct span){rest->at, i};
            rest->at += i + 2;
            rest->len -= i + 2;
            return true;
        }
    }
    return false;
}

static bool has_lone_break(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] == '\r' || line.at[i] == '\n')
            return true;
    }
    return false;
}

/* Whether the empty line that ends the head is there. */
static bool head_complete(const char *text, size_t len)
{
    for (size_t i = 0; i + 3 < len; i++) {
        if (memcmp(text + i, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

int http_parse(const char *text, size_t len, struct http_request *out)
{
    struct span rest = {text, len};
    struct span line;
    struct fields fields = {.host = false};
    bool is_1_1;
    int status;

    /* One empty line before the request is skipped: RFC 9112, section 2.2. */
    if (len >= 2 && text[0] == '\r' && text[1] == '\n') {
        rest.at += 2;
        rest.len -= 2;
    }
    if (!head_complete(rest.at, rest.len))
        return len >= HTTP_HEAD_MAX ? -431 : 0;
    *out = (struct http_request){.method = HTTP_OTHER};
    if (!next_line(&rest, &line) || has_lone_break(line))
        return -400;
    status = parse_request_line(line, out, &is_1_1);
    while (status == 0 && next_line(&rest, &line) && line.len > 0)
        status = parse_field(line, &fields, out);
    if (status != 0)
        return status;
    if (is_1_1 && !fields.host)
        return -400;
    if (fields.content_length > 0)
        return -413;
    out->keep_alive =
        is_1_1 ? !fields.close : fields.keep_alive && !fields.close;
    return (int)(rest.at - text);
}

int http_range_apply(const struct http_range *range, uint64_t size,
                     uint64_t *first, uint64_t *count)
{
    uint64_t last = range->last;

    if (range->suffix) {
        if (last == 0 || size == 0)
            return -416;
        *count = last < size ? last : size;
        *first = size - *count;
        return 0;
    }
    if (range->first >= size)
        return -416;
    if (last >= size)
        last = size - 1;
    *first = range->first;
    *count = last - range->first + 1;
    return 0;
}

/* ---- Words for answers --------------------------------------------------- */

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

const char *http_content_type(const char *path)
{
    static const struct {
        const char *extension;
        const char *type;
    } types[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"json", "application/json"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"svg", "image/svg+xml"},
        {"webp", "image/webp"},
        {"ico", "image/vnd.microsoft.icon"},
        {"mp4", "video/mp4"},
        {"mp3", "audio/mpeg"},
        {"woff2", "font/woff2"},
    };
    const char *extension = NULL;

    for (; *path != '\0'; path++) {
        if (*path == '/')
            extension = NULL;
        else if (*path == '.')
            extension = path + 1;
    }
    for (size_t i = 0; extension != NULL && i < COUNT_OF(types); i++) {
        size_t len = str_len(types[i].extension, 8);

        if (str_len(extension, 8) == len &&
            str_equal_nocase(extension, types[i].extension, len))
            return types[i].type;
    }
    return "application/octet-stream";
}

/*
 * Days to a date: the era method on years that begin in March, so that the leap
 * day is the last. All divisions are of non-negative numbers.
 */
void http_date(int64_t seconds, char text[HTTP_DATE_SIZE])
{
    static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun",
                                    "Mon", "Tue", "Wed"};
    static const char months[12][4] = {"Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct",
                                       "Nov", "Dec", "Jan", "Feb"};
    uint64_t at = seconds < 0 ? 0 : (uint64_t)seconds;
    uint64_t day = at / 86400;
    uint64_t shifted = day + 719468; /* since 1 March of year 0 */
    uint64_t era = shifted / 146097;
    uint64_t in_era = shifted % 146097;
    uint64_t year_in_era =
        (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year =
        in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    uint64_t month = (5 * in_year + 2) / 153;
    uint64_t year = era * 400 + year_in_era + (month >= 10 ? 1 : 0);

    fmt_print(text, HTTP_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT",
              days[day % 7], (unsigned)(in_year - (153 * month + 2) / 5 + 1),
              months[month], (unsigned)(year % 10000),
              (unsigned)(at / 3600 % 24), (unsigned)(at / 60 % 60),
              (unsigned)(at % 60));
}
