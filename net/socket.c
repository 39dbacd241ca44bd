#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/time.h>

void socket_init(struct socket *socket, const struct socket_client *client,
                 struct server *server, struct tcp_conn *conn,
                 const struct flow *flow)
{
    list_init(&socket->link);
    socket->client = client;
    socket->server = server;
    socket->conn = conn;
    socket->cpu = (uint16_t)cpu_id();
    socket->flow = *flow;
}

void socket_notify(struct socket *socket, enum socket_event event)
{
    /* SOCKET_CLOSE is the last event: the connection is gone then. */
    assert(socket->conn != NULL || event == SOCKET_CLOSE);
    socket->events |= (uint8_t)event;
    socket->client->notify(socket, event);
}

static const struct socket_calls *calls_of(const struct socket *socket)
{
    return socket->client->calls;
}

void socket_finish(struct socket *socket, int error)
{
    socket->conn = NULL;
    socket->error = error;
    socket->events = 0;
    socket_notify(socket, SOCKET_CLOSE);
}

void socket_detach(struct socket *socket, int error)
{
    assert(socket->conn != NULL);
    socket_finish(socket, error);
}

int64_t socket_receive(struct socket *socket, void *buf, size_t size)
{
    if (socket->cpu != cpu_id())
        return -EXDEV;
    if (socket->conn == NULL && calls_of(socket) != NULL)
        return calls_of(socket)->receive(socket, buf, size, false);
    if (socket->conn == NULL)
        return socket->error == -EPIPE ? 0 : socket->error;
    return tcp_read(socket->conn, buf, size);
}

int64_t socket_send(struct socket *socket, const void *data, size_t size)
{
    if (socket->cpu != cpu_id())
        return -EXDEV;
    if (socket->conn == NULL && calls_of(socket) != NULL)
        return calls_of(socket)->send(socket, data, size);
    if (socket->conn == NULL)
        return socket->error;
    return tcp_write(socket->conn, data, size);
}

int64_t socket_lend(struct socket *socket, const void *head, size_t head_len,
                    const struct slice *slices, unsigned count)
{
    if (socket->cpu != cpu_id())
        return -EXDEV;
    if (socket->conn == NULL && calls_of(socket) != NULL)
        return calls_of(socket)->lend(socket, head, head_len, slices, count);
    if (socket->conn == NULL)
        return socket->error;
    return tcp_lend(socket->conn, head, head_len, slices, count);
}

uint64_t socket_time_ns(const struct socket *socket)
{
    assert(socket->cpu == cpu_id());
    return socket->conn != NULL ? tcp_time(socket->conn) : time_ns();
}

void socket_hold(struct socket *socket)
{
    assert(socket->cpu == cpu_id());
    if (socket->conn != NULL)
        tcp_hold(socket->conn);
}

bool socket_has_input(const struct socket *socket)
{
    char byte;

    assert(socket->cpu == cpu_id());
    if (socket->conn == NULL && calls_of(socket) != NULL)
        return calls_of(socket)->receive((struct socket *)socket, &byte, 1,
                                         true) != -EAGAIN;
    return socket->conn == NULL || tcp_can_read(socket->conn);
}

size_t socket_send_room(const struct socket *socket)
{
    assert(socket->cpu == cpu_id());
    if (socket->conn == NULL && calls_of(socket) != NULL)
        return calls_of(socket)->room(socket);
    return socket->conn == NULL ? 0 : tcp_write_room(socket->conn);
}

void socket_close(struct socket *socket)
{
    struct tcp_conn *conn = socket->conn;

    assert(socket->cpu == cpu_id());
    if (socket->client->close != NULL) {
        socket->client->close(socket, false);
        return;
    }
    if (conn == NULL && calls_of(socket) != NULL)
        calls_of(socket)->close(socket, false);
    if (conn == NULL)
        return;
    socket_finish(socket, -EPIPE);
    tcp_close(conn);
}

void socket_abort(struct socket *socket)
{
    struct tcp_conn *conn = socket->conn;

    assert(socket->cpu == cpu_id());
    if (socket->client->close != NULL) {
        socket->client->close(socket, true);
        return;
    }
    if (conn == NULL && calls_of(socket) != NULL)
        calls_of(socket)->close(socket, true);
    if (conn == NULL)
        return;
    socket_finish(socket, -EPIPE);
    tcp_abort(conn);
}

void socket_set_cookie(struct socket *socket, void *cookie)
{
    assert(socket->cpu == cpu_id());
    socket->cookie = cookie;
}

void *socket_cookie(const struct socket *socket)
{
    return socket->cookie;
}

struct net_endpoint socket_peer(const struct socket *socket)
{
    if (calls_of(socket) != NULL)
        return (struct net_endpoint){.port = 0};
    return (struct net_endpoint){socket->flow.remote, socket->flow.rport};
}

struct net_endpoint socket_local(const struct socket *socket)
{
    if (calls_of(socket) != NULL)
        return (struct net_endpoint){.port = 0};
    return (struct net_endpoint){socket->flow.local, socket->flow.lport};
}
