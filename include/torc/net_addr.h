/*
 * Addresses of the network, of both families in one form: the 16 bytes of an
 * IPv6 address, in network order. An IPv4 address a.b.c.d is ::ffff:a.b.c.d
 * (RFC 4291, 2.5.5.2). All zeros is IPv6's unspecified address, and here no
 * address at all, or any.
 */
#ifndef TORC_NET_ADDR_H
#define TORC_NET_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum {
    NET_ADDR_SIZE = 46,     /* the text of an address, and its NUL */
    NET_ENDPOINT_SIZE = 54, /* and that of an endpoint */
};

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

/* Read all of `text`: "10.0.2.15", "2001:db8::1" (RFC 4291, 2.2). No name is
 * looked up: see net_resolve(). Returns 0 and *out, or -EINVAL. */
must_check int net_addr_parse(const char *text, struct net_addr *out);

/* Write an address as text: 10.0.2.15, 2001:db8::1 (RFC 5952). */
void net_addr_format(char text[NET_ADDR_SIZE], const struct net_addr *addr);

/* Read all of `text`: "10.0.2.15:80", "[2001:db8::1]:80" (RFC 3986, 3.2.2); the
 * port is 0 .. 65535. Returns 0 and *out, or -EINVAL. */
must_check int net_endpoint_parse(const char *text, struct net_endpoint *out);

/* Write it so. */
void net_endpoint_format(char text[NET_ENDPOINT_SIZE],
                         const struct net_endpoint *end);

#endif
