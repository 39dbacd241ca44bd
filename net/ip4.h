/*
 * IPv4 for an end host (RFC 791, RFC 1122 section 3). Options are skipped,
 * nothing is forwarded, nothing sent in fragments. Called on the stack's CPU;
 * nothing here yields.
 */
#ifndef TORC_NET_IP4_H
#define TORC_NET_IP4_H

#include "kernel/device/packet.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stdint.h>

struct dst;
struct net_stack;

/* Process a packet that begins with its IPv4 header. `to_group`: the frame was
 * sent to a group of cards. Takes the packet. */
void ip4_receive(struct net_stack *stack, struct packet *packet, bool to_group);

/* Send the payload in `packet` to `remote`, behind an IPv4 header, the way that
 * `dst` describes and keeps. Takes the packet. */
void ip4_output(struct net_stack *stack, struct packet *packet, uint32_t remote,
                uint8_t protocol, struct dst *dst);

/* ip4_output() to where we seldom send. */
void ip4_send(struct net_stack *stack, struct packet *packet, uint32_t remote,
              uint8_t protocol);

/* Send the payload in `packet` behind that header, whose length is filled in.
 * Takes the packet. */
void ip4_header_send(struct net_stack *stack, struct packet *packet,
                     struct ip4_header *header);

/*
 * What IPv4 does only after ip4_complete(), since a server of TCP does without
 * it and an image of such a server is smaller: put fragments together, send to
 * ourselves, to all hosts of the link and to groups.
 */
struct ip4_more {
    /* A fragment for us, with its header. Takes the packet. */
    void (*fragment)(struct net_stack *stack, struct packet *packet,
                     const struct ip4_header *header);

    /* Send a datagram with its header, when it is for one of those. Returns
     * whether it was: then the packet is taken. */
    bool (*send)(struct net_stack *stack, struct packet *packet,
                 uint32_t remote);

    /* Process some of what was sent to ourselves. Returns whether there is
     * more. */
    bool (*poll)(struct net_stack *stack);

    void (*fini)(struct net_stack *stack);
    void (*check)(const struct net_stack *stack);
};

/* Let IPv4 do all of it, in time also that of the other stacks of the card;
 * harmless when it does. */
void ip4_complete(struct net_stack *stack);

/* Hand a datagram for us, with its header, to its protocol. Takes the packet.
 */
void ip4_deliver(struct net_stack *stack, struct packet *packet,
                 const struct ip4_header *header);

/* Whether an address is that of all hosts of the link. */
bool ip4_is_broadcast(const struct net_stack *stack, uint32_t address);

/* Whether a datagram from outside can come from `src`: RFC 1122, 3.2.1.3. */
bool ip4_is_possible_source(const struct net_stack *stack, uint32_t src);

/* Whether an address is one of ours. */
bool ip4_is_ours(const struct net_stack *stack, uint32_t address);

/* The one of our addresses from which to send to `remote`. */
uint32_t ip4_source(const struct net_stack *stack, uint32_t remote);

/*
 * One more address of ours. Returns 0, -EEXIST, -ENOSPC.
 */
must_check int ip4_address_add(struct net_stack *stack, uint32_t address,
                               uint32_t netmask);

/* Let that be the first address of ours, in place of the one that was it; 0:
 * none. Whether it is possible is the caller's to know. */
void ip4_address_first(struct net_stack *stack, uint32_t address,
                       uint32_t netmask);

/* Addresses that datagrams from outside can neither come from nor go to. */
static inline bool ip4_is_loop(uint32_t address)
{
    return address >> 24 == 127;
}

static inline bool ip4_is_multicast(uint32_t address)
{
    return address >> 28 == 14;
}

#endif
