/* Whether there is a way to a host, and from which of our addresses. */
#include "net/ip.h"
#include "net/wire/ip6.h"

/* Whether there may be one host, or it is us. */
static bool is_possible(const struct net_stack *stack,
                        const struct net_addr *remote)
{
    uint32_t address = addr_ip4(remote);

    if (!addr_is_ip4(remote))
        return !addr_is_none(remote) && remote->byte[0] != 0xff;
    return ip4_is_loop(address) ||
           (net_is_unicast(address) && !ip4_is_broadcast(stack, address));
}

static bool is_us(const struct net_stack *stack, const struct net_addr *remote)
{
    if (ip_is_ours(stack, remote))
        return true;
    return addr_is_ip4(remote) ? ip4_is_loop(addr_ip4(remote))
                               : ip6_is_loop(remote);
}

int ip_way_find(struct net_stack *stack, struct flow *flow)
{
    struct net_addr hop;

    if (!is_possible(stack, &flow->remote))
        return -EINVAL;
    if (addr_is_none(&flow->local))
        flow->local = ip_source(stack, &flow->remote);
    if (addr_is_none(&flow->local) ||
        addr_is_ip4(&flow->local) != addr_is_ip4(&flow->remote))
        return -EHOSTUNREACH;
    if (is_us(stack, &flow->remote)) {
        if (addr_is_ip4(&flow->remote))
            ip4_complete(stack);
        return 0;
    }
    return route_next_hop(stack, &flow->remote, &hop);
}
