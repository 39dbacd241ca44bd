/*
 * Sockets and services: what is between TCP and the application.
 *
 * A socket is the application's end of a connection and outlives it: when the
 * connection is gone the socket still answers, with errors, until close() has
 * been called back. The other way round, a connection whose socket was closed
 * lives on without one until its data is delivered.
 *
 * What happened to a socket is a set of events in it. A socket with events is
 * on its server's `ready` list, once; the server's thread takes them off one at
 * a time and calls back. socket_close() and socket_abort() replace all of a
 * socket's events by SOCKET_CLOSE, so nothing comes after them but close().
 */
#ifndef TORC_NET_SOCKET_H
#define TORC_NET_SOCKET_H

#include "kernel/lib/list.h"
#include "kernel/wait.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/net.h>

struct net_stack;
struct tcp_conn;
struct server;

/* In the order they are called back. */
enum socket_event {
    SOCKET_ACCEPT = 1,
    SOCKET_RECEIVE = 2,
    SOCKET_WRITABLE = 4,
    SOCKET_TIMEOUT = 8,
    SOCKET_CLOSE = 16,
};

struct socket {
    struct list link; /* in server->ready, or on itself */
    struct server *server;
    struct tcp_conn *conn; /* NULL: gone */
    void *cookie;
    unsigned cpu;
    unsigned events;
    int error; /* what calls return when conn is NULL */
    bool is_accepted;
    uint32_t peer;
    uint16_t peer_port;
};

/* A registered service, and TCP's listener for its port. */
struct server {
    struct list link; /* in stack->listeners */
    struct net_stack *stack;
    struct service *service;
    struct list ready;
    struct wait_queue wake;
    bool is_listening;
    unsigned backlog;
    unsigned conn_count; /* established or closing, not TIME-WAIT */
    unsigned half_open_max;
    unsigned half_open_count;
    struct list half_open;  /* struct tcp_conn, oldest first */
    uint64_t cookies_until; /* SYN cookies are believed */
};

/* TCP: a connection was established. Returns NULL when there is no memory. */
struct socket *socket_create(struct server *server, struct tcp_conn *conn);

/* TCP: something happened. */
void socket_notify(struct socket *socket, enum socket_event event);

/* TCP: the connection is gone; `error` is the reason. */
void socket_detach(struct socket *socket, int error);

/* Make a server and reserve its port. Returns 0 and *out, -EADDRINUSE,
 * -EINVAL, -ENOMEM. */
must_check int server_create(struct net_stack *stack, struct service *service,
                             struct server **out);

/* Undo server_create(); no connection is left. */
void server_destroy(struct server *server);

/* Call back for at most `budget` events. Returns whether more are ready. */
bool server_dispatch(struct server *server, unsigned budget);

#endif
