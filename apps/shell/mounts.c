/* What is mounted where: see mounts.h. */
#include "apps/shell/mounts.h"
#include "apps/shell/shell.h"
#include <stddef.h>
#include <torc/device.h>
#include <torc/file.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { MEMFS_INODES = 65536 };

/* CPU 0 only. */
struct mount_row mount_rows[MOUNTS_MAX];

static int mount(const char *name, const char *path, const char *type)
{
    struct device *device;
    int status;

    if (str_equal(name, "memfs")) {
        const struct memfs_limits limits = {.bytes = mem_free_bytes() / 2,
                                            .inodes = MEMFS_INODES};

        return file_mount_memory(path, &limits);
    }
    device = device_by_name(name);
    if (device == NULL)
        return -ENODEV;
    status = device_dedicate(device, 0);
    return status == 0 ? file_mount(device, path, type) : status;
}

/* Paths in the table do not depend on where we are: absolute ones only. */
int mounts_add(const char *device, const char *path, const char *type)
{
    struct mount_row row = {{'\0'}, {'\0'}};
    unsigned i = 0;
    int status;

    if (path[0] != '/')
        return -EINVAL;
    if (str_copy(row.path, sizeof(row.path), path) != 0 ||
        str_copy(row.device, sizeof(row.device), device) != 0)
        return -ENAMETOOLONG;
    while (i < MOUNTS_MAX && mount_rows[i].path[0] != '\0')
        i++;
    if (i == MOUNTS_MAX)
        return -ENOSPC;
    mount_rows[i] = row; /* another session may mount meanwhile */
    status = mount(device, path, type);
    if (status != 0)
        mount_rows[i].path[0] = '\0';
    return status;
}

const char *mounts_tame(const struct mount_row *row, char out[MOUNT_TEXT])
{
    (void)str_copy(out, MOUNT_TEXT, row->path);
    shell_tame(out, strlen(out));
    return out;
}

int mounts_remove(const char *path)
{
    for (unsigned i = 0; i < MOUNTS_MAX; i++) {
        if (mount_rows[i].path[0] != '\0' &&
            str_equal(mount_rows[i].path, path)) {
            int status = file_unmount(path);

            if (status == 0)
                mount_rows[i].path[0] = '\0';
            return status;
        }
    }
    return -EINVAL;
}

/* Unmount what can be. Returns whether there was something. */
static bool unmount_some(void)
{
    bool is_any = false;

    for (unsigned i = MOUNTS_MAX; i-- > 0;) {
        struct mount_row *row = &mount_rows[i];

        if (row->path[0] != '\0' && file_unmount(row->path) == 0) {
            row->path[0] = '\0';
            is_any = true;
        }
    }
    return is_any;
}

/* What is mounted on another one goes first. */
int mounts_end(void)
{
    int result = 0;

    if (file_chdir("/") != 0)
        log_warn("shell: the root is not there");
    while (unmount_some())
        ;
    for (unsigned i = 0; i < MOUNTS_MAX; i++) {
        const char *path = mount_rows[i].path;
        char shown[MOUNT_TEXT];
        int status;

        if (path[0] == '\0')
            continue;
        status = file_sync_mount(path);
        if (status == 0)
            log_error("shell: %s is in use; it is written, but not unmounted",
                      mounts_tame(&mount_rows[i], shown));
        else
            log_error("shell: %s is not unmounted (error %d)",
                      mounts_tame(&mount_rows[i], shown), status);
        mount_rows[i].path[0] = '\0';
        result = -EBUSY;
    }
    return result;
}
