/* TCP connections: how they come into being and end, and the socket's calls. */
#include "kernel/lib/bytes.h"
#include "kernel/lib/check.h"
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/memory.h>

enum { TUPLE_SIZE = 12 };

static uint64_t tuple_hash(const struct net_stack *stack,
                           const struct siphash_key *key, uint32_t remote,
                           uint16_t remote_port, uint16_t local_port)
{
    uint8_t tuple[TUPLE_SIZE];

    be32_put(tuple, stack->config.address);
    be32_put(tuple + 4, remote);
    be16_put(tuple + 8, local_port);
    be16_put(tuple + 10, remote_port);
    return siphash(key, tuple, sizeof(tuple));
}

static struct list *bucket_of(struct net_stack *stack, uint32_t remote,
                              uint16_t remote_port, uint16_t local_port)
{
    uint64_t hash =
        tuple_hash(stack, &stack->hash_key, remote, remote_port, local_port);

    return &stack->conns[hash & (STACK_CONN_BUCKETS - 1)];
}

struct tcp_conn *conn_find(struct net_stack *stack, uint32_t remote,
                           uint16_t remote_port, uint16_t local_port)
{
    struct list *bucket = bucket_of(stack, remote, remote_port, local_port);

    list_for_each (node, bucket) {
        struct tcp_conn *conn = container_of(node, struct tcp_conn, hash_link);

        if (conn->remote == remote && conn->remote_port == remote_port &&
            conn->local_port == local_port)
            return conn;
    }
    return NULL;
}

/* RFC 6528: a clock of 4 us plus a keyed hash of the connection's name. */
static uint32_t initial_sequence(const struct net_stack *stack,
                                 const struct tcp_conn *conn)
{
    uint64_t hash = tuple_hash(stack, &stack->isn_key, conn->remote,
                               conn->remote_port, conn->local_port);

    return (uint32_t)(net_now(stack) / 4000 + hash);
}

/* The largest segment we may send: what the peer takes, and what fits. */
static uint16_t mss_choose(const struct net_stack *stack, uint16_t offered)
{
    uint16_t own =
        (uint16_t)(stack->dev->mtu - IP4_HEADER_SIZE - TCP_HEADER_SIZE);
    uint16_t mss = offered != 0 ? offered : TCP_MSS_DEFAULT;

    if (mss < TCP_MSS_MIN)
        mss = TCP_MSS_MIN;
    return mss < own ? mss : own;
}

void conn_set_iss(struct tcp_conn *conn, uint32_t iss)
{
    conn->iss = iss;
    conn->snd_una = iss;
    conn->snd_nxt = iss + 1;
    conn->snd_max = iss + 1;
}

struct tcp_conn *conn_create(struct net_stack *stack, struct server *server,
                             uint32_t remote, const struct tcp_segment *segment)
{
    struct tcp_conn *conn = mem_alloc_zeroed(sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->stack = stack;
    conn->server = server;
    conn->remote = remote;
    conn->remote_port = segment->src_port;
    conn->local_port = segment->dst_port;
    if (alarm_init(conn) != 0) {
        mem_free(conn);
        return NULL;
    }
    conn->state = TCP_SYN_RECEIVED;
    conn->mss = mss_choose(stack, segment->options.mss);
    if (segment->options.has_scale) {
        conn->snd_scale = segment->options.scale;
        conn->rcv_scale = TCP_SCALE;
    }
    conn_set_iss(conn, initial_sequence(stack, conn));
    conn->snd_wnd = segment->window; /* a SYN's is never scaled */
    conn->irs = segment->seq;
    conn->rcv_nxt = segment->seq + 1;
    conn->rcv_adv = conn->rcv_nxt;
    conn->rcv_acked = conn->rcv_nxt;
    conn->rto_ns = TCP_RTO_FIRST_NS;
    conn->progress_at = net_now(stack);
    conn->active_at = net_now(stack);
    list_init(&conn->blocked_link);
    list_push_back(&server->half_open, &conn->state_link);
    server->half_open_count++;
    list_push_front(
        bucket_of(stack, remote, conn->remote_port, conn->local_port),
        &conn->hash_link);
    stack->conn_count++;
    return conn;
}

void conn_establish(struct tcp_conn *conn)
{
    list_remove(&conn->state_link);
    conn->server->half_open_count--;
    conn->server->conn_count++;
    conn->is_counted = true;
    conn->state = TCP_ESTABLISHED;
    conn->stack->stats.tcp_opened++;
}

/* No longer one of the service's. */
static void conn_uncount(struct tcp_conn *conn)
{
    if (conn->state == TCP_SYN_RECEIVED)
        conn->server->half_open_count--;
    if (conn->is_counted)
        conn->server->conn_count--;
    conn->is_counted = false;
}

static void buffers_release(struct tcp_conn *conn)
{
    net_buffer_release(&conn->tx, &conn->stack->budget);
    net_buffer_release(&conn->rx, &conn->stack->budget);
}

void conn_end(struct tcp_conn *conn, int error)
{
    struct net_stack *stack = conn->stack;
    struct socket *socket = conn->socket;

    assert(conn->state != TCP_CLOSED);
    conn_uncount(conn);
    if (conn->state == TCP_TIME_WAIT)
        stack->time_wait_count--;
    conn->state = TCP_CLOSED;
    conn->socket = NULL;
    timer_cancel(&conn->timer);
    list_remove(&conn->hash_link);
    list_remove(&conn->blocked_link);
    list_remove(&conn->state_link);
    list_push_back(&stack->dead, &conn->state_link);
    buffers_release(conn);
    if (socket != NULL)
        socket_detach(socket, error);
}

void conn_reset(struct tcp_conn *conn, int error)
{
    tcp_send_reset(conn);
    conn_end(conn, error);
}

void conn_time_wait(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    conn_uncount(conn);
    buffers_release(conn);
    for (unsigned i = 0; i < TCP_ALARM_COUNT; i++)
        alarm_clear(conn, (enum tcp_alarm)i);
    conn->state = TCP_TIME_WAIT;
    list_remove(&conn->blocked_link);
    list_push_back(&stack->time_waits, &conn->state_link);
    stack->time_wait_count++;
    alarm_set(conn, TCP_ALARM_LIFE, net_now(stack) + TCP_TIME_WAIT_NS);
    if (stack->time_wait_count > stack->time_wait_max) {
        struct list *oldest = stack->time_waits.next;

        conn_end(container_of(oldest, struct tcp_conn, state_link), 0);
    }
}

void tcp_reap(struct net_stack *stack)
{
    struct list *node;

    while ((node = list_pop_front(&stack->dead)) != NULL) {
        mem_free(container_of(node, struct tcp_conn, state_link));
        stack->conn_count--;
    }
}

void tcp_fini(struct net_stack *stack)
{
    for (unsigned i = 0; i < STACK_CONN_BUCKETS; i++) {
        while (!list_empty(&stack->conns[i]))
            conn_end(
                container_of(stack->conns[i].next, struct tcp_conn, hash_link),
                -ECONNRESET);
    }
    tcp_reap(stack);
}

/* ---- The socket's calls -------------------------------------------------- */

int64_t tcp_read(struct tcp_conn *conn, void *buf, size_t size)
{
    uint32_t len = conn->rx.used;

    if (len == 0)
        return conn->fin_taken ? 0 : -EAGAIN;
    if (size < len)
        len = (uint32_t)size;
    net_buffer_peek(&conn->rx, 0, buf, len);
    net_buffer_drop(&conn->rx, len);
    if (conn->rx.used == 0 && conn->range_count == 0)
        net_buffer_release(&conn->rx, &conn->stack->budget);
    if (data_window_opened(conn))
        tcp_send_ack(conn);
    return len;
}

size_t tcp_write_room(const struct tcp_conn *conn)
{
    uint32_t limit = net_buffer_limit(&conn->tx, &conn->stack->budget);

    return limit - conn->tx.used;
}

int64_t tcp_write(struct tcp_conn *conn, const void *data, size_t size)
{
    size_t room = tcp_write_room(conn);
    uint32_t len = (uint32_t)(size < room ? size : room);

    if (net_buffer_reserve(&conn->tx, &conn->stack->budget,
                           conn->tx.used + len) != 0) {
        room = conn->tx.size - conn->tx.used; /* no memory: what is there */
        len = (uint32_t)(size < room ? size : room);
    }
    if (len < size) {
        conn->want_write = true;
        /* With nothing to be acknowledged only time can bring room. */
        if (conn->tx.used + len == 0)
            alarm_set(conn, TCP_ALARM_RETRY,
                      net_now(conn->stack) + TCP_RETRY_NS);
    }
    net_buffer_write(&conn->tx, conn->tx.used, data, len);
    net_buffer_commit(&conn->tx, len);
    if (len > 0)
        tcp_output(conn);
    return len;
}

/* A quarter of what the buffer may hold, so that the service is not called for
 * every segment that was acknowledged. */
void conn_check_room(struct tcp_conn *conn)
{
    uint32_t limit = net_buffer_limit(&conn->tx, &conn->stack->budget);

    if (!conn->want_write || conn->socket == NULL)
        return;
    if (limit == 0) {
        alarm_set(conn, TCP_ALARM_RETRY, net_now(conn->stack) + TCP_RETRY_NS);
        return;
    }
    if (limit - conn->tx.used < limit / 4)
        return;
    conn->want_write = false;
    socket_notify(conn->socket, SOCKET_WRITABLE);
}

/*
 * The service has closed. The rest of the send buffer and a FIN still go out;
 * what the peer sends meanwhile is taken and forgotten, so that it can read our
 * last words undisturbed (a reset would destroy them at its end).
 */
void tcp_close(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    conn->want_write = false;
    conn->fin_wanted = true;
    alarm_clear(conn, TCP_ALARM_IDLE);
    alarm_clear(conn, TCP_ALARM_RETRY);
    alarm_set(conn, TCP_ALARM_LIFE, net_now(stack) + TCP_ORPHAN_NS);
    conn->range_count = 0;
    net_buffer_release(&conn->rx, &stack->budget);
    assert(conn->state == TCP_ESTABLISHED || conn->state == TCP_CLOSE_WAIT);
    conn->state =
        conn->state == TCP_ESTABLISHED ? TCP_FIN_WAIT_1 : TCP_LAST_ACK;
    tcp_output(conn);
    tcp_reap(stack);
}

void tcp_abort(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;

    conn_reset(conn, -ECONNABORTED);
    tcp_reap(stack);
}
