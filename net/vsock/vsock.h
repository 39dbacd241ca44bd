/*
 * Connections of vsock: VIRTIO 1.2, section 5.10.6.
 *
 * What is sent is copied into the device's queue at once, as far as the peer's
 * credit and the queue have room; a connection keeps no bytes to send. Packets
 * without data that find no room are owed, by a bit each, and go before data
 * do. What has come waits in the connection's ring, which is as long as the
 * credit that the peer is given, and allocated before that: bytes that keep to
 * the credit always have room, and no others are taken.
 *
 * Memory is bounded: so many connections, a ring each; those that were closed
 * and wait for the peer's answer have no ring, and give way to new ones. Resets
 * of what nobody knows are kept in a short list while the queue is full; when
 * that is full, too, nothing is received.
 *
 * Owner: CPU 0. Nothing here waits but the calls of threads (thread.c) and the
 * start of a service. What the device calls is irq work: it runs between two
 * threads.
 */
#ifndef TORC_NET_VSOCK_VSOCK_H
#define TORC_NET_VSOCK_VSOCK_H

#include "kernel/device/vsock_device.h"
#include "kernel/thread/timer.h"
#include "net/sock/sock.h"
#include "net/socket.h"
#include "net/vsock/packet.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>
#include <torc/vsock.h>

enum {
    VSOCK_RING = 64 * 1024, /* bytes; a power of two */
    VSOCK_CHAINS = 256,
    VSOCK_STRAYS = 64,
};
#define VSOCK_CONNECT_NS (10 * NS_PER_S)   /* the peer says nothing */
#define VSOCK_CLOSE_NS   (8 * NS_PER_S)    /* it does not answer SHUTDOWN */
#define VSOCK_TICK_NS    (250 * NS_PER_MS) /* between two looks at the time */

enum vsock_state {
    VSOCK_CONNECTING, /* REQUEST was sent */
    VSOCK_OPEN,
    VSOCK_CLOSING, /* it has no socket: SHUTDOWN was sent, RST will come; or
                      RST is still to be sent */
    VSOCK_ENDED,   /* it is over, and no packet finds it; the socket may still
                      read what has come */
};

/* Packets that are to be sent, in this order. */
enum {
    OWES_REQUEST = 1,
    OWES_RESPONSE = 2,
    OWES_CREDIT_REQUEST = 4,
    OWES_CREDIT_UPDATE = 8,
    OWES_SHUTDOWN = 16,
    OWES_RST = 32, /* and then it is over */
};

struct vsock_conn {
    struct list link;   /* in a chain */
    struct list turn;   /* in stack->owing, or on itself */
    struct list thirst; /* in stack->thirsty: it waits for room; or on itself */
    struct list closing; /* in stack->closing, or on itself */
    struct vsock_stack *stack;
    struct socket *socket;           /* NULL: VSOCK_CLOSING */
    struct vsock_listener *listener; /* that counts it; NULL: none does */
    struct vsock_address local, remote;
    enum vsock_state state;
    int error;         /* VSOCK_ENDED: -EPIPE is an end in order */
    uint8_t owed;      /* OWES_... */
    uint8_t own_shut;  /* VSOCK_SHUT_...: what we have said, */
    uint8_t peer_shut; /* and the peer */
    bool has_asked;    /* CREDIT_REQUEST, since there is none */
    uint64_t moved_ns; /* when bytes or the state have moved last */

    /* In: the counts are of all bytes ever, modulo 2^32 (5.10.6.3). What is
     * between fwd_cnt and rx_cnt is in the ring, at the count modulo its
     * size. */
    uint8_t *ring; /* NULL: VSOCK_CLOSING */
    uint32_t rx_cnt;
    uint32_t fwd_cnt;  /* taken by the application */
    uint32_t fwd_told; /* what the peer knows of it */

    /* Out: */
    uint32_t tx_cnt;
    uint32_t peer_fwd;
    uint32_t peer_alloc;
};

/* Who listens on a port. `base.server` is the first, so that a service's is
 * freed as any server is. */
struct vsock_listener {
    struct listener base; /* base.owner is NULL: a service's */
    struct list link;     /* in stack->listeners */
    struct vsock_stack *stack;
    uint32_t port;
    unsigned count; /* connections: a service's all, of others those that were
                       not accepted */
};

struct vsock_stack {
    struct vsock_device *device;
    struct list chains[VSOCK_CHAINS]; /* struct vsock_conn, by its ends */
    unsigned count;       /* struct vsock_conn, in the chains or ended, */
    unsigned count_max;   /* and at most */
    unsigned ended_count; /* of them, that are in no chain */
    struct list listeners;
    struct list owing;   /* struct vsock_conn that owe packets, oldest first */
    struct list thirsty; /* struct vsock_conn that wait for room to send */
    struct list closing; /* struct vsock_conn without a socket, oldest first */
    struct vsock_packet strays[VSOCK_STRAYS]; /* resets to be sent */
    unsigned stray_count;
    bool is_full; /* the device's queue: writable() will come */
    uint32_t next_port;
    struct timer tick; /* at the first deadline of a connection, or before it */
};

/* ---- The stack and its connections: conn.c ------------------------------- */

/* The machine's, which is made now if need be. Returns 0, -EXDEV (not CPU 0),
 * -ENODEV, -ENOMEM. */
must_check int vsock_stack_get(struct vsock_stack **out);

/* A new connection; the caller gives it a socket. Returns 0 and *out, -ENOBUFS
 * (too many), -ENOMEM. */
must_check int vsock_conn_create(struct vsock_stack *stack,
                                 const struct vsock_address *local,
                                 const struct vsock_address *remote,
                                 struct vsock_conn **out);

/* Its state is new: what becomes of it in time? */
void vsock_conn_watch(struct vsock_conn *conn);

/* The connection between two ends; NULL: none. */
struct vsock_conn *vsock_conn_find(struct vsock_stack *stack,
                                   const struct vsock_address *local,
                                   const struct vsock_address *remote);

/* It is over; `error` is -EPIPE when it ended in order. Frees it, at once or
 * when its socket has read what has come. */
void vsock_conn_end(struct vsock_conn *conn, int error);

/* A packet has come that breaks the rules: answer it with a reset, then the
 * same. */
void vsock_conn_reset(struct vsock_conn *conn, int error);

/* Reset it, in the background, when its socket has nothing to read. */
void vsock_conn_hang_up(struct vsock_conn *conn, int error);

/* Its socket goes: shut it down, or reset it (`abort`), in the background. */
void vsock_conn_close(struct vsock_conn *conn, bool abort);

/* Free one that has ended. */
void vsock_conn_free(struct vsock_conn *conn);

/* The socket of one that has ended has nothing more to read: it is told so, and
 * the connection freed. */
void vsock_conn_detach(struct vsock_conn *conn);

/* Its listener does not count it any more. */
void vsock_conn_uncount(struct vsock_conn *conn);

/* Tell its socket. */
void vsock_notify(struct vsock_conn *conn, enum socket_event event);

/* Assert what is always true between two calls. */
void vsock_check(const struct vsock_stack *stack);

static inline uint32_t vsock_unread(const struct vsock_conn *conn)
{
    return conn->rx_cnt - conn->fwd_cnt;
}

/* What the peer's credit allows to send. */
static inline uint32_t vsock_credit(const struct vsock_conn *conn)
{
    uint32_t sent = conn->tx_cnt - conn->peer_fwd;

    return sent < conn->peer_alloc ? conn->peer_alloc - sent : 0;
}

/* ---- Packets in: in.c ---------------------------------------------------- */

/* The stack as the device's client. */
extern const struct vsock_client vsock_client;

/* ---- Packets out: out.c -------------------------------------------------- */

/* Send these packets (OWES_...), now or when there is room. OWES_RST is the
 * last, and frees the connection, which has no socket, when it is sent. */
void vsock_owe(struct vsock_conn *conn, unsigned packets);

/* Answer a packet that nobody knows with a reset. */
void vsock_stray(struct vsock_stack *stack, const struct vsock_packet *packet);

/* Send what is owed, as far as there is room. */
void vsock_flush(struct vsock_stack *stack);

/* Send bytes, as many as there is room for, which may be none: then the socket
 * will be told when there is some. */
size_t vsock_write(struct vsock_conn *conn, const uint8_t *data, size_t size);

/* Whether that would send at least one; when not, its socket will be told. */
bool vsock_has_room(struct vsock_conn *conn);

/* Tell those who wait for room, if there is some. */
void vsock_wake_thirsty(struct vsock_stack *stack);

/* ---- Sockets: calls.c, service.c, thread.c ------------------------------- */

/* ready() of vsock_calls says it of a connection that the peer has answered,
 * along with SOCKET_CAN_... */
enum { VSOCK_IS_ANSWERED = 1 << 16 };

extern const struct socket_calls vsock_calls;

/* listen() of vsock_calls: thread.c. */
must_check int vsock_socket_listen(struct socket *socket, unsigned backlog);

/* Let `listener`, of zeros, listen. Returns 0, -EADDRINUSE. */
must_check int vsock_listen(struct vsock_listener *listener,
                            struct vsock_stack *stack, uint32_t port,
                            unsigned backlog);

/* Who listens on a port; NULL: nobody. */
struct vsock_listener *vsock_listener_find(struct vsock_stack *stack,
                                           uint32_t port);

#endif
