#include "apps/site/serving.h"
#include "apps/site/site.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/file.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/net.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { EXIT_FAILED = 1 };
enum { MEMORY_MIN = 1792 * 1024 }; /* bytes of the CPU that serves */

/* ---- The disk: dedicate here, mount there -------------------------------- */

static int mount_root(void *arg)
{
    return file_mount(arg, "/", NULL);
}

/* Give every disk to the CPU; partitions appear with their disk. */
static int dedicate_disks(const struct site_options *options)
{
    struct device *device;
    bool found = false;

    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        int status = device_dedicate(device, options->cpu);

        if (status != 0)
            log_error("disk %s: cannot be set up: error %d",
                      device_name(device), status);
        else
            found = true;
    }
    return found ? 0 : -ENODEV;
}

/* The device named by root=, or the first one that mounts. */
static int find_root(const struct site_options *options)
{
    struct device *device;

    if (options->root != NULL) {
        int status;

        device = device_by_name(options->root);
        if (device == NULL) {
            log_error("root=%s: there is no such disk", options->root);
            return -ENODEV;
        }
        status = remote_call(options->cpu, mount_root, device);
        if (status != 0)
            log_error("root=%s: cannot be mounted: error %d; check the disk "
                      "image with e2fsck",
                      options->root, status);
        return status;
    }
    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        if (remote_call(options->cpu, mount_root, device) == 0) {
            log_info("root: %s", device_name(device));
            return 0;
        }
    }
    log_error("no disk holds an ext2 file system that can be mounted: make an "
              "image with tools/mkimg and attach it");
    return -ENODEV;
}

static int setup_disk(const struct site_options *options)
{
    if (dedicate_disks(options) != 0) {
        log_error("no disk: attach an ext2 image (QEMU: -drive with a "
                  "virtio-blk device; hosted: --disk FILE)");
        return -ENODEV;
    }
    return find_root(options);
}

/* ---- The card ------------------------------------------------------------ */

struct service_call {
    const struct site_options *options;
    const struct site_writes *writes;
    struct device *card;
    struct net_config net;
};

/* With less than what a CPU's share must be, files stop in the middle. */
int site_check_memory(void)
{
    size_t total = mem_total_bytes();

    if (total >= MEMORY_MIN)
        return 0;
    log_error("cpu %u has %zu KiB of memory, too little to serve: give the "
              "machine 8 MiB a CPU",
              cpu_id(), total / 1024);
    return -ENOMEM;
}

int site_net_start(struct device *card, struct net_config *config)
{
    return net_start(card, config);
}

/* On the CPU that serves. */
static int serve(void *arg)
{
    struct service_call *call = arg;
    const struct site_options *options = call->options;
    struct file_stat stat;
    int status = file_stat(options->dir, true, &stat);

    if (status != 0 || stat.type != FILE_DIRECTORY) {
        log_error("dir=%s: no such directory on the disk", options->dir);
        return -ENOENT;
    }
    status = site_check_memory();
    if (status != 0)
        return status;
    if (options->is_everywhere)
        status = site_network.start_all(call->card, &call->net);
    else
        status = site_network.start(call->card, &call->net);
    if (status != 0) {
        log_error("the network does not start: error %d", status);
        return status;
    }
    status = site_families_start();
    if (status != 0)
        return status;
    if (options->is_everywhere)
        return site_network.everywhere(options);
    status = site_start(options->dir, options->port, call->writes);
    if (status != 0)
        log_error("port %u: cannot serve: error %d", options->port, status);
    return status;
}

int site_serve(const struct site_options *options, int (*mount)(void *arg),
               const struct site_writes *writes)
{
    struct service_call call = {
        .options = options, .writes = writes, .net = options->net};
    uint32_t address;
    int status = 0;

    call.card = device_find(DEVICE_NET, 0);
    if (call.card == NULL) {
        log_error("no network card: attach one (QEMU: a virtio-net device; "
                  "hosted: --net user,hostfwd=... or --net tap=NAME)");
        return EXIT_FAILED;
    }
    if (mount != NULL ? remote_call(options->cpu, mount, NULL) != 0
                      : setup_disk(options) != 0)
        return EXIT_FAILED;
    if (!options->is_everywhere) /* else its start does */
        status = device_dedicate(call.card, options->cpu);
    if (status != 0) {
        log_error("%s: cannot be set up: error %d", device_name(call.card),
                  status);
        return EXIT_FAILED;
    }
    if (remote_call(options->cpu, serve, &call) != 0)
        return EXIT_FAILED;
    address = call.net.address;
    log_info("%s: serving %s on port %u of %u.%u.%u.%u", torc_app.name,
             options->dir, options->port, address >> 24, address >> 16 & 0xff,
             address >> 8 & 0xff, address & 0xff);
    return 0;
}

int site_main(int argc, char **argv)
{
    struct site_options options;
    int status = site_options_read(argc, argv, site_network.more, &options);

    if (status == 0)
        status = site_serve(&options, NULL, NULL);
    if (status == 0)
        thread_sleep_until(TIME_NEVER);
    return status;
}
