/*
 * A web server: the files of an ext2 disk, over TCP. apps/site/options.h lists
 * its options.
 */
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>

const struct site_network site_network = {"", net_config_parse, site_net_start};

static const char *const names[] = {SITE_OPTION_NAMES, NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver,
    &virtio_blk_driver,
    &virtio_net_driver,
    &ide_driver,
    &e1000_driver,
    &ne2000_driver,
    &leaf_blk_driver,
    &leaf_net_driver,
    &ramdisk_driver,
    &env_driver,
    NULL,
};

static const struct file_system *const file_systems[] = {
    &ext2_file_system,
    NULL,
};

const struct torc_app torc_app = {
    .name = "webserver",
    .main = site_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
};
