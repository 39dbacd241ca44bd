/*
 * A server of net/http in a world of the test (site_world.h), and its clients.
 * Includes the server's sources.
 */
#ifndef TORC_TESTS_FAKES_HTTP_WORLD_H
#define TORC_TESTS_FAKES_HTTP_WORLD_H

#include "tests/fakes/site_world.h"
/* the world first */
#include <setjmp.h>

/* ---- Threads of the server ----------------------------------------------- */

#define semaphore_create  world_semaphore_create
#define semaphore_post    world_semaphore_post
#define semaphore_wait    world_semaphore_wait
#define semaphore_destroy world_semaphore_destroy
#define thread_create     world_thread_create
#define thread_yield      world_thread_yield
#include <torc/sync.h>

/* thread.h was read before they had other names */
int world_thread_create(const struct thread_attr *attr, int (*fn)(void *),
                        void *arg, thread_id *out);
void world_thread_yield(void);

enum { WORLD_THREADS_MAX = 4 };

static struct semaphore {
    uint64_t count;
} world_semaphore;
static struct {
    int (*fn)(void *);
    void *arg;
} world_threads[WORLD_THREADS_MAX];
static unsigned world_thread_count;
static int thread_error_at;  /* the n-th from now is not made; 0: all are */
static jmp_buf *world_waits; /* where the thread that runs waits */

int semaphore_create(uint64_t count, struct semaphore **out)
{
    world_semaphore.count = count;
    *out = &world_semaphore;
    return 0;
}

int semaphore_post(struct semaphore *semaphore)
{
    semaphore->count++;
    return 0;
}

/* A thread that has to wait is left; it begins anew when it is run again. */
int semaphore_wait(struct semaphore *semaphore, uint64_t deadline_ns)
{
    (void)deadline_ns;
    if (semaphore->count == 0)
        longjmp(*world_waits, 1);
    semaphore->count--;
    return 0;
}

int semaphore_destroy(struct semaphore *semaphore)
{
    (void)semaphore;
    return 0;
}

int thread_create(const struct thread_attr *attr, int (*fn)(void *), void *arg,
                  thread_id *out)
{
    (void)attr;
    (void)out;
    if (thread_error_at > 0 && --thread_error_at == 0)
        return -EAGAIN;
    world_threads[world_thread_count].fn = fn;
    world_threads[world_thread_count++].arg = arg;
    return 0;
}

void thread_yield(void)
{
}

/* Let a thread run until it waits for work. May be called by what another
 * thread calls, which then waits for something else. True: it has ended. */
static inline bool thread_runs(unsigned index)
{
    jmp_buf *before = world_waits;
    jmp_buf here;
    volatile bool has_ended = false;

    world_waits = &here;
    if (setjmp(here) == 0) {
        world_threads[index].fn(world_threads[index].arg);
        has_ended = true;
    }
    world_waits = before;
    return has_ended;
}

#include "net/http/condition.c"
#include "net/http/content.c"
#include "net/http/date.c"
#include "net/http/head.c"
#include "net/http/peer/answer.c"
#include "net/http/peer/engine.c"
#include "net/http/peer/exchange.c"
#include "net/http/peer/intake.c"
#include "net/http/peer/route.c"
#include "net/http/peer/send.c"
#include "net/http/peer/server.c"
#include "net/http/request.c"
#include "net/http/span.c"
#include "net/http/target.c"

static struct http_server server;

static inline void server_open_with(const struct http_route *routes,
                                    size_t count, unsigned workers)
{
    world_begin();
    world_thread_count = 0;
    world_semaphore.count = 0;
    server = (struct http_server){
        .name = "test",
        .port = 80,
        .routes = routes,
        .route_count = count,
        .workers = workers,
    };
    assert_int_equal(http_serve(&server), 0);
}

static inline void server_open(const struct http_route *routes, size_t count)
{
    server_open_with(routes, count, 0);
}

static inline void engine_check_empty(const struct http_engine *engine)
{
    assert_int_equal(engine->connection_count, 0);
    assert_true(list_empty(&engine->all));
    assert_true(list_empty(&engine->idle));
    assert_true(list_empty(&engine->ready));
}

/* Nothing of it is left. */
static inline void server_close(void)
{
    struct http_engine *engine = server.engine;

    engine_check_empty(engine);
    engine_end(engine);
    for (unsigned i = 0; i < world_thread_count; i++)
        assert_true(thread_runs(i));
    assert_int_equal(mem_blocks, 0);
    assert_int_equal(errors_logged, 0);
}

/* What is always true of connections that are not run. */
static inline void server_check(void)
{
    const struct http_engine *engine = served->cookie;

    list_for_each (node, &engine->all) {
        const struct http_exchange *exchange =
            container_of(node, struct http_exchange, link);

        if (exchange->worker == NULL)
            http_exchange_check(exchange);
    }
}

static inline void client_send_bytes(struct socket *socket, const char *bytes,
                                     size_t len)
{
    if (socket->in_at == socket->in_len) {
        socket->in_at = 0;
        socket->in_len = 0;
    }
    assert_true(socket->in_len + len <= sizeof(socket->in));
    memcpy(socket->in + socket->in_len, bytes, len);
    socket->in_len += len;
    if (is_open(socket))
        served->receive(served, socket);
    server_check();
}

static inline void client_send(struct socket *socket, const char *text)
{
    client_send_bytes(socket, text, strlen(text));
}

/* There is room for so many more bytes. */
static inline void client_takes(struct socket *socket, size_t count)
{
    socket->room = count;
    if (socket->wants_room && is_open(socket)) {
        socket->wants_room = false;
        served->writable(served, socket);
    }
    server_check();
}

static inline void client_end(struct socket *socket)
{
    socket->peer_ended = true;
    if (is_open(socket))
        served->receive(served, socket);
    server_check();
}

/* What has come is forgotten. */
static inline void out_clear(struct socket *socket)
{
    socket->out_len = 0;
    if (socket->out != NULL)
        socket->out[0] = '\0';
}

/* `ns` pass without a byte; the service calls every HTTP_CHECK_NS. */
static inline void pass(struct socket *socket, uint64_t ns)
{
    uint64_t end = now_ns + ns;

    while (is_open(socket) && now_ns + HTTP_CHECK_NS <= end) {
        now_ns += HTTP_CHECK_NS;
        served->timeout(served, socket);
        server_check();
    }
    now_ns = end;
}

#endif
