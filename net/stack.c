#include "net/stack.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"
#include "kernel/percpu.h"
#include "net/ip4.h"
#include "net/tcp.h"
#include "net/wire/wire.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    TX_RETRY_US = 500, /* when a full card does not tell us sooner */
    PACKETS_MIN = 32,
    PACKETS_MAX = 1024,
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

struct packet *stack_packet(struct net_stack *stack)
{
    struct packet *packet = packet_get();

    if (packet == NULL)
        stack->stats.no_packet++;
    return packet;
}

/* ---- In ------------------------------------------------------------------ */

static void stack_receive(struct net_device *dev, struct packet *packet)
{
    struct net_stack *stack = dev->stack;
    struct ether_header ether;
    bool to_group;

    stack->stats.frames_in++;
    if (ether_parse(packet->data, packet->len, &ether) != 0) {
        stack->stats.frames_bad++;
        packet_put(packet);
        return;
    }
    to_group = ether_is_group(ether.dst);
    if (!to_group && memcmp(ether.dst, dev->mac, ETHER_ADDR_SIZE) != 0) {
        stack->stats.frames_bad++;
        packet_put(packet);
        return;
    }
    packet_pull(packet, ETHER_HEADER_SIZE);
    switch (ether.type) {
    case ETHER_TYPE_IP4:
        ip4_receive(stack, packet, to_group);
        return;
    case ETHER_TYPE_ARP:
        arp_receive(stack, packet->data, packet->len);
        break;
    default:
        stack->stats.frames_bad++;
        break;
    }
    packet_put(packet);
}

/* ---- Out ----------------------------------------------------------------- */

/* Whether the driver took the packet. */
static bool card_send(struct net_stack *stack, struct packet *packet)
{
    size_t len = packet->len;

    if (stack->dev->ops->send(stack->dev, packet) != 0)
        return false;
    stack->stats.frames_out++;
    stack->dev->tx_frames++;
    stack->dev->tx_bytes += len;
    return true;
}

void stack_retry(struct net_stack *stack)
{
    /* Without memory for a timer the next poll does it. */
    if (!timer_is_set(&stack->tx_timer) &&
        timer_set(&stack->tx_timer, net_now(stack) + TX_RETRY_US * NS_PER_US))
        return;
}

void stack_transmit(struct net_stack *stack, struct packet *packet)
{
    if (queue_empty(&stack->tx_queue) && card_send(stack, packet))
        return;
    if (stack->tx_queued >= STACK_TX_QUEUE_MAX) {
        stack->stats.frames_dropped++;
        stack->dev->tx_dropped++;
        packet_put(packet);
        return;
    }
    queue_push(&stack->tx_queue, &packet->node);
    stack->tx_queued++;
    stack_retry(stack);
}

bool stack_tx_full(const struct net_stack *stack)
{
    return stack->tx_queued >= STACK_TX_HOLD;
}

/* Send what waits, then let the connections that were held back go on. */
static void stack_flush(struct net_stack *stack)
{
    struct queue_node *node;

    while ((node = stack->tx_queue.head) != NULL) {
        /* Out of the queue first: its link is the driver's afterwards. */
        queue_pop(&stack->tx_queue);
        if (!card_send(stack, container_of(node, struct packet, node))) {
            queue_push_front(&stack->tx_queue, node);
            break;
        }
        stack->tx_queued--;
    }
    if (!stack_tx_full(stack))
        tcp_unblock(stack);
    if (!queue_empty(&stack->tx_queue) || !list_empty(&stack->blocked))
        stack_retry(stack);
}

static void stack_tx_timer(struct timer *timer)
{
    struct net_stack *stack = container_of(timer, struct net_stack, tx_timer);

    stack_flush(stack);
}

/* ---- The thread ---------------------------------------------------------- */

static void stack_wake(struct net_device *dev)
{
    struct net_stack *stack = dev->stack;

    wait_wake_one(&stack->wake);
}

bool stack_poll(struct net_stack *stack)
{
    unsigned count = stack->dev->ops->poll(stack->dev, STACK_POLL_BUDGET);

    stack_flush(stack);
    return count >= STACK_POLL_BUDGET;
}

/* Less than the budget means that the interrupt is armed, and nothing runs
 * between that and the wait: no wake-up can be lost. */
static int stack_run(void *arg)
{
    struct net_stack *stack = arg;

    for (;;) {
        while (stack_poll(stack))
            thread_yield();
        wait_on(&stack->wake);
    }
    return 0;
}

/* ---- Life ---------------------------------------------------------------- */

/* The secrets that keep sequence numbers and hash chains from being guessed. */
static void keys_init(struct net_stack *stack)
{
    struct siphash_key *keys[] = {&stack->isn_key, &stack->hash_key};

    for (unsigned i = 0; i < COUNT_OF(keys); i++) {
        if (entropy_get(keys[i], sizeof(*keys[i])) == sizeof(*keys[i]))
            continue;
        log_warn("net: this machine has no random numbers: TCP sequence "
                 "numbers can be guessed");
        keys[i]->word[0] ^= time_ns();
        keys[i]->word[1] ^= time_wall_ns() + i;
    }
}

/* How much of this CPU's memory the network may take. */
static int memory_init(struct net_stack *stack)
{
    struct mem_stats memory;
    size_t count;

    mem_get_stats(&memory);
    count = memory.free_bytes / 16 / PACKET_SIZE;
    if (count < PACKETS_MIN)
        count = PACKETS_MIN;
    if (count > PACKETS_MAX)
        count = PACKETS_MAX;
    if (packet_pool_grow((unsigned)count) != 0)
        return -ENOMEM;
    stack->budget.limit = memory.free_bytes / 3;
    stack->time_wait_max = (unsigned)(memory.free_bytes / 16384);
    if (stack->time_wait_max > 4096)
        stack->time_wait_max = 4096;
    if (stack->time_wait_max < 16)
        stack->time_wait_max = 16;
    return 0;
}

static void stack_init(struct net_stack *stack)
{
    wait_queue_init(&stack->wake);
    queue_init(&stack->tx_queue);
    timer_init(&stack->tx_timer, stack_tx_timer);
    list_init(&stack->listeners);
    list_init(&stack->blocked);
    list_init(&stack->time_waits);
    list_init(&stack->dead);
    for (unsigned i = 0; i < STACK_CONN_BUCKETS; i++)
        list_init(&stack->conns[i]);
}

int stack_create(struct net_device *dev, const struct net_config *config,
                 struct net_stack **out)
{
    struct net_stack *stack;

    if (net_config_check(config) != 0)
        return -EINVAL;
    stack = mem_alloc_zeroed(sizeof(*stack));
    if (stack == NULL)
        return -ENOMEM;
    stack->conns = mem_alloc(STACK_CONN_BUCKETS * sizeof(struct list));
    if (stack->conns == NULL || memory_init(stack) != 0) {
        mem_free(stack->conns);
        mem_free(stack);
        return -ENOMEM;
    }
    stack->dev = dev;
    stack->config = *config;
    stack->clock = time_ns;
    stack_init(stack);
    keys_init(stack);
    arp_init(stack);
    dev->stack = stack;
    dev->receive = stack_receive;
    dev->wake = stack_wake;
    *out = stack;
    return 0;
}

void stack_destroy(struct net_stack *stack)
{
    struct queue_node *node;

    tcp_fini(stack);
    stack->dev->receive = NULL;
    stack->dev->wake = NULL;
    stack->dev->stack = NULL;
    arp_fini(stack);
    timer_cancel(&stack->tx_timer);
    while ((node = queue_pop(&stack->tx_queue)) != NULL)
        packet_put(container_of(node, struct packet, node));
    mem_free(stack->conns);
    mem_free(stack);
}

/* Of a netmask that is a prefix. */
static unsigned prefix_len(uint32_t netmask)
{
    unsigned len = 0;

    for (; netmask != 0; netmask <<= 1)
        len++;
    return len;
}

static void stack_log(const struct net_stack *stack)
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

int net_start(struct device *device, const struct net_config *config)
{
    const struct thread_attr attr = {.name = "net"};
    struct net_device *dev = net_from_device(device);
    struct net_stack *stack;
    thread_id thread;
    int error;

    if (dev == NULL)
        return -EINVAL;
    if (!device_is_mine(device))
        return -EXDEV;
    if (stack_self() != NULL || dev->stack != NULL)
        return -EBUSY;
    error = stack_create(dev, config, &stack);
    if (error != 0)
        return error;
    error = thread_create(&attr, stack_run, stack, &thread);
    if (error != 0) {
        stack_destroy(stack);
        return -ENOMEM;
    }
    error = thread_detach(thread);
    assert(error == 0);
    cpu_self()->net_stack = stack;
    stack_log(stack);
    arp_announce(stack);
    return 0;
}
