/*
 * Making changes durable: the blocks of metadata are written in the order that
 * the changes have asked for, and the device is flushed; so are then the blocks
 * whose stale entries are cleared. Behind that, what was freed can be used
 * again, and attributes of inodes that have waited may follow.
 */
#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/stale.h"
#include "kernel/cache/order.h"

/* Returns 0, or the error. */
static int write_blocks(struct ext2_rw *rw)
{
    int status;

    /* An earlier error was told, or is told by the file: what could not be
     * written is dirty still. */
    (void)block_write_error(rw->fs->device.open);
    status = mapping_write(&rw->fs->device, 0, UINT64_MAX);
    if (status == 0)
        status = mapping_flush(&rw->fs->device);
    return status;
}

/* What has been changed is durable. Returns 0, or the error. */
static int write_all(struct ext2_rw *rw)
{
    const uint64_t stamp = rw->stamp;
    int status = write_blocks(rw);

    if (status == 0 && ext2_stale_waits(rw, stamp)) {
        status = ext2_stale_clear(rw, stamp);
        if (status == 0)
            status = write_blocks(rw);
    }
    if (status == 0)
        rw->durable = stamp;
    return status;
}

int ext2_wait_durable(struct ext2_rw *rw, uint64_t stamp)
{
    int status = 0;

    rwlock_lock(&rw->durable_lock);
    if (rw->durable < stamp)
        status = write_all(rw);
    rwlock_unlock(&rw->durable_lock);
    if (status == 0)
        ext2_freed_release(rw);
    return status;
}

int ext2_make_durable(struct ext2_fs *fs)
{
    return ext2_wait_durable(fs->rw, fs->rw->stamp);
}
