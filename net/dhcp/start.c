/* A stack that DHCP configures: <torc/net_dhcp.h>. */
#include "net/dhcp/client.h"
#include "net/group.h"
#include "net/stack.h"
#include <torc/log.h>
#include <torc/net_dhcp.h>
#include <torc/thread.h>

static int run(void *arg)
{
    struct dhcp_client *client = arg;

    for (;;) {
        uint64_t until = dhcp_step(client);
        int error = dhcp_take(client, until);

        if (error != 0 && error != -ETIMEDOUT)
            log_warn("dhcp: error %d", error);
    }
    return 0;
}

int dhcp_await(struct dhcp_client *client, uint64_t wait_ns)
{
    uint64_t end = net_now(client->stack) + wait_ns;

    while (!dhcp_is_bound(client)) {
        if (wait_on_until(&client->bound, end) != 0) {
            log_error("dhcp: no address after %u s: is there a server on this "
                      "link? It is asked on",
                      (unsigned)(wait_ns / NS_PER_S));
            return -ETIMEDOUT;
        }
    }
    return 0;
}

/* Its stacks are there, with an address or without: net_start_dhcp_all() starts
 * them. */
static bool is_shared(const struct net_stack *stack)
{
    return stack != NULL && stack->group != NULL && stack->group->count > 1;
}

int net_start_dhcp(struct device *device, uint64_t wait_ns)
{
    const struct thread_attr attr = {.name = "dhcp", .detached = true};
    struct dhcp_client *client;
    struct net_stack *stack;
    int error;

    if (is_shared(stack_self())) {
        log_error("dhcp: the card of several CPUs has started already");
        return -ENOTSUP;
    }
    error = stack_start(device, NULL, &stack);
    if (error != 0)
        return error;
    error = dhcp_open(stack, &client);
    if (error != 0)
        return error; /* the stack stays, without an address */
    if (thread_create(&attr, run, client, NULL) != 0) {
        dhcp_close(client);
        return -ENOMEM;
    }
    return dhcp_await(client, wait_ns);
}
