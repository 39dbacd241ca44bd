/* The web server's request parser: rows from RFC 9110 and 9112. */
#include "apps/webserver/http.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST        "Host: x\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"

static struct http_request request;

/* From memory of exactly that size, so that a read beyond is caught. */
static int parse(const char *text, size_t len)
{
    char *exact = malloc(len == 0 ? 1 : len);
    int status;

    memcpy(exact, text, len);
    status = http_parse(exact, len, &request);
    free(exact);
    return status;
}

static int parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static void test_http_request_line(void **state)
{
    static const struct {
        const char *text;
        int status; /* 1: accepted whole */
    } rows[] = {
        {GET("/"), 1},
        {"GET / HTTP/1.0\r\n\r\n", 1},
        {"\r\nGET / HTTP/1.0\r\n\r\n", 1},
        {"HEAD /a HTTP/1.1\r\n" HOST "\r\n", 1},
        {"GET / HTTP/1.1\r\n\r\n", -400}, /* no Host: RFC 9112, 3.2 */
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", -400},
        {"GET /\r\n" HOST "\r\n", -400},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"G(T / HTTP/1.1\r\n" HOST "\r\n", -400},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", -505},
        {"GET / HTTP/1\r\n" HOST "\r\n", -400},
        {"GET / http/1.1\r\n" HOST "\r\n", -400},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", -400}, /* RFC 9112, 5.1 */
        {"GET / HTTP/1.1\r\n" HOST "a b: c\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST ": c\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST "folded: a\r\n b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST "x: a\nb: c\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST "x: a\rb\r\n\r\n", -400},
        {"GET / HTTP/1.1\n" HOST "\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 1},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", -413},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0, 0\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" HOST
         "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
         -400},
        {"GET / HTTP/1.1\r\n" HOST
         "Content-Length: 99999999999999999999\r\n\r\n",
         -400},
        {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", -501},
        {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", -417},
        {"GET http://x/y HTTP/1.1\r\n" HOST "\r\n", 1},
        {"GET x HTTP/1.1\r\n" HOST "\r\n", -400},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", -400},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int want =
            rows[i].status == 1 ? (int)strlen(rows[i].text) : rows[i].status;

        ROW(rows[i].text, parse_text(rows[i].text) == want);
    }
}

static void test_http_paths(void **state)
{
    static const struct {
        const char *text;
        const char *path; /* NULL: refused */
        bool slash;
    } rows[] = {
        {GET("/"), "/", true},
        {GET("/a/b.txt"), "/a/b.txt", false},
        {GET("/a/"), "/a", true},
        {GET("//a///b//"), "/a/b", true},
        {GET("/./a/./b/."), "/a/b", false},
        {GET("/a/../b"), "/b", false},
        {GET("/a/b/../../c"), "/c", false},
        {GET("/a/.."), "/", false},
        {GET("/.."), NULL, false},
        {GET("/a/../../b"), NULL, false},
        {GET("/%2e%2e/x"), NULL, false},
        {GET("/a/%2E%2E/x"), "/x", false},
        {GET("/a%20b"), "/a b", false},
        {GET("/%41%4a"), "/AJ", false},
        {GET("/a%2fb"), NULL, false},
        {GET("/a%00b"), NULL, false},
        {GET("/a%"), NULL, false},
        {GET("/a%4"), NULL, false},
        {GET("/a%zz"), NULL, false},
        {GET("/a?b=../.."), "/a", false},
        {GET("/a#b"), "/a", false},
        {GET("/...x/..y"), "/...x/..y", false},
        {GET("http://host:80/a/b"), "/a/b", false},
        {GET("HTTP://host/"), "/", true},
        {GET("/\x7f"), NULL, false},
        {GET("/\x01"), NULL, false},
        {GET("/\xc3\xa4"), "/\xc3\xa4", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = parse_text(rows[i].text);

        if (rows[i].path == NULL) {
            ROW(rows[i].text, status == -400);
            continue;
        }
        ROW(rows[i].text, status > 0);
        ROW(rows[i].text, strcmp(request.path, rows[i].path) == 0);
        ROW(rows[i].text, request.trailing_slash == rows[i].slash);
    }
}

static void test_http_long_path(void **state)
{
    char text[HTTP_PATH_MAX + 100];

    (void)state;
    for (size_t len = HTTP_PATH_MAX - 10; len < HTTP_PATH_MAX + 10; len++) {
        int status;

        memcpy(text, "GET /", 5);
        memset(text + 5, 'a', len - 1);
        strcpy(text + 4 + len, " HTTP/1.0\r\n\r\n");
        status = parse_text(text);
        assert_true(len <= HTTP_PATH_MAX - 2 ? status > 0 : status == -414);
    }
}

static void test_http_keep_alive(void **state)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {GET("/"), true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "connection: CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x, close , y\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].text, parse_text(rows[i].text) > 0);
        ROW(rows[i].text, request.keep_alive == rows[i].keep_alive);
    }
}

static void test_http_methods(void **state)
{
    (void)state;
    assert_true(parse_text(GET("/")) > 0);
    assert_int_equal(request.method, HTTP_GET);
    assert_true(parse_text("HEAD / HTTP/1.1\r\n" HOST "\r\n") > 0);
    assert_int_equal(request.method, HTTP_HEAD);
    assert_true(parse_text("get / HTTP/1.1\r\n" HOST "\r\n") > 0);
    assert_int_equal(request.method, HTTP_OTHER); /* methods mind their case */
    assert_true(parse_text("POST / HTTP/1.1\r\n" HOST "\r\n") > 0);
    assert_int_equal(request.method, HTTP_OTHER);
}

/* Each proper beginning of a request is incomplete, or refused early. */
static void test_http_incomplete_at_every_length(void **state)
{
    const char *text = GET("/a/b?c");
    char big[HTTP_HEAD_MAX];

    (void)state;
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_equal(parse(text, len), 0);
    assert_int_equal(parse(text, strlen(text)), strlen(text));
    memset(big, 'a', sizeof(big));
    assert_int_equal(parse(big, sizeof(big) - 1), 0);
    assert_int_equal(parse(big, sizeof(big)), -431);
}

static void test_http_pipelined(void **state)
{
    const char *text = GET("/1") GET("/2");
    int len = parse_text(text);

    (void)state;
    assert_int_equal(len, strlen(GET("/1")));
    assert_string_equal(request.path, "/1");
    assert_int_equal(parse_text(text + len), strlen(GET("/2")));
    assert_string_equal(request.path, "/2");
}

static void test_http_ranges(void **state)
{
    static const struct {
        const char *value;
        int status; /* 200: ignored */
        uint64_t first, count;
    } rows[] = {
        {"bytes=0-0", 206, 0, 1},
        {"bytes=0-499", 206, 0, 500},
        {"bytes=500-", 206, 500, 500},
        {"bytes=-1", 206, 999, 1},
        {"bytes=-5000", 206, 0, 1000},
        {"bytes=999-2000", 206, 999, 1},
        {"BYTES=1-2", 206, 1, 2},
        {"bytes=1000-", 416, 0, 0},
        {"bytes=-0", 416, 0, 0},
        {"bytes=2-1", 200, 0, 0},
        {"bytes=a-b", 200, 0, 0},
        {"bytes=-", 200, 0, 0},
        {"bytes=", 200, 0, 0},
        {"bytes=0-1,3-4", 200, 0, 0},
        {"lines=0-1", 200, 0, 0},
        {"bytes=99999999999999999999-", 200, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[200];
        uint64_t first = 0, count = 0;
        int status = 200;

        snprintf(text, sizeof(text),
                 "GET / HTTP/1.1\r\n" HOST "Range: %s\r\n\r\n", rows[i].value);
        ROW(rows[i].value, parse_text(text) > 0);
        if (request.range.present)
            status = http_range_apply(&request.range, 1000, &first, &count) == 0
                         ? 206
                         : 416;
        ROW(rows[i].value, status == rows[i].status);
        ROW(rows[i].value, first == rows[i].first);
        ROW(rows[i].value, count == rows[i].count);
    }
}

static void test_http_etag(void **state)
{
    char text[200];

    (void)state;
    assert_true(parse_text("GET / HTTP/1.0\r\nIf-None-Match: \"a-b\"\r\n\r\n") >
                0);
    assert_true(request.has_etag);
    assert_string_equal(request.etag, "\"a-b\"");
    snprintf(text, sizeof(text),
             "GET / HTTP/1.0\r\nIf-None-Match: %080d\r\n\r\n", 1);
    assert_true(parse_text(text) > 0);
    assert_false(request.has_etag);
}

static void test_http_content_types(void **state)
{
    static const struct {
        const char *path, *type;
    } rows[] = {
        {"/index.html", "text/html; charset=utf-8"},
        {"/A.HTML", "text/html; charset=utf-8"},
        {"/x.css", "text/css; charset=utf-8"},
        {"/x.tar.gz", "application/gzip"},
        {"/x.svg", "image/svg+xml"},
        {"/x", "application/octet-stream"},
        {"/x.", "application/octet-stream"},
        {"/x.ht", "application/octet-stream"},
        {"/x.htmlx", "application/octet-stream"},
        {"/a.html/x", "application/octet-stream"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].path,
            strcmp(http_content_type(rows[i].path), rows[i].type) == 0);
}

static void test_http_dates(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110, 5.6.7 */
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {-5, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[HTTP_DATE_SIZE];

        http_date(rows[i].seconds, text);
        assert_string_equal(text, rows[i].text);
    }
}

/* Damaged requests by the thousand: an answer, never a crash. */
static void test_http_survives_damage(void **state)
{
    static const char base[] =
        "GET /a/%41/../b?c HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\n"
        "Connection: close, x\r\nContent-Length: 0\r\nIf-None-Match: \"1\"\r\n"
        "\r\n";
    static const char spice[] = "\r\n\0 %/:.-,=\xff";
    char text[sizeof(base)];

    (void)state;
    srand(5);
    for (int i = 0; i < 100000; i++) {
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
        if (status > 0)
            assert_true(memchr(request.path, 0, HTTP_PATH_MAX) != NULL &&
                        request.path[0] == '/' &&
                        strstr(request.path, "/../") == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_request_line),
        cmocka_unit_test(test_http_paths),
        cmocka_unit_test(test_http_long_path),
        cmocka_unit_test(test_http_keep_alive),
        cmocka_unit_test(test_http_methods),
        cmocka_unit_test(test_http_incomplete_at_every_length),
        cmocka_unit_test(test_http_pipelined),
        cmocka_unit_test(test_http_ranges),
        cmocka_unit_test(test_http_etag),
        cmocka_unit_test(test_http_content_types),
        cmocka_unit_test(test_http_dates),
        cmocka_unit_test(test_http_survives_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
