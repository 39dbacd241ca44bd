/*
 * The web server (apps/webserver) on a network that configures it. The options
 * are those of apps/site/options.h, and
 *
 *   net=dhcp   the address, the gateway, and the servers of names and time come
 *              by DHCP (docs/net_services.md)
 *   ntp=SERVER a name or an address whose time is kept; ntp=dhcp: the servers
 *              that DHCP tells of
 */
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>
#include <torc/machine.h>
#include <torc/net_dhcp.h>
#include <torc/net_ntp.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

/* How long the start waits for an address; the server goes on without. */
#define ADDRESS_WAIT_NS (20 * NS_PER_S)

static int parse_net(const char *text, struct net_config *out)
{
    if (!str_equal(text, "dhcp"))
        return net_config_parse(text, out);
    *out = (struct net_config){0};
    return 0;
}

static int start_address(struct device *card, struct net_config *config)
{
    int status;

    if (config->address != 0)
        return net_start(card, config);
    status = net_start_dhcp(card, ADDRESS_WAIT_NS);
    if (status != 0 && status != -ETIMEDOUT)
        return status;
    return net_get_config(config);
}

static int start_net(struct device *card, struct net_config *config)
{
    const char *ntp = machine_option("ntp");
    int status = start_address(card, config);

    if (status == 0 && ntp != NULL)
        status = net_ntp_start(str_equal(ntp, "dhcp") ? NULL : ntp);
    return status;
}

const struct site_network site_network = {parse_net, start_net};

static int app_main(int argc, char **argv)
{
    struct site_options options;
    int status =
        site_options_read(argc, argv, " net=dhcp ntp=SERVER|dhcp", &options);

    if (status == 0)
        status = site_serve(&options, NULL, NULL);
    if (status == 0)
        thread_sleep_until(TIME_NEVER);
    return status;
}

static const char *const names[] = {SITE_OPTION_NAMES, "ntp", NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_blk_driver,
    &virtio_net_driver, &ide_driver,
    &e1000_driver,      &ne2000_driver,
    &leaf_blk_driver,   &leaf_net_driver,
    &ramdisk_driver,    NULL,
};

static const struct file_system *const file_systems[] = {
    &ext2_file_system,
    NULL,
};

const struct torc_app torc_app = {
    .name = "webnode",
    .main = app_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
};
