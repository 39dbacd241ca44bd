/* The address of a stack: text, and what makes sense (RFC 1122, 3.2.1.3). */
#include "net/stack.h"
#include "net/wire/wire.h"
#include <torc/log.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number up to `max` at *text, which moves behind it. */
static int take_number(const char **text, unsigned max, unsigned *out)
{
    const char *s = *text;
    unsigned value = 0;

    if (s[0] == '0' && is_digit(s[1]))
        return -EINVAL; /* octal to some, decimal to others */
    for (; is_digit(*s); s++) {
        value = value * 10 + (unsigned)(*s - '0');
        if (value > max)
            return -EINVAL;
    }
    if (s == *text)
        return -EINVAL;
    *text = s;
    *out = value;
    return 0;
}

/* Four of them; what was in *out before is shifted out. */
static int take_address(const char **text, uint32_t *out)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned part;

        if (i > 0 && *(*text)++ != '.')
            return -EINVAL;
        if (take_number(text, 255, &part) != 0)
            return -EINVAL;
        *out = *out << 8 | part;
    }
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

bool net_is_unicast(uint32_t address)
{
    return address >> 24 != 0 && address >> 24 != 127 && address >> 28 < 14;
}

bool net_is_host(uint32_t address, uint32_t netmask)
{
    if (~netmask >> 1 == 0)
        return true;
    return (address & ~netmask) != 0 && (address | netmask) != UINT32_MAX;
}

static bool is_possible(uint32_t address, uint32_t netmask)
{
    return net_is_unicast(address) && net_is_host(address, netmask);
}

/* An address that is alone in its network has its gateway elsewhere. */
static bool gateway_is_possible(const struct net_config *config)
{
    if (config->netmask == UINT32_MAX)
        return net_is_unicast(config->gateway);
    return ((config->gateway ^ config->address) & config->netmask) == 0 &&
           is_possible(config->gateway, config->netmask);
}

int net_config_check(const struct net_config *config)
{
    uint32_t hosts = ~config->netmask;

    if ((hosts & (hosts + 1)) != 0 || config->netmask == 0) {
        log_error("net: the netmask is not a prefix of 1 to 32 bits: give "
                  "address/prefix[,gateway], such as 10.0.2.15/24,10.0.2.2");
        return -EINVAL;
    }
    if (!is_possible(config->address, config->netmask)) {
        log_error("net: the address is not one a host can have");
        return -EINVAL;
    }
    if (config->gateway == 0)
        return 0;
    if (config->gateway == config->address || !gateway_is_possible(config)) {
        log_error("net: the gateway is not another host of the same network");
        return -EINVAL;
    }
    return 0;
}
