/* Which member of a group gets a frame. */
#include "net/group.h"
#include "net/group/peek.h"
#include "net/stack.h"
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

/* Give a frame to another member, or drop it when that one has many. Takes the
 * packet. */
static void hand_over(struct net_stack *stack, struct packet *packet,
                      unsigned member)
{
    unsigned cpu = stack->group->cpu[member];

    if (packet_given_count(cpu) >= given_max(stack)) {
        stack->stats.handover_dropped++;
        packet_put(packet);
        return;
    }
    stack->stats.handed_over++;
    packet_give(packet, cpu, frame_arrived);
}

/* Let the other members see a copy of a frame. */
static __attribute__((cold)) void show(struct net_stack *stack,
                                       const struct packet *packet)
{
    for (unsigned i = 0; i < stack->group->count; i++) {
        struct packet *copy;
        uint8_t *to;

        if (i == stack->member)
            continue;
        copy = stack_packet(stack);
        if (copy == NULL)
            return;
        to = packet_append(copy, packet->len);
        if (to == NULL) { /* nothing that concerns all is so long */
            packet_put(copy);
            return;
        }
        memcpy(to, packet->data, packet->len);
        copy->offload.csum_valid = packet->offload.csum_valid;
        copy->offload.csum_partial = packet->offload.csum_partial;
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

void group_receive(struct net_stack *stack, struct packet *packet)
{
    const struct net_group *group = stack->group;
    unsigned member = stack->member;
    struct flow flow;

    if (packet->rest > 0) {
        stack_receive(stack, packet); /* which counts it as bad */
        return;
    }
    switch (frame_peek(packet->data, packet->len, &flow)) {
    case FRAME_FLOW:
        member = group_member_of(group, stack->queue->index, &flow);
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
    struct flow flow;
    uint8_t *frame;

    if (packet->hops + 1U >= group->count)
        return false;
    frame = packet_push(packet, header_len + ETHER_HEADER_SIZE);
    if (frame == NULL)
        return false;
    if (frame_peek(frame, packet->len, &flow) != FRAME_FLOW) {
        (void)packet_pull(packet, header_len + ETHER_HEADER_SIZE);
        return false;
    }
    packet->hops++;
    hand_over(stack, packet, (stack->member + 1) % group->count);
    return true;
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
