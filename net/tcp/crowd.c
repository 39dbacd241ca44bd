/*
 * More SYNs than can be answered. When so many frames wait that one poll of the
 * card after another is full, answering each SYN of a flood makes all others
 * wait, and in the end the card drops what it cannot hold, whoever sent it. So
 * each poll answers only a few SYNs of strangers then, and passes over the
 * others, at a third of the cost. A stranger is a source that has ended no
 * handshake lately: of the addresses that are invented nearly all.
 *
 * Sources are remembered in a Bloom filter of two generations, by a keyed hash:
 * when one knows CROWD_SOURCES, the older one is forgotten. So some strangers
 * are taken for others, one in ten at most; who is known never is a stranger.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/string.h>

enum {
    CROWD_ANSWERS = 8,    /* SYNs of strangers that a full poll answers */
    CROWD_SOURCES = 4096, /* which sets a quarter of the bits at most */
};

static_assert(CROWD_SOURCES * 2 * 4 <= CROWD_BITS, "a quarter of the bits");
static_assert(CROWD_BITS == 1 << 15, "bits_of()");

/* The two bits of a source. */
static void bits_of(const struct net_stack *stack, const struct flow *flow,
                    unsigned bit[2])
{
    uint64_t hash = (flow_source(flow) ^ stack->hash_key.word[0]) *
                    UINT64_C(0x9e3779b97f4a7c15);

    /* The bits of neighbours, too, have nothing to do with each other. */
    hash = (hash ^ hash >> 32) * (stack->hash_key.word[1] | 1);
    hash = (hash ^ hash >> 29) * UINT64_C(0x9e3779b97f4a7c15);

    bit[0] = (unsigned)(hash >> 49);
    bit[1] = (unsigned)(hash >> 34) & (CROWD_BITS - 1);
}

static bool is_set(const uint64_t *known, unsigned bit)
{
    return (known[bit / 64] >> bit % 64 & 1) != 0;
}

static bool knows(const uint64_t *known, const unsigned bit[2])
{
    return is_set(known, bit[0]) && is_set(known, bit[1]);
}

__attribute__((cold)) bool crowd_is_shed(struct net_stack *stack,
                                         const struct flow *flow)
{
    struct syn_crowd *crowd = &stack->crowd;
    unsigned bit[2];

    bits_of(stack, flow, bit);
    if (knows(crowd->known[0], bit) || knows(crowd->known[1], bit) ||
        crowd->answers++ < CROWD_ANSWERS)
        return false;
    stack->stats.tcp_syns_shed++;
    return true;
}

__attribute__((cold)) void crowd_learn(struct net_stack *stack,
                                       const struct flow *flow)
{
    struct syn_crowd *crowd = &stack->crowd;
    uint64_t *known = crowd->known[crowd->present];
    unsigned bit[2];

    bits_of(stack, flow, bit);
    if (knows(known, bit))
        return;
    if (crowd->count == CROWD_SOURCES) {
        crowd->count = 0;
        crowd->present ^= 1;
        known = crowd->known[crowd->present];
        memset(known, 0, sizeof(crowd->known[0]));
    }
    crowd->count++;
    known[bit[0] / 64] |= UINT64_C(1) << bit[0] % 64;
    known[bit[1] / 64] |= UINT64_C(1) << bit[1] % 64;
}
