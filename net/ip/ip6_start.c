/* IPv6 of a stack: configured, started, and its timer. */
#include "net/ip6.h"
#include "net/neigh.h"
#include "net/wire/addr_text.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/string.h>

enum { FRAGMENTS_SHARE = 4 /* of the packets: a quarter may wait */ };

static const struct net_addr none = {.word = {0, 0}};
static const struct net_addr link_prefix = {.byte = {0xfe, 0x80}};
enum { LINK_PREFIX_LEN = 10 /* RFC 4291, 2.4 */ };

/* ---- Configuration ------------------------------------------------------- */

/* "/N" at *text, which moves behind it. */
static int take_prefix_len(const char **text, unsigned *out)
{
    const char *s = *text;
    unsigned len = 0;

    if (*s++ != '/' || *s < '0' || *s > '9' ||
        (s[0] == '0' && s[1] != '\0' && s[1] != ','))
        return -EINVAL;
    for (; *s >= '0' && *s <= '9'; s++) {
        len = len * 10 + (unsigned)(*s - '0');
        if (len > 128)
            return -EINVAL;
    }
    *text = s;
    *out = len;
    return len == 0 ? -EINVAL : 0;
}

/* 32 hexadecimal digits, and nothing behind them. */
static int parse_key(const char *text, struct siphash_key *out)
{
    if (strlen(text) != 32)
        return -EINVAL;
    for (unsigned i = 0; i < 32; i++) {
        char c = text[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return -EINVAL;
        out->word[i / 16] = out->word[i / 16] << 4 | digit;
    }
    return 0;
}

int ip6_config_parse(const char *text, struct ip6_config *out)
{
    struct ip6_config config = {.gateway = {.word = {0, 0}}};

    if (str_equal(text, "auto") || str_starts(text, "auto,")) {
        config.is_auto = true;
        if (text[4] == ',' && parse_key(text + 5, &config.key) != 0)
            return -EINVAL;
        *out = config;
        return 0;
    }
    if (addr_parse(text, &text, &config.address) != 0 ||
        !ip6_is_unicast(&config.address) ||
        take_prefix_len(&text, &config.prefix_len) != 0)
        return -EINVAL;
    if (*text == ',' && (addr_parse(text + 1, &text, &config.gateway) != 0 ||
                         !ip6_is_unicast(&config.gateway) ||
                         addr_equal(&config.gateway, &config.address)))
        return -EINVAL;
    if (*text != '\0')
        return -EINVAL;
    *out = config;
    return 0;
}

/* ---- Time ---------------------------------------------------------------- */

void ip6_due(struct ip6 *ip6, uint64_t at)
{
    int error = 0;

    if (at < ip6->timer.deadline_ns)
        error = timer_set(&ip6->timer, at);
    assert(error == 0); /* it is set, so it needs no memory */
}

uint64_t ip6_random_time(struct ip6 *ip6, unsigned max_ms)
{
    uint64_t hash;

    ip6->random++;
    hash = siphash(&ip6->stack->hash_key, &ip6->random, sizeof(ip6->random));
    return net_now(ip6->stack) + hash % (max_ms * NS_PER_MS + 1);
}

static void tick(struct timer *timer)
{
    struct ip6 *ip6 = container_of(timer, struct ip6, timer);
    struct net_stack *stack = ip6->stack;
    uint64_t now, next;
    int error;

    stack_tick(stack);
    now = stack->now;
    /* First, since what happens below may be due earlier. */
    error = timer_set(timer, now + IP6_TICK_NS);
    assert(error == 0); /* its place in the queue has just become free */
    /* A group is joined before its address is probed: RFC 4862, 5.4.2. */
    if (stack_answers(stack)) {
        next = mld_tick(stack, now);
        ip6_due(ip6, next);
        next = ip6_address_tick(stack, now);
        ip6_due(ip6, next);
    }
    next = router_tick(stack, now);
    ip6_due(ip6, next);
}

/* ---- Start and end ------------------------------------------------------- */

static void announce(struct net_stack *stack)
{
    const struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        if (ip6->address[i].state == IP6_READY)
            nd_announce(stack, &ip6->address[i].addr);
    }
}

static void fini(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct queue_node *node;

    timer_cancel(&ip6->timer);
    mld_fini(stack);
    reassembly_fini(stack);
    while ((node = queue_pop(&ip6->loop)) != NULL)
        packet_put(container_of(node, struct packet, node));
    stack->ip6 = NULL;
    stack->ip6_state = NULL;
    mem_free(ip6->news);
    mem_free(ip6);
}

static void check(const struct net_stack *stack)
{
    const struct ip6 *ip6 = ip6_of(stack);
    unsigned count = 0;

    assert(timer_is_set(&ip6->timer));
    assert(ip6->hops >= IP6_HOPS_MIN);
    assert(stack->ip6_mtu >= IP6_MTU_MIN && stack->ip6_mtu <= stack->dev->mtu);
    for (struct queue_node *node = ip6->loop.head; node != NULL;
         node = node->next)
        count++;
    assert(count == ip6->loop_count);
    reassembly_check(stack);
    ip6_address_check(stack);
    mld_check(stack);
    router_check(stack);
}

static const struct ip6_calls calls = {
    .output = ip6_output,
    .send = ip6_send,
    .is_ours = ip6_is_ours,
    .source = ip6_source,
    .port_unreachable = icmp6_port_unreachable,
    .dns = ip6_dns,
    .receive = ip6_receive,
    .receive_whole = ip6_receive_whole,
    .poll = ip6_loop_poll,
    .announce = announce,
    .fini = fini,
    .check = check,
};

/* An address that is to be ours, by the first stack of a group. */
static int address_add(struct net_stack *stack, const struct ip6_address *own)
{
    return stack_answers(stack) ? ip6_address_add(stack, own, 0) : 0;
}

/* The address on the link, and the one that was configured; their routes. */
static int addresses_init(struct net_stack *stack,
                          const struct ip6_config *config)
{
    const struct ip6 *ip6 = ip6_of(stack);
    struct ip6_address own = {
        .addr = ip6_address_make(ip6, &link_prefix, 0),
        .prefix_len = IP6_PREFIX_LEN,
        .is_auto = true,
        .valid_until = TIME_NEVER,
        .preferred_until = TIME_NEVER,
    };
    int error = route_add(stack, link_prefix, LINK_PREFIX_LEN, &none);

    if (error == 0)
        error = address_add(stack, &own);
    if (error != 0 || config->is_auto)
        return error;
    own.addr = config->address;
    own.prefix_len = (uint8_t)config->prefix_len;
    own.is_auto = false;
    error = address_add(stack, &own);
    if (error == 0)
        error = route_add(stack, own.addr, own.prefix_len, &none);
    if (error != 0 || addr_is_none(&config->gateway))
        return error;
    /* A gateway outside the prefix is on the link all the same. */
    if (!route_is_on_link(stack, &config->gateway))
        error = route_add(stack, config->gateway, 128, &none);
    return error != 0 ? error : route_add(stack, none, 0, &config->gateway);
}

int ip6_start(struct net_stack *stack, const struct ip6_config *config)
{
    return ip6_start_as(stack, config, NULL);
}

int ip6_start_as(struct net_stack *stack, const struct ip6_config *config,
                 const struct ip6_members *members)
{
    struct ip6 *ip6;
    int error;

    if (stack->ip6 != NULL)
        return -EBUSY;
    if (stack->dev->mtu < IP6_MTU_MIN) {
        log_error("net: the card's MTU is %u, IPv6 needs %u", stack->dev->mtu,
                  IP6_MTU_MIN);
        return -EINVAL;
    }
    ip6 = mem_alloc_zeroed(sizeof(*ip6));
    if (ip6 == NULL)
        return -ENOMEM;
    ip6->stack = stack;
    ip6->is_auto = config->is_auto;
    ip6->id_key = config->key;
    ip6->hops = IP6_HOPS;
    ip6->change_at = ip6->answer_at = TIME_NEVER;
    if (random_bytes(ip6->nonce, sizeof(ip6->nonce)) != 0)
        memcpy(ip6->nonce, stack->dev->mac, sizeof(ip6->nonce));
    timer_init(&ip6->timer, tick);
    if (timer_set(&ip6->timer, net_now(stack) + IP6_TICK_NS) != 0) {
        mem_free(ip6);
        return -ENOMEM;
    }
    reassembly_init(stack, stack->packet_count / FRAGMENTS_SHARE);
    stack->reassembly.expired6 = icmp6_expired;
    stack->neigh.ask6 = nd_ask;
    stack->neigh.silent6 = router_silent;
    stack->ip6_state = ip6;
    stack->ip6 = &calls;
    stack->ip6_mtu = stack->dev->mtu;
    ip6->members = members;
    error = members != NULL ? members->init(stack) : 0;
    if (error == 0)
        error = addresses_init(stack, config);
    if (error != 0)
        fini(stack);
    else if (members != NULL)
        members->here(stack);
    return error;
}
