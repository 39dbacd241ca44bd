/* TCP segments: built, and handed to IPv4. */
#include "net/dst.h"
#include "net/ip.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/string.h>

__attribute__((cold)) uint16_t tcp_link_mss(const struct net_stack *stack,
                                            const struct flow *flow)
{
    return (uint16_t)(ip_link_mtu(stack, flow) - ip_header_size(flow) -
                      TCP_HEADER_SIZE);
}

/* Leave the checksum of the segment that begins at packet->data to the card. */
static void checksum_leave(struct packet *packet)
{
    packet->offload.csum_partial = true;
    packet->offload.csum_start = (uint16_t)packet_headroom(packet);
    packet->offload.csum_at =
        (uint16_t)(packet->offload.csum_start + TCP_CHECKSUM_OFFSET);
}

/* Put the TCP header in front of the payload in `packet` and send it the way
 * that `dst` keeps. */
static void segment_emit(struct net_stack *stack, struct packet *packet,
                         const struct flow *flow,
                         const struct tcp_segment *segment, struct dst *dst)
{
    uint8_t *start = packet_push(packet, tcp_header_len(segment));
    bool by_card = (stack->dev->offloads & NET_TX_CSUM) != 0;
    uint32_t len = packet_len(packet);

    tcp_emit(start, len, flow_pseudo_sum(flow, len),
             by_card ? WIRE_SUM_BY_CARD : WIRE_SUM_HERE, segment);
    if (by_card)
        checksum_leave(packet);
    stack->stats.tcp_out++;
    ip_output(stack, packet, flow, dst);
}

/* The window field of a segment about to be sent. The peer may use that window
 * from now on, so rcv_adv moves. */
static uint16_t window_field(struct tcp_conn *conn)
{
    uint32_t window = data_window(conn) >> conn->rcv_scale;
    uint32_t edge;

    assert(window <= UINT16_MAX); /* data_window() keeps to the field */
    edge = conn->rcv_nxt + (window << conn->rcv_scale);
    if (seq_lt(conn->rcv_adv, edge))
        conn->rcv_adv = edge;
    return (uint16_t)window;
}

/* How many SACK blocks fit beside `len` bytes. */
static unsigned blocks_max(const struct tcp_conn *conn, uint32_t len)
{
    uint32_t room = conn->mss - min_u32(len, conn->mss);

    if (!conn->has_sack || room < 4 + TCP_SACK_SIZE)
        return 0;
    return min_u32((room - 4) / TCP_SACK_SIZE,
                   conn->has_stamps ? TCP_SACKS_MAX - 1 : TCP_SACKS_MAX);
}

/* The options of a segment that is no SYN; `blocks` is for those of SACK. */
static void options_fill(struct tcp_conn *conn, struct tcp_options *options,
                         uint8_t *blocks, uint32_t len)
{
    if (conn->has_stamps) {
        options->has_timestamp = true;
        options->timestamp = conn_stamp(conn);
        options->timestamp_of = conn->stamp_recent;
    }
    if (conn->reorder != NULL || conn->dsack_len != 0) {
        options->sack = blocks;
        options->sack_count =
            (uint8_t)reorder_blocks(conn, blocks, blocks_max(conn, len));
    }
}

/* Whether payload may stay where it is: nothing here has to look at it, and the
 * frame goes to a card. It does when there is a neighbour on the way, though
 * its address may be asked for first: the frame waits then as it is. */
static bool is_left_to_card(const struct tcp_conn *conn)
{
    return (conn->stack->dev->offloads & NET_TX_CSUM) != 0 &&
           dst_neigh(conn->stack, &conn->dst) != NULL;
}

/* What a card must be able to do to make segments of a frame. */
static unsigned segments_offload(const struct tcp_conn *conn)
{
    return flow_is_ip4(&conn->flow) ? NET_TX_TCP4 : NET_TX_TCP6;
}

uint32_t segment_len_max(const struct tcp_conn *conn)
{
    /* CWR is of one segment, and the card would put it into all of them. */
    if (!is_left_to_card(conn) || conn->dst.may_fragment || conn->cwr_wanted ||
        (conn->stack->dev->offloads & segments_offload(conn)) == 0)
        return conn->mss;
    return (uint32_t)TCP_LARGE_MAX / conn->mss * conn->mss;
}

uint32_t segment_fit(const struct tcp_conn *conn, uint32_t offset, uint32_t len)
{
    if ((len <= conn->mss && conn->tx.count == 0) || !is_left_to_card(conn))
        return len;
    return send_queue_fit(&conn->tx, offset, len);
}

/* Put the payload into a packet. Returns whether there was room. */
static bool payload_put(struct tcp_conn *conn, struct packet *packet,
                        uint32_t offset, uint32_t len)
{
    if (len == 0)
        return true;
    if (is_left_to_card(conn))
        return send_queue_fill(&conn->tx, offset, len, packet) == 0;
    send_queue_peek(&conn->tx, offset, packet_append(packet, len), len);
    return true;
}

/* A packet with bytes of the send buffer: that which they are in, or a new one.
 * NULL: there is none, or no room for their pieces. */
static struct packet *packet_with(struct tcp_conn *conn, uint32_t offset,
                                  uint32_t len)
{
    struct packet *packet = send_queue_packet(&conn->tx, offset, len);

    if (packet != NULL)
        return packet;
    packet = stack_packet(conn->stack);
    if (packet == NULL || payload_put(conn, packet, offset, len))
        return packet;
    packet_put(packet);
    return NULL;
}

/* The card is to make segments of the payload. */
static void segments_leave(const struct tcp_conn *conn, struct packet *packet,
                           const struct tcp_segment *segment)
{
    packet->offload.segments =
        flow_is_ip4(&conn->flow) ? PACKET_TCP4 : PACKET_TCP6;
    packet->offload.segment_len = conn->mss;
    packet->offload.headers_len =
        (uint16_t)(ETHER_HEADER_SIZE + ip_header_size(&conn->flow) +
                   tcp_header_len(segment));
}

static inline struct tcp_segment segment_of(const struct tcp_conn *conn,
                                            uint32_t seq, uint8_t flags,
                                            uint16_t window)
{
    return (struct tcp_segment){.src_port = conn->flow.lport,
                                .dst_port = conn->flow.rport,
                                .seq = seq,
                                .ack = conn->rcv_nxt,
                                .flags = flags | TCP_ACK,
                                .window = window};
}

/* Whether a segment is as most are: of IPv4, with no option but timestamps. */
static bool is_plain(const struct tcp_conn *conn, uint32_t len)
{
    return len <= conn->mss && conn->reorder == NULL && conn->dsack_len == 0 &&
           !conn->has_ecn && flow_is_ip4(&conn->flow);
}

/* Such a segment of the payload in `packet`: what segment_emit() does. */
static inline void plain_emit(struct tcp_conn *conn, struct packet *packet,
                              uint32_t seq, uint8_t flags, uint16_t window)
{
    const struct tcp_segment segment = segment_of(conn, seq, flags, window);
    struct net_stack *stack = conn->stack;
    size_t header_len = TCP_HEADER_SIZE + conn_options_len(conn);
    uint8_t *start = packet_push(packet, header_len);
    bool by_card = (stack->dev->offloads & NET_TX_CSUM) != 0;
    uint32_t len = packet_len(packet);
    uint32_t remote = addr_ip4(&conn->flow.remote);

    conn->dst.source = addr_ip4(&conn->flow.local);
    tcp_header_put(start, header_len, &segment);
    if (conn->has_stamps)
        tcp_stamp_put(start + TCP_HEADER_SIZE, conn_stamp(conn),
                      conn->stamp_recent);
    tcp_sum_put(start, len,
                ip4_pseudo_sum(conn->dst.source, remote, IP4_TCP, len),
                by_card ? WIRE_SUM_BY_CARD : WIRE_SUM_HERE);
    if (by_card)
        checksum_leave(packet);
    stack->stats.tcp_out++;
    ip4_output(stack, packet, remote, IP4_TCP, &conn->dst);
}

/* Any other. */
static noinline void other_emit(struct tcp_conn *conn, struct packet *packet,
                                uint32_t seq, uint32_t len, uint8_t flags,
                                uint16_t window)
{
    uint8_t blocks[TCP_SACKS_MAX * TCP_SACK_SIZE];
    struct tcp_segment segment = segment_of(conn, seq, flags, window);

    options_fill(conn, &segment.options, blocks, min_u32(len, conn->mss));
    if (conn->has_ecn)
        ecn_send(conn, &segment, len);
    if (len > conn->mss)
        segments_leave(conn, packet, &segment);
    segment_emit(conn->stack, packet, &conn->flow, &segment, &conn->dst);
}

bool segment_send(struct tcp_conn *conn, uint32_t seq, uint32_t len,
                  uint8_t flags)
{
    struct packet *packet = packet_with(conn, seq - conn->snd_una, len);
    uint16_t window;

    if (packet == NULL)
        return false;
    window = window_field(conn);
    if (likely(is_plain(conn, len)))
        plain_emit(conn, packet, seq, flags, window);
    else
        other_emit(conn, packet, seq, len, flags, window);
    conn->rcv_acked = conn->rcv_nxt;
    conn->ack_now = false;
    alarm_clear(conn, TCP_ALARM_ACK);
    return true;
}

void tcp_send_ack(struct tcp_conn *conn)
{
    /* snd_max, not snd_nxt: behind all that was sent, a SYN or FIN included, so
     * that the peer finds the segment acceptable (RFC 9293, 3.4). */
    if (segment_send(conn, conn->snd_max, 0, 0))
        return;
    alarm_set(conn, TCP_ALARM_ACK, net_now(conn->stack) + TCP_RETRY_NS);
}

__attribute__((cold)) bool challenge_is_due(struct net_stack *stack,
                                            uint16_t *last_ms)
{
    if ((uint16_t)(stack->now_ms - *last_ms) < TCP_CHALLENGE_MS)
        return false;
    *last_ms = (uint16_t)stack->now_ms;
    stack->stats.tcp_challenges++;
    return true;
}

__attribute__((cold)) void tcp_challenge(struct tcp_conn *conn)
{
    if (challenge_is_due(conn->stack, &conn->challenge_ms))
        segment_send(conn, conn->snd_max, 0, 0);
}

__attribute__((cold)) void tcp_send_syn(struct tcp_conn *conn)
{
    bool has_ack = conn->state != TCP_SYN_SENT;
    unsigned ecn = has_ack ? TCP_ECE : TCP_ECE | TCP_CWR;
    struct net_stack *stack = conn->stack;
    struct packet *packet = stack_packet(stack);
    uint32_t window = data_window(conn);
    struct tcp_segment segment = {0}; /* by words, not by bytes */
    struct tcp_options *options = &segment.options;

    if (packet == NULL)
        return; /* the retransmission timer sends it again */
    segment.src_port = conn->flow.lport;
    segment.dst_port = conn->flow.rport;
    segment.seq = conn->snd_una;
    segment.ack = has_ack ? conn->rcv_nxt : 0;
    segment.flags = (uint8_t)(TCP_SYN | (has_ack ? TCP_ACK : 0) |
                              (conn->has_ecn ? ecn : 0));
    segment.window = (uint16_t)min_u32(window, UINT16_MAX); /* not scaled */
    options->mss = tcp_link_mss(stack, &conn->flow);
    options->has_scale = conn->rcv_scale != 0;
    options->scale = conn->rcv_scale;
    options->sack_permitted = conn->has_sack;
    options->has_timestamp = conn->has_stamps;
    options->timestamp = conn_stamp(conn);
    options->timestamp_of = conn->stamp_recent;
    conn->rcv_adv = conn->rcv_nxt + segment.window;
    segment_emit(stack, packet, &conn->flow, &segment, &conn->dst);
}

/* Send a segment of no connection. Returns whether there was a packet. */
static bool send_alone(struct net_stack *stack, const struct flow *flow,
                       const struct tcp_segment *segment)
{
    struct packet *packet = stack_packet(stack);
    struct dst dst = {0};

    if (packet != NULL)
        segment_emit(stack, packet, flow, segment, &dst);
    return packet != NULL;
}

__attribute__((cold)) void tcp_send_half(struct net_stack *stack,
                                         const struct flow *flow,
                                         const struct tcp_half *half,
                                         uint8_t flags, uint32_t stamp)
{
    bool is_syn = (flags & TCP_SYN) != 0; /* whose window is not scaled */
    bool has_scale = half->scale != TCP_SCALE_NONE;
    struct tcp_segment segment;

    memset(&segment, 0, sizeof(segment)); /* an initializer goes by bytes */
    segment.src_port = half->lport;
    segment.dst_port = half->rport;
    segment.seq = half->iss + !is_syn;
    segment.ack = half->irs + 1;
    segment.flags = flags;
    segment.window = is_syn || !has_scale
                         ? half->rcv_wnd
                         : (uint16_t)(half->rcv_wnd >> TCP_SCALE);
    segment.options.mss = is_syn ? tcp_link_mss(stack, flow) : 0;
    segment.options.has_scale = is_syn && has_scale;
    segment.options.scale = TCP_SCALE;
    segment.options.sack_permitted = is_syn && half->has_sack;
    segment.options.has_timestamp = half->has_stamps;
    segment.options.timestamp = stamp;
    segment.options.timestamp_of = half->stamp_recent;
    (void)send_alone(stack, flow, &segment);
}

__attribute__((cold)) void tcp_send_wait(struct net_stack *stack,
                                         const struct flow *flow,
                                         const struct tcp_wait *wait)
{
    const struct tcp_segment answer = {
        .src_port = flow->lport,
        .dst_port = flow->rport,
        .seq = wait->snd_max,
        .ack = wait->rcv_nxt,
        .flags = TCP_ACK,
        .options = {.has_timestamp = wait->has_stamps,
                    .timestamp = stack_stamp(stack, flow),
                    .timestamp_of = wait->stamp_recent},
    };

    (void)send_alone(stack, flow, &answer);
}

void tcp_send_reset(struct tcp_conn *conn)
{
    conn->stack->stats.tcp_resets_out++;
    segment_send(conn, conn->snd_max, 0, TCP_RST);
}

/* RFC 9293, 3.5.2, group 1. */
__attribute__((cold)) void tcp_refuse(struct net_stack *stack,
                                      const struct flow *flow,
                                      const struct tcp_segment *segment)
{
    struct tcp_segment reset = {
        .src_port = segment->dst_port,
        .dst_port = segment->src_port,
        .flags = TCP_RST,
    };

    assert((segment->flags & TCP_RST) == 0); /* the callers drop those */
    if ((segment->flags & TCP_ACK) != 0) {
        reset.seq = segment->ack;
    } else {
        reset.ack = segment->seq + (uint32_t)segment->payload_len +
                    ((segment->flags & TCP_SYN) != 0) +
                    ((segment->flags & TCP_FIN) != 0);
        reset.flags = TCP_RST | TCP_ACK;
    }
    if (send_alone(stack, flow, &reset))
        stack->stats.tcp_resets_out++;
}
