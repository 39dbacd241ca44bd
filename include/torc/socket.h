/*
 * Sockets for threads: TCP in both directions, and UDP. What waits takes a
 * deadline, in time_ns(): TIME_NEVER waits for ever, 0 not at all. A call that
 * has nothing to answer until then answers -EAGAIN; -ETIMEDOUT always means
 * that the peer did not answer.
 *
 * These sockets are the struct socket of <torc/net.h>, and its calls that do
 * not wait do the same here: socket_receive(), socket_send(),
 * socket_send_room(), socket_peer(), socket_local(), the cookie. Only the end
 * differs, since nobody is called back: socket_close() and socket_abort() free
 * the socket at once. No thread may wait in it then.
 *
 * A socket belongs to the CPU it was opened on, whose stack it uses; the
 * threads of that CPU may share it. All calls answer -EXDEV elsewhere, and
 * -EINVAL for a socket of another kind than the call is for.
 */
#ifndef TORC_SOCKET_H
#define TORC_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/list.h>
#include <torc/net.h>
#include <torc/net_addr.h>
#include <torc/time.h>

/* ---- Opening ------------------------------------------------------------- */

/* Open a socket that is not connected. Two calls, so that an image without UDP
 * has none of its code. Returns 0 and *out, -ENOTCONN (this CPU has no stack),
 * -ENOMEM. Does not wait. */
must_check int socket_open_tcp(struct socket **out);
must_check int socket_open_udp(struct socket **out);

/*
 * Choose our end before socket_listen() or socket_connect(), or, of UDP, before
 * anything is sent: one of our addresses (none: all of them, or the one that
 * fits) and a port (0: a random free one). A port whose last connections are in
 * TIME-WAIT is free. Returns 0, -EINVAL (not an address of ours, or our end is
 * chosen already), -EADDRINUSE (UDP), -ENOMEM. Does not wait.
 */
must_check int socket_bind(struct socket *socket,
                           const struct net_endpoint *local);

/*
 * TCP: accept connections from now on; at most `backlog` (0:
 * NET_BACKLOG_DEFAULT) wait to be taken by socket_accept(). Returns 0, -EINVAL
 * (no port), -EADDRINUSE, -ENOMEM. Does not wait.
 */
must_check int socket_listen(struct socket *socket, unsigned backlog);

/* Take the connection that waits longest. Returns 0 and *out, -EAGAIN. */
must_check int socket_accept(struct socket *socket, struct socket **out,
                             uint64_t deadline_ns);

/*
 * TCP: connect. Returns 0, -ECONNREFUSED, -ETIMEDOUT (no answer until the
 * deadline, or for three minutes), -EHOSTUNREACH, -EINVAL (not the address of
 * a host, or the socket is connected or listens), -EADDRINUSE, -ENOMEM. After
 * an error it may be tried again.
 * UDP: exchange datagrams only with `remote` from now on; does not wait.
 */
must_check int socket_connect(struct socket *socket,
                              const struct net_endpoint *remote,
                              uint64_t deadline_ns);

/* TCP: begin to connect, without waiting: socket_wait() tells SOCKET_CAN_SEND
 * when it is done, SOCKET_HAS_ENDED when it has failed. Errors as above. */
must_check int socket_connect_start(struct socket *socket,
                                    const struct net_endpoint *remote);

/* ---- Bytes --------------------------------------------------------------- */

/*
 * Take at most `size` bytes, at least one. Returns how many, 0 (the peer has
 * ended its side), -EAGAIN, -ECONNRESET, -ETIMEDOUT, -ENOTCONN, -EINVAL (`size`
 * is 0). Of UDP one datagram, as socket_receive_from().
 */
must_check int64_t socket_read(struct socket *socket, void *buf, size_t size,
                               uint64_t deadline_ns);

/* TCP: as socket_read(), but the bytes stay. */
must_check int64_t socket_peek(struct socket *socket, void *buf, size_t size,
                               uint64_t deadline_ns);

/*
 * Queue all of `data` to be sent. Returns `size`; less when the deadline has
 * passed or the connection has ended before; -EAGAIN (nothing was taken),
 * -EPIPE (after socket_shutdown()), -ECONNRESET, -ETIMEDOUT, -ENOTCONN. Of UDP
 * one datagram to where the socket is connected.
 */
must_check int64_t socket_write(struct socket *socket, const void *data,
                                size_t size, uint64_t deadline_ns);

/* TCP: as socket_write(), of `count` slices, which are not copied: see
 * socket_lend(). */
must_check int64_t socket_send_slices(struct socket *socket,
                                      const struct slice *slices,
                                      unsigned count, uint64_t deadline_ns);

/* TCP: the peer sees the end of our data behind what is queued; what it sends
 * can still be read. Returns 0, -ENOTCONN. */
must_check int socket_shutdown(struct socket *socket);

/* ---- Options ------------------------------------------------------------- */

enum socket_option {
    /* 0 or 1; 1 at first: short segments do not wait until all that was sent is
     * acknowledged (Nagle's algorithm, RFC 9293, 3.7.4) */
    SOCKET_NODELAY,
    /* 0 or 1; 0 at first: ask for explicit congestion notification (RFC 3168)
     * when connecting; who asks us has it always */
    SOCKET_ECN,
    /* 0 .. 255; 0 at first, which is 64, or what routers of IPv6 tell: how many
     * links a datagram may go (RFC 9293, 3.9.1.1). When a connection comes, its
     * SYN was answered with the usual one */
    SOCKET_HOP_LIMIT,
    /* 0 .. 63; 0 at first: how routers are to treat its datagrams (RFC 2474;
     * RFC 9293, 3.9.1.1). The same of a SYN that comes */
    SOCKET_DSCP,
    /* nanoseconds; 0 at first, which is two minutes: how long the peer may be
     * silent when something is to be acknowledged (RFC 5482; not told to it) */
    SOCKET_USER_TIMEOUT,
    /* nanoseconds, at least a millisecond; 0 at first, which is never: after so
     * long without anything from the peer, ask whether it is there (keep-alive,
     * RFC 9293, 3.8.4) */
    SOCKET_KEEP_IDLE,
    /* nanoseconds between two such questions, at least a millisecond, 75 s at
     * first; and how many
     * without an answer end the connection with -ETIMEDOUT, 9 at first */
    SOCKET_KEEP_INTERVAL,
    SOCKET_KEEP_COUNT,
};

/*
 * TCP: choose, before or after the socket is connected; what is accepted has
 * what its listener had then. For connections of services, too. Returns 0,
 * -EINVAL (no such option or value: times are at most a day), -ENOMEM,
 * -ENOTCONN (a service's connection has ended). Does not wait.
 */
must_check int socket_set_option(struct socket *socket,
                                 enum socket_option option, uint64_t value);

/* What was chosen. Returns 0 and *value, -EINVAL. */
must_check int socket_get_option(struct socket *socket,
                                 enum socket_option option, uint64_t *value);

/* ---- Datagrams ----------------------------------------------------------- */

/*
 * UDP: send one datagram; does not wait, and it need not arrive. Returns 0,
 * -EINVAL (no such address or port), -EMSGSIZE (more than the link takes),
 * -ENOBUFS, -EHOSTUNREACH, -ENOMEM.
 */
must_check int socket_send_to(struct socket *socket, const void *data,
                              size_t size, const struct net_endpoint *to);

/*
 * UDP: take the oldest datagram: at most `size` bytes of it, the rest is lost.
 * `from` (may be NULL) gets the sender. Returns the length of the datagram,
 * which may be more than `size`; -EAGAIN; of a connected socket -ECONNREFUSED,
 * -EHOSTUNREACH, which a datagram that was sent has met.
 */
must_check int64_t socket_receive_from(struct socket *socket, void *buf,
                                       size_t size, struct net_endpoint *from,
                                       uint64_t deadline_ns);

/* ---- Many ---------------------------------------------------------------- */

enum socket_readiness {
    SOCKET_CAN_READ = 1, /* bytes, their end, a datagram, a connection */
    SOCKET_CAN_SEND = 2,
    SOCKET_HAS_ENDED = 4, /* not or no longer connected; need not be asked */
};

struct socket_poll {
    struct socket *socket;
    unsigned events; /* enum socket_readiness: what is waited for */
    unsigned ready;  /* what of it is; set by socket_wait() */

    struct list link; /* the kernel's, during the call */
    void *queue;
};

/*
 * Wait until at least one of `count` (> 0) sockets is ready. Returns how many
 * are; -EAGAIN; -EINVAL (none, or one of a service).
 */
must_check int socket_wait(struct socket_poll *polls, unsigned count,
                           uint64_t deadline_ns);

#endif
