/*
 * Half-open connections (SYN-RECEIVED of RFC 9293 after LISTEN): a SYN was
 * answered, and nobody has acknowledged the SYN-ACK yet. Anybody can make us
 * keep one, under any address. So a struct tcp_half has what a SYN says and no
 * more, and half_promote() makes the connection of it when the handshake ends.
 * A SYN cookie (cookie.c) is a struct tcp_half that the peer keeps for us.
 *
 * A server has a row for each number of SYN-ACKs that were sent again. All in a
 * row wait for the same time, so who has come first is due first, and one
 * timeout of the wheel serves all rows of a stack.
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/memory.h>

/* ---- The table ----------------------------------------------------------- */

static noinline struct flow flow_of(const struct tcp_half *half)
{
    return (struct flow){half->local, half->remote, half->lport, half->rport,
                         IP4_TCP};
}

static bool is_of(const struct tcp_half *half, const struct flow *flow)
{
    return half->rport == flow->rport && half->lport == flow->lport &&
           addr_equal(&half->remote, &flow->remote) &&
           addr_equal(&half->local, &flow->local);
}

static struct tcp_half **chain_of(struct net_stack *stack,
                                  const struct flow *flow)
{
    return &stack->halves[conn_hash(stack, flow) >> 48 &
                          (STACK_HALF_CHAINS - 1)];
}

struct tcp_half *half_find(struct net_stack *stack, const struct flow *flow)
{
    struct tcp_half *half = NULL;

    if (stack->half_open_count > 0)
        half = *chain_of(stack, flow);
    while (half != NULL && !is_of(half, flow))
        half = half->next;
    return half;
}

static uint64_t wait_us(const struct tcp_half *half)
{
    return (uint64_t)TCP_RTO_FIRST_MS * (NS_PER_MS / NS_PER_US) << half->tries;
}

/* When the SYN-ACK is to be sent again, or the half given up; now, however
 * long ago that was: the machine may have stood still. */
static uint64_t due_at(const struct net_stack *stack,
                       const struct tcp_half *half)
{
    uint64_t passed = min_u64(stack->now_us - half->sent_us, wait_us(half));

    return (stack->now / NS_PER_US + wait_us(half) - passed) * NS_PER_US;
}

/* The SYN-ACK is sent now. */
static void row_join(struct net_stack *stack, struct tcp_half *half)
{
    uint64_t at;

    half->sent_us = stack->now_us;
    at = due_at(stack, half);
    list_push_back(&half->server->half_open[half->tries], &half->link);
    if (at < stack->half_timer.at)
        timeout_move(stack, &stack->half_timer, at);
}

static void half_end(struct net_stack *stack, struct tcp_half *half)
{
    const struct flow flow = flow_of(half);
    struct tcp_half **at = chain_of(stack, &flow);

    while (*at != half)
        at = &(*at)->next;
    *at = half->next;
    list_remove(&half->link);
    half->server->half_open_count--;
    stack->half_open_count--;
    mem_free(half);
}

/* ---- Segments ------------------------------------------------------------ */

/* Send what is made of flags alone. */
static void half_send(struct net_stack *stack, const struct tcp_half *half,
                      uint8_t flags)
{
    const struct flow flow = flow_of(half);

    tcp_send_half(stack, &flow, half, flags, stack_stamp(stack, &flow));
}

static void syn_ack_send(struct net_stack *stack, const struct tcp_half *half)
{
    half_send(stack, half, TCP_SYN | TCP_ACK | (half->has_ecn ? TCP_ECE : 0));
}

void half_fill(struct tcp_half *half, struct server *server,
               const struct flow *flow, const struct tcp_segment *syn)
{
    const struct tcp_options *options = &syn->options;
    unsigned ecn = syn->flags & (TCP_ECE | TCP_CWR);

    *half = (struct tcp_half){
        .server = server,
        .local = flow->local,
        .remote = flow->remote,
        .lport = flow->lport,
        .rport = flow->rport,
        .irs = syn->seq,
        .stamp_recent = options->has_timestamp ? options->timestamp : 0,
        .mss = options->mss,
        .snd_wnd = syn->window,
        .scale =
            (uint8_t)((options->has_scale ? options->scale : TCP_SCALE_NONE) &
                      15),
        .has_sack = options->sack_permitted,
        .has_stamps = options->has_timestamp,
        /* RFC 3168, 6.1.1: ECE and CWR ask, ECE alone agrees. */
        .has_ecn =
            ecn == ((syn->flags & TCP_ACK) == 0 ? TCP_ECE | TCP_CWR : TCP_ECE),
    };
}

void half_begin(struct net_stack *stack, struct server *server,
                const struct flow *flow, const struct tcp_segment *syn,
                const uint32_t *last)
{
    struct tcp_half *half = mem_alloc(sizeof(*half));
    struct tcp_half **chain = chain_of(stack, flow);

    if (half == NULL) {
        stack->stats.tcp_no_memory++;
        return;
    }
    half_fill(half, server, flow, syn);
    half->iss = stack_iss(stack, flow);
    if (last != NULL && seq_le(half->iss, *last)) /* RFC 9293, 3.6.1 */
        half->iss = *last + UINT16_MAX;
    half->rcv_wnd =
        (uint16_t)min_u32(min_u32(net_budget_share(&stack->budget, 0),
                                  share_of(stack, flow, 0, false)),
                          UINT16_MAX);
    half->challenge_ms = (uint16_t)(stack->now_ms - TCP_CHALLENGE_MS);
    half->next = *chain;
    *chain = half;
    server->half_open_count++;
    stack->half_open_count++;
    row_join(stack, half);
    syn_ack_send(stack, half);
}

static void challenge(struct net_stack *stack, struct tcp_half *half)
{
    if (challenge_is_due(stack, &half->challenge_ms))
        half_send(stack, half, TCP_ACK);
}

/* With data, too, which are not in the window before the SYN-ACK arrives. */
static bool is_syn_again(const struct tcp_half *half,
                         const struct tcp_segment *segment)
{
    return (segment->flags & TCP_SYN) != 0 && segment->seq == half->irs;
}

/* As answer_unacceptable() of a connection. */
static void answer(struct net_stack *stack, struct tcp_half *half,
                   const struct tcp_segment *segment)
{
    if ((segment->flags & TCP_RST) != 0)
        return;
    stack->stats.tcp_out_of_window++;
    if (is_syn_again(half, segment)) { /* the last SYN-ACK was lost */
        half->is_resent = true;
        stack->stats.tcp_retransmits++;
        syn_ack_send(stack, half);
    } else if (segment->payload_len > 0 || (segment->flags & TCP_FIN) != 0) {
        half_send(stack, half, TCP_ACK);
    } else {
        challenge(stack, half);
    }
}

/* The checks of RFC 9293, 3.10.7.4, RFC 7323, 5.3 and RFC 5961. Returns
 * whether the segment ends the handshake. */
static bool is_last(struct net_stack *stack, struct tcp_half *half,
                    const struct tcp_segment *segment)
{
    const struct tcp_options *options = &segment->options;
    uint32_t next = half->irs + 1;
    bool is_reset = (segment->flags & TCP_RST) != 0;

    if (half->has_stamps && !is_reset && !options->has_timestamp)
        return false;
    if ((half->has_stamps && !is_reset &&
         seq_lt(options->timestamp, half->stamp_recent)) ||
        is_syn_again(half, segment) ||
        !segment_is_acceptable(next, next + half->rcv_wnd, segment)) {
        answer(stack, half, segment);
    } else if (is_reset && segment->seq == next) {
        stack->stats.tcp_resets_in++;
        half_end(stack, half);
    } else if (is_reset || (segment->flags & TCP_SYN) != 0) {
        challenge(stack, half);
    } else if ((segment->flags & TCP_ACK) != 0) {
        if (segment->ack == half->iss + 1)
            return true;
        const struct flow flow = flow_of(half);

        tcp_refuse(stack, &flow, segment);
    }
    return false;
}

struct tcp_conn *half_receive(struct net_stack *stack, struct tcp_half *half,
                              const struct tcp_segment *segment)
{
    struct tcp_conn *conn;

    if (!is_last(stack, half, segment))
        return NULL;
    conn = half_promote(stack, half);
    if (conn != NULL)
        half_end(stack, half);
    return conn;
}

/* ---- The end of the handshake -------------------------------------------- */

struct tcp_conn *half_promote(struct net_stack *stack,
                              const struct tcp_half *half)
{
    const struct flow flow = flow_of(half);
    struct server *server = half->server;
    struct tcp_conn *conn;

    /* Other handshakes may have been faster. */
    if (!places_make(stack, server, &flow))
        return NULL;
    conn = conn_new(stack, &flow, half->iss);
    if (conn == NULL) {
        stack->stats.tcp_no_memory++;
        return NULL;
    }
    conn->state = TCP_SYN_RECEIVED;
    conn->server = server;
    conn_take_syn(conn, half);
    conn->rcv_adv = conn->rcv_nxt + half->rcv_wnd;
    /* RFC 6298, 3: what was sent twice is not measured. */
    conn->backoff = half->tries + half->is_resent;
    conn->rack.sent_us = half->sent_us;
    conn->socket = server->client->create(server, conn);
    if (conn->socket == NULL) {
        stack->stats.tcp_no_memory++;
        conn_reset(conn);
        return conn;
    }
    conn_establish(conn);
    crowd_learn(stack, &flow);
    return conn;
}

/* ---- Time ---------------------------------------------------------------- */

/* RFC 6298, 5.4 to 5.6. */
static void half_timeout(struct net_stack *stack, struct tcp_half *half)
{
    if (half->tries == TCP_SYN_TRIES) {
        stack->stats.tcp_timeouts++;
        half_end(stack, half);
        return;
    }
    stack->stats.tcp_retransmits++;
    list_remove(&half->link);
    half->tries = (uint8_t)((half->tries + 1) & 15);
    row_join(stack, half);
    syn_ack_send(stack, half);
}

static struct tcp_half *first_of(const struct list *row)
{
    return list_empty(row) ? NULL
                           : container_of(row->next, struct tcp_half, link);
}

/* Do what is due in a row; returns when the next of it is. */
static uint64_t row_expire(struct net_stack *stack, const struct list *row)
{
    struct tcp_half *half;

    while ((half = first_of(row)) != NULL) {
        uint64_t at = due_at(stack, half);

        if (at > stack->now)
            return at;
        half_timeout(stack, half);
    }
    return TIME_NEVER;
}

uint64_t halves_expire(struct net_stack *stack)
{
    uint64_t earliest = TIME_NEVER;

    list_for_each (node, &stack->listeners) {
        struct server *server = container_of(node, struct server, link);

        for (unsigned i = 0; i <= TCP_SYN_TRIES; i++)
            earliest =
                min_u64(earliest, row_expire(stack, &server->half_open[i]));
    }
    return earliest;
}

/* ---- All ----------------------------------------------------------------- */

void half_end_oldest(struct net_stack *stack, struct server *server)
{
    struct tcp_half *half = NULL;

    for (unsigned i = TCP_SYN_TRIES + 1; half == NULL; i--)
        half = first_of(&server->half_open[i - 1]);
    half_end(stack, half);
}

void halves_lose(struct net_stack *stack, const struct net_addr *local)
{
    for (unsigned i = 0; i < STACK_HALF_CHAINS; i++) {
        struct tcp_half *half = stack->halves[i];

        while (half != NULL) {
            struct tcp_half *next = half->next;

            if (local == NULL || addr_equal(&half->local, local))
                half_end(stack, half);
            half = next;
        }
    }
}

void tcp_unlisten(struct net_stack *stack, struct server *server)
{
    for (unsigned i = 0; i <= TCP_SYN_TRIES; i++) {
        struct tcp_half *half;

        while ((half = first_of(&server->half_open[i])) != NULL) {
            stack->stats.tcp_resets_out++;
            half_send(stack, half, TCP_RST | TCP_ACK);
            half_end(stack, half);
        }
    }
}

static unsigned row_check(struct net_stack *stack, const struct server *server,
                          unsigned tries)
{
    uint64_t at = stack->half_timer.at;
    unsigned count = 0;

    list_for_each (node, &server->half_open[tries]) {
        const struct tcp_half *half = container_of(node, struct tcp_half, link);
        const struct flow flow = flow_of(half);

        assert(half->server == server);
        assert(half->tries == tries);
        assert(half->lport == server->port && half->rport != 0);
        assert(half_find(stack, &flow) == half); /* not twice */
        assert(conn_find(stack, &flow) == NULL);
        assert(at <= due_at(stack, half));
        at = due_at(stack, half);
        count++;
    }
    return count;
}

void halves_check(const struct net_stack *stack)
{
    unsigned all = 0;

    list_for_each (node, &stack->listeners) {
        const struct server *server = container_of(node, struct server, link);
        unsigned count = 0;

        for (unsigned i = 0; i <= TCP_SYN_TRIES; i++)
            count += row_check((struct net_stack *)stack, server, i);
        assert(count == server->half_open_count);
        all += count;
    }
    assert(all == stack->half_open_count);
}
