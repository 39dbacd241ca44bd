#include "net/http/condition.h"
#include "net/http/date.h"
#include <torc/assert.h>
#include <torc/format.h>

/* ---- Entity tags: RFC 9110, 8.8.3 ---------------------------------------- */

struct etag {
    bool is_weak;
    struct span opaque; /* with its quotes */
};

void http_etag_format(int64_t modified_s, uint64_t version, uint64_t size_bytes,
                      char text[HTTP_ETAG_SIZE])
{
    const char *format = version == 0 ? "\"%llx-%llx\"" : "\"%llx-%llx-%llx\"";
    size_t len =
        fmt_print(text, HTTP_ETAG_SIZE, format, (unsigned long long)modified_s,
                  (unsigned long long)size_bytes, (unsigned long long)version);

    assert(len < HTTP_ETAG_SIZE);
}

/* Take one entity tag off the front; false when there is none. A comma may be
 * part of it. */
static bool take_etag(struct span *rest, struct etag *out)
{
    struct span after, text;

    out->is_weak = span_take(rest, "W/");
    after = *rest;
    if (!span_take(&after, "\"") || !span_cut(&after, '"', &text))
        return false;
    out->opaque = (struct span){rest->at, rest->len - after.len};
    *rest = after;
    return true;
}

/* RFC 9110, 8.8.3.2. Our own tags are strong. */
static bool etag_matches(const struct etag *etag, const char *own,
                         bool is_strong_comparison)
{
    return span_is(etag->opaque, own) &&
           !(is_strong_comparison && etag->is_weak);
}

/*
 * Whether one member of a list of tags matches. What is no tag matches nothing,
 * and ends the list.
 */
static bool list_matches(struct span list, const char *own,
                         bool is_strong_comparison)
{
    struct etag etag;

    for (;;) {
        list = span_trim(list);
        while (span_take(&list, ","))
            list = span_trim(list);
        if (!take_etag(&list, &etag))
            return false;
        list = span_trim(list);
        if (list.len > 0 && *list.at != ',')
            return false;
        if (etag_matches(&etag, own, is_strong_comparison))
            return true;
    }
}

/* Whether If-Match or If-None-Match, in all its lines, names the file. */
static bool field_matches(const struct http_request *request,
                          enum http_field field, const char *own,
                          bool is_strong_comparison)
{
    struct span fields = request->fields;
    struct span value;

    if (request->count[field] == 1 && span_is(request->value[field], "*"))
        return true;
    while (http_field_next(&fields, field, &value)) {
        if (list_matches(value, own, is_strong_comparison))
            return true;
    }
    return false;
}

/* ---- Dates --------------------------------------------------------------- */

/* The date in a field that may come once; false when there is none. */
static bool field_date(const struct http_request *request,
                       enum http_field field, int64_t now_s, int64_t *out)
{
    return request->count[field] == 1 &&
           http_date_parse(request->value[field], now_s, out);
}

/* ---- Preconditions: RFC 9110, 13.2.2 ------------------------------------- */

/* Steps 1 to 4: 200 (go on), 304 or 412. */
static int evaluate_preconditions(const struct http_request *request,
                                  const struct http_validators *file)
{
    int64_t date;

    if (request->count[HTTP_IF_MATCH] > 0) {
        if (!field_matches(request, HTTP_IF_MATCH, file->etag, true))
            return 412;
    } else if (field_date(request, HTTP_IF_UNMODIFIED_SINCE, file->now_s,
                          &date)) {
        if (file->modified_s > date)
            return 412;
    }
    if (request->count[HTTP_IF_NONE_MATCH] > 0) {
        if (field_matches(request, HTTP_IF_NONE_MATCH, file->etag, false))
            return 304;
    } else if (request->method <= HTTP_HEAD &&
               field_date(request, HTTP_IF_MODIFIED_SINCE, file->now_s,
                          &date)) {
        if (file->modified_s <= date)
            return 304;
    }
    return 200;
}

int http_evaluate_write(const struct http_request *request,
                        const struct http_validators *file)
{
    if (file != NULL)
        return evaluate_preconditions(request, file) == 200 ? 0 : 412;
    /* Nothing matches; a date is compared with none. */
    return request->count[HTTP_IF_MATCH] > 0 ? 412 : 0;
}

/*
 * Step 5: whether If-Range, if it is there, allows the range. A date must be
 * exactly that of the file, which is a strong validator of a site that is
 * read-only: no file changes twice in a second (RFC 9110, 8.8.2.2).
 */
static bool range_is_allowed(const struct http_request *request,
                             const struct http_validators *file)
{
    struct span value = request->value[HTTP_IF_RANGE];
    struct etag etag;
    int64_t date;

    if (request->count[HTTP_IF_RANGE] == 0)
        return true;
    if (request->count[HTTP_IF_RANGE] > 1)
        return false;
    if (take_etag(&value, &etag))
        return value.len == 0 && etag_matches(&etag, file->etag, true);
    return !file->is_date_weak && http_date_parse(value, file->now_s, &date) &&
           date == file->modified_s;
}

/* ---- Ranges: RFC 9110, 14.1 and 14.2 ------------------------------------- */

/*
 * "first-last", "first-" or "-suffix" against a file's size. Returns 206 and
 * the bytes in *out, 416 (there are none), or 200 (it is no range, or the whole
 * of an empty file, which no Content-Range can say).
 */
static int apply_range(struct span spec, uint64_t size, struct http_answer *out)
{
    struct span before;
    uint64_t first;
    uint64_t last = UINT64_MAX;

    if (!span_cut(&spec, '-', &before))
        return 200;
    if (before.len == 0) {
        if (!span_number(spec, &last))
            return 200;
        if (last == 0)
            return 416;
        if (size == 0)
            return 200;
        out->count = last < size ? last : size;
        out->first = size - out->count;
        return 206;
    }
    if (!span_number(before, &first) ||
        (spec.len > 0 && !span_number(spec, &last)) || last < first)
        return 200;
    if (first >= size)
        return 416;
    out->first = first;
    out->count = (last < size ? last + 1 : size) - first;
    return 206;
}

/*
 * The Range field: 200, 206 or 416. Several ranges, other units than bytes and
 * what is malformed are ignored, as section 14.2 allows: the answer is then the
 * whole file.
 */
static int evaluate_range(const struct http_request *request, uint64_t size,
                          struct http_answer *out)
{
    struct span list = request->value[HTTP_RANGE];
    struct span spec, more;

    if (request->count[HTTP_RANGE] != 1 || !span_starts_nocase(list, "bytes="))
        return 200;
    list = span_skip(list, 6);
    if (!span_list_next(&list, &spec) || span_list_next(&list, &more))
        return 200;
    return apply_range(spec, size, out);
}

struct http_answer http_evaluate(const struct http_request *request,
                                 const struct http_validators *validators)
{
    uint64_t size = validators->size_bytes;
    struct http_answer answer = {
        .status = evaluate_preconditions(request, validators),
        .count = size,
    };

    /* HEAD ignores Range: RFC 9110, 14.2. */
    if (answer.status == 200 && request->method == HTTP_GET &&
        range_is_allowed(request, validators))
        answer.status = evaluate_range(request, size, &answer);
    if (answer.status != 200 && answer.status != 206)
        answer.count = 0;
    assert(answer.first <= size);
    assert(answer.count <= size - answer.first);
    assert(answer.status != 206 || answer.count > 0);
    return answer;
}
