/* The HTTP client, against a server that says what the test wants, in whatever
 * pieces. */
#define SITE_WORLD_OTHER_FILES
static inline void world_files_begin(void)
{
}
#include "tests/fakes/site_world.h"
/* the world first */
#define socket_open_tcp world_socket_open_tcp
#define socket_connect  world_socket_connect
#define socket_read     world_socket_read
#define socket_write    world_socket_write
#include "net/http/content.c"
#include "net/http/date.c"
#include "net/http/head.c"
#include "net/http/peer/client.c"
#include "net/http/peer/response.c"
#include "net/http/span.c"

/* ---- The server ---------------------------------------------------------- */

static struct socket *server; /* the connection, as site_world.h has them */
static int open_error, connect_error, read_error, write_limit;
static const struct net_endpoint address = {.port = 80};

/* world_begin() sets the clock. */
#define DEADLINE (1077 * NS_PER_S)

static uint64_t reading_ns; /* how long it takes until something comes */

int socket_open_tcp(struct socket **out)
{
    if (open_error != 0)
        return open_error;
    server = calloc(1, sizeof(*server));
    server->room = 1000000;
    *out = server;
    return 0;
}

int socket_connect(struct socket *socket, const struct net_endpoint *remote,
                   uint64_t deadline_ns)
{
    assert_ptr_equal(socket, server);
    assert_ptr_equal(remote, &address);
    assert_int_equal(deadline_ns, DEADLINE);
    return connect_error;
}

int64_t socket_read(struct socket *socket, void *buf, size_t size,
                    uint64_t deadline_ns)
{
    int64_t got = socket_receive(socket, buf, size);

    assert_int_equal(deadline_ns, DEADLINE);
    now_ns += reading_ns;
    return got == -EAGAIN && read_error != 0 ? read_error : got;
}

int64_t socket_write(struct socket *socket, const void *data, size_t size,
                     uint64_t deadline_ns)
{
    assert_int_equal(deadline_ns, DEADLINE);
    if (write_limit != 0 && size > (size_t)write_limit)
        size = (size_t)write_limit;
    return socket_send(socket, data, size);
}

/* What it says next, `piece` bytes at a time (0: all). */
static void says(const char *text, size_t piece)
{
    server->in_at = 0;
    server->in_len = strlen(text);
    server->in_limit = piece;
    memcpy(server->in, text, server->in_len);
}

/* ---- Clients ------------------------------------------------------------- */

static struct http_client *client;
static char content[100000];
static size_t content_len;

static const struct http_client_request get = {
    .method = "GET", .target = "/a?b", .host = "h:81"};

static void begin_test(void)
{
    world_begin();
    open_error = connect_error = read_error = write_limit = 0;
    reading_ns = 0;
    assert_int_equal(http_client_open(&address, DEADLINE, &client), 0);
    content_len = 0;
}

static void end_test(void)
{
    http_client_close(client);
    assert_true(server->is_closed);
    free(server->out);
    free(server);
    assert_int_equal(mem_blocks, 0);
}

/* All content, `size` bytes at a time; 0 or an error. */
static int64_t read_all(size_t size)
{
    int64_t got;

    content_len = 0;
    while ((got = http_client_read(client, content + content_len, size,
                                   DEADLINE)) > 0)
        content_len += (size_t)got;
    content[content_len] = '\0';
    return got;
}

static int ask(void)
{
    return http_client_request(client, &get, DEADLINE);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void test_a_request(void **state)
{
    (void)state;
    begin_test();
    says(OK "Content-Length: 5\r\nX-Mark: m\r\n\r\nhello", 0);
    assert_int_equal(ask(), 200);
    assert_string_equal(server->out, "GET /a?b HTTP/1.1\r\nHost: h:81\r\n\r\n");
    assert_int_equal(http_client_length(client), 5);
    assert_memory_equal(http_client_field(client, "x-mark").at, "m", 1);
    assert_int_equal(ask(), -EBUSY);
    assert_int_equal(read_all(100), 0);
    assert_string_equal(content, "hello");
    says(OK "Content-Length: 2\r\n\r\nhi", 0); /* and another one */
    assert_int_equal(ask(), 200);
    assert_int_equal(read_all(1), 0);
    assert_string_equal(content, "hi");
    end_test();
}

static const struct {
    const char *name, *text, *content;
    int status;
    int64_t end; /* of read_all() */
    int next;    /* of a request behind it, which gets no answer */
} rows[] = {
    {"a length", OK "Content-Length: 5\r\n\r\nhello", "hello", 200, 0,
     -ECONNRESET},
    {"chunks",
     OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n"
        "0\r\nA: b\r\n\r\n",
     "hello", 200, 0, -ECONNRESET},
    {"to the end", OK "\r\nhello", "hello", 200, 0, -ENOTCONN},
    {"close", OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello", "hello",
     200, 0, -ENOTCONN},
    {"nothing", OK "Content-Length: 0\r\n\r\n", "", 200, 0, -ECONNRESET},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", "", 204, 0, -ECONNRESET},
    {"behind 100",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nA: b\r\n\r\n" OK
     "Content-Length: 2\r\n\r\nhi",
     "hi", 200, 0, -ECONNRESET},
    {"more than it says", OK "Content-Length: 2\r\n\r\nhi!", "hi", 200, 0,
     -ENOTCONN},
    {"too little", OK "Content-Length: 3\r\n\r\nhi", "hi", 200, -EPROTO,
     -ENOTCONN},
    {"chunks without end", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
     "hi", 200, -EPROTO, -ENOTCONN},
    {"a bad chunk", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhix", "hi", 200,
     -EPROTO, -ENOTCONN},
    {"no head", "hello\r\n", "", -EPROTO, 0, -ENOTCONN},
    {"half a head", "HTTP/1.1 200", "", -ECONNRESET, 0, -ENOTCONN},
    {"101", "HTTP/1.1 101 \r\n\r\n", "", -EPROTO, 0, -ENOTCONN},
};

static void test_responses_in_every_piece(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t piece = 0; piece <= strlen(rows[i].text); piece++) {
            int64_t end;
            int status;

            begin_test();
            says(rows[i].text, piece);
            server->peer_ended = true;
            status = ask();
            end = read_all(1 + piece % 7);
            if (status != rows[i].status || end != rows[i].end ||
                strcmp(content, rows[i].content) != 0)
                fail_msg("%s, by %zu: %d, %d, %s", rows[i].name, piece, status,
                         (int)end, content);
            status = ask();
            /* What is too much may not have come yet. */
            if (status != rows[i].next &&
                strcmp(rows[i].name, "more than it says") != 0)
                fail_msg("%s, by %zu: then %d", rows[i].name, piece, status);
            end_test();
        }
    }
}

static void test_head_has_no_content(void **state)
{
    struct http_client_request head = get;

    (void)state;
    begin_test();
    head.method = "HEAD";
    says(OK "Content-Length: 5\r\n\r\n", 0);
    assert_int_equal(http_client_request(client, &head, DEADLINE), 200);
    assert_int_equal(read_all(10), 0);
    assert_int_equal(content_len, 0);
    end_test();
}

static void test_content_that_is_sent(void **state)
{
    static char body[40000];
    struct http_client_request post = get;

    (void)state;
    begin_test();
    post.method = "POST";
    post.fields = "A: b\r\n";
    says(OK "Content-Length: 0\r\n\r\n", 0);
    assert_int_equal(http_client_request(client, &post, DEADLINE), 200);
    assert_string_equal(server->out, "POST /a?b HTTP/1.1\r\nHost: h:81\r\n"
                                     "A: b\r\nContent-Length: 0\r\n\r\n");
    memset(body, 'x', sizeof(body));
    post.body = body;
    post.body_len = sizeof(body);
    server->out_len = 0;
    says(OK "Content-Length: 0\r\n\r\n", 0);
    assert_int_equal(http_client_request(client, &post, DEADLINE), 200);
    assert_non_null(strstr(server->out, "Content-Length: 40000\r\n\r\nxxx"));
    assert_int_equal(
        server->out_len -
            (size_t)(strstr(server->out, "\r\n\r\n") + 4 - server->out),
        40000);
    end_test();
}

static int64_t pieces_left;

static int64_t give_piece(void *cookie, void *buf, size_t size)
{
    assert_ptr_equal(cookie, &pieces_left);
    assert_true(size > 16000);
    if (pieces_left <= 0)
        return pieces_left;
    pieces_left--;
    memcpy(buf, "piece", 5);
    return 5;
}

static void test_content_in_chunks(void **state)
{
    struct http_client_request put = get;

    (void)state;
    begin_test();
    put.method = "PUT";
    put.read = give_piece;
    put.cookie = &pieces_left;
    pieces_left = 2;
    says(OK "Content-Length: 0\r\n\r\n", 0);
    assert_int_equal(http_client_request(client, &put, DEADLINE), 200);
    assert_non_null(strstr(server->out,
                           "Transfer-Encoding: chunked\r\n\r\n0005\r\npiece\r\n"
                           "0005\r\npiece\r\n0\r\n\r\n"));
    pieces_left = -EIO;
    assert_int_equal(http_client_request(client, &put, DEADLINE), -EIO);
    assert_int_equal(ask(), -ENOTCONN);
    end_test();
}

static void test_requests_that_are_none(void **state)
{
    static char text[9000];
    struct http_client_request bad;

    (void)state;
    begin_test();
    memset(text, 'x', sizeof(text) - 1);
    bad = get;
    bad.method = "G T";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad.method = "";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad = get;
    bad.target = "/a b";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad.target = "/\r\nX: y";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad.target = "";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad = get;
    bad.host = "h\x7f";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad = get;
    bad.fields = "A: b\n";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad.fields = "A: b\r\n\r\n";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad.fields = "A: b\rc\r\n";
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EINVAL);
    bad = get;
    text[7998] = '\0';
    bad.target = text;
    assert_int_equal(http_client_request(client, &bad, DEADLINE), -EMSGSIZE);
    assert_int_equal(server->out_len, 0);
    says(OK "Content-Length: 0\r\n\r\n", 0); /* and it is still of use */
    assert_int_equal(ask(), 200);
    end_test();
}

static void test_time_and_errors(void **state)
{
    (void)state;
    begin_test();
    assert_int_equal(ask(), -ETIMEDOUT);
    assert_int_equal(ask(), -ENOTCONN);
    end_test();
    begin_test();
    read_error = -ECONNRESET;
    assert_int_equal(ask(), -ECONNRESET);
    end_test();
    begin_test();
    write_limit = 5;
    assert_int_equal(ask(), -ETIMEDOUT);
    end_test();
    begin_test();
    server->send_error_at = 1;
    assert_int_equal(ask(), -ECONNRESET);
    end_test();
    begin_test();
    says(OK "Content-Length: 5\r\n\r\nhe", 0);
    assert_int_equal(ask(), 200);
    assert_int_equal(read_all(10), -ETIMEDOUT);
    end_test();
    begin_test();
    says(OK "\r\nhe", 0);
    assert_int_equal(ask(), 200);
    assert_int_equal(read_all(10), -ETIMEDOUT);
    end_test();
}

/* Heads and content that come in pieces, without a pause, up to the deadline
 * and beyond. */
static void test_a_server_that_never_pauses(void **state)
{
    static const char *const heads[] = {
        OK "Content-Length: 1000\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n3e8\r\n",
        OK "\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        char text[1200];

        memset(text, 'x', sizeof(text));
        text[strlen(heads[i]) + 1000] = '\0';
        memcpy(text, heads[i], strlen(heads[i]));
        begin_test();
        says(text, 10);
        reading_ns = NS_PER_S;
        assert_int_equal(ask(), 200);
        assert_int_equal(read_all(100), -ETIMEDOUT);
        assert_true(content_len > 500 && content_len < 780);
        assert_int_equal(now_ns, DEADLINE);
        assert_int_equal(ask(), -ENOTCONN);
        end_test();
    }
    begin_test();
    says("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n", 1);
    reading_ns = 2 * NS_PER_S;
    assert_int_equal(ask(), -ETIMEDOUT);
    end_test();
}

static void test_interim_responses_have_a_limit(void **state)
{
    (void)state;
    for (int count = 16; count <= 17; count++) {
        char text[1000] = "";

        for (int i = 0; i < count; i++)
            strcat(text, "HTTP/1.1 103 \r\n\r\n");
        strcat(text, OK "Content-Length: 0\r\n\r\n");
        begin_test();
        says(text, 0);
        assert_int_equal(ask(), count == 16 ? 200 : -EPROTO);
        end_test();
    }
}

static void test_opening_fails(void **state)
{
    (void)state;
    world_begin();
    open_error = -ENOTCONN;
    assert_int_equal(http_client_open(&address, DEADLINE, &client), -ENOTCONN);
    assert_int_equal(mem_blocks, 0);
    open_error = 0;
    connect_error = -ECONNREFUSED;
    assert_int_equal(http_client_open(&address, DEADLINE, &client),
                     -ECONNREFUSED);
    assert_true(server->is_closed);
    free(server);
    assert_int_equal(mem_blocks, 0);
    connect_error = 0;
    for (int n = 1; n <= 3; n++) {
        mem_fail_at = n;
        assert_int_equal(http_client_open(&address, DEADLINE, &client),
                         -ENOMEM);
        assert_int_equal(mem_blocks, 0);
    }
    begin_test();
    says(OK "Content-Length: 0\r\n\r\n", 0);
    mem_fail_at = 1; /* the copy of the fields */
    assert_int_equal(ask(), -ENOMEM);
    end_test();
    http_client_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_responses_in_every_piece),
        cmocka_unit_test(test_head_has_no_content),
        cmocka_unit_test(test_content_that_is_sent),
        cmocka_unit_test(test_content_in_chunks),
        cmocka_unit_test(test_requests_that_are_none),
        cmocka_unit_test(test_time_and_errors),
        cmocka_unit_test(test_a_server_that_never_pauses),
        cmocka_unit_test(test_interim_responses_have_a_limit),
        cmocka_unit_test(test_opening_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
