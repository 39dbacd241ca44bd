/*
 * Routers, and what they say of the link: RFC 4861, 6.3; RFC 4191; of
 * addresses: RFC 4862, 5.5.3; of name servers: RFC 8106; redirects: RFC 4861,
 * 8.3. Any host of the link can say all that, so each table is small, and an
 * entry that is in use is not given up for a new one.
 */
#include "kernel/lib/minmax.h"
#include "net/ip6.h"
#include "net/neigh.h"
#include <torc/assert.h>

static const struct net_addr none = {.word = {0, 0}};

/* When a lifetime of so many seconds ends. */
static uint64_t end_of(const struct net_stack *stack, uint32_t seconds)
{
    return seconds == UINT32_MAX ? TIME_NEVER
                                 : net_now(stack) + seconds * NS_PER_S;
}

/* ---- Solicitations ------------------------------------------------------- */

void router_solicit(struct net_stack *stack)
{
    const struct icmp6_message message = {.type = ICMP6_ND_RS};
    struct net_addr src = ip6_link_address(stack);
    struct packet *packet = stack_packet(stack);

    if (packet == NULL)
        return;
    packet_append(packet, ND_ROUTER_SOLICIT_SIZE);
    if (!addr_is_none(&src))
        nd_emit_mac(packet_append(packet, ND_MAC_OPTION_SIZE), false,
                    stack->dev->mac);
    stack->stats.nd_out++;
    icmp6_send(stack, packet, &message, &src, &ip6_all_routers, IP6_HOPS_LINK);
}

/* ---- Tables with lifetimes ----------------------------------------------- */

static struct ip6_lease *lease_find(struct ip6_lease leases[], unsigned count,
                                    const struct net_addr *addr, uint8_t len)
{
    for (unsigned i = 0; i < count; i++) {
        if (leases[i].len == len && addr_equal(&leases[i].addr, addr))
            return &leases[i];
    }
    return NULL;
}

/* A free entry, or NULL. */
static struct ip6_lease *lease_free(struct ip6_lease leases[], unsigned count)
{
    return lease_find(leases, count, &none, 0);
}

/* The one that ends first; free ones end at 0. */
static struct ip6_lease *lease_oldest(struct ip6_lease leases[], unsigned count)
{
    struct ip6_lease *oldest = &leases[0];

    for (unsigned i = 1; i < count; i++) {
        if (leases[i].until < oldest->until)
            oldest = &leases[i];
    }
    return oldest;
}

/* ---- Redirects that end: RFC 4861, 7.3.3 --------------------------------- */

static void redirect_remove(struct net_stack *stack, struct ip6_lease *lease)
{
    int error = route_remove(stack, lease->addr, lease->len);

    assert(error == 0); /* nobody else removes it */
    *lease = (struct ip6_lease){0};
}

/* What was redirected to the router `target` goes by the default one again. */
static void redirects_leave_router(struct net_stack *stack,
                                   const struct net_addr *target)
{
    struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < IP6_REDIRECTS_MAX; i++) {
        struct ip6_lease *lease = &ip6->redirect[i];

        if (lease->len != 0 && addr_equal(&lease->target, target) &&
            !addr_equal(&lease->addr, target))
            redirect_remove(stack, lease);
    }
}

/* And so does what was said to be on the link. */
static void redirect_leave_host(struct net_stack *stack,
                                const struct net_addr *target)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct ip6_lease *lease =
        lease_find(ip6->redirect, IP6_REDIRECTS_MAX, target, 128);

    if (lease != NULL && addr_equal(&lease->target, target))
        redirect_remove(stack, lease);
}

/* ---- Default routers ----------------------------------------------------- */

static struct ip6_router *router_find(struct ip6 *ip6,
                                      const struct net_addr *addr)
{
    for (unsigned i = 0; i < IP6_ROUTERS_MAX; i++) {
        if (addr_equal(&ip6->router[i].addr, addr))
            return &ip6->router[i];
    }
    return NULL;
}

/* RFC 4861, 6.3.6: who answers comes first; RFC 4191, 3.2. 0: no router. */
static int worth_of(const struct ip6_router *router)
{
    if (addr_is_none(&router->addr))
        return 0;
    return 2 + router->preference + (router->is_silent ? 0 : 3);
}

/* Let the default route lead to the best router; of equals, to that which it
 * leads to. */
static void router_choose(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);
    const struct ip6_router *best = ip6->chosen;

    if (best != NULL && worth_of(best) == 0)
        best = NULL;
    for (unsigned i = 0; i < IP6_ROUTERS_MAX; i++) {
        const struct ip6_router *router = &ip6->router[i];

        if (worth_of(router) > (best != NULL ? worth_of(best) : 0))
            best = router;
    }
    if (best == ip6->chosen)
        return;
    if (ip6->chosen != NULL && route_remove(stack, none, 0) != 0)
        assert(false); /* nobody else removes it */
    ip6->chosen = best;
    if (best != NULL && route_add(stack, none, 0, &best->addr) != 0)
        ip6->chosen = NULL; /* there are too many routes */
}

void router_remove(struct net_stack *stack, const struct net_addr *addr)
{
    struct ip6_router *router = router_find(ip6_of(stack), addr);

    redirects_leave_router(stack, addr);
    if (router == NULL)
        return;
    *router = (struct ip6_router){0};
    router_choose(stack);
}

void router_silent(struct net_stack *stack, const struct net_addr *addr)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct ip6_router *router = router_find(ip6, addr);
    bool others = false;

    redirects_leave_router(stack, addr);
    redirect_leave_host(stack, addr);
    if (router == NULL)
        return;
    router->is_silent = true;
    for (unsigned i = 0; i < IP6_ROUTERS_MAX; i++)
        others |= worth_of(&ip6->router[i]) > 0 && !ip6->router[i].is_silent;
    /* When all are, each is tried in its turn. */
    for (unsigned i = 0; !others && i < IP6_ROUTERS_MAX; i++)
        ip6->router[i].is_silent = &ip6->router[i] == router;
    router_choose(stack);
}

/* The place of a new router: a free one, or that of one that is worth less. */
static struct ip6_router *router_place(struct ip6 *ip6, int preference)
{
    const struct ip6_router new = {.addr = ip6_all_routers,
                                   .preference = (int8_t)preference};
    struct ip6_router *worst = &ip6->router[0];

    for (unsigned i = 1; i < IP6_ROUTERS_MAX; i++) {
        if (worth_of(&ip6->router[i]) < worth_of(worst))
            worst = &ip6->router[i];
    }
    return worth_of(worst) < worth_of(&new) ? worst : NULL;
}

static void router_update(struct net_stack *stack, const struct net_addr *addr,
                          const struct nd_router *said)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct ip6_router *router = router_find(ip6, addr);

    if (said->lifetime_s == 0) {
        router_remove(stack, addr);
        return;
    }
    if (router == NULL)
        router = router_place(ip6, said->preference);
    if (router == NULL) {
        stack->stats.nd_ignored++;
        return;
    }
    if (router == ip6->chosen && !addr_equal(&router->addr, addr)) {
        router_remove(stack, &router->addr);
    }
    *router = (struct ip6_router){.addr = *addr,
                                  .until = end_of(stack, said->lifetime_s),
                                  .preference = said->preference};
    ip6->solicits = 0;
    ip6_due(ip6, router->until);
    router_choose(stack);
}

/* ---- Prefixes on the link: RFC 4861, 6.3.4 ------------------------------- */

static struct net_addr prefix_cut(const struct nd_prefix *said)
{
    struct net_addr prefix = said->prefix;

    for (unsigned i = said->len; i < 128; i++)
        prefix.byte[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    return prefix;
}

static void prefix_remove(struct net_stack *stack, struct ip6_lease *lease)
{
    int error = route_remove(stack, lease->addr, lease->len);

    assert(error == 0); /* nobody else removes it */
    *lease = (struct ip6_lease){0};
}

static void prefix_on_link(struct net_stack *stack,
                           const struct nd_prefix *said)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct net_addr prefix = prefix_cut(said);
    struct ip6_lease *lease =
        lease_find(ip6->prefix, IP6_PREFIXES_MAX, &prefix, said->len);

    if (lease != NULL && said->valid_s == 0) {
        prefix_remove(stack, lease);
        return;
    }
    if (lease == NULL && said->valid_s != 0) {
        lease = lease_free(ip6->prefix, IP6_PREFIXES_MAX);
        if (lease != NULL && route_add(stack, prefix, said->len, &none) != 0)
            lease = NULL; /* it is there, or there are too many */
    }
    if (lease == NULL) {
        stack->stats.nd_ignored++;
        return;
    }
    *lease = (struct ip6_lease){.addr = prefix,
                                .len = said->len,
                                .until = end_of(stack, said->valid_s)};
    ip6_due(ip6, lease->until);
}

/* ---- Addresses by prefixes: RFC 4862, 5.5.3 ------------------------------ */

/* The address that we have made of a prefix, or NULL. */
static struct ip6_address *address_of(struct ip6 *ip6,
                                      const struct net_addr *prefix)
{
    for (unsigned i = 1; i < IP6_ADDRESSES_MAX; i++) {
        struct ip6_address *own = &ip6->address[i];

        if (own->state != IP6_FREE && own->is_auto &&
            own->addr.word[0] == prefix->word[0])
            return own;
    }
    return NULL;
}

/* RFC 4862, 5.5.3 e: who wants to end an address soon has to wait for two
 * hours. */
static void address_renew(struct ip6 *ip6, struct ip6_address *own,
                          const struct nd_prefix *said)
{
    struct net_stack *stack = ip6->stack;
    uint64_t valid_until = end_of(stack, said->valid_s);
    uint64_t two_hours = net_now(stack) + IP6_TWO_HOURS;

    own->preferred_until = end_of(stack, said->preferred_s);
    if (valid_until > two_hours || valid_until > own->valid_until)
        own->valid_until = valid_until;
    else if (own->valid_until > two_hours)
        own->valid_until = two_hours;
    ip6_due(ip6, own->valid_until);
    ip6_changed(stack);
}

/* Whether one more address may be made in this minute; counts it. */
static bool may_make(struct ip6 *ip6)
{
    uint64_t minute = net_now(ip6->stack) / (60 * NS_PER_S);

    if (ip6->minute != minute) {
        ip6->minute = minute;
        ip6->made = 0;
    }
    return ip6->made++ < IP6_MADE_MAX;
}

static void prefix_address(struct net_stack *stack,
                           const struct nd_prefix *said)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct ip6_address *own = address_of(ip6, &said->prefix);
    struct net_addr prefix = prefix_cut(said);
    const struct ip6_address new = {
        .addr = ip6_address_make(ip6, &prefix, 0),
        .prefix_len = IP6_PREFIX_LEN,
        .is_auto = true,
        .valid_until = end_of(stack, said->valid_s),
        .preferred_until = end_of(stack, said->preferred_s),
    };

    if (said->preferred_s > said->valid_s || said->len != IP6_PREFIX_LEN) {
        stack->stats.nd_bad++;
        return;
    }
    if (own != NULL) {
        address_renew(ip6, own, said);
        return;
    }
    if (said->valid_s == 0 || !may_make(ip6) ||
        ip6_address_add(stack, &new, 1000) != 0) {
        stack->stats.nd_ignored++;
        return;
    }
    ip6_due(ip6, new.valid_until);
}

/* ---- Advertisements ------------------------------------------------------ */

/* A prefix that can be a link's: RFC 4861, 6.3.4; none that has all addresses,
 * or those of IPv4 (RFC 4291, 2.5.5). */
static bool prefix_is_possible(const struct nd_prefix *said)
{
    return said->len > 0 && ip6_is_unicast(&said->prefix) &&
           !ip6_is_link_local(&said->prefix);
}

static void dns_update(struct net_stack *stack, const struct nd_router *said)
{
    struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < said->dns_count; i++) {
        struct ip6_lease *lease =
            lease_find(ip6->dns, IP6_DNS_MAX, &said->dns[i], 128);

        if (!ip6_is_unicast(&said->dns[i]) ||
            (lease == NULL && said->dns_s == 0))
            continue;
        if (lease == NULL)
            lease = lease_oldest(ip6->dns, IP6_DNS_MAX);
        *lease = said->dns_s == 0
                     ? (struct ip6_lease){0}
                     : (struct ip6_lease){.addr = said->dns[i],
                                          .len = 128,
                                          .until = end_of(stack, said->dns_s)};
        ip6_due(ip6, lease->len != 0 ? lease->until : TIME_NEVER);
    }
}

unsigned ip6_dns(const struct net_stack *stack, struct net_addr out[],
                 unsigned max)
{
    const struct ip6 *ip6 = ip6_of(stack);
    unsigned count = 0;

    for (unsigned i = 0; ip6 != NULL && i < IP6_DNS_MAX && count < max; i++) {
        if (ip6->dns[i].len != 0)
            out[count++] = ip6->dns[i].addr;
    }
    return count;
}

void router_receive(struct net_stack *stack, const struct packet *packet,
                    const struct ip6_header *header)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct nd_router said;

    if (!ip6_is_link_local(&header->src) ||
        nd_parse_router(packet->data, packet->len, &said) != 0) {
        stack->stats.nd_bad++; /* RFC 4861, 6.1.2 */
        return;
    }
    if (!ip6->is_auto) {
        stack->stats.nd_ignored++;
        return;
    }
    if (said.hops >= IP6_HOPS_MIN)
        ip6->hops = said.hops;
    if (said.mtu >= IP6_MTU_MIN && said.mtu <= stack->dev->mtu)
        stack->ip6_mtu = (uint16_t)said.mtu;
    if (said.mac != NULL)
        neigh_learn(stack, &header->src, said.mac, NEIGH_CLAIM);
    router_update(stack, &header->src, &said);
    for (unsigned i = 0; i < said.prefix_count; i++) {
        if (!prefix_is_possible(&said.prefix[i])) {
            stack->stats.nd_bad++;
            continue;
        }
        if (said.prefix[i].on_link)
            prefix_on_link(stack, &said.prefix[i]);
        if (said.prefix[i].autonomous && stack_answers(stack))
            prefix_address(stack, &said.prefix[i]);
    }
    dns_update(stack, &said);
}

/* ---- Redirects: RFC 4861, 8 ---------------------------------------------- */

#define REDIRECT_NS (600 * NS_PER_S)

/* RFC 4861, 8.1: only the router that we send to can send us elsewhere. */
static bool redirect_is_valid(const struct net_stack *stack,
                              const struct ip6_header *header,
                              const struct nd_redirect *redirect)
{
    struct net_addr hop;

    return ip6_is_link_local(&header->src) &&
           ip6_is_possible_source(stack, &redirect->destination) &&
           ip6_is_possible_source(stack, &redirect->target) &&
           route_next_hop(stack, &redirect->destination, &hop) == 0 &&
           addr_equal(&hop, &header->src) &&
           (ip6_is_link_local(&redirect->target) ||
            addr_equal(&redirect->target, &redirect->destination));
}

void redirect_receive(struct net_stack *stack, const struct packet *packet,
                      const struct ip6_header *header)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct nd_redirect redirect;
    struct ip6_lease *lease;
    bool is_on_link;

    if (nd_parse_redirect(packet->data, packet->len, &redirect) != 0 ||
        !redirect_is_valid(stack, header, &redirect)) {
        stack->stats.nd_bad++;
        return;
    }
    lease = lease_find(ip6->redirect, IP6_REDIRECTS_MAX, &redirect.destination,
                       128);
    if (lease == NULL)
        lease = lease_oldest(ip6->redirect, IP6_REDIRECTS_MAX);
    if (lease->len != 0)
        redirect_remove(stack, lease);
    is_on_link = addr_equal(&redirect.target, &redirect.destination);
    if (route_add(stack, redirect.destination, 128,
                  is_on_link ? &none : &redirect.target) != 0) {
        stack->stats.nd_ignored++;
        return;
    }
    *lease = (struct ip6_lease){.addr = redirect.destination,
                                .len = 128,
                                .until = net_now(stack) + REDIRECT_NS,
                                .target = redirect.target};
    ip6_due(ip6, lease->until);
    if (redirect.mac != NULL)
        neigh_learn(stack, &redirect.target, redirect.mac, NEIGH_CLAIM);
}

/* ---- Time ---------------------------------------------------------------- */

/* End the leases whose time is over; when the next one ends. */
static uint64_t leases_tick(struct net_stack *stack, struct ip6_lease leases[],
                            unsigned count, uint64_t now,
                            void (*end)(struct net_stack *stack,
                                        struct ip6_lease *lease))
{
    uint64_t next = TIME_NEVER;

    for (unsigned i = 0; i < count; i++) {
        if (leases[i].len == 0)
            continue;
        if (leases[i].until <= now)
            end(stack, &leases[i]);
        else
            next = min_u64(next, leases[i].until);
    }
    return next;
}

static void dns_remove(struct net_stack *stack, struct ip6_lease *lease)
{
    (void)stack;
    *lease = (struct ip6_lease){0};
}

static uint64_t solicit_tick(struct net_stack *stack, uint64_t now)
{
    struct ip6 *ip6 = ip6_of(stack);

    if (ip6->solicits == 0)
        return TIME_NEVER;
    if (ip6->solicit_at <= now) {
        ip6->solicits--;
        ip6->solicit_at = now + IP6_SOLICIT_NS;
        router_solicit(stack);
    }
    return ip6->solicits > 0 ? ip6->solicit_at : TIME_NEVER;
}

uint64_t router_tick(struct net_stack *stack, uint64_t now)
{
    struct ip6 *ip6 = ip6_of(stack);
    uint64_t next = solicit_tick(stack, now);

    for (unsigned i = 0; i < IP6_ROUTERS_MAX; i++) {
        struct ip6_router *router = &ip6->router[i];

        if (addr_is_none(&router->addr))
            continue;
        if (router->until <= now)
            router_remove(stack, &router->addr);
        else
            next = min_u64(next, router->until);
    }
    next = min_u64(next, leases_tick(stack, ip6->prefix, IP6_PREFIXES_MAX, now,
                                     prefix_remove));
    next = min_u64(next, leases_tick(stack, ip6->redirect, IP6_REDIRECTS_MAX,
                                     now, redirect_remove));
    return min_u64(next,
                   leases_tick(stack, ip6->dns, IP6_DNS_MAX, now, dns_remove));
}

static void leases_check(const struct ip6 *ip6, const struct ip6_lease leases[],
                         unsigned count, bool has_routes)
{
    for (unsigned i = 0; i < count; i++) {
        const struct ip6_lease *lease = &leases[i];
        bool found = false;

        if (lease->len == 0) {
            assert(addr_is_none(&lease->addr) && lease->until == 0);
            assert(addr_is_none(&lease->target));
            continue;
        }
        assert(lease->until >= ip6->timer.deadline_ns);
        for (unsigned j = 0; j < ip6->stack->routes.count; j++) {
            const struct route *route = &ip6->stack->routes.route[j];

            found |= route->len == lease->len &&
                     addr_equal(&route->prefix, &lease->addr);
        }
        assert(!has_routes || found);
        for (unsigned j = 0; j < i; j++)
            assert(leases[j].len != lease->len ||
                   !addr_equal(&leases[j].addr, &lease->addr));
    }
}

void router_check(const struct net_stack *stack)
{
    const struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < IP6_ROUTERS_MAX; i++) {
        const struct ip6_router *router = &ip6->router[i];

        if (addr_is_none(&router->addr))
            continue;
        assert(ip6_is_link_local(&router->addr));
        assert(router->preference >= -1 && router->preference <= 1);
        assert(router->until >= ip6->timer.deadline_ns);
        for (unsigned j = 0; j < i; j++)
            assert(!addr_equal(&router->addr, &ip6->router[j].addr));
        assert(ip6->chosen != NULL || stack->routes.count == ROUTES_MAX);
    }
    assert(ip6->chosen == NULL || worth_of(ip6->chosen) > 0);
    leases_check(ip6, ip6->prefix, IP6_PREFIXES_MAX, true);
    leases_check(ip6, ip6->redirect, IP6_REDIRECTS_MAX, true);
    leases_check(ip6, ip6->dns, IP6_DNS_MAX, false);
}
