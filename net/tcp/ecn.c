/*
 * Explicit congestion notification: RFC 3168. A router marks a datagram instead
 * of dropping it; its receiver tells so by ECE in all that it sends, until the
 * sender has answered by CWR. To the sender a mark is a loss without anything
 * to send again: once for each window.
 *
 * Asked for by our SYN where a socket wants it, granted to every SYN that asks;
 * a SYN cookie forgets it.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"

/* RFC 3168, 6.1.2: told once, whatever the reason was. One more could be taken
 * for the answer to a later mark. */
void ecn_reduced(struct tcp_conn *conn)
{
    if (!conn->has_ecn)
        return;
    conn->cwr_wanted = true;
    conn->cwr_end = conn->snd_max;
}

/* RFC 3168, 6.1.2. What acknowledges no more than cwr_end was sent before the
 * peer could have our answer. */
static void echo_receive(struct tcp_conn *conn)
{
    if (conn->is_recovering || seq_le(conn->snd_una, conn->cwr_end))
        return; /* it is less already */
    conn->stack->cc->lost(conn);
    conn->cwnd = max_u32(min_u32(conn->cwnd, conn->ssthresh), conn->mss);
    ecn_reduced(conn);
    conn->stack->stats.tcp_marked++;
}

void ecn_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    if ((segment->flags & TCP_CWR) != 0)
        conn->ece_wanted = false;
    if (segment->is_marked && segment->payload_len > 0)
        conn->ece_wanted = true;
    if ((segment->flags & TCP_ECE) != 0 && conn->state >= TCP_ESTABLISHED)
        echo_receive(conn);
    else if (seq_lt(conn->cwr_end, conn->snd_una - 1))
        conn->cwr_end = conn->snd_una - 1; /* or it looks newer after 2 GiB */
}

/* RFC 3168, 6.1.4 to 6.1.6: only new data may be marked. */
void ecn_send(struct tcp_conn *conn, struct tcp_segment *segment, uint32_t len)
{
    bool is_new = len > 0 && segment->seq == conn->snd_max && !conn->is_probing;

    if (conn->ece_wanted)
        segment->flags |= TCP_ECE;
    if (is_new && conn->cwr_wanted) {
        segment->flags |= TCP_CWR;
        conn->cwr_wanted = false;
    }
    conn->dst.traffic_class =
        (uint8_t)((conn->dst.traffic_class & ~IP_ECN_MARKED) |
                  (is_new ? IP_ECN_CAPABLE : 0));
}
