/* The address of a stack: text, and what makes sense (RFC 1122, 3.2.1.3). */
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/log.h>

/* A decimal number up to `max` at *text, which moves behind it. */
static int take_number(const char **text, unsigned max, unsigned *out)
{
    const char *s = *text;
    unsigned value = 0;

    if (*s < '0' || *s > '9')
        return -EINVAL;
    if (s[0] == '0' && s[1] >= '0' && s[1] <= '9')
        return -EINVAL; /* octal to some, decimal to others */
    for (; *s >= '0' && *s <= '9'; s++) {
        value = value * 10 + (unsigned)(*s - '0');
        if (value > max)
            return -EINVAL;
    }
    *text = s;
    *out = value;
    return 0;
}

static int take_address(const char **text, uint32_t *out)
{
    uint32_t address = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned part;

        if (i > 0 && *(*text)++ != '.')
            return -EINVAL;
        if (take_number(text, 255, &part) != 0)
            return -EINVAL;
        address = address << 8 | part;
    }
    *out = address;
    return 0;
}

int net_config_parse(const char *text, struct net_config *out)
{
    struct net_config config = {0};
    unsigned prefix;

    if (text == NULL || take_address(&text, &config.address) != 0)
        return -EINVAL;
    if (*text++ != '/' || take_number(&text, 32, &prefix) != 0)
        return -EINVAL;
    config.netmask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
    if (*text == ',') {
        text++;
        if (take_address(&text, &config.gateway) != 0)
            return -EINVAL;
    }
    if (*text != '\0')
        return -EINVAL;
    *out = config;
    return 0;
}

/* Whether `address` may be a host's, on a link with this netmask. */
static bool is_host(uint32_t address, uint32_t netmask)
{
    if (address >> 24 == 0 || address >> 24 == 127 || address >> 28 >= 14)
        return false;
    if (~netmask <= 1) /* RFC 3021 */
        return true;
    return (address & ~netmask) != 0 && (address | netmask) != UINT32_MAX;
}

int net_config_check(const struct net_config *config)
{
    uint32_t hosts = ~config->netmask;

    if ((hosts & (hosts + 1)) != 0 || config->netmask == 0) {
        log_error("net: the netmask is not a prefix of 1 to 32 bits: give "
                  "address/prefix[,gateway], such as 10.0.2.15/24,10.0.2.2");
        return -EINVAL;
    }
    if (!is_host(config->address, config->netmask)) {
        log_error("net: the address is not one a host can have");
        return -EINVAL;
    }
    if (config->gateway == 0)
        return 0;
    if (((config->gateway ^ config->address) & config->netmask) != 0 ||
        config->gateway == config->address ||
        !is_host(config->gateway, config->netmask)) {
        log_error("net: the gateway is not another host of the same network");
        return -EINVAL;
    }
    return 0;
}
