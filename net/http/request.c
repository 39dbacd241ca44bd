#include "net/http/request.h"
#include <torc/assert.h>
#include <torc/string.h>

/* ---- Lines --------------------------------------------------------------- */

enum line_end {
    LINE_COMPLETE,   /* CR LF */
    LINE_INCOMPLETE, /* the end has not come */
    LINE_BROKEN,     /* a CR or a LF alone, or a NUL */
};

/*
 * *line becomes what is before the first CR, LF or NUL, or all there is; *rest
 * moves past a complete line.
 */
static enum line_end take_line(struct span *rest, struct span *line)
{
    size_t len = span_find_line_end(*rest);

    *line = (struct span){rest->at, len};
    if (len == rest->len)
        return LINE_INCOMPLETE;
    if (rest->at[len] != '\r')
        return LINE_BROKEN;
    if (len + 1 == rest->len)
        return LINE_INCOMPLETE;
    if (rest->at[len + 1] != '\n')
        return LINE_BROKEN;
    *rest = span_skip(*rest, len + 2);
    return LINE_COMPLETE;
}

/* ---- The request line: RFC 9112, section 3 ------------------------------- */

static enum http_method method_of(struct span name)
{
    static const char *const others[] = {"POST", "PATCH", "TRACE"};

    if (span_is(name, "GET"))
        return HTTP_GET;
    if (span_is(name, "HEAD"))
        return HTTP_HEAD;
    if (span_is(name, "OPTIONS"))
        return HTTP_OPTIONS;
    if (span_is(name, "CONNECT"))
        return HTTP_CONNECT;
    if (span_is(name, "PUT"))
        return HTTP_PUT;
    if (span_is(name, "DELETE"))
        return HTTP_DELETE;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (span_is(name, others[i]))
            return HTTP_OTHER;
    }
    return HTTP_UNKNOWN;
}

/*
 * What the beginning of a request line already shows, complete or not: 0, -400
 * (it begins with no method), -501 (a method longer than a line may be) or
 * -414.
 */
static int judge_line_begin(struct span line, struct http_request *out)
{
    struct span method, rest;
    bool is_too_long = line.len > HTTP_LINE_MAX;
    bool is_whole;

    if (is_too_long)
        line.len = HTTP_LINE_MAX + 1;
    rest = line;
    is_whole = span_cut(&rest, ' ', &method);
    if (!is_whole)
        method = line;
    if (line.len > 0 && !span_is_token(method))
        return -400;
    if (is_whole)
        out->method = method_of(method);
    if (!is_too_long)
        return 0;
    return is_whole ? -414 : -501;
}

/* "HTTP/1.1": 0, -400 or -505. */
static int parse_version(struct span text, struct http_request *out)
{
    if (text.len != 8 || memcmp(text.at, "HTTP/", 5) != 0 ||
        !char_is_digit(text.at[5]) || text.at[6] != '.' ||
        !char_is_digit(text.at[7]))
        return -400;
    if (text.at[5] != '1')
        return -505;
    out->is_1_1 = text.at[7] != '0';
    return 0;
}

/* A complete one, whose method judge_line_begin() has taken. */
static int parse_request_line(struct span line, struct http_request *out)
{
    struct span method, target;
    int status;

    span_cut(&line, ' ', &method); /* without one there is no second one */
    if (!span_cut(&line, ' ', &target))
        return -400;
    out->method_name = method;
    status = parse_version(line, out);
    if (status != 0)
        return status;
    return http_target_parse(target, out->method == HTTP_CONNECT, &out->target);
}

/* ---- Field lines: RFC 9112, section 5 ------------------------------------ */

/* Whether a token is `name`, of lower case, up to case. Bit 0x20 is that of the
 * case; other than letters, no two characters of a token differ in it alone
 * and are in a name. */
static bool is_name(const char *token, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((token[i] | 0x20) != name[i])
            return false;
    }
    return true;
}

/* clang-format off */
static const struct {
    uint8_t len;
    char name[20];
} field_names[HTTP_FIELD_COUNT] = {
    [HTTP_HOST]                = { 4, "host"},
    [HTTP_CONNECTION]          = {10, "connection"},
    [HTTP_CONTENT_LENGTH]      = {14, "content-length"},
    [HTTP_TRANSFER_ENCODING]   = {17, "transfer-encoding"},
    [HTTP_CONTENT_RANGE]       = {13, "content-range"},
    [HTTP_EXPECT]              = { 6, "expect"},
    [HTTP_RANGE]               = { 5, "range"},
    [HTTP_IF_RANGE]            = { 8, "if-range"},
    [HTTP_IF_MATCH]            = { 8, "if-match"},
    [HTTP_IF_NONE_MATCH]       = {13, "if-none-match"},
    [HTTP_IF_MODIFIED_SINCE]   = {17, "if-modified-since"},
    [HTTP_IF_UNMODIFIED_SINCE] = {19, "if-unmodified-since"},
};
/* clang-format on */

static bool is_field(struct span name, enum http_field field)
{
    return name.len == field_names[field].len &&
           is_name(name.at, field_names[field].name, name.len);
}

/* The first of `count` fields from `field` on with that name, a token; or
 * HTTP_FIELD_COUNT. */
static enum http_field field_among(struct span name, enum http_field field,
                                   unsigned count)
{
    for (; count > 0; count--, field++) {
        if (is_field(name, field))
            return field;
    }
    return HTTP_FIELD_COUNT;
}

/* The field with that name, a token; HTTP_FIELD_COUNT: one the server does not
 * know. By length, since few names have the same. */
static enum http_field field_of(struct span name)
{
    switch (name.len) {
    case 4:
        return field_among(name, HTTP_HOST, 1);
    case 10:
        return field_among(name, HTTP_CONNECTION, 1);
    case 5:
    case 6:
    case 8:
    case 13:
    case 14:
    case 17:
    case 19:
        return field_among(name, HTTP_CONTENT_LENGTH,
                           HTTP_FIELD_COUNT - HTTP_CONTENT_LENGTH);
    default:
        return HTTP_FIELD_COUNT;
    }
}

/* Cut the name off a field line, and its colon; false: it is no token. A name
 * followed by a blank is none: RFC 9112, 5.1. */
static bool take_name(struct span *line, struct span *name)
{
    size_t len = span_token_len(*line);

    if (len == 0 || len == line->len || line->at[len] != ':')
        return false;
    *name = (struct span){line->at, len};
    *line = span_skip(*line, len + 1);
    return true;
}

/* Note the members of a field that is a list. */
static void note_members(struct span value, enum http_field field,
                         struct http_request *out)
{
    struct span member;

    while (span_list_next(&value, &member)) {
        if (field == HTTP_CONNECTION) {
            out->says_close |= span_is_nocase(member, "close");
            out->says_keep_alive |= span_is_nocase(member, "keep-alive");
        } else if (field == HTTP_EXPECT) {
            out->expects_other |= !span_is_nocase(member, "100-continue");
        } else {
            out->is_last_chunked = span_is_nocase(member, "chunked");
            if (out->is_last_chunked)
                out->codings_chunked++;
            else
                out->codings_other++;
        }
    }
}

/* 0, or -400. */
static int parse_field(struct span line, struct http_request *out)
{
    struct span name;
    enum http_field field;
    uint64_t number;

    if (!take_name(&line, &name))
        return -400;
    field = field_of(name);
    if (field == HTTP_FIELD_COUNT)
        return 0;
    line = span_trim(line);
    if (out->count[field]++ == 0)
        out->value[field] = line;
    switch (field) {
    case HTTP_HOST: /* one, and empty or a host: RFC 9112, 3.2 */
        if (out->count[field] > 1)
            return -400;
        return line.len == 0 || http_host_is_valid(line, false) ? 0 : -400;
    case HTTP_CONTENT_LENGTH: /* RFC 9112, 6.3: repeated is an attack */
        return out->count[field] == 1 && span_number(line, &number) ? 0 : -400;
    case HTTP_CONNECTION:
    case HTTP_EXPECT:
    case HTTP_TRANSFER_ENCODING:
        note_members(line, field, out);
        return 0;
    default:
        return 0;
    }
}

bool http_field_next(struct span *fields, enum http_field field,
                     struct span *value)
{
    struct span line, name;

    while (take_line(fields, &line) == LINE_COMPLETE) {
        if (take_name(&line, &name) && field_of(name) == field) {
            *value = span_trim(line);
            return true;
        }
    }
    return false;
}

/* ---- What the whole head means ------------------------------------------- */

/*
 * The transfer codings: RFC 9112, 6.1 and 6.3. Content must end with "chunked",
 * once, or nobody knows where it ends. 0, -400 or -501.
 */
static int judge_transfer_encoding(const struct http_request *request)
{
    if (!request->is_1_1 || request->count[HTTP_CONTENT_LENGTH] > 0 ||
        !request->is_last_chunked || request->codings_chunked > 1)
        return -400;
    return request->codings_other > 0 ? -501 : 0;
}

/* Whether content follows the head; 0, -400 or -501. */
static int judge_framing(struct http_request *request)
{
    uint64_t length = 0;

    if (request->count[HTTP_TRANSFER_ENCODING] > 0) {
        request->has_content = true;
        request->is_chunked = true;
        return judge_transfer_encoding(request);
    }
    span_number(request->value[HTTP_CONTENT_LENGTH], &length); /* or none */
    request->content_bytes = length;
    request->has_content = length > 0;
    return 0;
}

static int judge_head(struct http_request *request)
{
    int status;

    if (request->is_1_1 && request->count[HTTP_HOST] == 0)
        return -400;
    status = judge_framing(request);
    if (status != 0)
        return status;
    for (unsigned i = HTTP_RANGE; i < HTTP_FIELD_COUNT; i++)
        request->is_conditional |= request->count[i] > 0;
    return 0;
}

/* ---- The head ------------------------------------------------------------ */

/* What has come of a part of the head, unless it is a negative status. */
enum { INCOMPLETE = 0, TAKEN = 1 };

static int take_request_line(struct span *rest, struct http_request *out)
{
    struct span line;
    enum line_end end;
    int status;

    /* One empty line before it is ignored: RFC 9112, 2.2. */
    if (rest->len >= 2 && memcmp(rest->at, "\r\n", 2) == 0)
        *rest = span_skip(*rest, 2);
    end = take_line(rest, &line);
    status = judge_line_begin(line, out);
    if (status != 0)
        return status;
    if (end == LINE_BROKEN)
        return -400;
    if (end == LINE_INCOMPLETE)
        return INCOMPLETE;
    status = parse_request_line(line, out);
    return status != 0 ? status : TAKEN;
}

/* The field lines and the empty one behind them. */
static int take_fields(struct span *rest, struct http_request *out)
{
    struct span line;
    enum line_end end;

    out->fields = (struct span){rest->at, 0};
    while ((end = take_line(rest, &line)) == LINE_COMPLETE) {
        int status;

        if (line.len == 0)
            return TAKEN;
        status = parse_field(line, out);
        if (status != 0)
            return status;
        out->fields.len = (size_t)(rest->at - out->fields.at);
    }
    return end == LINE_BROKEN ? -400 : INCOMPLETE;
}

int http_request_parse(const char *text, size_t len, struct http_request *out)
{
    struct span rest = {text, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX};
    int status;

    memset(out, 0, offsetof(struct http_request, target));
    out->method = HTTP_UNKNOWN;
    status = take_request_line(&rest, out);
    if (status == TAKEN)
        status = take_fields(&rest, out);
    if (status < 0)
        return status;
    if (status == INCOMPLETE)
        return len >= HTTP_HEAD_MAX ? -431 : 0;
    status = judge_head(out);
    if (status != 0)
        return status;
    http_request_check(out);
    return (int)(rest.at - text);
}

/* The text is at another place now. */
static void spans_move(struct http_request *request, const char *from,
                       const char *to)
{
    if (from == to)
        return;
    for (unsigned i = 0; i < HTTP_FIELD_COUNT; i++) {
        if (request->count[i] > 0)
            request->value[i].at = to + (request->value[i].at - from);
    }
    request->fields.at = to + (request->fields.at - from);
    request->method_name.at = to + (request->method_name.at - from);
    request->target.query.at = to + (request->target.query.at - from);
}

int http_request_repeat(const char *text, size_t len, struct http_repeat *last,
                        struct http_request *out)
{
    int status;

    if (last->len > 0 && len >= last->len &&
        memcmp(text, last->text, last->len) == 0) {
        spans_move(out, last->at, text);
        last->at = text;
        return (int)last->len;
    }
    last->len = 0;
    last->found = NULL;
    status = http_request_parse(text, len, out);
    if (status > 0 && status <= HTTP_REPEAT_MAX &&
        out->target.form != HTTP_AUTHORITY) {
        memcpy(last->text, text, (size_t)status);
        last->at = text;
        last->len = (size_t)status;
    }
    return status;
}

void http_request_check(const struct http_request *request)
{
    const struct http_target *target = &request->target;

    assert(request->count[HTTP_HOST] <= 1);
    assert(!request->is_1_1 || request->count[HTTP_HOST] == 1);
    assert(request->count[HTTP_CONTENT_LENGTH] == 0 ||
           request->count[HTTP_TRANSFER_ENCODING] == 0);
    assert((request->method == HTTP_CONNECT) ==
           (target->form == HTTP_AUTHORITY));
    if (target->form == HTTP_ORIGIN || target->form == HTTP_ABSOLUTE) {
        assert(target->path[0] == '/');
        assert(target->path[1] != '/');
    }
}
