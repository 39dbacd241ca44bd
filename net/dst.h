/*
 * The way to a destination, kept by whoever sends there often: a connection of
 * TCP, a connected socket of UDP. All of it is a cache: a struct dst of zeros
 * is a way of which nothing is known. Owner: the stack's CPU.
 */
#ifndef TORC_NET_DST_H
#define TORC_NET_DST_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DST_PMTU_MIN = 552, /* no smaller path MTU is believed: RFC 5927, 7 */
};

struct neigh;

struct dst {
    struct neigh *neigh;       /* the next hop; NULL: to be looked up */
    uint32_t neigh_generation; /* it is that one while they are the same */
    uint16_t route_generation; /* of the routes by which it was found */
    uint8_t hops;    /* that the next datagram may go: its TTL; 0: as usual */
    uint32_t source; /* our IPv4 address to send from; 0: the first one */
    uint16_t pmtu;   /* bytes of a datagram that reaches it; 0: the link's */
    uint8_t traffic_class; /* of the next datagram: RFC 2474, RFC 3168 */
    bool may_fragment;     /* routers may cut up datagrams: the path's MTU is
                        * smaller than DST_PMTU_MIN */
};

/*
 * A router could not pass on a datagram of `len` bytes because its next link
 * has an MTU of `mtu` bytes; 0: the router did not say (RFC 1191, 5), which
 * means the largest MTU of a common link that is smaller than `len`. The path
 * MTU never grows here. Returns whether it became smaller.
 */
bool dst_too_big(struct dst *dst, uint32_t mtu, uint32_t len);

#endif
