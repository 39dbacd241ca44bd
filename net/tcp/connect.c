/*
 * Active opens: RFC 9293, 3.10.1 and 3.10.7.3. An image that opens no
 * connections has none of this; the rest of TCP reaches it by struct
 * tcp_active.
 */
#include "net/group.h"
#include "net/ip.h"
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

enum {
    /* Ports that nobody has a meaning for: RFC 6335, 6. */
    PORT_FIRST = 49152,
    PORT_COUNT = 16384,
};

/* R2 of a SYN is at least 3 minutes: RFC 9293, 3.8.3. */
#define SYN_GIVE_UP_NS (180 * NS_PER_S)

/* ---- Segments ------------------------------------------------------------ */

static void syn_take(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    bool is_answer = (segment->flags & TCP_ACK) != 0;
    struct tcp_half half;

    half_fill(&half, NULL, &conn->flow, segment);
    half.has_ecn = half.has_ecn && (!is_answer || conn->has_ecn);
    conn_take_syn(conn, &half);
}

/* SYN and ACK have come: the connection is established. What else the segment
 * has is processed, too (RFC 9293, 3.10.7.3, fourth). */
static void syn_ack_receive(struct tcp_conn *conn, struct tcp_segment *segment)
{
    syn_take(conn, segment);
    conn_establish(conn);
    socket_notify(conn->socket, SOCKET_WRITABLE);
    conn->ack_now = true;
    segment->seq++;
    segment->flags &= (uint8_t)~TCP_SYN;
    if (segment->payload_len > 0 || (segment->flags & TCP_FIN) != 0)
        data_receive(conn, segment);
    if (conn->state != TCP_CLOSED)
        conn_output(conn);
}

/* RFC 9293, 3.10.7.3. */
static void syn_sent_receive(struct tcp_conn *conn, struct tcp_segment *segment)
{
    bool has_ack = (segment->flags & TCP_ACK) != 0;

    if (has_ack && segment->ack != conn->snd_max) {
        if ((segment->flags & TCP_RST) == 0)
            tcp_refuse(conn->stack, &conn->flow, segment);
        return;
    }
    if ((segment->flags & TCP_RST) != 0) {
        if (!has_ack)
            return;
        conn->stack->stats.tcp_resets_in++;
        conn_fail(conn, -ECONNREFUSED);
        return;
    }
    if ((segment->flags & TCP_SYN) == 0)
        return;
    if (has_ack) {
        syn_ack_receive(conn, segment);
        return;
    }
    /* Both have opened at the same time. What else the segment has comes again.
     */
    syn_take(conn, segment);
    conn->state = TCP_SYN_RECEIVED;
    tcp_send_syn(conn);
}

/* In SYN-RECEIVED after a simultaneous open. The SYN with which the peer
 * acknowledges ours is the one we have: what follows it counts. */
static bool syn_received_receive(struct tcp_conn *conn,
                                 struct tcp_segment *segment)
{
    const uint8_t both = TCP_SYN | TCP_ACK;

    if ((segment->flags & TCP_RST) != 0) {
        if (segment->seq != conn->rcv_nxt)
            return true; /* RFC 5961 */
        conn->stack->stats.tcp_resets_in++;
        conn_fail(conn, -ECONNREFUSED);
        return false;
    }
    if ((segment->flags & both) == both && segment->seq == conn->irs &&
        segment->ack == conn->snd_max) {
        segment->seq++;
        segment->flags &= (uint8_t)~TCP_SYN;
    }
    return true;
}

static bool on_receive(struct tcp_conn *conn, struct tcp_segment *segment)
{
    if (conn->state == TCP_SYN_RECEIVED)
        return syn_received_receive(conn, segment);
    syn_sent_receive(conn, segment);
    return false;
}

static void on_established(struct tcp_conn *conn)
{
    conn_establish(conn);
    socket_notify(conn->socket, SOCKET_WRITABLE);
}

/* RFC 6298, 5.4 to 5.6. */
static void on_timeout(struct tcp_conn *conn)
{
    int error = conn->socket->error != 0 ? conn->socket->error : -ETIMEDOUT;

    uint64_t limit = conn->tuning != NULL && conn->tuning->user_timeout_ns != 0
                         ? conn->tuning->user_timeout_ns
                         : SYN_GIVE_UP_NS;

    if (conn_since_ns(conn, conn->progress_ms) >= limit) {
        conn->stack->stats.tcp_timeouts++;
        conn_fail(conn, error);
        return;
    }
    if (conn_rto_ns(conn) << conn->backoff <= TCP_RTO_MAX_NS)
        conn->backoff++;
    conn->stack->stats.tcp_retransmits++;
    conn->has_ecn =
        false; /* not every router lets it pass: RFC 3168, 6.1.1.1 */
    tcp_send_syn(conn);
    rexmit_start(conn);
}

static const struct tcp_active active = {
    .receive = on_receive,
    .established = on_established,
    .timeout = on_timeout,
};

/* ---- What ICMP tells ----------------------------------------------------- */

/*
 * Only of our SYN, whose sequence number the message has to quote (RFC 5927,
 * 4.1): a port or protocol that is not there ends the attempt; anything else is
 * remembered for the time when it is given up (RFC 1122, 4.2.3.9).
 */
static void on_failed(struct net_stack *stack, const struct ip_info *info,
                      const uint8_t *quote, const struct ip_failure *failure)
{
    const struct flow flow = {
        .local = info->src,
        .remote = info->dst,
        .lport = be16_get(quote),
        .rport = be16_get(quote + 2),
    };
    struct tcp_conn *conn = conn_find(stack, &flow);

    if (conn == NULL || conn->state != TCP_SYN_SENT ||
        be32_get(quote + 4) != conn->snd_una)
        return;
    if (failure->error != -ECONNREFUSED) {
        conn->socket->error = failure->error;
        return;
    }
    conn_fail(conn, failure->error);
    tcp_reap(stack);
}

/* The next hop does not answer. Nobody who has answered our SYN is behind it
 * (RFC 1122, 2.3.2.2 and 3.3.1.4). */
static void on_silent(struct net_stack *stack, const struct neigh *entry)
{
    list_for_each_safe (node, &stack->opening) {
        struct tcp_conn *conn = container_of(node, struct tcp_conn, state_link);

        if (conn->state == TCP_SYN_SENT && conn->dst.neigh == entry &&
            conn->dst.neigh_generation == entry->generation)
            conn_fail(conn, -EHOSTUNREACH);
    }
    tcp_reap(stack);
}

/* What is for many hosts is no segment: RFC 9293, 3.9.2.3. */
static void on_group(struct net_stack *stack, struct packet *packet,
                     const struct ip_info *info)
{
    (void)info;
    stack->stats.ip_not_ours++;
    packet_put(packet);
}

static const struct ip_protocol errors = {
    .number = IP4_TCP,
    .receive = on_group,
    .failed = on_failed,
};

/* ---- Opening ------------------------------------------------------------- */

/* Whether a connection can have this flow. */
static bool is_free(struct net_stack *stack, const struct flow *flow)
{
    const struct tcp_wait *wait;

    if (flow->lport == flow->rport && addr_equal(&flow->local, &flow->remote))
        return false;
    if (stack->group != NULL && !stack->group->may_begin(stack, flow))
        return false;
    if (conn_find(stack, flow) != NULL || half_find(stack, flow) != NULL)
        return false;
    wait = wait_find(stack, flow);
    return wait == NULL || wait_is_replaceable(stack, wait);
}

/* RFC 6056, 3.3.3 (algorithm 3): a keyed offset for each destination, and a
 * counter. 0: all ports are taken. */
static uint16_t port_choose(struct net_stack *stack, const struct flow *flow)
{
    struct flow to = *flow;
    uint32_t offset;

    to.lport = 0;
    offset = (uint32_t)(flow_hash(&stack->isn_key, &to) >> 32);
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        uint32_t n = offset + stack->tcp_port_next++;

        to.lport = (uint16_t)(PORT_FIRST + n % PORT_COUNT);
        if (is_free(stack, &to))
            return to.lport;
    }
    return 0;
}

/* Make place for a flow that is_free(). Returns whether there was a connection;
 * then *last is behind all that it has sent. */
static bool place_make(struct net_stack *stack, const struct flow *flow,
                       uint32_t *last)
{
    struct tcp_wait *old = wait_find(stack, flow);

    if (old == NULL)
        return false;
    *last = old->snd_max;
    wait_end(stack, old);
    return true;
}

static void syn_start(struct tcp_conn *conn)
{
    conn->has_sack = true; /* what is offered */
    conn->has_stamps = true;
    conn->rcv_scale = TCP_SCALE;
    conn->mss = (uint16_t)(tcp_mss_default(&conn->flow) - TCP_STAMP_OPTION);
    tcp_send_syn(conn);
    rexmit_start(conn);
}

int tcp_connect(struct net_stack *stack, struct socket *socket,
                const struct flow *wanted, const struct tcp_tuning *wish)
{
    struct flow flow = *wanted;
    struct tcp_conn *conn;
    uint32_t last;
    bool again;
    int error = flow.rport == 0 ? -EINVAL : ip_way_find(stack, &flow);

    if (error != 0)
        return error;
    flow.protocol = IP4_TCP;
    if (flow.lport == 0)
        flow.lport = port_choose(stack, &flow);
    if (flow.lport == 0 || !is_free(stack, &flow))
        return -EADDRINUSE;
    again = place_make(stack, &flow, &last);
    stack_tick(stack);
    conn = conn_new(stack, &flow, stack_iss(stack, &flow));
    if (conn == NULL)
        return -ENOMEM;
    stack->tcp_active = &active;
    stack->neigh.silent = on_silent;
    ip_protocol_add(stack, &errors);
    list_push_back(&stack->opening, &conn->state_link);
    if (again && seq_le(conn->snd_una, last)) /* RFC 9293, 3.6.1 */
        conn_set_iss(conn, last + UINT16_MAX);
    conn->socket = socket;
    socket->conn = conn;
    socket->flow = flow;
    socket->error = 0;
    if (wish != NULL) {
        conn->has_ecn = wish->asks_ecn;
        conn_mark(conn, wish);
    }
    syn_start(conn);
    return 0;
}
