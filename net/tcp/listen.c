/*
 * Segments that belong to no connection.
 *
 * A service has at most half_open_max half-open connections (half.c); SYNs
 * beyond that are answered with SYN cookies (cookie.c).
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
    if (!places_expected(stack, server, flow))
        return;
    if (server->half_open_count >= server->half_open_max) {
        if (last == NULL) {
            cookie_send(stack, server, flow, segment);
            return;
        }
        half_end_oldest(stack, server); /* no cookie can be behind `last` */
    }
    half_begin(stack, server, flow, segment, last);
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
