/*
 * The web server with IPv6 on virtio devices alone, for what it weighs:
 * tests/bench/web_virtio.c with one family more.
 */
#include "apps/site/options.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>
#include <torc/net.h>

const struct site_network site_network = {
    .more = "", .parse = net_config_parse, .start = site_net_start};

static const char *const names[] = {SITE_OPTION_NAMES, SITE_OPTION_NET6, NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_blk_driver, &virtio_net_driver, NULL};
const struct virtio_part *const virtio_parts[] = {&virtio_pci_part, NULL};
int (*const disk_partitions)(struct block_device *disk) = NULL;

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};

static const struct net_family *const families[] = {&net_ip6, NULL};

const struct torc_app torc_app = {
    .name = "web_virtio6",
    .main = site_main,
    .options = names,
    .drivers = drivers,
    .file_systems = file_systems,
    .families = families,
};
