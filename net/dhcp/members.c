/*
 * A card of several CPUs that DHCP configures: <torc/net_dhcp.h>. The first
 * member has the client; a thread there tells the others what became of the
 * lease, one after the other, before it does anything else.
 */
#include "kernel/lib/minmax.h"
#include "net/dhcp/client.h"
#include "net/group.h"
#include "net/stack.h"
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/net_dhcp.h>
#include <torc/thread.h>

/* A CPU without memory for a call is told later. */
#define TELL_AGAIN_NS (1 * NS_PER_S)

/* Owner: that member, while the thread "dhcp" waits for it. */
struct follower {
    struct lease_routes routes;
    bool has_lease;
};

/* Owner: the first member's CPU. */
struct lessee {
    struct dhcp_client *client;
    uint64_t told;           /* of client->changes, to all */
    struct wait_queue ready; /* waits until all are told */
    struct follower follower[GROUP_MAX];
};

/* Whether an address that was leased is ours no longer: all that was missed
 * while this CPU could not be told may have been in between. */
static bool is_lost(const struct net_stack *stack,
                    const struct dhcp_client *client)
{
    return !dhcp_is_bound(client) ||
           stack->config.address != client->lease.address;
}

/* On each CPU: the lease of this stack is to be that of the client. */
static int follow(void *arg)
{
    struct lessee *lessee = arg;
    const struct dhcp_client *client = lessee->client;
    struct net_stack *stack = stack_self();
    struct follower *own = &lessee->follower[stack->member];

    if (stack == client->stack)
        return 0;
    if (own->has_lease && is_lost(stack, client))
        lease_withdraw(stack, &own->routes);
    else if (own->has_lease)
        lease_forget(stack, &own->routes);
    own->has_lease = dhcp_is_bound(client);
    if (own->has_lease)
        lease_apply(stack, &client->lease, &own->routes);
    return 0;
}

/* Who cannot be told keeps nobody else waiting. Returns the last error, or 0.
 */
static int tell_each(struct lessee *lessee)
{
    const struct net_group *group = lessee->client->stack->group;
    int status = 0;

    for (unsigned i = 0; i < group->count; i++) {
        int error = remote_call(group->cpu[i], follow, lessee);

        if (error != 0)
            status = error;
    }
    return status;
}

/* Tell the others what is new. Returns when the client is to go on, `until` or
 * earlier. */
static uint64_t tell(struct lessee *lessee, uint64_t until)
{
    const struct dhcp_client *client = lessee->client;
    int status;

    if (lessee->told == client->changes)
        return until;
    status = tell_each(lessee);
    if (status != 0) {
        log_warn("dhcp: a CPU cannot be told of the lease yet: error %d",
                 status);
        return min_u64(until, net_now(client->stack) + TELL_AGAIN_NS);
    }
    lessee->told = client->changes;
    wait_wake_all(&lessee->ready);
    return until;
}

static int run(void *arg)
{
    struct lessee *lessee = arg;

    for (;;) {
        uint64_t until = dhcp_step(lessee->client);
        int error;

        until = tell(lessee, until);
        error = dhcp_take(lessee->client, until);
        if (error != 0 && error != -ETIMEDOUT)
            log_warn("dhcp: error %d", error);
    }
    return 0;
}

/* Wait until every stack has the address. */
static int await_all(struct lessee *lessee, uint64_t wait_ns)
{
    uint64_t end = net_now(lessee->client->stack) + wait_ns;
    int status = dhcp_await(lessee->client, wait_ns);

    while (status == 0 && lessee->told != lessee->client->changes) {
        if (wait_on_until(&lessee->ready, end) != 0)
            status = -ETIMEDOUT;
    }
    return status;
}

int net_start_dhcp_all(struct device *device, uint64_t wait_ns)
{
    const struct thread_attr attr = {.name = "dhcp", .detached = true};
    unsigned cpus[GROUP_MAX];
    unsigned count = group_cpus(cpus);
    struct lessee *lessee;
    int status = group_start(device, NULL, cpus, count);

    if (status != 0)
        return status;
    lessee = mem_alloc_zeroed(sizeof(*lessee));
    if (lessee == NULL)
        return -ENOMEM; /* the stacks stay, without an address */
    wait_queue_init(&lessee->ready);
    status = dhcp_open(stack_self(), &lessee->client);
    if (status == 0 && thread_create(&attr, run, lessee, NULL) != 0) {
        dhcp_close(lessee->client);
        status = -ENOMEM;
    }
    if (status != 0) {
        mem_free(lessee);
        return status;
    }
    return await_all(lessee, wait_ns);
}

int net_dhcp_or_static_start_all(struct device *card, struct net_config *config)
{
    int status;

    if (config->address != 0)
        return net_start_all(card, config);
    status = net_start_dhcp_all(card, NET_DHCP_WAIT_NS);
    if (status != 0 && status != -ETIMEDOUT)
        return status;
    return net_get_config(config);
}
