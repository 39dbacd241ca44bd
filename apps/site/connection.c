#include "apps/site/connection.h"
#include <torc/app.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    REQUEST_FIRST = 1024, /* room for a request at first */
    BODY_COPIED = 4096,   /* a body that is not larger is copied */
    BODY_SLICES = 32,     /* a larger one is lent, so many pages at once */
};

/* What a step of a connection returns, unless it is an error: a callback must
 * come first, or the next step can be done. */
enum { WAIT = 0, GO_ON = 1 };

static_assert(RESPONDER_HEAD_MAX + BODY_COPIED <= (int)SITE_CHUNK_SIZE,
              "an answer fits a chunk");
static_assert(HTTP_HEAD_MAX % REQUEST_FIRST == 0, "the buffer doubles");

/* ---- The site ------------------------------------------------------------ */

int site_init(struct site *site, const char *dir,
              const struct site_writes *writes)
{
    int status = responder_init(&site->responder, dir, writes);

    if (status != 0)
        return status;
    site->chunk = mem_alloc(SITE_CHUNK_SIZE);
    site->request = mem_alloc(sizeof(*site->request));
    list_init(&site->all);
    list_init(&site->idle);
    site->connection_count = 0;
    site->now_ns = 0;
    site->last.len = 0;
    site->is_ending = false;
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
    conn->deadline_ns = conn->site->now_ns + ns;
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

void site_end_connections(struct site *site)
{
    site->is_ending = true;
    list_for_each_safe (node, &site->idle)
        finish(container_of(node, struct connection, idle_link));
}

void site_abort_connections(struct site *site)
{
    list_for_each (node, &site->all)
        socket_abort(container_of(node, struct connection, link)->socket);
}

void connection_check(const struct connection *conn)
{
    assert(conn->request_len <= conn->request_size);
    assert(conn->request_size <= HTTP_HEAD_MAX);
    assert(conn->head_sent <= conn->head_len);
    assert((conn->head == NULL) == (conn->head_sent == conn->head_len));
    assert((conn->body.file == NULL) == (conn->body.count == 0));
    if (!conn->is_answering) {
        assert(conn->head == NULL || conn->upload != NULL);
        assert(conn->body.file == NULL);
    }
    assert(conn->upload == NULL || !conn->is_answering);
    if (!list_empty(&conn->idle_link)) {
        assert(conn->upload == NULL);
        assert(conn->request_len == 0);
        assert(!conn->is_answering);
    }
}

/* ---- Sending ------------------------------------------------------------- */

static void body_sent(struct connection *conn, uint64_t count)
{
    assert(count <= conn->body.count);
    conn->body.offset += count;
    conn->body.count -= count;
    if (conn->body.count == 0)
        responder_close(&conn->body);
}

static void head_free(struct connection *conn)
{
    mem_free(conn->head);
    conn->head = NULL;
    conn->head_len = 0;
    conn->head_sent = 0;
}

/* What a read of the body has given: an error is logged, and a file that ends
 * too early is -EIO. */
static int64_t body_check(const struct http_body *body, int64_t got)
{
    if (got > 0)
        return got;
    got = got < 0 ? got : -EIO;
    log_error("%s: a file cannot be read at %llu: error %lld", torc_app.name,
              (unsigned long long)body->offset, (long long)got);
    return got;
}

/* Read bytes of the body, at most `size`, to `to`. Returns how many, or an
 * error. */
static int64_t body_read(struct connection *conn, char *to, size_t size)
{
    const struct http_body *body = &conn->body;

    if (size > body->count)
        size = (size_t)body->count;
    assert(size > 0);
    return body_check(body, file_read_at(body->file, to, size, body->offset));
}

/* The next bytes of the body, behind a head, in slices that are lent: as many
 * as the socket has room for. Returns how many, or an error. */
static int64_t body_slices(struct connection *conn, size_t head_len,
                           struct slice *slices, unsigned *count)
{
    const struct http_body *body = &conn->body;
    size_t room = socket_send_room(conn->socket);
    uint64_t size = room > head_len ? room - head_len : 0;

    /* With no room, try one byte: it is not taken, and writable() comes. */
    size = size == 0 ? 1 : size < body->count ? size : body->count;
    *count = BODY_SLICES;
    return body_check(body,
                      file_lend(body->file, body->offset, size, slices, count));
}

/* Send a head, and the slices behind it, which are dropped. Returns how many
 * bytes of both, or an error. */
static int64_t slices_send(struct connection *conn,
                           const struct http_text *head,
                           const struct slice *slices, unsigned count)
{
    int64_t sent =
        socket_lend(conn->socket, head->at, head->len, slices, count);

    while (count > 0)
        buf_put(slices[--count].buf);
    return sent;
}

/* Send what was kept of a head. */
static int send_head(struct connection *conn)
{
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
    return GO_ON;
}

/* Send what is left of the answer. */
static int send_rest(struct connection *conn)
{
    const struct http_text no_head = {NULL, 0, 0};
    int status = send_head(conn);

    if (status != GO_ON)
        return status;
    while (conn->body.count > 0) {
        struct slice slices[BODY_SLICES];
        unsigned count;
        int64_t got = body_slices(conn, 0, slices, &count);

        if (got < 0)
            return (int)got;
        got = slices_send(conn, &no_head, slices, count);
        if (got <= 0)
            return (int)got;
        body_sent(conn, (uint64_t)got);
        conn->site->now_ns = time_ns(); /* the disk may have been waited for */
        set_deadline(conn, CONNECTION_SEND_NS);
    }
    return GO_ON;
}

/* Keep what the socket did not take of a head: GO_ON, -ENOMEM. */
static int head_keep(struct connection *conn, const char *text, size_t len)
{
    assert(conn->head == NULL);
    conn->head = mem_alloc(len);
    if (conn->head == NULL)
        return -ENOMEM;
    memcpy(conn->head, text, len);
    conn->head_len = len;
    return GO_ON;
}

/*
 * Begin to send the answer whose head is in site->chunk and whose body is set:
 * the head together with the first bytes, so that a small file takes one
 * segment. Returns GO_ON or an error.
 */
static int send_first(struct connection *conn, struct http_text *text)
{
    size_t head_len = text->len;
    struct slice slices[BODY_SLICES];
    unsigned count = 0;
    int64_t sent, got = 0;

    assert(list_empty(&conn->idle_link));
    conn->is_answering = true;
    set_deadline(conn, CONNECTION_SEND_NS);
    if (conn->body.page != NULL) { /* all of the answer */
        conn->head = conn->body.page;
        conn->head_len = conn->body.page_len;
        conn->body.page = NULL;
        return GO_ON;
    }
    if (conn->body.count > BODY_COPIED)
        got = body_slices(conn, head_len, slices, &count);
    else if (conn->body.count > 0)
        got = body_read(conn, text->at + head_len, BODY_COPIED);
    if (got < 0) { /* nothing is sent yet: say so */
        responder_close(&conn->body);
        conn->keep_alive = false;
        text->len = 0;
        responder_refuse(&conn->site->responder, 500, false, text);
        head_len = text->len;
        got = 0;
        count = 0;
    }
    sent = count > 0
               ? slices_send(conn, text, slices, count)
               : socket_send(conn->socket, text->at, head_len + (size_t)got);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent < head_len)
        return head_keep(conn, text->at + sent, head_len - (size_t)sent);
    body_sent(conn, (uint64_t)sent - head_len);
    return GO_ON;
}

/* The text of an answer is made in the shared chunk. */
static struct http_text answer_text(const struct connection *conn)
{
    return (struct http_text){conn->site->chunk, SITE_CHUNK_SIZE, 0};
}

/* Answer with an error and close: GO_ON, or an error of the socket. */
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
    if (conn->request_len == 0 && conn->upload == NULL) {
        conn->request_len = (size_t)got;
        become_reading(conn);
    } else {
        conn->request_len += (size_t)got;
    }
    return GO_ON;
}

/* The first bytes of what was received have been used. */
static void drop_received(struct connection *conn, size_t count)
{
    assert(count <= conn->request_len);
    conn->request_len -= count;
    memmove(conn->request, conn->request + count, conn->request_len);
}

/* ---- Content ------------------------------------------------------------- */

/* And the rest of an interim answer. */
static void content_abandon(struct connection *conn)
{
    if (conn->upload == NULL)
        return;
    conn->site->responder.writes->abandon(conn->upload);
    conn->upload = NULL;
    head_free(conn);
}

/* It cannot go on: say why, and close. A lost interim answer is the end. */
static int content_refuse(struct connection *conn, int status)
{
    bool is_lost = conn->head != NULL;

    content_abandon(conn);
    return is_lost ? -ETIMEDOUT : refuse(conn, status, false);
}

/* Content is awaited; `interim` is sent if none has come yet. */
static int content_begin(struct connection *conn,
                         const struct http_text *interim)
{
    int64_t sent;

    conn->content_bytes = 0;
    set_deadline(conn, CONNECTION_TAKE_NS);
    if (interim->len == 0 || conn->request_len > 0)
        return GO_ON;
    sent = socket_send(conn->socket, interim->at, interim->len);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent == interim->len)
        return GO_ON;
    return head_keep(conn, interim->at + sent, interim->len - (size_t)sent);
}

/* Bytes of content have come: the deadline moves with enough of them. */
static void content_progress(struct connection *conn, size_t count)
{
    conn->content_bytes += count;
    if (conn->content_bytes < CONNECTION_PACE)
        return;
    conn->content_bytes = 0;
    set_deadline(conn, CONNECTION_TAKE_NS);
}

/* Take data that are nothing but data past the request's buffer. */
static int content_receive(struct connection *conn, uint64_t wanted)
{
    const struct site_writes *writes = conn->site->responder.writes;
    char *chunk = conn->site->chunk;
    int64_t got = socket_receive(conn->socket, chunk,
                                 wanted < SITE_CHUNK_SIZE ? (size_t)wanted
                                                          : SITE_CHUNK_SIZE);

    if (got == -EAGAIN)
        return WAIT;
    if (got < 0)
        return (int)got;
    if (got == 0) {
        content_abandon(conn);
        finish(conn);
        return WAIT;
    }
    content_progress(conn, (size_t)got);
    got = writes->take(conn->upload, chunk, (size_t)got);
    return got >= 0 ? GO_ON : content_refuse(conn, (int)-got);
}

/* Take what came in the request's buffer; its length says how much. */
static int content_take(struct connection *conn)
{
    const struct site_writes *writes = conn->site->responder.writes;
    int64_t taken =
        writes->take(conn->upload, conn->request, conn->request_len);

    if (taken < 0)
        return content_refuse(conn, (int)-taken);
    content_progress(conn, (size_t)taken);
    drop_received(conn, (size_t)taken);
    return GO_ON;
}

/* All content is there: do what was asked, and answer. */
static int content_finish(struct connection *conn)
{
    struct site *site = conn->site;
    struct http_text text = answer_text(conn);
    struct upload *upload = conn->upload;

    if (conn->head != NULL)
        return send_head(conn); /* the interim answer first */
    conn->upload = NULL;
    site->responder.writes->finish(&site->responder, upload, site->request,
                                   &text);
    conn->keep_alive = site->request->keep_alive;
    return send_first(conn, &text);
}

int connection_take_content(struct connection *conn)
{
    const struct site_writes *writes = conn->site->responder.writes;
    uint64_t wanted;
    int status;

    if (writes->is_complete(conn->upload))
        return content_finish(conn);
    if (conn->request_len > 0)
        return content_take(conn);
    if (time_ns() >= conn->deadline_ns)
        return content_refuse(conn, 408);
    if (conn->head != NULL) {
        status = send_head(conn);
        if (status < 0)
            return status;
    }
    wanted = writes->wanted(conn->upload);
    if (wanted > 0)
        return content_receive(conn, wanted);
    return receive(conn);
}

/* ---- Requests ------------------------------------------------------------ */

int connection_begin_write(struct connection *conn, size_t len)
{
    struct site *site = conn->site;
    struct http_text text = answer_text(conn);

    conn->upload = site->responder.writes->begin(
        &site->responder, site->request, conn->request, len, &text);
    conn->keep_alive = site->request->keep_alive;
    drop_received(conn, len);
    if (conn->upload != NULL)
        return content_begin(conn, &text);
    return send_first(conn, &text);
}

/* Parse, and begin an answer when the request is complete. */
static int answer_next(struct connection *conn)
{
    const struct site_writes *writes = conn->site->responder.writes;
    struct http_request *request = conn->site->request;
    struct http_text text = answer_text(conn);
    int len;

    if (conn->request_len == 0)
        return WAIT;
    if (writes == NULL)
        len = http_request_repeat(conn->request, conn->request_len,
                                  &conn->site->last, request);
    else
        len = http_request_parse(conn->request, conn->request_len, request);
    if (len == 0 && time_ns() < conn->deadline_ns)
        return WAIT;
    if (len <= 0)
        return refuse(conn, len < 0 ? -len : 408, request->method == HTTP_HEAD);
    assert((size_t)len <= conn->request_len);
    if (writes != NULL && writes->serves(request))
        return writes->begin_write(conn, (size_t)len);
    responder_answer(&conn->site->responder, request, &text, &conn->body);
    conn->keep_alive = request->keep_alive;
    drop_received(conn, (size_t)len);
    return send_first(conn, &text);
}

/* ---- The machine --------------------------------------------------------- */

/* An answer has been sent: true when another request may follow. */
static bool answer_done(struct connection *conn)
{
    conn->is_answering = false;
    if (!conn->keep_alive || conn->site->is_ending) {
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
        if (conn->upload != NULL) {
            status = conn->site->responder.writes->take_content(conn);
            continue;
        }
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
    conn->site->now_ns = time_ns();
    if (run(conn) != 0)
        socket_abort(conn->socket);
    connection_check(conn);
}

void connection_timeout(struct connection *conn)
{
    conn->site->now_ns = time_ns();
    if (conn->site->now_ns < conn->deadline_ns)
        return;
    if (conn->is_answering)
        socket_abort(conn->socket);
    else if (conn->request_len > 0 || conn->upload != NULL)
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

    if (site->is_ending)
        return NULL;
    site->now_ns = time_ns();
    make_place(site);
    conn = mem_alloc_zeroed(sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->site = site;
    conn->socket = socket;
    list_push_back(&site->all, &conn->link);
    list_init(&conn->idle_link);
    become_idle(conn, CONNECTION_HEAD_NS);
    site->connection_count++;
    return conn;
}

void connection_destroy(struct connection *conn)
{
    assert(conn->site->connection_count > 0);
    conn->site->connection_count--;
    list_remove(&conn->link);
    list_remove(&conn->idle_link);
    content_abandon(conn);
    responder_close(&conn->body);
    head_free(conn);
    mem_free(conn->request);
    mem_free(conn);
}
