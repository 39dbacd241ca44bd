/* The HTTP server: connections, exchanges and answers, in a world of the
 * test. */
#include "tests/fakes/http_world.h"
#include <sanitizer/asan_interface.h>

/* ---- Routes -------------------------------------------------------------- */

static struct http_exchange *waiting; /* in /late or /slow */
static int begun, ended;
static char taken[100000]; /* content of /take */
static size_t taken_len;
static size_t take_limit; /* bytes that one call takes */
static size_t source_has; /* bytes that the source of /slow has */
static int source_error;
static int sources_open;
static bool answers_early;

static void on_hello(struct http_exchange *exchange)
{
    http_respond_text(exchange, 200, "text/plain", "hello");
}

static void on_begin(struct http_exchange *exchange)
{
    begun++;
    assert_null(http_cookie(exchange));
    http_set_cookie(exchange, &begun);
    taken_len = 0;
    if (answers_early)
        http_respond_text(exchange, 403, NULL, "no");
}

static void on_end(struct http_exchange *exchange)
{
    assert_ptr_equal(http_cookie(exchange), &begun);
    ended++;
}

static int64_t on_content(struct http_exchange *exchange, const void *data,
                          size_t size)
{
    waiting = exchange;
    if (size > take_limit)
        size = take_limit;
    take_limit -= size;
    if (size > 0 && memchr(data, '!', size) != NULL)
        return -422;
    memcpy(taken + taken_len, data, size);
    taken_len += size;
    return (int64_t)size;
}

/* Says what was asked. */
static void on_taken(struct http_exchange *exchange)
{
    char text[HTTP_PATH_MAX + 600];
    struct span method = http_method(exchange);
    struct span query = http_query(exchange);
    struct span field = http_field(exchange, "x-mark");

    snprintf(text, sizeof(text), "%.*s %s %.*s [%.*s] %zu", (int)method.len,
             method.at, http_path(exchange), (int)query.len, query.at,
             (int)field.len, field.at == NULL ? "" : field.at, taken_len);
    http_respond_text(exchange, 200, NULL, text);
}

static bool is_late_ready;

static void on_late(struct http_exchange *exchange)
{
    waiting = exchange;
    if (is_late_ready)
        on_taken(exchange);
}

static int64_t source_read(void *cookie, uint64_t offset, void *buf,
                           size_t size)
{
    (void)cookie;
    assert_true(size > 0);
    if (offset >= source_has)
        return source_error;
    if (size > source_has - offset)
        size = source_has - (size_t)offset;
    for (size_t i = 0; i < size; i++)
        ((char *)buf)[i] = (char)('a' + (offset + i) % 26);
    return (int64_t)size;
}

/* The same, of which there is one slice at once. */
static int64_t lend_more(void *cookie, uint64_t offset, uint64_t size,
                         struct slice *slices, unsigned *count)
{
    struct buf *buf = calloc(1, sizeof(*buf) + 1000);
    int64_t got =
        source_read(cookie, offset, buf + 1, size < 1000 ? (size_t)size : 1000);

    *count = 0;
    if (got <= 0) {
        free(buf);
        return got;
    }
    buf->base = (uint8_t *)(buf + 1);
    buf->refs = 1;
    slices[(*count)++] = (struct slice){buf, 0, (uint32_t)got};
    bufs_lent++;
    return got;
}

static bool source_lends;

static void source_closed(void *cookie)
{
    (void)cookie;
    sources_open--;
}

static struct http_response sourced;

static void on_source(struct http_exchange *exchange)
{
    waiting = exchange;
    sourced.source =
        (struct http_source){.read = source_read, .close = source_closed};
    if (source_lends)
        sourced.source.lend = lend_more;
    sources_open++;
    assert_int_equal(http_respond(exchange, &sourced), 0);
    assert_int_equal(http_respond(exchange, &sourced), -EALREADY);
}

static void on_tagged(struct http_exchange *exchange)
{
    const struct http_response response = {
        .status = 200,
        .type = "text/plain",
        .body = "0123456789",
        .body_len = 10,
        .etag = "\"t\"",
        .modified_s = 784111777,
    };

    assert_int_equal(http_respond(exchange, &response), 0);
}

static _Alignas(8) char kind[32]; /* the type of /kind */
static int kind_status;
static const char *kind_text;

static void on_kind(struct http_exchange *exchange)
{
    http_respond_text(exchange, kind_status, kind, kind_text);
}

static struct http_response odd;
static int odd_status;

static void on_odd(struct http_exchange *exchange)
{
    odd_status = http_respond(exchange, &odd);
    if (odd_status != 0)
        http_respond_status(exchange, 500);
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .complete = on_hello},
    {.method = "POST",
     .path = "/take",
     .begin = on_begin,
     .content = on_content,
     .complete = on_taken,
     .end = on_end,
     .content_max = 50000},
    {.method = "POST",
     .path = "/one",
     .content = on_content,
     .complete = on_taken,
     .content_max = 1},
    {.method = "GET", .path = "/late", .complete = on_late},
    {.method = "GET", .path = "/source", .complete = on_source},
    {.method = "GET", .path = "/tagged", .complete = on_tagged},
    {.path = "/any/*", .complete = on_taken},
    {.method = "GET", .path = "/kind", .complete = on_kind},
    {.method = "GET", .path = "/odd", .complete = on_odd},
    {.method = "PUT", .path = "/odd", .complete = on_odd},
    {.method = "GET", .path = "/odd", .complete = on_hello},
};

static void begin_test(void)
{
    server_open(routes, COUNT_OF(routes));
    begun = 0;
    ended = 0;
    taken_len = 0;
    take_limit = SIZE_MAX;
    source_has = 0;
    source_error = 0;
    answers_early = false;
    is_late_ready = false;
    source_lends = false;
    sourced =
        (struct http_response){.status = 200, .length = HTTP_LENGTH_UNKNOWN};
}

#define DATE "Server: Torc\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define HELLO                                          \
    "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n" \
    "Content-Type: text/plain\r\n\r\nhello"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* ---- Requests and their answers ------------------------------------------ */

enum end { OPEN, CLOSED };

static const struct {
    const char *name, *request, *status;
    const char *has; /* in the answer; NULL: nothing in particular */
    enum end end;
} rows[] = {
    {"a request", GET("/"), "200", "\r\n\r\nhello", OPEN},
    {"HEAD", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "200",
     "Content-Length: 5\r\nContent-Type: text/plain\r\n\r\n", OPEN},
    {"close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "200",
     "Connection: close\r\n", CLOSED},
    {"1.0", "GET / HTTP/1.0\r\n\r\n", "200", "Connection: close\r\n", CLOSED},
    {"1.0 kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "200", "Connection: keep-alive\r\n", OPEN},
    {"no such path", GET("/none"), "404", "<h1>404 Not Found</h1>", OPEN},
    {"another method", "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", "405",
     "Allow: OPTIONS, GET, HEAD\r\n", OPEN},
    {"of a route twice", "PATCH /odd HTTP/1.1\r\nHost: h\r\n\r\n", "405",
     "Allow: OPTIONS, GET, HEAD, PUT\r\n", OPEN},
    {"an unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501", NULL,
     OPEN},
    {"a method in small letters", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "501",
     NULL, OPEN},
    {"an unknown method of a route", "BREW /any/x HTTP/1.1\r\nHost: h\r\n\r\n",
     "200", "BREW /any/x  [] 0", OPEN},
    {"OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n", "204",
     "Allow: OPTIONS, GET, HEAD\r\n", OPEN},
    {"OPTIONS of all", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "204",
     "Allow: OPTIONS\r\n", OPEN},
    {"OPTIONS of nothing", "OPTIONS /none HTTP/1.1\r\nHost: h\r\n\r\n", "404",
     NULL, OPEN},
    {"GET of all", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "400", NULL, OPEN},
    {"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", "405", NULL, OPEN},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "400", NULL, CLOSED},
    {"a bad version", "GET / HTTP/2.0\r\n\r\n", "505", NULL, CLOSED},
    {"HEAD that is refused", "HEAD / HTTP/2.0\r\n\r\n", "505", "utf-8\r\n\r\n",
     CLOSED},
    {"what is asked",
     "GET /any/x%20y?a=b HTTP/1.1\r\nHost: h\r\nX-Mark: \t m \r\n\r\n", "200",
     "GET /any/x y ?a=b [m] 0", OPEN},
    {"an absolute form", "GET http://h/any/ HTTP/1.1\r\nHost: h\r\n\r\n", "404",
     NULL, OPEN},
    {"below a prefix", GET("/any/"), "404", NULL, OPEN},
    {"content that nobody takes",
     "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", "413", NULL,
     CLOSED},
    {"content without a route",
     "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", "404",
     NULL, CLOSED},
    {"content",
     "POST /take HTTP/1.1\r\nHost: h\r\nX-Mark: q\r\nContent-Length: "
     "3\r\n\r\nabc",
     "200", "POST /take  [q] 3", OPEN},
    {"no content",
     "POST /take HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "200",
     "POST /take  [] 0", OPEN},
    {"chunks",
     "POST /take HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
     "chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nA: b\r\n\r\n",
     "200", "POST /take  [] 5", OPEN},
    {"a bad chunk",
     "POST /take HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
     "chunked\r\n\r\n2\r\nabx\r\n",
     "400", NULL, CLOSED},
    {"content that is refused",
     "POST /take HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na!c", "422",
     NULL, CLOSED},
    {"too much content",
     "POST /take HTTP/1.1\r\nHost: h\r\nContent-Length: 50001\r\n\r\n", "413",
     NULL, CLOSED},
    {"one byte", "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
     "200", NULL, OPEN},
    {"two", "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx",
     "413", NULL, CLOSED},
    {"two in a chunk",
     "POST /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nxx\r\n0\r\n\r\n",
     "413", NULL, CLOSED},
    {"an unknown expectation",
     "POST /take HTTP/1.1\r\nHost: h\r\nExpect: x\r\nContent-Length: "
     "3\r\n\r\nabc",
     "417", NULL, CLOSED},
    {"one without content", "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n",
     "200", NULL, OPEN},
    {"a tag", GET("/tagged"), "200",
     "ETag: \"t\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 "
     "GMT\r\nAccept-Ranges: bytes\r\nContent-Length: 10\r\n",
     OPEN},
    {"a tag that matches",
     "GET /tagged HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"t\"\r\n\r\n", "304",
     "Accept-Ranges: bytes\r\n\r\n", OPEN},
    {"one that does not",
     "GET /tagged HTTP/1.1\r\nHost: h\r\nIf-Match: \"u\"\r\n\r\n", "412",
     "<h1>412 Precondition Failed</h1>\n", OPEN},
    {"a range", "GET /tagged HTTP/1.1\r\nHost: h\r\nRange: bytes=2-4\r\n\r\n",
     "206",
     "Content-Range: bytes 2-4/10\r\nContent-Length: 3\r\nContent-Type: "
     "text/plain\r\n\r\n234",
     OPEN},
    {"a range of HEAD",
     "HEAD /tagged HTTP/1.1\r\nHost: h\r\nRange: bytes=2-4\r\n\r\n", "200",
     "Content-Length: 10\r\n", OPEN},
    {"a range that is not there",
     "GET /tagged HTTP/1.1\r\nHost: h\r\nRange: bytes=10-\r\n\r\n", "416",
     "Content-Range: bytes */10\r\nContent-Length: 90\r\n", OPEN},
};

static void check_row(size_t i, size_t cut)
{
    struct socket *socket;
    size_t len = strlen(rows[i].request);
    const char *head = "HTTP/1.1 ";

    begin_test();
    socket = client_open();
    client_send_bytes(socket, rows[i].request, cut);
    client_send_bytes(socket, rows[i].request + cut, len - cut);
    if (strncmp(out(socket), head, 9) != 0 ||
        strncmp(out(socket) + 9, rows[i].status, 3) != 0 ||
        (rows[i].has != NULL && strstr(out(socket), rows[i].has) == NULL) ||
        socket->is_closed != (rows[i].end == CLOSED) || socket->is_aborted)
        fail_msg("%s, cut at %zu: %s", rows[i].name, cut, out(socket));
    if (rows[i].end == OPEN) {
        out_clear(socket);
        client_send(socket, GET("/"));
        assert_string_equal(out(socket), HELLO);
    }
    if (strncmp(rows[i].request, "HEAD", 4) == 0)
        assert_string_equal(strstr(out(socket), "\r\n\r\n") + 4,
                            rows[i].end == OPEN ? "hello" : "");
    client_free(socket);
    assert_int_equal(begun, ended);
    server_close();
}

static void test_each_row_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].request); cut++)
            check_row(i, cut);
    }
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, GET("/") GET("/") GET("/any/1") "\r\n" GET("/"));
    assert_ptr_equal(strstr(out(socket), HELLO HELLO "HTTP/1.1 200"),
                     out(socket));
    assert_non_null(strstr(out(socket), "GET /any/1  [] 0" HELLO));
    client_free(socket);
    server_close();
}

static void test_an_idle_connection_has_no_buffer(void **state)
{
    struct socket *socket;
    int blocks;

    (void)state;
    begin_test();
    blocks = mem_blocks;
    socket = client_open();
    client_send(socket, GET("/") "POST /take HTTP/1.1\r\nHost: h\r\n"
                                 "Content-Length: 2\r\n\r\nab");
    assert_int_equal(mem_blocks, blocks + 1);
    assert_true(sizeof(struct http_exchange) <= 384);
    client_free(socket);
    server_close();
}

/* ---- Content ------------------------------------------------------------- */

#define POST_HEAD "POST /take HTTP/1.1\r\nHost: h\r\n"

static void test_content_waits_for_the_route(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    take_limit = 3;
    client_send(socket, POST_HEAD "Content-Length: 8\r\n\r\nabcdefgh" GET("/"));
    assert_int_equal(taken_len, 3);
    assert_string_equal(out(socket), "");
    pass(socket, 3000 * NS_PER_S); /* the peer is not to blame */
    assert_true(is_open(socket));
    take_limit = 4;
    http_resume(waiting);
    assert_int_equal(taken_len, 7);
    take_limit = 4;
    http_resume(waiting);
    assert_memory_equal(taken, "abcdefgh", 8);
    assert_non_null(strstr(out(socket), "POST /take  [] 8" HELLO));
    client_free(socket);
    assert_int_equal(ended, 1);
    server_close();
}

static void test_waiting_content_closes_the_window(void **state)
{
    struct socket *socket;
    static char bytes[30000];

    (void)state;
    begin_test();
    socket = client_open();
    take_limit = 0;
    client_send(socket, POST_HEAD "Content-Length: 30000\r\n\r\n");
    memset(bytes, 'x', sizeof(bytes));
    client_send_bytes(socket, bytes, sizeof(bytes));
    served->receive(served, socket);
    assert_true(socket->in_at <= HTTP_INPUT_SIZE + 100);
    take_limit = SIZE_MAX;
    http_resume(waiting);
    assert_int_equal(taken_len, 30000);
    client_free(socket);
    server_close();
}

static void test_chunks_beyond_the_limit_are_refused(void **state)
{
    struct socket *socket;
    static char chunk[10000];

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, POST_HEAD "Transfer-Encoding: chunked\r\n\r\nea60\r\n");
    memset(chunk, 'x', sizeof(chunk));
    for (int i = 0; i < 5; i++) {
        client_send_bytes(socket, chunk, sizeof(chunk));
        assert_string_equal(out(socket), "");
    }
    client_send_bytes(socket, chunk, 1);
    assert_non_null(strstr(out(socket), "HTTP/1.1 413 "));
    assert_true(socket->is_closed);
    client_free(socket);
    server_close();
}

static void test_100_continue(void **state)
{
    struct socket *socket;
    static const char head[] =
        POST_HEAD "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n";

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, head);
    assert_string_equal(out(socket), "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(socket, "a");
    assert_int_equal(socket->out_len, 25);
    client_send(socket, "b");
    assert_non_null(strstr(out(socket), "POST /take  [] 2"));
    out_clear(socket);
    answers_early = true; /* then it is not asked for */
    client_send(socket, head);
    assert_ptr_equal(strstr(out(socket), "HTTP/1.1 403 "), out(socket));
    assert_true(socket->is_closed);
    client_free(socket);
    assert_int_equal(ended, 2);
    server_close();
}

static void test_content_that_is_there_needs_no_100(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, POST_HEAD "Expect: 100-continue\r\n"
                                  "Content-Length: 2\r\n\r\nab");
    assert_ptr_equal(strstr(out(socket), "HTTP/1.1 200 "), out(socket));
    client_free(socket);
    server_close();
}

/* ---- Answers ------------------------------------------------------------- */

static void test_an_answer_may_come_later(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, "GET /late?x HTTP/1.1\r\nHost: h\r\nX-Mark: z\r\n\r\n");
    client_send(socket, GET("/"));
    assert_string_equal(out(socket), "");
    is_late_ready = true;
    http_resume(waiting);
    assert_non_null(strstr(out(socket), "GET /late ?x [z] 0" HELLO));
    is_late_ready = false; /* and if not, it is said */
    out_clear(socket);
    client_send(socket, GET("/late"));
    pass(socket, HTTP_ANSWER_S * NS_PER_S - HTTP_CHECK_NS);
    assert_string_equal(out(socket), "");
    pass(socket, HTTP_CHECK_NS);
    assert_non_null(strstr(out(socket), "HTTP/1.1 503 "));
    assert_true(socket->is_closed);
    client_free(socket);
    server_close();
}

/* What it lends may come later, too: the head goes before it. */
static void test_a_source_lends_later(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    source_lends = true;
    source_error = -EAGAIN;
    sourced.length = HTTP_COPY_MAX + 1000;
    client_send(socket, GET("/source"));
    assert_int_equal(sources_open, 1);
    assert_non_null(strstr(out(socket), "Content-Length: 5096\r\n\r\n"));
    out_clear(socket);
    http_resume(waiting);
    assert_int_equal(socket->out_len, 0);
    source_has = HTTP_COPY_MAX + 1000;
    http_resume(waiting);
    assert_int_equal(socket->out_len, HTTP_COPY_MAX + 1000);
    assert_int_equal(sources_open, 0);
    assert_false(socket->is_aborted);
    out_clear(socket);
    source_has = 0; /* or the peer goes meanwhile */
    client_send(socket, GET("/source"));
    assert_int_equal(sources_open, 1);
    client_free(socket);
    assert_int_equal(sources_open, 0);
    server_close();
}

/* TCP goes by the time that HTTP has asked for only if nothing is computed
 * before it sends: a source may compute. */
static void test_a_source_leaves_the_time_to_tcp(void **state)
{
    struct socket *socket;
    unsigned told;

    (void)state;
    begin_test();
    socket = client_open();
    told = world_times_told;
    client_send(socket, GET("/"));
    assert_int_equal(world_times_told, told + 1);
    source_has = 30;
    client_send(socket, GET("/source"));
    assert_int_equal(world_times_told, told + 1);
    client_free(socket);
    server_close();
}

static void test_a_source_is_sent_in_chunks(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    source_has = 30;
    source_error = -EAGAIN;
    client_send(socket, GET("/source"));
    assert_non_null(strstr(out(socket), "\r\nTransfer-Encoding: chunked\r\n\r\n"
                                        "001e\r\nabcdefghijklmnopqrstuvwxyzabcd"
                                        "\r\n"));
    out_clear(socket);
    source_has = 31;
    source_error = 0;
    http_resume(waiting);
    assert_string_equal(out(socket), "0001\r\ne\r\n0\r\n\r\n");
    assert_int_equal(sources_open, 0);
    out_clear(socket);
    client_send(socket, GET("/"));
    assert_string_equal(out(socket), HELLO);
    client_free(socket);
    server_close();
}

static void test_a_source_for_1_0_ends_with_the_connection(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    source_has = 3;
    client_send(socket,
                "GET /source HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_null(strstr(out(socket), "Transfer-Encoding"));
    assert_non_null(strstr(out(socket), "Connection: close\r\n\r\nabc"));
    assert_true(socket->is_closed);
    client_free(socket);
    server_close();
}

/* So much room at a time: every byte arrives, none twice. */
static void send_source_with_room(size_t room, bool is_chunked)
{
    struct socket *socket;
    const char *content;

    begin_test();
    socket = client_open();
    socket->room = room;
    source_has = 70000;
    sourced.length = is_chunked ? HTTP_LENGTH_UNKNOWN : 70000;
    client_send(socket, GET("/source"));
    while (sources_open > 0 || socket->wants_room)
        client_takes(socket, room);
    content = strstr(out(socket), "\r\n\r\n") + 4;
    if (is_chunked) {
        assert_string_equal(out(socket) + socket->out_len - 5, "0\r\n\r\n");
    } else {
        assert_non_null(strstr(out(socket), "Content-Length: 70000\r\n"));
        assert_int_equal(socket->out_len - (content - out(socket)), 70000);
        for (size_t i = 0; i < 70000; i++)
            assert_int_equal(content[i], 'a' + i % 26);
    }
    socket->room = 1000;
    out_clear(socket);
    client_send(socket, GET("/"));
    assert_string_equal(out(socket), HELLO);
    client_free(socket);
    server_close();
}

static void test_a_source_waits_for_the_socket(void **state)
{
    static const size_t rooms[] = {1, 7, 100, 1460, 32767, 32768, 32769, 69999};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rooms); i++) {
        send_source_with_room(rooms[i], false);
        send_source_with_room(rooms[i], true);
    }
}

static void test_a_source_that_fails_drops_the_connection(void **state)
{
    struct socket *socket;

    (void)state;
    for (int error = -EIO; error <= 0; error -= error) {
        begin_test();
        socket = client_open();
        source_has = 10;
        source_error = error;
        sourced.length = 11; /* and it ends too early */
        client_send(socket, GET("/source"));
        assert_true(socket->is_aborted);
        client_free(socket);
        assert_int_equal(sources_open, 0);
        assert_int_equal(errors_logged, 1);
        errors_logged = 0;
        server_close();
        if (error == 0)
            break;
    }
}

/* As long as nothing is sent, that can be said. */
static void test_a_source_that_fails_at_once_is_answered(void **state)
{
    static const char *const requests[] = {
        GET("/source"), "HEAD /source HTTP/1.1\r\nHost: h\r\n\r\n"};
    struct socket *socket;

    (void)state;
    for (int error = -EIO; error <= 0; error -= error) {
        begin_test();
        source_has = 0;
        source_error = error;
        sourced.length = 11;
        socket = client_open();
        client_send(socket, requests[0]);
        assert_int_equal(strncmp(out(socket), "HTTP/1.1 500 ", 13), 0);
        assert_non_null(strstr(out(socket), "Connection: close\r\n"));
        assert_true(socket->is_closed);
        client_free(socket);
        socket = client_open(); /* nobody asks it */
        client_send(socket, requests[1]);
        assert_int_equal(strncmp(out(socket), "HTTP/1.1 200 ", 13), 0);
        client_free(socket);
        assert_int_equal(sources_open, 0);
        assert_int_equal(errors_logged, 1);
        errors_logged = 0;
        server_close();
        if (error == 0)
            break;
    }
}

static void test_a_source_is_closed_when_nothing_is_sent(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, "HEAD /source HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(sources_open, 0);
    assert_non_null(strstr(out(socket), "chunked"));
    sourced.length = 0;
    client_send(socket, GET("/source"));
    assert_int_equal(sources_open, 0);
    sourced.status = 304;
    sourced.length = 5;
    client_send(socket, GET("/source"));
    assert_int_equal(sources_open, 0);
    source_error = -EAGAIN; /* or the peer goes away */
    sourced.status = 200;
    client_send(socket, GET("/source"));
    assert_int_equal(sources_open, 1);
    client_free(socket);
    assert_int_equal(sources_open, 0);
    server_close();
}

static const struct {
    const char *name;
    struct http_response response;
    int status;
    const char *has;
} odd_rows[] = {
    {"a status below", {.status = 199}, -EINVAL, "500"},
    {"one above", {.status = 600}, -EINVAL, "500"},
    {"the last one", {.status = 599}, 0, "HTTP/1.1 599 \r\n"},
    {"fields",
     {.status = 200, .fields = "A: b\r\nC: d\r\n"},
     0,
     "A: b\r\nC: d\r\nContent-Length: 0\r\n\r\n"},
    {"a field without end", {.status = 200, .fields = "A: b"}, -EINVAL, "500"},
    {"with half an end", {.status = 200, .fields = "A: b\n"}, -EINVAL, "500"},
    {"without a name", {.status = 200, .fields = ": b\r\n"}, -EINVAL, "500"},
    {"the end of the head",
     {.status = 200, .fields = "A: b\r\n\r\n"},
     -EINVAL,
     "500"},
    {"a CR in a value",
     {.status = 200, .fields = "A: b\rc\r\n"},
     -EINVAL,
     "500"},
    {"a line in the type", {.status = 200, .type = "a\r\nb"}, -EINVAL, "500"},
    {"a CR in the type", {.status = 200, .type = "a\rb"}, -EINVAL, "500"},
    {"204", {.status = 204, .body = "x", .body_len = 1}, 0, "GMT\r\n\r\n"},
    {"205",
     {.status = 205, .body = "x", .body_len = 1},
     0,
     "Content-Length: 0\r\n"},
};

static void test_an_answer_that_is_none_is_refused(void **state)
{
    static char fields[HTTP_FIELDS_MAX + 5];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(odd_rows); i++) {
        struct socket *socket;

        begin_test();
        socket = client_open();
        odd = odd_rows[i].response;
        client_send(socket, GET("/odd"));
        if (odd_status != odd_rows[i].status ||
            strstr(out(socket), odd_rows[i].has) == NULL)
            fail_msg("%s: %d, %s", odd_rows[i].name, odd_status, out(socket));
        memset(fields, 'x', sizeof(fields) - 1);
        odd = (struct http_response){.status = 200, .fields = fields};
        out_clear(socket);
        client_send(socket, GET("/odd"));
        assert_int_equal(odd_status, -EMSGSIZE);
        client_free(socket);
        server_close();
    }
}

/* ---- Deadlines ----------------------------------------------------------- */

static void test_deadlines(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open(); /* says nothing */
    pass(socket, 29 * NS_PER_S);
    assert_true(is_open(socket));
    pass(socket, 16 * NS_PER_S);
    assert_true(socket->is_closed);
    client_free(socket);
    socket = client_open(); /* a head that trickles */
    for (int i = 0; i < 29; i++) {
        client_send(socket, i == 0 ? "GET / HTTP/1.1\r\nA:" : "a");
        now_ns += NS_PER_S;
    }
    assert_string_equal(out(socket), "");
    now_ns += NS_PER_S;
    client_send(socket, "a");
    assert_non_null(strstr(out(socket), "HTTP/1.1 408 "));
    assert_true(socket->is_closed);
    client_free(socket);
    socket = client_open(); /* between two requests */
    client_send(socket, GET("/"));
    pass(socket, 74 * NS_PER_S);
    assert_true(is_open(socket));
    pass(socket, 16 * NS_PER_S);
    assert_true(socket->is_closed);
    client_free(socket);
    server_close();
}

static void test_content_has_a_minimum_rate(void **state)
{
    struct socket *socket;
    static char piece[HTTP_PACE / 2];

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, POST_HEAD "Content-Length: 40000\r\n\r\n");
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 10; i++) { /* 4 KiB a minute */
        client_send_bytes(socket, piece, sizeof(piece));
        now_ns += 29 * NS_PER_S;
        assert_true(is_open(socket));
    }
    for (int i = 0; i < 60 && is_open(socket); i++) { /* a byte a second */
        client_send(socket, "x");
        now_ns += NS_PER_S;
    }
    client_send(socket, "x");
    assert_non_null(strstr(out(socket), "HTTP/1.1 408 "));
    client_free(socket);
    server_close();
}

static void test_an_answer_has_a_minimum_rate(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    socket->room = 1000;
    source_has = 70000;
    sourced.length = 70000;
    client_send(socket, GET("/source"));
    for (int i = 0; i < 20; i++) { /* 4 KiB a minute */
        now_ns += 25 * NS_PER_S;
        client_takes(socket, 2048);
        assert_true(is_open(socket));
    }
    for (int i = 0; i < 61; i++) { /* a byte a second */
        now_ns += NS_PER_S;
        client_takes(socket, 1);
    }
    assert_true(socket->is_aborted);
    assert_int_equal(sources_open, 0);
    client_free(socket);
    server_close();
}

/* ---- Connections --------------------------------------------------------- */

static void test_the_peer_ends_its_side(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, GET("/"));
    client_end(socket);
    assert_true(socket->is_closed);
    client_free(socket);
    socket = client_open(); /* in the middle of content */
    client_send(socket, POST_HEAD "Content-Length: 3\r\n\r\na");
    client_end(socket);
    assert_true(socket->is_closed);
    client_free(socket);
    assert_int_equal(ended, 1);
    socket = client_open(); /* behind requests */
    memcpy(socket->in, GET("/"), strlen(GET("/")));
    socket->in_len = strlen(GET("/"));
    client_end(socket);
    assert_string_equal(out(socket), HELLO);
    assert_true(socket->is_closed);
    client_free(socket);
    server_close();
}

static void test_stopping(void **state)
{
    struct socket *idle, *busy;

    (void)state;
    begin_test();
    idle = client_open();
    busy = client_open();
    client_send(busy, GET("/late"));
    assert_int_equal(http_stop(&server, NS_PER_S), -EBUSY);
    assert_true(idle->is_closed);
    assert_true(busy->is_aborted);
    assert_int_equal(served->accept(served, idle), -ECONNREFUSED);
    client_free(idle);
    client_free(busy);
    assert_int_equal(http_stop(&server, NS_PER_S), 0);
    server_close();
}

static void test_a_request_that_has_begun_is_answered_at_the_end(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, GET("/late"));
    server.engine->is_ending = true;
    is_late_ready = true;
    http_resume(waiting);
    assert_non_null(strstr(out(socket), "HTTP/1.1 200 "));
    assert_non_null(strstr(out(socket), "Connection: close\r\n"));
    assert_true(socket->is_closed);
    client_free(socket);
    server_close();
}

/* Each allocation fails once: the connection is lost or answers, nothing
 * leaks, and the next one is served. */
static void test_without_memory(void **state)
{
    static const char text[] = POST_HEAD "Content-Length: 5\r\n\r\nab";
    bool failed = true;

    (void)state;
    for (int n = 1; failed; n++) {
        struct socket *socket;

        begin_test();
        socket = calloc(1, sizeof(*socket));
        socket->room = 10;
        mem_fail_at = n;
        if (served->accept(served, socket) == 0) {
            client_send(socket, text);
            client_send(socket, "cde" GET("/late"));
            client_takes(socket, 20);
            client_takes(socket, 1000);
            failed = mem_fail_at == 0;
            mem_fail_at = 0;
            assert_true(failed == socket->is_aborted);
            client_free(socket);
        } else {
            free(socket);
        }
        mem_fail_at = 0;
        socket = client_open();
        client_send(socket, GET("/"));
        assert_string_equal(out(socket), HELLO);
        client_free(socket);
        assert_int_equal(begun, ended);
        server_close();
    }
}

/* An answer may end as the last one: what differs is said all the same, also
 * where the type lies at the same address. */
static void test_answers_that_end_as_the_last(void **state)
{
    static const struct {
        const char *type, *text;
        int status;
        const char *head; /* how it begins */
    } rows_of_kinds[] = {
        {"text/a", "12", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/a", "34", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/a", "345", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/b", "678", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/b; c", "678", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/b", "678", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/b", "678", 404, "HTTP/1.1 404 Not Found\r\n"},
        {"text/b", "678", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/b", "", 200, "HTTP/1.1 200 OK\r\n"},
        {"text/b", "", 200, "HTTP/1.1 200 OK\r\n"},
    };
    struct socket *socket;
    char expected[400];

    (void)state;
    begin_test();
    socket = client_open();
    for (size_t i = 0; i < COUNT_OF(rows_of_kinds); i++) {
        strcpy(kind, rows_of_kinds[i].type);
        kind_text = rows_of_kinds[i].text;
        kind_status = rows_of_kinds[i].status;
        out_clear(socket);
        /* Behind the type is nothing that may be read. */
        ASAN_POISON_MEMORY_REGION(kind + strlen(kind) + 1,
                                  sizeof(kind) - strlen(kind) - 1);
        client_send(socket, GET("/kind"));
        snprintf(expected, sizeof(expected),
                 "%s" DATE "Content-Length: %zu\r\nContent-Type: %s\r\n\r\n%s",
                 rows_of_kinds[i].head, strlen(kind_text), kind, kind_text);
        assert_string_equal(out(socket), expected);
        ASAN_UNPOISON_MEMORY_REGION(kind, sizeof(kind));
    }
    client_free(socket);
    server_close();
}

/* The last answer again, of which the peer takes a part, and then no more. */
static void test_the_last_answer_again_is_not_taken(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    client_send(socket, GET("/"));
    out_clear(socket);
    socket->room = 10;
    client_send(socket, GET("/"));
    pass(socket, HTTP_SEND_S * NS_PER_S - HTTP_CHECK_NS);
    assert_false(socket->is_aborted);
    pass(socket, HTTP_CHECK_NS);
    assert_true(socket->is_aborted);
    assert_int_equal(strlen(out(socket)), 10);
    client_free(socket);
    server_close();
}

static void test_serving_fails(void **state)
{
    (void)state;
    world_begin();
    server = (struct http_server){.name = "test", .port = 80};
    register_error = -EADDRINUSE;
    assert_int_equal(http_serve(&server), -EADDRINUSE);
    assert_int_equal(mem_blocks, 0);
    for (int n = 1; n <= 4; n++) {
        mem_fail_at = n;
        assert_int_equal(http_serve(&server), -ENOMEM);
        assert_int_equal(mem_blocks, 0);
    }
}

static void test_the_socket_fails(void **state)
{
    struct socket *socket;

    (void)state;
    begin_test();
    socket = client_open();
    socket->receive_error = -ECONNRESET;
    served->receive(served, socket);
    assert_true(socket->is_aborted);
    client_free(socket);
    socket = client_open();
    socket->send_error_at = 1;
    client_send(socket, GET("/"));
    assert_true(socket->is_aborted);
    client_free(socket);
    socket = client_open();
    socket->room = 1;
    client_send(socket, GET("/"));
    socket->send_error_at = 1;
    client_takes(socket, 100);
    assert_true(socket->is_aborted);
    client_free(socket);
    server_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_in_every_cut),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_an_idle_connection_has_no_buffer),
        cmocka_unit_test(test_content_waits_for_the_route),
        cmocka_unit_test(test_waiting_content_closes_the_window),
        cmocka_unit_test(test_chunks_beyond_the_limit_are_refused),
        cmocka_unit_test(test_100_continue),
        cmocka_unit_test(test_content_that_is_there_needs_no_100),
        cmocka_unit_test(test_an_answer_may_come_later),
        cmocka_unit_test(test_a_source_lends_later),
        cmocka_unit_test(test_a_source_leaves_the_time_to_tcp),
        cmocka_unit_test(test_a_source_is_sent_in_chunks),
        cmocka_unit_test(test_a_source_for_1_0_ends_with_the_connection),
        cmocka_unit_test(test_a_source_waits_for_the_socket),
        cmocka_unit_test(test_a_source_that_fails_drops_the_connection),
        cmocka_unit_test(test_a_source_that_fails_at_once_is_answered),
        cmocka_unit_test(test_a_source_is_closed_when_nothing_is_sent),
        cmocka_unit_test(test_an_answer_that_is_none_is_refused),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_content_has_a_minimum_rate),
        cmocka_unit_test(test_an_answer_has_a_minimum_rate),
        cmocka_unit_test(test_the_peer_ends_its_side),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_a_request_that_has_begun_is_answered_at_the_end),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_answers_that_end_as_the_last),
        cmocka_unit_test(test_the_last_answer_again_is_not_taken),
        cmocka_unit_test(test_serving_fails),
        cmocka_unit_test(test_the_socket_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
