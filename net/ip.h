/*
 * What is common to IPv4 and IPv6: a datagram that came, and the protocols that
 * take it. ICMP and TCP are built in; others register when an application first
 * uses them, so that an image without such an application is without their
 * code. Owner: the stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_IP_H
#define TORC_NET_IP_H

#include "kernel/device/packet.h"
#include "net/dst.h"
#include "net/flow.h"
#include "net/ip4.h"
#include "net/stack.h"
#include "net/wire/addr.h"
#include <stdbool.h>
#include <stdint.h>

struct ip6_header;

/* What the header of a datagram says. */
struct ip_info {
    struct net_addr src;
    struct net_addr dst;
    uint16_t header_len; /* in front of packet->data, pulled */
    uint8_t protocol;
    uint8_t traffic_class; /* with the two bits of RFC 3168 */
    bool to_group;         /* to a group of hosts: no error answers it */
};

/* What others ask of IPv6. An image without it has none of its
 * code: stack->ip6 is NULL then. Of IPv4 they call the functions of ip4.h. */
struct ip6_calls {
    /* Send the payload in `packet` to flow->remote from flow->local, the way
     * that `dst` describes and keeps, with its traffic class. Takes the packet.
     */
    void (*output)(struct net_stack *stack, struct packet *packet,
                   const struct flow *flow, struct dst *dst);

    /* ip6_send(): behind that header, whose length is filled in. Takes the
     * packet. */
    void (*send)(struct net_stack *stack, struct packet *packet,
                 struct ip6_header *header);

    /* Whether an address is one of ours that can be used. */
    bool (*is_ours)(const struct net_stack *stack, const struct net_addr *addr);

    /* The one of our addresses from which to send to `remote`: RFC 6724. None
     * when there is none. */
    struct net_addr (*source)(const struct net_stack *stack,
                              const struct net_addr *remote);

    /* As icmp_port_unreachable(). */
    void (*port_unreachable)(struct net_stack *stack, struct packet *packet,
                             const struct ip_info *info);

    /* The name servers that routers have told, at most `max`; how many. */
    unsigned (*dns)(const struct net_stack *stack, struct net_addr out[],
                    unsigned max);

    /* For the stack: as ip4_receive(), ip_receive_whole(), arp_announce(), and
     * those of struct ip4_more. */
    void (*receive)(struct net_stack *stack, struct packet *packet,
                    bool to_group);
    void (*receive_whole)(struct net_stack *stack, struct packet *packet);
    void (*announce)(struct net_stack *stack);
    bool (*poll)(struct net_stack *stack);
    void (*fini)(struct net_stack *stack);
    void (*check)(const struct net_stack *stack);
};

/* Why a datagram did not arrive, as ICMP tells. */
struct ip_failure {
    int error;            /* what a socket answers */
    struct net_addr from; /* who says so */
    bool is_expired;      /* more routers are on the way than it may pass */
    uint16_t mtu;         /* -EMSGSIZE: what the next link takes; 0: not told */
};

struct ip_protocol {
    uint8_t number;

    /* A datagram for us came; `packet` begins with its payload. Of ICMP only
     * replies to an echo, whose checksum is right. Takes the packet. */
    void (*receive)(struct net_stack *stack, struct packet *packet,
                    const struct ip_info *info);

    /*
     * A datagram that we have sent, as `info` says, did not arrive. `quote` is
     * the beginning of its payload, at least 8 bytes. Anybody may have sent
     * that. May be NULL.
     */
    void (*failed)(struct net_stack *stack, const struct ip_info *info,
                   const uint8_t *quote, const struct ip_failure *failure);
};

/* Let a protocol take the datagrams of its number; harmless when it does. It
 * must live as long as the stack. */
void ip_protocol_add(struct net_stack *stack,
                     const struct ip_protocol *protocol);

/* The size of the header in front of the payload of a flow, without options and
 * extensions. */
static inline uint32_t ip_header_size(const struct flow *flow)
{
    return flow_is_ip4(flow) ? IP4_HEADER_SIZE : IP6_HEADER_SIZE;
}

/* The largest datagram that the link takes of the family of a flow. */
static inline uint32_t ip_link_mtu(const struct net_stack *stack,
                                   const struct flow *flow)
{
    return flow_is_ip4(flow) ? stack->mtu : stack->ip6_mtu;
}

/*
 * Whether a frame in one piece is one of TCP over IPv4 as nearly all are: to
 * our first address, from none of ours, without options of IP, whole, and with
 * the right checksum. Then *header tells what ip4_parse() would. A frame that
 * is not may still be right.
 */
static inline bool ip4_is_plain_tcp(const struct net_stack *stack,
                                    const struct packet *packet,
                                    struct ip4_header *header)
{
    const uint8_t *ip = packet->data + ETHER_HEADER_SIZE;

    if (packet->rest > 0 || packet->len < ETHER_HEADER_SIZE + IP4_HEADER_SIZE ||
        be16_get(ip - 2) != ETHER_TYPE_IP4 ||
        ether_is_group(packet->data + ETHER_ADDR_SIZE) ||
        memcmp(packet->data, stack->dev->mac, ETHER_ADDR_SIZE) != 0)
        return false;
    if (ip[0] != 0x45 || ip[9] != IP4_TCP ||
        (be16_get(ip + 6) & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0 ||
        ip4_header_sum(ip, IP4_HEADER_SIZE) != 0)
        return false;
    header->header_len = IP4_HEADER_SIZE;
    header->traffic_class = ip[1];
    header->total_len = be16_get(ip + 2);
    header->src = be32_get(ip + 12);
    header->dst = be32_get(ip + 16);
    return header->total_len >= IP4_HEADER_SIZE &&
           header->total_len <= packet->len - ETHER_HEADER_SIZE &&
           stack->ip4_count > 0 && header->dst == stack->ip4[0].address &&
           !ip4_is_ours(stack, header->src);
}

/* The neighbour that `dst` keeps, or NULL when that is out of date. */
static inline struct neigh *dst_neigh(const struct net_stack *stack,
                                      const struct dst *dst)
{
    if (dst->neigh == NULL || dst->neigh->generation != dst->neigh_generation ||
        dst->route_generation != stack->routes.generation)
        return NULL;
    return dst->neigh;
}

/* Send the payload in `packet` to flow->remote from flow->local, the way that
 * `dst` describes and keeps. Takes the packet. */
static inline void ip_output(struct net_stack *stack, struct packet *packet,
                             const struct flow *flow, struct dst *dst)
{
    if (!flow_is_ip4(flow)) {
        stack->ip6->output(stack, packet, flow, dst);
        return;
    }
    dst->source = addr_ip4(&flow->local);
    ip4_output(stack, packet, addr_ip4(&flow->remote), flow->protocol, dst);
}

/* The one of our addresses from which to send to `remote`; none: there is none
 * of that family. */
struct net_addr ip_source(const struct net_stack *stack,
                          const struct net_addr *remote);

/*
 * Whether there is a way to the one host flow->remote; flow->local gets the one
 * of our addresses from which to send when it is none. Returns 0, -EINVAL (not
 * the address of a host), -EHOSTUNREACH (no address of ours of that family, or
 * no route).
 */
must_check int ip_way_find(struct net_stack *stack, struct flow *flow);

/* Whether an address is one of ours. */
bool ip_is_ours(const struct net_stack *stack, const struct net_addr *addr);

/* No socket has the port that the datagram in `packet` is for, whose header, in
 * front of packet->data, `info` tells: say so to its sender, unless it was sent
 * to many. Does not take the packet. */
void ip_port_unreachable(struct net_stack *stack, struct packet *packet,
                         const struct ip_info *info);

/* Process a datagram for us that has come to another stack of the group, which
 * has no use for it: `packet` begins with its IP header. Takes the packet. */
void ip_receive_whole(struct net_stack *stack, struct packet *packet);

/* The protocol of that number, or NULL. */
const struct ip_protocol *ip_protocol_find(const struct net_stack *stack,
                                           uint8_t number);

#endif
