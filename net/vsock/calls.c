/* Sockets of vsock: what both kinds of clients call. */
#include "kernel/lib/minmax.h"
#include "net/vsock/vsock.h"
#include <torc/memory.h>
#include <torc/string.h>

enum { TELL_SHARE = 4 }; /* of the ring: so much is read before it is told */

/* ---- In ------------------------------------------------------------------ */

static size_t ring_copy(const struct vsock_conn *conn, uint8_t *buf,
                        size_t size)
{
    size_t at = conn->fwd_cnt % VSOCK_RING;
    size_t len = min_size(size, vsock_unread(conn));
    size_t first = min_size(len, VSOCK_RING - at);

    memcpy(buf, conn->ring + at, first);
    memcpy(buf + first, conn->ring, len - first);
    return len;
}

/* The application has taken bytes: the peer may send as many (5.10.6.3). */
static void taken(struct vsock_conn *conn, size_t len)
{
    bool is_empty;

    conn->fwd_cnt += (uint32_t)len;
    is_empty = vsock_unread(conn) == 0;
    if (conn->state == VSOCK_ENDED) {
        if (is_empty)
            vsock_conn_detach(conn);
        return;
    }
    conn->moved_ns = time_ns();
    if (is_empty && conn->peer_shut == VSOCK_SHUT_BOTH)
        vsock_conn_hang_up(conn, -EPIPE);
    else if (conn->fwd_cnt - conn->fwd_told >= VSOCK_RING / TELL_SHARE)
        vsock_owe(conn, OWES_CREDIT_UPDATE);
}

static int64_t on_receive(struct socket *socket, void *buf, size_t size,
                          bool stays)
{
    struct vsock_conn *conn = socket->vsock;
    size_t len;

    if (size == 0)
        return -EINVAL;
    if (conn == NULL)
        return socket->error == -EPIPE ? 0 : socket->error;
    if (conn->state == VSOCK_CONNECTING)
        return -ENOTCONN;
    len = ring_copy(conn, buf, size);
    if (len == 0)
        return (conn->peer_shut & VSOCK_SHUT_SEND) != 0 ? 0 : -EAGAIN;
    if (!stays)
        taken(conn, len);
    return (int64_t)len;
}

/* ---- Out ----------------------------------------------------------------- */

/* Whether bytes can be sent at all: 0, or the error. */
static int send_error(const struct socket *socket)
{
    const struct vsock_conn *conn = socket->vsock;

    if (conn == NULL)
        return socket->error;
    if (conn->state == VSOCK_CONNECTING)
        return -ENOTCONN;
    if (conn->state == VSOCK_ENDED)
        return conn->error;
    if ((conn->own_shut & VSOCK_SHUT_SEND) != 0 ||
        (conn->peer_shut & VSOCK_SHUT_RECEIVE) != 0)
        return -EPIPE;
    return 0;
}

static int64_t on_send(struct socket *socket, const void *data, size_t size)
{
    int error = send_error(socket);

    if (error != 0)
        return error;
    return (int64_t)vsock_write(socket->vsock, data, size);
}

static int64_t on_lend(struct socket *socket, const void *head, size_t head_len,
                       const struct slice *slices, unsigned count)
{
    int64_t done = on_send(socket, head, head_len);

    if (done < (int64_t)head_len)
        return done;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *data = slices[i].buf->base + slices[i].offset;
        size_t sent = vsock_write(socket->vsock, data, slices[i].len);

        done += (int64_t)sent;
        if (sent < slices[i].len)
            break;
    }
    return done;
}

static size_t on_room(const struct socket *socket)
{
    const struct vsock_conn *conn = socket->vsock;

    if (send_error(socket) != 0 || conn->owed != 0 || conn->stack->is_full)
        return 0;
    return min_size(vsock_credit(conn), conn->stack->device->data_max);
}

static int on_shutdown(struct socket *socket)
{
    struct vsock_conn *conn = socket->vsock;

    if (conn == NULL || conn->state == VSOCK_CONNECTING ||
        conn->state == VSOCK_ENDED)
        return -ENOTCONN;
    if ((conn->own_shut & VSOCK_SHUT_SEND) == 0) {
        conn->own_shut |= VSOCK_SHUT_SEND;
        vsock_owe(conn, OWES_SHUTDOWN);
    }
    return 0;
}

/* ---- Readiness ----------------------------------------------------------- */

static unsigned listener_ready(const struct user_socket *user)
{
    const struct listener *listener = user->listener;
    const struct vsock_listener *vsock =
        container_of(listener, struct vsock_listener, base);

    if (!list_empty(&listener->server.ready))
        return SOCKET_CAN_READ;
    return vsock->stack->device->is_gone ? SOCKET_CAN_READ | SOCKET_HAS_ENDED
                                         : 0;
}

static unsigned conn_ready(struct vsock_conn *conn, const struct socket *socket,
                           unsigned asked)
{
    unsigned ready = 0;

    if (conn->state == VSOCK_CONNECTING)
        return 0;
    ready |= VSOCK_IS_ANSWERED;
    if (vsock_unread(conn) > 0 || (conn->peer_shut & VSOCK_SHUT_SEND) != 0)
        ready |= SOCKET_CAN_READ;
    if (conn->state == VSOCK_ENDED)
        ready |= SOCKET_HAS_ENDED;
    if ((asked & SOCKET_CAN_SEND) != 0 &&
        (send_error(socket) != 0 || vsock_has_room(conn)))
        ready |= SOCKET_CAN_SEND;
    return ready;
}

/* Of a socket of a thread, or a service's connection. */
static unsigned on_ready(struct socket *socket, unsigned asked)
{
    if (socket->server == NULL) {
        const struct user_socket *user =
            container_of(socket, struct user_socket, socket);

        if (user->listener != NULL)
            return listener_ready(user);
    }
    if (socket->vsock == NULL)
        return SOCKET_CAN_READ | SOCKET_CAN_SEND | SOCKET_HAS_ENDED;
    return conn_ready(socket->vsock, socket, asked);
}

/* ---- Listening, and the end ---------------------------------------------- */

struct vsock_listener *vsock_listener_find(struct vsock_stack *stack,
                                           uint32_t port)
{
    list_for_each (node, &stack->listeners) {
        struct vsock_listener *listener =
            container_of(node, struct vsock_listener, link);

        if (listener->port == port)
            return listener;
    }
    return NULL;
}

int vsock_listen(struct vsock_listener *listener, struct vsock_stack *stack,
                 uint32_t port, unsigned backlog)
{
    if (vsock_listener_find(stack, port) != NULL)
        return -EADDRINUSE;
    server_prepare(&listener->base.server,
                   backlog != 0 ? backlog : NET_BACKLOG_DEFAULT);
    list_init(&listener->base.server.link);
    listener->stack = stack;
    listener->port = port;
    list_push_back(&stack->listeners, &listener->link);
    return 0;
}

static void on_accepted(struct socket *socket)
{
    if (socket->vsock != NULL)
        vsock_conn_uncount(socket->vsock);
}

static void on_close(struct socket *socket, bool abort)
{
    struct vsock_conn *conn = socket->vsock;

    if (conn == NULL)
        return;
    socket->vsock = NULL;
    vsock_conn_close(conn, abort);
    socket_finish(socket, -EPIPE);
}

const struct socket_calls vsock_calls = {
    .receive = on_receive,
    .send = on_send,
    .lend = on_lend,
    .room = on_room,
    .ready = on_ready,
    .listen = vsock_socket_listen,
    .accepted = on_accepted,
    .shutdown = on_shutdown,
    .close = on_close,
};

/* ---- Addresses ----------------------------------------------------------- */

static const struct vsock_conn *conn_of(const struct socket *socket)
{
    return socket->client->calls == &vsock_calls ? socket->vsock : NULL;
}

struct vsock_address socket_peer_vsock(const struct socket *socket)
{
    const struct vsock_conn *conn = conn_of(socket);

    return conn != NULL ? conn->remote : (struct vsock_address){0, 0};
}

struct vsock_address socket_local_vsock(const struct socket *socket)
{
    const struct vsock_conn *conn = conn_of(socket);

    return conn != NULL ? conn->local : (struct vsock_address){0, 0};
}
