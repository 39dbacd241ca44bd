/*
 * Sockets and servers: between TCP and the application. Owner: the stack's CPU.
 *
 * A socket is the application's handle of a connection. Either may end first:
 * when the connection ends, calls of the socket return errors until close() was
 * called back; when the socket is closed, the connection goes on without one
 * until its data are delivered.
 *
 * A socket has a set of pending events. A socket with events is on its server's
 * `ready` list, once; the server's thread takes one event at a time and calls
 * the service back. socket_close() and socket_abort() replace all events by
 * SOCKET_CLOSE, so close() is the only callback that follows them.
 */
#ifndef TORC_NET_SOCKET_H
#define TORC_NET_SOCKET_H

#include "kernel/thread/wait.h"
#include "net/flow.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/list.h>
#include <torc/net.h>

struct net_stack;
struct tcp_conn;
struct server;

/* The half-open connections of a service; beyond them, SYN cookies. */
enum {
    TCP_HALF_OPEN_MAX = 128,
    TCP_SYN_TRIES = 5, /* retransmissions of a SYN-ACK */
};

/* Counters of a server's sources: net/tcp/places.c. */
enum { SERVER_SOURCE_ROWS = 2 };

/* A lower bit is called back first. */
enum socket_event {
    SOCKET_ACCEPT = 1,
    SOCKET_RECEIVE = 2,
    SOCKET_WRITABLE = 4,
    SOCKET_TIMEOUT = 8,
    SOCKET_CLOSE = 16,
};

/*
 * What carries the bytes of a socket that is not TCP's, such as net/vsock/: it
 * has clients of its own with these calls, and socket->conn is NULL. They are
 * called on the socket's CPU, and do as <torc/net.h> and <torc/socket.h> say.
 */
struct socket_calls {
    /* `stays`: the bytes are not taken away. */
    int64_t (*receive)(struct socket *socket, void *buf, size_t size,
                       bool stays);
    int64_t (*send)(struct socket *socket, const void *data, size_t size);
    int64_t (*lend)(struct socket *socket, const void *head, size_t head_len,
                    const struct slice *slices, unsigned count);
    size_t (*room)(const struct socket *socket);
    /* As user_socket_ready(). */
    unsigned (*ready)(struct socket *socket, unsigned asked);
    int (*listen)(struct socket *socket, unsigned backlog);
    void (*accepted)(struct socket *socket); /* taken from its listener */
    int (*shutdown)(struct socket *socket);
    /* The service has closed the socket, or aborted it. Raises SOCKET_CLOSE. */
    void (*close)(struct socket *socket, bool abort);
};

/*
 * The two kinds of owners of sockets, services and threads, are clients of one
 * thing: a socket has events, and its client is told when there is a new one.
 */
struct socket_client {
    /* `conn` of a listener is being established: make its socket, or NULL: no
     * memory. */
    struct socket *(*create)(struct server *server, struct tcp_conn *conn);

    /* `event` is in socket->events now. */
    void (*notify)(struct socket *socket, enum socket_event event);

    /* The application has closed the socket, or aborted it. NULL: it hears of
     * SOCKET_CLOSE instead. */
    void (*close)(struct socket *socket, bool abort);

    const struct socket_calls *calls; /* NULL: TCP's, or UDP's */
};

struct vsock_conn;

struct socket {
    struct list link; /* in server->ready, or on itself */
    const struct socket_client *client;
    struct server *server; /* whose connection it is; NULL: a thread's */
    struct tcp_conn *conn; /* NULL: it has ended, or the socket was closed */
    void *cookie;
    uint16_t cpu;
    uint8_t events; /* enum socket_event */
    bool is_accepted;
    int error; /* what calls return when conn is NULL */
    union {
        struct flow flow;         /* TCP's and UDP's */
        struct vsock_conn *vsock; /* NULL: as `conn` */
    };
};

/* What an idle one costs: docs/net.md. */
static_assert(sizeof(struct socket) <= 96, "struct socket");

/* A registered service or a listening socket: TCP's listener for a port. */
struct server {
    struct list link; /* in stack->listeners */
    const struct socket_client *client;
    struct service *service; /* NULL: a socket listens */
    struct net_addr local;   /* none: all of ours */
    uint16_t port;
    struct list ready;
    struct wait_queue wake;
    bool is_listening;
    unsigned backlog;
    unsigned conn_count; /* with a socket that is not closed */
    unsigned half_open_max;
    unsigned half_open_count;
    /* struct tcp_half, by how often its SYN-ACK was sent again; in the order in
     * which that was. */
    struct list half_open[TCP_SYN_TRIES + 1];
    struct list open; /* struct tcp_conn that conn_count counts: first those
                         without progress for longest */
    /* Of them, by a hash of the peer's address. */
    uint32_t sources[SERVER_SOURCE_ROWS][1 << SOURCE_BITS];
    uint64_t cookies_until; /* SYN cookies are accepted */
};

/* SOCKET_TIMEOUT comes after so long; 0: never. */
static inline uint64_t server_idle_ns(const struct server *server)
{
    return server != NULL && server->service != NULL ? server->service->idle_ns
                                                     : 0;
}

/* Make `socket`, of zeros, that of a connection. */
void socket_init(struct socket *socket, const struct socket_client *client,
                 struct server *server, struct tcp_conn *conn,
                 const struct flow *flow);

/* TCP: raise an event; the client is told. */
void socket_notify(struct socket *socket, enum socket_event event);

/* Replace all events by SOCKET_CLOSE, which is raised; `error` as below. */
void socket_finish(struct socket *socket, int error);

/* TCP: the connection has ended; `error` is what calls of the socket return
 * from now on. Raises SOCKET_CLOSE. */
void socket_detach(struct socket *socket, int error);

/* Make a listener of zeros that of an address (none: of all) and port of the
 * stack. Returns 0, -EADDRINUSE. */
must_check int server_init(struct server *server, struct net_stack *stack,
                           const struct net_addr *local, uint16_t port,
                           unsigned backlog);

/* The part of it that is not TCP's: nothing is ready, nobody waits. */
void server_prepare(struct server *server, unsigned backlog);

/* Make the thread of a server with a service, which listens from now on.
 * Returns 0, -ENOMEM, or what service->init() returned. Thread; waits for
 * that. */
must_check int server_start(struct server *server);

/* notify() of the clients that are services. */
void service_notify(struct socket *socket, enum socket_event event);

/* Make a server and reserve its port. Returns 0 and *out, -EADDRINUSE,
 * -EINVAL, -ENOMEM. */
must_check int server_create(struct net_stack *stack, struct service *service,
                             struct server **out);

/* Undo server_create(); it has no connections and no sockets. */
void server_destroy(struct server *server);

/* Call back for at most `budget` events. Returns whether more are ready. May
 * yield when a callback does. */
bool server_dispatch(struct server *server, unsigned budget);

/* Assert what must be true of a server and its sockets with events. */
void server_check(const struct server *server);

#endif
