/*
 * Mounting the file system of an image, for tools.
 */
#ifndef TORC_TOOLS_IMAGE_MOUNT_H
#define TORC_TOOLS_IMAGE_MOUNT_H

#include "tools/image/host/config.h"
#include <torc/compiler.h>
#include <torc/file.h>

/*
 * Mount at "/" what is on the first disk, which is `config->path`: of the file
 * systems that the image has the first one that knows it. CPU 0, thread; waits.
 * Returns 0, or an error after a line in the log.
 */
must_check int image_mount(const struct image_config *config);

/*
 * As file_stat_fs() of "/", also where the file system does not say: of ext2
 * that is only read, from the groups. Thread of its CPU; may wait.
 */
must_check int image_stat_fs(struct file_fs_stat *stat);

/* Write all that is in memory, and wait until the image has it. The same;
 * returns as vfs_sync_mount(). */
must_check int image_sync(void);

#endif
