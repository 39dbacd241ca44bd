#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

/* ---- Time ---------------------------------------------------------------- */

void http_set_date(struct http_engine *engine, uint64_t at_ns)
{
    struct http_text ok = {engine->ok, sizeof(engine->ok), 0};
    uint64_t wall_ns = time_wall_ns();

    engine->date_until_ns = at_ns + NS_PER_S - wall_ns % NS_PER_S;
    engine->date_s = (int64_t)(wall_ns / NS_PER_S);
    http_date_format(engine->date_s, engine->date);
    if (wall_ns == 0)
        engine->date[0] = '\0';
    http_head_begin(&ok, 200, engine->date, NULL);
    engine->ok_len = ok.len;
}

uint64_t http_now(const struct http_exchange *exchange)
{
    struct http_worker *worker = exchange->worker;

    if (worker == NULL)
        return time_ns();
    if (worker->now_ns == 0)
        worker->now_ns = time_ns();
    return worker->now_ns;
}

void http_set_deadline(struct http_exchange *exchange, uint64_t ns)
{
    exchange->deadline_ns = http_now(exchange) + ns;
    exchange->paced = 0;
}

/* ---- Beginning and end of connections ------------------------------------ */

void http_exchange_check(const struct http_exchange *exchange)
{
    assert(exchange->rest_sent <= exchange->rest_len);
    assert((exchange->rest == NULL) == (exchange->rest_len == 0));
    assert((exchange->kept == NULL) == (exchange->kept_len == 0));
    assert(exchange->kept_len <= HTTP_INPUT_SIZE);
    assert(exchange->worker == NULL);
    assert(exchange->socket == NULL ||
           list_empty(&exchange->idle_link) ==
               (exchange->state != HTTP_IDLE && exchange->state != HTTP_READ));
    assert(exchange->source.read == NULL || exchange->state == HTTP_SEND);
    assert((exchange->protocol != NULL) == (exchange->state == HTTP_UPGRADED) ||
           exchange->state == HTTP_ENDED || exchange->state == HTTP_SEND);
    assert(exchange->state != HTTP_CONTENT || exchange->route != NULL);
    assert(exchange->state != HTTP_WORK || exchange->route != NULL);
}

void http_finish(struct http_exchange *exchange)
{
    if (exchange->state == HTTP_ENDED)
        return;
    exchange->state = HTTP_ENDED;
    list_remove(&exchange->idle_link);
    if (exchange->socket != NULL)
        socket_close(exchange->socket);
}

/* The socket is gone and no worker runs it: free it. */
static void destroy(struct http_exchange *exchange)
{
    struct http_engine *engine = exchange->engine;

    assert(exchange->worker == NULL);
    if (exchange->protocol != NULL)
        exchange->protocol->close(exchange);
    http_exchange_end(exchange);
    list_remove(&exchange->link);
    list_remove(&exchange->idle_link);
    list_remove(&exchange->ready_link);
    if (exchange->kept != NULL)
        mem_free(exchange->kept);
    mem_free(exchange);
    assert(engine->connection_count > 0);
    engine->connection_count--;
}

static int on_accept(struct service *service, struct socket *socket)
{
    struct http_engine *engine = service->cookie;
    struct http_exchange *exchange;

    if (engine->is_ending)
        return -ECONNREFUSED;
    exchange = mem_alloc_zeroed(sizeof(*exchange));
    if (exchange == NULL)
        return -ENOMEM;
    exchange->engine = engine;
    exchange->socket = socket;
    list_push_back(&engine->all, &exchange->link);
    list_push_back(&engine->reading, &exchange->idle_link); /* soon */
    list_init(&exchange->ready_link);
    http_set_deadline(exchange, engine->server->head_ns);
    engine->connection_count++;
    socket_set_cookie(socket, exchange);
    return 0;
}

static void on_close(struct service *service, struct socket *socket)
{
    struct http_exchange *exchange = socket_cookie(socket);

    (void)service;
    exchange->socket = NULL;
    if (exchange->worker == NULL)
        destroy(exchange);
}

/* ---- Running connections ------------------------------------------------- */

/* It is to be run, after the others that are. */
static void push_ready(struct http_exchange *exchange)
{
    struct http_engine *engine = exchange->engine;

    if (!list_empty(&exchange->ready_link))
        return;
    list_push_back(&engine->ready, &exchange->ready_link);
    if (engine->work != NULL && semaphore_post(engine->work) != 0)
        log_error("%s: no thread can be told of work", engine->service.name);
}

void http_take_turn(struct http_worker *worker, struct http_exchange *exchange)
{
    int status;

    assert(exchange->worker == NULL);
    assert(worker->running == NULL);
    exchange->worker = worker;
    worker->running = exchange;
    exchange->is_again = false;
    status = http_run(worker, exchange);
    worker->running = NULL;
    exchange->worker = NULL;
    if (exchange->socket == NULL) {
        destroy(exchange);
        return;
    }
    if (status < 0) {
        list_remove(&exchange->idle_link);
        exchange->state = HTTP_ENDED;
        http_send_abandon(exchange);
        socket_abort(exchange->socket);
        return;
    }
    if (exchange->state == HTTP_ENDED) { /* here or by http_stop() */
        list_remove(&exchange->idle_link);
        http_send_abandon(exchange);
    }
    if (exchange->is_again)
        push_ready(exchange);
}

void http_schedule(struct http_exchange *exchange)
{
    struct http_engine *engine = exchange->engine;
    struct list *next;

    if (exchange->worker != NULL) {
        exchange->is_again = true;
        return;
    }
    if (exchange->state == HTTP_ENDED || exchange->socket == NULL)
        return;
    if (engine->work != NULL || engine->main.running != NULL) {
        push_ready(exchange);
        return;
    }
    http_take_turn(&engine->main, exchange);
    while ((next = list_pop_front(&engine->ready)) != NULL)
        http_take_turn(&engine->main,
                       container_of(next, struct http_exchange, ready_link));
}

static void on_event(struct service *service, struct socket *socket)
{
    (void)service;
    http_schedule(socket_cookie(socket));
}

static void on_timeout(struct service *service, struct socket *socket)
{
    struct http_exchange *exchange = socket_cookie(socket);

    (void)service;
    if (exchange->state == HTTP_ENDED)
        return; /* TCP ends it */
    if (time_ns() >= exchange->deadline_ns)
        http_schedule(exchange);
}

void http_resume(struct http_exchange *exchange)
{
    http_schedule(exchange);
}

const struct service http_service = {
    .idle_ns = HTTP_CHECK_NS,
    .accept = on_accept,
    .receive = on_event,
    .writable = on_event,
    .timeout = on_timeout,
    .close = on_close,
};
