/*
 * The virtual file system: what a file system offers and what files are made
 * of.
 *
 * One mount table per CPU. Inodes and file systems belong to the CPU that
 * mounted them. Path walking, links, positions and reference counts are the
 * VFS's; a file system knows inodes, their data and the entries of one
 * directory.
 */
#ifndef TORC_KERNEL_VFS_H
#define TORC_KERNEL_VFS_H

#include "kernel/block.h"
#include "kernel/lib/list.h"
#include "kernel/wait.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>

struct vfs_inode;
struct vfs_mount;

struct vfs_ops {
    /*
     * Load inode `number` into `inode` (number and mount are set) and fill
     * type, size_bytes and fs_data. Returns 0, -ENOENT (not in use), -EUCLEAN,
     * -EIO, -ENOMEM.
     */
    int (*inode_load)(struct vfs_inode *inode);

    /* Free fs_data; the last reference is gone. */
    void (*inode_drop)(struct vfs_inode *inode);

    /*
     * Find `name` (len bytes, 1 .. FILE_NAME_MAX, no '/') in a directory.
     * Returns 0 and the inode number, -ENOENT, -EUCLEAN, -EIO.
     */
    int (*lookup)(struct vfs_inode *dir, const char *name, size_t len,
                  uint64_t *number);

    /*
     * Read from a regular file; holes read as zeros. offset < size_bytes, size
     * cut to the file. Returns bytes (may be fewer only on an error after
     * some), -EUCLEAN, -EIO.
     */
    int64_t (*read)(struct vfs_inode *inode, void *buf, size_t size,
                    uint64_t offset);

    /*
     * The entry at *cursor (0 first, then opaque), which moves past it.
     * Returns 1, 0 at the end, -EUCLEAN, -EIO.
     */
    int (*dir_next)(struct vfs_inode *dir, uint64_t *cursor,
                    struct dir_entry *entry);

    /* The target of a symbolic link, as file_read_link(). */
    int64_t (*read_link)(struct vfs_inode *inode, char *buf, size_t size);

    int (*stat)(struct vfs_inode *inode, struct file_stat *stat);

    /* Free what mount() made. No inode is in use. */
    void (*unmount)(struct vfs_mount *mount);
};

struct file_system {
    const char *type; /* "ext2" */

    /*
     * Mount mount->device: set ops, root_number and fs_data. Thread of the
     * device's CPU; may wait. Returns 0, -EINVAL (another file system),
     * -ENOTSUP, -EUCLEAN, -EIO, -ENOMEM; on failure nothing is held.
     */
    int (*mount)(struct vfs_mount *mount);
};

struct vfs_mount {
    struct list link; /* in the CPU's mount table */
    struct block_device *device;
    const struct vfs_ops *ops;
    uint64_t root_number;
    void *fs_data;
    struct list inodes; /* loaded: struct vfs_inode */
    struct vfs_inode *root;
    struct vfs_inode *covered; /* the directory mounted on; NULL for "/" */
};

struct vfs_inode {
    /* owner CPU only, as all of a mount: */
    struct list link;
    struct vfs_mount *mount;
    uint64_t number;
    uint32_t references;
    bool loading; /* inode_load() is under way, which may wait */
    int status;   /* what it said */
    struct wait_queue loaded;
    enum file_type type;
    uint64_t size_bytes;
    void *fs_data;
};

/* Name the file systems the image has; at boot, constant after. */
void vfs_init(const struct file_system *const *file_systems);

/* ---- For file.c ---------------------------------------------------------- */

/*
 * Walk an absolute path to an inode, held for the caller. With `follow` false a
 * symbolic link at the end is itself the result. Thread; may wait.
 * Returns 0, -EINVAL (not absolute), -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG,
 * -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int vfs_walk(const char *path, bool follow, struct vfs_inode **out);

/* Give an inode back. */
void vfs_put(struct vfs_inode *inode);

/* Mount and unmount; as file_mount() and file_unmount(). */
must_check int vfs_mount(struct block_device *device, const char *path,
                         const char *type);
must_check int vfs_unmount(const char *path);

#endif
