/*
 * What RFC 9110 and RFC 9112 demand of a server of HTTP/1.1, one row for each
 * rule: what is sent, the status that must be answered, and whether another
 * request may follow on the connection. Each request comes whole and byte by
 * byte.
 */
#include "tests/fakes/http_world.h"

static void on_any(struct http_exchange *exchange)
{
    const struct http_response response = {
        .status = 200,
        .type = "text/plain",
        .body = "0123456789",
        .body_len = 10,
        .etag = "\"t\"",
        .modified_s = 784111777, /* Sun, 06 Nov 1994 08:49:37 GMT */
    };

    assert_int_equal(http_respond(exchange, &response), 0);
}

static int64_t on_content(struct http_exchange *exchange, const void *data,
                          size_t size)
{
    (void)exchange;
    (void)data;
    return (int64_t)size;
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = on_any},
    {.method = "GET", .path = "/a/*", .complete = on_any},
    {.method = "POST",
     .path = "/",
     .content = on_content,
     .complete = on_any,
     .content_max = 1000},
};

enum { CLOSED, OPEN };

#define LINE    "GET / HTTP/1.1\r\n"
#define HOST    "Host: h\r\n"
#define END     "\r\n"
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *rule;
    const char *request;
    int status;
    int end;
} rows[] = {
    /* RFC 9112, 2.2 and 3: lines, the request line */
    {"2.2 an empty line before is ignored", "\r\n" LINE HOST END, 200, OPEN},
    {"2.2 a bare LF", "GET / HTTP/1.1\nHost: h\n\n", 400, CLOSED},
    {"2.2 a bare CR", "GET / HTTP/1.1\rHost: h\r\n\r\n", 400, CLOSED},
    {"2.2 white space before the first field", LINE " Host: h\r\n\r\n", 400,
     CLOSED},
    {"3 two blanks", "GET  / HTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"3 a blank at the end", "GET / HTTP/1.1 \r\n" HOST END, 400, CLOSED},
    {"3 a tab", "GET\t/\tHTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"3 no version (0.9)", "GET /\r\n\r\n", 400, CLOSED},
    {"3.1 an unknown method", "FROB / HTTP/1.1\r\n" HOST END, 501, OPEN},
    {"3.1 methods have capitals", "Get / HTTP/1.1\r\n" HOST END, 501, OPEN},
    {"3.1 a method that is no token", "G(T / HTTP/1.1\r\n" HOST END, 400,
     CLOSED},
    {"2.3 a version without minor", "GET / HTTP/1\r\n" HOST END, 400, CLOSED},
    {"2.3 in small letters", "GET / http/1.1\r\n" HOST END, 400, CLOSED},
    {"2.3 of two digits", "GET / HTTP/1.11\r\n" HOST END, 400, CLOSED},
    {"2.3 a later 1.x", "GET / HTTP/1.9\r\n" HOST END, 200, OPEN},
    {"2.3 another major", "GET / HTTP/3.0\r\n" HOST END, 505, CLOSED},
    /* 3.2: the target */
    {"3.2.1 no slash", "GET a HTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"3.2.2 absolute", "GET http://h/ HTTP/1.1\r\n" HOST END, 200, OPEN},
    {"3.2.2 absolute without path", "GET http://h HTTP/1.1\r\n" HOST END, 200,
     OPEN},
    {"3.2.2 without path, with query", "GET http://h?q HTTP/1.1\r\n" HOST END,
     200, OPEN},
    {"9110 7.4 another scheme", "GET https://h/ HTTP/1.1\r\n" HOST END, 421,
     CLOSED},
    {"9110 4.2.4 user information", "GET http://u@h/ HTTP/1.1\r\n" HOST END,
     400, CLOSED},
    {"3.2.3 authority of GET", "GET h:80 HTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"3.2.3 CONNECT", "CONNECT h:80 HTTP/1.1\r\n" HOST END, 405, OPEN},
    {"3.2.3 CONNECT without port", "CONNECT h HTTP/1.1\r\n" HOST END, 400,
     CLOSED},
    {"3.2.4 asterisk", "OPTIONS * HTTP/1.1\r\n" HOST END, 204, OPEN},
    {"3.2.4 asterisk of GET", "GET * HTTP/1.1\r\n" HOST END, 400, OPEN},
    /* A SHOULD: a client that sends one means the file. */
    {"3.2 a fragment is ignored", "GET /#f HTTP/1.1\r\n" HOST END, 200, OPEN},
    {"3986 2.1 half an encoding", "GET /%4 HTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"3986 2.1 no digits", "GET /%zz HTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"an encoded NUL", "GET /%00 HTTP/1.1\r\n" HOST END, 400, CLOSED},
    {"3986 5.2.4 above the root", "GET /../x HTTP/1.1\r\n" HOST END, 400,
     CLOSED},
    {"3986 5.2.4 dots", "GET /a/./x/../y HTTP/1.1\r\n" HOST END, 200, OPEN},
    {"encoded dots above the root", "GET /%2e%2e/x HTTP/1.1\r\n" HOST END, 400,
     CLOSED},
    {"a control character", "GET /\x01 HTTP/1.1\r\n" HOST END, 400, CLOSED},
    /* Names of files in UTF-8 that a client has not encoded. */
    {"bytes above 127 are taken as they are",
     "GET /a/\xff HTTP/1.1\r\n" HOST END, 200, OPEN},
    /* 3.2: Host */
    {"3.2 no Host", LINE END, 400, CLOSED},
    {"3.2 two", LINE HOST HOST END, 400, CLOSED},
    {"3.2 none of 1.0", "GET / HTTP/1.0\r\n\r\n", 200, CLOSED},
    {"3.2 an empty one", LINE "Host:\r\n\r\n", 200, OPEN},
    {"3.2 one that is no host", LINE "Host: a b\r\n\r\n", 400, CLOSED},
    {"3.2 a path", LINE "Host: h/x\r\n\r\n", 400, CLOSED},
    {"3.2 a port that is none", LINE "Host: h:x\r\n\r\n", 400, CLOSED},
    {"3.2 a port too large", LINE "Host: h:65536\r\n\r\n", 400, CLOSED},
    {"3986 3.2.2 an IPv6 address", LINE "Host: [::1]:80\r\n\r\n", 200, OPEN},
    {"3.2.2 another than the target's", "GET http://x/ HTTP/1.1\r\n" HOST END,
     200, OPEN},
    /* 5: fields */
    {"5.1 a blank before the colon", LINE HOST "A : b\r\n\r\n", 400, CLOSED},
    {"5.1 no colon", LINE HOST "A\r\n\r\n", 400, CLOSED},
    {"5.1 no name", LINE HOST ": b\r\n\r\n", 400, CLOSED},
    {"5.1 a name that is no token", LINE HOST "A(: b\r\n\r\n", 400, CLOSED},
    {"5.2 a folded line", LINE HOST "A: b\r\n c\r\n\r\n", 400, CLOSED},
    {"5.5 a NUL would end the text; a CR alone", LINE HOST "A: b\rc\r\n\r\n",
     400, CLOSED},
    {"5.1 no blanks", LINE "Host:h\r\n\r\n", 200, OPEN},
    {"5.1 blanks and tabs", LINE "Host: \t h\t \r\n\r\n", 200, OPEN},
    {"5.1 names in any case", LINE "hOsT: h\r\n\r\n", 200, OPEN},
    {"5.5 bytes above 127 in values", LINE HOST "A: \xff\r\n\r\n", 200, OPEN},
    /* 6: framing */
    {"6.2 a length", POST "Content-Length: 3\r\n\r\nabc", 200, OPEN},
    {"6.2 none", POST END, 200, OPEN},
    {"6.3 two different", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
     400, CLOSED},
    {"6.3 a list", POST "Content-Length: 3, 3\r\n\r\n", 400, CLOSED},
    {"6.2 a sign", POST "Content-Length: +3\r\n\r\n", 400, CLOSED},
    {"6.2 a negative one", POST "Content-Length: -3\r\n\r\n", 400, CLOSED},
    {"6.2 hexadecimal", POST "Content-Length: 0x3\r\n\r\n", 400, CLOSED},
    {"6.2 an empty one", POST "Content-Length:\r\n\r\n", 400, CLOSED},
    {"6.2 more than 64 bits",
     POST "Content-Length: 99999999999999999999999\r\n\r\n", 413, CLOSED},
    {"6.1 length and coding",
     POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     CLOSED},
    {"6.1 coding and length",
     POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400,
     CLOSED},
    {"6.1 an unknown coding", POST "Transfer-Encoding: x, chunked\r\n\r\n", 501,
     CLOSED},
    {"6.3 chunked is not the last",
     POST "Transfer-Encoding: chunked, x\r\n\r\n", 400, CLOSED},
    {"6.1 chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n",
     400, CLOSED},
    {"6.1 in two lines",
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, CLOSED},
    {"6.1 a coding of 1.0",
     "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, CLOSED},
    {"6.1 CHUNKED", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200,
     OPEN},
    {"6.1 xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 400, CLOSED},
    /* 7: chunks */
    {"7.1 chunks", CHUNKED "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, OPEN},
    {"7.1.1 extensions", CHUNKED "1;a=b;c=\"d\"\r\na\r\n0\r\n\r\n", 200, OPEN},
    {"7.1.2 a trailer", CHUNKED "0\r\nA: b\r\n\r\n", 200, OPEN},
    {"7.1 no digits", CHUNKED "\r\n", 400, CLOSED},
    {"7.1 a sign", CHUNKED "+1\r\na\r\n", 400, CLOSED},
    {"7.1 0x", CHUNKED "0x1\r\na\r\n", 400, CLOSED},
    {"7.1 a size without end", CHUNKED "11111111111111111\r\n", 400, CLOSED},
    {"7.1 a bare LF", CHUNKED "1\na\r\n", 400, CLOSED},
    {"7.1 data too long", CHUNKED "1\r\nab\r\n", 400, CLOSED},
    {"7.1 data that end with LF", CHUNKED "1\r\na\n0\r\n\r\n", 400, CLOSED},
    /* 9: connections */
    {"9.3 close", LINE HOST "Connection: close\r\n\r\n", 200, CLOSED},
    {"9.3 in a list", LINE HOST "Connection: x, Close\r\n\r\n", 200, CLOSED},
    {"9.3 in the second line",
     LINE HOST "Connection: x\r\nConnection: close\r\n\r\n", 200, CLOSED},
    {"9.3 1.0", "GET / HTTP/1.0\r\n" HOST END, 200, CLOSED},
    {"9.3 1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     200, OPEN},
    {"9.3 both", LINE HOST "Connection: keep-alive, close\r\n\r\n", 200,
     CLOSED},
    /* RFC 9110: expectations, conditions, ranges */
    {"9110 10.1.1 another", POST "Expect: x\r\nContent-Length: 1\r\n\r\na", 417,
     CLOSED},
    {"9110 10.1.1 without content", LINE HOST "Expect: x\r\n\r\n", 200, OPEN},
    {"9110 10.1.1 of 1.0",
     "POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: x\r\n"
     "Content-Length: 1\r\n\r\na",
     200, OPEN},
    {"9110 13.1.1", LINE HOST "If-Match: \"t\"\r\n\r\n", 200, OPEN},
    {"9110 13.1.1 any", LINE HOST "If-Match: *\r\n\r\n", 200, OPEN},
    {"9110 13.1.1 none", LINE HOST "If-Match: \"x\", \"y\"\r\n\r\n", 412, OPEN},
    {"9110 13.1.1 weak", LINE HOST "If-Match: W/\"t\"\r\n\r\n", 412, OPEN},
    {"9110 13.1.2", LINE HOST "If-None-Match: \"x\", \"t\"\r\n\r\n", 304, OPEN},
    {"9110 13.1.2 weak", LINE HOST "If-None-Match: W/\"t\"\r\n\r\n", 304, OPEN},
    {"9110 13.1.2 any", LINE HOST "If-None-Match: *\r\n\r\n", 304, OPEN},
    {"9110 13.1.2 none", LINE HOST "If-None-Match: \"x\"\r\n\r\n", 200, OPEN},
    {"9110 13.1.3",
     LINE HOST "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", 304,
     OPEN},
    {"9110 13.1.3 before",
     LINE HOST "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n\r\n", 200,
     OPEN},
    {"9110 13.1.3 of 850",
     LINE HOST "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n\r\n", 304,
     OPEN},
    {"9110 13.1.3 asctime",
     LINE HOST "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n\r\n", 304,
     OPEN},
    {"9110 13.1.3 no date", LINE HOST "If-Modified-Since: x\r\n\r\n", 200,
     OPEN},
    {"9110 13.1.3 with a tag",
     LINE HOST "If-None-Match: \"x\"\r\n"
               "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
     200, OPEN},
    {"9110 13.1.4",
     LINE HOST "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n\r\n",
     412, OPEN},
    {"9110 14.2", LINE HOST "Range: bytes=0-0\r\n\r\n", 206, OPEN},
    {"9110 14.1.2 a suffix", LINE HOST "Range: bytes=-3\r\n\r\n", 206, OPEN},
    {"9110 14.1.2 behind the end", LINE HOST "Range: bytes=10-\r\n\r\n", 416,
     OPEN},
    {"9110 14.1.2 nothing", LINE HOST "Range: bytes=-0\r\n\r\n", 416, OPEN},
    {"9110 14.2 backwards", LINE HOST "Range: bytes=3-2\r\n\r\n", 200, OPEN},
    {"9110 14.2 another unit", LINE HOST "Range: lines=1-2\r\n\r\n", 200, OPEN},
    {"9110 14.2 of POST", POST "Range: bytes=0-0\r\n\r\n", 200, OPEN},
    {"9110 14.2 of HEAD", "HEAD / HTTP/1.1\r\n" HOST "Range: bytes=0-0\r\n\r\n",
     200, OPEN},
    {"9110 13.1.5", LINE HOST "Range: bytes=0-0\r\nIf-Range: \"t\"\r\n\r\n",
     206, OPEN},
    {"9110 13.1.5 another",
     LINE HOST "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n"
               "\r\n",
     200, OPEN},
    {"9110 13.1.5 weak",
     LINE HOST "Range: bytes=0-0\r\nIf-Range: W/\"t\"\r\n"
               "\r\n",
     200, OPEN},
    /* RFC 9110: methods */
    {"9110 9.3.2 HEAD", "HEAD / HTTP/1.1\r\n" HOST END, 200, OPEN},
    {"9110 9.3.7 OPTIONS", "OPTIONS / HTTP/1.1\r\n" HOST END, 204, OPEN},
    {"9110 9.1 a known one", "DELETE / HTTP/1.1\r\n" HOST END, 405, OPEN},
    {"9110 9.1 a known one with an expectation and content",
     "DELETE / HTTP/1.1\r\n" HOST "Expect: x\r\nContent-Length: 1\r\n\r\na",
     405, CLOSED},
    {"9110 9.1 an unknown one of *", "FROB * HTTP/1.1\r\n" HOST END, 501, OPEN},
    {"9110 9.1 another one of *", "POST * HTTP/1.1\r\n" HOST END, 400, OPEN},
    {"9110 15.5.5", "GET /none HTTP/1.1\r\n" HOST END, 404, OPEN},
    {"9110 15.5.14", POST "Content-Length: 1001\r\n\r\n", 413, CLOSED},
};

/* What an answer must have whatever it is: RFC 9112, 4 and 6.3. */
static void check_answer(const char *rule, const struct socket *socket,
                         bool is_head, int status, int end)
{
    const char *text = out(socket);
    const char *body = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");
    size_t size;

    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || atoi(text + 9) != status ||
        body == NULL || strstr(text, "\r\nDate: ") == NULL)
        fail_msg("%s: %s", rule, text);
    size = socket->out_len - (size_t)(body + 4 - text);
    if (status == 204 || status == 304) {
        if (size != 0 || (length != NULL && status == 204))
            fail_msg("%s: content of %d", rule, status);
    } else if (length == NULL ||
               size != (is_head ? 0 : strtoul(length + 18, NULL, 10))) {
        fail_msg("%s: the length: %s", rule, text);
    }
    if (status == 405 && strstr(text, "\r\nAllow: ") == NULL)
        fail_msg("%s: no Allow", rule);
    if ((strstr(text, "\r\nConnection: close\r\n") != NULL) !=
            (end == CLOSED) ||
        socket->is_closed != (end == CLOSED) || socket->is_aborted)
        fail_msg("%s: open or not: %s", rule, text);
}

static void check_row(size_t i, bool is_whole)
{
    const char *request = rows[i].request;
    struct socket *socket;

    server_open(routes, COUNT_OF(routes));
    socket = client_open();
    if (is_whole)
        client_send(socket, request);
    else
        for (size_t at = 0; request[at] != '\0'; at++)
            client_send_bytes(socket, request + at, 1);
    check_answer(rows[i].rule, socket, strncmp(request, "HEAD", 4) == 0,
                 rows[i].status, rows[i].end);
    if (rows[i].end == OPEN) {
        out_clear(socket);
        client_send(socket, LINE HOST END);
        check_answer(rows[i].rule, socket, false, 200, OPEN);
    }
    client_free(socket);
    server_close();
}

static void test_each_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        check_row(i, true);
        check_row(i, false);
    }
}

/* Heads, lines and paths that are too long. */
static void send_long(const char *before, char fill, size_t count,
                      const char *behind, int status)
{
    char *text = malloc(count + 1);
    struct socket *socket;

    server_open(routes, COUNT_OF(routes));
    socket = client_open();
    memset(text, fill, count);
    text[count] = '\0';
    client_send(socket, before);
    client_send_bytes(socket, text, count);
    client_send(socket, behind);
    if (strncmp(out(socket), "HTTP/1.1 ", 9) != 0 ||
        atoi(out(socket) + 9) != status)
        fail_msg("%s %zu: %s", before, count, out(socket));
    client_free(socket);
    server_close();
    free(text);
}

static void test_limits(void **state)
{
    (void)state;
    send_long("GET /a/", 'a', 4092, " HTTP/1.1\r\n" HOST END, 200);
    send_long("GET /a/", 'a', 4093, " HTTP/1.1\r\n" HOST END, 414);
    send_long("GET /?", 'a', 7985, " HTTP/1.1\r\n" HOST END, 200);
    send_long("GET /?", 'a', 7986, " HTTP/1.1\r\n" HOST END, 414);
    send_long("", 'a', 8001, "", 501);
    send_long(LINE HOST "A: ", 'a', 16384 - 16 - 9 - 3 - 4, "\r\n\r\n", 200);
    send_long(LINE HOST "A: ", 'a', 16384 - 16 - 9 - 3 - 3, "\r\n\r\n", 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
