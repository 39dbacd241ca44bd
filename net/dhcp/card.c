/* An application's only card, perhaps by DHCP: <torc/net_dhcp.h>. */
#include "net/card.h"
#include <torc/device.h>
#include <torc/machine.h>
#include <torc/net_dhcp.h>
#include <torc/string.h>
#include <torc/time.h>

int net_dhcp_or_static_parse(const char *text, struct net_config *out)
{
    if (!str_equal(text, "dhcp"))
        return net_config_parse(text, out);
    *out = (struct net_config){0};
    return 0;
}

int net_dhcp_or_static_start(struct device *card, struct net_config *config)
{
    int status = device_dedicate(card, cpu_id());

    if (status != 0)
        return status;
    if (config->address != 0)
        return net_start(card, config);
    status = net_start_dhcp(card, NET_DHCP_WAIT_NS);
    if (status != 0 && status != -ETIMEDOUT)
        return status;
    return net_get_config(config);
}

int net_card_start_dhcp(uint16_t *port)
{
    static const struct net_card_way way = {
        net_dhcp_or_static_parse, "ADDRESS/PREFIX[,GATEWAY], and not \"dhcp\"",
        net_dhcp_or_static_start};

    return net_card_start_by(&way, port);
}
