/*
 * IPv4 for an end host (RFC 791, RFC 1122 section 3). Options are skipped,
 * fragments dropped: what we speak does not need them, since TCP keeps to the
 * path's size. Nothing is forwarded.
 */
#ifndef TORC_NET_IP4_H
#define TORC_NET_IP4_H

#include "kernel/packet.h"
#include "net/wire/wire.h"
#include <stdbool.h>
#include <stdint.h>

struct net_stack;

/* Take a packet that begins with its IPv4 header; it is gone afterwards.
 * `to_group`: the frame was sent to an Ethernet group. */
void ip4_receive(struct net_stack *stack, struct packet *packet, bool to_group);

/*
 * Put the header in front of the payload and send it to `dst`. The packet is
 * gone afterwards in any case.
 */
void ip4_send(struct net_stack *stack, struct packet *packet, uint32_t dst,
              uint8_t protocol);

/* ICMP (icmp.c): handle a message for us, in `packet` behind `header`. Takes
 * the packet. */
void icmp_receive(struct net_stack *stack, struct packet *packet,
                  const struct ip4_header *header);

/*
 * Tell the sender of the datagram in `packet` (from its IPv4 header on) that
 * its destination cannot be reached: RFC 1122, section 3.2.2.1. Limited in
 * rate. Does not take the packet.
 */
void icmp_unreachable(struct net_stack *stack, const struct packet *packet,
                      const struct ip4_header *header, uint8_t code);

#endif
