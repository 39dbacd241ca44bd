#include "apps/site/connection.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { REQUEST_FIRST = 1024 }; /* room for a request at first */

/* What a step of a connection returns, unless it is an error: a callback must
 * come first, or the next step can be done. */
enum { WAIT = 0, GO_ON = 1 };

static_assert((int)RESPONDER_HEAD_MAX < (int)SITE_CHUNK_SIZE,
              "an answer fits a chunk");
static_assert(HTTP_HEAD_MAX % REQUEST_FIRST == 0, "the buffer doubles");

/* ---- The site ------------------------------------------------------------ */

int site_init(struct site *site, const char *dir)
{
    int status = responder_init(&site->responder, dir);

    if (status != 0)
        return status;
    site->chunk = mem_alloc(SITE_CHUNK_SIZE);
    site->request = mem_alloc(sizeof(*site->request));
    list_init(&site->idle);
    site->connection_count = 0;
    if (site->chunk != NULL && site->request != NULL)
        return 0;
    site_fini(site);
    return -ENOMEM;
}

void site_fini(struct site *site)
{
    assert(site->connection_count == 0);
    mem_free(site->request);
    mem_free(site->chunk);
    responder_fini(&site->responder);
}

/* ---- States -------------------------------------------------------------- */

static void set_deadline(struct connection *conn, uint64_t ns)
{
    conn->deadline_ns = time_ns() + ns;
}

/* Between two requests. */
static void become_idle(struct connection *conn, uint64_t ns)
{
    assert(conn->request_len == 0);
    assert(list_empty(&conn->idle_link));
    list_push_back(&conn->site->idle, &conn->idle_link);
    set_deadline(conn, ns);
}

/* A request has begun. */
static void become_reading(struct connection *conn)
{
    assert(conn->request_len > 0);
    list_remove(&conn->idle_link);
    set_deadline(conn, CONNECTION_HEAD_NS);
}

/* End in good order: what is queued still goes out. */
static void finish(struct connection *conn)
{
    list_remove(&conn->idle_link);
    socket_close(conn->socket);
}

void connection_check(const struct connection *conn)
{
    assert(conn->request_len <= conn->request_size);
    assert(conn->request_size <= HTTP_HEAD_MAX);
    assert(conn->head_sent <= conn->head_len);
    assert((conn->head == NULL) == (conn->head_sent == conn->head_len));
    assert((conn->body.file == NULL) == (conn->body.count == 0));
    if (!conn->is_answering) {
        assert(conn->head == NULL);
        assert(conn->body.file == NULL);
    }
    if (!list_empty(&conn->idle_link)) {
        assert(conn->request_len == 0);
        assert(!conn->is_answering);
    }
}

/* ---- Sending ------------------------------------------------------------- */

static void body_close(struct connection *conn)
{
    if (conn->body.file != NULL)
        file_close(conn->body.file);
    conn->body = (struct http_body){.file = NULL};
}

static void body_sent(struct connection *conn, uint64_t count)
{
    assert(count <= conn->body.count);
    conn->body.offset += count;
    conn->body.count -= count;
    if (conn->body.count == 0)
        body_close(conn);
}

static void head_free(struct connection *conn)
{
    mem_free(conn->head);
    conn->head = NULL;
    conn->head_len = 0;
    conn->head_sent = 0;
}

/* Read bytes of the body, at most `size`, to `to`. Returns how many, or an
 * error: a file that ends too early is -EIO. */
static int64_t body_read(struct connection *conn, char *to, size_t size)
{
    const struct http_body *body = &conn->body;
    int64_t got;

    if (size > body->count)
        size = (size_t)body->count;
    assert(size > 0);
    got = file_read_at(body->file, to, size, body->offset);
    if (got <= 0) {
        got = got < 0 ? got : -EIO;
        log_error("webserver: a file cannot be read at %llu: error %lld",
                  (unsigned long long)body->offset, (long long)got);
    }
    return got;
}

/* Send what is left of the answer. */
static int send_rest(struct connection *conn)
{
    char *chunk = conn->site->chunk;

    while (conn->head != NULL) {
        int64_t sent = socket_send(conn->socket, conn->head + conn->head_sent,
                                   conn->head_len - conn->head_sent);

        if (sent <= 0)
            return (int)sent;
        conn->head_sent += (size_t)sent;
        set_deadline(conn, CONNECTION_SEND_NS);
        if (conn->head_sent == conn->head_len)
            head_free(conn);
    }
    while (conn->body.count > 0) {
        size_t room = socket_send_room(conn->socket);
        int64_t got;

        /* With no room, try one byte: it is not taken, and writable() comes. */
        if (room == 0)
            room = 1;
        got = body_read(conn, chunk,
                        room < SITE_CHUNK_SIZE ? room : SITE_CHUNK_SIZE);
        if (got < 0)
            return (int)got;
        got = socket_send(conn->socket, chunk, (size_t)got);
        if (got <= 0)
            return (int)got;
        body_sent(conn, (uint64_t)got);
        set_deadline(conn, CONNECTION_SEND_NS);
    }
    return GO_ON;
}

/* Keep what the socket did not take of a head: 0, -ENOMEM. */
static int head_keep(struct connection *conn, const char *text, size_t len)
{
    assert(conn->head == NULL);
    conn->head = mem_alloc(len);
    if (conn->head == NULL)
        return -ENOMEM;
    memcpy(conn->head, text, len);
    conn->head_len = len;
    return 0;
}

/*
 * Begin to send the answer whose head is in site->chunk and whose body is set:
 * the head together with the first bytes, so that a small file takes one
 * segment. Returns 0 or an error.
 */
static int send_first(struct connection *conn, struct http_text *text)
{
    size_t room = socket_send_room(conn->socket);
    size_t head_len = text->len;
    int64_t sent, got = 0;

    assert(list_empty(&conn->idle_link));
    conn->is_answering = true;
    set_deadline(conn, CONNECTION_SEND_NS);
    if (room > SITE_CHUNK_SIZE)
        room = SITE_CHUNK_SIZE;
    if (conn->body.count > 0 && room > head_len)
        got = body_read(conn, text->at + head_len, room - head_len);
    if (got < 0) { /* nothing is sent yet: say so */
        body_close(conn);
        conn->keep_alive = false;
        text->len = 0;
        responder_refuse(&conn->site->responder, 500, false, text);
        head_len = text->len;
        got = 0;
    }
    sent = socket_send(conn->socket, text->at, head_len + (size_t)got);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent < head_len)
        return head_keep(conn, text->at + sent, head_len - (size_t)sent);
    body_sent(conn, (uint64_t)sent - head_len);
    return 0;
}

/* The text of an answer is made in the shared chunk. */
static struct http_text answer_text(const struct connection *conn)
{
    return (struct http_text){conn->site->chunk, SITE_CHUNK_SIZE, 0};
}

/* Answer with an error and close: 0, or an error of the socket. */
static int refuse(struct connection *conn, int status, bool is_head)
{
    struct http_text text = answer_text(conn);

    conn->keep_alive = false;
    responder_refuse(&conn->site->responder, status, is_head, &text);
    return send_first(conn, &text);
}

/* ---- Receiving ----------------------------------------------------------- */

/* Make room for more of the request; false when there is none. */
static bool request_grow(struct connection *conn)
{
    size_t size =
        conn->request_size == 0 ? REQUEST_FIRST : conn->request_size * 2;
    char *request;

    assert(size <= HTTP_HEAD_MAX); /* a full one was refused with 431 */
    request = mem_resize(conn->request, size);
    if (request == NULL)
        return false;
    conn->request = request;
    conn->request_size = size;
    return true;
}

/* Take what has come; the peer's end, with nothing left to answer, is ours. */
static int receive(struct connection *conn)
{
    int64_t got;

    if (conn->request_len == conn->request_size && !request_grow(conn))
        return -ENOMEM;
    got = socket_receive(conn->socket, conn->request + conn->request_len,
                         conn->request_size - conn->request_len);
    if (got == -EAGAIN)
        return WAIT;
    if (got < 0)
        return (int)got;
    if (got == 0) {
        finish(conn);
        return WAIT;
    }
    if (conn->request_len == 0) {
        conn->request_len = (size_t)got;
        become_reading(conn);
    } else {
        conn->request_len += (size_t)got;
    }
    return GO_ON;
}

/* Parse, and begin an answer when the request is complete. */
static int answer_next(struct connection *conn)
{
    struct http_request *request = conn->site->request;
    struct http_text text = answer_text(conn);
    int len, status;

    if (conn->request_len == 0)
        return WAIT;
    len = http_request_parse(conn->request, conn->request_len, request);
    if (len == 0 && time_ns() < conn->deadline_ns)
        return WAIT;
    if (len <= 0) {
        status =
            refuse(conn, len < 0 ? -len : 408, request->method == HTTP_HEAD);
        return status != 0 ? status : GO_ON;
    }
    assert((size_t)len <= conn->request_len);
    responder_answer(&conn->site->responder, request, &text, &conn->body);
    conn->keep_alive = request->keep_alive;
    conn->request_len -= (size_t)len;
    memmove(conn->request, conn->request + len, conn->request_len);
    status = send_first(conn, &text);
    return status != 0 ? status : GO_ON;
}

/* ---- The machine --------------------------------------------------------- */

/* An answer has been sent: true when another request may follow. */
static bool answer_done(struct connection *conn)
{
    conn->is_answering = false;
    if (!conn->keep_alive) {
        finish(conn);
        return false;
    }
    if (conn->request_len > 0)
        become_reading(conn);
    else
        become_idle(conn, CONNECTION_IDLE_NS);
    return true;
}

/* Until nothing more can be done: 0, or an error by which it is lost. */
static int run(struct connection *conn)
{
    int status;

    do {
        if (conn->is_answering) {
            status = send_rest(conn);
            if (status <= 0)
                return status;
            if (!answer_done(conn))
                return 0;
        }
        status = answer_next(conn);
        if (status == WAIT)
            status = receive(conn);
    } while (status > 0);
    return status;
}

void connection_run(struct connection *conn)
{
    if (run(conn) != 0)
        socket_abort(conn->socket);
    connection_check(conn);
}

void connection_timeout(struct connection *conn)
{
    if (time_ns() < conn->deadline_ns)
        return;
    if (conn->is_answering)
        socket_abort(conn->socket);
    else if (conn->request_len > 0)
        connection_run(conn); /* says 408 */
    else
        finish(conn);
}

/* ---- Beginning and end --------------------------------------------------- */

/* Many connections: end the one that has been idle longest, if any is. */
static void make_place(struct site *site)
{
    struct list *longest;

    if (site->connection_count < SITE_CONNECTIONS_FULL)
        return;
    longest = list_pop_front(&site->idle);
    if (longest != NULL)
        socket_abort(
            container_of(longest, struct connection, idle_link)->socket);
}

struct connection *connection_create(struct site *site, struct socket *socket)
{
    struct connection *conn;

    make_place(site);
    conn = mem_alloc_zeroed(sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->site = site;
    conn->socket = socket;
    list_init(&conn->idle_link);
    become_idle(conn, CONNECTION_HEAD_NS);
    site->connection_count++;
    return conn;
}

void connection_destroy(struct connection *conn)
{
    assert(conn->site->connection_count > 0);
    conn->site->connection_count--;
    list_remove(&conn->idle_link);
    body_close(conn);
    head_free(conn);
    mem_free(conn->request);
    mem_free(conn);
}
