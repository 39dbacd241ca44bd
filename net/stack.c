/* Frames in and out of the stack, and the thread that polls the card. */
#include "net/stack.h"
#include "net/arp.h"
#include "net/group.h"
#include "net/ip.h"
#include "net/ip4.h"
#include "net/tcp.h"
#include "net/wire/wire.h"
#include <torc/assert.h>
#include <torc/string.h>
#include <torc/thread.h>

enum { TX_RETRY_US = 500 };

/* ---- Time ---------------------------------------------------------------- */

uint64_t stack_time(struct net_stack *stack)
{
    stack->now = net_now(stack);
    stack->now_us = (uint32_t)(stack->now / NS_PER_US);
    stack->now_ms = (uint32_t)(stack->now / NS_PER_MS);
    stack->told_at = cpu_self()->switch_count + 1;
    return stack->now;
}

__attribute__((cold)) void stack_tick(struct net_stack *stack)
{
    (void)stack_time(stack);
    stack->told_at = 0;
}

/* ---- In ------------------------------------------------------------------ */

struct packet *stack_packet(struct net_stack *stack)
{
    struct packet *packet = packet_get();

    if (packet == NULL)
        stack->stats.no_packet++;
    return packet;
}

/* Process a frame of any kind. Takes the packet. */
static noinline void frame_receive(struct net_stack *stack,
                                   struct packet *packet)
{
    struct ether_header ether;
    bool to_group;
    int error;

    /* Nobody has asked the card for frames in several buffers. */
    if (packet->rest > 0 ||
        ether_parse(packet->data, packet->len, &ether) != 0) {
        stack->stats.frames_bad++;
        packet_put(packet);
        return;
    }
    to_group = ether_is_group(ether.dst);
    if (!to_group && memcmp(ether.dst, stack->dev->mac, ETHER_ADDR_SIZE) != 0) {
        stack->stats.frames_bad++;
        packet_put(packet);
        return;
    }
    error = packet_pull(packet, ETHER_HEADER_SIZE);
    assert(error == 0); /* ether_parse() has checked the length */
    switch (ether.type) {
    case ETHER_TYPE_IP4:
        ip4_receive(stack, packet, to_group);
        return;
    case ETHER_TYPE_IP6:
        if (stack->ip6 == NULL)
            break;
        stack->ip6->receive(stack, packet, to_group);
        return;
    case ETHER_TYPE_ARP:
        arp_receive(stack, packet->data, packet->len);
        packet_put(packet);
        return;
    default:
        break;
    }
    stack->stats.frames_bad++;
    packet_put(packet);
}

/* In line where the card's frames are polled. */
static inline __attribute__((always_inline)) void
frame_take(struct net_stack *stack, struct packet *packet)
{
    stack->stats.frames_in++;
    if (!tcp_receive_frame(stack, packet, true))
        frame_receive(stack, packet);
}

void stack_receive(struct net_stack *stack, struct packet *packet)
{
    frame_take(stack, packet);
}

/* ---- Out ----------------------------------------------------------------- */

/* Give a frame to the driver. Returns whether the driver took it. */
static bool card_send(struct net_stack *stack, struct packet *packet)
{
    if (net_send(stack->queue, &packet, 1) == 0)
        return false;
    stack->stats.frames_out++;
    return true;
}

void stack_retry(struct net_stack *stack)
{
    uint64_t at = net_now(stack) + TX_RETRY_US * NS_PER_US;

    /* Without memory for the timer the next poll sends what waits. */
    if (!timer_is_set(&stack->tx_timer) && timer_set(&stack->tx_timer, at) != 0)
        stack->stats.no_timer++;
}

void stack_transmit(struct net_stack *stack, struct packet *packet)
{
    assert(packet->len >= ETHER_HEADER_SIZE);
    if (queue_empty(&stack->tx_queue) && card_send(stack, packet))
        return;
    if (stack->tx_queued >= STACK_TX_QUEUE_MAX) {
        stack->stats.frames_dropped++;
        net_drop_sent(stack->queue, packet);
        return;
    }
    queue_push(&stack->tx_queue, &packet->node);
    stack->tx_queued++;
    stack_retry(stack);
}

bool stack_tx_full(const struct net_stack *stack)
{
    return stack->tx_queued >= STACK_TX_HOLD;
}

/* Send the frames in tx_queue, then let the blocked connections send. */
static __attribute__((cold)) void stack_flush(struct net_stack *stack)
{
    struct queue_node *node;

    while ((node = stack->tx_queue.head) != NULL) {
        /* Remove it first: when the driver takes it, packet->node is the
         * driver's. */
        queue_pop(&stack->tx_queue);
        if (!card_send(stack, container_of(node, struct packet, node))) {
            queue_push_front(&stack->tx_queue, node);
            break;
        }
        stack->tx_queued--;
    }
    tcp_unblock(stack);
    if (!queue_empty(&stack->tx_queue))
        stack_retry(stack);
}

__attribute__((cold)) void stack_tx_timeout(struct timer *timer)
{
    struct net_stack *stack = container_of(timer, struct net_stack, tx_timer);

    stack_tick(stack);
    stack_flush(stack);
}

/* ---- The thread ---------------------------------------------------------- */

void stack_wake(struct net_queue *queue)
{
    struct net_stack *stack = queue->user;

    wait_wake_one(&stack->wake);
}

/* The thread waits: poll for it, in the scheduler's pass, without a switch. It
 * goes on where there is more; and where each thread's time is counted, so that
 * what the network takes is told. */
void stack_attend(struct net_queue *queue)
{
    struct net_stack *stack = queue->user;

    if (!list_empty(&stack->wake.waiters) &&
        (cpu_self()->switch_extras || stack_poll(stack)))
        wait_wake_one(&stack->wake);
}

/* The card has received a frame. In a group it may be another member's, unless
 * its connection is here. Takes the packet. */
static void frame_received(struct net_stack *stack, struct packet *packet)
{
    const struct net_group *group = stack->group;

    if (group == NULL || group->count == 1)
        frame_take(stack, packet);
    else if (tcp_receive_frame(stack, packet, false))
        stack->stats.frames_in++;
    else
        group->receive(stack, packet);
}

bool stack_poll(struct net_stack *stack)
{
    unsigned count;
    bool more = false;

    stack_tick(stack);
    count = net_poll(stack->queue, stack->polled, STACK_POLL_BUDGET);
    if (unlikely(stack->crowd.full_polls >= CROWD_POLLS))
        crowd_begin(stack);
    for (unsigned i = 0; i < count; i++)
        frame_received(stack, stack->polled[i]);
    stack->crowd.sheds = false;
    stack->crowd.full_polls =
        count < STACK_POLL_BUDGET ? 0 : stack->crowd.full_polls + 1;
    if (stack->ip4_more != NULL)
        more = stack->ip4_more->poll(stack);
    if (stack->ip6 != NULL)
        more |= stack->ip6->poll(stack);
    if (!queue_empty(&stack->tx_queue) || !list_empty(&stack->blocked))
        stack_flush(stack);
    return more || count >= STACK_POLL_BUDGET || !net_arm(stack->queue, true);
}

/* When stack_poll() returns false, the next frame interrupts. No wake-up can be
 * lost: nothing runs on this CPU between that and wait_on(). */
int stack_run(void *arg)
{
    struct net_stack *stack = arg;

    while (!stack->is_stopping) {
        while (stack_poll(stack))
            thread_yield();
        wait_on(&stack->wake);
    }
    return 0;
}

/* ---- What must be true --------------------------------------------------- */

__attribute__((cold)) void stack_check(const struct net_stack *stack)
{
    unsigned count = 0;

    assert(stack->queue->user == stack);
    assert(stack->queue->device == stack->dev);
    assert(stack->arrived == NULL);
    assert(stack->now_us == (uint32_t)(stack->now / NS_PER_US));
    assert(stack->now_ms == (uint32_t)(stack->now / NS_PER_MS));
    for (struct queue_node *node = stack->tx_queue.head; node != NULL;
         node = node->next) {
        packet_check(container_of(node, struct packet, node));
        count++;
    }
    assert(count == stack->tx_queued);
    assert(count <= STACK_TX_QUEUE_MAX);
    /* What waits for the card is tried again, unless there was no timer. */
    assert((count == 0 && list_empty(&stack->blocked)) ||
           timer_is_set(&stack->tx_timer) || stack->stats.no_timer > 0);
    neigh_check(&stack->neigh);
    route_check(stack);
    if (stack->ip4_more != NULL)
        stack->ip4_more->check(stack);
    if (stack->ip6 != NULL)
        stack->ip6->check(stack);
    if (stack->group != NULL)
        stack->group->check(stack);
    tcp_check_all(stack);
}
