/* Sockets of threads for datagrams. */
#include "net/ip.h"
#include "net/sock/sock.h"
#include "net/udp.h"

static void on_changed(void *user)
{
    user_socket_wake(user);
}

/* Give it a port, if it has none. */
static int port_have(struct user_socket *user)
{
    int error;

    if (user->udp != NULL)
        return 0;
    error =
        udp_open(user->stack, &user->local.addr, user->local.port, &user->udp);
    if (error != 0)
        return error;
    udp_watch(user->udp, on_changed, user);
    user->socket.flow.local = user->local.addr;
    user->socket.flow.lport = udp_port(user->udp);
    return 0;
}

static int on_connect(struct user_socket *user,
                      const struct net_endpoint *remote)
{
    int error = port_have(user);

    if (error == 0)
        error = udp_connect(user->udp, &remote->addr, remote->port);
    if (error != 0)
        return error;
    user->socket.flow.remote = remote->addr;
    user->socket.flow.rport = remote->port;
    return 0;
}

static int64_t on_read(struct user_socket *user, void *buf, size_t size,
                       struct net_endpoint *from, uint64_t deadline_ns)
{
    struct flow flow;
    int error = port_have(user);

    while (error == 0) {
        int64_t got = udp_receive(user->udp, &flow, buf, size, 0);

        if (got != -ETIMEDOUT) {
            if (got >= 0 && from != NULL)
                *from = (struct net_endpoint){flow.remote, flow.rport};
            return got;
        }
        error = user_socket_wait(user, SOCKET_CAN_READ, deadline_ns);
    }
    return error;
}

static int on_send(struct user_socket *user, const void *data, size_t size,
                   const struct net_endpoint *to)
{
    int error = port_have(user);

    if (error != 0)
        return error;
    if (to == NULL)
        return udp_send(user->udp, NULL, 0, data, size);
    return udp_send(user->udp, &to->addr, to->port, data, size);
}

static bool is_ready(const struct user_socket *user)
{
    return user->udp != NULL && udp_is_ready(user->udp);
}

static void on_close(struct user_socket *user)
{
    udp_close(user->udp);
}

static const struct udp_calls udp_calls = {
    .bind = port_have,
    .connect = on_connect,
    .read = on_read,
    .send = on_send,
    .is_ready = is_ready,
    .close = on_close,
};

int socket_open_udp(struct socket **out)
{
    struct user_socket *user;
    int error = user_socket_open(&user);

    if (error != 0)
        return error;
    user->udp_calls = &udp_calls;
    *out = &user->socket;
    return 0;
}

int socket_send_to(struct socket *socket, const void *data, size_t size,
                   const struct net_endpoint *to)
{
    struct user_socket *user;
    int error = user_socket_of(socket, true, &user);

    return error != 0 ? error : on_send(user, data, size, to);
}

int64_t socket_receive_from(struct socket *socket, void *buf, size_t size,
                            struct net_endpoint *from, uint64_t deadline_ns)
{
    struct user_socket *user;
    int error = user_socket_of(socket, true, &user);

    return error != 0 ? error : on_read(user, buf, size, from, deadline_ns);
}
