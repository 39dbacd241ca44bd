/* Calls of <torc/file.h> that wait until the device has what was written. */
#include "kernel/file/file_internal.h"

static int sync(struct file *file, bool data_only)
{
    if (!file_is_mine(file))
        return -EXDEV;
    return vfs_sync(file->inode, data_only, &file->error_seen);
}

int file_sync(struct file *file)
{
    return sync(file, false);
}

int file_data_sync(struct file *file)
{
    return sync(file, true);
}
