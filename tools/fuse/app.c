/*
 * torc-fuse: an image's file system, or one in memory, where Linux mounts it.
 * This is the half that is a kernel of one CPU; host/ is the other one.
 */
#include "tools/fuse/host/config.h"
#include "tools/fuse/node.h"
#include "tools/fuse/workers.h"
#include <torc/app.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>

enum { EXIT_FAILED = 1 };
enum { INODE_BYTES = 1024 }; /* with its names */

static void complain(int status)
{
    const char *image = fuse_config.image;

    if (status == -EINVAL)
        log_error("%s: there is no file system on it that is known", image);
    else if (status == -EUCLEAN)
        log_error("%s: the file system is damaged: check it with e2fsck",
                  image);
    else if (status == -ENOTSUP)
        log_error("%s: it has features that are not supported", image);
    else
        log_error("%s: cannot be mounted: error %d", image, -status);
}

/* The disk, or the partition that was asked for. */
static struct device *find_device(void)
{
    struct device *device = device_find(DEVICE_BLOCK, 0);
    char name[DEVICE_NAME_MAX];

    if (device == NULL || device_dedicate(device, 0) != 0) {
        log_error("%s: it cannot be used", fuse_config.image);
        return NULL;
    }
    if (fuse_config.partition == 0)
        return device;
    (void)fmt_print(name, sizeof(name), "%s%u", device_name(device),
                    fuse_config.partition);
    device = device_by_name(name);
    if (device == NULL)
        log_error("%s: it has no partition %u", fuse_config.image,
                  fuse_config.partition);
    return device;
}

/*
 * What the first one that knows the volume says. ext2 that is only read is
 * ext4's, as is what ext2 cannot write.
 */
static int mount_any(struct device *device)
{
    static const char *const types[] = {"ext2", "ext4", "fat"};
    int status = -EINVAL;

    for (unsigned i = fuse_config.read_only ? 1 : 0; i < COUNT_OF(types); i++) {
        int tried = file_mount(device, "/", types[i]);

        if (tried != -EINVAL)
            status = tried;
        if (tried != -EINVAL && tried != -ENOTSUP)
            break;
    }
    return status;
}

static int mount_image(void)
{
    struct device *device = find_device();
    int status;

    if (device == NULL)
        return -ENODEV;
    status = mount_any(device);
    if (status != 0)
        complain(status);
    return status;
}

/* What was not said depends on the memory, of which a quarter stays for inodes
 * and names. */
static int mount_memory(void)
{
    struct memfs_limits limits = {.bytes = fuse_config.limit_bytes,
                                  .inodes = fuse_config.limit_inodes};
    int status;

    if (limits.bytes == 0)
        limits.bytes = mem_free_bytes() / 4 * 3;
    if (limits.inodes == 0)
        limits.inodes = mem_free_bytes() / 4 / INODE_BYTES;
    status = file_mount_memory("/", &limits);
    if (status == 0)
        status = file_chown("/", true, fuse_config.uid, fuse_config.gid);
    if (status != 0)
        log_error("no memory for files: give more (-o mem=SIZE)");
    return status;
}

static int app_main(int argc, char **argv)
{
    int status, unmounted;

    (void)argc, (void)argv;
    status = fuse_config.image != NULL ? mount_image() : mount_memory();
    if (status != 0)
        return EXIT_FAILED;
    status = nodes_init();
    if (status == 0) {
        status = workers_run();
        nodes_fini();
    }
    if (status == -ENOMEM)
        log_error("too little memory: give more (-o mem=SIZE)");
    unmounted = file_unmount("/");
    if (unmounted != 0)
        log_error("the file system cannot be unmounted: error %d", -unmounted);
    return status == 0 && unmounted == 0 ? 0 : EXIT_FAILED;
}

static const struct driver *const drivers[] = {&leaf_blk_driver, NULL};
static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &ext4_file_system, &fat_file_system,
    &memfs_file_system, NULL};

const struct torc_app torc_app = {
    .name = "torc-fuse",
    .main = app_main,
    .drivers = drivers,
    .file_systems = file_systems,
};
