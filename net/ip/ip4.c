/* IPv4: the checks of a received datagram, and the way of a sent one. */
#include "net/ip4.h"
#include "kernel/lib/bytes.h"
#include "net/dst.h"
#include "net/group.h"
#include "net/icmp.h"
#include "net/ip.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/assert.h>
#include <torc/string.h>

/* ---- Addresses ----------------------------------------------------------- */

/* Our address on the network that `address` is of, or NULL. */
static const struct ip4_address *address_near(const struct net_stack *stack,
                                              uint32_t address)
{
    for (unsigned i = 0; i < stack->ip4_count; i++) {
        const struct ip4_address *own = &stack->ip4[i];

        if (((address ^ own->address) & own->netmask) == 0)
            return own;
    }
    return NULL;
}

bool ip4_is_ours(const struct net_stack *stack, uint32_t address)
{
    for (unsigned i = 0; i < stack->ip4_count; i++) {
        if (stack->ip4[i].address == address)
            return true;
    }
    return false;
}

uint32_t ip4_source(const struct net_stack *stack, uint32_t remote)
{
    const struct ip4_address *near = address_near(stack, remote);

    if (ip4_is_loop(remote) || ip4_is_ours(stack, remote))
        return remote;
    return near != NULL ? near->address : stack->ip4[0].address;
}

__attribute__((cold)) int ip4_address_add(struct net_stack *stack,
                                          uint32_t address, uint32_t netmask)
{
    if (ip4_is_ours(stack, address))
        return -EEXIST;
    /* There is always room for the first one. */
    if (stack->ip4_count + (stack->config.address == 0) == IP4_ADDRESSES_MAX)
        return -ENOSPC;
    stack->ip4[stack->ip4_count++] = (struct ip4_address){address, netmask};
    return 0;
}

__attribute__((cold)) void ip4_address_first(struct net_stack *stack,
                                             uint32_t address, uint32_t netmask)
{
    unsigned old = stack->config.address != 0;

    assert(stack->ip4_count - old < IP4_ADDRESSES_MAX);
    memmove(stack->ip4 + (address != 0), stack->ip4 + old,
            (stack->ip4_count - old) * sizeof(*stack->ip4));
    stack->ip4_count += (address != 0) - old;
    stack->config = (struct net_config){.address = address, .netmask = netmask};
    if (address != 0)
        stack->ip4[0] = (struct ip4_address){address, netmask};
    else if (stack->ip4_count == 0)
        stack->ip4[0] = (struct ip4_address){0};
}

bool ip4_is_possible_source(const struct net_stack *stack, uint32_t src)
{
    const struct ip4_address *near = address_near(stack, src);

    if (!net_is_unicast(src) || ip4_is_ours(stack, src))
        return false;
    return near == NULL || net_is_host(src, near->netmask);
}

bool ip4_is_broadcast(const struct net_stack *stack, uint32_t dst)
{
    const struct ip4_address *near = address_near(stack, dst);

    return dst == UINT32_MAX ||
           (near != NULL && (dst | near->netmask) == UINT32_MAX &&
            !net_is_host(dst, near->netmask));
}

/* ---- In ------------------------------------------------------------------ */

static void header_remove(struct packet *packet,
                          const struct ip4_header *header)
{
    int error = packet_pull(packet, header->header_len);

    assert(error == 0); /* ip4_parse() has checked the length */
}

static struct ip_info info_of(const struct ip4_header *header, bool to_group)
{
    return (struct ip_info){
        .src = addr_of_ip4(header->src),
        .dst = addr_of_ip4(header->dst),
        .header_len = (uint16_t)header->header_len,
        .protocol = header->protocol,
        .traffic_class = header->traffic_class,
        .to_group = to_group,
    };
}

/* Hand a datagram to the protocol that has registered for it. Takes the packet.
 */
static __attribute__((cold)) void deliver_other(struct net_stack *stack,
                                                struct packet *packet,
                                                const struct ip4_header *header,
                                                bool to_group)
{
    const struct ip_protocol *protocol =
        ip_protocol_find(stack, header->protocol);
    const struct ip_info info = info_of(header, to_group);

    if (protocol != NULL) {
        header_remove(packet, header);
        protocol->receive(stack, packet, &info);
        return;
    }
    if (!to_group && stack->group != NULL &&
        stack->group->pass(stack, packet, 0))
        return;
    if (!to_group) {
        stack->stats.ip_unknown_protocol++;
        icmp_error(stack, packet, ICMP4_UNREACHABLE,
                   header->protocol == IP4_UDP ? ICMP4_CODE_PORT
                                               : ICMP4_CODE_PROTOCOL);
    }
    packet_put(packet);
}

void ip4_deliver(struct net_stack *stack, struct packet *packet,
                 const struct ip4_header *header)
{
    struct ip_info info;

    switch (header->protocol) {
    case IP4_TCP:
        info = info_of(header, false);
        header_remove(packet, header);
        tcp_receive(stack, packet, &info);
        break;
    case IP4_ICMP:
        header_remove(packet, header);
        icmp_receive(stack, packet, header);
        break;
    default:
        deliver_other(stack, packet, header, false);
        break;
    }
}

/* A datagram that is not to one of our addresses. What is for all hosts, and
 * nobody has asked for, is dropped without an answer (RFC 1122, 3.2.2.6 and
 * 4.2.3.10). While we have no address, one for this card may be that of a DHCP
 * server which offers us one (RFC 2131, 4.1). Takes the packet. */
static __attribute__((cold)) void receive_other(struct net_stack *stack,
                                                struct packet *packet,
                                                const struct ip4_header *header)
{
    if ((ip4_is_broadcast(stack, header->dst) || stack->ip4_count == 0) &&
        !header->is_fragment) {
        deliver_other(stack, packet, header, true);
        return;
    }
    stack->stats.ip_not_ours++;
    packet_put(packet);
}

void ip4_receive(struct net_stack *stack, struct packet *packet, bool to_group)
{
    struct ip4_header header;

    stack->stats.ip_in++;
    if (ip4_parse(packet->data, packet->len, &header) != 0 ||
        !ip4_is_possible_source(stack, header.src)) {
        stack->stats.ip_bad++;
        packet_put(packet);
        return;
    }
    packet_trim(packet, header.total_len); /* cuts the padding of the link */
    if (!ip4_is_ours(stack, header.dst)) {
        receive_other(stack, packet, &header);
        return;
    }
    if (!to_group && !header.is_fragment) {
        ip4_deliver(stack, packet, &header);
        return;
    }
    if (to_group)
        stack->stats.ip_not_ours++;
    else
        stack->stats.ip_fragments++;
    if (!to_group && stack->ip4_more != NULL)
        stack->ip4_more->fragment(stack, packet, &header);
    else
        packet_put(packet);
}

/* ---- Out ----------------------------------------------------------------- */

/* Look the way up, keep it in `dst`, and send a datagram that has its header.
 * Takes the packet. */
static void find_and_send(struct net_stack *stack, struct packet *packet,
                          uint32_t remote, struct dst *dst)
{
    const struct net_addr addr = addr_of_ip4(remote);
    int status;

    if (stack->ip4_more != NULL && stack->ip4_more->send(stack, packet, remote))
        return;
    status = dst_find(stack, dst, &addr);
    if (status == -EHOSTUNREACH) {
        stack->stats.ip_out--;
        stack->stats.ip_no_route++;
    }
    if (status == 0)
        neigh_send(stack, packet, dst->neigh);
    else
        packet_put(packet);
}

/* Whether a datagram is larger than the link takes: then it is dropped. */
static inline bool is_too_large(struct net_stack *stack, struct packet *packet)
{
    if (likely(packet_len(packet) + IP4_HEADER_SIZE <= stack->mtu ||
               packet->offload.segments != PACKET_WHOLE))
        return false;
    stack->stats.ip_no_route++;
    packet_put(packet);
    return true;
}

/* Send to a neighbour that is not known, or has to be asked. Takes the packet.
 */
static noinline __attribute__((cold)) void
send_slowly(struct net_stack *stack, struct packet *packet,
            const struct ip4_header *header, struct dst *dst)
{
    struct neigh *neigh = dst_neigh(stack, dst);
    uint8_t *start = packet_push(packet, IP4_HEADER_SIZE);

    assert(start != NULL); /* PACKET_HEADROOM has room for all headers */
    ip4_emit(start, header);
    if (neigh != NULL)
        neigh_send(stack, packet, neigh);
    else
        find_and_send(stack, packet, header->dst, dst);
}

/* The header of a datagram whose payload is in `packet`. */
static inline struct ip4_header header_of(struct net_stack *stack,
                                          const struct packet *packet,
                                          uint32_t remote, uint8_t protocol,
                                          const struct dst *dst)
{
    /* RFC 6864: only a datagram that may be fragmented needs an id. */
    return (struct ip4_header){
        .src = dst->source != 0 ? dst->source : stack->config.address,
        .dst = remote,
        .id = dst->may_fragment ? stack->ip_id++ : 0,
        .protocol = protocol,
        .ttl = dst->hops != 0 ? dst->hops : IP4_TTL,
        .traffic_class = dst->traffic_class,
        .dont_fragment = !dst->may_fragment,
        .total_len = packet_len(packet) + IP4_HEADER_SIZE,
    };
}

void ip4_output(struct net_stack *stack, struct packet *packet, uint32_t remote,
                uint8_t protocol, struct dst *dst)
{
    struct neigh *neigh = dst_neigh(stack, dst);
    struct ip4_header header;
    uint8_t *start;

    if (is_too_large(stack, packet))
        return;
    stack->stats.ip_out++;
    if (unlikely(neigh == NULL || !neigh_is_ready(neigh, stack->now))) {
        const struct ip4_header slow =
            header_of(stack, packet, remote, protocol, dst);

        send_slowly(stack, packet, &slow, dst);
        return;
    }
    header = header_of(stack, packet, remote, protocol, dst);
    start = packet_push(packet, ETHER_HEADER_SIZE + IP4_HEADER_SIZE);
    assert(start != NULL);
    ether_put(start, neigh->mac, stack->dev->mac, ETHER_TYPE_IP4);
    ip4_header_put(start + ETHER_HEADER_SIZE, &header);
    stack_transmit(stack, packet);
}

void ip4_header_send(struct net_stack *stack, struct packet *packet,
                     struct ip4_header *header)
{
    struct dst dst = {0};

    if (is_too_large(stack, packet))
        return;
    header->total_len = packet_len(packet) + IP4_HEADER_SIZE;
    stack->stats.ip_out++;
    stack_tick(stack);
    send_slowly(stack, packet, header, &dst);
}

void ip4_send(struct net_stack *stack, struct packet *packet, uint32_t remote,
              uint8_t protocol)
{
    struct dst dst = {0};

    ip4_output(stack, packet, remote, protocol, &dst);
}
