/* What is written is on the device for good. */
#include "kernel/file/vfs_internal.h"

int vfs_sync(struct inode *inode, bool data_only, uint32_t *seen)
{
    const struct fs_ops *ops = inode->mount->ops;
    int status = 0, told, flushed;

    if (inode->type == FILE_REGULAR) {
        status = mapping_write(&inode->pages, 0, UINT64_MAX);
        told = mapping_error(&inode->pages, seen);
        if (told != 0)
            status = told;
    }
    if (status == 0 && (!data_only || (inode->dirty & INODE_REST) != 0))
        status = inode_write(inode);
    if (status == 0 && ops->sync != NULL)
        status = ops->sync(inode, data_only);
    if (inode->mount->open.dev == NULL)
        return status;
    flushed = block_flush(&inode->mount->open);
    return status != 0 ? status : flushed;
}
