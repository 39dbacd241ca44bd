/*
 * What the peer sends: put in order, kept within the window. Bytes that come
 * early are written to their final place in the receive buffer; `range` says
 * which those are. RFC 9293, 3.10.7.4 and 3.8.6.2.2.
 */
#include "kernel/lib/mem.h"
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"

enum { DISCARD_MAX = 256 * 1024 };

/* ---- The window ---------------------------------------------------------- */

static uint32_t window_max(const struct tcp_conn *conn)
{
    uint32_t max = net_buffer_limit(&conn->rx, &conn->stack->budget);
    uint32_t field_max = (uint32_t)UINT16_MAX << conn->rcv_scale;

    return max < field_max ? max : field_max;
}

/* How far the right edge could move, seen from what the peer knows. */
static uint32_t edge_gain(const struct tcp_conn *conn, uint32_t max)
{
    uint32_t free = max > conn->rx.used ? max - conn->rx.used : 0;
    uint32_t promised = conn->rcv_adv - conn->rcv_nxt;

    return free > promised ? free - promised : 0;
}

uint32_t data_window(const struct tcp_conn *conn)
{
    uint32_t max = window_max(conn);
    uint32_t gain = edge_gain(conn, max);

    /* Small steps would make the peer send small segments. */
    if (gain < max / 2 && gain < conn->mss)
        gain = 0;
    return conn->rcv_adv - conn->rcv_nxt + gain;
}

bool data_window_opened(const struct tcp_conn *conn)
{
    uint32_t max = window_max(conn);
    uint32_t gain = edge_gain(conn, max);
    uint32_t promised = conn->rcv_adv - conn->rcv_nxt;

    if (conn->fin_taken)
        return false;
    return gain >= max / 4 || (promised < 2U * conn->mss && gain >= conn->mss);
}

/* ---- Out of order -------------------------------------------------------- */

static void range_remove(struct tcp_conn *conn, unsigned at)
{
    conn->range_count--;
    memmove(&conn->range[at], &conn->range[at + 1],
            (conn->range_count - at) * sizeof(conn->range[0]));
}

/* Note that [start, end) is in the buffer; false when there is no room. */
static bool range_add(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    unsigned at = 0;

    while (at < conn->range_count && seq_lt(conn->range[at].end, start))
        at++;
    /* From `at` on all that touch the new one become part of it. */
    while (at < conn->range_count && seq_le(conn->range[at].start, end)) {
        if (seq_lt(conn->range[at].start, start))
            start = conn->range[at].start;
        if (seq_lt(end, conn->range[at].end))
            end = conn->range[at].end;
        range_remove(conn, at);
    }
    if (conn->range_count == TCP_RANGES_MAX)
        return false;
    memmove(&conn->range[at + 1], &conn->range[at],
            (conn->range_count - at) * sizeof(conn->range[0]));
    conn->range[at] = (struct tcp_range){start, end};
    conn->range_count++;
    return true;
}

/* Take in what is in order now. */
static void ranges_advance(struct tcp_conn *conn)
{
    while (conn->range_count > 0 &&
           seq_le(conn->range[0].start, conn->rcv_nxt)) {
        uint32_t end = conn->range[0].end;

        if (seq_lt(conn->rcv_nxt, end)) {
            net_buffer_commit(&conn->rx, end - conn->rcv_nxt);
            conn->rcv_nxt = end;
        }
        range_remove(conn, 0);
    }
}

/* ---- A payload ----------------------------------------------------------- */

/* The part of a payload we can use: behind rcv_nxt, before the window's edge
 * and the peer's FIN. */
struct piece {
    uint32_t seq;
    uint32_t len;
    const uint8_t *data;
};

static struct piece piece_cut(const struct tcp_conn *conn,
                              const struct tcp_segment *segment)
{
    struct piece piece = {segment->seq, (uint32_t)segment->payload_len,
                          segment->payload};
    uint32_t edge = conn->fin_known && seq_lt(conn->fin_seq, conn->rcv_adv)
                        ? conn->fin_seq
                        : conn->rcv_adv;

    if (seq_lt(piece.seq, conn->rcv_nxt)) {
        uint32_t old = conn->rcv_nxt - piece.seq;

        old = old < piece.len ? old : piece.len;
        piece.seq += old;
        piece.data += old;
        piece.len -= old;
    }
    if (!seq_lt(piece.seq, edge))
        piece.len = 0;
    else if (edge - piece.seq < piece.len)
        piece.len = edge - piece.seq;
    return piece;
}

/* The socket is closed: take what is in order and forget it. */
static void piece_discard(struct tcp_conn *conn, struct piece piece)
{
    conn->ack_now = true;
    if (piece.seq != conn->rcv_nxt)
        return;
    conn->range_count = 0;
    net_buffer_release(&conn->rx, &conn->stack->budget);
    conn->rcv_nxt += piece.len;
    conn->discarded += piece.len;
    if (conn->discarded > DISCARD_MAX)
        conn_reset(conn, 0);
}

static void piece_keep(struct tcp_conn *conn, struct piece piece)
{
    uint32_t offset = conn->rx.used + (piece.seq - conn->rcv_nxt);

    if (net_buffer_reserve(&conn->rx, &conn->stack->budget,
                           offset + piece.len) != 0) {
        conn->stack->stats.tcp_no_memory++;
        conn->ack_now = true;
        return;
    }
    net_buffer_write(&conn->rx, offset, piece.data, piece.len);
    if (piece.seq != conn->rcv_nxt) {
        conn->stack->stats.tcp_out_of_order++;
        conn->ack_now = true; /* RFC 5681, 4.2: at once */
        if (!range_add(conn, piece.seq, piece.seq + piece.len))
            conn->stack->stats.tcp_no_memory++;
        return;
    }
    if (conn->range_count > 0)
        conn->ack_now = true; /* a hole was filled */
    net_buffer_commit(&conn->rx, piece.len);
    conn->rcv_nxt += piece.len;
    ranges_advance(conn);
    conn->active_at = net_now(conn->stack);
    socket_notify(conn->socket, SOCKET_RECEIVE);
}

/* Acknowledge every second full segment at once, others a little later. */
static void ack_schedule(struct tcp_conn *conn)
{
    if (conn->rcv_nxt - conn->rcv_acked >= 2U * conn->mss)
        conn->ack_now = true;
    else if (conn->rcv_nxt != conn->rcv_acked &&
             conn->alarm[TCP_ALARM_ACK] == TIME_NEVER)
        alarm_set(conn, TCP_ALARM_ACK, net_now(conn->stack) + TCP_ACK_DELAY_NS);
}

/* The peer's FIN is next in order: RFC 9293, 3.10.7.4, eighth. */
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
        conn->active_at = net_now(conn->stack);
        socket_notify(conn->socket, SOCKET_RECEIVE);
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
}

/* Whether a FIN at `end` can be: in the window, and behind all we have seen. */
static bool fin_is_possible(const struct tcp_conn *conn, uint32_t end)
{
    if (conn->fin_known || seq_lt(end, conn->rcv_nxt) ||
        seq_lt(conn->rcv_adv, end))
        return false;
    return conn->range_count == 0 ||
           seq_le(conn->range[conn->range_count - 1].end, end);
}

void data_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    uint32_t end = segment->seq + (uint32_t)segment->payload_len;
    struct piece piece = piece_cut(conn, segment);

    if (segment->payload_len > 0 && piece.len == 0)
        conn->ack_now = true; /* nothing new: say what we wait for */
    if (conn->fin_taken)
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
