/* Neighbour Discovery: RFC 4861, 7; RFC 4862, 5.4; RFC 6980; RFC 7527. */
#include "net/ip6.h"
#include "net/neigh.h"
#include "net/wire/addr_text.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

/* ---- Out ----------------------------------------------------------------- */

/* Send a message, whose packet holds all but the header, to the card `mac`;
 * NULL: to whoever has `dst`. Takes the packet. */
static void message_send(struct net_stack *stack, struct packet *packet,
                         const struct icmp6_message *message,
                         const struct net_addr *src, const struct net_addr *dst,
                         const uint8_t *mac)
{
    struct ip6_header header = {
        .src = *src,
        .dst = *dst,
        .next = IP6_ICMP,
        .hops = IP6_HOPS_LINK,
        .payload_len = (uint16_t)packet->len,
    };

    stack->stats.nd_out++;
    if (mac == NULL) {
        icmp6_send(stack, packet, message, src, dst, IP6_HOPS_LINK);
        return;
    }
    icmp6_emit(packet->data, packet->len, src, dst, message);
    ip6_emit(packet_push(packet, IP6_HEADER_SIZE), &header);
    stack->stats.icmp_out++;
    stack->stats.ip_out++;
    neigh_frame(stack, packet, mac, ETHER_TYPE_IP6);
}

/* A packet with a solicitation or an advertisement of `target`, and room for an
 * option; NULL: the pool is empty. */
static struct packet *neighbour_packet(struct net_stack *stack,
                                       const struct net_addr *target)
{
    struct packet *packet = stack_packet(stack);

    if (packet != NULL)
        nd_emit_target(packet_append(packet, ND_SOLICIT_SIZE), target);
    return packet;
}

void nd_ask(struct net_stack *stack, const struct net_addr *target,
            const uint8_t *mac)
{
    const struct icmp6_message message = {.type = ICMP6_ND_NS};
    struct net_addr src = ip6_source(stack, target);
    struct net_addr group = ip6_solicited_node(target);
    struct packet *packet;

    if (addr_is_none(&src))
        return; /* nobody could answer */
    packet = neighbour_packet(stack, target);
    if (packet == NULL)
        return;
    nd_emit_mac(packet_append(packet, ND_MAC_OPTION_SIZE), false,
                stack->dev->mac);
    message_send(stack, packet, &message, &src, mac != NULL ? target : &group,
                 mac);
}

void nd_probe(struct net_stack *stack, const struct net_addr *target)
{
    const struct icmp6_message message = {.type = ICMP6_ND_NS};
    const struct net_addr none = {.word = {0, 0}};
    struct net_addr group = ip6_solicited_node(target);
    struct packet *packet = neighbour_packet(stack, target);

    if (packet == NULL)
        return;
    nd_emit_nonce(packet_append(packet, ND_NONCE_SIZE), ip6_of(stack)->nonce);
    message_send(stack, packet, &message, &none, &group, NULL);
}

/* Tell `dst`, at `mac` if that is known, that `target` is ours. */
static void advert_send(struct net_stack *stack, const struct net_addr *target,
                        const struct net_addr *dst, const uint8_t *mac,
                        uint32_t flags)
{
    const struct icmp6_message message = {.type = ICMP6_ND_NA,
                                          .rest = flags | ND_OVERRIDE};
    struct packet *packet = neighbour_packet(stack, target);

    if (packet == NULL)
        return;
    nd_emit_mac(packet_append(packet, ND_MAC_OPTION_SIZE), true,
                stack->dev->mac);
    message_send(stack, packet, &message, target, dst, mac);
}

void nd_announce(struct net_stack *stack, const struct net_addr *target)
{
    advert_send(stack, target, &ip6_all_nodes, NULL, 0);
}

/* ---- In ------------------------------------------------------------------ */

static bool is_ours(const struct net_stack *stack, const uint8_t *mac)
{
    return memcmp(mac, stack->dev->mac, ETHER_ADDR_SIZE) == 0;
}

/* Whether an address can be that of another host on our link. */
static bool is_neighbour(const struct net_stack *stack,
                         const struct net_addr *addr)
{
    return ip6_is_possible_source(stack, addr) && route_is_on_link(stack, addr);
}

/* RFC 4861, 7.1.1. */
static bool solicit_is_valid(const struct ip6_header *header,
                             const struct nd_neighbour *solicit)
{
    struct net_addr group = ip6_solicited_node(&solicit->target);

    if (ip6_is_multicast(&solicit->target))
        return false;
    if (!addr_is_none(&header->src))
        return true;
    return solicit->mac == NULL && addr_equal(&header->dst, &group);
}

/* Somebody asks for an address of ours. */
static void solicit_answer(struct net_stack *stack,
                           const struct ip6_header *header,
                           const struct nd_neighbour *solicit)
{
    if (addr_is_none(&header->src)) { /* he would like to have it */
        if (stack_answers(stack))
            nd_announce(stack, &solicit->target);
        return;
    }
    if (!is_neighbour(stack, &header->src)) {
        stack->stats.nd_bad++;
        return;
    }
    if (solicit->mac != NULL)
        neigh_learn(stack, &header->src, solicit->mac, NEIGH_ASKS_US);
    if (stack_answers(stack))
        advert_send(stack, &solicit->target, &header->src, solicit->mac,
                    ND_SOLICITED);
}

static void solicit_receive(struct net_stack *stack,
                            const struct packet *packet,
                            const struct ip6_header *header)
{
    struct nd_neighbour solicit;
    struct ip6_address *own;

    if (nd_parse_solicit(packet->data, packet->len, &solicit) != 0 ||
        !solicit_is_valid(header, &solicit)) {
        stack->stats.nd_bad++;
        return;
    }
    own = ip6_address_find(stack, &solicit.target);
    if (own == NULL || own->state == IP6_DUPLICATE) {
        stack->stats.nd_ignored++;
        return;
    }
    if (own->state == IP6_READY) {
        solicit_answer(stack, header, &solicit);
        return;
    }
    /* RFC 4862, 5.4.3; not our own probe that came back: RFC 7527, 4.2. */
    if (addr_is_none(&header->src) &&
        (solicit.nonce == NULL ||
         memcmp(solicit.nonce, ip6_of(stack)->nonce, ND_NONCE_LEN) != 0))
        ip6_address_duplicate(stack, own);
    else
        stack->stats.nd_ignored++;
}

/* Another card says that it has our address. We keep it and say so; not more
 * than once in an interval, or two that do so would never stop. */
static void defend(struct net_stack *stack, struct ip6_address *own)
{
    uint64_t now = net_now(stack);
    char text[ADDR_TEXT];

    stack->stats.nd_conflicts++;
    if (now < own->defend_from || !stack_answers(stack))
        return;
    own->defend_from = now + IP6_DEFEND_NS;
    addr_format(text, &own->addr);
    log_warn("net: another card claims our address %s", text);
    nd_announce(stack, &own->addr);
}

/* An advertisement of an address that is ours, or is to be. */
static void advert_of_ours(struct net_stack *stack, struct ip6_address *own,
                           const struct nd_neighbour *advert)
{
    if (advert->mac != NULL && is_ours(stack, advert->mac))
        stack->stats.nd_ignored++; /* our own came back */
    else if (own->state == IP6_TENTATIVE)
        ip6_address_duplicate(stack, own);
    else if (own->state == IP6_READY)
        defend(stack, own);
}

/* RFC 4861, 7.1.2. */
static bool advert_is_valid(const struct ip6_header *header,
                            const struct nd_neighbour *advert)
{
    return !ip6_is_multicast(&advert->target) && !addr_is_none(&header->src) &&
           (!ip6_is_multicast(&header->dst) ||
            (advert->flags & ND_SOLICITED) == 0);
}

/* Learn what a neighbour says of itself. Returns whether we know it. */
static bool advert_learn(struct net_stack *stack,
                         const struct nd_neighbour *advert)
{
    const uint32_t answer = ND_SOLICITED | ND_OVERRIDE;

    if (advert->mac == NULL)
        return (advert->flags & ND_SOLICITED) != 0 &&
               neigh_confirm(stack, &advert->target);
    return neigh_learn(stack, &advert->target, advert->mac,
                       (advert->flags & answer) == answer ? NEIGH_ANSWER
                                                          : NEIGH_CLAIM);
}

static void advert_receive(struct net_stack *stack, const struct packet *packet,
                           const struct ip6_header *header)
{
    struct nd_neighbour advert;
    struct ip6_address *own;

    if (nd_parse_advert(packet->data, packet->len, &advert) != 0 ||
        !advert_is_valid(header, &advert)) {
        stack->stats.nd_bad++;
        return;
    }
    own = ip6_address_find(stack, &advert.target);
    if (own != NULL) {
        advert_of_ours(stack, own, &advert);
        return;
    }
    if (!advert_learn(stack, &advert)) { /* it makes no entry */
        stack->stats.nd_ignored++;
        return;
    }
    if ((advert.flags & ND_ROUTER) == 0) /* RFC 4861, 7.3.3 */
        router_remove(stack, &advert.target);
}

void nd_receive(struct net_stack *stack, const struct packet *packet,
                const struct ip6_header *header, const struct ip6_chain *chain)
{
    stack->stats.nd_in++;
    /* RFC 4861, 6.1 and 7.1: no router has passed it on; RFC 6980, 5. */
    if (header->hops != IP6_HOPS_LINK || packet->data[1] != 0 ||
        chain->has_fragment) {
        stack->stats.nd_bad++;
        return;
    }
    switch (packet->data[0]) {
    case ICMP6_ND_NS:
        solicit_receive(stack, packet, header);
        break;
    case ICMP6_ND_NA:
        advert_receive(stack, packet, header);
        break;
    case ICMP6_ND_RA:
        router_receive(stack, packet, header);
        break;
    case ICMP6_ND_REDIRECT:
        redirect_receive(stack, packet, header);
        break;
    default:
        stack->stats.nd_ignored++; /* only routers answer those */
        break;
    }
}
