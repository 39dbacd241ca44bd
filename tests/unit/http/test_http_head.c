/* Response heads and media types. */
#include "net/http/condition.c"
#include "net/http/date.c"
#include "net/http/head.c"
#include "net/http/media.c"
#include "net/http/request.c"
#include "net/http/span.c"
#include "net/http/target.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char buffer[40000];
static struct http_text text;

static void restart(void)
{
    memset(buffer, 0, sizeof(buffer));
    text = (struct http_text){buffer, sizeof(buffer) - 1, 0};
}

static void test_text_numbers(void **state)
{
    (void)state;
    restart();
    http_text_put_number(&text, 0);
    http_text_put(&text, " ");
    http_text_put_number(&text, 9);
    http_text_put(&text, " ");
    http_text_put_number(&text, 10);
    http_text_put(&text, " ");
    http_text_put_number(&text, 1234567890);
    http_text_put(&text, " ");
    http_text_put_number(&text, UINT64_MAX);
    assert_string_equal(buffer, "0 9 10 1234567890 18446744073709551615");
    assert_int_equal(text.len, strlen(buffer));
}

static void test_head_begin(void **state)
{
    (void)state;
    restart();
    http_head_begin(&text, 200, "DATE", NULL);
    assert_string_equal(buffer,
                        "HTTP/1.1 200 OK\r\nServer: Torc\r\nDate: DATE\r\n");
    restart();
    http_head_begin(&text, 404, "", "close");
    assert_string_equal(buffer, "HTTP/1.1 404 Not Found\r\nServer: Torc\r\n"
                                "Connection: close\r\n");
    restart();
    http_head_begin(&text, 431, "Sun, 06 Nov 1994 08:49:37 GMT", "keep-alive");
    assert_true(text.len <= HTTP_BEGIN_MAX);
}

/* RFC 9110, 15, and RFC 6585. */
static void test_head_statuses(void **state)
{
    static const char *const lines[] = {
        "200 OK",
        "204 No Content",
        "206 Partial Content",
        "301 Moved Permanently",
        "304 Not Modified",
        "400 Bad Request",
        "404 Not Found",
        "405 Method Not Allowed",
        "408 Request Timeout",
        "412 Precondition Failed",
        "413 Content Too Large",
        "414 URI Too Long",
        "416 Range Not Satisfiable",
        "417 Expectation Failed",
        "421 Misdirected Request",
        "431 Request Header Fields Too Large",
        "500 Internal Server Error",
        "501 Not Implemented",
        "503 Service Unavailable",
        "505 HTTP Version Not Supported",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char want[100];

        snprintf(want, sizeof(want), "HTTP/1.1 %s\r\n", lines[i]);
        restart();
        http_head_begin(&text, atoi(lines[i]), "", NULL);
        ROW(lines[i], strncmp(buffer, want, strlen(want)) == 0);
        ROW(lines[i], text.len <= HTTP_BEGIN_MAX);
        restart();
        http_head_page(&text, atoi(lines[i]), "", false);
        ROW(lines[i], text.len <= HTTP_PAGE_MAX);
        ROW(lines[i],
            (strstr(buffer, lines[i]) != NULL) == (atoi(lines[i]) != 204));
    }
}

#define VALIDATORS                                     \
    "ETag: \"38bb0c00-3e8\"\r\n"                       \
    "Last-Modified: Tue, 29 Feb 2000 00:00:00 GMT\r\n" \
    "Accept-Ranges: bytes\r\n"

static void test_head_file(void **state)
{
    struct http_file file;

    (void)state;
    http_file_describe(&file, 951782400, 0, 1000, "text/css");
    assert_string_equal(file.etag, "\"38bb0c00-3e8\"");
    assert_int_equal(file.size_bytes, 1000);
    assert_int_equal(file.modified_s, 951782400);
    assert_string_equal(file.type, "text/css");
    restart();
    http_head_file(&text, &file, &(struct http_answer){200, 0, 1000});
    assert_string_equal(buffer, VALIDATORS "Content-Type: text/css\r\n"
                                           "Content-Length: 1000\r\n\r\n");
    restart();
    http_head_file(&text, &file, &(struct http_answer){206, 10, 20});
    assert_string_equal(buffer, VALIDATORS "Content-Type: text/css\r\n"
                                           "Content-Range: bytes 10-29/1000\r\n"
                                           "Content-Length: 20\r\n\r\n");
    restart();
    http_head_file(&text, &file, &(struct http_answer){304, 0, 0});
    assert_string_equal(buffer, VALIDATORS "\r\n");
}

/* The largest of everything has room. */
static void test_head_largest(void **state)
{
    struct http_file file;
    char type[HTTP_MEDIA_MAX];

    (void)state;
    memset(type, 'x', sizeof(type));
    type[sizeof(type) - 1] = '\0';
    http_file_describe(&file, -1, UINT64_MAX, UINT64_MAX, type);
    restart();
    http_head_file(&text, &file, &(struct http_answer){206, UINT64_MAX - 1, 1});
    assert_true(text.len <= HTTP_FILE_MAX);
}

static void test_head_pages(void **state)
{
    static const char fields[] =
        "A: b\r\nContent-Type: text/html; charset=utf-8\r\n"
        "Content-Length: 66\r\n\r\n";
    char *page;

    (void)state;
    restart();
    http_head_page(&text, 404, "A: b\r\n", false);
    page = strstr(buffer, "\r\n\r\n");
    assert_non_null(page);
    assert_string_equal(page + 4, "<!doctype html><title>404 Not Found</title>"
                                  "<h1>404 Not Found</h1>\n");
    assert_int_equal(strncmp(buffer, fields, strlen(fields)), 0);
    assert_ptr_equal(page + 4, buffer + strlen(fields));
    assert_int_equal(strlen(page + 4), 66);
    /* RFC 9110, 9.3.2: HEAD gets the same without the page. */
    *(page + 4) = '\0';
    page = strdup(buffer);
    restart();
    http_head_page(&text, 404, "A: b\r\n", true);
    assert_string_equal(buffer, page);
    free(page);
    restart();
    http_head_page(&text, 204, "Allow: GET\r\n", false);
    assert_string_equal(buffer, "Allow: GET\r\n\r\n");
}

static void test_head_location(void **state)
{
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"/sub", "/sub/"},
        {"/a/b", "/a/b/"},
        {"/sub?x=1&y=%20", "/sub/?x=1&y=%20"},
        {"/sub?", "/sub/?"},
        {"/sub#x", "/sub/"},
        {"http://h/sub?a", "/sub/?a"},
        {"//evil.example/x", "/evil.example/x/"},
        {"/a%20b", "/a%20b/"},
        {"/%0d%0aSet-Cookie:x", "/%0D%0ASet-Cookie%3Ax/"},
        {"/\xc3\xa4", "/%C3%A4/"},
        {"/a-b._~Z0", "/a-b._~Z0/"},
        {"/%25", "/%25/"},
        {"/%3f", "/%3F/"},
        {"/a[z{@`", "/a%5Bz%7B%40%60/"},
    };
    static struct http_target target;
    char want[100];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].target,
            http_target_parse(span_of(rows[i].target), false, &target) == 0);
        restart();
        http_location_put(&text, &target);
        snprintf(want, sizeof(want), "Location: %s\r\n", rows[i].want);
        ROW(rows[i].target, strcmp(buffer, want) == 0);
    }
    /* The longest. */
    memset(target.path, 0xff, HTTP_PATH_MAX - 1);
    target.path[HTTP_PATH_MAX - 1] = '\0';
    target.query = (struct span){buffer, HTTP_LINE_MAX};
    text = (struct http_text){malloc(HTTP_LOCATION_MAX), HTTP_LOCATION_MAX, 0};
    http_location_put(&text, &target);
    free(text.at);
}

static void test_media_types(void **state)
{
    static const struct {
        const char *path, *type;
    } rows[] = {
        {"/index.html", "text/html; charset=utf-8"},
        {"/A.HTML", "text/html; charset=utf-8"},
        {"/x.htm", "text/html; charset=utf-8"},
        {"/x.css", "text/css; charset=utf-8"},
        {"/x.js", "text/javascript; charset=utf-8"},
        {"/x.mjs", "text/javascript; charset=utf-8"},
        {"/x.txt", "text/plain; charset=utf-8"},
        {"/x.md", "text/markdown; charset=utf-8"},
        {"/x.csv", "text/csv; charset=utf-8"},
        {"/x.xml", "application/xml"},
        {"/x.json", "application/json"},
        {"/x.pdf", "application/pdf"},
        {"/x.wasm", "application/wasm"},
        {"/x.zip", "application/zip"},
        {"/x.tar.gz", "application/gzip"},
        {"/x.png", "image/png"},
        {"/x.jpg", "image/jpeg"},
        {"/x.jpeg", "image/jpeg"},
        {"/x.gif", "image/gif"},
        {"/x.svg", "image/svg+xml"},
        {"/x.webp", "image/webp"},
        {"/x.ico", "image/vnd.microsoft.icon"},
        {"/x.mp4", "video/mp4"},
        {"/x.mp3", "audio/mpeg"},
        {"/x.woff2", "font/woff2"},
        {"/x", "application/octet-stream"},
        {"/x.", "application/octet-stream"},
        {"/x.ht", "application/octet-stream"},
        {"/x.htmlx", "application/octet-stream"},
        {"/a.html/x", "application/octet-stream"},
        {"/a.b/x.css", "text/css; charset=utf-8"},
        {"/.css", "text/css; charset=utf-8"},
        {"", "application/octet-stream"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *type = http_media_type(rows[i].path);

        ROW(rows[i].path, strcmp(type, rows[i].type) == 0);
        ROW(rows[i].path, type == http_media_type(rows[i].path));
        ROW(rows[i].path, strlen(type) < HTTP_MEDIA_MAX);
    }
}

static void test_status_of_errors(void **state)
{
    static const struct {
        int error, status;
    } row[] = {{-ENOENT, 404}, {-ENOTDIR, 404}, {-ENAMETOOLONG, 404},
               {-ELOOP, 404},  {-ENOMEM, 503},  {-ENFILE, 503},
               {-EIO, 500},    {-EUCLEAN, 500}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(row); i++)
        assert_int_equal(http_status_of_error(row[i].error), row[i].status);
}

/* Fields that an application gives: whole lines, and nothing that ends one. */
static void test_fields_of_an_application(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
    } rows[] = {
        {"", true},
        {"A: b\r\n", true},
        {"A: b\r\nC-d:\te\r\n", true},
        {"A: b", false},
        {"A: b\n", false},
        {"\n", false},
        {"\r\n", false},
        {"A b\r\n", false},
        {": b\r\n", false},
        {"A : b\r\n", false},
        {"A: b\rc\r\n", false},
        {"A: \x1f\r\n", false},
        {"A: \x7f\r\n", false},
        {"A: b\r\nC\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].text,
            http_fields_are_valid(span_of(rows[i].text)) == rows[i].is_valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_numbers),
        cmocka_unit_test(test_head_begin),
        cmocka_unit_test(test_head_statuses),
        cmocka_unit_test(test_head_file),
        cmocka_unit_test(test_head_largest),
        cmocka_unit_test(test_head_pages),
        cmocka_unit_test(test_status_of_errors),
        cmocka_unit_test(test_head_location),
        cmocka_unit_test(test_fields_of_an_application),
        cmocka_unit_test(test_media_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
