/* IPv6: the checks of a received datagram, and the way of a sent one. */
#include "net/ip6.h"
#include "net/group.h"
#include "net/icmp.h"
#include "net/neigh.h"
#include "net/tcp.h"
#include <torc/assert.h>

enum {
    LOOP_MAX = 64,    /* datagrams that were sent to ourselves */
    LOOP_BUDGET = 16, /* of them between two polls of the card */
    PAYLOAD_MAX = 65535,
};

/* ---- In ------------------------------------------------------------------ */

bool ip6_is_possible_source(const struct net_stack *stack,
                            const struct net_addr *src)
{
    return ip6_is_unicast(src) && !ip6_is_ours(stack, src);
}

/* Hand a payload to the protocol that has registered for it. Takes the packet.
 */
static void deliver_other(struct net_stack *stack, struct packet *packet,
                          const struct ip_info *info,
                          const struct ip6_chain *chain)
{
    const struct ip_protocol *protocol =
        ip_protocol_find(stack, chain->protocol);
    const struct icmp6_message unknown = {
        .type = ICMP6_PROBLEM,
        .code = ICMP6_CODE_NEXT_HEADER,
        .rest = chain->next_at,
    };
    const struct icmp6_message no_port = {
        .type = ICMP6_UNREACHABLE,
        .code = ICMP6_CODE_PORT,
    };
    bool is_udp = chain->protocol == IP4_UDP;

    if (protocol != NULL) {
        protocol->receive(stack, packet, info);
        return;
    }
    if (!info->to_group && stack->group != NULL &&
        stack->group->pass(stack, packet, info->header_len))
        return;
    stack->stats.ip_unknown_protocol++;
    packet_push(packet, info->header_len);
    if (chain->protocol != IP6_NONE) /* RFC 8200, 4.7 */
        icmp6_error(stack, packet, is_udp ? &no_port : &unknown, false);
    packet_put(packet);
}

/* A datagram for us, whose extensions were gone along. Takes the packet. */
static void deliver(struct net_stack *stack, struct packet *packet,
                    const struct ip6_header *header,
                    const struct ip6_chain *chain)
{
    const struct ip_info info = {
        .src = header->src,
        .dst = header->dst,
        .header_len = chain->len,
        .protocol = chain->protocol,
        .traffic_class = header->traffic_class,
        .to_group = ip6_is_multicast(&header->dst),
    };
    int error = packet_pull(packet, chain->len);

    assert(error == 0); /* ip6_chain_walk() has seen all of it */
    switch (chain->protocol) {
    case IP4_TCP:
        if (info.to_group || packet->rest > 0)
            break; /* TCP takes segments in one piece */
        tcp_receive(stack, packet, &info);
        return;
    case IP6_ICMP:
        if (packet->rest > 0)
            break;
        icmp6_receive(stack, packet, header, chain);
        return;
    default:
        deliver_other(stack, packet, &info, chain);
        return;
    }
    stack->stats.ip_bad++;
    packet_put(packet);
}

static void fragment_problem(struct net_stack *stack,
                             const struct packet *packet, uint32_t at)
{
    const struct icmp6_message problem = {
        .type = ICMP6_PROBLEM, .code = ICMP6_CODE_FIELD, .rest = at};

    stack->stats.ip_bad++;
    icmp6_error(stack, packet, &problem, false);
}

/*
 * A fragment: RFC 8200, 4.5. Takes the packet. Returns the whole datagram, with
 * all its headers, when it was the last one missing; else NULL.
 */
static struct packet *fragment_receive(struct net_stack *stack,
                                       struct packet *packet,
                                       const struct ip6_header *header,
                                       const struct ip6_chain *chain)
{
    const struct fragment fragment = {
        .key = {.src = header->src,
                .dst = header->dst,
                .id = chain->fragment_id},
        .offset = chain->fragment_offset,
        .header_len = chain->len,
        .is_last = !chain->more_fragments,
    };
    uint32_t len = packet_len(packet) - chain->len;
    struct ip6_chain whole;
    int error;

    stack->stats.ip_fragments++;
    if (chain->more_fragments && len % 8 != 0) {
        fragment_problem(stack, packet, IP6_PAYLOAD_LEN_AT);
        packet_put(packet);
        return NULL;
    }
    /* The whole is without the fragment header. */
    if (len + fragment.offset + chain->len >
        PAYLOAD_MAX + IP6_HEADER_SIZE + IP6_FRAGMENT_SIZE) {
        fragment_problem(stack, packet, (uint32_t)chain->fragment_at + 2);
        packet_put(packet);
        return NULL;
    }
    error = packet_pull(packet, chain->len);
    assert(error == 0); /* ip6_chain_walk() has seen all of it */
    packet = reassembly_add(stack, &fragment, packet);
    if (packet == NULL)
        return NULL;
    packet->hops = PACKET_NO_FRAME;
    (void)ip6_chain_walk(packet->data, packet->len, &whole);
    ip6_make_whole(packet->data, &whole, packet_len(packet));
    return packet;
}

/* Go along the extensions of a datagram for us. Takes the packet. */
static void receive_ours(struct net_stack *stack, struct packet *packet,
                         const struct ip6_header *header)
{
    struct ip6_chain chain;
    enum ip6_verdict verdict =
        ip6_chain_walk(packet->data, packet->len, &chain);

    if (verdict == IP6_TAKE && chain.is_fragment) {
        packet = fragment_receive(stack, packet, header, &chain);
        if (packet == NULL)
            return;
        /* What was behind the fragment header can be seen only now. */
        verdict = ip6_chain_walk(packet->data, packet->len, &chain);
    }
    if (verdict == IP6_TAKE) {
        deliver(stack, packet, header, &chain);
        return;
    }
    stack->stats.ip_bad++;
    if (verdict == IP6_PROBLEM) {
        const struct icmp6_message problem = {
            .type = ICMP6_PROBLEM, .code = chain.code, .rest = chain.at};

        icmp6_error(stack, packet, &problem, chain.to_group_too);
    }
    packet_put(packet);
}

/* Whether a datagram to `dst`, in a frame to a group or not, is for us. */
static bool is_for_us(const struct net_stack *stack, const struct net_addr *dst,
                      bool to_group)
{
    if (ip6_is_multicast(dst))
        return addr_equal(dst, &ip6_all_nodes) || mld_is_member(stack, dst);
    /* Nothing from outside is to ::1: RFC 4291, 2.5.3. */
    return !to_group && !ip6_is_loop(dst) && ip6_is_ours(stack, dst);
}

void ip6_receive(struct net_stack *stack, struct packet *packet, bool to_group)
{
    struct ip6_header header;

    stack->stats.ip_in++;
    /* Only who has no address yet sends from none: RFC 4861, RFC 3810. */
    if (ip6_parse(packet->data, packet->len, &header) != 0 ||
        (!ip6_is_possible_source(stack, &header.src) &&
         !(addr_is_none(&header.src) && ip6_is_multicast(&header.dst)))) {
        stack->stats.ip_bad++;
        packet_put(packet);
        return;
    }
    packet_trim(packet, IP6_HEADER_SIZE + header.payload_len);
    if (!is_for_us(stack, &header.dst, to_group)) {
        stack->stats.ip_not_ours++;
        packet_put(packet);
        return;
    }
    receive_ours(stack, packet, &header);
}

/* ---- Out ----------------------------------------------------------------- */

/* To ourselves. Takes the packet. */
static void loop_send(struct net_stack *stack, struct packet *packet)
{
    struct ip6 *ip6 = ip6_of(stack);

    if (ip6->loop_count >= LOOP_MAX) {
        stack->stats.frames_dropped++;
        packet_put(packet);
        return;
    }
    packet->hops = PACKET_NO_FRAME;
    queue_push(&ip6->loop, &packet->node);
    ip6->loop_count++;
    wait_wake_one(&stack->wake);
}

void ip6_receive_whole(struct net_stack *stack, struct packet *packet)
{
    struct ip6_header header;
    int error = ip6_parse_quoted(packet->data, packet->len, &header);

    assert(error == 0); /* it was parsed, or we have made it */
    stack->stats.ip_in++;
    receive_ours(stack, packet, &header);
}

bool ip6_loop_poll(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < LOOP_BUDGET; i++) {
        struct queue_node *node = queue_pop(&ip6->loop);
        struct packet *packet;

        if (node == NULL)
            return false;
        ip6->loop_count--;
        packet = container_of(node, struct packet, node);
        if (stack->group != NULL)
            stack->group->looped(stack, packet);
        ip6_receive_whole(stack, packet);
    }
    return true;
}

/* Look the way up, keep it in `dst`, and send a datagram that has its header.
 * Takes the packet. */
static void find_and_send(struct net_stack *stack, struct packet *packet,
                          const struct net_addr *remote, struct dst *dst)
{
    int status;

    if (ip6_is_multicast(remote)) {
        uint8_t mac[ETHER_ADDR_SIZE];

        ip6_group_mac(remote, mac);
        neigh_frame(stack, packet, mac, ETHER_TYPE_IP6);
        return;
    }
    if (ip6_is_loop(remote) || ip6_is_ours(stack, remote)) {
        loop_send(stack, packet);
        return;
    }
    status = dst_find(stack, dst, remote);
    if (status == -EHOSTUNREACH) {
        stack->stats.ip_out--;
        stack->stats.ip_no_route++;
    }
    if (status == 0)
        neigh_send(stack, packet, dst->neigh);
    else
        packet_put(packet);
}

/* Put the header in front and send. Takes the packet. */
static void header_send(struct net_stack *stack, struct packet *packet,
                        struct ip6_header *header, struct dst *dst)
{
    struct neigh *neigh = dst_neigh(stack, dst);
    uint8_t *start;

    if (packet_len(packet) + IP6_HEADER_SIZE > stack->dev->mtu &&
        packet->offload.segments == PACKET_WHOLE) {
        stack->stats.ip_no_route++;
        packet_put(packet);
        return;
    }
    header->payload_len = (uint16_t)packet_len(packet);
    start = packet_push(packet, IP6_HEADER_SIZE);
    assert(start != NULL); /* PACKET_HEADROOM has room for all headers */
    ip6_emit(start, header);
    stack->stats.ip_out++;
    if (neigh != NULL)
        neigh_send(stack, packet, neigh);
    else
        find_and_send(stack, packet, &header->dst, dst);
}

void ip6_output(struct net_stack *stack, struct packet *packet,
                const struct flow *flow, struct dst *dst)
{
    struct ip6_header header = {
        .src = flow->local,
        .dst = flow->remote,
        .traffic_class = dst->traffic_class,
        .next = flow->protocol,
        .hops = dst->hops != 0 ? dst->hops : ip6_of(stack)->hops,
    };

    header_send(stack, packet, &header, dst);
}

void ip6_send(struct net_stack *stack, struct packet *packet,
              struct ip6_header *header)
{
    struct dst dst = {0};

    header_send(stack, packet, header, &dst);
}
