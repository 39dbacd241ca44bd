/* The web server's site: connections and answers, in a world of the test. */
#include "tests/fakes/http_world.h"
/* the world first */
#include "apps/site/head_cache.c"
#include "apps/site/open_files.c"
#include "apps/site/responder.c"
#include "apps/site/site.c"
#include "net/http/media.c"
#include "net/http/peer/file.c"
#include "tests/fakes/site_client.h"

/* ---- Clients ------------------------------------------------------------- */

/* Not only kept for the next request. */
static int files_in_use(void)
{
    const struct open_files *kept = &site.responder.open;
    int count = files_open;

    for (unsigned i = 0; i < OPEN_FILES_PLACES; i++)
        count -= kept->place[i].file != NULL && kept->place[i].users == 0;
    return count;
}

static void close_site(void)
{
    assert_int_equal(files_in_use(), 0);
    site_end();
    assert_int_equal(files_open, 0);
}

static void open_site(void)
{
    world_begin();
    assert_int_equal(site_start("/www", 8080, NULL), 0);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Bytes [first, first + count) of a file are at `at`. */
static bool has_bytes(const char *at, const char *path, uint64_t first,
                      uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (at[i] != file_byte(file_named(path), first + i))
            return false;
    }
    return true;
}

/* Behind the head. */
static const char *body_of(const struct socket *socket)
{
    const char *end = strstr(out(socket), "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static size_t body_len(const struct socket *socket)
{
    return socket->out_len - (size_t)(body_of(socket) - socket->out);
}

/* ---- Answers ------------------------------------------------------------- */

#define HOST                    "Host: x\r\n"
#define GET(target)             "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define GET_WITH(target, lines) "GET " target " HTTP/1.1\r\n" HOST lines "\r\n"
#define HEAD(target)            "HEAD " target " HTTP/1.1\r\n" HOST "\r\n"
#define SUNDAY                  "Sun, 06 Nov 1994 08:49:37 GMT"
#define COMMON                  "Server: Torc\r\nDate: " SUNDAY "\r\n"
#define VALIDATORS(size)                               \
    "ETag: \"38bb0c00-" size "\"\r\n"                  \
    "Last-Modified: Tue, 29 Feb 2000 00:00:00 GMT\r\n" \
    "Accept-Ranges: bytes\r\n"
#define PAGE_FIELDS(len)          \
    "Content-Length: " len "\r\n" \
    "Content-Type: text/html; charset=utf-8\r\n\r\n"
#define PAGE(text) "<!doctype html><title>" text "</title><h1>" text "</h1>\n"

/* What a request is answered: the whole head; a page or bytes of a file. */
static void test_answers(void **state)
{
    static const struct {
        const char *name, *request, *head;
        const char *page; /* or: */
        const char *path;
        uint64_t first, count;
        bool closes;
    } rows[] = {
        {"a file", GET("/a.css"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "12c") "Content-Type: text/css; charset=utf-8\r\n"
                    "Content-Length: 300\r\n\r\n",
         NULL, "/www/a.css", 0, 300, false},
        {"its head", HEAD("/a.css"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "12c") "Content-Type: text/css; charset=utf-8\r\n"
                    "Content-Length: 300\r\n\r\n",
         "", NULL, 0, 0, false},
        {"an empty file", GET("/empty"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "0") "Content-Type: application/octet-stream\r\n"
                  "Content-Length: 0\r\n\r\n",
         "", NULL, 0, 0, false},
        {"a name with a blank", GET("/a%20b.txt"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "5") "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 5\r\n\r\n",
         NULL, "/www/a b.txt", 0, 5, false},
        {"the absolute form", GET("http://other/a.css?x"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "12c") "Content-Type: text/css; charset=utf-8\r\n"
                    "Content-Length: 300\r\n\r\n",
         NULL, "/www/a.css", 0, 300, false},
        {"the index of /", GET("/"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "e") "Content-Type: text/html; charset=utf-8\r\n"
                  "Content-Length: 14\r\n\r\n",
         NULL, "/www/index.html", 0, 14, false},
        {"the index of a directory", GET("/sub/"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "14") "Content-Type: text/html; charset=utf-8\r\n"
                   "Content-Length: 20\r\n\r\n",
         NULL, "/www/sub/index.html", 0, 20, false},
        {"... by a dot segment", GET("/sub/."),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "14") "Content-Type: text/html; charset=utf-8\r\n"
                   "Content-Length: 20\r\n\r\n",
         NULL, "/www/sub/index.html", 0, 20, false},
        {"a directory without its slash", GET("/sub?a=b"),
         "HTTP/1.1 301 Moved Permanently\r\n" COMMON
         "Location: /sub/?a=b\r\n" PAGE_FIELDS("82"),
         PAGE("301 Moved Permanently"), NULL, 0, 0, false},
        {"... of HEAD", HEAD("/sub"),
         "HTTP/1.1 301 Moved Permanently\r\n" COMMON
         "Location: /sub/\r\n" PAGE_FIELDS("82"),
         "", NULL, 0, 0, false},
        {"a range", GET_WITH("/a.css", "Range: bytes=10-19\r\n"),
         "HTTP/1.1 206 Partial Content\r\n" COMMON VALIDATORS(
             "12c") "Content-Type: text/css; charset=utf-8\r\n"
                    "Content-Range: bytes 10-19/300\r\nContent-Length: "
                    "10\r\n\r\n",
         NULL, "/www/a.css", 10, 10, false},
        {"a range of one byte", GET_WITH("/a.css", "Range: bytes=10-10\r\n"),
         "HTTP/1.1 206 Partial Content\r\n" COMMON VALIDATORS(
             "12c") "Content-Type: text/css; charset=utf-8\r\n"
                    "Content-Range: bytes 10-10/300\r\nContent-Length: "
                    "1\r\n\r\n",
         NULL, "/www/a.css", 10, 1, false},
        {"no range", GET_WITH("/a.css", "Range: bytes=300-\r\n"),
         "HTTP/1.1 416 Range Not Satisfiable\r\n" COMMON
         "Content-Range: bytes */300\r\n" PAGE_FIELDS("90"),
         PAGE("416 Range Not Satisfiable"), NULL, 0, 0, false},
        {"not modified",
         GET_WITH("/a.css", "If-None-Match: \"38bb0c00-12c\"\r\n"),
         "HTTP/1.1 304 Not Modified\r\n" COMMON VALIDATORS("12c") "\r\n", "",
         NULL, 0, 0, false},
        {"changed since",
         GET_WITH("/a.css", "If-Modified-Since: "
                            "Tue Feb 29 00:00:00 2000\r\n"),
         "HTTP/1.1 304 Not Modified\r\n" COMMON VALIDATORS("12c") "\r\n", "",
         NULL, 0, 0, false},
        {"the two-digit year of now",
         GET_WITH("/a.css",
                  "If-Modified-Since: Friday, 01-Jan-45 00:00:00 GMT\r\n"),
         "HTTP/1.1 200 OK\r\n" COMMON VALIDATORS(
             "12c") "Content-Type: text/css; charset=utf-8\r\n"
                    "Content-Length: 300\r\n\r\n",
         NULL, "/www/a.css", 0, 300, false},
        {"precondition", GET_WITH("/a.css", "If-Match: \"x\"\r\n"),
         "HTTP/1.1 412 Precondition Failed\r\n" COMMON PAGE_FIELDS("86"),
         PAGE("412 Precondition Failed"), NULL, 0, 0, false},
        {"no file", GET("/nope"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"13.2.1 no file, with a condition",
         GET_WITH("/nope", "If-Match: \"x\"\r\n"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"no file, HEAD", HEAD("/nope"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"), "", NULL, 0, 0,
         false},
        {"a directory without index", GET("/bare/"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"an index that is a directory", GET("/odd/"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"no regular file", GET("/fifo"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"below a file", GET("/nodir"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"a long name", GET("/long"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"links in a circle", GET("/loop"),
         "HTTP/1.1 404 Not Found\r\n" COMMON PAGE_FIELDS("66"),
         PAGE("404 Not Found"), NULL, 0, 0, false},
        {"no memory", GET("/full"),
         "HTTP/1.1 503 Service Unavailable\r\n" COMMON PAGE_FIELDS("86"),
         PAGE("503 Service Unavailable"), NULL, 0, 0, false},
        {"too many files", GET("/nofile"),
         "HTTP/1.1 503 Service Unavailable\r\n" COMMON PAGE_FIELDS("86"),
         PAGE("503 Service Unavailable"), NULL, 0, 0, false},
        {"a bad disk", GET("/ioerror"),
         "HTTP/1.1 500 Internal Server Error\r\n" COMMON PAGE_FIELDS("90"),
         PAGE("500 Internal Server Error"), NULL, 0, 0, false},
        {"a damaged disk", GET("/damaged"),
         "HTTP/1.1 500 Internal Server Error\r\n" COMMON PAGE_FIELDS("90"),
         PAGE("500 Internal Server Error"), NULL, 0, 0, false},
        {"a bad inode", GET("/nostat"),
         "HTTP/1.1 500 Internal Server Error\r\n" COMMON PAGE_FIELDS("90"),
         PAGE("500 Internal Server Error"), NULL, 0, 0, false},
        {"OPTIONS", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 204 No Content\r\n" COMMON
         "Allow: OPTIONS, GET, HEAD\r\n\r\n",
         "", NULL, 0, 0, false},
        {"OPTIONS of a path", "OPTIONS /nope HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 204 No Content\r\n" COMMON
         "Allow: OPTIONS, GET, HEAD\r\n\r\n",
         "", NULL, 0, 0, false},
        {"DELETE", "DELETE / HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 405 Method Not Allowed\r\n" COMMON
         "Allow: OPTIONS, GET, HEAD\r\n" PAGE_FIELDS("84"),
         PAGE("405 Method Not Allowed"), NULL, 0, 0, false},
        {"another method", "BREW / HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 501 Not Implemented\r\n" COMMON PAGE_FIELDS("78"),
         PAGE("501 Not Implemented"), NULL, 0, 0, false},
        {"POST", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
         "HTTP/1.1 405 Method Not Allowed\r\n" COMMON
         "Connection: close\r\nAllow: OPTIONS, GET, HEAD\r\n" PAGE_FIELDS("84"),
         PAGE("405 Method Not Allowed"), NULL, 0, 0, true},
        {"content", GET_WITH("/", "Content-Length: 3\r\n"),
         "HTTP/1.1 413 Content Too Large\r\n" COMMON
         "Connection: close\r\n" PAGE_FIELDS("82"),
         PAGE("413 Content Too Large"), NULL, 0, 0, true},
        {"no request", "nonsense\r\n",
         "HTTP/1.1 400 Bad Request\r\n" COMMON
         "Connection: close\r\n" PAGE_FIELDS("70"),
         PAGE("400 Bad Request"), NULL, 0, 0, true},
        {"one byte that is no request", "(",
         "HTTP/1.1 400 Bad Request\r\n" COMMON
         "Connection: close\r\n" PAGE_FIELDS("70"),
         PAGE("400 Bad Request"), NULL, 0, 0, true},
        {"a bare LF", "GET / HTTP/1.1\n",
         "HTTP/1.1 400 Bad Request\r\n" COMMON
         "Connection: close\r\n" PAGE_FIELDS("70"),
         PAGE("400 Bad Request"), NULL, 0, 0, true},
        {"an error of HEAD", "HEAD / HTTP/1.1\r\n\r\n",
         "HTTP/1.1 400 Bad Request\r\n" COMMON
         "Connection: close\r\n" PAGE_FIELDS("70"),
         "", NULL, 0, 0, true},
        {"another version", "GET / HTTP/2.0\r\n",
         "HTTP/1.1 505 HTTP Version Not Supported\r\n" COMMON
         "Connection: close\r\n" PAGE_FIELDS("100"),
         PAGE("505 HTTP Version Not Supported"), NULL, 0, 0, true},
        {"close", GET_WITH("/empty", "Connection: close\r\n"),
         "HTTP/1.1 200 OK\r\n" COMMON "Connection: close\r\n" VALIDATORS(
             "0") "Content-Type: application/octet-stream\r\n"
                  "Content-Length: 0\r\n\r\n",
         "", NULL, 0, 0, true},
        {"HTTP/1.0", "GET /empty HTTP/1.0\r\n\r\n",
         "HTTP/1.1 200 OK\r\n" COMMON "Connection: close\r\n" VALIDATORS(
             "0") "Content-Type: application/octet-stream\r\n"
                  "Content-Length: 0\r\n\r\n",
         "", NULL, 0, 0, true},
        {"HTTP/1.0 kept alive",
         "GET /empty HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "HTTP/1.1 200 OK\r\n" COMMON "Connection: keep-alive\r\n" VALIDATORS(
             "0") "Content-Type: application/octet-stream\r\n"
                  "Content-Length: 0\r\n\r\n",
         "", NULL, 0, 0, false},
    };

    (void)state;
    open_site();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct socket *socket = client_open();
        size_t head_len = strlen(rows[i].head);
        const char *body;

        client_send(socket, rows[i].request);
        if (!begins(out(socket), rows[i].head))
            fail_msg("row \"%s\": %s", name, out(socket));
        body = out(socket) + head_len;
        if (rows[i].page != NULL) {
            ROW(name, strcmp(body, rows[i].page) == 0);
            ROW(name, socket->out_len == head_len + strlen(rows[i].page));
        } else {
            ROW(name, socket->out_len == head_len + rows[i].count);
            ROW(name,
                has_bytes(body, rows[i].path, rows[i].first, rows[i].count));
        }
        ROW(name, socket->is_closed == rows[i].closes);
        ROW(name, socket->is_held == rows[i].closes); /* one segment less */
        ROW(name, !socket->is_aborted);
        ROW(name, socket->sends == 1); /* head and body together */
        ROW(name, files_in_use() == 0);
        client_free(socket);
    }
    close_site();
}

static void test_answers_log_errors_of_the_disk(void **state)
{
    static const struct {
        const char *request;
        int errors;
    } rows[] = {
        {GET("/a.css"), 0},   {GET("/nope"), 0}, {GET("/loop"), 0},
        {GET("/ioerror"), 1}, {GET("/full"), 1}, {GET("/nostat"), 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct socket *socket;

        open_site();
        socket = client_open();
        client_send(socket, rows[i].request);
        ROW(rows[i].request, errors_logged == rows[i].errors);
        client_free(socket);
        close_site();
    }
}

/* The directory served; "/" is no special case for the client. */
static void test_site_of_another_directory(void **state)
{
    static char dir[RESPONDER_DIR_MAX + 1];
    struct socket *socket;

    (void)state;
    world_begin();
    assert_int_equal(site_start("/", 80, NULL), 0);
    assert_int_equal(served->port, 80);
    assert_int_equal(served->idle_ns, HTTP_CHECK_NS);
    assert_int_equal(served->backlog, 0); /* what the memory is for */
    socket = client_open();
    client_send(socket, GET("/x"));
    assert_true(begins(out(socket), "HTTP/1.1 200 OK\r\n"));
    client_free(socket);
    close_site();
    memset(dir, 'a', sizeof(dir) - 1);
    dir[0] = '/';
    assert_int_equal(site_start(dir, 80, NULL), -ENAMETOOLONG);
    dir[RESPONDER_DIR_MAX - 1] = '\0';
    assert_int_equal(site_start(dir, 80, NULL), 0);
    close_site();
}

/* Without a clock there is no Date (RFC 9110, 6.6.1), and time goes on. */
static void test_date(void **state)
{
    struct socket *socket;

    (void)state;
    world_begin();
    wall_s = 0;
    assert_int_equal(site_start("/www", 80, NULL), 0);
    socket = client_open();
    client_send(socket, GET("/a.css"));
    assert_true(begins(out(socket), "HTTP/1.1 200 OK\r\nServer: Torc\r\nETag"));
    out_clear(socket);
    client_send(socket, GET("*"));
    assert_null(strstr(out(socket), "Date"));
    wall_s = 784111777;
    now_ns += NS_PER_S;
    out_clear(socket);
    client_send(socket, GET("/a.css"));
    assert_non_null(strstr(out(socket), "Date: " SUNDAY));
    wall_s++;
    now_ns += NS_PER_S;
    out_clear(socket);
    client_send(socket, GET("/nope"));
    assert_non_null(strstr(out(socket), "Date: Sun, 06 Nov 1994 08:49:38 GMT"));
    wall_s++;
    now_ns += NS_PER_S;
    out_clear(socket);
    client_send(socket, "x\n");
    assert_non_null(strstr(out(socket), "Date: Sun, 06 Nov 1994 08:49:39 GMT"));
    client_free(socket);
    close_site();
}

static struct http_target target_named(const char *path)
{
    struct http_target target = {.path_len = strlen(path)};

    strcpy(target.path, path);
    return target;
}

/* Each place of the table of open files. */
static void test_files_that_stay_open(void **state)
{
    struct file *file = &files[0], *other = &files[1];
    struct http_target target = target_named("/a"), same = target_named("/a");
    struct http_target longest = target_named("/");
    struct open_files kept;
    struct open_file *open;
    unsigned refused = 0;

    (void)state;
    world_begin();
    assert_int_equal(open_files_init(&kept, 0), 0);
    files_open = 3;
    assert_null(open_files_find(&kept, &target));
    open = open_files_keep(&kept, &target, file, "type", NULL);
    assert_non_null(open);
    assert_ptr_equal(open_files_find(&kept, &same), open);
    assert_int_equal(open->users, 2);
    same.has_trailing_slash = true;
    assert_null(open_files_find(&kept, &same));
    /* A path of the same place cannot have it as long as it is used. */
    for (unsigned i = 0; i < 10 * OPEN_FILES_PLACES && refused == 0; i++) {
        snprintf(same.path, sizeof(same.path), "/%u", i);
        same.path_len = strlen(same.path);
        if (place_of(&kept, hash_of(&same)) != open)
            continue;
        refused++;
        assert_null(open_files_find(&kept, &same));
        assert_null(open_files_keep(&kept, &same, other, "type", NULL));
        open_files_release(open);
        assert_null(open_files_keep(&kept, &same, other, "type", NULL));
        open_files_release(open);
        assert_ptr_equal(open_files_keep(&kept, &same, other, "type", NULL),
                         open);
        assert_int_equal(files_open, 2);
        assert_null(open_files_find(&kept, &target));
        open_files_release(open);
    }
    assert_int_equal(refused, 1);
    memset(longest.path, '/', OPEN_FILES_PATH + 1);
    longest.path_len = OPEN_FILES_PATH + 1;
    assert_null(open_files_keep(&kept, &longest, file, "type", NULL));
    longest.path_len--;
    assert_non_null(open_files_keep(&kept, &longest, file, "type", NULL));
    open_files_release(open_files_find(&kept, &longest));
    place_of(&kept, hash_of(&longest))->users--;
    open_files_fini(&kept);
    assert_int_equal(files_open, 0);
    mem_fail_at = 1;
    assert_int_equal(open_files_init(&kept, 0), -ENOMEM);
}

/* A file is opened once; one that cannot tell its state is opened again. */
static void test_file_is_opened_once(void **state)
{
    struct socket *socket;
    struct file *file;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, GET("/a.css"));
    assert_int_equal(files_open, 1);
    client_send(socket, GET("/a.css"));
    assert_int_equal(files_open, 1);
    client_send(socket, GET("/empty"));
    assert_int_equal(files_open, 2);
    file = file_named("/www/a.css");
    file->stat_error = -EIO;
    out_clear(socket);
    client_send(socket, GET("/a.css"));
    assert_true(begins(out(socket), "HTTP/1.1 500 "));
    file->stat_error = 0;
    out_clear(socket);
    client_send(socket, GET("/a.css"));
    assert_true(begins(out(socket), "HTTP/1.1 200 "));
    assert_int_equal(files_open, 2);
    client_free(socket);
    close_site();
}

/* One that is not kept is lent, too, and closed behind its answer. */
static void test_file_that_is_not_kept(void **state)
{
    struct socket *socket;

    (void)state;
    assert_true(strlen("/" LONG_NAME) > OPEN_FILES_PATH);
    open_site();
    socket = client_open();
    socket->room = 1000;
    client_send(socket, GET("/" LONG_NAME));
    assert_int_equal(files_open, 1);
    assert_int_equal(files_in_use(), 1);
    for (int i = 0; i < 20; i++)
        client_takes(socket, 1000);
    assert_int_equal(body_len(socket), 9000);
    assert_true(has_bytes(body_of(socket), "/www/" LONG_NAME, 0, 9000));
    assert_int_equal(files_open, 0);
    assert_int_equal(bufs_lent, 0);
    client_free(socket);
    close_site();
}

/* What is answered to a request, after others: as without them. */
static void test_requests_that_are_repeated(void **state)
{
    static const char *const others[] = {
        GET("/a.css"),
        GET("/empty"),
        "GET /a.css HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n",
        "GET /a.css HTTP/1.1\r\nHost: h\r\nRange: bytes=2-3\r\n\r\n",
        "GET /sub?a HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /sub?b HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD /a.css HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a.css HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /a.css HTTP/1.0\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a.css HTTP/1.1\r\n\r\n",
    };
    static char alone[COUNT_OF(others)][2000];
    size_t alone_len[COUNT_OF(others)];
    struct socket *socket;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        open_site();
        socket = client_open();
        client_send(socket, others[i]);
        alone_len[i] = socket->out_len;
        assert_true(socket->out_len <= sizeof(alone[i]));
        memcpy(alone[i], out(socket), socket->out_len);
        client_free(socket);
        close_site();
    }
    open_site();
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        for (size_t j = 0; j < 3 * COUNT_OF(others); j++) {
            size_t which = j % 3 == 0 ? j / 3 : i; /* others, and twice this */

            socket = client_open();
            client_send(socket, others[which]);
            assert_int_equal(socket->out_len, alone_len[which]);
            assert_memory_equal(out(socket), alone[which], alone_len[which]);
            client_free(socket);
        }
    }
    /* Repeated and with more behind it, and in two pieces. */
    socket = client_open();
    client_send(socket, GET("/empty"));
    assert_int_equal(site.server.engine->main.last.len, strlen(GET("/empty")));
    out_clear(socket);
    client_send(socket, GET("/empty") GET("/empty") "GET /em");
    assert_int_equal(socket->out_len, 2 * alone_len[1]);
    out_clear(socket);
    client_send(socket, GET("/empty") + strlen("GET /em"));
    assert_int_equal(socket->out_len, alone_len[1]);
    assert_memory_equal(out(socket), alone[1], alone_len[1]);
    client_free(socket);
    close_site();
}

/* A head is formatted once for a file and its state. */
static void test_heads_are_kept(void **state)
{
    struct socket *socket;
    struct file *file;

    (void)state;
    open_site();
    file = file_named("/www/a.css");
    socket = client_open();
    for (int i = 0; i < 5; i++)
        client_send(socket, GET("/a.css"));
    assert_int_equal(site.responder.heads.formatted, 1);
    client_send(socket, GET("/empty"));
    assert_int_equal(site.responder.heads.formatted, 2);
    /* Each part of the state counts. */
    file->mtime_s++;
    out_clear(socket);
    client_send(socket, GET("/a.css"));
    assert_non_null(strstr(out(socket), "29 Feb 2000 00:00:01"));
    assert_int_equal(site.responder.heads.formatted, 3);
    file->size--;
    out_clear(socket);
    client_send(socket, GET("/a.css"));
    assert_non_null(strstr(out(socket), "Content-Length: 299\r\n"));
    assert_int_equal(site.responder.heads.formatted, 4);
    /* The same inode under a name of another type. */
    file->path = "/www/a.js";
    out_clear(socket);
    client_send(socket, GET("/a.js"));
    assert_non_null(strstr(out(socket), "Content-Type: text/javascript"));
    assert_int_equal(site.responder.heads.formatted, 5);
    client_send(socket, GET("/a.js"));
    assert_int_equal(site.responder.heads.formatted, 5);
    /* Two files in one place of the cache. */
    file_named("/www/empty")->inode = file->inode + HEAD_CACHE_PLACES;
    out_clear(socket);
    client_send(socket, GET("/empty"));
    assert_non_null(strstr(out(socket), "Content-Length: 0\r\n"));
    client_send(socket, GET("/a.js"));
    assert_int_equal(site.responder.heads.formatted, 7);
    /* And in neighbouring ones. */
    file_named("/www/empty")->inode = file->inode + 1;
    client_send(socket, GET("/empty"));
    client_send(socket, GET("/a.js"));
    client_send(socket, GET("/empty"));
    assert_int_equal(site.responder.heads.formatted, 8);
    client_free(socket);
    close_site();
}

/* ---- Pieces -------------------------------------------------------------- */

static void test_request_in_pieces(void **state)
{
    static const char text[] = GET_WITH("/a.css", "Range: bytes=1-2\r\n");
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        assert_int_equal(socket->out_len, 0);
        client_send_bytes(socket, text + i, 1);
    }
    assert_true(begins(out(socket), "HTTP/1.1 206 "));
    assert_int_equal(body_len(socket), 2);
    client_free(socket);
    close_site();
}

/* All at once, in any sizes of what a call gives. */
static void test_pipelined_requests(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 120; limit++) {
        struct socket *socket;
        const char *second;

        open_site();
        socket = client_open();
        socket->in_limit = limit;
        client_send(socket, GET("/a.css") GET("/nope")
                                GET_WITH("/empty", "Connection: close\r\n")
                                    GET("/never"));
        assert_true(begins(out(socket), "HTTP/1.1 200 OK"));
        second = body_of(socket) + 300;
        assert_true(begins(second, "HTTP/1.1 404 "));
        second = strstr(second, "</h1>\n") + 6;
        assert_true(begins(second, "HTTP/1.1 200 "));
        assert_non_null(strstr(second, "Connection: close\r\n"));
        assert_string_equal(strstr(second, "\r\n\r\n"), "\r\n\r\n");
        assert_true(socket->is_closed);
        client_free(socket);
        close_site();
    }
}

/* A slow reader gets every byte, whatever the room. */
static void test_slow_reader(void **state)
{
    static const size_t rooms[] = {1,    2,     17,    100,   239,
                                   240,  241,   242,   243,   300,
                                   1000, 65535, 65536, 65537, 200000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rooms); i++) {
        struct socket *socket;
        int calls = 0;

        open_site();
        socket = client_open();
        socket->room = 0;
        client_send(socket, rooms[i] > 10 ? GET("/big.bin") : GET("/a.css"));
        assert_int_equal(socket->out_len, 0);
        while (socket->wants_room) {
            client_takes(socket, rooms[i]);
            calls++;
            assert_true(calls < 1000000);
        }
        if (rooms[i] > 10) {
            assert_int_equal(body_len(socket), 300000);
            assert_true(has_bytes(body_of(socket), "/www/big.bin", 0, 300000));
        } else {
            assert_int_equal(body_len(socket), 300);
            assert_true(has_bytes(body_of(socket), "/www/a.css", 0, 300));
        }
        assert_int_equal(files_in_use(), 0);
        /* And it goes on. */
        out_clear(socket);
        socket->room = 1000;
        client_send(socket, GET("/a.css"));
        assert_int_equal(body_len(socket), 300);
        assert_true(is_open(socket));
        client_free(socket);
        close_site();
    }
}

/* When the socket is full after the head of a large file, one byte is read to
 * learn of room. */
static void test_full_socket_after_the_head(void **state)
{
    struct socket *socket;
    size_t head_len;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, HEAD("/big.bin"));
    head_len = socket->out_len;
    out_clear(socket);
    socket->room = head_len;
    client_send(socket, GET("/big.bin"));
    assert_int_equal(socket->out_len, head_len);
    assert_int_equal(files_read, 2); /* with the head, and to go on */
    client_takes(socket, 1000000);
    assert_int_equal(body_len(socket), 300000);
    assert_int_equal(files_read, 300000 + 2);
    client_free(socket);
    close_site();
}

/* What comes while an answer is under way waits. */
static void test_requests_during_an_answer(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    socket->room = 1000;
    client_send(socket, GET("/big.bin"));
    assert_in_range(files_read, 1, 1000); /* no more than is taken */
    client_send(socket, GET("/nope"));
    assert_null(strstr(out(socket), "404"));
    client_takes(socket, 1000000);
    assert_non_null(strstr(body_of(socket) + 300000, "HTTP/1.1 404 "));
    assert_true(is_open(socket));
    client_free(socket);
    close_site();
}

/* Files whose reads give less than was asked. */
static void test_short_reads(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    file_named("/www/big.bin")->read_limit = 777;
    socket = client_open();
    client_send(socket, GET("/big.bin"));
    assert_int_equal(body_len(socket), 300000);
    assert_true(has_bytes(body_of(socket), "/www/big.bin", 0, 300000));
    client_free(socket);
    close_site();
}

/* A range ends where it ends, not where the chunk does. */
static void test_large_range(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, GET_WITH("/big.bin", "Range: bytes=1000-200999\r\n"));
    assert_int_equal(body_len(socket), 200000);
    assert_true(has_bytes(body_of(socket), "/www/big.bin", 1000, 200000));
    client_free(socket);
    close_site();
}

/* ---- Limits -------------------------------------------------------------- */

static void test_head_too_large(void **state)
{
    static char text[HTTP_HEAD_MAX + 1];
    struct socket *socket;

    (void)state;
    open_site();
    /* One byte less than the limit is a head that may still come. */
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET / HTTP/1.1\r\nx: ", 19);
    socket = client_open();
    client_send_bytes(socket, text, HTTP_HEAD_MAX - 1);
    assert_int_equal(socket->out_len, 0);
    client_send_bytes(socket, "a", 1);
    assert_true(begins(out(socket), "HTTP/1.1 431 "));
    assert_true(socket->is_closed);
    client_free(socket);
    /* The longest head there may be. */
    memcpy(text, "GET / HTTP/1.0\r\nx: ", 19);
    memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    socket = client_open();
    client_send_bytes(socket, text, HTTP_HEAD_MAX);
    assert_true(begins(out(socket), "HTTP/1.1 200 "));
    client_free(socket);
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    socket = client_open();
    client_send_bytes(socket, text, HTTP_LINE_MAX + 1);
    assert_true(begins(out(socket), "HTTP/1.1 414 "));
    client_free(socket);
    close_site();
}

/* ---- Ends ---------------------------------------------------------------- */

static void test_peer_ends(void **state)
{
    static const struct {
        const char *text;
        const char *answer;
    } rows[] = {
        {"", ""},
        {"GET", ""},
        {GET("/empty"), "HTTP/1.1 200 "},
        {GET("/empty") "GET / HTTP", "HTTP/1.1 200 "},
    };

    (void)state;
    open_site();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct socket *socket = client_open();

        socket->in_len = strlen(rows[i].text);
        memcpy(socket->in, rows[i].text, socket->in_len);
        client_end(socket);
        ROW(rows[i].text, begins(out(socket), rows[i].answer));
        ROW(rows[i].text, strlen(rows[i].answer) > 0 || socket->out_len == 0);
        ROW(rows[i].text, socket->is_closed);
        ROW(rows[i].text, !socket->is_aborted);
        client_free(socket);
    }
    close_site();
}

/* A peer that has ended its side still gets all of the answer. */
static void test_peer_ends_during_an_answer(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    socket->room = 1000;
    client_send(socket, GET("/big.bin"));
    client_end(socket);
    assert_true(is_open(socket));
    client_takes(socket, 1000000);
    assert_int_equal(body_len(socket), 300000);
    assert_true(socket->is_closed);
    client_free(socket);
    close_site();
}

static void test_socket_errors(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    socket->receive_error = -ECONNRESET;
    client_send(socket, GET("/"));
    assert_true(socket->is_aborted);
    client_free(socket);
    /* The first call, the rest of a head, the rest of a body. */
    for (int at = 1; at <= 3; at++) {
        socket = client_open();
        socket->room = 10;
        socket->send_error_at = at;
        client_send(socket, GET("/big.bin"));
        client_takes(socket, 1000);
        assert_true(socket->is_aborted);
        client_free(socket);
        assert_int_equal(files_in_use(), 0);
    }
    /* During an error page. */
    socket = client_open();
    socket->send_error_at = 1;
    client_send(socket, "x\n");
    assert_true(socket->is_aborted);
    client_free(socket);
    close_site();
}

/* A connection that is reset in the middle leaves nothing behind. */
static void test_close_in_the_middle(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    socket->room = 10;
    client_send(socket, GET("/big.bin"));
    assert_int_equal(files_in_use(), 1);
    client_free(socket);
    socket = client_open();
    client_send(socket, "GET /");
    client_free(socket);
    close_site();
}

/* ---- Failures ------------------------------------------------------------ */

static void test_file_that_cannot_be_read(void **state)
{
    struct socket *socket;
    struct file *file;

    (void)state;
    open_site();
    file = file_named("/www/big.bin");
    file->ends_at = 0;
    file->read_error = -EIO;
    socket = client_open();
    client_send(socket, GET("/big.bin"));
    assert_true(begins(out(socket), "HTTP/1.1 500 "));
    assert_non_null(strstr(out(socket), "Connection: close\r\n"));
    assert_string_equal(body_of(socket), PAGE("500 Internal Server Error"));
    assert_true(socket->is_closed);
    assert_int_equal(errors_logged, 1);
    assert_string_equal(log_line,
                        "webserver: content cannot be read at 0: error -5");
    client_free(socket);
    /* After bytes have gone: nothing can be said any more. */
    file->ends_at = 100000;
    socket = client_open();
    client_send(socket, GET("/big.bin"));
    assert_true(begins(out(socket), "HTTP/1.1 200 "));
    assert_true(socket->is_aborted);
    assert_int_equal(errors_logged, 2);
    client_free(socket);
    /* A file that has become shorter: an error, too. */
    file->read_error = 0;
    socket = client_open();
    client_send(socket, GET("/big.bin"));
    assert_true(socket->is_aborted);
    assert_string_equal(
        log_line, "webserver: content cannot be read at 100000: error -5");
    client_free(socket);
    close_site();
}

/* Each allocation of a site and of a connection fails once. */
static void test_no_memory(void **state)
{
    struct socket *socket;
    int allocations = 0;

    (void)state;
    /* The open files, the heads, the engine, its buffers, the request. */
    for (int at = 1; at <= 6; at++) {
        world_begin();
        mem_fail_at = at;
        assert_int_equal(site_start("/www", 80, NULL), -ENOMEM);
        assert_int_equal(mem_blocks, 0);
    }
    world_begin();
    register_error = -EADDRINUSE;
    assert_int_equal(site_start("/www", 80, NULL), -EADDRINUSE);
    assert_int_equal(mem_blocks, 0);
    open_site();
    socket = calloc(1, sizeof(*socket));
    mem_fail_at = 1;
    assert_int_equal(served->accept(served, socket), -ENOMEM);
    free(socket);
    assert_int_equal(site.server.engine->connection_count, 0);
    /* The rest of a head that the socket does not take: then it is lost. */
    for (int at = 1; at <= 2; at++) {
        socket = client_open();
        socket->room = 5;
        mem_fail_at = at;
        client_send(socket, GET("/big.bin"));
        allocations += mem_fail_at == 0;
        assert_int_equal(socket->is_aborted, at <= 1);
        mem_fail_at = 0;
        client_free(socket);
        assert_int_equal(files_in_use(), 0);
    }
    assert_int_equal(allocations, 1);
    close_site();
}

/* ---- Deadlines ----------------------------------------------------------- */

static void test_deadline_of_a_new_connection(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    pass(socket, (HTTP_HEAD_S * NS_PER_S) - HTTP_CHECK_NS);
    assert_true(is_open(socket));
    pass(socket, HTTP_CHECK_NS);
    assert_true(socket->is_closed);
    assert_int_equal(socket->out_len, 0);
    client_free(socket);
    close_site();
}

static void test_deadline_between_requests(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, GET("/a.css"));
    pass(socket, (HTTP_IDLE_S * NS_PER_S) - HTTP_CHECK_NS);
    assert_true(is_open(socket));
    out_clear(socket);
    client_send(socket, GET("/a.css"));
    assert_int_equal(body_len(socket), 300);
    pass(socket, (HTTP_IDLE_S * NS_PER_S) - HTTP_CHECK_NS);
    assert_true(is_open(socket));
    out_clear(socket);
    pass(socket, HTTP_CHECK_NS);
    assert_true(socket->is_closed);
    assert_int_equal(socket->out_len, 0);
    client_free(socket);
    close_site();
}

/* RFC 9110, 15.5.9: silence after the beginning of a request. */
static void test_deadline_of_a_head(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, GET("/empty") "HEAD /");
    out_clear(socket);
    pass(socket, (HTTP_HEAD_S * NS_PER_S) - HTTP_CHECK_NS);
    assert_true(is_open(socket));
    pass(socket, HTTP_CHECK_NS);
    assert_true(begins(out(socket), "HTTP/1.1 408 Request Timeout\r\n" COMMON
                                    "Connection: close\r\n"));
    assert_string_equal(body_of(socket), ""); /* it is HEAD */
    assert_true(socket->is_closed);
    client_free(socket);
    socket = client_open(); /* one byte is a beginning */
    client_send(socket, "G");
    pass(socket, (HTTP_HEAD_S * NS_PER_S));
    assert_true(begins(out(socket), "HTTP/1.1 408 "));
    client_free(socket);
    close_site();
}

/* A byte now and then does not move the deadline. */
static void test_deadline_of_a_trickle(void **state)
{
    struct socket *socket;
    unsigned bytes = 0;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, "GET / HTTP/1.1\r\nx: ");
    while (is_open(socket)) {
        assert_int_equal(socket->out_len, 0);
        now_ns += NS_PER_S;
        client_send(socket, "a");
        bytes++;
    }
    assert_int_equal(bytes, (HTTP_HEAD_S * NS_PER_S) / NS_PER_S);
    assert_true(begins(out(socket), "HTTP/1.1 408 "));
    assert_true(socket->is_closed);
    client_free(socket);
    /* A head that is complete by then is answered. */
    socket = client_open();
    client_send(socket, "GET /a.css HTTP/1.0\r\n");
    now_ns += (HTTP_HEAD_S * NS_PER_S) - 1;
    client_send(socket, "\r\n");
    assert_true(begins(out(socket), "HTTP/1.1 200 "));
    client_free(socket);
    close_site();
}

/* A request that comes late, and before anybody has looked, is answered. */
static void test_deadline_missed_between_requests(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    now_ns += (HTTP_HEAD_S * NS_PER_S);
    client_send(socket, GET("/empty"));
    assert_true(begins(out(socket), "HTTP/1.1 200 "));
    out_clear(socket);
    now_ns += (HTTP_IDLE_S * NS_PER_S);
    client_send(socket, GET("/empty"));
    assert_true(begins(out(socket), "HTTP/1.1 200 "));
    assert_true(is_open(socket));
    client_free(socket);
    close_site();
}

/* Each request of a connection has its own time. */
static void test_deadline_begins_with_the_request(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    client_send(socket, GET("/empty"));
    now_ns += 60 * NS_PER_S;
    client_send(socket, "G");
    now_ns += (HTTP_HEAD_S * NS_PER_S) - 1;
    client_send(socket, "E");
    assert_true(is_open(socket));
    now_ns += 1;
    client_send(socket, "T");
    assert_true(socket->is_closed);
    client_free(socket);
    close_site();
}

/* A reader that stops is dropped; one that is slow is not. */
static void test_deadline_of_an_answer(void **state)
{
    struct socket *socket;

    (void)state;
    open_site();
    socket = client_open();
    socket->room = 10; /* a part of the head */
    client_send(socket, GET("/big.bin"));
    pass(socket, HTTP_SEND_S * NS_PER_S - HTTP_CHECK_NS);
    assert_true(is_open(socket));
    client_takes(socket, HTTP_PACE); /* the body */
    for (int i = 0; i < 10; i++) {
        pass(socket, HTTP_SEND_S * NS_PER_S - HTTP_CHECK_NS);
        assert_true(is_open(socket));
        client_takes(socket, HTTP_PACE);
    }
    pass(socket, (HTTP_SEND_S * NS_PER_S));
    assert_true(socket->is_aborted);
    client_free(socket);
    close_site();
}

/* ---- Stopping ------------------------------------------------------------ */

static struct socket *stopping[3]; /* the first ones go on by themselves */
static bool stopping_hangs;

/* The service's thread has its turn. */
static void service_turn(void)
{
    for (size_t i = 0; i < COUNT_OF(stopping); i++) {
        if (stopping[i] == NULL)
            continue;
        if (i == 0 && is_open(stopping[i]))
            client_takes(stopping[i], 100000);
        if (!is_open(stopping[i]) && !stopping_hangs) {
            client_free(stopping[i]);
            stopping[i] = NULL;
        }
    }
}

static void test_stopping(void **state)
{
    struct socket refused = {.room = 1};

    (void)state;
    open_site();
    for (size_t i = 0; i < COUNT_OF(stopping); i++) {
        stopping[i] = client_open();
        stopping[i]->room = 1000;
    }
    client_send(stopping[0], "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n"
                             "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
    client_send(stopping[1], "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    while_asleep = service_turn;
    assert_int_equal(site_stop(NS_PER_S), 0);
    /* Idle: at once; fast: as soon as it has all; slow: dropped. */
    for (size_t i = 0; i < COUNT_OF(stopping); i++)
        assert_null(stopping[i]);
    assert_true(now_ns >= NS_PER_S);
    assert_true(served->accept(served, &refused) != 0);
    while_asleep = NULL;
    close_site();
}

/* The disk of one does not answer: its callback never ends. */
static void test_stopping_is_bounded(void **state)
{
    uint64_t began_ns;

    (void)state;
    open_site();
    stopping[0] = stopping[1] = NULL;
    stopping[2] = client_open();
    client_send(stopping[2], "GET /");
    stopping_hangs = true;
    while_asleep = service_turn;
    began_ns = now_ns;
    assert_int_equal(site_stop(NS_PER_S), -EBUSY);
    assert_true(stopping[2]->is_aborted);
    assert_true(now_ns - began_ns < 3 * NS_PER_S);
    stopping_hangs = false;
    service_turn();
    while_asleep = NULL;
    close_site();
}

/* ---- The files of another CPU -------------------------------------------- */

enum { LENT = OPEN_FILES_PAGES * 1000 /* bytes that the world's pages hold */ };

static void open_site_away(uint64_t pages_max)
{
    world_begin();
    assert_int_equal(start(&site, "/www", 8080, NULL, pages_max), 0);
}

/* Ask for it; all of it must come. */
static void get_all(struct socket *socket, const char *request,
                    const char *path)
{
    out_clear(socket);
    client_send(socket, request);
    assert_int_equal(body_len(socket), file_named(path)->size);
    assert_true(has_bytes(body_of(socket), path, 0, file_named(path)->size));
}

/* What was lent once is not asked for again, nor what the file is. */
static void test_pages_of_another_cpu_stay(void **state)
{
    struct socket *socket;
    uint64_t before;

    (void)state;
    open_site_away(100000);
    socket = client_open();
    for (unsigned i = 0; i < 3; i++) {
        before = files_read;
        get_all(socket, GET("/a.css"), "/www/a.css");
        assert_int_equal(files_read - before, i == 0 ? 300 : 0);
        before = files_read;
        get_all(socket, GET("/big.bin"), "/www/big.bin");
        assert_int_equal(files_read - before, 300000 - (i == 0 ? 0 : LENT));
        get_all(socket, GET("/empty"), "/www/empty");
        file_named("/www/a.css")->stat_error = -EIO;
    }
    assert_int_equal(site.responder.open.pages_bytes,
                     (1 + OPEN_FILES_PAGES) * 4096);
    assert_int_equal(bufs_lent, 1 + OPEN_FILES_PAGES);
    client_free(socket);
    close_site();
    assert_int_equal(bufs_lent, 0);
}

/* Pieces that begin and end within pages, at their ends, and behind them. */
static void test_ranges_of_pages_of_another_cpu(void **state)
{
    static const unsigned rows[][2] = {
        {0, 5000},     {1, 5000},        {999, 5000},   {1000, 5000},
        {3500, 10000}, {LENT - 1, 5000}, {LENT, 5000},  {LENT + 1, 5000},
        {0, 1},        {999, 2},         {LENT - 1, 1}, {LENT - 1, 2},
    };
    struct socket *socket;

    (void)state;
    open_site_away(100000);
    socket = client_open();
    get_all(socket, GET("/big.bin"), "/www/big.bin");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char request[200];

        snprintf(request, sizeof(request),
                 "GET /big.bin HTTP/1.1\r\nHost: x\r\nRange: "
                 "bytes=%u-%u\r\n\r\n",
                 rows[i][0], rows[i][0] + rows[i][1] - 1);
        out_clear(socket);
        client_send(socket, request);
        assert_int_equal(body_len(socket), rows[i][1]);
        assert_true(
            has_bytes(body_of(socket), "/www/big.bin", rows[i][0], rows[i][1]));
    }
    client_free(socket);
    close_site();
}

/* Slices end where those do that the caller has room for. */
static void test_few_slices_of_another_cpu(void **state)
{
    struct http_target target = target_named("/big.bin");
    struct slice slices[3];
    unsigned count = COUNT_OF(slices);
    struct open_files kept;
    struct open_file *open;
    struct file_stat stat = {.size_bytes = 300000};

    (void)state;
    world_begin();
    assert_int_equal(open_files_init(&kept, 100000), 0);
    files_open = 1;
    open = open_files_keep(&kept, &target, file_named("/www/big.bin"), "type",
                           &stat);
    assert_non_null(open);
    assert_int_equal(open_file_lend(open, 500, 9000, slices, &count), 2500);
    assert_int_equal(count, 3);
    assert_int_equal(slices[0].len, 500);
    while (count > 0)
        buf_put(slices[--count].buf);
    open_files_release(open);
    open_files_fini(&kept);
    assert_int_equal(bufs_lent, 0);
}

/* Where nothing can be kept each request asks, and is answered. */
static void test_pages_that_cannot_stay(void **state)
{
    struct socket *socket;

    (void)state;
    open_site_away(299); /* too few */
    socket = client_open();
    for (unsigned i = 0; i < 2; i++)
        get_all(socket, GET("/a.css"), "/www/a.css");
    assert_int_equal(bufs_lent, 0);
    client_free(socket);
    close_site();

    open_site_away(100000);
    file_named("/www/a.css")->ends_at = 0; /* it cannot be read yet */
    file_named("/www/a.css")->read_error = -EIO;
    socket = client_open();
    client_send(socket, GET("/a.css"));
    client_free(socket);
    file_named("/www/a.css")->ends_at = UINT64_MAX;
    socket = client_open();
    get_all(socket, GET("/a.css"), "/www/a.css");
    assert_int_equal(bufs_lent, 0);
    client_free(socket);
    close_site();

    open_site_away(100000);
    socket = client_open();
    client_send(socket, GET("/nope")); /* what an exchange needs is there */
    mem_fail_at = 1;
    get_all(socket, GET("/a.css"), "/www/a.css");
    mem_fail_at = 0;
    assert_int_equal(bufs_lent, 0);
    client_free(socket);
    close_site();
}

/* A site of one of several CPUs. */
static void test_site_of_one_cpu(void **state)
{
    struct site *own;

    (void)state;
    world_begin();
    mem_fail_at = 1;
    assert_int_equal(site_start_one("/www", 8080, 0), -ENOMEM);
    mem_fail_at = 0;
    register_error = -EADDRINUSE;
    assert_int_equal(site_start_one("/www", 8080, 0), -EADDRINUSE);
    assert_int_equal(mem_blocks, 0);
    register_error = 0;
    assert_int_equal(site_start_one("/www", 8080, 1000), 0);
    own =
        container_of(container_of(served, struct http_engine, service)->server,
                     struct site, server);
    assert_int_equal(own->responder.open.pages_max, 1000);
    engine_end(own->server.engine);
    responder_fini(&own->responder);
    mem_free(own);
    assert_int_equal(mem_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_log_errors_of_the_disk),
        cmocka_unit_test(test_site_of_another_directory),
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_heads_are_kept),
        cmocka_unit_test(test_files_that_stay_open),
        cmocka_unit_test(test_file_is_opened_once),
        cmocka_unit_test(test_file_that_is_not_kept),
        cmocka_unit_test(test_requests_that_are_repeated),
        cmocka_unit_test(test_request_in_pieces),
        cmocka_unit_test(test_pipelined_requests),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_full_socket_after_the_head),
        cmocka_unit_test(test_requests_during_an_answer),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_large_range),
        cmocka_unit_test(test_head_too_large),
        cmocka_unit_test(test_peer_ends),
        cmocka_unit_test(test_peer_ends_during_an_answer),
        cmocka_unit_test(test_socket_errors),
        cmocka_unit_test(test_close_in_the_middle),
        cmocka_unit_test(test_file_that_cannot_be_read),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_deadline_of_a_new_connection),
        cmocka_unit_test(test_deadline_between_requests),
        cmocka_unit_test(test_deadline_of_a_head),
        cmocka_unit_test(test_deadline_of_a_trickle),
        cmocka_unit_test(test_deadline_missed_between_requests),
        cmocka_unit_test(test_deadline_begins_with_the_request),
        cmocka_unit_test(test_deadline_of_an_answer),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_stopping_is_bounded),
        cmocka_unit_test(test_pages_of_another_cpu_stay),
        cmocka_unit_test(test_ranges_of_pages_of_another_cpu),
        cmocka_unit_test(test_few_slices_of_another_cpu),
        cmocka_unit_test(test_pages_that_cannot_stay),
        cmocka_unit_test(test_site_of_one_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
