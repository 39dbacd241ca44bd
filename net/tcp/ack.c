/*
 * TCP acknowledgements: they free the send buffer, measure the round trip, and
 * drive congestion control. RFC 9293 3.10.7.4, RFC 5681, 6582, 6298, 5961. What
 * a peer that tells what it has (RFC 2018) makes of it is in recover.c.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

__attribute__((cold)) void ack_init(struct tcp_conn *conn)
{
    uint32_t mss = conn->mss;
    uint32_t iss = conn->snd_una;

    conn->snd_una = iss + 1;
    conn->snd_wl1 = conn->irs;
    conn->recover = iss;
    conn->cwr_end = iss;
    conn->cwnd = min_u32(TCP_INITIAL_SEGMENTS * mss, max_u32(2 * mss, 14600));
    conn->ssthresh = TCP_CWND_MAX;
    conn->backoff = 0;
    conn->rack.fack = iss;
    conn->rack.end = iss;
    conn->rack.round = iss;
    conn->used = 0;
    conn->used_end = iss;
    conn->sent_ms = conn_now_ms(conn); /* the first data are after no pause */
    conn->stack->cc->init(conn);
}

/* RFC 6298, section 2; and the end of section 5: a new measurement ends the
 * exponential backoff. */
void ack_measure(struct tcp_conn *conn, uint64_t rtt_ns)
{
    /* An srtt of 0 means: not measured. */
    uint64_t rtt = max_u64(min_u64(rtt_ns, TCP_RTO_MAX_NS) / TCP_RTT_UNIT, 1);
    uint64_t srtt = conn->srtt, rttvar = conn->rttvar, rto_ns;

    if (srtt == 0) {
        srtt = rtt;
        rttvar = rtt / 2;
    } else {
        rttvar = (3 * rttvar + max_u64(srtt, rtt) - min_u64(srtt, rtt)) / 4;
        srtt = (7 * srtt + rtt) / 8;
    }
    conn->srtt = (uint32_t)srtt;
    conn->rttvar = (uint32_t)rttvar;
    /* The least is that of the variance: a peer may delay an acknowledgement so
     * long however regular its other ones are. */
    rto_ns = srtt * TCP_RTT_UNIT +
             max_u64(4 * rttvar * TCP_RTT_UNIT, TCP_RTO_MIN_NS);
    conn->rto_ms = (uint16_t)(min_u64(rto_ns, TCP_RTO_MAX_NS) / NS_PER_MS);
    conn->backoff = 0;
}

/* RFC 5681, section 3.2, steps 2 to 4, as RFC 6582 changes them. */
static __attribute__((cold)) void duplicate_ack(struct tcp_conn *conn)
{
    conn->dup_acks = (uint8_t)min_u32(conn->dup_acks + 1U, UINT8_MAX);
    if (conn->is_recovering) {
        conn->cwnd = min_u32(conn->cwnd + conn->mss, TCP_CWND_MAX);
        return;
    }
    /* Not again before all that was in flight at the last recovery or timeout
     * is acknowledged: the duplicates may answer our retransmissions. */
    if (conn->dup_acks != TCP_DUP_ACKS || !seq_lt(conn->recover, conn->snd_una))
        return;
    undo_save(conn);
    conn->stack->cc->lost(conn);
    ecn_reduced(conn);
    conn->recover = conn->snd_max;
    conn->is_recovering = true;
    conn->stack->stats.tcp_fast_retransmits++;
    tcp_resend(conn, conn->snd_una, conn->mss);
    conn->cwnd = conn->ssthresh + TCP_DUP_ACKS * conn->mss;
    rexmit_start(conn);
}

/* RFC 6582, section 3.2, step 3. snd_una has moved by `acked`. */
static __attribute__((cold)) void recovery_ack(struct tcp_conn *conn,
                                               uint32_t acked)
{
    if (seq_le(conn->recover, conn->snd_una)) {
        conn->cwnd = min_u32(conn->ssthresh,
                             max_u32(conn_flight(conn), conn->mss) + conn->mss);
        conn->is_recovering = false;
        conn->dup_acks = 0;
        return;
    }
    tcp_resend(conn, conn->snd_una, conn->mss);
    conn->cwnd -= min_u32(conn->cwnd, acked);
    if (acked >= conn->mss)
        conn->cwnd += conn->mss;
    conn->cwnd = max_u32(conn->cwnd, conn->mss);
}

/* RFC 9438, 5.8; RFC 7661, 3: a window that is not used tells nothing of the
 * path. In slow start half of it is enough, since it doubles. */
static bool window_is_used(const struct tcp_conn *conn)
{
    if (conn->cwnd < conn->ssthresh)
        return conn->cwnd < 2 * (uint64_t)conn->used;
    return conn->cwnd < (uint64_t)conn->used + conn->mss;
}

void window_grow(struct tcp_conn *conn, uint32_t acked)
{
    conn->dup_acks = 0;
    if (!window_is_used(conn))
        return;
    /* After a timeout an acknowledgement may cover what came long before:
     * RFC 3465, 2.3. */
    if (seq_lt(conn->snd_una, conn->recover))
        acked = min_u32(acked, conn->mss);
    conn->stack->cc->acked(conn, acked);
    conn->cwnd = min_u32(conn->cwnd, TCP_CWND_MAX);
}

/*
 * Between recoveries `recover` is any number before snd_una. Without losses it
 * would stay where it is, and after 2 GiB it would look newer than snd_una.
 */
static __attribute__((cold)) void recover_follow(struct tcp_conn *conn)
{
    if (seq_lt(conn->recover, conn->snd_una))
        conn->recover = conn->snd_una - 1;
}

/* The peer has acknowledged our FIN. */
static __attribute__((cold)) void fin_acked(struct tcp_conn *conn)
{
    switch (conn->state) {
    case TCP_FIN_WAIT_1:
        conn->state = TCP_FIN_WAIT_2;
        break;
    case TCP_CLOSING:
        conn_time_wait(conn);
        break;
    case TCP_LAST_ACK:
        conn->fin_acked = true;
        if (conn->rx.used == 0) /* or tcp_read() ends it */
            conn_fail(conn, -EPIPE);
        break;
    default:
        break;
    }
}

/* The retransmission timer after a new acknowledgement: RFC 6298, 5.2 and 5.3;
 * also at partial acknowledgements, the "slow-but-steady" variant of RFC 6582,
 * section 4. */
static void timer_after_ack(struct tcp_conn *conn)
{
    if (conn->snd_una != conn->snd_max) {
        rexmit_start(conn);
        return;
    }
    alarm_clear(conn, TCP_ALARM_REXMIT);
    conn->is_probing = false;
}

/* The peer takes what is left after the service has closed: it has time, as
 * long as it is not too slow; and time to send its FIN. */
static __attribute__((cold)) void orphan_progress(struct tcp_conn *conn,
                                                  bool has_fin)
{
    if (!has_fin && conn->snd_una - conn->orphan_mark < TCP_ORPHAN_BYTES)
        return;
    conn->orphan_mark = conn->snd_una;
    alarm_set(conn, TCP_ALARM_LIFE, conn_now(conn) + TCP_ORPHAN_NS);
}

/* Each acknowledgement of what was sent once tells the round trip. Of what was
 * sent again, the peer echoes when that was (RFC 7323, 4). */
static void round_trip(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    uint32_t sample = conn->stack->ack.sample_us;
    uint32_t echoed;

    if (sample != 0 && sample != TCP_SAMPLE_NONE) {
        ack_measure(conn, sample * NS_PER_US);
        return;
    }
    if (!conn->has_stamps)
        return;
    echoed = conn_stamp(conn) - segment->options.timestamp_of;
    if (echoed < TCP_RTO_MAX_NS / NS_PER_MS)
        ack_measure(conn, echoed * NS_PER_MS);
}

/* An acknowledgement of something new: it is in (snd_una, snd_max]. */
static void new_ack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    uint32_t ack = segment->ack;
    uint32_t acked = ack - conn->snd_una;
    uint32_t data = min_u32(acked, conn->tx.used);
    bool has_fin = acked > data; /* only the FIN has a number behind the data */

    assert(!has_fin || conn->fin_wanted);
    board_acked(conn, ack);
    round_trip(conn, segment);
    send_queue_drop(&conn->tx, &conn->stack->budget, data);
    share_shrunk(conn);
    conn->snd_una = ack;
    conn->progress_ms = conn_now_ms(conn);
    conn->active_ms = conn_now_ms(conn);
    if (data > 0 && !conn->is_orphan)
        conn_moved(conn, data, conn->tx.used == 0);
    if (conn->loss != NULL)
        undo_acked(conn, segment);
    if (conn->mtu != NULL)
        mtu_acked(conn);
    if (conn->has_sack) {
        if (segment->options.sack_count > 0)
            board_sacks(conn, segment);
        tlp_acked(conn, ack);
        if (conn_is_whole(conn)) /* recover_acked() without detours */
            window_grow(conn, acked);
        else
            recover_acked(conn, acked);
    } else if (conn->is_recovering) {
        recovery_ack(conn, acked);
    } else {
        window_grow(conn, acked);
    }
    recover_follow(conn);
    timer_after_ack(conn);
    if (conn->is_orphan)
        orphan_progress(conn, has_fin);
    if (has_fin)
        fin_acked(conn);
}

/*
 * Take the peer's window from a segment that is not older than the one it was
 * last taken from (RFC 9293, 3.10.7.4). SND.WL2 of the RFC is not needed: it is
 * never behind snd_una. Data that are sent again with a new acknowledgement are
 * no old segment, although their number is: were their window not taken, that
 * which is known would move with snd_una, beyond what the peer has granted.
 * Returns whether the window changed.
 */
static bool window_update(struct tcp_conn *conn,
                          const struct tcp_segment *segment)
{
    uint32_t window = (uint32_t)segment->window << conn->snd_scale;
    uint32_t before = conn->snd_wnd;

    if (seq_lt(segment->ack, conn->snd_una) ||
        (segment->ack == conn->snd_una && seq_lt(segment->seq, conn->snd_wl1)))
        return false;
    conn->snd_wnd = window;
    conn->snd_wnd_max = max_u32(conn->snd_wnd_max, window);
    conn->snd_wl1 = segment->seq;
    return window != before;
}

/* Whether this is a duplicate acknowledgement as RFC 5681, section 2, defines
 * it. */
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

    conn->stack->ack = (struct stack_ack){0};
    /* RFC 5961, section 5.2. */
    if (seq_lt(conn->snd_max, segment->ack) ||
        seq_lt(segment->ack, conn->snd_una - conn->snd_wnd_max)) {
        tcp_challenge(conn);
        return false;
    }
    window_changed = window_update(conn, segment);
    if (conn->is_probing) { /* a closed window is an answer too */
        conn->progress_ms = conn_now_ms(conn);
        board_lose(conn, true); /* and there was no room for the probe */
    }
    if (seq_lt(conn->snd_una, segment->ack)) {
        new_ack(conn, segment);
    } else if (conn->has_sack) {
        if (segment->options.sack_count > 0) { /* perhaps it had all twice */
            board_sacks(conn, segment);
            recover_acked(conn, 0);
        }
    } else if (is_duplicate(conn, segment, window_changed)) {
        duplicate_ack(conn);
    }
    conn_check_room(conn);
    return true;
}
