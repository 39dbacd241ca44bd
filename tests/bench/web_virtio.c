/*
 * The web server with virtio devices alone, for what it weighs: apps/webserver,
 * but for the list of drivers.
 */
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>
#include <torc/thread.h>
#include <torc/time.h>

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

const struct site_network site_network = {net_config_parse, site_net_start};

static const char *const names[] = {SITE_OPTION_NAMES, NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_blk_driver, &virtio_net_driver, NULL};

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};

const struct torc_app torc_app = {
    .name = "web_virtio",
    .main = app_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
};
