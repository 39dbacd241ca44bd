/*
 * A TCP connection, and what the files of this room call in each other.
 *
 *   in.c       a segment arrives: find its connection, check it, pass it on
 *   listen.c   segments without a connection: SYNs, and the handshake's end
 *   cookie.c   SYN cookies
 *   ack.c      acknowledgements: round trip time, congestion control
 *   data.c     payloads: reordering, the receive window, the peer's FIN
 *   out.c      data to send: when, how much, and window probes
 *   segment.c  builds segments and hands them to IPv4
 *   timer.c    timeouts
 *   conn.c     connections are created, found and freed
 *   socket.c   read, write, close and abort for sockets
 *   check.c    what must be true of a connection
 *
 * Sequence numbers are compared modulo 2^32. The first byte of the send buffer
 * has sequence number snd_una; the byte after the last one in order in the
 * receive buffer has rcv_nxt.
 *
 * conn_end() moves a connection to TCP_CLOSED, once. The functions below it on
 * the C stack may still look at its state, so its memory is freed later, by
 * tcp_reap(), which the outermost functions call last.
 *
 * Everything belongs to the stack's CPU, and nothing here yields.
 */
#ifndef TORC_NET_TCP_CONN_H
#define TORC_NET_TCP_CONN_H

#include "kernel/lib/minmax.h"
#include "kernel/thread/timer.h"
#include "net/buffer.h"
#include "net/dst.h"
#include "net/tcp.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>

struct server;
struct socket;

enum {
    TCP_MSS_DEFAULT = 536,    /* the peer sent no MSS option: RFC 9293, 3.7.1 */
    TCP_MSS_MIN = 64,         /* a smaller MSS is an attack (CVE-2019-11479) */
    TCP_SCALE = 3,            /* lets a 16-bit window announce NET_BUFFER_MAX */
    TCP_DUP_ACKS = 3,         /* start a fast retransmit: RFC 5681, 3.2 */
    TCP_RANGES_MAX = 16,      /* ranges kept out of order */
    TCP_SYN_TRIES = 5,        /* retransmissions of a SYN-ACK */
    TCP_COOKIE_WINDOW = 8192, /* announced with a SYN cookie */
    TCP_INITIAL_SEGMENTS = 10,          /* initial window: RFC 6928 */
    TCP_CWND_MAX = 4 * NET_BUFFER_MAX,  /* congestion window, bytes */
    TCP_DISCARD_MAX = 64 * 1024 * 1024, /* bytes taken after a close */
    TCP_ORPHAN_BYTES = 16 * 1024,       /* what TCP_ORPHAN_NS must bring */
    TCP_EVICT_LOOKS = 16, /* connections looked at for an idle one */
    TCP_BACKOFF_MAX = 9,  /* TCP_RTO_MIN_NS << 9 is more than TCP_RTO_MAX_NS */
};

#define TCP_RTO_FIRST_NS  (1 * NS_PER_S) /* RFC 6298, 2.1 */
#define TCP_RTO_MIN_NS    (200 * NS_PER_MS)
#define TCP_RTO_MAX_NS    (60 * NS_PER_S)
#define TCP_ACK_DELAY_NS  (40 * NS_PER_MS)
#define TCP_GIVE_UP_NS    (120 * NS_PER_S)  /* R2 of RFC 9293, 3.8.3 */
#define TCP_ORPHAN_NS     (60 * NS_PER_S)   /* closed by us: little progress */
#define TCP_EVICT_NS      (1 * NS_PER_S)    /* idle so long: may have to go */
#define TCP_TIME_WAIT_NS  (60 * NS_PER_S)   /* 2 MSL */
#define TCP_RETRY_NS      (10 * NS_PER_MS)  /* after an allocation failed */
#define TCP_CHALLENGE_NS  (50 * NS_PER_MS)  /* between challenge ACKs */
#define TCP_IDLE_CHECK_NS (3600 * NS_PER_S) /* the timer, with no alarm set */

/* RFC 9293, 3.3.2. LISTEN has no connection; SYN-SENT does not exist here. */
enum tcp_state {
    TCP_CLOSED,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSING,
    TCP_TIME_WAIT,
    TCP_CLOSE_WAIT,
    TCP_LAST_ACK,
};

/* The timeouts of a connection. One kernel timer serves all of them. */
enum tcp_alarm {
    TCP_ALARM_REXMIT, /* retransmission, or window probe */
    TCP_ALARM_ACK,    /* delayed acknowledgement */
    TCP_ALARM_IDLE,   /* the service's idle_ns */
    TCP_ALARM_LIFE,   /* end of TIME-WAIT, or of a connection closed by us */
    TCP_ALARM_RETRY,  /* try again to get memory for the writer */
    TCP_ALARM_COUNT,
};

/* Sequence numbers [start, end) of data received out of order. */
struct tcp_range {
    uint32_t start;
    uint32_t end;
};

/* Owner CPU only. */
struct tcp_conn {
    struct list hash_link;    /* in stack->conns[] */
    struct list state_link;   /* of server: half_open, open; of stack: orphans,
                                 time_waits, dead */
    struct list blocked_link; /* in stack->blocked, or on itself */
    struct net_stack *stack;
    struct server *server;
    struct socket *socket; /* NULL: half open, or closed by the service */
    enum tcp_state state;
    uint32_t remote; /* the peer's address */
    uint16_t remote_port;
    uint16_t local_port;
    struct dst dst; /* the way there */

    struct timer timer;              /* set as long as the connection lives */
    uint64_t alarm[TCP_ALARM_COUNT]; /* when each is due, or TIME_NEVER */
    uint64_t active_at; /* last data or new acknowledgement: for idle_ns */

    /* sending: RFC 9293, 3.3.1 */
    struct net_buffer tx; /* from snd_una on */
    uint32_t iss;         /* initial send sequence number */
    uint32_t snd_una;     /* oldest unacknowledged */
    uint32_t snd_nxt;     /* next to send; back to snd_una at a timeout */
    uint32_t snd_max;     /* the highest snd_nxt so far */
    uint32_t snd_wnd;     /* the peer's window, bytes from snd_una */
    uint32_t snd_wnd_max; /* the largest snd_wnd so far */
    uint32_t snd_wl1;     /* seq of the segment that set snd_wnd */
    uint16_t mss;         /* largest payload to send, bytes */
    uint8_t snd_scale;
    bool fin_wanted; /* a FIN follows the last byte of the send buffer */
    bool want_write; /* the service waits for SOCKET_WRITABLE */

    /* retransmission timer: RFC 6298 */
    uint64_t rto_ns;
    uint64_t srtt_ns; /* 0: nothing measured yet */
    uint64_t rttvar_ns;
    uint64_t rtt_start; /* when the segment that ends at rtt_seq was sent */
    uint32_t rtt_seq;
    bool rtt_running;
    bool is_probing;      /* TCP_ALARM_REXMIT sends window probes */
    uint8_t backoff;      /* the timeout is rto_ns << backoff */
    uint64_t progress_at; /* the peer last answered: for TCP_GIVE_UP_NS */
    uint64_t sent_at;     /* when data were last sent */

    /* congestion control: RFC 5681, RFC 6582 */
    uint32_t cwnd;     /* bytes */
    uint32_t ssthresh; /* bytes */
    uint32_t recover;  /* snd_max when the last recovery began */
    unsigned dup_acks;
    bool is_recovering; /* in fast recovery */

    /* receiving: RFC 9293, 3.3.1 */
    struct net_buffer rx;
    uint32_t irs;       /* initial receive sequence number */
    uint32_t rcv_nxt;   /* next expected */
    uint32_t rcv_adv;   /* right edge of the window we have announced */
    uint32_t rcv_acked; /* the rcv_nxt in the last segment we sent */
    uint8_t rcv_scale;
    uint8_t range_count;
    struct tcp_range range[TCP_RANGES_MAX]; /* ascending, with gaps between */
    bool ack_now;   /* send an acknowledgement before returning */
    bool fin_known; /* the peer's FIN has sequence number fin_seq */
    bool fin_taken; /* rcv_nxt is behind the peer's FIN */
    uint32_t fin_seq;
    uint32_t discarded;      /* bytes received after the socket was closed */
    uint32_t orphan_mark;    /* snd_una when TCP_ALARM_LIFE was last set */
    uint64_t challenge_from; /* no challenge ACK is sent before this time */
};

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

/* Whether the service has closed its end: a FIN was or will be sent. */
static inline bool conn_is_orphan(const struct tcp_conn *conn)
{
    return conn->fin_wanted;
}

/* ---- conn.c ---------------------------------------------------------- */

/* The connection of a 4-tuple (our address is the stack's), or NULL. */
struct tcp_conn *conn_find(struct net_stack *stack, uint32_t remote,
                           uint16_t remote_port, uint16_t local_port);

/* The hash chain that holds the connections of a 4-tuple. */
struct list *conn_bucket(struct net_stack *stack, uint32_t remote,
                         uint16_t remote_port, uint16_t local_port);

/* A connection in TCP_SYN_RECEIVED for the SYN `segment` from `remote`; its
 * timer is set, no alarm is. NULL: no memory. */
struct tcp_conn *conn_create(struct net_stack *stack, struct server *server,
                             uint32_t remote,
                             const struct tcp_segment *segment);

/* Replace the initial send sequence number that conn_create() chose. */
void conn_set_iss(struct tcp_conn *conn, uint32_t iss);

/* SYN-RECEIVED becomes ESTABLISHED. */
void conn_establish(struct tcp_conn *conn);

/* The service has closed the socket: the connection no longer counts for it.
 * Resets the oldest of such connections when there are too many. */
void conn_orphan(struct tcp_conn *conn);

/* Any state becomes TCP_CLOSED; tcp_reap() frees the connection later. It has
 * no socket (any more). */
void conn_end(struct tcp_conn *conn);

/* conn_end() after sending a reset to the peer. */
void conn_reset(struct tcp_conn *conn);

/* conn_end() of a connection that may have a socket, which answers `error` from
 * now on. */
void conn_fail(struct tcp_conn *conn, int error);

/* Both FINs are acknowledged: enter TIME-WAIT (RFC 9293, 3.6.1). Ends the
 * oldest connection in TIME-WAIT when there are too many. */
void conn_time_wait(struct tcp_conn *conn);

/* Free the connections in TCP_CLOSED. */
void tcp_reap(struct net_stack *stack);

/* ---- socket.c -------------------------------------------------------- */

/* Raise SOCKET_WRITABLE when the service waits for it and there is room. */
void conn_check_room(struct tcp_conn *conn);

/* ---- listen.c -------------------------------------------------------- */

/* Process a segment from `remote` that belongs to no connection. Returns the
 * connection that its SYN cookie creates, or NULL. */
struct tcp_conn *listen_receive(struct net_stack *stack, uint32_t remote,
                                const struct tcp_segment *segment);

/* Process a SYN for the 4-tuple of a connection that was in TIME-WAIT and whose
 * last sequence number was `last`: ours begin behind it. */
void listen_again(struct net_stack *stack, uint32_t remote,
                  const struct tcp_segment *segment, uint32_t last);

/* Our SYN-ACK was acknowledged: create the socket. Returns whether the
 * connection is established now. */
bool listen_established(struct tcp_conn *conn);

/* ---- cookie.c -------------------------------------------------------- */

/* Answer a SYN with a SYN-ACK whose sequence number is a cookie. */
void cookie_send(struct net_stack *stack, struct server *server,
                 uint32_t remote, const struct tcp_segment *segment);

/* The connection of an ACK that brings a valid cookie back, or NULL. */
struct tcp_conn *cookie_receive(struct net_stack *stack, struct server *server,
                                uint32_t remote,
                                const struct tcp_segment *segment);

/* ---- ack.c ----------------------------------------------------------- */

/* Process the acknowledgement and window of an acceptable segment. Returns
 * false when the rest of the segment must be ignored. */
bool ack_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* Start congestion control; called when the connection is established. */
void ack_init(struct tcp_conn *conn);

/* A round trip took rtt_ns: compute the retransmission timeout. */
void ack_measure(struct tcp_conn *conn, uint64_t rtt_ns);

/* ---- data.c ---------------------------------------------------------- */

/* Process the payload and FIN of an acceptable segment. */
void data_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* The receive window to announce: bytes from rcv_nxt on. Never ends before
 * rcv_adv. */
uint32_t data_window(const struct tcp_conn *conn);

/* Whether reads have opened the window so far that the peer must be told. */
bool data_window_opened(const struct tcp_conn *conn);

/* ---- out.c ----------------------------------------------------------- */

/* Sequence numbers sent and not acknowledged. */
static inline uint32_t conn_flight(const struct tcp_conn *conn)
{
    return conn->snd_max - conn->snd_una;
}

/* Send what the windows allow, and an acknowledgement when ack_now is set. */
void tcp_output(struct tcp_conn *conn);

/* Retransmit at most `len` bytes, and at most one segment, from `seq` on. */
void tcp_resend(struct tcp_conn *conn, uint32_t seq, uint32_t len);

/* ---- segment.c ------------------------------------------------------- */

/*
 * Send `len` bytes of the send buffer from `seq` on, at most one MSS, with
 * `flags` and ACK. Every segment acknowledges all that was received. Returns
 * false when there is no packet; nothing has changed then.
 */
bool segment_send(struct tcp_conn *conn, uint32_t seq, uint32_t len,
                  uint8_t flags);

/* Send a segment without data; without a packet, try again by an alarm. */
void tcp_send_ack(struct tcp_conn *conn);

/* Send a challenge ACK (RFC 5961), at most one in TCP_CHALLENGE_NS. */
void tcp_challenge(struct tcp_conn *conn);

void tcp_send_syn_ack(struct tcp_conn *conn);

/* Answer the SYN `segment` with sequence number `cookie`; no connection. */
void tcp_send_cookie(struct net_stack *stack, uint32_t remote,
                     const struct tcp_segment *segment, uint32_t cookie);

void tcp_send_reset(struct tcp_conn *conn);

/* Answer `segment`, which belongs to no connection, with a reset. */
void tcp_refuse(struct net_stack *stack, uint32_t remote,
                const struct tcp_segment *segment);

/* The largest payload that fits into one packet of our link. */
uint16_t tcp_link_mss(const struct net_stack *stack);

/* ---- timer.c --------------------------------------------------------- */

/* Set the timer, with no alarm. Returns 0, -ENOMEM. */
must_check int alarm_init(struct tcp_conn *conn);

/* Set an alarm to the time `at`, whether it was set before or not. */
void alarm_set(struct tcp_conn *conn, enum tcp_alarm which, uint64_t at);

static inline void alarm_clear(struct tcp_conn *conn, enum tcp_alarm which)
{
    conn->alarm[which] = TIME_NEVER;
}

/* Set TCP_ALARM_REXMIT to one timeout from now. */
void rexmit_start(struct tcp_conn *conn);

/* ---- check.c --------------------------------------------------------- */

/* Assert what must be true of a connection between two events. */
void tcp_check(const struct tcp_conn *conn);

#endif
