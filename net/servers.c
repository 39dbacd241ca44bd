/* The servers that this host was told to use. */
#include "net/servers.h"
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

unsigned servers_get(const struct net_stack *stack, enum server_kind kind,
                     struct net_addr addr[SERVERS_ALL_MAX])
{
    const struct servers *servers = &stack->servers;
    unsigned count = 0;

    for (unsigned source = 0; source < SERVER_SOURCES; source++) {
        for (unsigned i = 0; i < servers->count[kind][source]; i++) {
            const struct net_addr *one = &servers->addr[kind][source][i];

            if (!has(addr, count, one))
                addr[count++] = *one;
        }
    }
    return count;
}
