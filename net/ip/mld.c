/*
 * Multicast Listener Discovery for hosts: RFC 3810, and RFC 2710 while a
 * querier speaks that. All our groups are those of addresses, and we listen to
 * all sources. Every answer tells all groups; so one time is enough for them.
 */
#include "net/ip6.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

enum {
    ROBUSTNESS = 2,   /* RFC 3810, 9.1 */
    REPORT_MS = 1000, /* between unsolicited reports: 9.11 */
    TO_INCLUDE = 3,
};

/* RFC 3810, 8.2.1 and 9.12: two intervals of queries and an answer. */
#define OLD_QUERIER_NS (260 * NS_PER_S)

static struct ip6_group *group_find(struct ip6 *ip6,
                                    const struct net_addr *addr)
{
    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        if (addr_equal(&ip6->group[i].addr, addr))
            return &ip6->group[i];
    }
    return NULL;
}

bool mld_is_member(const struct net_stack *stack, const struct net_addr *group)
{
    return group_find(ip6_of(stack), group) != NULL;
}

/* ---- Reports ------------------------------------------------------------- */

/* Send the message in `packet`, which begins with its ICMP header, to `dst`.
 * Takes the packet. */
static void report_send(struct net_stack *stack, struct packet *packet,
                        const struct icmp6_message *message,
                        const struct net_addr *dst)
{
    /* From nowhere as long as we have no address: RFC 3590. */
    struct ip6_header header = {.src = ip6_link_address(stack),
                                .dst = *dst,
                                .next = IP6_HOP_BY_HOP,
                                .hops = 1};

    icmp6_emit(packet->data, packet->len, &header.src, dst, message);
    ip6_emit_alert(packet_push(packet, IP6_ALERT_SIZE), IP6_ICMP);
    stack->stats.icmp_out++;
    ip6_send(stack, packet, &header);
}

/* RFC 3810, 5.2: a record of that kind for each of the groups. */
static void report_groups(struct net_stack *stack, uint8_t kind,
                          const struct net_addr groups[], unsigned count)
{
    const struct icmp6_message message = {.type = ICMP6_MLD_REPORT,
                                          .rest = count};
    struct packet *packet = stack_packet(stack);

    if (packet == NULL)
        return;
    packet_append(packet, ICMP6_HEADER_SIZE);
    for (unsigned i = 0; i < count; i++)
        mld_emit_record(packet_append(packet, MLD_RECORD_SIZE), kind,
                        &groups[i]);
    report_send(stack, packet, &message, &ip6_all_mld);
}

/* RFC 2710, 3: one for each group, to that group. */
static void report_old(struct net_stack *stack, const struct net_addr *group)
{
    const struct icmp6_message message = {.type = ICMP6_MLD_REPORT1};
    struct packet *packet = stack_packet(stack);
    uint8_t *start;

    if (packet == NULL)
        return;
    start = packet_append(packet, MLD_QUERY1_SIZE);
    memcpy(start + ICMP6_HEADER_SIZE, group->byte, 16);
    report_send(stack, packet, &message, group);
}

static void report(struct net_stack *stack, uint8_t kind,
                   const struct net_addr groups[], unsigned count)
{
    if (count == 0)
        return;
    if (net_now(stack) >= ip6_of(stack)->old_until) {
        report_groups(stack, kind, groups, count);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        report_old(stack, &groups[i]);
}

/* Tell of the groups that are new, or of all. Returns whether some that are new
 * are to be told once more. */
static bool groups_tell(struct net_stack *stack, bool all)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct net_addr groups[IP6_ADDRESSES_MAX];
    unsigned count = 0;
    bool again = false;

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        struct ip6_group *group = &ip6->group[i];

        if (group->users == 0 || (!all && group->reports == 0))
            continue;
        groups[count++] = group->addr;
        if (!all)
            again |= --group->reports > 0;
    }
    report(stack, all ? MLD_IS_EXCLUDE : MLD_TO_EXCLUDE, groups, count);
    return again;
}

/* ---- Groups -------------------------------------------------------------- */

/* Ask the card for the frames of a group, or no longer. Of several stacks of a
 * card, which have the same addresses, that on its CPU does. */
static void card_listen(struct net_stack *stack, const struct net_addr *group,
                        bool on)
{
    uint8_t mac[ETHER_ADDR_SIZE];
    int error;

    if (!device_is_mine(&stack->dev->device))
        return;
    ip6_group_mac(group, mac);
    error =
        on ? net_group_add(stack->dev, mac) : net_group_remove(stack->dev, mac);
    if (error != 0) /* others listen in very many */
        log_error("net: %s cannot listen in one group more: error %d",
                  device_name(&stack->dev->device), error);
}

void mld_join(struct net_stack *stack, const struct net_addr *addr)
{
    const struct net_addr none = {.word = {0, 0}};
    struct ip6 *ip6 = ip6_of(stack);
    struct ip6_group *group = group_find(ip6, addr);

    if (group != NULL) {
        group->users++;
        return;
    }
    group = group_find(ip6, &none);
    assert(group != NULL); /* there is one for each address */
    *group = (struct ip6_group){*addr, 1, ROBUSTNESS};
    card_listen(stack, addr, true);
    ip6->change_at = net_now(stack);
    ip6_due(ip6, ip6->change_at);
}

void mld_leave(struct net_stack *stack, const struct net_addr *addr)
{
    struct ip6_group *group = group_find(ip6_of(stack), addr);

    assert(group != NULL && group->users > 0);
    if (--group->users > 0)
        return;
    *group = (struct ip6_group){0};
    card_listen(stack, addr, false);
    /* A querier of RFC 2710 finds out by itself. */
    if (net_now(stack) >= ip6_of(stack)->old_until)
        report_groups(stack, TO_INCLUDE, addr, 1);
}

void mld_fini(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        if (ip6->group[i].users > 0)
            card_listen(stack, &ip6->group[i].addr, false);
    }
}

void mld_receive(struct net_stack *stack, const struct packet *packet,
                 const struct ip6_header *header, const struct ip6_chain *chain)
{
    struct ip6 *ip6 = ip6_of(stack);
    struct mld_query query;
    uint64_t at;

    /* RFC 3810, 6.2. */
    if (header->hops != 1 || !ip6_is_link_local(&header->src) ||
        !chain->is_alert || chain->has_fragment ||
        mld_parse_query(packet->data, packet->len, &query) != 0) {
        stack->stats.icmp_bad++;
        return;
    }
    if (query.is_old)
        ip6->old_until = net_now(stack) + OLD_QUERIER_NS;
    if (!stack_answers(stack) ||
        (!addr_is_none(&query.group) && !mld_is_member(stack, &query.group)))
        return;
    at = ip6_random_time(ip6, query.delay_ms);
    if (at < ip6->answer_at)
        ip6->answer_at = at;
    ip6_due(ip6, ip6->answer_at);
}

uint64_t mld_tick(struct net_stack *stack, uint64_t now)
{
    struct ip6 *ip6 = ip6_of(stack);

    if (ip6->change_at <= now) {
        bool again = groups_tell(stack, false);

        ip6->change_at =
            again ? ip6_random_time(ip6, REPORT_MS) + 1 : TIME_NEVER;
    }
    if (ip6->answer_at <= now) {
        groups_tell(stack, true);
        ip6->answer_at = TIME_NEVER;
    }
    return ip6->change_at < ip6->answer_at ? ip6->change_at : ip6->answer_at;
}

void mld_check(const struct net_stack *stack)
{
    const struct ip6 *ip6 = ip6_of(stack);
    bool is_new = false;

    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        const struct ip6_group *group = &ip6->group[i];

        assert((group->users == 0) == addr_is_none(&group->addr));
        assert(group->users <= IP6_ADDRESSES_MAX);
        assert(group->users > 0 || group->reports == 0);
        assert(group->users == 0 || ip6_is_multicast(&group->addr));
        is_new |= group->reports > 0;
        for (unsigned j = 0; j < i; j++)
            assert(group->users == 0 ||
                   !addr_equal(&group->addr, &ip6->group[j].addr));
    }
    assert(!is_new || ip6->change_at != TIME_NEVER);
    assert(ip6->change_at >= ip6->timer.deadline_ns);
    assert(ip6->answer_at >= ip6->timer.deadline_ns);
}
