/* What the first stack of a group tells the others of its addresses of IPv6. */
#include "net/ip6.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* Owner: the first member's CPU; while `is_away`, that of the member. */
struct ip6_news {
    struct group_letter letter;
    unsigned member;
    struct ip6_address address[IP6_ADDRESSES_MAX];
    /* the first member's always: */
    bool is_away;
    bool is_old; /* addresses have changed since it was sent */
};

static void news_arrived(struct net_stack *stack, struct group_letter *letter);

static void news_send(struct net_stack *first, struct ip6_news *news)
{
    const struct ip6 *ip6 = ip6_of(first);

    news->is_old = news->is_away;
    if (news->is_away)
        return;
    memset(news->address, 0, sizeof(news->address));
    for (unsigned i = 0; i < IP6_ADDRESSES_MAX; i++) {
        if (ip6->address[i].state == IP6_READY)
            news->address[i] = ip6->address[i];
    }
    news->is_away = true;
    news->letter.arrive = news_arrived;
    first->group->send(first->group, news->member, &news->letter);
}

/* On the first member's CPU again. */
static void news_back(struct net_stack *first, struct group_letter *letter)
{
    struct ip6_news *news = container_of(letter, struct ip6_news, letter);

    news->is_away = false;
    if (news->is_old)
        news_send(first, news);
}

/* On the CPU of the member. */
static void news_arrived(struct net_stack *stack, struct group_letter *letter)
{
    const struct ip6_news *news = container_of(letter, struct ip6_news, letter);

    if (stack->ip6 != NULL)
        memcpy(ip6_of(stack)->address, news->address, sizeof(news->address));
    letter->arrive = news_back;
    stack->group->send(stack->group, 0, letter);
}

static void members_tell(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);

    if (ip6->news == NULL)
        return;
    for (unsigned i = 1; i < stack->group->count; i++)
        news_send(stack, &ip6->news[i - 1]);
}

/* A member has IPv6 from now on. */
static void member_here(struct net_stack *first, struct group_letter *letter)
{
    (void)letter;
    if (first->ip6 != NULL)
        members_tell(first);
}

static void members_here(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);

    if (stack_answers(stack))
        return;
    ip6->here.arrive = member_here;
    stack->group->send(stack->group, 0, &ip6->here);
}

static int members_init(struct net_stack *stack)
{
    struct ip6 *ip6 = ip6_of(stack);
    unsigned others = stack->group == NULL ? 0 : stack->group->count - 1;

    if (others == 0 || !stack_answers(stack))
        return 0;
    ip6->news = mem_alloc_zeroed(others * sizeof(*ip6->news));
    if (ip6->news == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < others; i++)
        ip6->news[i].member = i + 1;
    return 0;
}

int ip6_start_member(struct net_stack *stack, const struct ip6_config *config)
{
    static const struct ip6_members members = {
        .init = members_init,
        .here = members_here,
        .tell = members_tell,
    };

    return ip6_start_as(stack, config, &members);
}

/* ---- The family ---------------------------------------------------------- */

/* On each CPU of the card. */
static int start_here(void *config)
{
    return ip6_start_member(stack_self(), config);
}

static int start_all(void *config)
{
    return net_each_cpu(start_here, config);
}

static int start(const char *value)
{
    return ip6_family_start(value, start_all);
}

const struct net_family net_ip6_all = {
    .option = "net6",
    .values = NET_IP6_VALUES,
    .otherwise = "off",
    .check = ip6_family_check,
    .start = start,
};
