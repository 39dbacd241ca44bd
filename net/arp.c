#include "net/arp.h"
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

static const uint8_t broadcast_mac[ETHER_ADDR_SIZE] = {0xff, 0xff, 0xff,
                                                       0xff, 0xff, 0xff};

/* The number of the set that may hold `address`. */
static unsigned set_index(uint32_t address)
{
    return (address ^ address >> 8 ^ address >> 16) & (ARP_SETS - 1);
}

static struct arp_entry *entry_find(struct arp_cache *cache, uint32_t address)
{
    struct arp_entry *set = cache->entry[set_index(address)];

    for (unsigned i = 0; i < ARP_WAYS; i++) {
        if (set[i].address == address)
            return &set[i];
    }
    return NULL;
}

static void entry_drop_waiting(struct arp_cache *cache, struct arp_entry *entry)
{
    struct queue_node *node;

    while ((node = queue_pop(&entry->waiting)) != NULL)
        packet_put(container_of(node, struct packet, node));
    cache->waiting_count -= entry->waiting_count;
    entry->waiting_count = 0;
}

static void entry_free(struct arp_cache *cache, struct arp_entry *entry)
{
    entry_drop_waiting(cache, entry);
    *entry = (struct arp_entry){0};
}

/* A new entry: in a free place, or in that of the entry of the set which was
 * not used for the longest time. */
static struct arp_entry *entry_create(struct net_stack *stack, uint32_t address)
{
    struct arp_entry *set = stack->arp.entry[set_index(address)];
    struct arp_entry *victim = NULL;

    for (unsigned i = 0; i < ARP_WAYS; i++) { /* a free one: used at 0 */
        if (victim == NULL || set[i].used_at < victim->used_at)
            victim = &set[i];
    }
    entry_free(&stack->arp, victim);
    victim->address = address;
    victim->used_at = net_now(stack);
    return victim;
}

static void message_send(struct net_stack *stack, const uint8_t *dst,
                         const struct arp_message *message)
{
    struct packet *packet = stack_packet(stack);
    struct ether_header ether = {.type = ETHER_TYPE_ARP};

    if (packet == NULL)
        return;
    arp_emit(packet_append(packet, ARP_SIZE), message);
    memcpy(ether.dst, dst, ETHER_ADDR_SIZE);
    memcpy(ether.src, stack->dev->mac, ETHER_ADDR_SIZE);
    ether_emit(packet_push(packet, ETHER_HEADER_SIZE), &ether);
    stack->stats.arp_out++;
    stack_transmit(stack, packet);
}

static void request_send(struct net_stack *stack, uint32_t target)
{
    struct arp_message message = {
        .op = ARP_REQUEST,
        .sender = stack->config.address,
        .target = target,
    };

    memcpy(message.sender_mac, stack->dev->mac, ETHER_ADDR_SIZE);
    message_send(stack, broadcast_mac, &message);
}

static void reply_send(struct net_stack *stack,
                       const struct arp_message *request)
{
    struct arp_message message = {
        .op = ARP_REPLY,
        .sender = stack->config.address,
        .target = request->sender,
    };

    memcpy(message.sender_mac, stack->dev->mac, ETHER_ADDR_SIZE);
    memcpy(message.target_mac, request->sender_mac, ETHER_ADDR_SIZE);
    message_send(stack, request->sender_mac, &message);
}

void arp_announce(struct net_stack *stack)
{
    request_send(stack, stack->config.address);
}

/* Returns 0, or -ENOMEM when there is no memory for the timer. */
static int timer_start(struct net_stack *stack)
{
    struct timer *timer = &stack->arp.timer;

    if (timer_is_set(timer))
        return 0;
    return timer_set(timer, net_now(stack) + ARP_RETRY_NS);
}

/*
 * Send a request for the address of an entry, unless one is recent. Without a
 * timer nobody would ask again, nor drop what waits for the answer: then an
 * entry without an address is dropped, and the next packet to it tries again.
 */
static void entry_ask(struct net_stack *stack, struct arp_entry *entry)
{
    uint64_t now = net_now(stack);

    if (timer_start(stack) != 0) {
        stack->stats.arp_failed++;
        if (!entry->known)
            entry_free(&stack->arp, entry);
        return;
    }
    if (entry->asked > 0 && now - entry->asked_at < ARP_RETRY_NS)
        return;
    if (entry->asked >= ARP_TRIES)
        return; /* the timer drops the entry */
    entry->asked++;
    entry->asked_at = now;
    request_send(stack, entry->address);
}

/* One entry at a timeout. Returns whether a request of it has no answer yet. */
static bool entry_tick(struct net_stack *stack, struct arp_entry *entry,
                       uint64_t now)
{
    if (entry->asked == 0)
        return false;
    if (now - entry->asked_at < ARP_RETRY_NS)
        return true;
    if (entry->asked >= ARP_TRIES) {
        stack->stats.arp_failed++;
        entry_free(&stack->arp, entry);
        return false;
    }
    entry_ask(stack, entry);
    return true;
}

static void cache_tick(struct timer *timer)
{
    struct arp_cache *cache = container_of(timer, struct arp_cache, timer);
    uint64_t now = net_now(cache->stack);
    bool open = false;
    int error = timer_start(cache->stack);

    assert(error == 0); /* its place in the queue has just become free */
    for (unsigned i = 0; i < ARP_SETS; i++) {
        for (unsigned j = 0; j < ARP_WAYS; j++)
            open |= entry_tick(cache->stack, &cache->entry[i][j], now);
    }
    if (!open)
        timer_cancel(timer);
}

void arp_init(struct net_stack *stack)
{
    struct arp_cache *cache = &stack->arp;

    *cache = (struct arp_cache){.stack = stack};
    timer_init(&cache->timer, cache_tick);
}

void arp_fini(struct net_stack *stack)
{
    struct arp_cache *cache = &stack->arp;

    timer_cancel(&cache->timer);
    for (unsigned i = 0; i < ARP_SETS; i++) {
        for (unsigned j = 0; j < ARP_WAYS; j++)
            entry_free(cache, &cache->entry[i][j]);
    }
}

static void frame_send(struct net_stack *stack, struct packet *packet,
                       const uint8_t *mac)
{
    struct ether_header ether = {.type = ETHER_TYPE_IP4};
    uint8_t *frame = packet_push(packet, ETHER_HEADER_SIZE);

    assert(frame != NULL); /* PACKET_HEADROOM has room for all headers */
    memcpy(ether.dst, mac, ETHER_ADDR_SIZE);
    memcpy(ether.src, stack->dev->mac, ETHER_ADDR_SIZE);
    ether_emit(frame, &ether);
    stack_transmit(stack, packet);
}

static void entry_confirm(struct net_stack *stack, struct arp_entry *entry,
                          const uint8_t *mac)
{
    struct queue_node *node;

    memcpy(entry->mac, mac, ETHER_ADDR_SIZE);
    entry->known = true;
    entry->asked = 0;
    entry->fresh_until = net_now(stack) + ARP_FRESH_NS;
    stack->arp.waiting_count -= entry->waiting_count;
    entry->waiting_count = 0;
    while ((node = queue_pop(&entry->waiting)) != NULL)
        frame_send(stack, container_of(node, struct packet, node), mac);
}

/* Whether `address` may be that of another host on our link. */
static bool is_neighbour(const struct net_stack *stack, uint32_t address)
{
    const struct net_config *config = &stack->config;

    return ((address ^ config->address) & config->netmask) == 0 &&
           address != config->address && net_is_host(address, config->netmask);
}

/* RFC 826, "Packet Reception", but only a request for our address creates an
 * entry. */
void arp_receive(struct net_stack *stack, const uint8_t *buf, size_t len)
{
    struct arp_message message;
    struct arp_entry *entry;
    bool for_us;

    stack->stats.arp_in++;
    if (arp_parse(buf, len, &message) != 0) {
        stack->stats.arp_bad++;
        return;
    }
    for_us = message.target == stack->config.address;
    if (message.sender == 0 && message.op == ARP_REQUEST) {
        if (for_us) /* a probe: RFC 5227, section 2.1.1 */
            reply_send(stack, &message);
        return;
    }
    if (!is_neighbour(stack, message.sender)) {
        stack->stats.arp_bad++;
        return;
    }
    entry = entry_find(&stack->arp, message.sender);
    if (entry == NULL && for_us && message.op == ARP_REQUEST)
        entry = entry_create(stack, message.sender);
    if (entry != NULL)
        entry_confirm(stack, entry, message.sender_mac);
    else
        stack->stats.arp_ignored++;
    if (for_us && message.op == ARP_REQUEST)
        reply_send(stack, &message);
}

/* Keep a packet until the neighbour answers. Takes the packet. */
static void entry_wait(struct net_stack *stack, struct arp_entry *entry,
                       struct packet *packet)
{
    struct arp_cache *cache = &stack->arp;

    if (entry->waiting_count >= ARP_WAITING_MAX) {
        struct queue_node *node = queue_pop(&entry->waiting);

        packet_put(container_of(node, struct packet, node));
        entry->waiting_count--;
        cache->waiting_count--;
    }
    if (cache->waiting_count >= ARP_WAITING_ALL_MAX) {
        stack->stats.arp_failed++;
        packet_put(packet);
        return;
    }
    queue_push(&entry->waiting, &packet->node);
    entry->waiting_count++;
    cache->waiting_count++;
}

void arp_send(struct net_stack *stack, struct packet *packet, uint32_t address)
{
    uint64_t now = net_now(stack);
    struct arp_entry *entry = entry_find(&stack->arp, address);

    if (entry == NULL)
        entry = entry_create(stack, address);
    entry->used_at = now;
    if (!entry->known) {
        entry_wait(stack, entry, packet);
        entry_ask(stack, entry);
        return;
    }
    if (now >= entry->fresh_until)
        entry_ask(stack, entry);
    frame_send(stack, packet, entry->mac);
}

static void entry_check(const struct arp_entry *entry, unsigned set)
{
    unsigned count = 0;

    for (struct queue_node *node = entry->waiting.head; node != NULL;
         node = node->next) {
        packet_check(container_of(node, struct packet, node));
        count++;
    }
    assert(entry->waiting_count == count);
    assert(count <= ARP_WAITING_MAX);
    assert(entry->asked <= ARP_TRIES);
    if (entry->address == 0) {
        assert(count == 0 && !entry->known && entry->asked == 0);
        return;
    }
    assert(set_index(entry->address) == set);
    assert(!entry->known || count == 0);
    assert(entry->known || entry->asked > 0); /* else nobody would answer */
}

void arp_check(const struct arp_cache *cache)
{
    unsigned waiting = 0;
    unsigned asking = 0;

    for (unsigned i = 0; i < ARP_SETS; i++) {
        for (unsigned j = 0; j < ARP_WAYS; j++) {
            const struct arp_entry *entry = &cache->entry[i][j];

            entry_check(entry, i);
            waiting += entry->waiting_count;
            asking += entry->asked > 0;
            for (unsigned k = 0; k < j; k++)
                assert(entry->address == 0 ||
                       entry->address != cache->entry[i][k].address);
        }
    }
    assert(waiting == cache->waiting_count);
    assert(waiting <= ARP_WAITING_ALL_MAX);
    assert(asking == 0 || timer_is_set(&cache->timer));
}
