/* What an open file is, for the files that implement <torc/file.h>. */
#ifndef TORC_KERNEL_FILE_INTERNAL_H
#define TORC_KERNEL_FILE_INTERNAL_H

#include "kernel/cpu/percpu.h"
#include "kernel/file/vfs_internal.h"

struct file {
    /* constant: */
    struct inode *inode; /* held */
    unsigned cpu;
    unsigned flags; /* of file_open() */
    /* owner CPU only: */
    uint64_t offset; /* bytes; of a directory: the cursor of vfs_readdir() */
    struct readahead readahead;
    uint32_t error_seen; /* of the inode's pages: mapping_error() */
};

/* Locks of an inode (lock.c). */
struct file_locks {
    struct list held;
    struct wait_queue waiters;
    unsigned users; /* calls that are at work with it */
    void (*release)(struct file *file);
};

/* Whether the file belongs to the calling CPU. The one place where a call that
 * comes from another CPU is recognised. */
static inline bool file_is_mine(const struct file *file)
{
    return file->cpu == cpu_self()->id;
}

/* Whether what was found may be opened with these flags. Returns 0, -EISDIR,
 * -ENOTDIR, -ELOOP, -EROFS. */
must_check int file_may_open(const struct inode *inode, unsigned flags);

/* Make an open file of an inode that is held, and stays so for the file; `file`
 * is memory for it. Does not wait. */
void file_fill(struct file *file, struct inode *inode, unsigned flags);

#endif
