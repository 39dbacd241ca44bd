/* IPv4: the checks of a received datagram, and the header of a sent one. */
#include "net/ip4.h"
#include "net/dst.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/assert.h>

/* RFC 1122, section 3.2.1.3: what a source address may not be. */
static bool source_is_possible(const struct net_config *config, uint32_t src)
{
    if (!net_is_unicast(src) || src == config->address)
        return false;
    return ((src ^ config->address) & config->netmask) != 0 ||
           net_is_host(src, config->netmask);
}

static bool is_broadcast(const struct net_config *config, uint32_t dst)
{
    return dst == UINT32_MAX || (dst == (config->address | ~config->netmask) &&
                                 !net_is_host(dst, config->netmask));
}

static void header_remove(struct packet *packet,
                          const struct ip4_header *header)
{
    int error = packet_pull(packet, header->header_len);

    assert(error == 0); /* ip4_parse() has checked the length */
}

/* Hand a datagram for us to its protocol. Takes the packet. */
static void deliver(struct net_stack *stack, struct packet *packet,
                    const struct ip4_header *header)
{
    switch (header->protocol) {
    case IP4_TCP:
        header_remove(packet, header);
        tcp_receive(stack, packet, header);
        return;
    case IP4_ICMP:
        header_remove(packet, header);
        icmp_receive(stack, packet, header);
        return;
    case IP4_UDP:
        stack->stats.ip_unknown_protocol++;
        icmp_unreachable(stack, packet, header, ICMP4_CODE_PORT);
        break;
    default:
        stack->stats.ip_unknown_protocol++;
        icmp_unreachable(stack, packet, header, ICMP4_CODE_PROTOCOL);
        break;
    }
    packet_put(packet);
}

void ip4_receive(struct net_stack *stack, struct packet *packet, bool to_group)
{
    struct ip4_header header;

    stack->stats.ip_in++;
    if (ip4_parse(packet->data, packet->len, &header) != 0 ||
        !source_is_possible(&stack->config, header.src)) {
        stack->stats.ip_bad++;
        packet_put(packet);
        return;
    }
    /* We serve nothing to groups: a datagram to a group or in a frame to a
     * group is dropped without an answer (RFC 1122, 3.2.2.6 and 4.2.3.10). */
    if (header.dst != stack->config.address || to_group) {
        if (!is_broadcast(&stack->config, header.dst))
            stack->stats.ip_not_ours++;
        packet_put(packet);
        return;
    }
    if (header.is_fragment) {
        stack->stats.ip_fragments++;
        packet_put(packet);
        return;
    }
    packet_trim(packet, header.total_len); /* cuts the padding of the link */
    deliver(stack, packet, &header);
}

/* The neighbour to which a datagram for `dst` must be sent; 0: none. */
static uint32_t next_hop(const struct net_config *config, uint32_t dst)
{
    if (((dst ^ config->address) & config->netmask) == 0)
        return dst;
    return config->gateway;
}

void ip4_output(struct net_stack *stack, struct packet *packet, uint32_t remote,
                uint8_t protocol, struct dst *dst)
{
    uint32_t hop = next_hop(&stack->config, remote);
    struct net_addr neighbour = addr_of_ip4(hop);
    uint8_t *start = packet_push(packet, IP4_HEADER_SIZE);
    /* RFC 6864: only a datagram that may be fragmented needs an id. */
    const struct ip4_header header = {
        .src = stack->config.address,
        .dst = remote,
        .id = dst->may_fragment ? stack->ip_id++ : 0,
        .protocol = protocol,
        .ttl = IP4_TTL,
        .dont_fragment = !dst->may_fragment,
        .total_len = packet->len,
    };

    assert(start != NULL); /* PACKET_HEADROOM has room for all headers */
    if (hop == 0 || packet_len(packet) > stack->dev->mtu) {
        stack->stats.ip_no_route++;
        packet_put(packet);
        return;
    }
    ip4_emit(start, &header);
    stack->stats.ip_out++;
    neigh_send(stack, packet, &neighbour, dst);
}

void ip4_send(struct net_stack *stack, struct packet *packet, uint32_t remote,
              uint8_t protocol)
{
    struct dst dst = {0};

    ip4_output(stack, packet, remote, protocol, &dst);
}
