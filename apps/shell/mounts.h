/* What is mounted where, as far as the shell has done it. CPU 0 only. */
#ifndef TORC_APPS_SHELL_MOUNTS_H
#define TORC_APPS_SHELL_MOUNTS_H

#include <torc/compiler.h>
#include <torc/errno.h>

enum { MOUNTS_MAX = 8, MOUNT_TEXT = 64 };

struct mount_row {
    char path[MOUNT_TEXT]; /* "": no mount */
    char device[MOUNT_TEXT / 4];
};
extern struct mount_row mount_rows[MOUNTS_MAX];

/*
 * Mount a disk or a partition, or with "memfs" memory, at a path. Type NULL:
 * whatever it is. Returns 0, -ENODEV, -ENOSPC (too many), -ENAMETOOLONG, or as
 * device_dedicate() and file_mount().
 */
must_check int mounts_add(const char *device, const char *path,
                          const char *type);

/* Where it is mounted, as it is shown: shell_tame(). */
const char *mounts_tame(const struct mount_row *row, char out[MOUNT_TEXT]);

/* Returns 0, -EINVAL, or as file_unmount(). */
must_check int mounts_remove(const char *path);

/*
 * Unmount all. What is in use is written to its disk and stays; it is logged.
 * Returns 0, or -EBUSY: something has stayed, or could not be written.
 */
must_check int mounts_end(void);

#endif
