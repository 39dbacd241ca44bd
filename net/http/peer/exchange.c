#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* ---- Bytes --------------------------------------------------------------- */

int http_receive(struct http_worker *worker, struct http_exchange *exchange)
{
    int64_t got;

    if (worker->in_at == worker->in_len) {
        worker->in_at = 0;
        worker->in_len = 0;
    } else if (worker->in_len == HTTP_INPUT_SIZE) {
        assert(worker->in_at > 0); /* a whole one was used or refused */
        worker->in_len -= worker->in_at;
        memmove(worker->input, worker->input + worker->in_at, worker->in_len);
        worker->in_at = 0;
        worker->request_of = NULL; /* it pointed there */
    }
    if (exchange->socket == NULL)
        return -ECONNRESET;
    got = socket_receive(exchange->socket, worker->input + worker->in_len,
                         HTTP_INPUT_SIZE - worker->in_len);
    if (got == -EAGAIN)
        return HTTP_WAIT;
    if (got <= 0)
        return got == 0 ? -EPIPE : (int)got;
    worker->in_len += (size_t)got;
    return HTTP_GO_ON;
}

/* The connection runs: what it has kept is first. */
static void take_kept(struct http_worker *worker,
                      struct http_exchange *exchange)
{
    worker->in_at = 0;
    worker->in_len = exchange->kept_len;
    worker->request_of = NULL;
    if (exchange->kept == NULL)
        return;
    memcpy(worker->input, exchange->kept, exchange->kept_len);
    mem_free(exchange->kept);
    exchange->kept = NULL;
    exchange->kept_len = 0;
}

/* It waits: keep what it has not used. 0, -ENOMEM. */
static int keep(struct http_worker *worker, struct http_exchange *exchange)
{
    size_t len = worker->in_len - worker->in_at;

    if (len == 0)
        return 0;
    exchange->kept = mem_alloc(len);
    if (exchange->kept == NULL)
        return -ENOMEM;
    memcpy(exchange->kept, worker->input + worker->in_at, len);
    exchange->kept_len = len;
    return 0;
}

/* ---- The request --------------------------------------------------------- */

const struct http_request *http_request_of(const struct http_exchange *exchange)
{
    struct http_worker *worker = exchange->worker;
    int len;

    assert(worker != NULL); /* a function of its route runs */
    if (worker->request_of == exchange)
        return worker->request;
    assert(exchange->head != NULL);
    len = http_request_repeat(exchange->head, exchange->head_len, &worker->last,
                              worker->request);
    assert(len > 0); /* it was right before */
    worker->request_of = exchange;
    return worker->request;
}

/* The head will be needed when its bytes are gone. 0, -ENOMEM. */
static int keep_head(struct http_worker *worker, struct http_exchange *exchange,
                     size_t len)
{
    exchange->head = mem_alloc(len);
    if (exchange->head == NULL)
        return -ENOMEM;
    memcpy(exchange->head, worker->input + worker->in_at, len);
    exchange->head_len = len;
    worker->request_of = NULL;
    return 0;
}

void http_exchange_end(struct http_exchange *exchange)
{
    if (http_has_unsent(exchange))
        http_send_abandon(exchange);
    if (exchange->is_begun) {
        exchange->is_begun = false;
        if (exchange->route->end != NULL)
            exchange->route->end(exchange);
    }
    if (exchange->head != NULL) {
        mem_free(exchange->head);
        exchange->head = NULL;
        exchange->head_len = 0;
    }
    exchange->route = NULL;
    exchange->cookie = NULL;
}

void http_refuse(struct http_exchange *exchange, int status)
{
    exchange->keep_alive = false;
    exchange->is_answered = false;
    list_remove(&exchange->idle_link);
    http_respond_status(exchange, status);
}

/* The route of a request; NULL: none, and the status to answer. */
static const struct http_route *find_route(const struct http_exchange *exchange,
                                           const struct http_request *request,
                                           int *status)
{
    if (request->target.form == HTTP_ASTERISK &&
        request->method != HTTP_OPTIONS)
        *status = request->method == HTTP_UNKNOWN ? 501 : 400;
    else if (request->method == HTTP_CONNECT)
        *status = 405;
    else
        return http_route_find(exchange->engine->server, request, status);
    return NULL;
}

/* The same. A request that repeats the last one has its route. */
static const struct http_route *take_route(struct http_worker *worker,
                                           const struct http_exchange *exchange,
                                           int *status)
{
    struct http_repeat *last = &worker->last;

    if (last->found == NULL)
        last->found = find_route(exchange, worker->request, status);
    return last->found;
}

/* Whether the content is wanted; 0, or a status. */
static int judge_content(const struct http_route *route,
                         const struct http_request *request)
{
    if (!request->has_content)
        return 0;
    /* RFC 9110, 10.1.1: of an expectation without content, or of 1.0, nothing
     * is expected. */
    if (request->expects_other && request->is_1_1)
        return 417;
    if (route->content == NULL)
        return 413;
    if (route->content_max > 0 && !request->is_chunked &&
        request->content_bytes > route->content_max)
        return 413;
    return 0;
}

static void answer_options(struct http_exchange *exchange, int status)
{
    struct http_worker *worker = exchange->worker;
    const struct http_request *request = worker->request;
    /* In the input, behind the request, is no room; the end of the output is
     * far behind what a head needs. */
    struct http_text text = {worker->output + HTTP_OUTPUT_SIZE / 2,
                             HTTP_OUTPUT_SIZE / 4, 0};
    bool has_path = request->target.form == HTTP_ORIGIN ||
                    request->target.form == HTTP_ABSOLUTE;

    http_allow_put(exchange->engine->server,
                   has_path ? request->target.path : "*", &text);
    text.at[text.len] = '\0';
    http_respond_page(exchange, status, text.at);
}

/* A request without a route. Content that follows ends the connection. */
static int answer_without_route(struct http_exchange *exchange, int status)
{
    if (http_request_of(exchange)->has_content)
        exchange->keep_alive = false;
    if (status == 204 || status == 405)
        answer_options(exchange, status);
    else
        http_respond_status(exchange, status);
    return HTTP_GO_ON;
}

int http_complete(struct http_exchange *exchange)
{
    struct http_worker *worker = exchange->worker;

    assert(exchange->state != HTTP_ENDED);
    if (exchange->state != HTTP_WORK) {
        exchange->state = HTTP_WORK;
        exchange->deadline_ns = TIME_NEVER; /* set if it is needed */
    }
    exchange->route->complete(exchange);
    if (exchange->state != HTTP_WORK)
        return HTTP_GO_ON; /* it is answered */
    worker->now_ns = 0;    /* it may have waited */
    if (exchange->deadline_ns == TIME_NEVER)
        http_set_deadline(exchange, exchange->engine->server->answer_ns);
    if (!http_is_late(exchange))
        return HTTP_WAIT;
    http_refuse(exchange, 503);
    return HTTP_GO_ON;
}

/* ---- Heads --------------------------------------------------------------- */

static int begin(struct http_worker *worker, struct http_exchange *exchange,
                 size_t len)
{
    const struct http_request *request = worker->request;
    const struct http_route *route = exchange->route;
    int status = judge_content(route, request);

    if (status != 0)
        return answer_without_route(exchange, status);
    if (request->has_content) {
        http_content_begin(&exchange->content, request);
        exchange->awaits_100 =
            request->count[HTTP_EXPECT] > 0 && request->is_1_1;
        status = keep_head(worker, exchange, len);
        if (status != 0)
            return status;
        exchange->state = HTTP_CONTENT;
        http_set_deadline(exchange, exchange->engine->server->content_ns);
    }
    exchange->is_begun = true;
    worker->in_at += len;
    if (worker->in_at < worker->in_len)
        exchange->awaits_100 = false;
    if (route->begin != NULL)
        route->begin(exchange);
    if (exchange->is_answered || exchange->protocol != NULL ||
        exchange->state == HTTP_ENDED) /* by http_stop(), while it waited */
        return HTTP_GO_ON;
    return exchange->state == HTTP_CONTENT ? HTTP_GO_ON
                                           : http_complete(exchange);
}

/* A complete head of `len` bytes. */
static int serve(struct http_worker *worker, struct http_exchange *exchange,
                 size_t len)
{
    const struct http_request *request = worker->request;
    int status;

    worker->request_of = exchange;
    exchange->state = HTTP_READ;
    list_remove(&exchange->idle_link);
    exchange->is_head = request->method == HTTP_HEAD;
    exchange->is_1_1 = request->is_1_1;
    exchange->keep_alive =
        !request->says_close && (request->is_1_1 || request->says_keep_alive);
    exchange->route = take_route(worker, exchange, &status);
    if (exchange->route != NULL)
        status = begin(worker, exchange, len);
    else
        status = answer_without_route(exchange, status);
    if (!exchange->is_begun) {
        worker->in_at += len;
        return status;
    }
    /* It goes on without its bytes. */
    if (status == HTTP_WAIT && exchange->head == NULL) {
        worker->in_at -= len;
        status = keep_head(worker, exchange, len) == 0 ? HTTP_WAIT : -ENOMEM;
        worker->in_at += len;
    }
    return status;
}

/* A head begins to come. */
static void become_reading(struct http_exchange *exchange)
{
    list_remove(&exchange->idle_link);
    list_push_back(&exchange->engine->reading, &exchange->idle_link);
    exchange->state = HTTP_READ;
    http_set_deadline(exchange, exchange->engine->server->head_ns);
}

static int head_step(struct http_worker *worker, struct http_exchange *exchange)
{
    int len, status;

    exchange->is_answered = false;
    if (worker->in_at == worker->in_len) {
        status = http_receive(worker, exchange);
        if (status == HTTP_WAIT && exchange->state == HTTP_IDLE &&
            http_is_late(exchange))
            http_finish(exchange);
        if (status != HTTP_GO_ON)
            return status;
    }
    len = http_request_repeat(worker->input + worker->in_at,
                              worker->in_len - worker->in_at, &worker->last,
                              worker->request);
    if (len > 0)
        return serve(worker, exchange, (size_t)len);
    if (exchange->state == HTTP_IDLE)
        become_reading(exchange);
    exchange->is_head = worker->request->method == HTTP_HEAD;
    if (len < 0) {
        http_refuse(exchange, -len);
        return HTTP_GO_ON;
    }
    if (http_is_late(exchange)) {
        http_refuse(exchange, 408);
        return HTTP_GO_ON;
    }
    return http_receive(worker, exchange);
}

/* ---- The machine --------------------------------------------------------- */

/* An answer has been sent. */
static int answer_done(struct http_worker *worker,
                       struct http_exchange *exchange)
{
    struct http_engine *engine = exchange->engine;

    http_exchange_end(exchange);
    if (exchange->protocol != NULL) {
        exchange->state = HTTP_UPGRADED;
        exchange->protocol->writable(exchange);
        return HTTP_GO_ON;
    }
    if (!exchange->keep_alive || engine->is_ending) {
        http_finish(exchange);
        return HTTP_WAIT;
    }
    worker->request_of = NULL;
    if (worker->in_at < worker->in_len) {
        become_reading(exchange);
        return HTTP_GO_ON;
    }
    exchange->state = HTTP_IDLE;
    list_push_back(&engine->idle, &exchange->idle_link);
    http_set_deadline(exchange, engine->server->idle_ns);
    return exchange->socket == NULL || socket_has_input(exchange->socket)
               ? HTTP_GO_ON
               : HTTP_WAIT;
}

static int send_step(struct http_worker *worker, struct http_exchange *exchange)
{
    int status =
        http_has_unsent(exchange) ? http_send_more(exchange) : HTTP_GO_ON;

    if (status == HTTP_GO_ON)
        return answer_done(worker, exchange);
    if (status == HTTP_WAIT && http_is_late(exchange))
        return -ETIMEDOUT; /* the peer takes nothing */
    return status;
}

static int step(struct http_worker *worker, struct http_exchange *exchange)
{
    switch (exchange->state) {
    case HTTP_IDLE:
    case HTTP_READ:
        return head_step(worker, exchange);
    case HTTP_CONTENT:
        return http_content_step(worker, exchange);
    case HTTP_WORK:
        return http_complete(exchange);
    case HTTP_SEND:
        return send_step(worker, exchange);
    case HTTP_UPGRADED:
        return exchange->protocol->step(worker, exchange);
    default:
        return HTTP_WAIT;
    }
}

int http_run(struct http_worker *worker, struct http_exchange *exchange)
{
    int status;

    worker->now_ns = 0;
    take_kept(worker, exchange);
    do {
        status = step(worker, exchange);
        if (exchange->socket == NULL)
            return -ECONNRESET; /* gone while a handler waited */
    } while (status == HTTP_GO_ON);
    if (status == -EPIPE) { /* nothing is left to answer */
        http_finish(exchange);
        return 0;
    }
    if (status < 0 || exchange->state == HTTP_ENDED)
        return status < 0 ? status : 0;
    return keep(worker, exchange);
}

/* ---- What routes ask ----------------------------------------------------- */

struct span http_method(const struct http_exchange *exchange)
{
    return http_request_of(exchange)->method_name;
}

const char *http_path(const struct http_exchange *exchange)
{
    return http_request_of(exchange)->target.path;
}

struct span http_query(const struct http_exchange *exchange)
{
    return http_request_of(exchange)->target.query;
}

struct span http_field(const struct http_exchange *exchange, const char *name)
{
    struct span fields = http_request_of(exchange)->fields;
    struct span line, before;

    while (span_cut(&fields, '\n', &line)) {
        if (span_cut(&line, ':', &before) && span_is_nocase(before, name)) {
            line.len -= line.len > 0; /* its CR */
            return span_trim(line);
        }
    }
    return (struct span){NULL, 0};
}

struct http_server *http_server_of(const struct http_exchange *exchange)
{
    return exchange->engine->server;
}

struct socket *http_socket(const struct http_exchange *exchange)
{
    return exchange->socket;
}

void http_set_cookie(struct http_exchange *exchange, void *cookie)
{
    exchange->cookie = cookie;
}

void *http_cookie(const struct http_exchange *exchange)
{
    return exchange->cookie;
}
