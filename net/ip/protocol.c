/* The protocols above IP, and what they ask of either family. */
#include "net/icmp.h"
#include "net/ip.h"
#include "net/stack.h"
#include <torc/assert.h>

const struct ip_protocol *ip_protocol_find(const struct net_stack *stack,
                                           uint8_t number)
{
    for (unsigned i = 0; i < stack->protocol_count; i++) {
        if (stack->protocol[i]->number == number)
            return stack->protocol[i];
    }
    return NULL;
}

struct net_addr ip_source(const struct net_stack *stack,
                          const struct net_addr *remote)
{
    if (addr_is_ip4(remote))
        return addr_of_ip4(ip4_source(stack, addr_ip4(remote)));
    if (stack->ip6 == NULL)
        return (struct net_addr){.word = {0, 0}};
    return stack->ip6->source(stack, remote);
}

void ip_port_unreachable(struct net_stack *stack, struct packet *packet,
                         const struct ip_info *info)
{
    if (addr_is_ip4(&info->src))
        icmp_port_unreachable(stack, packet, info);
    else
        stack->ip6->port_unreachable(stack, packet, info);
}

bool ip_is_ours(const struct net_stack *stack, const struct net_addr *addr)
{
    if (addr_is_ip4(addr))
        return ip4_is_ours(stack, addr_ip4(addr));
    return stack->ip6 != NULL && stack->ip6->is_ours(stack, addr);
}

void ip_protocol_add(struct net_stack *stack,
                     const struct ip_protocol *protocol)
{
    if (ip_protocol_find(stack, protocol->number) != NULL)
        return;
    assert(stack->protocol_count < IP_PROTOCOLS_MAX);
    stack->protocol[stack->protocol_count++] = protocol;
}

void ip_receive_whole(struct net_stack *stack, struct packet *packet)
{
    struct ip4_header header;

    if (ip4_parse_quoted(packet->data, packet->len, &header) == 0) {
        stack->stats.ip_in++;
        ip4_deliver(stack, packet, &header);
    } else if (stack->ip6 != NULL) {
        stack->ip6->receive_whole(stack, packet);
    } else {
        packet_put(packet);
    }
}
