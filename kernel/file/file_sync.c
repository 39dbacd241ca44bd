/* Calls of <torc/file.h> that wait until the device has what was written. */
#include "kernel/file/carry.h"

static int sync(struct file *file, bool data_only);

static int64_t run_sync(struct carried *call)
{
    return sync(call->file, call->number != 0);
}

static int sync(struct file *file, bool data_only)
{
    if (!file_is_mine(file))
        return (int)carry_file(&(struct carried){
            .run = run_sync, .file = file, .number = data_only});
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
