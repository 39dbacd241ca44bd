/* Services: each has a thread, which calls the application back. */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/socket.h>
#include <torc/thread.h>

enum {
    DISPATCH_BUDGET = 16, /* callbacks between two yields */
    SERVICE_STACK = 64 * 1024,
    BACKLOG_MAX = 65536,
};

/* Whether two listeners could be meant by one SYN. */
static bool overlaps(const struct server *server, const struct net_addr *local,
                     uint16_t port)
{
    return server->port == port &&
           (addr_is_none(local) || addr_is_none(&server->local) ||
            addr_equal(local, &server->local));
}

void server_prepare(struct server *server, unsigned backlog)
{
    list_init(&server->ready);
    for (unsigned i = 0; i <= TCP_SYN_TRIES; i++)
        list_init(&server->half_open[i]);
    list_init(&server->open);
    wait_queue_init(&server->wake);
    server->backlog = backlog;
}

int server_init(struct server *server, struct net_stack *stack,
                const struct net_addr *local, uint16_t port, unsigned backlog)
{
    list_for_each (node, &stack->listeners) {
        if (overlaps(container_of(node, struct server, link), local, port))
            return -EADDRINUSE;
    }
    server_prepare(server, backlog != 0 ? backlog : NET_BACKLOG_DEFAULT);
    server->local = *local;
    server->port = port;
    server->half_open_max = server->backlog > TCP_HALF_OPEN_MAX
                                ? TCP_HALF_OPEN_MAX * 2
                                : TCP_HALF_OPEN_MAX;
    list_push_back(&stack->listeners, &server->link);
    return 0;
}

/* ---- The client of sockets ----------------------------------------------- */

void service_notify(struct socket *socket, enum socket_event event)
{
    (void)event;
    if (list_empty(&socket->link))
        list_push_back(&socket->server->ready, &socket->link);
    wait_wake_one(&socket->server->wake);
}

static struct socket *on_create(struct server *server, struct tcp_conn *conn);

static const struct socket_client service_client = {
    .create = on_create,
    .notify = service_notify,
};

static struct socket *on_create(struct server *server, struct tcp_conn *conn)
{
    struct socket *socket = mem_alloc_zeroed(sizeof(*socket));

    if (socket == NULL)
        return NULL;
    socket_init(socket, &service_client, server, conn, tcp_flow(conn));
    socket_notify(socket, SOCKET_ACCEPT);
    return socket;
}

int server_create(struct net_stack *stack, struct service *service,
                  struct server **out)
{
    const struct net_addr any = {.word = {0, 0}};
    struct server *server;
    int error;

    if (service->port == 0 || service->receive == NULL ||
        service->backlog > BACKLOG_MAX)
        return -EINVAL;
    server = mem_alloc_zeroed(sizeof(*server));
    if (server == NULL)
        return -ENOMEM;
    error = server_init(server, stack, &any, service->port,
                        service->backlog != 0 ? service->backlog
                                              : stack->place_max);
    if (error != 0) {
        mem_free(server);
        return error;
    }
    server->client = &service_client;
    server->service = service;
    *out = server;
    return 0;
}

void server_destroy(struct server *server)
{
    assert(server->half_open_count == 0);
    assert(list_empty(&server->ready));
    assert(server->conn_count == 0);
    list_remove(&server->link);
    mem_free(server);
}

static void call_accept(struct server *server, struct socket *socket)
{
    struct service *service = server->service;

    socket->is_accepted = true;
    if (service->accept == NULL || service->accept(service, socket) == 0)
        return;
    /* Refused: reset, and no close() for what was never accepted. */
    socket->is_accepted = false;
    socket_abort(socket);
}

static void call_close(struct server *server, struct socket *socket)
{
    struct service *service = server->service;

    if (socket->is_accepted && service->close != NULL)
        service->close(service, socket);
    assert(socket->conn == NULL);
    assert(list_empty(&socket->link)); /* no event follows SOCKET_CLOSE */
    mem_free(socket);
}

static bool socket_has_room(struct socket *socket)
{
    return socket->conn != NULL
               ? tcp_has_room(socket->conn)
               : (socket->client->calls->ready(socket, SOCKET_CAN_SEND) &
                  SOCKET_CAN_SEND) != 0;
}

/* Call back for one event, which was removed from the socket's events. */
static void call_event(struct server *server, struct socket *socket,
                       enum socket_event event)
{
    struct service *service = server->service;

    switch (event) {
    case SOCKET_ACCEPT:
        call_accept(server, socket);
        break;
    case SOCKET_RECEIVE:
        service->receive(service, socket);
        break;
    case SOCKET_WRITABLE:
        /* Since the event an earlier callback may have used the room. */
        if (service->writable != NULL && socket_has_room(socket))
            service->writable(service, socket);
        break;
    case SOCKET_TIMEOUT:
        if (service->timeout != NULL)
            service->timeout(service, socket);
        else
            socket_close(socket);
        break;
    case SOCKET_CLOSE:
        call_close(server, socket);
        break;
    }
}

/*
 * Call back for one event of the first socket on the list. A socket with more
 * events is appended first, so that the sockets take turns. It stays valid
 * during the callback: only SOCKET_CLOSE frees it, and that is its last event.
 */
static void dispatch_one(struct server *server)
{
    struct list *node = list_pop_front(&server->ready);
    struct socket *socket = container_of(node, struct socket, link);
    unsigned event = socket->events & -(unsigned)socket->events;

    socket->events &= (uint8_t)~event;
    if (socket->events != 0)
        list_push_back(&server->ready, &socket->link);
    call_event(server, socket, event);
}

bool server_dispatch(struct server *server, unsigned budget)
{
    for (; budget > 0 && !list_empty(&server->ready); budget--)
        dispatch_one(server);
    return !list_empty(&server->ready);
}

void server_check(const struct server *server)
{
    assert(server->conn_count <= server->backlog);
    assert(server->half_open_count <= server->half_open_max);
    for (unsigned row = 0; row < SERVER_SOURCE_ROWS; row++) {
        uint32_t count = 0;

        for (unsigned i = 0; i < 1U << SOURCE_BITS; i++)
            count += server->sources[row][i];
        assert(count == server->conn_count);
    }
    list_for_each (node, &server->ready) {
        const struct socket *socket = container_of(node, struct socket, link);

        assert(socket->server == server);
        assert(socket->events != 0);
        assert((socket->conn == NULL) == (socket->events == SOCKET_CLOSE));
    }
}

/* ---- The thread ---------------------------------------------------------- */

/* Shared by service_register() and the new thread, until is_done is set. */
struct start {
    struct server *server;
    bool is_done;
    int error;
    struct wait_queue wake;
};

static int service_run(void *arg)
{
    struct start *start = arg;
    struct server *server = start->server;
    struct service *service = server->service;
    int error = service->init != NULL ? service->init(service) : 0;

    server->is_listening = error == 0;
    start->error = error;
    start->is_done = true;
    wait_wake_all(&start->wake); /* `start` may not be used from here on */
    if (error != 0)
        return error;
    for (;;) {
        while (server_dispatch(server, DISPATCH_BUDGET))
            thread_yield();
        wait_on(&server->wake);
    }
    return 0;
}

int server_start(struct server *server)
{
    const struct thread_attr attr = {
        .name = server->service->name,
        .stack_size = SERVICE_STACK,
        .detached = true,
    };
    struct start start = {.server = server};

    wait_queue_init(&start.wake);
    if (thread_create(&attr, service_run, &start, NULL) != 0)
        return -ENOMEM;
    while (!start.is_done)
        wait_on(&start.wake);
    return start.error;
}

int service_register(struct service *service)
{
    struct net_stack *stack = stack_self();
    struct server *server;
    int error;

    if (stack == NULL)
        return -ENOTCONN;
    error = server_create(stack, service, &server);
    if (error != 0)
        return error;
    error = server_start(server);
    if (error != 0) {
        server_destroy(server);
        return error;
    }
    log_info("net: %s listens on port %u",
             service->name != NULL ? service->name : "a service",
             service->port);
    return 0;
}
