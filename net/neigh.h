/*
 * The neighbours: hosts on our link, and their hardware addresses. ARP (for
 * IPv4) and Neighbour Discovery (for IPv6) ask and answer; the table and its
 * rules are the same for both. Owner: the stack's CPU; nothing here yields.
 *
 * The table has a fixed size. It is set-associative under a keyed hash, so that
 * no outsider can aim at one set. Rules, against those who lie on the link:
 *
 * - An entry is created only when we want to send to an address, when a
 *   connection with it has begun, or when its host asks for ours.
 * - An entry without a hardware address never takes the place of one that has
 *   been used in the last NEIGH_FRESH_NS.
 * - A known hardware address is changed only when its owner no longer answers
 *   (RFC 1122, 2.3.2.1, unicast poll): who claims another one makes us ask the
 *   old owner first. A gateway cannot be taken over while it answers.
 * - One question a second for an address (RFC 1122, 2.3.2.1), whether or not
 *   its entry is still there: neigh_table.asked_ms remembers.
 */
#ifndef TORC_NET_NEIGH_H
#define TORC_NET_NEIGH_H

#include "kernel/device/packet.h"
#include "kernel/thread/timer.h"
#include "net/wire/addr.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>

struct net_stack;

enum {
    NEIGH_SETS = 32, /* a power of two */
    NEIGH_WAYS = 4,
    NEIGH_TRIES = 3,            /* questions to all, without an answer */
    NEIGH_POLLS = 2,            /* questions to the known address before */
    NEIGH_WAITING_MAX = 3,      /* packets of one entry: the oldest goes */
    NEIGH_WAITING_ALL_MAX = 32, /* packets of all entries: the new one goes */
    NEIGH_STAMPS = 1024,        /* a power of two */
};

#define NEIGH_FRESH_NS (60 * NS_PER_S)
#define NEIGH_RETRY_NS (1 * NS_PER_S) /* between questions */

struct neigh {
    struct net_addr address; /* none: the entry is free */
    uint32_t generation;     /* another one for each use of the entry */
    uint8_t mac[ETHER_ADDR_SIZE];
    bool is_known;        /* mac is valid */
    uint8_t asked;        /* questions since the last answer */
    uint64_t asked_at;    /* when the last one was due */
    uint64_t fresh_until; /* when known: ask again from then on */
    uint64_t used_at;     /* when we last sent to it; created, before that */
    bool is_used;         /* we have sent to it */
    struct queue waiting; /* datagrams to send when the answer comes */
    unsigned waiting_count;
};

struct neigh_table {
    struct neigh entry[NEIGH_SETS][NEIGH_WAYS];
    /* When the addresses of one hash were last asked for, in milliseconds; 0:
     * never. */
    uint32_t asked_ms[NEIGH_STAMPS];
    struct neigh *latest;   /* found last; it may be another's by now */
    uint32_t generation;    /* the last one given out */
    unsigned waiting_count; /* of all entries */
    struct timer timer;     /* set while a question has no answer */
    struct net_stack *stack;
    /* Ask for the hardware address of `target`: its owner at `mac`, or, when
     * that is NULL, everybody. Of IPv4, and of IPv6 (NULL: not in use). */
    void (*ask4)(struct net_stack *stack, const struct net_addr *target,
                 const uint8_t *mac);
    void (*ask6)(struct net_stack *stack, const struct net_addr *target,
                 const uint8_t *mac);
    /* A neighbour of IPv6 does not answer. NULL: nobody wants to know. */
    void (*silent6)(struct net_stack *stack, const struct net_addr *addr);
    /* The same of either family; the entry is still there. */
    void (*silent)(struct net_stack *stack, const struct neigh *entry);
};

/* Start with an empty table. */
void neigh_init(struct net_stack *stack);

/* Drop all entries and the packets that wait. */
void neigh_fini(struct net_stack *stack);

/* The entry of a neighbour, found or created; it is that neighbour's as long as
 * its generation is the same. NULL: there is no room for it. */
struct neigh *neigh_get(struct net_stack *stack, const struct net_addr *hop);

/*
 * Send a datagram to a neighbour: at once when its hardware address is known,
 * else when it answers. The frame's type follows from the family of its
 * address. Takes the packet, and drops it when there is no answer.
 */
void neigh_send(struct net_stack *stack, struct packet *packet,
                struct neigh *neigh);

/* Whether a datagram may go to a neighbour at `now` without a question: it is
 * counted as sent to it then. */
static inline bool neigh_is_ready(struct neigh *neigh, uint64_t now)
{
    if (!neigh->is_known || now >= neigh->fresh_until)
        return false;
    neigh->used_at = now;
    neigh->is_used = true;
    return true;
}

/* Send a datagram in a frame of that type to a card or a group of cards. Takes
 * the packet. */
void neigh_frame(struct net_stack *stack, struct packet *packet,
                 const uint8_t *mac, uint16_t type);

/* What somebody says of the hardware address of a neighbour. */
enum neigh_news {
    NEIGH_CLAIM,   /* says so, unasked, or not to us */
    NEIGH_ASKS_US, /* asks for our address: it wants to talk to us */
    NEIGH_ANSWER,  /* answers us */
};

/* A neighbour says that its hardware address is `mac`. Returns whether there is
 * an entry for it. */
bool neigh_learn(struct net_stack *stack, const struct net_addr *address,
                 const uint8_t *mac, enum neigh_news news);

/* A neighbour answers us without saying its hardware address: it has that which
 * we know. Returns whether we know one. */
bool neigh_confirm(struct net_stack *stack, const struct net_addr *address);

/* Assert what must be true of a table. */
void neigh_check(const struct neigh_table *table);

#endif
