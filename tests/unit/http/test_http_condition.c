/*
 * Conditional requests and ranges: RFC 9110, sections 13 and 14, in one table,
 * a row for each rule.
 */
#include "net/http/condition.c"
#include "net/http/date.c"
#include "net/http/request.c"
#include "net/http/span.c"
#include "net/http/target.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file: 1000 bytes, changed on 2000-02-29 00:00:00. */
#define MODIFIED INT64_C(951782400)
#define NOW      INT64_C(1735689600)
#define TAG      "\"38bb0c00-3e8\""
#define EXACTLY  "Tue, 29 Feb 2000 00:00:00 GMT"
#define LATER    "Tue, 29 Feb 2000 00:00:01 GMT"
#define EARLIER  "Mon, 28 Feb 2000 23:59:59 GMT"

#define IM(v)    "If-Match: " v "\r\n"
#define INM(v)   "If-None-Match: " v "\r\n"
#define IMS(v)   "If-Modified-Since: " v "\r\n"
#define IUS(v)   "If-Unmodified-Since: " v "\r\n"
#define IR(v)    "If-Range: " v "\r\n"
#define RANGE(v) "Range: " v "\r\n"
#define TEN      RANGE("bytes=10-19")

/* clang-format off */
static const struct row {
    const char *name;
    const char *fields;
    int status;
    uint64_t first, count; /* of 206 */
} rows[] = {
    {"none", "", 200, 0, 0},

    /* 13.1.1 If-Match: strong comparison */
    {"13.1.1 the tag", IM(TAG), 200, 0, 0},
    {"13.1.1 another tag", IM("\"x\""), 412, 0, 0},
    {"13.1.1 *", IM("*"), 200, 0, 0},
    {"13.1.1 weak", IM("W/" TAG), 412, 0, 0},
    {"13.1.1 list, first", IM(TAG ", \"x\""), 200, 0, 0},
    {"13.1.1 list, last", IM("\"x\",W/\"y\" ,\t" TAG), 200, 0, 0},
    {"13.1.1 list, none", IM("\"x\", \"y\""), 412, 0, 0},
    {"13.1.1 list with empty members", IM(",, \"x\",, " TAG ","), 200, 0, 0},
    {"13.1.1 only empty members", IM(", ,"), 412, 0, 0},
    {"13.1.1 two lines, second", IM("\"x\"") IM(TAG), 200, 0, 0},
    {"13.1.1 two lines, none", IM("\"x\"") IM("\"y\""), 412, 0, 0},
    {"13.1.1 empty", IM(""), 412, 0, 0},
    {"13.1.1 no quotes", IM("38bb0c00-3e8"), 412, 0, 0},
    {"13.1.1 no end", IM("\"38bb0c00-3e8"), 412, 0, 0},
    {"13.1.1 more behind the tag", IM(TAG "x"), 412, 0, 0},
    {"13.1.1 no quote before what is no tag", IM("x\"," TAG), 412, 0, 0},
    {"13.1.1 a beginning of it", IM("\"38bb0c00-3e\""), 412, 0, 0},
    {"13.1.1 upper case", IM("\"38BB0C00-3E8\""), 412, 0, 0},
    {"13.1.1 * in a list", IM("*, \"x\""), 412, 0, 0},
    {"13.1.1 * behind a tag", IM("\"x\", *"), 412, 0, 0},
    {"13.1.1 * twice", IM("*") IM("*"), 412, 0, 0},
    {"13.1.1 what is no tag ends the list", IM("x, " TAG), 412, 0, 0},
    {"8.8.3 comma in a tag", IM("\"a,b\", " TAG), 200, 0, 0},
    {"8.8.3 the tag in a tag", IM("\"," TAG ",\""), 412, 0, 0},
    {"8.8.3 empty tag", IM("\"\""), 412, 0, 0},
    {"8.8.3 empty tag, list", IM("\"\"," TAG), 200, 0, 0},
    {"8.8.3 w/ in lower case", INM("w/" TAG), 200, 0, 0},
    {"8.8.3 blank in W/ \"\"", INM("W/ " TAG), 200, 0, 0},
    {"8.8.3 W alone", INM("W" TAG), 200, 0, 0},
    {"8.8.3 W/ alone", INM("W/"), 200, 0, 0},
    {"8.8.3 X/", INM("X/" TAG), 200, 0, 0},
    {"8.8.3 a quote alone", INM("\""), 200, 0, 0},

    /* 13.1.2 If-None-Match: weak comparison */
    {"13.1.2 the tag", INM(TAG), 304, 0, 0},
    {"13.1.2 another tag", INM("\"x\""), 200, 0, 0},
    {"13.1.2 weak", INM("W/" TAG), 304, 0, 0},
    {"13.1.2 *", INM("*"), 304, 0, 0},
    {"13.1.2 list, first", INM(TAG ",\"x\""), 304, 0, 0},
    {"13.1.2 list, last", INM("\"x\", W/" TAG), 304, 0, 0},
    {"13.1.2 list, none", INM("\"x\", \"y\""), 200, 0, 0},
    {"13.1.2 two lines, first", INM(TAG) INM("\"x\""), 304, 0, 0},
    {"13.1.2 two lines, second", INM("\"x\"") INM(TAG), 304, 0, 0},
    {"13.1.2 empty", INM(""), 200, 0, 0},
    {"13.1.2 malformed", INM("x"), 200, 0, 0},

    /* 13.1.3 If-Modified-Since */
    {"13.1.3 exactly", IMS(EXACTLY), 304, 0, 0},
    {"13.1.3 later", IMS(LATER), 304, 0, 0},
    {"13.1.3 earlier", IMS(EARLIER), 200, 0, 0},
    {"13.1.3 second form", IMS("Tuesday, 29-Feb-00 00:00:00 GMT"), 304, 0, 0},
    {"13.1.3 the third form", IMS("Tue Feb 29 00:00:00 2000"), 304, 0, 0},
    {"13.1.3 no date", IMS("yesterday"), 200, 0, 0},
    {"13.1.3 two lines", IMS(LATER) IMS(LATER), 200, 0, 0},
    {"13.1.3 If-None-Match wins, 200", INM("\"x\"") IMS(LATER), 200, 0, 0},
    {"13.1.3 If-None-Match wins, 304", INM(TAG) IMS(EARLIER), 304, 0, 0},

    /* 13.1.4 If-Unmodified-Since */
    {"13.1.4 exactly", IUS(EXACTLY), 200, 0, 0},
    {"13.1.4 later", IUS(LATER), 200, 0, 0},
    {"13.1.4 earlier", IUS(EARLIER), 412, 0, 0},
    {"13.1.4 no date", IUS("yesterday"), 200, 0, 0},
    {"13.1.4 two lines", IUS(EARLIER) IUS(EARLIER), 200, 0, 0},
    {"13.1.4 If-Match wins, 200", IM(TAG) IUS(EARLIER), 200, 0, 0},
    {"13.1.4 If-Match wins, 412", IM("\"x\"") IUS(LATER), 412, 0, 0},

    /* 13.2.2 order */
    {"13.2.2 If-Match before If-None-Match", IM("\"x\"") INM(TAG), 412, 0, 0},
    {"13.2.2 then If-None-Match", IM(TAG) INM(TAG), 304, 0, 0},
    {"13.2.2 then If-Modified-Since", IM(TAG) IMS(EXACTLY), 304, 0, 0},
    {"13.2.2 412 of a date before 304", IUS(EARLIER) INM(TAG), 412, 0, 0},
    {"13.2.2 date, then If-None-Match", IUS(LATER) INM(TAG), 304, 0, 0},
    {"13.2.2 both dates", IUS(LATER) IMS(LATER), 304, 0, 0},
    {"13.2.2 304 before 206", INM(TAG) TEN, 304, 0, 0},
    {"13.2.2 412 before 206", IM("\"x\"") TEN, 412, 0, 0},
    {"13.2.2 304 before 416", INM(TAG) RANGE("bytes=1000-"), 304, 0, 0},
    {"13.2.2 206 at last", IM(TAG) INM("\"x\"") TEN, 206, 10, 10},

    /* 13.1.5 If-Range */
    {"13.1.5 the tag", IR(TAG) TEN, 206, 10, 10},
    {"13.1.5 another tag", IR("\"x\"") TEN, 200, 0, 0},
    {"13.1.5 weak", IR("W/" TAG) TEN, 200, 0, 0},
    {"13.1.5 exactly", IR(EXACTLY) TEN, 206, 10, 10},
    {"13.1.5 later", IR(LATER) TEN, 200, 0, 0},
    {"13.1.5 earlier", IR(EARLIER) TEN, 200, 0, 0},
    {"13.1.5 neither tag nor date", IR("x") TEN, 200, 0, 0},
    {"13.1.5 empty", IR("") TEN, 200, 0, 0},
    {"13.1.5 a list is malformed", IR(TAG ", " TAG) TEN, 200, 0, 0},
    {"13.1.5 *", IR("*") TEN, 200, 0, 0},
    {"13.1.5 twice", IR(TAG) IR(TAG) TEN, 200, 0, 0},
    {"13.1.5 without Range", IR(TAG), 200, 0, 0},
    {"13.1.5 false, without Range", IR("\"x\""), 200, 0, 0},
    {"13.1.5 false: no 416", IR("\"x\"") RANGE("bytes=1000-"), 200, 0, 0},
    {"13.1.5 416 when it is true", IR(TAG) RANGE("bytes=1000-"), 416, 0, 0},

    /* 14.1.2 byte ranges */
    {"14.1.2 first byte", RANGE("bytes=0-0"), 206, 0, 1},
    {"14.1.2 first 500", RANGE("bytes=0-499"), 206, 0, 500},
    {"14.1.2 from 500", RANGE("bytes=500-"), 206, 500, 500},
    {"14.1.2 last byte", RANGE("bytes=-1"), 206, 999, 1},
    {"14.1.2 last byte by number", RANGE("bytes=999-999"), 206, 999, 1},
    {"14.1.2 all", RANGE("bytes=0-"), 206, 0, 1000},
    {"14.1.2 all by numbers", RANGE("bytes=0-999"), 206, 0, 1000},
    {"14.1.2 last is cut", RANGE("bytes=0-1000"), 206, 0, 1000},
    {"14.1.2 last is cut further", RANGE("bytes=999-2000"), 206, 999, 1},
    {"14.1.2 suffix 999", RANGE("bytes=-999"), 206, 1, 999},
    {"14.1.2 suffix 1000", RANGE("bytes=-1000"), 206, 0, 1000},
    {"14.1.2 suffix is cut", RANGE("bytes=-1001"), 206, 0, 1000},
    {"14.1.2 large last", RANGE("bytes=1-99999999999999999999"), 206, 1, 999},
    {"14.1.2 large suffix", RANGE("bytes=-99999999999999999999"), 206, 0, 1000},
    {"14.1.2 large first", RANGE("bytes=99999999999999999999-"), 416, 0, 0},
    {"14.1.2 both large",
     RANGE("bytes=99999999999999999999-99999999999999999999"), 416, 0, 0},
    {"14.1.2 first behind the end", RANGE("bytes=1000-"), 416, 0, 0},
    {"14.1.2 both behind the end", RANGE("bytes=1000-1001"), 416, 0, 0},
    {"14.1.2 suffix 0", RANGE("bytes=-0"), 416, 0, 0},
    {"14.1.1 last before first", RANGE("bytes=2-1"), 200, 0, 0},
    {"14.1.1 the same behind the end", RANGE("bytes=2000-1999"), 200, 0, 0},
    {"14.1 unit ignores case", RANGE("BYTES=1-2"), 206, 1, 2},
    {"14.1 another unit", RANGE("lines=0-1"), 200, 0, 0},
    {"14.1 no unit", RANGE("0-1"), 200, 0, 0},
    {"14.1 unit alone", RANGE("bytes"), 200, 0, 0},
    {"14.1.1 nothing", RANGE("bytes="), 200, 0, 0},
    {"14.1.1 minus", RANGE("bytes=-"), 200, 0, 0},
    {"14.1.1 no minus", RANGE("bytes=1"), 200, 0, 0},
    {"14.1.1 letters", RANGE("bytes=a-b"), 200, 0, 0},
    {"14.1.1 letters behind", RANGE("bytes=0-b"), 200, 0, 0},
    {"14.1.1 letters before", RANGE("bytes=a-1"), 200, 0, 0},
    {"14.1.1 suffix of letters", RANGE("bytes=-b"), 200, 0, 0},
    {"14.1.1 two minus", RANGE("bytes=1--2"), 200, 0, 0},
    {"14.1.1 suffix with two minus", RANGE("bytes=--2"), 200, 0, 0},
    {"14.1.1 blank within", RANGE("bytes=1 -2"), 200, 0, 0},
    {"14.1.1 empty members", RANGE("bytes=, 1-2 ,"), 206, 1, 2},
    {"14.2 several ranges are ignored", RANGE("bytes=0-1,3-4"), 200, 0, 0},
    {"14.2 several, none satisfiable", RANGE("bytes=1000-,2000-"), 200, 0, 0},
    {"14.2 two lines", RANGE("bytes=0-1") RANGE("bytes=0-1"), 200, 0, 0},
    {"14.2 empty", RANGE(""), 200, 0, 0},
};
/* clang-format on */

static struct http_validators file = {
    .etag = TAG, .modified_s = MODIFIED, .now_s = NOW, .size_bytes = 1000};

static struct http_answer evaluate(const char *method, const char *fields)
{
    static struct http_request request;
    static char *text;
    size_t len = strlen(method) + strlen(fields) + 100;

    free(text);
    text = malloc(len);
    len = (size_t)snprintf(text, len, "%s / HTTP/1.1\r\nHost: x\r\n%s\r\n",
                           method, fields);
    text = realloc(text, len);
    assert_int_equal(http_request_parse(text, len, &request), len);
    return http_evaluate(&request, &file);
}

static void test_condition_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_answer get = evaluate("GET", rows[i].fields);
        struct http_answer head = evaluate("HEAD", rows[i].fields);
        int head_want = rows[i].status;

        if (get.status != rows[i].status)
            fail_msg("row \"%s\": %d", rows[i].name, get.status);
        switch (rows[i].status) {
        case 200:
            ROW(rows[i].name, get.first == 0 && get.count == 1000);
            break;
        case 206:
            ROW(rows[i].name, get.first == rows[i].first);
            ROW(rows[i].name, get.count == rows[i].count);
            break;
        default:
            ROW(rows[i].name, get.first == 0 && get.count == 0);
        }
        /* 14.2: HEAD ignores Range, and nothing else. */
        if (head_want == 206 || head_want == 416)
            head_want = 200;
        ROW(rows[i].name, head.status == head_want);
        ROW(rows[i].name, head.count == (head_want == 200 ? 1000 : 0));
    }
}

/* 14.1.2, of an empty file: no Content-Range can name no bytes. */
static void test_condition_empty_file(void **state)
{
    struct http_answer answer;

    (void)state;
    file.size_bytes = 0;
    assert_int_equal(evaluate("GET", "").status, 200);
    assert_int_equal(evaluate("GET", RANGE("bytes=0-")).status, 416);
    assert_int_equal(evaluate("GET", RANGE("bytes=-0")).status, 416);
    answer = evaluate("GET", RANGE("bytes=-1"));
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.count, 0);
    file.size_bytes = 1;
    assert_int_equal(evaluate("GET", RANGE("bytes=-1")).status, 206);
    assert_int_equal(evaluate("GET", RANGE("bytes=0-0")).status, 206);
    file.size_bytes = 1000;
}

/* Sizes at the end of what 64 bits hold. */
static void test_condition_huge_file(void **state)
{
    struct http_answer answer;

    (void)state;
    file.size_bytes = UINT64_MAX;
    answer = evaluate("GET", RANGE("bytes=18446744073709551614-"));
    assert_int_equal(answer.status, 206);
    assert_true(answer.first == UINT64_MAX - 1);
    assert_int_equal(answer.count, 1);
    answer = evaluate("GET", RANGE("bytes=0-18446744073709551615"));
    assert_true(answer.status == 206 && answer.count == UINT64_MAX);
    assert_int_equal(
        evaluate("GET", RANGE("bytes=18446744073709551615-")).status, 416);
    file.size_bytes = 1000;
}

/* A file whose times are before 1970. */
static void test_condition_old_file(void **state)
{
    (void)state;
    file.modified_s = -1;
    assert_int_equal(
        evaluate("GET", IMS("Thu, 01 Jan 1970 00:00:00 GMT")).status, 304);
    assert_int_equal(
        evaluate("GET", IMS("Wed, 31 Dec 1969 23:59:58 GMT")).status, 200);
    file.modified_s = MODIFIED;
}

/* The two-digit year of a date depends on what year it is. */
static void test_condition_uses_the_clock(void **state)
{
    (void)state;
    file.now_s = NOW - INT64_C(100) * 365 * 86400;
    assert_int_equal(
        evaluate("GET", IMS("Tuesday, 01-Mar-30 00:00:00 GMT")).status,
        200); /* 1930 */
    assert_int_equal(
        evaluate("GET", IUS("Tuesday, 01-Mar-30 00:00:00 GMT")).status, 412);
    file.now_s = NOW;
    assert_int_equal(
        evaluate("GET", IMS("Tuesday, 01-Mar-30 00:00:00 GMT")).status,
        304); /* 2030 */
    assert_int_equal(
        evaluate("GET", IUS("Tuesday, 01-Mar-30 00:00:00 GMT")).status, 200);
    file.modified_s = -INT64_C(2208988800); /* 1900 */
    file.now_s = -INT64_C(1);
    assert_int_equal(
        evaluate("GET", IR("Monday, 01-Jan-00 00:00:00 GMT") TEN).status, 206);
    file.now_s = NOW;
    assert_int_equal(
        evaluate("GET", IR("Monday, 01-Jan-00 00:00:00 GMT") TEN).status, 200);
    file.modified_s = MODIFIED;
}

/* Nothing behind the span is part of a tag. */
static void test_take_etag_stays_within(void **state)
{
    static const char text[] = "W/\"x\"";
    static const char open[] = "\"xyz";
    struct etag etag;

    (void)state;
    for (size_t len = 0; len < sizeof(open) - 1; len++)
        assert_false(take_etag(&(struct span){open, len}, &etag));
    assert_false(list_matches((struct span){",,\"x\"", 1}, "\"x\"", true));
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        struct span weak = {text, len};
        struct span strong = {text + 2, len < 2 ? 0 : len - 2};

        assert_false(take_etag(&weak, &etag));
        assert_false(take_etag(&strong, &etag));
    }
}

/* Conditions of PUT and DELETE: 0 or 412, of the file and of none. */
static void test_conditions_of_writes(void **state)
{
    static const struct {
        const char *name, *fields;
        int there, missing;
    } writes[] = {
        {"none", "", 0, 0},
        {"If-Match, the tag", IM(TAG), 0, 412},
        {"If-Match, weak", IM("W/" TAG), 412, 412},
        {"If-Match, another", IM("\"x\""), 412, 412},
        {"If-Match, *", IM("*"), 0, 412},
        {"If-None-Match, *", INM("*"), 412, 0},
        {"If-None-Match, the tag", INM(TAG), 412, 0},
        {"If-None-Match, weak", INM("W/" TAG), 412, 0},
        {"If-None-Match, another", INM("\"x\""), 0, 0},
        {"If-Unmodified-Since, then", IUS(EXACTLY), 0, 0},
        {"If-Unmodified-Since, before", IUS(EARLIER), 412, 0},
        {"If-Modified-Since is for GET", IMS(EXACTLY), 0, 0},
        {"both match", IM(TAG) INM("\"x\""), 0, 412},
        {"the second does not", IM(TAG) INM(TAG), 412, 412},
    };
    static const struct http_validators same = {
        .etag = TAG, .modified_s = MODIFIED, .now_s = NOW, .size_bytes = 1000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        static struct http_request request;
        char head[300];

        snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 writes[i].fields);
        ROW(writes[i].name,
            http_request_parse(head, strlen(head), &request) > 0);
        ROW(writes[i].name,
            http_evaluate_write(&request, &same) == writes[i].there);
        ROW(writes[i].name,
            http_evaluate_write(&request, NULL) == writes[i].missing);
    }
}

/* A file that may change twice in a second: its date says too little. */
static void test_if_range_of_a_weak_date(void **state)
{
    static const char head[] =
        "GET / HTTP/1.1\r\nHost: x\r\n" TEN IR(EXACTLY) "\r\n";
    static struct http_request request;
    struct http_validators same = {
        .etag = TAG, .modified_s = MODIFIED, .now_s = NOW, .size_bytes = 1000};

    (void)state;
    assert_true(http_request_parse(head, sizeof(head) - 1, &request) > 0);
    assert_int_equal(http_evaluate(&request, &same).status, 206);
    same.is_date_weak = true;
    assert_int_equal(http_evaluate(&request, &same).status, 200);
}

static void test_etag_format(void **state)
{
    static const struct {
        int64_t modified;
        uint64_t version, size;
        const char *text;
    } tags[] = {
        {MODIFIED, 0, 1000, TAG},
        {0, 0, 0, "\"0-0\""},
        {1, 2, 3, "\"1-3-2\""},
        {-1, 0, UINT64_MAX, "\"ffffffffffffffff-ffffffffffffffff\""},
        {-1, UINT64_MAX, UINT64_MAX,
         "\"ffffffffffffffff-ffffffffffffffff-ffffffffffffffff\""},
    };
    char text[HTTP_ETAG_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        http_etag_format(tags[i].modified, tags[i].version, tags[i].size, text);
        assert_string_equal(text, tags[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_condition_table),
        cmocka_unit_test(test_condition_empty_file),
        cmocka_unit_test(test_condition_huge_file),
        cmocka_unit_test(test_condition_old_file),
        cmocka_unit_test(test_condition_uses_the_clock),
        cmocka_unit_test(test_take_etag_stays_within),
        cmocka_unit_test(test_etag_format),
        cmocka_unit_test(test_conditions_of_writes),
        cmocka_unit_test(test_if_range_of_a_weak_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
