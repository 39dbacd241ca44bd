/* The content of requests: framing, in whatever pieces it comes. */
#include "net/http/content.c"
#include "net/http/request.c"
#include "net/http/span.c"
#include "net/http/target.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <string.h>

static char got[40000];
static size_t got_len;
static struct http_content content;

static void begin(bool is_chunked, uint64_t bytes)
{
    static struct http_request request;

    request.is_chunked = is_chunked;
    request.content_bytes = bytes;
    request.has_content = is_chunked || bytes > 0;
    http_content_begin(&content, &request);
    got_len = 0;
}

/* Returns how many bytes of `text` were taken, or -400. */
static int64_t give(const char *text, size_t size)
{
    size_t taken = 0;

    while (taken < size && content.state != CONTENT_COMPLETE) {
        struct span data;
        int64_t count =
            http_content_take(&content, text + taken, size - taken, &data);

        if (count < 0)
            return count;
        assert_true(count > 0);
        memcpy(got + got_len, data.at, data.len);
        got_len += data.len;
        taken += (size_t)count;
    }
    return (int64_t)taken;
}

/* In two pieces: what give() returns for all of it. */
static int64_t give_cut(const char *text, size_t size, size_t cut)
{
    int64_t first = give(text, cut);
    int64_t second;

    if (first < (int64_t)cut)
        return first;
    second = give(text + cut, size - cut);
    return second < 0 ? second : first + second;
}

enum { MORE = -1, BAD = -400 };

static const struct {
    const char *name, *text;
    const char *data;
    int64_t left; /* bytes behind the end; MORE: it is not complete; or BAD */
} rows[] = {
    {"one chunk", "3\r\nabc\r\n0\r\n\r\n", "abc", 0},
    {"two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", 0},
    {"no chunk", "0\r\n\r\n", "", 0},
    {"zeros", "000\r\n\r\n", "", 0},
    {"a hexadecimal size", "00a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0},
    {"a capital", "0A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0},
    {"what follows", "1\r\na\r\n0\r\n\r\nGET /", "a", 5},
    {"data like framing", "6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "\r\n0\r\n\r", 0},
    {"an extension", "1;a=b\r\nx\r\n0;c\r\n\r\n", "x", 0},
    {"... quoted", "1 ; a=\"q;\"\r\nx\r\n0\r\n\r\n", "x", 0},
    {"... behind a tab", "1\t;a\r\nx\r\n0\r\n\r\n", "x", 0},
    {"a trailer", "1\r\nx\r\n0\r\nA: b\r\n\r\nG", "x", 1},
    {"two fields", "0\r\nA: b\r\nC:\td\r\n\r\n", "", 0},
    {"no end of the trailer", "0\r\nA: b\r\n", "", MORE},
    {"no end", "0\r\n", "", MORE},
    {"no data", "5\r\nab", "ab", MORE},
    {"16 digits", "000000000000000a\r\n", "", MORE},
    {"17 digits", "0000000000000000a\r\n", "", BAD},
    {"no size", "\r\n", "", BAD},
    {"an extension without size", ";a\r\n", "", BAD},
    {"a blank before", " 1\r\n", "", BAD},
    {"no digit", "g\r\n", "", BAD},
    {"a sign", "+1\r\n", "", BAD},
    {"a prefix", "0x1\r\n", "", BAD},
    {"LF alone behind a size", "1\nx\r\n0\r\n\r\n", "", BAD},
    {"CR alone behind a size", "1\rx", "", BAD},
    {"LF in an extension", "1;a\nx", "", BAD},
    {"CR in an extension", "1;a\rb\r\n", "", BAD},
    {"NUL-like in an extension", "1;\001\r\n", "", BAD},
    {"DEL in an extension", "1;\177\r\n", "", BAD},
    {"data too long", "1\r\nxy\r\n", "x", BAD},
    {"no CR behind data", "1\r\nx\n", "x", BAD},
    {"no LF behind data", "1\r\nx\rx", "x", BAD},
    {"LF alone in the trailer", "0\r\nA: b\n\r\n", "", BAD},
    {"LF begins the trailer", "0\r\n\n", "", BAD},
    {"CR alone in the trailer", "0\r\nA\rb", "", BAD},
    {"CR alone at the end", "0\r\n\rx", "", BAD},
};

static void check_row(size_t i, const char *how, int64_t taken)
{
    size_t len = strlen(rows[i].text);
    char name[100];

    snprintf(name, sizeof(name), "%s, %s", rows[i].name, how);
    ROW(name, got_len == strlen(rows[i].data));
    ROW(name, memcmp(got, rows[i].data, got_len) == 0);
    ROW(name, content.taken == got_len);
    if (rows[i].left == BAD) {
        ROW(name, taken == BAD);
        return;
    }
    ROW(name, (content.state == CONTENT_COMPLETE) == (rows[i].left != MORE));
    ROW(name,
        taken == (int64_t)len - (rows[i].left == MORE ? 0 : rows[i].left));
}

static void test_chunked_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i].text);
        int64_t taken = 0, count = 1;

        for (size_t cut = 0; cut <= len; cut++) {
            begin(true, 0);
            check_row(i, "in two pieces", give_cut(rows[i].text, len, cut));
        }
        begin(true, 0);
        for (size_t at = 0; at < len && count == 1; at++) {
            count = give(rows[i].text + at, 1);
            taken = count < 0 ? count : taken + count;
        }
        check_row(i, "byte by byte", taken);
    }
}

static void test_length(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 7; cut++) {
        begin(false, 5);
        assert_int_equal(give_cut("abcdeGE", 7, cut), 5);
        assert_int_equal(content.state, CONTENT_COMPLETE);
        assert_memory_equal(got, "abcde", 5);
        assert_int_equal(content.taken, 5);
    }
    begin(false, 0);
    assert_int_equal(content.state, CONTENT_COMPLETE);
    begin(false, UINT64_MAX);
    assert_int_equal(give("abc", 3), 3);
    assert_true(content.left == UINT64_MAX - 3);
}

static void test_largest_chunk(void **state)
{
    (void)state;
    begin(true, 0);
    assert_int_equal(give("ffffffffffffffff\r\nabc", 21), 21);
    assert_true(content.left == UINT64_MAX - 3);
    assert_int_equal(content.state, CONTENT_DATA);
}

/* `count` times `c`. */
static int64_t give_many(char c, size_t count)
{
    static char text[HTTP_TRAILER_MAX + 10];

    assert_true(count <= sizeof(text));
    memset(text, c, count);
    return give(text, count);
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        size_t line = HTTP_CHUNK_LINE_MAX + over;

        begin(true, 0);
        assert_int_equal(give("1;", 2), 2);
        assert_int_equal(give_many('a', line), over == 0 ? (int)line : BAD);
        begin(true, 0);
        assert_int_equal(give("0\r\n", 3), 3);
        assert_int_equal(give_many('a', HTTP_TRAILER_MAX - 1),
                         HTTP_TRAILER_MAX - 1);
        assert_int_equal(give("\r\n", 2), 2);
        assert_int_equal(give_many('b', 1 + over), over == 0 ? 1 : BAD);
    }
    /* The limit of an extension is that of one chunk. */
    begin(true, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(give("1;", 2), 2);
        assert_int_equal(give_many('a', HTTP_CHUNK_LINE_MAX),
                         HTTP_CHUNK_LINE_MAX);
        assert_int_equal(give("\r\nx\r\n", 5), 5);
    }
    assert_int_equal(got_len, 3);
}

/* What a head says of its content. */
static void test_framing_of_heads(void **state)
{
    static const struct {
        const char *lines;
        bool has_content, is_chunked;
        uint64_t bytes;
    } heads[] = {
        {"", false, false, 0},
        {"Content-Length: 0\r\n", false, false, 0},
        {"Content-Length: 77\r\n", true, false, 77},
        {"Transfer-Encoding: chunked\r\n", true, true, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        static struct http_request request;
        char head[200];

        snprintf(head, sizeof(head), "PUT /a HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 heads[i].lines);
        ROW(head, http_request_parse(head, strlen(head), &request) ==
                      (int)strlen(head));
        ROW(head, request.has_content == heads[i].has_content);
        ROW(head, request.is_chunked == heads[i].is_chunked);
        ROW(head, request.content_bytes == heads[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunked_in_every_cut),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_largest_chunk),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_framing_of_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
