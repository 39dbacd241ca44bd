/*
 * Sockets of threads: the second client of struct socket, beside services
 * (net/service.c). Such a socket has its waiters, the struct socket_poll of
 * threads that wait for it; each event wakes all of them, and they look
 * themselves what they can do.
 *
 * Owner: the CPU of the stack.
 */
#ifndef TORC_NET_SOCK_SOCK_H
#define TORC_NET_SOCK_SOCK_H

#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/socket.h>

struct udp_socket;

struct user_socket {
    struct socket socket;
    struct list waiters; /* struct socket_poll */
    struct net_stack *stack;
    const struct udp_calls *udp_calls; /* NULL: TCP's */
    struct net_endpoint local;         /* none, 0: socket_bind() chose none */
    struct listener *listener;         /* NULL: it does not listen */
    struct udp_socket *udp;            /* NULL: it has no port yet */
    uint32_t vsock_port;               /* of vsock: as socket_bind_vsock() */
    struct tuned *tuned;               /* NULL: no option was set; option.c */
};

/* Behind socket->server of a connection that nobody has accepted yet. */
struct listener {
    struct server server; /* `ready`: sockets to be accepted */
    struct user_socket *owner;
};

/* Options, of a socket that is not connected yet. By a hook, so that what
 * nobody sets is not linked. */
struct tuned {
    struct tcp_tuning tuning;
    int (*apply)(struct tcp_conn *conn, const struct tcp_tuning *tuning);
};

extern const struct socket_client user_client;

/* notify() of the clients that are threads, of each family. */
void user_socket_notify(struct socket *socket, enum socket_event event);

/* The thread's socket behind a struct socket of this CPU; `is_udp`: it must be
 * UDP's, or TCP's. Returns 0, -EXDEV, -EINVAL (a service's, the other kind). */
must_check int user_socket_any(struct socket *socket, struct user_socket **out);
must_check int user_socket_of(struct socket *socket, bool is_udp,
                              struct user_socket **out);

/* A socket of this CPU's stack, of neither kind yet. Returns 0, -ENOTCONN (no
 * stack), -ENOMEM. */
must_check int user_socket_open(struct user_socket **out);

/* What of SOCKET_CAN_READ, SOCKET_CAN_SEND and SOCKET_HAS_ENDED it is now. When
 * it cannot send, and that is among `asked`, an event will tell. */
unsigned user_socket_ready(struct user_socket *user, unsigned asked);

/* The same, of a client of its own; `stack` may be NULL then. Returns NULL: no
 * memory. */
must_check struct user_socket *
user_socket_create(const struct socket_client *client, struct net_stack *stack);

/* Wake who waits for it. */
void user_socket_wake(struct user_socket *user);

/* Wait until it is ready for one of `events`. Returns 0, -EAGAIN. */
must_check int user_socket_wait(struct user_socket *user, unsigned events,
                                uint64_t deadline_ns);

/* datagram.c, by hooks, so that TCP alone does not link UDP. */
struct udp_calls {
    int (*bind)(struct user_socket *user);
    int (*connect)(struct user_socket *user, const struct net_endpoint *remote);
    int64_t (*read)(struct user_socket *user, void *buf, size_t size,
                    struct net_endpoint *from, uint64_t deadline_ns);
    int (*send)(struct user_socket *user, const void *data, size_t size,
                const struct net_endpoint *to);
    bool (*is_ready)(const struct user_socket *user);
    void (*close)(struct user_socket *user);
};

#endif
