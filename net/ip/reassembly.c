/* Fragments of datagrams are put together again. */
#include "net/reassembly.h"
#include "net/stack.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { PAYLOAD_MAX = 65535 };

struct piece {
    struct packet *packet;
    uint32_t offset;
};

/* A datagram that waits for its rest. */
struct assembly {
    struct list link; /* in reassembly.waiting */
    struct fragment_key key;
    uint64_t until;
    uint32_t header_len; /* of the first fragment; 0: it has not come */
    uint32_t total;      /* bytes of payload; 0: the last has not come */
    uint32_t have;       /* bytes of payload that came */
    unsigned count;
    struct piece piece[REASSEMBLY_PIECES]; /* ascending, without overlaps */
};

static bool key_equal(const struct fragment_key *a,
                      const struct fragment_key *b)
{
    return a->id == b->id && a->protocol == b->protocol &&
           addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst);
}

static void assembly_unlink(struct reassembly *all, struct assembly *assembly)
{
    list_remove(&assembly->link);
    all->waiting_count--;
    all->packet_count -= assembly->count;
}

static void assembly_drop(struct net_stack *stack, struct assembly *assembly)
{
    assembly_unlink(&stack->reassembly, assembly);
    for (unsigned i = 0; i < assembly->count; i++)
        packet_put(assembly->piece[i].packet);
    mem_free(assembly);
    stack->stats.ip_reassembly_failed++;
}

static struct assembly *assembly_of(struct list *node)
{
    return container_of(node, struct assembly, link);
}

/* The time of the oldest datagrams is over. */
static void assemblies_expire(struct net_stack *stack)
{
    struct reassembly *all = &stack->reassembly;
    uint64_t now = net_now(stack);

    while (!list_empty(&all->waiting)) {
        struct assembly *oldest = assembly_of(all->waiting.next);

        if (oldest->until > now)
            break;
        if (oldest->header_len != 0) {
            packet_push(oldest->piece[0].packet, oldest->header_len);
            if (addr_is_ip4(&oldest->key.src))
                all->expired4(stack, oldest->piece[0].packet);
            else
                all->expired6(stack, oldest->piece[0].packet);
        }
        assembly_drop(stack, oldest);
    }
}

static void on_timer(struct timer *timer)
{
    struct reassembly *all = container_of(timer, struct reassembly, timer);

    stack_tick(all->stack);
    assemblies_expire(all->stack);
    if (!list_empty(&all->waiting)) {
        int error = timer_set(timer, assembly_of(all->waiting.next)->until);

        assert(error == 0); /* its place in the queue has just become free */
    }
}

void reassembly_init(struct net_stack *stack, unsigned packet_max)
{
    struct reassembly *all = &stack->reassembly;

    if (all->stack != NULL)
        return;
    *all = (struct reassembly){.stack = stack, .packet_max = packet_max};
    list_init(&all->waiting);
    timer_init(&all->timer, on_timer);
}

void reassembly_fini(struct net_stack *stack)
{
    struct reassembly *all = &stack->reassembly;

    timer_cancel(&all->timer);
    while (!list_empty(&all->waiting))
        assembly_drop(stack, assembly_of(all->waiting.next));
}

/* Make room for one more datagram of `src`: who has many loses one of them,
 * else the oldest goes. */
static void make_room(struct net_stack *stack, const struct net_addr *src)
{
    struct reassembly *all = &stack->reassembly;
    struct assembly *oldest = NULL;
    unsigned count = 0;

    list_for_each (node, &all->waiting) {
        struct assembly *assembly = assembly_of(node);

        if (!addr_equal(&assembly->key.src, src))
            continue;
        if (oldest == NULL)
            oldest = assembly;
        count++;
    }
    if (count >= REASSEMBLY_OF_SOURCE)
        assembly_drop(stack, oldest);
    else if (all->waiting_count >= REASSEMBLY_MAX)
        assembly_drop(stack, assembly_of(all->waiting.next));
}

static struct assembly *assembly_create(struct net_stack *stack,
                                        const struct fragment_key *key)
{
    struct reassembly *all = &stack->reassembly;
    uint64_t until = net_now(stack) + REASSEMBLY_NS;
    struct assembly *assembly;

    make_room(stack, &key->src);
    if (!timer_is_set(&all->timer) && timer_set(&all->timer, until) != 0)
        return NULL;
    assembly = mem_alloc(sizeof(*assembly));
    if (assembly == NULL)
        return NULL;
    *assembly = (struct assembly){.key = *key, .until = until};
    list_push_back(&all->waiting, &assembly->link);
    all->waiting_count++;
    return assembly;
}

static struct assembly *assembly_find(struct net_stack *stack,
                                      const struct fragment_key *key)
{
    list_for_each (node, &stack->reassembly.waiting) {
        if (key_equal(&assembly_of(node)->key, key))
            return assembly_of(node);
    }
    return assembly_create(stack, key);
}

enum fit { FIT_NEW, FIT_KNOWN, FIT_BAD };

/* Whether a fragment [start, end) goes with those that came, and where. */
static enum fit piece_fit(const struct assembly *assembly, uint32_t start,
                          uint32_t end, unsigned *place)
{
    unsigned i = 0;

    while (i < assembly->count && assembly->piece[i].offset < start)
        i++;
    *place = i;
    if (i > 0 &&
        assembly->piece[i - 1].offset + assembly->piece[i - 1].packet->len >
            start)
        return FIT_BAD;
    if (i == assembly->count || assembly->piece[i].offset >= end)
        return FIT_NEW;
    if (assembly->piece[i].offset == start &&
        assembly->piece[i].packet->len == end - start)
        return FIT_KNOWN; /* the network has doubled it */
    return FIT_BAD;
}

/* Where the last fragment that came ends. */
static uint32_t last_end(const struct assembly *assembly)
{
    const struct piece *last;

    if (assembly->count == 0)
        return 0;
    last = &assembly->piece[assembly->count - 1];
    return last->offset + last->packet->len;
}

/* Whether the end of the datagram, which only its last fragment knows, fits to
 * what came. */
static bool end_fits(const struct assembly *assembly, uint32_t end,
                     bool is_last)
{
    if (assembly->total != 0)
        return is_last ? end == assembly->total : end <= assembly->total;
    return !is_last || last_end(assembly) <= end;
}

/* The datagram is whole: in one packet where it fits into one, else in slices.
 * NULL: no packet is free. */
static struct packet *assembly_join(struct net_stack *stack,
                                    struct assembly *assembly)
{
    struct packet *first = assembly->piece[0].packet;
    uint32_t len = assembly->header_len + assembly->total;
    struct packet *whole = first;
    int error = 0;

    packet_push(first, assembly->header_len);
    /* Another stack of a group may get it: then its first packet must be ours,
     * as all slices are, which go home with it. */
    if (assembly->count > 1 &&
        (len <= PACKET_SIZE - PACKET_HEADROOM || !packet_is_home(first))) {
        whole = stack_packet(stack);
        if (whole == NULL || first->len > packet_tailroom(whole)) {
            packet_put(whole);
            return NULL;
        }
        memcpy(packet_append(whole, first->len), first->data, first->len);
        packet_put(first);
    }
    for (unsigned i = 1; i < assembly->count; i++) {
        struct packet *piece = assembly->piece[i].packet;

        if (len > PACKET_SIZE - PACKET_HEADROOM) {
            error = packet_join(whole, piece);
        } else {
            memcpy(packet_append(whole, piece->len), piece->data, piece->len);
            packet_put(piece);
        }
        assert(error == 0); /* REASSEMBLY_PIECES are as many as it takes */
    }
    whole->offload = (struct packet_offload){.segments = PACKET_WHOLE};
    return whole;
}

static void piece_insert(struct net_stack *stack, struct assembly *assembly,
                         unsigned place, const struct fragment *fragment,
                         struct packet *packet)
{
    for (unsigned i = assembly->count++; i > place; i--)
        assembly->piece[i] = assembly->piece[i - 1];
    assembly->piece[place] = (struct piece){packet, fragment->offset};
    assembly->have += packet->len;
    stack->reassembly.packet_count++;
    if (fragment->offset == 0)
        assembly->header_len = fragment->header_len;
    if (fragment->is_last)
        assembly->total = fragment->offset + packet->len;
}

struct packet *reassembly_add(struct net_stack *stack,
                              const struct fragment *fragment,
                              struct packet *packet)
{
    struct reassembly *all = &stack->reassembly;
    uint32_t end = fragment->offset + packet->len;
    struct assembly *assembly = assembly_find(stack, &fragment->key);
    struct packet *whole;
    enum fit fit = FIT_BAD;
    unsigned place;

    if (assembly == NULL) {
        stack->stats.ip_reassembly_failed++;
        packet_put(packet);
        return NULL;
    }
    if (packet->len > 0 && end <= PAYLOAD_MAX - fragment->header_len &&
        (fragment->is_last || packet->len % 8 == 0) &&
        end_fits(assembly, end, fragment->is_last))
        fit = piece_fit(assembly, fragment->offset, end, &place);
    if (fit == FIT_NEW && assembly->count == REASSEMBLY_PIECES)
        fit = FIT_BAD;
    if (fit != FIT_NEW) {
        packet_put(packet);
        if (fit == FIT_BAD)
            assembly_drop(stack, assembly);
        return NULL;
    }
    piece_insert(stack, assembly, place, fragment, packet);
    if (assembly->have != assembly->total) {
        if (all->packet_count > all->packet_max)
            assembly_drop(stack, assembly_of(all->waiting.next));
        return NULL;
    }
    whole = assembly_join(stack, assembly);
    if (whole == NULL) {
        assembly_drop(stack, assembly);
        return NULL;
    }
    assembly_unlink(all, assembly);
    mem_free(assembly);
    return whole;
}

static void assembly_check(const struct assembly *assembly)
{
    uint32_t have = 0;
    uint32_t end = 0;

    assert(assembly->count <= REASSEMBLY_PIECES);
    for (unsigned i = 0; i < assembly->count; i++) {
        const struct piece *piece = &assembly->piece[i];

        packet_check(piece->packet);
        assert(piece->offset >= end); /* ascending, no overlap */
        end = piece->offset + piece->packet->len;
        have += piece->packet->len;
    }
    assert(have == assembly->have);
    assert(assembly->total == 0 || (end <= assembly->total));
    assert(assembly->total == 0 || have < assembly->total); /* else whole */
    assert((assembly->header_len != 0) ==
           (assembly->count > 0 && assembly->piece[0].offset == 0));
}

void reassembly_check(const struct net_stack *stack)
{
    const struct reassembly *all = &stack->reassembly;
    unsigned packets = 0;
    unsigned count = 0;

    list_for_each (node, &all->waiting) {
        assembly_check(assembly_of(node));
        packets += assembly_of(node)->count;
        count++;
    }
    assert(count == all->waiting_count && count <= REASSEMBLY_MAX);
    assert(packets == all->packet_count && packets <= all->packet_max);
    assert(count == 0 || timer_is_set(&all->timer));
}
