/*
 * ARP for IPv4 over Ethernet: RFC 826, RFC 5227. Asks and answers for the table
 * of neighbours (neigh.h). Owner: the stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_ARP_H
#define TORC_NET_ARP_H

#include <stddef.h>
#include <stdint.h>

struct net_stack;

/* Let the neighbours of IPv4 be asked by ARP. */
void arp_init(struct net_stack *stack);

/* Tell the link our address (RFC 5227, section 2.3). */
void arp_announce(struct net_stack *stack);

/*
 * Ask whether somebody has `address`, without saying that we want it: a probe
 * (RFC 5227, 2.1.1). stack->arp_probed must be that address: until it is
 * another one, stack->arp_probed_is_taken tells that another card has said it
 * uses the address, or has asked for it in the same way.
 */
void arp_probe(struct net_stack *stack, uint32_t address);

/* Process an ARP message, the payload of a frame. Does not keep `buf`. */
void arp_receive(struct net_stack *stack, const uint8_t *buf, size_t len);

#endif
