/* Request heads: RFC 9112, sections 2 to 6, a row for each rule. */
#include "net/http/request.c"
#include "net/http/span.c"
#include "net/http/target.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST        "Host: x\r\n"
#define LINE        "GET / HTTP/1.1\r\n"
#define WITH(lines) LINE HOST lines "\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define POST(lines) "POST / HTTP/1.1\r\n" HOST lines "\r\n"

static struct http_request request;

/* From memory of exactly that size, so that a read beyond is caught; it stays
 * until the next call, for spans point into it. */
static int parse(const char *text, size_t len)
{
    static char *exact;

    free(exact);
    exact = malloc(len == 0 ? 1 : len);
    memcpy(exact, text, len);
    memset(&request, 0x5a, sizeof(request));
    return http_request_parse(exact, len, &request);
}

static int parse_text(const char *text)
{
    return parse(text, strlen(text));
}

/* In pieces: what is said first of a beginning of the text, as a server does
 * that parses whenever bytes come. */
static int parse_in_pieces(const char *text, size_t len, size_t piece)
{
    int status = 0;

    for (size_t have = piece; status == 0 && have < len; have += piece)
        status = parse(text, have);
    return status != 0 ? status : parse(text, len);
}

/* What a server of files that reads no content answers, other than the file:
 * the parser must tell it all of that. */
static int refusal(void)
{
    if (request.method == HTTP_UNKNOWN)
        return 501;
    if (request.target.form == HTTP_ASTERISK && request.method != HTTP_OPTIONS)
        return 400;
    if (request.method >= HTTP_CONNECT)
        return 405;
    if (request.expects_other && request.is_1_1 && request.has_content)
        return 417;
    return request.has_content ? 413 : 0;
}

/* Whether another request may follow, if content is not read. */
static bool keeps_alive(void)
{
    return !request.has_content && !request.says_close &&
           (request.is_1_1 || request.says_keep_alive);
}

/*
 * A row is a text and what is said of it: 0 is accepted with its whole length;
 * positive: accepted, but refused with that status; negative: an error.
 */
struct row {
    const char *name;
    const char *text;
    int want;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = rows[i].text;
        size_t len = strlen(text);
        int status = parse(text, len);

        ROW(rows[i].name,
            status == (rows[i].want < 0 ? rows[i].want : (int)len));
        ROW(rows[i].name, rows[i].want < 0 || refusal() == rows[i].want);
        /* The same when it comes in pieces. */
        ROW(rows[i].name, parse_in_pieces(text, len, 1) == status);
        ROW(rows[i].name, parse_in_pieces(text, len, 7) == status);
    }
}

static void test_request_line(void **state)
{
    static const struct row rows[] = {
        {"3 plain", GET("/"), 0},
        {"3 version 1.0", "GET / HTTP/1.0\r\n\r\n", 0},
        {"2.5 version 1.9 is as 1.1", "GET / HTTP/1.9\r\n\r\n", -400},
        {"2.5 version 1.9", "GET / HTTP/1.9\r\n" HOST "\r\n", 0},
        {"2.2 an empty line before", "\r\nGET / HTTP/1.0\r\n\r\n", 0},
        {"2.2 two empty lines", "\r\n\r\nGET / HTTP/1.0\r\n\r\n", -400},
        {"2.2 only an empty LF", "\nGET / HTTP/1.0\r\n\r\n", -400},
        {"2.2 blank before it", " GET / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"3 two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"3 two blanks, version", "GET /  HTTP/1.1\r\n" HOST "\r\n", -400},
        {"3 blank behind it", "GET / HTTP/1.1 \r\n" HOST "\r\n", -400},
        {"3 tab", "GET\t/\tHTTP/1.1\r\n" HOST "\r\n", -400},
        {"3 HTTP/0.9", "GET /\r\n" HOST "\r\n", -400},
        {"3 method only", "GET\r\n" HOST "\r\n", -400},
        {"3.1 no token", "G(T / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"2.3 version 2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", -505},
        {"2.3 version 0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", -505},
        {"2.3 version 9.9", "GET / HTTP/9.9\r\n" HOST "\r\n", -505},
        {"2.3 short version", "GET / HTTP/1\r\n" HOST "\r\n", -400},
        {"2.3 long version", "GET / HTTP/1.10\r\n" HOST "\r\n", -400},
        {"2.3 version in lower case", "GET / http/1.1\r\n" HOST "\r\n", -400},
        {"2.3 no version", "GET / HTTP/x.1\r\n" HOST "\r\n", -400},
        {"2.3 no minor version", "GET / HTTP/1.x\r\n" HOST "\r\n", -400},
        {"2.3 comma", "GET / HTTP/1,1\r\n" HOST "\r\n", -400},
        {"2.3 no slash", "GET / HTTP-1.1\r\n" HOST "\r\n", -400},
        {"2.2 a CR alone before it", "\rGGET / HTTP/1.0\r\n\r\n", -400},
        {"2.3 another protocol", "GET / XTTP/1.1\r\n" HOST "\r\n", -400},
        {"2.3 http2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -505},
        {"3.2 no target", "GET HTTP/1.1\r\n" HOST "\r\n", -400},
        {"3.2 relative target", "GET x HTTP/1.1\r\n" HOST "\r\n", -400},
        {"3.2.2 absolute", GET("http://x/y"), 0},
        {"3.2.2 https", GET("https://x/y"), -421},
        {"3.2.4 asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
        {"3.2.4 asterisk of another", "HEAD * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"3.2.4 asterisk of GET", GET("*"), 400},
        {"3.2.3 CONNECT", "CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 405},
        {"3.2.3 CONNECT to a path", "CONNECT / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"3.2.3 authority of GET", GET("h:80"), -400},
        {"a dot segment above /", GET("/.."), -400},
        {"NUL", "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", -400},
        {"a TLS hello", "\x16\x03\x01\x02", -400},
        {"an SSH hello", "SSH-2.0-OpenSSH_9.2\r\n", -400},
        {"a redis command", "*1\r\n$4\r\nPING\r\n", -400},
        {"no HTTP", "nonsense\r\n", -400},
        {"a character that begins no request", "(", -400},
    };

    (void)state;
    check_rows(rows, COUNT_OF(rows));
}

/* A bare LF or CR is refused as soon as it is there, on purpose. */
static void test_request_line_ends(void **state)
{
    static const struct row rows[] = {
        {"2.2 LF ends the request line", "GET / HTTP/1.1\n", -400},
        {"2.2 LF of another version", "GET / HTTP/2.0\n", -400},
        {"2.2 LF ends the first line", "GET / HTTP/1.1\n" HOST "\r\n", -400},
        {"2.2 LF ends a field", LINE "Host: x\n", -400},
        {"2.2 LF is the empty line", LINE HOST "\n", -400},
        {"2.2 CR in the request line", "GET /\r HTTP/1.1\r\n", -400},
        {"2.2 CR in a field", LINE "Host: x\ry\r\n", -400},
        {"2.2 CR CR LF", LINE "Host: x\r\r\n", -400},
        {"2.2 CR and no LF at the end", LINE HOST "\rx", -400},
        {"2.2 LF in a method", "GE\n", -400},
        {"2.2 LF in a name", LINE "Ho\n", -400},
    };

    (void)state;
    check_rows(rows, COUNT_OF(rows));
}

static void test_request_fields(void **state)
{
    static const struct row rows[] = {
        {"5 no blank", LINE "Host:x\r\n\r\n", 0},
        {"5 blanks around", LINE "Host: \t x \t\r\n\r\n", 0},
        {"5.1 blank before the colon", LINE "Host : x\r\n\r\n", -400},
        {"5.1 tab before the colon", LINE "Host\t: x\r\n\r\n", -400},
        {"5 blank in a name", WITH("a b: c\r\n"), -400},
        {"5 no name", WITH(": c\r\n"), -400},
        {"5 no colon", WITH("abc\r\n"), -400},
        {"5 empty value", WITH("a:\r\n"), 0},
        {"5 colon in the value", WITH("a: b:c\r\n"), 0},
        {"5 no token", WITH("a(b): c\r\n"), -400},
        {"5.2 folded", WITH("folded: a\r\n b\r\n"), -400},
        {"5.2 folded with a tab", WITH("folded: a\r\n\tb\r\n"), -400},
        {"2.2 blank before the first field", LINE " " HOST "\r\n", -400},
        {"RFC 9110 5.5 other characters", WITH("a: \x01\x7f\xff\r\n"), 0},
        {"any other field", WITH("Accept: */*\r\nX-Y_z!: 1\r\n"), 0},
        {"RFC 9110 5.1 names ignore case", LINE "hOST: x\r\n\r\n", 0},
    };
    static const char nul[] = LINE HOST "a: b\0c\r\n\r\n";
    static const char nul_first[] = LINE HOST "a:\0\r\n\r\n";

    (void)state;
    check_rows(rows, COUNT_OF(rows));
    assert_int_equal(parse(nul, sizeof(nul) - 1), -400);
    assert_int_equal(parse(nul_first, sizeof(nul_first) - 1), -400);
}

/* RFC 9112, 3.2. */
static void test_request_host(void **state)
{
    static const struct row rows[] = {
        {"3.2 none", LINE "\r\n", -400},
        {"3.2 none, another field", LINE "a: b\r\n\r\n", -400},
        {"3.2 none in 1.0", "GET / HTTP/1.0\r\n\r\n", 0},
        {"3.2 two", LINE HOST HOST "\r\n", -400},
        {"3.2 two in 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", -400},
        {"3.2 empty", LINE "Host:\r\n\r\n", 0},
        {"3.2 empty and one", LINE "Host:\r\n" HOST "\r\n", -400},
        {"3.2 with port", LINE "Host: x:8080\r\n\r\n", 0},
        {"3.2 IPv6", LINE "Host: [::1]:80\r\n\r\n", 0},
        {"3.2 no host", LINE "Host: a b\r\n\r\n", -400},
        {"3.2 a path", LINE "Host: a/b\r\n\r\n", -400},
        {"3.2 a list", LINE "Host: a, b\r\n\r\n", -400},
        {"3.2 a URI", LINE "Host: http://a\r\n\r\n", -400},
        {"3.2 no port", LINE "Host: a:b\r\n\r\n", -400},
        {"3.2 a user", LINE "Host: a@b\r\n\r\n", -400},
        {"3.2 invalid in 1.0", "GET / HTTP/1.0\r\nHost: /\r\n\r\n", -400},
        {"3.2.2 absolute form, no Host", "GET http://x/ HTTP/1.1\r\n\r\n",
         -400},
        {"3.2.2 absolute form, another Host", GET("http://y/"), 0},
        {"nearly Host", LINE "Hos: x\r\n\r\n", -400},
        {"nearly Host, as long", LINE "Hosu: x\r\n\r\n", -400},
        {"not quite Host", LINE "Hosts: x\r\n\r\n", -400},
    };

    (void)state;
    check_rows(rows, COUNT_OF(rows));
}

/* RFC 9112, 6.1 to 6.3; RFC 9110, 10.1.1 and 15.5: which mistake is named. */
static void test_request_content(void **state)
{
    static const struct row rows[] = {
        {"6.2 length 0", WITH("Content-Length: 0\r\n"), 0},
        {"6.2 length 00", WITH("Content-Length: 00\r\n"), 0},
        {"6.2 length 5", WITH("Content-Length: 5\r\n"), 413},
        {"6.2 length 1", WITH("Content-Length: 1\r\n"), 413},
        {"6.2 too large for 64 bits",
         WITH("Content-Length: 99999999999999999999\r\n"), 413},
        {"6.3 negative", WITH("Content-Length: -1\r\n"), -400},
        {"6.3 plus", WITH("Content-Length: +1\r\n"), -400},
        {"6.3 hexadecimal", WITH("Content-Length: 0x1\r\n"), -400},
        {"6.3 empty", WITH("Content-Length:\r\n"), -400},
        {"6.3 list", WITH("Content-Length: 0, 0\r\n"), -400},
        {"6.3 twice the same",
         WITH("Content-Length: 0\r\nContent-Length: 0\r\n"), -400},
        {"6.3 twice different",
         WITH("Content-Length: 0\r\nContent-Length: 5\r\n"), -400},
        {"6.1 chunked", WITH("Transfer-Encoding: chunked\r\n"), 413},
        {"6.1 Chunked", WITH("Transfer-Encoding: Chunked\r\n"), 413},
        {"6.1 , chunked,", WITH("Transfer-Encoding: , chunked,\r\n"), 413},
        {"6.1 unknown, then chunked",
         WITH("Transfer-Encoding: gzip, chunked\r\n"), -501},
        {"6.1 the same in two lines",
         WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
         -501},
        {"6.3 chunked is not last",
         WITH("Transfer-Encoding: chunked, gzip\r\n"), -400},
        {"6.3 not last, two lines",
         WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"), -400},
        {"6.3 identity", WITH("Transfer-Encoding: identity\r\n"), -400},
        {"6.3 empty", WITH("Transfer-Encoding:\r\n"), -400},
        {"6.1 chunked twice", WITH("Transfer-Encoding: chunked, chunked\r\n"),
         -400},
        {"6.1 chunked twice, lines",
         WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
         -400},
        {"6.1 in 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
         -400},
        {"6.1 with a length",
         WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), -400},
        {"6.1 with length 0",
         WITH("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), -400},
        {"400 before 501",
         WITH("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n"),
         -400},
        {"400 before 405",
         POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), -400},
        {"400 (no Host) before 501",
         LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", -400},
        {"405 before 413", POST("Content-Length: 5\r\n"), 405},
        {"405 before 413, chunked", POST("Transfer-Encoding: chunked\r\n"),
         405},
        {"405 without content", POST(""), 405},
        {"405 before 417", POST("Content-Length: 5\r\nExpect: x\r\n"), 405},
        {"501 before 413",
         "BREW / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 501},
        {"501 without content", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501},
        {"501 before 400 of a form", "BREW * HTTP/1.1\r\n" HOST "\r\n", 501},
        {"413 of OPTIONS",
         "OPTIONS / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", 413},
        {"RFC 9110 10.1.1 without content", WITH("Expect: 100-continue\r\n"),
         0},
        {"10.1.1 with content",
         WITH("Expect: 100-continue\r\nContent-Length: 5\r\n"), 413},
        {"10.1.1 case", WITH("Expect: 100-Continue\r\nContent-Length: 5\r\n"),
         413},
        {"10.1.1 another, with content",
         WITH("Expect: x\r\nContent-Length: 5\r\n"), 417},
        {"10.1.1 a list",
         WITH("Expect: 100-continue, x\r\n"
              "Transfer-Encoding: chunked\r\n"),
         417},
        {"10.1.1 a list, reversed",
         WITH("Expect: x, 100-continue\r\n"
              "Transfer-Encoding: chunked\r\n"),
         417},
        {"10.1.1 another, without content", WITH("Expect: x\r\n"), 0},
        {"10.1.1 from 1.0",
         "GET / HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\n", 413},
        {"10.1.1 empty", WITH("Expect:\r\nContent-Length: 5\r\n"), 413},
    };

    (void)state;
    check_rows(rows, COUNT_OF(rows));
}

static void test_request_methods(void **state)
{
    static const struct {
        const char *name;
        enum http_method method;
        int status;
    } rows[] = {
        {"GET", HTTP_GET, 0},
        {"HEAD", HTTP_HEAD, 0},
        {"OPTIONS", HTTP_OPTIONS, 0},
        {"POST", HTTP_OTHER, 405},
        {"PUT", HTTP_PUT, 405},
        {"DELETE", HTTP_DELETE, 405},
        {"PATCH", HTTP_OTHER, 405},
        {"TRACE", HTTP_OTHER, 405},
        {"get", HTTP_UNKNOWN, 501}, /* RFC 9110, 9.1: case matters */
        {"GETS", HTTP_UNKNOWN, 501},
        {"GE", HTTP_UNKNOWN, 501},
        {"!#$%&'*+-.^_`|~09azAZ", HTTP_UNKNOWN, 501},
    };
    char text[100];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "\r\n",
                 rows[i].name);
        ROW(rows[i].name, parse_text(text) == (int)strlen(text));
        ROW(rows[i].name, request.method == rows[i].method);
        ROW(rows[i].name, refusal() == rows[i].status);
        ROW(rows[i].name, keeps_alive());
        ROW(rows[i].name, !request.has_content);
    }
    assert_true(parse_text("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n") > 0);
    assert_int_equal(request.method, HTTP_CONNECT);
    assert_int_equal(refusal(), 405);
}

/* An error of a HEAD has no page, so the method is known after errors. */
static void test_request_method_after_errors(void **state)
{
    static const struct {
        const char *text;
        enum http_method method;
    } rows[] = {
        {"HEAD x HTTP/1.1\r\n", HTTP_HEAD},
        {"HEAD / HTTP/3.0\r\n", HTTP_HEAD},
        {"HEAD / HTTP/1.1\r\n\r\n", HTTP_HEAD},
        {"HEAD / HTTP/1.1\r\na b\r\n", HTTP_HEAD},
        {"HEAD / HTTP/1.1\n", HTTP_HEAD},
        {"HEAD \n", HTTP_HEAD},
        {"HEAD\n", HTTP_UNKNOWN},
        {"HE(D / HTTP/1.1\r\n", HTTP_UNKNOWN},
        {"\n", HTTP_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].text, parse_text(rows[i].text) < 0);
        ROW(rows[i].text, request.method == rows[i].method);
    }
}

/* RFC 9112, 9.3 and C.2.2. */
static void test_request_keep_alive(void **state)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {GET("/"), true},
        {WITH("Connection: close\r\n"), false},
        {WITH("connection: CLOSE\r\n"), false},
        {WITH("Connection: x, close , y\r\n"), false},
        {WITH("Connection: keep-alive\r\n"), true},
        {WITH("Connection: keep-alive\r\nConnection: close\r\n"), false},
        {WITH("Connection: close\r\nConnection: keep-alive\r\n"), false},
        {WITH("Connection: closed\r\n"), true},
        {WITH("Connection:\r\n"), true},
        {WITH("Connection: upgrade\r\n"), true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: a,Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, b\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: x\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nKeep-Alive: 5\r\n\r\n", false},
        /* unread content follows */
        {POST("Content-Length: 1\r\n"), false},
        {POST("Transfer-Encoding: chunked\r\n"), false},
        {POST("Content-Length: 0\r\n"), true},
        {POST(""), true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].text, parse_text(rows[i].text) > 0);
        ROW(rows[i].text, keeps_alive() == rows[i].keep_alive);
    }
}

/* What other parts look at. */
static void test_request_values(void **state)
{
    struct span fields, value;

    (void)state;
    assert_true(parse_text(WITH("If-Match: \"a\" \r\n"
                                "Range: bytes=0-1\r\nX: y\r\n"
                                "if-match:\t\"b\"\r\n"
                                "If-Mat: \"c\"\r\nIf-Match:\r\n")) > 0);
    assert_true(request.is_1_1);
    assert_int_equal(request.count[HTTP_IF_MATCH], 3);
    assert_int_equal(request.count[HTTP_RANGE], 1);
    assert_int_equal(request.count[HTTP_IF_RANGE], 0);
    assert_true(span_is(request.value[HTTP_IF_MATCH], "\"a\""));
    assert_true(span_is(request.value[HTTP_RANGE], "bytes=0-1"));
    assert_true(span_is(request.value[HTTP_HOST], "x"));
    fields = request.fields;
    assert_true(http_field_next(&fields, HTTP_IF_MATCH, &value));
    assert_true(span_is(value, "\"a\""));
    assert_true(http_field_next(&fields, HTTP_IF_MATCH, &value));
    assert_true(span_is(value, "\"b\""));
    assert_true(http_field_next(&fields, HTTP_IF_MATCH, &value));
    assert_true(span_is(value, ""));
    assert_false(http_field_next(&fields, HTTP_IF_MATCH, &value));
    fields = request.fields;
    assert_false(http_field_next(&fields, HTTP_EXPECT, &value));
    assert_true(parse_text("GET / HTTP/1.0\r\n\r\n") > 0);
    assert_false(request.is_1_1);
    assert_int_equal(request.fields.len, 0);
    assert_int_equal(request.count[HTTP_IF_MATCH], 0);
    assert_false(http_field_next(&request.fields, HTTP_HOST, &value));
}

/* Each field by its name, and none by a name of the same length. */
static void test_request_field_names(void **state)
{
    static const struct {
        enum http_field field;
        const char *name;
    } rows[] = {
        {HTTP_CONNECTION, "Connection"},
        {HTTP_EXPECT, "Expect"},
        {HTTP_RANGE, "Range"},
        {HTTP_IF_RANGE, "If-Range"},
        {HTTP_IF_MATCH, "If-Match"},
        {HTTP_IF_NONE_MATCH, "If-None-Match"},
        {HTTP_IF_MODIFIED_SINCE, "If-Modified-Since"},
        {HTTP_IF_UNMODIFIED_SINCE, "If-Unmodified-Since"},
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(text, sizeof(text), LINE HOST "%s: v\r\n\r\n", rows[i].name);
        assert_true(parse_text(text) > 0);
        for (unsigned k = 0; k < HTTP_FIELD_COUNT; k++)
            ROW(rows[i].name,
                request.count[k] == (k == rows[i].field || k == HTTP_HOST));
        ROW(rows[i].name, span_is(request.value[rows[i].field], "v"));
        snprintf(text, sizeof(text), LINE HOST "%.*sz: v\r\n\r\n",
                 (int)strlen(rows[i].name) - 1, rows[i].name);
        assert_true(parse_text(text) > 0);
        for (unsigned k = 0; k < HTTP_FIELD_COUNT; k++)
            ROW(rows[i].name, request.count[k] == (k == HTTP_HOST));
    }
}

/* Each beginning of a request is incomplete; what follows does not matter. */
static void test_request_incomplete_at_every_length(void **state)
{
    static const char text[] =
        "\r\nGET /a/b?c HTTP/1.1\r\n" HOST "Range: bytes=0-1\r\n\r\n";
    static const char two[] = GET("/1") GET("/2");
    int len;

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        assert_int_equal(parse(text, i), 0);
    assert_int_equal(parse(text, sizeof(text) - 1), sizeof(text) - 1);
    len = parse_text(two);
    assert_int_equal(len, strlen(GET("/1")));
    assert_string_equal(request.target.path, "/1");
    assert_int_equal(parse_text(two + len), strlen(GET("/2")));
    assert_string_equal(request.target.path, "/2");
}

static char big[HTTP_HEAD_MAX + 100];

/* A text of `len` bytes: a beginning, one character repeated, an end. */
static const char *make_text(const char *begin, char fill, const char *end,
                             size_t len)
{
    assert_true(len < sizeof(big));
    assert_true(len >= strlen(begin) + strlen(end));
    memset(big, fill, len);
    memcpy(big, begin, strlen(begin));
    memcpy(big + len - strlen(end), end, strlen(end));
    return big;
}

/* RFC 9112, 3: a line of HTTP_LINE_MAX bytes is taken, a longer one is not. */
static void test_request_line_limit(void **state)
{
    static const char end[] = " HTTP/1.0\r\n\r\n";

    (void)state;
    for (size_t line = HTTP_LINE_MAX - 3; line < HTTP_LINE_MAX + 4; line++) {
        bool fits = line <= HTTP_LINE_MAX;
        size_t len = line + 4;
        int want = fits ? (int)len : -414;

        make_text("GET /?", 'a', end, len);
        assert_int_equal(parse(big, len), want);
        assert_int_equal(parse_in_pieces(big, len, 89), want);
        assert_int_equal(parse_in_pieces(big, len, 4000), want);
        assert_int_equal(parse(big, line), fits ? 0 : -414);
        assert_int_equal(parse(big, line + 1), fits ? 0 : -414);
        /* A broken end of a line that is too long comes too late. */
        big[line] = '\n';
        assert_int_equal(parse(big, len), fits ? -400 : -414);
        assert_int_equal(parse_in_pieces(big, len, 89), fits ? -400 : -414);
        /* Without a blank it is a long method: RFC 9112, 3. */
        memset(big, 'A', line);
        assert_int_equal(parse(big, line), fits ? 0 : -501);
        memset(big, 'A', len);
        big[line - 1] = ' ';
        assert_int_equal(parse(big, line), line <= HTTP_LINE_MAX       ? 0
                                           : line == HTTP_LINE_MAX + 1 ? -414
                                                                       : -501);
        big[line - 1] = '(';
        assert_int_equal(parse(big, line),
                         line <= HTTP_LINE_MAX + 1 ? -400 : -501);
    }
}

/* The decoded path has a limit of its own: 414, not 431. */
static void test_request_path_limit(void **state)
{
    (void)state;
    make_text("GET /", 'a', " HTTP/1.0\r\n\r\n", HTTP_PATH_MAX + 17);
    assert_int_equal(parse(big, HTTP_PATH_MAX + 17), -414);
    make_text("GET /", 'a', " HTTP/1.0\r\n\r\n", HTTP_PATH_MAX + 16);
    assert_int_equal(parse(big, HTTP_PATH_MAX + 16), HTTP_PATH_MAX + 16);
}

/* RFC 6585, 5: a head of HTTP_HEAD_MAX bytes is taken, a longer one is not. */
static void test_request_head_limit(void **state)
{
    static const char begin[] = LINE HOST "a: ";

    (void)state;
    for (size_t len = HTTP_HEAD_MAX - 3; len < HTTP_HEAD_MAX + 4; len++) {
        int want = len <= HTTP_HEAD_MAX ? (int)len : -431;

        make_text(begin, 'a', "\r\n\r\n", len);
        assert_int_equal(parse(big, len), want);
        assert_int_equal(parse_in_pieces(big, len, 1000), want);
        assert_int_equal(parse(big, len - 1),
                         len - 1 < HTTP_HEAD_MAX ? 0 : -431);
    }
    /* An earlier mistake is named first. */
    make_text(LINE "a b\r\n", 'a', "\r\n\r\n", HTTP_HEAD_MAX + 10);
    assert_int_equal(parse(big, HTTP_HEAD_MAX + 10), -400);
    /* So many lines that a counter could wrap. */
    for (size_t i = 0; i < HTTP_HEAD_MAX; i += 8)
        memcpy(big + i, "Range:\r\n", 8);
    memcpy(big, "GET / HTTP/1.0\r\n", 16);
    memcpy(big + HTTP_HEAD_MAX - 8, "R: 123\r\n", 8);
    memcpy(big + HTTP_HEAD_MAX - 2, "\r\n", 2);
    assert_int_equal(parse(big, HTTP_HEAD_MAX - 8), 0);
    assert_int_equal(request.count[HTTP_RANGE], HTTP_HEAD_MAX / 8 - 3);
}

/* Damaged requests by the thousand: an answer, and the same in pieces. */
static void test_request_survives_damage(void **state)
{
    static const char base[] =
        "GET /a/../b%20c?x=1 HTTP/1.1\r\nHost: a.b:80\r\n"
        "Range: bytes=0-99\r\nConnection: close\r\n"
        "Content-Length: 0\r\nIf-None-Match: \"1-2\"\r\n\r\n";
    static const char spice[] = "\r\n :/%.?#,-\t\"*";
    char text[sizeof(base)];

    (void)state;
    srand(1);
    for (int i = 0; i < 5000; i++) {
        size_t len = sizeof(base) - 1;
        int status;

        memcpy(text, base, len);
        for (int k = rand() % 4; k >= 0; k--)
            text[(size_t)rand() % len] =
                rand() % 2 ? spice[(size_t)rand() % (sizeof(spice) - 1)]
                           : (char)rand();
        len -= (size_t)rand() % 8;
        status = parse(text, len);
        assert_true(status <= (int)len && status >= -599);
        assert_int_equal(parse_in_pieces(text, len, 1 + (size_t)rand() % 40),
                         status);
        if (status > 0)
            http_request_check(&request);
    }
}

/* A request that is repeated elsewhere says the same, of its own text. */
static void test_request_repeated(void **state)
{
    static const char *const texts[] = {
        "GET /a?b HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n",
        "GET /a?c HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", /* no Host: 400 */
        "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    static struct http_request parsed, repeated;
    struct http_repeat last = {0};

    (void)state;
    for (size_t i = 0; i < 4 * COUNT_OF(texts); i++) {
        size_t which = i / 4 + (i % 4 == 3 ? 1 : 0);
        const char *text = texts[which % COUNT_OF(texts)];
        size_t len = strlen(text);
        char *at = malloc(len + 1); /* each time elsewhere */
        int status;

        memcpy(at, text, len);
        at[len] = 'x';
        status = http_request_repeat(at, len + i % 2, &last, &repeated);
        assert_int_equal(status, http_request_parse(at, len + i % 2, &parsed));
        if (status > 0) {
            assert_int_equal(parsed.method, repeated.method);
            assert_int_equal(parsed.is_conditional, repeated.is_conditional);
            assert_int_equal(parsed.says_close, repeated.says_close);
            assert_int_equal(parsed.says_keep_alive, repeated.says_keep_alive);
            assert_ptr_equal(parsed.fields.at, repeated.fields.at);
            assert_ptr_equal(parsed.method_name.at, repeated.method_name.at);
            assert_int_equal(parsed.target.form, repeated.target.form);
            for (unsigned j = 0; j < HTTP_FIELD_COUNT; j++)
                assert_ptr_equal(parsed.value[j].at, repeated.value[j].at);
        }
        if (status > 0 && parsed.target.form == HTTP_ORIGIN) {
            assert_string_equal(parsed.target.path, repeated.target.path);
            assert_ptr_equal(parsed.target.query.at, repeated.target.query.at);
            assert_int_equal(parsed.target.query.len,
                             repeated.target.query.len);
        }
        assert_int_equal(http_request_repeat(at, len - 1, &last, &repeated),
                         http_request_parse(at, len - 1, &parsed));
        assert_int_equal(last.len, 0);
        if (i % 2 == 0) {
            status = http_request_repeat(at, len, &last, &repeated);
            assert_int_equal(last.len > 0, status > 0 && repeated.target.form !=
                                                             HTTP_AUTHORITY);
        }
        free(at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_repeated),
        cmocka_unit_test(test_request_line),
        cmocka_unit_test(test_request_line_ends),
        cmocka_unit_test(test_request_fields),
        cmocka_unit_test(test_request_host),
        cmocka_unit_test(test_request_content),
        cmocka_unit_test(test_request_methods),
        cmocka_unit_test(test_request_method_after_errors),
        cmocka_unit_test(test_request_keep_alive),
        cmocka_unit_test(test_request_values),
        cmocka_unit_test(test_request_field_names),
        cmocka_unit_test(test_request_incomplete_at_every_length),
        cmocka_unit_test(test_request_line_limit),
        cmocka_unit_test(test_request_path_limit),
        cmocka_unit_test(test_request_head_limit),
        cmocka_unit_test(test_request_survives_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
