/*
 * Files. A file system is mounted on the CPU its disk is dedicated to, and
 * files are opened, read and closed by threads of that CPU.
 */
#ifndef TORC_FILE_H
#define TORC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
    uint64_t inode;
    enum file_type type;
    uint32_t mode; /* the low 12 bits of st_mode */
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes;
    uint64_t blocks;        /* of 512 bytes */
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

/* Unmount. Returns 0, -EINVAL (nothing mounted there), -EBUSY (in use). */
must_check int file_unmount(const char *path);

enum file_open_flags {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_DIRECTORY_ONLY = 4, /* -ENOTDIR for anything else */
    FILE_NOFOLLOW = 8,       /* -ELOOP for a symbolic link */
};

/*
 * Open a file; symbolic links are followed. `path` is absolute. `flags` are of
 * enum file_open_flags. A directory is opened for reading only.
 * Returns 0 and *out, -EINVAL (not absolute), -ENOENT, -ENOTDIR, -EISDIR (a
 * directory, for writing), -EROFS, -ELOOP, -ENAMETOOLONG, -EIO, -EUCLEAN,
 * -ENOMEM.
 */
must_check static inline int file_open(const char *path, unsigned flags,
                                       uint32_t mode, struct file **out);

/* Read at the file's position, or at `offset`; 0 is the end of the file.
 * -EBADF: it is not open for reading. */
must_check int64_t file_read(struct file *file, void *buf, size_t size);
must_check int64_t file_read_at(struct file *file, void *buf, size_t size,
                                uint64_t offset);

/*
 * Set the position, which may be past the end: `offset` is from the begin of
 * the file, from the position, or from the end. Returns the new position,
 * -EINVAL (it would be negative), -EOVERFLOW.
 */
enum file_seek { FILE_SEEK_SET, FILE_SEEK_CUR, FILE_SEEK_END };
int64_t file_seek(struct file *file, int64_t offset, enum file_seek whence);

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

/* ---- Not for the caller -------------------------------------------------- */

/* The ways of file_open(): an image without files that it makes is without the
 * code that makes them. */
must_check int file_open_existing(const char *path, unsigned flags,
                                  struct file **out);

must_check static inline int file_open(const char *path, unsigned flags,
                                       uint32_t mode, struct file **out)
{
    (void)mode;
    return file_open_existing(path, flags, out);
}

#endif
