/*
 * RACK-TLP (RFC 8985): what was sent a while before something that has arrived
 * is lost; how long a while is follows from the reordering seen. And the probe
 * that finds a loss at the tail.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"

enum { RACK_STEP_US = 60, RACK_BOUND_US = 1000 };

/* Whether (a_us, a_end) was sent after (b_us, b_end). */
static bool sent_after(uint32_t a_us, uint32_t a_end, uint32_t b_us,
                       uint32_t b_end)
{
    return seq_lt(b_us, a_us) || (a_us == b_us && seq_lt(b_end, a_end));
}

void rack_start(struct tcp_conn *conn, uint32_t now_us)
{
    conn->rack.sent_us = now_us;
    conn->rack.end = conn->snd_una;
}

/* RFC 8985, 6.2, steps 1 to 3. */
void rack_delivered(struct tcp_conn *conn, const struct tcp_run *run,
                    uint32_t end, uint32_t len)
{
    struct tcp_rack *rack = &conn->rack;
    struct stack_ack *ack = &conn->stack->ack;
    uint32_t rtt = conn_now_us(conn) - run->sent_us;
    bool resent = (run->flags & TCP_RUN_RESENT) != 0;

    ack->delivered += len;
    if (resent) /* RFC 6298, 3: Karn's algorithm */
        ack->sample_us = TCP_SAMPLE_NONE;
    else if (ack->sample_us != TCP_SAMPLE_NONE)
        ack->sample_us = max_u32(rtt, 1);
    if (!conn->has_sack)
        return;
    if (!resent && seq_lt(end, rack->fack))
        conn->has_reordering = true;
    if (seq_lt(rack->fack, end))
        rack->fack = end;
    if (!resent && (rack->min_rtt_us == 0 || rtt < rack->min_rtt_us))
        rack->min_rtt_us = max_u32(rtt, 1);
    if (resent && rtt < rack->min_rtt_us)
        return; /* it was the original that has arrived */
    rack->rtt_us = rtt;
    if (sent_after(run->sent_us, end, rack->sent_us, rack->end)) {
        rack->sent_us = run->sent_us;
        rack->end = end;
    }
}

/* RFC 8985, 6.2, step 4: what was sent twice was not lost, wait longer. */
void rack_duplicate(struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    conn->tlp_resent = false; /* RFC 8985, 7.4.2: the probe was not needed */
    if (seq_le(conn->rack.round, conn->snd_una) &&
        conn->rack_mult < TCP_REORDER_MAX) {
        conn->rack.round = conn->snd_max;
        conn->rack_mult++;
        conn->rack_persist = TCP_REORDER_PERSIST;
    }
    undo_duplicate(conn, seq, len);
}

/*
 * RFC 8985, 6.2, step 4. A round trip of some microseconds is less than what
 * the machines at its ends, which have other work, need for a segment at times:
 * when the peer had something twice, the steps are at least RACK_STEP_US, and
 * the bound is RACK_BOUND_US where the RFC says the round trip.
 */
static uint32_t reorder_window_us(const struct tcp_conn *conn)
{
    uint32_t step = conn->rack.min_rtt_us / 4;
    uint32_t bound = (uint32_t)(conn_srtt_ns(conn) / NS_PER_US);

    if (!conn->has_reordering && conn->rack_mult == 0 &&
        (conn->is_recovering ||
         conn->board.sacked > (TCP_DUP_ACKS - 1U) * conn->mss))
        return 0;
    if (conn->rack_mult > 0) {
        step = max_u32(step, RACK_STEP_US);
        bound = max_u32(bound, RACK_BOUND_US);
    }
    return min_u32((conn->rack_mult + 1U) * step, bound);
}

bool rack_is_lost(struct tcp_conn *conn, const struct tcp_run *run)
{
    const struct tcp_rack *rack = &conn->rack;
    struct stack_ack *ack = &conn->stack->ack;
    int32_t left;

    if (!sent_after(rack->sent_us, rack->end, run->sent_us, run->end))
        return false;
    left = (int32_t)(run->sent_us + rack->rtt_us + ack->window_us -
                     conn_now_us(conn));
    if (left <= 0)
        return true;
    ack->wait_us = max_u32(ack->wait_us, (uint32_t)left);
    return false;
}

/* RFC 8985, 6.2, step 5. */
bool rack_detect(struct tcp_conn *conn)
{
    struct stack_ack *ack = &conn->stack->ack;
    bool any;

    ack->window_us = reorder_window_us(conn);
    ack->wait_us = 0;
    any = board_lose(conn, false);
    if (ack->wait_us > 0)
        alarm_set(conn, TCP_ALARM_REORDER,
                  conn_now(conn) + ack->wait_us * NS_PER_US);
    else
        alarm_clear(conn, TCP_ALARM_REORDER);
    return any;
}

/* RFC 8985, 7.2: when a probe is due, from now; TIME_NEVER: there is none. */
uint64_t tlp_delay(const struct tcp_conn *conn)
{
    uint64_t delay;

    if (!conn->has_sack || !conn_is_whole(conn) || conn->tlp_sent ||
        conn->is_probing || conn->backoff > 0 || conn_flight(conn) == 0 ||
        conn->srtt == 0)
        return TIME_NEVER;
    delay = max_u64(2 * conn_srtt_ns(conn), TCP_PROBE_MIN_NS);
    if (conn_flight(conn) <= conn->mss)
        delay += TCP_RTO_MIN_NS; /* the peer may wait for a second one */
    return delay;
}

/* RFC 8985, 7.3. */
void tlp_send(struct tcp_conn *conn)
{
    uint32_t before = conn->snd_max;
    uint32_t last = min_u32(conn_flight(conn), conn->mss);

    conn->tlp_due = false;
    conn->tlp_sent = true;
    output_probe(conn);
    conn->tlp_resent = conn->snd_max == before;
    if (conn->tlp_resent)
        tcp_resend(conn, conn->snd_max - last, last);
    conn->tlp_end = conn->snd_max;
    conn->stack->stats.tcp_tail_probes++;
    rexmit_start(conn);
}

/* RFC 8985, 7.4: the probe has repaired a loss that nothing else has shown. */
void tlp_acked(struct tcp_conn *conn, uint32_t ack)
{
    if (!conn->tlp_sent || seq_lt(ack, conn->tlp_end))
        return;
    conn->tlp_sent = false;
    if (!conn->tlp_resent || conn->is_recovering)
        return;
    conn->stack->cc->lost(conn);
    ecn_reduced(conn);
    conn->cwnd = min_u32(conn->cwnd, conn->ssthresh);
}
