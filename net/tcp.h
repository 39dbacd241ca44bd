/*
 * TCP, the serving side: RFC 9293, with RFC 5681 and 6582 (congestion control,
 * NewReno), 6298 (retransmission timer), 7323 (window scale), 6528 (initial
 * sequence numbers), 5961 (blind attacks), 6928 (initial window), 3042 (limited
 * transmit). docs/net.md says what is left out.
 *
 *   tcp_in.c     a segment comes: which connection, may it, in what order
 *   tcp_listen.c a SYN comes, and what becomes of it
 *   tcp_ack.c    what an acknowledgement means: round trips, congestion
 *   tcp_data.c   what a payload means: order, windows, the peer's end
 *   tcp_out.c    segments go
 *   tcp_timer.c  time passes
 *   tcp_conn.c   connections come into being and end; the socket's calls
 *
 * Sequence numbers are compared modulo 2^32. The send buffer begins at snd_una
 * and the receive buffer ends at rcv_nxt; a connection reaches TCP_CLOSED once,
 * by conn_end(), and its memory is freed by tcp_reap() when nothing of it is on
 * the stack any more.
 */
#ifndef TORC_NET_TCP_H
#define TORC_NET_TCP_H

#include "kernel/lib/list.h"
#include "kernel/packet.h"
#include "kernel/timer.h"
#include "net/buffer.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/time.h>

struct net_stack;
struct server;
struct socket;

enum {
    TCP_HALF_OPEN_MAX = 128,  /* of one service; then SYN cookies */
    TCP_COOKIE_WINDOW = 8192, /* promised with a SYN cookie */
    TCP_MSS_DEFAULT = 536,    /* RFC 9293, 3.7.1 */
    TCP_MSS_MIN = 64,         /* less is an attack (CVE-2019-11479) */
    TCP_PATH_MTU_MIN = 552,   /* likewise, by ICMP (RFC 5927) */
    TCP_SCALE = 3,            /* NET_BUFFER_MAX in a 16-bit window */
    TCP_DUP_ACKS = 3,         /* RFC 5681, 3.2 */
    TCP_RANGES_MAX = 16,      /* pieces kept out of order */
    TCP_SYN_TRIES = 5,        /* SYN-ACKs sent again */
};

#define TCP_RTO_FIRST_NS  (1 * NS_PER_S)
#define TCP_RTO_MIN_NS    (200 * NS_PER_MS)
#define TCP_RTO_MAX_NS    (60 * NS_PER_S)
#define TCP_ACK_DELAY_NS  (40 * NS_PER_MS)
#define TCP_GIVE_UP_NS    (120 * NS_PER_S) /* RFC 9293, 3.8.3: R2, 100 s */
#define TCP_ORPHAN_NS     (60 * NS_PER_S)
#define TCP_TIME_WAIT_NS  (60 * NS_PER_S)
#define TCP_RETRY_NS      (10 * NS_PER_MS)
#define TCP_CHALLENGE_NS  (50 * NS_PER_MS)
#define TCP_IDLE_CHECK_NS (3600 * NS_PER_S)

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

/* One kernel timer serves all of these; it is set to the earliest. */
enum tcp_alarm {
    TCP_ALARM_REXMIT, /* retransmission, or window probe */
    TCP_ALARM_ACK,    /* delayed acknowledgement */
    TCP_ALARM_IDLE,   /* the service's idle_ns */
    TCP_ALARM_LIFE,   /* TIME-WAIT, or a closed socket's connection */
    TCP_ALARM_RETRY,  /* there was no memory for the writer */
    TCP_ALARM_COUNT,
};

/* Bytes kept out of order: [start, end). */
struct tcp_range {
    uint32_t start;
    uint32_t end;
};

struct tcp_conn {
    struct list hash_link;    /* in stack->conns[] */
    struct list state_link;   /* half open, TIME-WAIT, dead */
    struct list blocked_link; /* in stack->blocked */
    struct net_stack *stack;
    struct server *server;
    struct socket *socket; /* NULL: half open, or closed by the service */
    enum tcp_state state;
    uint32_t remote;
    uint16_t remote_port;
    uint16_t local_port;

    /* The timer is set as long as the connection lives. */
    struct timer timer;
    uint64_t alarm[TCP_ALARM_COUNT];
    uint64_t active_at; /* something came: for idle_ns */
    bool is_counted;    /* in server->conn_count */

    /* sending: RFC 9293, 3.3.1 */
    struct net_buffer tx;
    uint32_t iss;
    uint32_t snd_una;
    uint32_t snd_nxt; /* goes back to snd_una at a timeout */
    uint32_t snd_max; /* the highest snd_nxt ever */
    uint32_t snd_wnd;
    uint32_t snd_wnd_max;
    uint32_t snd_wl1;
    uint32_t snd_wl2;
    uint16_t mss;
    uint8_t snd_scale;
    bool fin_wanted; /* a FIN is behind the send buffer */
    bool want_write; /* the service waits for room */

    /* the retransmission timer: RFC 6298 */
    uint64_t rto_ns;
    uint64_t srtt_ns; /* 0: nothing measured */
    uint64_t rttvar_ns;
    uint64_t rtt_start; /* when rtt_seq was sent */
    uint32_t rtt_seq;
    bool rtt_running;
    bool is_probing; /* TCP_ALARM_REXMIT is the window probe's */
    uint8_t backoff;
    uint64_t progress_at; /* for TCP_GIVE_UP_NS */
    uint64_t sent_at;     /* the last data */

    /* congestion: RFC 5681, RFC 6582 */
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t recover;
    unsigned dup_acks;
    bool is_recovering;

    /* receiving */
    struct net_buffer rx;
    uint32_t irs;
    uint32_t rcv_nxt;
    uint32_t rcv_adv;   /* the right edge the peer knows */
    uint32_t rcv_acked; /* the rcv_nxt the peer knows */
    uint8_t rcv_scale;
    uint8_t range_count;
    struct tcp_range range[TCP_RANGES_MAX]; /* ascending, disjoint, apart */
    bool ack_now;
    bool fin_known; /* the peer's FIN is at fin_seq */
    bool fin_taken;
    uint32_t fin_seq;
    uint32_t discarded; /* bytes that came after the socket was closed */
    uint64_t challenge_at;
};

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

/* ---- For the stack ------------------------------------------------------- */

/* A segment for us, without its IPv4 header. Takes the packet. */
void tcp_receive(struct net_stack *stack, struct packet *packet,
                 const struct ip4_header *header);

/* A router says that a segment of ours did not fit: RFC 1191, RFC 5927. */
void tcp_path_mtu(struct net_stack *stack, uint32_t remote,
                  uint16_t remote_port, uint16_t local_port, uint32_t seq,
                  uint16_t mtu);

/* There is room again: let the blocked connections send. */
void tcp_unblock(struct net_stack *stack);

/* End all connections without a word. For stack_destroy(). */
void tcp_fini(struct net_stack *stack);

/* ---- For sockets --------------------------------------------------------- */

/* As socket_receive() and so on, of a connection that is there. */
int64_t tcp_read(struct tcp_conn *conn, void *buf, size_t size);
int64_t tcp_write(struct tcp_conn *conn, const void *data, size_t size);
size_t tcp_write_room(const struct tcp_conn *conn);

/* The socket is gone: finish in good order, or reset. */
void tcp_close(struct tcp_conn *conn);
void tcp_abort(struct tcp_conn *conn);

/* ---- tcp_conn.c ---------------------------------------------------------- */

/* The connection of a 4-tuple, or NULL. */
struct tcp_conn *conn_find(struct net_stack *stack, uint32_t remote,
                           uint16_t remote_port, uint16_t local_port);

/* A new one in TCP_SYN_RECEIVED, hashed, its timer set; NULL: no memory. */
struct tcp_conn *conn_create(struct net_stack *stack, struct server *server,
                             uint32_t remote,
                             const struct tcp_segment *segment);

/* Begin at another sequence number than conn_create() chose. */
void conn_set_iss(struct tcp_conn *conn, uint32_t iss);

/* It is over; `error` is what its socket, if any, is told. Frees later. */
void conn_end(struct tcp_conn *conn, int error);

/* conn_end() after a reset to the peer. */
void conn_reset(struct tcp_conn *conn, int error);

/* Both sides are done; only the wait is left (RFC 9293, 3.6.1). */
void conn_time_wait(struct tcp_conn *conn);

/* Leave the half-open list, and count as a connection of the service. */
void conn_establish(struct tcp_conn *conn);

/* Tell the service that there is room, when it waits for some. */
void conn_check_room(struct tcp_conn *conn);

/* Free what has ended. */
void tcp_reap(struct net_stack *stack);

/* ---- tcp_listen.c -------------------------------------------------------- */

/* A segment for no connection. Returns the one it brings, or NULL. */
struct tcp_conn *listen_receive(struct net_stack *stack, uint32_t remote,
                                const struct tcp_segment *segment);

/* The ACK of our SYN-ACK has come; whether the connection stands now. */
bool listen_established(struct tcp_conn *conn);

/* ---- tcp_ack.c ----------------------------------------------------------- */

/* Take the acknowledgement of an acceptable segment. Returns false when the
 * segment is to be dropped, or the connection has ended. */
bool ack_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* Set up congestion control when the connection stands. */
void ack_init(struct tcp_conn *conn);

/* A round trip was measured. */
void ack_measure(struct tcp_conn *conn, uint64_t rtt_ns);

/* How much is on its way. */
uint32_t conn_flight(const struct tcp_conn *conn);

/* ---- tcp_data.c ---------------------------------------------------------- */

/* Take the payload and FIN of an acceptable segment. */
void data_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* How many bytes from rcv_nxt on may come: never less than was promised. */
uint32_t data_window(const struct tcp_conn *conn);

/* Whether so much was read that the peer should hear of it. */
bool data_window_opened(const struct tcp_conn *conn);

/* ---- tcp_out.c ----------------------------------------------------------- */

/* Send what may be sent, at least an acknowledgement when one is due. */
void tcp_output(struct tcp_conn *conn);

/* Send the bytes from `seq` on, at most `len`, once more. */
void tcp_resend(struct tcp_conn *conn, uint32_t seq, uint32_t len);

void tcp_send_syn_ack(struct tcp_conn *conn);

/* A SYN-ACK without a connection, in answer to `segment`. */
void tcp_send_cookie(struct net_stack *stack, uint32_t remote,
                     const struct tcp_segment *segment, uint32_t cookie);

void tcp_send_ack(struct tcp_conn *conn);

/* At most one in TCP_CHALLENGE_NS: an answer to what should not have come. */
void tcp_challenge(struct tcp_conn *conn);

/* A reset from a connection, or in answer to a segment of none. */
void tcp_send_reset(struct tcp_conn *conn);
void tcp_refuse(struct net_stack *stack, uint32_t remote,
                const struct tcp_segment *segment);

/* ---- tcp_timer.c --------------------------------------------------------- */

/* Begin with a timer and no alarm. Returns 0, -ENOMEM. */
must_check int alarm_init(struct tcp_conn *conn);

/* Set one alarm, which may be set already. */
void alarm_set(struct tcp_conn *conn, enum tcp_alarm which, uint64_t at);

static inline void alarm_clear(struct tcp_conn *conn, enum tcp_alarm which)
{
    conn->alarm[which] = TIME_NEVER;
}

/* Start the retransmission timer anew. */
void rexmit_start(struct tcp_conn *conn);

#endif
