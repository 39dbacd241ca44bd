/*
 * TCP: what the rest of the stack may call. The connection
 * itself, struct tcp_conn, is private to the room net/tcp (net/tcp/conn.h).
 *
 * Follows RFC 9293, with RFC 9438 (CUBIC), 5681 and 6582 (NewReno), 3042
 * (limited transmit), 6928 (initial window), 6298 (retransmission timer), 2018
 * and 2883 (SACK), 8985 (RACK-TLP), 9937 (PRR), 7323 (window scale and
 * timestamps), 3522 (undo), 6528 (initial sequence numbers), 6191 (TIME-WAIT)
 * and 5961 (blind attacks). docs/net.md lists what is left out.
 *
 * Everything here is called on the stack's CPU and does not yield.
 */
#ifndef TORC_NET_TCP_H
#define TORC_NET_TCP_H

#include "kernel/device/packet.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;
struct ip_info;
struct net_addr;
struct net_stack;
struct server;
struct socket;
struct tcp_tuning;
struct tcp_conn;

/* ---- For the stack ------------------------------------------------------- */

/* Process a segment addressed to us. `packet` begins with the TCP header;
 * `info` tells the header that was in front of it. Takes the packet. */
void tcp_receive(struct net_stack *stack, struct packet *packet,
                 const struct ip_info *info);

/*
 * Process a frame, with all its headers, when it is one of TCP over IPv4 of a
 * connection that is there, and neither headers nor options are unusual.
 * Returns whether it was: the packet is taken then, and all has happened that
 * stack_receive() would have done. While it is not known whether the frame
 * `is_ours`, and not another member's of the group, only a connection that was
 * found here lately takes it.
 */
bool tcp_receive_frame(struct net_stack *stack, struct packet *packet,
                       bool is_ours);

/* Frames of the card come, of a poll that follows too many full ones: from now
 * on SYNs are passed over (net/tcp/crowd.c). */
void crowd_begin(struct net_stack *stack);

/*
 * An ICMP message says that a segment of `flow` with sequence number `seq`, in
 * a datagram of `len` bytes, did not fit into `mtu` bytes (0: into an unknown
 * number): send smaller segments from now on. Ignored when no such segment is
 * in flight (RFC 1191, RFC 8201, RFC 5927).
 */
void tcp_path_mtu(struct net_stack *stack, const struct flow *flow,
                  uint32_t seq, uint32_t mtu, uint32_t len);

/* The link's MTU, which was changed, may be smaller: the connections send
 * smaller segments from now on, and what is in flight again. */
void tcp_link_shrunk(struct net_stack *stack);

/* Start the timeouts of a new stack. Returns 0, -ENOMEM. */
must_check int tcp_timers_init(struct net_stack *stack);

/* The card has room again: let the connections in stack->blocked send. */
void tcp_unblock(struct net_stack *stack);

/* `local` is no longer an address of ours: end its connections without telling
 * their peers; their sockets answer -ECONNRESET. NULL: end all. */
void tcp_address_lost(struct net_stack *stack, const struct net_addr *local);

/* Free every connection without telling its peer. For stack_destroy(). */
void tcp_fini(struct net_stack *stack);

/* Assert what must hold of every connection of the stack and of the lists and
 * counters that concern connections. For tests: visits every connection. */
void tcp_check_all(const struct net_stack *stack);

/* ---- For sockets --------------------------------------------------------- */

/*
 * Active open (RFC 9293, 3.10.1): send a SYN from flow->local (none: the one to
 * send from) and flow->lport (0: a random free port) to the remote end, for
 * `socket`, which gets its connection and flow; `wish` (NULL: what is usual)
 * says of the SYN whether it asks for explicit congestion notification, and
 * what its IP header has. Returns 0, and SOCKET_WRITABLE or
 * SOCKET_CLOSE follow; -EINVAL (the remote end is not that of one host),
 * -EHOSTUNREACH (no route, or no address of that family), -EADDRINUSE (the same
 * two ends are connected, or no port is free), -ENOMEM.
 */
must_check int tcp_connect(struct net_stack *stack, struct socket *socket,
                           const struct flow *flow,
                           const struct tcp_tuning *wish);

/* Whether tcp_read() has something to answer. */
bool tcp_can_read(const struct tcp_conn *conn);

/* What a socket can choose of a connection; zeros: what is usual. */
struct tcp_tuning {
    bool has_nagle;           /* RFC 9293, 3.7.4 */
    bool asks_ecn;            /* for tcp_connect() */
    uint8_t hops;             /* MUST-49 of RFC 9293; 0: as usual */
    uint8_t traffic_class;    /* MUST-48; RFC 2474, without the bits of ECN */
    uint64_t user_timeout_ns; /* RFC 5482; 0: TCP_GIVE_UP_NS */
    uint64_t keep_idle_ns;    /* keep-alive: RFC 9293, 3.8.4; 0: none */
    uint64_t keep_interval_ns;
    uint32_t keep_count; /* probes without an answer */

    /* TCP's own: */
    uint64_t (*keep)(struct tcp_conn *conn); /* when to look again */
    uint64_t heard_at;
    uint64_t probe_at; /* the next one, when there was one */
    uint32_t probes;   /* since heard_at */
};

/* Choose. Returns 0, -ENOMEM. */
must_check int tcp_tune(struct tcp_conn *conn, const struct tcp_tuning *tuning);

/* What was chosen. */
struct tcp_tuning tcp_tuning_of(const struct tcp_conn *conn);

/* Whether the handshake is done. */
bool tcp_is_established(const struct tcp_conn *conn);

/* The ends of a connection. */
const struct flow *tcp_flow(const struct tcp_conn *conn);

/*
 * Copy out and remove at most `size` received bytes. Returns how many, 0 (the
 * peer's FIN came and everything before it was read), -EAGAIN (no data),
 * -EINVAL (`size` is 0).
 */
int64_t tcp_read(struct tcp_conn *conn, void *buf, size_t size);

/* As tcp_read(), but the bytes stay. */
int64_t tcp_peek(const struct tcp_conn *conn, void *buf, size_t size);

/* A thread has taken a connection that was counted for its listener. */
void tcp_accept(struct tcp_conn *conn);

/* Reset the half-open connections of a listener that is about to go. */
void tcp_unlisten(struct net_stack *stack, struct server *server);

/* Queue at most `size` bytes to send. Returns how many were taken; when that
 * is less than `size`, SOCKET_WRITABLE follows. -EPIPE: after tcp_shutdown().
 */
int64_t tcp_write(struct tcp_conn *conn, const void *data, size_t size);

/* As tcp_write(), of `head`, and behind it of slices, which are not copied: the
 * connection takes references of its own. */
int64_t tcp_lend(struct tcp_conn *conn, const void *head, size_t head_len,
                 const struct slice *slices, unsigned count);

/* What time it is; which is that of what is sent next. */
uint64_t tcp_time(struct tcp_conn *conn);

/* Send only full segments until tcp_close() or tcp_shutdown(). */
void tcp_hold(struct tcp_conn *conn);

/* How many bytes tcp_write() would take now. */
size_t tcp_write_room(const struct tcp_conn *conn);

/* Whether tcp_write() would take anything now, or answer an error; if not,
 * SOCKET_WRITABLE follows. Not before that event where tcp_write() or
 * tcp_lend() has taken less than all. */
bool tcp_has_room(struct tcp_conn *conn);

/* The socket was closed: send what is queued and a FIN, and free the
 * connection when the peer has acknowledged it, or at a timeout. */
void tcp_close(struct tcp_conn *conn);

/* Send what is queued and a FIN; what the peer sends is still received. */
void tcp_shutdown(struct tcp_conn *conn);

/* The socket was aborted: send a reset and free the connection. */
void tcp_abort(struct tcp_conn *conn);

#endif
