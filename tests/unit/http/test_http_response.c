/* Response heads: RFC 9112, 4 and 6.3. */
#include "net/http/peer/response.c"
#include "net/http/span.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>

enum { BAD = -EPROTO };

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *name, *text;
    int status; /* or BAD */
    enum http_response_framing framing;
    uint64_t length;
    bool is_head, keep_alive;
} rows[] = {
    {"a length", OK "Content-Length: 5\r\n\r\n", 200, RESPONSE_LENGTH, 5, false,
     true},
    {"a length of 0", OK "Content-Length: 0\r\n\r\n", 200, RESPONSE_LENGTH, 0,
     false, true},
    {"the same twice", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 200,
     RESPONSE_LENGTH, 5, false, true},
    {"two lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", BAD, 0,
     0, false, false},
    {"a list", OK "Content-Length: 5, 5\r\n\r\n", BAD, 0, 0, false, false},
    {"a sign", OK "Content-Length: -5\r\n\r\n", BAD, 0, 0, false, false},
    {"too large", OK "Content-Length: 99999999999999999999\r\n\r\n", BAD, 0, 0,
     false, false},
    {"no length", OK "\r\n", 200, RESPONSE_TO_END, 0, false, false},
    {"chunked", OK "transfer-encoding: Chunked\r\n\r\n", 200, RESPONSE_CHUNKED,
     0, false, true},
    {"chunked twice", OK "Transfer-Encoding: chunked, chunked\r\n\r\n", BAD, 0,
     0, false, false},
    {"another coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", BAD, 0, 0,
     false, false},
    {"and behind it", OK "Transfer-Encoding: chunked, gzip\r\n\r\n", BAD, 0, 0,
     false, false},
    {"coding and length",
     OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", BAD, 0, 0,
     false, false},
    {"a coding of 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     BAD, 0, 0, false, false},
    {"HEAD", OK "Content-Length: 5\r\n\r\n", 200, RESPONSE_EMPTY, 5, true,
     true},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, RESPONSE_EMPTY, 0, false,
     true},
    {"304", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", 304, RESPONSE_EMPTY,
     5, false, true},
    {"100", "HTTP/1.1 100 Continue\r\n\r\n", 100, RESPONSE_EMPTY, 0, false,
     true},
    {"close", OK "Connection: x, CLOSE\r\nContent-Length: 5\r\n\r\n", 200,
     RESPONSE_LENGTH, 5, false, false},
    {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200,
     RESPONSE_LENGTH, 5, false, false},
    {"1.0 kept alive",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
     200, RESPONSE_LENGTH, 5, false, true},
    {"a later one", "HTTP/1.7 200 OK\r\nContent-Length: 5\r\n\r\n", 200,
     RESPONSE_LENGTH, 5, false, true},
    {"an empty reason", "HTTP/1.1 599 \r\nContent-Length: 5\r\n\r\n", 599,
     RESPONSE_LENGTH, 5, false, true},
    {"no reason", "HTTP/1.1 200\r\n\r\n", BAD, 0, 0, false, false},
    {"another protocol", "HTTQ/1.1 200 OK\r\n\r\n", BAD, 0, 0, false, false},
    {"2.0", "HTTP/2.0 200 OK\r\n\r\n", BAD, 0, 0, false, false},
    {"two digits", "HTTP/1.1 20 OK x\r\n\r\n", BAD, 0, 0, false, false},
    {"below", "HTTP/1.1 099 OK\r\n\r\n", BAD, 0, 0, false, false},
    {"above", "HTTP/1.1 600 OK\r\n\r\n", BAD, 0, 0, false, false},
    {"no number", "HTTP/1.1 2x0 OK\r\n\r\n", BAD, 0, 0, false, false},
    {"a bare LF", "HTTP/1.1 200 OK\n\n", BAD, 0, 0, false, false},
    {"a bare CR", "HTTP/1.1 200 OK\rX", BAD, 0, 0, false, false},
    {"a CR within", OK "A: b\rc\r\n\r\n", BAD, 0, 0, false, false},
    {"a folded line", OK "A: b\r\n c\r\n\r\n", BAD, 0, 0, false, false},
    {"no colon", OK "A\r\n\r\n", BAD, 0, 0, false, false},
    {"a blank before it", OK "A : b\r\n\r\n", BAD, 0, 0, false, false},
};

/* In memory of just that size. */
static int parse(const char *text, size_t len, bool is_head,
                 struct http_response_head *out)
{
    static char *copy;

    free(copy);
    copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    return http_response_parse(copy, len, is_head, out);
}

static void check_row(size_t i)
{
    struct http_response_head head;
    size_t len = strlen(rows[i].text);
    int got;

    for (size_t cut = 0; cut < len; cut++) {
        got = parse(rows[i].text, cut, rows[i].is_head, &head);
        if (got == BAD && rows[i].status == BAD)
            break;
        if (got != 0)
            fail_msg("%s, the first %zu bytes: %d", rows[i].name, cut, got);
    }
    got = parse(rows[i].text, len, rows[i].is_head, &head);
    if (rows[i].status == BAD) {
        if (got != BAD)
            fail_msg("%s: %d", rows[i].name, got);
        return;
    }
    if (got != (int)len || head.status != rows[i].status ||
        head.framing != rows[i].framing || head.length != rows[i].length ||
        head.keep_alive != rows[i].keep_alive)
        fail_msg("%s: %d, %d, %d", rows[i].name, got, head.status,
                 head.framing);
}

static void test_each_row_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(i);
}

static void test_a_head_has_a_limit(void **state)
{
    static char text[HTTP_RESPONSE_MAX + 10];
    struct http_response_head head;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, OK "A: ", 20);
    assert_int_equal(parse(text, HTTP_RESPONSE_MAX - 1, false, &head), 0);
    assert_int_equal(parse(text, HTTP_RESPONSE_MAX, false, &head), BAD);
    memcpy(text + HTTP_RESPONSE_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(parse(text, HTTP_RESPONSE_MAX + 10, false, &head),
                     HTTP_RESPONSE_MAX);
}

static void test_fields(void **state)
{
    static const char text[] = "Ab: \t1 \r\nCd:2\r\nab: 3\r\n";
    struct span fields = {text, sizeof(text) - 1};
    struct span found = http_fields_find(fields, "aB");

    (void)state;
    assert_int_equal(found.len, 1);
    assert_int_equal(*found.at, '1');
    found = http_fields_find(fields, "cd");
    assert_int_equal(*found.at, '2');
    assert_null(http_fields_find(fields, "e").at);
    assert_null(http_fields_find(fields, "a").at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_in_every_cut),
        cmocka_unit_test(test_a_head_has_a_limit),
        cmocka_unit_test(test_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
