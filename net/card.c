#include "net/card.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/net.h>
#include <torc/net_card.h>
#include <torc/string.h>

#define NET_DEFAULT "10.0.2.15/24,10.0.2.2"

static int read_options(const struct net_card_way *way,
                        struct net_config *config, uint16_t *port)
{
    const char *net = machine_option("net");
    const char *text = machine_option("port");
    uint64_t number = *port;

    if (way->parse(net != NULL ? net : NET_DEFAULT, config) != 0) {
        log_error("%s: net=%s: no %s", torc_app.name, net, way->syntax);
        return -EINVAL;
    }
    if (text != NULL &&
        (str_to_u64(text, &number) != 0 || number < 1 || number > UINT16_MAX)) {
        log_error("%s: port=%s: no number from 1 to 65535", torc_app.name,
                  text);
        return -EINVAL;
    }
    *port = (uint16_t)number;
    return 0;
}

int net_card_start_by(const struct net_card_way *way, uint16_t *port)
{
    struct device *card = device_find(DEVICE_NET, 0);
    struct net_config config;
    int status = read_options(way, &config, port);

    if (status != 0)
        return status;
    if (card == NULL) {
        log_error("no network card: attach one (QEMU: a virtio-net device; "
                  "hosted: --net user,hostfwd=... or --net tap=NAME)");
        return -ENODEV;
    }
    status = way->start(card, &config);
    if (status != 0)
        log_error("%s: cannot be set up: error %d", device_name(card), status);
    else
        log_info("%s: port %u of %u.%u.%u.%u", torc_app.name, *port,
                 config.address >> 24, config.address >> 16 & 0xff,
                 config.address >> 8 & 0xff, config.address & 0xff);
    return status;
}

static int start_static(struct device *card, struct net_config *config)
{
    int status = device_dedicate(card, cpu_id());

    return status == 0 ? net_start(card, config) : status;
}

int net_card_start(uint16_t *port)
{
    static const struct net_card_way way = {
        net_config_parse, "ADDRESS/PREFIX[,GATEWAY]", start_static};

    return net_card_start_by(&way, port);
}
