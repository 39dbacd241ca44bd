/*
 * A web server: the files of an ext2 disk, over TCP. settings.h lists its
 * options.
 *
 * Each step is done on the CPU that will use its result: disks and the card are
 * dedicated to that CPU, which then mounts and serves.
 */
#include "apps/site/site.h"
#include "apps/webserver/settings.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
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
static int dedicate_disks(const struct settings *settings)
{
    struct device *device;
    bool found = false;

    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        int status = device_dedicate(device, settings->cpu);

        if (status != 0)
            log_error("disk %s: cannot be set up: error %d",
                      device_name(device), status);
        else
            found = true;
    }
    return found ? 0 : -ENODEV;
}

/* The device named by root=, or the first one that mounts. */
static int find_root(const struct settings *settings)
{
    struct device *device;

    if (settings->root != NULL) {
        int status;

        device = device_by_name(settings->root);
        if (device == NULL) {
            log_error("root=%s: there is no such disk", settings->root);
            return -ENODEV;
        }
        status = remote_call(settings->cpu, mount_root, device);
        if (status != 0)
            log_error("root=%s: cannot be mounted: error %d; check the disk "
                      "image with e2fsck",
                      settings->root, status);
        return status;
    }
    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        if (remote_call(settings->cpu, mount_root, device) == 0) {
            log_info("root: %s", device_name(device));
            return 0;
        }
    }
    log_error("no disk holds an ext2 file system that can be mounted: make an "
              "image with tools/mkimg and attach it");
    return -ENODEV;
}

static int setup_disk(const struct settings *settings)
{
    if (dedicate_disks(settings) != 0) {
        log_error("no disk: attach an ext2 image (QEMU: -drive with a "
                  "virtio-blk device; hosted: --disk FILE)");
        return -ENODEV;
    }
    return find_root(settings);
}

/* ---- The card ------------------------------------------------------------ */

struct service_call {
    const struct settings *settings;
    struct device *card;
};

/* With less than this CPU's share must have, files stop in the middle. */
static int check_memory(void)
{
    size_t total = mem_total_bytes();

    if (total >= MEMORY_MIN)
        return 0;
    log_error("cpu %u has %zu KiB of memory, too little to serve: give the "
              "machine 8 MiB a CPU",
              cpu_id(), total / 1024);
    return -ENOMEM;
}

/* On the CPU that serves. */
static int serve(void *arg)
{
    const struct service_call *call = arg;
    const struct settings *settings = call->settings;
    struct file_stat stat;
    int status = file_stat(settings->dir, true, &stat);

    if (status != 0 || stat.type != FILE_DIRECTORY) {
        log_error("dir=%s: no such directory on the disk", settings->dir);
        return -ENOENT;
    }
    status = check_memory();
    if (status != 0)
        return status;
    status = net_start(call->card, &settings->net);
    if (status != 0) {
        log_error("the network does not start: error %d", status);
        return status;
    }
    status = site_start(settings->dir, settings->port);
    if (status != 0)
        log_error("port %u: cannot serve: error %d", settings->port, status);
    return status;
}

static int app_main(int argc, char **argv)
{
    struct settings settings;
    struct service_call call = {.settings = &settings};
    int status = settings_read(argc, argv, &settings);

    if (status != 0)
        return status;
    call.card = device_find(DEVICE_NET, 0);
    if (call.card == NULL) {
        log_error("no network card: attach one (QEMU: a virtio-net device; "
                  "hosted: --net user,hostfwd=... or --net tap=NAME)");
        return EXIT_FAILED;
    }
    if (setup_disk(&settings) != 0)
        return EXIT_FAILED;
    status = device_dedicate(call.card, settings.cpu);
    if (status != 0) {
        log_error("%s: cannot be set up: error %d", device_name(call.card),
                  status);
        return EXIT_FAILED;
    }
    if (remote_call(settings.cpu, serve, &call) != 0)
        return EXIT_FAILED;
    log_info("webserver: serving %s on port %u of %u.%u.%u.%u", settings.dir,
             settings.port, settings.net.address >> 24,
             settings.net.address >> 16 & 0xff,
             settings.net.address >> 8 & 0xff, settings.net.address & 0xff);
    for (;;)
        thread_sleep_until(TIME_NEVER);
}

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
    .name = "webserver",
    .main = app_main,
    .options = settings_options,
    .drivers = drivers,
    .file_systems = file_systems,
};
