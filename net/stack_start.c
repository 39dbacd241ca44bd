/* The stack of a CPU: made, started, and its share of memory. */
#include "kernel/lib/minmax.h"
#include "net/arp.h"
#include "net/ip.h"
#include "net/ip4.h"
#include "net/stack.h"
#include "net/tcp.h"
#include "net/wire/wire.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/thread.h>
#include <torc/time.h>

/* How much of the CPU's free memory goes to what. */
enum {
    PACKETS_SHARE = 16, /* a sixteenth */
    PACKETS_MIN = 32,
    PACKETS_MAX = 1024,
    BUDGET_SHARE = 3,    /* a third, for the connections' buffers */
    RESERVE_SHARE = 4,   /* at most a quarter of that is reserved: buffers */
    PLACE_BUFFERS = 2,   /* of the least size for each place of a service */
    PLACE_BYTES = 57344, /* one place for so much */
    PLACES_MAX = 16384,
    TIME_WAIT_BYTES = 16384, /* one connection in TIME-WAIT for so much */
    TIME_WAITS_MIN = 16,
    TIME_WAITS_MAX = 4096,
    ORPHANS_SHARE = 4, /* one for so many in TIME-WAIT */
    LENT_SHARE = 4,    /* a quarter of the packets: kept with what they hold */
};

struct net_stack *stack_self(void)
{
    return cpu_self()->net_stack;
}

int net_get_stats(struct net_stats *stats)
{
    if (stack_self() == NULL)
        return -ENOTCONN;
    *stats = stack_self()->stats;
    return 0;
}

int net_get_config(struct net_config *out)
{
    if (stack_self() == NULL)
        return -ENOTCONN;
    *out = stack_self()->config;
    return 0;
}

/* The keys that make sequence numbers and hash chains unpredictable. */
static void keys_init(struct net_stack *stack)
{
    struct siphash_key keys[3];

    if (random_bytes(keys, sizeof(keys)) != 0)
        log_warn("net: this machine has no random numbers: TCP sequence "
                 "numbers can be guessed");
    stack->isn_key = keys[0];
    stack->hash_key = keys[1];
    stack->ip_id = (uint16_t)keys[2].word[0];
}

static size_t clamp(size_t value, size_t min, size_t max)
{
    return min_size(max_size(value, min), max);
}

static int memory_init(struct net_stack *stack)
{
    size_t free_bytes = mem_free_bytes();
    size_t packets = clamp(free_bytes / PACKETS_SHARE / PACKET_SIZE,
                           PACKETS_MIN, PACKETS_MAX);
    stack->packet_count = (unsigned)packets;
    stack->budget.limit = free_bytes / BUDGET_SHARE;
    stack->time_wait_max = (unsigned)clamp(free_bytes / TIME_WAIT_BYTES,
                                           TIME_WAITS_MIN, TIME_WAITS_MAX);
    stack->place_max = (unsigned)clamp(free_bytes / PLACE_BYTES,
                                       NET_BACKLOG_DEFAULT, PLACES_MAX);
    stack->budget.reserve =
        min_size(stack->place_max * PLACE_BUFFERS * NET_BUFFER_MIN,
                 stack->budget.limit / RESERVE_SHARE);
    stack->budget.least = NET_BUFFER_MIN;
    stack->budget.lent_max = stack->packet_count / LENT_SHARE;
    stack->orphan_max = stack->time_wait_max / ORPHANS_SHARE;
    return packet_pool_grow((unsigned)packets);
}

/* All else is zero, which is an empty queue, too. */
static void stack_init(struct net_stack *stack)
{
    wait_queue_init(&stack->wake);
    timer_init(&stack->tx_timer, stack_tx_timeout);
    list_init(&stack->listeners);
    list_init(&stack->blocked);
    list_init(&stack->orphans);
    list_init(&stack->dead);
    list_init(&stack->opening);
}

/* Neighbours are to be told where this machine is now. Irq work. */
static void stack_announce(struct net_device *dev)
{
    struct net_stack *stack = dev->queues[0].user;

    arp_announce(stack);
    if (stack->ip6 != NULL)
        stack->ip6->announce(stack);
}

/* How many leading bits of a netmask are set. */
static unsigned prefix_len(uint32_t netmask)
{
    unsigned len = 0;

    for (; netmask != 0; netmask <<= 1)
        len++;
    return len;
}

static void add_route(struct net_stack *stack, uint32_t prefix, unsigned len,
                      const struct net_addr *gateway)
{
    int error = route_add(stack, addr_of_ip4(prefix), 96 + len, gateway);

    assert(error == 0); /* net_config_check() has seen to it */
}

/* The address and the routes of the configuration. A gateway outside the prefix
 * is on the link all the same. */
static void addresses_init(struct net_stack *stack,
                           const struct net_config *config)
{
    const struct net_addr gateway = addr_of_ip4(config->gateway);
    const struct net_addr on_link = {.word = {0, 0}};

    stack->config = *config;
    stack->ip4[0] = (struct ip4_address){config->address, config->netmask};
    stack->ip4_count = 1;
    add_route(stack, config->address, prefix_len(config->netmask), &on_link);
    if (config->gateway == 0)
        return;
    if (!route_is_on_link(stack, &gateway))
        add_route(stack, config->gateway, 32, &on_link);
    add_route(stack, 0, 0, &gateway);
}

int stack_create(struct net_queue *queue, const struct net_config *config,
                 struct net_stack **out)
{
    struct net_stack *stack;

    if (config != NULL && net_config_check(config) != 0)
        return -EINVAL;
    stack = mem_alloc_zeroed(sizeof(*stack));
    if (stack == NULL)
        return -ENOMEM;
    stack->clock = time_ns;
    stack->conns.size = STACK_CONN_CHAINS;
    stack->conns.grow_at = STACK_CONN_CHAINS;
    stack->conns.chain =
        mem_alloc_zeroed(STACK_CONN_CHAINS * sizeof(struct tcp_conn *));
    if (stack->conns.chain == NULL || memory_init(stack) != 0 ||
        tcp_timers_init(stack) != 0) {
        mem_free(stack->conns.chain);
        mem_free(stack);
        return -ENOMEM;
    }
    stack->dev = queue->device;
    stack->queue = queue;
    stack->mtu = (uint16_t)min_size(stack->dev->mtu, UINT16_MAX);
    stack_init(stack);
    keys_init(stack);
    neigh_init(stack);
    arp_init(stack);
    if (config != NULL)
        addresses_init(stack, config);
    queue->user = stack;
    queue->wake = stack_wake;
    queue->attend = stack_attend;
    if (queue->index == 0)
        stack->dev->announce = stack_announce;
    *out = stack;
    return 0;
}

void stack_destroy(struct net_stack *stack)
{
    struct queue_node *node;

    tcp_fini(stack);
    if (stack->queue->index == 0)
        stack->dev->announce = NULL;
    stack->queue->wake = NULL;
    stack->queue->attend = NULL;
    stack->queue->user = NULL;
    neigh_fini(stack);
    if (stack->ip4_more != NULL)
        stack->ip4_more->fini(stack);
    if (stack->ip6 != NULL)
        stack->ip6->fini(stack);
    if (stack->resolver != NULL)
        stack->resolver_fini(stack);
    if (stack->udp != NULL)
        stack->udp_fini(stack);
    timer_cancel(&stack->tx_timer);
    timer_cancel(&stack->wheel_timer);
    while ((node = queue_pop(&stack->tx_queue)) != NULL)
        packet_put(container_of(node, struct packet, node));
    mem_free(stack->waits);
    mem_free(stack->conns.old);
    mem_free(stack->conns.chain);
    mem_free(stack);
}

void stack_log(const struct net_stack *stack)
{
    const uint8_t *mac = stack->dev->mac;
    char address[IP4_ADDRESS_TEXT];
    char gateway[IP4_ADDRESS_TEXT] = "none";

    ip4_format(address, stack->config.address);
    if (stack->config.gateway != 0)
        ip4_format(gateway, stack->config.gateway);
    log_info("net: %s %02x:%02x:%02x:%02x:%02x:%02x has %s/%u, gateway %s",
             device_name(&stack->dev->device), mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5], address, prefix_len(stack->config.netmask),
             gateway);
}

int stack_start(struct device *device, const struct net_config *config,
                struct net_stack **out)
{
    const struct thread_attr attr = {.name = "net", .detached = true};
    struct net_device *dev = net_from_device(device);
    struct net_stack *stack;
    int error;

    if (dev == NULL)
        return -EINVAL;
    if (!device_is_mine(device))
        return -EXDEV;
    if (stack_self() != NULL || dev->queues[0].user != NULL)
        return -EBUSY;
    error = stack_create(&dev->queues[0], config, &stack);
    if (error != 0)
        return error;
    if (thread_create(&attr, stack_run, stack, NULL) != 0) {
        stack_destroy(stack);
        return -ENOMEM;
    }
    cpu_self()->net_stack = stack;
    *out = stack;
    return 0;
}

int net_start(struct device *device, const struct net_config *config)
{
    struct net_stack *stack;
    int error = stack_start(device, config, &stack);

    if (error != 0)
        return error;
    stack_log(stack);
    arp_announce(stack);
    return 0;
}
