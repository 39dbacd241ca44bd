/*
 * IPv4 for an end host (RFC 791, RFC 1122 section 3), and ICMP. Options are
 * skipped. Fragments are dropped: TCP sends segments that need none. Nothing is
 * forwarded. Called on the stack's CPU; nothing here yields.
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

/* icmp.c: process an ICMP message for us, in `packet`; `header` was in front of
 * it. Takes the packet. */
void icmp_receive(struct net_stack *stack, struct packet *packet,
                  const struct ip4_header *header);

/*
 * icmp.c: tell the sender of the datagram in `packet`, which begins with its
 * IPv4 header, that its destination is unreachable for the reason `code` (RFC
 * 1122, section 3.2.2.1). Not more than 100 a second. Does not take the packet.
 */
void icmp_unreachable(struct net_stack *stack, const struct packet *packet,
                      const struct ip4_header *header, uint8_t code);

#endif
