/*
 * Segments go: RFC 9293, 3.8.6 and 3.10.7, RFC 1122, 4.2.3.4.
 *
 * Nagle's algorithm is not used: services hand over whole answers, and a short
 * last segment must not wait for the peer's delayed acknowledgement. What the
 * peer's window cuts short does wait (silly window avoidance).
 */
#include "net/ip4.h"
#include "net/stack.h"
#include "net/tcp.h"

enum { INITIAL_SEGMENTS = 10 };

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The card or the packet pool has no room: go on when there is some. */
static void conn_block(struct tcp_conn *conn)
{
    if (list_empty(&conn->blocked_link))
        list_push_back(&conn->stack->blocked, &conn->blocked_link);
    stack_retry(conn->stack);
}

/* Header in front of `packet`, and off. */
static void segment_emit(struct net_stack *stack, struct packet *packet,
                         uint32_t remote, const struct tcp_segment *segment)
{
    uint8_t *start = packet_push(packet, tcp_header_len(segment));

    tcp_emit(start, packet->len, stack->config.address, remote, segment);
    stack->stats.tcp_out++;
    ip4_send(stack, packet, remote, IP4_TCP);
}

/* The window field; what it says is promised from now on. */
static uint16_t window_field(struct tcp_conn *conn)
{
    uint32_t window = data_window(conn) >> conn->rcv_scale;
    uint32_t edge;

    if (window > UINT16_MAX)
        window = UINT16_MAX;
    edge = conn->rcv_nxt + (window << conn->rcv_scale);
    if (seq_lt(conn->rcv_adv, edge))
        conn->rcv_adv = edge;
    return (uint16_t)window;
}

/*
 * Send `len` bytes of the send buffer from `seq` on, with `flags`. Whatever it
 * carries, it acknowledges everything. Returns false when there is no packet.
 */
static bool segment_send(struct tcp_conn *conn, uint32_t seq, uint32_t len,
                         uint8_t flags)
{
    struct packet *packet = stack_packet(conn->stack);
    const struct tcp_segment segment = {
        .src_port = conn->local_port,
        .dst_port = conn->remote_port,
        .seq = seq,
        .ack = conn->rcv_nxt,
        .flags = flags | TCP_ACK,
        .window = packet == NULL ? 0 : window_field(conn),
    };

    if (packet == NULL)
        return false;
    if (len > 0)
        net_buffer_peek(&conn->tx, seq - conn->snd_una,
                        packet_append(packet, len), len);
    segment_emit(conn->stack, packet, conn->remote, &segment);
    conn->rcv_acked = conn->rcv_nxt;
    conn->ack_now = false;
    alarm_clear(conn, TCP_ALARM_ACK);
    return true;
}

void tcp_send_ack(struct tcp_conn *conn)
{
    /* After FIN and SYN the highest number is the right one (RFC 9293, 3.4:
     * it must be acceptable to the peer). */
    if (segment_send(conn, conn->snd_max, 0, 0))
        return;
    alarm_set(conn, TCP_ALARM_ACK, net_now(conn->stack) + TCP_RETRY_NS);
}

void tcp_challenge(struct tcp_conn *conn)
{
    uint64_t now = net_now(conn->stack);

    if (now - conn->challenge_at < TCP_CHALLENGE_NS && conn->challenge_at != 0)
        return;
    conn->challenge_at = now;
    conn->stack->stats.tcp_challenges++;
    segment_send(conn, conn->snd_max, 0, 0);
}

/* The largest segment we can take. */
static uint16_t own_mss(const struct net_stack *stack)
{
    return (uint16_t)(stack->dev->mtu - IP4_HEADER_SIZE - TCP_HEADER_SIZE);
}

void tcp_send_syn_ack(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;
    struct packet *packet = stack_packet(stack);
    uint32_t window = data_window(conn);
    const struct tcp_segment segment = {
        .src_port = conn->local_port,
        .dst_port = conn->remote_port,
        .seq = conn->iss,
        .ack = conn->rcv_nxt,
        .flags = TCP_SYN | TCP_ACK,
        .window = (uint16_t)min_u32(window, UINT16_MAX), /* not scaled */
        .options = {.mss = own_mss(stack),
                    .has_scale = conn->rcv_scale != 0,
                    .scale = conn->rcv_scale},
    };

    if (packet == NULL)
        return; /* as if lost: it is sent again */
    conn->rcv_adv = conn->rcv_nxt + segment.window;
    segment_emit(stack, packet, conn->remote, &segment);
}

void tcp_send_cookie(struct net_stack *stack, uint32_t remote,
                     const struct tcp_segment *segment, uint32_t cookie)
{
    const struct tcp_segment answer = {
        .src_port = segment->dst_port,
        .dst_port = segment->src_port,
        .seq = cookie,
        .ack = segment->seq + 1,
        .flags = TCP_SYN | TCP_ACK,
        .window = TCP_COOKIE_WINDOW,
        .options = {.mss = own_mss(stack)},
    };
    struct packet *packet = stack_packet(stack);

    if (packet != NULL)
        segment_emit(stack, packet, remote, &answer);
}

void tcp_send_reset(struct tcp_conn *conn)
{
    conn->stack->stats.tcp_resets_out++;
    segment_send(conn, conn->snd_max, 0, TCP_RST);
}

/* RFC 9293, 3.5.2, group 1. */
void tcp_refuse(struct net_stack *stack, uint32_t remote,
                const struct tcp_segment *segment)
{
    struct tcp_segment reset = {
        .src_port = segment->dst_port,
        .dst_port = segment->src_port,
        .flags = TCP_RST,
    };
    struct packet *packet;

    if ((segment->flags & TCP_RST) != 0)
        return;
    if ((segment->flags & TCP_ACK) != 0) {
        reset.seq = segment->ack;
    } else {
        reset.ack = segment->seq + (uint32_t)segment->payload_len +
                    ((segment->flags & TCP_SYN) != 0) +
                    ((segment->flags & TCP_FIN) != 0);
        reset.flags = TCP_RST | TCP_ACK;
    }
    packet = stack_packet(stack);
    if (packet == NULL)
        return;
    stack->stats.tcp_resets_out++;
    segment_emit(stack, packet, remote, &reset);
}

/* ---- Data ---------------------------------------------------------------- */

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

/* Account for what was sent: numbers, round trip, timer. */
static void segment_sent(struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    uint64_t now = net_now(conn->stack);
    uint32_t end = seq + len;

    if (conn_flight(conn) == 0)
        conn->progress_at = now;
    if (seq_lt(seq, conn->snd_max)) {
        conn->stack->stats.tcp_retransmits++;
        conn->rtt_running = false; /* Karn */
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
    uint32_t left = conn->tx.used - offset;
    bool fin;

    len = min_u32(min_u32(len, left), conn->mss);
    fin = conn->fin_wanted && len == left;
    if (segment_send(conn, seq, len, (fin ? TCP_FIN : 0) | TCP_PSH))
        segment_sent(conn, seq, len + fin);
}

/* Data waits, nothing is on its way, and the peer's window is shut. */
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

/* RFC 5681, 4.1: what was known about the path is old. */
static void restart_after_idle(struct tcp_conn *conn)
{
    uint64_t idle = net_now(conn->stack) - conn->sent_at;

    if (conn_flight(conn) == 0 && idle > conn->rto_ns)
        conn->cwnd = min_u32(conn->cwnd, INITIAL_SEGMENTS * conn->mss);
}

/* How many bytes may be on their way at once. */
static uint32_t send_window(const struct tcp_conn *conn)
{
    uint32_t window = conn->cwnd;

    if (!conn->is_recovering && conn->dup_acks < TCP_DUP_ACKS)
        window += conn->dup_acks * conn->mss; /* RFC 3042 */
    return min_u32(window, conn->snd_wnd);
}

/*
 * What the window allows of `avail` bytes, or 0 when that is so little that it
 * is better to wait for the window to open.
 */
static uint32_t segment_size(const struct tcp_conn *conn, uint32_t offset,
                             uint32_t avail)
{
    uint32_t window = send_window(conn);
    uint32_t usable = window > offset ? window - offset : 0;
    uint32_t len = min_u32(min_u32(avail, usable), conn->mss);

    if (len == avail || len == conn->mss)
        return len;
    return offset == 0 && len >= conn->snd_wnd_max / 2 ? len : 0;
}

/* Send the next segment. Returns false when there is nothing to send, or no
 * room for it anywhere. */
static bool output_one(struct tcp_conn *conn)
{
    uint32_t offset = conn->snd_nxt - conn->snd_una;
    uint32_t avail, len;
    bool fin;

    if (offset > conn->tx.used) /* the FIN is out */
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

    /* Those that block again go to the list, not to this round. */
    list_init(&waiting);
    while ((node = list_pop_front(&stack->blocked)) != NULL)
        list_push_back(&waiting, node);
    while ((node = list_pop_front(&waiting)) != NULL)
        tcp_output(container_of(node, struct tcp_conn, blocked_link));
}

void tcp_path_mtu(struct net_stack *stack, uint32_t remote,
                  uint16_t remote_port, uint16_t local_port, uint32_t seq,
                  uint16_t mtu)
{
    struct tcp_conn *conn = conn_find(stack, remote, remote_port, local_port);
    uint16_t mss = (uint16_t)(mtu - IP4_HEADER_SIZE - TCP_HEADER_SIZE);

    if (conn == NULL || !may_send(conn) || mtu < TCP_PATH_MTU_MIN)
        return;
    if (seq_lt(seq, conn->snd_una) || !seq_lt(seq, conn->snd_max) ||
        mss >= conn->mss)
        return;
    conn->mss = mss;
    conn->snd_nxt = conn->snd_una;
    tcp_output(conn);
}
