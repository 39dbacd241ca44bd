/*
 * A web server: the files of an ext2 disk, over TCP.
 *
 *   net=ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   root=DEVICE                    default: the first disk or partition with
 *   ext2
 *   dir=PATH                       what to serve, default /
 *   port=NUMBER                    default 80
 *   cpu=NUMBER                     which CPU has the card and the disk, default
 *   0
 */
#include "apps/webserver/site.h"
#include "drivers/drivers.h"
#include "fs/file_systems.h"
#include "kernel/lib/str.h"
#include <torc/app.h>
#include <torc/device.h>
#include <torc/file.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/net.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct settings {
    struct net_config net;
    const char *root; /* NULL: find one */
    const char *dir;
    uint16_t port;
    unsigned cpu;
};

static int usage(const char *problem, const char *value)
{
    log_error("webserver: %s \"%s\"; options: net=A.B.C.D/PREFIX[,GATEWAY] "
              "root=DEVICE dir=PATH port=1..65535 cpu=NUMBER",
              problem, value);
    return EXIT_USAGE;
}

static const char *option(const char *key, const char *otherwise)
{
    const char *value = machine_option(key);

    return value != NULL ? value : otherwise;
}

static int read_settings(int argc, char **argv, struct settings *out)
{
    const char *net = option("net", "10.0.2.15/24,10.0.2.2");
    const char *port = option("port", "80");
    const char *cpu = option("cpu", "0");
    uint64_t number;

    out->root = option("root", NULL);
    out->dir = option("dir", "/");
    if (argc > 1)
        return usage("unknown argument", argv[1]);
    if (machine_unknown_option() != NULL)
        return usage("unknown option", machine_unknown_option());
    if (net_config_parse(net, &out->net) != 0)
        return usage("bad address", net);
    if (str_to_u64(port, &number) != 0 || number < 1 || number > 65535)
        return usage("bad port", port);
    out->port = (uint16_t)number;
    if (str_to_u64(cpu, &number) != 0 || number >= cpu_count())
        return usage("no such cpu", cpu);
    out->cpu = (unsigned)number;
    if (out->dir[0] != '/' || str_len(out->dir, 256) > 255)
        return usage("dir must be absolute and short:", out->dir);
    return 0;
}

/* ---- The disk: dedicate here, mount there -------------------------------- */

static int mount_root(void *arg)
{
    return file_mount(arg, "/", NULL);
}

/* Give every disk to the CPU; partitions appear with their disk. */
static int dedicate_disks(const struct settings *settings)
{
    struct device *device;
    unsigned found = 0;

    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        int status = device_dedicate(device, settings->cpu);

        if (status != 0)
            log_error("disk %s: cannot be set up: error %d",
                      device_name(device), status);
        else
            found++;
    }
    return found > 0 ? 0 : -ENODEV;
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
    int status = read_settings(argc, argv, &settings);

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
    &virtio_blk_driver, &virtio_net_driver, &leaf_blk_driver,
    &leaf_net_driver,   &ramdisk_driver,    NULL,
};

static const struct file_system *const file_systems[] = {
    &ext2_file_system,
    NULL,
};

const struct torc_app torc_app = {
    .name = "webserver",
    .main = app_main,
    .drivers = drivers,
    .file_systems = file_systems,
};
