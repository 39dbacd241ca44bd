/*
 * TCP data: which bytes are sent, and when. RFC 9293, 3.8.6 and 3.10.7; RFC
 * 1122, 4.2.3.4.
 *
 * Nagle's algorithm is not used: services hand over whole answers, and their
 * last, short segment must not wait for the peer's delayed acknowledgement. A
 * segment that only the peer's window makes short does wait (avoidance of silly
 * windows).
 */
#include "net/ip4.h"
#include "net/stack.h"
#include "net/tcp/conn.h"

/* The card or the packet pool has no room: tcp_unblock() goes on later. */
static void conn_block(struct tcp_conn *conn)
{
    if (list_empty(&conn->blocked_link))
        list_push_back(&conn->stack->blocked, &conn->blocked_link);
    stack_retry(conn->stack);
}

static bool may_send(const struct tcp_conn *conn)
{
    switch (conn->state) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        return true;
    default:
        return false;
    }
}

/* A segment of `len` sequence numbers was sent: note it for the round trip time
 * and the retransmission timer. */
static void segment_sent(struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    uint64_t now = net_now(conn->stack);
    uint32_t end = seq + len;

    if (conn_flight(conn) == 0)
        conn->progress_at = now;
    if (seq_lt(seq, conn->snd_max)) {
        conn->stack->stats.tcp_retransmits++;
        conn->rtt_running = false; /* RFC 6298, 3: Karn's algorithm */
    } else if (!conn->rtt_running) {
        conn->rtt_running = true;
        conn->rtt_seq = end;
        conn->rtt_start = now;
    }
    if (seq_lt(conn->snd_max, end))
        conn->snd_max = end;
    conn->sent_at = now;
    if (conn->alarm[TCP_ALARM_REXMIT] == TIME_NEVER)
        rexmit_start(conn);
}

void tcp_resend(struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    uint32_t offset = seq - conn->snd_una;
    uint32_t avail = conn->tx.used - offset;
    bool fin;

    len = min_u32(min_u32(len, avail), conn->mss);
    fin = conn->fin_wanted && len == avail;
    if (segment_send(conn, seq, len, (fin ? TCP_FIN : 0) | TCP_PSH))
        segment_sent(conn, seq, len + fin);
}

/* Data wait, nothing is in flight, and the peer's window is closed or too small
 * to use: probe it by TCP_ALARM_REXMIT. */
static void probe_start(struct tcp_conn *conn)
{
    if (conn->is_probing)
        return;
    conn->is_probing = true;
    conn->backoff = 0;
    conn->progress_at = net_now(conn->stack);
    rexmit_start(conn);
}

static void probe_stop(struct tcp_conn *conn)
{
    if (!conn->is_probing)
        return;
    conn->is_probing = false;
    conn->backoff = 0;
    alarm_clear(conn, TCP_ALARM_REXMIT);
}

/* RFC 5681, 4.1: after a pause cwnd no longer describes the path. */
static void restart_after_idle(struct tcp_conn *conn)
{
    uint64_t idle = net_now(conn->stack) - conn->sent_at;

    if (conn_flight(conn) == 0 && idle > conn->rto_ns)
        conn->cwnd = min_u32(conn->cwnd, TCP_INITIAL_SEGMENTS * conn->mss);
}

/* How many bytes may be in flight. */
static uint32_t send_window(const struct tcp_conn *conn)
{
    uint32_t window = conn->cwnd;

    if (conn->dup_acks < TCP_DUP_ACKS)
        window += conn->dup_acks * conn->mss; /* RFC 3042 */
    return min_u32(window, conn->snd_wnd);
}

/*
 * The payload of the next segment, given that `offset` bytes are in flight and
 * `avail` more are in the send buffer; 0: wait until the window opens further
 * (RFC 1122, 4.2.3.4).
 */
static uint32_t segment_size(const struct tcp_conn *conn, uint32_t offset,
                             uint32_t avail)
{
    uint32_t window = send_window(conn);
    uint32_t usable = window - min_u32(window, offset);
    uint32_t len = min_u32(min_u32(avail, usable), conn->mss);

    if (len == avail || len == conn->mss)
        return len;
    return offset == 0 && len >= conn->snd_wnd_max / 2 ? len : 0;
}

/* Send the next segment. Returns false when there is nothing to send now, or
 * the card or the packet pool has no room. */
static bool output_one(struct tcp_conn *conn)
{
    uint32_t offset = conn->snd_nxt - conn->snd_una;
    uint32_t avail, len;
    bool fin;

    if (offset > conn->tx.used) /* the FIN was sent */
        return false;
    avail = conn->tx.used - offset;
    len = segment_size(conn, offset, avail);
    fin = conn->fin_wanted && len == avail;
    if (len == 0 && !fin) {
        if (avail > 0 && offset == 0)
            probe_start(conn);
        return false;
    }
    if (stack_tx_full(conn->stack) ||
        !segment_send(conn, conn->snd_nxt, len,
                      (fin ? TCP_FIN : 0) | (len == avail ? TCP_PSH : 0))) {
        conn_block(conn);
        return false;
    }
    probe_stop(conn);
    segment_sent(conn, conn->snd_nxt, len + fin);
    conn->snd_nxt += len + fin;
    return true;
}

void tcp_output(struct tcp_conn *conn)
{
    if (may_send(conn)) {
        restart_after_idle(conn);
        while (output_one(conn))
            continue;
    }
    if (conn->ack_now)
        tcp_send_ack(conn);
}

void tcp_unblock(struct net_stack *stack)
{
    struct list waiting;
    struct list *node;

    /* From a list of its own: a connection that blocks again is appended to
     * stack->blocked and must not be visited twice. */
    list_init(&waiting);
    while ((node = list_pop_front(&stack->blocked)) != NULL)
        list_push_back(&waiting, node);
    while ((node = list_pop_front(&waiting)) != NULL)
        tcp_output(container_of(node, struct tcp_conn, blocked_link));
}

void tcp_path_mtu(struct net_stack *stack, uint32_t remote,
                  uint16_t remote_port, uint16_t local_port, uint32_t seq,
                  uint32_t mtu, uint32_t len)
{
    struct tcp_conn *conn = conn_find(stack, remote, remote_port, local_port);
    uint32_t room;

    if (conn == NULL || !may_send(conn) || seq_lt(seq, conn->snd_una) ||
        !seq_lt(seq, conn->snd_max) || !dst_too_big(&conn->dst, mtu, len))
        return;
    room = conn->dst.pmtu - IP4_HEADER_SIZE - TCP_HEADER_SIZE;
    if (room >= conn->mss && !conn->dst.may_fragment)
        return;
    conn->mss = (uint16_t)min_u32(room, conn->mss);
    conn->snd_nxt = conn->snd_una;
    tcp_output(conn);
}
