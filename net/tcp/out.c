/*
 * TCP data: which bytes are sent, and when. RFC 9293, 3.8.6 and 3.10.7; RFC
 * 1122, 4.2.3.4.
 *
 * Nagle's algorithm is used only where a socket asks for it: services hand over
 * whole answers, and their last, short segment must not wait for the peer's
 * delayed acknowledgement. A segment that only the peer's window makes short
 * does wait (avoidance of silly windows).
 */
#include "net/ip.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include "net/wire/ip6.h"

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
        return true;
    case TCP_LAST_ACK:
        return !conn->fin_acked;
    default:
        return false;
    }
}

/* A segment of `len` sequence numbers was sent: note it for the round trip time
 * and the retransmission timer. */
static void segment_sent(struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    uint32_t end = seq + len;

    if (conn_flight(conn) == 0)
        conn->progress_ms = conn_now_ms(conn);
    if (seq_lt(seq, conn->snd_max)) {
        conn->stack->stats.tcp_retransmits++;
        undo_resent(conn, len);
    }
    board_sent(conn, seq, end);
    if (conn->loss != NULL)
        conn->loss->prr.out += len;
    if (seq_lt(conn->snd_max, end))
        conn->snd_max = end;
    conn->sent_ms = conn_now_ms(conn);
    if (!alarm_is_set(conn, TCP_ALARM_REXMIT) ||
        (seq == conn->snd_una && conn->is_recovering))
        rexmit_start(conn); /* the latter: RFC 6675, 6 */
}

__attribute__((cold)) void tcp_resend(struct tcp_conn *conn, uint32_t seq,
                                      uint32_t len)
{
    uint32_t offset = seq - conn->snd_una;
    uint32_t avail = conn->tx.used - offset;
    bool fin;

    len = segment_fit(conn, offset, min_u32(min_u32(len, avail), conn->mss));
    fin = conn->fin_wanted && len == avail;
    if (segment_send(conn, seq, len, (fin ? TCP_FIN : 0) | TCP_PSH))
        segment_sent(conn, seq, len + fin);
}

/* Data wait, nothing is in flight, and the peer's window is closed or too small
 * to use: probe it by TCP_ALARM_REXMIT. */
static __attribute__((cold)) void probe_start(struct tcp_conn *conn)
{
    if (conn->is_probing)
        return;
    conn->is_probing = true;
    conn->backoff = 0;
    conn->progress_ms = conn_now_ms(conn);
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
    uint32_t idle_ms = conn_now_ms(conn) - conn->sent_ms;

    if (conn_flight(conn) != 0 || idle_ms <= conn->rto_ms)
        return;
    if (conn->loss != NULL)
        loss_free(conn);
    conn->cwnd = min_u32(conn->cwnd, TCP_INITIAL_SEGMENTS * conn->mss);
    conn->stack->cc->idle(conn);
}

/* How many more bytes congestion control allows. */
static uint32_t cwnd_left(const struct tcp_conn *conn)
{
    uint32_t window = conn->cwnd;
    uint32_t pipe = conn_pipe(conn);

    if (conn->dup_acks < TCP_DUP_ACKS)
        window += conn->dup_acks * conn->mss; /* RFC 3042 */
    return window - min_u32(window, pipe);
}

/*
 * The payload of the next segment, which begins `offset` bytes behind snd_una
 * and has `avail` bytes before it at most; 0: wait until the window opens
 * further (RFC 9293, 3.8.6.2.1). A window that never held TCP_MSS_MIN bytes is
 * an attack: it is probed, as a closed one is.
 */
static uint32_t segment_size(const struct tcp_conn *conn, uint32_t offset,
                             uint32_t avail)
{
    uint32_t usable = conn->snd_wnd - min_u32(conn->snd_wnd, offset);
    uint32_t len = min_u32(min_u32(avail, segment_len_max(conn)),
                           min_u32(usable, cwnd_left(conn)));

    if (len < avail && len < conn->mss &&
        (conn_pipe(conn) > 0 ||
         len < max_u32(conn->snd_wnd_max / 2, TCP_MSS_MIN)))
        return 0;
    len = segment_fit(conn, offset, len);
    /* Many small pieces may make it shorter than one MSS. */
    return len == avail || len < conn->mss ? len : len - len % conn->mss;
}

/* Send [seq, seq + len) and a FIN. Returns false when there is nothing to send,
 * or the card or the packet pool has no room. */
static bool output_segment(struct tcp_conn *conn, uint32_t seq, uint32_t len,
                           bool fin)
{
    bool last = seq - conn->snd_una + len == conn->tx.used;

    if (len == 0 && !fin) {
        if (conn->tx.used > seq - conn->snd_una && conn_pipe(conn) == 0)
            probe_start(conn);
        return false;
    }
    if (stack_tx_full(conn->stack) ||
        !segment_send(conn, seq, len,
                      (fin ? TCP_FIN : 0) | (last ? TCP_PSH : 0))) {
        conn_block(conn);
        return false;
    }
    probe_stop(conn);
    segment_sent(conn, seq, len + fin);
    return true;
}

/* Send the first part of what is lost again. New data fill the segment when it
 * is the last that was sent. */
static bool output_lost(struct tcp_conn *conn)
{
    uint32_t start, end, offset, avail, len;
    bool fin;

    board_first_lost(conn, &start, &end);
    offset = start - conn->snd_una;
    avail = conn->tx.used - offset;
    if (end != conn->snd_max)
        avail = min_u32(avail, end - start);
    len = segment_size(conn, offset, avail);
    fin = conn->fin_wanted && offset + len == conn->tx.used &&
          end == conn->snd_max;
    return output_segment(conn, start, len, fin);
}

/* RFC 9293, 3.7.4: a short segment waits for all that is in flight, unless the
 * service has nothing more to send. */
static bool nagle_holds(const struct tcp_conn *conn, uint32_t len)
{
    return conn->tuning->has_nagle && len > 0 && len < conn->mss &&
           !conn->fin_wanted && conn_pipe(conn) > 0;
}

/* Send a segment that may be too large for the path. It waits until the window
 * has room for it. */
static bool output_large(struct tcp_conn *conn, uint32_t size)
{
    uint32_t seq = conn->snd_max;
    uint16_t mss = conn->mss;
    bool may_fragment = conn->dst.may_fragment;
    bool sent;

    if (cwnd_left(conn) < size)
        return false;
    conn->mss = (uint16_t)size;
    conn->dst.may_fragment = false;
    sent = output_segment(conn, seq, size, false);
    conn->mss = mss;
    conn->dst.may_fragment = may_fragment;
    if (sent)
        mtu_probe_sent(conn, seq, size);
    return sent;
}

/* Whether a segment of new data waits for what follows: data, or the end. */
static bool waits_for_more(const struct tcp_conn *conn, uint32_t len)
{
    if (conn->is_held && len > 0 && len < conn->mss && !conn->fin_wanted)
        return true;
    return conn->tuning != NULL && nagle_holds(conn, len);
}

/* Send the next segment. Returns as output_segment(). */
static bool output_new(struct tcp_conn *conn)
{
    uint32_t offset = conn_flight(conn);
    uint32_t avail, len;

    if (offset > conn->tx.used) /* the FIN was sent */
        return false;
    avail = conn->tx.used - offset;
    len = conn->mtu != NULL ? mtu_probe(conn, offset, avail) : 0;
    if (len > 0)
        return output_large(conn, len);
    len = segment_size(conn, offset, avail);
    if (waits_for_more(conn, len))
        return false;
    return output_segment(conn, conn->snd_max, len,
                          conn->fin_wanted && len == avail);
}

/*
 * What an answer is, most often: all that there is to send, in one segment, and
 * nothing is in flight. Returns whether it is that; else the long way finds out
 * what may be sent.
 */
static bool output_alone(struct tcp_conn *conn)
{
    uint32_t len = conn->tx.used;

    if (len == 0 || len > conn->mss || conn->snd_max != conn->snd_una ||
        len > conn->snd_wnd || len > conn->cwnd || conn->tx.count > 0 ||
        (conn->is_held && !conn->fin_wanted) || conn->is_probing ||
        conn->mtu != NULL || conn->tuning != NULL || stack_tx_full(conn->stack))
        return false;
    if (segment_send(conn, conn->snd_max, len,
                     (conn->fin_wanted ? TCP_FIN : 0) | TCP_PSH))
        segment_sent(conn, conn->snd_max, len + conn->fin_wanted);
    else
        conn_block(conn);
    return true;
}

static bool output_one(struct tcp_conn *conn)
{
    return conn->board.lost > 0 ? output_lost(conn) : output_new(conn);
}

__attribute__((cold)) void output_probe(struct tcp_conn *conn)
{
    uint32_t cwnd = conn->cwnd;

    if (!may_send(conn))
        return;
    conn->cwnd += conn->mss; /* RFC 8985, 7.3: whatever the window is */
    (void)output_new(conn);
    conn->cwnd = cwnd;
}

/* New data were sent: note how much of the congestion window is used, in each
 * round trip. */
static void note_used(struct tcp_conn *conn)
{
    uint32_t flight = conn_flight(conn);

    if (seq_lt(conn->snd_una, conn->used_end) && flight <= conn->used)
        return;
    conn->used = flight;
    conn->used_end = conn->snd_max;
}

void conn_output(struct tcp_conn *conn)
{
    bool is_armed = alarm_is_set(conn, TCP_ALARM_REXMIT);
    uint32_t before = conn->snd_max;

    if (conn_has_output(conn) && may_send(conn)) {
        bool is_alone;

        restart_after_idle(conn);
        is_alone = output_alone(conn);
        while (!is_alone && conn_has_output(conn) && output_one(conn))
            continue;
        if (conn->snd_max != before) {
            note_used(conn);
            /* RFC 8985, 7.2: a probe is due a while after that. The first
             * segment in flight has set the timer already. */
            if ((is_armed || !is_alone) && tlp_delay(conn) != TIME_NEVER)
                rexmit_start(conn);
        }
    }
    if (conn->ack_now)
        tcp_send_ack(conn);
}

static uint32_t conn_unsent(const struct tcp_conn *conn)
{
    return conn->tx.used - min_u32(conn->tx.used, conn_flight(conn));
}

void tcp_output(struct tcp_conn *conn)
{
    if (conn->is_held && !conn->fin_wanted && conn->board.lost == 0 &&
        !conn->ack_now && conn_unsent(conn) < conn->mss)
        return; /* more follows */
    stack_tick_to_send(conn->stack);
    conn_output(conn);
}

__attribute__((cold)) void tcp_unblock(struct net_stack *stack)
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

__attribute__((cold)) void tcp_path_mtu(struct net_stack *stack,
                                        const struct flow *flow, uint32_t seq,
                                        uint32_t mtu, uint32_t len)
{
    struct tcp_conn *conn = conn_find(stack, flow);
    uint32_t room;

    if (!flow_is_ip4(flow)) /* RFC 8201, 4: no path has less */
        mtu = max_u32(mtu, IP6_MTU_MIN);
    if (conn == NULL || !may_send(conn) || seq_lt(seq, conn->snd_una) ||
        !seq_lt(seq, conn->snd_max))
        return;
    if (conn->mtu != NULL)
        mtu_probe_told(conn, seq, mtu);
    if (!dst_too_big(&conn->dst, mtu, len))
        return;
    room = conn->dst.pmtu - ip_header_size(flow) - TCP_HEADER_SIZE -
           conn_options_len(conn);
    if (room >= conn->mss && !conn->dst.may_fragment)
        return;
    room = min_u32(room, conn->mss);
    mtu_told(conn, room);
    conn->mss = (uint16_t)room;
    board_lose(conn, true);
    tcp_output(conn);
}

static __attribute__((cold)) void on_link_shrunk(struct tcp_conn *conn,
                                                 void *unused)
{
    uint32_t room =
        tcp_link_mss(conn->stack, &conn->flow) - conn_options_len(conn);

    (void)unused;
    if (conn->mtu != NULL)
        mtu_limit(conn, room);
    if (room >= conn->mss)
        return;
    conn->mss = (uint16_t)room;
    if (!may_send(conn))
        return;
    board_lose(conn, true);
    tcp_output(conn);
}

__attribute__((cold)) void tcp_link_shrunk(struct net_stack *stack)
{
    conn_visit_all(stack, on_link_shrunk, NULL);
}
