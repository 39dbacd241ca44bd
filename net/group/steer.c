/* Which member of a group gets a frame. */
#include "kernel/cpu/exchange_inline.h"
#include "net/group.h"
#include "net/group/peek.h"
#include "net/ip.h"
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/assert.h>
#include <torc/string.h>

/* Of the packets of a member at most half are with the others. */
static unsigned given_max(const struct net_stack *stack)
{
    unsigned others = stack->group->count - 1;
    unsigned most = stack->packet_count / 2 / others;

    return most > 0 ? most : 1;
}

/* A frame from another member. */
static void frame_arrived(struct packet *packet)
{
    struct net_stack *stack = stack_self();

    if (stack == NULL) {
        packet_put(packet); /* it starts, or has stopped */
        return;
    }
    stack_tick(stack);
    stack_receive(stack, packet);
}

/* A datagram without a frame from another member. */
static void datagram_arrived(struct packet *packet)
{
    struct net_stack *stack = stack_self();

    if (stack == NULL) {
        packet_put(packet);
        return;
    }
    stack_tick(stack);
    ip_receive_whole(stack, packet);
}

/* Whether another member may have a packet now. One of several buffers keeps as
 * many of ours away: only while most are here. */
static bool may_give(const struct net_stack *stack, const struct packet *packet,
                     unsigned cpu)
{
    if (packet->slice_count > 0 &&
        packet_free_count() < stack->packet_count / 2)
        return false;
    return packet_given_count(cpu) < given_max(stack);
}

/* A copy of a packet in one piece; NULL: no packet is free, or the packet is
 * longer than a copy of it can be, as nothing is that needs one. */
static __attribute__((cold)) struct packet *copy_of(struct net_stack *stack,
                                                    const struct packet *packet)
{
    struct packet *copy = stack_packet(stack);
    uint32_t len = packet_len(packet);
    uint8_t *to;

    if (copy == NULL)
        return NULL;
    to = packet_append(copy, len);
    if (to == NULL) {
        packet_put(copy);
        return NULL;
    }
    (void)packet_read(packet, 0, to, len);
    copy->hops = packet->hops;
    copy->offload.csum_valid = packet->offload.csum_valid;
    copy->offload.csum_partial = packet->offload.csum_partial;
    return copy;
}

/* Whoever has sent it keeps it until it is acknowledged. Takes the packet. */
static __attribute__((cold)) struct packet *let_go(struct net_stack *stack,
                                                   struct packet *packet)
{
    struct packet *copy = copy_of(stack, packet);

    packet_put(packet);
    return copy;
}

/* Give a packet to another member, or drop it when that one has many. Takes the
 * packet. */
static void hand_over(struct net_stack *stack, struct packet *packet,
                      unsigned member)
{
    unsigned cpu = stack->group->cpu[member];

    if (unlikely(packet->buf.refs > 1))
        packet = let_go(stack, packet);
    if (packet == NULL)
        return;
    if (!may_give(stack, packet, cpu)) {
        stack->stats.handover_dropped++;
        packet_put(packet);
        return;
    }
    stack->stats.handed_over++;
    packet_give(packet, cpu,
                packet->hops & PACKET_NO_FRAME ? datagram_arrived
                                               : frame_arrived);
}

/* Let the other members see a copy of a frame, or of a datagram. */
static __attribute__((cold)) void show(struct net_stack *stack,
                                       const struct packet *packet)
{
    for (unsigned i = 0; i < stack->group->count; i++) {
        struct packet *copy;

        if (i == stack->member)
            continue;
        copy = copy_of(stack, packet);
        if (copy == NULL)
            return;
        hand_over(stack, copy, i);
    }
}

unsigned group_share(const struct net_group *group, unsigned member)
{
    unsigned queue = member % group->queue_count;

    return (group->count - queue - 1) / group->queue_count + 1;
}

unsigned group_member_of(const struct net_group *group, unsigned queue,
                         const struct flow *flow)
{
    unsigned share = group_share(group, queue);

    if (share == 1)
        return queue;
    return queue + group->queue_count *
                       ((uint32_t)flow_hash(&group->steer_key, flow) % share);
}

/* Each flow is of one queue, for which the upper half of the hash decides, and
 * of one member of those that share it. */
bool group_may_begin(const struct net_stack *stack, const struct flow *flow)
{
    const struct net_group *group = stack->group;
    unsigned queue = stack->member % group->queue_count;
    uint64_t hash = flow_hash(&group->steer_key, flow);

    return (hash >> 32) % group->queue_count == queue &&
           group_member_of(group, queue, flow) == stack->member;
}

/* Who gets the frames of a flow that come to this queue. */
static unsigned receiver_of(const struct net_stack *stack,
                            const struct flow *flow)
{
    const struct net_group *group = stack->group;

    /* What comes before we have an address is for the client of DHCP. */
    if (stack->ip4_count == 0 && flow_is_ip4(flow))
        return 0;
    if (flow->protocol == IP4_UDP && group_port_is_chosen(flow->lport))
        return group_port_member(group, flow->lport);
    return group_member_of(group, stack->queue->index, flow);
}

void group_receive(struct net_stack *stack, struct packet *packet)
{
    unsigned member = stack->member;
    struct flow flow;

    if (packet->rest > 0) {
        stack_receive(stack, packet); /* which counts it as bad */
        return;
    }
    switch (frame_peek(packet->data, packet->len, &flow)) {
    case FRAME_FLOW:
        member = receiver_of(stack, &flow);
        break;
    case FRAME_LINK:
        show(stack, packet);
        break;
    case FRAME_FRAGMENT:
    case FRAME_GROUP:
        member = 0;
        break;
    case FRAME_OTHER:
        break;
    }
    if (member == stack->member)
        stack_receive(stack, packet);
    else
        hand_over(stack, packet, member);
}

/* Every member is asked in turn, this one was the last of hops + 1. */
bool group_pass(struct net_stack *stack, struct packet *packet,
                uint32_t header_len)
{
    const struct net_group *group = stack->group;
    unsigned link =
        packet->hops & PACKET_NO_FRAME ? 0 : (unsigned)ETHER_HEADER_SIZE;
    struct flow flow;
    uint8_t *start;

    if ((packet->hops & ~(unsigned)PACKET_NO_FRAME) + 1 >= group->count)
        return false;
    start = packet_push(packet, link + header_len);
    if (start == NULL)
        return false;
    if (datagram_peek(start + link, packet->len - link, &flow) != FRAME_FLOW) {
        (void)packet_pull(packet, link + header_len);
        return false;
    }
    packet->hops++;
    hand_over(stack, packet, (stack->member + 1) % group->count);
    return true;
}

void group_looped(struct net_stack *stack, const struct packet *packet)
{
    struct flow flow;

    if (stack->group->count > 1 &&
        datagram_peek(packet->data, packet->len, &flow) == FRAME_LINK)
        show(stack, packet);
}

/* ---- Letters ------------------------------------------------------------- */

static void letter_arrived(struct exchange_item *item)
{
    struct group_letter *letter = container_of(item, struct group_letter, item);

    if (stack_self() != NULL)
        letter->arrive(stack_self(), letter);
}

void group_letter_send(const struct net_group *group, unsigned member,
                       struct group_letter *letter)
{
    letter->item.run = letter_arrived;
    exchange_send(group->cpu[member], &letter->item);
}

__attribute__((cold)) void group_check(const struct net_stack *stack)
{
    const struct net_group *group = stack->group;

    assert(group->count >= 1 && group->count <= GROUP_MAX);
    assert(group->queue_count >= 1 && group->queue_count <= group->count);
    assert(stack->member < group->count);
    assert(stack->member >= group->queue_count ||
           stack->queue->index == stack->member);
    for (unsigned i = 0; i < group->count; i++)
        assert(i == stack->member ||
               packet_given_count(group->cpu[i]) <= stack->packet_count);
}
