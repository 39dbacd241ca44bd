/*
 * Files. A file system is mounted on the CPU its disk is dedicated to, and all
 * of it belongs to that CPU. Threads of other CPUs reach its files by a
 * directory that leads there (file_mount_cpu()), and use files that have been
 * opened anywhere: their calls are carried to that CPU while they wait.
 */
#ifndef TORC_FILE_H
#define TORC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/buf.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/errno.h>

enum {
    FILE_NAME_MAX = 255,  /* bytes of one path component */
    FILE_PATH_MAX = 4096, /* with the NUL */
    FILE_LINK_MAX = 40,   /* symbolic links followed in one path */
};

enum file_type {
    FILE_UNKNOWN,
    FILE_REGULAR,
    FILE_DIRECTORY,
    FILE_SYMLINK,
    FILE_FIFO,
    FILE_SOCKET,
    FILE_CHARACTER, /* a device */
    FILE_BLOCK,     /* a device */
};

/* A moment: seconds since 1970, UTC, which may be negative, and nanoseconds
 * after that. */
struct file_time {
    int64_t s;
    uint32_t ns;
};

struct file_stat {
    uint64_t mount; /* the same for all files of one mount, and only for them */
    uint64_t inode;
    enum file_type type;
    uint32_t mode; /* the low 12 bits of st_mode */
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes;
    uint64_t blocks;        /* of 512 bytes, also for what is not written yet */
    struct file_time atime; /* read last */
    struct file_time mtime; /* written last */
    struct file_time ctime; /* anything of it changed last */
    struct file_time btime; /* made; all zero: the file system does not say */
};

struct file;

/*
 * Mount the file system on block device `device` at `path` ("/" first), for
 * this CPU. `type` names it ("ext2"), NULL tries all.
 * Returns 0, -ENODEV (unknown type), -EXDEV (not this CPU's device), -EBUSY
 * (something is mounted there, or sectors of the device are in use: it is
 * mounted, or its disk, or a partition of it), -EINVAL (not that file system),
 * -ENOTSUP (features we lack), -EUCLEAN (damaged), -EIO, -ENOMEM, -ENOENT,
 * -ENOTDIR.
 */
must_check int file_mount(struct device *device, const char *path,
                          const char *type);

/*
 * Let a directory of this CPU ("/": all paths) lead to all files of another CPU
 * as it sees them; what is mounted there may come and go. Calls that meet it on
 * the way are carried there: they also return -ENOMEM, for that CPU, and -EXDEV
 * where it leads on to a third one. There ".." of the other root is that root.
 * A file system is mounted and unmounted by threads of its own CPU only:
 * -EXDEV. Ended by file_unmount(). Returns 0, -EINVAL (no such CPU, or this
 * one), or as file_mount().
 */
must_check int file_mount_cpu(unsigned cpu, const char *path);

/* Unmount, after what is in memory is on the device; what cannot be written is
 * lost, and logged. Returns 0, -EINVAL (nothing mounted there), -EBUSY (in use,
 * or written to meanwhile). */
must_check int file_unmount(const char *path);

enum file_open_flags {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_DIRECTORY_ONLY = 4, /* -ENOTDIR for anything else */
    FILE_NOFOLLOW = 8,       /* -ELOOP for a symbolic link */
    FILE_CREATE = 16,        /* make a regular file if there is none */
    FILE_EXCLUSIVE = 32,     /* with FILE_CREATE: -EEXIST if there is one */
    FILE_TRUNCATE = 64,      /* with FILE_WRITE: make a regular file empty */
    FILE_APPEND = 128,       /* each write goes to the end */
};

/*
 * Open a file; symbolic links are followed. `flags` are of
 * enum file_open_flags; `mode`, the low 12 bits of st_mode, is for a file that
 * is made. A directory is opened for reading only.
 * Returns 0 and *out, -EINVAL (flags), -ENOENT, -ENOTDIR, -EISDIR
 * (a directory, to be written, truncated or made), -EEXIST, -EROFS, -ENOSPC,
 * -ELOOP, -ENAMETOOLONG, -EIO, -EUCLEAN, -ENOMEM.
 */
must_check static inline int file_open(const char *path, unsigned flags,
                                       uint32_t mode, struct file **out);

/* A part of memory to read into or to write from. */
struct file_part {
    void *base;
    size_t size; /* bytes */
};

/* Read at the file's position, or at `offset`; 0 is the end of the file.
 * -EBADF: it is not open for reading. */
must_check int64_t file_read(struct file *file, void *buf, size_t size);
must_check int64_t file_read_at(struct file *file, void *buf, size_t size,
                                uint64_t offset);
must_check int64_t file_read_parts(struct file *file,
                                   const struct file_part *parts,
                                   unsigned count);

/*
 * Write at the file's position, with FILE_APPEND at its end, or at `offset`. A
 * position behind the end leaves a hole, which reads as zeros. Returns the
 * number of bytes, fewer when an error came after some; -EBADF (it is not open
 * for writing), -EROFS, -ENOSPC, -EFBIG, -EIO, -ENOMEM.
 */
must_check int64_t file_write(struct file *file, const void *buf, size_t size);
must_check int64_t file_write_at(struct file *file, const void *buf,
                                 size_t size, uint64_t offset);
must_check int64_t file_write_parts(struct file *file,
                                    const struct file_part *parts,
                                    unsigned count);

/*
 * Lend the memory that holds up to `size` bytes of a file at `offset`, without
 * a copy: *count says how many slices there is room for, and then how many
 * there are. The caller drops the reference of each (buf_put()). What is
 * written to the file later may or may not be seen in them. Returns the number
 * of bytes, or as file_read_at().
 */
must_check int64_t file_lend(struct file *file, uint64_t offset, uint64_t size,
                             struct slice *slices, unsigned *count);

/* Set the size; what is behind it goes, what is new is a hole. Returns 0, or as
 * file_write(). */
must_check int file_truncate(struct file *file, uint64_t size_bytes);

/*
 * Set the position, which may be past the end: `offset` is from the begin of
 * the file, from the position, or from the end; or it is the first byte from
 * there on that is data, or that is in a hole, as the end is. Returns the new
 * position, -EINVAL (it would be negative), -EOVERFLOW, -ENXIO (there are no
 * such data, or `offset` is behind the end).
 */
enum file_seek {
    FILE_SEEK_SET,
    FILE_SEEK_CUR,
    FILE_SEEK_END,
    FILE_SEEK_DATA,
    FILE_SEEK_HOLE,
};
int64_t file_seek(struct file *file, int64_t offset, enum file_seek whence);

/*
 * Write what the file holds, and wait until the device has it for good; what it
 * is, too, but with file_data_sync() only as far as the data need it. An error
 * of a write that has come since is told once to each open file. Return 0,
 * -EIO, -ENOSPC.
 */
must_check int file_sync(struct file *file);
must_check int file_data_sync(struct file *file);

/*
 * Keep room for bytes that are in a hole or behind the end, where the file
 * grows; or make a hole of what there is. Returns 0, -EBADF, -EINVAL (flags;
 * `len` is 0), -ENOTSUP (the file system cannot), or as file_write().
 */
enum file_allocate_flags {
    FILE_KEEP_SIZE = 1,  /* the size stays: with room behind it, -ENOTSUP */
    FILE_PUNCH_HOLE = 2, /* with FILE_KEEP_SIZE: make a hole */
};
must_check int file_allocate(struct file *file, uint64_t offset, uint64_t len,
                             unsigned flags);

/*
 * Advisory locks: they keep nobody from reading and writing. Lock `len` bytes
 * from `offset` on (0: to the end of any file) for this open file, or change
 * what it has locked there; waits for others until deadline_ns at most
 * (TIME_NEVER: for ever; 0: does not wait). Closing the file unlocks. Returns
 * 0, -EAGAIN (it was not to wait), -ETIMEDOUT, -EINVAL (behind the largest
 * offset), -ENOMEM. A cancellation point (thread_kill()).
 */
enum file_lock_type { FILE_LOCK_SHARED, FILE_LOCK_EXCLUSIVE, FILE_UNLOCK };
must_check int file_lock(struct file *file, enum file_lock_type type,
                         uint64_t offset, uint64_t len, uint64_t deadline_ns);

/* What the open file is; fills *stat. Returns 0, -EIO. */
must_check int file_fstat(struct file *file, struct file_stat *stat);

/* As file_fstat() by path; with `follow` false a link itself is described. */
must_check int file_stat(const char *path, bool follow, struct file_stat *stat);

/*
 * Where a symbolic link points: its length; buf gets that much, cut at `size`,
 * without a NUL. Returns -EINVAL when it is no link, and as file_stat().
 */
must_check int64_t file_read_link(const char *path, char *buf, size_t size);

struct dir_entry {
    uint64_t inode;
    enum file_type type; /* FILE_UNKNOWN when the file system does not say */
    char name[FILE_NAME_MAX + 1];
};

/*
 * The next entry of an open directory. Returns 1 and *entry, 0 at the end,
 * -ENOTDIR, -EIO, -EUCLEAN.
 */
must_check int dir_read(struct file *dir, struct dir_entry *entry);

void file_close(struct file *file);

/* ---- Names that change --------------------------------------------------- */

/*
 * All of these follow symbolic links on the way, but not one that the last
 * component leads to. They return 0, or after nothing has changed an error of
 * the path as file_open(), -EROFS, -ENOSPC, and what they say. A path that ends
 * with "/", "." or ".." names nothing that can be made or removed: -EEXIST,
 * -EISDIR, -EINVAL, -ENOTEMPTY or -EBUSY.
 */

/* Make a directory. Of `mode` the set-user-ID and set-group-ID bits are
 * ignored; the latter comes from its parent. Also -EEXIST, -EMLINK (too many in
 * that one). */
must_check int file_mkdir(const char *path, uint32_t mode);

/* Make a FIFO, a socket, a device or a regular file; `rdev` is the number of a
 * device. Also -EEXIST, -EINVAL (another type). */
must_check int file_make_node(const char *path, enum file_type type,
                              uint32_t mode, uint64_t rdev);

/* Make a symbolic link that leads to `target`, 1 .. FILE_PATH_MAX-1 bytes. Also
 * -EEXIST, -ENOENT (the target is empty). */
must_check int file_symlink(const char *target, const char *path);

/* Let `path` lead to what `old` leads to, a link at its end not followed. Also
 * -EEXIST, -EPERM (a directory), -EMLINK, -EXDEV (another mount). */
must_check int file_link(const char *old, const char *path);

/* Remove a name of something that is no directory (-EISDIR). The file goes when
 * the last name and the last open file have gone. */
must_check int file_unlink(const char *path);

/* Remove an empty directory. Also -ENOTEMPTY, -EBUSY (something is mounted
 * on it). */
must_check int file_rmdir(const char *path);

/*
 * Rename; what has the new name is replaced, or changes places. Two names of
 * one inode stay as they are. Also -EEXIST, -EISDIR, -ENOTEMPTY, -EINVAL (a
 * directory into itself; both flags), -EBUSY (something is mounted on one),
 * -EMLINK, -EXDEV (two mounts).
 */
enum file_rename_flags {
    FILE_RENAME_NOREPLACE = 1, /* -EEXIST when the new name is there */
    FILE_RENAME_EXCHANGE = 2,  /* -ENOENT when it is not there */
};
must_check int file_rename(const char *old, const char *path, unsigned flags);

/* ---- Attributes ---------------------------------------------------------- */

/* Set mode (the low 12 bits of st_mode), owner and group, times. With `follow`
 * false a symbolic link's own. Return as file_stat(), -EROFS. */
must_check int file_chmod(const char *path, bool follow, uint32_t mode);

enum { FILE_SAME_ID = 0xffffffff }; /* it stays as it is */
must_check int file_chown(const char *path, bool follow, uint32_t uid,
                          uint32_t gid);

/* In place of file_time.ns: this very moment; it stays as it is. */
enum { FILE_TIME_NOW = 0x3fffffff, FILE_TIME_OMIT = 0x3ffffffe };
must_check int file_set_times(const char *path, bool follow,
                              struct file_time atime, struct file_time mtime);

/*
 * Extended attributes: names that begin with "user." (of regular files and
 * directories), "trusted." or "security.", with values of up to 64 KiB. With
 * `size` 0 the length is told that a value, or the list of names with a NUL
 * behind each, has. Return the length, or as file_stat(), -ENODATA (there is
 * none of that name), -ERANGE (it is longer than `size`; the name is longer
 * than FILE_NAME_MAX), -ENOTSUP (another name; the file system has none),
 * -EINVAL.
 */
must_check int64_t file_xattr_get(const char *path, bool follow,
                                  const char *name, void *value, size_t size);
must_check int64_t file_xattr_list(const char *path, bool follow, char *names,
                                   size_t size);

/* Set or remove one. Return 0, or as above, -E2BIG, -EEXIST, -EROFS, -ENOSPC
 * (also when those of one file have become too many, in memory 128 KiB),
 * -EPERM (a user's, of something that is neither a file nor a directory). */
enum file_xattr_flags {
    FILE_XATTR_CREATE = 1,  /* -EEXIST if there is one */
    FILE_XATTR_REPLACE = 2, /* -ENODATA if there is none */
};
must_check int file_xattr_set(const char *path, bool follow, const char *name,
                              const void *value, size_t size, unsigned flags);
must_check int file_xattr_remove(const char *path, bool follow,
                                 const char *name);

/* ---- The working directory ----------------------------------------------- */

/*
 * Where paths of the calling thread begin that have no slash in front: the root
 * at first. A thread that is anywhere but at "/" does not move to another CPU.
 * Returns as file_open(), and -EBUSY: it is about to move (thread_move()).
 */
must_check int file_chdir(const char *path);

/* Its path, with NUL. Returns the length without it, -ERANGE (it is longer),
 * -ENOENT (it has been removed, or nothing is mounted), -EIO, -ENOMEM. */
must_check int64_t file_getcwd(char *buf, size_t size);

/* ---- File systems as a whole --------------------------------------------- */

struct file_fs_stat {
    char type[16];        /* "ext2" */
    uint32_t block_bytes; /* 0: the file system does not say, as what follows */
    uint64_t blocks;
    uint64_t blocks_free;
    uint64_t inodes;
    uint64_t inodes_free;
    bool is_read_only;
};

/* What the file system is that `path` is on. Returns as file_stat(). */
must_check int file_stat_fs(const char *path, struct file_fs_stat *stat);

/* Write all that the file system which `path` is on has in memory, and wait
 * until the device has it for good. Returns 0, -EIO, -ENOSPC, -ENOMEM, or as
 * file_stat(). */
must_check int file_sync_mount(const char *path);

/*
 * Let what is mounted at `path` be read-only, or not. Returns 0, -EINVAL
 * (nothing is mounted there), -EBUSY (a file is open for writing, or it was
 * removed and is still open; a call that changes something is under way),
 * -EROFS (it cannot be written), or as file_stat().
 */
must_check int file_remount(const char *path, bool read_only);

/* ---- Memory as a file system --------------------------------------------- */

/* How much it may hold; 0: no limit but the CPU's memory. */
struct memfs_limits {
    uint64_t bytes;  /* of data, in whole pages, and of what names, targets of
                      * links and extended attributes need */
    uint64_t inodes; /* the root is one */
};

/* Mount an empty file system at `path` that lives in the memory of this CPU
 * (NULL: without limits); it is gone when it is unmounted. Returns as
 * file_mount(). */
must_check int file_mount_memory(const char *path,
                                 const struct memfs_limits *limits);

/* ---- FAT ----------------------------------------------------------------- */

/* What the files of a FAT volume, which has neither owners nor modes, are said
 * to be. */
struct fat_options {
    uint32_t uid;
    uint32_t gid;
    uint16_t umask; /* bits that modes do not have; by default 022 */
};

/* As file_mount(), with options. fat_file_system is one of the application's.
 */
must_check int file_mount_fat(struct device *device, const char *path,
                              const struct fat_options *options);

/* ---- Not for the caller -------------------------------------------------- */

/* The ways of file_open(): an image without files that it makes is without the
 * code that makes them. */
must_check int file_open_existing(const char *path, unsigned flags,
                                  struct file **out);
must_check int file_open_changing(const char *path, unsigned flags,
                                  uint32_t mode, struct file **out);

must_check static inline int file_open(const char *path, unsigned flags,
                                       uint32_t mode, struct file **out)
{
    if ((flags & (FILE_CREATE | FILE_EXCLUSIVE | FILE_TRUNCATE)) != 0)
        return file_open_changing(path, flags, mode, out);
    return file_open_existing(path, flags, out);
}

#endif
