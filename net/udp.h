/*
 * UDP (RFC 768, RFC 1122 section 4.1) over IPv4 and IPv6. Memory is bounded: a
 * socket keeps at most UDP_QUEUE_MAX datagrams, and those of all sockets of a
 * stack hold at most an eighth of its packets. A datagram that came in
 * fragments holds a packet for each of them.
 *
 * Owner: the stack's CPU. Only udp_receive() waits.
 */
#ifndef TORC_NET_UDP_H
#define TORC_NET_UDP_H

#include "net/dst.h"
#include "net/flow.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

struct net_stack;
struct udp_socket;

enum { UDP_QUEUE_MAX = 64 };

/*
 * Open a socket for datagrams to `local` (none: to any address of ours) and
 * `port` (0: a random free one). Returns 0 and *out, -EADDRINUSE, -ENOMEM.
 */
must_check int udp_open(struct net_stack *stack, const struct net_addr *local,
                        uint16_t port, struct udp_socket **out);

/* Drop what was received, and free the socket. Nobody waits in it. */
void udp_close(struct udp_socket *socket);

/* The socket's port. */
uint16_t udp_port(const struct udp_socket *socket);

/* Exchange datagrams only with `remote`:`port` from now on. What came before is
 * dropped. Returns 0, -EINVAL (no such address or port). */
must_check int udp_connect(struct udp_socket *socket,
                           const struct net_addr *remote, uint16_t port);

/*
 * Send `len` bytes to `remote`:`port`, or, when `remote` is NULL, to where the
 * socket is connected. Returns 0, -EINVAL (no destination, or one of a family
 * that the socket or the stack has not), -EMSGSIZE (larger than the link
 * takes), -ENOBUFS, -EHOSTUNREACH (no address of ours can be the source), or
 * the error of an earlier datagram (-ECONNREFUSED, -EHOSTUNREACH, of IPv6
 * -EMSGSIZE). What was sent need not arrive.
 */
must_check int udp_send(struct udp_socket *socket,
                        const struct net_addr *remote, uint16_t port,
                        const void *data, size_t len);

/*
 * Take the oldest datagram: at most `size` bytes of it, the rest is lost. Waits
 * until `deadline_ns` for one. `from` (may be NULL) gets the sender as
 * from->remote and rport. Returns the length of the datagram, which may be more
 * than `size`; -ETIMEDOUT; or the error of an earlier one that was sent.
 */
must_check int64_t udp_receive(struct udp_socket *socket, struct flow *from,
                               void *buf, size_t size, uint64_t deadline_ns);

/* Call changed(arg) whenever udp_receive() may have something to answer that it
 * had not before. */
void udp_watch(struct udp_socket *socket, void (*changed)(void *arg),
               void *arg);

/* Whether udp_receive() would answer at once. */
bool udp_is_ready(const struct udp_socket *socket);

/* Close all sockets of a stack, for stack_destroy(). */
void udp_fini(struct net_stack *stack);

/* Assert what must be true of the sockets of a stack. */
void udp_check(const struct net_stack *stack);

#endif
