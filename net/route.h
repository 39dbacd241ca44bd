/*
 * Routes: which neighbour a datagram for an address is handed to. Of the routes
 * whose prefix an address has, the longest is taken. Owner: the stack's CPU;
 * nothing here yields.
 */
#ifndef TORC_NET_ROUTE_H
#define TORC_NET_ROUTE_H

#include "net/wire/addr.h"
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

struct dst;
struct net_stack;

enum { ROUTES_MAX = 16 };

struct route {
    struct net_addr prefix;  /* bits behind the first `len` are 0 */
    unsigned len;            /* 0 .. 128; of IPv4, 96 more than is written */
    struct net_addr gateway; /* none: those addresses are on the link */
};

struct route_table {
    struct route route[ROUTES_MAX]; /* the longest prefix first */
    unsigned count;
    uint16_t generation; /* another one after each change */
};

/*
 * Add a route; the bits of `prefix` behind the first `len` are cleared. Returns
 * 0, -EINVAL (a length above 128, or a gateway that is not on the link),
 * -EEXIST (one with that prefix is there), -ENOSPC.
 */
must_check int route_add(struct net_stack *stack, struct net_addr prefix,
                         unsigned len, const struct net_addr *gateway);

/* Remove the route of a prefix. Returns 0, -ENOENT. */
must_check int route_remove(struct net_stack *stack, struct net_addr prefix,
                            unsigned len);

/* The route of an address; NULL: there is none. */
const struct route *route_find(const struct net_stack *stack,
                               const struct net_addr *addr);

/* Whether an address is on our link. */
bool route_is_on_link(const struct net_stack *stack,
                      const struct net_addr *addr);

/* The neighbour that a datagram for `addr` is handed to. Returns 0, or
 * -EHOSTUNREACH. */
must_check int route_next_hop(const struct net_stack *stack,
                              const struct net_addr *addr,
                              struct net_addr *hop);

/* Look the way to an address of another host up, and keep it in `dst`. Returns
 * 0; -EHOSTUNREACH: there is no route; -ENOMEM: no room for its neighbour. */
must_check int dst_find(struct net_stack *stack, struct dst *dst,
                        const struct net_addr *addr);

/* Assert what must be true of the routes. */
void route_check(const struct net_stack *stack);

#endif
