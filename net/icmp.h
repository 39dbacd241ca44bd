/*
 * ICMP for IPv4: echo, errors, and the path MTU. RFC 792, RFC 1122 section
 * 3.2.2, RFC 1191. Owner: the stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_ICMP_H
#define TORC_NET_ICMP_H

#include "kernel/device/packet.h"
#include "net/wire/wire.h"
#include <stdint.h>

struct ip_info;
struct net_stack;

/* Process an ICMP message for us, in `packet`; `header` was in front of it.
 * Takes the packet. */
void icmp_receive(struct net_stack *stack, struct packet *packet,
                  const struct ip4_header *header);

/*
 * Tell the sender of the datagram in `packet`, which begins with its IPv4
 * header, what has become of it. Not more than 100 a second, and never about
 * ICMP (RFC 1122, 3.2.2). Does not take the packet.
 */
void icmp_error(struct net_stack *stack, const struct packet *packet,
                uint8_t type, uint8_t code);

/* No socket has the port that the datagram in `packet` is for, whose header, in
 * front of packet->data, `info` tells: say so to its sender, unless it was sent
 * to many. Does not take the packet. */
void icmp_port_unreachable(struct net_stack *stack, struct packet *packet,
                           const struct ip_info *info);

/* reassembly.expired4: the rest of a datagram did not come in time. */
void icmp_expired(struct net_stack *stack, struct packet *packet);

#endif
