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

/* Who listens for a flow, or NULL. */
static struct server *server_find(struct net_stack *stack,
                                  const struct flow *flow)
{
    list_for_each (node, &stack->listeners) {
        struct server *server = container_of(node, struct server, link);

        if (server->port == flow->lport && server->is_listening &&
            (addr_is_none(&server->local) ||
             addr_equal(&server->local, &flow->local)))
            return server;
    }
    return NULL;
}

/* RFC 9293, 3.10.7.2. Data in the SYN are not acknowledged, so the peer sends
 * them again. `last`: what listen_again() was told, or NULL. */
static void syn_receive(struct net_stack *stack, struct server *server,
                        const struct flow *flow,
                        const struct tcp_segment *segment, const uint32_t *last)
{
    struct tcp_conn *conn;

    if (!places_expected(stack, server, flow))
        return;
    if (server->half_open_count >= server->half_open_max) {
        if (last == NULL) {
            cookie_send(stack, server, flow, segment);
            return;
        }
        /* A cookie cannot be behind `last`. */
        conn_end(
            container_of(server->half_open.next, struct tcp_conn, state_link));
    }
    conn = conn_create(stack, server, flow, segment);
    if (conn == NULL) {
        stack->stats.tcp_no_memory++;
        return;
    }
    if (last != NULL && seq_le(conn->snd_una, *last)) /* RFC 9293, 3.6.1 */
        conn_set_iss(conn, *last + UINT16_MAX);
    tcp_send_syn(conn);
    rexmit_start(conn);
}

void listen_again(struct net_stack *stack, const struct flow *flow,
                  const struct tcp_segment *segment, uint32_t last)
{
    struct server *server = server_find(stack, flow);

    if (server != NULL)
        syn_receive(stack, server, flow, segment, &last);
}

bool listen_wants(struct net_stack *stack, const struct flow *flow)
{
    return server_find(stack, flow) != NULL;
}

struct tcp_conn *listen_cookie(struct net_stack *stack, const struct flow *flow,
                               const struct tcp_segment *segment)
{
    struct server *server;

    if ((segment->flags & (TCP_RST | TCP_ACK)) != TCP_ACK)
        return NULL;
    server = server_find(stack, flow);
    if (server == NULL)
        return NULL;
    return cookie_receive(stack, server, flow, segment);
}

void listen_receive(struct net_stack *stack, const struct flow *flow,
                    const struct tcp_segment *segment)
{
    struct server *server = server_find(stack, flow);

    if ((segment->flags & TCP_RST) != 0)
        return;
    if (server == NULL || (segment->flags & TCP_ACK) != 0)
        tcp_refuse(stack, flow, segment);
    else if ((segment->flags & (TCP_SYN | TCP_FIN)) == TCP_SYN)
        syn_receive(stack, server, flow, segment, NULL);
}

bool listen_established(struct tcp_conn *conn)
{
    struct server *server = conn->server;

    /* Other handshakes were faster: stay half open. The peer retransmits, and
     * by then there may be a place. */
    if (!places_make(conn->stack, server, &conn->flow))
        return false;
    conn->socket = server->client->create(server, conn);
    if (conn->socket == NULL) {
        conn->stack->stats.tcp_no_memory++;
        conn_reset(conn);
        return false;
    }
    conn_establish(conn);
    return true;
}

void tcp_unlisten(struct server *server)
{
    struct net_stack *stack = NULL;

    while (!list_empty(&server->half_open)) {
        struct tcp_conn *conn =
            container_of(server->half_open.next, struct tcp_conn, state_link);

        stack = conn->stack;
        conn_reset(conn);
    }
    if (stack != NULL)
        tcp_reap(stack);
}
