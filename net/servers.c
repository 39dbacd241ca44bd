/* The servers that this host was told to use. */
#include "net/servers.h"
#include "net/ip.h"
#include "net/stack.h"
#include <torc/assert.h>

void servers_set(struct net_stack *stack, enum server_kind kind,
                 enum server_source source, const struct net_addr *addr,
                 unsigned count)
{
    struct servers *servers = &stack->servers;

    assert(kind < SERVER_KINDS);
    assert(source < SERVER_SOURCES);
    if (count > SERVERS_MAX)
        count = SERVERS_MAX;
    for (unsigned i = 0; i < count; i++)
        servers->addr[kind][source][i] = addr[i];
    servers->count[kind][source] = (uint8_t)count;
}

static bool has(const struct net_addr *list, unsigned count,
                const struct net_addr *addr)
{
    for (unsigned i = 0; i < count; i++) {
        if (addr_equal(&list[i], addr))
            return true;
    }
    return false;
}

/* Add what is new of a list; returns how many there are then. */
static unsigned add_new(struct net_addr *all, unsigned count,
                        const struct net_addr *list, unsigned list_count)
{
    for (unsigned i = 0; i < list_count; i++) {
        if (!has(all, count, &list[i]))
            all[count++] = list[i];
    }
    return count;
}

unsigned servers_get(const struct net_stack *stack, enum server_kind kind,
                     struct net_addr addr[SERVERS_ALL_MAX])
{
    const struct servers *servers = &stack->servers;
    struct net_addr router[SERVERS_MAX];
    unsigned count = 0;

    for (unsigned source = 0; source < SERVER_SOURCES; source++)
        count = add_new(addr, count, servers->addr[kind][source],
                        servers->count[kind][source]);
    if (kind == SERVER_DNS && stack->ip6 != NULL)
        count = add_new(addr, count, router,
                        stack->ip6->dns(stack, router, SERVERS_MAX));
    return count;
}
