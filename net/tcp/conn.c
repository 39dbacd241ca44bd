/* TCP connections: created, found, ended and freed. */
#include "net/tcp/conn.h"
#include "kernel/lib/bytes.h"
#include "net/socket.h"
#include "net/stack.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

static noinline uint64_t hash_anew(struct net_stack *stack,
                                   const struct flow *flow)
{
    stack->hashed = *flow;
    stack->hash = flow_hash(&stack->isn_key, flow);
    return stack->hash;
}

uint64_t conn_hash(struct net_stack *stack, const struct flow *flow)
{
    return likely(flow_equal(&stack->hashed, flow)) ? stack->hash
                                                    : hash_anew(stack, flow);
}

static uint32_t stamp_clock(const struct net_stack *stack)
{
    return stack->now_ms;
}

/* RFC 7323, 5.4: the clock of each flow begins anywhere. */
static uint32_t stamp_offset(uint32_t hash)
{
    return hash << 16;
}

uint32_t stack_stamp(struct net_stack *stack, const struct flow *flow)
{
    return stamp_clock(stack) +
           stamp_offset((uint32_t)(conn_hash(stack, flow) >> 32));
}

uint32_t conn_stamp(const struct tcp_conn *conn)
{
    return stamp_clock(conn->stack) + stamp_offset(conn->hash);
}

/* The largest payload we may send, given the peer's MSS option (0: none). */
static uint16_t mss_choose(const struct tcp_conn *conn, uint16_t offered)
{
    uint16_t mss = offered != 0 ? offered : tcp_mss_default(&conn->flow);

    return (uint16_t)min_u32(max_u32(mss, TCP_MSS_MIN),
                             tcp_link_mss(conn->stack, &conn->flow));
}

void conn_set_iss(struct tcp_conn *conn, uint32_t iss)
{
    conn->snd_una = iss;
    conn->snd_max = iss + 1;
}

/* A clock with a period of 4 us, plus a keyed hash of the flow. */
uint32_t stack_iss(struct net_stack *stack, const struct flow *flow)
{
    return (uint32_t)(stack->now / 4000 + conn_hash(stack, flow));
}

struct tcp_conn *conn_new(struct net_stack *stack, const struct flow *flow,
                          uint32_t iss)
{
    struct tcp_conn *conn = mem_alloc_zeroed(sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->stack = stack;
    conn->flow = *flow;
    alarm_init(conn);
    conn->state = TCP_SYN_SENT;
    conn->hash = (uint32_t)(conn_hash(stack, flow) >> 32);
    conn_set_iss(conn, iss);
    conn->rto_ms = TCP_RTO_FIRST_MS;
    conn->progress_ms = conn_now_ms(conn);
    conn->rack.sent_us = conn_now_us(conn);
    conn->challenge_ms = (uint16_t)(conn_now_ms(conn) - TCP_CHALLENGE_MS);
    list_init(&conn->blocked_link);
    list_init(&conn->state_link);
    conn_insert(conn);
    return conn;
}

void conn_take_syn(struct tcp_conn *conn, const struct tcp_half *half)
{
    uint32_t window = conn->rcv_adv - conn->rcv_nxt;
    bool has_scale = half->scale != TCP_SCALE_NONE;

    conn->has_ecn = half->has_ecn;
    conn->has_sack = half->has_sack;
    conn->has_stamps = half->has_stamps;
    conn->stamp_recent = half->stamp_recent;
    conn->mss =
        (uint16_t)(mss_choose(conn, half->mss) - conn_options_len(conn));
    conn->snd_scale = has_scale ? half->scale : 0;
    conn->rcv_scale = has_scale ? TCP_SCALE : 0;
    conn->snd_wnd = half->snd_wnd; /* never scaled in a SYN */
    conn->snd_wnd_max = half->snd_wnd;
    conn->irs = half->irs;
    conn->rcv_nxt = half->irs + 1;
    conn->rcv_adv = conn->rcv_nxt + window;
    conn->rcv_acked = conn->rcv_nxt;
}

/* Take the connection out of the list and the counter of its state. */
static void state_leave(struct tcp_conn *conn)
{
    list_remove(&conn->state_link);
    if (conn->is_orphan)
        conn->stack->orphan_count--;
    else if (conn->server != NULL && conn->state != TCP_SYN_RECEIVED)
        places_count(conn, -1);
}

void conn_establish(struct tcp_conn *conn)
{
    struct server *server = conn->server;

    assert(conn->state == TCP_SYN_RECEIVED || conn->state == TCP_SYN_SENT);
    assert(conn->socket != NULL);
    state_leave(conn);
    conn->state = TCP_ESTABLISHED;
    conn->stack->stats.tcp_opened++;
    alarm_clear(conn, TCP_ALARM_REXMIT);
    if (conn->backoff == 0)
        ack_measure(conn, (conn_now_us(conn) - conn->rack.sent_us) * NS_PER_US);
    else
        conn->rto_ms = 3000; /* RFC 6298, 5.7 */
    ack_init(conn);
    conn->active_ms = conn_now_ms(conn);
    conn->useful_ms = conn_now_ms(conn);
    if (server == NULL)
        return;
    places_count(conn, 1);
    list_push_back(&server->open, &conn->state_link);
    if (server_idle_ns(server) != 0)
        alarm_set_idle(conn, conn_now(conn) + server_idle_ns(server));
}

void conn_leave_server(struct tcp_conn *conn)
{
    assert(conn->state >= TCP_ESTABLISHED && !conn->is_orphan);
    state_leave(conn);
    list_init(&conn->state_link);
    conn->server = NULL;
}

/* The connection, which counts nowhere any more, ends. */
static void conn_die(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    conn->state = TCP_CLOSED;
    wheel_cancel(&conn->timer);
    conn_hide(conn);
    list_remove(&conn->blocked_link);
    list_push_back(&stack->dead, &conn->state_link);
    send_queue_release(&conn->tx, &stack->budget);
    net_buffer_release(&conn->rx, &stack->budget);
    if (conn->reorder != NULL)
        reorder_free(conn);
    share_shrunk(conn);
    board_free(conn);
    if (conn->loss != NULL)
        loss_free(conn);
    if (conn->tuning != NULL)
        mem_free(conn->tuning);
    conn->tuning = NULL;
    if (conn->mtu != NULL)
        mtu_free(conn);
}

/* TIME-WAIT goes on without the connection, which counts nowhere any more. */
static void time_wait_begin(struct tcp_conn *conn)
{
    conn_die(conn);
    wait_begin(conn);
}

void conn_orphan(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    assert(conn->socket == NULL && conn->fin_wanted && !conn->is_orphan);
    state_leave(conn);
    if (conn->state == TCP_TIME_WAIT) {
        time_wait_begin(conn);
        return;
    }
    conn->is_orphan = true;
    conn->discarded = 0;
    conn->orphan_mark = conn->snd_una;
    stack->orphan_count++;
    list_push_back(&stack->orphans, &conn->state_link);
    if (stack->orphan_count > stack->orphan_max) {
        stack->stats.tcp_timeouts++;
        conn_reset(
            container_of(stack->orphans.next, struct tcp_conn, state_link));
    }
}

void conn_end(struct tcp_conn *conn)
{
    assert(conn->state != TCP_CLOSED);
    assert(conn->socket == NULL);
    state_leave(conn);
    conn_die(conn);
}

void conn_reset(struct tcp_conn *conn)
{
    tcp_send_reset(conn);
    conn_end(conn);
}

void conn_fail(struct tcp_conn *conn, int error)
{
    struct socket *socket = conn->socket;

    conn->socket = NULL;
    conn_end(conn);
    if (socket != NULL)
        socket_detach(socket, error);
}

void conn_time_wait(struct tcp_conn *conn)
{
    assert(conn->state == TCP_FIN_WAIT_2 || conn->state == TCP_CLOSING);
    if (conn->is_orphan) {
        state_leave(conn);
        time_wait_begin(conn);
        return;
    }
    alarm_clear(conn, TCP_ALARM_ACK); /* the peer will send its FIN again */
    list_remove(&conn->blocked_link);
    alarm_clear(conn, TCP_ALARM_REORDER);
    conn->state = TCP_TIME_WAIT;
    alarm_set(conn, TCP_ALARM_LIFE, conn_now(conn) + TCP_TIME_WAIT_NS);
}

void conn_free_dead(struct net_stack *stack)
{
    struct list *node;

    while ((node = list_pop_front(&stack->dead)) != NULL) {
        mem_free(container_of(node, struct tcp_conn, state_link));
        stack->conn_count--;
    }
}

/* `local` is one or NULL: all. */
static void on_address_lost(struct tcp_conn *conn, void *local)
{
    if (local == NULL || addr_equal(&conn->flow.local, local))
        conn_fail(conn, -ECONNRESET);
}

void tcp_address_lost(struct net_stack *stack, const struct net_addr *local)
{
    struct net_addr lost;

    if (local != NULL)
        lost = *local;
    conn_visit_all(stack, on_address_lost, local != NULL ? &lost : NULL);
    waits_lose(stack, local);
    halves_lose(stack, local);
    tcp_reap(stack);
}

void tcp_fini(struct net_stack *stack)
{
    tcp_address_lost(stack, NULL);
}
