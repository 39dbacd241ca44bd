/*
 * More SYNs than can be answered. When so many frames wait that one poll of the
 * card after another is full, answering each SYN of a flood makes all others
 * wait, and in the end the card drops what it cannot hold, whoever sent it. So
 * each poll answers only a few SYNs of strangers then, and passes over the
 * others, at a third of the cost. A stranger is a source that has ended no
 * handshake lately: of the addresses that are invented nearly all.
 *
 * Sources that are known have more answers, and each of them a few, so that a
 * flood of one that has ended a handshake does not take those of all others.
 *
 * What nobody listens for here has answers of its own: a flood of such SYNs
 * takes none of a service, and a SYN that is passed on in a group, to where
 * somebody may listen, does not compete with a flood of a service here. Only
 * frames of the card are passed over: not what other members have passed on,
 * nor what is looped, since neither is what fills the polls.
 *
 * Sources are remembered in a Bloom filter of two generations, by a keyed hash:
 * when one knows CROWD_SOURCES, the older one is forgotten. So some strangers
 * are taken for others, one in ten at most; who is known never is a stranger.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/string.h>

enum {
    CROWD_STRANGERS = 8, /* SYNs of strangers that a poll answers */
    CROWD_KNOWN = 32,    /* SYNs of others; and so many of each source */
    CROWD_SOURCE = 4,
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

__attribute__((cold)) void crowd_begin(struct net_stack *stack)
{
    struct syn_crowd *crowd = &stack->crowd;

    crowd->sheds = true;
    crowd->answers = 0;
    memset(crowd->strangers, 0, sizeof(crowd->strangers));
    memset(crowd->of_source, 0, sizeof(crowd->of_source));
}

/* Whether one more may be answered, which is counted. */
static bool may_answer(uint8_t *count, unsigned most)
{
    if (*count == most)
        return false;
    ++*count;
    return true;
}

__attribute__((cold)) bool crowd_is_shed(struct net_stack *stack,
                                         const struct flow *flow)
{
    struct syn_crowd *crowd = &stack->crowd;
    unsigned bit[2];
    bool may;

    bits_of(stack, flow, bit);
    if (knows(crowd->known[0], bit) || knows(crowd->known[1], bit))
        may = may_answer(&crowd->of_source[bit[0] % CROWD_BUCKETS],
                         CROWD_SOURCE) &&
              may_answer(&crowd->answers, CROWD_KNOWN);
    else
        may = may_answer(&crowd->strangers[listen_wants(stack, flow)],
                         CROWD_STRANGERS);
    if (!may)
        stack->stats.tcp_syns_shed++;
    return !may;
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
