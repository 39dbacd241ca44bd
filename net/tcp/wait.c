/*
 * Connections in TIME-WAIT that have no socket any more: what they remember is
 * how to answer what is late, and when a new connection may begin (RFC 9293,
 * 3.6.1 and 3.10.7.4; RFC 1337; RFC 6191). They have a table of their own, and
 * a row in the order in which they end. What leaves from within the row leaves
 * a gap there; where the row is full the oldest ends.
 *
 * One that begins anew moves to the end of the row only when its turn comes, so
 * it ends with those that are before it there: never too early, and at most
 * 60 s too late. Nobody else stays longer for it.
 *
 * Both have room for the most that may be, and memory from the first one on.
 */
#include "net/stack.h"
#include "net/tcp/conn.h"
#include <torc/assert.h>
#include <torc/memory.h>

enum { PER_CHAIN = 4, WAIT_SLOT_MAX = (1 << 14) - 1 };

#define TIME_WAIT_MS ((uint32_t)(TCP_TIME_WAIT_NS / NS_PER_MS))

struct tcp_waits {
    struct tcp_wait **chain;
    unsigned chain_count; /* a power of two, as is: */
    unsigned size;        /* of the row */
    unsigned first;       /* of the row, modulo its size */
    unsigned used;        /* gaps included */
    struct tcp_wait *row[];
};

/* ---- What a segment means ------------------------------------------------ */

/* Whether a SYN is not an old one: RFC 6191, 2. */
static bool is_newer(const struct tcp_wait *wait,
                     const struct tcp_segment *segment)
{
    if (wait->has_stamps && segment->options.has_timestamp &&
        segment->options.timestamp != wait->stamp_recent)
        return seq_lt(wait->stamp_recent, segment->options.timestamp);
    return seq_lt(wait->rcv_nxt, segment->seq);
}

/* A reset is ignored: RFC 1337; a new SYN: RFC 1122, 4.2.2.13. */
enum tcp_verdict wait_judge(const struct tcp_wait *wait,
                            const struct tcp_segment *segment)
{
    unsigned flags = segment->flags;
    uint32_t end = segment->seq + (uint32_t)segment->payload_len;

    if ((flags & TCP_RST) != 0)
        return WAIT_IGNORE;
    if ((flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN &&
        is_newer(wait, segment))
        return WAIT_REPLACE;
    /* Any other FIN is not the one that we have acknowledged. */
    if ((flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == (TCP_ACK | TCP_FIN) &&
        segment->ack == wait->snd_max && end + 1 == wait->rcv_nxt)
        return WAIT_AGAIN;
    return segment->payload_len > 0 || (flags & (TCP_SYN | TCP_FIN)) != 0
               ? WAIT_ANSWER
               : WAIT_IGNORE;
}

/* ---- The table and the row ----------------------------------------------- */

/* `hash` is as of a connection. */
static struct tcp_wait **chain_at(const struct net_stack *stack, uint32_t hash)
{
    const struct tcp_waits *waits = stack->waits;

    return &waits->chain[hash >> 16 & (waits->chain_count - 1)];
}

static struct tcp_wait **chain_of(struct net_stack *stack,
                                  const struct flow *flow)
{
    return chain_at(stack, (uint32_t)(conn_hash(stack, flow) >> 32));
}

static noinline struct flow flow_of(const struct tcp_wait *wait)
{
    return (struct flow){wait->local, wait->remote, wait->lport, wait->rport,
                         IP4_TCP};
}

struct tcp_wait *wait_find(struct net_stack *stack, const struct flow *flow)
{
    struct tcp_wait *wait = NULL;

    if (stack->time_wait_count > 0)
        wait = *chain_of(stack, flow);
    for (; wait != NULL; wait = wait->next) {
        const struct flow own = flow_of(wait);

        if (flow_equal(&own, flow))
            return wait;
    }
    return NULL;
}

/* Returns whether there is memory. */
static bool prepare(struct net_stack *stack)
{
    /* The power of two that is not less, of PER_CHAIN at least. */
    unsigned size = 1U << (32 - __builtin_clz(stack->time_wait_max - 1));
    unsigned chains = size / PER_CHAIN;
    struct tcp_waits *waits = stack->waits;

    if (waits != NULL)
        return true;
    waits = mem_alloc_zeroed(sizeof(*waits) +
                             (size + chains) * sizeof(waits->row[0]));
    if (waits == NULL)
        return false;
    waits->chain = waits->row + size;
    waits->chain_count = chains;
    waits->size = size;
    stack->waits = waits;
    return true;
}

static struct tcp_wait **slot(struct tcp_waits *waits, unsigned at)
{
    return &waits->row[at & (waits->size - 1)];
}

/* When the first of the row ends is when time_wait_timer is due. */
static void row_push(struct tcp_waits *waits, struct tcp_wait *wait)
{
    unsigned at = waits->first + waits->used++;

    wait->slot = (at & (waits->size - 1)) & WAIT_SLOT_MAX;
    *slot(waits, at) = wait;
}

void wait_end(struct net_stack *stack, struct tcp_wait *wait)
{
    struct flow flow = flow_of(wait);
    struct tcp_wait **at = chain_of(stack, &flow);

    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
    *slot(stack->waits, wait->slot) = NULL;
    stack->time_wait_count--;
    mem_free(wait);
}

/* The first of the row, or NULL; the row begins with it then. */
static struct tcp_wait *oldest(struct tcp_waits *waits)
{
    while (waits->used > 0 && *slot(waits, waits->first) == NULL) {
        waits->first++;
        waits->used--;
    }
    return waits->used > 0 ? *slot(waits, waits->first) : NULL;
}

uint64_t waits_expire(struct net_stack *stack)
{
    struct tcp_waits *waits = stack->waits;
    struct tcp_wait *wait;

    while ((wait = oldest(waits)) != NULL) {
        uint32_t left = wait->end_ms - stack->now_ms;
        /* However long ago its end was: the machine may have stood still. */
        bool is_over = left == 0 || left > TIME_WAIT_MS;

        if (!is_over && !wait->is_again)
            return (stack->now / NS_PER_MS + left) * NS_PER_MS;
        if (!is_over) { /* to the end of the row */
            wait->is_again = false;
            *slot(waits, waits->first) = NULL;
            waits->first++;
            waits->used--;
            row_push(waits, wait);
        } else {
            wait_end(stack, wait);
        }
    }
    return TIME_NEVER;
}

static void begin(struct net_stack *stack, struct tcp_wait *wait)
{
    wait->end_ms = stack->now_ms + TIME_WAIT_MS;
}

void wait_begin(struct tcp_conn *conn)
{
    struct net_stack *stack = conn->stack;
    struct tcp_wait *wait = mem_alloc(sizeof(*wait));
    struct tcp_wait **chain, *first;

    if (wait == NULL || !prepare(stack)) {
        mem_free(wait);
        stack->stats.tcp_no_memory++;
        return;
    }
    wait_fill(wait, conn);
    wait->is_again = false;
    begin(stack, wait);
    wait->challenge_ms = (uint16_t)(stack->now_ms - TCP_CHALLENGE_MS);
    first = oldest(stack->waits);
    if (stack->time_wait_count == stack->time_wait_max ||
        stack->waits->used == stack->waits->size) {
        wait_end(stack, first);
        (void)oldest(stack->waits);
    }
    row_push(stack->waits, wait);
    chain = chain_at(stack, conn->hash);
    wait->next = *chain;
    *chain = wait;
    if (stack->time_wait_count++ == 0)
        time_wait_call(stack);
}

void wait_fill(struct tcp_wait *wait, const struct tcp_conn *conn)
{
    wait->local = conn->flow.local;
    wait->remote = conn->flow.remote;
    wait->lport = conn->flow.lport;
    wait->rport = conn->flow.rport;
    wait->snd_max = conn->snd_max;
    wait->rcv_nxt = conn->rcv_nxt;
    wait->stamp_recent = conn->stamp_recent;
    wait->has_stamps = conn->has_stamps;
}

/* ---- Segments ------------------------------------------------------------ */

/* With limits as those of tcp_challenge(). */
static void answer(struct net_stack *stack, struct tcp_wait *wait)
{
    struct flow flow = flow_of(wait);

    if (challenge_is_due(stack, &wait->challenge_ms))
        tcp_send_wait(stack, &flow, wait);
}

void wait_receive(struct net_stack *stack, struct tcp_wait *wait,
                  const struct tcp_segment *segment)
{
    struct flow flow = flow_of(wait);
    uint32_t last = wait->snd_max;

    switch (wait_judge(wait, segment)) {
    case WAIT_IGNORE:
        break;
    case WAIT_REPLACE:
        wait_end(stack, wait);
        listen_again(stack, &flow, segment, last);
        break;
    case WAIT_AGAIN:
        begin(stack, wait);
        wait->is_again = true;
        answer(stack, wait);
        break;
    case WAIT_ANSWER:
        answer(stack, wait);
        break;
    }
}

bool wait_is_replaceable(const struct net_stack *stack,
                         const struct tcp_wait *wait)
{
    uint32_t left = wait->end_ms - (uint32_t)(net_now(stack) / NS_PER_MS);

    return wait->has_stamps &&
           (int32_t)left <=
               (int32_t)((TCP_TIME_WAIT_NS - TCP_WAIT_LEAST_NS) / NS_PER_MS);
}

/* ---- All ----------------------------------------------------------------- */

void waits_lose(struct net_stack *stack, const struct net_addr *local)
{
    struct tcp_waits *waits = stack->waits;

    for (unsigned i = 0; waits != NULL && i < waits->size; i++) {
        struct tcp_wait *wait = waits->row[i];

        if (wait != NULL && (local == NULL || addr_equal(&wait->local, local)))
            wait_end(stack, wait);
    }
}

void waits_check(const struct net_stack *stack)
{
    struct tcp_waits *waits = stack->waits;
    unsigned count = 0;

    assert(stack->time_wait_count <= stack->time_wait_max);
    assert((stack->time_wait_timer.at != TIME_NEVER) ||
           stack->time_wait_count == 0);
    for (unsigned i = 0; waits != NULL && i < waits->size; i++) {
        struct tcp_wait *wait = waits->row[i];
        struct flow flow;

        if (wait == NULL)
            continue;
        flow = flow_of(wait);
        assert(wait->slot == i);
        assert(((i - waits->first) & (waits->size - 1)) < waits->used);
        assert(wait_find((struct net_stack *)stack, &flow) == wait);
        assert(conn_find((struct net_stack *)stack, &flow) == NULL);
        count++;
    }
    assert(count == stack->time_wait_count);
}
