/* Sockets of threads: opened, connected, accepted and closed. */
#include "net/ip.h"
#include "net/sock/sock.h"
#include "net/tcp.h"
#include <torc/memory.h>

enum { BACKLOG_MAX = 65536 };

static struct user_socket *user_of(struct socket *socket)
{
    return container_of(socket, struct user_socket, socket);
}

int user_socket_any(struct socket *socket, struct user_socket **out)
{
    if (socket->cpu != cpu_id())
        return -EXDEV;
    if (socket->client->notify != user_socket_notify)
        return -EINVAL;
    *out = user_of(socket);
    return 0;
}

int user_socket_of(struct socket *socket, bool is_udp, struct user_socket **out)
{
    int error = user_socket_any(socket, out);

    if (error != 0)
        return error;
    return ((*out)->udp_calls != NULL) == is_udp ? 0 : -EINVAL;
}

struct user_socket *user_socket_create(const struct socket_client *client,
                                       struct net_stack *stack)
{
    const struct flow none = {.lport = 0};
    struct user_socket *user = mem_alloc_zeroed(sizeof(*user));

    if (user == NULL)
        return NULL;
    list_init(&user->waiters);
    user->stack = stack;
    socket_init(&user->socket, client, NULL, NULL, &none);
    user->socket.error = -ENOTCONN;
    return user;
}

int user_socket_open(struct user_socket **out)
{
    struct net_stack *stack = stack_self();

    if (stack == NULL)
        return -ENOTCONN;
    *out = user_socket_create(&user_client, stack);
    return *out != NULL ? 0 : -ENOMEM;
}

int socket_open_tcp(struct socket **out)
{
    struct user_socket *user;
    int error = user_socket_open(&user);

    if (error == 0)
        *out = &user->socket;
    return error;
}

int socket_bind(struct socket *socket, const struct net_endpoint *local)
{
    struct user_socket *user;
    int error = user_socket_any(socket, &user);

    if (error != 0)
        return error;
    if (socket->client->calls != NULL || user->local.port != 0 ||
        !addr_is_none(&user->local.addr) || user->listener != NULL ||
        user->udp != NULL || socket->conn != NULL)
        return -EINVAL;
    if (!addr_is_none(&local->addr) && !ip_is_ours(user->stack, &local->addr))
        return -EINVAL;
    user->local = *local;
    if (user->udp_calls == NULL)
        return 0;
    error = user->udp_calls->bind(user);
    if (error != 0)
        user->local = (struct net_endpoint){.port = 0};
    return error;
}

/* ---- Listening ----------------------------------------------------------- */

int socket_listen(struct socket *socket, unsigned backlog)
{
    struct listener *listener;
    struct user_socket *user;
    int error = user_socket_of(socket, false, &user);

    if (error != 0)
        return error;
    if (socket->client->calls != NULL)
        return socket->client->calls->listen(socket, backlog);
    if (user->local.port == 0 || user->listener != NULL ||
        socket->conn != NULL || backlog > BACKLOG_MAX)
        return -EINVAL;
    listener = mem_alloc_zeroed(sizeof(*listener));
    if (listener == NULL)
        return -ENOMEM;
    error = server_init(&listener->server, user->stack, &user->local.addr,
                        user->local.port, backlog);
    if (error != 0) {
        mem_free(listener);
        return error;
    }
    listener->owner = user;
    listener->server.client = &user_client;
    listener->server.is_listening = true;
    user->listener = listener;
    return 0;
}

/* A connection for a listener: its socket waits to be accepted. */
static struct socket *on_create(struct server *server, struct tcp_conn *conn)
{
    struct listener *listener = container_of(server, struct listener, server);
    struct user_socket *user =
        user_socket_create(&user_client, listener->owner->stack);

    if (user == NULL)
        return NULL;
    socket_init(&user->socket, &user_client, server, conn, tcp_flow(conn));
    user->socket.events = SOCKET_ACCEPT;
    list_push_back(&server->ready, &user->socket.link);
    user_socket_wake(listener->owner);
    return &user->socket;
}

/* Let a connection have the options of a socket. */
static int options_apply(const struct user_socket *user, struct tcp_conn *conn)
{
    if (user->tuned == NULL)
        return 0;
    return user->tuned->apply(conn, &user->tuned->tuning);
}

int socket_accept(struct socket *socket, struct socket **out,
                  uint64_t deadline_ns)
{
    struct user_socket *user;
    struct socket *taken;
    int error = user_socket_of(socket, false, &user);

    if (error != 0)
        return error;
    if (user->listener == NULL)
        return -EINVAL;
    error = user_socket_wait(user, SOCKET_CAN_READ, deadline_ns);
    if (error != 0)
        return error;
    if (list_empty(&user->listener->server.ready))
        return -ENODEV; /* what it came over is gone */
    taken =
        container_of(user->listener->server.ready.next, struct socket, link);
    error = options_apply(user, taken->conn);
    if (error != 0)
        return error;
    list_remove(&taken->link);
    taken->server = NULL;
    taken->is_accepted = true;
    if (taken->conn != NULL)
        tcp_accept(taken->conn);
    else
        taken->client->calls->accepted(taken);
    *out = taken;
    return 0;
}

static void listener_close(struct user_socket *user)
{
    struct listener *listener = user->listener;
    struct list *node;

    listener->server.is_listening = false;
    tcp_unlisten(user->stack, &listener->server);
    while ((node = list_pop_front(&listener->server.ready)) != NULL) {
        struct socket *socket = container_of(node, struct socket, link);

        tcp_abort(socket->conn);
        mem_free(user_of(socket));
    }
    assert(listener->server.conn_count == 0);
    list_remove(&listener->server.link);
    mem_free(listener);
}

/* ---- Connecting ---------------------------------------------------------- */

int socket_connect_start(struct socket *socket,
                         const struct net_endpoint *remote)
{
    struct user_socket *user;
    struct flow flow = {.remote = remote->addr, .rport = remote->port};
    int error = user_socket_of(socket, false, &user);

    if (error != 0)
        return error;
    if (socket->client->calls != NULL || user->listener != NULL ||
        socket->conn != NULL)
        return -EINVAL;
    flow.local = user->local.addr;
    flow.lport = user->local.port;
    error = tcp_connect(user->stack, socket, &flow,
                        user->tuned != NULL ? &user->tuned->tuning : NULL);
    if (error == 0)
        error = options_apply(user, socket->conn);
    if (error != 0 && socket->conn != NULL) {
        tcp_abort(socket->conn);
        socket->conn = NULL;
        socket->error = error;
    }
    return error;
}

int socket_connect(struct socket *socket, const struct net_endpoint *remote,
                   uint64_t deadline_ns)
{
    struct user_socket *user;
    int error = user_socket_any(socket, &user);

    if (error != 0)
        return error;
    if (user->udp_calls != NULL)
        return user->udp_calls->connect(user, remote);
    error = socket_connect_start(socket, remote);
    if (error != 0)
        return error;
    error = user_socket_wait(user, SOCKET_CAN_SEND, deadline_ns);
    if (error != 0) { /* it is given up */
        struct tcp_conn *conn = socket->conn;

        socket->error = socket->error != 0 ? socket->error : -ETIMEDOUT;
        socket->conn = NULL;
        tcp_abort(conn);
    }
    return socket->conn != NULL ? 0 : socket->error;
}

/* ---- The client ---------------------------------------------------------- */

void user_socket_notify(struct socket *socket, enum socket_event event)
{
    struct user_socket *user = user_of(socket);

    if (event == SOCKET_CLOSE && socket->server != NULL) {
        /* It has ended before anybody accepted it. */
        list_remove(&socket->link);
        mem_free(user);
        return;
    }
    user_socket_wake(user);
}

static void on_close(struct socket *socket, bool abort)
{
    struct user_socket *user = user_of(socket);

    assert(list_empty(&user->waiters));
    if (user->listener != NULL)
        listener_close(user);
    if (user->udp != NULL)
        user->udp_calls->close(user);
    if (socket->conn != NULL && abort)
        tcp_abort(socket->conn);
    else if (socket->conn != NULL)
        tcp_close(socket->conn);
    mem_free(user->tuned);
    mem_free(user);
}

const struct socket_client user_client = {
    .create = on_create,
    .notify = user_socket_notify,
    .close = on_close,
};
