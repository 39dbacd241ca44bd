/*
 * TCP timeouts. A connection has several alarms but one timeout in the stack's
 * wheel. Alarms are set and cleared with every segment; the timeout moves only
 * when an alarm is due before it. When it expires before any alarm is due, it
 * is set to the earliest one.
 *
 * An alarm is a number of us modulo 2^32, 71 minutes. That is enough since the
 * timeout, whose time is whole, is never later, and no alarm is set more than
 * ALARM_MAX_NS ahead.
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

#define ALARM_MAX_NS (30 * 60 * NS_PER_S)

__attribute__((cold)) uint64_t alarm_at(const struct tcp_conn *conn,
                                        enum tcp_alarm which)
{
    int64_t left = (int32_t)(conn->alarm[which] - conn_now_us(conn));

    if (!alarm_is_set(conn, which))
        return TIME_NEVER;
    return (conn_now(conn) / NS_PER_US + (uint64_t)left) * NS_PER_US;
}

static __attribute__((cold)) uint64_t
alarm_earliest(const struct tcp_conn *conn)
{
    uint64_t earliest = TIME_NEVER;

    for (unsigned i = 0; i < TCP_ALARM_COUNT; i++)
        earliest = min_u64(earliest, alarm_at(conn, (enum tcp_alarm)i));
    return earliest;
}

/* None is due before `from`; those that have been since are due now, however
 * long ago that was: the machine may have stood still. */
static __attribute__((cold)) void alarms_renew(struct tcp_conn *conn,
                                               uint64_t from)
{
    uint64_t from_us = from / NS_PER_US;
    uint64_t passed = conn_now(conn) / NS_PER_US - from_us;

    for (unsigned i = 0; i < TCP_ALARM_COUNT; i++) {
        if (conn->alarm[i] - (uint32_t)from_us <= passed)
            conn->alarm[i] = conn_now_us(conn);
    }
}

/* Let the wheel turn at `at`, or earlier. */
static void wheel_call(struct net_stack *stack, uint64_t at)
{
    int error = timer_set(&stack->wheel_timer, at);

    assert(error == 0); /* moving a timer that is set never fails */
}

noinline void timeout_move(struct net_stack *stack, struct wheel_timer *timer,
                           uint64_t at)
{
    wheel_set(&stack->wheel, timer, at);
    if (at < stack->wheel_timer.deadline_ns)
        wheel_call(stack, at);
}

void alarm_set(struct tcp_conn *conn, enum tcp_alarm which, uint64_t at)
{
    uint64_t us = (at + NS_PER_US - 1) / NS_PER_US;

    conn->alarm[which] = (uint32_t)us;
    conn->armed |= (uint8_t)(1U << which);
    if (us * NS_PER_US < conn->timer.at)
        timeout_move(conn->stack, &conn->timer, us * NS_PER_US);
}

__attribute__((cold)) void alarm_set_idle(struct tcp_conn *conn, uint64_t at)
{
    if (at == TIME_NEVER)
        alarm_clear(conn, TCP_ALARM_IDLE);
    else
        alarm_set(conn, TCP_ALARM_IDLE,
                  min_u64(at, conn_now(conn) + ALARM_MAX_NS));
}

/* What is left of the user timeout, at least a little. */
static __attribute__((cold)) uint64_t
until_given_up(const struct tcp_conn *conn)
{
    uint64_t silent = conn_since_ns(conn, conn->progress_ms);
    uint64_t limit = conn_give_up_ns(conn);

    return max_u64(limit, silent + NS_PER_MS) - silent;
}

void rexmit_start(struct tcp_conn *conn)
{
    uint64_t delay =
        min_u64(conn_rto_ns(conn) << conn->backoff, TCP_RTO_MAX_NS);
    uint64_t probe = tlp_delay(conn);

    conn->tlp_due = probe < delay;
    if (conn->tuning != NULL && conn->tuning->user_timeout_ns != 0 &&
        !conn->is_probing)
        delay = min_u64(delay, until_given_up(conn));
    alarm_set(conn, TCP_ALARM_REXMIT, conn_now(conn) + min_u64(delay, probe));
}

/* Not 0 after the first timeout, however long that was. */
static void backoff_increase(struct tcp_conn *conn)
{
    if (conn_rto_ns(conn) << conn->backoff <= TCP_RTO_MAX_NS)
        conn->backoff++;
}

static __attribute__((cold)) void give_up(struct tcp_conn *conn)
{
    conn->stack->stats.tcp_timeouts++;
    tcp_send_reset(conn);
    conn_fail(conn, -ETIMEDOUT);
}

/* Whether the peer has been silent for too long. */
static bool is_over(const struct tcp_conn *conn)
{
    return conn_since_ns(conn, conn->progress_ms) >= conn_give_up_ns(conn);
}

/*
 * Window probe (RFC 9293, 3.8.6.1): send as much as the window takes, at least
 * one byte, so that the peer tells us when it has opened its window. Goes on as
 * long as the peer answers.
 */
static __attribute__((cold)) void window_probe(struct tcp_conn *conn)
{
    uint32_t len = max_u32(conn->snd_wnd, 1);

    backoff_increase(conn);
    tcp_resend(conn, conn->snd_una, len);
    rexmit_start(conn);
}

/* RFC 6298, section 5.4 to 5.6; and RFC 5681, section 3.1, equation 4: ssthresh
 * is set at the first timeout, not at those that follow while the timer is
 * backed off. */
static __attribute__((cold)) void rexmit_timeout(struct tcp_conn *conn)
{
    if (conn->backoff == 0) {
        undo_save(conn);
        conn->stack->cc->timeout(conn);
        ecn_reduced(conn);
    }
    /* The peer may have dropped what it had (RFC 2018, 8). */
    if (conn->backoff > 0 || board_first_is_sacked(conn))
        board_set(conn, TCP_RUN_SACKED, false);
    board_lose(conn, true);
    mtu_timeout(conn);
    conn->cwnd = conn->mss;
    conn->recover = conn->snd_max;
    conn->is_recovering = false;
    conn->dup_acks = 0;
    conn->tlp_sent = false;
    backoff_increase(conn);
    conn_output(conn);
    rexmit_start(conn);
}

static __attribute__((cold)) void on_rexmit(struct tcp_conn *conn)
{
    if (conn->state < TCP_ESTABLISHED)
        conn->stack->tcp_active->timeout(conn);
    else if (is_over(conn))
        give_up(conn);
    else if (conn->is_probing)
        window_probe(conn);
    else if (conn->tlp_due)
        tlp_send(conn);
    else
        rexmit_timeout(conn);
}

/* When the service is to be told that the connection is idle; when it is, it is
 * told. */
static __attribute__((cold)) uint64_t service_idle(struct tcp_conn *conn,
                                                   uint64_t idle)
{
    uint64_t quiet = conn_since_ns(conn, conn->active_ms);

    if (quiet >= idle) {
        socket_notify(conn->socket, SOCKET_TIMEOUT);
        conn->active_ms = conn_now_ms(conn); /* again after another idle_ns */
        quiet = 0;
    }
    return conn_now(conn) + idle - quiet;
}

static __attribute__((cold)) void on_idle(struct tcp_conn *conn)
{
    uint64_t idle = server_idle_ns(conn->server);
    uint64_t at = TIME_NEVER;

    assert(conn->socket != NULL); /* tcp_close() clears the alarm */
    if (conn->loss != NULL && conn_flight(conn) == 0)
        loss_free(conn);
    if (idle != 0)
        at = service_idle(conn, idle);
    if (conn->tuning != NULL && conn->tuning->keep_idle_ns != 0)
        at = min_u64(at, conn->tuning->keep(conn));
    if (conn->state != TCP_CLOSED)
        alarm_set_idle(conn, at);
}

static __attribute__((cold)) void on_life(struct tcp_conn *conn)
{
    if (conn->state == TCP_TIME_WAIT && conn->rx.used > 0)
        alarm_set(conn, TCP_ALARM_LIFE, /* its socket is still to be read */
                  conn_now(conn) + TCP_TIME_WAIT_NS);
    else if (conn->state == TCP_TIME_WAIT)
        conn_fail(conn, -EPIPE);
    else
        give_up(conn);
}

static __attribute__((cold)) void alarm_expire(struct tcp_conn *conn,
                                               enum tcp_alarm which)
{
    switch (which) {
    case TCP_ALARM_REXMIT:
        on_rexmit(conn);
        break;
    case TCP_ALARM_ACK:
        tcp_send_ack(conn);
        break;
    case TCP_ALARM_IDLE:
        on_idle(conn);
        break;
    case TCP_ALARM_LIFE:
        on_life(conn);
        break;
    case TCP_ALARM_REORDER:
        recover_reordered(conn);
        break;
    case TCP_ALARM_RETRY:
        conn_check_room(conn);
        break;
    case TCP_ALARM_COUNT:
        break;
    }
}

__attribute__((cold)) void time_wait_call(struct net_stack *stack)
{
    timeout_move(stack, &stack->time_wait_timer, waits_expire(stack));
}

static __attribute__((cold)) void
timeout_run(struct wheel *wheel, struct wheel_timer *timer, uint64_t at)
{
    struct net_stack *stack = container_of(wheel, struct net_stack, wheel);
    struct tcp_conn *conn = container_of(timer, struct tcp_conn, timer);
    uint64_t earliest;

    if (timer == &stack->time_wait_timer) {
        time_wait_call(stack);
        return;
    }
    if (timer == &stack->half_timer) {
        timeout_move(stack, timer, halves_expire(stack));
        return;
    }
    alarms_renew(conn, at);
    for (unsigned i = 0; i < TCP_ALARM_COUNT; i++) {
        enum tcp_alarm which = (enum tcp_alarm)i;

        if (alarm_at(conn, which) > stack->now)
            continue;
        alarm_clear(conn, which);
        alarm_expire(conn, which);
        if (conn->state == TCP_CLOSED)
            return;
    }
    earliest = alarm_earliest(conn);
    if (earliest != timer->at)
        wheel_set(wheel, timer, earliest);
}

static void wheel_expire(struct timer *timer)
{
    struct net_stack *stack =
        container_of(timer, struct net_stack, wheel_timer);

    stack_tick(stack);
    /* First, so that what runs can move it: its place in the queue has just
     * become free, so this does not fail. */
    wheel_call(stack, TIME_NEVER);
    wheel_call(stack, wheel_turn(&stack->wheel, stack->now));
    tcp_reap(stack);
}

__attribute__((cold)) int tcp_timers_init(struct net_stack *stack)
{
    wheel_init(&stack->wheel, net_now(stack), timeout_run);
    wheel_timer_init(&stack->time_wait_timer);
    wheel_timer_init(&stack->half_timer);
    stack->cc = &tcp_cubic;
    timer_init(&stack->wheel_timer, wheel_expire);
    return timer_set(&stack->wheel_timer, TIME_NEVER);
}

__attribute__((cold)) void alarm_init(struct tcp_conn *conn)
{
    wheel_timer_init(&conn->timer);
    conn->armed = 0;
}
