/*
 * A file server: GET, HEAD, PUT and DELETE of the files of a disk (ext2, FAT)
 * or of memory. settings.h lists its options.
 */
#include "apps/fileserver/changes.h"
#include "apps/fileserver/settings.h"
#include "apps/site/serving.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>

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

static int app_main(int argc, char **argv)
{
    static struct settings settings;
    int status = settings_read(argc, argv, &settings);

    if (status != 0)
        return status;
    return site_serve(&settings.site, settings.in_memory ? mount_memory : NULL,
                      changes_make(&settings));
}

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_blk_driver,
    &virtio_net_driver, &ide_driver,
    &e1000_driver,      &ne2000_driver,
    &leaf_blk_driver,   &leaf_net_driver,
    &ramdisk_driver,    NULL,
};

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system,
    &fat_file_system,
    NULL,
};

const struct torc_app torc_app = {
    .name = "fileserver",
    .main = app_main,
    .options = settings_names,
    .drivers = drivers,
    .file_systems = file_systems,
};
