/*
 * The virtual file system: what a file system offers, and the mounts, inodes
 * and names it works on.
 *
 * Each CPU has a mount table. Everything of a mount belongs to the CPU that
 * mounted it. The VFS walks paths, keeps inodes and names in memory, takes the
 * locks and knows the rules of POSIX; a file system does what only it can.
 *
 * Who keeps what whole (threads are cooperative: what does not wait is atomic):
 *
 *   inode->refs    keeps an inode in memory. The last reference of one without
 *                  links frees its storage, which may wait: whoever drops a
 *                  reference holds no lock.
 *   inode->lock    its content and size; of a directory its entries. Shared to
 *                  read, exclusive to change.
 *   mount->rename_lock  which directory is in which: held exclusively to move a
 *                  directory to another.
 *
 * Order: rename_lock; then directories, an ancestor before its descendant, else
 * the smaller number first; then the inodes that names lead to, the smaller
 * number first.
 */
#ifndef TORC_KERNEL_VFS_H
#define TORC_KERNEL_VFS_H

#include "kernel/device/block.h"
#include "kernel/file/hash.h"
#include "kernel/thread/rwlock.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>
#include <torc/list.h>

struct inode;
struct mount;

/* One component of a path. */
struct name {
    const char *text; /* no NUL behind it */
    uint32_t len;     /* 1 .. FILE_NAME_MAX, of bytes but '/' and NUL */
    uint32_t hash;    /* hash_bytes() */
};

/* What a file system offers. Each may wait unless it says otherwise; NULL where
 * a comment allows it. */
struct fs_ops {
    size_t inode_size; /* of the file system's inodes: struct inode is first */

    /*
     * Read inode `number` from the disk (number and mount are set, the rest is
     * zero) and fill the attributes. Returns 0, -ENOENT (not in use), -EUCLEAN,
     * -EIO, -ENOMEM.
     */
    int (*inode_read)(struct inode *inode);

    /* Free what the inode has beside its struct; NULL: nothing. It leaves the
     * memory. Does not wait. */
    void (*inode_drop)(struct inode *inode);

    /*
     * Find a name in a directory, which is locked. Returns 0 and *out, held
     * (inode_get()), -ENOENT, -EUCLEAN, -EIO, -ENOMEM. ".." is a name.
     */
    int (*lookup)(struct inode *dir, const struct name *name,
                  struct inode **out);

    /*
     * Read from a regular file, which is locked; holes read as zeros. The range
     * lies within the file. Returns the number of bytes, fewer than `size` only
     * when an error came after some; or -EUCLEAN, -EIO, -ENOMEM.
     */
    int64_t (*read)(struct inode *inode, void *buf, size_t size,
                    uint64_t offset);

    /*
     * The entry at *cursor of a directory, which is locked; the cursor moves
     * past it. The first call has 0 there, and what it is later only the file
     * system knows. Returns 1, 0 at the end, -EUCLEAN, -EIO, -ENOMEM.
     */
    int (*readdir)(struct inode *dir, uint64_t *cursor,
                   struct dir_entry *entry);

    /* Read the target of a symbolic link; returns as file_read_link(). */
    int64_t (*readlink)(struct inode *inode, char *buf, size_t size);

    /* Free what mount() made. No inode is in memory. */
    void (*unmount)(struct mount *mount);

    /* Assert what is always true of a mount, and of an inode that is live. Do
     * not wait. */
    void (*check)(const struct mount *mount);
    void (*inode_check)(const struct inode *inode);
};

struct file_system {
    const char *type; /* "ext2" */

    /*
     * Mount the device of mount->open: set ops, root_number and fs_data. Thread
     * of the device's CPU; may wait. Returns 0, -EINVAL (another file system),
     * -ENOTSUP, -EUCLEAN, -EIO, -ENOMEM; on failure nothing is held.
     */
    int (*mount)(struct mount *mount);
};

struct mount {
    struct list link;       /* in the CPU's mount table */
    struct block_open open; /* the device, exclusively */
    const struct fs_ops *ops;
    uint64_t root_number;
    void *fs_data;
    struct inode *root;    /* held, once the mount is complete */
    struct inode *covered; /* held: mounted on it; NULL for "/" */
    bool is_complete;      /* false while vfs_mount() still reads */
    bool is_read_only;

    /* inode.c */
    struct hash_table inodes; /* struct inode by number */
    struct list unused;       /* inodes nobody holds, that one first which has
                               * not been used for longest */
    unsigned unused_count;
    unsigned used_count; /* inodes that somebody holds */
    unsigned cached_max; /* unused inodes, and dentries, at most */

    /* dentry.c */
    struct hash_table dentries;
    struct list dentry_clock; /* all, in the order they are looked at */
};

enum inode_state {
    INODE_LOADING, /* inode_read() is under way */
    INODE_LIVE,
    INODE_FAILED, /* inode_read() has failed; out of the table */
    INODE_DYING,  /* its storage is being freed; out of the table after it */
};

struct inode {
    struct mount *mount;
    uint64_t number;
    uint32_t refs;
    uint8_t state;  /* enum inode_state */
    uint8_t type;   /* enum file_type */
    uint16_t mode;  /* the low 12 bits of st_mode */
    int status;     /* what inode_read() returned */
    uint32_t links; /* 0: no name leads to it any more */
    uint32_t uid;
    uint32_t gid;
    struct mount *mounted; /* on this directory; NULL: nothing is */
    uint64_t size_bytes;
    uint64_t blocks; /* of 512 bytes */
    struct file_time atime;
    struct file_time mtime;
    struct file_time ctime;
    struct file_time btime;
    struct rwlock lock;
    struct wait_queue changed; /* of LOADING and DYING: the end of it */
    struct hash_node node;     /* in mount->inodes */
    struct list unused;        /* in mount->unused */
    struct list entries;       /* of a directory: struct dentry in it */
    struct list names;         /* struct dentry that lead to it */
};

/* Say which file systems the image has, ended by NULL. At boot. */
void vfs_init(const struct file_system *const *file_systems);

/* ---- Inodes (inode.c) ---------------------------------------------------- */

/*
 * Hold inode `number`, and read it if it is not in memory. Thread; may wait.
 * Returns 0 and *out, -ENOMEM, or the error of inode_read().
 */
must_check int inode_get(struct mount *mount, uint64_t number,
                         struct inode **out);

/* Take it off the unused ones: the first reference. */
void inode_use(struct inode *inode);

/* Hold an inode that is in memory. Does not wait. */
static inline void inode_hold(struct inode *inode)
{
    if (inode->refs++ == 0)
        inode_use(inode);
}

/* Give back an inode that is held. Thread, which holds no lock; may wait. */
void inode_put(struct inode *inode);

/* ---- Names (walk.c, vfs_lookup.c) ---------------------------------------- */

/*
 * Walk a path to an inode, held for the caller. With `follow` false a symbolic
 * link at the end is itself the result. Thread; may wait.
 * Returns 0, -EINVAL (not absolute), -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG,
 * -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int vfs_walk(const char *path, bool follow, struct inode **out);

/*
 * Find a name in a directory that is held; *out is held for the caller. Thread;
 * may wait. Returns 0, -ENOENT, -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int vfs_lookup(struct inode *dir, const struct name *name,
                          struct inode **out);

/* ---- What inodes hold (vfs_data.c) --------------------------------------- */

/* Read; as file_read_at(). */
must_check int64_t vfs_read(struct inode *inode, void *buf, size_t size,
                            uint64_t offset);

/* What an inode is. Does not wait. */
void vfs_stat(const struct inode *inode, struct file_stat *stat);

/* The next entry of a directory; as dir_read(). */
must_check int vfs_readdir(struct inode *dir, uint64_t *cursor,
                           struct dir_entry *entry);

/* The target of a symbolic link; as file_read_link(). */
must_check int64_t vfs_readlink(struct inode *inode, char *buf, size_t size);

/* ---- Mounts (mount.c) ---------------------------------------------------- */

/* Mount and unmount; as file_mount() and file_unmount(). */
must_check int vfs_mount(struct block_device *device, const char *path,
                         const char *type);
must_check int vfs_unmount(const char *path);

/* Assert what is always true of this CPU's mounts, their inodes and names, and
 * what the file systems know of them. Thread or irq work. */
void vfs_check(void);

#endif
