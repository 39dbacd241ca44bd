/* Sockets of threads on vsock: opened, connected, accepted and closed. */
#include "net/vsock/vsock.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum {
    BACKLOG_MAX = 65536,
    PORT_FIRST = 1024, /* of those that we choose */
    PORT_TRIES = 64,
};

static struct socket *on_create(struct server *server, struct tcp_conn *conn);
static void on_close(struct socket *socket, bool abort);

static const struct socket_client thread_client = {
    .create = on_create,
    .notify = user_socket_notify,
    .close = on_close,
    .calls = &vsock_calls,
};

/* The thread's socket behind one of vsock. Returns 0, -EXDEV, -EINVAL. */
static int user_of(struct socket *socket, struct user_socket **out)
{
    int error = user_socket_any(socket, out);

    if (error != 0)
        return error;
    return socket->client == &thread_client ? 0 : -EINVAL;
}

int socket_open_vsock(struct socket **out)
{
    struct user_socket *user;
    struct vsock_stack *stack;
    int error = vsock_stack_get(&stack);

    if (error != 0)
        return error;
    user = user_socket_create(&thread_client, NULL);
    if (user == NULL)
        return -ENOMEM;
    user->vsock_port = VSOCK_PORT_ANY;
    *out = &user->socket;
    return 0;
}

int socket_bind_vsock(struct socket *socket, uint32_t port)
{
    struct user_socket *user;
    struct vsock_stack *stack;
    int error = user_of(socket, &user);

    if (error == 0)
        error = vsock_stack_get(&stack);
    if (error != 0)
        return error;
    if (user->vsock_port != VSOCK_PORT_ANY || socket->vsock != NULL)
        return -EINVAL;
    if (port != VSOCK_PORT_ANY && vsock_listener_find(stack, port) != NULL)
        return -EADDRINUSE;
    user->vsock_port = port;
    return 0;
}

/* ---- Listening ----------------------------------------------------------- */

int vsock_socket_listen(struct socket *socket, unsigned backlog)
{
    struct vsock_listener *listener;
    struct user_socket *user;
    struct vsock_stack *stack;
    int error = user_of(socket, &user);

    if (error == 0)
        error = vsock_stack_get(&stack);
    if (error != 0)
        return error;
    if (user->vsock_port == VSOCK_PORT_ANY || user->listener != NULL ||
        socket->vsock != NULL || backlog > BACKLOG_MAX)
        return -EINVAL;
    listener = mem_alloc_zeroed(sizeof(*listener));
    if (listener == NULL)
        return -ENOMEM;
    error = vsock_listen(listener, stack, user->vsock_port, backlog);
    if (error != 0) {
        mem_free(listener);
        return error;
    }
    listener->base.owner = user;
    listener->base.server.client = &thread_client;
    listener->base.server.is_listening = true;
    user->listener = &listener->base;
    return 0;
}

/* A connection for a listener: its socket waits to be accepted. */
static struct socket *on_create(struct server *server, struct tcp_conn *conn)
{
    const struct flow none = {.lport = 0};
    struct listener *listener = container_of(server, struct listener, server);
    struct user_socket *user = user_socket_create(&thread_client, NULL);

    if (user == NULL)
        return NULL;
    user->vsock_port = listener->owner->vsock_port;
    socket_init(&user->socket, &thread_client, server, conn, &none);
    list_push_back(&server->ready, &user->socket.link);
    user_socket_wake(listener->owner);
    return &user->socket;
}

static void listener_close(struct user_socket *user)
{
    struct vsock_listener *listener =
        container_of(user->listener, struct vsock_listener, base);
    struct list *node;

    list_remove(&listener->link);
    while ((node = list_pop_front(&listener->base.server.ready)) != NULL) {
        struct socket *socket = container_of(node, struct socket, link);

        on_close(socket, true);
    }
    assert(listener->count == 0);
    mem_free(listener);
}

/* ---- Connecting ---------------------------------------------------------- */

/* Whether the port is free for a connection with `remote`. */
static bool port_is_free(struct vsock_stack *stack,
                         const struct vsock_address *local,
                         const struct vsock_address *remote)
{
    return vsock_conn_find(stack, local, remote) == NULL &&
           vsock_listener_find(stack, local->port) == NULL;
}

/* Choose a port. Returns 0, -EADDRINUSE. */
static int port_choose(struct vsock_stack *stack, struct vsock_address *local,
                       const struct vsock_address *remote)
{
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        if (stack->next_port < PORT_FIRST || stack->next_port == VSOCK_PORT_ANY)
            stack->next_port = PORT_FIRST;
        local->port = stack->next_port++;
        if (port_is_free(stack, local, remote))
            return 0;
    }
    return -EADDRINUSE;
}

int socket_connect_start_vsock(struct socket *socket,
                               const struct vsock_address *remote)
{
    struct vsock_address local;
    struct user_socket *user;
    struct vsock_stack *stack;
    struct vsock_conn *conn;
    int error = user_of(socket, &user);

    if (error == 0)
        error = vsock_stack_get(&stack);
    if (error != 0)
        return error;
    if (user->listener != NULL || socket->vsock != NULL)
        return -EINVAL;
    local = (struct vsock_address){stack->device->cid, user->vsock_port};
    if (local.port == VSOCK_PORT_ANY)
        error = port_choose(stack, &local, remote);
    else if (vsock_conn_find(stack, &local, remote) != NULL)
        error = -EADDRINUSE;
    if (error == 0)
        error = vsock_conn_create(stack, &local, remote, &conn);
    if (error != 0)
        return error;
    conn->socket = socket;
    socket->vsock = conn;
    socket->is_accepted = true;
    socket->error = 0;
    vsock_conn_watch(conn);
    vsock_owe(conn, OWES_REQUEST);
    return 0;
}

int socket_connect_vsock(struct socket *socket,
                         const struct vsock_address *remote,
                         uint64_t deadline_ns)
{
    struct user_socket *user;
    int error = socket_connect_start_vsock(socket, remote);

    if (error == 0)
        error = user_of(socket, &user);
    if (error == 0 &&
        user_socket_wait(user, VSOCK_IS_ANSWERED, deadline_ns) == 0)
        return socket->vsock != NULL ? 0 : socket->error;
    if (error == 0) { /* it is given up */
        vsock_conn_hang_up(socket->vsock, -ETIMEDOUT);
        error = -ETIMEDOUT;
    }
    return error;
}

/* ---- The end ------------------------------------------------------------- */

static void on_close(struct socket *socket, bool abort)
{
    struct user_socket *user = container_of(socket, struct user_socket, socket);

    assert(list_empty(&user->waiters));
    if (user->listener != NULL)
        listener_close(user);
    if (socket->vsock != NULL)
        vsock_conn_close(socket->vsock, abort);
    mem_free(user);
}
