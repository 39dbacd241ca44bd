#include <torc/app.h>
#include <torc/device.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/net.h>
#include <torc/net_card.h>
#include <torc/string.h>

#define NET_DEFAULT "10.0.2.15/24,10.0.2.2"

static int read_options(struct net_config *config, uint16_t *port)
{
    const char *net = machine_option("net");
    const char *text = machine_option("port");
    uint64_t number = *port;

    if (net_config_parse(net != NULL ? net : NET_DEFAULT, config) != 0) {
        log_error("%s: net=%s: no ADDRESS/PREFIX[,GATEWAY]", torc_app.name,
                  net);
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

int net_card_start(uint16_t *port)
{
    struct device *card = device_find(DEVICE_NET, 0);
    struct net_config config;
    int status = read_options(&config, port);

    if (status != 0)
        return status;
    if (card == NULL) {
        log_error("no network card: attach one (QEMU: a virtio-net device; "
                  "hosted: --net user,hostfwd=... or --net tap=NAME)");
        return -ENODEV;
    }
    status = device_dedicate(card, cpu_id());
    if (status == 0)
        status = net_start(card, &config);
    if (status != 0)
        log_error("%s: cannot be set up: error %d", device_name(card), status);
    else
        log_info("%s: port %u of %u.%u.%u.%u", torc_app.name, *port,
                 config.address >> 24, config.address >> 16 & 0xff,
                 config.address >> 8 & 0xff, config.address & 0xff);
    return status;
}
