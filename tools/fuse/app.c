/*
 * torc-fuse: an image's file system, or one in memory, where Linux mounts it.
 * This is the half that is a kernel of one CPU; host/ is the other one.
 */
#include "tools/fuse/host/config.h"
#include "tools/fuse/node.h"
#include "tools/fuse/workers.h"
#include "tools/image/mount.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/memory.h>

enum { EXIT_FAILED = 1 };
enum { INODE_BYTES = 1024 }; /* with its names */

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

/* What cannot be written is lost: whoever waits for the end is to know. */
static int unmount(void)
{
    int written = image_sync();
    int status = file_unmount("/");

    if (written != 0)
        log_error("what was written last is lost: error %d", -written);
    if (status != 0)
        log_error("the file system cannot be unmounted: error %d", -status);
    return written != 0 ? written : status;
}

static int app_main(int argc, char **argv)
{
    int status, unmounted;

    (void)argc, (void)argv;
    status = fuse_config.image.path != NULL ? image_mount(&fuse_config.image)
                                            : mount_memory();
    if (status != 0)
        return EXIT_FAILED;
    status = nodes_init();
    if (status == 0) {
        status = workers_run();
        nodes_fini();
    }
    if (status == -ENOMEM)
        log_error("too little memory: give more (-o mem=SIZE)");
    unmounted = unmount();
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
