/*
 * The web server with IPv6 beside IPv4, on virtio devices: apps/webserver, but
 * for what is linked in. apps/site/options.h lists its options; net6= is that
 * of <torc/net.h>.
 */
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>
#include <torc/net.h>
#include <torc/thread.h>
#include <torc/time.h>

const struct site_network site_network = {net_config_parse, site_net_start};

static int app_main(int argc, char **argv)
{
    struct site_options options;
    int status = site_options_read(argc, argv, "", &options);

    if (status == 0)
        status = site_serve(&options, NULL, NULL);
    if (status == 0)
        thread_sleep_until(TIME_NEVER);
    return status;
}

static const char *const names[] = {SITE_OPTION_NAMES, "net6", NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_blk_driver, &virtio_net_driver,
    &leaf_blk_driver,   &leaf_net_driver,   NULL,
};

static const struct file_system *const file_systems[] = {
    &ext2_file_system,
    NULL,
};

static const struct net_family *const families[] = {&net_ip6, NULL};

const struct torc_app torc_app = {
    .name = "webserver6",
    .main = app_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
    .families = families,
};
