/* The table of neighbours: RFC 1122, 2.3.2; RFC 4861, 7.2 and 7.3. */
#include "net/neigh.h"
#include "net/stack.h"
#include <torc/assert.h>
#include <torc/string.h>

static uint64_t address_hash(const struct net_stack *stack,
                             const struct net_addr *address)
{
    return siphash(&stack->hash_key, address, sizeof(*address));
}

static struct neigh *set_of(struct neigh_table *table, uint64_t hash)
{
    return table->entry[hash & (NEIGH_SETS - 1)];
}

static struct neigh *entry_find(struct net_stack *stack,
                                const struct net_addr *address)
{
    struct neigh_table *table = &stack->neigh;
    struct neigh *set;

    if (table->latest != NULL && addr_equal(&table->latest->address, address))
        return table->latest;
    set = set_of(table, address_hash(stack, address));
    for (unsigned i = 0; i < NEIGH_WAYS; i++) {
        if (addr_equal(&set[i].address, address)) {
            table->latest = &set[i];
            return &set[i];
        }
    }
    return NULL;
}

/* The packet that has waited for the longest time. */
static struct packet *waiting_pop(struct neigh_table *table,
                                  struct neigh *entry)
{
    struct queue_node *node = queue_pop(&entry->waiting);

    if (node == NULL)
        return NULL;
    entry->waiting_count--;
    table->waiting_count--;
    return container_of(node, struct packet, node);
}

static void entry_free(struct neigh_table *table, struct neigh *entry)
{
    struct packet *packet;

    while ((packet = waiting_pop(table, entry)) != NULL)
        packet_put(packet);
    *entry = (struct neigh){0};
}

/* How much would be lost with an entry. */
static unsigned entry_worth(const struct neigh *entry, uint64_t now)
{
    if (addr_is_none(&entry->address))
        return 0;
    if (!entry->is_known)
        return 1;
    return entry->is_used && now - entry->used_at < NEIGH_FRESH_NS ? 3 : 2;
}

/*
 * A new entry, in the place of the one in its set that is worth the least, and
 * of equals the one that was not used for the longest time. NULL: all are worth
 * more than one `is_known` or not.
 */
static __attribute__((cold)) struct neigh *
entry_create(struct net_stack *stack, const struct net_addr *address,
             bool is_known)
{
    struct neigh_table *table = &stack->neigh;
    struct neigh *set = set_of(table, address_hash(stack, address));
    struct neigh *victim = NULL;
    uint64_t now = net_now(stack);
    unsigned least = is_known ? 4 : 3;

    for (unsigned i = 0; i < NEIGH_WAYS; i++) {
        unsigned worth = entry_worth(&set[i], now);

        if (worth < least || (victim != NULL && worth == least &&
                              set[i].used_at < victim->used_at)) {
            victim = &set[i];
            least = worth;
        }
    }
    if (victim == NULL)
        return NULL;
    entry_free(table, victim);
    victim->address = *address;
    victim->used_at = now;
    if (++table->generation == 0)
        table->generation = 1; /* 0 is that of a free entry */
    victim->generation = table->generation;
    return victim;
}

/* ---- Questions ----------------------------------------------------------- */

/* Returns 0, or -ENOMEM when there is no memory for the timer. */
static __attribute__((cold)) int timer_start(struct net_stack *stack)
{
    struct timer *timer = &stack->neigh.timer;

    if (timer_is_set(timer))
        return 0;
    return timer_set(timer, net_now(stack) + NEIGH_RETRY_NS);
}

/* Whether the address may be asked for now; counts it as asked for. */
static bool stamp_take(struct net_stack *stack, const struct net_addr *address)
{
    uint64_t hash = address_hash(stack, address);
    uint32_t *stamp = &stack->neigh.asked_ms[hash >> 32 & (NEIGH_STAMPS - 1)];
    uint32_t now = (uint32_t)(net_now(stack) / NS_PER_MS) + 1;

    if (*stamp != 0 && now - *stamp < NEIGH_RETRY_NS / NS_PER_MS)
        return false;
    *stamp = now;
    return true;
}

static unsigned tries_of(const struct neigh *entry)
{
    return entry->is_known ? NEIGH_POLLS + NEIGH_TRIES : NEIGH_TRIES;
}

static __attribute__((cold)) void question_send(struct net_stack *stack,
                                                const struct neigh *entry)
{
    bool is_poll = entry->is_known && entry->asked <= NEIGH_POLLS;
    const uint8_t *mac = is_poll ? entry->mac : NULL;

    if (!stamp_take(stack, &entry->address))
        return;
    if (addr_is_ip4(&entry->address))
        stack->neigh.ask4(stack, &entry->address, mac);
    else
        stack->neigh.ask6(stack, &entry->address, mac);
}

/*
 * Ask for the address of an entry, unless a question is recent. Without a timer
 * nobody would ask again, nor drop what waits for the answer: then an entry
 * without an address is dropped, and the next packet to it tries again.
 */
static __attribute__((cold)) void entry_ask(struct net_stack *stack,
                                            struct neigh *entry)
{
    uint64_t now = net_now(stack);

    if (entry->asked > 0 && now - entry->asked_at < NEIGH_RETRY_NS)
        return;
    if (timer_start(stack) != 0) {
        stack->stats.neigh_failed++;
        if (!entry->is_known)
            entry_free(&stack->neigh, entry);
        return;
    }
    if (entry->asked >= tries_of(entry))
        return; /* the timer drops the entry */
    entry->asked++;
    entry->asked_at = now;
    question_send(stack, entry);
}

/* It does not answer. */
static __attribute__((cold)) void entry_fail(struct net_stack *stack,
                                             struct neigh *entry)
{
    struct net_addr address = entry->address;

    stack->stats.neigh_failed++;
    if (stack->neigh.silent != NULL)
        stack->neigh.silent(stack, entry);
    entry_free(&stack->neigh, entry);
    if (!addr_is_ip4(&address) && stack->neigh.silent6 != NULL)
        stack->neigh.silent6(stack, &address);
}

/* One entry at a timeout. Returns whether a question of it has no answer yet.
 */
static __attribute__((cold)) bool entry_tick(struct net_stack *stack,
                                             struct neigh *entry, uint64_t now)
{
    if (entry->asked == 0)
        return false;
    if (entry->asked >= tries_of(entry) &&
        now - entry->asked_at >= NEIGH_RETRY_NS) {
        entry_fail(stack, entry);
        return false;
    }
    entry_ask(stack, entry);
    return true;
}

static __attribute__((cold)) void table_tick(struct timer *timer)
{
    struct neigh_table *table = container_of(timer, struct neigh_table, timer);
    uint64_t now = net_now(table->stack);
    bool open = false;
    int error = timer_start(table->stack);

    assert(error == 0); /* its place in the queue has just become free */
    for (unsigned i = 0; i < NEIGH_SETS; i++) {
        for (unsigned j = 0; j < NEIGH_WAYS; j++)
            open |= entry_tick(table->stack, &table->entry[i][j], now);
    }
    if (!open)
        timer_cancel(timer);
}

__attribute__((cold)) void neigh_init(struct net_stack *stack)
{
    struct neigh_table *table = &stack->neigh;

    *table = (struct neigh_table){.stack = stack};
    timer_init(&table->timer, table_tick);
}

__attribute__((cold)) void neigh_fini(struct net_stack *stack)
{
    struct neigh_table *table = &stack->neigh;

    timer_cancel(&table->timer);
    for (unsigned i = 0; i < NEIGH_SETS; i++) {
        for (unsigned j = 0; j < NEIGH_WAYS; j++)
            entry_free(table, &table->entry[i][j]);
    }
}

/* ---- Datagrams ----------------------------------------------------------- */

void neigh_frame(struct net_stack *stack, struct packet *packet,
                 const uint8_t *mac, uint16_t type)
{
    uint8_t *frame = packet_push(packet, ETHER_HEADER_SIZE);

    assert(frame != NULL); /* PACKET_HEADROOM has room for all headers */
    ether_put(frame, mac, stack->dev->mac, type);
    stack_transmit(stack, packet);
}

static void frame_send(struct net_stack *stack, struct packet *packet,
                       const struct neigh *entry)
{
    neigh_frame(stack, packet, entry->mac,
                addr_is_ip4(&entry->address) ? ETHER_TYPE_IP4 : ETHER_TYPE_IP6);
}

/* Keep a packet until the neighbour answers. Takes the packet. */
static __attribute__((cold)) void
entry_wait(struct net_stack *stack, struct neigh *entry, struct packet *packet)
{
    struct neigh_table *table = &stack->neigh;

    if (entry->waiting_count >= NEIGH_WAITING_MAX)
        packet_put(waiting_pop(table, entry));
    if (table->waiting_count >= NEIGH_WAITING_ALL_MAX) {
        stack->stats.neigh_failed++;
        packet_put(packet);
        return;
    }
    queue_push(&entry->waiting, &packet->node);
    entry->waiting_count++;
    table->waiting_count++;
}

struct neigh *neigh_get(struct net_stack *stack, const struct net_addr *hop)
{
    struct neigh *entry = entry_find(stack, hop);

    if (entry == NULL)
        entry = entry_create(stack, hop, false);
    if (entry == NULL)
        stack->stats.neigh_failed++; /* its set is full of better ones */
    return entry;
}

void neigh_send(struct net_stack *stack, struct packet *packet,
                struct neigh *entry)
{
    entry->used_at = stack->now;
    entry->is_used = true;
    if (!entry->is_known) {
        entry_wait(stack, entry, packet);
        entry_ask(stack, entry);
        return;
    }
    if (entry->used_at >= entry->fresh_until)
        entry_ask(stack, entry);
    frame_send(stack, packet, entry);
}

/* ---- Answers ------------------------------------------------------------- */

static void entry_confirm(struct net_stack *stack, struct neigh *entry,
                          const uint8_t *mac)
{
    struct packet *packet;

    memcpy(entry->mac, mac, ETHER_ADDR_SIZE);
    entry->is_known = true;
    entry->asked = 0;
    entry->fresh_until = net_now(stack) + NEIGH_FRESH_NS;
    while ((packet = waiting_pop(&stack->neigh, entry)) != NULL)
        frame_send(stack, packet, entry);
}

bool neigh_learn(struct net_stack *stack, const struct net_addr *address,
                 const uint8_t *mac, enum neigh_news news)
{
    struct neigh *entry = entry_find(stack, address);
    bool is_other;

    if (entry == NULL && news == NEIGH_ASKS_US)
        entry = entry_create(stack, address, true);
    if (entry == NULL)
        return false;
    is_other = entry->is_known && memcmp(entry->mac, mac, ETHER_ADDR_SIZE) != 0;
    if (!is_other || (news == NEIGH_ANSWER && entry->asked > NEIGH_POLLS)) {
        entry_confirm(stack, entry, mac);
    } else {
        stack->stats.neigh_claims++;
        entry_ask(stack, entry);
    }
    return true;
}

bool neigh_confirm(struct net_stack *stack, const struct net_addr *address)
{
    struct neigh *entry = entry_find(stack, address);

    if (entry == NULL || !entry->is_known)
        return false;
    entry->asked = 0;
    entry->fresh_until = net_now(stack) + NEIGH_FRESH_NS;
    return true;
}

/* ---- What must be true --------------------------------------------------- */

static __attribute__((cold)) void entry_check(const struct net_stack *stack,
                                              const struct neigh *entry,
                                              unsigned set)
{
    unsigned count = 0;

    for (struct queue_node *node = entry->waiting.head; node != NULL;
         node = node->next) {
        packet_check(container_of(node, struct packet, node));
        count++;
    }
    assert(entry->waiting_count == count);
    assert(count <= NEIGH_WAITING_MAX);
    assert(entry->asked <= tries_of(entry));
    if (addr_is_none(&entry->address)) {
        assert(count == 0 && !entry->is_known && entry->asked == 0);
        assert(entry->generation == 0);
        return;
    }
    assert((address_hash(stack, &entry->address) & (NEIGH_SETS - 1)) == set);
    assert(entry->generation != 0);
    assert(!entry->is_known || count == 0);
    /* What waits has been asked for: else nobody would answer. */
    assert(count == 0 || entry->asked > 0);
}

__attribute__((cold)) void neigh_check(const struct neigh_table *table)
{
    unsigned waiting = 0;
    unsigned asking = 0;

    for (unsigned i = 0; i < NEIGH_SETS; i++) {
        for (unsigned j = 0; j < NEIGH_WAYS; j++) {
            const struct neigh *entry = &table->entry[i][j];

            entry_check(table->stack, entry, i);
            waiting += entry->waiting_count;
            asking += entry->asked > 0;
            for (unsigned k = 0; k < j; k++)
                assert(
                    addr_is_none(&entry->address) ||
                    !addr_equal(&entry->address, &table->entry[i][k].address));
        }
    }
    assert(waiting == table->waiting_count);
    assert(waiting <= NEIGH_WAITING_ALL_MAX);
    assert(asking == 0 || timer_is_set(&table->timer));
}
