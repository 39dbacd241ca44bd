#include "net/http/peer/engine_internal.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>

#define STOP_STEP_NS (10 * NS_PER_MS) /* how often http_stop() looks */

static_assert(HTTP_OUTPUT_SIZE - HTTP_CHUNK_HEAD - HTTP_CHUNK_TAIL <= 0x7fff,
              "a chunk's size has four digits");

/* ---- Time ---------------------------------------------------------------- */

void http_update_date(struct http_engine *engine, uint64_t at_ns)
{
    struct http_text ok = {engine->ok, sizeof(engine->ok), 0};
    uint64_t wall_ns;

    if (at_ns < engine->date_until_ns)
        return;
    wall_ns = time_wall_ns();
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
    return exchange->worker != NULL ? exchange->worker->now_ns : time_ns();
}

void http_set_deadline(struct http_exchange *exchange, uint64_t ns)
{
    exchange->deadline_ns = http_now(exchange) + ns;
    exchange->paced = 0;
}

void http_progress(struct http_exchange *exchange, size_t count, uint64_t ns)
{
    exchange->paced += count;
    if (exchange->paced >= HTTP_PACE)
        http_set_deadline(exchange, ns);
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
    mem_free(exchange->kept);
    mem_free(exchange);
    assert(engine->connection_count > 0);
    engine->connection_count--;
}

/* The connection whose head has come for the longest time, if that is long, or
 * nearly all places are taken; NULL. */
static struct http_exchange *slowest(const struct http_engine *engine)
{
    struct http_exchange *first;

    if (list_empty(&engine->reading))
        return NULL;
    first = container_of(engine->reading.next, struct http_exchange, idle_link);
    if (engine->connection_count >= engine->service.backlog / 16 * 15 ||
        time_ns() + engine->server->head_ns >=
            first->deadline_ns + HTTP_PATIENCE_NS)
        return first;
    return NULL;
}

/*
 * Many connections: end the one that has been idle longest, if any is. Without
 * one, drop a slow head: a client that sends one usually sends it at once, so
 * who holds all places with heads that do not end keeps nobody out.
 */
static void make_place(struct http_engine *engine)
{
    struct http_exchange *slow;

    if (engine->connection_count < engine->service.backlog / 4 * 3)
        return;
    if (!list_empty(&engine->idle)) {
        http_finish(
            container_of(engine->idle.next, struct http_exchange, idle_link));
        return;
    }
    slow = slowest(engine);
    if (slow == NULL || slow->worker != NULL)
        return;
    list_remove(&slow->idle_link);
    slow->state = HTTP_ENDED;
    socket_abort(slow->socket);
}

static int on_accept(struct service *service, struct socket *socket)
{
    struct http_engine *engine = service->cookie;
    struct http_exchange *exchange;

    if (engine->is_ending)
        return -ECONNREFUSED;
    make_place(engine);
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

static void run(struct http_worker *worker, struct http_exchange *exchange)
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
    http_exchange_check(exchange);
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
    run(&engine->main, exchange);
    while ((next = list_pop_front(&engine->ready)) != NULL)
        run(&engine->main,
            container_of(next, struct http_exchange, ready_link));
}

static void engine_free(struct http_engine *engine);
static void worker_fini(struct http_worker *worker);

/* A thread of the server's own. */
static int work(void *arg)
{
    struct http_worker *worker = arg;
    struct http_engine *engine = worker->engine;

    while (semaphore_wait(engine->work, TIME_NEVER) == 0 && !engine->is_over) {
        struct list *next = list_pop_front(&engine->ready);

        if (next != NULL)
            run(worker, container_of(next, struct http_exchange, ready_link));
        thread_yield(); /* the service tells of what others have sent */
    }
    worker_fini(worker);
    mem_free(worker);
    if (--engine->worker_count == 0)
        engine_free(engine);
    return 0;
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
    if (exchange->state == HTTP_IDLE && time_ns() < exchange->deadline_ns &&
        exchange->engine->connection_count >= service->backlog)
        http_finish(exchange); /* another peer waits for its place */
    else if (time_ns() >= exchange->deadline_ns)
        http_schedule(exchange);
}

void http_resume(struct http_exchange *exchange)
{
    http_schedule(exchange);
}

/* ---- Servers ------------------------------------------------------------- */

static bool worker_init(struct http_worker *worker, struct http_engine *engine)
{
    worker->engine = engine;
    worker->input = mem_alloc(HTTP_INPUT_SIZE);
    worker->output = mem_alloc(HTTP_OUTPUT_SIZE);
    worker->request = mem_alloc(sizeof(*worker->request));
    return worker->input != NULL && worker->output != NULL &&
           worker->request != NULL;
}

static void worker_fini(struct http_worker *worker)
{
    mem_free(worker->input);
    mem_free(worker->output);
    mem_free(worker->request);
}

static int start_worker(struct http_engine *engine)
{
    const struct thread_attr attr = {.name = "http", .detached = true};
    struct http_worker *worker = mem_alloc_zeroed(sizeof(*worker));
    int status = -ENOMEM;

    if (worker == NULL)
        return -ENOMEM;
    if (worker_init(worker, engine))
        status = thread_create(&attr, work, worker, NULL);
    if (status == 0) {
        engine->worker_count++;
        return 0;
    }
    worker_fini(worker);
    mem_free(worker);
    return status;
}

static int start_workers(struct http_engine *engine)
{
    int status = 0;

    if (engine->server->workers > 0)
        status = semaphore_create(0, &engine->work);
    for (unsigned i = 0; status == 0 && i < engine->server->workers; i++)
        status = start_worker(engine);
    return status;
}

static void set_defaults(struct http_server *server)
{
    if (server->connections_max == 0)
        server->connections_max = HTTP_CONNECTIONS_MAX;
    if (server->idle_ns == 0)
        server->idle_ns = HTTP_IDLE_S * NS_PER_S;
    if (server->head_ns == 0)
        server->head_ns = HTTP_HEAD_S * NS_PER_S;
    if (server->content_ns == 0)
        server->content_ns = HTTP_CONTENT_S * NS_PER_S;
    if (server->send_ns == 0)
        server->send_ns = HTTP_SEND_S * NS_PER_S;
    if (server->answer_ns == 0)
        server->answer_ns = HTTP_ANSWER_S * NS_PER_S;
}

static void engine_free(struct http_engine *engine)
{
    worker_fini(&engine->main);
    if (engine->work != NULL && semaphore_destroy(engine->work) != 0)
        log_error("%s: threads wait", engine->service.name);
    mem_free(engine);
}

/* It does not serve: its threads end, and the last one frees it. */
static void engine_end(struct http_engine *engine)
{
    engine->is_over = true;
    if (engine->worker_count == 0) {
        engine_free(engine);
        return;
    }
    for (unsigned i = engine->worker_count; i > 0; i--) {
        if (semaphore_post(engine->work) != 0)
            log_error("%s: a thread cannot be ended", engine->service.name);
    }
}

static struct http_engine *engine_create(struct http_server *server)
{
    struct http_engine *engine = mem_alloc_zeroed(sizeof(*engine));

    if (engine == NULL)
        return NULL;
    engine->server = server;
    engine->service = (struct service){
        .name = server->name,
        .port = server->port,
        .backlog = server->connections_max,
        .idle_ns = HTTP_CHECK_NS,
        .cookie = engine,
        .accept = on_accept,
        .receive = on_event,
        .writable = on_event,
        .timeout = on_timeout,
        .close = on_close,
    };
    list_init(&engine->all);
    list_init(&engine->idle);
    list_init(&engine->reading);
    list_init(&engine->ready);
    return engine;
}

int http_serve(struct http_server *server)
{
    struct http_engine *engine;
    int status = -ENOMEM;

    set_defaults(server);
    engine = engine_create(server);
    if (engine == NULL)
        return -ENOMEM;
    if (worker_init(&engine->main, engine))
        status = start_workers(engine);
    if (status == 0)
        status = service_register(&engine->service);
    if (status == 0)
        server->engine = engine;
    else
        engine_end(engine);
    return status;
}

static bool await_none(const struct http_engine *engine, uint64_t patience_ns)
{
    uint64_t end_ns = time_ns() + patience_ns;

    while (engine->connection_count > 0 && time_ns() < end_ns)
        thread_sleep(STOP_STEP_NS);
    return engine->connection_count == 0;
}

int http_stop(struct http_server *server, uint64_t patience_ns)
{
    struct http_engine *engine = server->engine;

    engine->is_ending = true;
    list_for_each_safe (node, &engine->idle)
        http_finish(container_of(node, struct http_exchange, idle_link));
    list_for_each_safe (node, &engine->reading) {
        struct http_exchange *exchange =
            container_of(node, struct http_exchange, idle_link);

        if (exchange->state == HTTP_IDLE) /* it has said nothing yet */
            http_finish(exchange);
    }
    if (await_none(engine, patience_ns))
        return 0;
    list_for_each (node, &engine->all) {
        struct http_exchange *exchange =
            container_of(node, struct http_exchange, link);

        if (exchange->socket == NULL || exchange->state == HTTP_ENDED)
            continue; /* its close() is to come, or a handler to return */
        exchange->state = HTTP_ENDED;
        socket_abort(exchange->socket);
    }
    return await_none(engine, patience_ns) ? 0 : -EBUSY;
}
