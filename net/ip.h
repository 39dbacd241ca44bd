/*
 * What is common to IPv4 and IPv6: a datagram that came, and the protocols that
 * take it. ICMP and TCP are built in; others register when an application first
 * uses them, so that an image without such an application is without their
 * code. Owner: the stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_IP_H
#define TORC_NET_IP_H

#include "kernel/device/packet.h"
#include "net/wire/addr.h"
#include <stdbool.h>
#include <stdint.h>

struct net_stack;

/* What the header of a datagram says. */
struct ip_info {
    struct net_addr src;
    struct net_addr dst;
    uint16_t header_len; /* in front of packet->data, pulled */
    uint8_t protocol;
    bool to_group; /* to a group of hosts: no error answers it */
};

struct ip_protocol {
    uint8_t number;

    /* A datagram for us came; `packet` begins with its payload. Takes the
     * packet. */
    void (*receive)(struct net_stack *stack, struct packet *packet,
                    const struct ip_info *info);

    /*
     * A datagram that we have sent, as `info` says, did not arrive: `error` is
     * what a socket answers. `quote` is the beginning of its payload, at least
     * 8 bytes. Anybody may have sent that. May be NULL.
     */
    void (*failed)(struct net_stack *stack, const struct ip_info *info,
                   const uint8_t *quote, int error);
};

/* Let a protocol take the datagrams of its number; harmless when it does. It
 * must live as long as the stack. */
void ip_protocol_add(struct net_stack *stack,
                     const struct ip_protocol *protocol);

/* The protocol of that number, or NULL. */
const struct ip_protocol *ip_protocol_find(const struct net_stack *stack,
                                           uint8_t number);

#endif
