/*
 * ARP (RFC 826) and the cache of neighbours. Owner: the stack's CPU.
 *
 * The cache is a set-associative table, so its size and every search in it are
 * bounded. An entry is created only when we want to send to an address or when
 * its host asks for ours. Any ARP message from the host, requested or not,
 * updates an entry that exists. An entry older than ARP_FRESH_NS is still used
 * while we ask for the address again.
 */
#ifndef TORC_NET_ARP_H
#define TORC_NET_ARP_H

#include "kernel/device/packet.h"
#include "kernel/thread/timer.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>

struct net_stack;

enum {
    ARP_SETS = 32, /* a power of two */
    ARP_WAYS = 4,
    ARP_TRIES = 3,            /* requests without an answer */
    ARP_WAITING_MAX = 3,      /* packets of one entry: the oldest is dropped */
    ARP_WAITING_ALL_MAX = 32, /* packets of all entries: the new one is */
};

#define ARP_FRESH_NS (60 * NS_PER_S)
#define ARP_RETRY_NS (1 * NS_PER_S) /* between requests: RFC 1122, 2.3.2.1 */

struct arp_entry {
    uint32_t address; /* 0: free */
    uint8_t mac[6];
    bool known;           /* mac is valid */
    uint8_t asked;        /* requests sent since the last answer */
    uint64_t asked_at;    /* when the last request was sent */
    uint64_t fresh_until; /* when known: ask again from then on */
    uint64_t used_at;     /* when we last sent to it */
    struct queue waiting; /* IPv4 packets to send when the answer comes */
    unsigned waiting_count;
};

struct arp_cache {
    struct arp_entry entry[ARP_SETS][ARP_WAYS];
    unsigned waiting_count; /* of all entries */
    struct timer timer;     /* set while a request has no answer */
    struct net_stack *stack;
};

/* Start with an empty cache. */
void arp_init(struct net_stack *stack);

/* Drop all entries and the packets that wait. */
void arp_fini(struct net_stack *stack);

/* Tell the link our address (RFC 5227, section 2.3). */
void arp_announce(struct net_stack *stack);

/* Process an ARP message, the payload of a frame. Does not keep `buf`. */
void arp_receive(struct net_stack *stack, const uint8_t *buf, size_t len);

/*
 * Send an IPv4 packet to the neighbour `address`: at once when its Ethernet
 * address is known, else when it answers. Takes the packet, and drops it when
 * there is no answer.
 */
void arp_send(struct net_stack *stack, struct packet *packet, uint32_t address);

/* Assert what must be true of a cache. */
void arp_check(const struct arp_cache *cache);

#endif
