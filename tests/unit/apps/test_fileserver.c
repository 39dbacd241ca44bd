/*
 * The file server's site: PUT, DELETE and lists, in a world of the test whose
 * files can be changed. The disk is quiet in test_quiet.c.
 */
#include "tests/fakes/store_world.h"
/* the world first */
#include "tests/fakes/http_world.h"
#undef log_info
#define log_info(...) ((void)0)
#include "apps/fileserver/changes.c"
#include "apps/fileserver/list.c"
#include "apps/fileserver/store.c"
#include "apps/site/head_cache.c"
#include "apps/site/open_files.c"
#include "apps/site/responder.c"
#include "apps/site/site.c"
#include "net/http/media.c"
#include "net/http/peer/file.c"
#include "tests/fakes/site_client.h"

static unsigned woken, changed;

int quiet_start(void)
{
    return 0;
}

void quiet_wake(void)
{
    woken++;
}

void quiet_changed(void)
{
    assert_true(changed < woken);
    changed++;
}

/* ---- Clients ------------------------------------------------------------- */

static struct settings options;

static void open_site(void)
{
    world_begin();
    node_make("/www", FILE_DIRECTORY);
    options = (struct settings){
        .syncs = true, .lists = true, .upload_max = INT64_MAX};
    assert_int_equal(site_start("/www", 80, changes_make(&options)), 0);
}

static unsigned opens_now(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < OPENS; i++)
        count += opens[i].node != NULL;
    return count;
}

/* Files without a name of their own. */
static unsigned staged_now(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < NODES; i++)
        count += nodes[i].is_used && strstr(nodes[i].path, "PUT.TMP/") != NULL;
    return count;
}

static void close_site(void)
{
    assert_int_equal(opens_now(), 0);
    assert_int_equal(changed, woken);
    site_end();
    world_files_begin();
    free(nodes[0].data);
}

/* The status of the last answer. */
static int status_in(const struct socket *socket)
{
    const char *at = out(socket), *next;

    while (*at != '\0' && (next = strstr(at + 1, "HTTP/1.1 ")) != NULL)
        at = next;
    return strncmp(at, "HTTP/1.1 ", 9) == 0 ? atoi(at + 9) : 0;
}

static int ask(const char *text)
{
    struct socket *socket = client_open();
    int status;

    client_send(socket, text);
    status = status_in(socket);
    client_free(socket);
    return status;
}

static bool holds(const char *path, const char *text)
{
    const struct node *node = node_named(path);

    return node != NULL && node->size == strlen(text) &&
           (node->size == 0 || memcmp(node->data, text, node->size) == 0);
}

#define HOST              "Host: x\r\n"
#define PUT(path, text)   PUT_WITH(path, "", text)
#define DELETE(path)      "DELETE " path " HTTP/1.1\r\n" HOST "\r\n"
#define DELETE_WITH(p, l) "DELETE " p " HTTP/1.1\r\n" HOST l "\r\n"
#define GET(path)         "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define LEN(n)            "Content-Length: " n "\r\n"
#define CHUNKED           "Transfer-Encoding: chunked\r\n"
#define PUT_WITH(path, lines, text) \
    "PUT " path " HTTP/1.1\r\n" HOST lines LEN("3") "\r\n" text

/* ---- Answers ------------------------------------------------------------- */

/* Each in a site with the files a and d/f (abc) and the empty directory e. */
static void test_answers(void **state)
{
    static const struct {
        const char *name, *request;
        int status;
        const char *path, *text; /* what is there then; NULL: nothing is */
        bool closes;
    } rows[] = {
        {"a new file", PUT("/n", "xyz"), 201, "/www/n", "xyz", false},
        {"another state", PUT("/a", "xyz"), 204, "/www/a", "xyz", false},
        {"in a directory", PUT("/d/n", "xyz"), 201, "/www/d/n", "xyz", false},
        {"an empty one", "PUT /n HTTP/1.1\r\n" HOST LEN("0") "\r\n", 201,
         "/www/n", "", false},
        {"without a length", "PUT /n HTTP/1.1\r\n" HOST "\r\n", 201, "/www/n",
         "", false},
        {"a name that is encoded", PUT("/a%20b", "xyz"), 201, "/www/a b", "xyz",
         false},
        {"HTTP/1.0", "PUT /n HTTP/1.0\r\n" LEN("3") "\r\nxyz", 201, "/www/n",
         "xyz", true},
        {"close", PUT_WITH("/n", "Connection: close\r\n", "xyz"), 201, "/www/n",
         "xyz", true},
        {"chunks",
         "PUT /n HTTP/1.1\r\n" HOST CHUNKED
         "\r\n2\r\nxy\r\n1;e\r\nz\r\n0\r\nT: t\r\n\r\n",
         201, "/www/n", "xyz", false},
        {"bad chunk",
         "PUT /n HTTP/1.1\r\n" HOST CHUNKED "\r\n2\r\nxyz\r\n0\r\n\r\n", 400,
         "/www/n", NULL, true},
        {"no directory", PUT("/no/n", "xyz"), 409, "/www/no", NULL, true},
        {"below a file", PUT("/a/n", "xyz"), 409, "/www/a", "abc", true},
        {"a directory", PUT("/d", "xyz"), 409, "/www/d/f", "abc", true},
        {"a slash", PUT("/n/", "xyz"), 409, "/www/n", NULL, true},
        {"the root", PUT("/", "xyz"), 409, "/www/n", NULL, true},
        {"Content-Range",
         PUT_WITH("/a", "Content-Range: bytes 0-2/3\r\n", "xyz"), 400, "/www/a",
         "abc", true},
        {"*", "PUT * HTTP/1.1\r\n" HOST "\r\n", 400, "/www/a", "abc", false},
        {"an expectation", PUT_WITH("/n", "Expect: x\r\n", "xyz"), 417,
         "/www/n", NULL, true},
        {"our directory", PUT("/PUT.TMP/n", "xyz"), 403, "/www/PUT.TMP/n", NULL,
         true},
        {"... as FAT reads it", PUT("/put.tmp.%20/n", "xyz"), 403,
         "/www/put.tmp", NULL, true},
        {"not our directory", PUT("/put.tmpx", "xyz"), 201, "/www/put.tmpx",
         "xyz", false},
        {"If-None-Match: *, new", PUT_WITH("/n", "If-None-Match: *\r\n", "xyz"),
         201, "/www/n", "xyz", false},
        {"If-None-Match: *, there",
         PUT_WITH("/a", "If-None-Match: *\r\n", "xyz"), 412, "/www/a", "abc",
         true},
        {"If-Match: *, new", PUT_WITH("/n", "If-Match: *\r\n", "xyz"), 412,
         "/www/n", NULL, true},
        {"If-Match, another", PUT_WITH("/a", "If-Match: \"x\"\r\n", "xyz"), 412,
         "/www/a", "abc", true},
        {"a directory before a condition",
         PUT_WITH("/d", "If-Match: \"x\"\r\n", "xyz"), 409, "/www/d/f", "abc",
         true},
        {"DELETE", DELETE("/a"), 204, "/www/a", NULL, false},
        {"... of nothing", DELETE("/n"), 404, "/www/a", "abc", false},
        {"... of nothing, with a condition",
         DELETE_WITH("/n", "If-Match: *\r\n"), 404, "/www/a", "abc", false},
        {"... with a condition", DELETE_WITH("/a", "If-Match: \"x\"\r\n"), 412,
         "/www/a", "abc", false},
        {"... that is met", DELETE_WITH("/a", "If-Match: *\r\n"), 204, "/www/a",
         NULL, false},
        {"... of a directory without slash", DELETE("/e"), 409, "/www/a", "abc",
         false},
        {"... that is empty", DELETE("/e/"), 204, "/www/e", NULL, false},
        {"... that is not", DELETE("/d/"), 409, "/www/d/f", "abc", false},
        {"... of a file with slash", DELETE("/a/"), 404, "/www/a", "abc",
         false},
        {"... of the root", DELETE("/"), 403, "/www/a", "abc", false},
        {"... of our directory", DELETE("/PUT.TMP/"), 403, "/www/a", "abc",
         false},
        {"... with content", DELETE_WITH("/a", LEN("1")), 413, "/www/a", "abc",
         true},
        {"POST", "POST /a HTTP/1.1\r\n" HOST "\r\n", 405, "/www/a", "abc",
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i].request);

        /* In one piece, and byte by byte. */
        for (size_t step = len; step > 0; step = step == 1 ? 0 : 1) {
            struct socket *socket;

            open_site();
            node_make("/www/d", FILE_DIRECTORY);
            node_make("/www/e", FILE_DIRECTORY);
            assert_int_equal(ask(PUT("/a", "abc")), 201);
            assert_int_equal(ask(PUT("/d/f", "abc")), 201);
            socket = client_open();
            for (size_t at = 0; at < len && is_open(socket); at += step)
                client_send_bytes(socket, rows[i].request + at, step);
            ROW(rows[i].name, status_in(socket) == rows[i].status);
            ROW(rows[i].name, rows[i].text == NULL
                                  ? node_named(rows[i].path) == NULL
                                  : holds(rows[i].path, rows[i].text));
            ROW(rows[i].name, socket->is_closed == rows[i].closes);
            ROW(rows[i].name, staged_now() == 0);
            client_free(socket);
            close_site();
        }
    }
}

/* What is said of a file that was stored is what GET says of it. */
static void test_answer_of_put(void **state)
{
    struct socket *socket;
    char etag[100];

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, PUT("/a%20b", "xyz"));
    assert_non_null(strstr(out(socket), "HTTP/1.1 201 Created\r\n"));
    assert_non_null(strstr(out(socket), "Location: /a%20b\r\n"));
    assert_int_equal(
        sscanf(strstr(out(socket), "ETag: "), "ETag: %90[^\r]", etag), 1);
    out_clear(socket);
    client_send(socket, GET("/a%20b"));
    assert_non_null(strstr(out(socket), etag));
    assert_non_null(strstr(out(socket), "\r\n\r\nxyz"));
    out_clear(socket);
    /* In the same second, of the same size: another tag. */
    client_send(socket, PUT("/a%20b", "uvw"));
    assert_non_null(strstr(out(socket), "HTTP/1.1 204 No Content\r\n"));
    assert_null(strstr(out(socket), "Location"));
    assert_non_null(strstr(out(socket), "ETag: "));
    assert_null(strstr(out(socket), etag));
    out_clear(socket);
    client_send(socket, "OPTIONS / HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(
        strstr(out(socket), "Allow: OPTIONS, GET, HEAD, PUT, DELETE\r\n"));
    assert_true(is_open(socket));
    client_free(socket);
    close_site();
}

/* RFC 9110, 10.1.1. */
static void test_continue(void **state)
{
    static const char head[] =
        "PUT /n HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n" LEN("3") "\r\n";
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, head);
    assert_string_equal(out(socket), "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(socket, "xyz");
    assert_int_equal(status_in(socket), 201);
    out_clear(socket);
    /* Content that is there already needs none. */
    client_send(socket, PUT_WITH("/n", "Expect: 100-continue\r\n", "xyz"));
    assert_null(strstr(out(socket), " 100 "));
    assert_int_equal(status_in(socket), 204);
    client_free(socket);
    /* A final answer instead. */
    socket = client_open();
    client_send(socket, "PUT /d/n HTTP/1.1\r\n" HOST
                        "Expect: 100-continue\r\n" LEN("3") "\r\n");
    assert_null(strstr(out(socket), " 100 "));
    assert_int_equal(status_in(socket), 409);
    assert_true(socket->is_closed);
    client_free(socket);
    /* A socket that takes it in pieces, and a client that waits for it. */
    socket = client_open();
    socket->room = 10;
    client_send(socket, head);
    assert_string_equal(out(socket), "HTTP/1.1 1");
    client_takes(socket, 1000);
    assert_string_equal(out(socket), "HTTP/1.1 100 Continue\r\n\r\n");
    client_free(socket);
    /* One that does not. */
    socket = client_open();
    socket->room = 10;
    client_send(socket, head);
    client_send(socket, "xyz");
    assert_string_equal(out(socket), "HTTP/1.1 1");
    socket->room = 1000;
    served->writable(served, socket);
    assert_non_null(strstr(out(socket), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "
                                        "204 "));
    client_free(socket);
    close_site();
}

/* An interim answer that cannot be sent is the end. */
static void test_continue_fails(void **state)
{
    static const char head[] =
        "PUT /n HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n" LEN("3") "\r\n";

    (void)state;
    open_site();
    for (int how = 0; how < 6; how++) {
        struct socket *socket = client_open();

        socket->room = 10;
        client_send(socket, "P"); /* the request's buffer is there */
        socket->send_error_at = how == 0;
        mem_fail_at = how == 1 ? 3 : 0; /* head, upload, what is kept */
        client_send(socket, head + 1);
        if (how == 2) { /* no room for what is kept, until it is too late */
            now_ns += HTTP_CONTENT_S * NS_PER_S;
            served->timeout(served, socket); /* 408 waits behind it */
            assert_true(is_open(socket));
            now_ns += HTTP_SEND_S * NS_PER_S;
            served->timeout(served, socket);
        } else if (how == 3) {
            socket->send_error_at = 1;
            client_send(socket, "x");
        } else if (how == 4) {
            client_send(socket, "xy");
            socket->send_error_at = 1;
            client_send(socket, "z");
        }
        if (how == 5) { /* the peer's end */
            socket->peer_ended = true;
            served->receive(served, socket);
        }
        assert_int_equal(socket->is_aborted, how != 5);
        assert_int_equal(socket->is_closed, how == 5);
        assert_int_equal(mem_fail_at, 0);
        client_free(socket);
        assert_int_equal(staged_now(), 0);
    }
    close_site();
}

/* A file that has changed has another description, even if only its version
 * tells. */
static void test_versions(void **state)
{
    struct file_stat stat = {.inode = 5, .size_bytes = 7};
    char etag[HTTP_ETAG_SIZE];

    (void)state;
    open_site();
    strcpy(etag, head_cache_find(&site.responder.heads, &stat, 1, "a")->etag);
    assert_string_equal(
        head_cache_find(&site.responder.heads, &stat, 1, "a")->etag, etag);
    assert_string_not_equal(
        head_cache_find(&site.responder.heads, &stat, 2, "a")->etag, etag);
    close_site();
}

/* What stands behind the content is the next request. */
static void test_pipelined(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket,
                PUT("/a", "abc") PUT("/b", "def") DELETE("/a") GET("/b"));
    assert_true(holds("/www/b", "def"));
    assert_null(node_named("/www/a"));
    assert_int_equal(status_in(socket), 200);
    out_clear(socket);
    client_send(socket, "PUT /c HTTP/1.1\r\n" HOST CHUNKED
                        "\r\n3\r\nghi\r\n0\r\n\r\n" GET("/c"));
    assert_non_null(strstr(out(socket), "\r\n\r\nghi"));
    client_free(socket);
    close_site();
}

/* Data that are larger than any buffer, by both framings. */
static void test_large(void **state)
{
    static char data[30000], chunk[40000];
    struct socket *socket;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 31 + (i >> 8));
    for (int chunked = 0; chunked <= 1; chunked++) {
        open_site();
        socket = client_open();
        client_send(socket,
                    chunked ? "PUT /n HTTP/1.1\r\n" HOST CHUNKED "\r\n"
                            : "PUT /n HTTP/1.1\r\n" HOST LEN("150000") "\r\n");
        for (int i = 0; i < 5; i++) {
            int len = 0;

            if (chunked)
                len = snprintf(chunk, sizeof(chunk), "%zx\r\n", sizeof(data));
            memcpy(chunk + len, data, sizeof(data));
            len += (int)sizeof(data);
            if (chunked) {
                memcpy(chunk + len, "\r\n", 2);
                len += 2;
            }
            client_send_bytes(socket, chunk, (size_t)len);
        }
        if (chunked)
            client_send(socket, "0\r\n\r\n");
        assert_int_equal(status_in(socket), 201);
        assert_int_equal(node_named("/www/n")->size, 5 * sizeof(data));
        for (int i = 0; i < 5; i++)
            assert_memory_equal(node_named("/www/n")->data +
                                    (size_t)i * sizeof(data),
                                data, sizeof(data));
        client_free(socket);
        close_site();
    }
}

/* ---- Limits -------------------------------------------------------------- */

static void test_upload_max(void **state)
{
    (void)state;
    open_site();
    options.upload_max = 3;
    assert_int_equal(ask(PUT("/n", "xyz")), 201);
    assert_int_equal(ask("PUT /m HTTP/1.1\r\n" HOST LEN("4") "\r\n"), 413);
    assert_int_equal(ask("PUT /m HTTP/1.1\r\n" HOST CHUNKED
                         "\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"),
                     413);
    assert_null(node_named("/www/m"));
    assert_int_equal(staged_now(), 0);
    close_site();
}

static void test_no_space(void **state)
{
    (void)state;
    open_site();
    store_room = 2;
    assert_int_equal(ask(PUT("/n", "xyz")), 507);
    assert_int_equal(staged_now(), 0);
    assert_null(node_named("/www/n"));
    assert_int_equal(errors_logged, 0);
    /* In what comes after the head; the answer is lost, too. */
    for (int lost = 0; lost <= 1; lost++) {
        struct socket *socket = client_open();

        store_room = 2;
        client_send(socket, PUT("/n", ""));
        socket->send_error_at = lost;
        client_send(socket, "xyz");
        assert_int_equal(status_in(socket), lost ? 0 : 507);
        assert_int_equal(socket->is_aborted, lost);
        client_free(socket);
        assert_int_equal(staged_now(), 0);
    }
    close_site();
}

static void test_long_name(void **state)
{
    char text[400], name[257];

    (void)state;
    open_site();
    memset(name, 'n', 256);
    name[256] = '\0';
    snprintf(text, sizeof(text), PUT("/%s", "xyz"), name);
    assert_int_equal(ask(text), 414);
    close_site();
}

static void test_parents(void **state)
{
    (void)state;
    open_site();
    options.makes_parents = true;
    assert_int_equal(ask(PUT("/p/q/n", "xyz")), 201);
    assert_true(holds("/www/p/q/n", "xyz"));
    assert_int_equal(ask(PUT("/p/r/n", "xyz")), 201);
    assert_int_equal(ask(PUT("/p/q/n/m", "xyz")), 409);
    assert_int_equal(ask(PUT_WITH("/s/n", "If-Match: *\r\n", "xyz")), 412);
    assert_null(node_named("/www/s"));
    close_site();
}

/* ---- The same name ------------------------------------------------------- */

/* Two uploads at once: the last one to end is what is there. */
static void test_two_at_once(void **state)
{
    struct socket *first, *second;

    (void)state;
    open_site();
    first = client_open();
    second = client_open();
    client_send(first, PUT("/n", "a"));
    client_send(second, PUT("/n", "xy"));
    client_send(first, "b");
    assert_null(node_named("/www/n"));
    client_send(second, "z");
    assert_int_equal(status_in(second), 201);
    assert_true(holds("/www/n", "xyz"));
    client_send(first, "c");
    assert_int_equal(status_in(first), 204);
    assert_true(holds("/www/n", "abc"));
    out_clear(first);
    out_clear(second);
    /* Conditions hold when the name changes, not only before. */
    client_send(first, PUT_WITH("/m", "If-None-Match: *\r\n", "a"));
    client_send(second, PUT_WITH("/m", "If-None-Match: *\r\n", "xyz"));
    client_send(first, "bc");
    assert_int_equal(status_in(second), 201);
    assert_int_equal(status_in(first), 412);
    assert_true(is_open(first)); /* its content was read */
    assert_true(holds("/www/m", "xyz"));
    assert_int_equal(staged_now(), 0);
    client_free(first);
    client_free(second);
    close_site();
}

/* ---- Ends in the middle -------------------------------------------------- */

static void test_reset(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    assert_int_equal(ask(PUT("/n", "abc")), 201);
    for (int how = 0; how < 3; how++) {
        socket = client_open();
        client_send(socket, how < 2 ? PUT("/n", "x")
                                    : "PUT /n HTTP/1.1\r\n" HOST CHUNKED
                                      "\r\n3\r\nxyz\r\n");
        assert_int_equal(staged_now(), 1);
        if (how == 0)
            socket->receive_error = -ECONNRESET;
        else
            socket->peer_ended = true;
        served->receive(served, socket);
        assert_true(!is_open(socket));
        client_free(socket);
        assert_int_equal(staged_now(), 0);
        assert_true(holds("/www/n", "abc"));
    }
    close_site();
}

static void test_stall(void **state)
{
    struct socket *socket;
    unsigned bytes = 0;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, PUT("/n", "x"));
    pass(socket, (HTTP_CONTENT_S * NS_PER_S) - HTTP_CHECK_NS);
    assert_true(is_open(socket));
    pass(socket, HTTP_CHECK_NS);
    assert_int_equal(status_in(socket), 408);
    assert_true(socket->is_closed);
    assert_int_equal(staged_now(), 0);
    client_free(socket);
    /* A byte now and then is not enough. */
    socket = client_open();
    client_send(socket, "PUT /n HTTP/1.1\r\n" HOST LEN("100000") "\r\n");
    while (is_open(socket)) {
        now_ns += NS_PER_S;
        client_send(socket, "x");
        bytes++;
    }
    assert_int_equal(bytes, (HTTP_CONTENT_S * NS_PER_S) / NS_PER_S);
    client_free(socket);
    /* HTTP_PACE bytes in that time are. */
    socket = client_open();
    client_send(socket, "PUT /n HTTP/1.1\r\n" HOST LEN("100000") "\r\n");
    for (int i = 0; i < 10; i++) {
        static const char some[HTTP_PACE];

        now_ns += (HTTP_CONTENT_S * NS_PER_S) - 1;
        client_send_bytes(socket, some, sizeof(some));
        assert_true(is_open(socket));
    }
    client_free(socket);
    assert_int_equal(staged_now(), 0);
    close_site();
}

/* ---- Failures ------------------------------------------------------------ */

/*
 * Each call of the disk fails once. Then the answer is an error, and there is
 * the old state or the new one, never another. Only a file that could not be
 * removed is left over.
 */
static void test_each_call_fails(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (int at = 1;; at++) {
        unsigned was_changed;
        int status;

        open_site();
        assert_int_equal(ask(PUT("/n", "abc")), 201);
        was_changed = changed;
        store_fail_at = at;
        status = ask(PUT("/n", "xyz"));
        assert_true(changed > was_changed);
        if (store_failed == NULL) {
            store_fail_at = 0;
            assert_int_equal(status, 204);
            close_site();
            break;
        }
        failed++;
        if (status == 204) /* only its tag could not be told */
            assert_string_equal(store_failed, "stat");
        else
            assert_int_equal(status, 500);
        assert_true(holds("/www/n", "abc") || holds("/www/n", "xyz"));
        assert_int_equal(staged_now(), 0);
        close_site();
    }
    assert_true(failed >= 8);
}

static void test_each_call_of_a_removal_fails(void **state)
{
    (void)state;
    for (int at = 1;; at++) {
        int status;

        open_site();
        assert_int_equal(ask(PUT("/n", "abc")), 201);
        store_fail_at = at;
        status = ask(DELETE("/n"));
        if (store_failed == NULL) {
            assert_int_equal(status, 204);
            close_site();
            break;
        }
        assert_int_equal(status, 500);
        close_site();
    }
}

/* Two failures: what could not be removed is removed at the next start. */
static void test_left_over(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, PUT("/n", "x"));
    store_fail_at = 1;
    client_free(socket);
    assert_string_equal(store_failed, "unlink");
    assert_int_equal(staged_now(), 1);
    assert_int_equal(errors_logged, 1);
    site_fini();
    assert_int_equal(site_start("/www", 80, changes_make(&options)), 0);
    assert_int_equal(staged_now(), 0);
    close_site();
}

/* What fails at the start; a disk that is read-only is served. */
static void test_start_fails(void **state)
{
    (void)state;
    open_site();
    assert_int_equal(ask(PUT("/n", "abc")), 201);
    site_fini();
    node_make("/www/PUT.TMP/5", FILE_REGULAR);
    for (int at = 1; at <= 4; at++) { /* open, ".", "..", the name */
        store_fail_at = at;
        assert_int_equal(site_start("/www", 80, changes_make(&options)), -EIO);
        assert_int_equal(mem_blocks, 0);
    }
    store_fail_at = 5;
    store_error = -EROFS;
    assert_int_equal(site_start("/www", 80, changes_make(&options)), 0);
    store_fail_at = 2; /* the file */
    assert_int_equal(ask(PUT("/m", "abc")), 403);
    close_site();
}

static void test_errors_by_status(void **state)
{
    static const struct {
        int error, status;
    } rows[] = {
        {-EROFS, 403},   {-ENOSPC, 507}, {-ENOMEM, 503}, {-EINVAL, 403},
        {-EUCLEAN, 500}, {-EFBIG, 413},  {-EMLINK, 507}, {-EBUSY, 409},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_site();
        assert_int_equal(ask(PUT("/n", "abc")), 201);
        store_error = rows[i].error;
        store_fail_at = 2; /* the file is made */
        assert_int_equal(ask(PUT("/n", "xyz")), rows[i].status);
        close_site();
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    open_site();
    for (int at = 1;; at++) {
        struct socket *socket = client_open();

        mem_fail_at = at;
        client_send(socket, PUT("/n", "abc"));
        if (mem_fail_at != 0) {
            mem_fail_at = 0;
            assert_int_equal(status_in(socket), 201);
            client_free(socket);
            break;
        }
        assert_true(socket->is_aborted || status_in(socket) == 503);
        client_free(socket);
        assert_null(node_named("/www/n"));
        assert_int_equal(staged_now(), 0);
    }
    close_site();
}

/* With sync=1 the file and the directory are on the disk at the answer. */
static void test_sync(void **state)
{
    (void)state;
    for (int syncs = 0; syncs <= 1; syncs++) {
        open_site();
        options.syncs = syncs;
        site_fini();
        assert_int_equal(site_start("/www", 80, changes_make(&options)), 0);
        assert_int_equal(ask(PUT("/n", "abc")), 201);
        assert_int_equal(node_named("/www/n")->is_synced, syncs);
        assert_int_equal(node_named("/www")->is_synced, syncs);
        assert_int_equal(node_named("/www/PUT.TMP")->is_synced, syncs);
        node_named("/www")->is_synced = false;
        assert_int_equal(ask(DELETE("/n")), 204);
        assert_int_equal(node_named("/www")->is_synced, syncs);
        close_site();
    }
}

/* ---- Lists --------------------------------------------------------------- */

static void test_list(void **state)
{
    static const char page[] =
        "<!doctype html><meta charset=utf-8><title>/</title><h1>/</h1>\n"
        "<table>\n"
        "<tr><td><a href=\"./%3Cb%3E%26%3A\">&lt;b&gt;&amp;:</a>"
        "<td align=right>3<td>Sun, 06 Nov 1994 08:49:37 GMT\n"
        "<tr><td><a href=\"./a\">a</a><td align=right>3"
        "<td>Sun, 06 Nov 1994 08:49:37 GMT\n"
        "<tr><td><a href=\"./d/\">d/</a><td><td>"
        "Sun, 06 Nov 1994 08:49:37 GMT\n"
        "</table>\n";
    struct socket *socket;
    char length[60];

    (void)state;
    open_site();
    node_make("/www/d", FILE_DIRECTORY);
    assert_int_equal(ask(PUT("/a", "abc")), 201);
    assert_int_equal(ask(PUT("/%3Cb%3E&:", "abc")), 201);
    socket = client_open();
    client_send(socket, GET("/"));
    assert_int_equal(status_in(socket), 200);
    assert_string_equal(strstr(out(socket), "\r\n\r\n") + 4, page);
    snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
             sizeof(page) - 1);
    assert_non_null(strstr(out(socket), length));
    out_clear(socket);
    client_send(socket, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(out(socket), length));
    assert_string_equal(strstr(out(socket), "\r\n\r\n"), "\r\n\r\n");
    out_clear(socket);
    client_send(socket, GET("/d/"));
    assert_non_null(strstr(out(socket), "<a href=\"../\">"));
    out_clear(socket);
    /* An index is sent instead. */
    client_send(socket, PUT("/d/index.html", "abc") GET("/d/"));
    assert_non_null(strstr(out(socket), "\r\n\r\nabc"));
    out_clear(socket);
    client_send(socket, GET("/PUT.TMP/"));
    assert_int_equal(status_in(socket), 404);
    options.lists = false;
    client_send(socket, GET("/"));
    assert_int_equal(status_in(socket), 404);
    client_free(socket);
    close_site();
}

static void test_list_fails(void **state)
{
    (void)state;
    for (int what = 0; what <= 1; what++) {
        for (int at = 1;; at++) {
            struct socket *socket;
            int status;

            open_site();
            assert_int_equal(ask(PUT("/a", "abc")), 201);
            socket = client_open();
            client_send(socket, "G");
            *(what == 0 ? &mem_fail_at : &store_fail_at) = at;
            client_send(socket, "ET / HTTP/1.1\r\n" HOST "\r\n");
            status = status_in(socket);
            client_free(socket);
            if ((what == 0 ? mem_fail_at : store_fail_at) != 0) {
                mem_fail_at = store_fail_at = 0;
                assert_int_equal(status, 200);
                close_site();
                break;
            }
            /* A name whose file cannot be asked is left out. */
            assert_true(status == (what == 0 ? 503 : 500) ||
                        (status == 200 && what == 1));
            close_site();
        }
    }
}

/* Characters that no page shows; more names than one has. */
static void test_list_of_odd_names(void **state)
{
    static struct listing names;
    struct socket *socket;

    (void)state;
    open_site();
    assert_int_equal(ask(PUT("/%01%7F%80", "abc")), 201);
    assert_int_equal(ask(PUT("/a-long-name.txt", "abc")), 201);
    socket = client_open();
    client_send(socket, GET("/"));
    assert_non_null(strstr(out(socket), "\"./%01%7F%80\">??\x80</a>"));
    assert_non_null(strstr(out(socket), ">a-long-name.txt</a>"));
    client_free(socket);
    memset(&names, 0, sizeof(names));
    strcpy(names.path, "/www");
    names.count = LIST_NAMES_MAX;
    assert_int_equal(read_names(&names, "/"), 0);
    assert_true(names.is_cut);
    names.count = 0;
    put_page(&names, &(struct http_target){.path = "/"});
    put_text(&names.page, "");
    put(&names.page, "", 1);
    assert_non_null(strstr(names.page.at, "more names"));
    mem_free(names.page.at);
    close_site();
}

static void test_list_is_sorted(void **state)
{
    static struct listing names;

    (void)state;
    world_begin();
    memset(&names, 0, sizeof(names));
    for (unsigned i = 0; i < LIST_NAMES_MAX; i++) {
        char name[20];

        snprintf(name, sizeof(name), "%u", i * 7919 % LIST_NAMES_MAX);
        names.place[names.count++] = (uint32_t)names.names.len;
        put(&names.names, name, strlen(name) + 1);
    }
    sort(&names);
    for (unsigned i = 1; i < names.count; i++)
        assert_true(strcmp(name_at(&names, i - 1), name_at(&names, i)) < 0);
    /* A page has an end. */
    while (names.page.error == 0)
        put(&names.page, names.names.at, 1000);
    assert_int_equal(names.page.error, -EFBIG);
    assert_true(names.page.size <= LIST_PAGE_MAX);
    mem_free(names.names.at);
    mem_free(names.page.at);
    world_files_begin();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answer_of_put),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_continue_fails),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_upload_max),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_parents),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_each_call_fails),
        cmocka_unit_test(test_each_call_of_a_removal_fails),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_errors_by_status),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_sync),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_fails),
        cmocka_unit_test(test_list_of_odd_names),
        cmocka_unit_test(test_list_is_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
