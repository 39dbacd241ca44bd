/* Sockets of threads: bytes in and out. */
#include "net/sock/sock.h"
#include "net/tcp.h"

static int64_t peek(struct socket *socket, void *buf, size_t size)
{
    if (socket->conn != NULL)
        return tcp_peek(socket->conn, buf, size);
    if (socket->client->calls != NULL)
        return socket->client->calls->receive(socket, buf, size, true);
    return socket_receive(socket, buf, size);
}

/* What to do again is done again until it answers something else than -EAGAIN,
 * or until the deadline. */
static int64_t take(struct socket *socket, void *buf, size_t size,
                    uint64_t deadline_ns, bool stays)
{
    struct user_socket *user;
    int error = user_socket_of(socket, false, &user);

    if (error != 0)
        return error;
    for (;;) {
        int64_t got =
            stays ? peek(socket, buf, size) : socket_receive(socket, buf, size);

        if (got != -EAGAIN)
            return got;
        error = user_socket_wait(user, SOCKET_CAN_READ, deadline_ns);
        if (error != 0)
            return error;
    }
}

int64_t socket_read(struct socket *socket, void *buf, size_t size,
                    uint64_t deadline_ns)
{
    struct user_socket *user;
    int error = user_socket_any(socket, &user);

    if (error != 0)
        return error;
    if (user->udp_calls != NULL)
        return user->udp_calls->read(user, buf, size, NULL, deadline_ns);
    return take(socket, buf, size, deadline_ns, false);
}

int64_t socket_peek(struct socket *socket, void *buf, size_t size,
                    uint64_t deadline_ns)
{
    return take(socket, buf, size, deadline_ns, true);
}

/* Queue all of it. */
static int64_t give(struct user_socket *user, const uint8_t *data, size_t size,
                    uint64_t deadline_ns)
{
    size_t done = 0;

    if (user->socket.conn != NULL && !tcp_is_established(user->socket.conn))
        return -ENOTCONN;
    for (;;) {
        int64_t taken = socket_send(&user->socket, data + done, size - done);
        int error;

        if (taken < 0)
            return done > 0 ? (int64_t)done : taken;
        done += (size_t)taken;
        if (done == size)
            return (int64_t)done;
        error = user_socket_wait(user, SOCKET_CAN_SEND, deadline_ns);
        if (error != 0)
            return done > 0 ? (int64_t)done : error;
    }
}

int64_t socket_write(struct socket *socket, const void *data, size_t size,
                     uint64_t deadline_ns)
{
    struct user_socket *user;
    int error = user_socket_any(socket, &user);

    if (error != 0)
        return error;
    if (user->udp_calls == NULL)
        return give(user, data, size, deadline_ns);
    error = user->udp_calls->send(user, data, size, NULL);
    return error != 0 ? error : (int64_t)size;
}

/* As give(), of a slice that is not copied. */
static int64_t lend(struct user_socket *user, struct slice slice,
                    uint64_t deadline_ns)
{
    int64_t done = 0;

    if (user->socket.conn != NULL && !tcp_is_established(user->socket.conn))
        return -ENOTCONN;
    for (;;) {
        int64_t taken = socket_lend(&user->socket, NULL, 0, &slice, 1);
        int error;

        if (taken < 0)
            return done > 0 ? done : taken;
        done += taken;
        slice.offset += (uint32_t)taken;
        slice.len -= (uint32_t)taken;
        if (slice.len == 0)
            return done;
        error = user_socket_wait(user, SOCKET_CAN_SEND, deadline_ns);
        if (error != 0)
            return done > 0 ? done : error;
    }
}

int64_t socket_send_slices(struct socket *socket, const struct slice *slices,
                           unsigned count, uint64_t deadline_ns)
{
    struct user_socket *user;
    int64_t done = 0;
    int error = user_socket_of(socket, false, &user);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < count; i++) {
        int64_t taken = lend(user, slices[i], deadline_ns);

        if (taken < 0)
            return done > 0 ? done : taken;
        done += taken;
        if (taken < slices[i].len)
            break;
    }
    return done;
}

int socket_shutdown(struct socket *socket)
{
    if (socket->cpu != cpu_id())
        return -EXDEV;
    if (socket->client->calls != NULL)
        return socket->client->calls->shutdown(socket);
    if (socket->conn == NULL || !tcp_is_established(socket->conn))
        return -ENOTCONN;
    tcp_shutdown(socket->conn);
    return 0;
}
