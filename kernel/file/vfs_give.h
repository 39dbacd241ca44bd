/* Writing to files without a copy. */
#ifndef TORC_KERNEL_VFS_GIVE_H
#define TORC_KERNEL_VFS_GIVE_H

#include "kernel/file/vfs.h"

/*
 * vfs_write() of `count` (> 0) whole pages at `offset`, which begins one: the
 * file's pages get the buffers, of PAGE_BYTES each, whose bytes are not changed
 * any more. The caller's references are dropped in any case.
 */
must_check int64_t vfs_give(struct inode *inode, struct buf *const *bufs,
                            unsigned count, uint64_t offset);

#endif
