/* IPv6 as an application names it: torc_app.families. */
#include "net/group.h"
#include "net/ip6.h"
#include <torc/net.h>
#include <torc/string.h>

int ip6_family_check(const char *value)
{
    struct ip6_config config;

    return str_equal(value, "off") ? 0 : ip6_config_parse(value, &config);
}

int ip6_family_start(const char *value, int (*start)(void *ip6_config))
{
    struct ip6_config config;

    if (stack_self() == NULL)
        return -ENOTCONN;
    if (str_equal(value, "off"))
        return 0;
    if (ip6_config_parse(value, &config) != 0)
        return -EINVAL;
    return start(&config);
}

static int start_alone(void *config)
{
    const struct net_group *group = stack_self()->group;

    if (group != NULL && group->count > 1)
        return -ENOTSUP; /* the others would be without it */
    return ip6_start(stack_self(), config);
}

static int start(const char *value)
{
    return ip6_family_start(value, start_alone);
}

const struct net_family net_ip6 = {
    .option = "net6",
    .values = NET_IP6_VALUES,
    .otherwise = "off",
    .check = ip6_family_check,
    .start = start,
};
