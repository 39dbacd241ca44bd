/* Waiting for sockets of threads. */
#include "net/sock/sock.h"
#include "net/tcp.h"

static unsigned connection_ready(struct socket *socket, unsigned asked)
{
    struct tcp_conn *conn = socket->conn;
    unsigned ready = 0;

    if (conn == NULL)
        return SOCKET_CAN_READ | SOCKET_CAN_SEND | SOCKET_HAS_ENDED;
    if (!tcp_is_established(conn))
        return 0;
    if (tcp_can_read(conn))
        ready |= SOCKET_CAN_READ;
    if ((asked & SOCKET_CAN_SEND) != 0 && tcp_has_room(conn))
        ready |= SOCKET_CAN_SEND;
    return ready;
}

unsigned user_socket_ready(struct user_socket *user, unsigned asked)
{
    if (user->udp_calls != NULL)
        return SOCKET_CAN_SEND |
               (user->udp_calls->is_ready(user) ? SOCKET_CAN_READ : 0);
    if (user->socket.client->calls != NULL)
        return user->socket.client->calls->ready(&user->socket, asked);
    if (user->listener != NULL)
        return list_empty(&user->listener->server.ready) ? 0 : SOCKET_CAN_READ;
    return connection_ready(&user->socket, asked);
}

void user_socket_wake(struct user_socket *user)
{
    list_for_each (node, &user->waiters) {
        struct socket_poll *poll = container_of(node, struct socket_poll, link);

        wait_wake_one(poll->queue);
    }
}

/* Look at all of them. Returns how many are ready. */
static unsigned look(struct socket_poll *polls, unsigned count)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        struct user_socket *user =
            container_of(polls[i].socket, struct user_socket, socket);
        unsigned events = polls[i].events | SOCKET_HAS_ENDED;

        polls[i].ready = user_socket_ready(user, events) & events;
        found += polls[i].ready != 0;
    }
    return found;
}

/* Wait for an event of any of them, or the deadline. */
static void sleep_once(struct socket_poll *polls, unsigned count,
                       uint64_t deadline_ns)
{
    struct wait_queue queue;
    int error;

    wait_queue_init(&queue);
    for (unsigned i = 0; i < count; i++) {
        struct user_socket *user =
            container_of(polls[i].socket, struct user_socket, socket);

        polls[i].queue = &queue;
        list_push_back(&user->waiters, &polls[i].link);
    }
    error = wait_on_until(&queue, deadline_ns);
    (void)error; /* the caller looks at the clock */
    for (unsigned i = 0; i < count; i++)
        list_remove(&polls[i].link);
}

/* The time of its stack; of a family without one, the machine's. */
static uint64_t now_of(struct socket *socket)
{
    struct user_socket *user = container_of(socket, struct user_socket, socket);

    return user->stack != NULL ? net_now(user->stack) : time_ns();
}

int socket_wait(struct socket_poll *polls, unsigned count, uint64_t deadline_ns)
{
    unsigned found;

    for (unsigned i = 0; i < count; i++) {
        struct user_socket *user;
        int error = user_socket_any(polls[i].socket, &user);

        if (error != 0)
            return error;
    }
    if (count == 0)
        return -EINVAL;
    while ((found = look(polls, count)) == 0) {
        if (now_of(polls[0].socket) >= deadline_ns)
            return -EAGAIN;
        sleep_once(polls, count, deadline_ns);
    }
    return (int)found;
}

int user_socket_wait(struct user_socket *user, unsigned events,
                     uint64_t deadline_ns)
{
    struct socket_poll poll = {.socket = &user->socket, .events = events};
    int found = socket_wait(&poll, 1, deadline_ns);

    return found < 0 ? found : 0;
}
