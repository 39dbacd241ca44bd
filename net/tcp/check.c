/*
 * What must be true of a TCP connection between two events: segments, timeouts
 * and calls of its socket.
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

static bool state_in(const struct tcp_conn *conn, unsigned states)
{
    return (states & 1U << conn->state) != 0;
}

enum {
    HALF_OPEN = 1 << TCP_SYN_RECEIVED | 1 << TCP_SYN_SENT,
    OPEN = 1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT,
    FIN_RECEIVED = 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING |
                   1 << TCP_TIME_WAIT,
    ORPHANED = 1 << TCP_FIN_WAIT_1 | 1 << TCP_FIN_WAIT_2 | 1 << TCP_CLOSING |
               1 << TCP_LAST_ACK,
    HAS_SOCKET = OPEN | ORPHANED | 1 << TCP_TIME_WAIT, /* may have one */
    /* Our FIN is acknowledged, so nothing is left to send. */
    ALL_SENT = 1 << TCP_FIN_WAIT_2 | 1 << TCP_TIME_WAIT,
};

/* How the state, the socket and the FINs of both sides go together. */
static void state_check(const struct tcp_conn *conn)
{
    const struct server *server = conn->server;
    assert(conn->state > TCP_CLOSED && conn->state <= TCP_LAST_ACK);
    assert((conn->socket == NULL) == conn->is_orphan);
    assert(conn->socket == NULL || conn->socket->conn == conn);
    assert(!conn->is_orphan ||
           (conn->fin_wanted && conn->state != TCP_TIME_WAIT));
    assert(!state_in(conn, HALF_OPEN) || server == NULL);
    assert(conn->fin_wanted == !state_in(conn, OPEN | HALF_OPEN));
    assert(conn->fin_taken == state_in(conn, FIN_RECEIVED));
    assert(server == NULL || conn->flow.lport == server->port);
    assert(conn->flow.rport != 0 && conn->flow.lport != 0);
}

/* RFC 9293, 3.3.1: the send sequence space. */
static void send_check(const struct tcp_conn *conn)
{
    uint32_t flight = conn->snd_max - conn->snd_una;

    assert(seq_le(conn->snd_una, conn->snd_max));
    send_queue_check(&conn->tx);
    if (state_in(conn,
                 HALF_OPEN)) { /* the SYN is in flight, and nothing else */
        assert(conn->snd_max == conn->snd_una + 1 && conn->board.count == 0);
        assert(conn->tx.used == 0);
        return;
    }
    board_check((struct tcp_conn *)conn);
    assert(flight <= conn->tx.used + conn->fin_wanted);
    assert(!conn->fin_acked ||
           (conn->state == TCP_LAST_ACK && conn->rx.used > 0));
    if (state_in(conn, ALL_SENT) || conn->fin_acked)
        assert(flight == 0 && conn->tx.used == 0);
    assert(conn->snd_wnd <= conn->snd_wnd_max);
    assert(!conn->want_write || conn->socket != NULL);
}

/* RFC 5681, 6298, 6582. */
static void congestion_check(const struct tcp_conn *conn)
{
    uint32_t payload = conn->mss + conn_options_len(conn);

    assert(payload >= TCP_MSS_MIN &&
           payload <= tcp_link_mss(conn->stack, &conn->flow));
    assert(conn_rto_ns(conn) >= TCP_RTO_MIN_NS &&
           conn_rto_ns(conn) <= TCP_RTO_MAX_NS);
    assert(conn->backoff <= TCP_BACKOFF_MAX);
    if (state_in(conn, HALF_OPEN))
        return;
    assert(conn->cwnd >= conn->mss && conn->cwnd <= TCP_CWND_MAX);
    assert(conn->ssthresh >= 2U * conn->mss);
    assert(seq_le(conn->recover, conn->snd_max));
    assert(!conn->is_recovering || seq_lt(conn->snd_una, conn->recover));
    assert(conn->has_ecn || (!conn->ece_wanted && !conn->cwr_wanted));
    assert(!conn->has_ecn || seq_le(conn->cwr_end, conn->snd_max));
    assert(!conn->is_recovering || conn->has_sack ||
           conn->dup_acks >= TCP_DUP_ACKS);
    assert(conn->has_sack || conn->board.sacked == 0);
    assert(conn->rack_mult <= TCP_REORDER_MAX);
    assert(seq_le(conn->rack.end, conn->snd_max));
    assert(seq_le(conn->rack.fack, conn->snd_max));
    assert(!conn->is_recovering || !conn->has_sack || conn->loss == NULL ||
           conn->loss->prr.flight > 0);
    assert(!conn->tlp_sent || seq_le(conn->tlp_end, conn->snd_max));
}

/* The receive sequence space. */
static void receive_check(const struct tcp_conn *conn)
{
    uint32_t window = conn->rcv_adv - conn->rcv_nxt;

    assert(seq_le(conn->rcv_acked, conn->rcv_nxt));
    assert(seq_le(conn->rcv_nxt, conn->rcv_adv));
    assert(window <= (uint32_t)UINT16_MAX << conn->rcv_scale);
    assert(conn->rcv_scale == 0 || conn->rcv_scale == TCP_SCALE);
    net_buffer_check(&conn->rx);
    (void)reorder_check(conn);
    assert((conn->rx.base == NULL) == (conn->rx.used == 0));
    assert(conn->socket != NULL || conn->rx.base == NULL);
    assert(!conn->fin_taken || conn->fin_known);
    if (conn->fin_taken)
        assert(conn->rcv_nxt == conn->fin_seq + 1 && conn->reorder == NULL);
    else if (conn->fin_known)
        assert(seq_lt(conn->rcv_nxt, conn->fin_seq) &&
               seq_le(conn->fin_seq, conn->rcv_adv));
    assert(!conn->is_orphan || conn->discarded <= TCP_DISCARD_MAX);
}

/* Whether somebody wants to know that nothing happens. */
static bool watches_idle(const struct tcp_conn *conn)
{
    return server_idle_ns(conn->server) != 0 ||
           (conn->tuning != NULL && conn->tuning->keep_idle_ns != 0);
}

/* What is known of the path's MTU. */
static void mtu_check(const struct tcp_conn *conn)
{
    const struct tcp_mtu *search = conn->mtu;

    if (search == NULL)
        return;
    assert(conn->mss <= search->high && search->high <= search->max);
    if (search->probe != 0)
        assert(search->probe > conn->mss &&
               seq_lt(conn->snd_una, search->start + search->probe) &&
               seq_le(search->start + search->probe, conn->snd_max));
}

/* Nothing waits that no alarm will wake, and no alarm is left over. */
static void alarms_check(const struct tcp_conn *conn)
{
    bool in_flight = conn->snd_una != conn->snd_max;

    for (unsigned i = 0; i < TCP_ALARM_COUNT; i++)
        assert(conn->timer.at <= alarm_at(conn, i));
    assert(list_empty(&conn->timer.link) == (conn->timer.at == TIME_NEVER));
    assert(alarm_is_set(conn, TCP_ALARM_REXMIT) ==
           (in_flight || conn->is_probing));
    assert(!conn->is_probing || conn->tx.used > 0);
    assert(alarm_is_set(conn, TCP_ALARM_LIFE) ==
           (conn->is_orphan || conn->state == TCP_TIME_WAIT));
    assert(alarm_is_set(conn, TCP_ALARM_IDLE) ==
           (conn->socket != NULL && watches_idle(conn)));
    assert(!alarm_is_set(conn, TCP_ALARM_RETRY) || conn->socket != NULL);
    assert(!conn->want_write || conn->tx.used > 0 ||
           alarm_is_set(conn, TCP_ALARM_RETRY));
    if (conn->state == TCP_TIME_WAIT) {
        assert(!alarm_is_set(conn, TCP_ALARM_ACK));
        return;
    }
    assert(conn->rcv_nxt == conn->rcv_acked ||
           alarm_is_set(conn, TCP_ALARM_ACK));
    assert(!conn->ack_now || alarm_is_set(conn, TCP_ALARM_ACK));
}

void tcp_check(const struct tcp_conn *conn)
{
    state_check(conn);
    send_check(conn);
    congestion_check(conn);
    receive_check(conn);
    alarms_check(conn);
    mtu_check(conn);
}

/* ---- All of a stack ------------------------------------------------------ */

/* What a walk over the connections of a stack counts. */
struct tcp_census {
    const struct net_stack *stack;
    unsigned conns;
    unsigned open;
    unsigned orphans;
    unsigned timers;
    size_t buffer_bytes;
    unsigned lent;
    size_t held; /* KiB */
};

static void census_take(struct tcp_conn *conn, void *arg)
{
    struct tcp_census *census = arg;

    assert(conn->stack == census->stack);
    assert(conn->hash == conn_hash(conn->stack, &conn->flow) >> 32);
    assert(conn_find(conn->stack, &conn->flow) == conn); /* not twice */
    tcp_check(conn);
    census->conns++;
    census->timers += conn->timer.at != TIME_NEVER;
    census->open += conn->socket != NULL && conn->server != NULL;
    census->orphans += conn->is_orphan;
    census->buffer_bytes += send_queue_size(&conn->tx) +
                            net_buffer_size(&conn->rx) + reorder_check(conn);
    assert(conn->held == share_held(conn) ||
           (conn->held == 0 && conn->tx.used <= SHARE_SMALL));
    census->held += conn->held;
    census->lent += (unsigned)conn->rx.is_lent + conn->tx.ring.is_lent;
}

/* Whether all on a list of state_links are in one of `states`; how many there
 * are. */
static unsigned state_list_check(const struct list *list, unsigned states)
{
    unsigned count = 0;

    list_for_each (node, list) {
        assert(
            state_in(container_of(node, struct tcp_conn, state_link), states));
        count++;
    }
    return count;
}

void tcp_check_all(const struct net_stack *stack)
{
    struct tcp_census census = {.stack = stack};
    unsigned open = 0;

    conn_visit_all(stack, census_take, &census);
    for (unsigned i = 0; i < STACK_CONN_RECENT; i++)
        assert(stack->recent[i] == NULL ||
               stack->recent[i]->state != TCP_CLOSED);
    assert(list_empty(&stack->dead)); /* tcp_reap() was called */
    assert(stack->conn_count == census.conns);
    assert(wheel_check(&stack->wheel) ==
           census.timers + (stack->time_wait_timer.at != TIME_NEVER) +
               (stack->half_timer.at != TIME_NEVER));
    waits_check(stack);
    halves_check(stack);
    assert(timer_is_set(&stack->wheel_timer));
    assert(stack->orphan_count == census.orphans);
    assert(stack->orphan_count <= stack->orphan_max);
    assert(state_list_check(&stack->orphans, ORPHANED) == stack->orphan_count);
    (void)state_list_check(&stack->opening, HALF_OPEN);
    assert(stack->budget.used == census.buffer_bytes);
    assert(stack->budget.used <= stack->budget.limit);
    assert(stack->budget.lent == census.lent);
    for (unsigned row = 0; row < HELD_ROWS; row++) {
        size_t held = 0;

        for (unsigned i = 0; i < 1U << SOURCE_BITS; i++)
            held += stack->held[row][i];
        assert(held == census.held);
    }
    assert(stack->budget.lent <= stack->budget.lent_max);
    list_for_each (node, &stack->listeners) {
        const struct server *server = container_of(node, struct server, link);

        server_check(server);
        open += server->conn_count;
        assert(state_list_check(&server->open, HAS_SOCKET) ==
               server->conn_count);
    }
    assert(open == census.open);
    list_for_each (node, &stack->blocked)
        assert(container_of(node, struct tcp_conn, blocked_link)->state !=
               TCP_TIME_WAIT);
}
