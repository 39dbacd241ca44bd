/*
 * A server of net/http in a world of the test (site_world.h), and its clients.
 * Includes the server's sources.
 */
#ifndef TORC_TESTS_FAKES_HTTP_WORLD_H
#define TORC_TESTS_FAKES_HTTP_WORLD_H

#include "tests/fakes/site_world.h"
/* the world first */
#include "net/http/condition.c"
#include "net/http/content.c"
#include "net/http/date.c"
#include "net/http/engine.c"
#include "net/http/exchange.c"
#include "net/http/head.c"
#include "net/http/request.c"
#include "net/http/route.c"
#include "net/http/send.c"
#include "net/http/span.c"
#include "net/http/target.c"

static struct http_server server;

static inline void server_open(const struct http_route *routes, size_t count)
{
    world_begin();
    server = (struct http_server){
        .name = "test", .port = 80, .routes = routes, .route_count = count};
    assert_int_equal(http_serve(&server), 0);
}

/* Nothing of it is left. */
static inline void server_close(void)
{
    struct http_engine *engine = server.engine;

    assert_int_equal(engine->connection_count, 0);
    assert_true(list_empty(&engine->all));
    assert_true(list_empty(&engine->idle));
    assert_true(list_empty(&engine->ready));
    engine_free(engine);
    assert_int_equal(mem_blocks, 0);
    assert_int_equal(errors_logged, 0);
}

static inline struct socket *client_open(void)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    socket->room = 1000000;
    assert_int_equal(served->accept(served, socket), 0);
    return socket;
}

/* The connection is over. */
static inline void client_free(struct socket *socket)
{
    served->close(served, socket);
    free(socket->out);
    free(socket);
}

static inline bool is_open(const struct socket *socket)
{
    return !socket->is_closed && !socket->is_aborted;
}

static inline const char *out(const struct socket *socket)
{
    return socket->out == NULL ? "" : socket->out;
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
}

static inline void client_end(struct socket *socket)
{
    socket->peer_ended = true;
    if (is_open(socket))
        served->receive(served, socket);
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
    }
    now_ns = end;
}

#endif
