/*
 * Fragments of datagrams are put together again: RFC 791, RFC 8200. Bounded
 * against those who send fragments only (docs/net.md): the datagrams that wait
 * for their rest, those of one source, and the packets that all of them hold.
 * Of overlapping fragments none is believed (RFC 5722; RFC 1858): their whole
 * datagram is dropped. Owner: the stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_REASSEMBLY_H
#define TORC_NET_REASSEMBLY_H

#include "kernel/device/packet.h"
#include "kernel/thread/timer.h"
#include "net/wire/addr.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/list.h>
#include <torc/time.h>

struct net_stack;

enum {
    REASSEMBLY_MAX = 16,      /* datagrams that wait for their rest */
    REASSEMBLY_OF_SOURCE = 4, /* of one source: a quarter */
    REASSEMBLY_PIECES = PACKET_SLICES + 1, /* fragments of a datagram */
};

/* RFC 1122, 3.3.2, and RFC 8200, 4.5, say 60 s; that is long for an attack. */
#define REASSEMBLY_NS (30 * NS_PER_S)

/* Which datagram a fragment is of. */
struct fragment_key {
    struct net_addr src;
    struct net_addr dst;
    uint32_t id;
    uint8_t protocol; /* of IPv4; of IPv6, 0: RFC 8200, 4.5 */
};

struct fragment {
    struct fragment_key key;
    uint32_t offset;     /* bytes of payload before it */
    uint32_t header_len; /* in front of packet->data, pulled */
    bool is_last;
};

struct reassembly {
    struct net_stack *stack;
    struct list waiting; /* struct assembly, oldest first */
    unsigned waiting_count;
    unsigned packet_count; /* held by all of them */
    unsigned packet_max;
    struct timer timer; /* set while datagrams wait */
    /* The time of a datagram is over whose first fragment came; `packet` begins
     * with its IP header, and stays the caller's. Of each family. */
    void (*expired4)(struct net_stack *stack, struct packet *packet);
    void (*expired6)(struct net_stack *stack, struct packet *packet);
};

/* Start with none; at most `packet_max` packets will be held. Harmless when it
 * was done for the other family. */
void reassembly_init(struct net_stack *stack, unsigned packet_max);

/* Drop all. */
void reassembly_fini(struct net_stack *stack);

/*
 * A fragment came, whose payload `packet` holds. Takes the packet. Returns the
 * whole datagram when it was the last one missing: the first fragment with its
 * header, and the payload of the others behind its own, in one piece when that
 * fits into a packet. Else NULL.
 */
struct packet *reassembly_add(struct net_stack *stack,
                              const struct fragment *fragment,
                              struct packet *packet);

/* Assert what must be true. */
void reassembly_check(const struct net_stack *stack);

#endif
