/*
 * A group: the stacks of several CPUs that share a card and its addresses. Each
 * stack belongs to its CPU; between them go only packets, through the exchange
 * slots.
 *
 * Member i has queue i of the card. With more members than queues, member i
 * sends by the queue of member i modulo queue_count, and that one, when a frame
 * comes, chooses by a keyed hash of the flow who of those with its queue gets
 * it. A connection stays with the member on which it began. When the card gives
 * a later segment to another queue, that member finds no connection and passes
 * the segment on, from member to member; the last one answers it.
 *
 * What concerns all (ARP, Neighbour Discovery, ICMP's errors and answers to
 * echoes) every member sees; member 0 alone answers. Fragments, and what is for
 * groups of hosts, are member 0's.
 */
#ifndef TORC_NET_GROUP_H
#define TORC_NET_GROUP_H

#include "kernel/device/netdev.h"
#include "kernel/lib/siphash.h"
#include "net/flow.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/net.h>

struct net_stack;

enum { GROUP_MAX = NET_QUEUE_MAX };

/* Constant once a stack of it runs; every member reads it. */
struct net_group {
    unsigned count; /* of members, at least 1 */
    unsigned queue_count;
    unsigned cpu[GROUP_MAX];
    struct siphash_key steer_key;
    struct siphash_key isn_key; /* of all members: so numbers go on growing
                                 * where a connection comes back elsewhere */
    struct net_device *card;

    /* So that a stack that is alone is without the code. A frame came from the
     * card: process it, or hand it to its member. Takes the packet. */
    void (*receive)(struct net_stack *stack, struct packet *packet);

    /*
     * The frame of a datagram, `header_len` bytes of IP headers in front of
     * packet->data, is for nobody here. Returns whether another member was
     * handed it: then the packet is taken.
     */
    bool (*pass)(struct net_stack *stack, struct packet *packet,
                 uint32_t header_len);

    /* Whether this member may begin a connection of that flow: no other may,
     * and what the peer sends to this queue comes here. */
    bool (*may_begin)(const struct net_stack *stack, const struct flow *flow);

    void (*check)(const struct net_stack *stack);
};

/* How many members send by the queue of `member`. */
unsigned group_share(const struct net_group *group, unsigned member);

/* The member that gets the frames of a flow when they come to `queue`. */
unsigned group_member_of(const struct net_group *group, unsigned queue,
                         const struct flow *flow);

/* For group_start.c. */
void group_receive(struct net_stack *stack, struct packet *packet);
bool group_may_begin(const struct net_stack *stack, const struct flow *flow);
bool group_pass(struct net_stack *stack, struct packet *packet,
                uint32_t header_len);

/*
 * A card for a member without a queue: what it sends goes to the queue of
 * another CPU, `via`. Returns NULL: no memory.
 */
struct net_queue *group_port_create(struct net_device *card, unsigned via);
void group_port_destroy(struct net_queue *queue);

/* Assert what must be true of a stack of a group. */
void group_check(const struct net_stack *stack);

#endif
