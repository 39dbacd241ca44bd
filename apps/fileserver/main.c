/*
 * A file server: GET, HEAD, PUT and DELETE of the files of a disk (ext2, FAT)
 * or of memory. settings.h lists its options.
 */
#include "apps/fileserver/changes.h"
#include "apps/fileserver/settings.h"
#include "apps/site/serving.h"
#include "apps/site/site.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/time.h>

enum { EXIT_FAILED = 1 };
#define STOP_NS (2 * NS_PER_S) /* for the requests that have begun */

/* Files have half of the memory of their CPU. */
static int mount_memory(void *arg)
{
    const struct memfs_limits limits = {.bytes = mem_total_bytes() / 2};
    int status = file_mount_memory("/", &limits);

    (void)arg;
    if (status != 0)
        log_error("root=memory: cannot be mounted: error %d", status);
    return status;
}

/* On the CPU that serves: afterwards the disk is clean. */
static int stop(void *arg)
{
    int status = site_stop(STOP_NS);

    (void)arg;
    return status != 0 ? status : file_unmount("/");
}

static int app_main(int argc, char **argv)
{
    static struct settings settings;
    int status = settings_read(argc, argv, &settings);

    if (status == 0)
        status =
            site_serve(&settings.site, settings.in_memory ? mount_memory : NULL,
                       changes_make(&settings));
    if (status != 0)
        return status;
    status = machine_stop_wait();
    if (status != 0) {
        log_error("nobody can ask it to stop: error %d; check the disk",
                  status);
        return EXIT_FAILED;
    }
    log_info("asked to stop: requests that have begun are answered");
    status = remote_call(settings.site.cpu, stop, NULL);
    if (status != 0) {
        log_error("the files cannot be unmounted: error %d; check the disk",
                  status);
        return EXIT_FAILED;
    }
    log_info("stopped, and the files are unmounted");
    return 0;
}

static const struct driver *const drivers[] = {SITE_DRIVERS, &virtio_fs_driver,
                                               NULL};

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system,
    &fat_file_system,
    &fuse_file_system,
    NULL,
};

const struct site_network site_network = {
    .more = "", .parse = net_config_parse, .start = site_net_start};

const struct torc_app torc_app = {
    .name = "fileserver",
    .main = app_main,
    .options = settings_names,
    .drivers = drivers,
    .file_systems = file_systems,
};
