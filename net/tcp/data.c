/*
 * TCP payloads: put in order, kept within the window. RFC 9293, 3.10.7.4 and
 * 3.8.6.2.2.
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/string.h>

/* ---- The window ---------------------------------------------------------- */

/* The largest window the buffer and the header's field allow. */
static uint32_t window_max(const struct tcp_conn *conn)
{
    struct net_budget *budget = &conn->stack->budget;
    uint32_t max = net_buffer_limit(&conn->rx, budget);
    uint32_t field_max = (uint32_t)UINT16_MAX << conn->rcv_scale;
    uint32_t size = net_buffer_size(&conn->rx);

    /* Nothing is announced that data_reserve() would not take. */
    if (unlikely(size > NET_BUFFER_MIN || budget->used > budget->limit / 8))
        max = min_u32(max, share_limit(conn, size));
    return min_u32(max, field_max);
}

/* How far the right edge could move beyond the one announced last, when the
 * window may be `max` bytes. */
static uint32_t edge_gain(const struct tcp_conn *conn, uint32_t max)
{
    uint32_t free = max - min_u32(max, conn->rx.used);
    uint32_t promised = conn->rcv_adv - conn->rcv_nxt;

    return free - min_u32(free, promised);
}

uint32_t data_window(const struct tcp_conn *conn)
{
    uint32_t max, gain;

    if (conn->fin_taken) /* nothing more is to come */
        return conn->rcv_adv - conn->rcv_nxt;
    max = window_max(conn);
    gain = edge_gain(conn, max);
    /* RFC 9293, 3.8.6.2.2: an edge that moves by small steps makes the peer
     * send small segments. */
    if (gain < max / 2 && gain < conn->mss)
        gain = 0;
    return conn->rcv_adv - conn->rcv_nxt + gain;
}

bool data_window_opened(const struct tcp_conn *conn)
{
    uint32_t promised = conn->rcv_adv - conn->rcv_nxt;
    uint32_t max, gain;

    if (conn->fin_taken)
        return false;
    /* An acknowledgement is due, and the peer can go on until it comes. */
    if (conn->rcv_nxt != conn->rcv_acked && promised >= 2U * conn->mss)
        return false;
    max = window_max(conn);
    gain = edge_gain(conn, max);
    return gain >= max / 4 || (promised < 2U * conn->mss && gain >= conn->mss);
}

/* ---- A payload ----------------------------------------------------------- */

/* The peer has sent [start, end) before: RFC 2883. */
void conn_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    conn->dsack_start = start;
    conn->dsack_len = conn->has_sack ? (uint16_t)(end - start) : 0;
}

/* The part of a payload that is new: not before rcv_nxt, and not behind the
 * window's right edge or the peer's FIN. */
static struct tcp_piece piece_cut(struct tcp_conn *conn,
                                  const struct tcp_segment *segment)
{
    struct tcp_piece piece = {segment->seq, (uint32_t)segment->payload_len,
                              segment->payload};
    uint32_t edge = conn->fin_known ? conn->fin_seq : conn->rcv_adv;

    if (seq_lt(piece.seq, conn->rcv_nxt)) {
        uint32_t old = conn->rcv_nxt - piece.seq;

        assert(old <= piece.len); /* the segment is acceptable */
        conn_duplicate(conn, piece.seq, conn->rcv_nxt);
        piece.seq += old;
        piece.data += old;
        piece.len -= old;
    }
    if (!seq_lt(piece.seq, edge))
        piece.len = 0;
    else
        piece.len = min_u32(piece.len, edge - piece.seq);
    return piece;
}

/* The socket is closed: acknowledge data that are in order, and drop them. */
static void piece_discard(struct tcp_conn *conn, struct tcp_piece piece)
{
    conn->ack_now = true;
    if (piece.seq != conn->rcv_nxt)
        return;
    conn->rcv_nxt += piece.len;
    conn->discarded += piece.len;
    if (conn->discarded > TCP_DISCARD_MAX)
        conn_reset(conn);
}

/*
 * Data came out of order: the first acknowledgements of a hole are sent at once
 * (RFC 5681, 4.2), since the peer repairs it by them. Those that follow tell by
 * SACK what one of them can tell for all that comes in a short while, or in one
 * poll of the card (RFC 9293, 3.10.7.4: a host MAY acknowledge each).
 */
static __attribute__((cold)) void ack_out_of_order(struct tcp_conn *conn)
{
    uint64_t wait = min_u64(conn_srtt_ns(conn) / 16, TCP_HOLE_WAIT_NS);
    uint64_t at = conn_now(conn) + wait;

    conn->hole_segments++;
    if (!conn->has_sack || conn->dsack_len != 0 ||
        conn->hole_segments <= TCP_DUP_ACKS ||
        conn->hole_segments % TCP_HOLE_SEGMENTS == 0)
        conn->ack_now = true;
    else if (at < alarm_at(conn, TCP_ALARM_ACK))
        alarm_set(conn, TCP_ALARM_ACK, at);
}

/* What waits to be read, or for its predecessors, has become more. */
static void rx_grown(struct tcp_conn *conn)
{
    if (conn->held != 0 || share_held(conn) != 0)
        share_count(conn);
}

bool data_reserve(struct tcp_conn *conn, uint32_t len)
{
    uint32_t size = net_buffer_size(&conn->rx);
    uint32_t need = conn->rx.used + len;

    return (need <= size || need <= share_limit(conn, size)) &&
           net_buffer_reserve(&conn->rx, &conn->stack->budget, need) == 0;
}

/* Put a piece into the receive buffer, if it is in order, else aside. Returns
 * whether there was memory. */
static __attribute__((cold)) bool piece_copy(struct tcp_conn *conn,
                                             const struct tcp_piece *piece)
{
    if (piece->seq != conn->rcv_nxt) {
        bool kept = reorder_add(conn, *piece);

        conn->stack->stats.tcp_out_of_order++;
        ack_out_of_order(conn);
        rx_grown(conn);
        return kept;
    }
    if (!data_reserve(conn, piece->len))
        return false;
    net_buffer_write(&conn->rx, conn->rx.used, piece->data, piece->len);
    net_buffer_commit(&conn->rx, piece->len);
    rx_grown(conn);
    return true;
}

static __attribute__((cold)) void piece_keep(struct tcp_conn *conn,
                                             struct tcp_piece piece)
{
    bool fills_hole = conn->reorder != NULL;

    if ((piece.seq != conn->rcv_nxt ||
         !net_buffer_lend(&conn->rx, &conn->stack->budget, conn->stack->arrived,
                          piece.data, piece.len)) &&
        !piece_copy(conn, &piece)) {
        conn->stack->stats.tcp_no_memory++;
        conn->ack_now = true;
        return;
    }
    if (piece.seq != conn->rcv_nxt)
        return;
    conn->rcv_nxt += piece.len;
    if (fills_hole) {
        conn->ack_now = true;
        conn->hole_segments = 0;
        reorder_advance(conn);
        rx_grown(conn);
    }
    conn->active_ms = conn_now_ms(conn);
    conn_moved(conn, piece.len, false);
    socket_notify(conn->socket, SOCKET_RECEIVE);
}

/* Acknowledge every second full segment at once, others after TCP_ACK_DELAY_NS
 * (RFC 9293, 3.8.6.3); each of the first full ones, by which the peer's slow
 * start begins. */
static void ack_schedule(struct tcp_conn *conn)
{
    bool is_first = conn->rcv_nxt - conn->irs <= TCP_QUICK_SEGMENTS * conn->mss;

    if (conn->rcv_nxt - conn->rcv_acked >= (is_first ? 1U : 2U) * conn->mss)
        conn->ack_now = true;
    else if (conn->rcv_nxt != conn->rcv_acked &&
             !alarm_is_set(conn, TCP_ALARM_ACK))
        alarm_set(conn, TCP_ALARM_ACK, conn_now(conn) + TCP_ACK_DELAY_NS);
}

/* All data before the peer's FIN have come: RFC 9293, 3.10.7.4, eighth. */
static void fin_take(struct tcp_conn *conn)
{
    conn->fin_taken = true;
    conn->rcv_nxt++;
    conn->ack_now = true;
    if (seq_lt(conn->rcv_adv, conn->rcv_nxt))
        conn->rcv_adv = conn->rcv_nxt;
    switch (conn->state) {
    case TCP_ESTABLISHED:
        conn->state = TCP_CLOSE_WAIT;
        break;
    case TCP_FIN_WAIT_1:
        conn->state = TCP_CLOSING;
        break;
    case TCP_FIN_WAIT_2:
        tcp_send_ack(conn);
        conn_time_wait(conn);
        break;
    default:
        break;
    }
    if (conn->socket != NULL) {
        conn->active_ms = conn_now_ms(conn);
        socket_notify(conn->socket, SOCKET_RECEIVE);
    }
}

/* Whether a FIN may have sequence number `end`: it is in the window, and not
 * before any data we have. */
static __attribute__((cold)) bool fin_is_possible(const struct tcp_conn *conn,
                                                  uint32_t end)
{
    if (conn->fin_known || seq_lt(end, conn->rcv_nxt) ||
        seq_lt(conn->rcv_adv, end))
        return false;
    return seq_le(reorder_end(conn), end);
}

void data_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    uint32_t end = segment->seq + (uint32_t)segment->payload_len;
    struct tcp_piece piece;

    if (segment->payload_len == 0 && (segment->flags & TCP_FIN) == 0)
        return; /* an acknowledgement only */
    piece = piece_cut(conn, segment);
    if (segment->payload_len > 0 && piece.len == 0)
        conn->ack_now = true; /* nothing new: repeat what we expect */
    if (conn->fin_taken) /* always, when the acknowledgement has ended it */
        return;
    if (piece.len > 0) {
        if (conn->socket == NULL)
            piece_discard(conn, piece);
        else
            piece_keep(conn, piece);
        if (conn->state == TCP_CLOSED)
            return;
    }
    if ((segment->flags & TCP_FIN) != 0 && fin_is_possible(conn, end)) {
        conn->fin_known = true;
        conn->fin_seq = end;
        conn->ack_now = true;
    }
    ack_schedule(conn);
    if (conn->fin_known && conn->rcv_nxt == conn->fin_seq)
        fin_take(conn);
}
