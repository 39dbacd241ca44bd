/*
 * One connection is a small machine: collect a request, send the head of the
 * answer, send the body as the socket takes it, begin again. All of it runs in
 * the service's thread; a connection that cannot go on just returns, and the
 * next callback continues it.
 */
#include "apps/webserver/site.h"
#include "apps/webserver/http.h"
#include "kernel/lib/fmt.h"
#include "kernel/lib/mem.h"
#include "kernel/lib/str.h"
#include <torc/errno.h>
#include <torc/file.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/net.h>
#include <torc/time.h>

enum {
    CHUNK_SIZE = 64 * 1024,                /* read from the disk at once */
    ANSWER_MAX = 1024,                     /* head, and body of an error page */
    REQUEST_FIRST = 1024,                  /* room for a request at first */
    REDIRECT_MAX = HTTP_PATH_MAX * 3 + 32, /* every character encoded */
};
#define IDLE_NS (30 * NS_PER_S)

struct connection {
    struct socket *socket;
    char *request; /* bytes received, not yet parsed */
    size_t request_len;
    size_t request_size;
    bool ended;      /* the peer will send no more */
    bool keep_alive; /* after the answer under way */

    char *answer; /* what is left of the head, NULL between answers */
    size_t answer_len;
    size_t answer_at;
    struct file *file; /* the body, or NULL */
    uint64_t offset;
    uint64_t left;
};

/* A request on its way to an answer; too large for a stack. */
struct job {
    struct http_request request;
    char path[HTTP_PATH_MAX + FILE_NAME_MAX + 16]; /* on the disk */
};

/* One site; owner: the CPU it was started on. */
static struct {
    const char *dir;
    char *chunk;
} site;

/* ---- Answers ------------------------------------------------------------- */

static size_t put_common(char *text, size_t size, const struct connection *conn,
                         int status)
{
    uint64_t now = time_wall_ns();
    char date[HTTP_DATE_SIZE];
    size_t len = fmt_print(text, size, "HTTP/1.1 %d %s\r\nServer: Torc\r\n%s",
                           status, http_reason(status),
                           conn->keep_alive ? "" : "Connection: close\r\n");

    if (now != 0) {
        http_date((int64_t)(now / NS_PER_S), date);
        len += fmt_print(text + len, size - len, "Date: %s\r\n", date);
    }
    return len;
}

/* An answer without a file: an error, a redirection. `extra` ends its lines. */
static int answer_page(struct connection *conn, int status, bool head_only,
                       const char *extra)
{
    size_t size = ANSWER_MAX + str_len(extra, REDIRECT_MAX);
    char body[160];
    size_t body_len;

    conn->answer = mem_alloc(size);
    if (conn->answer == NULL)
        return -ENOMEM;
    body_len =
        fmt_print(body, sizeof(body),
                  "<!doctype html><title>%d %s</title><h1>%d %s</h1>\n", status,
                  http_reason(status), status, http_reason(status));
    conn->answer_len = put_common(conn->answer, size, conn, status);
    conn->answer_len +=
        fmt_print(conn->answer + conn->answer_len, size - conn->answer_len,
                  "%sContent-Type: text/html; charset=utf-8\r\n"
                  "Content-Length: %zu\r\n\r\n%s",
                  extra, body_len, head_only ? "" : body);
    conn->answer_at = 0;
    return 0;
}

/* Whether a character of a path needs no encoding: RFC 3986, 2.3. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '/' || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* "Location:" for a directory without its slash, encoded again. */
static int answer_redirect(struct connection *conn,
                           const struct http_request *request)
{
    char *extra = mem_alloc(REDIRECT_MAX);
    size_t len;
    int status;

    if (extra == NULL)
        return -ENOMEM;
    len = fmt_print(extra, REDIRECT_MAX, "Location: ");
    for (const char *p = request->path; *p != '\0'; p++)
        len += fmt_print(extra + len, REDIRECT_MAX - len,
                         is_plain(*p) ? "%c" : "%%%02X", (unsigned char)*p);
    fmt_print(extra + len, REDIRECT_MAX - len, "/\r\n");
    status = answer_page(conn, 301, request->method == HTTP_HEAD, extra);
    mem_free(extra);
    return status;
}

/* The head for an open file; the body follows in connection_send(). */
static int answer_file(struct connection *conn,
                       const struct http_request *request, const char *path,
                       const struct file_stat *stat, struct file *file)
{
    char etag[sizeof(request->etag)];
    char modified[HTTP_DATE_SIZE];
    char *text = mem_alloc(ANSWER_MAX);
    uint64_t first = 0;
    uint64_t count = stat->size_bytes;
    int status = 200;
    size_t len;

    if (text == NULL)
        return -ENOMEM;
    fmt_print(etag, sizeof(etag), "\"%llx-%llx\"",
              (unsigned long long)stat->mtime_s,
              (unsigned long long)stat->size_bytes);
    http_date(stat->mtime_s, modified);
    if (request->has_etag && str_equal(request->etag, etag))
        status = 304;
    else if (request->range.present)
        status = http_range_apply(&request->range, stat->size_bytes, &first,
                                  &count) == 0
                     ? 206
                     : 416;
    if (status == 416)
        count = 0;
    len = put_common(text, ANSWER_MAX, conn, status);
    len += fmt_print(text + len, ANSWER_MAX - len,
                     "ETag: %s\r\nLast-Modified: %s\r\n"
                     "Accept-Ranges: bytes\r\n",
                     etag, modified);
    if (status == 206)
        len += fmt_print(text + len, ANSWER_MAX - len,
                         "Content-Range: bytes %llu-%llu/%llu\r\n",
                         (unsigned long long)first,
                         (unsigned long long)(first + count - 1),
                         (unsigned long long)stat->size_bytes);
    if (status == 416)
        len += fmt_print(text + len, ANSWER_MAX - len,
                         "Content-Range: bytes */%llu\r\n",
                         (unsigned long long)stat->size_bytes);
    if (status != 304)
        len += fmt_print(text + len, ANSWER_MAX - len,
                         "Content-Type: %s\r\nContent-Length: %llu\r\n",
                         http_content_type(path), (unsigned long long)count);
    len += fmt_print(text + len, ANSWER_MAX - len, "\r\n");
    conn->answer = text;
    conn->answer_len = len;
    conn->answer_at = 0;
    if (request->method == HTTP_HEAD || status == 304 || count == 0) {
        file_close(file);
        return 0;
    }
    conn->file = file;
    conn->offset = first;
    conn->left = count;
    return 0;
}

static int status_of_error(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -ELOOP:
        return 404;
    case -ENOMEM:
    case -ENFILE:
        return 503;
    default:
        return 500;
    }
}

/* Open what the request names: a file, or the index of a directory. */
static int open_target(struct job *job, struct file_stat *stat,
                       struct file **file)
{
    const char *dir = str_equal(site.dir, "/") ? "" : site.dir;
    int status;

    fmt_print(job->path, sizeof(job->path), "%s%s", dir, job->request.path);
    status = file_open(job->path, file);
    if (status != 0)
        return status;
    status = file_fstat(*file, stat);
    if (status == 0 && stat->type == FILE_DIRECTORY) {
        file_close(*file);
        if (!job->request.trailing_slash)
            return -EISDIR;
        fmt_print(job->path, sizeof(job->path), "%s%s/index.html", dir,
                  job->request.path);
        status = file_open(job->path, file);
        if (status != 0)
            return status;
        status = file_fstat(*file, stat);
    }
    if (status == 0 && stat->type != FILE_REGULAR)
        status = -ENOENT;
    if (status != 0)
        file_close(*file);
    return status;
}

static int answer(struct connection *conn, struct job *job)
{
    const struct http_request *request = &job->request;
    bool head_only = request->method == HTTP_HEAD;
    struct file_stat stat;
    struct file *file;
    int status;

    conn->keep_alive = request->keep_alive;
    if (request->method == HTTP_OTHER)
        return answer_page(conn, 405, false, "Allow: GET, HEAD\r\n");
    status = open_target(job, &stat, &file);
    if (status == -EISDIR)
        return answer_redirect(conn, request);
    if (status != 0)
        return answer_page(conn, status_of_error(status), head_only, "");
    status = answer_file(conn, request, job->path, &stat, file);
    if (status != 0)
        file_close(file);
    return status;
}

/* ---- The connection ------------------------------------------------------ */

/* Send what is left of the answer; 1 done, 0 the socket is full, or an
 * error. */
static int connection_send(struct connection *conn)
{
    while (conn->answer_at < conn->answer_len) {
        int64_t sent = socket_send(conn->socket, conn->answer + conn->answer_at,
                                   conn->answer_len - conn->answer_at);

        if (sent <= 0)
            return (int)sent;
        conn->answer_at += (size_t)sent;
    }
    while (conn->left > 0) {
        size_t size = socket_send_room(conn->socket);
        int64_t got;

        if (size == 0)
            size = 1; /* it will not be taken, but asks for writable() */
        if (size > CHUNK_SIZE)
            size = CHUNK_SIZE;
        if (size > conn->left)
            size = (size_t)conn->left;
        got = file_read_at(conn->file, site.chunk, size, conn->offset);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        got = socket_send(conn->socket, site.chunk, (size_t)got);
        if (got <= 0)
            return (int)got;
        conn->offset += (uint64_t)got;
        conn->left -= (uint64_t)got;
    }
    return 1;
}

static void answer_end(struct connection *conn)
{
    mem_free(conn->answer);
    conn->answer = NULL;
    if (conn->file != NULL)
        file_close(conn->file);
    conn->file = NULL;
    conn->left = 0;
}

/* Make room for more of the request; false when it is long enough. */
static bool request_grow(struct connection *conn)
{
    size_t size =
        conn->request_size == 0 ? REQUEST_FIRST : conn->request_size * 2;
    char *request;

    if (size > HTTP_HEAD_MAX)
        return false;
    request = mem_resize(conn->request, size);
    if (request == NULL)
        return false;
    conn->request = request;
    conn->request_size = size;
    return true;
}

/* Take what has come: 1 something, 0 nothing now or ended, or an error. */
static int request_receive(struct connection *conn)
{
    int64_t got;

    if (conn->ended)
        return 0;
    if (conn->request_len == conn->request_size && !request_grow(conn))
        return 0; /* full: http_parse() will say so */
    got = socket_receive(conn->socket, conn->request + conn->request_len,
                         conn->request_size - conn->request_len);
    if (got == -EAGAIN)
        return 0;
    if (got < 0)
        return (int)got;
    if (got == 0)
        conn->ended = true;
    conn->request_len += (size_t)got;
    return got > 0;
}

/* Parse and begin an answer: 1 begun, 0 not complete, or an error. */
static int request_next(struct connection *conn)
{
    struct job *job;
    int status = 0;
    int len;

    if (conn->request_len == 0)
        return 0;
    job = mem_alloc(sizeof(*job));
    if (job == NULL)
        return -ENOMEM;
    len = http_parse(conn->request, conn->request_len, &job->request);
    if (len < 0) {
        conn->keep_alive = false;
        conn->request_len = 0;
        status = answer_page(conn, -len, false, "");
    } else if (len > 0) {
        conn->request_len -= (size_t)len;
        memmove(conn->request, conn->request + len, conn->request_len);
        status = answer(conn, job);
    }
    mem_free(job);
    return status != 0 ? status : len != 0;
}

/* Go on as far as possible; negative: the connection is lost. */
static int connection_run(struct connection *conn)
{
    for (;;) {
        int status;

        if (conn->answer != NULL) {
            status = connection_send(conn);
            if (status <= 0)
                return status;
            answer_end(conn);
            if (!conn->keep_alive) {
                socket_close(conn->socket);
                conn->ended = true;
                conn->request_len = 0;
                return 0;
            }
        }
        status = request_next(conn);
        if (status == 0)
            status = request_receive(conn);
        if (status < 0)
            return status;
        if (status == 0)
            break;
    }
    if (conn->ended && conn->answer == NULL)
        socket_close(conn->socket);
    return 0;
}

static void on_event(struct service *service, struct socket *socket)
{
    struct connection *conn = socket_cookie(socket);

    (void)service;
    if (connection_run(conn) < 0)
        socket_abort(socket);
}

static int on_accept(struct service *service, struct socket *socket)
{
    struct connection *conn = mem_alloc_zeroed(sizeof(*conn));

    (void)service;
    if (conn == NULL)
        return -ENOMEM;
    conn->socket = socket;
    socket_set_cookie(socket, conn);
    return 0;
}

static void on_timeout(struct service *service, struct socket *socket)
{
    (void)service;
    socket_abort(socket);
}

static void on_close(struct service *service, struct socket *socket)
{
    struct connection *conn = socket_cookie(socket);

    (void)service;
    if (conn == NULL)
        return;
    answer_end(conn);
    mem_free(conn->request);
    mem_free(conn);
}

int site_start(const char *dir, uint16_t port)
{
    static struct service service = {
        .name = "http",
        .idle_ns = IDLE_NS,
        .accept = on_accept,
        .receive = on_event,
        .writable = on_event,
        .timeout = on_timeout,
        .close = on_close,
    };

    site.dir = dir;
    site.chunk = mem_alloc(CHUNK_SIZE);
    if (site.chunk == NULL)
        return -ENOMEM;
    service.port = port;
    return service_register(&service);
}
