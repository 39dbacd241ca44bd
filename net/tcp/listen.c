/*
 * Segments that belong to no connection, and the end of the handshake.
 *
 * A connection whose SYN-ACK was not acknowledged yet is half open. It costs a
 * struct tcp_conn and no buffers. A service has at most half_open_max of them;
 * SYNs beyond that are answered with SYN cookies (cookie.c).
 */
#include "net/socket.h"
#include "net/stack.h"
#include "net/tcp/conn.h"

/* The service that listens on `port`, or NULL. */
static struct server *server_find(struct net_stack *stack, uint16_t port)
{
    list_for_each (node, &stack->listeners) {
        struct server *server = container_of(node, struct server, link);

        if (server->service->port == port && server->is_listening)
            return server;
    }
    return NULL;
}

/* RFC 9293, 3.10.7.2. Data in the SYN are not acknowledged, so the peer sends
 * them again. */
static void syn_receive(struct net_stack *stack, struct server *server,
                        uint32_t remote, const struct tcp_segment *segment)
{
    struct tcp_conn *conn;

    if (server->conn_count >= server->backlog) {
        stack->stats.tcp_backlog_full++;
        return;
    }
    if (server->half_open_count >= server->half_open_max) {
        cookie_send(stack, server, remote, segment);
        return;
    }
    conn = conn_create(stack, server, remote, segment);
    if (conn == NULL) {
        stack->stats.tcp_no_memory++;
        return;
    }
    tcp_send_syn_ack(conn);
    rexmit_start(conn);
}

struct tcp_conn *listen_receive(struct net_stack *stack, uint32_t remote,
                                const struct tcp_segment *segment)
{
    struct server *server = server_find(stack, segment->dst_port);
    struct tcp_conn *conn = NULL;

    if ((segment->flags & TCP_RST) != 0)
        return NULL;
    if (server != NULL && (segment->flags & TCP_ACK) != 0)
        conn = cookie_receive(stack, server, remote, segment);
    if (conn != NULL)
        return conn;
    if (server == NULL || (segment->flags & TCP_ACK) != 0)
        tcp_refuse(stack, remote, segment);
    else if ((segment->flags & (TCP_SYN | TCP_FIN)) == TCP_SYN)
        syn_receive(stack, server, remote, segment);
    return NULL;
}

bool listen_established(struct tcp_conn *conn)
{
    struct server *server = conn->server;
    uint64_t now = net_now(conn->stack);

    /* Other handshakes were faster: stay half open. The peer retransmits, and
     * by then there may be a place. */
    if (server->conn_count >= server->backlog) {
        conn->stack->stats.tcp_backlog_full++;
        return false;
    }
    conn->socket = socket_create(server, conn, conn->remote, conn->remote_port);
    if (conn->socket == NULL) {
        conn->stack->stats.tcp_no_memory++;
        conn_reset(conn);
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
