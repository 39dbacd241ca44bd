/* TCP: what sockets ask of a connection. */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>

const struct flow *tcp_flow(const struct tcp_conn *conn)
{
    return &conn->flow;
}

/* Both FINs are acknowledged, and the last byte was read (fin_acked()). */
static void read_done(struct tcp_conn *conn)
{
    if (!conn->fin_acked || conn->rx.used > 0)
        return;
    conn_fail(conn, -EPIPE);
    tcp_reap(conn->stack);
}

int64_t tcp_peek(const struct tcp_conn *conn, void *buf, size_t size)
{
    uint32_t len = conn->rx.used;

    if (size == 0)
        return -EINVAL; /* 0 would read as the end */
    if (len == 0)
        return conn->fin_taken ? 0 : -EAGAIN;
    len = (uint32_t)min_size(size, len);
    net_buffer_peek(&conn->rx, 0, buf, len);
    return len;
}

int64_t tcp_read(struct tcp_conn *conn, void *buf, size_t size)
{
    int64_t got = tcp_peek(conn, buf, size);
    uint32_t len = (uint32_t)got;

    if (got <= 0)
        return got;
    if (len == conn->rx.used)
        net_buffer_release(&conn->rx, &conn->stack->budget);
    else
        net_buffer_drop(&conn->rx, len);
    share_shrunk(conn);
    if (data_window_opened(conn)) {
        stack_tick(conn->stack);
        tcp_send_ack(conn);
    }
    read_done(conn);
    return len;
}

/* What the send buffer may hold: what two windows need, and not little; what
 * the peer has out of order is in it, too. */
static uint32_t write_limit(const struct tcp_conn *conn)
{
    uint32_t limit =
        min_u32(send_queue_limit(&conn->tx, &conn->stack->budget),
                share_limit(conn, (uint32_t)send_queue_size(&conn->tx)));
    uint32_t useful =
        max_u32(2 * conn->cwnd + conn->board.sacked, TCP_SEND_BUFFER);

    return max_u32(min_u32(limit, useful), conn->tx.used);
}

size_t tcp_write_room(const struct tcp_conn *conn)
{
    return conn->fin_wanted ? 0 : write_limit(conn) - conn->tx.used;
}

/* SOCKET_WRITABLE comes when there is room again. */
static void want_write(struct tcp_conn *conn)
{
    conn->want_write = true;
    conn->is_held = false; /* acknowledgements make room */
    /* No acknowledgement will come to make room: try again later. */
    if (conn->tx.used == 0)
        alarm_set(conn, TCP_ALARM_RETRY, net_now(conn->stack) + TCP_RETRY_NS);
}

bool tcp_has_room(struct tcp_conn *conn)
{
    /* Who could not put all of it in waits, also where there is room: it may
     * be memory that is missing, or a place for one more slice. */
    bool room =
        conn->fin_wanted || (!conn->want_write && tcp_write_room(conn) > 0);

    if (!room)
        want_write(conn);
    return room;
}

/* What the send queue has may have become more. */
static void tx_grown(struct tcp_conn *conn)
{
    if (unlikely(conn->tx.used > SHARE_SMALL || conn->held != 0))
        share_count(conn);
}

int64_t tcp_write(struct tcp_conn *conn, const void *data, size_t size)
{
    uint32_t len = (uint32_t)size;

    if (conn->fin_wanted)
        return -EPIPE;
    if (conn->state < TCP_ESTABLISHED)
        return 0; /* SOCKET_WRITABLE follows */
    if (conn->tx.used > 0 || size > NET_BUFFER_MIN) /* there is always so much,
                                                     * or no memory */
        len = (uint32_t)min_size(size, tcp_write_room(conn));
    len = send_queue_write(&conn->tx, &conn->stack->budget, data, len);
    tx_grown(conn);
    if (len < size)
        want_write(conn);
    tcp_output(conn);
    return len;
}

int64_t tcp_lend(struct tcp_conn *conn, const void *head, size_t head_len,
                 const struct slice *slices, unsigned count)
{
    struct net_budget *budget = &conn->stack->budget;
    uint64_t size = slices_len(slices, count);
    uint32_t taken = 0;
    uint32_t room;

    if (conn->fin_wanted)
        return -EPIPE;
    if (conn->state < TCP_ESTABLISHED)
        return 0; /* SOCKET_WRITABLE follows */
    room = conn->tx.used > 0 || head_len + size > NET_BUFFER_MIN
               ? (uint32_t)tcp_write_room(conn)
               : send_queue_room(&conn->tx, budget);
    if (head_len > 0) {
        taken = (uint32_t)min_size(head_len, room);
        taken = send_queue_write(&conn->tx, budget, head, taken);
    }
    if (taken == head_len) {
        room = min_u32(room - taken, send_queue_room(&conn->tx, budget));
        taken += send_queue_lend(&conn->tx, budget, slices, count,
                                 (uint32_t)min_u64(size, room));
    }
    tx_grown(conn);
    if (taken < head_len + size)
        want_write(conn);
    tcp_output(conn);
    return taken;
}

uint64_t tcp_time(struct tcp_conn *conn)
{
    return stack_time(conn->stack);
}

void tcp_hold(struct tcp_conn *conn)
{
    conn->is_held = true;
}

/* Room means a quarter of what the buffer may hold, so that the service is not
 * called for every segment that is acknowledged. */
__attribute__((cold)) void conn_check_room(struct tcp_conn *conn)
{
    uint32_t limit;

    if (!conn->want_write)
        return;
    limit = write_limit(conn);
    if (limit == 0) {
        alarm_set(conn, TCP_ALARM_RETRY, net_now(conn->stack) + TCP_RETRY_NS);
        return;
    }
    if (limit - conn->tx.used < limit / 4)
        return;
    conn->want_write = false;
    socket_notify(conn->socket, SOCKET_WRITABLE);
}

/* A FIN follows what is in the send buffer. */
static void send_end(struct tcp_conn *conn)
{
    conn->want_write = false;
    alarm_clear(conn, TCP_ALARM_RETRY);
    conn->fin_wanted = true;
    if (conn->state == TCP_ESTABLISHED)
        conn->state = TCP_FIN_WAIT_1;
    else if (conn->state == TCP_CLOSE_WAIT)
        conn->state = TCP_LAST_ACK;
}

/* RFC 9293, 3.10.5: no reset in SYN-SENT, nor when both FINs are acknowledged.
 */
static __attribute__((cold)) void conn_abort(struct tcp_conn *conn)
{
    conn->socket = NULL;
    if (conn->state == TCP_SYN_SENT || conn->state == TCP_TIME_WAIT ||
        conn->fin_acked)
        conn_end(conn);
    else
        conn_reset(conn);
}

/*
 * The rest of the send buffer and a FIN still go out. Data that the peer sends
 * meanwhile are acknowledged and dropped: answering them with a reset would
 * make the peer lose what it has received from us and not yet read.
 */
void conn_close(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    if (conn->state < TCP_ESTABLISHED || conn->fin_acked) {
        conn_abort(conn); /* nothing was sent; or all is done but the reading */
        return;
    }
    conn->socket = NULL;
    alarm_clear(conn, TCP_ALARM_IDLE);
    if (conn->state != TCP_TIME_WAIT)
        alarm_set(conn, TCP_ALARM_LIFE, stack->now + TCP_ORPHAN_NS);
    if (conn->reorder != NULL)
        reorder_free(conn);
    net_buffer_release(&conn->rx, &stack->budget);
    share_shrunk(conn);
    send_end(conn);
    conn_orphan(conn);
    if (conn->state != TCP_CLOSED && conn->state != TCP_TIME_WAIT)
        conn_output(conn);
}

void tcp_close(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    stack_tick(stack);
    conn_close(conn);
    tcp_reap(stack);
}

void tcp_shutdown(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    if (conn->fin_wanted)
        return;
    send_end(conn);
    tcp_output(conn);
    tcp_reap(stack);
}

__attribute__((cold)) void tcp_abort(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    stack_tick(stack);
    conn_abort(conn);
    tcp_reap(stack);
}

bool tcp_is_established(const struct tcp_conn *conn)
{
    return conn->state >= TCP_ESTABLISHED;
}

void tcp_accept(struct tcp_conn *conn)
{
    conn_leave_server(conn);
}

bool tcp_can_read(const struct tcp_conn *conn)
{
    return conn->rx.used > 0 || conn->fin_taken;
}
