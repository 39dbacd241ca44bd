/*
 * Segments for no connection, and connections being made. What has not answered
 * our SYN-ACK yet costs one struct tcp_conn and no buffers; there are at most
 * half_open_max of them for a service, and a newer one takes the place of the
 * oldest, so that a flood of SYNs cannot shut real clients out for long.
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp.h"

static struct server *server_find(struct net_stack *stack, uint16_t port)
{
    list_for_each (node, &stack->listeners) {
        struct server *server = container_of(node, struct server, link);

        if (server->service->port == port && server->is_listening)
            return server;
    }
    return NULL;
}

static void half_open_make_room(struct server *server)
{
    struct tcp_conn *oldest;

    if (server->half_open_count < server->half_open_max)
        return;
    oldest = container_of(server->half_open.next, struct tcp_conn, state_link);
    server->stack->stats.tcp_half_open_dropped++;
    conn_end(oldest, -ETIMEDOUT);
}

/* RFC 9293, 3.10.7.2. Data that came with the SYN is not acknowledged, so the
 * peer sends it again. */
static void syn_receive(struct net_stack *stack, struct server *server,
                        uint32_t remote, const struct tcp_segment *segment)
{
    struct tcp_conn *conn;

    if (server->conn_count >= server->backlog) {
        stack->stats.tcp_backlog_full++;
        return;
    }
    half_open_make_room(server);
    conn = conn_create(stack, server, remote, segment);
    if (conn == NULL) {
        stack->stats.tcp_no_memory++;
        return;
    }
    tcp_send_syn_ack(conn);
    rexmit_start(conn);
}

void listen_receive(struct net_stack *stack, uint32_t remote,
                    const struct tcp_segment *segment)
{
    struct server *server = server_find(stack, segment->dst_port);

    if ((segment->flags & TCP_RST) != 0)
        return;
    if (server == NULL || (segment->flags & TCP_ACK) != 0) {
        tcp_refuse(stack, remote, segment);
        return;
    }
    if ((segment->flags & (TCP_SYN | TCP_FIN)) == TCP_SYN)
        syn_receive(stack, server, remote, segment);
}

bool listen_established(struct tcp_conn *conn)
{
    struct server *server = conn->server;
    uint64_t now = net_now(conn->stack);

    /* Full meanwhile: stay half open, the peer's data comes again. */
    if (server->conn_count >= server->backlog) {
        conn->stack->stats.tcp_backlog_full++;
        return false;
    }
    conn->socket = socket_create(server, conn);
    if (conn->socket == NULL) {
        conn->stack->stats.tcp_no_memory++;
        conn_reset(conn, -ENOMEM);
        return false;
    }
    conn_establish(conn);
    alarm_clear(conn, TCP_ALARM_REXMIT);
    if (conn->backoff == 0)
        ack_measure(conn, now - conn->progress_at);
    else
        conn->rto_ns = 3 * NS_PER_S; /* RFC 6298, 5.7 */
    ack_init(conn);
    conn->active_at = now;
    if (server->service->idle_ns != 0)
        alarm_set(conn, TCP_ALARM_IDLE, now + server->service->idle_ns);
    return true;
}
