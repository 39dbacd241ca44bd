/*
 * The virtual file system: the operations that a file system offers, and the
 * mounts and inodes they work on.
 *
 * Each CPU has a mount table. Mounts and inodes belong to the CPU that mounted
 * the file system. The VFS walks paths, follows links, and counts references; a
 * file system finds a name in one directory and reads the data of one inode.
 */
#ifndef TORC_KERNEL_VFS_H
#define TORC_KERNEL_VFS_H

#include "kernel/device/block.h"
#include "kernel/thread/wait.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>
#include <torc/list.h>

struct vfs_inode;
struct vfs_mount;

struct vfs_ops {
    /*
     * Load inode `number` into `inode` (number and mount are set) and fill
     * type, size_bytes and fs_data. Returns 0, -ENOENT (not in use), -EUCLEAN,
     * -EIO, -ENOMEM.
     */
    int (*inode_load)(struct vfs_inode *inode);

    /* Free fs_data: nobody holds the inode any more. */
    void (*inode_drop)(struct vfs_inode *inode);

    /*
     * Find `name` (len bytes, 1 .. FILE_NAME_MAX, no '/') in a directory.
     * Returns 0 and the inode number, -ENOENT, -EUCLEAN, -EIO.
     */
    int (*lookup)(struct vfs_inode *dir, const char *name, size_t len,
                  uint64_t *number);

    /*
     * Read from a regular file; holes read as zeros. The range lies within the
     * file. Returns the number of bytes, fewer than `size` only when an error
     * came after some; or -EUCLEAN, -EIO, -ENOMEM.
     */
    int64_t (*read)(struct vfs_inode *inode, void *buf, size_t size,
                    uint64_t offset);

    /*
     * The entry at *cursor, which moves past it; the first call has 0 there,
     * and what it is later only the file system knows. Returns 1, 0 at the end,
     * -EUCLEAN, -EIO, -ENOMEM.
     */
    int (*dir_next)(struct vfs_inode *dir, uint64_t *cursor,
                    struct dir_entry *entry);

    /* Read the target of a symbolic link; returns as file_read_link(). */
    int64_t (*read_link)(struct vfs_inode *inode, char *buf, size_t size);

    int (*stat)(struct vfs_inode *inode, struct file_stat *stat);

    /* Free what mount() made. No inode is in use. */
    void (*unmount)(struct vfs_mount *mount);

    /* Assert what is always true of a complete mount and its inodes. */
    void (*check)(const struct vfs_mount *mount);
};

struct file_system {
    const char *type; /* "ext2" */

    /*
     * Mount the device of mount->open: set ops, root_number and fs_data. Thread
     * of the device's CPU; may wait. Returns 0, -EINVAL (another file system),
     * -ENOTSUP, -EUCLEAN, -EIO, -ENOMEM; on failure nothing is held.
     */
    int (*mount)(struct vfs_mount *mount);
};

struct vfs_mount {
    struct list link;       /* in the CPU's mount table */
    struct block_open open; /* the device, exclusively */
    const struct vfs_ops *ops;
    uint64_t root_number;
    void *fs_data;
    struct list inodes;        /* loaded: struct vfs_inode */
    struct vfs_inode *root;    /* held, once the mount is complete */
    struct vfs_inode *covered; /* held: mounted on it; NULL for "/" */
    bool is_complete;          /* false while vfs_mount() still reads */
};

struct vfs_inode {
    /* owner CPU only, as all of a mount: */
    struct list link;
    struct vfs_mount *mount;
    uint64_t number;
    uint32_t references;
    bool loading; /* inode_load() is under way, which may wait */
    int status;   /* the result of inode_load() */
    struct wait_queue loaded;
    enum file_type type;
    uint64_t size_bytes;
    void *fs_data;
};

/* Say which file systems the image has, ended by NULL. At boot. */
void vfs_init(const struct file_system *const *file_systems);

/* ---- For file.c ---------------------------------------------------------- */

/*
 * Walk an absolute path to an inode, held for the caller. With `follow` false a
 * symbolic link at the end is itself the result. Thread; may wait.
 * Returns 0, -EINVAL (not absolute), -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG,
 * -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int vfs_walk(const char *path, bool follow, struct vfs_inode **out);

/* Give back an inode that is held. */
void vfs_put(struct vfs_inode *inode);

/* Mount and unmount; as file_mount() and file_unmount(). */
must_check int vfs_mount(struct block_device *device, const char *path,
                         const char *type);
must_check int vfs_unmount(const char *path);

/* Assert what is always true of this CPU's mounts, their inodes, and what the
 * file systems know of them. Thread or irq work. */
void vfs_check(void);

#endif
