#include "net/http/peer/response.h"
#include <torc/errno.h>
#include <torc/string.h>

/* What the fields say. */
struct facts {
    unsigned lengths; /* lines of Content-Length, */
    uint64_t length;  /* which agree */
    bool is_coded;    /* Transfer-Encoding */
    bool is_chunked;
    bool has_other; /* more than one coding, or one that is not "chunked" */
    bool says_close;
    bool says_keep_alive;
};

/* A line without its CR LF: 1, 0 (it is not complete), -EPROTO. */
static int take_line(struct span *rest, struct span *line)
{
    struct span after = *rest;

    if (!span_cut(&after, '\n', line)) {
        struct span before;

        after = *rest;
        if (span_cut(&after, '\r', &before) && after.len > 0)
            return -EPROTO; /* a CR alone */
        return 0;
    }
    if (line->len == 0 || line->at[line->len - 1] != '\r')
        return -EPROTO;
    line->len--;
    for (size_t i = 0; i < line->len; i++) {
        if (line->at[i] == '\r' || line->at[i] == '\0')
            return -EPROTO;
    }
    *rest = after;
    return 1;
}

/* "HTTP/1.1 200 OK": RFC 9112, 4. The reason may be empty. */
static int take_status(struct span line, struct http_response_head *out)
{
    uint64_t status;

    if (line.len < 13 || memcmp(line.at, "HTTP/1.", 7) != 0 ||
        !char_is_digit(line.at[7]) || line.at[8] != ' ' || line.at[12] != ' ' ||
        !span_number((struct span){line.at + 9, 3}, &status) || status < 100 ||
        status > 599)
        return -EPROTO;
    out->is_1_1 = line.at[7] != '0';
    out->status = (int)status;
    return 0;
}

static int take_length(struct span value, struct facts *facts)
{
    uint64_t length;

    if (!span_number(value, &length) || length == UINT64_MAX ||
        (facts->lengths > 0 && length != facts->length))
        return -EPROTO;
    facts->lengths++;
    facts->length = length;
    return 0;
}

static void take_members(struct span list, bool is_coding, struct facts *facts)
{
    struct span member;

    while (span_list_next(&list, &member)) {
        if (!is_coding) {
            facts->says_close |= span_is_nocase(member, "close");
            facts->says_keep_alive |= span_is_nocase(member, "keep-alive");
            continue;
        }
        facts->is_coded = true;
        facts->has_other |=
            facts->is_chunked || !span_is_nocase(member, "chunked");
        facts->is_chunked = true;
    }
}

static int take_field(struct span line, struct facts *facts)
{
    struct span name;

    if (!span_cut(&line, ':', &name) || !span_is_token(name))
        return -EPROTO;
    line = span_trim(line);
    if (span_is_nocase(name, "content-length"))
        return take_length(line, facts);
    if (span_is_nocase(name, "transfer-encoding"))
        take_members(line, true, facts);
    else if (span_is_nocase(name, "connection"))
        take_members(line, false, facts);
    return 0;
}

/* RFC 9112, 6.3. */
static int judge(const struct facts *facts, bool is_head,
                 struct http_response_head *out)
{
    bool is_interim = out->status < 200;

    out->keep_alive =
        !facts->says_close && (out->is_1_1 || facts->says_keep_alive);
    if (facts->is_coded && (facts->lengths > 0 || !out->is_1_1))
        return -EPROTO; /* somebody between us may see another end */
    if (is_head || is_interim || out->status == 204 || out->status == 304) {
        out->framing = RESPONSE_EMPTY;
    } else if (facts->has_other) {
        return -EPROTO; /* we asked for none */
    } else if (facts->is_chunked) {
        out->framing = RESPONSE_CHUNKED;
    } else if (facts->lengths > 0) {
        out->framing = RESPONSE_LENGTH;
    } else {
        out->framing = RESPONSE_TO_END;
        out->keep_alive = false;
    }
    out->length = facts->length;
    return 0;
}

int http_response_parse(const char *text, size_t len, bool is_head,
                        struct http_response_head *out)
{
    struct span rest = {text,
                        len < HTTP_RESPONSE_MAX ? len : HTTP_RESPONSE_MAX};
    struct facts facts = {0};
    struct span line;
    int status = take_line(&rest, &line);

    if (status > 0 && take_status(line, out) != 0)
        return -EPROTO;
    out->fields = (struct span){rest.at, 0};
    while (status > 0) {
        status = take_line(&rest, &line);
        if (status > 0 && line.len == 0) {
            status = judge(&facts, is_head, out);
            return status != 0 ? status : (int)(rest.at - text);
        }
        if (status > 0 && take_field(line, &facts) != 0)
            return -EPROTO;
        out->fields.len = (size_t)(rest.at - out->fields.at);
    }
    return status == 0 && len >= HTTP_RESPONSE_MAX ? -EPROTO : status;
}

struct span http_fields_find(struct span fields, const char *name)
{
    struct span line, before;

    while (span_cut(&fields, '\n', &line)) {
        if (span_cut(&line, ':', &before) && span_is_nocase(before, name)) {
            line.len -= line.len > 0; /* its CR */
            return span_trim(line);
        }
    }
    return (struct span){NULL, 0};
}
