/* <torc/net_addr.h>: addresses and endpoints as text. */
#include "kernel/lib/minmax.h"
#include "net/wire/addr_text.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/net_addr.h>
#include <torc/string.h>

int net_addr_parse(const char *text, struct net_addr *out)
{
    return addr_parse(text, NULL, out);
}

void net_addr_format(char text[NET_ADDR_SIZE], const struct net_addr *addr)
{
    static_assert((int)NET_ADDR_SIZE == (int)ADDR_TEXT, "the same room");
    addr_format(text, addr);
}

/* All of `text` is a port. */
static int parse_port(const char *text, uint16_t *out)
{
    uint64_t value;

    if (text[0] < '0' || text[0] > '9' || str_to_u64(text, &value) != 0 ||
        value > UINT16_MAX)
        return -EINVAL;
    *out = (uint16_t)value;
    return 0;
}

int net_endpoint_parse(const char *text, struct net_endpoint *out)
{
    bool has_brackets = text[0] == '[';
    struct net_endpoint end;

    if (addr_parse(text + has_brackets, &text, &end.addr) != 0 ||
        addr_is_ip4(&end.addr) == has_brackets)
        return -EINVAL;
    if (has_brackets && *text++ != ']')
        return -EINVAL;
    if (*text++ != ':' || parse_port(text, &end.port) != 0)
        return -EINVAL;
    *out = end;
    return 0;
}

void net_endpoint_format(char text[NET_ENDPOINT_SIZE],
                         const struct net_endpoint *end)
{
    char addr[NET_ADDR_SIZE];
    const char *form = addr_is_ip4(&end->addr) ? "%s:%u" : "[%s]:%u";

    addr_format(addr, &end->addr);
    fmt_print(text, NET_ENDPOINT_SIZE, form, addr, end->port);
}
