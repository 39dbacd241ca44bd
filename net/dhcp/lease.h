/*
 * What a lease does to the stack: its address, routes, MTU, servers. Owner: the
 * stack's CPU; nothing here yields.
 */
#ifndef TORC_NET_DHCP_LEASE_H
#define TORC_NET_DHCP_LEASE_H

#include "net/dhcp/message.h"
#include "net/wire/addr.h"

struct net_stack;

/* A lease shorter than this cannot be kept: it would be renewed all the time.
 */
enum { LEASE_S_MIN = 20 };

/* A link with a smaller MTU is not believed; RFC 791 wants 576 to arrive. */
enum { LEASE_MTU_MIN = 576 };

/* The routes that a lease has made, to be removed with it. */
struct lease_routes {
    struct {
        struct net_addr prefix;
        unsigned len;
    } route[DHCP_ROUTES_MAX * 2 + 2]; /* and those to their gateways */
    unsigned count;
};

/*
 * Whether a lease makes sense: NULL, or what is wrong with it, for the log. A
 * netmask that was not said becomes that of the address's class (RFC 1122,
 * 3.3.1.1), times of renewal that make no sense become the default ones (RFC
 * 2131, 4.4.5).
 */
const char *lease_mend(struct dhcp_reply *lease);

/* Let the stack have the address, the routes, the MTU and the servers. */
void lease_apply(struct net_stack *stack, const struct dhcp_reply *lease,
                 struct lease_routes *routes);

/* Undo lease_apply(), except that the address stays. */
void lease_forget(struct net_stack *stack, struct lease_routes *routes);

/* Undo lease_apply(): connections end with the address. */
void lease_withdraw(struct net_stack *stack, struct lease_routes *routes);

#endif
