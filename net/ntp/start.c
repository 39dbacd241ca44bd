/* The thread that keeps the wall time: <torc/net_ntp.h>. */
#include "net/ntp/client.h"
#include "net/stack.h"
#include <torc/log.h>
#include <torc/net_ntp.h>
#include <torc/net_resolve.h>
#include <torc/thread.h>

/* How long a name is looked for, and the pause until it is again. */
#define NAME_NS  (30 * NS_PER_S)
#define PAUSE_NS (60 * NS_PER_S)

/* The servers of a name; NULL: those that DHCP has told of. Returns how many,
 * 0: none now. */
static unsigned find_servers(struct net_stack *stack, const char *name,
                             struct net_addr servers[SERVERS_ALL_MAX])
{
    int count;

    if (name == NULL) {
        count = (int)servers_get(stack, SERVER_NTP, servers);
        if (count == 0)
            log_warn("ntp: no server is known; DHCP tells of none");
        return (unsigned)count;
    }
    count = net_resolve(name, RESOLVE_ANY, servers, SERVERS_ALL_MAX,
                        time_ns() + NAME_NS);
    if (count > 0)
        return (unsigned)count;
    log_warn("ntp: %s is not found: error %d", name, count);
    return 0;
}

static int run(void *arg)
{
    const char *name = arg;
    struct net_stack *stack = stack_self();
    struct net_addr servers[SERVERS_ALL_MAX];
    struct ntp_client *client;
    unsigned count;

    while ((count = find_servers(stack, name, servers)) == 0)
        thread_sleep(PAUSE_NS);
    if (ntp_open(stack, servers, count, &client) != 0) {
        log_error("ntp: no memory: the clock is not kept");
        return 0;
    }
    for (;;) {
        if (ntp_is_lost(client)) {
            count = find_servers(stack, name, servers);
            ntp_servers_set(client, servers, count);
        }
        ntp_take(client, ntp_step(client));
    }
    return 0;
}

int net_ntp_start(const char *server)
{
    const struct thread_attr attr = {.name = "ntp", .detached = true};

    if (stack_self() == NULL)
        return -ENOTCONN;
    /* The thread only reads it. */
    return thread_create(&attr, run, (void *)(uintptr_t)server, NULL);
}
