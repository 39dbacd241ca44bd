/*
 * What acknowledgements tell: how much arrived, how long it took, how much more
 * the path and the peer take. RFC 9293 3.10.7.4, RFC 5681, 6582, 6298, 5961.
 */
#include "net/stack.h"
#include "net/tcp.h"

enum {
    CWND_MAX = 4 * NET_BUFFER_MAX,
    INITIAL_SEGMENTS = 10, /* RFC 6928 */
};

uint32_t conn_flight(const struct tcp_conn *conn)
{
    return conn->snd_max - conn->snd_una;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void ack_init(struct tcp_conn *conn)
{
    uint32_t mss = conn->mss;

    conn->snd_una = conn->iss + 1;
    conn->snd_wl1 = conn->irs;
    conn->snd_wl2 = conn->iss;
    conn->recover = conn->iss;
    conn->cwnd = min_u32(INITIAL_SEGMENTS * mss, max_u32(2 * mss, 14600));
    conn->ssthresh = CWND_MAX;
    conn->backoff = 0;
}

/* RFC 6298, section 2, and the end of 5: a new measurement ends the backoff. */
void ack_measure(struct tcp_conn *conn, uint64_t rtt_ns)
{
    uint64_t gap;

    if (rtt_ns == 0)
        rtt_ns = 1;
    if (conn->srtt_ns == 0) {
        conn->srtt_ns = rtt_ns;
        conn->rttvar_ns = rtt_ns / 2;
    } else {
        gap = conn->srtt_ns > rtt_ns ? conn->srtt_ns - rtt_ns
                                     : rtt_ns - conn->srtt_ns;
        conn->rttvar_ns = (3 * conn->rttvar_ns + gap) / 4;
        conn->srtt_ns = (7 * conn->srtt_ns + rtt_ns) / 8;
    }
    conn->rto_ns = conn->srtt_ns + 4 * conn->rttvar_ns;
    if (conn->rto_ns < TCP_RTO_MIN_NS)
        conn->rto_ns = TCP_RTO_MIN_NS;
    if (conn->rto_ns > TCP_RTO_MAX_NS)
        conn->rto_ns = TCP_RTO_MAX_NS;
    conn->backoff = 0;
}

/* RFC 5681, section 3.2, steps 2 to 4, as RFC 6582 changes them. */
static void duplicate_ack(struct tcp_conn *conn)
{
    uint32_t half = conn_flight(conn) / 2;

    conn->dup_acks++;
    if (conn->is_recovering) {
        conn->cwnd = min_u32(conn->cwnd + conn->mss, CWND_MAX);
        return;
    }
    /* What is acknowledged again may be our own retransmissions. */
    if (conn->dup_acks != TCP_DUP_ACKS || !seq_lt(conn->recover, conn->snd_una))
        return;
    conn->ssthresh = max_u32(half, 2U * conn->mss);
    conn->recover = conn->snd_max;
    conn->is_recovering = true;
    conn->stack->stats.tcp_fast_retransmits++;
    tcp_resend(conn, conn->snd_una, conn->mss);
    conn->cwnd = conn->ssthresh + TCP_DUP_ACKS * conn->mss;
    rexmit_start(conn);
}

/* RFC 6582, section 3.2, step 3. snd_una has moved by `acked`. */
static void recovery_ack(struct tcp_conn *conn, uint32_t acked)
{
    if (seq_le(conn->recover, conn->snd_una)) {
        conn->cwnd = min_u32(conn->ssthresh,
                             max_u32(conn_flight(conn), conn->mss) + conn->mss);
        conn->is_recovering = false;
        conn->dup_acks = 0;
        return;
    }
    tcp_resend(conn, conn->snd_una, conn->mss);
    conn->cwnd = conn->cwnd > acked ? conn->cwnd - acked : 0;
    if (acked >= conn->mss)
        conn->cwnd += conn->mss;
    conn->cwnd = max_u32(conn->cwnd, conn->mss);
}

/* RFC 5681, section 3.1: slow start, then congestion avoidance. */
static void window_grow(struct tcp_conn *conn, uint32_t acked)
{
    uint32_t mss = conn->mss;

    conn->dup_acks = 0;
    if (conn->cwnd < conn->ssthresh)
        conn->cwnd += min_u32(acked, mss);
    else
        conn->cwnd += max_u32(mss * mss / conn->cwnd, 1);
    conn->cwnd = min_u32(conn->cwnd, CWND_MAX);
}

/* Our FIN has arrived. */
static void fin_acked(struct tcp_conn *conn)
{
    switch (conn->state) {
    case TCP_FIN_WAIT_1:
        conn->state = TCP_FIN_WAIT_2;
        alarm_set(conn, TCP_ALARM_LIFE, net_now(conn->stack) + TCP_ORPHAN_NS);
        break;
    case TCP_CLOSING:
        conn_time_wait(conn);
        break;
    case TCP_LAST_ACK:
        conn_end(conn, 0);
        break;
    default:
        break;
    }
}

/* The retransmission timer: RFC 6298, 5.2 and 5.3; and for RFC 6582, 3.2 (4),
 * the "slow but steady" variant. */
static void timer_after_ack(struct tcp_conn *conn)
{
    if (conn->snd_una != conn->snd_max) {
        rexmit_start(conn);
        return;
    }
    alarm_clear(conn, TCP_ALARM_REXMIT);
    conn->is_probing = false;
}

/* `ack` lies in (snd_una, snd_max]. */
static void new_ack(struct tcp_conn *conn, uint32_t ack)
{
    uint64_t now = net_now(conn->stack);
    uint32_t acked = ack - conn->snd_una;
    uint32_t data = min_u32(acked, conn->tx.used);
    bool has_fin = conn->fin_wanted && acked > data;

    if (conn->rtt_running && seq_le(conn->rtt_seq, ack)) {
        conn->rtt_running = false;
        ack_measure(conn, now - conn->rtt_start);
    }
    net_buffer_drop(&conn->tx, data);
    if (conn->tx.used == 0)
        net_buffer_release(&conn->tx, &conn->stack->budget);
    conn->snd_una = ack;
    if (seq_lt(conn->snd_nxt, ack))
        conn->snd_nxt = ack;
    conn->progress_at = now;
    conn->active_at = now;
    if (conn->is_recovering)
        recovery_ack(conn, acked);
    else
        window_grow(conn, acked);
    timer_after_ack(conn);
    if (conn->socket == NULL && conn->alarm[TCP_ALARM_LIFE] != TIME_NEVER)
        alarm_set(conn, TCP_ALARM_LIFE, now + TCP_ORPHAN_NS);
    if (has_fin)
        fin_acked(conn);
}

/* RFC 9293, 3.10.7.4: whether the window of the peer was set anew. */
static bool window_update(struct tcp_conn *conn,
                          const struct tcp_segment *segment)
{
    uint32_t window = (uint32_t)segment->window << conn->snd_scale;
    uint32_t before = conn->snd_wnd;

    if (seq_lt(segment->ack, conn->snd_una))
        return false;
    if (!seq_lt(conn->snd_wl1, segment->seq) &&
        (conn->snd_wl1 != segment->seq || seq_lt(segment->ack, conn->snd_wl2)))
        return false;
    conn->snd_wnd = window;
    conn->snd_wnd_max = max_u32(conn->snd_wnd_max, window);
    conn->snd_wl1 = segment->seq;
    conn->snd_wl2 = segment->ack;
    return window != before;
}

/* RFC 5681, section 2, the definition of a duplicate. */
static bool is_duplicate(const struct tcp_conn *conn,
                         const struct tcp_segment *segment, bool window_changed)
{
    return segment->ack == conn->snd_una && conn_flight(conn) != 0 &&
           segment->payload_len == 0 && (segment->flags & TCP_FIN) == 0 &&
           !window_changed && !conn->is_probing;
}

bool ack_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    bool window_changed;

    /* RFC 5961, section 5.2. */
    if (seq_lt(conn->snd_max, segment->ack) ||
        seq_lt(segment->ack, conn->snd_una - conn->snd_wnd_max)) {
        tcp_challenge(conn);
        return false;
    }
    window_changed = window_update(conn, segment);
    if (conn->is_probing) /* it is there, even if its window is shut */
        conn->progress_at = net_now(conn->stack);
    if (seq_lt(conn->snd_una, segment->ack))
        new_ack(conn, segment->ack);
    else if (is_duplicate(conn, segment, window_changed))
        duplicate_ack(conn);
    if (conn->state == TCP_CLOSED || conn->state == TCP_TIME_WAIT)
        return false;
    conn_check_room(conn);
    return true;
}
