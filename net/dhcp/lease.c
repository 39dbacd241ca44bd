/* What a lease does to the stack. */
#include "net/dhcp/lease.h"
#include "kernel/lib/minmax.h"
#include "net/ip4.h"
#include "net/route.h"
#include "net/stack.h"
#include "net/tcp.h"
#include <torc/assert.h>
#include <torc/log.h>

enum { RENEW_S_MIN = LEASE_S_MIN / 2 };

static const struct net_addr no_addr = {.word = {0, 0}};

/* ---- Whether it makes sense ---------------------------------------------- */

static uint32_t class_mask(uint32_t address)
{
    if (address >> 31 == 0)
        return 0xff000000;
    return address >> 30 == 2 ? 0xffff0000 : 0xffffff00;
}

static void mend_times(struct dhcp_reply *lease)
{
    if (lease->rebind_s <= RENEW_S_MIN || lease->rebind_s >= lease->lease_s)
        lease->rebind_s = lease->lease_s - lease->lease_s / 8;
    if (lease->renew_s < RENEW_S_MIN || lease->renew_s >= lease->rebind_s)
        lease->renew_s = min_u32(lease->lease_s / 2, lease->rebind_s - 1);
}

const char *lease_mend(struct dhcp_reply *lease)
{
    uint32_t hosts;

    if (lease->netmask == 0)
        lease->netmask = class_mask(lease->address);
    hosts = ~lease->netmask;
    if ((hosts & (hosts + 1)) != 0)
        return "a netmask that is no prefix";
    if (!net_is_unicast(lease->address) ||
        !net_is_host(lease->address, lease->netmask))
        return "an address that no host can have";
    if (lease->lease_s < LEASE_S_MIN)
        return "a lease that is too short";
    mend_times(lease);
    return NULL;
}

/* ---- Applying it --------------------------------------------------------- */

static void add(struct net_stack *stack, struct lease_routes *routes,
                uint32_t prefix, unsigned len, const struct net_addr *gateway)
{
    const struct net_addr addr = addr_of_ip4(prefix);
    int error = route_add(stack, addr, 96 + len, gateway);

    if (error == -EEXIST)
        return; /* the same gateway twice, or a route that others made */
    if (error != 0) {
        log_warn("dhcp: a route is left out: error %d", error);
        return;
    }
    assert(routes->count < COUNT_OF(routes->route));
    routes->route[routes->count].prefix = addr;
    routes->route[routes->count++].len = 96 + len;
}

/* A route by a gateway, which is on the link: RFC 3442 has such ones outside of
 * the prefix. */
static void add_by(struct net_stack *stack, struct lease_routes *routes,
                   const struct dhcp_route *route)
{
    const struct net_addr gateway = addr_of_ip4(route->gateway);

    if (route->gateway == 0) {
        add(stack, routes, route->prefix, route->len, &no_addr);
        return;
    }
    if (!net_is_unicast(route->gateway) || ip4_is_ours(stack, route->gateway)) {
        log_warn("dhcp: a gateway that cannot be one is left out");
        return;
    }
    if (!route_is_on_link(stack, &gateway))
        add(stack, routes, route->gateway, 32, &no_addr);
    add(stack, routes, route->prefix, route->len, &gateway);
}

static unsigned mask_len(uint32_t netmask)
{
    unsigned len = 0;

    for (; netmask != 0; netmask <<= 1)
        len++;
    return len;
}

static void routes_apply(struct net_stack *stack,
                         const struct dhcp_reply *lease,
                         struct lease_routes *routes)
{
    const struct dhcp_route by_gateway = {.gateway = lease->gateway};

    add(stack, routes, lease->address, mask_len(lease->netmask), &no_addr);
    if (!lease->has_routes) {
        if (lease->gateway != 0)
            add_by(stack, routes, &by_gateway);
        return;
    }
    for (unsigned i = 0; i < lease->route_count; i++)
        add_by(stack, routes, &lease->route[i]);
}

/* The gateway of everything that has no other route; 0: none. */
static uint32_t default_gateway(const struct net_stack *stack)
{
    static const struct net_addr ip4_none = {.byte = {[10] = 255, [11] = 255}};
    const struct route *route = route_find(stack, &ip4_none);

    return route != NULL && route->len == 96 ? addr_ip4(&route->gateway) : 0;
}

static void servers_apply(struct net_stack *stack, enum server_kind kind,
                          const uint32_t *address, unsigned count)
{
    struct net_addr list[DHCP_SERVERS_MAX];
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        if (net_is_unicast(address[i]))
            list[kept++] = addr_of_ip4(address[i]);
    }
    servers_set(stack, kind, SERVER_BY_DHCP, list, kept);
}

void lease_apply(struct net_stack *stack, const struct dhcp_reply *lease,
                 struct lease_routes *routes)
{
    assert(routes->count == 0);
    ip4_address_first(stack, lease->address, lease->netmask);
    routes_apply(stack, lease, routes);
    stack->config.gateway = default_gateway(stack);
    if (lease->mtu >= LEASE_MTU_MIN && lease->mtu < stack->dev->mtu) {
        stack->mtu = lease->mtu;
        tcp_link_shrunk(stack);
    }
    servers_apply(stack, SERVER_DNS, lease->dns, lease->dns_count);
    servers_apply(stack, SERVER_NTP, lease->ntp, lease->ntp_count);
}

void lease_forget(struct net_stack *stack, struct lease_routes *routes)
{
    while (routes->count > 0) {
        int error;

        routes->count--;
        error = route_remove(stack, routes->route[routes->count].prefix,
                             routes->route[routes->count].len);
        if (error != 0) /* somebody else has removed it */
            log_debug("dhcp: a route is gone already");
    }
    stack->mtu = (uint16_t)min_u32(stack->dev->mtu, UINT16_MAX);
    servers_set(stack, SERVER_DNS, SERVER_BY_DHCP, NULL, 0);
    servers_set(stack, SERVER_NTP, SERVER_BY_DHCP, NULL, 0);
}

void lease_withdraw(struct net_stack *stack, struct lease_routes *routes)
{
    const struct net_addr lost = addr_of_ip4(stack->config.address);

    lease_forget(stack, routes);
    ip4_address_first(stack, 0, 0);
    tcp_address_lost(stack, &lost);
}
