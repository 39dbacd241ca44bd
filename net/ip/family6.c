/* IPv6 as an application names it: torc_app.families. */
#include "kernel/lib/bytes.h"
#include "net/ip6.h"
#include <torc/net.h>
#include <torc/string.h>

static int check(const char *value)
{
    struct ip6_config config;

    return str_equal(value, "off") ? 0 : ip6_config_parse(value, &config);
}

/* On each CPU of the card. */
static int start_here(void *config)
{
    return ip6_start(stack_self(), config);
}

static int start(const char *value)
{
    struct ip6_config config;

    if (stack_self() == NULL)
        return -ENOTCONN;
    if (str_equal(value, "off"))
        return 0;
    if (ip6_config_parse(value, &config) != 0)
        return -EINVAL;
    return net_each_cpu(start_here, &config);
}

const struct net_family net_ip6 = {
    .option = "net6",
    .values = "off|auto[,KEY]|ADDRESS/PREFIX[,GATEWAY]",
    .otherwise = "off",
    .check = check,
    .start = start,
};
