/* Routes. */
#include "net/route.h"
#include "net/dst.h"
#include "net/neigh.h"
#include "net/stack.h"
#include <torc/assert.h>

enum { ADDR_BITS = 128, IP4_PREFIX_BITS = 96 };

/* An address with all bits behind the first `len` cleared. */
static struct net_addr addr_cut(struct net_addr addr, unsigned len)
{
    uint64_t high = len < 64 ? ~(UINT64_MAX >> len) : UINT64_MAX;
    uint64_t low = len >= ADDR_BITS ? UINT64_MAX
                   : len > 64       ? ~(UINT64_MAX >> (len - 64))
                                    : 0;

    addr.word[0] &= __builtin_bswap64(high);
    addr.word[1] &= __builtin_bswap64(low);
    return addr;
}

static bool route_has(const struct route *route, const struct net_addr *addr)
{
    struct net_addr prefix = addr_cut(*addr, route->len);

    return addr_equal(&prefix, &route->prefix);
}

const struct route *route_find(const struct net_stack *stack,
                               const struct net_addr *addr)
{
    const struct route_table *table = &stack->routes;
    /* A default route of IPv6 is none of IPv4. */
    unsigned least = addr_is_ip4(addr) ? IP4_PREFIX_BITS : 0;

    for (unsigned i = 0; i < table->count && table->route[i].len >= least;
         i++) {
        if (route_has(&table->route[i], addr))
            return &table->route[i];
    }
    return NULL;
}

bool route_is_on_link(const struct net_stack *stack,
                      const struct net_addr *addr)
{
    const struct route *route = route_find(stack, addr);

    return route != NULL && addr_is_none(&route->gateway);
}

int route_next_hop(const struct net_stack *stack, const struct net_addr *addr,
                   struct net_addr *hop)
{
    const struct route *route = route_find(stack, addr);

    if (route == NULL)
        return -EHOSTUNREACH;
    *hop = addr_is_none(&route->gateway) ? *addr : route->gateway;
    return 0;
}

int dst_find(struct net_stack *stack, struct dst *dst,
             const struct net_addr *addr)
{
    struct net_addr hop;
    int status = route_next_hop(stack, addr, &hop);

    if (status != 0)
        return status;
    dst->neigh = neigh_get(stack, &hop);
    if (dst->neigh == NULL)
        return -ENOMEM;
    dst->neigh_generation = dst->neigh->generation;
    dst->route_generation = stack->routes.generation;
    return 0;
}

/* The place of a prefix, or that of the first one behind it. */
static unsigned place_of(const struct route_table *table,
                         const struct net_addr *prefix, unsigned len)
{
    unsigned i = 0;

    while (i < table->count && table->route[i].len > len)
        i++;
    while (i < table->count && table->route[i].len == len &&
           !addr_equal(&table->route[i].prefix, prefix))
        i++;
    return i;
}

static bool is_at(const struct route_table *table, unsigned place,
                  const struct net_addr *prefix, unsigned len)
{
    return place < table->count && table->route[place].len == len &&
           addr_equal(&table->route[place].prefix, prefix);
}

int route_add(struct net_stack *stack, struct net_addr prefix, unsigned len,
              const struct net_addr *gateway)
{
    struct route_table *table = &stack->routes;
    unsigned place;

    if (len > ADDR_BITS ||
        (!addr_is_none(gateway) && !route_is_on_link(stack, gateway)))
        return -EINVAL;
    prefix = addr_cut(prefix, len);
    place = place_of(table, &prefix, len);
    if (is_at(table, place, &prefix, len))
        return -EEXIST;
    if (table->count == ROUTES_MAX)
        return -ENOSPC;
    for (unsigned i = table->count++; i > place; i--)
        table->route[i] = table->route[i - 1];
    table->route[place] = (struct route){prefix, len, *gateway};
    table->generation++;
    return 0;
}

int route_remove(struct net_stack *stack, struct net_addr prefix, unsigned len)
{
    struct route_table *table = &stack->routes;
    unsigned place;

    prefix = addr_cut(prefix, len);
    place = place_of(table, &prefix, len);
    if (!is_at(table, place, &prefix, len))
        return -ENOENT;
    table->count--;
    for (unsigned i = place; i < table->count; i++)
        table->route[i] = table->route[i + 1];
    table->generation++;
    return 0;
}

void route_check(const struct net_stack *stack)
{
    const struct route_table *table = &stack->routes;

    assert(table->count <= ROUTES_MAX);
    for (unsigned i = 0; i < table->count; i++) {
        const struct route *route = &table->route[i];

        assert(route->len <= ADDR_BITS);
        assert(route_has(route, &route->prefix)); /* it is cut */
        assert(i == 0 || route[-1].len >= route->len);
        for (unsigned j = 0; j < i; j++)
            assert(table->route[j].len != route->len ||
                   !addr_equal(&table->route[j].prefix, &route->prefix));
    }
}
