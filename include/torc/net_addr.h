/*
 * Addresses of the network, of both families in one form: the 16 bytes of an
 * IPv6 address, in network order. An IPv4 address a.b.c.d is ::ffff:a.b.c.d
 * (RFC 4291, 2.5.5.2). All zeros is IPv6's unspecified address, and here no
 * address at all, or any.
 */
#ifndef TORC_NET_ADDR_H
#define TORC_NET_ADDR_H

#include <stdint.h>

struct net_addr {
    union {
        uint8_t byte[16];
        uint64_t word[2];
    };
};

/* One end of a conversation: an address and a port of TCP or UDP. */
struct net_endpoint {
    struct net_addr addr;
    uint16_t port;
};

#endif
