/*
 * The web server (apps/webserver) on a network that configures it. The options
 * are those of apps/site/options.h, and
 *
 *   net=dhcp   the address, the gateway, and the servers of names and time come
 *              by DHCP (docs/net_services.md)
 *   ntp=SERVER a name or an address whose time is kept; ntp=dhcp: the servers
 *              that DHCP tells of
 *   net6=      IPv6: docs/ip6.md
 */
#include "apps/site/everywhere.h"
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>
#include <torc/machine.h>
#include <torc/net.h>
#include <torc/net_dhcp.h>
#include <torc/net_ntp.h>
#include <torc/string.h>

static int start_ntp(void)
{
    const char *ntp = machine_option("ntp");

    if (ntp == NULL)
        return 0;
    return net_ntp_start(str_equal(ntp, "dhcp") ? NULL : ntp);
}

static int start_net(struct device *card, struct net_config *config)
{
    int status = net_dhcp_or_static_start(card, config);

    return status != 0 ? status : start_ntp();
}

static int start_net_all(struct device *card, struct net_config *config)
{
    int status = net_dhcp_or_static_start_all(card, config);

    return status != 0 ? status : start_ntp();
}

const struct site_network site_network = {
    .more = " cpu=all net=dhcp net6=off|auto|ADDRESS/PREFIX ntp=SERVER|dhcp",
    .parse = net_dhcp_or_static_parse,
    .start = start_net,
    .start_all = start_net_all,
    .everywhere = site_everywhere,
};

static const char *const names[] = {
    SITE_OPTION_NAMES_ALL, SITE_OPTION_NET6,
    "ntp=SERVER|dhcp who corrects the clock (nobody)", NULL};

static const struct driver *const drivers[] = {SITE_DRIVERS, NULL};

static const struct file_system *const file_systems[] = {
    &ext2_file_system,
    NULL,
};

static const struct net_family *const families[] = {&net_ip6_all, NULL};

const struct torc_app torc_app = {
    .name = "webnode",
    .main = site_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
    .families = families,
};
