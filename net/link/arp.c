/*
 * ARP for IPv4 over Ethernet: RFC 826, with the conflict detection of RFC 5227.
 */
#include "net/arp.h"
#include "net/ip4.h"
#include "net/neigh.h"
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/log.h>
#include <torc/string.h>

#define DEFEND_INTERVAL_NS (10 * NS_PER_S) /* RFC 5227, 1.1 */

static const uint8_t broadcast_mac[ETHER_ADDR_SIZE] = {0xff, 0xff, 0xff,
                                                       0xff, 0xff, 0xff};

/* Send `message` as ours to the card `mac`. */
static void message_send(struct net_stack *stack, const uint8_t *mac,
                         struct arp_message *message)
{
    struct packet *packet = stack_packet(stack);
    struct ether_header ether = {.type = ETHER_TYPE_ARP};

    if (packet == NULL)
        return;
    memcpy(message->sender_mac, stack->dev->mac, ETHER_ADDR_SIZE);
    arp_emit(packet_append(packet, ARP_SIZE), message);
    memcpy(ether.dst, mac, ETHER_ADDR_SIZE);
    memcpy(ether.src, stack->dev->mac, ETHER_ADDR_SIZE);
    ether_emit(packet_push(packet, ETHER_HEADER_SIZE), &ether);
    stack->stats.arp_out++;
    stack_transmit(stack, packet);
}

static void ask(struct net_stack *stack, const struct net_addr *target,
                const uint8_t *mac)
{
    struct arp_message message = {
        .op = ARP_REQUEST,
        .sender = ip4_source(stack, addr_ip4(target)),
        .target = addr_ip4(target),
    };

    message_send(stack, mac != NULL ? mac : broadcast_mac, &message);
}

/* Of the stacks of a card that see the request one answers. */
static void reply_send(struct net_stack *stack,
                       const struct arp_message *request)
{
    struct arp_message message = {
        .op = ARP_REPLY,
        .sender = request->target,
        .target = request->sender,
    };

    if (!stack_answers(stack))
        return;
    memcpy(message.target_mac, request->sender_mac, ETHER_ADDR_SIZE);
    message_send(stack, request->sender_mac, &message);
}

void arp_init(struct net_stack *stack)
{
    stack->neigh.ask4 = ask;
}

static void announce(struct net_stack *stack, uint32_t address)
{
    struct net_addr ours = addr_of_ip4(address);

    ask(stack, &ours, NULL);
}

void arp_announce(struct net_stack *stack)
{
    for (unsigned i = 0; i < stack->ip4_count; i++)
        announce(stack, stack->ip4[i].address);
}

void arp_probe(struct net_stack *stack, uint32_t address)
{
    struct arp_message message = {.op = ARP_REQUEST, .target = address};

    message_send(stack, broadcast_mac, &message);
}

/* Whether a message means that the address we probe is not free: RFC 5227,
 * 2.1.1. */
static bool is_probed(const struct net_stack *stack,
                      const struct arp_message *message)
{
    uint32_t probed = stack->arp_probed;

    if (probed == 0 ||
        memcmp(message->sender_mac, stack->dev->mac, ETHER_ADDR_SIZE) == 0)
        return false;
    return message->sender == probed ||
           (message->sender == 0 && message->op == ARP_REQUEST &&
            message->target == probed);
}

/* Another card says that our address is its own. We keep the address, and say
 * so; not more than once in an interval, or two that do so would never stop:
 * RFC 5227, 2.4 (b). */
static void defend(struct net_stack *stack, const struct arp_message *message)
{
    const uint8_t *mac = message->sender_mac;
    uint64_t now = net_now(stack);

    stack->stats.arp_conflicts++;
    if (now < stack->arp_defend_from || !stack_answers(stack))
        return;
    stack->arp_defend_from = now + DEFEND_INTERVAL_NS;
    log_warn("net: %02x:%02x:%02x:%02x:%02x:%02x claims our address", mac[0],
             mac[1], mac[2], mac[3], mac[4], mac[5]);
    announce(stack, message->sender);
}

/* Whether `address` may be that of another host on our link. */
static bool is_neighbour(const struct net_stack *stack, uint32_t address)
{
    struct net_addr addr = addr_of_ip4(address);

    return ip4_is_possible_source(stack, address) &&
           route_is_on_link(stack, &addr);
}

static enum neigh_news news_of(const struct arp_message *message, bool for_us)
{
    if (!for_us)
        return NEIGH_CLAIM;
    return message->op == ARP_REQUEST ? NEIGH_ASKS_US : NEIGH_ANSWER;
}

void arp_receive(struct net_stack *stack, const uint8_t *buf, size_t len)
{
    struct arp_message message;
    struct net_addr sender;
    bool for_us;

    stack->stats.arp_in++;
    if (arp_parse(buf, len, &message) != 0) {
        stack->stats.arp_bad++;
        return;
    }
    if (is_probed(stack, &message))
        stack->arp_probed_is_taken = true;
    for_us = ip4_is_ours(stack, message.target);
    if (message.sender == 0 && message.op == ARP_REQUEST) {
        if (for_us) /* a probe: RFC 5227, section 2.1.1 */
            reply_send(stack, &message);
        return;
    }
    if (ip4_is_ours(stack, message.sender)) {
        if (memcmp(message.sender_mac, stack->dev->mac, ETHER_ADDR_SIZE) != 0)
            defend(stack, &message);
        return;
    }
    if (!is_neighbour(stack, message.sender)) {
        stack->stats.arp_bad++;
        return;
    }
    sender = addr_of_ip4(message.sender);
    if (!neigh_learn(stack, &sender, message.sender_mac,
                     news_of(&message, for_us)))
        stack->stats.arp_ignored++;
    if (for_us && message.op == ARP_REQUEST)
        reply_send(stack, &message);
}
