/*
 * The network. One stack instance lives on the CPU its card is dedicated to;
 * sockets belong to that CPU.
 *
 * A TCP server registers a struct service, in Toro's way: the kernel does the
 * TCP and calls back. All callbacks of a service run in one thread of the
 * service's own, so they may read files and wait; while one waits, the other
 * connections' events queue up. Data is never lost meanwhile: the receive
 * window closes.
 */
#ifndef TORC_NET_H
#define TORC_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/errno.h>
#include <torc/net_addr.h>

/* IPv4 addresses are in host order: 10.0.2.15 is 0x0a00020f. */
struct net_config {
    uint32_t address;
    uint32_t netmask;
    uint32_t gateway; /* 0: none */
};

/*
 * Parse "a.b.c.d/prefix[,gateway]". Returns 0, -EINVAL.
 */
must_check int net_config_parse(const char *text, struct net_config *out);

/*
 * Start the stack on `device`, which is dedicated to this CPU.
 * Returns 0, -EXDEV, -EBUSY (has one), -EINVAL (the address), -ENOMEM.
 */
must_check int net_start(struct device *device,
                         const struct net_config *config);

/* The address that this CPU's stack has; 0: none yet. Returns 0, -ENOTCONN (no
 * stack). */
must_check int net_get_config(struct net_config *out);

/*
 * A family of addresses that a stack can have beside IPv4. An application names
 * those it wants in torc_app.families, as it does drivers: what is not named is
 * not linked in.
 */
struct net_family {
    const char *option;    /* the key of the option that configures it */
    const char *values;    /* what that may be, for messages */
    const char *otherwise; /* what it is when it is not given */

    /* Whether the option may have that value. Returns 0, -EINVAL. */
    int (*check)(const char *value);

    /*
     * Give the stack of this CPU the family, as the value says. Returns 0,
     * -ENOTCONN (there is no stack), -EINVAL (the value, or the card's MTU is
     * too small), -EBUSY (has it), -ENOMEM, -ENOSPC (there are too many
     * routes), -ENOTSUP (several CPUs have the card, and it is not for them).
     * Context: thread; may wait.
     */
    int (*start)(const char *value);
};

/*
 * IPv6: "net6=off", "net6=auto[,KEY]" (addresses from what routers say),
 * "net6=ADDRESS/PREFIX[,GATEWAY]". KEY, 32 hexadecimal digits that nobody
 * knows, makes the last half of our addresses hard to guess and the same after
 * each start (RFC 7217); without it that follows from the card's address alone.
 */
extern const struct net_family net_ip6;

/* The same for applications whose card several CPUs may have: all of them get
 * IPv6. */
extern const struct net_family net_ip6_all;

/*
 * Dedicate `device` to several CPUs, 1 .. 16, the calling one first, and start
 * a stack on each: all have the card's address, and share its connections. A
 * card with fewer queues serves them, too; then frames go from CPU to CPU by
 * the exchange slots.
 * Returns 0, -EINVAL (no card, a CPU twice or that is not there, the address),
 * -EXDEV (the first is not this CPU), -EBUSY (the card, or one of them, has a
 * stack), -ENOMEM, or what the driver says. Context: thread; waits.
 */
must_check int net_start_on(struct device *device,
                            const struct net_config *config,
                            const unsigned cpus[], unsigned count);

/* net_start_on() for all CPUs, or the first 16, the calling one first. */
must_check int net_start_all(struct device *device,
                             const struct net_config *config);

/*
 * Sockets are used on the CPU of their stack, by any thread, until close() has
 * been called back. socket_receive() and socket_send() answer -EXDEV elsewhere;
 * the others stop the machine.
 */
struct socket;

struct service {
    const char *name;
    uint16_t port; /* 1 .. 65535 */
    /* Connections at once, a quarter of them of one peer; 0: as many as the
     * memory is for, at least NET_BACKLOG_DEFAULT. When all are taken, a new
     * one ends one that has not moved anything for long, or never: also one
     * whose first request was read and is still worked on. */
    unsigned backlog;
    uint64_t idle_ns; /* timeout() after this long without data; 0: never */
    void *cookie;     /* the application's */

    /* Called once in the service's thread before it listens. May be NULL. */
    int (*init)(struct service *service);

    /* A connection was established. A result other than 0 refuses it: it is
     * reset, and close() is not called. May be NULL: accepts all. */
    int (*accept)(struct service *service, struct socket *socket);

    /*
     * Data has come: take it with socket_receive(). Called again only when
     * more comes. At the peer's end of data socket_receive() returns 0.
     */
    void (*receive)(struct service *service, struct socket *socket);

    /* Called after socket_send() took less than it was given, when there is
     * room again. May be NULL. */
    void (*writable)(struct service *service, struct socket *socket);

    /* For idle_ns neither data nor an acknowledgement of new data has come.
     * Usually closes the socket; if not, it is called again after idle_ns. May
     * be NULL: the connection is closed. */
    void (*timeout)(struct service *service, struct socket *socket);

    /*
     * The connection is over for any reason, socket_close() included: free
     * what socket_cookie() holds. Last call for this socket, which is invalid
     * afterwards. May be NULL.
     */
    void (*close)(struct service *service, struct socket *socket);
};

enum { NET_BACKLOG_DEFAULT = 256 };

/*
 * Listen on service->port. `service` must live for ever. Returns 0,
 * -EADDRINUSE, -EINVAL (no port, no receive(), a backlog above 65536), -ENOMEM,
 * -ENOTCONN (no stack on this CPU), or what init() returned. Context: thread;
 * waits for init().
 */
must_check int service_register(struct service *service);

/*
 * Listen on service->port on every CPU that has a stack with this CPU's card:
 * the callbacks of a connection run on the CPU that the connection is on. The
 * service is constant from now on; what its callbacks share is the
 * application's care. Errors as of service_register(); those CPUs that have
 * begun to listen go on. Context: thread; waits.
 */
must_check int service_register_all(struct service *service);

/*
 * Call fn(arg) in a thread of each CPU that has a stack with this CPU's card,
 * one after the other, until one returns an error. Returns that, 0, -ENOTCONN
 * (no stack here), or as remote_call(). Context: thread; waits.
 */
must_check int net_each_cpu(int (*fn)(void *), void *arg);

/*
 * Take received data: bytes, 0 (the peer has ended its side, or we closed),
 * -EAGAIN (none now), -ECONNRESET, -ETIMEDOUT, -EXDEV, -EINVAL (`size` is 0).
 * Does not wait.
 */
must_check int64_t socket_receive(struct socket *socket, void *buf,
                                  size_t size);

/*
 * Queue data to send. Returns how many bytes were taken, 0 .. size; when fewer
 * than size, writable() will be called. Or -EPIPE (we closed), -ECONNRESET,
 * -ETIMEDOUT, -EXDEV. Does not wait.
 */
must_check int64_t socket_send(struct socket *socket, const void *data,
                               size_t size);

/*
 * As socket_send(), of `head` (may have no bytes), and behind it of slices,
 * file_lend()'s say, which are not copied: the socket takes references of its
 * own, and the bytes must stay as they are until it drops them.
 */
must_check int64_t socket_lend(struct socket *socket, const void *head,
                               size_t head_len, const struct slice *slices,
                               unsigned count);

/*
 * time_ns(), for who sends something right behind that: TCP does not read the
 * time again for it, unless the thread gives up the CPU before.
 */
uint64_t socket_time_ns(const struct socket *socket);

/*
 * More follows what is sent from now on, and at last socket_close(): segments
 * that are not full wait for that, and the end goes with the last data. Does
 * nothing when the connection is over.
 */
void socket_hold(struct socket *socket);

/* Whether socket_receive() would not return -EAGAIN now. */
bool socket_has_input(const struct socket *socket);

/* How many bytes socket_send() would take now. */
size_t socket_send_room(const struct socket *socket);

/* End the connection after what is queued was sent; close() follows. */
void socket_close(struct socket *socket);

/* Drop the connection at once with a reset; close() follows. */
void socket_abort(struct socket *socket);

/* The application's pointer for this connection. */
void socket_set_cookie(struct socket *socket, void *cookie);
void *socket_cookie(const struct socket *socket);

/* The two ends of the connection: the peer's, and ours, which is the address
 * and port that the peer asked for. Also when it is over. */
struct net_endpoint socket_peer(const struct socket *socket);
struct net_endpoint socket_local(const struct socket *socket);

#endif
