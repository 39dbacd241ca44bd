/* Servers: how they begin and end, and their threads. */
#include "net/http/peer/engine_internal.h"
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/thread.h>

#define STOP_STEP_NS (10 * NS_PER_MS) /* how often http_stop() looks */

static_assert(HTTP_OUTPUT_SIZE - HTTP_CHUNK_HEAD - HTTP_CHUNK_TAIL <= 0x7fff,
              "a chunk's size has four digits");

/* ---- Threads ------------------------------------------------------------- */

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

static void engine_free(struct http_engine *engine)
{
    worker_fini(&engine->main);
    if (engine->work != NULL && semaphore_destroy(engine->work) != 0)
        log_error("%s: threads wait", engine->service.name);
    mem_free(engine);
}

/* A thread of the server's own. */
static int work(void *arg)
{
    struct http_worker *worker = arg;
    struct http_engine *engine = worker->engine;

    while (semaphore_wait(engine->work, TIME_NEVER) == 0 && !engine->is_over) {
        struct list *next = list_pop_front(&engine->ready);

        if (next != NULL)
            http_take_turn(
                worker, container_of(next, struct http_exchange, ready_link));
        thread_yield(); /* the service tells of what others have sent */
    }
    worker_fini(worker);
    mem_free(worker);
    if (--engine->worker_count == 0)
        engine_free(engine);
    return 0;
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

/* ---- Servers ------------------------------------------------------------- */

static void set_defaults(struct http_server *server)
{
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
    engine->service = http_service;
    engine->service.name = server->name;
    engine->service.port = server->port;
    engine->service.backlog = server->connections_max;
    engine->service.cookie = engine;
    engine->ending.content_len = SIZE_MAX; /* of no answer */
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
