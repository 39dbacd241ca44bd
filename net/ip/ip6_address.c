/* Our addresses of IPv6: RFC 4862, 5.4 and 5.5; RFC 7217; RFC 6724, 5. */
#include "net/ip6.h"
#include "net/wire/addr_text.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

struct ip6_address *ip6_address_find(const struct net_stack *stack,
                                     const struct net_addr *addr)
{
    struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        if (ip6->address[i].state != IP6_FREE &&
            addr_equal(&ip6->address[i].addr, addr))
            return &ip6->address[i];
    }
    return NULL;
}

bool ip6_is_ours(const struct net_stack *stack, const struct net_addr *addr)
{
    const struct ip6_address *own = ip6_address_find(stack, addr);

    return (own != NULL && own->state == IP6_READY) || ip6_is_loop(addr);
}

struct net_addr ip6_link_address(const struct net_stack *stack)
{
    const struct ip6_address *own = &ip6_of(stack)->address[0];

    return own->state == IP6_READY ? own->addr
                                   : (struct net_addr){.word = {0, 0}};
}

/* ---- Which of ours to send from: RFC 6724 -------------------------------- */

/* What is compared of an address that could be the source; each rule decides
 * only when those before it do not. */
struct rank {
    bool is_same;       /* rule 1 */
    unsigned scope;     /* rule 2 */
    bool is_preferred;  /* rule 3 */
    bool is_label_same; /* rule 6 */
    unsigned common;    /* rule 8 */
};

static struct rank rank_of(const struct ip6_address *own,
                           const struct net_addr *remote, uint64_t now)
{
    unsigned common = ip6_common_len(&own->addr, remote);

    return (struct rank){
        .is_same = addr_equal(&own->addr, remote),
        .scope = ip6_scope(&own->addr),
        .is_preferred = own->preferred_until > now,
        .is_label_same = ip6_label(&own->addr) == ip6_label(remote),
        .common = common < own->prefix_len ? common : own->prefix_len,
    };
}

/* Whether `a` is the better one to send to an address of `scope` from. */
static bool is_better(const struct rank *a, const struct rank *b,
                      unsigned scope)
{
    if (a->is_same != b->is_same)
        return a->is_same;
    if (a->scope != b->scope) {
        /* The smaller one, if it is large enough; else the larger one. */
        return a->scope < b->scope ? a->scope >= scope : b->scope < scope;
    }
    if (a->is_preferred != b->is_preferred)
        return a->is_preferred;
    if (a->is_label_same != b->is_label_same)
        return a->is_label_same;
    return a->common > b->common;
}

struct net_addr ip6_source(const struct net_stack *stack,
                           const struct net_addr *remote)
{
    const struct ip6 *ip6 = ip6_of(stack);
    uint64_t now = net_now(stack);
    unsigned scope = ip6_scope(remote);
    const struct ip6_address *best = NULL;
    struct rank best_rank = {0};

    if (ip6_is_loop(remote))
        return *remote;
    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        const struct ip6_address *own = &ip6->address[i];
        struct rank rank;

        if (own->state != IP6_READY)
            continue;
        rank = rank_of(own, remote, now);
        if (best == NULL || is_better(&rank, &best_rank, scope)) {
            best = own;
            best_rank = rank;
        }
    }
    return best != NULL ? best->addr : (struct net_addr){.word = {0, 0}};
}

/* ---- Interface ids: RFC 7217 --------------------------------------------- */

struct net_addr ip6_address_make(const struct ip6 *ip6,
                                 const struct net_addr *prefix, unsigned tries)
{
    struct net_addr addr = *prefix;
    uint8_t input[8 + ETHER_ADDR_SIZE + 2];
    unsigned reserved = 0;

    memcpy(input, prefix->byte, 8);
    memcpy(input + 8, ip6->stack->dev->mac, ETHER_ADDR_SIZE);
    input[8 + ETHER_ADDR_SIZE] = (uint8_t)tries;
    do {
        uint64_t hash;

        input[8 + ETHER_ADDR_SIZE + 1] = (uint8_t)reserved++;
        hash = siphash(&ip6->id_key, input, sizeof(input));
        be32_put(addr.byte + 8, (uint32_t)(hash >> 32));
        be32_put(addr.byte + 12, (uint32_t)hash);
    } while (ip6_id_is_reserved(addr.byte + 8) && reserved < 256);
    return addr;
}

/* ---- How an address becomes ours: RFC 4862, 5.4 -------------------------- */

/* Ask for the address in `delay_ms` at the latest. */
static void probe_begin(struct net_stack *stack, struct ip6_address *own,
                        unsigned delay_ms)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct net_addr group = ip6_solicited_node(&own->addr);

    own->state = IP6_TENTATIVE;
    own->probes = own->is_auto ? IP6_PROBES : IP6_PROBES_CONFIGURED;
    own->at = ip6_random_time(ip6, delay_ms);
    mld_join(stack, &group);
    ip6_due(ip6, own->at);
}

static void address_leave(struct net_stack *stack, struct ip6_address *own,
                          enum ip6_state state)
{
    struct net_addr group = ip6_solicited_node(&own->addr);

    mld_leave(stack, &group);
    own->state = state;
}

static struct ip6_address *entry_free(struct ip6 *ip6)
{
    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        if (ip6->address[i].state == IP6_FREE)
            return &ip6->address[i];
    }
    return NULL;
}

int ip6_address_add(struct net_stack *stack, const struct ip6_address *address,
                    unsigned delay_ms)
{
    struct ip6_address *own = entry_free(ip6_of(stack));

    if (ip6_address_find(stack, &address->addr) != NULL)
        return -EEXIST;
    if (own == NULL)
        return -ENOSPC;
    *own = *address;
    probe_begin(stack, own, delay_ms);
    return 0;
}

void ip6_address_duplicate(struct net_stack *stack, struct ip6_address *own)
{
    char text[ADDR_TEXT];

    addr_format(text, &own->addr);
    stack->stats.nd_conflicts++;
    address_leave(stack, own, IP6_DUPLICATE);
    if (!own->is_auto || own->tries == IP6_ID_TRIES) {
        log_error("net: %s is the address of another host: not used", text);
        return;
    }
    log_warn("net: %s is the address of another host: we take another", text);
    own->tries++;
    own->addr = ip6_address_make(ip6_of(stack), &own->addr, own->tries);
    probe_begin(stack, own, 0);
}

/* Nobody has objected. */
static void address_ready(struct net_stack *stack, struct ip6_address *own)
{
    struct ip6 *ip6 = ip6_of(stack);
    char text[ADDR_TEXT];

    own->state = IP6_READY;
    own->at = TIME_NEVER;
    ip6_changed(stack);
    addr_format(text, &own->addr);
    log_info("net: %s has %s/%u", device_name(&stack->dev->device), text,
             own->prefix_len);
    if (own == &ip6->address[0] && ip6->is_auto) {
        ip6->solicits = IP6_SOLICITS;
        ip6->solicit_at = net_now(stack);
    }
}

static void address_expire(struct net_stack *stack, struct ip6_address *own)
{
    char text[ADDR_TEXT];

    addr_format(text, &own->addr);
    log_info("net: %s has no longer %s", device_name(&stack->dev->device),
             text);
    if (own->state != IP6_DUPLICATE)
        address_leave(stack, own, IP6_FREE);
    *own = (struct ip6_address){0};
    ip6_changed(stack);
}

static void tentative_tick(struct net_stack *stack, struct ip6_address *own,
                           uint64_t now)
{
    if (own->at > now)
        return;
    if (own->probes == 0) {
        address_ready(stack, own);
        return;
    }
    own->probes--;
    own->at = now + IP6_PROBE_NS;
    nd_probe(stack, &own->addr);
}

uint64_t ip6_address_tick(struct net_stack *stack, uint64_t now)
{
    struct ip6 *ip6 = ip6_of(stack);
    uint64_t next = TIME_NEVER;

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        struct ip6_address *own = &ip6->address[i];

        if (own->state == IP6_FREE)
            continue;
        if (own->valid_until <= now) {
            address_expire(stack, own);
            continue;
        }
        if (own->state == IP6_TENTATIVE)
            tentative_tick(stack, own, now);
        if (own->state == IP6_TENTATIVE && own->at < next)
            next = own->at;
        if (own->valid_until < next)
            next = own->valid_until;
    }
    return next;
}

void ip6_address_check(const struct net_stack *stack)
{
    const struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        const struct ip6_address *own = &ip6->address[i];
        struct net_addr group;

        if (own->state == IP6_FREE) {
            assert(addr_is_none(&own->addr));
            continue;
        }
        assert(ip6_is_unicast(&own->addr));
        if (!stack_answers(stack)) { /* it was told so */
            assert(own->state == IP6_READY);
            continue;
        }
        assert(own->tries <= IP6_ID_TRIES);
        assert(own->state != IP6_TENTATIVE ||
               own->at >= ip6->timer.deadline_ns);
        assert(own->valid_until >= ip6->timer.deadline_ns);
        group = ip6_solicited_node(&own->addr);
        assert(own->state == IP6_DUPLICATE || mld_is_member(stack, &group));
        for (unsigned j = 0; j < i; j++)
            assert(ip6->address[j].state == IP6_FREE ||
                   !addr_equal(&own->addr, &ip6->address[j].addr));
    }
    if (!stack_answers(stack))
        return;
    assert(ip6->address[0].state != IP6_FREE);
    assert(ip6_is_link_local(&ip6->address[0].addr));
}
