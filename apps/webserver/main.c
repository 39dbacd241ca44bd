/*
 * A web server: the files of an ext2 disk, over TCP. apps/site/options.h lists
 * its options.
 */
#include "apps/site/everywhere.h"
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>

const struct site_network site_network = {
    .more = " cpu=all",
    .parse = net_config_parse,
    .start = site_net_start,
    .start_all = site_net_start_all,
    .everywhere = site_everywhere,
};

static const char *const names[] = {SITE_OPTION_NAMES_ALL, NULL};

static const struct driver *const drivers[] = {SITE_DRIVERS, NULL};

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
