/*
 * A group: the stacks of several CPUs that share a card and its addresses. Each
 * stack belongs to its CPU; between them go packets and letters, through the
 * exchange slots.
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
 * groups of hosts, are member 0's. What it has put together goes from member to
 * member, too, and so does what is sent to ourselves.
 *
 * The port that a socket of UDP chooses says whose socket it is: so no two
 * members have the same, and answers go there at once.
 */
#ifndef TORC_NET_GROUP_H
#define TORC_NET_GROUP_H

#include "kernel/cpu/exchange.h"
#include "kernel/device/netdev.h"
#include "kernel/lib/siphash.h"
#include "net/flow.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/net.h>

struct net_stack;
struct packet;

enum { GROUP_MAX = NET_QUEUE_MAX };

/* Ports that a socket of UDP chooses, which nobody has a meaning for: RFC 6335,
 * 6. */
enum { UDP_PORT_FIRST = 49152, UDP_PORT_COUNT = 16384 };

/*
 * What a member tells another one: a part of some object, which is that one's
 * from then on. arrive() runs there under the rules of irq work, unless that
 * stack has gone.
 */
struct group_letter {
    struct exchange_item item;
    void (*arrive)(struct net_stack *stack, struct group_letter *letter);
};

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

    /* This member has sent that datagram to ourselves. Others may want to see
     * it: an error of ICMP. */
    void (*looped)(struct net_stack *stack, const struct packet *packet);

    /* Send a letter to another member. */
    void (*send)(const struct net_group *group, unsigned member,
                 struct group_letter *letter);

    void (*check)(const struct net_stack *stack);
};

/* How many members send by the queue of `member`. */
unsigned group_share(const struct net_group *group, unsigned member);

/* The member that gets the frames of a flow when they come to `queue`. */
unsigned group_member_of(const struct net_group *group, unsigned queue,
                         const struct flow *flow);

static inline bool group_port_is_chosen(uint16_t port)
{
    return port >= UDP_PORT_FIRST;
}

/* The member whose sockets choose that port, group_port_is_chosen(). */
static inline unsigned group_port_member(const struct net_group *group,
                                         uint16_t port)
{
    return (unsigned)(port - UDP_PORT_FIRST) % group->count;
}

/* The port of `member` that is next to the given one. */
static inline uint16_t group_port_near(const struct net_group *group,
                                       unsigned member, uint16_t port)
{
    unsigned place = (unsigned)(port - UDP_PORT_FIRST);

    place = place - place % group->count + member;
    if (place >= UDP_PORT_COUNT)
        place -= group->count;
    return (uint16_t)(UDP_PORT_FIRST + place);
}

/* As net_start_on(); `config` NULL: the stacks have no address yet, and nobody
 * is told. */
must_check int group_start(struct device *device,
                           const struct net_config *config,
                           const unsigned cpus[], unsigned count);

/* All CPUs, or the first 16, this one first. Returns how many. */
unsigned group_cpus(unsigned cpus[GROUP_MAX]);

/* For group_start.c. */
void group_receive(struct net_stack *stack, struct packet *packet);
bool group_may_begin(const struct net_stack *stack, const struct flow *flow);
bool group_pass(struct net_stack *stack, struct packet *packet,
                uint32_t header_len);
void group_looped(struct net_stack *stack, const struct packet *packet);
void group_letter_send(const struct net_group *group, unsigned member,
                       struct group_letter *letter);

/*
 * A card for a member without a queue: what it sends goes to the queue of
 * another CPU, `via`. Returns NULL: no memory.
 */
struct net_queue *group_port_create(struct net_device *card, unsigned via);
void group_port_destroy(struct net_queue *queue);

/* Assert what must be true of a stack of a group. */
void group_check(const struct net_stack *stack);

#endif
