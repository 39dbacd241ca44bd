/*
 * ARP (RFC 826) and the cache of neighbours.
 *
 * The cache is a fixed table of sets, so its size and every search in it are
 * bounded. An entry comes into being only when we ask for an address or when
 * somebody asks for ours; other traffic can only change entries that exist. A
 * confirmed address is asked for again after ARP_FRESH_NS, and meanwhile used.
 */
#ifndef TORC_NET_ARP_H
#define TORC_NET_ARP_H

#include "kernel/lib/list.h"
#include "kernel/packet.h"
#include "kernel/timer.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/time.h>

struct net_stack;

enum {
    ARP_SETS = 32, /* a power of two */
    ARP_WAYS = 4,
    ARP_TRIES = 3,       /* questions before giving up */
    ARP_WAITING_MAX = 3, /* packets behind one entry: the newest win */
    ARP_WAITING_ALL_MAX = 32,
};

#define ARP_FRESH_NS (60 * NS_PER_S)
#define ARP_RETRY_NS (1 * NS_PER_S) /* RFC 1122, 2.3.2.1: not faster */

struct arp_entry {
    uint32_t address; /* 0: free */
    uint8_t mac[6];
    bool known;           /* mac is valid */
    uint8_t asked;        /* questions since the last answer */
    uint64_t asked_at;    /* when the last one went out */
    uint64_t fresh_until; /* while known */
    uint64_t used_at;
    struct queue waiting; /* struct packet without Ethernet header */
    unsigned waiting_count;
};

struct arp_cache {
    struct arp_entry entry[ARP_SETS][ARP_WAYS];
    unsigned waiting_count; /* of all entries */
    struct timer timer;     /* set while some question is open */
    struct net_stack *stack;
};

/* Begin with an empty cache, and tell the link that we are here. */
void arp_init(struct net_stack *stack);
void arp_fini(struct net_stack *stack);

/* Tell the link our address (RFC 5227, section 2.3). */
void arp_announce(struct net_stack *stack);

/* Handle a frame's payload. Does not keep `buf`. */
void arp_receive(struct net_stack *stack, const uint8_t *buf, size_t len);

/*
 * Send an IPv4 packet to the neighbour `address`, now or when it is known. The
 * packet is gone afterwards in any case.
 */
void arp_send(struct net_stack *stack, struct packet *packet, uint32_t address);

#endif
