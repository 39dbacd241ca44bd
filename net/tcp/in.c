/*
 * A TCP segment arrives: the checks of RFC 9293, 3.10.7, in their order, and
 * those of RFC 5961 for resets, SYNs and acknowledgements that only a blind
 * attacker sends.
 *
 * Urgent data are ordinary data, and the urgent pointer is ignored (RFC 6093
 * advises against the mechanism).
 */
#include "net/group.h"
#include "net/ip.h"
#include "net/route.h"
#include "net/stack.h"
#include "net/tcp/conn.h"

/* How many sequence numbers a segment takes. */
static uint32_t segment_len(const struct tcp_segment *segment)
{
    return (uint32_t)segment->payload_len + ((segment->flags & TCP_SYN) != 0) +
           ((segment->flags & TCP_FIN) != 0);
}

/*
 * The table of RFC 9293, 3.10.7.4, "first". A segment that begins at `next` is
 * accepted even when the window is closed, so that its acknowledgement counts;
 * payload outside the window is cut off later.
 */
bool segment_is_acceptable(uint32_t next, uint32_t edge,
                           const struct tcp_segment *segment)
{
    uint32_t len = segment_len(segment);
    uint32_t last = segment->seq + len - 1;

    if (segment->seq == next)
        return true;
    if (len == 0)
        return seq_le(next, segment->seq) && seq_le(segment->seq, edge);
    if (seq_le(next, segment->seq))
        return seq_lt(segment->seq, edge);
    return seq_le(next, last) && seq_lt(last, edge);
}

/* A segment outside the window is an old duplicate or an attack: answer with
 * the numbers we expect. */
static __attribute__((cold)) void
answer_unacceptable(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    if ((segment->flags & TCP_RST) != 0)
        return;
    conn->stack->stats.tcp_out_of_window++;
    if (segment->payload_len > 0 && seq_lt(segment->seq, conn->rcv_nxt))
        conn_duplicate(conn, segment->seq,
                       segment->seq + (uint32_t)segment->payload_len);
    if (conn->state == TCP_SYN_RECEIVED && (segment->flags & TCP_SYN) != 0 &&
        segment->seq == conn->irs)
        tcp_send_syn(conn); /* our SYN-ACK was lost */
    else if (segment->payload_len > 0 || (segment->flags & TCP_FIN) != 0)
        tcp_send_ack(conn);
    else
        tcp_challenge(conn); /* limited, or two ends could answer for ever */
}

/* RFC 5961, section 3.2. */
static __attribute__((cold)) void
reset_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    if (segment->seq != conn->rcv_nxt) {
        tcp_challenge(conn);
        return;
    }
    conn->stack->stats.tcp_resets_in++;
    conn_fail(conn, -ECONNRESET);
}

/* A segment in TIME-WAIT with a socket; while that has something to be read,
 * nothing replaces it. */
static __attribute__((cold)) void
time_wait_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    struct net_stack *stack = conn->stack;
    enum tcp_verdict verdict;
    struct tcp_wait wait;

    wait_fill(&wait, conn);
    verdict = wait_judge(&wait, segment);
    if (verdict == WAIT_REPLACE && conn->rx.used == 0) {
        conn_fail(conn, -EPIPE);
        listen_again(stack, &conn->flow, segment, wait.snd_max);
        return;
    }
    if (verdict == WAIT_AGAIN)
        alarm_set(conn, TCP_ALARM_LIFE, conn_now(conn) + TCP_TIME_WAIT_NS);
    if (verdict != WAIT_IGNORE)
        tcp_challenge(conn);
}

/* Whether the connection is past SYN-RECEIVED; the segment may bring it there.
 */
static bool handshake_done(struct tcp_conn *conn,
                           const struct tcp_segment *segment)
{
    if (conn->state != TCP_SYN_RECEIVED)
        return true;
    if (segment->ack != conn->snd_max) {
        tcp_refuse(conn->stack, &conn->flow, segment);
        return false;
    }
    conn->stack->tcp_active->established(conn);
    return true;
}

/*
 * RFC 7323, 3.2 and 5.3: whether the segment has no timestamp, or one that is
 * older than what we have: it is an old duplicate then, and is answered so.
 * What we have means nothing after some days. Resets are taken as they are.
 */
static bool is_stale(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    uint32_t now = (uint32_t)(conn_now(conn) >> TCP_STAMP_SHIFT);

    if (!conn->has_stamps || (segment->flags & TCP_RST) != 0)
        return false;
    if (!segment->options.has_timestamp)
        return true;
    if (seq_lt(segment->options.timestamp, conn->stamp_recent) &&
        now - conn->stamp_at < TCP_STAMP_NS >> TCP_STAMP_SHIFT) {
        answer_unacceptable(conn, segment);
        return true;
    }
    return false;
}

/* RFC 7323, 4.3: what is echoed belongs to the first segment that the next
 * acknowledgement is for. */
static void stamp_take(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    if (!conn->has_stamps || !seq_le(segment->seq, conn->rcv_acked))
        return;
    conn->stamp_recent = segment->options.timestamp;
    conn->stamp_at = (uint32_t)(conn_now(conn) >> TCP_STAMP_SHIFT);
}

static void conn_receive(struct tcp_conn *conn, struct tcp_segment *segment)
{
    if (conn->state == TCP_TIME_WAIT) {
        time_wait_receive(conn, segment);
        return;
    }
    if (conn->state < TCP_ESTABLISHED &&
        !conn->stack->tcp_active->receive(conn, segment))
        return;
    if (is_stale(conn, segment))
        return;
    if (!segment_is_acceptable(conn->rcv_nxt, conn->rcv_adv, segment)) {
        answer_unacceptable(conn, segment);
        return;
    }
    if ((segment->flags & TCP_RST) != 0) {
        reset_receive(conn, segment);
        return;
    }
    if ((segment->flags & TCP_SYN) != 0) {
        tcp_challenge(conn); /* RFC 5961, section 4.2 */
        return;
    }
    if ((segment->flags & TCP_ACK) == 0 || !handshake_done(conn, segment))
        return;
    stamp_take(conn, segment);
    if (conn->tuning != NULL) {
        conn->tuning->heard_at = conn_now(conn);
        conn->tuning->probes = 0;
    }
    if (!ack_receive(conn, segment))
        return;
    if (conn->has_ecn)
        ecn_receive(conn, segment);
    data_receive(conn, segment);
    if (conn->state != TCP_CLOSED && conn->state != TCP_TIME_WAIT &&
        (conn->ack_now || conn_has_output(conn)))
        conn_output(conn);
}

/* A frame that never left this computer has no checksum, one that the card has
 * checked needs no second look. */
static enum wire_sum sum_of(const struct packet *packet)
{
    return packet->offload.csum_valid || packet->offload.csum_partial
               ? WIRE_SUM_BY_CARD
               : WIRE_SUM_HERE;
}

/* Whether the connection may be another CPU's, which was handed the segment
 * then. Where a SYN comes in and somebody listens, the connection begins. */
static bool is_of_other(struct net_stack *stack, struct packet *packet,
                        const struct ip_info *info, const struct flow *flow,
                        const struct tcp_segment *segment)
{
    if (stack->group == NULL)
        return false;
    if ((segment->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN &&
        listen_wants(stack, flow))
        return false;
    return stack->group->pass(stack, packet, info->header_len);
}

/* Process a segment of a connection. Takes the packet. */
static void segment_take(struct net_stack *stack, struct packet *packet,
                         struct tcp_conn *conn, struct tcp_segment *segment)
{
    stack->arrived = packet_may_stay(packet) ? &packet->buf : NULL;
    conn_receive(conn, segment);
    stack->arrived = NULL;
    packet_put(packet);
    tcp_reap(stack);
}

/* A connection has begun: where the way is known, its first data may stay where
 * they are; else it is looked up when they are sent. */
static noinline __attribute__((cold)) void way_find(struct net_stack *stack,
                                                    struct tcp_conn *conn)
{
    if (conn != NULL)
        (void)!dst_find(stack, &conn->dst, &conn->flow.remote);
}

/* A segment is of `conn`, or was processed, and `conn` comes of it; or NULL:
 * none does. */
static noinline void opened_take(struct net_stack *stack, struct packet *packet,
                                 struct tcp_conn *conn,
                                 struct tcp_segment *segment)
{
    if (conn != NULL && conn->state != TCP_CLOSED) {
        segment_take(stack, packet, conn, segment); /* which has opened it */
        return;
    }
    packet_put(packet);
    tcp_reap(stack);
}

/* The same, of no connection that conn_find() knows. */
static noinline __attribute__((cold)) void
other_take(struct net_stack *stack, struct packet *packet,
           const struct ip_info *info, const struct flow *flow,
           struct tcp_segment *segment)
{
    struct tcp_half *half = half_find(stack, flow);
    struct tcp_wait *wait = half == NULL ? wait_find(stack, flow) : NULL;
    struct tcp_conn *conn = NULL;

    if (half != NULL)
        conn = half_receive(stack, half, segment);
    else if (wait != NULL)
        wait_receive(stack, wait, segment);
    else
        conn = listen_cookie(stack, flow, segment);
    if (conn == NULL && half == NULL && wait == NULL) {
        if (is_of_other(stack, packet, info, flow, segment))
            return;
        listen_receive(stack, flow, segment);
    }
    if ((packet->hops & PACKET_NO_FRAME) == 0) /* from the card, not looped */
        way_find(stack, conn);
    opened_take(stack, packet, conn, segment);
}

void tcp_receive(struct net_stack *stack, struct packet *packet,
                 const struct ip_info *info)
{
    struct flow flow = {info->dst, info->src, 0, 0, IP4_TCP};
    enum wire_sum sum = sum_of(packet);
    uint32_t pseudo =
        sum == WIRE_SUM_HERE ? flow_pseudo_sum(&flow, packet->len) : 0;
    struct tcp_segment segment;
    struct tcp_conn *conn;

    stack->stats.tcp_in++;
    if (tcp_parse(packet->data, packet->len, pseudo, sum, &segment) != 0 ||
        segment.src_port == 0 || segment.dst_port == 0) {
        stack->stats.tcp_bad++;
        packet_put(packet);
        return;
    }
    segment.is_marked = (info->traffic_class & IP_ECN_MARKED) == IP_ECN_MARKED;
    flow.lport = segment.dst_port;
    flow.rport = segment.src_port;
    conn = conn_find(stack, &flow);
    if (conn != NULL)
        opened_take(stack, packet, conn, &segment);
    else if (segment_is_shed(stack, &flow, segment.flags))
        packet_put(packet);
    else
        other_take(stack, packet, info, &flow, &segment);
}

/* Whether a segment is a SYN for somebody who listens here. */
static bool is_syn(struct net_stack *stack, const struct flow *flow,
                   uint8_t flags, uint32_t src)
{
    return (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN &&
           flow->rport != 0 && listen_wants(stack, flow) &&
           ip4_is_possible_source(stack, src);
}

/* Where the segment of a plain frame begins, and how long it is. */
static inline const uint8_t *frame_segment(const struct packet *packet)
{
    return packet->data + ETHER_HEADER_SIZE + IP4_HEADER_SIZE;
}

static inline size_t frame_segment_len(const struct ip4_header *header)
{
    return header->total_len - IP4_HEADER_SIZE;
}

static inline struct flow frame_flow(const struct packet *packet,
                                     const struct ip4_header *header)
{
    const uint8_t *tcp = frame_segment(packet);

    return (struct flow){addr_of_ip4(header->dst), addr_of_ip4(header->src),
                         be16_get(tcp + 2), be16_get(tcp), IP4_TCP};
}

/* Read the segment of a plain frame. Returns whether it is one. */
static inline bool frame_parse(struct net_stack *stack,
                               const struct packet *packet,
                               const struct ip4_header *header,
                               struct tcp_segment *segment)
{
    size_t len = frame_segment_len(header);
    uint32_t pseudo = ip4_pseudo_sum(header->src, header->dst, IP4_TCP, len);

    if (tcp_parse(frame_segment(packet), len, pseudo, sum_of(packet),
                  segment) != 0)
        return false;
    stack->stats.ip_in++;
    stack->stats.tcp_in++;
    segment->is_marked =
        (header->traffic_class & IP_ECN_MARKED) == IP_ECN_MARKED;
    return true;
}

/* Whether a plain frame is a SYN for somebody here, and is passed over. It is
 * not looked for in TIME-WAIT before, since that would hash its flow. Any other
 * is judged by tcp_receive(), and what is in TIME-WAIT once more there. */
static noinline __attribute__((cold)) bool
frame_is_shed(struct net_stack *stack, const struct flow *flow, uint8_t flags,
              const struct ip4_header *header)
{
    if (!is_syn(stack, flow, flags, header->src) || !crowd_is_shed(stack, flow))
        return false;
    stack->stats.ip_in++;
    stack->stats.tcp_in++;
    return true;
}

/* A plain frame of a connection that was not found lately, or of none. */
static noinline bool receive_rare(struct net_stack *stack,
                                  struct packet *packet,
                                  const struct ip4_header *header)
{
    const struct flow flow = frame_flow(packet, header);
    uint8_t flags = frame_segment(packet)[13];
    struct tcp_segment segment;
    struct tcp_half *half = NULL;
    struct tcp_conn *conn;

    if (unlikely(stack->crowd.sheds) &&
        frame_is_shed(stack, &flow, flags, header)) {
        packet_put(packet);
        return true;
    }
    conn = conn_find_hashed(stack, &flow);
    if (conn == NULL)
        half = half_find(stack, &flow);
    if (conn == NULL && half == NULL &&
        (!is_syn(stack, &flow, flags, header->src) ||
         wait_find(stack, &flow) != NULL))
        return false;
    if (!frame_parse(stack, packet, header, &segment))
        return false;
    if (half != NULL) {
        conn = half_receive(stack, half, &segment);
        way_find(stack, conn);
    } else if (conn == NULL) { /* a SYN for somebody here */
        listen_receive(stack, &flow, &segment);
    }
    opened_take(stack, packet, conn, &segment);
    return true;
}

bool tcp_receive_frame(struct net_stack *stack, struct packet *packet,
                       bool is_ours)
{
    struct tcp_segment segment;
    struct ip4_header header;
    struct tcp_conn *conn;
    struct flow flow;

    if (!ip4_is_plain_tcp(stack, packet, &header) ||
        frame_segment_len(&header) < TCP_HEADER_SIZE)
        return false;
    flow = frame_flow(packet, &header);
    conn = conn_find_recent(stack, &flow);
    if (unlikely(conn == NULL)) {
        const struct ip4_header rare = header;

        return is_ours && receive_rare(stack, packet, &rare);
    }
    if (!frame_parse(stack, packet, &header, &segment))
        return false;
    segment_take(stack, packet, conn, &segment);
    return true;
}
