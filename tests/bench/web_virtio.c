/*
 * The web server with virtio devices alone, for what it weighs: apps/webserver,
 * but for the list of drivers, and on one CPU.
 */
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>

const struct site_network site_network = {
    .more = "", .parse = net_config_parse, .start = site_net_start};

static const char *const names[] = {SITE_OPTION_NAMES, NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_blk_driver, &virtio_net_driver, NULL};
const struct virtio_part *const virtio_parts[] = {&virtio_pci_part,
                                                  &virtio_mmio_left_out, NULL};
int (*const disk_partitions)(struct block_device *disk) = NULL;

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};

const struct torc_app torc_app = {
    .name = "web_virtio",
    .main = site_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
};
