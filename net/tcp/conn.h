/*
 * A TCP connection, and what the files of this room call in each other.
 *
 *   in.c       a segment arrives: find its connection, check it, pass it on
 *   listen.c   segments without a connection: SYNs
 *   half.c     half-open connections, and how one becomes whole
 *   crowd.c    more SYNs than can be answered
 *   places.c   who has the places of a service, and who must go
 *   share.c    what a source may have of the memory for data
 *   cookie.c   SYN cookies
 *   ack.c      acknowledgements: round trip time, recovery without SACK
 *   board.c    what is in flight, and what the peer says that it has
 *   rack.c     what of it is lost; probes for a loss at the tail
 *   recover.c  recovery with SACK, and what was no loss after all
 *   cubic.c, newreno.c   congestion control
 *   data.c     payloads: the receive window, the peer's FIN
 *   reorder.c  data that come before their predecessors
 *   out.c      data to send: when, how much, and window probes
 *   segment.c  builds segments and hands them to IPv4
 *   timer.c    timeouts
 *   conn.c     connections are created and freed
 *   table.c    and found
 *   wait.c     what remains of one in TIME-WAIT
 *   connect.c  active opens; only in images that use them
 *   tuning.c   keep-alive, and what else a socket can choose; the same
 *   ecn.c      congestion that routers tell of
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

#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include "kernel/lib/siphash.h"
#include "net/buffer.h"
#include "net/dst.h"
#include "net/flow.h"
#include "net/send_queue.h"
#include "net/stack.h"
#include "net/tcp.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>

struct server;
struct socket;
struct tcp_half;

enum {
    TCP_MSS_DEFAULT = 536,   /* the peer sent no MSS option: RFC 9293, 3.7.1 */
    TCP_MSS_DEFAULT6 = 1220, /* over IPv6 */
    TCP_MSS_MIN = 64,        /* a smaller MSS is an attack (CVE-2019-11479) */
    TCP_SCALE = 8,           /* lets a 16-bit window announce NET_BUFFER_MAX */
    TCP_SCALE_NONE = 15,     /* the peer's, when it offers none */
    TCP_QUICK_SEGMENTS = 16, /* at first: each is acknowledged */
    TCP_HOLE_SEGMENTS = 16,  /* out of order: acknowledged at once again */
    TCP_DUP_ACKS = 3,        /* start a fast retransmit: RFC 5681, 3.2 */
    TCP_LARGE_MAX = 65536 - 128,  /* of a segment that the card cuts up */
    TCP_SEND_BUFFER = 256 * 1024, /* may be used, whatever the window is */
    TCP_RUNS_INNER = 2,           /* runs in the connection itself */
    TCP_RUNS_MIN = 32,            /* outside it */
    TCP_RUNS_MAX = 4096,
    TCP_RUN_NS = 32 * 1000,    /* a run: what is sent in 1/32 of a round trip */
    TCP_REORDER_MAX = 15,      /* quarters of a round trip: RFC 8985, 6.2 */
    TCP_REORDER_PERSIST = 16,  /* recoveries */
    TCP_COOKIE_WINDOW = 8192,  /* announced with a SYN cookie */
    TCP_INITIAL_SEGMENTS = 10, /* initial window: RFC 6928 */
    TCP_CWND_MAX = 4 * NET_BUFFER_MAX,  /* congestion window, bytes */
    TCP_DISCARD_MAX = 64 * 1024 * 1024, /* bytes taken after a close */
    TCP_ORPHAN_BYTES = 16 * 1024,       /* what TCP_ORPHAN_NS must bring */
    TCP_EVICT_LOOKS = 16,        /* connections looked at for one that may go */
    TCP_PLACE_BYTES = 16 * 1024, /* moved: progress */
    TCP_BACKOFF_MAX = 9,  /* TCP_RTO_MIN_NS << 9 is more than TCP_RTO_MAX_NS */
    TCP_RTT_UNIT = 16,    /* ns: of round trips */
    TCP_STAMP_SHIFT = 32, /* when a timestamp came is kept in 2^32 ns */
};

#define TCP_SAMPLE_NONE UINT32_MAX /* some of it was sent again */

#define TCP_RTO_FIRST_MS 1000 /* RFC 6298, 2.1 */
#define TCP_RTO_MIN_NS   (200 * NS_PER_MS)
#define TCP_RTO_MAX_NS   (60 * NS_PER_S)
#define TCP_ACK_DELAY_NS (40 * NS_PER_MS)
#define TCP_GIVE_UP_NS   (120 * NS_PER_S) /* R2 of RFC 9293, 3.8.3 */
#define TCP_ORPHAN_NS    (60 * NS_PER_S)  /* closed by us: little progress */
#define TCP_EVICT_NS     (1 * NS_PER_S)   /* no progress: may have to go */
#define TCP_TIME_WAIT_NS (60 * NS_PER_S)  /* 2 MSL */
/* A connection in TIME-WAIT may make place for a new one when both sides can
 * tell their segments apart by the timestamps, whose clock has moved since. */
#define TCP_WAIT_LEAST_NS (1 * NS_PER_S)
#define TCP_HOLE_WAIT_NS  (1 * NS_PER_MS)  /* for more out of order */
#define TCP_RETRY_NS      (10 * NS_PER_MS) /* after an allocation failed */
#define TCP_CHALLENGE_MS  50               /* between challenge ACKs */
#define TCP_PROBE_MIN_NS  (10 * NS_PER_MS) /* of a tail loss probe */
#define TCP_STAMP_NS      (24 * 24 * 3600 * NS_PER_S) /* RFC 7323, 5.5 */

/* RFC 9293, 3.3.2. LISTEN has no connection. */
enum tcp_state {
    TCP_CLOSED,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSING,
    TCP_TIME_WAIT,
    TCP_CLOSE_WAIT,
    TCP_LAST_ACK,
};

/* The timeouts of a connection. One timeout of the wheel serves all of them. */
enum tcp_alarm {
    TCP_ALARM_REXMIT,  /* retransmission, or window probe */
    TCP_ALARM_ACK,     /* delayed acknowledgement */
    TCP_ALARM_REORDER, /* RFC 8985, 6.2: what may only be late is lost now */
    TCP_ALARM_IDLE,    /* the service's idle_ns */
    TCP_ALARM_LIFE,    /* end of TIME-WAIT, or of a connection closed by us */
    TCP_ALARM_RETRY,   /* try again to get memory for the writer */
    TCP_ALARM_COUNT,
};

enum {
    TCP_RUN_SACKED = 1, /* the peer has it */
    TCP_RUN_LOST = 2,   /* to be sent again */
    TCP_RUN_RESENT = 4, /* was sent more than once */
};

/* Sequence numbers of one fate, from the end of the run before on: board.c. */
struct tcp_run {
    uint32_t end;
    uint32_t sent_us; /* the last time */
    uint8_t flags;
};

/* The runs from snd_una to snd_max; their array is `more`, if that is there. */
struct tcp_board {
    struct tcp_run *more;
    uint16_t size; /* of `more` */
    uint16_t first;
    uint16_t count;
    uint32_t sacked; /* bytes in runs that are */
    uint32_t lost;
    struct tcp_run inner[TCP_RUNS_INNER];
};

/* RFC 8985, 5.2 and 6.2; and struct stack_ack. */
struct tcp_rack {
    uint32_t sent_us; /* the latest that was sent of all that was delivered */
    uint32_t end;     /* and its end */
    uint32_t rtt_us;  /* how long it took */
    uint32_t min_rtt_us; /* 0: not known */
    uint32_t fack;       /* the highest end that was delivered */
    uint32_t round;      /* the reordering window grew when this was snd_max */
};

/* RFC 9937, 6.1: bytes since the recovery began. */
struct tcp_prr {
    uint32_t flight; /* RecoverFS: then */
    uint32_t delivered;
    uint32_t out;
};

/* What congestion control was before the loss; cwnd 0: nothing to undo. */
struct tcp_undo {
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t stamp;  /* of the first retransmission */
    uint32_t resent; /* bytes, less those that the peer had twice */
    uint32_t from;   /* snd_una then: what was sent twice before is older */
    bool is_asked;   /* the timestamps have told already */
};

/* What only a loss needs: recover.c. */
struct tcp_loss {
    struct tcp_prr prr;
    struct tcp_undo undo;
};

struct tcp_cubic {
    uint32_t max;      /* W_max, bytes */
    uint32_t estimate; /* W_est, bytes */
    uint32_t rest, estimate_rest;
    uint32_t epoch_ms;
    uint32_t k_ms : 31;
    bool in_epoch : 1;
};

/* The first slow start: hystart.c. Round trips in us; 0: not known. */
struct tcp_hystart {
    uint32_t round_end; /* snd_max when the present round trip began */
    uint32_t last_us;   /* the least of the one before */
    uint32_t least_us;  /* of this one */
    uint32_t base_us;   /* growth is careful since it was so long; 0: it is not
                         */
    uint8_t samples;    /* in this one */
    bool is_new;        /* round_end is not known yet */
    uint8_t rounds;     /* that growth was careful */
};

/* Congestion control. Each may change cwnd and ssthresh. */
struct tcp_cc {
    void (*init)(struct tcp_conn *conn);
    /* `acked` bytes were acknowledged, and nothing is being repaired. */
    void (*acked)(struct tcp_conn *conn, uint32_t acked);
    /* Something is lost: set ssthresh. cwnd is led there by the recovery. */
    void (*lost)(struct tcp_conn *conn);
    /* The retransmission timer has expired: set ssthresh. */
    void (*timeout)(struct tcp_conn *conn);
    /* Nothing was sent for a while. */
    void (*idle)(struct tcp_conn *conn);
};

extern const struct tcp_cc tcp_cubic, tcp_newreno;

/* What is known of the path's MTU, as payload of a segment; conn->mss is what
 * passes. mtu.c. */
struct tcp_mtu {
    uint16_t max;     /* our link and the peer take it */
    uint16_t high;    /* nothing larger passes */
    uint16_t probe;   /* such a segment is under way; 0: none */
    uint8_t tries;    /* probes of that size that were lost */
    bool has_failed;  /* a size has: `high` is less than that */
    uint32_t start;   /* the first sequence number of the probe */
    uint64_t next_at; /* no probe before */
};

/* The new part of a payload. */
struct tcp_piece {
    uint32_t seq;
    uint32_t len;
    const uint8_t *data;
};

/* Data out of order: reorder.c. */
struct tcp_reorder {
    struct list chunks; /* ascending */
    size_t bytes;       /* of their memory */
    unsigned count;
    unsigned recent_count;
    uint32_t recent[TCP_SACKS_MAX]; /* where the latest came, that first */
    uint32_t recent_end;            /* the end of recent[0] */
};

/*
 * Owner CPU only. Times are 32 bits of the clock, in ms or us, and compared
 * modulo 2^32. What only some connections need, or only for a while, is behind
 * a pointer.
 */
struct tcp_conn {
    /* The first two cache lines: what most segments need. */
    struct tcp_conn *next; /* in its chain of stack->conns */
    struct flow flow;
    uint32_t hash;     /* the upper half of its hash */
    uint32_t ssthresh; /* bytes */
    struct net_stack *stack;

    uint8_t state; /* enum tcp_state */
    uint8_t armed; /* 1 << enum tcp_alarm: those that are set */
    uint16_t mss;  /* largest payload to send, less the timestamps */
    union {
        struct {
            /* sending */
            bool fin_wanted : 1; /* a FIN follows the last byte of tx */
            bool is_held : 1;    /* short segments wait for that: tcp_hold() */
            bool fin_acked : 1;  /* in LAST-ACK: only the socket is still to be
                                    read */
            bool is_orphan : 1;  /* the socket was closed: conn_orphan() */
            bool want_write : 1; /* the socket waits for SOCKET_WRITABLE */
            bool is_probing : 1; /* TCP_ALARM_REXMIT sends window probes */
            bool is_recovering : 1;  /* in fast recovery */
            bool tlp_due : 1;        /* TCP_ALARM_REXMIT sends a probe */
            bool tlp_sent : 1;       /* and it is not acknowledged */
            bool tlp_resent : 1;     /* it was not new */
            bool has_reordering : 1; /* was seen: RFC 8985, 6.2 */
            bool was_useful : 1;     /* progress was made */
            /* receiving */
            bool ack_now : 1;   /* send an acknowledgement before returning */
            bool fin_known : 1; /* the peer's FIN has sequence number fin_seq */
            bool fin_taken : 1; /* rcv_nxt is behind the peer's FIN */
            /* what both ends can: RFC 2018, RFC 7323, RFC 3168 */
            bool has_sack : 1;
            bool has_stamps : 1;
            bool has_ecn : 1;
            bool ece_wanted : 1; /* a datagram was marked: tell it until the
                                    peer has answered by CWR */
            bool cwr_wanted : 1; /* new data tell that cwnd was reduced */
        };
        uint32_t flags; /* all of these */
    };
    uint32_t snd_una;      /* oldest unacknowledged; in SYN-SENT and
                             SYN-RECEIVED our initial number */
    uint32_t snd_max;      /* behind all that was sent */
    uint32_t snd_wnd;      /* the peer's window, bytes from snd_una */
    uint32_t snd_wnd_max;  /* the largest snd_wnd so far */
    uint32_t snd_wl1;      /* seq of the segment that set snd_wnd */
    uint32_t rcv_nxt;      /* next expected */
    uint32_t rcv_adv;      /* right edge of the window we have announced */
    uint32_t rcv_acked;    /* the rcv_nxt in the last segment we sent */
    uint32_t stamp_recent; /* TS.Recent: to be echoed */
    uint32_t stamp_at;     /* when it came, in 2^TCP_STAMP_SHIFT ns */
    uint32_t cwnd;         /* bytes */
    uint32_t active_ms;    /* last data or new acknowledgement: for idle_ns */
    struct socket *socket; /* NULL: closed by its owner */

    struct server *server;    /* NULL: no listener counts it */
    struct list state_link;   /* of server: open; of stack: opening, orphans,
                                 dead */
    struct list blocked_link; /* in stack->blocked, or on itself */
    struct wheel_timer timer; /* not later than the earliest of these: */
    uint32_t alarm[TCP_ALARM_COUNT]; /* us: when each that is armed is due */

    struct send_queue tx; /* from snd_una on */
    struct net_buffer rx;
    struct dst dst; /* the way there */

    /* NULL: */
    struct tcp_tuning *tuning;   /* nothing was chosen */
    struct tcp_mtu *mtu;         /* the path takes what the link does */
    struct tcp_reorder *reorder; /* all is in order */
    struct tcp_loss *loss;       /* nothing was lost lately, or no memory */

    /* in flight: RFC 5681, RFC 6582, RFC 8985 */
    struct tcp_board board;
    struct tcp_rack rack;
    uint32_t recover;  /* snd_max when the last recovery began */
    uint32_t used;     /* the most that was in flight since the bytes before */
    uint32_t used_end; /* this were sent: what of cwnd is used */
    uint32_t tlp_end;  /* the probe's */
    uint32_t cwr_end;  /* marks up to this belong to the last reduction */
    union {
        struct tcp_hystart hystart; /* as long as conn_is_first_start() */
        struct tcp_cubic cubic;
        uint32_t newreno_acked; /* bytes, of the present window */
    };
    uint8_t rack_mult;    /* the reordering window, quarters of
                             rack.min_rtt_us, - 1 */
    uint8_t rack_persist; /* recoveries until it is the least again */
    uint8_t dup_acks;     /* no more than 255 are counted */
    uint8_t backoff;      /* the timeout is rto_ms << backoff */

    /* RFC 6298 */
    uint32_t srtt;   /* in 16 ns; 0: nothing measured yet: conn_srtt_ns() */
    uint32_t rttvar; /* in 16 ns */
    uint16_t rto_ms;
    uint8_t snd_scale;
    uint8_t rcv_scale;

    /* in ms */
    uint32_t progress_ms;  /* the peer last answered: for TCP_GIVE_UP_NS */
    uint32_t sent_ms;      /* when data were last sent */
    uint16_t challenge_ms; /* the last challenge ACK was sent, modulo 2^16 */
    uint16_t held;         /* KiB that count for its source: share.c */

    uint32_t irs;         /* initial receive sequence number */
    uint32_t fin_seq;     /* of the peer */
    uint32_t dsack_start; /* came twice, if it is not empty: to be told: RFC */
    uint16_t dsack_len;   /* 2883 */
    uint16_t hole_segments; /* out of order since rcv_nxt moved */
    union {
        struct {                /* not an orphan */
            uint32_t useful_ms; /* last progress, or the handshake: places.c */
            uint32_t moved;     /* bytes since then */
        };
        struct {                  /* an orphan */
            uint32_t discarded;   /* bytes received since then */
            uint32_t orphan_mark; /* snd_una when TCP_ALARM_LIFE was last set */
        };
    };
};

/* What an idle one costs: docs/net.md. */
static_assert(sizeof(struct tcp_conn) <= 512, "struct tcp_conn");
static_assert(offsetof(struct tcp_conn, server) == 128, "two cache lines");

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

/* What timestamps take of each segment. */
static inline uint16_t conn_options_len(const struct tcp_conn *conn)
{
    return conn->has_stamps ? TCP_STAMP_OPTION : 0;
}

/* ---- table.c ------------------------------------------------------------- */

/* The chain that has the connection with the upper half of a hash: its first
 * one, or NULL. */
struct tcp_conn **conn_chain(struct net_stack *stack, uint32_t hash);

/* Let a new connection be found; and no more. */
void conn_insert(struct tcp_conn *conn);
void conn_hide(struct tcp_conn *conn);

/* Call a function for each connection, which may end it. */
void conn_visit_all(const struct net_stack *stack,
                    void (*visit)(struct tcp_conn *conn, void *arg), void *arg);

/* ---- in.c ---------------------------------------------------------------- */

/* Whether a segment is in the window [next, edge): RFC 9293, 3.10.7.4. */
bool segment_is_acceptable(uint32_t next, uint32_t edge,
                           const struct tcp_segment *segment);

/* ---- conn.c -------------------------------------------------------------- */

/* The clock of the timestamps of a flow, and of a connection. */
uint32_t stack_stamp(struct net_stack *stack, const struct flow *flow);
uint32_t conn_stamp(const struct tcp_conn *conn);

/* What stack_tick() has read. */
static inline uint64_t conn_now(const struct tcp_conn *conn)
{
    return conn->stack->now;
}

/* Clocks that wrap. */
static inline uint32_t conn_now_us(const struct tcp_conn *conn)
{
    return conn->stack->now_us;
}

static inline uint32_t conn_now_ms(const struct tcp_conn *conn)
{
    return conn->stack->now_ms;
}

/* The smoothed round trip; 0: nothing measured yet. */
static inline uint64_t conn_srtt_ns(const struct tcp_conn *conn)
{
    return (uint64_t)conn->srtt * TCP_RTT_UNIT;
}

static inline uint64_t conn_rto_ns(const struct tcp_conn *conn)
{
    return conn->rto_ms * NS_PER_MS;
}

/* For how long a time of conn_now_ms() has passed. */
static inline uint64_t conn_since_ns(const struct tcp_conn *conn, uint32_t ms)
{
    return (conn_now_ms(conn) - ms) * NS_PER_MS;
}

/*
 * The keyed hash of a flow, which is kept: a flow is asked for several times in
 * a row, when its SYN comes and when its connection is made. Its lower 32 bits
 * are part of the initial sequence number and the next 16 of the timestamps, so
 * the peer can learn them; the hash chain follows from the others.
 */
uint64_t conn_hash(struct net_stack *stack, const struct flow *flow);

/* Where a connection is put when it is found. Without a key: who chooses ports
 * that collide makes us look where everybody is looked for otherwise. */
static inline struct tcp_conn **conn_recent(struct net_stack *stack,
                                            const struct flow *flow)
{
    unsigned hash =
        flow->rport ^ (unsigned)flow->rport >> 8 ^ flow->remote.byte[15];

    return &stack->recent[hash & (STACK_CONN_RECENT - 1)];
}

/* The connection of a flow, or NULL: conn_find() looks into its hash chain when
 * it was not found there lately. */
struct tcp_conn *conn_find_hashed(struct net_stack *stack,
                                  const struct flow *flow);

/* The same, or NULL when it was not found lately. */
static inline struct tcp_conn *conn_find_recent(struct net_stack *stack,
                                                const struct flow *flow)
{
    struct tcp_conn *recent = *conn_recent(stack, flow);

    return recent != NULL && flow_equal(&recent->flow, flow) ? recent : NULL;
}

static inline struct tcp_conn *conn_find(struct net_stack *stack,
                                         const struct flow *flow)
{
    struct tcp_conn *recent = conn_find_recent(stack, flow);

    return likely(recent != NULL) ? recent : conn_find_hashed(stack, flow);
}

/* A connection in TCP_SYN_SENT whose numbers begin with `iss`, in no list but
 * the hash chain; no alarm is set. NULL: no memory. */
struct tcp_conn *conn_new(struct net_stack *stack, const struct flow *flow,
                          uint32_t iss);

/* The MSS of a peer that offers none. */
static inline uint16_t tcp_mss_default(const struct flow *flow)
{
    return flow_is_ip4(flow) ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT6;
}

/* Take the peer's numbers, window and options from what its SYN says. */
void conn_take_syn(struct tcp_conn *conn, const struct tcp_half *half);

/* The initial sequence number of a flow: RFC 6528. */
uint32_t stack_iss(struct net_stack *stack, const struct flow *flow);

/* Replace the one of conn_new(). */
void conn_set_iss(struct tcp_conn *conn, uint32_t iss);

/* SYN-RECEIVED or SYN-SENT becomes ESTABLISHED; the connection has a socket. */
void conn_establish(struct tcp_conn *conn);

/* The socket is closed: the connection no longer counts for its service. In
 * TIME-WAIT it joins those of the stack; in all other states resets the oldest
 * orphan when there are too many. */
void conn_orphan(struct tcp_conn *conn);

/* The connection no longer counts for its listener: a thread has taken it. */
void conn_leave_server(struct tcp_conn *conn);

/* Any state becomes TCP_CLOSED; tcp_reap() frees the connection later. It has
 * no socket (any more). */
void conn_end(struct tcp_conn *conn);

/* conn_end() after sending a reset to the peer. */
void conn_reset(struct tcp_conn *conn);

/* conn_end() of a connection that may have a socket, which answers `error` from
 * now on. */
void conn_fail(struct tcp_conn *conn, int error);

/* Both FINs are acknowledged: enter TIME-WAIT (RFC 9293, 3.6.1). The connection
 * ends, and a struct tcp_wait takes its place, unless it still has its socket,
 * which is to be read. */
void conn_time_wait(struct tcp_conn *conn);

/* Free the connections in TCP_CLOSED. */
void conn_free_dead(struct net_stack *stack);

static inline void tcp_reap(struct net_stack *stack)
{
    if (!list_empty(&stack->dead))
        conn_free_dead(stack);
}

/* ---- socket.c ------------------------------------------------------------ */

/* Raise SOCKET_WRITABLE when the service waits for it and there is room. */
void conn_check_room(struct tcp_conn *conn);

/* As tcp_close(), within the processing of something that came. */
void conn_close(struct tcp_conn *conn);

/* ---- listen.c ------------------------------------------------------------ */

/* Whether there is a service for the local end of a flow. */
bool listen_wants(struct net_stack *stack, const struct flow *flow);

/* What half_promote() makes of the SYN cookie that a segment of no connection
 * brings, or NULL. */
struct tcp_conn *listen_cookie(struct net_stack *stack, const struct flow *flow,
                               const struct tcp_segment *segment);

/* Process a segment that belongs to no connection and brings no cookie. */
void listen_receive(struct net_stack *stack, const struct flow *flow,
                    const struct tcp_segment *segment);

/* Process a SYN for the flow of a connection that was in TIME-WAIT and whose
 * last sequence number was `last`: ours begin behind it. */
void listen_again(struct net_stack *stack, const struct flow *flow,
                  const struct tcp_segment *segment, uint32_t last);

/* ---- half.c -------------------------------------------------------------- */

/* A half-open connection. Owner CPU only. */
struct tcp_half {
    struct list link;      /* in a row of its server */
    struct tcp_half *next; /* in its chain of stack->halves */
    struct server *server;
    struct net_addr local;
    struct net_addr remote;
    uint16_t lport;
    uint16_t rport;
    uint32_t iss; /* our initial sequence number, and the peer's */
    uint32_t irs;
    uint32_t stamp_recent; /* as of a connection */
    uint32_t sent_us;      /* when the SYN-ACK was last sent by time */
    uint16_t mss;          /* that the peer offers; 0: none */
    uint16_t snd_wnd;      /* the peer's window, in its SYN */
    uint16_t rcv_wnd;      /* ours, in the SYN-ACK */
    uint16_t challenge_ms; /* the last challenge ACK, modulo 2^16 */
    uint8_t scale : 4;     /* the peer's, or TCP_SCALE_NONE */
    uint8_t tries : 4;     /* how often the SYN-ACK was sent again */
    bool has_sack;         /* what both ends can */
    bool has_stamps;
    bool has_ecn : 1;
    bool is_resent : 1; /* the SYN-ACK, since the SYN came again */
};

static_assert(sizeof(struct tcp_half) <= 96, "struct tcp_half");

/* The one of a flow, or NULL. */
struct tcp_half *half_find(struct net_stack *stack, const struct flow *flow);

/* Let it be what a SYN, or a SYN-ACK, says; all else is 0. It is in no list. */
void half_fill(struct tcp_half *half, struct server *server,
               const struct flow *flow, const struct tcp_segment *syn);

/* Answer a SYN and remember it; `last`: our numbers begin behind that one, or
 * NULL. Without memory nothing is answered. */
void half_begin(struct net_stack *stack, struct server *server,
                const struct flow *flow, const struct tcp_segment *syn,
                const uint32_t *last);

/* Process a segment of one, which may end. Returns as half_promote(). */
struct tcp_conn *half_receive(struct net_stack *stack, struct tcp_half *half,
                              const struct tcp_segment *segment);

/*
 * The handshake has come to its end: make the connection, which is established
 * then and still has to process the segment that has ended the handshake; or,
 * when there was no memory for its socket, was reset and is in TCP_CLOSED.
 * NULL: there is no place or no memory for it. `half` stays as it is.
 */
struct tcp_conn *half_promote(struct net_stack *stack,
                              const struct tcp_half *half);

/* End the one of a server that came first; there is one. */
void half_end_oldest(struct net_stack *stack, struct server *server);

/* Send SYN-ACKs again, or give up, where that is due. Returns when to call
 * again; TIME_NEVER: none is left. */
uint64_t halves_expire(struct net_stack *stack);

/* End those of an address of ours, or all: NULL. */
void halves_lose(struct net_stack *stack, const struct net_addr *local);

void halves_check(const struct net_stack *stack);

/* ---- wait.c -------------------------------------------------------------- */

/* A connection in TIME-WAIT without a socket. */
struct tcp_wait {
    struct tcp_wait *next; /* in its chain */
    struct net_addr local;
    struct net_addr remote;
    uint16_t lport;
    uint16_t rport;
    uint32_t snd_max; /* as of a connection; before rcv_nxt is the peer's FIN */
    uint32_t rcv_nxt;
    uint32_t stamp_recent;
    uint32_t end_ms;       /* it ends */
    uint16_t slot : 14;    /* in the row */
    bool has_stamps : 1;   /* as of a connection */
    bool is_again : 1;     /* it begins anew: end_ms is later than in the row */
    uint16_t challenge_ms; /* the last answer was sent, modulo 2^16 */
};

static_assert(sizeof(struct tcp_wait) <= 64, "struct tcp_wait");

/* What a segment in TIME-WAIT means. */
enum tcp_verdict {
    WAIT_IGNORE,
    WAIT_ANSWER,  /* by an acknowledgement */
    WAIT_AGAIN,   /* the same, and TIME-WAIT begins anew */
    WAIT_REPLACE, /* a new connection begins */
};

enum tcp_verdict wait_judge(const struct tcp_wait *wait,
                            const struct tcp_segment *segment);

/* Let it remember a connection; nothing else is set. */
void wait_fill(struct tcp_wait *wait, const struct tcp_conn *conn);

/* TIME-WAIT of a connection, which ends, begins. Ends the oldest one when there
 * are too many. Without memory there is none. */
void wait_begin(struct tcp_conn *conn);

/* The one of a flow, or NULL. */
struct tcp_wait *wait_find(struct net_stack *stack, const struct flow *flow);

/* Process a segment of one, which may end. */
void wait_receive(struct net_stack *stack, struct tcp_wait *wait,
                  const struct tcp_segment *segment);

/* Whether it may make place for an active open (RFC 6191, 2, seen from the
 * other side). */
bool wait_is_replaceable(const struct net_stack *stack,
                         const struct tcp_wait *wait);

void wait_end(struct net_stack *stack, struct tcp_wait *wait);

/* End those whose time is over. Returns when to call again; TIME_NEVER: none is
 * left. There was one. */
uint64_t waits_expire(struct net_stack *stack);

/* End those of an address of ours, or all: NULL. */
void waits_lose(struct net_stack *stack, const struct net_addr *local);

void waits_check(const struct net_stack *stack);

/* ---- crowd.c ------------------------------------------------------------- */

/* Whether a SYN is passed over while too many frames wait; counts that, or the
 * answer. */
bool crowd_is_shed(struct net_stack *stack, const struct flow *flow);

/* Whether a segment is a SYN that is passed over now. */
static inline bool segment_is_shed(struct net_stack *stack,
                                   const struct flow *flow, uint8_t flags)
{
    return unlikely(stack->crowd.sheds) &&
           (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN &&
           crowd_is_shed(stack, flow);
}

/* A handshake has come to its end: its source is no stranger. */
void crowd_learn(struct net_stack *stack, const struct flow *flow);

/* ---- places.c ------------------------------------------------------------ */

/* Which counter of a row, of 1 << SOURCE_BITS, is that of a flow's source. */
unsigned source_slot(const struct net_stack *stack, const struct flow *flow,
                     unsigned row);

/* The connection has taken a place of its server (1), or leaves it (-1). */
void places_count(struct tcp_conn *conn, int change);

/* Whether a handshake may begin: there is a place for its connection, or one
 * can be made. */
bool places_expected(struct net_stack *stack, struct server *server,
                     const struct flow *flow);

/* A handshake has come to its end: make a place. Returns whether there is one.
 */
bool places_make(struct net_stack *stack, struct server *server,
                 const struct flow *flow);

/* The connection has made progress. */
void places_progress(struct tcp_conn *conn);

/* Bytes of the stream have moved; `is_done`: all that was to be sent. Not of an
 * orphan. */
static inline void conn_moved(struct tcp_conn *conn, uint32_t bytes,
                              bool is_done)
{
    conn->moved += bytes;
    if (is_done || conn->moved >= TCP_PLACE_BYTES)
        places_progress(conn);
}

/* ---- share.c ------------------------------------------------------------- */

enum { SHARE_SMALL = 4096 }; /* bytes of a connection that do not count */

/* What the queues of a connection count for its source, in KiB. */
uint32_t share_held(const struct tcp_conn *conn);

/* They may have changed: count them anew. */
void share_count(struct tcp_conn *conn);

/* The same, cheaply, when they have become smaller. */
static inline void share_shrunk(struct tcp_conn *conn)
{
    if (unlikely(conn->held != 0))
        share_count(conn);
}

/* How many bytes a queue that has `part` of them may have, so that the source
 * of the connection has a quarter of the budget at most; at least `part`, and
 * NET_BUFFER_MIN. */
uint32_t share_limit(const struct tcp_conn *conn, uint32_t part);

/* The same for any flow; `is_counted`: `part` is in what its source has. */
uint32_t share_of(struct net_stack *stack, const struct flow *flow,
                  uint32_t part, bool is_counted);

/* ---- cookie.c ------------------------------------------------------------ */

/* Answer a SYN with a SYN-ACK whose sequence number is a cookie. */
void cookie_send(struct net_stack *stack, struct server *server,
                 const struct flow *flow, const struct tcp_segment *segment);

/* What half_promote() makes of a valid cookie that an ACK brings back; NULL:
 * also when it is not valid. */
struct tcp_conn *cookie_receive(struct net_stack *stack, struct server *server,
                                const struct flow *flow,
                                const struct tcp_segment *segment);

/* ---- connect.c, by a hook: not every image has it ------------------------ */

struct tcp_active {
    /*
     * A segment for a connection in SYN-SENT, or for one in SYN-RECEIVED
     * without a listener. Returns whether it is to be processed further; it may
     * have been changed.
     */
    bool (*receive)(struct tcp_conn *conn, struct tcp_segment *segment);

    /* Our SYN was acknowledged in SYN-RECEIVED. */
    void (*established)(struct tcp_conn *conn);

    /* TCP_ALARM_REXMIT in SYN-SENT. */
    void (*timeout)(struct tcp_conn *conn);
};

/* ---- tuning.c ------------------------------------------------------------ */

/* How long the peer may be silent while something is to be acknowledged, or
 * while its window is closed. */
static inline uint64_t conn_give_up_ns(const struct tcp_conn *conn)
{
    return conn->tuning != NULL && conn->tuning->user_timeout_ns != 0 &&
                   !conn->is_probing
               ? conn->tuning->user_timeout_ns
               : TCP_GIVE_UP_NS;
}

/* Let the next datagrams have the hop limit and class that were chosen. */
static inline void conn_mark(struct tcp_conn *conn,
                             const struct tcp_tuning *tuning)
{
    conn->dst.hops = tuning->hops;
    conn->dst.traffic_class =
        (uint8_t)((conn->dst.traffic_class & IP_ECN_MARKED) |
                  tuning->traffic_class);
}

/* ---- ecn.c --------------------------------------------------------------- */

/* A segment that is acceptable has come, and its acknowledgement was taken. */
void ecn_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* The congestion window was reduced: the peer is told, by the next new data. */
void ecn_reduced(struct tcp_conn *conn);

/* Put what has to be told into a segment of `len` bytes about to be sent. */
void ecn_send(struct tcp_conn *conn, struct tcp_segment *segment, uint32_t len);

/* ---- ack.c --------------------------------------------------------------- */

/* Process the acknowledgement and window of an acceptable segment. Returns
 * false when the rest of the segment must be ignored. */
bool ack_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* Start congestion control; called when the connection is established. */
void ack_init(struct tcp_conn *conn);

/* `acked` bytes were acknowledged and nothing is being repaired: cwnd grows. */
void window_grow(struct tcp_conn *conn, uint32_t acked);

/* A round trip took rtt_ns: compute the retransmission timeout. */
void ack_measure(struct tcp_conn *conn, uint64_t rtt_ns);

/* Whether nothing has ended the first slow start. */
static inline bool conn_is_first_start(const struct tcp_conn *conn)
{
    return conn->ssthresh == TCP_CWND_MAX;
}

/* ---- hystart.c ----------------------------------------------------------- */

void hystart_init(struct tcp_conn *conn);

/* In the first slow start `acked` bytes were acknowledged: cwnd grows. Returns
 * whether the slow start is over. */
bool hystart_acked(struct tcp_conn *conn, uint32_t acked);

/* ---- board.c ------------------------------------------------------------- */

/* [start, end) is sent: before snd_max follows. */
void board_sent(struct tcp_conn *conn, uint32_t start, uint32_t end);

/* All before `ack` is acknowledged: before snd_una follows. */
void board_acked(struct tcp_conn *conn, uint32_t ack);

/* Take the SACK blocks of a segment. */
void board_sacks(struct tcp_conn *conn, const struct tcp_segment *segment);

/* Mark what is lost: what rack_is_lost() says; or all that the peer does not
 * have. Returns whether there was any. */
bool board_lose(struct tcp_conn *conn, bool all);

/* Set or clear a flag of all runs. */
void board_set(struct tcp_conn *conn, uint8_t flag, bool on);

/* Whether the peer says that it has what it does not acknowledge. */
bool board_first_is_sacked(struct tcp_conn *conn);

/* The first that is lost and what follows, if that is lost, too; there is some.
 */
void board_first_lost(struct tcp_conn *conn, uint32_t *start, uint32_t *end);

void board_free(struct tcp_conn *conn);
void board_check(struct tcp_conn *conn);

/* ---- rack.c -------------------------------------------------------------- */

/* Data are sent, and nothing else is in flight. */
void rack_start(struct tcp_conn *conn, uint32_t now_us);

/* `len` bytes of a run, up to `end`, have arrived. */
void rack_delivered(struct tcp_conn *conn, const struct tcp_run *run,
                    uint32_t end, uint32_t len);

/* The peer had `len` bytes from `seq` on twice: RFC 2883. */
void rack_duplicate(struct tcp_conn *conn, uint32_t seq, uint32_t len);

/* Whether a run is lost; if it will be, stack->ack.wait_us says when. */
bool rack_is_lost(struct tcp_conn *conn, const struct tcp_run *run);

/* Mark what is lost now, and look again when more may be. Returns whether there
 * was any. */
bool rack_detect(struct tcp_conn *conn);

/* When a probe is due, from now, if nothing is heard; TIME_NEVER: never. */
uint64_t tlp_delay(const struct tcp_conn *conn);

void tlp_send(struct tcp_conn *conn);

/* All before `ack` is acknowledged. */
void tlp_acked(struct tcp_conn *conn, uint32_t ack);

/* ---- recover.c ----------------------------------------------------------- */

/* Bytes that are in the network as far as we know. */
uint32_t conn_pipe(const struct tcp_conn *conn);

/* A recovery begins: note what an undo brings back. Without memory for that
 * nothing is undone. */
void undo_save(struct tcp_conn *conn);

/* What only a loss needs is not needed any more. */
void loss_free(struct tcp_conn *conn);

/* `len` bytes are sent again. */
void undo_resent(struct tcp_conn *conn, uint32_t len);

/* A segment acknowledges something new; the peer had `len` bytes from `seq` on
 * twice. Either may show that nothing was lost. */
void undo_acked(struct tcp_conn *conn, const struct tcp_segment *segment);
void undo_duplicate(struct tcp_conn *conn, uint32_t seq, uint32_t len);

/* An acknowledgement has moved snd_una by `acked`, maybe 0, and its blocks were
 * taken: find losses, and set the window. */
void recover_acked(struct tcp_conn *conn, uint32_t acked);

/* TCP_ALARM_REORDER. */
void recover_reordered(struct tcp_conn *conn);

/* ---- data.c -------------------------------------------------------------- */

/* Process the payload and FIN of an acceptable segment. */
void data_receive(struct tcp_conn *conn, const struct tcp_segment *segment);

/* Make room for `len` more bytes in the receive buffer. Returns whether there
 * is memory, and the source may have it. */
bool data_reserve(struct tcp_conn *conn, uint32_t len);

/* Note that the peer has sent [start, end) before. */
void conn_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end);

/* The receive window to announce: bytes from rcv_nxt on. Never ends before
 * rcv_adv. */
uint32_t data_window(const struct tcp_conn *conn);

/* Whether reads have opened the window so far that the peer must be told. */
bool data_window_opened(const struct tcp_conn *conn);

/* ---- reorder.c ----------------------------------------------------------- */

/* Keep data that come before their predecessors. Returns false when there is no
 * memory for them. */
bool reorder_add(struct tcp_conn *conn, struct tcp_piece piece);

/* rcv_nxt has moved: what is in order now goes to the receive buffer. */
void reorder_advance(struct tcp_conn *conn);

/* The end of what has come; rcv_nxt, when all is in order. */
uint32_t reorder_end(const struct tcp_conn *conn);

/* Write at most `max` SACK blocks, of TCP_SACK_SIZE bytes; returns how many. */
unsigned reorder_blocks(struct tcp_conn *conn, uint8_t *blocks, unsigned max);

void reorder_free(struct tcp_conn *conn);

/* Returns the bytes that count for the budget. */
size_t reorder_check(const struct tcp_conn *conn);

/* ---- out.c --------------------------------------------------------------- */

/* Sequence numbers sent and not acknowledged. */
static inline uint32_t conn_flight(const struct tcp_conn *conn)
{
    return conn->snd_max - conn->snd_una;
}

/* Whether nothing in flight is lost, being repaired, or with the peer before
 * what it waits for. */
static inline bool conn_is_whole(const struct tcp_conn *conn)
{
    return (conn->board.sacked | conn->board.lost) == 0 && !conn->is_recovering;
}

/* Whether there is something that was not sent, or is to be sent again. */
static inline bool conn_has_output(const struct tcp_conn *conn)
{
    return conn->board.lost > 0 ||
           conn_flight(conn) < conn->tx.used + conn->fin_wanted;
}

/* Send what the windows allow, and an acknowledgement when ack_now is set; the
 * second one reads the time first. */
void conn_output(struct tcp_conn *conn);
void tcp_output(struct tcp_conn *conn);

/* Send a new segment if there is one and the peer has room, whatever cwnd is.
 */
void output_probe(struct tcp_conn *conn);

/* Retransmit at most `len` bytes, and at most one segment, from `seq` on. */
void tcp_resend(struct tcp_conn *conn, uint32_t seq, uint32_t len);

/* ---- mtu.c: RFC 4821 ----------------------------------------------------- */

/* The retransmission timer has expired conn->backoff times before: perhaps
 * segments are too large for the path. */
void mtu_timeout(struct tcp_conn *conn);

/* A router says that `size` bytes in a segment are the most. */
void mtu_told(struct tcp_conn *conn, uint32_t size);

/* conn->mtu is there: our link takes no more than `size` bytes now. */
void mtu_limit(struct tcp_conn *conn, uint32_t size);

/* conn->mtu is there: a router says that the path takes `mtu` bytes (0: it does
 * not say) about the segment `seq`, perhaps a probe. */
void mtu_probe_told(struct tcp_conn *conn, uint32_t seq, uint32_t mtu);

/* conn->mtu is there: the size of a probe that should be sent now, whose data
 * begin `offset` bytes behind snd_una and are `avail` bytes at most; 0: none.
 */
uint32_t mtu_probe(struct tcp_conn *conn, uint32_t offset, uint32_t avail);
void mtu_probe_sent(struct tcp_conn *conn, uint32_t seq, uint32_t size);

/* conn->mtu is there: snd_una has moved. */
void mtu_acked(struct tcp_conn *conn);

/* Something is lost, and nothing is being repaired. Returns whether it is a
 * probe and nothing else, which is no sign of congestion. */
bool mtu_probe_lost(struct tcp_conn *conn);

void mtu_free(struct tcp_conn *conn);

/* ---- segment.c ----------------------------------------------------------- */

/*
 * Send `len` bytes of the send buffer from `seq` on, at most segment_len_max(),
 * with `flags` and ACK. Every segment acknowledges all that was received.
 * Returns false when there is no packet; nothing has changed then.
 */
bool segment_send(struct tcp_conn *conn, uint32_t seq, uint32_t len,
                  uint8_t flags);

/* How large a segment may be: one MSS, or many where the card cuts them up. */
uint32_t segment_len_max(const struct tcp_conn *conn);

/* How many of `len` bytes at `offset` of the send buffer one segment can have:
 * all, or as many pieces of it as a packet takes. */
uint32_t segment_fit(const struct tcp_conn *conn, uint32_t offset,
                     uint32_t len);

/* Send a segment without data; without a packet, try again by an alarm. */
void tcp_send_ack(struct tcp_conn *conn);

/* Whether a challenge ACK may be sent now, TCP_CHALLENGE_MS after the last one,
 * *last_ms, which is now then; counts it. */
bool challenge_is_due(struct net_stack *stack, uint16_t *last_ms);

/* Send a challenge ACK (RFC 5961), at most one in TCP_CHALLENGE_MS. */
void tcp_challenge(struct tcp_conn *conn);

/* Send the SYN in SYN-SENT, SYN and ACK in SYN-RECEIVED after that. */
void tcp_send_syn(struct tcp_conn *conn);

/* Send a segment of a half-open connection, whose flow and timestamp are
 * known: a SYN-ACK, an acknowledgement or a reset. */
void tcp_send_half(struct net_stack *stack, const struct flow *flow,
                   const struct tcp_half *half, uint8_t flags, uint32_t stamp);

void tcp_send_reset(struct tcp_conn *conn);

/* Send the acknowledgement of a connection in TIME-WAIT. */
void tcp_send_wait(struct net_stack *stack, const struct flow *flow,
                   const struct tcp_wait *wait);

/* Answer `segment`, which belongs to no connection, with a reset. */
void tcp_refuse(struct net_stack *stack, const struct flow *flow,
                const struct tcp_segment *segment);

/* The largest payload of a flow that fits into one packet of our link. */
uint16_t tcp_link_mss(const struct net_stack *stack, const struct flow *flow);

/* ---- timer.c ------------------------------------------------------------- */

/* A new connection has no alarm. */
void alarm_init(struct tcp_conn *conn);

/* Set an alarm to the time `at`, whether it was set before or not; that is no
 * later than half an hour from now. */
void alarm_set(struct tcp_conn *conn, enum tcp_alarm which, uint64_t at);

/* Set TCP_ALARM_IDLE to any time, or clear it (TIME_NEVER). It may go off
 * earlier. */
void alarm_set_idle(struct tcp_conn *conn, uint64_t at);

static inline void alarm_clear(struct tcp_conn *conn, enum tcp_alarm which)
{
    conn->armed &= (uint8_t) ~(1U << which);
}

static inline bool alarm_is_set(const struct tcp_conn *conn,
                                enum tcp_alarm which)
{
    return (conn->armed & 1U << which) != 0;
}

/* When an alarm is due; TIME_NEVER: it is not set. */
uint64_t alarm_at(const struct tcp_conn *conn, enum tcp_alarm which);

/* Set a timeout of the stack. */
void timeout_move(struct net_stack *stack, struct wheel_timer *timer,
                  uint64_t at);

/* Let the connections in TIME-WAIT end in time; there is one. */
void time_wait_call(struct net_stack *stack);

/* Set TCP_ALARM_REXMIT to one timeout from now. */
void rexmit_start(struct tcp_conn *conn);

/* ---- check.c ------------------------------------------------------------- */

/* Assert what must be true of a connection between two events. */
void tcp_check(const struct tcp_conn *conn);

#endif
