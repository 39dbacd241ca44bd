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
 *   mount->rename_lock  which directory is in which: held exclusively to
 *                  rename or remove a directory, and to move anything to
 *                  another one.
 *
 * Order: rename_lock; then directories, an ancestor before its descendant, else
 * the smaller number first; then the inodes that names lead to, the smaller
 * number first.
 */
#ifndef TORC_KERNEL_VFS_H
#define TORC_KERNEL_VFS_H

#include "kernel/cache/mapping.h"
#include "kernel/device/block.h"
#include "kernel/file/hash.h"
#include "kernel/thread/rwlock.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/file.h>
#include <torc/list.h>

struct inode;
struct mount;
struct vfs_attr;

/* One component of a path. */
struct name {
    const char *text; /* no NUL behind it */
    uint32_t len;     /* 1 .. FILE_NAME_MAX, of bytes but '/' and NUL */
    uint32_t hash;    /* hash_bytes(), with the key of the mount */
};

/* What a new inode is to be. */
struct new_inode {
    uint8_t type;  /* enum file_type */
    uint16_t mode; /* the low 12 bits of st_mode */
    uint32_t uid;
    uint32_t gid;
    uint64_t rdev;      /* of a device */
    const char *target; /* of a symbolic link */
    size_t target_len;  /* 1 .. FILE_PATH_MAX-1, without NUL */
};

/* What a rename does; the VFS has checked that it may. */
struct rename {
    struct inode *dir1; /* may be dir2 */
    const struct name *name1;
    struct inode *inode1; /* what name1 leads to */
    struct inode *dir2;
    const struct name *name2;
    struct inode *inode2; /* what name2 leads to, another inode; or NULL */
    bool exchange;        /* name1 is to lead to inode2 */
};

/*
 * What a file system offers. Each may wait unless it says otherwise. Of a file
 * system that cannot be written everything that changes something is NULL.
 *
 * The VFS holds and locks exclusively what an operation changes. The VFS keeps
 * type, mode, owners and times; the file system sets links and blocks.
 */
struct fs_ops {
    size_t inode_size; /* of the file system's inodes: struct inode is first */
    bool keeps_inodes; /* those with links stay in memory */
    bool folds_names;  /* several names of a directory lead to one entry: upper
                        * and lower case. lookup() knows them all. */
    bool has_no_holes; /* a file that grows is filled with zeros */

    /*
     * Read inode `number` from the disk (number and mount are set, the rest is
     * zero) and fill the attributes. Returns 0, -ENOENT (not in use), -EUCLEAN,
     * -EIO, -ENOMEM. NULL: all that there are are in memory.
     */
    int (*inode_read)(struct inode *inode);

    /*
     * Write the attributes of an inode to where the file system keeps them,
     * for which it need not reach the device: sync() and sync_fs() see to that.
     * The VFS calls it some time after inode_dirty(), at sync, and before the
     * inode leaves the memory; with or without its lock, but never twice at a
     * time. Between two waits the attributes agree with each other. Returns 0,
     * -EIO, -EUCLEAN, -ENOMEM: it is tried again. NULL: there is no other
     * place.
     */
    int (*inode_write)(struct inode *inode);

    /* mapping_write(), where there is inode_write(): named here, so that an
     * image that only reads does not link it. */
    int (*pages_write)(struct mapping *mapping, uint64_t first, uint64_t last);

    /*
     * Free the storage of an inode without links, which nobody holds. Returns
     * 0, -EIO, -ENOMEM: it is called again after a while, at the next sync and
     * before the mount ends; inode_drop() follows in any case. A file system
     * that returns errors has inode_write(), and has started the flusher.
     */
    int (*inode_evict)(struct inode *inode);

    /* Free what the inode has beside its struct; NULL: nothing. It leaves the
     * memory. Does not wait. */
    void (*inode_drop)(struct inode *inode);

    /* Blocks of 512 bytes that dirty pages of a regular file will take, beside
     * inode->blocks. Does not wait. NULL: none. */
    uint64_t (*promised)(const struct inode *inode);

    /* Before attributes are set: change them to what the file system can keep.
     * Does not wait. Returns 0, -EPERM. NULL: it keeps all. */
    int (*attr_fit)(const struct inode *inode, struct vfs_attr *attr);

    /* Attributes are about to be set of an inode, which is locked: set them
     * where the file system keeps them, now. Returns 0, or an error: they stay
     * as they are. NULL: inode_write() is in time. */
    int (*attr_set)(struct inode *inode, const struct vfs_attr *attr);

    /*
     * Find a name in a directory, which is locked. Returns 0 and *out, held
     * (inode_get()), -ENOENT, -EUCLEAN, -EIO, -ENOMEM. ".." is a name.
     */
    int (*lookup)(struct inode *dir, const struct name *name,
                  struct inode **out);

    /*
     * Make an inode (inode_new()) that `name`, which is free, leads to. *out is
     * held and still LOADING. Returns 0, -ENOSPC, -EMLINK (a directory in a
     * directory), -EUCLEAN, -EIO, -ENOMEM; then nothing has changed.
     */
    int (*create)(struct inode *dir, const struct name *name,
                  const struct new_inode *what, struct inode **out);

    /* Let a free name lead to an inode, too. Returns as create(). */
    int (*link)(struct inode *dir, const struct name *name,
                struct inode *inode);

    /* Remove a name that leads to `inode`; a directory is empty. Returns 0,
     * -EUCLEAN, -EIO, -ENOMEM; then nothing has changed. */
    int (*unlink)(struct inode *dir, const struct name *name,
                  struct inode *inode);

    /* Let name2 lead to inode1, and name1 to nothing, or to inode2. Returns as
     * create(). */
    int (*rename)(const struct rename *rename);

    /*
     * The size of a regular file has become smaller than `old_bytes`: its pages
     * have gone, now its storage does. NULL: it has no other. Returns 0, -EIO,
     * -EUCLEAN.
     */
    int (*truncate)(struct inode *inode, uint64_t old_bytes);

    /* The same of whole pages, [from, to) bytes, which become a hole. NULL: the
     * file system has no holes, or no other storage. */
    int (*punch)(struct inode *inode, uint64_t from, uint64_t to);

    /*
     * Extended attributes of an inode, which is locked; all NULL: it has none.
     * Of what is longer than `size` nothing is copied, but the length told.
     * xattr_set() of NULL removes one, which is there. Return the length or 0,
     * -ENODATA (there is none of that name), -ENOSPC, -EIO, -EUCLEAN, -ENOMEM.
     */
    int64_t (*xattr_get)(struct inode *inode, const char *name, void *value,
                         size_t size);
    int64_t (*xattr_list)(struct inode *inode, char *names, size_t size);
    int (*xattr_set)(struct inode *inode, const char *name, const void *value,
                     size_t size);

    /*
     * The entry at *cursor of a directory, which is locked; the cursor moves
     * past it. The first call has 0 there, and what it is later only the file
     * system knows. Returns 1, 0 at the end, -EUCLEAN, -EIO, -ENOMEM.
     */
    int (*readdir)(struct inode *dir, uint64_t *cursor,
                   struct dir_entry *entry);

    /* Read the target of a symbolic link; returns as file_read_link(). */
    int64_t (*readlink)(struct inode *inode, char *buf, size_t size);

    /* Write what of an inode is not in its pages and must be durable; with
     * data_only what its data need. NULL: there is nothing. Returns 0, -EIO. */
    int (*sync)(struct inode *inode, bool data_only);

    /*
     * Write what of the file system is not in pages or attributes of inodes,
     * and wait until the device has it for good: all inodes have been written.
     * NULL: sync() of each inode is all. Returns 0, -EIO, -ENOMEM.
     */
    int (*sync_fs)(struct mount *mount);

    /* What file_stat() tells as the number of an inode, as readdir() does. Does
     * not wait. NULL: inode->number. */
    uint64_t (*number_told)(const struct inode *inode);

    /* Fill blocks and inodes of *stat. NULL: they are not known. Returns 0,
     * -EIO, -EUCLEAN. */
    int (*statfs)(struct mount *mount, struct file_fs_stat *stat);

    /*
     * Let the mount be read-only, or not; the VFS has checked that it may.
     * NULL: it is only read, or nothing is to be done. Returns 0, -EROFS, -EIO.
     */
    int (*remount)(struct mount *mount, bool read_only);

    /* Free what mount() made. No inode is in memory. */
    void (*unmount)(struct mount *mount);

    /* Assert what is always true of a mount, and of an inode that is live. Do
     * not wait. */
    void (*check)(const struct mount *mount);
    void (*inode_check)(const struct inode *inode);
};

struct file_system {
    const char *type; /* "ext2" */

    bool is_in_memory; /* it is mounted without a device */

    /*
     * Mount the device of mount->open: set ops, root_number and fs_data; what
     * `options` are depends on the file system, and NULL are its defaults. One
     * that is not read-only starts the flusher for its own pages
     * (page_cache_start_flusher()); the VFS does for those of files.
     * Thread of the device's CPU; may wait. Returns 0, -EINVAL (another file
     * system), -ENOTSUP, -EUCLEAN, -EIO, -ENOMEM; on failure nothing is held.
     */
    int (*mount)(struct mount *mount, const void *options);
};

/* The times that a file system keeps: from one second to another one, and how
 * exactly. All zero: any. */
struct vfs_times {
    int64_t first_s;
    int64_t last_s;
    uint32_t unit_ns;
};

struct mount {
    struct list link; /* in the CPU's mount table */
    struct block_open
        open; /* the device, exclusively; dev NULL: there is none */
    const struct fs_ops *ops;
    const char *type; /* of the file system */
    uint64_t root_number;
    uint64_t size_max; /* of a file; set by fs->mount(), if it is smaller than
                        * MAPPING_SIZE_MAX */
    struct vfs_times times; /* set by fs->mount() */
    const char *place;      /* the path, while fs->mount() runs; then NULL */
    void *fs_data;
    struct inode *root;    /* held, once the mount is complete */
    struct inode *covered; /* held: mounted on it; NULL for "/" */
    bool is_complete;      /* false while vfs_mount() still reads */
    bool is_read_only;
    bool is_write_protected;   /* it cannot be anything but read-only */
    unsigned cpu;              /* constant */
    bool is_portal;            /* its files are another CPU's (portal.c) */
    unsigned portal_cpu;       /* of a portal: that CPU */
    unsigned writers;          /* files open for writing */
    unsigned changes;          /* calls under way that change something */
    bool is_remounting;        /* vfs_remount() is under way */
    bool keeps_no_names;       /* what lookup() or a change of a name has just
                                * told is not kept: the file system sets it
                                * before it returns, if others change names */
    uint64_t names_until_ns;   /* then all that is known is forgotten; 0: it
                                * stays. The file system sets it. */
    struct rwlock rename_lock; /* held exclusively or not at all */

    /* inode.c */
    struct hash_table inodes; /* struct inode by number */
    struct list unused;       /* inodes nobody holds, that one first which has
                               * not been used for longest */
    unsigned unused_count;
    struct list removed; /* inodes that could not be evicted yet */
    unsigned removed_count;
    unsigned used_count; /* inodes that somebody holds */
    unsigned cached_max; /* unused inodes, and dentries, at most */

    /* dirty.c */
    struct list dirty; /* inodes with attributes to be written, by time */
    unsigned dirty_count;
    unsigned writing_count;    /* inodes with is_writing, inodes_evict() */
    struct wait_queue written; /* for fewer of them */
    struct flush_work flush;   /* queued while there are dirty ones */

    /* dentry.c */
    struct hash_key name_key; /* constant */
    struct hash_table dentries;
    struct list dentry_clock; /* all, in the order they are looked at */
};

enum inode_state {
    INODE_LOADING, /* inode_read() or create() is under way */
    INODE_LIVE,
    INODE_FAILED, /* inode_read() has failed; out of the table */
    INODE_DYING,  /* it leaves the memory; out of the table after it, or when
                   * it cannot be evicted yet */
};

/* What of an inode's attributes is to be written. */
enum inode_dirty {
    INODE_TIMES = 1, /* the times: file_data_sync() does without */
    INODE_REST = 2,  /* everything else, and the times */
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
    uint64_t rdev;         /* of a device */
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
    struct list unused;        /* in mount->unused, or in mount->removed */
    struct mapping pages;      /* of a regular file: made by the file system */
    struct list entries;       /* of a directory: struct dentry in it */
    struct list names;         /* struct dentry that lead to it */
    struct file_locks *locks;  /* lock.c; NULL: there are none */

    /* dirty.c */
    uint8_t dirty;          /* enum inode_dirty */
    bool is_writing;        /* fs_ops.inode_write() is under way: it stays */
    bool is_evicted;        /* fs_ops.inode_evict() has freed what it had */
    uint64_t dirty_at_ns;   /* since when */
    struct list dirty_link; /* in mount->dirty */
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

/*
 * For fs_ops.create(): an inode as `what` says, with one link, held, LOADING.
 * Does not wait. Returns 0 and *out, -ENOMEM, -EUCLEAN (there is one of that
 * number, which the file system took for free). inode_discard(): there is to be
 * none after all; or inode_live(): it is complete.
 */
must_check int inode_new(struct mount *mount, uint64_t number,
                         const struct new_inode *what, struct inode **out);
void inode_discard(struct inode *inode);
void inode_live(struct inode *inode);

/* Whether there is an inode of that number in memory, whatever its state. */
bool inode_is_known(const struct mount *mount, uint64_t number);

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

/* The same under a lock: of an inode that has links, or that somebody else
 * holds, too. Does not wait. */
void inode_put_quick(struct inode *inode);

/* ---- Attributes that are to be written (dirty.c) ------------------------- */

/*
 * Attributes have changed (enum inode_dirty): they are written by the flusher,
 * or earlier if somebody asks. The VFS says so of what it changes, the file
 * system of links and blocks it changes elsewhere. Nothing happens without
 * fs_ops.inode_write(). Does not wait.
 */
void inode_dirty(struct inode *inode, enum inode_dirty what);

/* Write them now, if any are dirty. Thread; may wait. Returns as
 * fs_ops.inode_write(). */
must_check int inode_write(struct inode *inode);

/* ---- Names (walk.c, vfs_lookup.c) ---------------------------------------- */

/*
 * Walk a path to an inode, held for the caller. With `follow` false a symbolic
 * link at the end is itself the result. Thread; may wait.
 * Returns 0, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EIO, -EUCLEAN, -ENOMEM;
 * -EREMOTE: it leads to another CPU (portal.c).
 */
must_check int vfs_walk(const char *path, bool follow, struct inode **out);

/*
 * Find a name in a directory that is held; *out is held for the caller. Thread;
 * may wait. Returns 0, -ENOENT, -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int vfs_lookup(struct inode *dir, const struct name *name,
                          struct inode **out);

/* A name of `len` bytes at `text`, of a directory on `mount`. Returns 0,
 * -ENOENT (it is empty), -ENAMETOOLONG, -EINVAL (a byte that no name has). */
must_check int name_init(struct name *name, const struct mount *mount,
                         const char *text, size_t len);

/* Forget what is known of the names of a mount: others may have changed them.
 * Does not wait. */
void vfs_forget_names(struct mount *mount);

/* ---- Names that change (vfs_create.c, vfs_remove.c, vfs_rename.c) -------- */

/*
 * All of these: the caller holds the directories and inodes and no lock; a name
 * is neither "." nor "..". Thread; may wait. They return 0, or after nothing
 * has changed -EROFS, -ENOSPC, -EIO, -EUCLEAN, -ENOMEM, -ENOTDIR (no
 * directory), -ENOENT (no such name, or the directory has been removed), and
 * what they say.
 */

/* Make an inode; *out is held for the caller. Also -EEXIST, -EMLINK. */
must_check int vfs_create(struct inode *dir, const struct name *name,
                          const struct new_inode *what, struct inode **out);

/* Let a name lead to an inode, too. Also -EEXIST, -EPERM (a directory),
 * -EMLINK, -EXDEV (of another mount). */
must_check int vfs_link(struct inode *inode, struct inode *dir,
                        const struct name *name);

/* Remove a name of something that is no directory. Also -EISDIR. */
must_check int vfs_unlink(struct inode *dir, const struct name *name);

/* Remove an empty directory. Also -ENOTEMPTY, -EBUSY (something is mounted
 * on it). */
must_check int vfs_rmdir(struct inode *dir, const struct name *name);

/*
 * Rename: flags are of enum file_rename_flags. Also -EEXIST, -EISDIR,
 * -ENOTEMPTY, -EINVAL (a directory into itself; both flags), -EBUSY (something
 * is mounted on one), -EMLINK, -EXDEV (two mounts).
 */
must_check int vfs_rename(struct inode *dir1, const struct name *name1,
                          struct inode *dir2, const struct name *name2,
                          unsigned flags);

/* ---- Attributes (vfs_attr.c) --------------------------------------------- */

enum vfs_attr_mask {
    ATTR_MODE = 1,
    ATTR_UID = 2,
    ATTR_GID = 4,
    ATTR_ATIME = 8,
    ATTR_MTIME = 16,
};

struct vfs_attr {
    unsigned mask; /* which of these are to be set */
    uint16_t mode;
    uint32_t uid;
    uint32_t gid;
    struct file_time atime;
    struct file_time mtime;
};

/* Set attributes of an inode that is held. Thread; may wait. Returns 0,
 * -EROFS, -EPERM (the file system has none like that). */
must_check int vfs_setattr(struct inode *inode, const struct vfs_attr *attr);

/* The time, for the times of files; and as the file system of an inode keeps
 * it. */
struct file_time vfs_now(void);
struct file_time vfs_now_in(const struct mount *mount);

/* The time nearest to another one that a file system keeps. */
struct file_time vfs_time_fit(const struct mount *mount, struct file_time time);

/* ---- What inodes hold (vfs_data.c) --------------------------------------- */

/*
 * Read into `count` parts from byte `offset` on, of a regular file that is
 * held. `readahead` belongs to the reader, from one read to the next. Thread;
 * may wait. Returns the number of bytes, fewer than there is room for at the
 * end of the file or when an error came after some; -EISDIR, -EINVAL (no
 * regular file), -EIO, -EUCLEAN, -ENOMEM.
 */
must_check int64_t vfs_read(struct inode *inode, const struct file_part *parts,
                            unsigned count, uint64_t offset,
                            struct readahead *readahead);

/*
 * Lend the buffers that hold up to `size` bytes from `offset` on, without a
 * copy: *count is how many slices there is room for, and then how many there
 * are. Each has a reference, which the caller drops (buf_put()). Returns as
 * vfs_read().
 */
must_check int64_t vfs_lend(struct inode *inode, uint64_t offset, uint64_t size,
                            struct readahead *readahead, struct slice *slices,
                            unsigned *count);

/*
 * Write `count` parts at byte *offset of a regular file that is held, or at its
 * end: with `append`, *offset becomes where they have been written. Thread; may
 * wait. Returns the number of bytes, fewer when an error came after some;
 * -EISDIR, -EINVAL (no regular file), -EROFS, -ENOSPC, -EFBIG, -EIO, -ENOMEM.
 */
must_check int64_t vfs_write(struct inode *inode, const struct file_part *parts,
                             unsigned count, uint64_t *offset, bool append);

/* Set the size of a regular file. Thread; may wait. Returns 0, or as
 * vfs_write(). */
must_check int vfs_truncate(struct inode *inode, uint64_t size_bytes);

/*
 * Write what an inode holds, and (but with data_only) what it is, and wait
 * until the device has it for good. An error of an earlier write is told once
 * to each `seen` (mapping_error()). Thread; may wait. Returns 0, or the error.
 */
must_check int vfs_sync(struct inode *inode, bool data_only, uint32_t *seen);

/*
 * The first byte from `offset` on that is data, or that is in a hole: the end
 * of a file is one. Returns it, -ENXIO (there is none), or as vfs_read().
 */
must_check int64_t vfs_seek(struct inode *inode, uint64_t offset, bool hole);

/* Fill or punch holes: as file_allocate(). */
must_check int vfs_allocate(struct inode *inode, uint64_t offset, uint64_t len,
                            unsigned flags);

/* What an inode is. Does not wait. */
void vfs_stat(const struct inode *inode, struct file_stat *stat);

/* Blocks of 512 bytes that it has, and that dirty pages will take. */
uint64_t vfs_blocks(const struct inode *inode);

/* The next entry of a directory; as dir_read(). */
must_check int vfs_readdir(struct inode *dir, uint64_t *cursor,
                           struct dir_entry *entry);

/* The target of a symbolic link; as file_read_link(). */
must_check int64_t vfs_readlink(struct inode *inode, char *buf, size_t size);

/* ---- Extended attributes (vfs_xattr.c) ----------------------------------- */

/* Of an inode that is held; as file_xattr_get() and its companions. */
must_check int64_t vfs_xattr_get(struct inode *inode, const char *name,
                                 void *value, size_t size);
must_check int64_t vfs_xattr_list(struct inode *inode, char *names,
                                  size_t size);
must_check int vfs_xattr_set(struct inode *inode, const char *name,
                             const void *value, size_t size, unsigned flags);
must_check int vfs_xattr_remove(struct inode *inode, const char *name);

/* ---- Mounts (mount.c) ---------------------------------------------------- */

/* Mount and unmount; as file_mount() and file_unmount(). Without a device
 * (NULL) a file system that is in memory. */
must_check int vfs_mount(struct block_device *device, const char *path,
                         const char *type);

/* Mount this file system, with options of its own; returns as vfs_mount(). */
must_check int vfs_mount_with(struct block_device *device, const char *path,
                              const struct file_system *fs,
                              const void *options);

/* Mount a file system that is in memory; returns as vfs_mount(). */
must_check int vfs_mount_memory(const struct file_system *fs, const char *path,
                                const void *options);

must_check int vfs_unmount(const char *path);

/*
 * Write all that a mount, which has an inode held, has in memory, and wait
 * until the device has it for good. Thread; may wait. Returns 0, -ENOMEM, or
 * the first error.
 */
must_check int vfs_sync_mount(struct mount *mount);

/* As file_stat_fs() and file_remount(), of a mount that has an inode held. */
must_check int vfs_statfs(struct mount *mount, struct file_fs_stat *stat);
must_check int vfs_remount(struct mount *mount, bool read_only);

/* Assert what is always true of this CPU's mounts, their inodes and names, and
 * what the file systems know of them. Thread or irq work. */
void vfs_check(void);

#endif
